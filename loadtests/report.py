"""The report of a load test: one HTML page that needs no network, a chart and a table a scenario."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

from loadtests.verdicts import Verdict

_BAR, _GAP, _LABEL, _WIDTH = 16, 6, 330, 420

_STYLE = """body { font: 15px system-ui, sans-serif; margin: 2rem auto; max-width: 60rem; color: #222 }
table { border-collapse: collapse } td, th { padding: .2rem .8rem; text-align: left; border-bottom: 1px solid #ddd }
.missed { color: #b00020; font-weight: 600 } text { font-size: 12px }"""


def page(title: str, scenarios: Mapping[str, Sequence[Verdict]]) -> str:
    parts = [_scenario(name, found) for name, found in scenarios.items()]
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title><style>{_STYLE}</style></head>
<body><h1>{escape(title)}</h1>
{"".join(parts)}</body></html>
"""


def _scenario(name: str, found: Sequence[Verdict]) -> str:
    rows = "".join(_row(verdict) for verdict in found)
    return f"""<h2>{escape(name)}</h2>
<p><a href="{escape(name)}.html">What locust saw</a>. Bars: the share of its budget that a figure takes.</p>
{_chart([verdict for verdict in found if verdict.figure is not None and verdict.most])}
<table><tr><th>request</th><th>what</th><th>figure</th><th>at most</th><th>verdict</th></tr>{rows}</table>
"""


def _row(verdict: Verdict) -> str:
    figure = "never asked" if verdict.figure is None else f"{verdict.figure:g}"
    most = "no budget" if verdict.most is None else f"{verdict.most:g}"
    mark = "<td>met</td>" if verdict.met else '<td class="missed">MISSED</td>'
    names = f"<td>{escape(verdict.request)}</td><td>{escape(verdict.what)}</td>"
    return f"<tr>{names}<td>{figure}</td><td>{most}</td>{mark}</tr>"


def _chart(found: Sequence[Verdict]) -> str:
    """Horizontal bars; the line is the budget, and a bar ends at twice of it."""
    step = _BAR + _GAP
    bars = "".join(_bar(verdict, at * step) for at, verdict in enumerate(found))
    budget, height = _LABEL + _WIDTH / 2, len(found) * step
    return (
        f'<svg width="{_LABEL + _WIDTH + 60}" height="{height}" role="img">{bars}'
        f'<line x1="{budget}" x2="{budget}" y1="0" y2="{height}" stroke="#222" stroke-dasharray="3"/></svg>'
    )


def _bar(verdict: Verdict, top: float) -> str:
    share = (verdict.figure or 0) / (verdict.most or 1)
    width = min(share, 2) * _WIDTH / 2
    colour = "#3a7d44" if verdict.met else "#b00020"
    label = escape(f"{verdict.request}, {verdict.what}")
    return (
        f'<text x="{_LABEL - 8}" y="{top + 12}" text-anchor="end">{label}</text>'
        f'<rect x="{_LABEL}" y="{top}" width="{width:.1f}" height="{_BAR}" fill="{colour}"/>'
        f'<text x="{_LABEL + width + 6:.1f}" y="{top + 12}">{share:.0%}</text>'
    )
