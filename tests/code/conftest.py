"""What tests of this folder share."""

import pytest

from sentiment.registry.tracking import connect


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A database with MLflow's tables: making them takes seconds."""
    database = tmp_path_factory.mktemp("mlflow") / "empty.db"
    connect(f"sqlite:///{database}")
    return database.read_bytes()
