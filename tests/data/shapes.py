"""Files as programs really write them: what becomes of every row of each is known beforehand, and counted.

Prints the table of docs/data.md:

python -m tests.data.shapes
"""

import csv
import gzip
import io
import json
import tempfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from sentiment.config.dataset import DatasetConfig
from sentiment.data.inspection import inspect_file
from sentiment.data.read import MADE_ID, read
from sentiment.errors import SentimentError

GOOD = (
    "정말 재미있어요, 추천합니다",
    "배송이 빨라요 ㅎㅎ",
    "great phone, works well",
    "다시 사고 싶어요!",
    "love it 👍",
)
BAD = ("돈이 아까워요; 별로예요", 'he said "never again"', "지루해요 ㅠㅠ", "broke after a day", "환불했습니다…")
ROWS = 40
# What is counted of rows that have no label for it, and of rows that are learnt from all the same.
NO_LABEL = ("label ", "rating outside", "unreadable rating")
NO_LOSS = ("unreadable date",)
Row = tuple[str, bool]


def reviews(rows: int = ROWS) -> list[Row]:
    """Texts that differ, and whether they are good."""
    return [(f"{(GOOD if row % 2 else BAD)[row // 2 % 5]} {row}", bool(row % 2)) for row in range(rows)]


def table(
    names: Sequence[str], rows: Iterable[Sequence[Any]], separator: str = ",", ends: str = "\r\n", **options: Any
) -> str:
    """Separated values as the csv module writes them."""
    written = io.StringIO()
    writer = csv.writer(written, delimiter=separator, lineterminator=ends, **options)
    writer.writerow(names)
    writer.writerows(rows)
    return written.getvalue()


def words(good: str = "positive", bad: str = "negative") -> list[tuple[str, str]]:
    """Text and label."""
    return [(text, good if is_good else bad) for text, is_good in reviews()]


def stars(good: Any = 5, bad: Any = 1) -> list[tuple[str, Any]]:
    """Text and rating."""
    return [(text, good if is_good else bad) for text, is_good in reviews()]


def lines(rows: Iterable[Any]) -> str:
    """One JSON value a line."""
    return "".join(f"{json.dumps(row, ensure_ascii=False)}\n" for row in rows)


@dataclass(frozen=True)
class Shape:
    """A file of `rows` reviews, and what comes of it.

    `lost` are the rows that are not learnt from, by reason; all others are. `refused`: the begin of the sentence that
    refuses the file. `asked`: whether a person is asked before it is read. `noticed`: what else is counted, of rows
    that are learnt from.
    """

    what: str
    name: str
    content: str | bytes | Callable[[Path], None]
    rows: int = ROWS
    lost: tuple[tuple[str, int], ...] = ()
    refused: str = ""
    asked: bool = False
    noticed: tuple[tuple[str, int], ...] = ()

    def write(self, folder: Path) -> Path:
        """Write the file."""
        path = folder / self.name
        if callable(self.content):
            self.content(path)
        else:
            path.write_bytes(self.content.encode() if isinstance(self.content, str) else self.content)
        return path


@dataclass(frozen=True)
class Outcome:
    """What looking at a file and reading it gave; the rest is as in `Shape`."""

    rows: int = 0
    used: int = 0
    lost: tuple[tuple[str, int], ...] = ()
    noticed: tuple[tuple[str, int], ...] = ()
    asked: bool = False
    refused: str = ""


def outcome(shape: Shape, folder: Path) -> Outcome:
    """Look at the file, take the guesses, and read it."""
    path = shape.write(folder)
    try:
        found = inspect_file(path, {}, labelled=True)
        splits, report = read(DatasetConfig.model_validate({"name": "mine", **found.settings}))
    except SentimentError as error:
        return Outcome(refused=error.cause.replace(f"{folder}/", ""))
    frame = splits.frame()
    says_something = frame["text"].str.strip_chars() != ""
    counts = {**report.left_out, **report.noticed}
    counts["unlabelled"] = int((says_something & frame["label"].is_null()).sum()) - sum(
        rows for reason, rows in counts.items() if reason.startswith(NO_LABEL)
    )
    named = [(reason, rows) for reason, rows in sorted(counts.items()) if rows and reason != MADE_ID]
    return Outcome(
        rows=report.rows_read,
        used=int((says_something & frame["label"].is_not_null()).sum()),
        lost=tuple(each for each in named if each[0] not in NO_LOSS),
        noticed=tuple(each for each in named if each[0] in NO_LOSS),
        asked=bool(found.doubts),
    )


