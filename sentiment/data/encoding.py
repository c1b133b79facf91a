"""A text file of any encoding as UTF-8, or one error that names an encoding that reads it."""

import codecs
import re
import shlex
import unicodedata
from collections.abc import Callable, Iterator
from itertools import chain
from pathlib import Path
from typing import BinaryIO

from sentiment.errors import OR, DataError, option
from sentiment.text.pii import mask

UTF8 = "utf-8"
BLOCK = 1 << 20
_SAMPLE = 1 << 20
# Of the characters that a judge looks at, so many must be what a text of this encoding holds.
_PLAUSIBLE = 0.95
_RUN = re.compile(r"[^\x00-\x7f]+")
_LONGEST_RUN = 3
_ODD = frozenset({"Cc", "Cn", "Co", "Cs"})  # control characters, unassigned, private, halves
_TYPOGRAPHIC = frozenset("‘’‚“”„–—…•‹›«»€£¥¢§©®™°´¿¡ªº¹²³¼½¾±×÷µ·\xa0\xad")


def blocks(file: BinaryIO) -> Iterator[bytes]:
    """The rest of a file in pieces of a bounded size."""
    return iter(lambda: file.read(BLOCK), b"")


def encoding_of(plain: Path) -> str | None:
    """An encoding that reads the whole file well; None when there is none here."""
    return next((name for name, reads_well in _CANDIDATES.items() if reads_well(_sample(plain, name))), None)


def as_utf8(path: Path, plain: Path, encoding: str, folder: Path) -> Path:
    """The file `plain` when it is UTF-8 already, else a copy in `folder` that is; errors call it `path`.

    Raises DataError for an unknown encoding, for one that does not encode text, and for bytes that it cannot read.
    """
    name = _codec(encoding, plain)
    target = folder / UTF8
    position = 0
    try:
        with target.open("wb") as copy:
            for text in _decoded(plain, name):
                written = _encoded(text)
                if b"\x00" in written:
                    where = f"{path} holds binary data, not {encoding} text"
                    raise _error(
                        f"{where} (a zero byte at byte {position + written.index(0)})",
                        plain,
                        name,
                        _if_binary(path, plain) or OTHER_FILE,
                    )
                position += len(written)
                if name != UTF8:
                    copy.write(written)
    except _UndecodableError as error:
        place = error.reason if error.position is None else _place(plain, error.position)
        fix = _if_binary(path, plain) or _without_odd_bytes(path, name)
        raise _error(f"{path} is not {name} text ({place})", plain, name, fix) from None
    return plain if name == UTF8 else target


