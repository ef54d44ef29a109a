"""`make bench`: runs suites, prints a line a figure, and writes one section of RESULTS.md for each.

Targets are those of the issues that asked for them; a missed one is printed as missed, never hidden. A run that leaves
out cases or shortens them is printed only.
"""

from __future__ import annotations

import argparse
import shlex
import signal
import sys
from collections.abc import Callable, Sequence

from benchmarks import crawlers, ingest, maintenance, reads, vintages
from benchmarks.dataset import Dataset
from benchmarks.lake import full_lake
from benchmarks.options import Options
from benchmarks.report import Line, merged, section
from tests.support.tree import ROOT

RESULTS = ROOT / "benchmarks" / "RESULTS.md"

SUITES: dict[str, tuple[Callable[[Options], list[Line]], str]] = {
    "vintages": (vintages.run, vintages.NOTE),
    "ingest": (ingest.run, ingest.NOTE),
    "crawlers": (crawlers.run, crawlers.NOTE),
    "maintenance": (maintenance.run, maintenance.NOTE),
    "reads": (reads.run, reads.NOTE),
}
CASES = (*ingest.CASES, *crawlers.CASES, *maintenance.CASES, *reads.CASES)


def main(arguments: Sequence[str] | None = None) -> None:
    # As an exception, so that no service is left behind.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    given = _parser().parse_args(arguments)
    options = Options(tuple(given.only), tuple(given.lake), given.seconds, given.series, given.ten_times)
    if given.rebuild:
        full_lake(Dataset(), rebuild=True)
    for name in given.suites or SUITES:
        run, note = SUITES[name]
        sys.stdout.write(f"== {name}\n")
        lines = run(options)
        if options.whole:
            fresh = {name: section(name, note, _command(name, options), lines)}
            RESULTS.write_text(merged(RESULTS.read_text() if RESULTS.is_file() else "", fresh, tuple(SUITES)))


def _command(suite: str, options: Options) -> str:
    return f"make bench ARGS={shlex.quote(suite + ' --ten-times' * options.ten_times)}"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.run", description=__doc__)
    parser.add_argument("suites", nargs="*", choices=[[], *SUITES], default=[], help="all, where none is named")
    parser.add_argument("--only", action="append", default=[], choices=CASES, help="a case; may be given often")
    parser.add_argument("--lake", action="append", default=[], choices=ingest.LAKES, help="of the cases of ingest")
    parser.add_argument("--seconds", type=int, default=Options.seconds, help="length of each run of crawlers")
    parser.add_argument("--series", type=int, default=Options.series, help="of the lake of reads")
    parser.add_argument("--ten-times", action="store_true", help="reads: build and ask a lake of 200,000 series too")
    parser.add_argument("--rebuild", action="store_true", help="load the full lake anew, with the present code")
    return parser


if __name__ == "__main__":
    main()
