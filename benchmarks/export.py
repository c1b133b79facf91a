"""What int8 costs and gains: label agreement and macro-F1 on ratings_test, then processor time against the usual way.

python benchmarks/export.py --data DIR                    # trains a compact transformer first (some CPU minutes)
python benchmarks/export.py --data DIR --model FOLDER     # takes a transformer's model folder

DIR holds NSMC's ratings_train.txt and ratings_test.txt. The peer is transformers.pipeline padded to 128 tokens (or
the most the model reads). Times are CPU time of this process with one thread a model, so that neighbours on the machine
do not count; the base size has 12 layers of 768 with random weights, for speed alone.
"""

import argparse
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
import transformers
from sklearn.metrics import f1_score
from transformer import rows  # the module beside this one

from sentiment.config.deploy import ExportConfig
from sentiment.config.load import load_config
from sentiment.data.reviews import Reviews, Splits
from sentiment.export import choose_format, parity
from sentiment.export.onnx import to_int8, to_onnx
from sentiment.kinds.transformer import TransformerConfig
from sentiment.models.folder import load_classifier
from sentiment.models.transformer import TransformerClassifier
from sentiment.text.normalise import TextNormaliser
from sentiment.training.compact import train_tokenizer
from sentiment.training.transformer import train_transformer

ROOT = Path(__file__).resolve().parent.parent
PADDED_TOKENS = 128


def train(splits: Splits, train_rows: int, epochs: int) -> TransformerClassifier:
    config = load_config(ROOT / "configs/models/compact.yaml", TransformerConfig, [f"epochs={epochs}"])
    drawn = splits.train.frame().sample(min(train_rows, len(splits.train)), seed=0)
    with tempfile.TemporaryDirectory() as folder:
        return train_transformer(
            config,
            Reviews.from_frame(drawn, splits.train.labels),
            splits.validation,
            normaliser=TextNormaliser(),
            seed=0,
            work_dir=Path(folder) / "work",
            log=lambda step, metrics: None,
        )


def base_size(texts: Sequence[str], labels: Sequence[str]) -> TransformerClassifier:
    tokenizer = train_tokenizer(texts, 30_000, PADDED_TOKENS)
    torch.manual_seed(0)
    config = transformers.BertConfig(vocab_size=30_000, num_labels=len(labels), pad_token_id=tokenizer.pad_token_id)
    return TransformerClassifier(
        transformers.BertForSequenceClassification(config), tokenizer, labels, TextNormaliser()
    )


def padded_pipeline(classifier: TransformerClassifier, tokens: int) -> Callable[[list[str]], object]:
    pipeline = transformers.pipeline("text-classification", model=classifier.model, tokenizer=classifier.tokenizer)
    return lambda texts: pipeline(texts, padding="max_length", max_length=tokens, truncation=True, batch_size=32)


def cpu_ms(predict: Callable[[list[str]], object], batches: Sequence[list[str]]) -> float:
    """Median processor milliseconds a text."""
    predict(batches[0])
    times = []
    for batch in batches:
        started = time.process_time()
        predict(batch)
        times.append((time.process_time() - started) / len(batch) * 1000)
    return float(np.median(times))


def quality(classifier: TransformerClassifier, test: Reviews) -> None:
    parity.MOST_ROWS = len(test)
    served, report = choose_format(classifier, test, ExportConfig(), seed=0)
    predicted = served.predict_proba(test.texts).argmax(axis=1)
    macro_f1 = f1_score(test.frame()["label"].to_numpy(), predicted, average="macro")
    print(f"\nratings_test, {len(test):,} rows; {report.served} is served, its macro-F1 is {macro_f1:.4f}")
    print(f"{'':<12}{'same label':>11}{'macro-F1 change [95%]':>30}{'largest diff.':>15}{'MB':>7}")
    for result in report.formats[1:]:
        measured, megabytes = result.parity, result.performance.size_bytes / 1e6
        assert measured is not None
        print(
            f"{result.name:<12}{measured.agreement:>11.4%}{measured.change:>30}{measured.largest_difference:>15.2g}"
            f"{megabytes:>7.1f}"
        )


def speed(name: str, classifier: TransformerClassifier, texts: list[str], singles: int) -> None:
    fp32 = to_onnx(classifier)
    int8 = to_int8(fp32)
    fp32.threads = int8.threads = 1
    tokens = min(PADDED_TOKENS, classifier.tokenizer.model_max_length)
    contenders = {
        f"pipeline, padded to {tokens}": padded_pipeline(classifier, tokens),
        "torch fp32": classifier.predict_proba,
        "onnx fp32": fp32.predict_proba,
        "onnx int8": int8.predict_proba,
    }
    one = [[text] for text in texts[:singles]]
    many = [texts[start : start + 32] for start in range(0, 3 * 32, 32)]
    print(f"\n{name:<26}{'one text ms':>12}{'ratio':>7}{'of 32, ms a text':>18}{'ratio':>7}")
    peer: tuple[float, float] | None = None
    for contender, predict in contenders.items():
        measured = cpu_ms(predict, one), cpu_ms(predict, many)
        peer = peer or measured
        print(
            f"{contender:<26}{measured[0]:>12.2f}{peer[0] / measured[0]:>6.1f}x{measured[1]:>18.2f}"
            f"{peer[1] / measured[1]:>6.1f}x",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with ratings_train.txt and ratings_test.txt")
    parser.add_argument("--model", type=Path, help="a transformer's model folder; without it one is trained")
    parser.add_argument("--rows", type=int, default=25_000, help="rows to train on without --model")
    parser.add_argument("--epochs", type=int, default=3, help="epochs to train without --model")
    arguments = parser.parse_args()

    splits = rows(arguments.data, validation=0.05)
    classifier = (
        load_classifier(arguments.model) if arguments.model else train(splits, arguments.rows, arguments.epochs)
    )
    if not isinstance(classifier, TransformerClassifier):
        parser.error(f"{arguments.model} holds a classifier of the kind {classifier.kind!r}, not a transformer")
    torch.set_num_threads(1)
    quality(classifier, splits.test)
    texts = splits.test.texts
    speed("trained model", classifier, texts, singles=200)
    speed("base size", base_size(splits.train.texts[:20_000], classifier.labels), texts, singles=20)


if __name__ == "__main__":
    main()
