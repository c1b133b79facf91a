"""Reviews as Parquet; the dashboard shows counts, never texts: they may hold personal data."""

from pathlib import Path
from typing import Any, ClassVar

import pyarrow as pa
from datasets import Dataset
from pyarrow import parquet
from zenml.enums import ArtifactType, VisualizationType
from zenml.io import fileio
from zenml.materializers.base_materializer import BaseMaterializer

from sentiment.data.reviews import Reviews, Splits
from sentiment.pages import page_of


class _ParquetMaterializer(BaseMaterializer):
    """Named sets of reviews, each a Parquet file whose metadata carries the label names; loaded memory-mapped."""

    SKIP_REGISTRATION: ClassVar[bool] = True
    ASSOCIATED_ARTIFACT_TYPE: ClassVar[ArtifactType] = ArtifactType.DATA

    def _save(self, name: str, reviews: Reviews) -> None:
        with self.get_temporary_directory(delete_at_exit=True) as folder:
            local = str(Path(folder) / f"{name}.parquet")
            parquet.write_table(reviews.dataset.data.table, local)
            fileio.copy(local, f"{self.uri}/{name}.parquet", overwrite=True)

    def _load(self, name: str) -> Reviews:
        # Decoded batch by batch into an Arrow file that backs the memory map, so it lives as long as the step.
        with self.get_temporary_directory(delete_at_exit=False, delete_after_step_execution=True) as folder:
            local = str(Path(folder) / f"{name}.parquet")
            fileio.copy(f"{self.uri}/{name}.parquet", local, overwrite=True)
            arrow = f"{local}.arrow"
            with parquet.ParquetFile(local) as source, pa.ipc.new_stream(arrow, source.schema_arrow) as target:
                for batch in source.iter_batches():
                    target.write_batch(batch)
            return Reviews(Dataset.from_file(arrow))

    def save_visualizations(self, data: Any) -> dict[str, VisualizationType]:
        """A page of counts: rows by label, language and category, for every part."""
        uri = f"{self.uri}/reviews.html"
        with self.artifact_store.open(uri, "w") as file:
            file.write(page_of(data))
        return {uri: VisualizationType.HTML}


class ReviewsMaterializer(_ParquetMaterializer):
    """Stores `Reviews`."""

    ASSOCIATED_TYPES: ClassVar[tuple[type[Any], ...]] = (Reviews,)
    SKIP_REGISTRATION: ClassVar[bool] = False

    def save(self, data: Reviews) -> None:
        """Write the rows to the artifact store."""
        self._save("reviews", data)

    def load(self, data_type: type[Any]) -> Reviews:
        """Fetch the rows and memory-map them."""
        return self._load("reviews")

    def extract_metadata(self, data: Reviews) -> dict[str, Any]:
        """Rows, labels and digest."""
        return {"rows": len(data), "labels": ", ".join(data.labels), "digest": data.digest()}

    def compute_content_hash(self, data: Reviews) -> str | None:
        """The rows' digest: steps downstream stay cached when a changed source yields the same reviews."""
        return data.digest()


class SplitsMaterializer(_ParquetMaterializer):
    """Stores `Splits`, a file per part."""

    ASSOCIATED_TYPES: ClassVar[tuple[type[Any], ...]] = (Splits,)
    SKIP_REGISTRATION: ClassVar[bool] = False

    def save(self, data: Splits) -> None:
        """Write the parts to the artifact store."""
        for name, reviews in data.named():
            self._save(name, reviews)

    def load(self, data_type: type[Any]) -> Splits:
        """Fetch the parts and memory-map them."""
        return Splits(train=self._load("train"), validation=self._load("validation"), test=self._load("test"))

    def extract_metadata(self, data: Splits) -> dict[str, Any]:
        """Rows and digest of every part."""
        return {name: {"rows": len(part), "digest": part.digest()} for name, part in data.named()}

    def compute_content_hash(self, data: Splits) -> str | None:
        """The digests of all parts."""
        return "".join(part.digest() for _, part in data.named())
