"""One training process against two (gloo) on the same rows: texts a second, and how far the metrics lie apart.

python -m benchmarks.data_parallel --data DIR [--rows 20000]

The compact encoder of configs/models/compact.yaml, one epoch without pre-training. Each gets every core: one process
with a thread a core, two with half as many each.
"""

import argparse
import logging
import tempfile
import time
from functools import partial
from pathlib import Path

from sklearn.metrics import accuracy_score, f1_score

from sentiment.config.dataset import DatasetConfig
from sentiment.config.load import CONFIGS, load_config
from sentiment.config.train import TrainConfig
from sentiment.data.normalise import TextNormaliser
from sentiment.data.read import read
from sentiment.data.reviews import Reviews
from sentiment.models.data_parallel import train_in_processes
from sentiment.models.finetune import train_transformer


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="the folder with ratings_train.txt")
    parser.add_argument("--rows", type=int, default=20_000)
    arguments = parser.parse_args()
    logging.disable(logging.WARNING)
    train, test = nsmc(arguments.data, arguments.rows)
    model = load_config(
        CONFIGS / "train.yaml",
        TrainConfig,
        [
            "candidates=[compact]",
            "candidates.compact.epochs=1",
            "candidates.compact.encoder.pretrain_epochs=0",
            "candidates.compact.teacher_weight=0",
        ],
    ).candidates[0]
    print(f"{'processes':>9} {'texts/s':>8} {'wall s':>7} {'accuracy':>9} {'macro-F1':>9}")
    for count in (1, 2):
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
            f"{count:>9} {len(train) / seconds:>8.0f} {seconds:>7.1f} {accuracy_score(truth, predicted):>9.4f} "
            f"{f1_score(truth, predicted, average='macro'):>9.4f}"
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
