"""A page as Markdown, for where HTML is not shown: ZenML's dashboard asks a person before it renders any."""

import re
from html import escape
from html.parser import HTMLParser

LANGUAGE = "en"
_LEFT_OUT = frozenset({"head", "svg", "script", "style", "button"})
_HEADINGS = {"h1": "# ", "h2": "## ", "h3": "### ", "h4": "#### ", "summary": "### "}
_BLOCKS = frozenset({"p", "figcaption", "li", "dl", "pre", *_HEADINGS})


def markdown_of(page: str) -> str:
    """The texts and tables of a page of ours, in English; pictures are left out, but for what their captions say."""
    reader = _Reader()
    reader.feed(page)
    reader.close()
    return "\n\n".join(reader.blocks) + "\n"


class _Reader(HTMLParser):
    """Collects `blocks`: headings, paragraphs and tables."""

    def __init__(self) -> None:
        super().__init__()
        self.blocks: list[str] = []
        self._text: list[str] = []
        self._table: list[list[str]] = []
        self._left_out: list[str] = []  # the open elements whose inside is not shown, outermost first

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        other = tag != "html" and dict(attrs).get("lang", LANGUAGE) != LANGUAGE
        if self._left_out or other or tag in _LEFT_OUT:
            if tag not in {"meta", "circle", "line", "rect", "polyline"}:
                self._left_out.append(tag)
            return
        if tag == "tr":
            self._table.append([])
        if tag in {"td", "th"} or tag in _BLOCKS:
            self._end_block("")
        if tag == "dt":
            self._text.append("\n- ")
        if tag == "dd":
            self._text.append(": ")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """`<circle/>` and the like: nothing to read."""

    def handle_endtag(self, tag: str) -> None:
        if self._left_out:
            if tag in self._left_out:
                while self._left_out.pop() != tag:
                    pass
        elif tag in {"td", "th"}:
            self._table[-1].append(self._taken())
        elif tag == "table":
            self._end_table()
        elif tag in _BLOCKS:
            self._end_block(_HEADINGS.get(tag, ""))
        elif tag == "b":
            self._text.append(": ")

    def handle_data(self, data: str) -> None:
        if not self._left_out:
            self._text.append(_plain(data))

    def close(self) -> None:
        super().close()
        self._end_block("")

    def _taken(self) -> str:
        lines = [" ".join(line.split()) for line in "".join(self._text).split("\n")]
        self._text.clear()
        return "\n".join(filter(None, lines))

    def _end_block(self, mark: str) -> None:
        if text := self._taken():
            self.blocks.append(f"{mark}{text}")

    def _end_table(self) -> None:
        head, *rows = self._table
        self._table = []
        lines = [head, ["---"] * len(head), *rows]
        self.blocks.append(
            "\n".join(f"| {' | '.join(cell.replace(chr(10), ' ') for cell in line)} |" for line in lines)
        )


def _plain(text: str) -> str:
    """Text that is neither markup nor a link, nor ends a table's cell."""
    marked = re.sub(r"([\\`*_|])", r"\\\1", escape(text.replace("\n", " "), quote=False))
    return marked.replace("](", "]\\(")
