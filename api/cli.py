"""The command line of finlake. Exit status: 0 done, 1 failed, 2 wrong command."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from api import serving
from api.cells import FIELDS
from api.client import Client, ClientError, Refused
from api.demo import tour
from api.explaining import explanation_lines
from api.posting import BATCH_BYTES, BATCH_ROWS, Outcome, post_points
from api.resume import content_of
from api.row_files import Layout, open_rows
from api.server import local_url
from api.wire import UnreadableRows
from api.writing import Failure, Mode

START_SECONDS_MAX = 60.0
FAILURES_SHOWN_MAX = 20

app = typer.Typer(
    help="Financial time series with every revision.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
console = Console(highlight=False, markup=False, soft_wrap=True)
complaints = Console(highlight=False, markup=False, soft_wrap=True, stderr=True)


@app.command("serve")
def serve_command() -> None:
    """Run the service until it is told to stop. Settings are FINLAKE_* variables."""
    serving.become()


@app.command("demo")
def demo_command() -> None:
    """Load real data if the lake is empty, and say what to ask. Starts the service where none runs."""
    settings = serving.checked_settings()
    url = local_url(settings)
    with Client(url) as client:
        if client.is_up():
            _show_demo(client)
            return
    serving.run(settings, beside=lambda: _demo_when_up(url))


@app.command("ingest")
def ingest_command(
    files: Annotated[list[Path], typer.Argument(exists=True, dir_okay=False, help="CSV, Parquet or NDJSON files.")],
    source: Annotated[str | None, typer.Option(help="Source of the rows that name none.")] = None,
    url: Annotated[str | None, typer.Option(help="The service; else the one FINLAKE_HOST and _PORT name.")] = None,
    batch_rows: Annotated[int, typer.Option(min=1, help="Rows of one request.")] = BATCH_ROWS,
    batch_bytes: Annotated[int, typer.Option(min=1, help="Bytes of one request, about, before packing.")] = BATCH_BYTES,
    mode: Annotated[
        Mode, typer.Option(help="partial: good rows land; atomic: all rows of a request or none.")
    ] = "partial",
    changes_only: Annotated[
        bool, typer.Option("--changes-only", help="Rows are whole vintages: store what differs from the one before.")
    ] = False,
    rename: Annotated[list[str] | None, typer.Option(help="COLUMN=FIELD, for a column of another name.")] = None,
    ignore: Annotated[list[str] | None, typer.Option(help="A column to leave out.")] = None,
    state_dir: Annotated[Path | None, typer.Option(help="Folder of the progress records.")] = None,
    again: Annotated[bool, typer.Option("--again", help="Post from the first row, whatever is on record.")] = False,
) -> None:
    """Post files of points to a running service. A second run goes on where the first one stopped.

    Fields: source, external_id or series_id, date, value, revision_date, is_original_release. Where rows are not
    stored, the exit status is 1.
    """
    with Client(url or local_url(serving.checked_settings())) as client:
        layout = Layout(_renamed(rename or []), frozenset(ignore or []))
        ingest = _Ingest(client, layout, source, mode, changes_only, batch_rows, batch_bytes, state_dir, again)
        outcomes = [ingest.file(path) for path in files]
    if any(outcome.failed for outcome in outcomes):
        raise typer.Exit(1)


@app.command("explain")
def explain_command(
    question: Annotated[str, typer.Argument(help="An OData URL below /odata/, its path and options.")],
    url: Annotated[str | None, typer.Option(help="The service; else the one FINLAKE_HOST and _PORT name.")] = None,
) -> None:
    """Say how a running service would answer a question: files, row groups, passes and SQL. Nothing is executed."""
    with Client(url or local_url(serving.checked_settings())) as client:
        for told in client.explain(question):
            console.print("\n".join(explanation_lines(told)))


@app.command("compact")
def compact_command() -> None:
    """Merge the files of each partition, so that reads need less. Works beside a running service."""
    serving.checked_settings()
    raise typer.Exit(subprocess.run([sys.executable, "-m", "api.maintain"], check=False).returncode)


@app.command("expire")
def expire_command(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and change nothing.")] = False,
) -> None:
    """Drop old snapshots, and the files that nothing needs any more. Works beside a running service."""
    _maintain("expire", *(["--dry-run"] if dry_run else []))


@app.command("tag")
def tag_command(
    name: Annotated[str | None, typer.Argument(help="The tag; reads take it as `snapshot`.")] = None,
    listed: Annotated[bool, typer.Option("--list", help="List the tags.")] = False,
    delete: Annotated[bool, typer.Option("--delete", help="Delete the tag.")] = False,
) -> None:
    """Name the newest state of all tables, and keep it from expiring. Works beside a running service."""
    if listed is (name is not None) or (delete and listed):
        raise typer.BadParameter("Give either a name or --list.")
    _maintain("tag", *(["--delete"] if delete else []), *([] if name is None else ["--", name]))


@app.command("verify")
def verify_command(
    every: Annotated[bool, typer.Option("--all", help="Every state that can be read, not only the newest.")] = False,
) -> None:
    """Check every file and row of the lake against what was committed. Exit status 1 where something is wrong."""
    _maintain("verify", *(["--all"] if every else []))


def main() -> None:
    """The console script."""
    try:
        app()
    except (ClientError, UnreadableRows) as error:
        if isinstance(error, Refused):
            _show_failures(error.failures)
        complaints.print(f"{error.message}\n{error.hint}")
        raise SystemExit(1) from error


@dataclass(frozen=True, slots=True)
class _Ingest:
    client: Client
    layout: Layout
    source: str | None
    mode: Mode
    changes_only: bool
    batch_rows: int
    batch_bytes: int
    state_dir: Path | None
    again: bool

    def file(self, path: Path) -> Outcome:
        rows = open_rows(path, self.layout)
        with _progress() as progress:
            bar = progress.add_task(path.name, total=rows.count())
            outcome = post_points(
                self.client,
                rows.points(),
                source=self.source,
                mode=self.mode,
                changes_only=self.changes_only,
                batch_rows=self.batch_rows,
                batch_bytes=self.batch_bytes,
                job=self._job(path),
                state_dir=self.state_dir,
                again=self.again,
                on_progress=lambda acknowledged: progress.update(bar, completed=acknowledged),
            )
        _report(path, outcome)
        return outcome

    def _job(self, path: Path) -> str:
        """Progress belongs to a content and to what its columns mean, not to the file's name."""
        return repr((content_of(path), sorted(self.layout.renamed.items()), sorted(self.layout.ignored)))


