"""What becomes of old states, as a program of its own: `finlake expire`, `tag` and `verify` run it, so that the
supervisor stays small. It works on the data folder, whether a service serves it or not.
"""

from __future__ import annotations

import argparse
import datetime as dt
import sys
from collections.abc import Sequence

from rich.console import Console

from api import logging
from api.config import Settings
from api.keeping import retention_of
from api.limits import Limits
from api.verification import verify
from catalog.errors import CatalogError
from catalog.expiry import Expiry, Pass
from catalog.iceberg import Lake
from catalog.ledger import Tag
from catalog.model import MODEL
from catalog.tags import Tags
from engine.errors import EngineError

console = Console(highlight=False, markup=False, soft_wrap=True)
complaints = Console(highlight=False, markup=False, soft_wrap=True, stderr=True)


def _expire(lake: Lake, settings: Settings, limits: Limits, *, dry_run: bool) -> None:
    expiry = Expiry(lake, retention_of(settings, limits))
    done = expiry.preview() if dry_run else expiry.run(sweep=True)
    if done is None:
        complaints.print("Nothing was done: another process drops snapshots, or makes a tag, at this moment.")
        return
    if dry_run:
        console.print("Dry run, nothing is changed. A pass would do this:")
    _report(done)


def _report(done: Pass) -> None:
    console.print(f"Snapshots: {done.retired:,} taken from the metadata; {done.expired:,} of earlier ones expired.")
    console.print(
        f"Files: {done.queued:,} queued with them, {done.orphans:,} orphans queued; "
        f"{done.trashed:,} moved to the trash, {done.deleted:,} deleted from it."
    )
    if done.restored:
        console.print(f"{done.restored:,} files taken back: they are needed after all.")


def _tag(lake: Lake, limits: Limits, name: str | None, *, delete: bool) -> None:
    tags = Tags(lake, characters_max=limits.tag_characters_max, tags_max=limits.tags_max)
    if name is None:
        _list(tags.all())
    elif delete:
        tags.delete(name)
        console.print(f"The tag {name} is deleted.")
    else:
        console.print(f"The tag {name} names the state {tags.make(name).token}.")


def _list(tags: Sequence[Tag]) -> None:
    if not tags:
        console.print("There are no tags.")
        return
    for tag in tags:
        made = dt.datetime.fromtimestamp(tag.made_ms / 1000, dt.UTC)
        console.print(f"{tag.name}  {made:%Y-%m-%dT%H:%M:%SZ}  {tag.token}")


def _arguments(given: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="finlake")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("expire").add_argument("--dry-run", action="store_true")
    tag = commands.add_parser("tag")
    tag.add_argument("name", nargs="?")
    tag.add_argument("--delete", action="store_true")
    commands.add_parser("verify").add_argument("--all", action="store_true")
    return parser.parse_args(given)


def _run(arguments: argparse.Namespace, settings: Settings, limits: Limits) -> int:
    lake = Lake(settings.data_dir, MODEL)
    try:
        match arguments.command:
            case "expire":
                _expire(lake, settings, limits, dry_run=arguments.dry_run)
            case "tag":
                _tag(lake, limits, arguments.name, delete=arguments.delete)
            case _:
                return verify(lake, settings, limits, console, complaints, every=arguments.all)
    finally:
        lake.close()
    return 0


def main(given: Sequence[str]) -> int:
    """The exit status."""
    settings, limits = Settings(), Limits()
    logging.configure(settings)
    try:
        return _run(_arguments(given), settings, limits)
    except (CatalogError, EngineError) as error:
        complaints.print(f"{error.code}: {error.message} {error.hint}".rstrip())
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
