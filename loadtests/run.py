"""`make loadtest`: runs the scenarios of budgets.toml one after another and prints a verdict a line.

Without `--host` it starts a service of its own over a scratch lake with the demonstration data. The report is
index.html in the output folder. The exit status is 1 where a budget was missed.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path

from api.client import Client
from api.demo import tour
from loadtests.budgets import BUDGETS, Scenario, read_budgets
from loadtests.report import page
from loadtests.verdicts import Verdict, read_counted, verdicts
from tests.support.server import running_server
from tests.support.tree import ROOT

LOCUSTFILE = Path(__file__).with_name("locustfile.py")
OUTPUT = ROOT / "build" / "loadtest"
SECONDS = 30


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit status."""
    given = _parser().parse_args(arguments)
    scenarios = read_budgets(given.budgets)
    found: dict[str, list[Verdict]] = {}
    with _host(given.host) as host:
        for name in given.scenarios or scenarios:
            sys.stdout.write(f"== {name}\n")
            found[name] = _measured(name, scenarios[name], host, given.seconds, given.output)
            sys.stdout.writelines(f"{verdict.text()}\n" for verdict in found[name])
    report = given.output / "index.html"
    report.write_text(page("finlake load test", found))
    sys.stdout.write(f"Report: {report}\n")
    return 0 if all(verdict.met for each in found.values() for verdict in each) else 1


@contextmanager
def _host(given: str | None) -> Generator[str]:
    """The service that was named, else one of our own that ends with the block."""
    if given:
        yield given
        return
    with tempfile.TemporaryDirectory() as folder, running_server(Path(folder) / "lake", log_level="warning") as url:
        with Client(url) as client:
            tour.load_if_empty(client)
        yield url


def _measured(name: str, scenario: Scenario, host: str, seconds: int, output: Path) -> list[Verdict]:
    output.mkdir(parents=True, exist_ok=True)
    _run_locust(scenario, host, seconds, output / name)
    return verdicts(scenario.requests, read_counted((output / f"{name}.json").read_bytes()))


def _run_locust(scenario: Scenario, host: str, seconds: int, target: Path) -> None:
    """Leaves locust's statistics in target.json and its page in target.html. Failed requests are ours to judge."""
    options = {
        "--locustfile": LOCUSTFILE,
        "--host": host,
        "--users": scenario.count,
        "--spawn-rate": scenario.count,
        "--run-time": f"{seconds}s",
        "--json-file": target,
        "--html": target.with_suffix(".html"),
        "--exit-code-on-error": 0,
        "--loglevel": "ERROR",
    }
    words = [str(word) for option in options.items() for word in option]
    command = [sys.executable, "-m", "locust", "--headless", *words, *scenario.users]
    done = subprocess.run(command, capture_output=True, check=False)
    if done.returncode:
        raise RuntimeError(f"locust failed: {done.stderr.decode()[-2000:]}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m loadtests.run", description=__doc__)
    parser.add_argument("scenarios", nargs="*", help="names in the budgets; all, where none is given")
    parser.add_argument("--host", help="a running service; the crawlers' series stay in its lake")
    parser.add_argument("--seconds", type=int, default=SECONDS, help="length of each scenario")
    parser.add_argument("--budgets", type=Path, default=BUDGETS)
    parser.add_argument("--output", type=Path, default=OUTPUT)
    return parser


if __name__ == "__main__":
    sys.exit(main())
