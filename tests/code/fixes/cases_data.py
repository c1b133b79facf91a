"""Errors of files, tables, databases, downloads and of what is in them."""

import gzip
import hashlib
import io
import json
import os
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx

from cli.console import Options
from cli.own_file import with_file
from sentiment.data import files
from sentiment.data.clean import clean
from sentiment.data.inspection import inspect_file
from sentiment.data.read import read
from sentiment.data.sources import http
from sentiment.data.split import split
from sentiment.data.validate import validate
from sentiment.scoring.snapshot import take_snapshot
from tests.code.fixes.registered import case
from tests.code.fixes.world import GOOD, World

LABELLED = "text,label\nfine phone,positive\nbad phone,negative\n"
TEXTS = ["it broke after a day", "works well", "never again", "a very good one"]
QUOTES = "text,label\n" + "".join(
    f"{chr(34) if row in (11, 21) else ''}review number {row} sent it back,{('negative', 'positive')[row % 2]}\n"
    for row in range(40)
)


def table(header: str, *rows: str) -> str:
    return "\n".join([header, *rows]) + "\n"


def file(
    name: str, of: str, content: str | bytes, *options: str, by_hand: dict[str, str] | None = None, **blanks: str
) -> None:
    """A case of a file that is not read until its fix is carried out; `by_hand`: what a person makes of the file."""

    def made(world: World) -> None:
        world.reading(of, content, *options, **blanks)
        for part, better in (by_hand or {}).items():
            world.by_hand[part] = lambda better=better: world.path and world.path.write_text(better)

    case(name)(made)


DIALECT, FILES, READ, LABELS = (f"sentiment/data/{module}: " for module in ("dialect", "files", "read", "labels"))
DOUBLED = {"with every quote in a text doubled": LABELLED}

