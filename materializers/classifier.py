"""Classifiers as model folders: what was trained is, file by file, what is registered, served and scored."""

from pathlib import Path
from typing import Any, ClassVar

from zenml.enums import ArtifactType
from zenml.materializers.base_materializer import BaseMaterializer
from zenml.utils.io_utils import copy_dir

from sentiment.models.base import TextClassifier
from sentiment.models.folder import load_classifier


class TextClassifierMaterializer(BaseMaterializer):
    """Stores any `TextClassifier` as its own folder and verifies the manifest on load."""

    ASSOCIATED_TYPES: ClassVar[tuple[type[Any], ...]] = (TextClassifier,)
    ASSOCIATED_ARTIFACT_TYPE: ClassVar[ArtifactType] = ArtifactType.MODEL

    def save(self, data: TextClassifier) -> None:
        """Write the model folder to the artifact store."""
        with self.get_temporary_directory(delete_at_exit=True) as folder:
            local = Path(folder) / "model"
            data.save(local)
            copy_dir(str(local), f"{self.uri}/model", overwrite=True)

    def load(self, data_type: type[Any]) -> TextClassifier:
        """Fetch the folder, verify it and load the classifier it holds."""
        with self.get_temporary_directory(delete_at_exit=False, delete_after_step_execution=True) as folder:
            copy_dir(f"{self.uri}/model", f"{folder}/model")
            return load_classifier(Path(folder) / "model")

    def extract_metadata(self, data: TextClassifier) -> dict[str, Any]:
        """Kind and labels."""
        return {"kind": data.kind, "labels": ", ".join(data.labels)}
