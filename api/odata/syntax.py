"""What an expression says, before anybody asks whether its names exist: the tree between parser and compiler.

Every node knows its `position` in the source. `height` is the longest way down from it; the parser bounds it, so
that later stages may recurse.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from api.odata.lexer import Kind


@dataclass(frozen=True, slots=True)
class Constant:
    """A literal as it was written. Kind.NAME is one of true, false, null, INF, NaN."""

    kind: Kind
    text: str
    position: int
    height: int = 1


@dataclass(frozen=True, slots=True)
class Argument:
    """One entry between parentheses; `name` where it was written `name=value`."""

    name: str | None
    value: Node


@dataclass(frozen=True, slots=True)
class Lambda:
    """The inside of `any(x:condition)`, or of `any()`."""

    variable: str | None
    condition: Node | None


@dataclass(frozen=True, slots=True)
class Segment:
    """One step of a path: a name, `$it`, `@annotation`; with what stood in parentheses behind it.

    `arguments` is None without parentheses. The nested options of `$count($filter=..)` are read over, not kept.
    """

    name: str
    position: int
    arguments: tuple[Argument, ...] | Lambda | None = None


@dataclass(frozen=True, slots=True)
class Path:
    """`title`, `Series/title`, `year(date)`, `Points/any(p:p/value gt 1)`, `@alias`."""

    segments: tuple[Segment, ...]
    position: int
    height: int = 1


@dataclass(frozen=True, slots=True)
class Junction:
    """`and` or `or` over all terms of a chain."""

    operator: str
    terms: tuple[Node, ...]
    position: int
    height: int


@dataclass(frozen=True, slots=True)
class Binary:
    """A comparison, `has`, or arithmetic; `operator` in lower case, `position` that of the operator."""

    operator: str
    left: Node
    right: Node
    position: int
    height: int


@dataclass(frozen=True, slots=True)
class Unary:
    """`not` or `-`."""

    operator: str
    operand: Node
    position: int
    height: int


@dataclass(frozen=True, slots=True)
class Membership:
    """`left in right`; a right side in parentheses is a Sequence too."""

    left: Node
    right: Node
    position: int
    height: int


@dataclass(frozen=True, slots=True)
class Sequence:
    """`[..]`, or the list behind `in`, where `bracket` is "("."""

    bracket: str
    items: tuple[Node, ...]
    position: int
    height: int


@dataclass(frozen=True, slots=True)
class Record:
    """A JSON object."""

    values: tuple[Node, ...]
    position: int
    height: int


Node: TypeAlias = Constant | Path | Junction | Binary | Unary | Membership | Sequence | Record


@dataclass(frozen=True, slots=True)
class OrderTerm:
    by: Node
    descending: bool


def height_over(*nodes: Node) -> int:
    return 1 + max((node.height for node in nodes), default=0)
