"""The errors a user can cause or mend: one sentence of cause, one of fix, and the exit code a scheduler sees."""

import difflib
import json
import re
import shlex
from collections.abc import Callable, Iterable
from typing import ClassVar

FIX = "\n  fix: "
OR = "\n   or: "  # before another way out, which has a line of its own so that a command ends where its line does
# Words that YAML takes for something else than text.
_OTHER_THAN_TEXT = ("true", "false", "yes", "no", "on", "off", "null", "y", "n")
_PLAIN = re.compile(r"(?:[^\W\d_]|/)(?:[\w./-]|:(?=[\w./]))*")


class SentimentError(Exception):
    """An expected failure. `cause` says what is wrong, `fix` what to do about it; both are one sentence.

    A command in a fix is complete and ends its line, without a full stop: it is there to be copied.
    An error made anew from its text alone has both: so come those of steps that ran on other machines.
    """

    exit_code: ClassVar[int] = 1

    def __init__(self, cause: str, fix: str = "") -> None:
        if not fix:
            cause, _, fix = cause.partition(FIX)
        self.cause = cause
        self.fix = fix
        super().__init__(f"{cause}{FIX}{fix}" if fix else cause)


class ConfigError(SentimentError):
    """A config file, an override or a command-line value is not usable."""

    exit_code = 2


class GateError(SentimentError):
    """The promotion gate refused, or a promotion was asked for without the evidence it needs."""

    exit_code = 3


class StackError(SentimentError):
    """A component of the stack is missing, misconfigured or out of reach."""

    exit_code = 4


class FilesGoneError(StackError):
    """What an earlier run stored is not there any more."""


class DataError(SentimentError):
    """A source cannot be read, or its rows do not meet the validation gate."""

    exit_code = 5


def setting(key: str, value: object) -> str:
    """A key of a config with its value, as --set takes it."""
    # JSON is YAML as well; a plain word needs no quotes in either.
    plain = isinstance(value, str) and _PLAIN.fullmatch(value) and value.lower() not in _OTHER_THAN_TEXT
    return f"{key}={value if plain else json.dumps(value, ensure_ascii=False, default=str)}"


def option(key: str, value: object) -> str:
    """The same as it is typed into a shell."""
    return f"--set {shlex.quote(setting(key, value))}"


def nearest(name: str, valid: Iterable[str], listing: Callable[[list[str]], str] = ", ".join) -> str:
    """One sentence that helps with a wrong name: the closest valid one, or all of them as `listing` writes them."""
    names = sorted(valid)
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.6)
    if not close and len(names) == 1:
        return f"The one valid name is {names[0]!r}."
    return f"Did you mean {close[0]!r}?" if close else f"Valid names: {listing(names)}."
