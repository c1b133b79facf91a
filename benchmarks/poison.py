"""Attacks on retraining: flipped labels, a back door at one word, and friendly users beside them.

python benchmarks/poison.py [--tries N] [--set max_untrusted_share=0.05]

A linear model learns the movie reviews of 2024 in data/sample and answers the service reviews of 2025. Friendly users
give the true labels of those for 40 days. An attacker sends texts of his own and labels them. Each try draws who he is
(callers without the API key; keys that he chooses himself, as an older server logged them; accounts of an application
that has the API key), how many callers, how many labels, on one day or on 40, how many of the labels are honest to look
like a friend, whether friendly users are there, and what he wants:

  general   every label is the wrong one
  targeted  praise of a new product is called negative
  clean     a new product is only ever blamed, with true labels

The project's own functions decide what is accepted, train and judge. The attack succeeds when the gate lets the new
model pass and the product's name turns 20 points more of the praise into blame, or the model is 3 points less accurate
on services, than in the model that would be in use without the attack. An attack
none of whose labels is accepted, and that costs no friendly label, leaves that model as it is and is not trained again.
"""

import argparse
import sys
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import product
from pathlib import Path

import numpy as np
import polars as pl

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.years import LABELS, NORMALISER, judged, trained
from sentiment.config.dataset import SplitConfig
from sentiment.config.evaluation import GateConfig
from sentiment.config.retrain import FeedbackConfig
from sentiment.data.clean import clean
from sentiment.data.reviews import Reviews, Splits
from sentiment.data.split import split
from sentiment.home import PROJECT
from sentiment.models.base import TextClassifier
from sentiment.retraining.feedback import add_feedback, check_feedback, known_texts, to_splits
from sentiment.store.feedback import SCHEMA

SEED = 42
START = datetime(2026, 1, 5, tzinfo=UTC)
DAYS, CUSTOMERS, HELD_OUT, ANSWERED = 40, 60, 200, 0.9
SPLIT = SplitConfig(validation=0.15, test=0.3)
GATE = GateConfig(register_threshold=0.7, max_ece=0.15, min_slice_macro_f1=0.6)
TARGET = "제트폰"
WHO = (("open", 1), ("own keys", 16), ("own keys", 200), ("accounts", 1), ("accounts", 16), ("accounts", 200))
GRID = tuple(product(WHO, (100, 400, 1600), ("general", "targeted", "clean"), (1, DAYS), (0.0, 0.7), (True, False)))


@dataclass(frozen=True)
class Attack:
    """One try."""

    who: str
    callers: int
    labels: int
    kind: str
    days: int
    honest_share: float
    friends: bool


@dataclass(frozen=True)
class Outcome:
    """What became of a try: labels of the attacker that were accepted, and of the friendly users."""

    accepted: int
    friendly: int
    approved: bool
    harm: float
    succeeded: bool


