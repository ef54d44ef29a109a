"""Plan + ScanFiles -> Statement, and an analyst's SQL -> Statement. The only importer of sqlglot."""

from engine.lower.analyst import Selection, lower_selection, read_selection
from engine.lower.presorted import in_order
from engine.lower.statement import SORT_PREFIX, Statement, check_readable, lower
from engine.lower.templates import Templates

__all__ = [
    "SORT_PREFIX",
    "Selection",
    "Statement",
    "Templates",
    "check_readable",
    "in_order",
    "lower",
    "lower_selection",
    "read_selection",
]
