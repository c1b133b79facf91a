"""Self-contained HTML for reports: no scripts, no network, readable on a light and on a dark page."""

import base64
from collections.abc import Iterable, Sequence
from html import escape

_STYLE = """
:root{color-scheme:light dark}
body{font:15px/1.5 system-ui,-apple-system,"Segoe UI","Noto Sans KR","Noto Sans CJK KR",sans-serif;
 max-width:1100px;margin:1.5rem auto;padding:0 1rem;color:CanvasText;background:Canvas}
h1{font-size:1.5rem;margin:0 0 1rem}h2{font-size:1.15rem;margin:1.8rem 0 .5rem}
.scroll{overflow-x:auto}table{border-collapse:collapse;margin:.5rem 0}
th,td{padding:.3rem .7rem;border-bottom:1px solid #8886;text-align:left;vertical-align:top}
th{font-weight:600;border-bottom:2px solid #8889}
td.number{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}
img{max-width:100%;background:#fff;border-radius:4px}
.badge{padding:.1rem .55rem;border-radius:.8rem;color:#fff;font-weight:600;white-space:nowrap}
.ok{background:#1a7f37}.bad{background:#cf222e}.neutral{background:#6e7781}
"""


class Html(str):
    """Markup that is already escaped; `table` puts it in a cell as it is."""

    __slots__ = ()


def page(title: str, *sections: str) -> str:
    """A whole document. `sections` is markup made by the functions of this module."""
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f'<meta name="viewport" content="width=device-width"><style>{_STYLE}</style></head>'
        f"<body><h1>{escape(title)}</h1>{''.join(sections)}</body></html>"
    )


def section(heading: str, *parts: str) -> Html:
    """A heading and the markup under it."""
    return Html(f"<section><h2>{escape(heading)}</h2>{''.join(parts)}</section>")


def paragraph(text: str) -> Html:
    """A paragraph of plain text."""
    return Html(f"<p>{escape(text)}</p>")


def preformatted(text: str) -> Html:
    """Text whose line breaks and columns count."""
    return Html(f'<pre class="scroll">{escape(text)}</pre>')


def table(headers: Sequence[str], rows: Iterable[Sequence[object]]) -> Html:
    """A table. Numbers are right-aligned, floats get four significant digits, None is a dash, `Html` stays markup."""
    head = "".join(f"<th>{escape(header)}</th>" for header in headers)
    body = "".join(f"<tr>{''.join(map(_cell, row))}</tr>" for row in rows)
    return Html(f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>')


def figure(png: bytes, alt: str) -> Html:
    """A PNG drawn for displays with two dots a pixel, embedded."""
    data = f"data:image/png;base64,{base64.b64encode(png).decode()}"
    return Html(f'<p><img alt="{escape(alt)}" srcset="{data} 2x"></p>')


def badge(text: str, ok: bool | None) -> Html:
    """A coloured label: green when `ok`, red when not, grey when it is None (not decided)."""
    return Html(f'<span class="badge {"neutral" if ok is None else "ok" if ok else "bad"}">{escape(text)}</span>')


def _cell(value: object) -> str:
    if isinstance(value, Html):
        return f"<td>{value}</td>"
    if value is None:
        return "<td>–</td>"
    if isinstance(value, int | float) and not isinstance(value, bool):
        return f'<td class="number">{_number(value)}</td>'
    return f"<td>{escape(str(value))}</td>"


def _number(value: float) -> str:
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:,.0f}" if abs(value) >= 10_000 else f"{value:.4g}"
