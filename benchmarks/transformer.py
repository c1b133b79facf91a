"""A transformer from scratch against character TF-IDF + LinearSVC of scikit-learn, on the same NSMC rows.

python benchmarks/transformer.py --data DIR            # scored on the validation rows: for choosing settings
python benchmarks/transformer.py --data DIR --test     # scored on ratings_test, once, at the end
python benchmarks/transformer.py --data DIR --save FOLDER   # the trained model, for benchmarks/export.py --model

DIR holds NSMC's ratings_train.txt and ratings_test.txt. CPU minutes are those of this process, all its threads, from
the texts to the trained model: vocabulary, tokenising, pre-training, training and scoring the validation rows.
"""
# ruff: noqa: E402 - the project is run from its folder, not installed, so the path comes before its imports

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
# Read when torch is imported: threads that wait for others must not spin, or they count as work.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.metrics import accuracy_score, f1_score
from sklearn.svm import LinearSVC

from sentiment.config.dataset import DatasetConfig, SplitConfig
from sentiment.config.load import load_config
from sentiment.data.clean import clean
from sentiment.data.read import read
from sentiment.data.reviews import Reviews, Splits
from sentiment.data.split import split
from sentiment.kinds.transformer import TransformerConfig
from sentiment.text.normalise import TextNormaliser
from sentiment.training.transformer import bfloat16_pays, train_transformer

Predict = Callable[[Sequence[str]], NDArray[np.integer]]


@dataclass(frozen=True)
class Measured:
    """CPU minutes of training, and texts per CPU second of predicting."""

    accuracy: float
    macro_f1: float
    cpu_minutes: float
    texts_per_second: float


def rows(data: Path, validation: float) -> Splits:
    """The train pipeline's own reading, cleaning and splitting; no train text stands in test.

    The test rows stay as they are, with the texts that the pipeline drops because they are labelled both ways.
    """
    config = DatasetConfig(
        name="nsmc",
        path=str(data / "ratings_train.txt"),
        test_path=str(data / "ratings_test.txt"),
        format="tsv",
        quote_char=None,
        text_column="document",
        label_column="label",
        label_values={"0": "negative", "1": "positive"},
    )
    given, _ = read(config)
    cleaned, _ = clean(given, TextNormaliser())
    return replace(split(cleaned, SplitConfig(method="given", validation=validation)), test=given.test)


def measure(train: Callable[[], Predict], scored: Reviews) -> Measured:
    started = time.process_time()
    predict = train()
    cpu = time.process_time() - started
    texts, labels = scored.texts, scored.frame()["label"].to_numpy()
    started = time.process_time()
    predicted = predict(texts)
    seconds = time.process_time() - started
    return Measured(
        float(accuracy_score(labels, predicted)),
        float(f1_score(labels, predicted, average="macro")),
        cpu / 60,
        len(texts) / seconds,
    )


def linear_svc(train: Reviews) -> Predict:
    vectorizer = TfidfVectorizer(analyzer="char", ngram_range=(1, 5), min_df=2, sublinear_tf=True)
    svc = LinearSVC(C=0.5, random_state=0).fit(vectorizer.fit_transform(train.texts), train.frame()["label"].to_numpy())
    return lambda texts: svc.predict(vectorizer.transform(texts))


def transformer(config: TransformerConfig, splits: Splits, seed: int, save: Path | None) -> Predict:
    started = time.process_time()

    def log(step: int, metrics: dict[str, float]) -> None:
        values = "  ".join(f"{name} {value:.4f}" for name, value in metrics.items() if name != "learning_rate")
        print(f"{(time.process_time() - started) / 60:6.1f} CPU min  step {step:>6}  {values}", flush=True)

    with tempfile.TemporaryDirectory() as folder:
        classifier = train_transformer(
            config,
            splits.train,
            splits.validation,
            normaliser=TextNormaliser(),
            seed=seed,
            work_dir=Path(folder) / "work",
            log=log,
        )
    if save:
        classifier.save(save)
    return lambda texts: classifier.predict_proba(texts).argmax(axis=1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with ratings_train.txt and ratings_test.txt")
    parser.add_argument("--model", type=Path, default=ROOT / "configs/models/compact.yaml")
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="as in run.py: override a setting"
    )
    parser.add_argument("--validation", type=float, default=0.05, help="share of the train rows")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--save", type=Path, metavar="FOLDER", help="keep the trained model's folder")
    parser.add_argument("--test", action="store_true", help="score ratings_test instead of the validation rows")
    arguments = parser.parse_args()

    config = load_config(arguments.model, TransformerConfig, arguments.set)
    splits = rows(arguments.data, arguments.validation)
    scored = splits.test if arguments.test else splits.validation
    print(
        f"{len(splits.train)} train, {len(splits.validation)} validation, {len(splits.test)} test rows; "
        f"{torch.get_num_threads()} threads of {os.cpu_count()} cores, bfloat16 {'on' if bfloat16_pays() else 'off'}"
    )
    ours = measure(lambda: transformer(config, splits, arguments.seed, arguments.save), scored)
    peer = measure(lambda: linear_svc(splits.train), scored)

    where = f"{'ratings_test' if arguments.test else 'validation'}, {len(scored)} rows"
    print(f"\n{where:<26}{'accuracy':>10}{'macro-F1':>10}{'CPU min':>9}{'texts/CPU s':>13}")
    for name, m in (("char(1,5) + LinearSVC", peer), (config.name, ours)):
        print(f"{name:<26}{m.accuracy:>10.4f}{m.macro_f1:>10.4f}{m.cpu_minutes:>9.1f}{m.texts_per_second:>13.0f}")
    print(
        f"{'ratio':<26}{ours.accuracy / peer.accuracy:>10.3f}{ours.macro_f1 / peer.macro_f1:>10.3f}"
        f"{ours.cpu_minutes / peer.cpu_minutes:>9.1f}{ours.texts_per_second / peer.texts_per_second:>13.2f}"
    )


if __name__ == "__main__":
    main()
