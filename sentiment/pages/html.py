"""Self-contained HTML for reports: no network, readable on a light and a dark page and on a telephone.

The colours and the type are those of the endpoint's pages (`serving/page`). A text that `korean.py` knows is written in
both languages; a page shows one of them, English where no script may run.
"""

import re
from collections.abc import Iterable, Sequence
from html import escape
from itertools import zip_longest

from sentiment.pages.korean import KOREAN

# Without one the browser asks the server for a file that is not there.
ICON = '<link rel="icon" href="data:,">'
STYLE = """
:root { color-scheme: light dark;
  --paper: #f7f6f2; --card: #fffefb; --ink: #22302c; --soft: #5d6a66; --line: #e2dfd6;
  --accent: #2f6f5e; --good: #2f6f5e; --bad: #a8503f; --warn: #7a5c14; --one: #1f5fa8; --two: #9a4c00;
  --rest: #7d8783; }
@media (prefers-color-scheme: dark) { :root {
  --paper: #151a19; --card: #1d2423; --ink: #e6ebe8; --soft: #9daaa5; --line: #303a37;
  --accent: #7fc4ae; --good: #7fc4ae; --bad: #e39a88; --warn: #d9bd72; --one: #8fbdf2; --two: #f2b06a;
  --rest: #85918c; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink); font: 16px/1.6 system-ui, "Apple SD Gothic Neo",
  "Noto Sans KR", "Noto Sans CJK KR", "Malgun Gothic", sans-serif; word-break: keep-all; overflow-wrap: anywhere; }
main, header { max-width: 64rem; margin: 0 auto; padding: 0 1.25rem; }
header { display: flex; flex-wrap: wrap; align-items: baseline; gap: .5rem 1rem; padding: 2rem 1.25rem 1rem; }
h1 { font-size: 1.5rem; line-height: 1.3; margin: 0; letter-spacing: -.02em; flex: 1; min-width: 9rem; }
h2 { font-size: 1.1rem; margin: 0 0 .6rem; } h3 { font-size: 1rem; margin: 1.2rem 0 .3rem; } p { margin: 0 0 .75rem; }
section { background: var(--card); border: 1px solid var(--line); border-radius: 14px; padding: 1.3rem;
  margin-bottom: 1.1rem; }
main > section > :last-child { margin-bottom: 0; }
a { color: var(--accent); } .soft { color: var(--soft); font-size: .9rem; } .lead { font-size: 1.15rem; }
button { font: inherit; border: 1px solid var(--rest); background: transparent; color: inherit; border-radius: 10px;
  padding: .3rem .9rem; min-height: 44px; cursor: pointer; }
button:hover { border-color: var(--accent); } :focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }
.badge { display: inline-block; border: 1px solid currentColor; border-radius: 2rem; padding: 0 .7rem; font-weight: 600;
  white-space: nowrap; }
.lead .badge { padding: .1rem 1rem; }
.ok { color: var(--good); } .bad { color: var(--bad); } .neutral { color: var(--soft); }
.ok::before { content: "✓ "; } .bad::before { content: "✗ "; }
.scroll { overflow-x: auto; }
table { width: 100%; border-collapse: collapse; font-size: .92rem; margin: .3rem 0 .8rem; overflow-wrap: break-word; }
th { text-align: left; font-weight: 500; color: var(--soft); font-size: .84rem; white-space: nowrap; }
th, td { padding: .35rem .9rem .35rem 0; border-bottom: 1px solid var(--line); vertical-align: top; }
tr:last-child td { border-bottom: 0; } .number, .nowrap { white-space: nowrap; } td.long { min-width: 15rem; }
dl { display: grid; grid-template-columns: auto 1fr; gap: .2rem 1.2rem; margin: 0; font-size: .92rem; }
dt { color: var(--soft); } dd { margin: 0; } .number { text-align: right; font-variant-numeric: tabular-nums; }
pre { white-space: pre-wrap; font: .85rem/1.6 ui-monospace, monospace; margin: .4rem 0; }
code { font: .88em ui-monospace, monospace; }
summary { cursor: pointer; padding: .6rem 0; } summary h2 { display: inline; }
.pictures { display: flex; flex-wrap: wrap; gap: 1.2rem 2.5rem; }
figure { margin: .6rem 0; flex: 1 1 20rem; min-width: 0; max-width: 29rem; }
figcaption { font-size: .88rem; color: var(--soft); margin-bottom: .5rem; line-height: 1.45; }
figcaption b { display: block; color: var(--ink); font-size: .98rem; }
svg { display: block; width: 100%; height: auto; overflow: visible; }
svg text { font-size: 13px; fill: var(--ink); } svg .soft { fill: var(--soft); font-size: 12px; }
svg .grid { stroke: var(--line); } svg .axis { stroke: var(--rest); } svg .mark { stroke: var(--ink); }
.dashed { stroke-dasharray: 4 3; } .line { fill: none; stroke-width: 2; stroke-linejoin: round; }
.one { fill: var(--one); stroke: var(--one); } .two { fill: var(--two); stroke: var(--two); }
.rest { fill: var(--rest); stroke: var(--rest); } svg .hollow { fill: var(--card); stroke-width: 2; }
svg .line { fill: none; } svg .heat { stroke: var(--line); }
html[lang=en] [lang=ko], html[lang=ko] [lang=en] { display: none; }
@media (max-width: 34rem) { header { padding-top: 1.2rem; } section { padding: 1rem; }
  .stacked thead { display: none; } .stacked table, .stacked tbody { display: block; }
  .stacked tr { display: block; border-bottom: 1px solid var(--line); padding: .5rem 0; }
  .stacked tr:last-child { border: 0; } .stacked td { display: inline-block; border: 0; padding: 0 .8rem 0 0; }
  .stacked td.long { display: block; min-width: 0; }
  .stacked td:has(.sentence) { display: block; white-space: normal; } }
@media print { button { display: none; } section { break-inside: avoid; } }
"""
# As on the endpoint's pages, which remember the language under the same name.
_SWITCH = """
const memory = { get: () => { try { return sessionStorage.getItem("language"); } catch { return null; } },
  set: (value) => { try { sessionStorage.setItem("language", value); } catch { /* a sandbox */ } } };
const page = document.documentElement;
page.lang = memory.get() || (navigator.language.toLowerCase().startsWith("ko") ? "ko" : "en");
addEventListener("DOMContentLoaded", () => { const button = document.getElementById("language"); button.hidden = false;
  button.onclick = () => memory.set(page.lang = page.lang === "ko" ? "en" : "ko"); });
"""


