"""How each type that flows through the pipelines is stored and shown; importing this registers all of them."""

from materializers.classifier import TextClassifierMaterializer
from materializers.parquet import ParquetFilesMaterializer
from materializers.report import ReportMaterializer
from materializers.reviews import ReviewsMaterializer, SplitsMaterializer

__all__ = [
    "ParquetFilesMaterializer",
    "ReportMaterializer",
    "ReviewsMaterializer",
    "SplitsMaterializer",
    "TextClassifierMaterializer",
]
