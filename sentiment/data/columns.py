"""Which role a column of a file plays, told by its name."""

import re
from collections.abc import Iterable

# The most usual first, as `_key` writes them: in small letters, without spaces and signs.
NAMES = {
    "text": (
        *("text", "review", "content", "reviewtext", "body", "comment", "sentence", "document", "message"),
        *("내용", "리뷰", "리뷰내용", "후기", "댓글", "상품평", "본문", "문장", "텍스트", "의견"),
    ),
    "label": (
        *("label", "sentiment", "polarity", "class", "target", "recommended"),
        *("라벨", "레이블", "감성", "감정", "긍부정"),
    ),
    "rating": (
        *("rating", "stars", "star", "score", "overall", "rate"),
        *("별점", "평점", "점수", "평가", "만족도"),
    ),
    "created_at": (
        *("createdat", "date", "time", "timestamp", "at", "reviewedat"),
        *("날짜", "작성일", "등록일", "일시", "타임스탬프"),
    ),
    "id": ("id", "reviewid", "번호"),
}
# What a longer name ends in: Star Rating, airline_sentiment, 상품 후기. Not for ids: a shop's or a user's.
ENDINGS = {
    "text": ("text", "review", "content", "body", "comment", "내용", "리뷰", "후기", "댓글", "상품평", "의견"),
    "label": ("label", "sentiment", "polarity", "라벨", "레이블", "감성"),
    "rating": ("rating", "stars", "score", "별점", "평점", "만족도"),
    "created_at": ("date", "time", "timestamp", "날짜", "작성일", "등록일", "일시"),
    "id": (),
}
MOST_WORDS = 4
_WORD = re.compile(r"[A-Z]?[^\W_A-Z]+|[A-Z]+(?![a-z])")


def column_named_as(role: str, columns: Iterable[str]) -> str | None:
    """The column whose name says that it plays `role`; an exact name goes before one that only ends so."""
    names = list(columns)
    keys = {_key(name): name for name in reversed(names)}
    exact = next((keys[name] for name in NAMES[role] if name in keys), None)
    return exact or next((name for name in names if _ends_as(role, name)), None)


def is_column_name(name: str) -> bool:
    """Whether this is a name that columns have, and no value."""
    return any(_key(name) in names for names in NAMES.values())


def _ends_as(role: str, name: str) -> bool:
    words = [word.casefold() for word in _WORD.findall(name)]
    if not 1 <= len(words) <= MOST_WORDS:
        return False
    # Korean compounds end in what they are, with a space before it or not.
    return words[-1] in ENDINGS[role] or any(words[-1].endswith(end) for end in ENDINGS[role] if not end.isascii())


def _key(name: str) -> str:
    return "".join(_WORD.findall(name)).casefold()
