"""From the text of an option to a syntax tree: a Pratt parser over the full expression grammar of OData 4.01.

The parser knows no names of the model. Operators, `asc`, `any` and the like are read in any case; a word is an operator
only where an operator is due, so that columns may be called `date`, `in` or `not_before`. Chains of `and` and `or`
become one node, read in a loop; nesting is bounded by `expression_depth_max`.
"""

from __future__ import annotations

from api.limits import Limits
from api.odata.faults import limit_exceeded, near
from api.odata.lexer import CONSTANTS, Kind, Token
from api.odata.syntax import (
    Argument,
    Binary,
    Constant,
    Junction,
    Lambda,
    Membership,
    Node,
    OrderTerm,
    Path,
    Record,
    Segment,
    Sequence,
    Unary,
    height_over,
)
from api.odata.token_cursor import TokenCursor

# How strongly an operator holds its sides (URL Conventions, 5.1.1.17): a higher number binds tighter.
POWERS = {
    "or": 1,
    "and": 2,
    "eq": 3,
    "ne": 3,
    "lt": 4,
    "le": 4,
    "gt": 4,
    "ge": 4,
    "add": 5,
    "sub": 5,
    "mul": 6,
    "div": 6,
    "divby": 6,
    "mod": 6,
    "has": 8,
    "in": 8,
}
_UNARY_POWER = 7
_WORDS = frozenset({"true", "false", "null"})
_NUMBERS = frozenset({"INF", "NaN"})
_HINTS = {"=": "OData writes eq.", "-": "OData writes sub.", "*": "OData writes mul.", "/": "OData writes div."}
_PATH_STARTS = frozenset({Kind.NAME, Kind.ALIAS, Kind.DOLLAR})


def parse_expression(text: str, limits: Limits) -> Node:
    """The tree of a `commonExpr`. Raises Problem `syntax_error`, `limit_exceeded`."""
    parser = Parser(text, limits)
    node = parser.expression()
    parser.complete()
    return node


def parse_order(text: str, limits: Limits) -> tuple[OrderTerm, ...]:
    """The terms of `$orderby`. Raises Problem `syntax_error`, `limit_exceeded`."""
    parser = Parser(text, limits)
    terms = [parser.order_term()]
    while parser.cursor.takes(","):
        terms.append(parser.order_term())
    parser.complete()
    return tuple(terms)


def parse_segment(text: str, limits: Limits) -> Segment:
    """One segment of a resource path, `Series('X')`. Raises Problem `syntax_error`, `limit_exceeded`."""
    parser = Parser(text, limits)
    if parser.cursor.here.kind not in _PATH_STARTS:
        raise parser.cursor.unexpected("A name is due.")
    segment = parser.segment()
    parser.complete()
    return segment


