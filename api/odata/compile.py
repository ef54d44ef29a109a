"""From a URL to a Query: pure, without HTTP and without data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from api.cursors import Cursor, decode
from api.limits import Limits
from api.odata.apply import Applied, apply
from api.odata.edm import EntityType
from api.odata.expressions import Scope, expression
from api.odata.faults import invalid_parameter, limit_exceeded, within
from api.odata.navigation import filter_condition
from api.odata.options import Options, parse_options
from api.odata.parser import parse_expression, parse_order
from api.odata.path import Address, Parent, Shape, resolve, split_path, view_of
from api.odata.selection import Selection, select
from api.problems import Problem
from catalog.model import Tables
from engine.planner.model import fields_of
from engine.query import TRUE, Expr, Order, Page, Query, View, all_of

_COLLECTION_OPTIONS = ("$apply", "$filter", "$select", "$orderby", "$top", "$skip", "$count", "$format", "$skiptoken")
_ENTITY_OPTIONS = ("$select", "$format")
_COUNT_OPTIONS = ("$apply", "$filter", "$orderby", "$top", "$skip", "$format")
_PROPERTY_OPTIONS = ("$format",)


@dataclass(frozen=True, slots=True)
class Compiled:
    """What a URL asks for.

    `query` is the question before the server cuts it into pages, at no particular snapshot unless the URL names one.
    `types` are annotations by property. The entities of `parents` are to be looked up first, in order; those that are
    not `bound` then narrow what follows.
    """

    query: Query
    entity: EntityType
    shape: Shape
    parents: tuple[Parent, ...]
    selection: Selection
    options: Options
    name: str
    column: str = ""
    types: Mapping[str, str] = field(default_factory=dict[str, str])
    cursor: Cursor | None = None

    @property
    def snapshots(self) -> tuple[str, ...]:
        """What is named to be read, if anything: by the URL itself and by its page mark."""
        marked = self.cursor.snapshot if self.cursor else None
        return tuple(token for token in (self.query.snapshot, marked) if token is not None)


def compile_url(path: str, query_string: str, tables: Tables, limits: Limits) -> Compiled:
    """What a URL of this service asks for; `path` is raw and relative to the service root, as `query_string` is raw.

    Raises Problem.
    """
    return compile_request(split_path(path), parse_options(query_string, limits), tables, limits)


def compile_request(segments: tuple[str, ...], options: Options, tables: Tables, limits: Limits) -> Compiled:
    """What path segments (one or more) and options ask for. Raises Problem."""
    address = resolve(segments, tables, options.aliases, options.as_of, limits)
    options.only(*_allowed(address.shape))
    scope = Scope(address.entity, options.aliases, limits, as_of=options.as_of, release=options.release)
    applied = _applied(options, scope)
    scope = replace(scope, entity=applied.entity)
    selection = _selection(address, applied, options, limits)
    filtered = _filter(options, scope)
    of_rows, of_groups = (filtered, TRUE) if applied.grouping is None else (TRUE, filtered)
    query = Query(
        table=address.entity.table.name,
        columns=selection.columns,
        where=all_of(address.where, applied.where, of_rows),
        order=_order(options, scope),
        page=Page(limit=options.top, offset=options.skip),
        view=_view(address.entity, options),
        as_of=options.as_of if address.entity.table.revision else None,
        snapshot=options.values.get("snapshot"),
        grouping=applied.grouping,
        having=all_of(applied.having, of_groups),
    )
    return Compiled(
        query=query.counted() if address.shape is Shape.COUNT else query,
        entity=address.entity,
        shape=address.shape,
        parents=address.parents,
        selection=selection,
        options=options,
        name=address.name,
        column=address.column,
        types=applied.types,
        cursor=_cursor(options),
    )


def _allowed(shape: Shape) -> tuple[str, ...]:
    match shape:
        case Shape.COLLECTION:
            return _COLLECTION_OPTIONS
        case Shape.ENTITY:
            return _ENTITY_OPTIONS
        case Shape.COUNT:
            return _COUNT_OPTIONS
        case Shape.PROPERTY | Shape.VALUE:
            return _PROPERTY_OPTIONS


def _applied(options: Options, scope: Scope) -> Applied:
    if "$apply" not in options.values:
        return Applied(scope.entity)
    with within("$apply"):
        return apply(options.values["$apply"], scope)


def _filter(options: Options, scope: Scope) -> Expr:
    if "$filter" not in options.values:
        return TRUE
    with within("$filter"):
        return filter_condition(parse_expression(options.values["$filter"], scope.limits), scope)


def _order(options: Options, scope: Scope) -> tuple[Order, ...]:
    """The sort terms, each once. What is the same on every row does not sort, and `now` would differ on every page."""
    if "$orderby" not in options.values:
        return ()
    orders: dict[Expr, Order] = {}
    with within("$orderby"):
        terms = parse_order(options.values["$orderby"], scope.limits)
        if len(terms) > (most := scope.limits.orderby_terms_max):
            raise limit_exceeded("orderby_terms_max", most, f"$orderby has more than {most} terms.")
        for term in terms:
            by = expression(term.by, scope)
            if fields_of(by):
                orders.setdefault(by, Order(by, term.descending))
    return tuple(orders.values())


def _selection(address: Address, applied: Applied, options: Options, limits: Limits) -> Selection:
    if address.column:
        return Selection((address.column,), (address.column,))
    # The columns of groups are no declared ones: a client is told which there are.
    every = Selection() if applied.grouping is None else Selection((), tuple(applied.entity.properties))
    if "$select" not in options.values:
        return every
    with within("$select"):
        chosen = select(options.values["$select"], applied.entity, limits)
    return chosen if chosen.names else every


def _view(entity: EntityType, options: Options) -> View:
    """Which revisions are shown. Tables without revisions look the same in every view."""
    if options.release is None or not entity.table.revision:
        return view_of(entity)
    if entity.collection.every_revision:
        raise invalid_parameter(
            "release", f"{entity.collection.name} shows every release.", "Leave release out, or ask DataPoints."
        )
    return options.release


def _cursor(options: Options) -> Cursor | None:
    if "$skiptoken" not in options.values:
        return None
    with within("$skiptoken"):
        try:
            return decode(options.values["$skiptoken"])
        except Problem as problem:
            problem.hint = "Follow @odata.nextLink as it is, or start without $skiptoken."
            raise
