"""What every kind of model promises, checked on the bundled reviews: `check_kind("my_models:FastText")`.

As scikit-learn's `check_estimator`: one test runs it over every kind of the project, and a user over their own.
"""

import pickletools
import tempfile
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import ValidationError

from sentiment.closure import import_closure
from sentiment.config.dataset import DatasetConfig, SplitConfig
from sentiment.config.deploy import ExportConfig
from sentiment.data.clean import clean
from sentiment.data.read import read
from sentiment.data.reviews import Reviews, Splits
from sentiment.data.split import split
from sentiment.export.parity import formats_of, pick_format
from sentiment.home import PROJECT
from sentiment.kinds import ModelConfig, kind_of, load, module_of
from sentiment.models.base import TextClassifier
from sentiment.models.folder import load_classifier, read_identity, verify_manifest
from sentiment.tasks import task_of
from sentiment.text.normalise import TextNormaliser
from sentiment.training import train_classifier

SEED = 7
# Three labels in no alphabetical order: a kind that sorts them, or knows two only, is found out.
LABELS = {"positive": (4, 5), "mixed": (3, 3), "negative": (1, 2)}
NORMALISER = TextNormaliser(max_repeat=2)  # not the default
ODD_TEXTS = (
    "",
    "  ",
    "ㅋㅋㅋㅋ ㅠㅠ",
    "👍🏽🇰🇷👨\u200d👩\u200d👧",
    "e\u0301 \u202e\u0000 \ufffd",
    "아주 긴 리뷰 " * 2_000,
    "재미있다",
)
# Rounding differs with the other texts of a batch.
BATCH_TOLERANCE = 1e-4
PARITY = ExportConfig(min_agreement=0.95, max_macro_f1_loss=0.05)


def check_kind(kind: str, **settings: Any) -> None:
    """Train a model of this kind on a few hundred reviews and check all that the rest of the project relies on.

    `settings` are those of its model file; small ones make it quick. Raises AssertionError with the promise that is
    broken.
    """
    config = ModelConfig.model_validate({"kind": kind, "name": "check", **settings})
    _check_config(config, settings)
    _check_server(kind)
    splits = _sample()
    classifier = _train(config, splits)
    address = kind_of(kind).classifier
    _require(type(classifier) is load(address), f"the trainer gives a {type(classifier).__name__}, not {address}")
    _check_identity(classifier, kind)
    _check_answers(classifier, splits.train)
    with tempfile.TemporaryDirectory() as folder:
        _check_folder(classifier, Path(folder))
        classifier.saved = None
        again = _train(config, splits).save(Path(folder) / "again")
        _require(again.digest == classifier.save(Path(folder) / "first").digest, "equal training gives another model")
    _check_formats(classifier, splits.validation)


def _check_config(config: ModelConfig, settings: Mapping[str, Any]) -> None:
    _require(type(config) is not ModelConfig, "the config class is ModelConfig itself, not a subclass")
    back = ModelConfig.model_validate_json(config.model_dump_json())
    _require(type(back) is type(config) and back == config, "the config is another one after JSON")
    try:
        ModelConfig.model_validate({"kind": config.kind, "name": "check", **settings, "no_such_key": 1})
    except ValidationError:
        return
    raise AssertionError("the config takes a key that it does not know")


def _check_server(kind: str) -> None:
    found = kind_of(kind)
    closure = import_closure([module_of(kind), found.classifier.partition(":")[0]])
    missing = sorted(name for name in closure.packages.union(found.packages) if find_spec(name) is None)
    _require(not missing, f"a server needs {', '.join(missing)}, not installed here")


def _check_identity(classifier: TextClassifier, kind: str) -> None:
    _require(classifier.kind == kind, f"its `kind` is {classifier.kind!r}, not {kind!r}")
    _require(classifier.labels == tuple(LABELS), f"its labels are {classifier.labels}, not {tuple(LABELS)}")
    _require(classifier.normaliser == NORMALISER, "its normaliser is not the one it was trained with")


def _check_answers(classifier: TextClassifier, train: Reviews) -> None:
    texts = [*ODD_TEXTS, *train.texts[:50]]
    answers = classifier.predict_proba(texts)
    _require(answers.shape == (len(texts), len(LABELS)), f"{len(texts)} texts give the shape {answers.shape}")
    _require(answers.dtype == np.float32, f"probabilities are {answers.dtype}, not float32")
    _require(bool((answers >= 0).all()), "a probability is negative, or is not a number")
    _require(bool(np.allclose(answers.sum(axis=1), 1, atol=1e-4)), "a row of probabilities does not sum to 1")
    _require(np.array_equal(classifier.predict_proba(texts), answers), "the same texts give other probabilities")
    alone = np.concatenate([classifier.predict_proba([text]) for text in texts])
    _require(bool(np.allclose(alone, answers, atol=BATCH_TOLERANCE)), "a text alone gives other probabilities")
    nothing = classifier.predict_proba([])
    _require(nothing.shape == (0, len(LABELS)), f"no text gives the shape {nothing.shape}")
    truth = train.frame()["label"].to_numpy()
    said = task_of(classifier.task).answers(classifier.predict_proba(train.texts))
    right = float((said == truth).mean())
    _require(right > 1 / len(LABELS), f"{right:.0%} of its own training rows are right: are the columns in order?")


def _check_folder(classifier: TextClassifier, into: Path) -> None:
    saved = classifier.save(into / "model")
    _require(verify_manifest(into / "model") == saved.digest, "the manifest is written before the last file")
    for path in (into / "model").rglob("*"):
        _require(not (path.is_file() and _is_pickle(path.read_bytes())), f"{path.name} is a pickle")
    labels, normaliser = read_identity(into / "model")
    _require((tuple(labels), normaliser) == (classifier.labels, NORMALISER), "the folder has other labels or texts")
    loaded = load_classifier(into / "model")
    _check_identity(loaded, classifier.kind)
    same = np.array_equal(loaded.predict_proba(ODD_TEXTS), classifier.predict_proba(ODD_TEXTS))
    _require(same, "it answers otherwise after saving and loading")
    loaded.saved = None  # else the folder would be copied
    _require(loaded.save(into / "copy").digest == saved.digest, "saving what was loaded gives another folder")


def _check_formats(classifier: TextClassifier, validation: Reviews) -> None:
    formats = {name: make() for name, make in formats_of(classifier).items()}
    makers = {name: (lambda made=made: made) for name, made in formats.items()}
    _, report = pick_format(classifier, makers, validation, PARITY, seed=SEED)
    _require(not report.reasons, " ".join(report.reasons))
    for made in formats.values():
        _check_server(made.kind)
        with tempfile.TemporaryDirectory() as folder:
            _check_folder(made, Path(folder))


def _train(config: ModelConfig, splits: Splits) -> TextClassifier:
    return train_classifier(
        config, splits.train, splits.validation, normaliser=NORMALISER, seed=SEED, log=lambda step, metrics: None
    )


def _sample() -> Splits:
    config = DatasetConfig(
        name="check",
        path=str(PROJECT / "data/sample/reviews.csv"),
        labels=list(LABELS),
        rating_ranges=LABELS,
    )
    return split(clean(read(config)[0], NORMALISER)[0], SplitConfig(validation=0.08, test=0.8))


def _is_pickle(content: bytes) -> bool:
    if content[:1] != b"\x80":
        return b"/data.pkl" in content[:4096]  # how torch packs one
    try:
        list(pickletools.genops(content))
    except ValueError:
        return False
    return True


def _require(promise: bool, otherwise: str) -> None:
    if not promise:
        raise AssertionError(otherwise)
