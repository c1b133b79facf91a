"""The candidate against the champion of the registry, on the same test rows."""

import tempfile
from collections.abc import Sequence
from pathlib import Path

from sentiment.config.evaluation import EvaluationConfig, GateConfig
from sentiment.data.reviews import Reviews
from sentiment.evaluation.compare import compare
from sentiment.evaluation.evaluate import evaluate
from sentiment.evaluation.evaluation import Evaluation
from sentiment.evaluation.gate import GateDecision, decide
from sentiment.evaluation.leakage import signs_of_leakage
from sentiment.models.base import TextClassifier
from sentiment.models.folder import load_classifier, saved_folder
from sentiment.registry import Registry
from sentiment.stats import Probabilities
from sentiment.tasks import task_of


def judge(
    candidate: TextClassifier,
    evaluation: Evaluation,
    *,
    baselines: Sequence[Evaluation],
    probabilities: Probabilities,
    train: Reviews,
    test: Reviews,
    registry: Registry,
    evaluation_config: EvaluationConfig,
    gate_config: GateConfig,
    seed: int,
) -> GateDecision:
    """Fetch the champion, score it on `test`, and let the gate decide.

    `probabilities` are the candidate's for `test`, of shape (rows, labels); `train` is what it learnt from. A champion
    of another task, with other labels, or whose files are gone, cannot be compared, and the gate refuses for want of
    evidence. Raises SentimentError when the champion cannot be fetched or does not verify: a decision without it would
    be a guess.
    """
    digest = saved_folder(candidate).digest
    champion = registry.champion()
    suspected = evaluation.accuracy.value > gate_config.max_accuracy
    leaks = signs_of_leakage(train, test) if suspected else ()
    if champion is None or champion.digest == digest or not registry.has_files(champion.version):
        return decide(
            evaluation,
            baselines,
            None,
            None,
            gate_config,
            candidate_digest=digest,
            champion_digest=champion.digest if champion else None,
            leaks=leaks,
        )
    champion_evaluation = comparison = None
    with tempfile.TemporaryDirectory() as folder:
        classifier = load_classifier(registry.fetch(champion.version, Path(folder)))
        if (classifier.task, classifier.labels) == (candidate.task, test.labels):
            name = f"v{champion.version}"
            scored = classifier.predict_proba(test.texts)
            champion_evaluation = evaluate(
                classifier, test, evaluation_config, name=name, seed=seed, probabilities=scored
            )
            comparison = compare(
                probabilities,
                scored,
                test,
                evaluation_config,
                task=task_of(candidate.task),
                candidate=evaluation.name,
                champion=name,
                seed=seed,
                significance=gate_config.significance,
            )
    return decide(
        evaluation,
        baselines,
        champion_evaluation,
        comparison,
        gate_config,
        candidate_digest=digest,
        champion_digest=champion.digest,
        leaks=leaks,
    )
