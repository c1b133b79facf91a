"""One training process against two (gloo) on the same rows: texts a second, and how far the metrics lie apart.

python -m benchmarks.data_parallel --data DIR [--rows 20000] [--batch-size 128]

The compact encoder of configs/models/compact.yaml, one epoch without pre-training: one process with half of the cores,
as one device; two with half each, as two devices; and one with all of them, which is what a laptop without a second
device does. The seconds include the start of the processes.
"""

import argparse
import logging
import os
import tempfile
import time
from functools import partial
from pathlib import Path

import torch
from sklearn.metrics import accuracy_score, f1_score

from sentiment.config.dataset import DatasetConfig
from sentiment.config.load import CONFIGS, load_config
from sentiment.config.train import TrainConfig
from sentiment.data.read import read
from sentiment.data.reviews import Reviews
from sentiment.text.normalise import TextNormaliser
from sentiment.training.data_parallel import train_in_processes
from sentiment.training.transformer import train_transformer


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="the folder with ratings_train.txt")
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--batch-size", type=int, default=128, help="of all processes together")
    arguments = parser.parse_args()
    logging.disable(logging.WARNING)
    train, test = nsmc(arguments.data, arguments.rows)
    model = load_config(
        CONFIGS / "train.yaml",
        TrainConfig,
        [
            "candidates=[compact]",
            "candidates.compact.epochs=1",
            f"candidates.compact.batch_size={arguments.batch_size}",
            "candidates.compact.encoder.pretrain_epochs=0",
            "candidates.compact.teacher_weight=0",
        ],
    ).candidates[0]
    cores = os.cpu_count() or 2
    print(f"{'processes':>9} {'threads':>7} {'texts/s':>8} {'wall s':>7} {'accuracy':>9} {'macro-F1':>9}")
    for count, threads in ((1, cores // 2), (2, cores // 2), (1, cores)):
        torch.set_num_threads(threads)
        start = time.monotonic()
        fit = train_transformer if count == 1 else partial(train_in_processes, count=count)
        with tempfile.TemporaryDirectory() as folder:
            classifier = fit(
                model,
                train,
                test,
                normaliser=TextNormaliser(),
                seed=0,
                work_dir=Path(folder) / "work",
                log=lambda *_: None,
            )
        seconds = time.monotonic() - start
        predicted = classifier.predict_proba(test.texts).argmax(axis=1)
        truth = test.frame()["label"]
        print(
            f"{count:>9} {threads:>7} {len(train) / seconds:>8.0f} {seconds:>7.1f} "
            f"{accuracy_score(truth, predicted):>9.4f} {f1_score(truth, predicted, average='macro'):>9.4f}"
        )


def nsmc(folder: Path, rows: int) -> tuple[Reviews, Reviews]:
    """The first `rows` of ratings_train as training rows and the next 5,000 to evaluate on."""
    config = DatasetConfig(
        name="nsmc",
        path=str(folder / "ratings_train.txt"),
        format="tsv",
        quote_char=None,
        text_column="document",
        label_column="label",
        label_values={"0": "negative", "1": "positive"},
    )
    splits, _ = read(config)
    frame = splits.train.frame()
    return tuple(Reviews.from_frame(part, splits.labels) for part in (frame.head(rows), frame.slice(rows, 5_000)))


if __name__ == "__main__":
    main()
