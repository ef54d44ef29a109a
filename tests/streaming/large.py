"""A lake of an answer that does not go out whole, and clients that see how it comes."""

from __future__ import annotations

import datetime as dt
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from tests.support.warehouse import warehouse

SERIES = 40
DAYS = 1_500
POINTS = SERIES * DAYS
FIRST_DAY = dt.date(2000, 1, 1)
PAGE = {"Prefer": f"odata.maxpagesize={POINTS}"}
# Rows without end, which no form can pack well.
NUMBERED = "(SELECT row_number() OVER () AS n FROM data_points a, data_points b)"
ENDLESS = f"SELECT n, sin(n) AS a, cos(n) AS b, sin(n + 0.5) AS c FROM {NUMBERED}"


def fill(folder: Path) -> None:
    """Points of 40 series, all of one revision date: in base files but for the last series."""
    with warehouse(folder) as lake:
        for block in (range(SERIES - 1), range(SERIES - 1, SERIES)):
            points = [
                {
                    "external_id": f"S{number}",
                    "date": (FIRST_DAY + dt.timedelta(day)).isoformat(),
                    "value": f"{number}.{day:04d}",
                    "revision_date": "2010-01-01",
                }
                for number in block
                for day in range(DAYS)
            ]
            assert lake.write({"source": {"name": "L"}, "data_points": points}).failed == 0
            if block.start == 0:
                lake.compact()


@contextmanager
def connection(
    url: str, path: str, body: bytes = b"", headers: Mapping[str, str] | None = None
) -> Iterator[socket.socket]:
    """A request that was sent on a socket with little room, of which nothing is read yet. It is a POST with a body."""
    parts = urlsplit(url)
    fields = {"Host": parts.netloc, "Content-Length": str(len(body))} | dict(headers or {})
    method = "POST" if body else "GET"
    head = f"{method} {path} HTTP/1.1\r\n" + "".join(f"{name}: {value}\r\n" for name, value in fields.items()) + "\r\n"
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)
        client.settimeout(60)
        client.connect((parts.hostname, parts.port))
        client.sendall(head.encode() + body)
        yield client


def received(client: socket.socket) -> bytes:
    """All that comes until the other side closes, or sends the last chunk."""
    content = bytearray()
    while not content.endswith(b"\r\n0\r\n\r\n"):
        piece = client.recv(1 << 20)
        if not piece:
            break
        content += piece
    return bytes(content)
