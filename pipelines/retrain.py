"""retrain: the reviews of train and the labels of users, then all that train does.

python run.py retrain
"""

from dataclasses import dataclass, replace
from datetime import UTC, datetime

from zenml import pipeline
from zenml.enums import ExecutionMode

import materializers  # noqa: F401 - registers how the artifacts are stored
from pipelines import train as training
from pipelines.common.launching import OnStep, keep, launching, registry_of, report_of, settled_lifecycle
from pipelines.deploy import launch_deploy
from pipelines.train import TrainResult, train_result, version_of
from sentiment.config.retrain import FeedbackConfig, RetrainConfig
from sentiment.config.stack import StackConfig
from sentiment.config.train import TrainConfig
from sentiment.data.read import source_digest
from sentiment.errors import GateError, SentimentError
from sentiment.home import current_user
from sentiment.lifecycle import Lifecycle
from sentiment.lifecycle.deployment import Deployment
from sentiment.registry import Registry
from sentiment.retraining.assess import assess_by_hand
from sentiment.retraining.decision import RetrainDecision
from sentiment.retraining.feedback import FeedbackReport
from sentiment.retraining.history import Outcome, record_outcome, record_start
from sentiment.retraining.training import require_data_of_champion, training_config
from sentiment.store.database import default_database_url
from sentiment.store.journal import Entry, journal_of
from stacks.alerts import failures_alerted
from stacks.catalogue import load_stack
from steps.common.names import FEEDBACK_REPORT
from steps.retraining import collect_feedback, merge_feedback, show_decision

OWN_STEPS = (show_decision, collect_feedback, merge_feedback)
STEP_NAMES = (*(each.name for each in OWN_STEPS), *training.STEP_NAMES)


@pipeline(name="retrain", execution_mode=ExecutionMode.FAIL_FAST)
def retrain(config: TrainConfig, feedback: FeedbackConfig, source_digest: str, decision: RetrainDecision) -> None:
    """Train on the reviews and the feedback that passed its checks; a new champion must be no worse on the reviews."""
    show_decision(decision)
    rows = training.prepare(config, source_digest)
    labelled, report = collect_feedback(rows.cleaned, config.model_name, feedback, config.split, config.normaliser)
    train, validation, test = merge_feedback(rows.train, rows.validation, rows.test, labelled)
    rows = replace(rows, train=train, validation=validation, test=test)
    training.fit(rows, config, retraining=decision, feedback=report)


def step_names(config: TrainConfig) -> list[str]:
    """The steps of a run with this config, as its `steps` block may name them."""
    return [each.name for each in OWN_STEPS] + training.step_names(config)


@dataclass(frozen=True)
class Rollout:
    """What became of a new champion: deployed, or `failure` and the version that is champion again (if there is one).

    All None: there was nothing to deploy, or nowhere to deploy it to.
    """

    deployment: Deployment | None = None
    failure: SentimentError | None = None
    back_to: int | None = None


@dataclass(frozen=True)
class RetrainResult:
    """A finished retraining: why, what was learnt from, what the gate said, and what became of a new champion."""

    decision: RetrainDecision
    feedback: FeedbackReport
    trained: TrainResult
    rollout: Rollout

    @property
    def outcome(self) -> Outcome:
        """How it ended, in a word or two."""
        return "rolled back" if self.rollout.back_to else self.trained.outcome

    @property
    def summary(self) -> str:
        """How it ended, in one or two sentences."""
        if self.rollout.failure is None:
            approved = self.trained.decision.outcome == "promote"
            overtaken = approved and not self.trained.registration.promoted
            return self.trained.registration.summary if overtaken else self.trained.decision.summary
        back_to = self.rollout.back_to
        now = f"version {back_to}, which still serves, is the champion again" if back_to else "it stays the champion"
        version = self.trained.registration.version
        return f"Version {version} was promoted but could not be deployed; {now}. {self.rollout.failure.cause}"


