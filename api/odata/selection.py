"""`$select`: from its text to columns in the model's order."""

from __future__ import annotations

from dataclasses import dataclass

from api.limits import Limits
from api.odata.edm import EntityType
from api.odata.faults import near, not_supported
from api.odata.lexer import Kind
from api.odata.syntax import Path, Segment
from api.odata.token_cursor import TokenCursor
from api.problems import Problem

_STARTS = frozenset({Kind.NAME, Kind.ALIAS, Kind.DOLLAR})


@dataclass(frozen=True, slots=True)
class Selection:
    """`columns` as `Query.columns` wants them, () for all; `names` what the context URL lists, () for all."""

    columns: tuple[str, ...] = ()
    names: tuple[str, ...] = ()


def parse_select(text: str, limits: Limits) -> tuple[Path, ...]:
    """The items of `$select`; a star is a segment of that name. Raises Problem `syntax_error`, `limit_exceeded`."""
    cursor = TokenCursor(text, limits)
    items = [_item(cursor)]
    while cursor.takes(","):
        items.append(_item(cursor))
    if cursor.here.kind is not Kind.END:
        raise cursor.unexpected("A comma or the end is due.")
    return tuple(items)


def select(text: str, entity: EntityType, limits: Limits) -> Selection:
    """The columns that the option names. Raises Problem `unknown_column`, `not_supported` and those of the parser."""
    names = [_name(item, entity) for item in parse_select(text, limits)]
    wanted = set(entity.properties) if "*" in names else set(names)
    columns = tuple(name for name in entity.properties if name in wanted)
    navigations = tuple(name for name in entity.navigations if name in names)
    if not columns:
        raise not_supported("$select of navigation properties alone")
    if "*" in names and not navigations:
        return Selection()
    return Selection(() if len(columns) == len(entity.properties) else columns, (*columns, *navigations))


def _item(cursor: TokenCursor) -> Path:
    position = cursor.here.position
    segments = [_segment(cursor)]
    while cursor.takes("/"):
        segments.append(_segment(cursor))
    return Path(tuple(segments), position)


def _segment(cursor: TokenCursor) -> Segment:
    token = cursor.here
    if token.kind not in _STARTS and not cursor.is_mark("*"):
        raise cursor.unexpected("A property is due.")
    name = cursor.take().text
    if cursor.takes("."):
        if not cursor.takes("*"):
            raise cursor.unexpected("A star or a name is due.")
        name += ".*"
    if cursor.is_mark("("):
        cursor.skip_balanced()
        return Segment(name, token.position, ())
    return Segment(name, token.position)


def _name(item: Path, entity: EntityType) -> str:
    segment = item.segments[0]
    plain = len(item.segments) == 1 and segment.arguments is None
    if plain and (segment.name == "*" or segment.name in entity.properties or segment.name in entity.navigations):
        return segment.name
    if segment.name.startswith(("@", "$")):
        raise not_supported(f"{segment.name} in $select", item.position)
    if "." in segment.name or segment.name in entity.navigations or (plain and segment.name == "*"):
        raise not_supported(f"{'/'.join(s.name for s in item.segments)} in $select", item.position)
    if segment.name not in entity.properties:
        raise Problem(
            "unknown_column",
            f"{entity.name} has no property {segment.name!r}.",
            near(segment.name, (*entity.properties, *entity.navigations)),
            {"column": segment.name, "position": item.position},
        )
    raise not_supported("a path or options behind a property in $select", item.position)
