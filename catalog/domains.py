"""What is known of the values that a column of a wanted row can have: what files and row groups are pruned by."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Domain:
    """The values that a column of a matching row can have: some of `values` (sorted), else those between `low` and
    `high` that are not in `without`; with `nulls` also null.

    Both ends are inclusive, None is no end. `without` stands beside ends alone.
    """

    low: Any = None
    high: Any = None
    values: tuple[Any, ...] | None = None
    without: frozenset[Any] = frozenset()
    nulls: bool = False

    @property
    def listed(self) -> tuple[Any, ...] | None:
        """All values, where they are known one by one and null is not among them."""
        return None if self.nulls else self.values

    @property
    def is_one_value(self) -> bool:
        """Whether every matching row has the same value, which is not null."""
        return self.listed is not None and len(self.listed) == 1

    def meets(self, least: Any, greatest: Any) -> bool:
        """Whether a value between `least` and `greatest`, both of which there are, can be in the domain."""
        if self.values is not None:
            at = bisect_left(self.values, least)
            return at < len(self.values) and self.values[at] <= greatest
        if least == greatest and least in self.without:
            return False
        return (self.low is None or greatest >= self.low) and (self.high is None or least <= self.high)

    def may_hold_one_of(self, bounds: tuple[Any, Any] | None, *, has_nulls: bool) -> bool:
        """Whether one of some stored values can be in the domain: of those that have a value the `bounds` are known, or
        nothing is, and there may be nulls among them or there are none for certain."""
        return (self.nulls and has_nulls) or bounds is None or self.meets(*bounds)

    def narrowed(self, other: Domain) -> Domain:
        """The values in both."""
        nulls = self.nulls and other.nulls
        if self.values is not None or other.values is not None:
            fixed, loose = (self, other) if self.values is not None else (other, self)
            return Domain(values=tuple(each for each in fixed.values or () if loose.meets(each, each)), nulls=nulls)
        lows = [low for low in (self.low, other.low) if low is not None]
        highs = [high for high in (self.high, other.high) if high is not None]
        without = self.without | other.without
        return Domain(max(lows, default=None), min(highs, default=None), without=without, nulls=nulls)

    def covering(self, *others: Domain) -> Domain:
        """A domain that has every value that this one or one of the others has."""
        domains = (self, *others)
        nulls = any(domain.nulls for domain in domains)
        sets = [domain.values for domain in domains if domain.values is not None]
        if len(sets) == len(domains):
            return Domain(values=tuple(sorted({value for values in sets for value in values})), nulls=nulls)
        lows, highs = zip(*(domain.ends() for domain in domains if domain.values != ()), strict=True)
        left_out = {value for domain in domains for value in domain.without}
        return Domain(
            low=None if None in lows else min(lows),
            high=None if None in highs else max(highs),
            without=frozenset(each for each in left_out if not any(domain.meets(each, each) for domain in domains)),
            nulls=nulls,
        )

    def ends(self) -> tuple[Any, Any]:
        """The least and the greatest value; of an empty set, no ends."""
        return (self.values[0], self.values[-1]) if self.values else (self.low, self.high)
