"""Ingest of a large corpus against the same steps in pandas, one child process each.

    python benchmarks/ingest.py --data $NSMC_DIR/naver_reviews.parquet

Reads reviews with ratings 1-10 (columns review_id, text, rating, movie_id, created_at), normalises them, drops empty,
conflicting and repeated texts, and validates the rest. CPU seconds and peak memory are those of the whole process,
imports included.
"""

import argparse
import html
import json
import re
import resource
import subprocess
import sys
import time
import unicodedata
from pathlib import Path

NEGATIVE, POSITIVE = (1, 4), (9, 10)
CHILDREN = ("sentiment-ops", "pandas apply")


def ingest_with_sentiment_ops(data: Path) -> int:
    from sentiment.config.dataset import DatasetConfig, ValidationConfig
    from sentiment.data.clean import clean
    from sentiment.data.read import read
    from sentiment.data.validate import validate
    from sentiment.text.normalise import TextNormaliser

    config = DatasetConfig(
        name="naver",
        path=str(data),
        id_column="review_id",
        category_column="movie_id",
        split_column="",
        rating_ranges={"negative": NEGATIVE, "positive": POSITIVE},
    )
    given, _ = read(config)
    cleaned, report = clean(given, TextNormaliser())
    validate(cleaned, report, ValidationConfig()).require_passed()
    return len(cleaned.train)


def ingest_with_pandas(data: Path) -> int:
    """The same steps as they are usually written: one function applied to every text, then group-bys."""
    import pandas as pd

    tag = re.compile(r"</?[A-Za-z][^<>]*>")
    invisible = re.compile("[\x00-\x08\x0e-\x1f\x7f-\x9f\u200b\u200c\u200e\u200f\u2060-\u206f\ufeff]")
    url = re.compile(r"(?:https?://|www\.)[!-~]+", re.IGNORECASE)
    repeat = re.compile(r"(\D)\1{3,}")

    def normalise(text: str) -> str:
        text = invisible.sub("", tag.sub(" ", html.unescape(text)))
        text = url.sub("[URL]", unicodedata.normalize("NFC", text))
        return " ".join(repeat.sub(r"\1\1\1", text).split())

    def label(rating: int) -> float:
        return 0.0 if rating <= NEGATIVE[1] else 1.0 if rating >= POSITIVE[0] else float("nan")

    def language(text: str) -> str:
        hangul = sum("가" <= character <= "힣" or "ㄱ" <= character <= "ㅣ" for character in text)
        latin = sum("a" <= character <= "z" for character in text.lower())
        return "ko" if hangul and hangul >= 0.2 * (hangul + latin) else "en" if latin else "other"

    frame = pd.read_parquet(data, columns=["review_id", "text", "rating", "movie_id", "created_at"])
    frame["id"] = frame["review_id"].astype(str)
    frame["language"] = frame["text"].apply(language)
    frame["label"] = frame["rating"].apply(label)
    frame["text"] = frame["text"].apply(normalise)
    frame = frame[(frame["text"] != "") & frame["label"].notna()]
    frame = frame[frame.groupby("text")["label"].transform("nunique") == 1]
    frame = frame.sort_values("created_at", kind="stable").drop_duplicates("text")
    assert frame["id"].notna().all()
    assert frame["label"].isin([0, 1]).all()
    assert (frame["language"] == "ko").mean() > 0.9
    assert frame["label"].value_counts().min() >= 20
    return len(frame)


def child(name: str, data: Path) -> None:
    rows = ingest_with_sentiment_ops(data) if name == CHILDREN[0] else ingest_with_pandas(data)
    used = resource.getrusage(resource.RUSAGE_SELF)
    print(json.dumps({"rows": rows, "cpu": used.ru_utime + used.ru_stime, "peak": used.ru_maxrss / 1024**2}))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--child", choices=CHILDREN, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        child(arguments.child, arguments.data)
        return
    print(f"{'':16}{'rows kept':>12}{'CPU s':>9}{'peak GB':>9}{'wall s':>9}{'CPU ratio':>11}{'memory ratio':>14}")
    first: dict[str, float] = {}
    for name in CHILDREN:
        start = time.perf_counter()
        command = [sys.executable, __file__, "--data", str(arguments.data), "--child", name]
        output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        result = json.loads(output.splitlines()[-1])
        first = first or result
        print(
            f"{name:16}{result['rows']:>12,}{result['cpu']:>9.2f}{result['peak']:>9.2f}"
            f"{time.perf_counter() - start:>9.2f}"
            f"{result['cpu'] / first['cpu']:>11.2f}{result['peak'] / first['peak']:>14.2f}"
        )


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    main()
