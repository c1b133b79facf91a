"""How often drift detection cries wolf on clean windows, and how soon it finds what was injected.

python benchmarks/drift.py --data DIR [--trials 100] [--out FILE]             # everything, as tables and JSON
python benchmarks/drift.py --data DIR [--trials 100] clean|injected|years     # one part
python benchmarks/drift.py --data DIR [--trials 100] chance                   # what chance does: for CHANCE in drift.py

DIR holds NSMC's ratings_train.txt and ratings_test.txt and, for `years`, naver_reviews.parquet. Every trial draws anew:
for the bundled sample also the split and with it the model; for NSMC, whose model learns from 20,000 rows once, the
2,000 rows of the reference and the 1,000 of the window, all from the test file. No row is on two sides.
"""

import argparse
import json
import math
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Self

import numpy as np
import polars as pl

from sentiment.config.dataset import DatasetConfig
from sentiment.config.drift import DriftConfig, ReferenceConfig
from sentiment.config.linear import LinearConfig
from sentiment.config.load import load_config
from sentiment.config.quality import QualityConfig
from sentiment.data.normalise import TextNormaliser
from sentiment.data.pii import mask_series
from sentiment.data.read import read
from sentiment.data.reviews import COLUMNS, Reviews, Splits
from sentiment.evaluation.bootstrap import wilson
from sentiment.models.base import TextClassifier
from sentiment.models.linear import train_linear
from sentiment.monitoring.drift import AUC, AUC_OF_GUESSING, DriftReport, detect_drift
from sentiment.monitoring.quality import measure_quality
from sentiment.monitoring.reference import Reference

ROOT = Path(__file__).resolve().parent.parent
LABELS = ("negative", "positive")
CONFIG = DriftConfig()
ROWS = CONFIG.window_rows
TRAIN_ROWS = 20_000
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
        reference = Reference.build(classifier, splits, ReferenceConfig(), seed, accuracy=accuracy, macro_f1=accuracy)
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
        return detect_drift(self.reference, self.window(rows), CONFIG, seed=seed)


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


def clean_windows(corpora: Corpora, trials: int) -> Iterator[tuple[str, DriftReport]]:
    """Windows of the usual size and of the smallest, in which nothing drifted."""
    for seed in range(trials):
        for name, each in (
            ("sample", corpora.sample_world(corpora.sample, seed, ROWS)),
            ("NSMC", corpora.nsmc_world(seed)),
        ):
            for rows in (ROWS, CONFIG.min_rows):
                report = each.drift(each.clean.head(rows), seed)
                yield f"{name}: {rows:,} rows against {report.reference_rows:,}", report


