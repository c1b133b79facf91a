"""Where the code makes an error that a person reads, found in its syntax trees."""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sentiment import errors
from sentiment.home import PROJECT

ROOMS = ("sentiment", "cli", "pipelines", "steps", "materializers", "serving", "stacks")
KINDS = {
    name for name, each in vars(errors).items() if isinstance(each, type) and issubclass(each, errors.SentimentError)
}
# What a validator of a config raises: the loader puts file and key before it, and a full stop behind.
VALIDATORS = {"disagreement"}


@dataclass(frozen=True)
class Site:
    """One place. `name` is the module and the cause, with … for what differs from case to case."""

    name: str
    cause: str
    line: int
    has_fix: bool

    def made(self, cause: str) -> bool:
        """Whether an error with this cause is from here."""
        return bool(re.fullmatch(self.cause, cause, re.DOTALL))


def sites() -> dict[str, Site]:
    """All of them, by name."""
    found = [site for room in ROOMS for path in sorted((PROJECT / room).rglob("*.py")) for site in _in_module(path)]
    return {site.name: site for site in found}


def _in_module(path: Path) -> Iterator[Site]:
    module = path.relative_to(PROJECT).with_suffix("").as_posix()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and _called(node) in KINDS | VALIDATORS and node.args:
            parts = list(_parts(node.args[0]))
            if _called(node) in VALIDATORS:
                parts = [None, ": ", *parts, "."]
            shown = re.sub(r"…+", "…", "".join("…" if part is None else part for part in parts))
            name = f"{module}: {shown if shown.strip('…') else f'{{{ast.unparse(node.args[0])}}}'}"
            pattern = "".join(".*" if part is None else re.escape(part) for part in parts)
            yield Site(name, pattern, node.lineno, len(node.args) + len(node.keywords) > 1)


def _called(node: ast.Call) -> str:
    return node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")


def _parts(node: ast.expr) -> Iterator[str | None]:
    """The constant parts of a text; None for what is put in."""
    if isinstance(node, ast.Constant):
        yield str(node.value)
    elif isinstance(node, ast.JoinedStr):
        for value in node.values:
            yield from _parts(value)
    else:
        yield None
