"""Query parameters: an unknown one is refused, so that a misspelt knowledge date never serves revised values."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from difflib import get_close_matches

from api.problems import Problem


def check_names(given: Iterable[tuple[str, str]], known: Sequence[str]) -> None:
    """Raises Problem `unknown_parameter`, with the nearest known name, or `invalid_parameter` for a repetition."""
    seen: set[str] = set()
    for name, _ in given:
        if name not in known:
            raise unknown_parameter(name, known)
        if name in seen:
            raise Problem("invalid_parameter", f"The parameter {name!r:.80} is given twice.", "Give it once.")
        seen.add(name)


def unknown_parameter(name: str, known: Sequence[str]) -> Problem:
    message = f"There is no parameter {name!r:.80}."
    return Problem("unknown_parameter", message, nearest_name(name, known), {"parameter": name[:80]})


def nearest_name(name: str, known: Sequence[str]) -> str:
    """A hint for a name that is none of those known."""
    nearest = get_close_matches(name[:80].lower(), known, n=1)
    return f"Did you mean {nearest[0]!r}?" if nearest else f"Use one of: {', '.join(known) or 'none'}."
