"""Reports as JSON, shown in the dashboard as their page and as Markdown."""

from typing import Any, ClassVar

from zenml.enums import ArtifactType, VisualizationType
from zenml.materializers.base_materializer import BaseMaterializer
from zenml.metadata.metadata_types import MetadataType

from sentiment.pages import markdown_of, page_of
from sentiment.stats.bootstrap import Metric
from sentiment.stored import Report

LONGEST_TEXT = 500


class ReportMaterializer(BaseMaterializer):
    """Stores any `Report` as JSON with its page as visualization, and its figures as metadata."""

    ASSOCIATED_TYPES: ClassVar[tuple[type[Any], ...]] = (Report,)
    ASSOCIATED_ARTIFACT_TYPE: ClassVar[ArtifactType] = ArtifactType.DATA_ANALYSIS
    FILE: ClassVar[str] = "report.json"

    def save(self, data: Report) -> None:
        """Write `report.json`."""
        with self.artifact_store.open(f"{self.uri}/{self.FILE}", "w") as file:
            file.write(data.model_dump_json(indent=2))

    def load(self, data_type: type[Any]) -> Report:
        """Read `report.json` back into the report's own type."""
        with self.artifact_store.open(f"{self.uri}/{self.FILE}", "r") as file:
            stored = file.read()
        report: Report = data_type.read(stored, f"The report {self.uri}/{self.FILE}")
        return report

    def save_visualizations(self, data: Report) -> dict[str, VisualizationType]:
        """The report's page, and its texts and tables as Markdown: the dashboard shows that without asking."""
        page = page_of(data)
        shown = {"report.md": markdown_of(page), "report.html": page}
        for name, text in shown.items():
            with self.artifact_store.open(f"{self.uri}/{name}", "w") as file:
                file.write(text)
        return {
            f"{self.uri}/report.md": VisualizationType.MARKDOWN,
            f"{self.uri}/report.html": VisualizationType.HTML,
        }

    def extract_metadata(self, data: Report) -> dict[str, MetadataType]:
        """The verdict in a sentence, and every figure with its interval."""
        return figures(data)


def figures(report: Report) -> dict[str, MetadataType]:
    """What a report says in short: its `summary`, its words and numbers, and the ends of its intervals.

    What is long, or has parts, is left out.
    """
    found: dict[str, MetadataType] = {}
    for name, value in {"summary": getattr(report, "summary", None), **dict(report)}.items():
        if isinstance(value, Metric):
            found |= {name: value.value, f"{name}_low": value.low, f"{name}_high": value.high}
        elif isinstance(value, bool | int | float) or (isinstance(value, str) and 0 < len(value) <= LONGEST_TEXT):
            found[name] = value
    return found
