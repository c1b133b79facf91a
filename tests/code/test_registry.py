"""The registry against a real MLflow on SQLite."""

import socket
import sqlite3
import time
from pathlib import Path

import pytest

from sentiment.errors import ConfigError, GateError, SentimentError, StackError
from sentiment.lifecycle import Lifecycle
from sentiment.lifecycle.deployment import ServedModel, version_to_serve
from sentiment.lifecycle.writing import add_report
from sentiment.models.folder import write_manifest
from sentiment.registry import Registry
from sentiment.registry.local import local_champion
from sentiment.registry.records import FORCED
from tests.code.registries import model_folder, register


@pytest.fixture
def lifecycle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, empty_database: bytes) -> Lifecycle:
    monkeypatch.chdir(tmp_path)
    database = tmp_path / "mlflow.db"
    database.write_bytes(empty_database)
    return Lifecycle(Registry(f"sqlite:///{database}"), f"sqlite:///{tmp_path / 'predictions.db'}")


def test_a_registered_version_is_the_candidate_and_carries_its_origin(lifecycle: Lifecycle, tmp_path: Path) -> None:
    version = lifecycle.registry.get(register(lifecycle, tmp_path, "one"))

    assert lifecycle.registry.candidate() == version
    assert lifecycle.registry.champion() is None
    assert (version.version, version.status, version.kind, version.gate) == (1, "candidate", "linear", "approved")
    assert version.metrics == {"macro_f1": 0.81}
    assert version.dataset_digest == "d" * 64
    assert version.tags == {"git_commit": "abc"}
    run_folder = Path(version.source).parent
    assert lifecycle.registry.card(1) == "# 카드"
    assert (run_folder / "reports" / "evaluation.html").is_file()
    assert not (tmp_path / "mlruns").exists()


def test_a_refused_version_is_no_candidate_and_needs_force(lifecycle: Lifecycle, tmp_path: Path) -> None:
    refused = register(lifecycle, tmp_path, "one", gate="refused")
    undecided = register(lifecycle, tmp_path, "two", gate=None)

    assert lifecycle.registry.get(refused).status == "none"
    with pytest.raises(GateError, match="refused by the gate"):
        lifecycle.promote(refused, "looks fine", actor="kim")
    with pytest.raises(GateError, match="no gate decision"):
        lifecycle.promote(undecided, "looks fine", actor="kim")
    with pytest.raises(ConfigError, match="reason"):
        lifecycle.promote(refused, " ", actor="kim", force=True)
    assert lifecycle.registry.champion() is None
    assert lifecycle.registry.history() == []

    lifecycle.promote(refused, "the gate's slice is mislabelled", actor="kim", force=True)
    champion = lifecycle.registry.champion()
    assert champion is not None
    assert champion.version == refused
    (promotion,) = lifecycle.registry.history()
    assert (promotion.forced, promotion.summary) == (True, f"{FORCED}, by kim: the gate's slice is mislabelled")
    # Whoever reads the card or what is served reads it too; the journal and the alert have the same sentence.
    card = lifecycle.registry.card(refused)
    assert card.startswith(f"> **{FORCED}, by kim")
    served = ServedModel.of(champion, role="champion", model_name="m", card=card, history=[promotion])
    assert (served.forced, served.gate, served.promotion) == (True, "refused", promotion.summary)
    assert served.served_json()["forced"] is True


def test_any_version_but_the_champion_may_be_served_beside_it(lifecycle: Lifecycle, tmp_path: Path) -> None:
    with pytest.raises(SentimentError, match="has no champion"):
        version_to_serve(lifecycle.registry, "champion", None)
    champion = register(lifecycle, tmp_path, "one")
    lifecycle.promote(champion, "the first", actor="me")
    refused = register(lifecycle, tmp_path, "two", gate="refused")
    with pytest.raises(SentimentError, match="no version waits for promotion"):
        version_to_serve(lifecycle.registry, "candidate", None)
    waiting = register(lifecycle, tmp_path, "three")

    assert version_to_serve(lifecycle.registry, "champion", None).version == champion
    assert version_to_serve(lifecycle.registry, "candidate", None).version == waiting
    assert version_to_serve(lifecycle.registry, "candidate", refused).version == refused
    with pytest.raises(SentimentError, match="cannot stand beside itself"):
        version_to_serve(lifecycle.registry, "candidate", champion)
    with pytest.raises(ConfigError, match="has no version 99"):
        version_to_serve(lifecycle.registry, "candidate", 99)