def doubled_runs(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.with_columns(pl.col("text").str.replace_all("(ㅋ+)", "$1$1"))


def twice_as_many(rows: pl.DataFrame, spare: pl.DataFrame) -> pl.DataFrame:
    """Rows without ㅋ make room for as many further rows with ㅋ as there were."""
    has = pl.col("text").str.contains("ㅋ")
    laughing = rows.filter(has)
    extra = spare.filter(has).head(laughing.height)
    return pl.concat([laughing, extra, rows.filter(~has).head(rows.height - laughing.height - extra.height)])


def read_wrongly(write: str, read_as: str) -> Callable[[pl.DataFrame], pl.DataFrame]:
    def broken(text: str) -> str:
        return text.encode(write, errors="replace").decode(read_as, errors="replace")

    return lambda rows: rows.with_columns(pl.col("text").map_elements(broken, return_dtype=pl.String))


def injections(corpora: Corpora, seed: int) -> Iterator[tuple[str, World, pl.DataFrame]]:
    """A title, a world, and the drifted rows that replace its clean window."""
    of_movies = corpora.sample_world(corpora.movies, seed, 500)
    services = corpora.services.select("text", "label").sample(corpora.services.height, seed=seed, shuffle=True)
    yield "sample movies: services", of_movies, services.head(ROWS)
    english = corpora.english.select("text", "label").sample(corpora.english.height, seed=seed, shuffle=True)
    of_nsmc = corpora.nsmc_world(seed)
    yield "NSMC: services", of_nsmc, services.head(ROWS)
    yield "NSMC: English", of_nsmc, english
    of_sample = corpora.sample_world(corpora.sample.filter(pl.col("language") == "ko"), seed, 500)
    yield "sample, Korean: English", of_sample, english
    mixed = corpora.sample_world(corpora.sample, seed, ROWS)
    for name, each in (("NSMC", of_nsmc), ("sample", mixed)):
        yield f"{name}: UTF-8 read as Latin-1", each, read_wrongly("utf-8", "latin-1")(each.clean)
        yield f"{name}: UTF-8 read as cp949", each, read_wrongly("utf-8", "cp949")(each.clean)
        yield f"{name}: cp949 read as UTF-8", each, read_wrongly("cp949", "utf-8")(each.clean)
        yield f"{name}: each run of ㅋ doubled", each, doubled_runs(each.clean)


def injected_windows(corpora: Corpora, trials: int) -> Iterator[tuple[str, DriftReport]]:
    """Whole windows, and windows that drifted in part; more laughter only where there are further rows to take."""
    for seed in range(trials):
        for title, each, drifted in injections(corpora, seed):
            yield title, each.drift(drifted, seed)
            for part in (0.5, 0.2):
                rows = min(each.clean.height, drifted.height)
                count = round(part * rows)
                mix = pl.concat([drifted.head(count), each.clean.tail(rows - count)])
                yield f"{title}, {part:.0%} of the window", each.drift(mix.sample(rows, seed=seed, shuffle=True), seed)
        of_nsmc = corpora.nsmc_world(seed)
        laughing = twice_as_many(of_nsmc.clean, of_nsmc.spare)
        yield "NSMC: twice as many texts with ㅋ", of_nsmc.drift(laughing, seed)


def flipped_labels(corpora: Corpora, trials: int) -> Iterator[tuple[str, bool]]:
    """Whether quality drops when every label, or a part of them, is the other one; and when none is."""
    for seed in range(trials):
        each = corpora.nsmc_world(seed)
        window = each.window(each.clean)
        other = pl.col("truth").replace(dict(zip(LABELS, reversed(LABELS), strict=True)))
        for part in (1.0, 0.5, 0.2, 0.0):
            flipped = window.with_columns(
                truth=pl.when(pl.int_range(pl.len()) < part * pl.len()).then(other).otherwise("truth")
            )
            report = measure_quality(flipped, each.reference, QualityConfig(), seed=seed)
            yield f"NSMC: {part:.0%} of the labels flipped", report.status == "drop"


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
        report = detect_drift(each.reference, window, CONFIG, seed=0)
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


def counted(results: Iterator[tuple[str, DriftReport]]) -> list[dict[str, Any]]:
    """For each title, in how many trials there was an alarm, and by which tests."""
    alarms: dict[str, list[DriftReport]] = {}
    for title, report in results:
        alarms.setdefault(title, []).append(report)
    return [
        {
            "title": title,
            "trials": len(reports),
            "alarms": sum(report.status == "drift" for report in reports),
            "tests": Counter(test.name for report in reports for test in report.drifted).most_common(),
        }
        for title, reports in alarms.items()
    ]


def show(heading: str, rows: list[dict[str, Any]]) -> None:
    print(f"\n{heading}\n{'':<58}{'alarms':>9}{'share':>8}  95% interval    by")
    for row in rows:
        share = wilson(row["alarms"], row["trials"])
        by = ", ".join(f"{name} {count}" for name, count in row.get("tests", [])[:6])
        of = f"{row['alarms']}/{row['trials']}"
        print(f"{row['title']:<58}{of:>9}{share.value:>8.1%}  {share.low:.1%} to {share.high:.1%}   {by}")


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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with the NSMC files and naver_reviews.parquet")
    parser.add_argument("--trials", type=int, default=100)
    parser.add_argument("--out", type=Path, help="write what was found as JSON")
    parser.add_argument("part", nargs="?", choices=["all", "clean", "injected", "years", "chance"], default="all")
    arguments = parser.parse_args()
    corpora, trials = Corpora(arguments.data), arguments.trials
    found: dict[str, Any] = {}
    if arguments.part == "chance":
        found["chance"] = chance(corpora, trials)
    if arguments.part in ("all", "clean"):
        found["clean"] = counted(clean_windows(corpora, trials))
        show("Clean windows: false alarms", found["clean"])
    if arguments.part in ("all", "injected"):
        found["injected"] = counted(injected_windows(corpora, trials))
        flips = list(flipped_labels(corpora, trials))
        for title in dict.fromkeys(title for title, _ in flips):
            dropped = [drop for name, drop in flips if name == title]
            found["injected"].append({"title": title, "trials": len(dropped), "alarms": sum(dropped)})
        show("Injected drift: found in the first window", found["injected"])
    if arguments.part in ("all", "years"):
        found["years"] = years(corpora)
        show_years(found["years"])
    if arguments.out:
        arguments.out.write_text(json.dumps(found, indent=1, ensure_ascii=False), encoding="utf-8")


if __name__ == "__main__":
    main()
