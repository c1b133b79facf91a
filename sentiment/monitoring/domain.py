"""A classifier that tries to tell the window's texts from the reference's, and what gives the window away.

If it can, the texts differ, whatever the difference is: the classifier two-sample test (Lopez-Paz & Oquab 2017,
Revisiting Classifier Two-Sample Tests). Its area under the ROC curve is an effect size: 0.5 is guessing, 1 is certain.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
from numpy.typing import NDArray

from sentiment.models.linear import TfIdf
from sentiment.models.ngrams import count_ngrams, ngrams
from sentiment.stored import Frozen
from sentiment.text.hashing import fractions

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix
    from sklearn.linear_model import LogisticRegression

FOLDS = 5
LONGEST_NGRAM = 4
# An n-gram of fewer texts says little, and might be somebody's name.
FEWEST_TEXTS = 5
CANDIDATE_TERMS = 200
TERMS = 15
_WEAK_PENALTY = 10.0


class Term(Frozen):
    """A character n-gram typical of the window, and the shares of texts that have it."""

    text: str
    reference: float
    window: float


class Separation(Frozen):
    """How well the texts can be told apart: the mean AUC over `FOLDS` folds, and terms, the most typical first."""

    auc: float
    terms: tuple[Term, ...]


def separate(reference: pl.Series, window: pl.Series, *, seed: int) -> Separation:
    """Train on four fifths, judge on the rest, five times. Equal texts share a fold: none is judged that was learnt.

    Both sides need some hundred texts. Where no n-gram is shared by enough of them, nothing can be told: 0.5.
    """
    from scipy.sparse import csr_matrix
    from sklearn.metrics import roc_auc_score

    texts = pl.concat([reference, window])
    listed = texts.to_list()
    is_window = np.arange(len(texts)) >= len(reference)
    counted = count_ngrams(listed, LONGEST_NGRAM)
    tfidf = TfIdf.fit(counted, max_ngram=LONGEST_NGRAM, min_df=FEWEST_TEXTS)
    if not len(tfidf.hashes):
        return Separation(auc=0.5, terms=())
    rows, columns, values = tfidf.entries(counted)
    features = csr_matrix((values, (rows, columns)), shape=(len(texts), len(tfidf.hashes)))
    fold = (fractions(texts, str(seed)).to_numpy() * FOLDS).astype(int)
    areas = []
    for held_out in (fold == number for number in range(FOLDS)):
        model = _fit(features[~held_out], is_window[~held_out])
        areas.append(roc_auc_score(is_window[held_out], model.decision_function(features[held_out])))
    frequency = features > 0
    lift = (1 + np.asarray(frequency[is_window].sum(axis=0))) / (1 + np.asarray(frequency[~is_window].sum(axis=0)))
    telling = _fit(features, is_window).coef_[0] * np.log(lift.ravel())
    best = np.argsort(-telling)[:CANDIDATE_TERMS]
    return Separation(auc=float(np.mean(areas)), terms=_terms(tfidf.hashes[best], listed, is_window))


def _fit(features: "csr_matrix", is_window: NDArray[np.bool_]) -> "LogisticRegression":
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(C=_WEAK_PENALTY, solver="liblinear", random_state=0).fit(features, is_window)


def _terms(hashes: NDArray[np.uint64], texts: Sequence[str], is_window: NDArray[np.bool_]) -> tuple[Term, ...]:
    """The n-grams behind `hashes`, in their order, leaving out those that overlap with an earlier one."""
    spelled = _spell(hashes, texts)
    chosen: list[str] = []
    for text in (spelled[value].strip() for value in hashes.tolist() if value in spelled):
        if len(text) > 1 and not any(text in other or other in text for other in chosen):
            chosen.append(text)
    column = pl.Series(texts)
    shares = [(text, column.str.contains(text, literal=True).to_numpy()) for text in chosen[:TERMS]]
    return tuple(
        Term(text=text, reference=has[~is_window].mean(), window=has[is_window].mean()) for text, has in shares
    )


def _spell(hashes: NDArray[np.uint64], texts: Sequence[str]) -> dict[int, str]:
    joined = "\0" + "".join([f"{text}\0" for text in texts])
    spelled: dict[int, str] = {}
    for length, (starts, found) in enumerate(ngrams(texts, LONGEST_NGRAM), start=1):
        known, first = np.unique(found, return_index=True)
        wanted = np.isin(known, hashes)
        for value, start in zip(known[wanted].tolist(), starts[first[wanted]].tolist(), strict=True):
            spelled[value] = joined[start : start + length].strip("\0")
    return spelled
