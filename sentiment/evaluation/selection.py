"""Choose one of the candidates on the validation split, so that the test split is touched once."""

from collections.abc import Sequence

from sentiment.errors import DataError, option
from sentiment.evaluation.evaluation import Evaluation
from sentiment.stats.bootstrap import Metric
from sentiment.stored import Frozen, Report
from sentiment.tasks import task_of

TIE_DECIMALS = 4


class Choice(Frozen):
    """One candidate as it was weighed."""

    name: str
    macro_f1: Metric
    accuracy: Metric
    ece: float
    texts_per_second: float
    size_bytes: int


class Selection(Report):
    """The candidates, best first, and the winner."""

    winner: str
    rows: int
    candidates: tuple[Choice, ...]

    @property
    def summary(self) -> str:
        """The choice in one line."""
        best = self.candidates[0]
        return f"{self.winner} of {len(self.candidates)}, with a validation macro-F1 of {best.macro_f1}."


def select(validation: Sequence[Evaluation]) -> Selection:
    """Choose by the task's primary metric; of those equal to four decimals, the one that scores more texts a second.

    Raises DataError when there is no candidate, two share a name, or they were not evaluated on the same rows.
    """
    if not validation:
        raise DataError("There is no candidate to choose from.", "Name one: --set 'candidates=[\"linear\"]'")
    if len({evaluation.name for evaluation in validation}) < len(validation):
        twice = next(each.name for at, each in enumerate(validation) if each.name in {e.name for e in validation[:at]})
        raise DataError(
            f"Two candidates have the name {twice}.",
            f"Give one another: {option(f'candidates.{twice}.name', f'{twice}-2')}",
        )
    if len({evaluation.data_digest for evaluation in validation}) > 1:
        raise DataError("The candidates were evaluated on different rows.", "Evaluate all on one validation split.")
    task = task_of(validation[0].task)
    ranked = sorted(
        validation,
        key=lambda e: (round(task.primary_of(e).value, TIE_DECIMALS), e.performance.texts_per_second),
        reverse=True,
    )
    return Selection(winner=ranked[0].name, rows=ranked[0].rows, candidates=tuple(map(_choice, ranked)))


def _choice(evaluation: Evaluation) -> Choice:
    return Choice(
        name=evaluation.name,
        macro_f1=evaluation.macro_f1,
        accuracy=evaluation.accuracy,
        ece=evaluation.calibration.ece,
        texts_per_second=evaluation.performance.texts_per_second,
        size_bytes=evaluation.performance.size_bytes,
    )
