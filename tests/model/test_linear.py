import random
import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from scipy.sparse import csr_matrix
from sklearn.feature_extraction.text import TfidfVectorizer

from sentiment.data.reviews import COLUMNS, Reviews
from sentiment.errors import DataError, SentimentError
from sentiment.kinds.linear import LinearConfig
from sentiment.models.folder import load_classifier
from sentiment.models.linear import BATCH_TEXTS, LinearClassifier, TfIdf
from sentiment.models.ngrams import count_ngrams, ngrams
from sentiment.text.normalise import TextNormaliser
from sentiment.training.linear import train_linear
from sentiment.training.majority import train_majority

LABELS = ("negative", "positive", "neutral")
CUES = {
    "negative": ["재미없어요", "최악이에요", "돈 아까워요", "terrible", "ㅠㅠ"],
    "positive": ["재밌어요", "최고예요", "추천합니다", "wonderful", "ㅋㅋㅋ"],
    "neutral": ["그저 그래요", "보통이에요", "무난해요", "average", "..."],
}
FILLER = ["영화", "배우가", "연기는", "스토리", "음악", "정말", "movie", "어제", "친구랑", "배송이"]
NORMALISER = TextNormaliser()
CONFIG = LinearConfig(name="linear")
ODD_TEXTS = ["", "   ", "𓀀𓁐", "재밌어요", "great movie 👍🏽", "ㅋ" * 500, "\0\0", "좋아요 " * 20_000, "<br>&amp;"]


def reviews(rows: int, *, shares: tuple[float, ...] = (0.5, 0.5), seed: int = 0) -> Reviews:
    draw = random.Random(seed)
    labels = draw.choices(range(len(shares)), weights=shares, k=rows)
    texts = [
        " ".join([*draw.choices(FILLER, k=draw.randint(1, 6)), draw.choice(CUES[LABELS[label]])]) for label in labels
    ]
    frame = pl.DataFrame({"id": [str(i) for i in range(rows)], "text": texts, "label": labels})
    missing = [pl.lit(None).alias(name) for name in COLUMNS if name not in frame.columns]
    return Reviews.from_frame(frame.with_columns(missing), LABELS[: len(shares)])


def trained(
    config: LinearConfig = CONFIG, *, shares: tuple[float, ...] = (0.5, 0.5), seed: int = 0
) -> LinearClassifier:
    train, validation = reviews(300, shares=shares), reviews(90, shares=shares, seed=1)
    return train_linear(config, train, validation, normaliser=NORMALISER, seed=seed)


@pytest.fixture(scope="module", params=[2, 3])
def classifier(request: pytest.FixtureRequest) -> LinearClassifier:
    return trained(shares=(1 / request.param,) * request.param)


def test_it_learns_the_labels(classifier: LinearClassifier) -> None:
    shares = (1 / len(classifier.labels),) * len(classifier.labels)
    held_out = reviews(120, shares=shares, seed=2)

    probabilities = classifier.predict_proba(held_out.texts)

    assert probabilities.dtype == np.float32
    assert np.mean(probabilities.argmax(axis=1) == held_out.frame()["label"].to_numpy()) > 0.95


def test_any_text_gets_probabilities_that_sum_to_one(classifier: LinearClassifier) -> None:
    probabilities = classifier.predict_proba(ODD_TEXTS)

    assert probabilities.shape == (len(ODD_TEXTS), len(classifier.labels))
    assert np.all(probabilities >= 0)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-6)
    assert classifier.predict_proba([]).shape == (0, len(classifier.labels))


def test_a_text_without_known_ngrams_gets_the_same_as_an_empty_one(classifier: LinearClassifier) -> None:
    empty, unknown = classifier.predict_proba(["", "𓀀𓁐"])

    np.testing.assert_array_equal(empty, unknown)


def test_the_classifier_normalises_itself(classifier: LinearClassifier) -> None:
    raw, clean = classifier.predict_proba(["  영화 <b>정말</b>\n재밌어요ㅋㅋㅋㅋㅋㅋㅋ ", "영화 정말 재밌어요ㅋㅋㅋ"])

    np.testing.assert_array_equal(raw, clean)


