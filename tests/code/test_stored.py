"""Stored JSON of an older, this and a newer version, and what is no JSON of ours."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest
from zenml.artifact_stores import BaseArtifactStore

from materializers.report import ReportMaterializer
from sentiment.errors import SentimentError
from sentiment.stored import DAMAGED, UPDATE, Report


class Counted(Report):
    rows: int


class CountedLater(Report):
    format: int = 2
    rows: int


def test_json_without_a_format_is_of_format_1() -> None:
    assert Counted.read('{"rows": 3}', "The count") == Counted(rows=3)


def test_the_format_is_stored_and_read_back() -> None:
    text = CountedLater(rows=3).model_dump_json()
    assert json.loads(text) == {"format": 2, "rows": 3}
    assert CountedLater.read(text, "The count") == CountedLater(rows=3)


@pytest.mark.parametrize(
    ("text", "cause", "fix"),
    [
        (
            CountedLater(rows=3).model_dump_json(),
            "The count was stored by a newer version (format 2; this one reads 1).",
            UPDATE,
        ),
        (
            '{"rows": 3, "columns": 2}',
            "The count was stored by a newer version: this one does not know columns.",
            UPDATE,
        ),
        (
            '{"rows": 3',
            "The count cannot be read: it is not JSON (Expecting ',' delimiter: line 1 column 11 (char 10)).",
            DAMAGED,
        ),
        ('{"rows": "three"}', "The count cannot be read: rows must be a whole number", DAMAGED),
        ("[3]", "The count cannot be read: JSON must be a mapping", DAMAGED),
    ],
)
def test_what_cannot_be_read_ends_in_a_sentence(text: str, cause: str, fix: str) -> None:
    with pytest.raises(SentimentError) as failure:
        Counted.read(text, "The count")
    assert failure.value.cause.startswith(cause)
    assert failure.value.fix == fix


def test_an_artifact_of_a_newer_version_names_its_file(tmp_path: Path) -> None:
    artifact = ReportMaterializer(str(tmp_path), cast(BaseArtifactStore, SimpleNamespace(open=open)))
    (tmp_path / "report.json").write_text(CountedLater(rows=3).model_dump_json(), encoding="utf-8")
    with pytest.raises(SentimentError, match=f"The report {tmp_path}/report.json was stored by a newer version"):
        artifact.load(Counted)
