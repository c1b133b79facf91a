"""The model card (Mitchell et al. 2019, Model Cards for Model Reporting) that travels with a registered model."""

import json
from collections.abc import Iterable, Sequence
from datetime import datetime
from html import escape
from typing import Self

import polars as pl
from pydantic import Field, JsonValue

from sentiment.data.reviews import Reviews
from sentiment.evaluation.evaluation import Evaluation
from sentiment.evaluation.gate import GateDecision
from sentiment.stats.bootstrap import Metric
from sentiment.stored import Frozen

SAMPLE_NOTE = (
    "The data is the bundled sample: synthetic reviews written for this project. The figures show that the pipeline "
    "works; they say nothing about real traffic. Train on your own reviews before relying on the model."
)


class SplitCounts(Frozen):
    """The rows of one split, by label, by language and by source."""

    name: str
    rows: int
    labels: dict[str, int]
    languages: dict[str, int]
    sources: dict[str, int] = Field(default_factory=dict)

    @classmethod
    def of(cls, name: str, reviews: Reviews) -> Self:
        """Count a split; rows without a label or a language are in `rows` alone."""
        frame = reviews.frame()
        codes = dict(frame["label"].drop_nulls().value_counts().iter_rows())
        return cls(
            name=name,
            rows=len(reviews),
            labels={label: codes.get(code, 0) for code, label in enumerate(reviews.labels)},
            languages=_counts(frame["language"]),
            sources=_counts(frame["source"]),
        )


class Origin(Frozen):
    """How a version came to be: the run that trained it, when, who asked for it and why.

    `parent` is the champion that it was compared with, `feedback` what became of the labels of users (None where none
    were asked for) in a line.
    """

    run: str
    time: datetime
    actor: str
    why: str
    parent: str | None = None
    feedback: str | None = None


class CardContext(Frozen):
    """What a card states beyond the evaluation.

    `data_digest` is that of all splits, `training_digest` that of the training rows alone, which the registry keeps as
    `dataset_digest`; `versions` are those of the libraries that decide
    a prediction, `command` trains the model again.
    """

    name: str
    version: str
    config: dict[str, JsonValue]
    data: str
    data_digest: str
    training_digest: str
    bundled_sample: bool
    splits: tuple[SplitCounts, ...]
    normaliser_version: str
    evaluation: Evaluation
    decision: GateDecision | None
    origin: Origin | None = None
    command: str
    seed: int
    git_commit: str | None
    versions: dict[str, str]


def model_card(context: CardContext) -> str:
    """The card as Markdown. It quotes no review."""
    evaluation = context.evaluation
    languages = ", ".join(dict.fromkeys(language for split in context.splits for language in split.languages))
    parts = [
        f"# {_plain(context.name)}, model {_plain(context.version)}",
        f"Reads a review and gives a probability for each of the labels {_plain(', '.join(evaluation.labels))}.",
        "## Model",
        _table(
            ["property", "value"],
            [
                ("kind", evaluation.kind),
                ("text normaliser", f"version {context.normaliser_version}, stored with the model"),
                ("size", f"{evaluation.performance.size_bytes / 1e6:.3g} MB"),
                ("one text, median", f"{evaluation.performance.latency_p50_ms:.2f} ms"),
                ("one text, 95th percentile", f"{evaluation.performance.latency_p95_ms:.2f} ms"),
                ("in a batch", f"{evaluation.performance.texts_per_second:,.0f} texts/s"),
            ],
        ),
        f"```json\n{json.dumps(context.config, ensure_ascii=False, indent=2)}\n```",
        "## Intended use",
        f"Sentiment of short reviews in the languages it was trained on ({_plain(languages) or 'not recorded'}), in "
        "aggregate: trends, triage, reports. Not for decisions about a person, and not for texts of another kind.",
        "## Data",
        *([SAMPLE_NOTE] if context.bundled_sample else []),
        f"{_plain(context.data)}. The splits have the digest `{context.data_digest}`, the training rows alone "
        f"`{context.training_digest}`. Duplicated texts never cross a split.",
        _split_table(context.splits),
        *_source_table(context.splits),
        *_origin(context.origin),
        *_metrics(evaluation),
        *_decision(context.decision),
        *_limits(evaluation),
        "## How to reproduce",
        f"```bash\n{context.command}\n```",
        "It trains on the very rows, which ZenML keeps, and compares the result with this version. The whole config is "
        "`config.yaml` in `reports/`, beside this card.",
        _table(
            ["what", "value"],
            [("seed", context.seed), ("git commit", context.git_commit or "unknown"), *context.versions.items()],
        ),
    ]
    return "\n\n".join(parts) + "\n"


