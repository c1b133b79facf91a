"""Has the traffic drifted from the reference? Effect sizes against thresholds, on windows of fixed size.

No p-values: with enough rows they find differences too small to matter, and with few rows they find none. An effect
must reach its threshold, and must also be larger than what chance alone does to two samples of these sizes.
"""

import math
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Literal

import polars as pl
from pydantic import Field, FiniteFloat, JsonValue

from sentiment.config.drift import DriftConfig
from sentiment.messages import Message, Value, named, say, sentences
from sentiment.monitoring.data_quality import DataQuality, data_quality
from sentiment.monitoring.descriptors import DESCRIPTORS, MOST_CHARACTERS, Distribution, describe
from sentiment.monitoring.domain import Term, separate
from sentiment.monitoring.evidently_report import SMALLEST_DEVIATION, Comparison, EvidentlyReport, distances
from sentiment.monitoring.readings import moved, over_limit, told_apart
from sentiment.monitoring.reference import Reference
from sentiment.monitoring.words import NewWord, new_words
from sentiment.store.queries import Origin
from sentiment.stored import Frozen, Report

Status = Literal["drift", "no_drift", "not_enough_data"]
Method = Literal[
    "Wasserstein distance",
    "Wasserstein distance of a yes or no",
    "Jensen-Shannon distance",
    "AUC of a domain classifier",
    "share of the rows",
]

WASSERSTEIN: Method = "Wasserstein distance"
TRAIT: Method = "Wasserstein distance of a yes or no"
JENSEN_SHANNON: Method = "Jensen-Shannon distance"
AUC: Method = "AUC of a domain classifier"
SHARE: Method = "share of the rows"

# A trait that fewer texts have on either side is not compared.
FEWEST_VALUES = 20
# What chance does to a comparison of n rows with m hardly ever exceeds sqrt(1/n + 1/m) times one of these: the largest
# seen between samples of the same reviews (`benchmarks/drift.py chance`), with 300 rows, was 4.0 for a distance of
# numbers. A shift of the mean alone would need z = 4, but single descriptors have heavy tails. A yes or no has none:
# its distance is the difference of two shares, and chance exceeds 3.1 in about one window in 300.
CHANCE = {WASSERSTEIN: 4.0, TRAIT: 3.1, JENSEN_SHANNON: 1.6, AUC: 1.7}
AUC_OF_GUESSING = 0.5
MOST_FINDINGS = 3  # in a sentence


class DriftTest(Frozen):
    """One comparison of `rows` values of the window with `reference_rows`; 0 where there is nothing to compare with.

    `threshold` is the effect from which it says drift: the config's, or what chance can do where that is more.
    `moved`: what moved, for people; None in a report of a version before 0.2.
    """

    name: str
    title: str
    effect: FiniteFloat
    threshold: FiniteFloat
    method: Method
    rows: int
    reference_rows: int
    detail: str
    distribution: Distribution | None = None
    moved: Message | None = None

    @property
    def name_said(self) -> Message | str:
        """What was compared."""
        return named("test", self.name, self.title)

    @property
    def reading(self) -> Message:
        """What moved, from before to after."""
        figures = {"what": self.name_said, "effect": self.effect, "threshold": self.threshold}
        return self.moved or Message(code="moved.effect", values=figures)

    @property
    def drifted(self) -> bool:
        """Whether the effect reaches the threshold."""
        return self.effect >= self.threshold

    @property
    def excess(self) -> float:
        """The effect in units of its threshold, both counted from no effect at all; 1 and more is drift."""
        zero = AUC_OF_GUESSING if self.method == AUC else 0.0
        return max(0.0, self.effect - zero) / (self.threshold - zero)


class SourceVerdict(Frozen):
    """The verdict on the newest rows of one source alone. The page's has no part in the report's: nobody's traffic."""

    origin: Origin
    status: Status
    rows: int
    message: Message


