"""Plan + ScanFiles -> Statement. The only importer of sqlglot."""

from engine.lower.statement import SORT_PREFIX, Statement, check_readable, lower

__all__ = ["SORT_PREFIX", "Statement", "check_readable", "lower"]
