"""`Message`: what is said to people, as a code with its figures; `say` writes it out in English or Korean.

What is stored is the code and the figures, so that a page, a report, an alert and the terminal say the same, each in
its reader's language. How a number, a share, a time or a Korean particle is written is decided here alone.
"""

import os
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from string import Formatter
from typing import Any, Final, Literal, Union, get_args

from pydantic import Field

from sentiment.errors import ConfigError
from sentiment.stored import Frozen

Language = Literal["en", "ko"]
LANGUAGES: Final[tuple[Language, ...]] = get_args(Language)
LANGUAGE_VARIABLE: Final = "SENTIMENT_LANG"
Scalar = str | int | float | bool | None
Value = Union[Scalar, "Message", "tuple[Message | str, ...]"]


class Message(Frozen):
    """A `code` of `SENTENCES` with the values of its places; a value may be a message, or several."""

    code: str
    values: Mapping[str, Value] = Field(default_factory=dict)


def language() -> Language:
    """The terminal's and the alerts' language: `SENTIMENT_LANG`, as `ko` or `ko_KR.UTF-8`; English when it is not set.

    Raises ConfigError for any other language.
    """
    wanted = os.environ.get(LANGUAGE_VARIABLE, "").strip().lower() or "en"
    for known in LANGUAGES:
        if wanted.replace("-", "_").split("_")[0].split(".")[0] == known:
            return known
    raise ConfigError(f"{LANGUAGE_VARIABLE} is neither en nor ko.", f"export {LANGUAGE_VARIABLE}=ko")


def say(message: Message | str, spoken: Language = "en") -> str:
    """The message in words. A sentence that an earlier version stored, and an unknown code, stay as they are."""
    if isinstance(message, str):
        return message
    sentences = SENTENCES.get(message.code)
    if sentences is None:
        figures = ", ".join(f"{name} {_Writer(spoken).plain(value)}" for name, value in message.values.items())
        return f"{message.code}: {figures}" if figures else message.code
    return _Writer(spoken).vformat(sentences[LANGUAGES.index(spoken)], (), message.values)


def named(kind: str, name: str, otherwise: str | None = None) -> Message | str:
    """The name of one of a kind, such as a label or a drift test: `name` or `otherwise` where nobody translated it."""
    code = f"{kind}.{name}"
    return Message(code=code) if code in SENTENCES else name if otherwise is None else otherwise


def sentences(*parts: Message) -> Message:
    """Several messages, one after the other."""
    return parts[0] if len(parts) == 1 else Message(code="sentences", values={"parts": parts})


