"""The linear classifier: character n-gram TF-IDF and a linear SVM whose features are scaled by Naive Bayes.

It needs no tokenizer, so Korean spacing and spelling do not matter much, and it is the baseline of every comparison.
Scaling each n-gram by its log-count ratio is NB-SVM (Wang and Manning 2012, "Baselines and Bigrams").
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file

from sentiment.config.linear import LinearConfig
from sentiment.text.normalise import TextNormaliser
from sentiment.errors import DataError
from sentiment.models.base import Probabilities, TextClassifier
from sentiment.models.folder import read_identity, write_identity, write_manifest
from sentiment.models.ngrams import NGramCounts, count_ngrams, ngrams

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

    from sentiment.data.reviews import Reviews  # loads `datasets`, which predicting has no use for

BATCH_TEXTS = 8_192
PARAMETERS = "linear.json"
WEIGHTS = "linear.safetensors"

# Chosen on NSMC's validation rows. Documents added to every n-gram's count, and the scale of an n-gram that is equally
# frequent in all classes: at zero such n-grams would be lost, at infinity the scaling would have no effect.
NB_SMOOTHING = 2.0
NB_FLOOR = 0.2


@dataclass(frozen=True)
class TfIdf:
    """A vocabulary of n-gram hashes in ascending order, and each one's inverse document frequency."""

    hashes: NDArray[np.uint64]
    idf: NDArray[np.float32]
    max_ngram: int

    @classmethod
    def fit(cls, counted: NGramCounts, *, max_ngram: int, min_df: int) -> Self:
        """Keep the n-grams that stand in at least `min_df` texts."""
        hashes, frequencies = np.unique(counted.hashes, return_counts=True)
        kept = frequencies >= min_df
        idf = np.log((counted.texts + 1) / (frequencies[kept] + 1)) + 1
        return cls(hashes[kept], idf.astype(np.float32), max_ngram)

    def entries(self, counted: NGramCounts) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
        """The non-zero entries of the matrix texts by n-grams: rows, columns, values.

        As scikit-learn's TfidfVectorizer with sublinear_tf: (1 + log count) * idf, each row of Euclidean length 1.
        """
        columns = np.searchsorted(self.hashes, counted.hashes)
        known = self.hashes[np.minimum(columns, len(self.hashes) - 1)] == counted.hashes
        rows, columns = counted.rows[known], columns[known]
        values = (1 + np.log(counted.counts[known])) * self.idf[columns]
        lengths = np.sqrt(np.bincount(rows, weights=values**2, minlength=counted.texts))
        return rows, columns, values / lengths[rows]