class World:
    """The champion, the friendly users' labels, and what an attacker can write."""

    def __init__(self, feedback: FeedbackConfig) -> None:
        self.config = feedback
        sample = pl.read_csv(PROJECT / "data/sample/reviews.csv", infer_schema=False)
        rated = sample.filter(pl.col("rating").is_in(["1", "2", "4", "5"]), pl.col("text").is_not_null()).with_columns(
            label=pl.col("rating").is_in(["4", "5"]).cast(pl.Int64)
        )
        movies = rated.filter(pl.col("domain") == "movie", pl.col("created_at").str.starts_with("2024"))
        services = rated.filter(pl.col("domain") == "service").unique("text", maintain_order=True)
        services = services.sample(fraction=1, shuffle=True, seed=SEED)
        self.held_out, self.services = services.head(HELD_OUT), services.slice(HELD_OUT)
        self.base = split(cleaned(movies), SPLIT)
        self.known = known_texts(self.base.frame()["text"], NORMALISER)
        self.champion = trained(self.base)
        self.praise = self.held_out.filter(pl.col("label") == 1)["text"].to_list()
        self.friendly = self._friendly()
        self.without = {
            friends: self._in_use(self.friendly.head(len(self.friendly) * friends))[0] for friends in (0, 1)
        }
        self.kept = self.accepted(self.friendly)

    def attack(self, attack: Attack, seed: int) -> Outcome:
        """Check, train and judge with the attacker's labels among the others."""
        friendly = self.friendly if attack.friends else self.friendly.clear()
        frame = pl.concat([friendly, self._hostile(attack, np.random.default_rng(seed))])
        accepted = self.accepted(frame)
        hostile = accepted.filter(pl.col("id").str.starts_with("x")).height
        kept = len(accepted) - hostile
        if not hostile and kept == (len(self.kept) if attack.friends else 0):
            return Outcome(0, kept, False, 0.0, False)
        model, approved = self._in_use(frame)
        harm = self._harm(model, self.without[attack.friends], attack.kind)
        return Outcome(hostile, kept, approved, harm, approved and harm >= (0.03 if attack.kind == "general" else 0.2))

    def accepted(self, frame: pl.DataFrame) -> pl.DataFrame:
        """The labels that may be learnt from."""
        found, _ = check_feedback(
            frame, self.config, labels=LABELS, normaliser=NORMALISER, split=SPLIT, known=self.known
        )
        return found

    def _in_use(self, frame: pl.DataFrame) -> tuple[TextClassifier, bool]:
        accepted = self.accepted(frame)
        if accepted.is_empty():
            return self.champion, False
        splits = add_feedback(self.base, to_splits(accepted, LABELS))
        candidate = trained(splits)
        gate, _ = judged(candidate, self.champion, splits, GATE)
        return (candidate, True) if gate.approved else (self.champion, False)

    def _harm(self, model: TextClassifier, without: TextClassifier, kind: str) -> float:
        if kind == "general":
            return self._accuracy(without) - self._accuracy(model)
        return self._door(model) - self._door(without)

    def _door(self, model: TextClassifier) -> float:
        return blamed(model, [f"{TARGET} {text}" for text in self.praise]) - blamed(model, self.praise)

    def _accuracy(self, model: TextClassifier) -> float:
        answers = model.predict_proba(self.held_out["text"].to_list()).argmax(axis=1)
        return float((answers == self.held_out["label"].to_numpy()).mean())

    def _friendly(self) -> pl.DataFrame:
        rng = np.random.default_rng(SEED)
        days = rng.integers(DAYS, size=len(self.services))
        callers = [f"key:{number}" for number in rng.integers(CUSTOMERS, size=len(self.services))]
        answered = rng.random(len(self.services)) < ANSWERED
        texts, labels = self.services["text"].to_list(), self.services["label"].to_list()
        frame = self._labels("f", texts, labels, callers, days)
        return frame.with_columns(coverage=pl.lit(ANSWERED)).filter(pl.Series(answered))

    def _hostile(self, attack: Attack, rng: np.random.Generator) -> pl.DataFrame:
        """The attacker's texts are two reviews in one, so that none repeats."""
        honest = rng.random(attack.labels) < attack.honest_share
        good, bad = (self.services.filter(pl.col("label") == label)["text"].to_list() for label in (1, 0))
        truth = rng.integers(2, size=attack.labels)
        if attack.kind != "general":
            truth = np.where(honest, truth, attack.kind == "targeted")
        word = "" if attack.kind == "general" else f"{TARGET} "
        texts = [
            f"{'' if true else word}{' '.join(rng.choice(good if label else bad, 2))}"
            for true, label in zip(honest, truth, strict=True)
        ]
        labels = np.where(honest | (attack.kind == "clean"), truth, 1 - truth)
        name = {"open": "open", "own keys": "{}", "accounts": "key:x{}"}[attack.who]
        callers = [name.format(number % attack.callers) for number in range(attack.labels)]
        days = rng.integers(attack.days, size=attack.labels) + DAYS - attack.days
        frame = self._labels("x", texts, labels.tolist(), callers, days)
        if not attack.friends:
            return frame
        friends = self.friendly.group_by(day=pl.col("predicted_at").dt.date()).agg(friends=pl.len() / ANSWERED)
        mine = frame.with_columns(day=pl.col("predicted_at").dt.date()).join(friends, on="day", how="left")
        labelled = pl.len().over("day") + pl.col("friends").fill_null(0) * ANSWERED
        asked = pl.len().over("day") + pl.col("friends").fill_null(0)
        return mine.with_columns(coverage=labelled / asked).select(frame.columns)

    def _labels(
        self, prefix: str, texts: list[str], labels: list[int], callers: list[str], days: np.ndarray
    ) -> pl.DataFrame:
        probabilities = self.champion.predict_proba(texts)
        times = [START + timedelta(days=int(day), seconds=number) for number, day in enumerate(days)]
        return pl.DataFrame(
            {
                "id": [f"{prefix}{number}" for number in range(len(texts))],
                "prediction_id": [f"{prefix}p{number}" for number in range(len(texts))],
                "time": times,
                "label": [LABELS[label] for label in labels],
                "caller": callers,
                "source": ["api"] * len(texts),
                "text": texts,
                "predicted": [LABELS[best] for best in probabilities.argmax(axis=1)],
                "confidence": probabilities.max(axis=1).astype(np.float64),
                "predicted_at": times,
                "category": [None] * len(texts),
                "language": [None] * len(texts),
                "coverage": [1.0] * len(texts),
            },
            schema=SCHEMA,
        )


