"""The examples of docs/graphql.md run, in their order, on the demonstration data."""

from __future__ import annotations

import re
from pathlib import Path

from api.demo import gdp
from tests.support.graphql_door import GraphQLDoor
from tests.support.tree import ROOT
from tests.support.warehouse import warehouse

EXAMPLES = re.findall(r"```graphql\n(.*?)```", (ROOT / "docs" / "graphql.md").read_text("utf-8"), re.DOTALL)


def test_the_examples_run(tmp_path: Path) -> None:
    with warehouse(tmp_path / "lake") as lake:
        lake.write(gdp.document(), "atomic")
        door = GraphQLDoor(lake.engine, lake.writer)
        answers = [door.data(example) for example in EXAMPLES]
    assert len(answers) == 12
    assert answers[1]["series"]["then"] != answers[1]["series"]["later"]
    assert [row["value"] for row in answers[2]["series"]["revisions"]] == ["4.9", "5.2", "4.9"]
    assert answers[-1]["bulkUpsertDataPoints"]["failures"] == []
