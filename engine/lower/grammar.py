"""What an analyst's SQL may be made of: a list of what is allowed, so that what nobody thought of is refused.

A node of a kind that is not listed is refused by its name. Of listed kinds that have parts which are no nodes (types,
units, kinds of joins), the parts are listed too.
"""

from __future__ import annotations

from sqlglot import exp

from engine.errors import SqlNotAllowed

_QUERIES = (
    exp.Select, exp.Union, exp.Intersect, exp.Except, exp.With, exp.CTE, exp.From, exp.Join, exp.Table, exp.Subquery,
    exp.TableAlias, exp.Where, exp.Group, exp.Rollup, exp.Cube, exp.GroupingSets, exp.Having, exp.Qualify, exp.Order,
    exp.Ordered, exp.Limit, exp.Offset, exp.Distinct, exp.Star, exp.Alias, exp.Identifier, exp.Column, exp.Tuple,
)  # fmt: skip
_VALUES = (
    exp.Literal, exp.Boolean, exp.Null, exp.Placeholder, exp.Paren, exp.Cast, exp.TryCast, exp.DataType,
    exp.DataTypeParam, exp.Interval, exp.Var, exp.Case, exp.If,
)  # fmt: skip
_OPERATORS = (
    exp.And, exp.Or, exp.Not, exp.EQ, exp.NEQ, exp.LT, exp.LTE, exp.GT, exp.GTE, exp.NullSafeEQ, exp.NullSafeNEQ,
    exp.Is, exp.In, exp.Between, exp.Exists, exp.Any, exp.All, exp.Like, exp.ILike, exp.Escape, exp.Add, exp.Sub,
    exp.Mul, exp.Div, exp.IntDiv, exp.Mod, exp.Pow, exp.Neg, exp.DPipe,
)  # fmt: skip
_AGGREGATES = (
    exp.Count, exp.CountIf, exp.Sum, exp.Avg, exp.Min, exp.Max, exp.Stddev, exp.StddevSamp, exp.StddevPop,
    exp.Variance, exp.VariancePop, exp.Median, exp.PercentileCont, exp.PercentileDisc, exp.WithinGroup, exp.Mode,
    exp.Corr, exp.CovarPop, exp.CovarSamp, exp.RegrSlope, exp.RegrIntercept, exp.RegrR2, exp.RegrCount, exp.First,
    exp.Last, exp.AnyValue, exp.ArgMin, exp.ArgMax, exp.LogicalAnd, exp.LogicalOr, exp.Skewness, exp.Kurtosis,
    exp.ApproxDistinct, exp.GroupConcat, exp.Filter,
)  # fmt: skip
_WINDOWS = (
    exp.Window, exp.WindowSpec, exp.IgnoreNulls, exp.RespectNulls, exp.Lag, exp.Lead, exp.FirstValue, exp.LastValue,
    exp.NthValue, exp.RowNumber, exp.Rank, exp.DenseRank, exp.PercentRank, exp.CumeDist, exp.Ntile,
)  # fmt: skip
_DATES = (
    exp.TimestampTrunc, exp.DateTrunc, exp.DateDiff, exp.DateAdd, exp.Extract, exp.Year, exp.Month, exp.Quarter,
    exp.Day, exp.Week, exp.DayOfWeek, exp.DayOfYear, exp.Hour, exp.Minute, exp.Second, exp.LastDay, exp.DateFromParts,
    exp.TimeToStr, exp.StrToTime, exp.CurrentDate, exp.CurrentTimestamp, exp.TimeToUnix, exp.Monthname, exp.Dayname,
    exp.AtTimeZone,
)  # fmt: skip
_SCALARS = (
    exp.Coalesce, exp.Nullif, exp.Greatest, exp.Least, exp.Round, exp.Abs, exp.Ceil, exp.Floor, exp.Sign, exp.Sqrt,
    exp.Cbrt, exp.Ln, exp.Log, exp.Exp, exp.Trunc, exp.IsNan, exp.IsInf, exp.Sin, exp.Cos, exp.Pi, exp.Upper, exp.Lower,
    exp.Trim, exp.Length, exp.Substring, exp.Left, exp.Right, exp.Replace, exp.Concat, exp.ConcatWs, exp.StrPosition,
    exp.Contains, exp.StartsWith, exp.EndsWith, exp.RegexpLike, exp.RegexpReplace, exp.RegexpExtract, exp.SplitPart,
    exp.Reverse,
)  # fmt: skip
_ALLOWED: frozenset[type[exp.Expr]] = frozenset(
    (*_QUERIES, *_VALUES, *_OPERATORS, *_AGGREGATES, *_WINDOWS, *_DATES, *_SCALARS)
)
# Functions that sqlglot has no kind of its own for.
_NAMED = frozenset(
    ("date_part", "date_sub", "datesub", "isoyear", "now", "isfinite", "product", "geomean", "mad", "datepart")
)
AS_OF_TABLE = "data_points_as_of"
_UNITS = frozenset(
    part + ending
    for part in ("MICROSECOND", "MILLISECOND", "SECOND", "MINUTE", "HOUR", "DAY", "WEEK", "MONTH", "QUARTER", "YEAR")
    for ending in ("", "S")
) | {"DECADE", "CENTURY", "DOW", "ISODOW", "DOY", "ISOYEAR", "EPOCH"}
_TYPES = frozenset(
    ("BIGINT", "BOOLEAN", "DATE", "DECIMAL", "DOUBLE", "FLOAT", "INT", "INT128", "INTERVAL", "SMALLINT", "TEXT", "TIME",
     "TIMESTAMP", "TIMESTAMPTZ", "TINYINT", "UBIGINT", "UINT", "VARCHAR")
)  # fmt: skip
_PARTS: dict[type[exp.Expr], frozenset[str]] = {
    exp.Table: frozenset(("this", "alias")),
    exp.Column: frozenset(("this", "table")),
    exp.Join: frozenset(("this", "on", "using", "side", "kind", "method")),
    exp.With: frozenset(("expressions",)),
    exp.CTE: frozenset(("this", "alias", "materialized")),
    exp.Select: frozenset(
        ("with_", "expressions", "distinct", "from_", "joins", "where", "group", "having", "qualify", "windows")
    )
    | {"order", "limit", "offset"},
    exp.Subquery: frozenset(("this", "alias", "with_", "order", "limit", "offset")),
}
_JOIN_METHODS = frozenset(("", "ASOF"))