file(f"{DIALECT}…: … (…) are between the columns, not ….", "a.csv", LABELLED.replace(",", ";"))
file(
    f"{DIALECT}…, line …: a quote opens a text and none closes it.",
    "a.csv",
    table("text,label", "fine,positive", '"bad,negative'),
    by_hand=DOUBLED,
)
file(
    f"{DIALECT}…, line …: a quote makes one text of … lines that look like rows (the first begins with …).",
    "a.csv",
    QUOTES,
    by_hand=DOUBLED,
)
file(
    "sentiment/data/encoding: dataset.encoding is …, which is no encoding of texts.",
    "a.csv",
    LABELLED,
    "encoding=utf-9",
)
file("sentiment/data/encoding: …, but it reads as ….", "a.csv", LABELLED.replace("fine", "좋아요 정말").encode("cp949"))
file("sentiment/data/encoding: ….", "a.csv", LABELLED.encode() + b"\xff\xfe\xfd\x80\x81 odd,positive\n", NAME="latin-1")
file(f"{FILES}…: the name does not say which format this is.", "a.txt", GOOD.replace(",", "\t").encode("utf-16"))
file(f"{FILES}… is empty.", "a.csv", b"\xef\xbb\xbf\n", by_hand={"Write or download it again": LABELLED})
file(
    f"{FILES}… has a header (…) but no rows.",
    "a.csv",
    "text,label\n",
    by_hand={"Write rows below the header": LABELLED},
)
file(f"{FILES}… is not packed, although its name says so.", "a.csv.gz", LABELLED)
file(f"{FILES}… is not a Parquet file, or only a part of one.", "a.parquet", LABELLED)
file(
    f"{FILES}…, line …: … where the header has ….",
    "a.csv",
    table("text,label", "fine,positive", "bad, really,negative"),
    by_hand={
        "Write the text of line 3 between double quotes": table(
            "text,label", "fine,positive", '"bad, really",negative'
        ),
        "Take the line out": LABELLED,
    },
)
file(
    f"{FILES}… is a JSON array, not one object a line.",
    "a.json",
    '[{"text": "a", "label": "positive"}, {"text": "b", "label": "negative"}]',
)
ODD = '{"text": "a", "label": "positive"}\n%s\n{"text": "b", "label": "negative"}\n'
LINES = ODD.replace("%s\n", "")
file(f"{FILES}…, line … is not JSON: ….", "a.jsonl", ODD % '{"text": ', by_hand={})
file(f"{FILES}…, line … is not a JSON object.", "a.jsonl", ODD % "3")
file(
    f"{FILES}…, line … is not JSON: it has ….",
    "a.jsonl",
    ODD % '{"text": NaN, "x": {"y": [NaN]}}',
    by_hand={"Write null in place of NaN": LINES},
)
file(f"{FILES}…, line … holds a number or a nesting that is too large.", "a.jsonl", ODD % '{"text": 1e400}')
file(
    f"{FILES}…, line … holds half a character (…): a text is cut in an emoji.",
    "a.jsonl",
    ODD % '{"text": "cut \\ud83d"}',
)
file(
    f"{FILES}…: a key has an object or a list in one line, and something else in another.",
    "a.jsonl",
    '{"text": "a", "label": "positive", "x": [1]}\n{"text": "b", "label": "negative", "x": 2}\n',
    by_hand={"Write one kind of value under each key": LINES},
)
file(
    f"{LABELS}{{cause}}",
    "a.csv",
    LABELLED + "meh,negatve\nso,unclear\n",
    by_hand={},
)
file(
    f"{LABELS}…: ratings go up to …, but dataset.rating_ranges end at … (… of … are above).",
    "a.csv",
    table("text,rating", *(f"r{n},{n % 10 + 1}" for n in range(50))),
)
file(
    f"{LABELS}…: ratings like … are no numbers.",
    "a.csv",
    table("text,rating,mood", 'fine,"5,0",positive', 'bad,"1,0",negative'),
    by_hand={"Write them as numbers with a point": table("text,rating", "fine,5.0", "bad,1.0")},
    NAME="mood",
)
file(
    f"{LABELS}…: column … has … different values, and labels: auto takes up to ….",
    "a.csv",
    "text,label,mood\n" + "".join(f"review {n},value {n},{('good', 'bad')[n % 2]}\n" for n in range(30)),
    "labels=auto",
    NAME="mood",
    by_hand={"Name the labels yourself": "text,label\nfine,good\nbad,bad\n"},
)
file(
    f"{LABELS}…: column … has …, and a model needs two.",
    "a.csv",
    table("text,label,mood", "fine,x,good", "bad,x,bad"),
    "labels=auto",
    NAME="mood",
    by_hand={"Add rows of another label": table("text,label", "fine,x", "bad,y")},
)
file(
    f"{READ}…: the value … of the column … is no split.",
    "a.csv",
    table("text,label,split", "a,positive,rest", "b,negative,rest"),
    by_hand={"Write train, validation or test": table("text,label,split", "a,positive,train", "b,negative,test")},
)
file(f"{READ}…: no row has the label … (rows by label: …).", "a.csv", LABELLED, "labels=[negative, neutral, positive]")
file(
    f"{READ}…: no row is left after ….",
    "a.csv",
    table("text,label,created_at", "a,positive,2020-01-01", "b,negative,2020-01-01"),
    "created_from=2021-01-01",
)
file(
    f"{READ}…: the column … holds lists or objects.",
    "a.jsonl",
    '{"text": "a", "label": "positive", "category": ["x"]}\n{"text": "b", "label": "negative"}\n',
)
file(f"{READ}… has no column … (dataset.…_column); it has ….", "a.csv", LABELLED, "text_column=texts")
SPLIT, SELECT = "sentiment/data/split: ", "SELECT id, text, label FROM reviews"
SOURCES, DATABASE = "sentiment/data/sources/__init__: ", "sentiment/data/sources/database: "
file(f"{SOURCES}dataset: query and a path … go together.", "a.csv", LABELLED, "query=SELECT 1")


# Places whose fix depends on the file

