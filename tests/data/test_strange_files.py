"""Files as people have them: every row is read, or counted with its reason, or the file is refused with a way out."""

import csv
import io
import json
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from sentiment.config.dataset import DatasetConfig
from sentiment.config.load import overlay, validate
from sentiment.data.read import MADE_ID, learn_labels, read
from sentiment.errors import DataError
from sentiment.scoring.snapshot import take_snapshot
from tests.data.shapes import SHAPES, Shape, outcome

LABELLED = "text,label\nfine phone,positive\nbad phone,negative\n"


def dataset(tmp_path: Path, content: str | bytes, name: str = "mine.csv", **options: Any) -> DatasetConfig:
    file = tmp_path / name
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    return DatasetConfig(name=file.stem, path=str(file), **options)


def noticed(config: DatasetConfig) -> dict[str, int]:
    return {what: rows for what, rows in read(config)[1].noticed.items() if what != MADE_ID}


def refused(config: DatasetConfig) -> DataError:
    with pytest.raises(DataError) as caught:
        read(config)
    return caught.value


def fixed(config: DatasetConfig, error: DataError) -> DatasetConfig:
    """The config with the first setting that the fix prints, as a shell and run.py would take it."""
    found = re.search(r"--set ('[^']*'|\"[^\"]*\"|\S+)", error.fix)
    assert found, error.fix
    (argument,) = shlex.split(found[1])
    key, _, value = argument.partition("=")
    assert key.startswith("dataset."), argument
    changes = {key.removeprefix("dataset."): yaml.safe_load(value)}
    return validate(overlay(config.model_dump(mode="json"), changes), DatasetConfig, "the fix")


TSV_WITH_QUOTES = "text\tlabel\n" + "".join(
    f"{chr(34) if row in (11, 21) else ''}review number {row}, sent it back\t{('negative', 'positive')[row % 2]}\n"
    for row in range(40)
)


@pytest.mark.parametrize(
    ("name", "content", "options", "says", "rows"),
    [
        ("a.csv", LABELLED.replace(",", ";"), {}, "semicolons", 2),
        ("b.csv", LABELLED.replace(",", "|"), {}, "bars", 2),
        ("c.csv", LABELLED.replace(",", "@"), {}, "at signs", 2),
        ("d.csv", LABELLED.replace(",", "\t"), {}, "tabs", 2),
        ("e.tsv", LABELLED, {}, "commas", 2),
        ("f.csv", "id;text;label\n1;good, really good, yes;positive\n2;bad;negative\n", {}, "semicolons", 2),
        ("g.tsv", TSV_WITH_QUOTES, {}, r"line 13: a quote makes one text of 11 lines that look like rows", 40),
        ("h.csv", TSV_WITH_QUOTES.replace(", ", " ").replace("\t", ","), {}, "look like rows", 40),
        (
            "i.tsv",
            'text\tlabel\nfine\tpositive\n"bad\tnegative\nworse\tnegative\n',
            {},
            "line 3: a quote opens a text",
            3,
        ),
        ("j.csv", LABELLED + "meh,negatve\n", {}, r"'negatve' in column 'label' is not one of .*\(1 row,", 3),
        ("k.csv", LABELLED + "meh,neutral\n" * 2, {}, r"Rows by value: 'neutral' 2, 'negative' 1, 'positive' 1\.", 4),
        ("l.csv", "text,label\na,1\nb,0\n", {}, "the label '1'", 2),
        (
            "m.csv",
            LABELLED + "meh,negatve\nso,unclear\n",
            {"label_values": {"good": "positive"}},
            "'negatve'",
            4,
        ),
        (
            "n.csv",
            "text,rating\n" + "".join(f"r{n},{n % 10 + 1}\n" for n in range(50)),
            {},
            r"up to 10, .* end at 5",
            50,
        ),
        (
            "o.csv",
            "text,rating\n" + "".join(f"r{n},{n % 101}\n" for n in range(202)),
            {},
            r"up to 100, .* end at 5",
            202,
        ),
    ],
)
def test_the_printed_setting_reads_every_row(  # noqa: PLR0917 - one case a row
    tmp_path: Path, name: str, content: str, options: dict[str, Any], says: str, rows: int
) -> None:
    config = dataset(tmp_path, content, name, **options)
    error = refused(config)
    assert re.search(says, error.cause), error.cause
    _, report = read(fixed(config, error))
    assert sum(report.rows.values()) == report.rows_read == rows


