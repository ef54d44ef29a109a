"""Who is asked by suite `reads`: finlake through its doors, ROAPI, PostGraphile, and DuckDB in this process.

A party turns a Question into its own words, and an answer into rows that are the same for all of them.
"""

from __future__ import annotations

import datetime as dt
import http.client
from abc import abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Protocol, TypeAlias, assert_never
from urllib.parse import quote, urlsplit

import duckdb
import orjson
from typing_extensions import override

from benchmarks.asking import Request

END_OF_TIME = dt.date(9999, 12, 31)
TIMEOUT_SECONDS = 300

# DataFusion takes fifty times as long for a window of as many partitions as there are points.
ROAPI_YEARLY = """SELECT extract(year FROM date) AS year, avg(value) AS mean FROM (
    SELECT date, last_value(value ORDER BY revision_date) AS value FROM points GROUP BY series_id, date
) AS latest GROUP BY 1"""


@dataclass(frozen=True)
class Known:
    """The points of one series: the latest, or those known on a day."""

    series: str
    day: dt.date | None = None


@dataclass(frozen=True)
class Month:
    """The latest value of every series for one date."""

    day: dt.date


@dataclass(frozen=True)
class Yearly:
    """The average of all latest values, by year."""


Question: TypeAlias = Known | Month | Yearly
Row: TypeAlias = tuple[str, Decimal]  # a date, a series or a year; and a value


class NotServed(Exception):
    """The party has no way to answer such a question."""


class Party(Protocol):
    """`ask` is what is timed; `rows` reads what it returned."""

    name: str

    def ask(self, question: Question) -> Any: ...

    def rows(self, answer: Any) -> list[Row]: ...


class Http:
    """One kept connection, opened again where the other side has closed it meanwhile.

    Raises NotServed for 404, and RuntimeError for any other status than 200.
    """

    def __init__(self, url: str) -> None:
        self._connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=TIMEOUT_SECONDS)

    def ask(self, request: Request) -> bytes:
        try:
            status, content = self._answer(request)
        except ConnectionError:
            self._connection.close()
            status, content = self._answer(request)
        if status == http.client.NOT_FOUND:
            raise NotServed("status 404")
        if status != http.client.OK:
            raise RuntimeError(f"Status {status}: {content[:300]!r}")
        return content

    def _answer(self, request: Request) -> tuple[int, bytes]:
        headers = {"Content-Type": "application/json"} if request.body else {}
        self._connection.request(request.method, request.path, request.body.encode() or None, headers)
        answer = self._connection.getresponse()
        return answer.status, answer.read()


class OData:
    """finlake; averages through its SQL door."""

    name = "finlake, OData"

    def __init__(self, url: str) -> None:
        self.url = url
        self._http = Http(url)

    def ask(self, question: Question) -> list[bytes]:
        """All pages."""
        pages = [self._http.ask(self.request(question))]
        while b'"@odata.nextLink"' in pages[-1]:
            pages.append(self._http.ask(Request("GET", path_of(orjson.loads(pages[-1])["@odata.nextLink"]))))
        return pages

    def request(self, question: Question) -> Request:
        match question:
            case Known(series, day):
                as_of = f"&asOf={day}" if day else ""
                return Request("GET", f"/odata/Series({series})/DataPoints?$select=date,value{as_of}")
            case Month(day):
                wanted = quote(f"date eq {day}")
                return Request("GET", f"/odata/DataPoints?$filter={wanted}&$select=series_id,value")
            case Yearly():
                sql = "SELECT year(date) AS year, avg(value) AS mean FROM data_points GROUP BY 1"
                return Request("POST", "/sql", orjson.dumps({"sql": sql}).decode())
        assert_never(question)

    def rows(self, answer: list[bytes]) -> list[Row]:
        documents = [orjson.loads(page) for page in answer]
        if "rows" in documents[0]:
            return _pairs(documents[0]["rows"])
        return _rows(row for document in documents for row in document["value"])


class GraphQL:
    """finlake's other door, for points of one series."""

    name = "finlake, GraphQL"

    def __init__(self, url: str) -> None:
        self._http = Http(url)

    def ask(self, question: Question) -> bytes:
        if not isinstance(question, Known):
            raise NotServed("asked through the other door")
        document = "query ($id: ID!, $day: Date) { dataPoints(seriesId: $id, asOf: $day) { date value } }"
        return self._http.ask(graphql_request(document, id=question.series, day=question.day))

    def rows(self, answer: bytes) -> list[Row]:
        return _rows(orjson.loads(answer)["data"]["dataPoints"])


