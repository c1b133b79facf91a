"""The errors a user can cause or mend: one sentence of cause, one of fix, and the exit code a scheduler sees."""

import difflib
from collections.abc import Callable, Iterable
from typing import ClassVar

FIX = "\n  fix: "


class SentimentError(Exception):
    """An expected failure. `cause` says what is wrong, `fix` what to do about it; both are one sentence.

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


class DataError(SentimentError):
    """A source cannot be read, or its rows do not meet the validation gate."""

    exit_code = 5


def nearest(name: str, valid: Iterable[str], listing: Callable[[list[str]], str] = ", ".join) -> str:
    """One sentence that helps with a wrong name: the closest valid one, or all of them as `listing` writes them."""
    names = sorted(valid)
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.6)
    return f"Did you mean {close[0]!r}?" if close else f"Valid names: {listing(names)}."