def _progress() -> Progress:
    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=complaints,
    )


def _report(path: Path, outcome: Outcome) -> None:
    resumed = f", {outcome.resumed_at:,} of them by an earlier run" if outcome.resumed_at else ""
    stored = outcome.rows - outcome.failed
    console.print(f"{path}: {stored:,} rows stored{resumed}; {outcome.failed:,} failed.")
    _show_failures(outcome.failures)
    if outcome.failed > min(len(outcome.failures), FAILURES_SHOWN_MAX):
        complaints.print(f"Not all {outcome.failed:,} failed rows are shown.")


def _show_failures(failures: tuple[Failure, ...]) -> None:
    if failures:
        table = Table("row", "field", "code", "message")
        for failure in failures[:FAILURES_SHOWN_MAX]:
            table.add_row(str(failure.index + 1), failure.field or "", failure.code, failure.message)
        complaints.print(table)


def _maintain(*arguments: str) -> None:
    """Run a command over the data folder in a process of its own, whose exit status becomes this one's."""
    serving.checked_settings()
    command = [sys.executable, "-m", "api.retention", *arguments]
    raise typer.Exit(subprocess.run(command, check=False).returncode)  # noqa: S603 - our own program, and no shell


def _renamed(pairs: list[str]) -> dict[str, str]:
    renamed: dict[str, str] = {}
    for pair in pairs:
        column, _, name = pair.rpartition("=")
        if not column or name not in FIELDS:
            raise typer.BadParameter(f"{pair}: give COLUMN=FIELD, with one of {', '.join(FIELDS)}.")
        renamed[column] = name
    return renamed


def _demo_when_up(url: str) -> None:
    with Client(url) as client:
        if not client.wait_until_up(START_SECONDS_MAX):
            complaints.print(f"The service did not come up within {START_SECONDS_MAX:.0f} s.")
            return
        try:
            _show_demo(client)
        except ClientError as error:
            complaints.print(f"The demonstration is not complete: {error.message}\n{error.hint}")


def _show_demo(client: Client) -> None:
    loaded = tour.load_if_empty(client)
    questions = tour.questions(client)
    if loaded.points:
        console.print(f"Loaded {loaded.points:,} demonstration points.")
    else:
        console.print("The lake holds series already: no demonstration data was loaded.")
    if not loaded.with_package:
        console.print("The optional package vega_datasets is not installed: without it there is one series, US GDP.")
    console.print("\nOpen:")
    for page in tour.PAGES:
        console.print(f"  {client.url}{page}")
    for question in questions:
        console.print(f"\n# {question.title}\n{question.command}")
    console.print()


if __name__ == "__main__":
    main()