file(f"{DIALECT}…: … (…) are between the columns, not …. | tabs", "a.csv", LABELLED.replace(",", "\t"))
file(f"{DIALECT}…: … (…) are between the columns, not …. | commas", "a.tsv", LABELLED)
file(
    f"{LABELS}{{cause}} | values that no command may hold",
    "a.csv",
    table("text,label,mood,rating", "a,010-1234-5678,positive,5", "b,negative,negative,1"),
    NAME="mood",
)
file(f"{LABELS}{{cause}} | a value that is dropped", "a.csv", LABELLED + "meh,unclear\n")
file(f"{READ}…: no row is left after …. | sample", "a.csv", LABELLED, "sample_rate=0.000001")
file(
    f"{READ}…: the column … holds lists or objects. | texts",
    "a.jsonl",
    '{"text": ["a"], "body": "a", "label": "positive"}\n{"text": ["b"], "body": "b", "label": "negative"}\n',
    NAME="body",
)
file(
    f"{READ}… has no column … (dataset.…_column); it has …. | not near",
    "a.csv",
    LABELLED,
    "text_column=body",
    NAME="text",
)
file(
    f"{FILES}…, line …: … where the header has …. | too few",
    "a.csv",
    table("text,label", "fine,positive", "bad"),
    by_hand={"Write all fields of line 3": LABELLED, "Take the line out": LABELLED},
)
file(
    f"{FILES}…, line …: … where the header has …. | quoting that is off",
    "a.csv",
    table("text,label", '"fine, really",positive', "bad,negative"),
    "quote_char=null",
    by_hand={"Write the text of line 2 between double quotes": LABELLED},
)
file(
    "sentiment/data/encoding: dataset.encoding is …, which is no encoding of texts. | bytes",
    "a.csv",
    LABELLED.replace("fine", "좋아요 정말").encode("cp949"),
    "encoding=base64",
)
file("sentiment/data/encoding: …. | packed", "a.csv", gzip.compress(GOOD.encode()))
file(
    "sentiment/data/encoding: …. | workbook",
    "a.csv",
    b"PK\x03\x04" + bytes(200),
    by_hand={"Save its table as CSV": LABELLED},
)
file(
    "sentiment/data/encoding: …. | old workbook",
    "a.csv",
    b"\xd0\xcf\x11\xe0" + bytes(200),
    by_hand={"Save its table as CSV": LABELLED},
)
file(
    "sentiment/data/encoding: …. | PDF",
    "a.csv",
    b"%PDF-1.7\n" + bytes(range(256)),
    by_hand={"take the table of texts out of it": LABELLED},
)
file("sentiment/data/encoding: …. | zero byte", "a.csv", "text,label\na\0b,positive\n")
file(
    f"{FILES}…: the name does not say which format this is. | lines",
    "a.txt",
    '{"text": "a", "label": "positive"}\n{"text": "b", "label": "negative"}\n',
)


NO_LABEL = f"{READ}…: no row has the label … (rows by label: …)."


@case(f"{LABELS}{{cause}} | values that are all unknown")
def all_unknown(world: World) -> None:
    world.reading("a.csv", table("text,label", "a,1", "b,0", "c,0"))
    meaning = 'dataset.label_values={"1": positive, "0": negative}'
    world.by_hand['--set \'dataset.label_values={"0": "LABEL", "1": "LABEL"}\''] = lambda: world.overrides.append(
        meaning
    )


@case(f"{NO_LABEL} | none")
def no_labels(world: World) -> None:
    named_either_way(world, table("text,mood,stars", "a,positive,5", "b,negative,1"))


@case(f"{NO_LABEL} | one")
def only_one_label(world: World) -> None:
    named_either_way(world, table("text,label,mood,stars", "a,positive,positive,5", "b,positive,negative,1"))
    world.by_hand["Add rows of another label than positive"] = lambda: world.write("a.csv", LABELLED)


def named_either_way(world: World, content: str) -> None:
    """NAME is another column in each way out."""
    world.reading("a.csv", content)
    carry_out = world.carry_out

    def named(way: str) -> None:
        carry_out(way.replace("NAME", "stars" if "rating_column" in way else "mood"))

    world.carry_out = named  # type: ignore[method-assign]


def parquet() -> bytes:
    import polars as pl

    buffer = io.BytesIO()
    pl.DataFrame({"text": ["a", "b"], "label": ["positive", "negative"]}).write_parquet(buffer)
    return buffer.getvalue()


file("sentiment/data/encoding: …. | Parquet", "a.csv", parquet())
file(f"{FILES}…: the name does not say which format this is. | Parquet", "a.bin", parquet())


@case(f"{FILES}… is not a Parquet file, or only a part of one. | a part")
def half_a_parquet(world: World) -> None:
    world.reading("a.parquet", parquet()[:-20])
    world.by_hand = {"Write or download it again": lambda: world.write("a.parquet", parquet())}


@case(f"{SOURCES}dataset: query and a path … go together. | no query")
def no_query(world: World) -> None:
    database(world, SELECT)
    world.overrides = world.overrides[:1]


