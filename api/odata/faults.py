"""Problems as this door tells them: what was asked, where in which option, and what was probably meant.

The details of such a problem may hold `target` (the option or path segment), `position` (a character of its decoded
value, counted from 0) and `construct` (the part of OData that is not served).
"""

from __future__ import annotations

import difflib
from collections.abc import Generator, Iterable
from contextlib import contextmanager

from api.problems import Problem, problem_from
from engine.errors import EngineError


def syntax_error(message: str, position: int, hint: str = "") -> Problem:
    return Problem("syntax_error", message, hint, {"position": position})


def not_supported(construct: str, position: int | None = None) -> Problem:
    """OData knows the construct, finlake does not answer it yet."""
    details = {"construct": construct} if position is None else {"construct": construct, "position": position}
    return Problem("not_supported", f"finlake does not answer {construct} yet.", details=details)


def limit_exceeded(limit: str, value: int, message: str) -> Problem:
    return Problem("limit_exceeded", message, details={"limit": limit, "value": value})


def invalid_parameter(target: str, message: str, hint: str = "") -> Problem:
    return Problem("invalid_parameter", message, hint, {"target": target})


def near(name: str, candidates: Iterable[str]) -> str:
    """A hint: the candidate that the name is probably a slip of, or else all of them."""
    by_folded = {candidate.lower().lstrip("$"): candidate for candidate in candidates}
    close = difflib.get_close_matches(name.lower().lstrip("$"), by_folded, n=1)
    if close:
        return f"Did you mean {by_folded[close[0]]}?"
    return f"Use one of: {', '.join(by_folded.values())}."


@contextmanager
def at(position: int) -> Generator[None]:
    """Tell where, in errors of the engine that are raised inside."""
    try:
        yield
    except EngineError as error:
        problem = problem_from(error)
        problem.details = {**problem.details, "position": position}
        raise problem from error


@contextmanager
def within(target: str) -> Generator[None]:
    """Tell in which option or segment, in problems that are raised inside and do not say so."""
    try:
        yield
    except (Problem, EngineError) as error:
        problem = problem_from(error)
        problem.details = {"target": target, **problem.details}
        raise problem from error


def unpageable(size: int) -> Problem:
    """Numbers whose last digits are others each time cannot tell where a page ended."""
    return Problem(
        "not_supported",
        "Groups in the order of a standard deviation are answered in one page only.",
        f"Order by something else, or ask for at most {size} with $top.",
        {"target": "$orderby", "construct": "paging by a standard deviation"},
    )