def _split_table(splits: Sequence[SplitCounts]) -> str:
    labels = list(dict.fromkeys(label for split in splits for label in split.labels))
    languages = list(dict.fromkeys(language for split in splits for language in split.languages))
    rows = [
        (
            split.name,
            f"{split.rows:,}",
            *(f"{split.labels.get(label, 0):,}" for label in labels),
            *(f"{split.languages.get(language, 0):,}" for language in languages),
        )
        for split in splits
    ]
    return _table(["split", "rows", *labels, *languages], rows)


def _source_table(splits: Sequence[SplitCounts]) -> Iterable[str]:
    sources = list(dict.fromkeys(source for split in splits for source in split.sources))
    if sources:
        yield "### Where the rows come from"
        rows = [(split.name, *(f"{split.sources.get(source, 0):,}" for source in sources)) for split in splits]
        yield _table(["split", *sources], rows)


def _origin(origin: Origin | None) -> Iterable[str]:
    if origin is None:
        return
    yield "## Origin"
    yield _table(
        ["what", "value"],
        [
            ("trained", f"{origin.time:%Y-%m-%d %H:%M} UTC, run {origin.run}"),
            ("by", origin.actor),
            ("why", origin.why),
            ("compared with", origin.parent or "no champion: there was none"),
            *([("labels of users", origin.feedback)] if origin.feedback else []),
        ],
    )


def _metrics(evaluation: Evaluation) -> Iterable[str]:
    yield "## Metrics"
    yield (
        f"On {evaluation.rows:,} test rows (digest `{evaluation.data_digest}`), with 95% intervals from "
        f"{evaluation.resamples:,} bootstrap resamples. Macro averages run over the labels."
    )
    yield _table(["metric", "value"], [(name, _value(metric)) for name, metric in evaluation.headline().items()])
    yield (
        f"A perfectly calibrated model would show an ECE of {evaluation.calibration.ece_by_chance:.3f} on as many rows "
        "(equal-mass bins)."
    )
    yield "### By label"
    yield _table(
        ["label", "rows", "precision", "recall", "F1"],
        [(c.label, f"{c.support:,}", _value(c.precision), _value(c.recall), _value(c.f1)) for c in evaluation.classes],
    )
    if evaluation.slices:
        yield "### By slice"
        yield _table(
            ["slice", "rows", "accuracy", "macro-F1", ""],
            [
                (part.title, f"{part.rows:,}", part.accuracy, part.macro_f1, "" if part.enough_rows else "too few rows")
                for part in evaluation.slices
            ],
        )


def _decision(decision: GateDecision | None) -> Iterable[str]:
    yield "## Promotion gate"
    if decision is None:
        yield "The model has not been through the gate."
        return
    yield _plain(decision.summary)
    yield _table(
        ["check", "passed", "reason"],
        [(check.name, "yes" if check.passed else "**no**", check.reason) for check in decision.checks],
    )


def _limits(evaluation: Evaluation) -> Iterable[str]:
    yield "## Limits"
    worst = evaluation.worst_slice
    limits = [
        "Irony, quotations and mixed opinions are where such models err most.",
        "Language and products change: watch for drift and retrain.",
        "Slices marked as having too few rows were not judged.",
    ]
    if worst is not None:
        limits.insert(0, f"The weakest judged slice is {_plain(worst.title)}, with a macro-F1 of {worst.macro_f1}.")
    yield "\n".join(f"- {limit}" for limit in limits)


def _counts(column: pl.Series) -> dict[str, int]:
    return dict(sorted(column.drop_nulls().value_counts().iter_rows()))


def _value(metric: Metric | float | None) -> str:
    if metric is None:
        return "–"
    return str(metric) if isinstance(metric, Metric) else f"{metric:.3f}"


def _table(headers: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    lines = [headers, ["---"] * len(headers), *rows]
    return "\n".join(f"| {' | '.join(map(_plain, line))} |" for line in lines)


def _plain(value: object) -> str:
    """Text that neither ends a table cell nor becomes markup."""
    return escape(" ".join(str(value).split()), quote=False).replace("|", "\\|")