class Parser:
    def __init__(self, text: str, limits: Limits) -> None:
        self.cursor = TokenCursor(text, limits)
        self._items_max = limits.in_items_max

    def expression(self, power_min: int = 1) -> Node:
        with self.cursor.nested():
            left = self._prefix()
            while (operator := self._operator()) is not None and POWERS[operator] >= power_min:
                left = self._infix(operator, left)
                self.cursor.check_depth(left.height)
            return left

    def complete(self) -> None:
        """Nothing may follow. Raises Problem `syntax_error`."""
        token = self.cursor.here
        if token.kind is not Kind.END:
            hint = near(token.text, POWERS) if token.kind is Kind.NAME else _HINTS.get(token.text, "")
            raise self.cursor.unexpected("An operator or the end is due.", hint)

    def order_term(self) -> OrderTerm:
        node = self.expression()
        word = self.cursor.here.text.lower()
        if self.cursor.here.kind is Kind.NAME and word in {"asc", "desc"}:
            self.cursor.take()
            return OrderTerm(node, word == "desc")
        return OrderTerm(node, descending=False)

    def segment(self) -> Segment:
        """A name with what stands in parentheses behind it."""
        token = self.cursor.take()
        if not self.cursor.is_mark("("):
            return Segment(token.text, token.position)
        name = token.text.lower()
        if name in {"any", "all"}:
            return Segment(name, token.position, self._lambda(name))
        if name in {"$count", "aggregate"}:
            self.cursor.skip_balanced()
            return Segment(token.text, token.position, ())
        arguments = self._arguments(pairs=name == "case")
        while self.cursor.is_mark("("):  # a key behind a function or a filter segment
            arguments += self._arguments(pairs=False)
        return Segment(token.text, token.position, arguments)

    def _operator(self) -> str | None:
        token = self.cursor.here
        if token.kind is not Kind.NAME:
            return None
        word = token.text.lower()
        return word if word in POWERS else None

    def _infix(self, operator: str, left: Node) -> Node:
        if operator in {"and", "or"}:
            return self._junction(operator, left)
        position = self.cursor.take().position
        if operator == "in":
            right = self._members()
            return Membership(left, right, position, height_over(left, right))
        right = self.expression(POWERS[operator] + 1)
        return Binary(operator, left, right, position, height_over(left, right))

    def _junction(self, operator: str, left: Node) -> Junction:
        position = self.cursor.here.position
        terms = [left]
        while self._operator() == operator:
            self.cursor.take()
            terms.append(self.expression(POWERS[operator] + 1))
        return Junction(operator, tuple(terms), position, height_over(*terms))

    def _prefix(self) -> Node:
        token = self.cursor.here
        if token.kind in CONSTANTS or self._is_word(token):
            self.cursor.take()
            return Constant(token.kind, token.text, token.position)
        if self._is_not(token) or self.cursor.is_mark("-"):
            self.cursor.take()
            operand = self.expression(_UNARY_POWER)
            return Unary(token.text.lower(), operand, token.position, height_over(operand))
        if token.kind in _PATH_STARTS:
            return self._path()
        return self._bracketed(token)

    def _bracketed(self, token: Token) -> Node:
        if self.cursor.takes("("):
            node = self.expression()
            if self.cursor.is_mark(","):
                raise self.cursor.unexpected("A list stands only to the right of in.")
            self.cursor.expect(")", "A closing parenthesis or an operator is due.")
            return node
        if self.cursor.takes("["):
            return self._sequence(token, "]")
        if self.cursor.takes("{"):
            return self._record(token)
        raise self.cursor.unexpected("An expression is due.")

    def _is_word(self, token: Token) -> bool:
        named = token.kind is Kind.NAME and (token.text.lower() in _WORDS or token.text in _NUMBERS)
        return named and self.cursor.following.text not in {"(", "/"}

    def _is_not(self, token: Token) -> bool:
        """`not` is a name where no operand follows."""
        if token.kind is not Kind.NAME or token.text.lower() != "not":
            return False
        following = self.cursor.following
        if following.kind is Kind.NAME:
            return following.text.lower() not in POWERS
        return following.kind not in {Kind.END, Kind.MARK} or following.text in {"(", "[", "{", "-"}

    def _path(self) -> Path:
        position = self.cursor.here.position
        segments = [self.segment()]
        while self.cursor.takes("/"):
            if self.cursor.here.kind not in _PATH_STARTS | {Kind.NUMBER}:
                raise self.cursor.unexpected("The next part of the path is due.")
            segments.append(self.segment())
        return Path(tuple(segments), position, height_over(*_nodes_in(segments)))

    def _arguments(self, *, pairs: bool) -> tuple[Argument, ...]:
        self.cursor.take()
        if self.cursor.takes(")"):
            return ()
        arguments = [self._argument()]
        while self.cursor.takes(",") or (pairs and self.cursor.takes(":")):
            arguments.append(self._argument())
        self.cursor.expect(")", "A comma, an operator or a closing parenthesis is due.")
        return tuple(arguments)

    def _argument(self) -> Argument:
        token, following = self.cursor.here, self.cursor.following
        if token.kind is Kind.NAME and following.kind is Kind.MARK and following.text == "=":
            self.cursor.take()
            self.cursor.take()
            return Argument(token.text, self.expression())
        return Argument(None, self.expression())

    def _lambda(self, name: str) -> Lambda:
        self.cursor.take()
        if self.cursor.is_mark(")") and name == "any":
            self.cursor.take()
            return Lambda(None, None)
        if self.cursor.here.kind is not Kind.NAME:
            raise self.cursor.unexpected(f"The variable of {name} is due.", f"Write {name}(x:x/value gt 1).")
        variable = self.cursor.take().text
        self.cursor.expect(":", f"A colon is due behind the variable of {name}.")
        condition = self.expression()
        self.cursor.expect(")", "A closing parenthesis or an operator is due.")
        return Lambda(variable, condition)

    def _members(self) -> Node:
        token = self.cursor.here
        if self.cursor.takes("("):
            return self._sequence(token, ")")
        if self.cursor.takes("["):
            return self._sequence(token, "]")
        if token.kind in _PATH_STARTS:
            return self._path()
        raise self.cursor.unexpected("A list is due behind in.", "Write a in (1,2).")

    def _sequence(self, opening: Token, closing: str) -> Sequence:
        items: list[Node] = []
        if not self.cursor.takes(closing):
            items.append(self._item(closing))
            while self.cursor.takes(","):
                if len(items) == self._items_max:
                    raise limit_exceeded("in_items_max", self._items_max, "The list has too many items.")
                items.append(self._item(closing))
            self.cursor.expect(closing, f"A comma or {closing} is due.")
        return Sequence(opening.text, tuple(items), opening.position, height_over(*items))

    def _item(self, closing: str) -> Node:
        """An item of a list; the plain constant, of which there may be thousands, without a descent."""
        token, following = self.cursor.here, self.cursor.following
        if token.kind in CONSTANTS and following.kind is Kind.MARK and following.text in {",", closing}:
            self.cursor.take()
            return Constant(token.kind, token.text, token.position)
        return self.expression()

    def _record(self, opening: Token) -> Record:
        values: list[Node] = []
        if not self.cursor.takes("}"):
            values.append(self._entry())
            while self.cursor.takes(","):
                values.append(self._entry())
            self.cursor.expect("}", "A comma or } is due.")
        return Record(tuple(values), opening.position, height_over(*values))

    def _entry(self) -> Node:
        if self.cursor.here.kind is not Kind.JSON_STRING:
            raise self.cursor.unexpected('A name in double quotes is due, as in {"a":1}.')
        self.cursor.take()
        self.cursor.expect(":", "A colon is due.")
        return self.expression()


def _nodes_in(segments: list[Segment]) -> list[Node]:
    nodes: list[Node] = []
    for segment in segments:
        match segment.arguments:
            case None:
                pass
            case Lambda(condition=condition):
                nodes.extend([condition] if condition else [])
            case arguments:
                nodes.extend(argument.value for argument in arguments)
    return nodes
