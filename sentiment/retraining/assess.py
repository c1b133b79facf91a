"""From the prediction database to a decision: labels counted, the journal read, the decision written down."""

from datetime import datetime

import polars as pl

from sentiment.config.retrain import FeedbackConfig, RetrainConfig
from sentiment.config.train import TrainConfig
from sentiment.retraining.decision import LabelCounts, RetrainDecision, Verdict, decide_retraining, force_retraining
from sentiment.retraining.feedback import check_feedback
from sentiment.retraining.history import current_pause, decisions, labels_used_until, record_decision
from sentiment.store.feedback import read_feedback
from sentiment.store.journal import journal_of


def assess(
    drift: Verdict | None,
    quality: Verdict | None,
    config: RetrainConfig,
    *,
    training: TrainConfig,
    database_url: str,
    model_version: str | None,
    now: datetime,
) -> RetrainDecision:
    """Decide whether to retrain with `training`, and keep the decision in the journal.

    Raises StackError when the prediction database cannot be used.
    """
    frame = read_feedback(database_url, config.model_name)
    with journal_of(database_url, config.model_name) as journal:
        history = decisions(journal, now)
        labels = count_labels(frame, config.feedback, training, since=labels_used_until(history))
        paused = current_pause(journal) is not None
        decision = decide_retraining(drift, quality, labels, config.policy, history, paused=paused, now=now)
        record_decision(journal, decision, model_version)
    return decision


def assess_by_hand(config: RetrainConfig, *, actor: str, database_url: str, now: datetime) -> RetrainDecision:
    """The decision of the person who calls for a retraining, kept in the journal.

    Raises StackError when the prediction database cannot be used.
    """
    with journal_of(database_url, config.model_name) as journal:
        pause = current_pause(journal)
        decision = force_retraining(actor=actor, pause=pause, override_pause=config.force, now=now)
        record_decision(journal, decision, None)
    return decision


def count_labels(
    frame: pl.DataFrame, config: FeedbackConfig, training: TrainConfig, *, since: datetime | None
) -> LabelCounts:
    """How many labels of `frame` pass the checks, and how many of these came after `since`."""
    accepted, report = check_feedback(
        frame, config, labels=training.dataset.labels, normaliser=training.normaliser, split=training.split
    )
    new = len(accepted) if since is None else accepted.filter(pl.col("time") > since).height
    return LabelCounts(total=report.accepted, new=new, quarantined=report.rows - report.accepted, since=since)
