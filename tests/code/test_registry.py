"""The registry against a real MLflow on SQLite."""

import json
import socket
import sqlite3
import time
from pathlib import Path

import pytest

from sentiment.errors import ConfigError, GateError, SentimentError, StackError
from sentiment.lifecycle.deployment import version_to_serve
from sentiment.models.folder import write_manifest
from sentiment.registry import Registry
from sentiment.registry.local import local_champion


@pytest.fixture
def registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, empty_database: Path) -> Registry:
    monkeypatch.chdir(tmp_path)
    database = tmp_path / "mlflow.db"
    database.write_bytes(empty_database.read_bytes())
    return Registry(f"sqlite:///{database}")


@pytest.fixture(scope="module")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Creating MLflow's tables takes seconds: once for the module."""
    database = tmp_path_factory.mktemp("mlflow") / "empty.db"
    assert Registry(f"sqlite:///{database}").versions() == []
    return database


def model_folder(root: Path, weights: str) -> tuple[Path, str]:
    folder = root / weights
    folder.mkdir(parents=True)
    (folder / "classifier.json").write_text(json.dumps({"kind": "linear", "labels": ["부정", "긍정"]}))
    (folder / "weights.txt").write_text(weights)
    return folder, write_manifest(folder)


def register(registry: Registry, root: Path, weights: str, gate: str | None = "approved") -> int:
    folder, digest = model_folder(root / "models", weights)
    return registry.register(
        folder,
        digest=digest,
        dataset_digest="d" * 64,
        metrics={"macro_f1": 0.81},
        card="# 카드",
        reports={"evaluation.html": "<p>잘했어요</p>"},
        tags={"git_commit": "abc"},
        gate=gate,
    ).version


def test_a_registered_version_is_the_candidate_and_carries_its_origin(registry: Registry, tmp_path: Path) -> None:
    version = registry.get(register(registry, tmp_path, "one"))

    assert registry.candidate() == version
    assert registry.champion() is None
    assert (version.version, version.status, version.kind, version.gate) == (1, "candidate", "linear", "approved")
    assert version.metrics == {"macro_f1": 0.81}
    assert version.dataset_digest == "d" * 64
    assert version.tags == {"git_commit": "abc"}
    run_folder = Path(version.source).parent
    assert registry.card(1) == "# 카드"
    assert (run_folder / "reports" / "evaluation.html").is_file()
    assert not (tmp_path / "mlruns").exists()


def test_a_refused_version_is_no_candidate_and_needs_force(registry: Registry, tmp_path: Path) -> None:
    refused = register(registry, tmp_path, "one", gate="refused")
    undecided = register(registry, tmp_path, "two", gate=None)

    assert registry.get(refused).status == "none"
    with pytest.raises(GateError, match="refused by the gate"):
        registry.promote(refused, "looks fine", actor="kim")
    with pytest.raises(GateError, match="no gate decision"):
        registry.promote(undecided, "looks fine", actor="kim")
    with pytest.raises(ConfigError, match="reason"):
        registry.promote(refused, " ", actor="kim", force=True)
    assert registry.champion() is None
    assert registry.history() == []

    registry.promote(refused, "the gate's slice is mislabelled", actor="kim", force=True)
    champion = registry.champion()
    assert champion is not None
    assert champion.version == refused
    assert [event.forced for event in registry.history()] == [True]


def test_any_version_but_the_champion_may_be_served_beside_it(registry: Registry, tmp_path: Path) -> None:
    with pytest.raises(SentimentError, match="has no champion"):
        version_to_serve(registry, "champion", None)
    champion = register(registry, tmp_path, "one")
    registry.promote(champion, "the first", actor="me")
    refused = register(registry, tmp_path, "two", gate="refused")
    with pytest.raises(SentimentError, match="no version waits for promotion"):
        version_to_serve(registry, "candidate", None)
    waiting = register(registry, tmp_path, "three")

    assert version_to_serve(registry, "champion", None).version == champion
    assert version_to_serve(registry, "candidate", None).version == waiting
    assert version_to_serve(registry, "candidate", refused).version == refused
    with pytest.raises(SentimentError, match="cannot stand beside itself"):
        version_to_serve(registry, "candidate", champion)
    with pytest.raises(ConfigError, match="has no version 99"):
        version_to_serve(registry, "candidate", 99)