def _parquet(**columns: Any) -> Callable[[Path], None]:
    return lambda path: pl.DataFrame(columns).write_parquet(path)


TEXTS = [text for text, _ in reviews()]
GOODS = [good for _, good in reviews()]
LABELLED = table(["text", "label"], words())
NUMBERED = [(row, *pair) for row, pair in enumerate(words())]
STARS = table(["review", "stars"], stars())

SHAPES = (
    Shape("Excel, CSV UTF-8: BOM and CRLF", "excel.csv", "\ufeff" + LABELLED),
    Shape(
        "Excel in Korea, CSV: cp949",
        "excel_ko.csv",
        table(["내용", "감성"], [(t.replace("👍", ""), label) for t, label in words("긍정", "부정")]).encode("cp949"),
    ),
    Shape(
        "Excel, Unicode text: UTF-16 with BOM, tabs",
        "unicode.txt",
        LABELLED.replace(",", "\t").encode("utf-16")
        if False
        else table(["text", "label"], words(), "\t").encode("utf-16"),
    ),
    Shape("UTF-16 without BOM", "be.csv", LABELLED.encode("utf-16-be")),
    Shape(
        "Excel in Germany: semicolons, 4,0",
        "de.csv",
        table(["Text", "rating"], stars("5,0", "1,0"), ";").encode("utf-8"),
        refused="mine: ratings like '1,0' are no numbers.",
    ),
    Shape("Excel, first line sep=;", "sep.csv", "sep=;\r\n" + table(["text", "label"], words(), ";")),
    Shape(
        "Google Play console",
        "play.csv",
        table(
            ["Package Name", "App Version", "Reviewer Language", "Star Rating", "Review Title", "Review Text"],
            [("com.shop", "1.2", "ko", s, "", t) for t, s in stars()],
        ).encode("utf-16"),
    ),
    Shape(
        "Google Forms",
        "forms.csv",
        table(
            ["타임스탬프", "후기를 남겨 주세요", "만족도"], [("2026. 11. 29 오후 3:04:05", t, s) for t, s in stars()]
        ),
    ),
    Shape(
        "App Store, JSON array",
        "array.json",
        json.dumps([{"text": t, "label": label} for t, label in words()]),
        refused="array.json is a JSON array, not one object a ",
    ),
    Shape(
        "Sentiment140: latin-1, no header",
        "tweets.csv",
        table(
            ["4", "1", "Mon Apr 06", "NO_QUERY", "kim", "a first tweet"],
            [(4 if g else 0, 7, "Mon Apr 06", "NO_QUERY", "kim", f"tweet {n}") for n, g in enumerate(GOODS)],
        ).encode("latin-1"),
        refused="tweets.csv has no line of column names: the f",
    ),
    Shape(
        "NSMC: TSV, 0 and 1",
        "nsmc.txt",
        table(
            ["id", "document", "label"],
            [(n, t, int(g)) for n, (t, g) in enumerate(reviews())],
            "\t",
            quoting=csv.QUOTE_NONE,
            quotechar=None,
            escapechar="\\",
        ),
        asked=True,
    ),
    Shape(
        "IMDB: <br /> in texts",
        "imdb.csv",
        table(["review", "sentiment"], [(f"{t}<br /><br />{t}", label) for t, label in words()]),
    ),
    Shape(
        "Yelp: JSON lines, stars as 5.0",
        "yelp.jsonl",
        lines({"review_id": str(n), "stars": float(s), "text": t} for n, (t, s) in enumerate(stars())),
    ),
    Shape(
        "Amazon: JSON lines, overall, reviewText",
        "amazon.json",
        lines({"overall": float(s), "reviewText": t, "summary": "x", "unixReviewTime": 1252800000} for t, s in stars()),
    ),
    Shape(
        "Amazon: TSV, quotes that are not quoting",
        "amazon.tsv",
        "review_body\tstar_rating\n"
        + "".join(
            f'"{t.replace(chr(34), "")}\t{s}\n' if n % 7 == 3 else f"{t}\t{s}\n" for n, (t, s) in enumerate(stars())
        ),
    ),
    Shape(
        "Steam: recommended True and False",
        "steam.csv",
        table(["review", "recommended"], [(t, g) for t, g in reviews()]),
        asked=True,
    ),
    Shape(
        "Airline tweets: a column named airline_sentiment",
        "air.csv",
        table(["tweet_id", "airline_sentiment", "text"], [(n, label, t) for n, (t, label) in enumerate(words())]),
    ),
    Shape("Parquet", "a.parquet", _parquet(text=TEXTS, label=[int(g) for g in GOODS]), asked=True),
    Shape(
        "Parquet, a column of lists besides",
        "b.parquet",
        _parquet(review=TEXTS, stars=[5 if g else 1 for g in GOODS], tags=[["a"]] * ROWS),
    ),
    Shape("gzip", "packed.csv.gz", gzip.compress(LABELLED.encode())),
    Shape(
        "MySQL: tabs, \\N for nothing",
        "mysql.tsv",
        "text\tlabel\n" + "".join(f"{t}\t{label if n else chr(92) + 'N'}\n" for n, (t, label) in enumerate(words())),
        lost=(("unlabelled", 1),),
    ),
    Shape(
        "PostgreSQL COPY: t and f",
        "copy.csv",
        table(["text", "good"], [(t, "t" if g else "f") for t, g in reviews()]),
        refused="mine: no row has the label negative or positi",
    ),
    Shape(
        "SPSS: 1, 2, and 9 for no answer",
        "spss.csv",
        table(["text", "label"], [(t, 9 if n < 4 else 1 if g else 2) for n, (t, g) in enumerate(reviews())], ";"),
        asked=True,
    ),
    Shape("R: row names under an empty name", "r.csv", table(["", "text", "label"], NUMBERED)),
    Shape(
        "pandas: an index without a name, names that only end as usual ones",
        "index.txt",
        table(
            ["", "고객 후기", "airline_sentiment"],
            [(row, text, "긍정" if label == "positive" else "부정") for row, text, label in NUMBERED],
            "\t",
        ).encode("utf-16"),
    ),
    Shape("pandas: an index column", "pandas.csv", table(["Unnamed: 0", "text", "label"], NUMBERED)),
    Shape(
        "pandas: JSON by columns",
        "columns.json",
        json.dumps({"text": dict(enumerate(TEXTS)), "label": dict(enumerate(GOODS))}, ensure_ascii=False),
        refused="columns.json is one JSON object of columns, n",
    ),
    Shape(
        "Elasticsearch: nested _source",
        "es.jsonl",
        lines({"_id": n, "_source": {"text": t, "label": label}} for n, (t, label) in enumerate(words())),
        refused="es.jsonl has its texts in objects under '_sou",
    ),
    Shape(
        "line ends inside quoted texts",
        "ends.csv",
        table(["text", "label"], [(f"{t}\r\nsecond line", label) for t, label in words()]),
    ),
    Shape("old Mac: CR alone", "mac.csv", table(["text", "label"], words(), ends="\r")),
    Shape(
        "a zero byte in a text",
        "zero.csv",
        table(["text", "label"], [(t.replace("great", "gre\0at"), label) for t, label in words()]),
        refused="zero.csv holds binary data, not utf-8 text (a",
    ),
    Shape("no-break and zero-width spaces around names", "space.csv", table(["\u200btext\u00a0", " label "], words())),
    Shape(
        "two columns of one name",
        "twice.csv",
        table(["text", "label", "label"], [(t, label, label) for t, label in words()]),
    ),
    Shape(
        "a comma too many at every row's end",
        "comma.csv",
        "text,label\n" + "".join(f"plain text {n},{label},\n" for n, (t, label) in enumerate(words())),
        refused="comma.csv, line 2: 3 fields where the header ",
    ),
    Shape(
        "rows that are too short",
        "short.csv",
        LABELLED.replace("negative", "", 1).replace(",\r\n", "\r\n", 1),
        refused="short.csv, line 2: 1 field where the header h",
    ),
    Shape(
        "comment lines first",
        "comment.csv",
        "# exported 2026-11-29 by shop\n# 40 rows\n" + LABELLED,
        refused="comment.csv begins with 2 lines of comments.",
    ),
    Shape(
        "a row of totals at the end",
        "total.csv",
        table(["text", "rating"], [*stars(), ("합계", 120)]),
        rows=ROWS + 1,
        asked=True,
    ),
    Shape(
        "empty lines between the rows",
        "gaps.csv",
        LABELLED.replace("\r\n", "\r\n\r\n"),
        rows=81,
        lost=(("blank line", 41),),
    ),
    Shape(
        "half stars",
        "half.csv",
        table(["text", "rating"], [(t, 4.5 if g else 0.5) if n else (t, 2.5) for n, (t, g) in enumerate(reviews())]),
        lost=(("rating outside every range", 1),),
    ),
    Shape(
        "ratings from 1 to 10",
        "ten.csv",
        table(["text", "score"], [(t, 9 if g else 2) if n > 3 else (t, 6) for n, (t, g) in enumerate(reviews())]),
        lost=(("rating outside every range", 4),),
        asked=True,
    ),
    Shape("ratings from 0 to 100", "hundred.csv", table(["text", "평점"], stars(95, 10)), asked=True),
    Shape("stars as ★★★★☆", "drawn.csv", table(["text", "rating"], stars("★★★★★", "★☆☆☆☆"))),
    Shape("ratings as 5점", "jeom.csv", table(["text", "rating"], stars("5점", "1점"))),
    Shape(
        "ratings as 5/5",
        "of5.csv",
        table(["text", "rating"], stars("5/5", "1/5")),
        refused="mine: ratings like '1/5' are no numbers.",
    ),
    Shape(
        "dates as 2026.11.29.",
        "dates.csv",
        table(["text", "label", "date"], [(t, label, "2026.11.29.") for t, label in words()]),
    ),
    Shape(
        "dates as 29/11/2026",
        "eu.csv",
        table(["text", "label", "date"], [(t, label, "29/11/2026") for t, label in words()]),
        noticed=(("unreadable date", 40),),
    ),
    Shape(
        "dates as Excel's day numbers",
        "serial.csv",
        table(["text", "label", "date"], [(t, label, 46000) for t, label in words()]),
        noticed=(("unreadable date", 40),),
    ),
    Shape(
        "placeholders as texts",
        "nan.csv",
        table(
            ["text", "label"],
            [(t if n > 3 else ("NaN", "-", "null", "N/A")[n], label) for n, (t, label) in enumerate(words())],
        ),
        lost=(("text that stands for nothing", 4),),
    ),
    Shape(
        "one column, no separator",
        "one.csv",
        "text\n" + "".join(f"plain text {n}\n" for n in range(ROWS)),
        refused="mine: no row has the label negative or positi",
    ),
    Shape(
        "labels with a slip and two that nobody meant",
        "slip.csv",
        table(
            ["text", "label"],
            [(t, "negatve" if n == 2 else "??" if n in (4, 6) else label) for n, (t, label) in enumerate(words())],
        ),
        lost=(("label '??', which label_values drops", 2),),
        asked=True,
    ),
    Shape(
        "Excel workbook",
        "book.xlsx",
        b"PK\x03\x04" + b"\0" * 60,
        refused="book.xlsx holds binary data, not utf-8 text (",
    ),
    Shape(
        "a ZIP of a CSV",
        "packed.zip",
        b"PK\x03\x04" + b"\0" * 60,
        refused="packed.zip holds binary data, not utf-8 text ",
    ),
)


def main() -> None:
    """Print the table."""
    print("| file | rows | learnt from | the others | asked first |\n|---|---|---|---|---|")
    for shape in SHAPES:
        with tempfile.TemporaryDirectory() as folder:
            found = outcome(shape, Path(folder))
        if found.refused:
            print(f"| {shape.what} | {shape.rows} | – | refused: {found.refused} |  |")
            continue
        others = ", ".join(f"{reason}: {rows}" for reason, rows in (*found.lost, *found.noticed))
        print(f"| {shape.what} | {found.rows} | {found.used} | {others} | {'yes' if found.asked else ''} |")


if __name__ == "__main__":
    main()
