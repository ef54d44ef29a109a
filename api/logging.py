"""Logs: one JSON object a line on stderr, or text for people. Foreign loggers speak the same format."""

from __future__ import annotations

import logging
import sys
from typing import Any

import orjson
import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from api.config import Settings

# Quieter than the rest: they tell at `info` what the request line tells already.
_CHATTY = ("httpx", "httpcore", "pyiceberg", "asyncio")

_SHARED: tuple[Processor, ...] = (
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_log_level,
    structlog.stdlib.add_logger_name,
    structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
    structlog.stdlib.PositionalArgumentsFormatter(),
    structlog.processors.StackInfoRenderer(),
)


def configure(settings: Settings) -> None:
    """Sends every log of this process to stderr, from `log_level` up, in `log_format`. May be called again."""
    structlog.configure(
        processors=[structlog.stdlib.filter_by_level, *_SHARED, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter(settings.log_format))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(settings.log_level.upper())
    for name in _CHATTY:
        logging.getLogger(name).setLevel(logging.WARNING)


def formatter(log_format: str) -> logging.Formatter:
    """The format of one line, for loggers of ours and of libraries: "json" or "console"."""
    renderers: tuple[Processor, ...]
    if log_format == "json":
        renderers = (structlog.processors.format_exc_info, _json_line)
    else:
        renderers = (structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty()),)
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=_SHARED,
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *renderers],
    )


def server_config(settings: Settings) -> dict[str, Any]:
    """A `logging.config` dictionary that gives the HTTP server's own loggers our format.

    It names the formatter by its path, so that it can be handed to the server's worker process.
    """
    handler = {"class": "logging.StreamHandler", "formatter": "finlake", "stream": "ext://sys.stderr"}
    logger = {"handlers": ["finlake"], "level": settings.log_level.upper(), "propagate": False}
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"finlake": {"()": "api.logging.formatter", "log_format": settings.log_format}},
        "handlers": {"finlake": handler},
        "loggers": {"_granian": logger, "granian.access": logger},
    }


def log_request(method: str, path: str, status: int, duration_ms: float, **facts: object) -> None:
    """The one line of a request. Server errors are logged as errors; the query string and bodies never are."""
    log = structlog.stdlib.get_logger("finlake.request")
    write = log.error if status >= 500 else log.info
    write("request", method=method, path=path, status=status, duration_ms=round(duration_ms, 2), **facts)


def _json_line(_logger: WrappedLogger, _name: str, event: EventDict) -> str:
    return orjson.dumps(event, default=str).decode()