def test_what_a_slip_of_the_keyboard_meant_is_read_and_what_is_strange_is_dropped(tmp_path: Path) -> None:
    config = dataset(tmp_path, LABELLED + "meh,negatve\nso,unclear\nso so,unclear\n")
    better = fixed(config, refused(config))
    assert better.label_values == {"unclear": None, "negatve": "negative"}
    assert noticed(better) == {"label 'unclear', which label_values drops": 2}
    assert read(better)[0].frame()["label"].to_list() == [1, 0, 0, None, None]


def test_no_order_of_labels_is_proposed(tmp_path: Path) -> None:
    fix = refused(dataset(tmp_path, "text,label\na,1\nb,0\nc,0\n")).fix
    assert fix.startswith("""Learn the values: --set 'dataset.labels=["0", "1"]'""")
    assert "negative" not in fix


def test_personal_data_in_a_label_column_is_in_no_command(tmp_path: Path) -> None:
    error = refused(dataset(tmp_path, LABELLED + "call me,010-1234-5678\n"))
    assert "1234" not in str(error)
    assert "--set dataset.label_column=NAME" in error.fix


@pytest.mark.parametrize(
    ("written", "options"),
    [
        (("1.0", "0.0"), {"label_values": {"0": "negative", "1": "positive"}}),
        (("True", "FALSE"), {"label_values": {"true": "positive", "false": "negative"}}),
        ((" Positive ", "NEGATIVE"), {}),
        (("good", "negative"), {"label_values": {"good": "positive"}}),
        (("+1", "-1"), {"label_values": {"+1": "positive", "-1": "negative"}}),
    ],
)
def test_labels_are_matched_as_people_write_them(tmp_path: Path, written: tuple[str, str], options: Any) -> None:
    content = f"text,label\nfine,{written[0]}\nbad,{written[1]}\n"
    assert read(dataset(tmp_path, content, **options))[0].frame()["label"].to_list() == [1, 0]


def test_labels_that_differ_in_case_alone_are_two(tmp_path: Path) -> None:
    config = dataset(tmp_path, "text,label\nfine,A\nbad,a\n", labels=["a", "A"])
    assert read(config)[0].frame()["label"].to_list() == [1, 0]


@pytest.mark.parametrize(
    ("content", "options", "counts"),
    [
        ("text,label\na,good\nb,bad\nc,so so\nd,bad\n", {}, {"bad": 2, "good": 1, "so so": 1}),
        ("text,label\na,Good\nb,bad\nc,good \nd,good\ne,nan\nf,\n", {}, {"bad": 1, "good": 3}),
        ("text,label\na,1.0\nb,0\nc,1\nd,1\n", {}, {"0": 1, "1": 3}),
        ("text,label\na,1\nb,0\nc,9\n", {"label_values": {"1": "positive", "9": None}}, {"0": 1, "positive": 1}),
        ("text,rating\na,1\nb,5\n", {}, {"negative": 0, "positive": 0}),
    ],
)
def test_labels_are_learnt_from_the_rows(
    tmp_path: Path, content: str, options: dict[str, Any], counts: dict[str, int]
) -> None:
    config = dataset(tmp_path, content, labels="auto", **options)
    learnt, found = learn_labels(config)
    assert (learnt.labels, found) == (list(counts), counts)
    assert learn_labels(learnt) == (learnt, {})
    splits, _ = read(config)
    assert splits.labels == tuple(counts)
    assert sorted(set(splits.frame()["label"].drop_nulls())) == list(range(len(counts)))
    assert DatasetConfig.model_validate(config.model_dump(mode="json")) == config