class _Writer(Formatter):
    """Fills the places of a sentence. What may be behind the colon of a place:

    `n` a count, `n|row|rows` with its noun, `|does|do` a word for one or for many; `%` a share, `g` a number with three
    digits that count, `time` a moment; `은/는` the particle that fits the word before; for several values what is put
    between them.
    """

    def __init__(self, spoken: Language) -> None:
        self._spoken = spoken

    def get_value(self, key: int | str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        return kwargs[str(key)]

    def plain(self, value: Value, between: str = ", ") -> str:
        if isinstance(value, tuple | list):
            return between.join(say(each, self._spoken) for each in value)
        if isinstance(value, Message):
            return say(value, self._spoken)
        if isinstance(value, bool):
            return say(Message(code="yes" if value else "no"), self._spoken)
        return "–" if value is None else str(value)

    def format_field(self, value: Any, format_spec: str) -> str:
        kind, *nouns = format_spec.split("|")
        if value is None or not format_spec or isinstance(value, tuple | list):
            return self.plain(value, format_spec or ", ")
        if nouns:
            noun = nouns[value != 1]
            return f"{value:,} {noun}" if kind else noun
        if _is_hangul(kind[0]):
            text = self.plain(value)
            return text + particle(text, kind)
        return KINDS[kind](value) if kind in KINDS else format(value, format_spec)


def percent(share: float) -> str:
    """23.7%, 0.3%, 0.04%: one decimal, and a second where one would say zero."""
    return f"{share:.2%}" if 0 < abs(share) < 0.001 else f"{share:.1%}"


def number(value: float) -> str:
    """1,234, 34.1, 0.25: at least three digits that count."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def moment(time: str) -> str:
    """The ISO time as 2026-01-05 12:00 UTC."""
    return f"{datetime.fromisoformat(time).astimezone(UTC):%Y-%m-%d %H:%M} UTC"


KINDS: Final[dict[str, Callable[[Any], str]]] = {"n": "{:,}".format, "%": percent, "g": number, "time": moment}


_IN_BRACKETS: Final = re.compile(r"\([^)]*\)$")  # what nobody reads aloud


def particle(word: str, pair: str) -> str:
    """Of `은/는`, `이/가`, `을/를`, `과/와`, `으로/로` the one that fits the sound at the end of `word`."""
    after_consonant, after_vowel = pair.split("/")
    read = _IN_BRACKETS.sub("", word) or word
    end = next((each for each in reversed(read) if each.isalnum() or each == "%"), "")
    sound = _final_sound(end)
    if after_consonant == "으로":
        return after_consonant if sound not in {"", "ㄹ"} else after_vowel
    return after_consonant if sound else after_vowel


_DIGITS: Final = dict(zip("0123456789", ("ㅇ", "ㄹ", "", "ㅁ", "", "", "ㄱ", "ㄹ", "ㄹ", ""), strict=True))
_LETTERS: Final = {"l": "ㄹ", "m": "ㅁ", "n": "ㄴ", "b": "ㅂ", "c": "ㄱ", "k": "ㄱ", "p": "ㅂ", "t": "ㅅ"}


def _final_sound(end: str) -> str:
    """The consonant that the character ends with when it is read; "" for a vowel."""
    if "가" <= end <= "힣":
        final = (ord(end) - ord("가")) % 28
        return "" if not final else "ㄹ" if final == 8 else "ㄴ"
    return _DIGITS.get(end) or _LETTERS.get(end.lower(), "")


def _is_hangul(character: str) -> bool:
    return "가" <= character <= "힣"


# By code: English, Korean. Both have the same places.
SENTENCES: Final[dict[str, tuple[str, str]]] = {
    "sentences": ("{parts: }", "{parts: }"),
    "yes": ("yes", "예"),
    "no": ("no", "아니요"),
    "none": ("none", "없음"),
    # What drift is looked for in.
    "test.length": ("length in characters", "글자 수"),
    "test.words": ("words", "단어 수"),
    "test.jamo": ("share of single jamo", "자모 단독 비율(ㅋㅋ, ㅠㅠ)"),
    "test.laughs": ("texts with ㅋ", "ㅋ이 있는 텍스트"),
    "test.laughter": ("longest run of ㅋ", "ㅋ 연속 길이"),
    "test.cries": ("texts with ㅠ or ㅜ", "ㅠ·ㅜ가 있는 텍스트"),
    "test.latin": ("share of Latin letters", "로마자 비율"),
    "test.digits": ("share of digits", "숫자 비율"),
    "test.emoji": ("share of emoji", "이모지 비율"),
    "test.punctuation": ("share of punctuation", "문장부호 비율"),
    "test.odd": ("share of odd characters", "깨진 글자 비율"),
    "test.unseen": ("share of unseen character n-grams", "미등록 n-gram 비율"),
    "test.language": ("language", "언어"),
    "test.label": ("predicted label", "예측 라벨"),
    "test.confidence": ("confidence", "신뢰도"),
    "test.domain": ("texts, told apart by n-grams", "텍스트 전체(n-gram)"),
    "test.empty": ("empty texts", "빈 텍스트"),
    "test.repeated": ("repeated texts", "중복 텍스트"),
    "test.too_long": ("texts too long to compare", "비교하기에 너무 긴 텍스트"),
    "language.ko": ("Korean", "한국어"),
    "language.en": ("English", "영어"),
    "language.other": ("other", "기타"),
    "label.positive": ("positive", "긍정"),
    "label.negative": ("negative", "부정"),
    "label.neutral": ("neutral", "중립"),
    "origin.endpoint": ("the endpoint", "서버"),
    "origin.batch": ("batches", "배치"),
    "origin.page": ("the page", "페이지"),
    # What moved, from before to after.
    "moved.share": ("{what} {before:%} → {after:%}", "{what} {before:%} → {after:%}"),
    "moved.number": ("{what} {before:g} → {after:g}", "{what} {before:g} → {after:g}"),
    "moved.value": ("{what} “{value}” {before:%} → {after:%}", "{what} ‘{value}’ {before:%} → {after:%}"),
    "moved.range": (
        "{what}, in 8 of 10 texts: {before_low:g}–{before_high:g} → {after_low:g}–{after_high:g}",
        "{what}(텍스트의 80%): {before_low:g}~{before_high:g} → {after_low:g}~{after_high:g}",
    ),
    "moved.share_range": (
        "{what}, in 8 of 10 texts: {before_low:%}–{before_high:%} → {after_low:%}–{after_high:%}",
        "{what}(텍스트의 80%): {before_low:%}~{before_high:%} → {after_low:%}~{after_high:%}",
    ),
    "moved.words": ("new: {words}", "새 단어: {words}"),
    "moved.texts": (
        "a classifier tells new texts from the training data’s in {auc:%} of pairs (50% is guessing)",
        "분류기가 새 텍스트와 학습 데이터를 {auc:%} 구별합니다(50%는 우연)",
    ),
    "moved.limit": ("{what} {after:%} (threshold {limit:%})", "{what} {after:%}(임계값 {limit:%})"),
    "moved.effect": ("{what} {effect:.2f} (threshold {threshold:.2f})", "{what} {effect:.2f}(임계값 {threshold:.2f})"),
    # The verdict on drift.
    "drift.found": (
        "Drift in {drifted:n} of {tests:n|test|tests} on {rows:n|row|rows}: {findings:; }.",
        "드리프트가 있습니다({rows:n}건, {tests:n}개 항목 중 {drifted:n}개 초과). {findings:; }.",
    ),
    "drift.found_and_more": (
        "Drift in {drifted:n} of {tests:n|test|tests} on {rows:n|row|rows}: {findings:; }; and {more:n} more.",
        "드리프트가 있습니다({rows:n}건, {tests:n}개 항목 중 {drifted:n}개 초과). {findings:; } 외 {more:n}개.",
    ),
    "drift.none": (
        "No drift: {tests:n|test|tests} on {rows:n|row|rows}, none above its threshold.",
        "드리프트가 없습니다({rows:n}건, {tests:n}개 항목 모두 임계값 이내).",
    ),
    "drift.unknown": (
        "Not enough data for a verdict: {texts:n|distinct text|distinct texts} to compare with {reference:n} of the "
        "reference, and {needed:n} are needed on both sides.",
        "판정하기에 데이터가 부족합니다. 서로 다른 텍스트 {texts:n}건을 기준 데이터 {reference:n}건과 비교했으며, "
        "양쪽 모두 {needed:n}건이 필요합니다.",
    ),
    "drift.of_source": ("From {source}: {verdict}", "{source}: {verdict}"),
    # The verdict on quality.
    "quality.drop": (
        "Accuracy dropped: {before:%} in the test → {after:%} [{low:%}, {high:%}] on {rows:n|label|labels}; a loss of "
        "{loss:%} is tolerated.",
        "정확도가 하락했습니다: 테스트 {before:%} → 현재 {after:%} [{low:%}, {high:%}], 라벨 "
        "{rows:n}건. 허용 하락 폭은 {loss:%}입니다.",
    ),
    "quality.ok": (
        "No drop of accuracy shown: {before:%} in the test → {after:%} [{low:%}, {high:%}] on {rows:n|label|labels}; a "
        "loss of {loss:%} is tolerated.",
        "정확도 하락이 확인되지 않았습니다: 테스트 {before:%} → 현재 {after:%} [{low:%}, {high:%}], 라벨 "
        "{rows:n}건. 허용 하락 폭은 {loss:%}입니다.",
    ),
    "quality.nothing": ("Nothing was predicted in the period.", "이 기간에는 예측이 없습니다."),
    "quality.few": (
        "Not enough labels for a verdict: {counted:n} of {needed:n}.",
        "판정하기에 라벨이 부족합니다: {needed:n}건 중 {counted:n}건.",
    ),
    "quality.biased": (
        "{rows:n} more {rows:|does|do} not count: they cover less than {coverage:.0%} of their day's rows (people "
        "correct more often than they confirm), or their callers are not trusted.",
        "다른 라벨 {rows:n}건은 정확도에 넣지 않습니다. 신뢰할 수 없는 호출자의 라벨이거나, 그날 예측의 {coverage:.0%} "
        "미만이기 때문입니다. 사람들은 맞을 때보다 틀렸을 때 더 자주 피드백을 보냅니다.",
    ),
    "quality.expected": (
        "Accuracy expected from the confidence: {estimate:%}.",
        "신뢰도로 추정한 정확도: {estimate:%}.",
    ),
    # Whether to retrain.
    "retrain.yes": (
        "Retrain: {why}; {labels:n|new label|new labels} to learn from.",
        "재학습합니다. {why}. 학습에 쓸 새 라벨은 {labels:n}건입니다.",
    ),
    "retrain.no": ("No retraining: {why}.", "재학습하지 않습니다. {why}."),
    "retrain.blocked": ("No retraining, though {why}: {obstacle}.", "재학습하지 않습니다. {why}. {obstacle}."),
    "retrain.asked": ("Retrain: {actor} asked for it.", "재학습합니다. {actor} 님이 요청했습니다."),
    "retrain.asked_though_paused": (
        "Retrain: {actor} asked for it, although it is paused.",
        "재학습합니다. 일시 중지 상태이지만 {actor} 님이 요청했습니다.",
    ),
    "retrain.asked_in_vain": (
        "No retraining, though {actor} asked for it: it is paused ({pause}).",
        "재학습하지 않습니다. {actor} 님이 요청했지만 일시 중지 상태입니다({pause}).",
    ),
    "retrain.started": ("Retraining started ({reason}).", "재학습을 시작했습니다({reason})."),
    "why.quality_drop": ("the quality has dropped", "품질이 하락했습니다"),
    "why.drift": ("the reviews have drifted", "리뷰에 드리프트가 있습니다"),
    "why.new_labels": ("there are {labels:n|new label|new labels}", "새 라벨이 {labels:n}건 있습니다"),
    "why.ignored": (
        "{found: and }, which the policy does not count as a reason",
        "{found:, }. 그러나 정책은 이를 재학습 사유로 보지 않습니다",
    ),
    "why.unknown": (
        "there is not enough data to judge drift or quality",
        "드리프트나 품질을 판정하기에 데이터가 부족합니다",
    ),
    "why.healthy": (
        "neither drift nor a drop in quality was found",
        "드리프트도 품질 하락도 발견되지 않았습니다",
    ),
    "blocked.paused": ("it is paused", "그러나 재학습이 일시 중지되어 있습니다"),
    "blocked.not_enough_labels": (
        "there are {labels:n|new label|new labels} and {needed:n} are needed",
        "그러나 새 라벨이 {labels:n}건이며 {needed:n}건이 필요합니다",
    ),
    "blocked.cooling_down": (
        "the last retraining is cooling down until {until:time}",
        "그러나 지난 재학습 후 대기 기간입니다({until:time}까지)",
    ),
    "blocked.over_budget": (
        "{started:n|retraining|retrainings} in {days:n|day|days} are as many as the policy allows",
        "그러나 {days:n}일 동안 {started:n}회로, 정책이 허용하는 횟수에 도달했습니다",
    ),
    "reason.quality_drop": ("quality dropped", "품질 하락"),
    "reason.drift": ("drift", "드리프트"),
    "reason.new_labels": ("new labels", "새 라벨"),
    "reason.forced": ("asked for", "수동 요청"),
    "reason.healthy": ("healthy", "양호"),
    "reason.not_enough_data": ("not enough data", "데이터 부족"),
    "reason.not_enough_labels": ("not enough labels", "라벨 부족"),
    "reason.cooling_down": ("cooling down", "대기 기간"),
    "reason.over_budget": ("over budget", "횟수 초과"),
    "reason.paused": ("paused", "일시 중지"),
    # The figures behind a decision.
    "figure.drift": ("drift", "드리프트"),
    "figure.quality": ("quality", "품질"),
    "figure.labels that passed the checks": ("labels that passed the checks", "검사를 통과한 라벨"),
    "figure.new labels": ("new labels", "새 라벨"),
    "figure.new since": ("new since", "새 라벨 기준 시각"),
    "figure.labels in quarantine": ("labels in quarantine", "격리된 라벨"),
    "figure.new labels needed": ("new labels needed", "필요한 새 라벨"),
    "figure.last retraining": ("last retraining", "지난 재학습"),
    "figure.cool-down, hours": ("cool-down, hours", "대기 기간(시간)"),
    "figure.retrainings": ("retrainings in the budget's days", "예산 기간의 재학습 횟수"),
    "figure.retrainings allowed": ("retrainings allowed", "허용된 재학습 횟수"),
    "figure.budget, days": ("budget, days", "예산 기간(일)"),
    "figure.paused": ("paused", "일시 중지"),
    "figure.by": ("by", "요청자"),
    "the first label": ("the first label", "첫 라벨"),
    # Alerts: what happened, and what to do.
    "alert.version": ("version {version}", "버전 {version}"),
    "alert.what_to_do": ("What to do", "할 일"),
    "alert.look": ("Look", "보기"),
    "alert.drift": ("the traffic has drifted", "트래픽에 드리프트가 있습니다"),
    "alert.quality_drop": ("the quality has dropped", "품질이 하락했습니다"),
    "alert.gate_refused": ("the new model was refused", "새 모델의 승격이 거절되었습니다"),
    "alert.failed_run": ("a run has failed", "실행이 실패했습니다"),
    "alert.new_champion": ("there is a new champion", "새 챔피언이 승격되었습니다"),
    "alert.to_do.drift": (
        "Read the drift report of the run, then train on newer reviews: python run.py retrain{of}",
        "드리프트 보고서를 확인한 뒤 최근 리뷰로 재학습하세요: python run.py retrain{of}",
    ),
    "alert.to_do.quality_drop": (
        "Train on the new labels: python run.py retrain{of}; or go back to the champion before: python run.py "
        "deploy{of} --rollback",
        "새 라벨로 재학습: python run.py retrain{of}; 이전 챔피언으로 롤백: python run.py deploy{of} --rollback",
    ),
    "alert.to_do.gate_refused": (
        "The champion stays. Compare the two: python run.py models --model {model} list; more labels help most",
        "챔피언은 그대로입니다. 두 모델을 비교하세요: python run.py models --model {model} list; "
        "라벨을 늘리는 것이 가장 효과적입니다",
    ),
    "alert.to_do.failed_run": (
        "Fix the cause (docs/operations/when-it-fails.md) and run the same command again",
        "원인을 해결하고(docs/operations/when-it-fails.md) 같은 명령을 다시 실행하세요",
    ),
    "alert.to_do.new_champion": (
        "Nothing, if that was meant; to go back: python run.py deploy{of} --rollback",
        "의도한 승격이면 할 일이 없습니다. 롤백: python run.py deploy{of} --rollback",
    ),
    # What became of a version.
    "change.forced": (
        "Promoted BY FORCE, against the gate, by {actor}: {reason}",
        "강제 승격(게이트 무시), {actor}: {reason}",
    ),
    "change.rolled_back": (
        "Version {version} is the champion again: {reason}",
        "버전 {version:으로/로} 롤백했습니다: {reason}",
    ),
    # Words of the terminal and of the reports.
    "head.drift": ("Drift", "드리프트"),
    "head.quality": ("Quality", "품질"),
    "head.decision": ("Decision", "결정"),
    "head.now": ("now", "현재"),
    "head.in_the_test": ("in the test", "테스트"),
    "head.accuracy": ("accuracy [95%]", "정확도 [95%]"),
    "head.macro_f1": ("macro-F1 [95%]", "macro-F1 [95%]"),
    "head.estimate": ("accuracy expected from the confidence", "신뢰도로 추정한 정확도"),
    "quality.labels": (
        "{labels:n} of {rows:n|row|rows} have a label ({coverage:.0%}): {confirmed:n} confirm, {corrected:n} correct; "
        "{counted:n} count",
        "예측 {rows:n}건 중 라벨 {labels:n}건({coverage:.0%}): 일치 {confirmed:n}, 정정 {corrected:n}, "
        "판정에 사용 {counted:n}",
    ),
    "status.drift": ("drift", "드리프트"),
    "status.no_drift": ("no drift", "드리프트 없음"),
    "status.not_enough_data": ("not enough data", "데이터 부족"),
    "status.ok": ("ok", "양호"),
    "status.drop": ("drop", "하락"),
}
