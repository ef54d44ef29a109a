"""A place in a list of tokens: look, take, expect, and count how deep one is."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from api.limits import Limits
from api.odata.faults import limit_exceeded, syntax_error
from api.odata.lexer import Kind, Token, tokens
from api.problems import Problem

_CLOSING = {"(": ")", "[": "]", "{": "}"}


class TokenCursor:
    def __init__(self, text: str, limits: Limits) -> None:
        self._tokens = tokens(text, limits.expression_tokens_max)
        self._at = 0
        self._depth = 0
        self._depth_max = limits.expression_depth_max

    @property
    def here(self) -> Token:
        return self._tokens[self._at]

    @property
    def following(self) -> Token:
        """The token after the one at hand; behind the end it is the end."""
        return self._tokens[min(self._at + 1, len(self._tokens) - 1)]

    def take(self) -> Token:
        token = self._tokens[self._at]
        if token.kind is not Kind.END:
            self._at += 1
        return token

    def is_mark(self, mark: str) -> bool:
        token = self._tokens[self._at]
        return token.kind is Kind.MARK and token.text == mark

    def takes(self, mark: str) -> bool:
        """Take the mark where it is at hand."""
        if not self.is_mark(mark):
            return False
        self._at += 1
        return True

    def expect(self, mark: str, message: str) -> None:
        if not self.takes(mark):
            raise self.unexpected(message)

    def unexpected(self, message: str, hint: str = "") -> Problem:
        token = self.here
        found = f"{token.text[:40]!r}" if token.text else "the end"
        return syntax_error(f"{message} Found {found}.", token.position, hint)

    @contextmanager
    def nested(self) -> Generator[None]:
        """One level deeper. Raises Problem `limit_exceeded`."""
        self._depth += 1
        self.check_depth(self._depth)
        yield
        self._depth -= 1

    def check_depth(self, depth: int) -> None:
        if depth > self._depth_max:
            raise limit_exceeded(
                "expression_depth_max", self._depth_max, f"It is nested deeper than {self._depth_max} levels."
            )

    def skip_balanced(self) -> None:
        """Read over one bracket and all that is in it."""
        open_brackets: list[str] = []
        while True:
            token = self.here
            if token.kind is Kind.END:
                raise self.unexpected(f"{open_brackets[-1]} is due.")
            if token.kind is Kind.MARK and token.text in _CLOSING:
                open_brackets.append(_CLOSING[token.text])
            elif token.kind is Kind.MARK and token.text == open_brackets[-1]:
                open_brackets.pop()
            self.take()
            if not open_brackets:
                return
