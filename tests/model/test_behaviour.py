"""Behavioural tests of a trained model in CheckList's three kinds (Ribeiro and others 2020, "Beyond Accuracy").

The model is the linear one trained on the bundled sample, as a fresh machine gets it. Thresholds are shares of cases:
a model of a few thousand rows errs, and a test that tolerates nothing would only test the threshold.
"""

from collections.abc import Callable, Sequence
from datetime import date

import numpy as np
import pytest
from numpy.typing import NDArray

from sentiment.config.dataset import DatasetConfig, SplitConfig
from sentiment.data.clean import clean
from sentiment.data.read import read
from sentiment.data.reviews import Splits
from sentiment.data.split import split
from sentiment.kinds.linear import LinearConfig
from sentiment.models.linear import LinearClassifier
from sentiment.text.normalise import TextNormaliser
from sentiment.training.linear import train_linear
from sentiment.training.majority import train_majority

PLAIN_POSITIVE = [
    "재밌어요 추천합니다",
    "정말 재밌게 봤어요",
    "배우들 연기가 최고예요",
    "감동적이고 좋았어요",
    "배송 빠르고 품질 좋아요",
    "아주 만족합니다",
    "가성비 최고 또 살게요",
    "great movie",
    "I loved it, highly recommend",
    "excellent quality, works perfectly",
    "best film I have seen this year",
    "very happy with this purchase",
]
PLAIN_NEGATIVE = [
    "돈 아까워요",
    "정말 재미없고 지루해요",
    "시간 낭비했어요",
    "최악의 영화",
    "연기가 너무 어색하고 실망이에요",
    "금방 고장났어요 환불하고 싶어요",
    "품질이 엉망이에요 비추합니다",
    "terrible waste of money",
    "boring and way too long",
    "broke after two days, very disappointed",
    "worst purchase ever",
    "do not buy this",
]


# What people type first into a demonstration, and its relatives: plain verdicts, negated ones, and those with jamo.
TYPED_FIRST = {"not good": 0, "not bad": 1, "this sucks": 0, "별로": 0, "나쁘지 않아요": 1}
SHORT_POSITIVE = [
    "not bad, honestly",
    "this wasn't bad at all",
    "hey, not bad",
    "the food was not bad",
    "I was not bored at all",
    "loving it!!",
    "we really love this",
    "so good omg",
    "pretty nice",
    "no complaints from me",
    "I'd recommend this",
    "doesn't disappoint at all",
    "나쁘지 않던데요",
    "맛도 나쁘지 않아요",
    "가격이 나쁘지 않네요",
    "생각보다 나쁘지 않았어요",
    "그럭저럭 괜찮네요 추천해요",
    "진짜 괜찮아요",
    "전혀 지루하지 않았습니다",
    "돈이 안 아까워요",
    "ㅋㅋㅋ 너무 좋아요",
    "완전 좋아요 ㅎㅎ",
    "친구한테 추천했어요",
    "다들 만족합니다",
]
SHORT_NEGATIVE = [
    "not good, sorry",
    "this is just not good",
    "it wasn't very good",
    "isn't good at all",
    "not great, honestly",
    "wow this sucks",
    "this thing sucks so much",
    "we don't like it",
    "I really didn't like it",
    "not recommended, sorry",
    "can't recommend it",
    "it's the worst",
    "별로네",
    "별로던데요",
    "맛이 별로예요",
    "디자인이 별로네요",
    "생각보다 별로였어요",
    "ㅠㅠ 진짜 별로",
    "그닥 좋지 않아요",
    "하나도 안 좋았어요",
    "추천하고 싶지 않아요",
    "최악이었어요",
    "너무 재미없어요 ㅠㅠ",
    "만족스럽지 않네요",
]


@pytest.fixture(scope="module")
def splits() -> Splits:
    config = DatasetConfig(name="sample", path="data/sample/reviews.csv", created_before=date(2025, 1, 1))
    given, _ = read(config)
    cleaned, _ = clean(given, TextNormaliser())
    return split(cleaned, SplitConfig())


@pytest.fixture(scope="module")
def model(splits: Splits) -> LinearClassifier:
    config = LinearConfig(name="linear")
    return train_linear(config, splits.train, splits.validation, normaliser=TextNormaliser(), seed=42)


@pytest.fixture(scope="module")
def korean(splits: Splits) -> list[str]:
    frame = splits.test.frame()
    return frame.filter(frame["language"] == "ko")["text"].to_list()


@pytest.fixture(scope="module")
def english(splits: Splits) -> list[str]:
    frame = splits.test.frame()
    return frame.filter(frame["language"] == "en")["text"].to_list()


def positive(model: LinearClassifier, texts: Sequence[str]) -> NDArray[np.float32]:
    return model.predict_proba(texts)[:, model.labels.index("positive")]


def share_unchanged(model: LinearClassifier, texts: Sequence[str], change: Callable[[str], str]) -> float:
    before, after = positive(model, texts), positive(model, [change(text) for text in texts])
    return float(np.mean((before > 0.5) == (after > 0.5)))