@case(f"{SPLIT}The … split has no row of the label …: …. | enough rows")
def unlucky_split(world: World) -> None:
    splitting(world, 600, "split.validation=0.0000001")


@case("sentiment/data/validate: The data failed … of …: …. | shares")
def broken_bounds(world: World) -> None:
    rows = [f"review number {n} of all,{('negative', 'positive')[n % 2]}" for n in range(600)]
    world.reading("a.csv", table("text,label", *rows, *[f" ,{('negative', 'positive')[n % 2]}" for n in range(60)]))
    world.overrides += ["validation.max_near_duplicate_share=0.5"]

    def validated() -> None:
        config = world.train_config()
        splits, _ = read(config.dataset)
        cleaned, cleaning = clean(splits, config.normaliser)
        validate(split(cleaned, config.split), cleaning, config.validation).require_passed()

    world.attempt = validated
    world.by_hand = {
        "Mend the rows at fault in the source": lambda: world.write("a.csv", table("text,label", *distinct()))
    }


def distinct() -> list[str]:
    words = [hashlib.sha256(str(n).encode()).hexdigest() for n in range(600)]
    return [f"{word[:8]} {word[8:20]} {word[20:40]},{('negative', 'positive')[n % 2]}" for n, word in enumerate(words)]


@case(f"{FILES}… cannot be read: ….")
def unreadable(world: World) -> None:
    world.reading("a.csv", LABELLED)
    path, opened = world.path, Path.open
    assert path
    path.chmod(0o200)

    def open_as_anybody(self: Path, *arguments: Any, **options: Any) -> Any:
        if self == path and not path.stat().st_mode & 0o400:  # root may read everything
            raise PermissionError(13, "Permission denied", str(path))
        return opened(self, *arguments, **options)

    world.monkeypatch.setattr(Path, "open", open_as_anybody)


