"""Training the linear classifier: TF-IDF, a linear SVM on features scaled by Naive Bayes, and its calibration."""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from sentiment.data.names import counted as counted_of
from sentiment.data.reviews import Reviews
from sentiment.errors import OR, DataError, option
from sentiment.kinds.linear import LinearConfig
from sentiment.models.linear import LinearClassifier, TfIdf
from sentiment.models.ngrams import NGramCounts, count_ngrams
from sentiment.text.normalise import TextNormaliser

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

# Chosen on NSMC's validation rows. Documents added to every n-gram's count, and the scale of an n-gram that is equally
# frequent in all classes: at zero such n-grams would be lost, at infinity the scaling would have no effect.
NB_SMOOTHING = 2.0
NB_FLOOR = 0.2


def train_linear(
    config: LinearConfig,
    train: Reviews,
    validation: Reviews,
    *,
    normaliser: TextNormaliser,
    seed: int,
    **_: object,  # work_dir and log: it is done in seconds and has no curves
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
        raise DataError(
            f"No n-gram occurs in {config.min_df} of the {counted_of(len(train), 'training text')}.",
            f"Take rarer ones as well: {option(f'candidates.{config.name}.min_df', 1)}",
        )
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


def _targets(reviews: Reviews, part: str) -> NDArray[np.int64]:
    targets: NDArray[np.int64] = reviews.frame()["label"].to_numpy()
    missing = sorted(set(range(len(reviews.labels))) - set(targets.tolist()))
    if missing:
        raise DataError(
            f"The {part} rows have no example of the label {reviews.labels[missing[0]]!r}.",
            f"Hold more rows out: {option('split.validation', 0.2)}{OR}Add rows with that label: some dozen are needed",
        )
    return targets
