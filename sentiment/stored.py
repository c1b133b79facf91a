"""`Frozen`, `Config`, `Stored` and `Report`: the bases of all values that pydantic checks.

`Stored` is JSON that another version may read: it says its format, and a failure says what to do.
"""

import json
import re
from collections.abc import Mapping
from typing import Any, ClassVar, Final, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, ValidationError, ValidationInfo, model_validator
from pydantic_core import ErrorDetails, PydanticCustomError

from sentiment.errors import OR, SentimentError


class Frozen(BaseModel):
    """Immutable, and an unknown key is an error: a misspelt option cannot be ignored in silence."""

    model_config = ConfigDict(extra="forbid", frozen=True)


# What a value must be, by the beginning of pydantic's name for the error; its own sentences name its types.
_MUST = {
    "int": "must be a whole number",
    "float": "must be a number",
    "finite": "must be a number",
    "bool": "must be true or false",
    "string_type": "must be a text",
    "string_too_short": "must have at least {min_length} characters",
    "string_too_long": "must have at most {max_length} characters",
    "string_pattern": "is not written as it must be",
    "list": "must be a list",
    "tuple": "must be a list",
    "set": "must be a list",
    "dict": "must be a mapping of keys to values",
    "model": "must be a mapping of keys to values",
    "date": "must be a date, such as 2026-01-31",
    "greater_than_equal": "must be at least {ge}",
    "greater_than": "must be more than {gt}",
    "less_than_equal": "must be at most {le}",
    "less_than": "must be less than {lt}",
    "literal": "must be {expected}",
    "too_short": "must have at least {min_length} entries",
    "too_long": "must have at most {max_length} entries",
    "missing": "is required",
    "extra": "is not known",
}


def must(error: ErrorDetails) -> str:
    """What the value at fault must be, in words that go on the sentence with its name."""
    said = next((words for kind, words in _MUST.items() if error["type"].startswith(kind)), None)
    if said is None:
        return error["msg"].removeprefix("Value error, ")
    if error["loc"] and isinstance(error["loc"][-1], int) and error["type"] == "missing":
        return "must be there"
    told = said.format_map(error.get("ctx", {}))
    return re.sub(
        r"\b1 (entr|character)(ies|s)\b", lambda found: f"1 {'entry' if found[1] == 'entr' else found[1]}", told
    )


def disagreement(cause: str, fix: str) -> PydanticCustomError:
    """What a validator raises for values that do not go together, with the way out."""
    return PydanticCustomError("disagreement", "{cause}", {"cause": cause, "fix": fix})


def written_as(pattern: str, what: str, example: str) -> AfterValidator:
    """The check of a text that must match all of `pattern`, which a person knows as `what`."""

    def checked(value: str) -> str:
        if not re.fullmatch(pattern, value):
            raise PydanticCustomError("written_as", "must be {what}", {"what": what, "example": example})
        return value

    return AfterValidator(checked)


# The validation context of what was stored. An earlier version may have stored it.
STORED: Final = "stored"
REMOVED_KEY: Final = "removed_key"


class Config(Frozen):
    """A part of a config file. `removed` are keys that it had in an earlier version.

    Where a config was stored they are dropped, whatever their value. Anywhere else they are an error.
    """

    removed: ClassVar[frozenset[str]] = frozenset()

    @model_validator(mode="before")
    @classmethod
    def _without_removed(cls, value: Any, info: ValidationInfo) -> Any:
        gone = sorted(cls.removed.intersection(value)) if isinstance(value, Mapping) else []
        if gone and info.context != STORED:
            raise PydanticCustomError(REMOVED_KEY, "`{key}` is no longer a setting", {"key": gone[0]})
        return {key: value[key] for key in value if key not in gone} if gone else value


ROLL_BACK = "Roll back to the champion before: python run.py models rollback --reason WHY"
UPDATE = f"Update this installation: git pull && pip install -r requirements.txt -c requirements.lock{OR}{ROLL_BACK}"
DAMAGED = "Run the pipeline that wrote it again, or restore it from a backup."


class Stored(Frozen):
    """What is kept as JSON. A class whose JSON changes raises the default of `format` and goes on reading older ones.

    JSON from before there was `format` has none and is of format 1.
    """

    format: int = 1

    @classmethod
    def read(cls, text: str | bytes, source: str) -> Self:
        """Read what was stored; `source` says what it is, as the beginning of a sentence.

        Raises SentimentError when it is damaged, or of a newer version.
        """
        try:
            found = json.loads(text)
            if isinstance(found, dict):
                require_known_format(found, cls.model_fields["format"].default, source)
            return cls.model_validate_json(text, context=STORED)
        except ValidationError as error:  # a ValueError too, as is what json raises
            unknown = [".".join(map(str, each["loc"])) for each in error.errors() if each["type"] == "extra_forbidden"]
            if unknown:
                raise SentimentError(
                    f"{source} was stored by a newer version: this one does not know {', '.join(unknown)}.", UPDATE
                ) from error
            first = error.errors()[0]
            place = ".".join(map(str, first["loc"])) or "JSON"
            raise SentimentError(f"{source} cannot be read: {place} {must(first)}.", DAMAGED) from error
        except ValueError as error:
            raise SentimentError(f"{source} cannot be read: it is not JSON ({error}).", DAMAGED) from error


def require_known_format(found: Mapping[str, Any], newest: int, source: str) -> None:
    """Raise SentimentError when the JSON object `found` is of a newer format than `newest`."""
    stored = found.get("format", 1)
    if isinstance(stored, int) and stored > newest:
        raise SentimentError(
            f"{source} was stored by a newer version (format {stored}; this one reads {newest}).", UPDATE
        )


class Report(Stored):
    """A result people look at. Every subclass has a page in `sentiment.pages`.

    Everything a report holds is safe to show: personal data is masked before it gets here.
    """
