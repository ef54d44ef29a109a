"""The limits of a document, as validation rules.

The rule classes are made once a schema: a class made per request would be a new key of the validation cache each time.
Fields and depth are counted with fragments written out, aliases and directives as they are written. Introspection is
not counted: graphql-core has its own rule that keeps it from nesting.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from graphql import (
    ASTValidationRule,
    DirectiveNode,
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    InlineFragmentNode,
    OperationDefinitionNode,
    SelectionSetNode,
    ValidationContext,
    VisitorAction,
)

from api.limits import Limits
from api.problems import Problem

_INTROSPECTION = ("__schema", "__type")


@dataclass(frozen=True, slots=True)
class Extent:
    """How large a selection set is with its fragments written out: levels, all fields, fields of the first level."""

    depth: int = 0
    fields: int = 0
    first_level: int = 0

    def beside(self, other: Extent) -> Extent:
        return Extent(max(self.depth, other.depth), self.fields + other.fields, self.first_level + other.first_level)


class Measure:
    """Measures the selection sets of one document, each fragment once."""

    def __init__(self, document: DocumentNode) -> None:
        self._fragments: Mapping[str, FragmentDefinitionNode] = {
            node.name.value: node for node in document.definitions if isinstance(node, FragmentDefinitionNode)
        }
        self._measured: dict[str, Extent] = {}

    def extent(self, selections: SelectionSetNode | None, *, root: bool = False) -> Extent:
        extent = Extent()
        for node in selections.selections if selections else ():
            match node:
                case FieldNode() if not (root and node.name.value in _INTROSPECTION):
                    below = self.extent(node.selection_set)
                    extent = extent.beside(Extent(below.depth + 1, below.fields + 1, 1))
                case InlineFragmentNode():
                    extent = extent.beside(self.extent(node.selection_set, root=root))
                case FragmentSpreadNode():
                    extent = extent.beside(self._fragment(node.name.value, root=root))
                case _:
                    pass
        return extent

    def _fragment(self, name: str, *, root: bool) -> Extent:
        """A fragment that is unknown, or that spreads itself, is another rule's finding: here it is empty."""
        if name not in self._measured:
            self._measured[name] = Extent()
            fragment = self._fragments.get(name)
            self._measured[name] = self.extent(fragment.selection_set, root=root) if fragment else Extent()
        return self._measured[name]


class LimitsRule(ASTValidationRule):
    """Finds documents over the limits. Subclasses carry the limits, see `limits_rule`."""

    limits: Limits

    def __init__(self, context: ValidationContext) -> None:
        super().__init__(context)
        self._measure = Measure(context.document)
        self._aliases = 0
        self._directives = 0

    def enter_operation_definition(self, node: OperationDefinitionNode, *_args: Any) -> VisitorAction:
        extent = self._measure.extent(node.selection_set, root=True)
        self._check("graphql_depth_max", extent.depth, "levels")
        self._check("graphql_fields_max", extent.fields, "fields")
        self._check("graphql_root_fields_max", extent.first_level, "root fields")
        return None

    def enter_field(self, node: FieldNode, *_args: Any) -> VisitorAction:
        self._aliases += node.alias is not None
        return None

    def enter_directive(self, _node: DirectiveNode, *_args: Any) -> VisitorAction:
        self._directives += 1
        return None

    def leave_document(self, _node: DocumentNode, *_args: Any) -> VisitorAction:
        self._check("graphql_aliases_max", self._aliases, "aliases")
        self._check("graphql_directives_max", self._directives, "directives")
        return None

    def _check(self, limit: str, found: int, what: str) -> None:
        value = getattr(self.limits, limit)
        if found > value:
            problem = Problem(
                "limit_exceeded",
                f"The document has {found} {what}, at most {value} are allowed.",
                "Ask in several requests; the limit can be set.",
                {"limit": limit, "value": value, "found": found},
            )
            self.report_error(GraphQLError(problem.message, original_error=problem))


def limits_rule(limits: Limits) -> type[LimitsRule]:
    return type("LimitsRule", (LimitsRule,), {"limits": limits})
