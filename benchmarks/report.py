"""Lines with targets and verdicts, and RESULTS.md: one section a suite, kept until that suite runs again."""

from __future__ import annotations

import datetime as dt
import os
import platform
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import duckdb
import psutil

HEAD = """# Results

Made by `make bench`. Each section tells when, where and with which command it was made; every figure of a section comes
from that one run. Trust ratios over digits. A missed target is printed as missed.
"""
_SECTION = re.compile(r"^## (\w+)\n", re.MULTILINE)


@dataclass(frozen=True)
class Line:
    """One row of the report; `verdict` is empty where there is no target."""

    what: str
    figure: str
    target: str = ""
    verdict: str = ""

    def text(self) -> str:
        aim = f"  [{self.target}: {self.verdict}]" if self.target else ""
        return f"{self.what}: {self.figure}{aim}"


def at_most(what: str, figure: float, most: float, unit: str) -> Line:
    return Line(what, f"{_number(figure)} {unit}", f"at most {most:,g}", _verdict(figure <= most))


def at_least(what: str, figure: float, least: float, unit: str) -> Line:
    return Line(what, f"{_number(figure)} {unit}", f"at least {least:,}", _verdict(figure >= least))


def _number(figure: float) -> str:
    return f"{figure:,.0f}" if abs(figure) >= 1000 else f"{figure:.2f}"


def _verdict(met: bool) -> str:
    return "met" if met else "MISSED"


def section(suite: str, note: str, command: str, lines: Sequence[Line]) -> str:
    rows = "\n".join(f"| {line.what} | {line.figure} | {line.target} | {line.verdict} |" for line in lines)
    return f"""## {suite}

{note}

`{command}` on {machine()}.

| what | figure | target | verdict |
|---|---|---|---|
{rows}
"""


def merged(before: str, fresh: Mapping[str, str], order: Sequence[str]) -> str:
    """RESULTS.md with fresh sections in the place of those of the same suites; the others stay as they are."""
    parts = _SECTION.split(before)[1:]
    kept = {name: f"## {name}\n{text.rstrip()}\n" for name, text in zip(parts[::2], parts[1::2], strict=True)}
    sections = kept | dict(fresh)
    return "\n".join([HEAD, *(sections[name] for name in order if name in sections)])


def machine() -> str:
    memory = psutil.virtual_memory().total / 2**30
    day = dt.datetime.now(dt.UTC).date()
    return (
        f"{day}: {os.cpu_count()} cores, {memory:.0f} GiB, {platform.system()} {platform.machine()}, "
        f"Python {platform.python_version()}, DuckDB {duckdb.__version__}"
    )
