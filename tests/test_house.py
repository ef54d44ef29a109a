"""The tidy test: sizes that may only fall, and what must never be written into the project."""

from __future__ import annotations

import ast
import re
import subprocess
import warnings
from pathlib import Path

import pytest
import yaml

from tests.support.tree import ROOT, python_files, tracked_files

FUNCTION_LINES_MAX = 70
MODULE_LINES_MAX = 450
MODULE_LINES_WARNED = 300
SOURCE = ("api", "engine", "catalog")

# Written with brackets, so that this file does not hold what it looks for.
_REGISTRY_HOSTS = r"p[y]pi[.]or[g]|pythonhoste[d][.]|regist[r]y[.]npm|repo1?[.]mave[n]|crate[s][.]io|prox[y][.]golan[g]"
_MACHINE_PATHS = r"""(?<![\w.])/(?:wor[k]|roo[t]|hom[e]|User[s])/\w"""
_UNFINISHED = r"\bT[O]DO\b|\bFIXM[E]\b|\bXX[X]\b|\bNotImplemente[d]Error\b|pytest\.mark\.(?:ski[p]|xfai[l])\("
_IGNORES = re.compile(r"#\s*(?:pyright:\s*ignore|type:\s*ignore)")


def _ratchet(text: str) -> dict[str, int]:
    return yaml.safe_load(text)


def _lines(path: Path) -> int:
    return len(path.read_text(encoding="utf-8").splitlines())


def _functions(path: Path) -> list[tuple[str, int]]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    found = (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))
    return [(node.name, (node.end_lineno or node.lineno) - node.lineno + 1) for node in found]


def _name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def _sources() -> list[Path]:
    return [path for path in python_files() if path.relative_to(ROOT).parts[0] in SOURCE]


@pytest.fixture(scope="module")
def ratchet() -> dict[str, int]:
    return _ratchet((ROOT / "tests" / "ratchet.yaml").read_text())


def test_no_function_is_longer_than_a_screen(ratchet: dict[str, int]) -> None:
    limit = min(FUNCTION_LINES_MAX, ratchet["function_lines_max"])
    long = {f"{_name(p)}:{name}": n for p in python_files() for name, n in _functions(p) if n > limit}
    assert not long


def test_no_module_is_too_long(ratchet: dict[str, int]) -> None:
    sizes = {_name(path): _lines(path) for path in python_files()}
    limit = min(MODULE_LINES_MAX, ratchet["module_lines_max"])
    assert not {name: n for name, n in sizes.items() if n > limit}
    warned = {name: n for name, n in sizes.items() if n > MODULE_LINES_WARNED}
    if warned:
        warnings.warn(f"modules over {MODULE_LINES_WARNED} lines: {warned}", stacklevel=1)
    assert len(warned) <= ratchet["modules_over_300_lines"], warned


def test_type_errors_are_not_silenced_more_often(ratchet: dict[str, int]) -> None:
    count = sum(len(_IGNORES.findall(path.read_text(encoding="utf-8"))) for path in _sources())
    assert count <= ratchet["type_ignores"]


def test_the_ratchet_is_never_loosened(ratchet: dict[str, int]) -> None:
    shown = subprocess.run(["git", "show", "HEAD:tests/ratchet.yaml"], cwd=ROOT, capture_output=True, check=False)
    if shown.returncode:
        pytest.skip("There is no earlier commit to compare with.")
    before = _ratchet(shown.stdout.decode())
    assert not {name: (before[name], n) for name, n in ratchet.items() if n > before.get(name, n)}
    assert set(before) <= set(ratchet)


@pytest.mark.parametrize("pattern", [_REGISTRY_HOSTS, _MACHINE_PATHS], ids=["registry hosts", "paths of a machine"])
def test_no_file_holds(pattern: str) -> None:
    assert not _matches(pattern, tracked_files())


def test_nothing_says_that_it_is_unfinished() -> None:
    assert not _matches(_UNFINISHED, python_files())


def test_every_package_has_its_marker() -> None:
    folders = {path.parent for path in _sources()}
    assert not [_name(folder) for folder in folders if not (folder / "__init__.py").exists()]


def _matches(pattern: str, paths: list[Path]) -> list[str]:
    search = re.compile(pattern)
    return [
        f"{_name(path)}:{number}: {line.strip()[:100]}"
        for path in paths
        for number, line in enumerate(path.read_text(encoding="utf-8", errors="ignore").splitlines(), 1)
        if search.search(line)
    ]
