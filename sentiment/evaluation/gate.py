"""The promotion gate: may this candidate become the champion? Missing evidence means no."""

from collections.abc import Iterator, Sequence
from typing import Literal

from sentiment.config.evaluation import GateConfig
from sentiment.data.reviews import FEEDBACK_SOURCE
from sentiment.evaluation.compare import PairedComparison, SliceDifference
from sentiment.evaluation.evaluation import Evaluation
from sentiment.stats.bootstrap import Metric
from sentiment.stored import Frozen, Report
from sentiment.tasks import Task, task_of

MAJORITY = "majority"


class Check(Frozen):
    """One condition and the sentence that says how it came out."""

    name: str
    passed: bool
    reason: str


class Contender(Frozen):
    """One line of the comparison table."""

    role: Literal["candidate", "champion", "baseline"]
    name: str
    accuracy: Metric
    macro_f1: Metric
    auc: Metric | None
    ece: float
    latency_p50_ms: float
    size_bytes: int


class GateDecision(Report):
    """The verdict, every check behind it, and the evidence.

    `outcome` is "unchanged" when the candidate's model folder is the champion's, byte for byte: there is nothing to
    promote and nothing is wrong.
    """

    outcome: Literal["promote", "refuse", "unchanged"]
    checks: tuple[Check, ...]
    contenders: tuple[Contender, ...]
    comparison: PairedComparison | None
    config: GateConfig
    candidate_digest: str
    champion_digest: str | None

    @property
    def approved(self) -> bool:
        """Whether the candidate may be promoted."""
        return self.outcome == "promote"

    @property
    def reasons(self) -> tuple[str, ...]:
        """The sentences that decided: of the checks that failed, or of all when none did."""
        failed = tuple(check.reason for check in self.checks if not check.passed)
        return failed or tuple(check.reason for check in self.checks)

    @property
    def summary(self) -> str:
        """The decision in one line."""
        failed = [check for check in self.checks if not check.passed]
        candidate = self.contenders[0]
        if self.outcome == "unchanged":
            return f"Unchanged: {candidate.name} is the champion already (model {self.candidate_digest[:12]})."
        if failed:
            more = f" ({len(failed) - 1} more)" if len(failed) > 1 else ""
            return f"Refused: {failed[0].reason}{more}"
        against = f"macro-F1 {candidate.macro_f1}, all {len(self.checks)} checks passed"
        if self.comparison is None:
            return f"Promoted: {candidate.name} by the floors alone, as there is no champion yet ({against})."
        return f"Promoted: {candidate.name} over {self.comparison.champion} ({against})."


def decide(
    candidate: Evaluation,
    baselines: Sequence[Evaluation],
    champion: Evaluation | None,
    comparison: PairedComparison | None,
    config: GateConfig,
    *,
    candidate_digest: str,
    champion_digest: str | None,
) -> GateDecision:
    """Decide on a candidate from evaluations on the same test rows.

    Without a champion the floors decide. With one, the candidate must also be better: the paired bootstrap interval of
    the difference in the task's primary metric must lie above `min_gain`, McNemar's test must find the accuracy better
    too, and what the champion knew must not be lost (`max_slice_loss`). The digests are those of the model folders;
    `champion_digest` is None when the registry has no champion.
    """
    contenders = (
        _contender("candidate", candidate),
        *([_contender("champion", champion)] if champion else []),
        *(_contender("baseline", baseline) for baseline in baselines),
    )
    if candidate_digest == champion_digest:
        reason = f"The candidate's model folder is the champion's, byte for byte ({candidate_digest[:12]})."
        checks = (Check(name="new model", passed=True, reason=reason),)
        outcome: Literal["promote", "refuse", "unchanged"] = "unchanged"
    else:
        task = task_of(candidate.task)
        has_champion = champion is not None or champion_digest is not None
        checks = (
            *_evidence(candidate, [*baselines, *([champion] if champion else [])]),
            *_floors(candidate, task, config),
            *(_majority(candidate, baselines, task) if config.must_beat_majority else ()),
            *(_better(candidate, champion, comparison, task, config) if has_champion else _no_champion()),
        )
        outcome = "promote" if all(check.passed for check in checks) else "refuse"
    return GateDecision(
        outcome=outcome,
        checks=checks,
        contenders=contenders,
        comparison=comparison,
        config=config,
        candidate_digest=candidate_digest,
        champion_digest=champion_digest,
    )


