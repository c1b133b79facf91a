"""The base of everything the pipelines report: stored as JSON; `sentiment.pages` shows it."""

from sentiment.frozen import Frozen


class Report(Frozen):
    """A result people look at. Every subclass has a page in `sentiment.pages`.

    Everything a report holds is safe to show: personal data is masked before it gets here.
    """
