"""How everything that people look at is shown: the only place with HTML and pictures.

Importing it registers the pages of all reports.
"""

from sentiment.pages import data, evaluation, lifecycle, monitoring, scoring  # noqa: F401
from sentiment.pages.dispatch import figures_of, page_of
from sentiment.pages.markdown import markdown_of
from sentiment.pages.report import Trained, report_of_run

__all__ = ["Trained", "figures_of", "markdown_of", "page_of", "report_of_run"]
