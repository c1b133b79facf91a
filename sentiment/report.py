"""The base of everything the pipelines report: stored as JSON, shown as HTML and pictures in the dashboard."""

from abc import abstractmethod
from functools import cached_property

from sentiment.frozen import Frozen


class Report(Frozen):
    """A result people look at. Subclasses add fields and say how they are shown.

    Everything a report holds is safe to show: personal data is masked before it gets here.
    """

    @abstractmethod
    def to_html(self) -> str:
        """A self-contained HTML page (inline styles, no scripts, no network)."""

    @cached_property
    def figures(self) -> dict[str, bytes]:
        """Pictures by file stem, each a PNG; none by default. Drawn once, wherever they are shown."""
        return {}