class LinearClassifier(TextClassifier):
    """Logits are linear in TF-IDF: `coefficients` (n-grams, outputs) and `intercepts` (outputs), calibration included.

    Two labels have one output, the logit of the second; more have one each.
    """

    kind: ClassVar[str] = "linear"

    def __init__(
        self,
        tfidf: TfIdf,
        coefficients: NDArray[np.float32],
        intercepts: NDArray[np.float64],
        labels: Sequence[str],
        normaliser: TextNormaliser,
    ) -> None:
        super().__init__(labels, normaliser)
        self.tfidf = tfidf
        self.coefficients = coefficients
        self.intercepts = intercepts

    def predict_proba(self, texts: Sequence[str]) -> Probabilities:
        """Probabilities of shape (len(texts), len(labels)). A text without a known n-gram gets the intercept's."""
        probabilities = np.empty((len(texts), len(self.labels)), dtype=np.float32)
        for start in range(0, len(texts), BATCH_TEXTS):
            batch = self.normaliser.normalise(texts[start : start + BATCH_TEXTS])
            counted = count_ngrams(batch, self.tfidf.max_ngram)
            probabilities[start : start + len(batch)] = _softmax(self._logits(counted))
        return probabilities

    def explain(self, text: str) -> list[tuple[str, float]]:
        """The words of the normalised text, in order, with what each adds to the logit of the predicted label.

        An n-gram's share is spread evenly over its characters; a space counts for the word after it. With the
        intercept, the shares add up to the logit (of two labels, the predicted one's against the other's).
        """
        (clean,) = self.normaliser.normalise([text])
        if not clean:
            return []
        counted = count_ngrams([clean], self.tfidf.max_ngram)
        label = int(self._logits(counted).argmax())
        weights = self.coefficients[:, label] if len(self.labels) > 2 else self.coefficients[:, 0] * (2 * label - 1)
        _, columns, values = self.tfidf.entries(counted)
        known = np.isin(counted.hashes, self.tfidf.hashes[columns])
        shares = np.zeros(len(counted.hashes))
        shares[known] = values * weights[columns] / counted.counts[known]

        characters = np.zeros(len(clean) + 2)
        for n, (starts, hashes) in enumerate(ngrams([clean], self.tfidf.max_ngram), start=1):
            per_character = shares[np.searchsorted(counted.hashes, hashes)] / n
            for offset in range(n):
                np.add.at(characters, starts + offset, per_character)
        characters[-2] += characters[-1]  # the closing boundary belongs to the last word, the opening one to the first
        words = clean.split(" ")
        spans = np.array([len(word) + 1 for word in words])
        sums = np.add.reduceat(characters[:-1], np.cumsum(spans) - spans)
        return list(zip(words, sums.tolist(), strict=True))

    def save(self, folder: Path) -> None:
        """Write the identity, `linear.json` and `linear.safetensors`."""
        folder.mkdir(parents=True, exist_ok=True)
        write_identity(folder, self)
        (folder / PARAMETERS).write_text(json.dumps({"max_ngram": self.tfidf.max_ngram}) + "\n", encoding="utf-8")
        arrays = {
            "hashes": self.tfidf.hashes,
            "idf": self.tfidf.idf,
            "coefficients": self.coefficients,
            "intercepts": self.intercepts,
        }
        save_file(arrays, folder / WEIGHTS)
        write_manifest(folder)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read a model folder whose manifest has been verified."""
        labels, normaliser = read_identity(folder)
        parameters = json.loads((folder / PARAMETERS).read_text(encoding="utf-8"))
        arrays = load_file(folder / WEIGHTS)
        tfidf = TfIdf(arrays["hashes"], arrays["idf"], **parameters)
        return cls(tfidf, arrays["coefficients"], arrays["intercepts"], labels, normaliser)

    def _logits(self, counted: NGramCounts) -> NDArray[np.float64]:
        rows, columns, values = self.tfidf.entries(counted)
        # bincount adds in the order of the hashes, whatever else is in the batch: a text's result never depends on it.
        outputs = [
            np.bincount(rows, weights=values * weights[columns], minlength=counted.texts)
            for weights in self.coefficients.T
        ]
        logits: NDArray[np.float64] = np.stack(outputs, axis=1) + self.intercepts
        return np.hstack([np.zeros_like(logits), logits]) if len(self.labels) == 2 else logits


def train_linear(
    config: LinearConfig, train: "Reviews", validation: "Reviews", *, normaliser: TextNormaliser, seed: int
) -> LinearClassifier:
    """Fit on `train`, calibrate on `validation`; both hold normalised texts, and every label of theirs at least once.

    The calibration is logistic regression on the SVM's scores: Platt's sigmoid for two labels, matrix scaling (Guo and
    others 2017) for more. It is linear, so it is folded into the weights. The fit is not repeated with the validation
    rows added: the candidates are compared on them afterwards. Raises DataError when a label has no row.
    """
    from sklearn.linear_model import LogisticRegression

    targets = _targets(train, "training")
    validation_targets = _targets(validation, "validation")
    counted = count_ngrams(train.texts, config.max_ngram)
    tfidf = TfIdf.fit(counted, max_ngram=config.max_ngram, min_df=config.min_df)
    if not len(tfidf.hashes):
        raise DataError(f"No n-gram stands in {config.min_df} training texts.", "Give more rows or lower min_df.")
    features = _matrix(tfidf, counted)
    classes = range(len(train.labels)) if len(train.labels) > 2 else [1]
    fitted = [_one_versus_rest(features, targets == index, config, seed) for index in classes]
    coefficients = np.stack([weights for weights, _ in fitted], axis=1)
    intercepts = np.array([intercept for _, intercept in fitted])

    scores = _matrix(tfidf, count_ngrams(validation.texts, config.max_ngram)) @ coefficients + intercepts
    calibration = LogisticRegression(class_weight=config.class_weight).fit(scores, validation_targets)
    return LinearClassifier(
        tfidf,
        (coefficients @ calibration.coef_.T).astype(np.float32),
        calibration.coef_ @ intercepts + calibration.intercept_,
        train.labels,
        normaliser,
    )


def _one_versus_rest(
    features: "csr_matrix", targets: NDArray[np.bool_], config: LinearConfig, seed: int
) -> tuple[NDArray[np.float64], float]:
    from sklearn.svm import LinearSVC

    scale = _naive_bayes_scale(features, targets)
    scaled = features.copy()
    scaled.data *= scale[features.indices]
    # The dual solver's default tolerance of 1e-4 takes twice the time for the same validation accuracy.
    svm = LinearSVC(C=config.c, class_weight=config.class_weight, dual=True, tol=1e-2, random_state=seed)
    svm.fit(scaled, targets)
    weights: NDArray[np.float64] = svm.coef_[0] * scale
    return weights, float(svm.intercept_[0])


def _naive_bayes_scale(features: "csr_matrix", targets: NDArray[np.bool_]) -> NDArray[np.float64]:
    """The floor plus the absolute log ratio of an n-gram's frequency inside the class to that outside it."""
    inside_entries = np.repeat(targets, np.diff(features.indptr))
    total = np.bincount(features.indices, minlength=features.shape[1])
    inside = np.bincount(features.indices[inside_entries], minlength=features.shape[1]) + NB_SMOOTHING
    outside = total + 2 * NB_SMOOTHING - inside
    ratio: NDArray[np.float64] = np.log(inside / inside.sum()) - np.log(outside / outside.sum())
    return NB_FLOOR + np.abs(ratio)


def _matrix(tfidf: TfIdf, counted: NGramCounts) -> "csr_matrix":
    from scipy.sparse import csr_matrix

    rows, columns, values = tfidf.entries(counted)
    return csr_matrix((values, (rows, columns)), shape=(counted.texts, len(tfidf.hashes)))


def _targets(reviews: "Reviews", part: str) -> NDArray[np.int64]:
    targets: NDArray[np.int64] = reviews.frame()["label"].to_numpy()
    missing = sorted(set(range(len(reviews.labels))) - set(targets.tolist()))
    if missing:
        raise DataError(
            f"The {part} rows have no example of the label {reviews.labels[missing[0]]!r}.",
            "Add labelled rows, or give that part a larger share of the split.",
        )
    return targets


def _softmax(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    exponents = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(exponents / exponents.sum(axis=1, keepdims=True))