def test_what_stands_for_nothing_is_nothing(tmp_path: Path) -> None:
    rows = ["NaN,positive,-", "-,negative,x", "null,negative,N/A", "fine,positive,", "bad,negative,NULL", "meh,nan,"]
    content = "\n".join(["text,label,category", *rows])
    config = dataset(tmp_path, content)
    frame = read(config)[0].frame()
    assert frame["text"].to_list() == ["", "", "", "fine", "bad", "meh"]
    assert frame["label"].to_list() == [1, 0, 0, 1, 0, None]
    assert frame["category"].to_list() == [None, "x", None, None, None, None]
    assert noticed(config) == {"text that stands for nothing": 3}
    _, snapshot = take_snapshot(config, 1)
    assert (snapshot.planned, snapshot.left_out) == (3, {"empty text": 3})
    assert "; text that stands for nothing: 3" in snapshot.summary
    kept = config.model_copy(update={"missing_values": ["nan"]})
    assert read(kept)[0].frame()["text"].to_list()[:3] == ["", "-", "null"]


def test_numbers_that_are_none_are_missing(tmp_path: Path) -> None:
    lines = [{"text": "a", "rating": 5}, {"text": "b", "rating": float("nan")}, {"text": "c", "rating": 1.0}]
    file = tmp_path / "mine.parquet"
    __import__("polars").DataFrame(lines, strict=False).write_parquet(file)
    config = DatasetConfig(name="mine", path=str(file))
    assert read(config)[0].frame()["rating"].to_list() == [5.0, None, 1.0]
    assert noticed(config) == {}


@pytest.mark.parametrize(
    ("ratings", "expected"),
    [
        (["5", "1.0 out of 5 stars", "4.0 stars", "1", "five"], {"unreadable rating": 3}),
        (["5", "1", "3", "2.5"], {"rating outside every range": 2}),
        (["5", "1", "inf"], {"unreadable rating": 1}),
        (["5", "1"] * 20 + ["10"], {"rating outside every range": 1}),
    ],
)
def test_ratings_that_give_no_label_are_counted(tmp_path: Path, ratings: list[str], expected: dict[str, int]) -> None:
    config = dataset(tmp_path, "text,rating\n" + "".join(f"review {n},{each}\n" for n, each in enumerate(ratings)))
    assert noticed(config) == expected


def test_ratings_with_a_comma_are_told(tmp_path: Path) -> None:
    error = refused(dataset(tmp_path, 'text,rating\nfine,"5,0"\nbad,"1,0"\n'))
    assert error.cause == "mine: ratings like '5,0' are no numbers."


@pytest.mark.parametrize(
    "written", ["15.08.25", "15-08-25", "08/25/15", "0015-08-25", "3015-08-25", "25.08.2015 noon", "yesterday"]
)
def test_a_date_that_can_be_read_two_ways_is_none_and_counted(tmp_path: Path, written: str) -> None:
    config = dataset(tmp_path, f"text,label,created_at\nfine,positive,{written}\nbad,negative,2015-08-25\n")
    assert read(config)[0].frame()["created_at"].null_count() == 1
    assert noticed(config) == {"unreadable date": 1}


@pytest.mark.parametrize(
    ("number", "day"),
    [
        (20150825, "2015-08-25"),
        (1_440_460_800, "2015-08-25"),
        (1_440_460_800_000, "2015-08-25"),
        (2015, None),
        (42241, None),
    ],
)
def test_a_number_is_a_day_or_unix_time_or_no_date(tmp_path: Path, number: int, day: str | None) -> None:
    lines = [{"text": "fine", "label": "positive", "created_at": number}, {"text": "bad", "label": "negative"}]
    config = dataset(tmp_path, "\n".join(map(json.dumps, lines)), "mine.jsonl")
    found = read(config)[0].frame()["created_at"][0]
    assert (found and str(found.date())) == day
    assert noticed(config) == ({} if day else {"unreadable date": 1})


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ('[{"text": "fine"},\n {"text": "bad"}]\n', "is a JSON array, not one object a line"),
        ("\n \n[\n", "is a JSON array, not one object a line"),
        ('{"text": "fine"}\n{"text": "cut \\ud83d tweet"}\n', r"line 2 holds half a character \(\\ud83d\)"),
        ('{"text": "cut \\ude00 tweet"}\n', r"line 1 holds half a character \(\\ude00\)"),
        ('{"text": "two \\ud83d\\ud83d\\ude00"}\n', r"line 1 holds half a character \(\\ud83d\)"),
    ],
)
def test_json_that_is_not_lines_of_whole_texts_is_refused(tmp_path: Path, content: str, says: str) -> None:
    with pytest.raises(DataError, match=says):
        read(dataset(tmp_path, content, "mine.jsonl"), labelled=False)


