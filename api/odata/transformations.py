"""`$apply`: from its text to a list of transformations, before anybody asks whether their names exist.

What OData knows and finlake does not apply is read as far as its name, and refused by it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from api.limits import Limits
from api.odata.faults import near, not_supported, syntax_error
from api.odata.lexer import Kind
from api.odata.parser import Parser
from api.odata.syntax import Node, Segment
from api.problems import Problem

SERVED_TRANSFORMATIONS = ("aggregate", "compute", "filter", "groupby", "identity")
UNSERVED_TRANSFORMATIONS = (
    "addnested",
    "ancestors",
    "bottomcount",
    "bottompercent",
    "bottomsum",
    "concat",
    "descendants",
    "expand",
    "join",
    "nest",
    "orderby",
    "outerjoin",
    "search",
    "skip",
    "top",
    "topcount",
    "toppercent",
    "topsum",
    "traverse",
)
_COUNT = "$count"


@dataclass(frozen=True, slots=True)
class Filter:
    condition: Node


@dataclass(frozen=True, slots=True)
class Named:
    """`value as name`."""

    value: Node
    name: str
    position: int


@dataclass(frozen=True, slots=True)
class Compute:
    terms: tuple[Named, ...]


@dataclass(frozen=True, slots=True)
class AggregateTerm:
    """`value with method as name`; `$count as name` has neither value nor method, a custom aggregate only a value."""

    value: Node | None
    method: Segment | None
    name: str


@dataclass(frozen=True, slots=True)
class GroupBy:
    """`aggregate(..)` alone is a group-by without keys."""

    keys: tuple[Node, ...]
    aggregates: tuple[AggregateTerm, ...]
    position: int


Transformation: TypeAlias = Filter | Compute | GroupBy


def parse_apply(text: str, limits: Limits) -> tuple[Transformation, ...]:
    """The transformations in their order. Raises Problem `syntax_error`, `not_supported`, `limit_exceeded`."""
    reader = _Reader(Parser(text, limits))
    found = reader.transformation()
    while reader.cursor.takes("/"):
        found += reader.transformation()
    if reader.cursor.here.kind is not Kind.END:
        raise reader.cursor.unexpected("A slash or the end is due.")
    return found


class _Reader:
    def __init__(self, parser: Parser) -> None:
        self._parser = parser
        self.cursor = parser.cursor

    def transformation(self) -> tuple[Transformation, ...]:
        """One, or none for `identity`."""
        position, name = self.cursor.here.position, self._name("A transformation is due.")
        match name.lower():
            case "identity":
                return ()
            case "filter":
                self._open()
                condition = self._parser.expression()
                self._close()
                return (Filter(condition),)
            case "compute":
                self._open()
                terms = [self._named()]
                while self.cursor.takes(","):
                    terms.append(self._named())
                self._close()
                return (Compute(tuple(terms)),)
            case "groupby":
                return (self._group_by(position),)
            case "aggregate":
                return (GroupBy((), self._aggregates(), position),)
            case unserved if unserved in UNSERVED_TRANSFORMATIONS:
                raise not_supported(f"the transformation {unserved}", position)
            case _:
                raise self._unknown(name, position)

    def _unknown(self, name: str, position: int) -> Problem:
        if "." in name:
            return not_supported(f"the transformation {name}: finlake declares none of its own", position)
        hint = near(name, (*SERVED_TRANSFORMATIONS, *UNSERVED_TRANSFORMATIONS))
        return syntax_error(f"There is no transformation {name[:80]!r}.", position, hint)

    def _group_by(self, position: int) -> GroupBy:
        self._open()
        self.cursor.expect("(", "The properties to group by are due, in parentheses of their own.")
        keys = [self._key()]
        while self.cursor.takes(","):
            keys.append(self._key())
        self._close()
        aggregates: tuple[AggregateTerm, ...] = ()
        if self.cursor.takes(","):
            at, name = self.cursor.here.position, self._name("aggregate is due.")
            if name.lower() != "aggregate":
                raise not_supported(f"the transformation {name.lower()} inside groupby", at)
            aggregates = self._aggregates()
            if self.cursor.is_mark("/"):
                raise not_supported("a sequence of transformations inside groupby", self.cursor.here.position)
        self._close()
        return GroupBy(tuple(keys), aggregates, position)

    def _key(self) -> Node:
        position = self.cursor.here.position
        if (word := self.cursor.here.text.lower()) in {"rollup", "rolluprecursive"}:
            raise not_supported(word, position)
        return self._parser.expression()

    def _aggregates(self) -> tuple[AggregateTerm, ...]:
        self._open()
        terms = [self._aggregate()]
        while self.cursor.takes(","):
            terms.append(self._aggregate())
        self._close()
        return tuple(terms)

    def _aggregate(self) -> AggregateTerm:
        token = self.cursor.here
        if token.text.lower() == _COUNT:
            self.cursor.take()
            return AggregateTerm(None, None, self._alias())
        value = self._parser.expression()
        if not self._takes_word("with"):
            return AggregateTerm(value, None, self._custom())
        if self.cursor.here.kind is not Kind.NAME:
            raise self.cursor.unexpected("A method such as average is due.")
        method = self._parser.segment()
        self._refuse_from()
        return AggregateTerm(value, method, self._alias())

    def _custom(self) -> str:
        """The alias of an aggregate without a method, which may have none."""
        self._refuse_from()
        return self._alias() if self.cursor.here.text.lower() == "as" else ""

    def _refuse_from(self) -> None:
        if self.cursor.here.text.lower() == "from":
            raise not_supported("from in aggregate", self.cursor.here.position)

    def _named(self) -> Named:
        position = self.cursor.here.position
        value = self._parser.expression()
        return Named(value, self._alias(), position)

    def _alias(self) -> str:
        if not self._takes_word("as"):
            raise self.cursor.unexpected("as and a name are due.")
        return self._name("A name is due behind as.")

    def _takes_word(self, word: str) -> bool:
        token = self.cursor.here
        if token.kind is not Kind.NAME or token.text.lower() != word:
            return False
        self.cursor.take()
        return True

    def _name(self, message: str) -> str:
        if self.cursor.here.kind is not Kind.NAME:
            raise self.cursor.unexpected(message)
        return self.cursor.take().text

    def _open(self) -> None:
        self.cursor.expect("(", "An opening parenthesis is due.")

    def _close(self) -> None:
        self.cursor.expect(")", "A comma or a closing parenthesis is due.")
