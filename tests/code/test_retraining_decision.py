"""Whether to retrain: every reason, every obstacle, what the journal remembers, and the pause."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from sentiment.config.load import CONFIGS, load_config
from sentiment.config.retrain import RetrainConfig, RetrainPolicy
from sentiment.config.train import TrainConfig
from sentiment.errors import ConfigError, StackError
from sentiment.pages import page_of
from sentiment.retraining.assess import assess, assess_by_hand
from sentiment.retraining.decision import LabelCounts, RetrainDecision, decide_retraining
from sentiment.retraining.history import (
    current_pause,
    decisions,
    labels_used_until,
    pause,
    record_outcome,
    record_start,
    resume,
)
from sentiment.store.journal import Entry, journal_of

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
POLICY = RetrainPolicy(min_new_labels=100, enough_labels=1000, cool_down_hours=24, max_retrains=2, budget_days=30)
LABELS = LabelCounts(total=400, new=300, quarantined=7)


def verdict(status: str) -> Any:
    return SimpleNamespace(status=status, message=f"It is {status}.")


def decide(
    drift: str = "no_drift",
    quality: str = "ok",
    *,
    labels: LabelCounts = LABELS,
    policy: RetrainPolicy = POLICY,
    started: tuple[float, ...] = (),
    paused: bool = False,
) -> RetrainDecision:
    """`started`: how many hours ago retrainings began."""
    history = [Entry("decision", "", detail={"event": "started"}, time=NOW - timedelta(hours=ago)) for ago in started]
    return decide_retraining(verdict(drift), verdict(quality), labels, policy, history, paused=paused, now=NOW)


@pytest.mark.parametrize(
    ("drift", "quality", "new", "reason"),
    [
        ("drift", "ok", 100, "drift"),
        ("no_drift", "drop", 100, "quality_drop"),
        ("drift", "drop", 100, "quality_drop"),
        ("drift", "not_enough_data", 100, "drift"),
        ("not_enough_data", "not_enough_data", 1000, "new_labels"),
        ("no_drift", "ok", 1000, "new_labels"),
    ],
)
def test_each_reason_leads_to_a_retraining(drift: str, quality: str, new: int, reason: str) -> None:
    decision = decide(drift, quality, labels=LabelCounts(2000, new, 0))
    assert (decision.retrain, decision.reason, decision.trigger) == (True, reason, reason)
    assert decision.summary.startswith("Retrain: ")


@pytest.mark.parametrize(
    ("drift", "quality", "reason"),
    [
        ("no_drift", "ok", "healthy"),
        ("no_drift", "not_enough_data", "healthy"),
        ("not_enough_data", "not_enough_data", "not_enough_data"),
    ],
)
def test_without_a_reason_nothing_is_retrained(drift: str, quality: str, reason: str) -> None:
    decision = decide(drift, quality, labels=LabelCounts(2000, 999, 0))
    assert (decision.retrain, decision.reason, decision.trigger) == (False, reason, None)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"paused": True}, "paused"),
        ({"labels": LabelCounts(400, 99, 0)}, "not_enough_labels"),
        ({"started": (23.9,)}, "cooling_down"),
        ({"started": (23.9, -3 * 365 * 24)}, "cooling_down"),  # the second by a clock that is years ahead
        ({"started": (-0.01,)}, "cooling_down"),
        ({"started": (25, 29 * 24)}, "over_budget"),
        ({"paused": True, "labels": LabelCounts(0, 0, 0), "started": (1, 2, 3)}, "paused"),
    ],
)
def test_each_obstacle_stands_in_the_way_alone_and_says_so(changes: dict[str, Any], reason: str) -> None:
    decision = decide("drift", **changes)
    assert (decision.retrain, decision.reason, decision.trigger) == (False, reason, "drift")
    assert "though the reviews have drifted" in decision.summary


@pytest.mark.parametrize("started", [(24,), (24, 31 * 24), (30 * 24, 31 * 24), (-3 * 365 * 24,)])
def test_cool_down_and_budget_end(started: tuple[float, ...]) -> None:
    assert decide("drift", started=started).retrain


def test_a_reason_that_the_policy_does_not_count_is_named() -> None:
    decision = decide("drift", policy=POLICY.model_copy(update={"reasons": ("quality_drop",)}))
    assert (decision.retrain, decision.reason) == (False, "healthy")
    assert "the reviews have drifted, which the policy does not count" in decision.summary


def test_the_evidence_holds_the_figures_and_survives_json() -> None:
    decision = decide("drift", started=(40,))
    assert decision.evidence["new labels"] == 300
    assert decision.evidence["labels in quarantine"] == 7
    assert decision.evidence["retrainings"] == 1
    assert decision.evidence["drift"] == "It is drift."
    assert RetrainDecision.model_validate_json(decision.model_dump_json()) == decision
    assert "It is drift." in page_of(decision)


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/predictions.db"


@pytest.fixture
def config() -> RetrainConfig:
    return load_config(CONFIGS / "retrain.yaml", RetrainConfig)


def test_the_shipped_config_says_what_its_comments_say(config: RetrainConfig) -> None:
    assert config.model_name == "sentiment"
    assert config.policy == RetrainPolicy()
    assert config.train is None
    assert config.deployment.smoke_test.texts


def test_overrides_reach_the_files_that_the_config_names() -> None:
    changed = load_config(
        CONFIGS / "retrain.yaml",
        RetrainConfig,
        [
            "train=configs/train.yaml",
            "train.dataset.path=mine.csv",
            "train.candidates=[linear, compact]",
            "train.candidates.compact.epochs=1",
        ],
    )
    assert changed.train is not None
    assert (changed.train.dataset.path, changed.train.dataset.synthetic) == ("mine.csv", False)
    assert changed.train.dataset.created_before is None
    assert [each.name for each in changed.train.candidates] == ["linear", "compact"]


def test_changes_of_the_champions_config_and_a_config_of_ones_own_exclude_each_other() -> None:
    overrides = ["train.gate.max_ece=0.1", "train=configs/train.yaml"]
    with pytest.raises(ConfigError, match="train_changes are for the champion's config"):
        load_config(CONFIGS / "retrain.yaml", RetrainConfig, overrides)


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("model_name=other", "deployment.model_name"),
        ("train.model_name=other", "train_changes.model_name"),
        ("policy.min_new_label=3", "min_new_labels"),
        ("train=configs/trian.yaml", "train.yaml"),
    ],
)
def test_a_mistake_in_the_config_is_named(override: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        load_config(CONFIGS / "retrain.yaml", RetrainConfig, [override])


def test_every_decision_is_in_the_journal(url: str, config: RetrainConfig) -> None:
    training = load_config(CONFIGS / "train.yaml", TrainConfig)
    decision = assess(verdict("drift"), None, config, training=training, database_url=url, model_version="3", now=NOW)
    assert decision.reason == "not_enough_labels"
    with journal_of(url, "sentiment") as journal:
        (entry,) = journal.entries(("decision",))
    assert (entry.summary, entry.model_version, entry.detail["reason"]) == (decision.summary, "3", decision.reason)


def test_a_pause_holds_until_it_is_resumed(url: str, config: RetrainConfig) -> None:
    def by_hand(**changes: bool) -> RetrainDecision:
        asked = config.model_copy(update=changes)
        return assess_by_hand(asked, actor="kim", database_url=url, now=NOW)

    assert (by_hand().retrain, by_hand().reason) == (True, "forced")
    with journal_of(url, "sentiment") as journal:
        pause(journal, "labels under review", "lee")
    refused = by_hand()
    assert (refused.retrain, refused.reason) == (False, "paused")
    assert "paused by lee: labels under review" in refused.summary
    assert by_hand(force=True).retrain
    with journal_of(url, "sentiment") as journal, journal_of(url, "other") as other:
        assert current_pause(other) is None
        resume(journal, "reviewed", "lee")
        assert current_pause(journal) is None
    assert by_hand().retrain


def test_labels_count_as_used_once_a_retraining_ended(url: str, config: RetrainConfig) -> None:
    decision = decide("drift")
    with journal_of(url, "sentiment") as journal:
        now = datetime.now(UTC)
        assert labels_used_until(decisions(journal, now)) is None
        failed = record_start(journal, decision, "1")
        record_outcome(journal, failed, "failed", "Retraining failed.", "1")
        assert labels_used_until(decisions(journal, now)) is None
        ended = record_start(journal, decision, "1")
        record_outcome(journal, ended, "refused", "Refused.", "2")
        history = decisions(journal, now)
        assert labels_used_until(history) == ended.time
    later = decide_retraining(verdict("drift"), None, LABELS, POLICY, history, paused=False, now=ended.time)
    assert later.reason == "cooling_down"
    assert later.evidence["retrainings"] == 2


def test_a_database_out_of_reach_is_a_stack_error(config: RetrainConfig) -> None:
    url = "postgresql://nobody:secret@127.0.0.1:1/none"
    with pytest.raises(StackError, match="prediction database") as caught:
        assess_by_hand(config, actor="kim", database_url=url, now=NOW)
    assert "secret" not in str(caught.value)
