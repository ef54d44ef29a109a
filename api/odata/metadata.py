"""The service document and `$metadata`: plain 4.0 XML, entity types only, as every client reads it."""

from __future__ import annotations

from xml.etree import ElementTree as ET

import orjson

from api.odata.apply import OWN_METHODS
from api.odata.edm import EDM_TYPES, FACETS, NAMESPACE, EntityType, Navigation
from api.odata.negotiate import VERSION, Format
from catalog.model import Collection, Column, Tables, Type
from engine.functions import OWN_FUNCTIONS

CONTAINER = "Container"
_VOCABULARIES = {
    "Core": "Org.OData.Core.V1",
    "Capabilities": "Org.OData.Capabilities.V1",
    "Aggregation": "Org.OData.Aggregation.V1",
}
_VOCABULARY_ROOT = "https://oasis-tcs.github.io/odata-vocabularies/vocabularies"
# What an entity set does not do, each with the record that says so.
_RESTRICTIONS = {
    "ExpandRestrictions": "Expandable",
    "SearchRestrictions": "Searchable",
    "InsertRestrictions": "Insertable",
    "UpdateRestrictions": "Updatable",
    "DeleteRestrictions": "Deletable",
}


def service_document(tables: Tables, root: str, form: Format) -> bytes:
    """The entity sets; `root` is the absolute URL of the service, with its slash."""
    sets = [{"name": c.name, "title": c.description, "kind": "EntitySet", "url": c.name} for c in tables.collections]
    context = {} if form.metadata == "none" else {"@odata.context": f"{root}$metadata"}
    return orjson.dumps({**context, "value": sets})


def metadata_document(tables: Tables) -> bytes:
    """The model as CSDL XML."""
    edmx = ET.Element("edmx:Edmx", {"Version": VERSION, "xmlns:edmx": "http://docs.oasis-open.org/odata/ns/edmx"})
    for alias, namespace in _VOCABULARIES.items():
        reference = ET.SubElement(edmx, "edmx:Reference", Uri=f"{_VOCABULARY_ROOT}/{namespace}.xml")
        ET.SubElement(reference, "edmx:Include", Namespace=namespace, Alias=alias)
    services = ET.SubElement(edmx, "edmx:DataServices")
    schema = ET.SubElement(
        services, "Schema", {"xmlns": "http://docs.oasis-open.org/odata/ns/edm", "Namespace": NAMESPACE}
    )
    entities = [EntityType(tables, collection) for collection in tables.collections]
    for entity in entities:
        _entity_type(schema, entity)
    for name in OWN_FUNCTIONS:
        _function(schema, name)
    _container(schema, entities)
    ET.indent(edmx)
    return b'<?xml version="1.0" encoding="utf-8"?>\n' + ET.tostring(edmx, encoding="utf-8") + b"\n"


def _function(schema: ET.Element, name: str) -> None:
    """A function of a date whose result is a date."""
    function = ET.SubElement(schema, "Function", Name=name)
    ET.SubElement(function, "Parameter", Name="date", Type=EDM_TYPES[Type.DATE])
    ET.SubElement(function, "ReturnType", Type=EDM_TYPES[Type.DATE])


def _entity_type(schema: ET.Element, entity: EntityType) -> None:
    element = ET.SubElement(schema, "EntityType", Name=entity.name)
    key = ET.SubElement(element, "Key")
    for name in entity.key:
        ET.SubElement(key, "PropertyRef", Name=name)
    for column in entity.properties.values():
        _property(element, column)
    for navigation in entity.navigations.values():
        _navigation_property(element, entity, navigation)
    _description(element, entity.collection.description)
    if entity.table.alternate_keys:
        _alternate_keys(element, entity.table.alternate_keys)


def _property(element: ET.Element, column: Column) -> None:
    facets = {} if column.nullable else {"Nullable": "false"}
    facets |= FACETS.get(column.type, {})
    _description(
        ET.SubElement(element, "Property", {"Name": column.name, "Type": EDM_TYPES[column.type], **facets}),
        column.description,
    )


def _navigation_property(element: ET.Element, entity: EntityType, navigation: Navigation) -> None:
    relation = navigation.relation
    type_ = _qualified(navigation.target)
    if relation.many:
        ET.SubElement(element, "NavigationProperty", Name=navigation.name, Type=f"Collection({type_})")
        return
    required = not any(entity.properties[name].nullable for name in relation.columns)
    nullable = {"Nullable": "false"} if required else {}
    single = ET.SubElement(element, "NavigationProperty", {"Name": navigation.name, "Type": type_, **nullable})
    for here, there in zip(relation.columns, relation.target_columns, strict=True):
        ET.SubElement(single, "ReferentialConstraint", Property=here, ReferencedProperty=there)


def _qualified(collection: Collection) -> str:
    return f"{NAMESPACE}.{collection.singular}"


def _description(element: ET.Element, text: str) -> None:
    ET.SubElement(element, "Annotation", Term="Core.Description", String=text)


def _alternate_keys(element: ET.Element, keys: tuple[tuple[str, ...], ...]) -> None:
    annotation = ET.SubElement(element, "Annotation", Term="Core.AlternateKeys")
    alternatives = ET.SubElement(annotation, "Collection")
    for names in keys:
        record = ET.SubElement(alternatives, "Record", Type="Core.AlternateKey")
        value = ET.SubElement(record, "PropertyValue", Property="Key")
        parts = ET.SubElement(value, "Collection")
        for name in names:
            part = ET.SubElement(parts, "Record", Type="Core.PropertyRef")
            ET.SubElement(part, "PropertyValue", Property="Name", PropertyPath=name)
            ET.SubElement(part, "PropertyValue", Property="Alias", String=name)


def _container(schema: ET.Element, entities: list[EntityType]) -> None:
    container = ET.SubElement(schema, "EntityContainer", Name=CONTAINER)
    for entity in entities:
        element = ET.SubElement(
            container, "EntitySet", Name=entity.collection.name, EntityType=_qualified(entity.collection)
        )
        for navigation in entity.navigations.values():
            ET.SubElement(element, "NavigationPropertyBinding", Path=navigation.name, Target=navigation.target.name)
        for term, member in _RESTRICTIONS.items():
            annotation = ET.SubElement(element, "Annotation", Term=f"Capabilities.{term}")
            record = ET.SubElement(annotation, "Record")
            ET.SubElement(record, "PropertyValue", Property=member, Bool="false")
        _apply_supported(element)


def _apply_supported(entity_set: ET.Element) -> None:
    """Only what is applied wherever the standard allows it: `compute` is not among it."""
    annotation = ET.SubElement(entity_set, "Annotation", Term="Aggregation.ApplySupported")
    record = ET.SubElement(annotation, "Record")
    listed = {
        "Transformations": ("aggregate", "filter", "groupby", "identity"),
        "CustomAggregationMethods": OWN_METHODS,
    }
    for name, items in listed.items():
        value = ET.SubElement(record, "PropertyValue", Property=name)
        collection = ET.SubElement(value, "Collection")
        for item in items:
            ET.SubElement(collection, "String").text = item
    ET.SubElement(record, "PropertyValue", Property="Rollup", EnumMember="Aggregation.RollupType/None")
    ET.SubElement(record, "PropertyValue", Property="From", Bool="false")
