"""What happens to a home after the first day: moved, copied, its files deleted, its databases locked or damaged."""

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace

import pytest

from pipelines.common import watching
from sentiment.config.stack import StackConfig
from sentiment.errors import FilesGoneError, StackError
from sentiment.lifecycle import Lifecycle
from sentiment.lifecycle.writing import upload
from sentiment.registry import Registry
from sentiment.registry.tracking import connect, ensure_experiment, moved_from
from sentiment.store.moved import rename_folder, values_of
from stacks import homes, reach
from stacks.catalogue import load_stack
from stacks.doctor import examine
from tests.code.registries import model_folder, register


@pytest.fixture(autouse=True)
def no_zenml_of_the_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZENML_STORE_URL", f"sqlite:///{tmp_path}/zenml.db")


@pytest.fixture
def laptop() -> StackConfig:
    return load_stack("laptop")


@pytest.fixture
def first(sentiment_home: Path, empty_database: bytes) -> Lifecycle:
    """A registry in SENTIMENT_HOME with a champion."""
    sentiment_home.mkdir()
    (sentiment_home / "mlflow.db").write_bytes(empty_database)
    lifecycle = Lifecycle(Registry(f"sqlite:///{sentiment_home}/mlflow.db"), f"sqlite:///{sentiment_home}/j.db")
    register(lifecycle, sentiment_home, "one", over="")
    return lifecycle


@pytest.mark.parametrize("how", [shutil.move, shutil.copytree])
def test_a_home_that_was_moved_or_copied_is_told_and_renewed_by_stack_up(
    how: object, first: Lifecycle, laptop: StackConfig, sentiment_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert moved_from(first.registry.tracking_uri) is None
    now = sentiment_home.with_name("집 new")
    assert callable(how)
    how(str(sentiment_home), str(now))
    monkeypatch.setenv("SENTIMENT_HOME", str(now))
    registry = Registry(f"sqlite:///{now}/mlflow.db")
    with pytest.raises(StackError, match=f"{now} was moved or copied from {sentiment_home}: .*\n  fix: .* stack up$"):
        registry.fetch(1, now / "downloads")

    stack = load_stack("laptop")
    (moved,) = homes.moved_folders(stack)
    assert (moved.variable, moved.before, moved.after) == ("SENTIMENT_HOME", sentiment_home, now)
    (told,) = homes.renew_paths(stack)
    assert "paths were renewed" in told
    assert not list(homes.moved_folders(stack))
    shutil.rmtree(sentiment_home, ignore_errors=True)
    assert (registry.fetch(1, now / "downloads") / "weights.txt").read_text() == "one"


def test_a_home_reached_by_another_name_was_not_moved(first: Lifecycle, sentiment_home: Path) -> None:
    link = sentiment_home.with_name("link")
    link.symlink_to(sentiment_home)
    assert moved_from(f"sqlite:///{link}/mlflow.db") is None


def test_every_path_in_a_database_is_renewed_and_nothing_else(tmp_path: Path) -> None:
    database = tmp_path / "a.db"
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("CREATE TABLE artifact (uri VARCHAR(255), value MEDIUMTEXT, size INTEGER)")
        rows = [
            ("/old/a/x", '{"page": "/old/a/y"}', 1),
            ("file:///old/a/x", '"/old/a/한글"', 2),
            ("/old/ab/x", "see /old/a/x", 3),
        ]
        connection.executemany("INSERT INTO artifact VALUES (?, ?, ?)", rows)
    assert rename_folder(database, Path("/old/a"), Path("/new")) == 4
    assert values_of(database, "artifact", "uri") == ["/new/x", "file:///new/x", "/old/ab/x"]
    assert values_of(database, "artifact", "value") == ['{"page": "/new/y"}', '"/new/한글"', "see /old/a/x"]
    assert rename_folder(database, Path("/old/a"), Path("/new")) == 0


def test_the_files_of_a_champion_that_are_gone_are_told_with_the_way_out(first: Lifecycle, tmp_path: Path) -> None:
    registry = first.registry
    shutil.rmtree(Path(registry.get(1).source).parent)
    for lost in (lambda: registry.fetch(1, tmp_path / "downloads"), lambda: registry.card(1)):
        with pytest.raises(
            FilesGoneError, match=r"version 1 are gone from .*\n  fix: Restore them from a copy\n   or: Train"
        ):
            lost()
    # With another version the way out is another one, and it works.
    second = register(first, tmp_path, "two", gate="refused")
    with pytest.raises(FilesGoneError, match=rf"models --model sentiment promote {second} --force --reason "):
        registry.fetch(1, tmp_path / "downloads")
    first.promote(second, "the files of version 1 are lost", actor="kim", force=True)
    assert registry.fetch(second, tmp_path / "downloads").is_dir()

    folder, digest = model_folder(tmp_path / "models", "one")
    upload(registry, folder, digest, card="# card", reports={}, run_id=registry.get(1).run_id)
    shutil.rmtree(Path(registry.get(second).source))
    with pytest.raises(FilesGoneError, match="models --model sentiment rollback --reason "):
        registry.fetch(second, tmp_path / "elsewhere")
    assert first.roll_back("the files of version 2 are lost", actor="kim").version == 1
    assert registry.fetch(1, tmp_path / "elsewhere").is_dir()


def test_a_result_of_an_earlier_run_that_is_gone_is_told_with_no_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    store = SimpleNamespace(artifact_store=SimpleNamespace(path="/zenml/store"))
    monkeypatch.setattr(watching, "Client", lambda: SimpleNamespace(active_stack=store))
    gone = watching._gone_artifact("train_linear", "[Errno 2] No such file or directory: '/zenml/store/a/r.parquet'.")
    assert isinstance(gone, FilesGoneError)
    assert gone.cause == (
        "The step train_linear needs /zenml/store/a/r.parquet, which an earlier run made and which is gone."
    )
    assert gone.fix.endswith("--no-cache")
    assert watching._gone_artifact("load_reviews", "No such file or directory: '/data/my.csv'") is None
    assert watching._gone_artifact("load_reviews", "ValueError: 1") is None


def test_a_database_that_is_locked_or_damaged_is_a_finding(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reach, "SECONDS", 0.2)
    database = tmp_path / "mlflow.db"
    with closing(sqlite3.connect(database)) as other:
        other.execute("CREATE TABLE a (b)")
        assert reach.opens("MLflow", database).ok
        other.execute("BEGIN EXCLUSIVE")
        locked = reach.opens("MLflow", database)
    assert not locked.ok
    assert locked.detail.startswith("Another program has locked it for 0.2 seconds")
    database.write_bytes(b"no database" * 100)
    damaged = reach.opens("MLflow", database)
    assert not damaged.ok
    assert "file is not a database" in damaged.detail
    assert f"mv {database} {database}.damaged" in damaged.fix


def test_mlflows_database_that_is_damaged_is_a_sentence(first: Lifecycle, sentiment_home: Path) -> None:
    (sentiment_home / "mlflow.db").write_bytes(b"no database" * 100)
    uri = f"sqlite:///{sentiment_home}/mlflow.db"
    for asked in (Registry(uri).versions, lambda: ensure_experiment(connect(uri))):
        with pytest.raises(StackError, match=r"^MLflow's database cannot be used: .*\n  fix: .* stack doctor$"):
            asked()


def test_zenmls_lost_server_is_told_with_since_when_and_how_to_leave_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, laptop: StackConfig
) -> None:
    monkeypatch.delenv("ZENML_STORE_URL")
    (tmp_path / "config.yaml").write_text("store: {}")
    lost = SimpleNamespace(
        store_configuration=SimpleNamespace(type=reach.StoreType.REST, url="http://127.0.0.1:9"),
        config_directory=str(tmp_path),
    )
    monkeypatch.setattr(reach, "GlobalConfiguration", lambda: lost)
    found = reach.zenml_store(laptop)
    assert not found.ok
    assert "http://127.0.0.1:9 does not answer (Connection refused)" in found.detail
    assert f"connected to it by {tmp_path}/config.yaml, written 20" in found.detail
    assert found.fix.startswith("Go back to this machine's database: zenml logout\n")
    assert "zenml login --local" in found.fix
    monkeypatch.setenv("ZENML_STORE_URL", "http://127.0.0.1:9")
    assert reach.zenml_store(laptop).fix.endswith(": unset ZENML_STORE_URL")


