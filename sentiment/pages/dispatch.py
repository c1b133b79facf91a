"""`page_of` and `figures_of`: by the type of what is shown. The other modules of this package register theirs."""

from collections.abc import Mapping
from functools import singledispatch

from sentiment.pages.html import Html

Figures = Mapping[str, Html]


def page_of(shown: object, figures: Figures | None = None) -> str:
    """A self-contained HTML page (inline styles and pictures, no network) with the pictures in it.

    `figures` are those of `figures_of`, where the caller has them already; else they are drawn. Raises TypeError for
    something that has no page.
    """
    return compose(shown, figures_of(shown) if figures is None else figures)


@singledispatch
def figures_of(shown: object) -> dict[str, Html]:
    """The pictures of a report by name, each SVG; most reports have none."""
    return {}


@singledispatch
def compose(shown: object, figures: Figures) -> str:
    """The page of one type; a module registers its function here."""
    raise TypeError(f"{type(shown).__name__} has no page: register one in sentiment.pages.")
