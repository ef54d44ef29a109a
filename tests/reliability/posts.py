"""The steps of a random run that write: posts of every kind and format, deletions, patches."""

from __future__ import annotations

import asyncio
import datetime as dt
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from api.ingest.media import BodyKind, Format
from api.ingest.service import Terms
from api.problems import Problem
from api.writing import Receipt, Verdicts
from tests.reliability.world import IDS, KEYS_MAX, NAMES, SOURCE, Sent, World
from tests.support.bodies import TABULAR, body_of
from tests.support.oracle import DELETED, SERIES_FIELDS, Point

BULK = "/api/v1/financial-data/bulk"
VALUES = (
    *(Decimal(text) for text in ("1", "2", "2.5", "-3", "0", "1e3")),
    Decimal("-0.000000000000000001"),
    Decimal("99999999999999999999.999999999999999999"),
)
BAD_FIELDS: tuple[dict[str, Any], ...] = (
    {"date": "2024-13-01"},
    {"revision_date": "2024-02-30"},
    {"value": "1.5.0"},
    {"value": "1e20"},
    {"external_id": None},
    {"external_id": " "},
)


@dataclass(frozen=True)
class Post:
    """Points, among them faulty rows at some positions."""

    points: tuple[Point, ...]
    faults: tuple[tuple[int, dict[str, Any]], ...]
    terms: Terms
    format: Format = Format.JSON

    @property
    def body(self) -> bytes:
        rows = [point.document(SOURCE) for point in self.points]
        for at, row in self.faults:
            rows.insert(at, row)
        return body_of(self.format, rows)

    @property
    def bad(self) -> list[int]:
        return [at for at, _ in self.faults]


@dataclass(frozen=True)
class Expected:
    """What a post should be told: what its points became, or the receipt of the first under its key, or a problem."""

    verdicts: Verdicts = field(default_factory=Verdicts)
    batch_id: str = ""
    problem: str = ""


def draw_post(world: World) -> Post:
    changes_only = world.happens(0.15)
    points = _vintages(world) if changes_only else _points(world)
    terms = Terms("atomic" if world.happens(0.3) else "partial", changes_only)
    if world.happens(0.25):
        terms = replace(terms, key=f"key-{world.chance.getrandbits(64):x}")
    faults: list[tuple[int, dict[str, Any]]] = []
    if world.happens(0.1):
        ats = sorted(world.chance.sample(range(len(points) + 2), world.chance.randint(1, 2)))
        faults = [(min(at, len(points) + n), _fault(world)) for n, at in enumerate(ats)]
    return Post(points, tuple(faults), terms, world.one(TABULAR) if world.happens(0.3) else Format.JSON)


def _points(world: World) -> tuple[Point, ...]:
    names = world.chance.sample(NAMES, world.one((1, 1, 2, 4)))
    return tuple(_point(world, world.one(names)) for _ in range(world.one((1, 2, 4, 8, 20))))


def _point(world: World, name: str) -> Point:
    said = world.one((None, None, None, True, False))
    date = world.date()
    return Point(name, date, _value(world), _revision(world, name, date), said)


def _value(world: World) -> Decimal | None:
    return None if world.happens(0.1) else world.one(VALUES)


def _revision(world: World, name: str, date: dt.date) -> dt.date | None:
    stored = sorted(world.oracle.revisions.get((name, date), ()))
    if stored and world.happens(0.2):
        return world.one(stored)
    back = world.chance.randint
    days = world.one((None, None, 0, back(1, 20), back(1, 20), back(1, 200), -back(1, 15)))
    return None if days is None else world.today - dt.timedelta(days=days)


def _vintages(world: World) -> tuple[Point, ...]:
    """One to three whole vintages of a series, which mostly repeat what is known."""
    name = world.one(NAMES)
    days = [world.today - dt.timedelta(days=world.chance.randint(-10, 60)) for _ in range(world.one((1, 1, 2, 3)))]
    dates = sorted({world.date() for _ in range(6)})
    return tuple(Point(name, date, _mostly_known(world, name, date, day), day) for day in days for date in dates)


def _mostly_known(world: World, name: str, date: dt.date, day: dt.date) -> Decimal | None:
    stored = world.oracle.revisions.get((name, date), {})
    known = max((each for each in stored if each <= day), default=None)
    if known is None or stored[known][0] is DELETED or world.happens(0.2):
        return _value(world)
    return stored[known][0]


def _fault(world: World) -> dict[str, Any]:
    sound = Point(world.one(NAMES), world.date(), Decimal(1), world.today).document(SOURCE)
    if world.happens(0.2):
        return {**sound, "external_id": None, "series_id": str(uuid.UUID(int=world.chance.getrandbits(128)))}
    return sound | world.one(BAD_FIELDS)


def expect(world: World, post: Post) -> Expected:
    """Applies a post to the oracle."""
    fingerprint = (post.terms, post.format, post.body)
    known = world.keys.get(post.terms.key)
    if known is not None:
        is_same = known.fingerprint == fingerprint
        return Expected(known.verdicts, known.batch_id) if is_same else Expected(problem="idempotency_conflict")
    if post.bad and (post.terms.mode == "atomic" or not post.points):
        return Expected(problem="rejected_batch")
    became = world.oracle.post(post.points, world.today, changes_only=post.terms.changes_only)
    verdicts = Verdicts(**became, rejected=len(post.bad))
    if post.terms.key:
        world.keys[post.terms.key] = Sent(fingerprint, "", verdicts)
    return Expected(verdicts)


