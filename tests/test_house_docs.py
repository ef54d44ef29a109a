"""The reference pages are complete: every problem, setting and command is in them, and nothing else is.

Their tables are written by `make accept`; the prose around them is not touched.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import click
import pytest
import typer.main
from pydantic_settings import BaseSettings

from api.cli import app
from api.config import Settings
from api.limits import Limits
from api.problems import PROBLEMS
from api.writing import ROW_FAULTS
from tests.support.tree import ROOT

DOCS = ROOT / "docs"


def _table(header: tuple[str, ...], rows: Iterable[tuple[object, ...]]) -> str:
    lines = [header, tuple("---" for _ in header), *rows]
    return "\n".join("| " + " | ".join(str(cell).replace("|", "\\|") for cell in line) + " |" for line in lines)


def _errors() -> str:
    rows = ((f"`{code}`", entry.status, entry.hint) for code, entry in PROBLEMS.items())
    return _table(("code", "status", "what to do"), rows)


def _row_faults() -> str:
    return _table(("code", "what it says"), ((f"`{code}`", says) for code, says in ROW_FAULTS.items()))


def _settings(kind: type[BaseSettings]) -> str:
    rows = (
        (f"`FINLAKE_{name.upper()}`", f"`{_shown(field.default)}`", field.description)
        for name, field in kind.model_fields.items()
    )
    return _table(("variable", "default", "what it sets"), rows)


def _shown(default: Any) -> str:
    return str(default).lower() if isinstance(default, bool) else str(default) or " "


def _commands() -> str:
    group = typer.main.get_command(app)
    assert isinstance(group, click.Group) or hasattr(group, "commands")
    rows = [
        (f"`finlake {name}`", _option(parameter), getattr(parameter, "help", "") or "", _default(parameter))
        for name, command in group.commands.items()
        for parameter in (*command.params,)
    ]
    bare = [
        (f"`finlake {name}`", "", command.help, "") for name, command in group.commands.items() if not command.params
    ]
    return _table(("command", "argument", "meaning", "default"), bare + rows)


def _option(parameter: Any) -> str:
    return f"`{parameter.opts[0]}`" if parameter.param_type_name == "option" else f"`{parameter.name.upper()}...`"


def _default(parameter: Any) -> str:
    return "" if parameter.default in {None, False} else f"`{parameter.default}`"


SECTIONS = [
    ("errors.md", "problems", _errors),
    ("errors.md", "row faults", _row_faults),
    ("settings.md", "settings", lambda: _settings(Settings)),
    ("settings.md", "limits", lambda: _settings(Limits)),
    ("cli.md", "commands", _commands),
]


@pytest.mark.parametrize(("page", "section", "make"), SECTIONS, ids=[section for _, section, _ in SECTIONS])
def test_the_reference_is_total(page: str, section: str, make: Any, accept: bool) -> None:
    path = DOCS / page
    text = path.read_text(encoding="utf-8")
    wanted = f"<!-- {section} -->\n{make()}\n<!-- end of {section} -->"
    pattern = re.compile(rf"<!-- {section} -->\n.*?<!-- end of {section} -->", re.DOTALL)
    found = pattern.search(text)
    assert found, f"{page} has no section {section}"
    if accept:
        path.write_text(pattern.sub(lambda _: wanted, text), encoding="utf-8")
    else:
        assert found[0] == wanted, "Run make accept, and read the diff."


def test_every_variable_named_anywhere_exists() -> None:
    known = {f"FINLAKE_{name.upper()}" for kind in (Settings, Limits) for name in kind.model_fields}
    for path in (ROOT / "README.md", *DOCS.rglob("*.md"), ROOT / "Makefile"):
        named = set(re.findall(r"FINLAKE_[A-Z_]*[A-Z]", path.read_text(encoding="utf-8")))
        assert named <= known, (path.name, named - known)


@pytest.mark.parametrize(
    "page", [ROOT / "README.md", ROOT / "ARCHITECTURE.md", *sorted(DOCS.glob("*.md"))], ids=lambda p: p.name
)
def test_relative_links_lead_somewhere(page: Path) -> None:
    links = re.findall(r"\]\((?!https?:|#)([^)#]+)", page.read_text(encoding="utf-8"))
    assert not [link for link in links if not (page.parent / link).exists()]