def test_promotions_archive_the_champion_before_and_rollbacks_walk_back(registry: Registry, tmp_path: Path) -> None:
    for name in ("one", "two", "three"):
        registry.promote(register(registry, tmp_path, name), f"better: {name}", actor="ci", evidence="gate #7")
    assert [each.status for each in registry.versions()] == ["archived", "archived", "champion"]
    assert registry.candidate() is None

    assert registry.rollback("complaints", actor="kim").version == 2
    assert registry.rollback("still", actor="kim").version == 1
    with pytest.raises(GateError, match="no earlier champion"):
        registry.rollback("more", actor="kim")

    assert [each.status for each in registry.versions()] == ["champion", "archived", "archived"]
    assert registry.get(1).reason == "still"
    rows = [(event.event, event.version, event.from_version, event.actor) for event in registry.history()]
    assert rows == [
        ("promoted", 1, None, "ci"),
        ("promoted", 2, 1, "ci"),
        ("promoted", 3, 2, "ci"),
        ("rolled_back", 2, 3, "kim"),
        ("rolled_back", 1, 2, "kim"),
    ]
    assert registry.history()[0].evidence == "gate #7"


def test_a_version_promoted_after_a_rollback_goes_back_to_the_one_it_replaced(
    registry: Registry, tmp_path: Path
) -> None:
    for name in ("one", "two"):
        registry.promote(register(registry, tmp_path, name), name, actor="ci")
    registry.rollback("bad", actor="ci")
    registry.promote(register(registry, tmp_path, "three"), "three", actor="ci")

    assert registry.rollback("bad too", actor="ci").version == 1


def test_promoting_the_champion_again_changes_nothing(registry: Registry, tmp_path: Path) -> None:
    version = register(registry, tmp_path, "one")
    first = registry.promote(version, "first", actor="ci")

    assert registry.promote(version, "again", actor="ci") == first
    assert len(registry.history()) == 1


def test_archiving_takes_the_candidate_out_but_never_the_champion(registry: Registry, tmp_path: Path) -> None:
    registry.promote(register(registry, tmp_path, "one"), "first", actor="ci")
    candidate = register(registry, tmp_path, "two")

    assert registry.archive(candidate, "superseded", actor="kim").status == "archived"
    assert registry.candidate() is None
    with pytest.raises(ConfigError, match="is the champion"):
        registry.archive(1, "tidy", actor="kim")
    assert registry.history()[-1].event == "archived"


def test_an_unknown_version_names_the_existing_ones(registry: Registry, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="No version is registered yet"):
        registry.get(1)
    register(registry, tmp_path, "one")
    with pytest.raises(ConfigError, match=r"no version 9\.\n  fix: Existing versions: 1"):
        registry.promote(9, "typo", actor="kim")


def test_fetch_returns_a_verified_copy_and_mends_a_damaged_one(registry: Registry, tmp_path: Path) -> None:
    version = register(registry, tmp_path, "one")
    folder = registry.fetch(version, tmp_path / "downloads")
    assert (folder / "weights.txt").read_text() == "one"
    assert folder.name == registry.get(version).digest

    (folder / "weights.txt").write_text("bit rot")
    assert (registry.fetch(version, tmp_path / "downloads") / "weights.txt").read_text() == "one"


