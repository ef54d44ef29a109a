"""Plan + ScanFiles -> Statement. The only importer of sqlglot."""

from engine.lower.statement import SORT_PREFIX, Statement, check_readable, lower
from engine.lower.templates import Templates

__all__ = ["SORT_PREFIX", "Statement", "Templates", "check_readable", "lower"]