@case(f"{FILES}… is cut off or damaged.")
def cut_off(world: World) -> None:
    whole = gzip.compress(GOOD.encode())
    world.reading("a.csv.gz", whole[: len(whole) // 2])
    world.by_hand = {"Write or download it again": lambda: world.write("a.csv.gz", whole)}


file(f"{FILES}…: its quotes or line ends are mixed.", "a.csv", LABELLED + 'a 5" phone,negative\n', by_hand=DOUBLED)
file(
    f"{FILES}… has …, but … can be read: its quotes or line ends are mixed.",
    "a.csv",
    LABELLED + '""b c",positive\nb c",negative\n',
    by_hand=DOUBLED,
)


def inspected(world: World, content: str | bytes, name: str = "a.csv", **given: Any) -> None:
    """`train FILE` looks at a file."""
    world.reading(name, content)

    def look() -> None:
        settings = {
            each.partition("=")[0].removeprefix("dataset."): each.partition("=")[2].strip('"')
            for each in world.overrides
        }
        assert world.path
        inspect_file(world.path, {**given, **settings}, labelled=True)

    world.attempt = look


INSPECTION = "sentiment/data/inspection: "


@case(f"{INSPECTION}… has a header (…) but no rows.")
def only_a_header(world: World) -> None:
    inspected(world, "text,label\n")
    world.by_hand = {"Write rows below the header": lambda: world.write("a.csv", LABELLED)}


@case(f"{INSPECTION}… has no line of column names: the first one looks like a row (…).")
def no_header(world: World) -> None:
    inspected(world, "\n".join(f"{at}\t{text}" for at, text in enumerate(TEXTS)).encode("utf-16"), "a.txt")


@case(f"{INSPECTION}… has no column … (dataset.…); it has ….")
def no_such_column(world: World) -> None:
    inspected(world, GOOD, text_column="texts")


@case(f"{INSPECTION}{{cause}}")
def json_of_columns(world: World) -> None:
    columns = {"text": dict(enumerate(TEXTS)), "label": dict(enumerate(("neg", "pos", "neg", "pos")))}
    inspected(world, json.dumps(columns), "a.json")


@case(f"{INSPECTION}… begins with … of comments.")
def comments(world: World) -> None:
    inspected(world, "# exported\n# today\n" + GOOD)


@case(f"{INSPECTION}…: every row has the label … (…).")
def one_label(world: World) -> None:
    inspected(
        world, table("text,label,mood", *(f"{text},x,{'neg' if at % 2 else 'pos'}" for at, text in enumerate(TEXTS)))
    )
    world.blanks["NAME"] = "mood"


@case(f"{INSPECTION}… has no column of texts; it has ….")
def only_numbers(world: World) -> None:
    inspected(world, table("a,b", "1,2", "3,4"))
    world.blanks["NAME"] = "a"


@case(f"{READ}… gives no id: its rows have no order to number them by.")
def no_id(world: World) -> None:
    database(world, "SELECT text, label, id AS number FROM reviews")
    world.blanks["NAME"] = "number"


def database(world: World, query: str, url: str | None = None) -> None:
    """A query of a SQLite database; `url` is what the variable holds."""
    path = world.folder / "reviews.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS reviews (id, text, label, split)")
        rows = [(n, f"review {n}", ("negative", "positive")[n % 2], ("train", "test")[n % 3 == 0]) for n in range(9)]
        connection.executemany("INSERT INTO reviews VALUES (?, ?, ?, ?)", rows)
    for name in ("REVIEWS", "REVIEWS_DATABASE_URL"):
        world.monkeypatch.setenv(name, url or f"sqlite:///{path}")
    world.write("good.csv", GOOD)
    world.overrides += ["dataset.path=database://REVIEWS", f"dataset.query={query}"]
    world.blanks |= {
        "SELECT ...": "SELECT id, text, label FROM reviews",
        "/folder/reviews.db": str(path),
        "NAME": "split",
        "FILE": str(world.folder / "good.csv"),
    }
    world.attempt = world.read


def postgresql(world: World) -> None:
    """There is none here: its place is taken by the file that answers."""
    world.by_hand["postgresql://user@host/database"] = lambda: world.monkeypatch.setenv(
        "REVIEWS", f"sqlite:///{world.folder}/reviews.db"
    )


@case(f"{DATABASE}The query on … gives no rows.")
def no_rows(world: World) -> None:
    database(world, f"{SELECT} WHERE id > 99")


@case(f"{DATABASE}The query on … failed: ….")
def bad_query(world: World) -> None:
    database(world, "SELECT txt FROM reviews")


@case(f"{DATABASE}The query on … gives two columns of one name: ….")
def twice(world: World) -> None:
    database(world, f"{SELECT.replace('label', 'label, id')}")
    world.by_hand = {
        "Rename one with AS": lambda: world.overrides.append(
            f"dataset.query={SELECT.replace('label', 'label, id AS other_id')}"
        )
    }


@case(f"{DATABASE}dataset.path names the environment variable …, which is not set.")
def no_url(world: World) -> None:
    database(world, SELECT)
    world.monkeypatch.delenv("REVIEWS")
    postgresql(world)


@case(f"{DATABASE}The environment variable … holds no database URL.")
def wrong_url(world: World) -> None:
    database(world, SELECT, "reviews.db")
    postgresql(world)


@case(f"{DATABASE}The SQLite file that … names does not exist.")
def no_database(world: World) -> None:
    database(world, SELECT, "sqlite:////nowhere/reviews.db")


@case(f"{DATABASE}The database of … needs a driver that is not there (…).")
def no_driver(world: World) -> None:
    database(world, SELECT, "mssql+nothing://me@host/reviews")
    postgresql(world)
    world.by_hand["Install the driver of the other one with pip"] = world.by_hand["postgresql://user@host/database"]


@case(f"{DATABASE}dataset: only path may be a database; a column of the query gives its splits.")
def two_databases(world: World) -> None:
    database(world, "SELECT id, text, label, split FROM reviews")
    world.overrides.append("dataset.test_path=database://REVIEWS")


@case(f"{DATABASE}dataset: path must name the environment variable that holds the database's URL, not the URL itself.")
def url_in_the_config(world: World) -> None:
    database(world, SELECT)
    world.overrides.append("dataset.path=database://host/reviews")


@case(f"{SOURCES}dataset: no source reads ….")
def unknown_scheme(world: World) -> None:
    world.reading("a.csv", LABELLED)
    world.path = None
    world.overrides = ["dataset.path=htps://example.com/a.csv"]
    world.attempt = lambda: __import__("sentiment.data.sources", fromlist=["check"]).check(world.train_config().dataset)
    world.by_hand = {"Did you mean 'https'?": lambda: world.overrides.append("dataset.path=https://example.com/a.csv")}


def web(world: World, status: int = 200, **options: str) -> str:
    """A web server with one file; the rest of the addresses answer with `status`."""

    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/moved.csv":
            return httpx.Response(302, headers={"location": "http://127.0.0.1/good.csv"})
        return httpx.Response(200 if "good" in str(request.url) else status, content=GOOD.encode())

    transport, client = httpx.MockTransport(answer), httpx.Client
    world.monkeypatch.setattr(httpx, "Client", lambda **options: client(**options, transport=transport))
    world.blanks |= {"FILE": str(world.write("good.csv", GOOD)), "ADDRESS": "https://example.com/good.csv"}
    return "https://example.com/reviews.csv"


def download(world: World, attempt: Callable[[str], object], address: str) -> None:
    world.overrides = [f"dataset.path={address}"]

    def tried() -> object:
        dataset = world.train_config().dataset
        if "://" not in dataset.path:
            return world.read()
        return (
            attempt(dataset.path)
            if dataset.sha256 is None
            else http.download(dataset.path, dataset.sha256, world.folder)
        )

    world.attempt = tried


@case(f"{FILES}… unpacks to more than … times its size.")
def grows(world: World) -> None:
    world.monkeypatch.setattr(files, "UNPACKED_BYTES", 1 << 10)
    world.reading("a.csv.gz", gzip.compress((GOOD + "x,fine,positive\n" * 200_000).encode()))


HTTP = "sentiment/data/sources/http: "


@case(f"{HTTP}… cannot be downloaded: ….")
def refused_download(world: World) -> None:
    download(world, lambda url: http.download(url, None, world.folder), web(world, 404))


@case(f"{HTTP}… cannot be reached: ….")
def out_of_reach(world: World) -> None:
    download(world, http.remote_version, web(world, 503))


@case(f"{HTTP}… sends on to …, which is a local or private address.")
def sent_inside(world: World) -> None:
    address = web(world).replace("reviews", "moved")
    download(world, lambda url: http.download(url, None, world.folder), address)


@case(f"{HTTP}… is larger than … MB.")
def too_large(world: World) -> None:
    address = web(world)
    download(
        world, lambda url: http.download(url, None, world.folder, max_bytes=1 << 20 if "good" in url else 10), address
    )


@case(f"{HTTP}… has the SHA-256 …, not ….")
def other_checksum(world: World) -> None:
    address = web(world)
    download(world, lambda url: None, address)
    world.overrides.append(f"dataset.sha256={hashlib.sha256(b'other').hexdigest()}")


HUB = "sentiment/data/sources/hub: "


def hub(world: World, address: str) -> None:
    import datasets

    def load(name: str, config: str | None, revision: str | None) -> Any:
        if name != "owner/good" and not os.environ.get("HF_TOKEN"):
            raise datasets.exceptions.DatasetNotFoundError("no such dataset")
        return datasets.DatasetDict(
            {"train": datasets.Dataset.from_dict({"text": ["a", "b"], "label": ["negative", "positive"]})}
        )

    world.monkeypatch.setattr(datasets, "load_dataset", load)
    world.overrides = [f"dataset.path={address}"]
    world.blanks = {"OWNER/NAME": "owner/good", "TOKEN": "hf_x"}
    world.attempt = world.read


@case(f"{HUB}… is no dataset of the hub.")
def hub_name(world: World) -> None:
    hub(world, "hf://good")


@case(f"{HUB}… cannot be loaded: ….")
def hub_refuses(world: World) -> None:
    hub(world, "hf://owner/private")


LOCAL = "sentiment/data/sources/local: "


@case(f"{LOCAL}The file … does not exist.")
def no_file(world: World) -> None:
    world.reading("reviews.csv", LABELLED).path = world.folder / "review.csv"


@case(f"{LOCAL}The folder … has no file ending in ….")
def empty_folder(world: World) -> None:
    world.reading("a.csv", LABELLED)
    world.path = world.folder / "empty"
    world.path.mkdir()


def splitting(world: World, rows: int, *overrides: str, dates: bool = True) -> None:
    content = "text,label,created_at\n" + "".join(
        f"review number {n} of all,{('negative', 'positive')[n % 2]},{'2024-01-01' if dates or n else ''}\n"
        for n in range(rows)
    )
    world.reading("a.csv", content)
    world.overrides += overrides
    tests = "".join(f"test review {n},{('negative', 'positive')[n % 2]}\n" for n in range(40))
    world.blanks |= {"FILE": str(world.write("tests.csv", f"text,label\n{tests}")), "NAME": "when"}

    def cleaned_and_split() -> object:
        config = world.train_config()
        splits, _ = read(config.dataset)
        return split(clean(splits, config.normaliser)[0], config.split)

    world.attempt = cleaned_and_split


@case(f"{SPLIT}split.method is 'given', but the dataset gives no test set.")
def no_test_set(world: World) -> None:
    splitting(world, 400, "split.method=given")


@case(f"{SPLIT}split.method is 'time', but … of … have no created_at (first ids …).")
def no_dates(world: World) -> None:
    splitting(world, 400, "split.method=time", dates=False)
    assert world.path
    lines = world.path.read_text().splitlines()
    world.path.write_text(
        "\n".join(
            [
                f"{lines[0]},when",
                *(f"{line},2024-{at % 12 + 1:02d}-{at % 28 + 1:02d}" for at, line in enumerate(lines[1:])),
            ]
        )
    )


@case(f"{SPLIT}The … split has no row of the label …: ….")
def few_rows(world: World) -> None:
    splitting(world, 5)
    more = "text,label\n" + "".join(f"review {n} of many,{('negative', 'positive')[n % 2]}\n" for n in range(400))
    world.by_hand = {"Add rows labelled negative and positive: about 200 of each": lambda: world.write("a.csv", more)}


@case("sentiment/data/validate: The data failed … of …: ….")
def few_rows_in_a_split(world: World) -> None:
    splitting(world, 300)
    splitted = world.attempt

    def validated() -> None:
        config = world.train_config()
        splits, _ = read(config.dataset)
        cleaned, cleaning = clean(splits, config.normaliser)
        validate(split(cleaned, config.split), cleaning, config.validation).require_passed()

    assert splitted
    world.attempt = validated
    sizes = {"max_near_duplicate_share": 1}
    world.overrides += [f"validation.{key}={value}" for key, value in sizes.items()]
    more = "text,label\n" + "".join(f"review {n} of many,{('negative', 'positive')[n % 2]}\n" for n in range(600))
    world.by_hand = {"so about 200 in all": lambda: world.write("a.csv", more)}


SNAPSHOT = "sentiment/scoring/snapshot: "


@case(f"{SNAPSHOT}… has no row to score (…).")
def nothing_to_score(world: World) -> None:
    world.reading("a.csv", table("text,memo", "-,fine", ",bad"), NAME="memo")
    world.attempt = lambda: take_snapshot(world.train_config().dataset, 1)


@case(f"{SNAPSHOT}…: … of more than … characters.")
def long_ids(world: World) -> None:
    world.reading("a.csv", table("id,text,number", f"{'x' * 500},fine,1"), NAME="number")
    world.attempt = lambda: take_snapshot(world.train_config().dataset, 1)


OWN = "cli/own_file: "


def own(world: World, content: str, *overrides: str) -> None:
    """`train FILE`; `python run.py train ...` of a fix is called with its own arguments."""
    path = world.write("a.csv", content)
    state: dict[str, Any] = {"file": str(path), "overrides": overrides, "yes": False}

    def looked() -> object:
        options = Options(Path("configs/train.yaml"), tuple(state["overrides"]), "laptop", use_cache=True)
        return with_file(options, state["file"], "train", yes=state["yes"], labelled=True)

    world.attempt = looked
    world.commands = {
        "train ": lambda params: state.update(file=params["file"], overrides=params["overrides"], yes=params["yes"])
    }


@case(f"{OWN}Two files are named: … and … (dataset.path).")
def two_files(world: World) -> None:
    own(world, GOOD, "dataset.path=b.csv")


@case(f"{OWN}… leaves a question that only you can answer: …")
def a_question(world: World) -> None:
    own(world, table("text,label", *(f"{text},{at % 2}" for at, text in enumerate(TEXTS))))


@case(f"{OWN}Nothing was started.")
def said_no(world: World) -> None:
    own(world, table("text,label", *(f"{text},{at % 2}" for at, text in enumerate(TEXTS))))
    world.monkeypatch.setattr("sys.stdin", io.StringIO())
    for stream in ("stdin", "stdout"):
        world.monkeypatch.setattr(f"sys.{stream}.isatty", lambda: True, raising=False)
    world.monkeypatch.setattr("click.confirm", lambda _: False)