def test_single_texts_get_what_they_get_in_a_batch(classifier: LinearClassifier) -> None:
    texts = [*ODD_TEXTS, *reviews(50, seed=3).texts]

    singles = np.concatenate([classifier.predict_proba([text]) for text in texts])

    np.testing.assert_array_equal(singles, classifier.predict_proba(texts))


def test_batches_are_put_together_in_order() -> None:
    classifier = trained()
    texts = [f"영화 {CUES['positive' if i % 3 else 'negative'][0]}" for i in range(BATCH_TEXTS + 2)]

    predicted = classifier.predict_proba(texts).argmax(axis=1)

    np.testing.assert_array_equal(predicted, [int(i % 3 > 0) for i in range(len(texts))])


def test_a_saved_model_predicts_the_same_bits(classifier: LinearClassifier, tmp_path: Path) -> None:
    classifier.save(tmp_path / "model")
    loaded = load_classifier(tmp_path / "model")

    assert isinstance(loaded, LinearClassifier)
    assert loaded.labels == classifier.labels
    assert loaded.normaliser == classifier.normaliser
    texts = [*ODD_TEXTS, *reviews(50, seed=4).texts]
    np.testing.assert_array_equal(loaded.predict_proba(texts), classifier.predict_proba(texts))


def test_an_altered_model_is_refused(tmp_path: Path) -> None:
    trained().save(tmp_path)
    with (tmp_path / "linear.safetensors").open("r+b") as weights:
        weights.seek(-1, 2)
        weights.write(b"\x7f")

    with pytest.raises(SentimentError, match=r"does not match its manifest: linear\.safetensors"):
        load_classifier(tmp_path)


def test_training_is_deterministic(tmp_path: Path) -> None:
    for name in ("first", "second"):
        trained(seed=7).save(tmp_path / name)

    assert (tmp_path / "first/manifest.json").read_bytes() == (tmp_path / "second/manifest.json").read_bytes()


def test_balanced_weights_find_more_of_a_rare_class() -> None:
    shares = (0.06, 0.94)
    cueless = reviews(300, shares=shares, seed=5).frame().with_columns(pl.col("text").str.slice(0, 12))
    train, validation = (Reviews.from_frame(part, LABELS[:2]) for part in (cueless[:200], cueless[200:]))
    texts = reviews(200, seed=6).texts

    def rare_found(config: LinearConfig) -> int:
        classifier = train_linear(config, train, validation, normaliser=NORMALISER, seed=0)
        return int((classifier.predict_proba(texts)[:, 0] > 0.5).sum())

    assert rare_found(CONFIG.model_copy(update={"class_weight": "balanced"})) > rare_found(CONFIG) + 10


def test_probabilities_are_calibrated_on_the_validation_rows() -> None:
    train = reviews(400)
    half_wrong = reviews(400, seed=8).frame().with_columns(label=pl.int_range(pl.len()) % 2)
    noise = Reviews.from_frame(half_wrong, LABELS[:2])

    classifier = train_linear(CONFIG, train, noise, normaliser=NORMALISER, seed=0)

    confidence = classifier.predict_proba(reviews(100, seed=9).texts).max(axis=1)
    assert confidence.mean() < 0.6
    assert trained().predict_proba(reviews(100, seed=9).texts).max(axis=1).mean() > 0.8


@pytest.mark.parametrize(("part", "name"), [(0, "training"), (1, "validation")])
def test_a_label_without_rows_is_an_error(part: int, name: str) -> None:
    parts = [reviews(50), reviews(50, seed=1)]
    parts[part] = Reviews.from_frame(parts[part].frame().filter(pl.col("label") == 1), LABELS[:2])

    with pytest.raises(DataError, match=f"The {name} rows have no example of the label 'negative'"):
        train_linear(CONFIG, *parts, normaliser=NORMALISER, seed=0)


def test_no_frequent_ngram_is_an_error() -> None:
    with pytest.raises(DataError, match="No n-gram occurs in 1000 of the"):
        trained(LinearConfig(name="linear", min_df=1000))