def _evidence(candidate: Evaluation, others: Sequence[Evaluation]) -> Iterator[Check]:
    absent = [result.label for result in candidate.classes if not result.support]
    if not candidate.rows:
        reason = "The candidate was evaluated on no rows."
    elif absent:
        reason = f"No test row has the label {', '.join(absent)}."
    else:
        reason = f"The candidate was evaluated on {candidate.rows:,} rows, and every label occurs among them."
    yield Check(name="test rows", passed=candidate.rows > 0 and not absent, reason=reason)
    strangers = [other.name for other in others if other.data_digest != candidate.data_digest]
    if others:
        yield Check(
            name="same test rows",
            passed=not strangers,
            reason=f"{', '.join(strangers)} saw other test rows than the candidate."
            if strangers
            else "All contenders were evaluated on the same test rows.",
        )


def _floors(candidate: Evaluation, task: Task, config: GateConfig) -> Iterator[Check]:
    title = task.title[0].upper() + task.title[1:]
    yield _at_least(task.title, title, task.primary_of(candidate).value, config.register_threshold)
    ece = candidate.calibration.ece
    calibrated = ece <= config.max_ece
    yield Check(
        name="calibration",
        passed=calibrated,
        reason=f"The expected calibration error {ece:.3f} is {'within' if calibrated else 'above'} "
        f"the limit {config.max_ece:.3f}.",
    )
    worst = candidate.worst_slice
    if worst is None:
        yield Check(name="worst slice", passed=False, reason="No slice has enough rows to be judged.")
    else:
        subject = f"{title} of the worst slice ({worst.title}, {worst.rows:,} rows)"
        yield _at_least("worst slice", subject, task.primary_of(worst).value, config.min_slice_macro_f1)


def _at_least(name: str, subject: str, value: float, floor: float) -> Check:
    passed = value >= floor
    reason = f"{subject} {value:.3f} is {'at or above' if passed else 'below'} the floor {floor:.3f}."
    return Check(name=name, passed=passed, reason=reason)


def _majority(candidate: Evaluation, baselines: Sequence[Evaluation], task: Task) -> Iterator[Check]:
    majority = next((baseline for baseline in baselines if baseline.name == MAJORITY), None)
    if majority is None:
        yield Check(name="beats majority", passed=False, reason="There is no majority baseline to compare with.")
        return
    low, floor = task.primary_of(candidate).low, task.primary_of(majority).value
    passed = low > floor
    yield Check(
        name="beats majority",
        passed=passed,
        reason=f"The lower bound of the {task.title} {low:.3f} is {'above' if passed else 'not above'} "
        f"the majority baseline's {floor:.3f}.",
    )


def _no_champion() -> Iterator[Check]:
    yield Check(name="champion", passed=True, reason="There is no champion yet, so the floors alone decide.")


def _better(
    candidate: Evaluation,
    champion: Evaluation | None,
    comparison: PairedComparison | None,
    task: Task,
    config: GateConfig,
) -> Iterator[Check]:
    missing = _missing_comparison(candidate, champion, comparison, task, config)
    yield Check(
        name="paired evidence",
        passed=missing is None,
        reason=missing or "Candidate and champion were compared row by row on the test rows.",
    )
    if missing or comparison is None:
        return
    gain: Metric = task.primary_of(comparison)
    better = gain.low > config.min_gain
    yield Check(
        name=f"better {task.title}",
        passed=better,
        reason=f"The {task.title} difference to the champion is {gain.value:+.4f}, and its interval "
        f"({gain.low:+.4f} to {gain.high:+.4f}) {'lies' if better else 'does not lie'} above {config.min_gain:+.4f}.",
    )
    test = comparison.mcnemar
    agrees = test.p_value < config.significance and test.candidate_only_right > test.champion_only_right
    yield Check(
        name="better accuracy",
        passed=agrees,
        reason=f"Only the candidate is right on {test.candidate_only_right:,} rows, only the champion on "
        f"{test.champion_only_right:,}: McNemar p = {test.p_value:.3g}, which {'shows' if agrees else 'does not show'} "
        f"the candidate to be better at the level {config.significance:g}.",
    )
    yield from _no_worse(comparison, task, config.max_slice_loss)


