"""How often drift detection cries wolf on clean windows, and how soon it finds what was injected.

python benchmarks/drift.py --data DIR [--trials 100] [--out FILE]                # everything, as tables and JSON
python benchmarks/drift.py --data DIR [--trials 100] clean|injected|mixed|years  # one part
python benchmarks/drift.py --data DIR [--trials 100] chance                      # what chance does, for CHANCE

clean: windows in which nothing drifted. injected: windows that drifted as a whole. mixed: by a half, and by a fifth.

DIR holds NSMC's ratings_train.txt and ratings_test.txt and, for `years`, naver_reviews.parquet. Every trial draws anew:
for the bundled sample also the split and with it the model; for NSMC, whose model learns from 20,000 rows once, the
2,000 rows of the reference and the 1,000 of the window, all from the test file. No row is on two sides.
"""

import argparse
import json
import math
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Self

import numpy as np
import polars as pl
from evidently.metrics.column_statistics import ValueDriftCalculation

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from sentiment.config.dataset import DatasetConfig
from sentiment.config.drift import DriftConfig, QualityConfig
from sentiment.config.load import load_config
from sentiment.data.read import read
from sentiment.data.reviews import COLUMNS, Reviews, Splits
from sentiment.kinds.linear import LinearConfig
from sentiment.models.base import TextClassifier
from sentiment.monitoring.drift import AUC, AUC_OF_GUESSING, DriftReport, detect_drift
from sentiment.monitoring.quality import measure_quality
from sentiment.monitoring.reference import Reference
from sentiment.stats.bootstrap import wilson
from sentiment.text.normalise import TextNormaliser
from sentiment.text.pii import mask_series
from sentiment.training.linear import train_linear

ROOT = Path(__file__).resolve().parent.parent
LABELS = ("negative", "positive")
CONFIG = DriftConfig()
ROWS = CONFIG.window_rows
TRAIN_ROWS = 20_000
# `chance`, from which the thresholds were chosen, draws with the seeds from 0; all that is measured, with others.
FIRST_SEED = 1000
LINEAR = LinearConfig(name="linear")
START = datetime(2026, 1, 1, tzinfo=UTC)
BEFORE = datetime(2009, 1, 1)


@dataclass(frozen=True)
class World:
    """A model with its reference, a clean window's rows (text and label index), and further rows if there are any."""

    classifier: TextClassifier
    reference: Reference
    clean: pl.DataFrame
    spare: pl.DataFrame

    @classmethod
    def of(
        cls,
        classifier: TextClassifier,
        train: pl.DataFrame,
        held_out: pl.DataFrame,
        seed: int,
        *,
        clean: pl.DataFrame,
        spare: pl.DataFrame,
    ) -> Self:
        """A reference made of the rows held out of training."""
        splits = Splits(*(Reviews.from_frame(rows, LABELS) for rows in (train, held_out.clear(), held_out)))
        right = classifier.predict_proba(held_out["text"].to_list()).argmax(axis=1) == held_out["label"].to_numpy()
        accuracy = float(right.mean())
        reference = Reference.build(classifier, splits, seed, accuracy=accuracy, macro_f1=accuracy)
        return cls(classifier, reference, clean.select("text", "label"), spare.select("text", "label"))

    def window(self, rows: pl.DataFrame) -> pl.DataFrame:
        """What the window step would read after the model answered `rows`, one a minute."""
        probabilities = self.classifier.predict_proba(rows["text"].to_list())
        names = np.array(self.classifier.labels)
        return pl.DataFrame(
            {
                "id": [f"p{row}" for row in range(rows.height)],
                "time": [START + timedelta(minutes=row / 10) for row in range(rows.height)],
                "model_version": ["1"] * rows.height,
                "text": mask_series(rows["text"]),
                "label": names[probabilities.argmax(axis=1)],
                "confidence": probabilities.max(axis=1).astype(np.float64),
                "truth": names[rows["label"].to_numpy()],
                "origin": ["endpoint"] * rows.height,
            }
        )

    def drift(self, rows: pl.DataFrame, seed: int) -> DriftReport:
        """What monitoring says of `rows`."""
        return detect_drift(self.reference, self.window(rows), CONFIG, seed=seed)[0]