def test_it_is_much_better_than_the_majority(model: LinearClassifier, splits: Splits) -> None:
    truth = splits.test.frame()["label"].to_numpy()
    majority = train_majority(splits.train, normaliser=TextNormaliser())

    def accuracy(probabilities: NDArray[np.float32]) -> float:
        return float(np.mean(probabilities.argmax(axis=1) == truth))

    assert accuracy(model.predict_proba(splits.test.texts)) > 0.75
    assert accuracy(majority.predict_proba(splits.test.texts)) < 0.65


# Minimum functionality: plain cases that nobody would argue about.


@pytest.mark.parametrize("text", ["재밌어요 추천합니다", "great movie"])
def test_plain_praise_is_positive(model: LinearClassifier, text: str) -> None:
    assert positive(model, [text])[0] > 0.5


@pytest.mark.parametrize("text", ["돈 아까워요", "terrible waste of money"])
def test_plain_complaints_are_negative(model: LinearClassifier, text: str) -> None:
    assert positive(model, [text])[0] < 0.5


def test_most_plain_cases_are_right(model: LinearClassifier) -> None:
    assert np.mean(positive(model, PLAIN_POSITIVE) > 0.5) >= 0.9
    assert np.mean(positive(model, PLAIN_NEGATIVE) < 0.5) >= 0.9


@pytest.mark.parametrize(("text", "label"), TYPED_FIRST.items())
def test_what_people_type_first_is_right(model: LinearClassifier, text: str, label: int) -> None:
    assert model.predict_proba([text])[0, label] > 0.5


def test_most_short_plain_lines_are_right_that_no_row_of_the_sample_is(model: LinearClassifier, splits: Splits) -> None:
    known = {text.lower().rstrip("!.") for text in splits.frame()["text"]}
    assert not known & {text.lower().rstrip("!.") for text in SHORT_POSITIVE + SHORT_NEGATIVE}
    right = positive(model, SHORT_POSITIVE) > 0.5, positive(model, SHORT_NEGATIVE) < 0.5
    assert min(np.mean(right[0]), np.mean(right[1])) >= 0.85, [
        text for text, hit in zip(SHORT_POSITIVE + SHORT_NEGATIVE, np.concatenate(right), strict=True) if not hit
    ]


# Invariance: what does not change the meaning should not change the label.


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda text: f"  {text}\n\n", id="white space around"),
        pytest.param(lambda text: text.replace(" ", " \t  "), id="white space inside"),
        pytest.param(lambda text: f"<p>{text}</p><br/>", id="markup"),
        pytest.param(lambda text: f"\ufeff{text}\u200b", id="invisible characters"),
    ],
)
def test_what_the_normaliser_removes_changes_no_label(
    model: LinearClassifier, korean: list[str], english: list[str], change: Callable[[str], str]
) -> None:
    assert share_unchanged(model, korean + english, change) == 1.0


@pytest.mark.parametrize(
    ("change", "at_least"),
    [
        pytest.param(lambda text: f"{text}.", 0.95, id="full stop"),
        pytest.param(lambda text: text.replace(",", ""), 0.95, id="no commas"),
        pytest.param(lambda text: text.rstrip(".!"), 0.95, id="no closing mark"),
    ],
)
def test_punctuation_changes_few_labels(
    model: LinearClassifier, korean: list[str], english: list[str], change: Callable[[str], str], at_least: float
) -> None:
    assert share_unchanged(model, korean + english, change) >= at_least


@pytest.mark.parametrize("name", ["김민수", "이서연", "박지훈"])
def test_korean_names_change_few_labels(model: LinearClassifier, korean: list[str], name: str) -> None:
    assert share_unchanged(model, korean, lambda text: f"{name} {text}") >= 0.9


@pytest.mark.parametrize("name", ["Emma", "Carlos", "Priya"])
def test_english_names_change_few_labels(model: LinearClassifier, english: list[str], name: str) -> None:
    assert share_unchanged(model, english, lambda text: f"{name}: {text}") >= 0.9


# Direction: what makes a text worse or better should move its probability that way.


@pytest.mark.parametrize(
    ("language", "phrase", "direction"),
    [
        ("korean", "정말 최악이에요", -1),
        ("korean", "돈 아까워요", -1),
        ("korean", "정말 재밌어요 추천합니다", 1),
        ("english", "It was terrible.", -1),
        ("english", "What a waste of money.", -1),
        ("english", "I loved it.", 1),
    ],
)
def test_a_clear_phrase_moves_the_probability_its_way(
    model: LinearClassifier, request: pytest.FixtureRequest, language: str, phrase: str, direction: int
) -> None:
    texts = request.getfixturevalue(language)

    moved = direction * (positive(model, [f"{text} {phrase}" for text in texts]) - positive(model, texts))

    assert np.mean(moved > 0) >= 0.95


def test_explanations_name_the_words_that_decide(model: LinearClassifier) -> None:
    explanation = model.explain("주말에 봤는데 지루하고 최악이에요")

    assert max(explanation, key=lambda pair: pair[1])[0] in {"지루하고", "최악이에요"}
