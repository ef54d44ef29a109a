"""The OData v4 door: a URL becomes a `Query`, a `Result` becomes OData JSON."""
