"""Messages: one meaning in two languages, the figures written in one place."""

import re
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from string import Formatter
from types import SimpleNamespace
from typing import Any, get_args

import polars as pl
import pytest

from cli.monitor import print_findings
from sentiment.config.retrain import RetrainPolicy
from sentiment.errors import ConfigError
from sentiment.home import PROJECT
from sentiment.messages import LANGUAGE_VARIABLE, LANGUAGES, SENTENCES, Message, language, named, particle, say
from sentiment.monitoring.descriptors import DESCRIPTORS
from sentiment.monitoring.readings import moved
from sentiment.monitoring.words import new_words
from sentiment.retraining.decision import Blocked, LabelCounts, Reason, decide_retraining
from sentiment.text.pii import mask
from tests.service import monitored


def places(sentence: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(sentence) if name}


def used_codes() -> Iterator[str]:
    for path in (PROJECT / "sentiment").rglob("*.py"):
        yield from re.findall(r'Message\(\s*code="([^"]+)"', path.read_text(encoding="utf-8"))


def test_every_message_says_the_same_figures_in_both_languages() -> None:
    different = [code for code, (english, korean) in SENTENCES.items() if places(english) != places(korean)]
    assert different == []
    assert all(len(said) == len(LANGUAGES) and all(said) for said in SENTENCES.values())


def test_every_code_that_is_used_has_its_sentences() -> None:
    used = set(used_codes())
    assert len(used) > 20
    assert used - set(SENTENCES) == set()
    reasons = {name for group in get_args(Reason) for name in (get_args(group) or (group,))}
    assert {f"reason.{name}" for name in reasons} <= set(SENTENCES)
    assert {f"blocked.{name}" for name in get_args(Blocked)} <= set(SENTENCES)
    assert {f"test.{each.name}" for each in DESCRIPTORS} <= set(SENTENCES)


def test_a_message_survives_storing_and_is_said_in_either_language() -> None:
    digits = Message(code="moved.share", values={"what": named("test", "digits"), "before": 0.003, "after": 0.237})
    words = Message(code="moved.words", values={"words": ("환불", "주문번호")})
    values = {"drifted": 2, "tests": 19, "rows": 1000, "findings": (digits, words)}
    message = Message.model_validate_json(Message(code="drift.found", values=values).model_dump_json())
    assert say(message) == "Drift in 2 of 19 tests on 1,000 rows: share of digits 0.3% → 23.7%; new: 환불, 주문번호."
    assert say(message, "ko") == (
        "드리프트가 있습니다(1,000건, 19개 항목 중 2개 초과). 숫자 비율 0.3% → 23.7%; 새 단어: 환불, 주문번호."
    )


def test_what_earlier_and_later_versions_stored_is_shown_as_it_is() -> None:
    assert say("Drift in 3 of 17 tests.", "ko") == "Drift in 3 of 17 tests."
    assert say(Message(code="of.tomorrow", values={"rows": 3, "new": True}), "ko") == "of.tomorrow: rows 3, new 예"
    assert say(named("label", "five stars"), "ko") == "five stars"


def test_one_is_not_many() -> None:
    def biased(rows: int) -> str:
        return say(Message(code="quality.biased", values={"rows": rows, "coverage": 0.8}))

    assert biased(1).startswith("1 more does not count: they cover less than 80%")
    assert biased(1200).startswith("1,200 more do not count")


@pytest.mark.parametrize(
    ("word", "pair", "expected"),
    [
        *(("라벨", "은/는", "은"), ("신뢰도", "은/는", "는"), ("비율(ㅋㅋ)", "이/가", "이"), ("12%", "이/가", "가")),
        *(("3", "을/를", "을"), ("2", "을/를", "를"), ("n-gram", "과/와", "과"), ("kim", "이/가", "이")),
        *(("서울", "으로/로", "로"), ("집", "으로/로", "으로"), ("배치", "으로/로", "로"), ("7", "으로/로", "로")),
    ],
)
def test_a_particle_fits_the_sound_before_it(word: str, pair: str, expected: str) -> None:
    assert particle(word, pair) == expected


def test_the_language_is_that_of_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(LANGUAGE_VARIABLE, raising=False)
    assert language() == "en"
    for value, expected in {"ko": "ko", "ko_KR.UTF-8": "ko", "KO-kr": "ko", "en_US": "en", "": "en"}.items():
        monkeypatch.setenv(LANGUAGE_VARIABLE, value)
        assert language() == expected
    monkeypatch.setenv(LANGUAGE_VARIABLE, "fr")
    with pytest.raises(ConfigError, match="neither en nor ko"):
        language()


def test_a_mean_that_hardly_moved_shows_where_the_values_are_now() -> None:
    before, now = pl.Series([30.0] * 40 + [40.0] * 60), pl.Series([2.0] * 50 + [70.0] * 50)
    assert say(moved("length", "", 6.0, before, now, drifted=True)) == (
        "length in characters, in 8 of 10 texts: 30–40 → 2–70"
    )
    assert say(moved("length", "", 0.1, before, now, drifted=False)) == "length in characters 36 → 36"
    labels = (pl.Series(["negative"] * 3 + ["positive"] * 7), pl.Series(["negative"] * 8 + ["positive"] * 2))
    assert say(moved("label", "", 0.3, *labels, drifted=True)) == "predicted label “negative” 30.0% → 80.0%"


def test_new_words_are_what_their_forms_share_and_nobody_is_named() -> None:
    usual = [f"배우 연기가 정말 좋았던 영화 {number}" for number in range(400)]
    forms = ["환불이 안 돼요", "환불은 언제", "환불해 주세요", "환불 부탁", "환불이라도 kim@example.com 으로"]
    texts = [mask(f"{forms[number % 5]} 주문번호 {number}") if number < 100 else usual[number] for number in range(400)]
    texts[200:204] = ["김철수 배우"] * 4  # of four texts: too few, and perhaps somebody's name
    found = new_words(usual, texts, texts)
    assert [word.text for word in found][:2] == ["주문번호", "환불"]
    assert (found[1].reference, found[1].window) == (0.0, 0.25)
    assert not {"김철수", "김철", "example", "환불이"} & {word.text for word in found}
    assert "[EMAIL]" in next(word.example for word in found if word.text == "으로")
    assert new_words(usual, usual, usual) == new_words([], texts, texts) == ()


def test_the_terminal_says_the_findings_in_korean(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(LANGUAGE_VARIABLE, "ko")
    drift, quality = monitored.drift_of(12), monitored.quality_of(date(2026, 11, 1), 12)
    labels = LabelCounts(total=400, new=120, quarantined=7)
    now = datetime(2026, 11, 29, tzinfo=UTC)
    decision = decide_retraining(drift, quality, labels, RetrainPolicy(), (), paused=False, now=now)
    rest = {"pages": {}, "evidently": Path("none"), "run_id": "1", "dashboard_url": None, "seconds": 1.0}
    result: Any = SimpleNamespace(drift=drift, quality=quality, decision=decision, **rest)

    print_findings(result)

    said = " ".join(capsys.readouterr().out.split())
    assert "드리프트: 드리프트가 있습니다(1,000건, 2개 항목 중 1개 초과). 새 단어: 환불, 주문번호." in said
    assert "✓ 글자 수 34.1 → 36.2" in said
    assert "환불 8.0%: 환불해 주세요" in said
    assert "품질: 정확도 하락이 확인되지 않았습니다: 테스트 87.0% → 현재 85.0%" in said
    assert (
        "결정: 재학습하지 않습니다. 리뷰에 드리프트가 있습니다. 그러나 새 라벨이 120건이며 200건이 필요합니다." in said
    )