def test_a_tampered_artifact_is_refused(registry: Registry, tmp_path: Path) -> None:
    version = register(registry, tmp_path, "one")
    stored = Path(registry.get(version).source)
    (stored / "weights.txt").write_text("poison")
    with pytest.raises(SentimentError, match=r"weights\.txt"):
        registry.fetch(version, tmp_path / "downloads")

    write_manifest(stored)
    with pytest.raises(SentimentError, match="not the one that was registered"):
        registry.fetch(version, tmp_path / "downloads")
    assert list((tmp_path / "downloads").iterdir()) == []


def test_an_upload_that_fails_halfway_leaves_no_version(registry: Registry, tmp_path: Path) -> None:
    register(registry, tmp_path, "one")
    folder, digest = model_folder(tmp_path / "models", "two")
    arguments = {"digest": digest, "dataset_digest": "d", "metrics": {}, "card": "# card"}
    # The card and the folder are uploaded, then a report cannot be: its name is that of a folder.
    with pytest.raises((SentimentError, OSError)):
        registry.register(folder, reports={"a.html": "<p>", "a.html/b.html": "<p>"}, **arguments)

    assert [each.version for each in registry.versions()] == [1]
    candidate = registry.candidate()
    assert candidate is not None
    assert candidate.version == 1
    assert registry.register(folder, **arguments).version == 2


def test_a_folder_with_another_digest_is_not_registered(registry: Registry, tmp_path: Path) -> None:
    folder, _ = model_folder(tmp_path, "one")
    with pytest.raises(SentimentError, match="digest"):
        registry.register(folder, digest="0" * 64, dataset_digest="d", metrics={}, card="")
    assert registry.versions() == []


def test_the_run_that_trained_a_model_keeps_it(registry: Registry, tmp_path: Path) -> None:
    first = registry.get(register(registry, tmp_path, "one"))
    folder, digest = model_folder(tmp_path, "two")
    second = registry.register(folder, digest=digest, dataset_digest="d", metrics={}, card="", run_id=first.run_id)

    assert second.run_id == first.run_id
    assert second.source != first.source
    assert (registry.fetch(2, tmp_path / "downloads") / "weights.txt").read_text() == "two"


def test_a_server_that_does_not_answer_is_one_quick_error() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    started = time.monotonic()
    with pytest.raises(StackError, match=rf"http://127\.0\.0\.1:{port} does not answer") as error:
        Registry(f"http://user:secret@127.0.0.1:{port}").champion()
    assert time.monotonic() - started < 10
    assert "secret" not in str(error.value)


def test_the_local_look_up_agrees_with_mlflow(registry: Registry, tmp_path: Path) -> None:
    database = tmp_path / "mlflow.db"
    assert local_champion(database, "sentiment") is None
    for name in ("one", "two"):
        registry.promote(register(registry, tmp_path, name), name, actor="ci")
    registry.rollback("bad", actor="ci")

    champion = registry.champion()
    found = local_champion(database, "sentiment")
    assert champion is not None
    assert found == (champion.version, Path(champion.source), champion.digest)
    assert local_champion(database, "other") is None


def test_the_local_look_up_leaves_a_foreign_database_to_mlflow(tmp_path: Path) -> None:
    foreign = tmp_path / "other.db"
    with sqlite3.connect(foreign) as connection:
        connection.execute("CREATE TABLE model_versions (id INTEGER)")
    assert local_champion(foreign, "sentiment") is None
    assert local_champion(tmp_path / "missing.db", "sentiment") is None
    assert not (tmp_path / "missing.db").exists()


def test_a_report_is_read_back_by_its_name(registry: Registry, tmp_path: Path) -> None:
    version = register(registry, tmp_path, "one")

    assert registry.report(version, "evaluation.html") == "<p>잘했어요</p>"
    with pytest.raises(ConfigError, match=r"Version 1 of sentiment has no report reference.json(?s:.*)evaluation.html"):
        registry.report(version, "reference.json")
    with pytest.raises(ConfigError, match="no report"):
        registry.report(version, "../card.md")
    registry.add_report(version, "reference.json", "{}")
    assert registry.report(version, "reference.json") == "{}"