class DriftReport(Report):
    """The verdict on one window and the tests behind it.

    `rows`: of the window, of which `texts` are distinct and compared with the `reference_rows`. `model_version`: of the
    newest row. `terms`: what is typical of the window, masked; `words`: what is frequent in it and was not before.
    `sources`: the verdicts by source, where there is more than one; drift in any is drift. `evidently` is read from
    reports stored before 0.2, and not written: `EvidentlyReport` holds it now.
    """

    status: Status
    tests: tuple[DriftTest, ...]
    rows: int
    texts: int
    reference_rows: int
    min_rows: int
    since: datetime | None
    until: datetime | None
    model_version: str | None
    data: DataQuality
    terms: tuple[Term, ...] = ()
    words: tuple[NewWord, ...] = ()
    sources: tuple[SourceVerdict, ...] = ()
    evidently: dict[str, JsonValue] = Field(default={}, exclude=True, repr=False)

    @property
    def drifted(self) -> tuple[DriftTest, ...]:
        """The tests that say drift, the clearest first."""
        return tuple(sorted((test for test in self.tests if test.drifted), key=lambda test: -test.excess))

    @property
    def message(self) -> Message:
        """The verdict, and what moved most; of the sources those that drifted, where the whole did not."""
        alone = [each for each in self.sources if each.status == "drift" and each.origin != "page"]
        if alone and not self.drifted:
            verdicts = [{"source": named("origin", each.origin), "verdict": each.message} for each in alone]
            return sentences(*(Message(code="drift.of_source", values=values) for values in verdicts))
        return _verdict(self)

    @cached_property
    def summary(self) -> str:
        """The verdict in one sentence."""
        return say(self.message)


def _verdict(report: DriftReport) -> Message:
    tests, rows = len(report.tests), report.rows
    if report.drifted:
        said: dict[str, Value] = {"drifted": len(report.drifted), "tests": tests, "rows": rows}
        said["findings"] = tuple(each.reading for each in report.drifted[:MOST_FINDINGS])
        more = len(report.drifted) - MOST_FINDINGS
        if more > 0:
            return Message(code="drift.found_and_more", values={**said, "more": more})
        return Message(code="drift.found", values=said)
    if report.status == "not_enough_data":
        needed = {"texts": report.texts, "reference": report.reference_rows, "needed": report.min_rows}
        return Message(code="drift.unknown", values=needed)
    return Message(code="drift.none", values={"tests": tests, "rows": rows})


def detect_drift(
    reference: Reference, window: pl.DataFrame, config: DriftConfig, *, seed: int
) -> tuple[DriftReport, EvidentlyReport]:
    """Compare the newest rows of `window` (time, model_version, text, label, confidence) with the reference.

    Where it has an `origin`, each source with `min_rows` rows gets a verdict of its own too: a batch does not hide what
    the endpoint is asked. The verdict is ours; the second report is Evidently's of the same distances, empty when there
    are too few texts.

    Texts that are the same after normalisation count once, as in the reference: what a flood of one text does is said
    by the share of repeated texts. Too few distinct texts on either side are "not_enough_data", never "no_drift";
    what is wrong with the data is "drift" all the same.
    """
    if "origin" not in window.columns:
        return _compare(reference, window, config, seed)
    report, evidently = _compare(reference, window.filter(pl.col("origin") != "page"), config, seed)
    origins = window["origin"].unique().sort().to_list()
    if origins in ([], ["endpoint"], ["batch"]):
        return report, evidently
    sources = []
    for origin in origins:
        rows = window.filter(pl.col("origin") == origin)
        if rows.height >= config.min_rows:
            found = _compare(reference, rows, config, seed)[0]
            verdict = SourceVerdict(origin=origin, status=found.status, rows=found.rows, message=_verdict(found))
            sources.append(verdict)
    anywhere = any(each.status == "drift" for each in sources if each.origin != "page")
    changes = {"sources": tuple(sources), **({"status": "drift"} if anywhere else {})}
    return report.model_copy(update=changes), evidently


def _compare(
    reference: Reference, window: pl.DataFrame, config: DriftConfig, seed: int
) -> tuple[DriftReport, EvidentlyReport]:
    rows = window.sort("time", maintain_order=True).tail(config.window_rows).with_columns(pl.col("text").fill_null(""))
    data = data_quality(rows["text"], reference.normaliser)
    beginnings = rows["text"].str.head(MOST_CHARACTERS)
    cleaned = rows.with_columns(text=beginnings, cleaned=reference.normaliser.series(beginnings))
    compared = cleaned.filter(pl.col("cleaned") != "").filter(pl.col("cleaned").is_first_distinct())
    tests = _data_tests(data, config) if data.rows else ()
    terms: tuple[Term, ...] = ()
    words: tuple[NewWord, ...] = ()
    evidently = EvidentlyReport()
    enough = min(compared.height, len(reference.texts)) >= config.min_rows
    if enough:
        column_tests, evidently = _column_tests(reference, compared, config)
        before = reference.normaliser.series(pl.Series(reference.texts))
        words = new_words(before.to_list(), compared["text"].to_list(), compared["cleaned"].to_list())
        domain_test, terms = _domain_test(before, compared["cleaned"], words, config, seed)
        tests = (*column_tests, domain_test, *tests)
    newest = rows.tail(1)["model_version"].to_list()
    report = DriftReport(
        status="drift" if any(test.drifted for test in tests) else "no_drift" if enough else "not_enough_data",
        tests=tests,
        rows=rows.height,
        texts=compared.height,
        reference_rows=len(reference.texts),
        min_rows=config.min_rows,
        since=rows["time"].min(),
        until=rows["time"].max(),
        model_version=newest[0] if newest else None,
        data=data,
        terms=terms,
        words=words,
    )
    return report, evidently


