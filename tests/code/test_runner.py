"""Failures of steps that ran elsewhere come back as the errors they were."""

import threading
import traceback

import pytest

from pipelines.common.watching import _lost, error_of, repeating
from sentiment.errors import DataError, SentimentError, StackError


@pytest.mark.parametrize(
    "raised",
    [DataError("No rows.", "Give some."), StackError("It ended.\nTraceback (most recent call last):\n  x\nE: y")],
)
def test_our_errors_keep_their_kind_and_their_whole_message(raised: SentimentError) -> None:
    try:
        raise raised
    except SentimentError:
        error = error_of("load_reviews", traceback.format_exc())
    assert type(error) is type(raised)
    assert (error.cause, error.fix) == (raised.cause, raised.fix)


def test_of_errors_that_led_to_one_another_the_last_is_told() -> None:
    try:
        try:
            raise DataError("The file is gone.", "Look for it.")
        except DataError as first:
            raise StackError("The bucket is empty.", "Fill it.") from first
    except StackError:
        error = error_of("load_reviews", traceback.format_exc())
    assert (type(error), error.cause, error.fix) == (StackError, "The bucket is empty.", "Fill it.")


def test_an_error_made_anew_from_its_text_has_its_fix() -> None:
    """As ZenML makes it for the error of a pod."""
    made = DataError(str(DataError("No rows.", "Give some.")))
    assert (made.cause, made.fix) == ("No rows.", "Give some.")


def test_what_watches_a_run_goes_on_when_it_cannot_ask() -> None:
    asked = threading.Event()
    answers = iter([ConnectionError("the server is away"), None])

    def ask() -> None:
        if error := next(answers, None):
            raise error
        asked.set()

    with repeating(ask, 0.01):
        assert asked.wait(10)


def test_any_other_error_names_its_step_and_is_masked() -> None:
    try:
        raise ValueError("cannot read the row of kim@example.com")
    except ValueError:
        error = error_of("load_reviews", traceback.format_exc())
    assert error.exit_code == 1
    assert "load_reviews" in str(error)
    assert "[EMAIL]" in str(error)


def test_a_step_that_was_killed_is_told_as_lost() -> None:
    error = _lost("map:score_shard:3", None)
    assert str(error).startswith("The step map:score_shard:3 ended without a word: its process was killed")
    assert "memory" in error.fix


def test_what_the_orchestrator_says_of_a_step_is_told_and_masked() -> None:
    error = _lost("score", RuntimeError("The key of kim@example.com does not exist."))
    assert error.cause == "The step score could not be run to its end: The key of [EMAIL] does not exist."
    assert "was killed" not in error.cause