def test_promotions_archive_the_champion_before_and_rollbacks_walk_back(lifecycle: Lifecycle, tmp_path: Path) -> None:
    for name in ("one", "two", "three"):
        lifecycle.promote(register(lifecycle, tmp_path, name), f"better: {name}", actor="ci", evidence="gate #7")
    assert [each.status for each in lifecycle.registry.versions()] == ["archived", "archived", "champion"]
    assert lifecycle.registry.candidate() is None

    assert lifecycle.roll_back("complaints", actor="kim").version == 2
    assert lifecycle.roll_back("still", actor="kim").version == 1
    with pytest.raises(GateError, match="no earlier champion"):
        lifecycle.roll_back("more", actor="kim")

    assert [each.status for each in lifecycle.registry.versions()] == ["champion", "archived", "archived"]
    assert lifecycle.registry.get(1).reason == "still"
    rows = [(event.event, event.version, event.from_version, event.actor) for event in lifecycle.registry.history()]
    assert rows == [
        ("promoted", 1, None, "ci"),
        ("promoted", 2, 1, "ci"),
        ("promoted", 3, 2, "ci"),
        ("rolled_back", 2, 3, "kim"),
        ("rolled_back", 1, 2, "kim"),
    ]
    assert lifecycle.registry.history()[0].evidence == "gate #7"


def test_a_version_promoted_after_a_rollback_goes_back_to_the_one_it_replaced(
    lifecycle: Lifecycle, tmp_path: Path
) -> None:
    for name in ("one", "two"):
        lifecycle.promote(register(lifecycle, tmp_path, name), name, actor="ci")
    lifecycle.roll_back("bad", actor="ci")
    lifecycle.promote(register(lifecycle, tmp_path, "three"), "three", actor="ci")

    assert lifecycle.roll_back("bad too", actor="ci").version == 1


def test_promoting_the_champion_again_changes_nothing(lifecycle: Lifecycle, tmp_path: Path) -> None:
    version = register(lifecycle, tmp_path, "one")
    first = lifecycle.promote(version, "first", actor="ci")

    assert lifecycle.promote(version, "again", actor="ci") == first
    assert len(lifecycle.registry.history()) == 1


def test_archiving_takes_the_candidate_out_but_never_the_champion(lifecycle: Lifecycle, tmp_path: Path) -> None:
    lifecycle.promote(register(lifecycle, tmp_path, "one"), "first", actor="ci")
    candidate = register(lifecycle, tmp_path, "two")

    assert lifecycle.archive(candidate, "superseded", actor="kim").status == "archived"
    assert lifecycle.registry.candidate() is None
    with pytest.raises(ConfigError, match="is the champion"):
        lifecycle.archive(1, "tidy", actor="kim")
    assert lifecycle.registry.history()[-1].event == "archived"


def test_an_unknown_version_names_the_existing_ones(lifecycle: Lifecycle, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"Train one: python run\.py train$"):
        lifecycle.registry.get(1)
    register(lifecycle, tmp_path, "one")
    with pytest.raises(ConfigError, match=r"no version 9\.\n  fix: Name one that there is: 1"):
        lifecycle.promote(9, "typo", actor="kim")


def test_fetch_returns_a_verified_copy_and_mends_a_damaged_one(lifecycle: Lifecycle, tmp_path: Path) -> None:
    version = register(lifecycle, tmp_path, "one")
    folder = lifecycle.registry.fetch(version, tmp_path / "downloads")
    assert (folder / "weights.txt").read_text() == "one"
    assert folder.name == lifecycle.registry.get(version).digest

    (folder / "weights.txt").write_text("bit rot")
    assert (lifecycle.registry.fetch(version, tmp_path / "downloads") / "weights.txt").read_text() == "one"


def test_a_tampered_artifact_is_refused(lifecycle: Lifecycle, tmp_path: Path) -> None:
    version = register(lifecycle, tmp_path, "one")
    stored = Path(lifecycle.registry.get(version).source)
    (stored / "weights.txt").write_text("poison")
    with pytest.raises(SentimentError, match=r"weights\.txt"):
        lifecycle.registry.fetch(version, tmp_path / "downloads")

    write_manifest(stored)
    with pytest.raises(SentimentError, match="not the one that was registered"):
        lifecycle.registry.fetch(version, tmp_path / "downloads")
    assert list((tmp_path / "downloads").iterdir()) == []