Change = Callable[[World, int], pl.DataFrame]
Row = dict[str, Any]


class Corpora:
    """The data, read once."""

    def __init__(self, data: Path) -> None:
        self.data = data
        config = load_config(
            ROOT / "configs/datasets/sample.yaml",
            DatasetConfig,
            ["name=sample", f"path={ROOT}/data/sample/reviews.csv", "created_before=null"],
        )
        sample = labelled(read(config)[0].frame())
        later = sample["created_at"] >= datetime(2025, 1, 1)
        self.sample, self.services = sample.filter(~later), sample.filter(later)
        self.nsmc = nsmc(data / "ratings_test.txt")
        train = nsmc(data / "ratings_train.txt").join(self.nsmc, on="text", how="anti")
        self.nsmc_train = train.sample(TRAIN_ROWS, seed=0, shuffle=True)
        self.nsmc_model = fit(self.nsmc_train)

    @property
    def movies(self) -> pl.DataFrame:
        """Of 2024."""
        return self.sample.filter(pl.col("source") == "movie")

    @property
    def english(self) -> pl.DataFrame:
        """Of movies and products."""
        return self.sample.filter(pl.col("language") == "en")

    def sample_world(self, rows: pl.DataFrame, seed: int, window_rows: int) -> World:
        """Half of what the window leaves trains the model, the other half is the reference."""
        drawn = rows.sample(rows.height, seed=seed, shuffle=True)
        clean, rest = drawn.head(window_rows), drawn.slice(window_rows)
        train, held_out = rest.head(rest.height // 2), rest.slice(rest.height // 2)
        return World.of(fit(train), train, held_out, seed, clean=clean, spare=rest.clear())

    def nsmc_world(self, seed: int) -> World:
        """Disjoint draws of the test file."""
        drawn = self.nsmc.sample(2000 + 3 * ROWS, seed=seed, shuffle=True)
        clean, spare = drawn.slice(2000, ROWS), drawn.slice(2000 + ROWS)
        return World.of(self.nsmc_model, self.nsmc_train, drawn.head(2000), seed, clean=clean, spare=spare)


def labelled(frame: pl.DataFrame) -> pl.DataFrame:
    """Rows with a label, each text once, as after cleaning; the texts stay raw."""
    normalised = TextNormaliser().series(frame["text"].fill_null(""))
    return frame.filter((normalised != "") & normalised.is_first_distinct() & frame["label"].is_not_null())


def nsmc(path: Path) -> pl.DataFrame:
    frame = pl.read_csv(path, separator="\t", quote_char=None, schema_overrides={"id": pl.String})
    return labelled(complete(frame.select("id", "label", text="document")))


def complete(frame: pl.DataFrame) -> pl.DataFrame:
    """With every column of Reviews, null where nothing is known."""
    missing = set(COLUMNS) - set(frame.columns)
    return frame.with_columns(pl.lit(None).alias(name) for name in missing)


def fit(train: pl.DataFrame) -> TextClassifier:
    """A linear model of normalised texts; a tenth of the rows calibrates it."""
    frame = train.with_columns(text=TextNormaliser().series(train["text"]))
    cut = train.height // 10
    rows, calibration = Reviews.from_frame(frame.slice(cut), LABELS), Reviews.from_frame(frame.head(cut), LABELS)
    return train_linear(LINEAR, rows, calibration, normaliser=TextNormaliser(), seed=0)


def clean_windows(corpora: Corpora, trials: int) -> Iterator[Row]:
    """Windows of the usual size and of the smallest, in which nothing drifted."""
    for name, make in (
        ("sample", lambda seed: corpora.sample_world(corpora.sample, seed, ROWS)),
        ("NSMC", corpora.nsmc_world),
    ):
        worlds = [make(FIRST_SEED + trial) for trial in range(trials)]
        for rows in (ROWS, CONFIG.min_rows):
            reports = [each.drift(each.clean.head(rows), seed) for seed, each in enumerate(worlds, FIRST_SEED)]
            yield of_reports(f"{name}: {rows:,} rows against {reports[0].reference_rows:,}", reports)
    yield flipped_labels("NSMC: labels as they are", worlds, 0.0)


def doubled_runs(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.with_columns(pl.col("text").str.replace_all("(ㅋ+)", "$1$1"))


def twice_as_many(each: World) -> pl.DataFrame:
    """Rows without ㅋ make room for as many further rows with ㅋ as there were."""
    has = pl.col("text").str.contains("ㅋ")
    laughing = each.clean.filter(has)
    extra = each.spare.filter(has).head(laughing.height)
    return pl.concat([laughing, extra, each.clean.filter(~has).head(ROWS - laughing.height - extra.height)])


def read_wrongly(write: str, read_as: str) -> Change:
    def broken(text: str) -> str:
        return text.encode(write, errors="replace").decode(read_as, errors="replace")

    return lambda each, _: each.clean.with_columns(pl.col("text").map_elements(broken, return_dtype=pl.String))


def instead(rows: pl.DataFrame) -> Change:
    """Up to a window of other rows."""
    return lambda _, seed: rows.select("text", "label").sample(fraction=1, seed=seed, shuffle=True).head(ROWS)


def injections(corpora: Corpora) -> Iterator[tuple[str, Callable[[int], World], dict[str, Change]]]:
    """Worlds by seed, and what is done to their windows."""
    broken: dict[str, Change] = {
        "UTF-8 read as Latin-1": read_wrongly("utf-8", "latin-1"),
        "UTF-8 read as cp949": read_wrongly("utf-8", "cp949"),
        "cp949 read as UTF-8": read_wrongly("cp949", "utf-8"),
        "each run of ㅋ doubled": lambda each, _: doubled_runs(each.clean),
    }
    services, english = instead(corpora.services), instead(corpora.english)
    yield "NSMC", corpora.nsmc_world, {**broken, "services": services, "English": english}
    yield "sample", lambda seed: corpora.sample_world(corpora.sample, seed, ROWS), broken
    yield "sample movies", lambda seed: corpora.sample_world(corpora.movies, seed, 500), {"services": services}
    korean = corpora.sample.filter(pl.col("language") == "ko")
    yield "sample, Korean", lambda seed: corpora.sample_world(korean, seed, 500), {"English": english}


def injected_windows(corpora: Corpora, trials: int, parts: tuple[float, ...]) -> Iterator[Row]:
    """Windows of which a part drifted; as many labels are flipped."""
    for name, make, changes in injections(corpora):
        worlds = [make(FIRST_SEED + trial) for trial in range(trials)]
        for part in parts:
            of = "" if part == 1 else f", {part:.0%} of the rows"
            for title, change in changes.items():
                windows = (mixed(each, change(each, seed), part, seed) for seed, each in enumerate(worlds, FIRST_SEED))
                reports = (
                    each.drift(rows, seed)
                    for seed, (each, rows) in enumerate(zip(worlds, windows, strict=True), FIRST_SEED)
                )
                yield of_reports(f"{name}: {title}{of}", reports)
            if name == "NSMC":
                yield flipped_labels(f"{name}: labels flipped{of}", worlds, part)
            if name == "NSMC" and part == 1:  # the sample has no further rows with ㅋ to take
                reports = (each.drift(twice_as_many(each), seed) for seed, each in enumerate(worlds, FIRST_SEED))
                yield of_reports(f"{name}: twice as many texts with ㅋ", reports)


def mixed(each: World, drifted: pl.DataFrame, part: float, seed: int) -> pl.DataFrame:
    """A part of a drifted window, the rest clean; the shorter of the two decides how many rows."""
    if part == 1:
        return drifted
    rows = min(each.clean.height, drifted.height)
    count = round(part * rows)
    mix = pl.concat([drifted.head(count), each.clean.tail(rows - count)])
    return mix.sample(fraction=1, seed=seed, shuffle=True)


def flipped_labels(title: str, worlds: list[World], part: float) -> Row:
    """Whether quality drops when a part of the labels that come back is the other one."""
    other = pl.col("truth").replace(dict(zip(LABELS, reversed(LABELS), strict=True)))
    flip = pl.when(pl.int_range(pl.len()) < part * pl.len()).then(other).otherwise("truth")
    drops = [
        measure_quality(
            each.window(each.clean).with_columns(truth=flip), each.reference, QualityConfig(), seed=seed
        ).status
        == "drop"
        for seed, each in enumerate(worlds, FIRST_SEED)
    ]
    return {"title": title, "trials": len(drops), "alarms": sum(drops), "tests": [("quality", sum(drops))]}


def years(corpora: Corpora) -> list[dict[str, Any]]:
    """Month by month: the newest rows with a label against the years up to 2008."""
    reviews = pl.read_parquet(corpora.data / "naver_reviews.parquet").drop_nulls(["text", "created_at"])
    rating = pl.col("rating")
    label = pl.when(rating <= 4).then(0).when(rating >= 9).then(1)  # NSMC's rule
    frame = labelled(
        complete(reviews.select("text", "created_at", id=pl.col("review_id").cast(pl.String), label=label))
    )
    frame = frame.with_columns(pl.col("created_at").cast(pl.Datetime("us"))).sort("created_at")
    past = frame.filter(pl.col("created_at") < BEFORE).sample(fraction=1, seed=0, shuffle=True)
    held_out, train = past.head(2000), past.slice(2000, TRAIN_ROWS)
    each = World.of(fit(train), train, held_out, 0, clean=held_out.clear(), spare=held_out.clear())
    found = []
    months = frame.filter(pl.col("created_at") >= BEFORE).group_by_dynamic("created_at", every="1mo").agg(pl.len())
    for month, rows in months.iter_rows():
        of_month = frame.filter(pl.col("created_at").dt.truncate("1mo") == month).tail(ROWS)
        window = each.window(of_month)
        report, _ = detect_drift(each.reference, window, CONFIG, seed=0)
        found.append(
            {
                "month": f"{month:%Y-%m}",
                "rows": rows,
                "status": report.status,
                "drifted": [test.name for test in report.drifted],
                "positive": float(of_month["label"].mean()),  # type: ignore[arg-type]
                "accuracy": float((window["label"] == window["truth"]).mean()),  # type: ignore[arg-type]
                "effects": {test.name: test.effect for test in report.tests},
            }
        )
    return found


def of_reports(title: str, reports: Iterable[DriftReport]) -> Row:
    """In how many trials there was an alarm, and by which tests."""
    statuses, tests = Counter[str](), Counter[str]()
    for report in reports:
        statuses[report.status] += 1
        tests.update(test.name for test in report.drifted)
    return {"title": title, "trials": statuses.total(), "alarms": statuses["drift"], "tests": tests.most_common()}


def show(heading: str, rows: Iterable[Row]) -> list[Row]:
    """Print each row as soon as it is known; returns all."""
    print(f"\n{heading}\n{'':<58}{'alarms':>9}{'share':>8}  95% interval     by", flush=True)
    shown = []
    for row in rows:
        share = wilson(row["alarms"], row["trials"])
        by = ", ".join(f"{name} {count}" for name, count in row["tests"][:6])
        of = f"{row['alarms']}/{row['trials']}"
        interval = f"{share.low:.1%} to {share.high:.1%}"
        print(f"{row['title']:<58}{of:>9}{share.value:>8.1%}  {interval:<17}{by}", flush=True)
        shown.append(row)
    return shown


def show_years(months: list[dict[str, Any]]) -> None:
    names = sorted({name for month in months for name in month["effects"]})
    print(
        f"\nReal years: the mean effect of the months\n{'year':<8}{'alarms':>8}"
        + "".join(f"{n[:9]:>10}" for n in names)
    )
    for year in sorted({month["month"][:4] for month in months}):
        of_year = [month for month in months if month["month"].startswith(year)]
        alarms = f"{sum(month['status'] == 'drift' for month in of_year)}/{len(of_year)}"
        effects = [np.mean([month["effects"].get(name, math.nan) for month in of_year]) for name in names]
        accuracy = np.mean([month["accuracy"] for month in of_year])
        print(f"{year:<8}{alarms:>8}" + "".join(f"{e:>10.3f}" for e in effects) + f"   accuracy {accuracy:.3f}")


def chance(corpora: Corpora, trials: int) -> list[dict[str, Any]]:
    """Effects between samples of the same rows, in units of sqrt(1/n + 1/m), by test and size of the window."""
    found: dict[tuple[str, str, int], list[float]] = {}
    for rows in (300, 1000):
        for seed in range(trials):
            for each in (corpora.nsmc_world(seed), corpora.sample_world(corpora.sample, seed, ROWS)):
                for test in each.drift(each.clean.head(rows), seed).tests:
                    if test.reference_rows:
                        zero = AUC_OF_GUESSING if test.method == AUC else 0.0
                        unit = math.sqrt(1 / test.rows + 1 / test.reference_rows)
                        found.setdefault((test.method, test.name, rows), []).append((test.effect - zero) / unit)
    quantiles = (0.5, 0.95, 0.99, 1.0)
    print(f"\n{'method':<28}{'test':<14}{'rows':>6}" + "".join(f"{f'{q:.0%}':>8}" for q in quantiles))
    for (method, name, rows), effects in sorted(found.items()):
        print(f"{method:<28}{name:<14}{rows:>6}" + "".join(f"{np.quantile(effects, q):>8.2f}" for q in quantiles))
    return [{"method": m, "test": n, "rows": r, "effects": effects} for (m, n, r), effects in found.items()]


def draw_nothing() -> None:
    """Leave out the plotly figure that Evidently draws for every column.

    It costs more than all the rest of a trial, nobody looks at hundreds of them, and no option turns it off.
    """
    ValueDriftCalculation._render = lambda *_: []


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with the NSMC files and naver_reviews.parquet")
    parser.add_argument("--trials", type=int, default=100)
    parser.add_argument("--out", type=Path, help="write what was found as JSON")
    parts = ["all", "clean", "injected", "mixed", "years", "chance"]
    parser.add_argument("part", nargs="?", choices=parts, default="all")
    arguments = parser.parse_args()
    draw_nothing()
    corpora, trials, part = Corpora(arguments.data), arguments.trials, arguments.part
    found: dict[str, Any] = {}
    if part == "chance":
        found["chance"] = chance(corpora, trials)
    if part in ("all", "injected"):
        windows = injected_windows(corpora, trials, (1.0,))
        found["injected"] = show("Injected drift: found in the first window", windows)
    if part in ("all", "clean"):
        found["clean"] = show("Clean windows: false alarms", clean_windows(corpora, trials))
    if part in ("all", "mixed"):
        windows = injected_windows(corpora, trials, (0.5, 0.2))
        found["mixed"] = show("Drift of a part of the window", windows)
    if part in ("all", "years"):
        found["years"] = years(corpora)
        show_years(found["years"])
    if arguments.out:
        arguments.out.write_text(json.dumps(found, indent=1, ensure_ascii=False), encoding="utf-8")


if __name__ == "__main__":
    main()
