"""Putting a trained candidate into the registry: its folder, its card, its evidence, and the promotion if approved."""

import hashlib
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path

import yaml

from sentiment.config.train import CONFIG_FILE, TrainConfig
from sentiment.data.reviews import Reviews
from sentiment.data.sources import shown
from sentiment.errors import ConfigError
from sentiment.evaluation.evaluation import Evaluation
from sentiment.evaluation.gate import GateDecision
from sentiment.home import PROJECT, current_user
from sentiment.lifecycle.card import CardContext, Origin, SplitCounts, model_card
from sentiment.lifecycle.deployment import TRAINING_ARTIFACT, VALIDATION_ARTIFACT
from sentiment.lifecycle.lifecycle import Lifecycle
from sentiment.lifecycle.writing import add_report, upload
from sentiment.models.base import TextClassifier
from sentiment.models.folder import saved_folder
from sentiment.monitoring.reference import REFERENCE_FILE, Reference
from sentiment.registry.records import TEST_DIGEST, ModelVersion
from sentiment.stored import Report

ARTIFACTS = {"train": TRAINING_ARTIFACT, "validation": VALIDATION_ARTIFACT}
LIBRARIES = ("scikit-learn", "torch", "transformers", "tokenizers", "polars", "numpy")


class Registration(Report):
    """What became of the candidate. `version` is None when nothing was registered: it is the champion already."""

    model_name: str
    version: int | None
    promoted: bool
    digest: str
    card: str
    summary: str


def register_candidate(
    candidate: TextClassifier,
    evaluation: Evaluation,
    decision: GateDecision,
    *,
    reference: Reference,
    splits: Mapping[str, Reviews],
    config: TrainConfig,
    metrics: Mapping[str, float],
    lifecycle: Lifecycle,
    run_id: str | None,
    origin: Origin,
    artifacts: Mapping[str, str],
) -> Registration:
    """Register the candidate with its card. One that the gate approved is promoted, unless
    the champion is another by now than the gate saw.

    A candidate that is the champion, byte for byte, is not registered again. `artifacts` are the ids under which
    ZenML keeps the splits: deploy and score choose on the validation rows, and `reproduce` trains again.
    """
    name = config.model_name
    # What `labels: auto` found is part of the model: whoever trains it again has the same.
    dataset = config.dataset.model_copy(update={"labels": list(candidate.labels)})
    config = config.model_copy(update={"dataset": dataset})
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "model"
        candidate.save(folder)
        digest = saved_folder(candidate).digest
        context = _card_context(
            evaluation,
            decision,
            splits,
            config,
            digest=digest,
            normaliser_version=candidate.normaliser.version,
            origin=origin.model_copy(update={"parent": _parent(lifecycle, decision)}),
        )
        card = model_card(context)
        reports = {
            REFERENCE_FILE: reference.model_dump_json(),
            CONFIG_FILE: yaml.safe_dump(config.model_dump(mode="json"), allow_unicode=True, sort_keys=False),
        }
        if decision.outcome == "unchanged":
            lifecycle.settle()
            summary = f"Nothing registered: this model is the champion of {name} already."
            if champion := lifecycle.registry.champion():
                if not lifecycle.registry.has_files(champion.version):
                    upload(lifecycle.registry, folder, digest, card=card, reports=reports, run_id=champion.run_id)
                    summary = f"This model is the champion of {name}, whose files were gone: they are put back."
                _complete_reports(lifecycle, champion, reference)
            return Registration(
                model_name=name, version=None, promoted=False, digest=digest, card=card, summary=summary
            )
        registered = lifecycle.register(
            folder,
            digest=digest,
            dataset_digest=splits["train"].digest(),
            metrics=metrics,
            card=card,
            actor=f"gate, run by {current_user()}",
            reason=_reason(evaluation, decision),
            evidence=decision.summary,
            gate="approved" if decision.approved else "refused",
            over=(decision.champion_digest or "") if decision.approved else None,
            tags={
                "dataset": config.dataset.name,
                "rows": str(len(splits["train"])),
                "labels": ", ".join(evaluation.labels),
                TEST_DIGEST: evaluation.data_digest,
                "candidate": evaluation.name,
                "git_commit": git_commit() or "unknown",
                **{tag: artifacts[split] for split, tag in ARTIFACTS.items() if split in artifacts},
            },
            reports=reports,
            run_id=run_id,
        )
    return Registration(
        model_name=name,
        version=registered.version,
        promoted=registered.status in ("champion", "archived"),  # archived: there is a newer one already
        digest=digest,
        card=card,
        summary=_summary(registered, evaluation.name, name, approved=decision.approved),
    )


