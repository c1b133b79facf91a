"""The formats a classifier can be served in, and the choice of the fastest that answers as the original does."""

from sentiment.export.parity import choose_format
from sentiment.export.report import ExportReport

__all__ = ["ExportReport", "choose_format"]