class Html(str):
    """Markup that is already escaped; `table` puts it in a cell as it is."""

    __slots__ = ()


def both(english: object, korean: object) -> Html:
    """A text in both languages, of which the page shows one; what is already `Html` stays markup."""
    return Html(f'<span lang="en">{markup(english)}</span><span lang="ko">{markup(korean)}</span>')


def markup(text: object) -> Html:
    """`text` escaped, and in both languages where `korean.py` knows it; what is already `Html` stays."""
    if isinstance(text, Html):
        return text
    english = str(text)
    if korean := KOREAN.get(english):
        return both(Html(escape(english)), Html(escape(korean)))
    return Html(escape(english))


def page(title: str, *sections: str, languages: bool = False) -> str:
    """A whole document. `sections` is markup made by the functions of this module.

    With `languages` there is a button that changes the language; the browser's own is the first one shown.
    """
    script = f"<script>{_SWITCH}</script>" if languages else ""
    button = f'<button id="language" type="button" hidden>{both("한국어", "English")}</button>' if languages else ""
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<meta name="color-scheme" content="light dark">{ICON}<style>{STYLE}</style>{script}</head>'
        f"<body><header><h1>{markup(title)}</h1>{button}</header><main>{''.join(sections)}</main></body></html>"
    )


def section(heading: str, *parts: str) -> Html:
    """A heading and the markup under it."""
    return Html(f"<section><h2>{markup(heading)}</h2>{''.join(parts)}</section>")


def heading(text: str) -> Html:
    """A heading alone, for the summary of what is folded."""
    return Html(f"<h2>{markup(text)}</h2>")


