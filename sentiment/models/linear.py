"""The linear classifier: character n-gram TF-IDF and a linear SVM whose features are scaled by Naive Bayes.

It needs no tokenizer, so Korean spacing and spelling do not matter much, and it is the baseline of every comparison.
Scaling each n-gram by its log-count ratio is NB-SVM (Wang and Manning 2012, "Baselines and Bigrams").
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file

from sentiment.models.base import TextClassifier
from sentiment.models.folder import read_identity
from sentiment.models.ngrams import NGramCounts, count_ngrams, ngrams
from sentiment.stats import Probabilities
from sentiment.text.normalise import TextNormaliser

BATCH_TEXTS = 8_192
PARAMETERS = "linear.json"
WEIGHTS = "linear.safetensors"


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

    def write(self, folder: Path) -> None:
        """Write `linear.json` and `linear.safetensors`."""
        (folder / PARAMETERS).write_text(json.dumps({"max_ngram": self.tfidf.max_ngram}) + "\n", encoding="utf-8")
        arrays = {
            "hashes": self.tfidf.hashes,
            "idf": self.tfidf.idf,
            "coefficients": self.coefficients,
            "intercepts": self.intercepts,
        }
        save_file(arrays, folder / WEIGHTS)

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


def _softmax(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    exponents = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(exponents / exponents.sum(axis=1, keepdims=True))