def _no_worse(comparison: PairedComparison, task: Task, most: float) -> Iterator[Check]:
    """A gain on new reviews must not be paid for by the old ones."""
    if comparison.feedback:
        yield _known_rows(comparison.known, task, most)
        yield _feedback_rows(comparison.feedback, task)
    sources = [part for part in comparison.slices if part.column == "source" and part.value != FEEDBACK_SOURCE]
    judged = {part.value: task.primary_of(part) for part in sources if part.enough_rows}
    worse = {source: change for source, change in judged.items() if change.high < 0 and change.value < -most}
    if worse:
        shown = ", ".join(f"{source} {_interval(change)}" for source, change in worse.items())
        reason = f"Significantly worse than the champion, by more than {most:g} {task.title}, on the source {shown}."
    elif judged:
        reason = f"On no source ({', '.join(judged)}) significantly worse by more than {most:g}."
    if judged:
        yield Check(name="no source worse", passed=not worse, reason=reason)


def _known_rows(known: SliceDifference | None, task: Task, most: float) -> Check:
    name = "no worse on known rows"
    if known is None or not known.enough_rows:
        rows = known.rows if known else 0
        reason = (
            f"Too few test rows are no feedback ({rows:,}): whether the candidate forgot what it knew is not shown."
        )
        return Check(name=name, passed=False, reason=reason)
    change: Metric = task.primary_of(known)
    passed = change.low > -most
    return Check(
        name=name,
        passed=passed,
        reason=f"On the {known.rows:,} test rows that are no feedback the {task.title} difference is "
        f"{_interval(change)}, which {'excludes' if passed else 'does not exclude'} a loss of {most:g}.",
    )


def _feedback_rows(feedback: SliceDifference, task: Task) -> Check:
    change: Metric = task.primary_of(feedback)
    gained = change.high >= 0
    return Check(
        name="feedback rows",
        passed=gained,
        reason=f"On the {feedback.rows:,} feedback rows of the test set the {task.title} difference is "
        f"{_interval(change)}{'' if gained else ': a loss'}.",
    )


def _interval(difference: Metric) -> str:
    return f"{difference.value:+.4f} ({difference.low:+.4f} to {difference.high:+.4f})"


def _missing_comparison(
    candidate: Evaluation,
    champion: Evaluation | None,
    comparison: PairedComparison | None,
    task: Task,
    config: GateConfig,
) -> str | None:
    """What the champion rule lacks, or None. Differences must be of these very evaluations, not of earlier ones."""
    if champion is None:
        return "There is a champion, but it was not evaluated on today's test rows."
    if comparison is None:
        return "There is a champion, but no paired comparison with it."
    if not comparison.data_digest == candidate.data_digest == champion.data_digest:
        return "The paired comparison is not of the rows the candidate and the champion were evaluated on."
    if comparison.significance > config.significance:
        return f"The comparison's level {comparison.significance:g} is laxer than the gate's {config.significance:g}."
    for name in (task.primary, "accuracy"):
        expected = getattr(candidate, name).value - getattr(champion, name).value
        if not abs(getattr(comparison, name).value - expected) < 1e-6:
            return "The paired comparison does not match the evaluations of candidate and champion."
    return None


def _contender(role: Literal["candidate", "champion", "baseline"], evaluation: Evaluation) -> Contender:
    return Contender(
        role=role,
        name=evaluation.name,
        accuracy=evaluation.accuracy,
        macro_f1=evaluation.macro_f1,
        auc=evaluation.auc,
        ece=evaluation.calibration.ece,
        latency_p50_ms=evaluation.performance.latency_p50_ms,
        size_bytes=evaluation.performance.size_bytes,
    )