def chance(method: Method, rows: int, reference_rows: int) -> float:
    """The effect that two samples of these sizes hardly ever exceed by chance alone."""
    zero = AUC_OF_GUESSING if method == AUC else 0.0
    return zero + CHANCE[method] * math.sqrt(1 / rows + 1 / reference_rows)


def _column_tests(
    reference: Reference, compared: pl.DataFrame, config: DriftConfig
) -> tuple[list[DriftTest], EvidentlyReport]:
    before, now = (
        frame.select("label", "confidence").hstack(describe(frame["text"], reference.vocabulary))
        for frame in (reference.frame(), compared)
    )
    columns = [
        *(
            _Column(each.name, each.title, TRAIT, config.trait_distance, each.spread)
            if each.trait
            else _Column(each.name, each.title, WASSERSTEIN, config.text_distance, each.spread)
            for each in DESCRIPTORS
        ),
        _Column("language", "language, by its letters", JENSEN_SHANNON, config.language_distance),
        _Column("label", "predicted label", JENSEN_SHANNON, config.label_distance),
        _Column("confidence", "confidence", WASSERSTEIN, config.confidence_distance, SMALLEST_DEVIATION),
    ]
    columns = [each for each in columns if min(before[each.name].count(), now[each.name].count()) >= FEWEST_VALUES]
    comparisons = [each.comparison(before[each.name], now[each.name]) for each in columns]
    effects, evidently = distances(before, now, comparisons)
    return [each.test(before[each.name], now[each.name], effects[each.name]) for each in columns], evidently


@dataclass(frozen=True)
class _Column:
    """A column of both tables and how it is compared."""

    name: str
    title: str
    method: Method
    threshold: float
    spread: float = SMALLEST_DEVIATION

    def least(self, before: pl.Series, now: pl.Series) -> float:
        """The effect from which it says drift."""
        return max(self.threshold, chance(self.method, now.count(), before.count()))

    def comparison(self, before: pl.Series, now: pl.Series) -> Comparison:
        method = "jensenshannon" if self.method == JENSEN_SHANNON else "wasserstein"
        return Comparison(self.name, method, self.least(before, now), self.spread)  # type: ignore[arg-type]

    def test(self, before: pl.Series, now: pl.Series, effect: float) -> DriftTest:
        numbers = self.method != JENSEN_SHANNON
        distribution = Distribution.of_numbers(before, now) if numbers else Distribution.of_values(before, now)
        detail = _means(before, now) if numbers else ""
        return DriftTest(
            name=self.name,
            title=self.title,
            effect=effect,
            threshold=self.least(before, now),
            method=self.method,
            rows=now.count(),
            reference_rows=before.count(),
            detail=detail,
            distribution=distribution,
            moved=moved(self.name, self.title, effect, before, now, drifted=effect >= self.least(before, now)),
        )


def _means(before: pl.Series, now: pl.Series) -> str:
    return "mean {:.4g} in the reference, {:.4g} in the window".format(*(column.mean() for column in (before, now)))


def _domain_test(
    before: pl.Series, cleaned: pl.Series, words: tuple[NewWord, ...], config: DriftConfig, seed: int
) -> tuple[DriftTest, tuple[Term, ...]]:
    separation = separate(before, cleaned, seed=seed)
    test = DriftTest(
        name="domain",
        title="texts, told apart by n-grams",
        effect=separation.auc,
        threshold=max(config.domain_auc, chance(AUC, len(cleaned), len(before))),
        method=AUC,
        rows=len(cleaned),
        reference_rows=len(before),
        detail="0.5 is guessing, 1 is certain",
        moved=told_apart(separation.auc, words),
    )
    return test, separation.terms


def _data_tests(data: DataQuality, config: DriftConfig) -> tuple[DriftTest, ...]:
    found = (
        ("empty", "empty texts", data.empty, config.max_empty_share),
        ("repeated", "repeated texts", data.repeated, config.max_duplicate_share),
        ("too_long", "texts too long to compare", data.too_long, config.max_too_long_share),
    )
    return tuple(
        DriftTest(
            name=name,
            title=title,
            effect=rows / data.rows,
            threshold=threshold,
            method=SHARE,
            rows=data.rows,
            reference_rows=0,
            detail=f"{rows:,} rows",
            moved=over_limit(name, title, rows / data.rows, threshold),
        )
        for name, title, rows, threshold in found
    )
