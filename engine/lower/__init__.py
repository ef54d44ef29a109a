"""Plan + ScanFiles -> Statement, and an analyst's SQL -> Statement. The only importer of sqlglot."""

from engine.lower.analyst import Selection, lower_selection, read_selection
from engine.lower.groups import OVERFLOW
from engine.lower.statement import SORT_PREFIX, Statement, check_readable, lower
from engine.lower.templates import Templates

__all__ = [
    "OVERFLOW",
    "SORT_PREFIX",
    "Selection",
    "Statement",
    "Templates",
    "check_readable",
    "lower",
    "lower_selection",
    "read_selection",
]