def _complete_reports(lifecycle: Lifecycle, champion: ModelVersion, reference: Reference) -> None:
    """A champion that was registered before references were kept gets its own, and can be monitored."""
    try:
        lifecycle.registry.report(champion.version, REFERENCE_FILE)
    except ConfigError:
        add_report(lifecycle.registry, champion.version, REFERENCE_FILE, reference.model_dump_json())


def _parent(lifecycle: Lifecycle, decision: GateDecision) -> str | None:
    """The version that the gate compared the candidate with."""
    versions = lifecycle.registry.versions() if decision.champion_digest else []
    numbers = [each.version for each in versions if each.digest == decision.champion_digest]
    return f"version {numbers[-1]}" if numbers else None


def _summary(registered: ModelVersion, candidate: str, model_name: str, *, approved: bool) -> str:
    if approved and registered.change and registered.change.event == "refused":
        return registered.change.summary  # another version became champion meanwhile
    status = "registered and promoted to champion" if approved else "registered, not promoted"
    return f"{model_name} version {registered.version} ({candidate}) is {status}."


def _reproduce(model_name: str, digest: str) -> str:
    model = f" --model {model_name}" if model_name != TrainConfig.model_fields["model_name"].default else ""
    return f"python run.py reproduce {digest[:12]}{model}"


def git_commit() -> str | None:
    """The commit of the project's checkout, with `-dirty` when files differ from it; None outside a checkout."""
    if shutil.which("git") is None:
        return None
    result = subprocess.run(
        ["git", "-C", str(PROJECT), "describe", "--always", "--dirty", "--abbrev=12"],
        capture_output=True,
        text=True,
        check=False,
    )
    return result.stdout.strip() or None


def _reason(evaluation: Evaluation, decision: GateDecision) -> str:
    score = f"{evaluation.name}, macro-F1 {evaluation.macro_f1}"
    if decision.comparison is None:
        return f"{score}; the first champion"
    return f"{score}; {decision.comparison.macro_f1.value:+.3f} over {decision.comparison.champion}"


def _digest_of_all(splits: Mapping[str, Reviews]) -> str:
    lines = [f"{name} {reviews.digest()}\n" for name, reviews in splits.items()]
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def _card_context(
    evaluation: Evaluation,
    decision: GateDecision,
    splits: Mapping[str, Reviews],
    config: TrainConfig,
    *,
    digest: str,
    normaliser_version: str,
    origin: Origin,
) -> CardContext:
    model = next(model for model in config.models() if model.name == evaluation.name)
    return CardContext(
        name=config.model_name,
        version=digest[:12],
        config=model.model_dump(mode="json"),
        data=f"{config.dataset.name} ({shown(config.dataset.path)})",
        data_digest=_digest_of_all(splits),
        training_digest=splits["train"].digest(),
        bundled_sample=config.dataset.synthetic,
        splits=tuple(SplitCounts.of(name, reviews) for name, reviews in splits.items()),
        normaliser_version=normaliser_version,
        evaluation=evaluation,
        decision=decision,
        origin=origin,
        command=_reproduce(config.model_name, digest),
        seed=config.seed,
        git_commit=git_commit(),
        versions={library: version(library) for library in LIBRARIES},
    )
