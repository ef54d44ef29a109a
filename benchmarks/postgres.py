"""PostgreSQL and PostGraphile 4 over the rows of the dataset, in the bench folder, without rights of an administrator.

PostgreSQL refuses to run as root; there it runs as `nobody`, who is given its data folder. The loaded database is kept.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.install import Missing, debian_folder, node_program, run
from benchmarks.peers import wait_until_up
from tests.support.server import free_port

UNPRIVILEGED = "nobody"
SETTINGS = {"shared_buffers": "1GB", "work_mem": "256MB", "maintenance_work_mem": "1GB", "max_wal_size": "4GB"}

TABLE = """
CREATE TABLE vintages (series_id uuid NOT NULL, date date NOT NULL, revision_date date NOT NULL, value numeric);
"""
# The rows are in the order of the key, and the key is made after them: the best case of a load.
KEYS_AND_FUNCTIONS = """
ALTER TABLE vintages ADD PRIMARY KEY (series_id, date, revision_date);
CREATE INDEX ON vintages (date);
CREATE FUNCTION known(series uuid, day date) RETURNS SETOF vintages LANGUAGE sql STABLE AS $$
    SELECT DISTINCT ON (date) * FROM vintages WHERE series_id = series AND revision_date <= day
    ORDER BY date, revision_date DESC $$;
CREATE FUNCTION month(day date) RETURNS SETOF vintages LANGUAGE sql STABLE AS $$
    SELECT DISTINCT ON (series_id) * FROM vintages WHERE date = day ORDER BY series_id, revision_date DESC $$;
CREATE FUNCTION yearly() RETURNS TABLE (year int, mean numeric) LANGUAGE sql STABLE AS $$
    SELECT extract(year FROM date)::int, avg(value) FROM (
        SELECT DISTINCT ON (series_id, date) date, value FROM vintages ORDER BY series_id, date, revision_date DESC
    ) latest GROUP BY 1 $$;
"""


@dataclass(frozen=True)
class _Cluster:
    """`programs` are PostgreSQL's; the database is in `folder`/data, its sockets are in `folder`."""

    programs: Path
    libraries: Path
    folder: Path
    port: int

    @property
    def data(self) -> Path:
        return self.folder / "data"

    def run(self, program: str, *words: str) -> None:
        """As its own user. Raises Missing where it fails."""
        command = [*_as_user(), "env", f"LD_LIBRARY_PATH={self.libraries}", str(self.programs / program), *words]
        run(command, self.folder)

    def sql(self, text: str) -> None:
        address = ["-h", "127.0.0.1", "-p", str(self.port), "-U", "bench", "-d", "postgres"]
        self.run("psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", *address, "-c", text)


@contextmanager
def serving_postgraphile(rows: Path, folder: Path) -> Generator[str]:
    """The URL of PostGraphile over a CSV file of points, while the block runs. Raises Missing."""
    program = node_program("postgraphile@4", "postgraphile")
    with _postgres(rows, folder) as cluster:
        port = free_port()
        database = f"postgres://bench@127.0.0.1:{cluster.port}/postgres"
        command = [str(program), "-c", database, "-s", "public", "-p", str(port), "--disable-query-log"]
        process = subprocess.Popen(
            command,
            env=os.environ | {"NODE_ENV": "production", "GRAPHILE_ENV": "production"},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            wait_until_up(f"http://127.0.0.1:{port}/graphql")
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait()


@contextmanager
def _postgres(rows: Path, folder: Path) -> Generator[_Cluster]:
    unpacked = debian_folder("postgresql")
    programs = next(iter(sorted(unpacked.glob("usr/lib/postgresql/*/bin"))), None)
    libraries = next(iter(sorted(unpacked.glob("usr/lib/*-linux-gnu*"))), None)
    if programs is None or libraries is None:
        raise Missing("the Debian package holds no programs")
    cluster = _Cluster(programs, libraries, folder, free_port())
    loaded = folder / "loaded"
    if not loaded.is_file():
        _make_cluster(cluster)
    options = " ".join(f"-c {name}={value}" for name, value in SETTINGS.items())
    place = f"-p {cluster.port} -k {folder} {options}"
    cluster.run("pg_ctl", "start", "-w", "-D", str(cluster.data), "-l", str(folder / "log"), "-o", place)
    try:
        if not loaded.is_file():
            _load(cluster, rows)
            loaded.touch()
        yield cluster
    finally:
        cluster.run("pg_ctl", "stop", "-D", str(cluster.data), "-m", "fast")


def _make_cluster(cluster: _Cluster) -> None:
    shutil.rmtree(cluster.folder, ignore_errors=True)
    cluster.folder.mkdir(parents=True)
    if os.geteuid() == 0:
        shutil.chown(cluster.folder, UNPRIVILEGED)
    options = ["-U", "bench", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"]
    cluster.run("initdb", "-D", str(cluster.data), *options)


def _load(cluster: _Cluster, rows: Path) -> None:
    cluster.sql(TABLE)
    cluster.sql(f"\\copy vintages FROM '{rows}' WITH (FORMAT csv, HEADER)")
    cluster.sql(KEYS_AND_FUNCTIONS)
    cluster.sql("VACUUM ANALYZE vintages")


def _as_user() -> Sequence[str]:
    """Words in front of a command that make it run as somebody who is not root."""
    if os.geteuid():
        return ()
    if shutil.which("setpriv") is None:
        raise Missing("PostgreSQL does not run as root, and there is no setpriv to become another user")
    return ("setpriv", "--reuid", UNPRIVILEGED, "--regid", "nogroup", "--clear-groups")
