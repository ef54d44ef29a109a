"""One question asked through both doors is one equal Query, and one equal set of rows."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import replace

import pytest

from api.odata.compile import compile_url
from catalog.identity import series_id, source_id
from engine.query import Query
from tests.support.graphql_door import GraphQLDoor
from tests.support.oracle import Point
from tests.support.warehouse import Warehouse, warehouse

A, B = series_id("X", "A"), series_id("X", "B")
X = source_id("X")
EVERYTHING = "seriesId date revisionDate value isOriginalRelease createdAt updatedAt"

# What is asked -> (OData path and options, GraphQL document). The document's one root field asks the last query.
QUESTIONS: dict[str, tuple[str, str]] = {
    "the points of a series": (
        f"DataPoints?$filter=series_id eq {A}",
        f'{{ dataPoints(seriesId: "{A}") {{ {EVERYTHING} }} }}',
    ),
    "by navigation": (
        f"Series({A})/DataPoints?$select=date,value",
        f'{{ dataPoints(seriesId: "{A}") {{ date value }} }}',
    ),
    "nested under the series": (
        f"DataPoints?$select=value,date&$filter='{A}' eq series_id",
        f'{{ series(id: "{A}") {{ dataPoints {{ date value }} }} }}',
    ),
    "between two dates": (
        f"DataPoints?$select=date,value&$filter=date le 2020-03-01 and series_id eq {A} and date ge 2020-02-01",
        f'{{ series(id: "{A}") {{ dataPoints(startDate: "2020-02-01", endDate: "2020-03-01") {{ date value }} }} }}',
    ),
    "in a time range": (
        f"DataPoints?$select=date,value&$filter=(series_id eq {A}) and ((date ge 2020-02-01) and date le 2020-03-01)",
        f'{{ dataPoints(seriesId: "{A}", timeRange: {{start: "2020-02-01", end: "2020-03-01"}}) {{ value date }} }}',
    ),
    "from a date on": (
        f"DataPoints?$select=date,value&$filter=series_id eq {A} and not not (2020-02-01 le date)",
        f'{{ dataPoints(seriesId: "{A}", timeRange: {{start: "2020-02-01"}}) {{ date value }} }}',
    ),
    "as of a day": (
        f"DataPoints?$select=date,value&$filter=series_id eq {A}&asOf=2020-06-30",
        f'{{ dataPoints(seriesId: "{A}", asOf: "2020-06-30") {{ date value }} }}',
    ),
    "as of a day, said of the series": (
        f"Series('{A}')/DataPoints?$select=date,value&asof=2020-06-30",
        f'{{ series(id: "{A}", asOf: "2020-06-30") {{ dataPoints {{ date value }} }} }}',
    ),
    "first releases": (
        f"DataPoints?$select=date,value&$filter=series_id eq {A}&release=first",
        f'{{ dataPoints(seriesId: "{A}", release: FIRST) {{ date value }} }}',
    ),
    "first releases as of a day": (
        f"Series({A})/DataPoints?$select=date,value&release=first&asOf=2020-06-30",
        f'{{ dataPoints(seriesId: "{A}", release: FIRST, asOf: "2020-06-30") {{ date value }} }}',
    ),
    "the newest three points": (
        f"DataPoints?$select=date,value&$filter=series_id eq {A}&$orderby=date desc&$top=3",
        f'{{ series(id: "{A}") {{ dataPoints(first: 3, order: DESC) {{ date value }} }} }}',
    ),
    "the oldest three points": (
        f"DataPoints?$select=date,value&$filter=series_id eq {A}&$top=3",
        f'{{ series(id: "{A}") {{ dataPoints(first: 3) {{ date value }} }} }}',
    ),
    "every revision of a point": (
        f"Revisions?$select=revision_date,value&$filter=series_id eq {A} and date eq 2020-02-01",
        f'{{ series(id: "{A}") {{ revisions(date: "2020-02-01") {{ revisionDate value }} }} }}',
    ),
    "every revision of a point as of a day": (
        f"Revisions?$select=revision_date,value&$filter=series_id eq {A} and date eq 2020-02-01&asOf=2020-06-30",
        f'{{ series(id: "{A}") {{ revisions(date: "2020-02-01", asOf: "2020-06-30") {{ revisionDate value }} }} }}',
    ),
    "the vintages of a series": (
        f"Revisions?$select=revision_date&$filter=series_id eq {A}",
        f'{{ series(id: "{A}") {{ vintages }} }}',
    ),
    "a series by its id": (
        f"Series?$select=title,units&$filter=id eq {A}",
        f'{{ series(id: "{A}") {{ title units }} }}',
    ),
    "a source by its name": (
        "Sources?$select=id,title&$filter=name eq 'X'",
        '{ source(name: "X") { id title } }',
    ),
    "the sources": ("Sources?$select=id,name&$top=1000", "{ sources { id name } }"),
    "series by frequency": (
        "Series?$select=id,title&$filter=frequency eq 'monthly'&$top=5",
        '{ seriesList(first: 5, filter: {frequency: {eq: "monthly"}}) { edges { node { id title } } } }',
    ),
    "series by parts of titles": (
        "Series?$select=id,title&$filter=startswith(title,'A') and contains(title,'lph') or endswith(units,'x')&$top=5",
        """{ seriesList(first: 5, filter: {or: [
              {title: {startsWith: "A", contains: "lph"}}, {units: {endsWith: "x"}}]}) {
              edges { node { id title } } } }""",
    ),
    "series among ids": (
        f"Series?$select=id,title&$filter=id in ({B},{A})&$top=5",
        f'{{ seriesList(first: 5, ids: ["{A}", "{B}"]) {{ edges {{ node {{ id title }} }} }} }}',
    ),
    "series that are not weekly": (
        "Series?$select=id,title&$filter=not (frequency eq 'weekly')&$top=5",
        '{ seriesList(first: 5, filter: {not: {frequency: {eq: "weekly"}}}) { edges { node { id title } } } }',
    ),
    "the yearly average of a series": (
        (
            f"DataPoints?$apply=filter(series_id eq {A})/compute(finlake.startofyear(date) as period)"
            "/groupby((period),aggregate(value with average as avg))"
        ),
        f'{{ series(id: "{A}") {{ aggregates(bucket: YEAR) {{ period avg }} }} }}',
    ),
    "statistics of a series by quarter, the latest first, as of a day": (
        (
            f"DataPoints?$apply=filter(series_id eq {A} and date ge 2020-02-01)"
            "/compute(finlake.startofquarter(date) as period)/groupby((period),aggregate(value with finlake.median as "
            "median,$count as count,value with finlake.last as last,value with finlake.quantile(.9) as quantile_0_9))"
            "&$orderby=period desc&$top=2&asOf=2020-06-30"
        ),
        f"""{{ series(id: "{A}", asOf: "2020-06-30") {{
            aggregates(bucket: QUARTER, first: 2, order: DESC, startDate: "2020-02-01") {{
                last count median quantile(at: 0.90) }} }} }}""",
    ),
    "groups of all series with conditions before and after": (
        (
            "DataPoints?$apply=filter(value gt 2)/groupby((series_id),aggregate(value with min as min,"
            "value with sum as sum))&$filter=sum ge 9&$orderby=sum desc&$top=5"
        ),
        """{ dataPointGroups(filter: {value: {gt: "2"}}, groupBy: [seriesId], having: {sum: {ge: "9"}}, first: 5,
                             orderBy: [{by: sum, direction: DESC}]) { seriesId sum min } }""",
    ),
    "how many points there are": (
        "DataPoints?$apply=aggregate($count as count)",
        "{ dataPointGroups { count } }",
    ),
    "series that have units": (
        "Series?$select=id&$filter=units ne null&$top=5",
        "{ seriesList(first: 5, filter: {units: {ne: null}}) { edges { node { id } } } }",
    ),
}


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Warehouse]:
    with warehouse(tmp_path_factory.mktemp("same")) as lake:
        titles = {"A": ("Alpha", "monthly", "index"), "B": ("Beta", "weekly", None)}
        points = [
            Point(
                name, dt.date(2020, month, 1), None if month == 3 else month + revision, dt.date(2020, 3 * revision, 30)
            )
            for name in titles
            for month in (1, 2, 3, 4)
            for revision in (1, 2, 3)
        ]
        lake.write(
            {
                "source": {"name": "X"},
                "series": [
                    {"external_id": name, "title": title, "frequency": frequency, "units": units}
                    for name, (title, frequency, units) in titles.items()
                ],
                "data_points": [point.document("X") for point in points],
            }
        )
        yield lake


def odata(question: str, lake: Warehouse) -> Query:
    path, _, options = question.partition("?")
    return compile_url(path, options.replace(" ", "%20"), lake.engine.tables, lake.limits).query


def graphql(document: str, lake: Warehouse) -> Query:
    answer = GraphQLDoor(lake.engine, lake.writer).ask(document)
    assert not answer.errors, answer.errors
    return replace(answer.asked[-1], snapshot=None)


@pytest.mark.parametrize("name", QUESTIONS)
def test_one_question_is_one_query(lake: Warehouse, name: str) -> None:
    url, document = QUESTIONS[name]
    asked = odata(url, lake)
    assert asked == graphql(document, lake)
    assert hash(asked) == hash(graphql(document, lake))
    assert lake.rows(asked), "a question without an answer would compare nothing"


def test_different_questions_are_different_queries(lake: Warehouse) -> None:
    asked = [odata(url, lake) for url, _ in QUESTIONS.values()]
    same = {"by navigation", "nested under the series"}
    ranges = {"between two dates", "in a time range"}
    days = {"as of a day", "as of a day, said of the series"}
    assert len(set(asked)) == len(asked) - sum(len(group) - 1 for group in (same, ranges, days))