def _encoded(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError:  # utf-7 and the escapes can say half a character
        raise _UndecodableError(None, "it holds half a character") from None


def _codec(encoding: str, plain: Path) -> str:
    try:
        codec = codecs.lookup(encoding)
    except (LookupError, ValueError):  # ValueError: a zero byte in the name
        codec = None
    # CPython's own mark: base64, hex and the like turn bytes into bytes.
    if codec is None or not codec._is_text_encoding:
        found = encoding_of(plain)
        said = f"The file reads as {found}" if found else "This is the usual one"
        raise DataError(
            f"dataset.encoding is {encoding!r}, which is no encoding of texts.",
            f"{said}: {option('dataset.encoding', found or UTF8)}",
        )
    return codec.name


_AS_CSV = "Save its table as CSV (in Excel: Save As, CSV UTF-8), and name that file."
# How files begin that are no texts, and what to do with them.
_BINARY = {
    b"PAR1": f"It is a Parquet file: {option('dataset.format', 'parquet')}",
    b"PK\x03\x04": f"It is a workbook or an archive. {_AS_CSV}",
    b"\xd0\xcf\x11\xe0": f"It is an old Excel workbook. {_AS_CSV}",
    b"%PDF": "It is a PDF: take the table of texts out of it, as CSV, and name that.",
}


OTHER_FILE = "Name the file that holds the texts: --set dataset.path=FILE"


def _without_odd_bytes(path: Path, name: str) -> str:
    target = path.with_name(f"{path.stem}-readable{path.suffix}")
    command = f"iconv -c -f {name} -t utf-8 {shlex.quote(str(path))} > {shlex.quote(str(target))}"
    return f"Name its encoding: --set dataset.encoding=NAME{OR}Write it anew without these bytes: {command}"


def _if_binary(path: Path, plain: Path) -> str:
    """What to do with a file that is no text, by what it is; empty for one that is not known."""
    with plain.open("rb") as file:
        start = file.read(4)
    if start[:2] == b"\x1f\x8b":
        return f"It is packed, and its name must say so: mv {shlex.quote(str(path))} {shlex.quote(f'{path}.gz')}"
    return next((fix for begin, fix in _BINARY.items() if start.startswith(begin)), "")


class _UndecodableError(Exception):
    """`position` is the first byte that is not of the encoding; None where the codec does not say, but a reason."""

    def __init__(self, position: int | None, reason: str = "") -> None:
        self.position = position
        self.reason = reason
        super().__init__(position, reason)


def _decoded(plain: Path, encoding: str) -> Iterator[str]:
    """The file's text in pieces; raises _UndecodableError for whatever the codec refuses."""
    decoder = codecs.getincrementaldecoder(encoding)()
    read = 0
    with plain.open("rb") as file:
        for block in chain(blocks(file), (b"",)):
            pending = len(decoder.getstate()[0])
            try:
                text = decoder.decode(block, final=not block)
            except UnicodeDecodeError as error:
                raise _UndecodableError(read - pending + error.start) from None
            except UnicodeError as error:
                raise _UndecodableError(None, mask(str(error))) from None
            yield text
            read += len(block)


def _place(plain: Path, position: int) -> str:
    with plain.open("rb") as file:
        line, left = 1, position
        for block in blocks(file):
            line += block[:left].count(b"\n")
            left = max(0, left - len(block))
            if not left:
                break
    return f"line {line}, byte {position}"


def _error(cause: str, plain: Path, encoding: str, fix: str) -> DataError:
    """`cause` with an encoding that reads the file, if there is one, else with `fix`."""
    for name, reads_well in _CANDIDATES.items():
        if name != encoding and reads_well(_sample(plain, name)):
            return DataError(f"{cause}, but it reads as {name}.", f"Set it: {option('dataset.encoding', name)}")
    return DataError(f"{cause}.", fix)


def _sample(plain: Path, encoding: str) -> str:
    """The first of the file's text, and what follows if there is more than ASCII in it; "" when it is undecodable."""
    sample = ""
    try:
        for text in _decoded(plain, encoding):
            if not sample or (len(sample) < _SAMPLE and not text.isascii()):
                sample += text
    except _UndecodableError:
        return ""
    return sample.removeprefix("\ufeff")


def _reads(sample: str) -> bool:
    """Whether it is a text at all: hardly a control character, nothing unassigned."""
    odd = sum(not character.isspace() and unicodedata.category(character) in _ODD for character in sample)
    return bool(sample) and odd <= 0.01 * len(sample)


def _reads_as_pairs(sample: str) -> bool:
    """UTF-16 without a mark: nearly every pair of bytes is some character, and only in the right order a known one."""
    known = sum(_is_latin(character) or character in _TYPOGRAPHIC or _is_hangul(character) for character in sample)
    return _reads(sample) and known >= _PLAUSIBLE * len(sample)


def _reads_as_korean(sample: str) -> bool:
    """Hangul as people write it: of the 2,350 syllables of KS X 1001, which nearly all Korean text keeps to.

    What cp949 makes of other encodings are the rare syllables (an ASCII letter as the second byte) and Hanja.
    """
    letters = [character for character in sample if not character.isascii() and character.isalpha()]
    common = sum(_is_hangul(letter) and min(letter.encode("cp949", "replace")) >= 0xA1 for letter in letters)
    return _reads(sample) and bool(letters) and common >= _PLAUSIBLE * len(letters)


def _reads_as_western(sample: str) -> bool:
    """Accented letters among ASCII ones and typographic marks.

    Every byte is some character of these encodings. But other encodings leave long runs, symbols, or bytes of UTF-8.
    """
    runs = list(_RUN.finditer(sample))
    fine = sum(len(run[0]) for run in runs if _is_western(run))
    return _reads(sample) and fine >= _PLAUSIBLE * sum(len(run[0]) for run in runs)


def _is_western(run: re.Match[str]) -> bool:
    letters = [character for character in run[0] if character not in _TYPOGRAPHIC]
    if not all(letter.isalpha() and _is_latin(letter) for letter in letters) or _is_utf8(run[0]):
        return False
    beside = run.string[max(0, run.start() - 1) : run.start()] + run.string[run.end() : run.end() + 1]
    in_a_word = any(character.isalpha() for character in beside)
    return len(letters) <= 1 or (in_a_word and len(run[0]) <= _LONGEST_RUN)


def _is_utf8(run: str) -> bool:
    try:
        run.encode("cp1252").decode(UTF8)
    except UnicodeError:
        return False
    return True


def _is_latin(character: str) -> bool:
    return character < "\u0250"


def _is_hangul(character: str) -> bool:
    return "가" <= character <= "힣" or "ㄱ" <= character <= "ㅣ"


# In this order: what proves itself first, what reads nearly every byte last.
_CANDIDATES: dict[str, Callable[[str], bool]] = {
    UTF8: _reads,
    "utf-16": _reads,
    "cp949": _reads_as_korean,
    "utf-16-le": _reads_as_pairs,
    "utf-16-be": _reads_as_pairs,
    "cp1252": _reads_as_western,
    "latin-1": _reads_as_western,
}
