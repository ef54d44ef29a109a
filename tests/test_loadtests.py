"""The load tests: budgets are read strictly, verdicts follow from the counts, and a short run is a real one."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from loadtests.budgets import BUDGETS, Budget, read_budgets
from loadtests.report import page
from loadtests.run import LOCUSTFILE, main
from loadtests.verdicts import Counted, Verdict, read_counted, verdicts
from tests.support.tree import ROOT

BUDGET = Budget(p50_ms=10, p95_ms=20, p99_ms=30, error_share=0.01)
GOOD = """
[bi]
users = ["Refresher"]
count = 2
[bi.requests."odata: metadata"]
p50_ms = 10_000
p95_ms = 10_000
p99_ms = 10_000
error_share = 0.0
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "budgets.toml"
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("count = 2", "count = 2\nseconds = 3", "unknown field `seconds`"),
        ("p50_ms", "p51_ms", "p51_ms"),
        ("p99_ms = 10_000\n", "", "missing required field `p99_ms`"),
        ("error_share = 0.0", "error_share = 1.5", "<= 1"),
        ("p95_ms = 10_000", "p95_ms = 0", "> 0"),
        ("count = 2", "count = 0", ">= 1"),
    ],
)
def test_budgets_are_read_strictly(tmp_path: Path, before: str, after: str, said: str) -> None:
    assert read_budgets(written(tmp_path, GOOD))["bi"].requests["odata: metadata"].p50_ms == 10_000
    with pytest.raises(msgspec.ValidationError, match=said):
        read_budgets(written(tmp_path, GOOD.replace(before, after, 1)))


def test_every_audience_has_budgets_and_every_name_of_a_user_exists() -> None:
    """The locustfile is parsed, as importing it would patch the sockets and threads of the other tests."""
    tree = ast.parse(LOCUSTFILE.read_text())
    classes = {node.name for node in tree.body if isinstance(node, ast.ClassDef)}
    scenarios = read_budgets()
    assert set(scenarios) == {"bi", "dashboard", "crawler", "mixed"}
    assert {user for scenario in scenarios.values() for user in scenario.users} == classes
    assert scenarios["mixed"].users == ("Refresher", "Dashboard", "Crawler")


def test_verdicts_follow_from_the_counts() -> None:
    entry = Counted("a", num_requests=100, num_failures=1, response_times={10: 50, 15: 44, 21: 1, 30: 4, 900: 1})
    assert verdicts({"a": BUDGET}, [entry]) == [
        Verdict("a", "p50 ms", 10, 10),
        Verdict("a", "p95 ms", 21, 20),
        Verdict("a", "p99 ms", 30, 30),
        Verdict("a", "error share", 0.01, 0.01),
    ]
    assert [verdict.met for verdict in verdicts({"a": BUDGET}, [entry])] == [True, False, True, True]
    assert Verdict("a", "p95 ms", 21, 20).text() == "a, p95 ms: 21 [at most 20: MISSED]"


def test_what_was_not_asked_and_what_has_no_budget_are_misses() -> None:
    stranger = Counted("b", num_requests=1, num_failures=0, response_times={1: 1})
    found = verdicts({"a": BUDGET}, [stranger])
    assert [(verdict.request, verdict.met) for verdict in found] == [("a", False)] * 4 + [("b", False)]
    assert found[0].text() == "a, p50 ms: never asked [at most 10: MISSED]"
    assert found[-1].text() == "b, requests: 1 [no budget: MISSED]"


def test_locusts_statistics_are_understood() -> None:
    """JSON has texts for keys, and entries have more than is needed."""
    content = b'[{"name": "a", "method": "GET", "num_requests": 3, "num_failures": 0, "response_times": {"7": 3}}]'
    assert read_counted(content) == [Counted("a", 3, 0, {7: 3})]


def test_the_report_needs_no_network_and_marks_a_miss() -> None:
    text = page("Load", {"bi": [Verdict("<a>", "p50 ms", 5, 10), Verdict("<a>", "p95 ms", 30, 20)]})
    assert "&lt;a&gt;, p50 ms" in text
    assert (text.count("<rect"), text.count(">met<"), text.count(">MISSED<")) == (2, 1, 1)
    assert "://" not in text


def test_a_short_run_of_all_audiences_counts_every_request(tmp_path: Path) -> None:
    """Against a service of its own, as crawlers write. Budgets that no machine misses: what is tried is the running."""
    wide = re.sub(r"_ms = \d+", "_ms = 60000", BUDGETS.read_text())
    budgets = written(tmp_path, wide)
    command = [
        sys.executable,
        "-m",
        "loadtests.run",
        "mixed",
        "--seconds",
        "10",
        "--budgets",
        budgets,
        "--output",
        tmp_path,
    ]
    done = subprocess.run([str(word) for word in command], cwd=ROOT, capture_output=True, text=True, check=False)
    assert "error share: 0 [at most 0: met]" in done.stdout, done.stderr
    assert "no budget" not in done.stdout
    missed = [line for line in done.stdout.splitlines() if "MISSED" in line]
    assert (done.returncode, missed) == (0, []), done.stdout
    assert "<rect" in (tmp_path / "index.html").read_text()
    assert (tmp_path / "mixed.html").is_file()


def test_a_miss_is_an_exit_status(demo_url: str, tmp_path: Path) -> None:
    tight = written(tmp_path, GOOD.replace("p50_ms = 10_000", "p50_ms = 0.001"))
    assert main(["--seconds", "2", "--host", demo_url, "--budgets", str(tight), "--output", str(tmp_path)]) == 1
