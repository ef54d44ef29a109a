"""The page about the client is true: its example runs, and it names every argument."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import pytest

from api.posting import post_points
from tests.support.tree import ROOT

PAGE = (ROOT / "docs" / "client.md").read_text(encoding="utf-8")


def test_the_example_runs(demo_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (example,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    assert example.count("http://127.0.0.1:8001") == 1
    monkeypatch.chdir(tmp_path)
    exec(example.replace("http://127.0.0.1:8001", demo_url), {})
    assert len(list((tmp_path / "state").glob("*.json"))) == 1


def test_every_argument_is_told() -> None:
    told = set(re.findall(r"`(\w+)`", PAGE))
    assert set(inspect.signature(post_points).parameters) - {"client"} <= told
