"""`train my.csv`: what is certain about a file becomes settings, what is not becomes a question."""

import csv
import io
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from cli.console import Options
from cli.own_file import with_file
from sentiment.config.dataset import DatasetConfig
from sentiment.config.load import load_config
from sentiment.config.train import TrainConfig
from sentiment.data.inspection import Inspection, inspect_file
from sentiment.data.read import read
from sentiment.errors import OR, ConfigError, DataError

TEXTS = ["정말 재미있어요, 추천합니다", "돈이 아까워요; 별로예요", "연기는 좋은데 이야기가 지루해요", "배송이 빨라요"]


def table(names: list[str], *columns: list[Any], separator: str = ",") -> str:
    written = io.StringIO()
    writer = csv.writer(written, delimiter=separator)
    writer.writerow(names)
    writer.writerows(zip(*columns, strict=True))
    return written.getvalue()


def inspected(
    tmp_path: Path, content: str | bytes, name: str = "my.csv", labelled: bool = True, **given: Any
) -> Inspection:
    file = tmp_path / name
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    return inspect_file(file, given, labelled=labelled)


def settings(found: Inspection) -> dict[str, Any]:
    return {key: value for key, value in found.settings.items() if key != "path"}


def labels_of(found: Inspection) -> list[str | None]:
    """The labels as they are read with the settings as --set takes them."""
    pairs = (override.removeprefix("dataset.").partition("=") for override in found.overrides())
    config = DatasetConfig(name="my", **{key: yaml.safe_load(value) for key, _, value in pairs})
    codes = read(config)[0].frame()["label"].to_list()
    return [None if code is None else config.labels[code] for code in codes]


@pytest.mark.parametrize(
    ("encoding", "separator", "name", "expected"),
    [
        ("utf-8", ",", "my.csv", {}),
        ("utf-8-sig", ",", "my.csv", {}),
        ("cp949", ";", "my.csv", {"encoding": "cp949", "separator": ";"}),
        ("utf-16", "\t", "my.txt", {"encoding": "utf-16", "format": "tsv"}),
        ("utf-16-le", "\t", "my.tsv", {"encoding": "utf-16-le"}),
        ("utf-8", "\t", "my.csv", {"format": "tsv"}),
        ("utf-8", "|", "my.data", {"format": "csv", "separator": "|"}),
        ("utf-8", "@", "my.csv", {"separator": "@"}),
    ],
)
def test_encoding_and_separator_are_found(
    tmp_path: Path, encoding: str, separator: str, name: str, expected: Any
) -> None:
    content = table(["리뷰", "라벨"], TEXTS, ["긍정", "부정"] * 2, separator=separator).encode(encoding)
    found = inspected(tmp_path, content, name)
    meaning = {"긍정": "positive", "부정": "negative"}
    assert settings(found) == {**expected, "text_column": "리뷰", "label_column": "라벨", "label_values": meaning}
    assert not found.doubts
    assert labels_of(found) == ["positive", "negative"] * 2


@pytest.mark.parametrize(
    ("names", "columns", "text", "doubt"),
    [
        (
            ["reviewId", "userName", "content", "at"],
            [list("abcd"), list("efgh"), TEXTS, ["2024-01-01"] * 4],
            "content",
            None,
        ),
        (["a", "b"], [["x"] * 4, TEXTS], "b", None),
        (["a", "b"], [[text[::-1] for text in TEXTS], TEXTS], "a", "is 'a' the column of texts, or 'b'?"),
        (["제목", "상품평"], [["긴 제목이 여기에 있습니다 아주 길게"] * 4, ["짧아요"] * 4], "상품평", None),
    ],
)
def test_the_column_of_texts_is_found(tmp_path: Path, names: Any, columns: Any, text: str, doubt: str | None) -> None:
    found = inspected(tmp_path, table(names, *columns), labelled=False)
    assert found.settings["text_column"] == text
    assert found.shown["text"].startswith(f"{text}, for example '")
    assert found.doubts == ([doubt] if doubt else [])


PN = ["positive", "negative", "negative", "positive"]
MEANT = {"pos": "positive", "NEG": "negative", "neg": "negative"}
THREE = ["negative", "neutral", "positive"]
TEN = {"negative": [1, 4], "positive": [8, 10]}


@pytest.mark.parametrize(
    ("name", "values", "expected", "doubt", "labels"),
    [
        ("label", ["pos", "NEG", "neg", "pos"], {"label_values": MEANT}, None, PN),
        ("label", [*THREE, "nan"], {"labels": THREE}, None, [*THREE, None]),
        ("sentiment", [*"0110"], {"labels": ["0", "1"]}, "what do the values of 'sentiment' mean?", [*"0110"]),
        ("stars", [5, 1, 2, 4], {"rating_column": "stars"}, None, PN),
        ("평점", [10, 1, 2, 9], {"rating_ranges": TEN}, "up to 4 mean negative", PN),
        ("rating", ["5,0", "1,0", "2,0", "4,0"], {}, "are no numbers", None),
        ("colour", ["red"] * 4, {}, "which column has the labels", None),
    ],
)
def test_labels_are_understood_or_asked_for(  # noqa: PLR0917 - one case a row
    tmp_path: Path, name: str, values: list[Any], expected: Any, doubt: str | None, labels: Any
) -> None:
    found = inspected(tmp_path, table(["text", name], TEXTS, values))
    assert expected.items() <= settings(found).items()
    assert [bool(doubt and doubt in each) for each in found.doubts] == [True] * bool(doubt)
    if labels:
        assert labels_of(found) == labels