def test_whole_characters_in_json_are_read(tmp_path: Path) -> None:
    config = dataset(tmp_path, '{"text": "\\ud83d\\ude00 \\\\ud83d \\uac00"}\n', "mine.jsonl")
    assert read(config, labelled=False)[0].frame()["text"].to_list() == ["😀 \\ud83d 가"]


def test_lines_that_end_in_carriage_returns_alone_are_lines(tmp_path: Path) -> None:
    assert len(read(dataset(tmp_path, LABELLED.replace("\n", "\r")))[0].frame()) == 2


@pytest.mark.parametrize(
    "text",
    [
        'text,label\n"first line\nsecond, line",positive\n"one\n\ntwo",negative\n',
        'label,text\npositive,"first line\nsecond, line"\nnegative,"a, b\nc, d\ne, f"\n',
        'text,label\n"say ""hi""\nand go",positive\nbad,negative\n',
    ],
)
def test_texts_of_several_lines_are_read(tmp_path: Path, text: str) -> None:
    splits, report = read(dataset(tmp_path, text))
    assert report.rows_read == 2
    assert sum("\n" in each for each in splits.frame()["text"]) >= 1


def test_what_says_nothing_is_not_scored(tmp_path: Path) -> None:
    config = dataset(tmp_path, 'text\n"<br />"\n"<br /><br />"\n&nbsp;\n\u200b\n"  "\nok\n👍\nㅋㅋ\n?!\n')
    _, snapshot = take_snapshot(config, 1)
    assert (snapshot.planned, snapshot.left_out) == (4, {"empty text": 5})


CELL = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"], exclude_characters="\0\r"), max_size=30)


@settings(max_examples=60, deadline=None)
@given(
    rows=st.lists(
        st.tuples(CELL, st.sampled_from(["positive", "negative"]), st.integers(0, 99)), min_size=1, max_size=30
    ),
    separator=st.sampled_from([",", "\t", ";", "|", "@"]),
    quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC]),
    end=st.sampled_from(["\n", "\r\n"]),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
    order=st.permutations(["text", "label", "number"]),
)
def test_a_table_in_any_dialect_comes_back_whole_or_is_refused(  # noqa: PLR0917 - hypothesis gives them
    tmp_path_factory: pytest.TempPathFactory,
    rows: Any,
    separator: str,
    quoting: Any,
    end: str,
    encoding: str,
    order: Any,
) -> None:
    written = io.StringIO()
    writer = csv.DictWriter(written, order, delimiter=separator, quoting=quoting, lineterminator=end)
    writer.writeheader()
    writer.writerows({"text": text, "label": label, "number": number} for text, label, number in rows)
    config = dataset(
        tmp_path_factory.mktemp("any"),
        written.getvalue().encode(encoding),
        separator=separator,
        encoding=encoding.removesuffix("-sig"),
        missing_values=[],
        format="csv",
    )
    try:
        splits, report = read(config, labelled=False)
    except DataError as error:
        told = error.cause
    else:
        told = ""
    if told:  # a quote that could be one too many: never a row less
        assert re.search(r"line \d+: a quote", told), told
        return
    assert report.rows_read == len(rows)
    assert splits.frame()["text"].to_list() == [text for text, _, _ in rows]
    assert splits.frame()["label"].to_list() == [int(label == "positive") for _, label, _ in rows]


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.what)
def test_no_row_of_a_file_that_programs_write_is_unaccounted_for(shape: Shape, tmp_path: Path) -> None:
    found = outcome(shape, tmp_path)
    if shape.refused:
        assert found.refused.startswith(shape.refused)
        return
    assert (found.rows, found.lost, found.noticed, found.asked) == (shape.rows, shape.lost, shape.noticed, shape.asked)
    assert found.used == shape.rows - sum(rows for _, rows in shape.lost)
