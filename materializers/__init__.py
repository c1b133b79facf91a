"""How each type that flows through the pipelines is stored and shown; importing this registers all of them."""

from materializers.classifier import TextClassifierMaterializer
from materializers.report import ReportMaterializer
from materializers.reviews import ReviewsMaterializer, SplitsMaterializer

__all__ = ["ReportMaterializer", "ReviewsMaterializer", "SplitsMaterializer", "TextClassifierMaterializer"]
