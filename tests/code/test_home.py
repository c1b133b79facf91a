"""What the project keeps is for its user alone."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from sentiment.home import ENVIRONMENT_VARIABLE, keep_private


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
