"""The parity gate: a format is served only when it answers as the classifier it was made from."""

from collections.abc import Callable, Mapping

import numpy as np

from sentiment.config.deploy import ExportConfig
from sentiment.config.evaluation import EvaluationConfig
from sentiment.data.reviews import Reviews
from sentiment.errors import SentimentError
from sentiment.evaluation.compare import compare
from sentiment.evaluation.evaluate import check_probabilities
from sentiment.evaluation.performance import Performance, measure_performance
from sentiment.export.report import ORIGINAL, ExportReport, FormatResult, Parity
from sentiment.kinds import kind_of, load
from sentiment.models.base import TextClassifier
from sentiment.stats import Probabilities
from sentiment.tasks import Task, task_of

SEED = 42  # the choice follows the clock of this machine anyway
MOST_ROWS = 5_000  # they settle a loss of 0.01 macro-F1; more would only take longer
EVALUATION = EvaluationConfig()
# The formats of one classifier by name; each is made when it is called for.
Formats = Mapping[str, Callable[[], TextClassifier]]


def choose_format(
    classifier: TextClassifier, validation: Reviews, config: ExportConfig, *, seed: int = SEED
) -> tuple[TextClassifier, ExportReport]:
    """The classifier to serve in place of `classifier`, and why: see `pick_format`.

    A kind without other formats is served as it is.
    """
    return pick_format(classifier, formats_of(classifier), validation, config, seed=seed)


def pick_format(
    original: TextClassifier, formats: Formats, validation: Reviews, config: ExportConfig, *, seed: int
) -> tuple[TextClassifier, ExportReport]:
    """The one with the lowest median latency for one text, of the original and the formats that pass the gate.

    All are scored on the same labelled validation rows and timed on this machine. A format that cannot be made, or
    gives no probabilities, is out and named in the report. Raises DataError when a row has no label, SentimentError
    when the original gives no probabilities.
    """
    rows = _draw(validation, MOST_ROWS, seed)
    expected = _probabilities(original, rows, ORIGINAL)
    candidates, unusable = {ORIGINAL: original}, {}
    results = [
        FormatResult(
            name=ORIGINAL,
            kind=original.kind,
            parity=None,
            performance=_performance(original, rows, seed),
            failures=(),
        )
    ]
    for name, make in formats.items():
        try:
            candidate = make()
            actual = _probabilities(candidate, rows, name)
        except SentimentError as error:
            unusable[name] = error.cause
            continue
        parity = _parity(actual, expected, rows, task_of(original.task), name=name, seed=seed)
        candidates[name] = candidate
        results.append(
            FormatResult(
                name=name,
                kind=candidate.kind,
                parity=parity,
                performance=_performance(candidate, rows, seed),
                failures=_failures(parity, config),
            )
        )
    served = min((r for r in results if not r.failures), key=lambda r: r.performance.latency_p50_ms).name
    report = ExportReport(
        served=served,
        rows=len(rows),
        labels=rows.labels,
        data_digest=rows.digest(),
        seed=seed,
        config=config,
        formats=tuple(results),
        unusable=unusable,
    )
    return candidates[served], report


def formats_of(classifier: TextClassifier) -> Formats:
    """The formats that its kind knows besides its own."""
    address = kind_of(classifier.kind).formats
    formats: Formats = load(address)(classifier) if address else {}
    return formats


def _draw(reviews: Reviews, rows: int, seed: int) -> Reviews:
    if len(reviews) <= rows:
        return reviews
    return Reviews.from_frame(reviews.frame().sample(rows, seed=seed), reviews.labels)


def _probabilities(classifier: TextClassifier, rows: Reviews, name: str) -> Probabilities:
    probabilities = classifier.predict_proba(rows.texts)
    check_probabilities(probabilities, rows, name)
    return probabilities


def _performance(classifier: TextClassifier, rows: Reviews, seed: int) -> Performance:
    return measure_performance(classifier, rows.texts, np.random.default_rng(seed))


def _parity(
    actual: Probabilities, expected: Probabilities, rows: Reviews, task: Task, *, name: str, seed: int
) -> Parity:
    comparison = compare(actual, expected, rows, EVALUATION, task=task, candidate=name, champion=ORIGINAL, seed=seed)
    return Parity(
        agreement=float((task.answers(actual) == task.answers(expected)).mean()),
        largest_difference=float(np.abs(actual - expected).max()),
        macro_f1_change=comparison.macro_f1,
    )


def _failures(parity: Parity, config: ExportConfig) -> tuple[str, ...]:
    failures = []
    if parity.agreement < config.min_agreement:
        failures.append(f"only {parity.agreement:.2%} of the texts keep their label, not {config.min_agreement:.2%}.")
    loss = -parity.macro_f1_change.low
    if loss > config.max_macro_f1_loss:
        failures.append(f"it may lose {loss:.4f} macro-F1, more than {config.max_macro_f1_loss:.4f}.")
    return tuple(failures)
