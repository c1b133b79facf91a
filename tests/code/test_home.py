"""What the project keeps is for its user alone."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from sentiment.errors import ConfigError
from sentiment.home import ENVIRONMENT_VARIABLE, keep_private
from sentiment.lifecycle import Lifecycle
from sentiment.registry import Registry, default_tracking_uri
from sentiment.store.database import default_database_url
from tests.code.registries import register


@pytest.fixture(autouse=True)
def umask() -> Iterator[None]:
    before = os.umask(0o022)
    yield
    os.umask(before)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_what_is_written_after_it_is_for_this_user_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(ENVIRONMENT_VARIABLE, str(tmp_path / "home"))
    keep_private()
    (tmp_path / "home" / "spool").mkdir(parents=True)
    (tmp_path / "home" / "predictions.db").touch()
    assert mode(tmp_path / "home") == 0o700
    assert mode(tmp_path / "home" / "predictions.db") == 0o600


def test_a_home_of_an_earlier_version_is_closed_and_another_folder_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(ENVIRONMENT_VARIABLE, str(tmp_path))
    tmp_path.chmod(0o755)
    keep_private()
    assert mode(tmp_path) == 0o755
    (tmp_path / "mlflow.db").touch()
    keep_private()
    assert mode(tmp_path) == 0o700


@pytest.mark.parametrize("name", ["a b", "a%b", "a#b", "100% #1 한글", "a&b=c;d", "a'b", "a:b@c", "a+b"])
def test_a_home_of_any_name_stays_one_folder(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, empty_database: bytes
) -> None:
    folder = tmp_path / "homes" / name
    folder.mkdir(parents=True)
    (folder / "mlflow.db").write_bytes(empty_database)
    monkeypatch.setenv(ENVIRONMENT_VARIABLE, str(folder))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    registry = Registry(default_tracking_uri())
    lifecycle = Lifecycle(registry, default_database_url())
    lifecycle.promote(register(lifecycle, tmp_path, "one"), "the first", actor="kim")
    assert registry.report(1, "evaluation.html")
    assert [each.name for each in (tmp_path / "homes").iterdir()] == [name]
    assert {"mlflow.db", "mlflow-artifacts", "predictions.db"} <= {each.name for each in folder.iterdir()}


@pytest.mark.parametrize("name", ["a?b", "a%20b", "%41"])
def test_a_home_whose_name_an_address_cannot_hold_is_refused(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(ENVIRONMENT_VARIABLE, str(tmp_path / name))
    with pytest.raises(ConfigError, match="has a meaning in addresses"):
        keep_private()
    assert list(tmp_path.iterdir()) == []
