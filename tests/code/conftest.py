"""What tests of this folder share."""

import pytest

from sentiment.registry import Registry


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A database with MLflow's tables: making them takes seconds."""
    database = tmp_path_factory.mktemp("mlflow") / "empty.db"
    assert Registry(f"sqlite:///{database}").versions() == []
    return database.read_bytes()