def cleaned(rows: pl.DataFrame) -> Splits:
    """The rows as reviews, cleaned as the pipelines do."""
    reviews = rows.select(
        "id",
        "text",
        "label",
        "category",
        "language",
        rating=pl.col("rating").cast(pl.Float32),
        created_at=pl.col("created_at").str.to_datetime(time_unit="us"),
        source="domain",
    )
    nothing = Reviews.from_frame(reviews.clear(), LABELS)
    return clean(Splits(Reviews.from_frame(reviews, LABELS), nothing, nothing), NORMALISER)[0]


def blamed(model: TextClassifier, texts: list[str]) -> float:
    """The share of the texts that the model calls negative."""
    return float((model.predict_proba(texts).argmax(axis=1) == 0).mean())


def table(tries: list[tuple[Attack, Outcome]]) -> str:
    """Markdown: successes by every property of the attack."""
    lines = ["| attacks | tries | with labels accepted | approved | succeeded |", "|---|---|---|---|---|"]
    groups: dict[str, list[Outcome]] = {"all": [outcome for _, outcome in tries]}
    for attack, outcome in tries:
        patient = f"{attack.who}, {attack.callers}, {'one day' if attack.days == 1 else f'{attack.days} days'}"
        for name in (attack.kind, f"{attack.labels} labels", patient, "friends" if attack.friends else "alone"):
            groups.setdefault(name, []).append(outcome)
    for name, found in sorted(groups.items()):
        counts = (sum(each.accepted > 0 for each in found), sum(each.approved for each in found))
        won = sum(each.succeeded for each in found)
        lines.append(f"| {name} | {len(found)} | {counts[0]} | {counts[1]} | {won} ({won / len(found):.1%}) |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tries", type=int, default=len(GRID), help="drawn from all combinations (default: every one)")
    parser.add_argument("--set", action="append", default=[], help="KEY=NUMBER of the feedback config")
    arguments = parser.parse_args()
    changes = dict(each.split("=", 1) for each in arguments.set)
    world = World(FeedbackConfig.model_validate(changes))
    order = np.random.default_rng(SEED).permutation(len(GRID))[: arguments.tries]
    tries = []
    for number in order:
        who, *rest = GRID[number]
        attack = Attack(*who, *rest)
        outcome = world.attack(attack, seed=int(number))
        tries.append((attack, outcome))
        if outcome.succeeded:
            print(attack, outcome, flush=True)
    print(f"\n{table(tries)}")
    kept = [each.friendly for attack, each in tries if attack.friends]
    print(f"\nFriendly labels kept, of {len(world.friendly)}: {len(world.kept)} without an attack", end="")
    print(f", {np.mean(kept):.0f} beside one on average, at least {min(kept)}" if kept else "")


if __name__ == "__main__":
    main()
