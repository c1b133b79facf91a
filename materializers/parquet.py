"""Parquet files as they are; a dynamic pipeline maps over them file by file."""

import tempfile
from pathlib import Path
from typing import Any, ClassVar

from zenml.enums import ArtifactType
from zenml.io import fileio
from zenml.materializers.base_materializer import BaseMaterializer

from sentiment.scoring.parquet import ParquetFiles


class ParquetFilesMaterializer(BaseMaterializer):
    """Stores `ParquetFiles` by copying. They may hold personal data, so the dashboard shows counts only."""

    ASSOCIATED_TYPES: ClassVar[tuple[type[Any], ...]] = (ParquetFiles,)
    ASSOCIATED_ARTIFACT_TYPE: ClassVar[ArtifactType] = ArtifactType.DATA

    def save(self, data: ParquetFiles) -> None:
        """Copy the files to the artifact store."""
        for path in data.paths:
            fileio.copy(str(path), f"{self.uri}/{path.name}", overwrite=True)

    def load(self, data_type: type[Any]) -> ParquetFiles:
        """Fetch all files."""
        return self._fetch(self._names())

    def get_item_count(self, data: ParquetFiles) -> int:
        """Each file is an item."""
        return len(data.paths)

    def load_item(self, data_type: type[Any], index: int) -> ParquetFiles:
        """Fetch one file."""
        return self._fetch(self._names()[index : index + 1])

    def extract_metadata(self, data: ParquetFiles) -> dict[str, Any]:
        """Files and rows."""
        return {"files": len(data.paths), "rows": len(data)}

    def _names(self) -> list[str]:
        return sorted(Path(name).name for name in fileio.listdir(self.uri) if name.endswith(".parquet"))

    def _fetch(self, names: list[str]) -> ParquetFiles:
        folder = tempfile.TemporaryDirectory(prefix="parquet-", ignore_cleanup_errors=True)
        paths = tuple(Path(folder.name) / name for name in names)
        for path in paths:
            fileio.copy(f"{self.uri}/{path.name}", str(path))
        return ParquetFiles(paths, folder)
