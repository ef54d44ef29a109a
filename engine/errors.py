"""What can go wrong with a question.

EngineError
├── QueryError            the question is wrong: fix it
│   ├── UnknownTable
│   ├── UnknownColumn
│   ├── UnknownFunction
│   ├── WrongType
│   ├── InvalidLiteral
│   ├── InvalidPage
│   ├── NumericOverflow   a number of the answer has more digits than a decimal holds
│   ├── InvalidSql
│   ├── SqlNotAllowed     the SQL names something that finlake does not serve
│   ├── SqlTooLarge       a limit of the SQL door is passed
│   └── QueryTooLarge     it would read more than a statement may
├── NotSupported          the question is right, but finlake does not answer it yet
├── QueryTimeout          the question took longer than its limit: narrow it, or ask again
├── ExecutionFailed       the database failed: ask again, then report it
│   └── MemoryExceeded    the question needs more memory than a query may use: narrow it
└── ScanRefused           the files hold something that the engine cannot honour: never a short answer

Each class has a stable code. The message says what happened, the hint what the caller should do.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar


class EngineError(Exception):
    code: ClassVar[str] = "engine_error"

    def __init__(self, message: str, hint: str = "", **details: object) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.details: Mapping[str, object] = details


class QueryError(EngineError):
    code = "invalid_query"


class UnknownTable(QueryError):
    code = "unknown_table"


class UnknownColumn(QueryError):
    code = "unknown_column"


class UnknownFunction(QueryError):
    code = "unknown_function"


class WrongType(QueryError):
    code = "wrong_type"


class InvalidLiteral(QueryError):
    code = "invalid_literal"


class InvalidPage(QueryError):
    code = "invalid_page"


class NumericOverflow(QueryError):
    code = "numeric_overflow"


class InvalidSql(QueryError):
    code = "invalid_sql"


class SqlNotAllowed(QueryError):
    code = "sql_not_allowed"


class SqlTooLarge(QueryError):
    code = "limit_exceeded"


class QueryTooLarge(QueryError):
    code = "limit_exceeded"


class NotSupported(EngineError):
    code = "not_supported"


class QueryTimeout(EngineError):
    code = "query_timeout"


class ExecutionFailed(EngineError):
    code = "execution_failed"


class MemoryExceeded(ExecutionFailed):
    code = "memory_exceeded"


class ScanRefused(EngineError):
    code = "scan_refused"