class _Peer:
    """A peer that is asked over HTTP, each question in one request."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._http = Http(url)

    def ask(self, question: Question) -> bytes:
        return self._http.ask(self.request(question))

    @abstractmethod
    def request(self, question: Question) -> Request: ...


class PostGraphile(_Peer):
    """PostGraphile 4, through the functions of benchmarks.postgres."""

    name = "PostGraphile"

    @override
    def request(self, question: Question) -> Request:
        match question:
            case Known(series, day):
                document = "query ($id: UUID, $day: Date) { known(series: $id, day: $day) { nodes { date value } } }"
                return graphql_request(document, id=series, day=day or END_OF_TIME)
            case Month(day):
                document = "query ($day: Date) { month(day: $day) { nodes { seriesId value } } }"
                return graphql_request(document, day=day)
            case Yearly():
                return graphql_request("{ yearly { nodes { year mean } } }")
        assert_never(question)

    def rows(self, answer: bytes) -> list[Row]:
        (found,) = orjson.loads(answer)["data"].values()
        return _rows(found["nodes"])


class Roapi(_Peer):
    """ROAPI over the sorted file, which it holds in memory as its table `points`."""

    name = "ROAPI"

    @override
    def request(self, question: Question) -> Request:
        return Request("POST", "/api/sql", ROAPI_YEARLY if isinstance(question, Yearly) else sql_of(question, "points"))

    def rows(self, answer: bytes) -> list[Row]:
        return _rows(orjson.loads(answer))


class SortedFile:
    """DuckDB in this process over one sorted file of all revisions, by a window."""

    name = "bare DuckDB, sorted file"

    def __init__(self, file: str) -> None:
        self._connection = duckdb.connect(config={"threads": 2})
        self._connection.execute("SET parquet_metadata_cache = true")
        self._table = f"read_parquet('{file}')"

    def ask(self, question: Question) -> list[Any]:
        return self._connection.execute(sql_of(question, self._table)).fetchall()

    def rows(self, answer: Sequence[tuple[Any, Any]]) -> list[Row]:
        return _pairs(answer)


class BaseFiles(SortedFile):
    """DuckDB in this process over the base files of the lake, in which a row knows how long it holds."""

    name = "bare DuckDB, clean base files"

    def __init__(self, files: Sequence[str]) -> None:
        super().__init__("")
        self._table = f"read_parquet({list(files)})"

    def ask(self, question: Question) -> list[Any]:
        match question:
            case Month(day):
                sql = f"SELECT series_id, value {self.latest} AND date = DATE '{day}'"
            case Yearly():
                sql = f"SELECT year(date), avg(value) {self.latest} GROUP BY 1"
            case Known():
                raise NotServed("asked of the sorted file")
            case _:
                assert_never(question)
        return self._connection.execute(sql).fetchall()

    @property
    def latest(self) -> str:
        return f"FROM {self._table} WHERE superseded_on IS NULL AND NOT is_deleted"

    def export(self, rows: int, target: str, *, keeps_order: bool) -> None:
        """So many latest points as a file of JSON."""
        self._connection.execute(f"SET preserve_insertion_order = {keeps_order}")
        points = f"SELECT series_id, date, value {self.latest} LIMIT {rows}"
        self._connection.execute(f"COPY ({points}) TO '{target}' (FORMAT json)")


def sql_of(question: Question, table: str) -> str:
    """SQL that DuckDB and DataFusion both read."""
    match question:
        case Known(series, day):
            known = f"AND revision_date <= DATE '{day}'" if day else ""
            return _newest("date", f"FROM {table} WHERE series_id = '{series}' {known}", "date") + " ORDER BY date"
        case Month(day):
            return _newest("series_id", f"FROM {table} WHERE date = DATE '{day}'", "series_id")
        case Yearly():
            latest = _newest("date", f"FROM {table}", "series_id, date")
            return f"SELECT extract(year FROM date) AS year, avg(value) AS mean FROM ({latest}) AS latest GROUP BY 1"
    assert_never(question)


def _newest(name: str, rows: str, key: str) -> str:
    rank = f"row_number() OVER (PARTITION BY {key} ORDER BY revision_date DESC) AS rank"
    return f"SELECT {name}, value FROM (SELECT {name}, value, {rank} {rows}) AS ranked WHERE rank = 1"


def graphql_request(document: str, **variables: object) -> Request:
    """As programs ask: the document is the same each time."""
    return Request("POST", "/graphql", orjson.dumps({"query": document, "variables": variables}).decode())


def path_of(link: str) -> str:
    """What of a link is sent in a request."""
    parts = urlsplit(link)
    return f"{parts.path}?{parts.query}"


def _rows(documents: Iterable[dict[str, Any]]) -> list[Row]:
    """Of objects with two members, in that order."""
    return _pairs(each.values() for each in documents)


def _pairs(found: Iterable[Iterable[Any]]) -> list[Row]:
    return sorted((str(name), Decimal(str(value))) for name, value in found)
