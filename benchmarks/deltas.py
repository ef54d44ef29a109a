"""Deltas of five percent on the full lake: the next vintage of its last months, of every series."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.dataset import Dataset
from benchmarks.lake import Lake, serving
from benchmarks.posting import Body, arrow_body, post_all

SHARE = 0.05
REQUESTS = 2


def restored_with_deltas(lake: Lake) -> int:
    """Put the lake back and post the deltas; how many rows it then holds."""
    bodies = list(_bodies(lake.dataset))
    with serving(lake.restore(), maintenance=False) as service:
        post_all(service, bodies)
    return lake.dataset.rows + sum(body.points for body in bodies)


def _bodies(dataset: Dataset) -> Iterator[Body]:
    months = round(dataset.months * dataset.vintages * SHARE)
    each = months // REQUESTS
    for start in range(dataset.months - months, dataset.months, each):
        vintage = range(dataset.vintages, dataset.vintages + 1)
        yield arrow_body(dataset.table(range(dataset.series), range(start, start + each), vintage))
