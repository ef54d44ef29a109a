"""An explanation as lines for a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any


def explanation_lines(told: Mapping[str, Any]) -> Iterator[str]:
    """The lines of one explanation, as the service answers it."""
    as_of = f" as of {told['as_of']}" if told["as_of"] else ""
    yield f"{told['table']}, {told['view']}{as_of}, at snapshot {told['snapshot']}"
    if told["grouping"]:
        yield f"groups: {told['grouping']}"
    files, pruned = told["files"], told["files"]["pruned"]
    yield (
        f"files: {files['considered']} considered; pruned {pruned['partition']} by partition, {pruned['bounds']} by"
        f" bounds, {pruned['members']} by members; {files['read']} read, {files['settled']} of them settled and"
        f" {files['compared']} compared: {files['rows']:,} rows, {files['size_bytes']:,} bytes"
    )
    for rows in told["related"]:
        keys = "joined" if rows["keys"] is None else f"{rows['keys']} keys looked up"
        yield f"related: {rows['condition']}: {keys}, {rows['files']['read']} files of {rows['table']} read"
    yield _row_groups(told["row_groups"])
    for step in told["passes"]:
        yield f"pass {step['name']}"
        yield from (f"  {change['part']}: {change['before']} -> {change['after']}" for change in step["changes"])
    yield f"SQL: {told['sql']}"
    yield f"parameters: {', '.join(f'{name} = {value}' for name, value in told['parameters'].items()) or 'none'}"


def _row_groups(counts: Mapping[str, int] | None) -> str:
    if counts is None:
        return "row groups: not counted, too many files are read"
    return (
        f"row groups: {counts['considered']} considered, {counts['read']} read: {counts['rows']:,} rows,"
        f" {counts['size_bytes']:,} bytes of the columns asked for"
    )
