"""Reports as JSON, shown in the dashboard as their page."""

from typing import Any, ClassVar

from zenml.enums import ArtifactType, VisualizationType
from zenml.materializers.base_materializer import BaseMaterializer

from sentiment.pages import page_of
from sentiment.stored import Report


class ReportMaterializer(BaseMaterializer):
    """Stores any `Report` as JSON with an HTML visualization."""

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
        """The report's page, pictures included."""
        page = f"{self.uri}/report.html"
        with self.artifact_store.open(page, "w") as file:
            file.write(page_of(data))
        return {page: VisualizationType.HTML}
