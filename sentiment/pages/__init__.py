"""How everything that people look at is shown: the only place with HTML and pictures.

Importing it registers the pages of all reports. Matplotlib is imported when a picture is drawn.
"""

from sentiment.pages import data, evaluation, lifecycle, monitoring, scoring  # noqa: F401
from sentiment.pages.dispatch import figures_of, page_of

__all__ = ["figures_of", "page_of"]