def check(world: World, post: Post, expected: Expected, told: Receipt | Problem) -> None:
    if isinstance(told, Problem) or expected.problem:
        assert getattr(told, "code", "stored") == expected.problem, (post, told)
        return
    assert told.verdicts == expected.verdicts, (post, told)
    assert (told.failed, told.total_processed) == (len(post.bad), len(post.bad) + len(post.points)), (post, told)
    assert sorted(failure.index for failure in told.failures) == post.bad, (post, told)
    assert expected.batch_id in ("", told.batch_id), (post, told)
    if post.terms.key:
        world.keys[post.terms.key] = replace(world.keys[post.terms.key], batch_id=told.batch_id)
        while len(world.keys) > KEYS_MAX:
            del world.keys[next(iter(world.keys))]


def send(world: World, post: Post) -> Receipt | Problem:
    if world.happens(0.1):
        return _by_http(world, post)
    return _receipt(world, post.body, BodyKind(post.format), post.terms)


def _receipt(world: World, body: bytes, kind: BodyKind, terms: Terms) -> Receipt | Problem:
    try:
        return asyncio.run(world.lake.writer.write_body(body, kind, terms))
    except Problem as problem:
        return problem


def _by_http(world: World, post: Post) -> Receipt | Problem:
    headers = {"Content-Type": post.format.value} | ({"Idempotency-Key": post.terms.key} if post.terms.key else {})
    query = {"mode": post.terms.mode, "changes_only": str(post.terms.changes_only).lower()}
    answer = world.client.post(BULK, content=post.body, params=query, headers=headers)
    if answer.status_code != 200:
        return Problem(answer.json()["code"], answer.text)
    return msgspec.json.decode(answer.content, type=Receipt)


def _noted(world: World, post: Post) -> Post:
    terms = f"{post.terms.mode} {'changes_only ' * post.terms.changes_only}{post.terms.key} {post.format.name}"
    points = ", ".join(f"{p.series} {p.date} {p.revision_date} {p.value}" for p in post.points)
    world.note(f"on {world.today} post {terms} bad {post.bad}: {points}")
    return post


def post(world: World) -> None:
    drawn = _noted(world, draw_post(world))
    told = send(world, drawn)
    check(world, drawn, expect(world, drawn), told)
    if isinstance(told, Receipt):
        assert told.snapshot == world.lake.engine.current(), drawn


def post_together(world: World) -> None:
    """Several batches in one commit, as far as they may share one; a key may stand there twice."""
    drawn = [_noted(world, draw_post(world)) for _ in range(world.chance.randint(2, 4))]
    if world.happens(0.3):
        drawn.append(_noted(world, world.one(drawn)))
    batches = [world.lake.batch_of(each.body, BodyKind(each.format), each.terms) for each in drawn]
    answers = world.lake.commit_together(batches)
    expected = [expect(world, each) for each in drawn]
    for each, wanted, told in zip(drawn, expected, answers, strict=True):
        check(world, each, wanted, told)


def post_again(world: World) -> None:
    """Something that came under a key before, with its own body or with another."""
    if not world.keys:
        return
    key = world.one(list(world.keys))
    terms, format_, body = world.keys[key].fingerprint
    other = world.happens(0.3)
    world.note(f"send {key} again, {'another' if other else 'the same'} body")
    told = _receipt(world, *(_altered(body, format_, terms) if other else (body, BodyKind(format_), terms)))
    if other:
        assert isinstance(told, Problem), key
        assert told.code == "idempotency_conflict", told
    else:
        assert isinstance(told, Receipt), told
        assert (told.batch_id, told.verdicts) == (world.keys[key].batch_id, world.keys[key].verdicts), key
        assert asyncio.run(world.lake.writer.receipt(told.batch_id)) == told


def _altered(body: bytes, format_: Format, terms: Terms) -> tuple[bytes, BodyKind, Terms]:
    """The same points in another body, or under other terms."""
    if format_ in (Format.ARROW, Format.PARQUET):
        return body, BodyKind(format_), replace(terms, mode="partial" if terms.mode == "atomic" else "atomic")
    return body + b"\n", BodyKind(format_), terms


def delete_series(world: World) -> None:
    name = world.one(NAMES)
    world.note(f"delete series {name}")
    if name in world.oracle.series:
        world.lake.delete_series(IDS[name])
        world.oracle.delete(name)
    else:
        _is_unknown(lambda: world.lake.delete_series(IDS[name]))


def delete_points(world: World) -> None:
    name = world.one(NAMES)
    first, last = sorted((world.date(), world.date()))
    world.note(f"on {world.today} delete points {name} {first} {last}")
    if name in world.oracle.series:
        told = world.lake.delete_points(IDS[name], first, last)
        assert told.verdicts.deleted == world.oracle.delete_points(name, first, last, world.today)
    else:
        _is_unknown(lambda: world.lake.delete_points(IDS[name], first, last))


def patch(world: World) -> None:
    name = world.one(NAMES)
    fields = {field: world.one((None, "one", "two")) for field in SERIES_FIELDS if world.happens(0.4)}
    if "frequency" in fields:
        fields["frequency"] = world.one((None, "daily", "monthly"))
    world.note(f"patch {name} {fields}")
    if name in world.oracle.series:
        asyncio.run(world.lake.writer.update_series(IDS[name], msgspec.json.encode(fields), ""))
        world.oracle.describe(name, fields)
    else:
        _is_unknown(lambda: asyncio.run(world.lake.writer.update_series(IDS[name], b"{}", "")))


def _is_unknown(call: Callable[[], object]) -> None:
    with pytest.raises(Problem) as told:
        call()
    assert told.value.code == "unknown_entity"