def check_allowed(tree: exp.Expr) -> None:
    """Raises SqlNotAllowed for the first part that is not listed."""
    for node in tree.walk():
        kind = type(node)
        if isinstance(node, exp.Anonymous):
            _check_function(node)
        elif kind not in _ALLOWED:
            raise refused(_shown(node))
        if kind in _PARTS:
            _check_parts(node)
        _check_words(node)


def refused(construct: str) -> SqlNotAllowed:
    return SqlNotAllowed(
        f"{construct} is not served.",
        "Send one SELECT over the logical tables, with the functions that the documentation lists.",
        construct=construct,
    )


def _shown(node: exp.Expr) -> str:
    return f"{'The function ' if isinstance(node, exp.Func) else ''}{node.key.upper()}"


def _check_function(node: exp.Anonymous) -> None:
    name = str(node.name)
    is_table = isinstance(node.parent, exp.Table)
    if name.lower() not in ({AS_OF_TABLE} if is_table else _NAMED):
        raise refused(f"The function {name[:80]}")


def _check_parts(node: exp.Expr) -> None:
    for name, part in node.args.items():
        if part and name not in _PARTS[type(node)]:
            raise refused(f"{node.key.upper()} with {name.strip('_').upper()}")


def _check_words(node: exp.Expr) -> None:
    """The parts that are words, which sqlglot prints as they are."""
    match node:
        case exp.Var():
            if str(node.this).upper() not in _UNITS | {"ALL"}:
                raise refused(f"The word {str(node.this)[:80]}")
        case exp.DataType():
            if node.this.value not in _TYPES or node.args.get("nested"):
                raise refused(f"The type {node.this.value}")
        case exp.Join():
            if str(node.args.get("method") or "") not in _JOIN_METHODS:
                raise refused(f"{node.args['method']} JOIN")
        case exp.Star():
            if node.args.get("rename"):
                raise refused("RENAME")
        case _:
            pass
