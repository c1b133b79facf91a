"""A file in another encoding ends in one sentence, with an encoding that reads it where one does."""

import json
import random
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from sentiment.config.dataset import DatasetConfig
from sentiment.data.read import read
from sentiment.errors import DataError

KOREAN = ["정말 좋아요 ㅋㅋ", "별로였어요. 다시는 안 가요", "영화 café"]
FRENCH = ["C'était très bon, à refaire", "Déçu — où est le goût ?", "Größe passt, schöne Täler"]
CURLY = ["It’s great", "“Not” for me…", "don’t buy – 5 €"]
JAPANESE = ["とても良いです", "あまり好きではない", "もう一度見たい"]
RUSSIAN = ["Очень хорошо", "Не понравилось", "Так себе"]


def as_csv(texts: list[str]) -> str:
    return "text,label\n" + "".join(f'"{text}",{label}\n' for text, label in _labelled(texts))


def as_tsv(texts: list[str]) -> str:
    return "text\tlabel\n" + "".join(f"{text}\t{label}\n" for text, label in _labelled(texts))


def as_jsonl(texts: list[str]) -> str:
    lines = [json.dumps({"text": text, "label": label}, ensure_ascii=False) for text, label in _labelled(texts)]
    return "\n".join(lines) + "\n"


def _labelled(texts: list[str]) -> list[tuple[str, str]]:
    return [(text, "negative" if place % 2 else "positive") for place, text in enumerate(texts)]


def config(path: Path, encoding: str = "utf-8") -> DatasetConfig:
    return DatasetConfig(name="mine", path=str(path), encoding=encoding)


def refused(path: Path, encoding: str = "utf-8") -> DataError:
    with pytest.raises(DataError) as raised:
        read(config(path, encoding))
    assert raised.value.cause.count("\n") == 0
    return raised.value


@pytest.mark.parametrize("form", [as_csv, as_tsv, as_jsonl])
@pytest.mark.parametrize(
    ("encoding", "texts", "suggested"),
    [
        ("latin-1", FRENCH[:1], "cp1252"),
        ("cp1252", FRENCH, "cp1252"),
        ("cp1252", CURLY, "cp1252"),
        ("cp949", KOREAN[:2], "cp949"),
        ("utf-16", KOREAN, "utf-16"),
        ("utf-16-le", CURLY, "utf-16-le"),
        ("utf-16-be", KOREAN, "utf-16-be"),
    ],
)
def test_the_encoding_that_is_suggested_reads_the_file(
    tmp_path: Path, form: Callable[[list[str]], str], encoding: str, texts: list[str], suggested: str
) -> None:
    file = tmp_path / form.__name__.replace("as_", "a.")
    file.write_bytes(form(texts * 3).encode(encoding))
    error = refused(file)
    assert re.search(rf" but it reads as {suggested}\.$", error.cause)
    assert error.fix == f"Set it: --set dataset.encoding={suggested}"
    if len(texts) > 1:
        splits, _ = read(config(file, suggested))
        assert splits.train.texts == texts * 3


def test_the_first_byte_that_does_not_fit_is_named(tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    file.write_bytes(b"text,label\nfine,positive\ncaf\xe9 noir,negative\n")
    assert refused(file).cause == f"{file} is not utf-8 text (line 3, byte 28), but it reads as cp1252."


def test_a_byte_that_cp1252_lacks_is_read_as_latin_1(tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    file.write_bytes(as_csv(FRENCH * 9).encode("cp1252").replace(b"\x97", b"\x81", 1).replace(b"\x97", b"-"))
    assert "reads as latin-1" in refused(file).cause


RANDOM = random.Random(3).randbytes(5000)


@pytest.mark.parametrize(
    "content",
    [
        as_csv(JAPANESE).encode("shift-jis"),
        as_csv(JAPANESE).encode("euc-jp"),
        as_csv(RUSSIAN).encode("cp1251"),
        as_csv(KOREAN * 9).encode()[:-30] + b"\xff\n",
        as_csv(CURLY * 9).encode() + b"\xff\n",
        as_csv(KOREAN[:2] * 9).encode("cp949") + b"\xff\n",
        RANDOM,
        b"\xff\xfe" + RANDOM,
        b"\x89PNG\r\n\x1a\n" + bytes(range(256)),
    ],
    ids=["shift-jis", "euc-jp", "cp1251", "korean", "curly", "cp949", "random", "random-bom", "png"],
)
def test_no_encoding_is_suggested_that_would_give_nonsense(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "a.csv"
    file.write_bytes(content)
    assert "reads as" not in refused(file).cause


@pytest.mark.parametrize(
    ("encoding", "content", "cause"),
    [
        ("utf-16", as_csv(KOREAN).encode(), r"not utf-16 text \(.*BOM\), but it reads as utf-8\."),
        ("utf-16", as_csv(CURLY).encode("utf-16-le"), r"not utf-16 text \(.*BOM\), but it reads as utf-16-le\."),
        ("utf-16", as_csv(KOREAN).encode("utf-16") + b"\n", r"not utf-16 text \(line \d+, byte \d+\)\."),
        ("utf-32", as_csv(KOREAN).encode(), "not utf-32 text .*, but it reads as utf-8"),
        ("idna", as_csv(KOREAN).encode(), "not idna text .*, but it reads as utf-8"),
        ("punycode", as_csv(KOREAN).encode(), "not punycode text .*, but it reads as utf-8"),
        ("undefined", as_csv(KOREAN).encode(), "not undefined text .*, but it reads as utf-8"),
        ("utf-7", b"text,label\n+2AA-,positive\n", "not utf-7 text .*half a character.*, but it reads as utf-8"),
        *((name, as_csv(KOREAN).encode(), "no encoding of texts") for name in ("base64", "rot13", "hex", "zlib")),
        ("no\0name", b"text\na\n", "which is no encoding"),
    ],
)
def test_whatever_a_codec_refuses_is_told_in_a_sentence(
    tmp_path: Path, encoding: str, content: bytes, cause: str
) -> None:
    file = tmp_path / "a.csv"
    file.write_bytes(content)
    assert re.search(cause, refused(file, encoding).cause)