def joined(*parts: str) -> Html:
    """Texts and markup, one after the other."""
    return Html("".join(map(markup, parts)))


def listed(words: Iterable[str]) -> Html:
    """Words one after the other."""
    return Html(", ".join(markup(word) for word in words))


def box(*parts: str) -> Html:
    """Markup that stands together, without a heading."""
    return Html(f"<section>{''.join(parts)}</section>")


def folded(summary: str, *parts: str) -> Html:
    """Markup that is shown when a person asks for it."""
    return Html(f"<details><summary>{markup(summary)}</summary>{''.join(parts)}</details>")


def paragraph(text: str, style: str = "") -> Html:
    """A paragraph of plain text, or of `Html`. `style` is the name of a class."""
    named = f' class="{style}"' if style else ""
    return Html(f"<p{named}>{markup(text)}</p>")


def sentence(text: str) -> Html:
    """A text in a cell that has a line of its own on a telephone, however short it is."""
    return Html(f'<span class="sentence">{markup(text)}</span>')


def preformatted(text: str) -> Html:
    """Text whose line breaks and columns count."""
    return Html(f'<pre class="scroll">{escape(text)}</pre>')


def table(headers: Sequence[str], rows: Iterable[Sequence[object]], *, stacked: bool = False) -> Html:
    """A table. Numbers are right-aligned, floats get four significant digits, None is a dash, `Html` stays markup.

    On a telephone it scrolls by itself; one with sentences is `stacked` there, a block a row.
    """
    cells = [[_cell(value) for value in row] for row in rows]
    numeric = [all(NUMBER in cell or cell == NOTHING for cell in column) for column in zip(*cells, strict=True)]
    head = "".join(
        f'<th scope="col"{" class=number" if right else ""}>{markup(header)}</th>'
        for header, right in zip_longest(headers, numeric, fillvalue=False)
    )
    body = "".join(f"<tr>{''.join(row)}</tr>" for row in cells)
    style = "scroll stacked" if stacked else "scroll"
    return Html(f'<div class="{style}"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>')


def facts(pairs: Iterable[tuple[str, object]]) -> Html:
    """Names with their values, a line each."""
    return Html(f"<dl>{''.join(f'<dt>{markup(name)}</dt><dd>{markup(value)}</dd>' for name, value in pairs)}</dl>")


def figure(picture: str, alt: str) -> Html:
    """A picture of `plots` with its caption; `alt` says what it is of."""
    return Html(f'<figure aria-label="{escape(alt)}">{picture}</figure>')


def pictures(*figures: str) -> Html:
    """Pictures side by side where there is room."""
    return Html(f'<div class="pictures">{"".join(figures)}</div>')


def badge(text: str, ok: bool | None) -> Html:
    """A coloured label: green with ✓ when `ok`, red with ✗ when not, grey when it is None (not decided)."""
    return Html(f'<span class="badge {"neutral" if ok is None else "ok" if ok else "bad"}">{markup(text)}</span>')


NOTHING = "<td>–</td>"
NUMBER = '<td class="number">'
LONGEST_NOWRAP = 30
_TAG = re.compile(r"<[^>]*>")
_MEASURED = re.compile(r"[+-]?\d[\d.,]*( ?(%|ms|k?B|MB|texts/s))?")


def _cell(value: object) -> str:
    if isinstance(value, Html):
        short = len(_TAG.sub("", value)) <= 2 * LONGEST_NOWRAP  # it may be in both languages
        return f'<td class="{"nowrap" if short else "long"}">{value}</td>'
    if value is None:
        return NOTHING
    if isinstance(value, int | float) and not isinstance(value, bool):
        return f"{NUMBER}{_number(value)}</td>"
    text = str(value)
    if _MEASURED.fullmatch(text):
        return f"{NUMBER}{text}</td>"
    return f'<td class="{"nowrap" if len(text) <= LONGEST_NOWRAP else "long"}">{markup(text)}</td>'


def _number(value: float) -> str:
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:,.0f}" if abs(value) >= 10_000 else f"{value:.4g}"
