"""The base of everything the pipelines report: stored as JSON; `sentiment.pages` shows it."""

from sentiment.stored import Stored


class Report(Stored):
    """A result people look at. Every subclass has a page in `sentiment.pages`.

    Everything a report holds is safe to show: personal data is masked before it gets here.
    """
