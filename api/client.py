"""A client of the service: posts bulk documents, and asks the little that the command line needs to know.

ClientError
├── Unreachable    the service did not answer, or asked to wait, more often than the client tries: try later
├── JobRunning     another process posts the same job: let it, then see what it has left
└── Refused        the service answered that the request is wrong: fix it
"""

from __future__ import annotations

import datetime as dt
import email.utils
import random
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qsl

import httpx
import msgspec
import orjson
import pyarrow as pa

from api.wire import JSON, Body
from api.writing import KEY_HEADER, Failure, Mode, Receipt

BULK_PATH = "/api/v1/financial-data/bulk"
ATTEMPTS_MAX = 8
BACKOFF_SECONDS_MAX = 30.0
RETRY_AFTER_SECONDS_MAX = 300.0
CONNECT_SECONDS_MAX = 5.0
ANSWER_SECONDS_MAX = 300.0

# 500 is among them: a commit of unknown outcome is sent again, under the same key. 501 says that it is never served.
_TRY_AGAIN = frozenset({429, *range(500, 600)} - {501})


class ClientError(Exception):
    """What a caller of the client is told; `hint` says what to do."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class Unreachable(ClientError):
    pass


class JobRunning(ClientError):
    pass


class Refused(ClientError):
    """`code` is the stable code of the problem document, empty where the answer was none.

    `failures` are the rows that it lists, `limit` the setting that it names with its value.
    """

    def __init__(
        self,
        message: str,
        hint: str = "",
        code: str = "",
        failures: tuple[Failure, ...] = (),
        limit: tuple[str, int] | None = None,
    ) -> None:
        super().__init__(message, hint)
        self.code = code
        self.failures = failures
        self.limit = limit


@dataclass(frozen=True, slots=True)
class Terms:
    """How points are to be stored, as `docs/ingest.md` has it; `source` names that of the rows that name none."""

    source: str | None = None
    mode: Mode = "partial"
    changes_only: bool = False

    @property
    def params(self) -> dict[str, str]:
        source = {} if self.source is None else {"source": self.source}
        return {"mode": self.mode} | ({"changes_only": "true"} if self.changes_only else {}) | source


class Client:
    """One service at one base URL. Not for use by several threads at once.

    `transport` and `sleep` are seams for tests. Every method raises ClientError.
    """

    def __init__(
        self,
        url: str,
        transport: httpx.BaseTransport | None = None,
        sleep: Callable[[float], None] = time.sleep,
        attempts_max: int = ATTEMPTS_MAX,
    ) -> None:
        timeout = httpx.Timeout(ANSWER_SECONDS_MAX, connect=CONNECT_SECONDS_MAX)
        self.url = url.rstrip("/")
        self._http = httpx.Client(base_url=self.url, transport=transport, timeout=timeout, trust_env=False)
        self._sleep = sleep
        self._attempts_max = attempts_max

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._http.close()

    def post(self, document: Mapping[str, Any], mode: Mode = "partial", key: str = "") -> Receipt:
        """Store a bulk document; the rest is as `post_body` has it."""
        return self.post_body(Body(orjson.dumps(document), JSON, 0), Terms(mode=mode), key)

    def post_body(self, body: Body, terms: Terms, key: str = "") -> Receipt:
        """Store points. Where it returns, the rows that the receipt does not call failed are durable.

        Connection errors, 429 and 5xx are tried again, after the time the answer asks for or a growing, jittered one.
        All attempts carry one idempotency key, a random one where none is given: they are stored once.
        """
        headers = {
            "Content-Type": body.media_type,
            "Content-Encoding": "zstd",
            KEY_HEADER: key or str(uuid.uuid4()),
        }
        content: bytes = pa.compress(body.content, codec="zstd", asbytes=True)
        answer = self._send("POST", BULK_PATH, content=content, params=terms.params, headers=headers)
        try:
            return msgspec.json.decode(answer.content, type=Receipt)
        except msgspec.DecodeError as error:
            raise Refused(f"{self.url} answered with no receipt: {error}.", "Is this a finlake service?") from error

    def is_up(self) -> bool:
        """Whether the service answers its health check now; asked once."""
        try:
            return self._http.get("/health", timeout=CONNECT_SECONDS_MAX).is_success
        except httpx.HTTPError:
            return False

    def wait_until_up(self, seconds: float) -> bool:
        """Whether the service came up within the time."""
        deadline = time.monotonic() + seconds
        while not (up := self.is_up()) and time.monotonic() < deadline:
            self._sleep(0.1)
        return up

    def entities(self, entity_set: str, **options: str | int) -> list[dict[str, Any]]:
        """The first page of an OData entity set; `options` are system query options without their dollar sign."""
        params = {f"${name}": str(value) for name, value in options.items()}
        answer = self._send("GET", f"/odata/{entity_set}", params=params)
        return msgspec.json.decode(answer.content, type=_Page).value

    def explain(self, question: str) -> list[dict[str, Any]]:
        """How the service would answer an OData URL, given as its path and options below /odata/."""
        path, _, options = question.removeprefix("/").removeprefix("odata/").partition("?")
        params = [*parse_qsl(options, keep_blank_values=True), ("explain", "true")]
        answer = self._send("GET", f"/odata/{path}", params=params)
        return msgspec.json.decode(answer.content, type=_Explained).explain

    def _send(self, method: str, path: str, **request: Any) -> httpx.Response:
        failure = ""
        for attempt in range(self._attempts_max):
            try:
                answer = self._http.request(method, path, **request)
            except httpx.TransportError as error:
                failure, asked = f"{self.url} cannot be reached: {error or type(error).__name__}", 0.0
            else:
                if answer.is_success:
                    return answer
                if answer.status_code not in _TRY_AGAIN:
                    raise _refusal(answer)
                failure, asked = (
                    f"{self.url} answered {answer.status_code}: {_told(answer).message}",
                    _asked_seconds(answer),
                )
            if attempt + 1 < self._attempts_max:
                self._sleep(max(asked, _backoff_seconds(attempt)))
        raise Unreachable(failure, "Check that the service runs (finlake serve), then try again.")


class _Page(msgspec.Struct):
    value: list[dict[str, Any]]


class _Explained(msgspec.Struct):
    explain: list[dict[str, Any]]


def _backoff_seconds(attempt: int) -> float:
    """Half a second, doubled with every attempt, of which half is left to chance, so that clients spread out."""
    full = min(BACKOFF_SECONDS_MAX, 0.5 * 2.0**attempt)
    return full * random.uniform(0.5, 1.0)  # noqa: S311 - no secret


def _asked_seconds(answer: httpx.Response) -> float:
    """The wait that a Retry-After header asks for, as seconds or as a date, within reason."""
    text = answer.headers.get("Retry-After", "").strip()
    if text.isdecimal():
        return min(float(text), RETRY_AFTER_SECONDS_MAX)
    try:
        due = email.utils.parsedate_to_datetime(text)
    except ValueError:
        return 0.0
    wait = (due - dt.datetime.now(dt.timezone.utc)).total_seconds()
    return min(max(wait, 0.0), RETRY_AFTER_SECONDS_MAX)


def _refusal(answer: httpx.Response) -> Refused:
    told = _told(answer)
    details = told.details
    limit = (details.limit, details.value) if details.limit else None
    message = f"The service answered {answer.status_code}: {told.message}"
    return Refused(message, told.hint, told.code, details.failures, limit)


class _Details(msgspec.Struct):
    """What the client uses of a problem's details."""

    failures: tuple[Failure, ...] = ()
    limit: str = ""
    value: int = 0


class _Problem(msgspec.Struct):
    message: str
    code: str = ""
    hint: str = ""
    details: _Details = msgspec.field(default_factory=_Details)


def _told(answer: httpx.Response) -> _Problem:
    """The problem document; the body's beginning where it is none."""
    try:
        return msgspec.json.decode(answer.content, type=_Problem)
    except msgspec.DecodeError:
        return _Problem(answer.text[:200] or answer.reason_phrase)
