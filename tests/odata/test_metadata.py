"""$metadata and the service document: well-formed, plain, and true to the model."""

from __future__ import annotations

from xml.etree import ElementTree as ET

import orjson
import pytest

from api.odata.edm import EDM_TYPES, EntityType
from api.odata.metadata import metadata_document, service_document
from api.odata.negotiate import Format
from catalog.model import MODEL

EDM = "{http://docs.oasis-open.org/odata/ns/edm}"
SCHEMA = ET.fromstring(metadata_document(MODEL)).find(f".//{EDM}Schema")
assert SCHEMA is not None
TYPES = {element.get("Name", ""): element for element in SCHEMA.findall(f"{EDM}EntityType")}
ENTITIES = [EntityType(MODEL, collection) for collection in MODEL.collections]
NAMES = [entity.name for entity in ENTITIES]


@pytest.mark.parametrize("entity", ENTITIES, ids=NAMES)
def test_key(entity: EntityType) -> None:
    refs = TYPES[entity.name].findall(f"{EDM}Key/{EDM}PropertyRef")
    assert tuple(ref.get("Name") for ref in refs) == entity.key
    assert not any(entity.properties[name].nullable for name in entity.key)


@pytest.mark.parametrize("entity", ENTITIES, ids=NAMES)
def test_properties(entity: EntityType) -> None:
    properties = {element.get("Name"): element for element in TYPES[entity.name].findall(f"{EDM}Property")}
    assert list(properties) == [column.name for column in entity.table.visible]
    for column in entity.table.visible:
        element = properties[column.name]
        assert element.get("Type") == EDM_TYPES[column.type]
        assert element.get("Nullable", "true") == ("true" if column.nullable else "false")
        annotation = element.find(f"{EDM}Annotation")
        assert annotation is not None
        assert annotation.get("String") == column.description


def test_facets_are_written_out() -> None:
    value = TYPES["DataPoint"].find(f"{EDM}Property[@Name='value']")
    updated = TYPES["DataPoint"].find(f"{EDM}Property[@Name='updated_at']")
    assert value is not None
    assert updated is not None
    assert (value.get("Type"), value.get("Precision"), value.get("Scale")) == ("Edm.Decimal", "38", "variable")
    assert (updated.get("Type"), updated.get("Precision")) == ("Edm.DateTimeOffset", "6")


def test_navigation() -> None:
    found = {
        (name, element.get("Name"), element.get("Type"))
        for name, type_ in TYPES.items()
        for element in type_.findall(f"{EDM}NavigationProperty")
    }
    assert found == {
        ("Source", "Series", "Collection(finlake.Series)"),
        ("Series", "SourceEntity", "finlake.Source"),
        ("Series", "DataPoints", "Collection(finlake.DataPoint)"),
        ("Series", "Revisions", "Collection(finlake.Revision)"),
        ("DataPoint", "Series", "finlake.Series"),
        ("Revision", "Series", "finlake.Series"),
    }
    constraint = TYPES["Revision"].find(f"{EDM}NavigationProperty/{EDM}ReferentialConstraint")
    assert constraint is not None
    assert (constraint.get("Property"), constraint.get("ReferencedProperty")) == ("series_id", "id")


@pytest.mark.parametrize("entity", ENTITIES, ids=NAMES)
def test_no_names_differ_by_case_only(entity: EntityType) -> None:
    names = [*entity.properties, *entity.navigations]
    assert len({name.lower() for name in names}) == len(names)


def test_nothing_that_clients_stumble_over() -> None:
    assert SCHEMA is not None
    text = metadata_document(MODEL).decode()
    assert "ComplexType" not in text
    assert "OpenType" not in text
    assert "Abstract" not in text
    assert not [element for element in SCHEMA.iter(f"{EDM}Property") if "Collection(" in element.get("Type", "")]


def test_every_set_and_binding_leads_somewhere() -> None:
    assert SCHEMA is not None
    sets = {element.get("Name"): element for element in SCHEMA.findall(f"{EDM}EntityContainer/{EDM}EntitySet")}
    assert list(sets) == list(MODEL.by_collection)
    for element in sets.values():
        assert element.get("EntityType", "").removeprefix("finlake.") in TYPES
        for binding in element.findall(f"{EDM}NavigationPropertyBinding"):
            assert binding.get("Target") in sets


def test_capabilities_say_what_is_not_served() -> None:
    text = metadata_document(MODEL).decode()
    for term in ("ExpandRestrictions", "SearchRestrictions", "InsertRestrictions"):
        assert text.count(f"Capabilities.{term}") == len(MODEL.collections)


def test_service_document() -> None:
    document = orjson.loads(service_document(MODEL, "http://host/odata/", Format()))
    assert document["@odata.context"] == "http://host/odata/$metadata"
    assert [(entry["name"], entry["url"], entry["kind"]) for entry in document["value"]] == [
        (name, name, "EntitySet") for name in MODEL.by_collection
    ]