def test_the_example_of_a_text_is_one_that_says_something(tmp_path: Path) -> None:
    found = inspected(tmp_path, table(["text"], ["", "-", "NaN", "좋아요"]), labelled=False)
    assert found.shown["text"] == "text, for example '좋아요'"


def test_quotes_that_quote_nothing_are_seen(tmp_path: Path) -> None:
    rows = [f"{chr(34) if row in (3, 7) else ''}review number {row}\t{('neg', 'pos')[row % 2]}" for row in range(12)]
    found = inspected(tmp_path, "\n".join(["text\tlabel", *rows, ""]), "my.tsv")
    assert found.settings["quote_char"] is None
    assert labels_of(found) == ["negative", "positive"] * 6


def test_what_somebody_decided_is_not_guessed(tmp_path: Path) -> None:
    content = table(["text", "memo", "stars"], TEXTS, TEXTS, [5, 1, 2, 10])
    found = inspected(tmp_path, content, text_column="memo", rating_ranges={}, encoding="utf-8")
    assert "rating_ranges" not in found.settings
    assert found.settings["text_column"] == "memo"
    assert not found.doubts


def test_a_column_that_is_not_there_is_told_with_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(
        DataError, match=r"no column 'star' \(dataset\.rating_column\); it has text, stars\.(?s:.*)'stars'"
    ):
        inspected(tmp_path, table(["text", "stars"], TEXTS, [5, 1, 2, 4]), rating_column="star")


def test_a_file_without_names_is_told_how_to_get_them(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"the first one looks like a row \(1, Call me at \[PHONE\]\)") as caught:
        inspected(
            tmp_path, table(["1", "Call me at 010-1234-5678"], ["0", "1"], ["it broke after a day", "works well"])
        )
    assert f"(printf 'column_1,text\\n'; cat {tmp_path}/my.csv) > {tmp_path}/my-named.csv" in caught.value.fix


def test_a_large_file_is_looked_at_in_no_time(tmp_path: Path) -> None:
    rows = 200_000
    content = table(["text", "label"], TEXTS * (rows // 4), ["pos", "neg"] * (rows // 2))
    start = time.process_time()
    found = inspected(tmp_path, content)
    assert not found.doubts
    assert found.shown["labels"] == "label: pos 1,000, neg 999"
    assert time.process_time() - start < 5  # seconds of a slow machine; reading and training take longer


def test_the_settings_come_before_what_the_user_says(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "my.csv"
    file.write_text(table(["리뷰", "stars"], TEXTS, [5, 1, 2, 4]), encoding="utf-8")
    options = Options(Path("configs/train.yaml"), ("dataset.sample_rate=0.5",), "laptop", use_cache=True)
    with_sets = with_file(options, str(file), "train", yes=False, labelled=True)
    dataset = load_config(with_sets.config, TrainConfig, with_sets.overrides).dataset
    assert (dataset.name, dataset.text_column, dataset.rating_column, dataset.sample_rate) == (
        "my",
        "리뷰",
        "stars",
        0.5,
    )
    assert "--set 'dataset.text_column=리뷰'" in capsys.readouterr().out


def test_a_doubt_that_nobody_can_answer_is_an_error_and_yes_takes_the_guess(
    tmp_path: Path,
) -> None:
    file = tmp_path / "my.csv"
    file.write_text(table(["text", "label"], TEXTS, [0, 1, 1, 0]), encoding="utf-8")
    options = Options(Path("configs/train.yaml"), (), "laptop", use_cache=True)
    with pytest.raises(ConfigError, match="only you can answer: what do the values of 'label' mean") as caught:
        with_file(options, str(file), "train", yes=False, labelled=True)
    assert caught.value.fix.split(OR) == [
        f"Take the guess: python run.py train {file} --yes",
        f"""Answer otherwise with --set: python run.py train {file} --set 'dataset.labels=["0", "1"]'""",
    ]
    guessed = with_file(options, str(file), "train", yes=True, labelled=True)
    assert load_config(guessed.config, TrainConfig, guessed.overrides).dataset.labels == ["0", "1"]


def test_a_file_is_named_once(tmp_path: Path) -> None:
    options = Options(Path("configs/train.yaml"), ("dataset.path=a.csv",), "laptop", use_cache=True)
    with pytest.raises(ConfigError, match=r"Two files are named: b\.csv and a\.csv"):
        with_file(options, "b.csv", "train", yes=False, labelled=True)


def test_the_champions_text_column_is_taken_without_a_question(tmp_path: Path) -> None:
    file = tmp_path / "my.csv"
    file.write_text(table(["memo", "reply"], TEXTS * 5, TEXTS * 5), encoding="utf-8")
    assert inspect_file(file, {}, labelled=False).doubts
    found = inspect_file(file, {}, labelled=False, usual={"text_column": "reply"})
    assert (found.settings["text_column"], found.doubts) == ("reply", [])
    assert (
        inspect_file(file, {"text_column": "memo"}, labelled=False, usual={"text_column": "reply"}).settings[
            "text_column"
        ]
        == "memo"
    )
    assert inspect_file(file, {}, labelled=False, usual={"text_column": "gone"}).doubts
