"""Everything that is reported has a page, and only `sentiment.pages` makes pages and pictures."""

import re
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module

import pytest

from sentiment.home import PROJECT
from sentiment.pages import figures_of, page_of
from sentiment.pages.dispatch import compose
from sentiment.stored import Report

MARKUP = re.compile(r"</?(html|head|body|section|table|tr|td|p|h[1-6]|img|span|div)\b")


def test_every_report_has_a_page() -> None:
    for path in (PROJECT / "sentiment").rglob("*.py"):
        if "from sentiment.stored import Report" in path.read_text(encoding="utf-8"):
            import_module(".".join(path.relative_to(PROJECT).with_suffix("").parts))
    reports = [each for each in _subclasses(Report) if each.__module__.startswith("sentiment.")]
    assert len(reports) > 15
    assert [each.__name__ for each in reports if compose.dispatch(each) is compose.dispatch(object)] == []


def test_what_has_no_page_is_an_error() -> None:
    with pytest.raises(TypeError, match="Report has no page"):
        page_of(Report())
    assert figures_of(Report()) == {}


def test_only_pages_write_html() -> None:
    folders = ("cli", "materializers", "pipelines", "sentiment", "serving", "steps")
    files = [path for folder in folders for path in (PROJECT / folder).rglob("*.py")]
    writing = {path.parent.name for path in files if MARKUP.search(path.read_text(encoding="utf-8"))}
    assert writing == {"pages"}


def test_importing_the_pages_draws_nothing() -> None:
    slow = ("matplotlib", "torch", "transformers", "sklearn", "mlflow", "zenml", "evidently")
    code = f"import sys, sentiment.pages; print([name for name in {slow} if name in sys.modules])"
    result = subprocess.run([sys.executable, "-c", code], cwd=PROJECT, capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


def _subclasses(cls: type[Report]) -> Iterator[type[Report]]:
    for each in cls.__subclasses__():
        yield each
        yield from _subclasses(each)