def test_explanations_add_up_to_the_logit(classifier: LinearClassifier) -> None:
    for text in ["영화 정말 재밌어요 추천합니다", "배송이 terrible", "굿", "재밌어요 재밌어요"]:
        explanation = classifier.explain(text)
        (probabilities,) = classifier.predict_proba([text]).astype(float)
        label = probabilities.argmax()

        assert [word for word, _ in explanation] == text.split()
        total = sum(share for _, share in explanation)
        if len(classifier.labels) == 2:
            sign = 2 * label - 1
            logit = np.log(probabilities[label] / probabilities[1 - label])
            assert total + sign * classifier.intercepts[0] == pytest.approx(logit, abs=1e-4)
        else:
            logits = classifier._logits(count_ngrams([text], classifier.tfidf.max_ngram))
            assert total + classifier.intercepts[label] == pytest.approx(logits.max(), abs=1e-4)


def test_the_cue_word_explains_most() -> None:
    explanation = trained().explain("어제 친구랑 영화 최악이에요 스토리")

    assert max(explanation, key=lambda pair: pair[1])[0] == "최악이에요"
    assert trained().explain(" ") == []


def test_ngrams_are_those_of_scikit_learn_and_the_ones_at_the_boundaries() -> None:
    texts = ["재밌다 재밌다", "", "a", "좋아요👍", "ab ab abab"]
    marked = [f"\0{text}\0" for text in texts]
    reference = TfidfVectorizer(analyzer="char", ngram_range=(1, 4), lowercase=False, sublinear_tf=True).fit(marked)
    # scikit-learn counts the boundary itself as a 1-gram.
    inner = [index for gram, index in reference.vocabulary_.items() if gram != "\0"]

    counted = count_ngrams(texts, 4)
    tfidf = TfIdf.fit(counted, max_ngram=4, min_df=1)
    rows, columns, values = tfidf.entries(counted)
    ours = csr_matrix((values, (rows, columns)), shape=(len(texts), len(tfidf.hashes)))

    expected = reference.set_params(norm=None).transform(marked)[:, inner].toarray()
    lengths = np.linalg.norm(expected, axis=1, keepdims=True)
    lengths[lengths == 0] = 1
    expected /= lengths
    assert ours.shape == expected.shape
    np.testing.assert_allclose(
        np.sort(ours.toarray(), axis=1), np.sort(expected, axis=1), atol=1e-6
    )  # same values in each text, whatever the order of the columns
    np.testing.assert_allclose((ours @ ours.T).toarray(), expected @ expected.T, atol=1e-6)


def test_ngrams_never_cross_texts() -> None:
    separate = {(n, h) for text in ("가나", "다라") for n, (_, hs) in enumerate(ngrams([text], 5)) for h in hs.tolist()}
    together = {(n, h) for n, (_, hashes) in enumerate(ngrams(["가나", "다라"], 5)) for h in hashes.tolist()}

    assert separate == together


def test_predicting_imports_no_training_library(tmp_path: Path) -> None:
    trained().save(tmp_path)
    script = (
        "import sys; from pathlib import Path; from sentiment.models.folder import load_classifier\n"
        "print(load_classifier(Path(sys.argv[1])).predict_proba(['재밌어요']).shape)\n"
        "print(sorted({'sklearn', 'scipy', 'datasets', 'torch', 'transformers'} & sys.modules.keys()))"
    )

    done = subprocess.run([sys.executable, "-c", script, tmp_path], capture_output=True, text=True, check=True)

    assert done.stdout.splitlines() == ["(1, 2)", "[]"]


def test_the_majority_classifier_answers_with_the_training_shares(tmp_path: Path) -> None:
    train = reviews(200, shares=(0.25, 0.75))
    classifier = train_majority(train, normaliser=NORMALISER)
    share = train.frame()["label"].mean()

    probabilities = classifier.predict_proba(["최악", ""])
    classifier.save(tmp_path)

    np.testing.assert_allclose(probabilities, [[1 - share, share]] * 2, rtol=1e-6)
    np.testing.assert_array_equal(load_classifier(tmp_path).predict_proba(["최악", ""]), probabilities)
