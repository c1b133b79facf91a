"""The promotion gate: may this candidate become the champion? Missing evidence means no."""

from collections.abc import Iterator, Sequence
from typing import Literal

from sentiment.config.evaluation import GateConfig
from sentiment.data.names import counted
from sentiment.data.reviews import FEEDBACK_SOURCE
from sentiment.evaluation.compare import PairedComparison, SliceDifference
from sentiment.evaluation.evaluation import Evaluation, SliceResult
from sentiment.stats.bootstrap import Metric, wilson
from sentiment.stored import Frozen, Report
from sentiment.tasks import Task, task_of

MAJORITY = "majority"
# With fewer the interval of the macro-F1 is too narrow: when the true value is the floor, 13% pass with 3 rows of each
# label, and 3% with 10 (simulated, two labels, floor 0.7; 2.5% is the aim).
LEAST_ROWS_OF_A_LABEL = 10


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
    leaks: Sequence[str] = (),
) -> GateDecision:
    """Decide on a candidate from evaluations on the same test rows.

    Without a champion the floors decide. With one, the candidate must also be better: the paired bootstrap interval of
    the difference in the task's primary metric must lie above `min_gain`, McNemar's test must find the accuracy better
    too, and what the champion knew must not be lost (`max_slice_loss`). The digests are those of the model folders;
    `champion_digest` is None when the registry has no champion. `leaks` says what gives the labels away
    (`sentiment.evaluation.leakage`); it is told when the accuracy is above `max_accuracy`.
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
            _no_leakage(candidate, leaks, config),
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
    few = [result for result in candidate.classes if result.support < LEAST_ROWS_OF_A_LABEL]
    if not candidate.rows:
        reason = "The candidate was evaluated on no rows."
    elif few:
        shown = ", ".join(f"{result.label} has {counted(result.support, 'test row')}" for result in few)
        reason = (
            f"Too few rows to judge by: {shown}, and every label needs {LEAST_ROWS_OF_A_LABEL}. "
            "Give more rows or a larger split.test."
        )
    else:
        least = f"with {LEAST_ROWS_OF_A_LABEL} or more of every label"
        reason = f"The candidate was evaluated on {candidate.rows:,} rows, {least}."
    yield Check(name="test rows", passed=candidate.rows > 0 and not few, reason=reason)
    strangers = [other.name for other in others if other.data_digest != candidate.data_digest]
    if others:
        yield Check(
            name="same test rows",
            passed=not strangers,
            reason=f"{', '.join(strangers)} saw other test rows than the candidate."
            if strangers
            else "All contenders were evaluated on the same test rows.",
        )


def _no_leakage(candidate: Evaluation, leaks: Sequence[str], config: GateConfig) -> Check:
    """People who label sentiment agree on fewer rows: a model that hardly errs reads the answer somewhere."""
    accuracy, most = candidate.accuracy.value, config.max_accuracy
    passed = accuracy <= most
    if passed:
        reason = f"Accuracy {accuracy:.3f} is not too good to be true (at most {most:g})."
    else:
        rows = counted(candidate.rows, "test row")
        found = " ".join((*leaks, "Take that out of the texts")) if leaks else "Nothing was found that does: read some"
        reason = (
            f"Accuracy {accuracy:.3f} on {rows} is above {most:g}: the texts seem to give the labels away. {found}, "
            "or, if the task is so easy, run train with --set gate.max_accuracy=1."
        )
    return Check(name="no leakage suspected", passed=passed, reason=reason)


def _floors(candidate: Evaluation, task: Task, config: GateConfig) -> Iterator[Check]:
    title = task.title[0].upper() + task.title[1:]
    yield _overall(candidate, task, title, config.register_threshold)
    calibration, most = candidate.calibration, config.max_ece
    calibrated = calibration.ece_beyond_chance <= most
    yield Check(
        name="calibration",
        passed=calibrated,
        reason=f"The expected calibration error {calibration.ece:.3f}, {calibration.ece_beyond_chance:.3f} beyond "
        f"chance, is {'within' if calibrated else 'above'} the limit {most:.3f}.",
    )
    yield _slices([part for part in candidate.slices if part.enough_rows], task, title, config.min_slice_macro_f1)


def _overall(candidate: Evaluation, task: Task, title: str, floor: float) -> Check:
    """The lower bound must reach the floor. Of rows that are all right, a bootstrap draws nothing else."""
    metric: Metric = task.primary_of(candidate)
    low = wilson(candidate.rows, candidate.rows).low if candidate.rows and metric.value == 1 else metric.low
    passed = low >= floor
    reason = f"{title} {metric.value:.3f}: its lower bound {low:.3f} is {'at or above' if passed else 'below'} "
    reason += f"the floor {floor:.3f}."
    if low < floor <= metric.value:
        rows = counted(candidate.rows, "test row")
        reason = f"{reason[:-1]}, so {rows} do not show it. Give more rows or a larger split.test."
    return Check(name=task.title, passed=passed, reason=reason)


def _slices(judged: Sequence[SliceResult], task: Task, title: str, floor: float) -> Check:
    """No slice may be shown to be below the floor: of many, some are below it by chance."""
    if not judged:
        reason = (
            "No slice has enough rows to be judged (evaluation.min_slice_rows). Give more rows or a larger split.test."
        )
        return Check(name="worst slice", passed=False, reason=reason)
    below = [part for part in judged if not task.primary_of(part).high >= floor]
    worst = min(below or judged, key=lambda part: task.primary_of(part).value)
    metric: Metric = task.primary_of(worst)
    return Check(
        name="worst slice",
        passed=not below,
        reason=f"{title} of the worst slice ({worst.title}, {worst.rows:,} rows) is {metric}, "
        + (f"below the floor {floor:.3f}." if below else f"not shown to be below the floor {floor:.3f}."),
    )


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