def test_zenmls_own_folder_that_was_moved_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, laptop: StackConfig
) -> None:
    monkeypatch.delenv("ZENML_STORE_URL")
    here, there = tmp_path / "here", tmp_path / "there"
    for folder in (here, there):
        database = Path(f"{folder}{homes.IN_CONFIG}")
        database.parent.mkdir(parents=True)
        database.touch()

    class Configured:
        store_configuration = SimpleNamespace(url=f"sqlite:///{there}{homes.IN_CONFIG}")
        config_directory = str(here)

        def get_default_store(self) -> SimpleNamespace:
            return SimpleNamespace(url=f"sqlite:///{here}{homes.IN_CONFIG}")

    monkeypatch.setattr(homes, "GlobalConfiguration", Configured)
    (moved,) = homes.moved_folders(laptop)
    assert (moved.variable, moved.before, moved.after) == ("ZENML_CONFIG_PATH", there, here)
    Configured.store_configuration = SimpleNamespace(url=f"sqlite:///{here}{homes.IN_CONFIG}")
    assert not list(homes.moved_folders(laptop))


def test_the_doctor_sees_what_is_gone_or_damaged_before_a_run_does(first: Lifecycle, sentiment_home: Path) -> None:
    def found() -> dict[str, reach.Finding]:
        return {each.name: each for each in examine("laptop")}

    assert found()["champion of sentiment"].ok
    shutil.rmtree(Path(first.registry.get(1).source).parent)
    (sentiment_home / "predictions.db").write_bytes(b"no database" * 100)
    names = ("champion of sentiment", "prediction database")
    lost, damaged = (found()[name] for name in names)
    assert "files of sentiment version 1 are gone" in lost.detail
    assert lost.fix.endswith("python run.py train --no-cache")
    assert "does not open" in damaged.detail