def decide_by_hand(config: RetrainConfig) -> RetrainDecision:
    """The decision of the person at the keyboard, kept in the journal: yes, unless retraining is paused."""
    url = default_database_url()
    return assess_by_hand(config, actor=current_user(), database_url=url, now=datetime.now(UTC))


def launch_retrain(
    config: RetrainConfig, stack_name: str, *, decision: RetrainDecision, use_cache: bool, on_step: OnStep
) -> RetrainResult:
    """Retrain as `decision` says; a new champion is deployed where the stack has a model deployer.

    The journal keeps start and outcome, and a failure is alerted; a refusal, a new champion and its deployment are
    told where they happen. Raises SentimentError for a decision against retraining, StackError for a stack or a
    prediction database that cannot be used, ConfigError for other data than the champion learnt from, DataError for
    data that does not pass validation. A deployment that fails is in the result.
    """
    if not decision.retrain:
        raise SentimentError(decision.summary, "Let it go on: python run.py retrain resume --reason WHY")
    stack = load_stack(stack_name)
    learnt = _training(config, stack)
    lifecycle = settled_lifecycle(stack, config.model_name, on_step)
    start = _record_start(lifecycle.registry, decision)
    try:
        feedback, trained = _train(config, learnt, stack_name, decision, use_cache=use_cache, on_step=on_step)
    except BaseException as error:
        _record_failure(config.model_name, start, error)
        raise
    rollout = Rollout()
    if trained.registration.promoted and config.deploy and "model_deployer" in stack.enabled():
        rollout = _roll_out(config, stack, lifecycle, on_step)
    result = RetrainResult(decision, feedback, trained, rollout)
    keep(
        config.model_name,
        lambda journal: record_outcome(journal, start, result.outcome, result.summary, version_of(trained)),
    )
    return result


def _training(config: RetrainConfig, stack: StackConfig) -> TrainConfig:
    # Before the start is recorded: what a wrong config asked for must not count against the budget of retrainings.
    with failures_alerted("retrain", stack, config.model_name):
        registry = registry_of(stack, config.model_name)
        found = training_config(config, registry)
        require_data_of_champion(found, registry)
        return found


def _train(
    config: RetrainConfig,
    learnt: TrainConfig,
    stack_name: str,
    decision: RetrainDecision,
    *,
    use_cache: bool,
    on_step: OnStep,
) -> tuple[FeedbackReport, TrainResult]:
    with launching("retrain", stack_name, on_step, model_name=config.model_name) as launch:
        digest = source_digest(learnt.dataset)
        configured = launch.configured(
            retrain, step_names(learnt), learnt.steps, run_name=launch.run_name, enable_cache=use_cache
        )
        run = launch.run(lambda: configured(learnt, config.feedback, digest, decision))
        feedback = report_of(run, FEEDBACK_REPORT, FeedbackReport)
        return feedback, train_result(run, launch, config.model_name)


def _roll_out(config: RetrainConfig, stack: StackConfig, lifecycle: Lifecycle, on_step: OnStep) -> Rollout:
    try:
        deployment = launch_deploy(config.deployment, stack.name, rollback=None, on_step=on_step).deployment
    except SentimentError as failure:
        return Rollout(failure=failure, back_to=_go_back(lifecycle, failure))
    return Rollout(deployment=deployment)


def _go_back(lifecycle: Lifecycle, failure: SentimentError) -> int | None:
    """Make the champion that still serves the champion again; None when there was none before."""
    reason = f"the retrained version could not be deployed: {failure.cause}"
    try:
        return lifecycle.roll_back(reason, actor=f"retrain, run by {current_user()}").version
    except GateError:
        return None


def _record_start(registry: Registry, decision: RetrainDecision) -> Entry:
    champion = registry.champion()
    with journal_of(default_database_url(), registry.model_name) as journal:
        return record_start(journal, decision, str(champion.version) if champion else None)


def _record_failure(model_name: str, start: Entry, error: BaseException) -> None:
    cause = error.cause if isinstance(error, SentimentError) else type(error).__name__
    summary = f"Retraining failed: {cause}"
    keep(model_name, lambda journal: record_outcome(journal, start, "failed", summary, start.model_version))