def test_an_upload_that_fails_halfway_leaves_no_version(lifecycle: Lifecycle, tmp_path: Path) -> None:
    register(lifecycle, tmp_path, "one")
    folder, digest = model_folder(tmp_path / "models", "two")
    arguments = {"digest": digest, "dataset_digest": "d", "metrics": {}, "card": "# card", "actor": "ci"}
    # The card and the folder are uploaded, then a report cannot be: its name is that of a folder.
    with pytest.raises((SentimentError, OSError)):
        lifecycle.register(folder, reports={"a.html": "<p>", "a.html/b.html": "<p>"}, **arguments)

    assert [each.version for each in lifecycle.registry.versions()] == [1]
    candidate = lifecycle.registry.candidate()
    assert candidate is not None
    assert candidate.version == 1
    assert lifecycle.register(folder, **arguments).version == 2


def test_a_folder_with_another_digest_is_not_registered(lifecycle: Lifecycle, tmp_path: Path) -> None:
    folder, _ = model_folder(tmp_path, "one")
    with pytest.raises(SentimentError, match="digest"):
        lifecycle.register(folder, digest="0" * 64, dataset_digest="d", metrics={}, card="", actor="ci")
    assert lifecycle.registry.versions() == []


def test_the_run_that_trained_a_model_keeps_it(lifecycle: Lifecycle, tmp_path: Path) -> None:
    first = lifecycle.registry.get(register(lifecycle, tmp_path, "one"))
    folder, digest = model_folder(tmp_path, "two")
    second = lifecycle.register(
        folder, digest=digest, dataset_digest="d", metrics={}, card="", actor="ci", run_id=first.run_id
    )

    assert second.run_id == first.run_id
    assert second.source != first.source
    assert (lifecycle.registry.fetch(2, tmp_path / "downloads") / "weights.txt").read_text() == "two"


def test_a_server_that_does_not_answer_is_one_quick_error() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    started = time.monotonic()
    with pytest.raises(StackError, match=rf"http://127\.0\.0\.1:{port} does not answer") as error:
        Registry(f"http://user:secret@127.0.0.1:{port}").champion()
    assert time.monotonic() - started < 10
    assert "secret" not in str(error.value)


def test_the_local_look_up_agrees_with_mlflow(lifecycle: Lifecycle, tmp_path: Path) -> None:
    database = tmp_path / "mlflow.db"
    assert local_champion(database, "sentiment") is None
    for name in ("one", "two"):
        lifecycle.promote(register(lifecycle, tmp_path, name), name, actor="ci")
    lifecycle.roll_back("bad", actor="ci")

    champion = lifecycle.registry.champion()
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


def test_a_report_is_read_back_by_its_name(lifecycle: Lifecycle, tmp_path: Path) -> None:
    version = register(lifecycle, tmp_path, "one")

    assert lifecycle.registry.report(version, "evaluation.html") == "<p>잘했어요</p>"
    with pytest.raises(ConfigError, match=r"Version 1 of sentiment has no report reference.json(?s:.*)evaluation.html"):
        lifecycle.registry.report(version, "reference.json")
    with pytest.raises(ConfigError, match="no report"):
        lifecycle.registry.report(version, "../card.md")
    add_report(lifecycle.registry, version, "reference.json", "{}")
    assert lifecycle.registry.report(version, "reference.json") == "{}"


def test_whoever_only_asks_makes_no_database(tmp_path: Path) -> None:
    registry = Registry(f"sqlite:///{tmp_path / 'home' / 'mlflow.db'}")
    assert (registry.versions(), registry.champion(), registry.history()) == ([], None, [])
    with pytest.raises(ConfigError, match="has no version 3"):
        registry.get(3)
    assert not (tmp_path / "home").exists()


@pytest.mark.parametrize("damage", ["", "{", "[]", "7", "null", '"x"', '{"time": 5}', "\0", "[" * 5000, "nan"])
def test_a_damaged_registry_is_a_sentence_and_never_a_traceback(
    damage: str, lifecycle: Lifecycle, tmp_path: Path
) -> None:
    lifecycle.promote(register(lifecycle, tmp_path, "one"), "the first", actor="kim")
    with sqlite3.connect(tmp_path / "mlflow.db") as database:
        for table in ("model_version_tags", "registered_model_tags"):
            where = f"UPDATE {table} SET value = ? WHERE key LIKE 'mlflow.sentiment.%'"  # noqa: S608 - names of ours
            database.execute(where, (damage,))
    for read in (lifecycle.registry.versions, lifecycle.registry.changes, lifecycle.settle):
        with pytest.raises(StackError, match="is damaged") as raised:
            read()
        assert raised.value.exit_code == 4
        assert "backup" in raised.value.fix
