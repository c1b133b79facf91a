"""Every fix that the code can print is carried out here, and what failed goes on.

A new error needs a case: a function in tests/code/fixes that is named after its place (`@case("MODULE: CAUSE")`) and
makes it happen. One that needs what a test does not have (a cluster, a GPU) is in `ELSEWHERE`, with the reason.
"""

import re
import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner

from cli.console import DEFAULT_STACK, run_py
from cli.fixes import completed
from cli.main import _tell, commands
from sentiment.config.load import CONFIGS, load_config
from sentiment.config.train import TrainConfig
from sentiment.data.clean import clean
from sentiment.data.read import read
from sentiment.data.split import split
from sentiment.data.validate import validate
from sentiment.errors import OR, ConfigError, DataError, SentimentError
from tests.code.fixes import cases_config, cases_data, cases_models, cases_running  # noqa: F401 - they register
from tests.code.fixes.registered import CASES, ELSEWHERE, OTHER_ROOMS, VARIANT
from tests.code.fixes.sites import sites
from tests.code.fixes.world import World, ways

SITES = sites()


def test_every_error_has_a_case() -> None:
    known = {name.partition(VARIANT)[0] for name in CASES} | ELSEWHERE.keys()
    missing = [name for name in SITES if name not in known and not name.startswith(OTHER_ROOMS)]
    assert not missing, "\n".join(
        ["Add a case to tests/code/fixes that makes this error and carries out its fix:", *missing]
    )
    gone = sorted(known - SITES.keys())
    assert not gone, "\n".join(["These errors are not in the code any more; take their cases out:", *gone])


def test_no_error_is_without_a_fix() -> None:
    bare = [name for name, site in SITES.items() if not site.has_fix and not name.startswith(OTHER_ROOMS)]
    assert set(bare) <= {"sentiment/training/data_parallel: {found[1]}"}  # made anew from a text that has one


@pytest.mark.parametrize("name", sorted(CASES))
def test_each_way_out_gets_further(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    at, count = 0, 1
    while at < count:
        folder = tmp_path / f"way{at}"
        folder.mkdir()
        with monkeypatch.context() as patch:
            patch.setenv("SENTIMENT_HOME", str(folder / "home"))
            world = World(folder, patch)
            CASES[name](world)
            with pytest.raises(SentimentError) as caught:
                world.attempt()
            error = caught.value
            assert SITES[name.partition(VARIANT)[0]].made(error.cause), error
            _require_well_said(error)
            count = len(ways(error))
            world.carry_out(ways(error)[at])
            try:
                world.attempt()
            except SentimentError as second:
                pytest.fail(f"{ways(error)[at]!r} does not help: {second}")
        at += 1


def _require_well_said(error: SentimentError) -> None:
    """What holds for every error: a fix that says something else, no internals, no number with a wrong plural."""
    told = f"{error.cause} {error.fix}"
    assert error.fix.strip()
    assert error.fix.rstrip(".") not in error.cause
    assert not re.search(r"TapeError|pattern '|Input should|validation error|Errno|0x[0-9a-f]{6}", told), told
    assert not re.search(r"(?<![\d.,])1 (?:rows|columns|checks|texts|fields|labels|ids|entries)\b", told), told
    for way in ways(error):
        assert not re.search(r"(?:--set|python run\.py).*\.$", way), f"a command that ends in a full stop: {way}"


# What is printed


@pytest.mark.parametrize(
    ("arguments", "fix", "shown"),
    [
        (
            "train my.csv",
            "Set it: --set dataset.encoding=cp949",
            "Set it: RUN train my.csv --set dataset.encoding=cp949",
        ),
        ("train my.csv --yes", "Other: --set dataset.path=FILE", "Other: RUN train FILE --yes"),
        ("train 'my own.csv'", "Set it: --set a.b=c", "Set it: RUN train 'my own.csv' --set a.b=c"),
        ("--pipeline train --stack docker", "Say: --set a=b", "Say: RUN --pipeline train --stack docker --set a=b"),
        ("train --stack docker", "Train one: python run.py train", "Train one: RUN --stack docker train"),
        ("retrain", "Split: --set split.method=hash", "Split: RUN retrain --set train.split.method=hash"),
        ("monitor", "Say: --set 'dataset.labels=[1]'", "Say: RUN monitor --set 'retrain.train.dataset.labels=[1]'"),
        ("monitor", "Say: --set retrain.deploy=false", "Say: RUN monitor --set retrain.deploy=false"),
        ("score a.csv --out b", "End it: --out b.csv", "End it: RUN score a.csv --out b.csv"),
        ("watch --every 3", "Say: --every 15m", "Say: RUN watch --every 15m"),
        ("train --set a.b=1 --set c=2", "Say: --set a.b=3", "Say: RUN train --set c=2 --set a.b=3"),
        ("predict x", "Say: --set a=b", "Say: --set a=b"),
        ("", "Say: --set a=b", "Say: --set a=b"),
        ("no-such-command", "Say: --set a=b", "Say: --set a=b"),
        ("train my.csv", "Write line 3 again.", "Write line 3 again."),
        ("train a.csv", "Out: sed 3d a.csv > 'a b.csv'", "Out: sed 3d a.csv > 'a b.csv'; RUN train 'a b.csv'"),
        ("score --set dataset.path=a.gz", "Out: mv a.gz a", "Out: mv a.gz a; RUN score --set dataset.path=a"),
        ("retrain", "Out: mv a.gz a", "Out: mv a.gz a"),
        ("train my.csv", f"A: --set a=b{OR}B by hand", f"A: RUN train my.csv --set a=b{OR}B by hand"),
    ],
)
def test_a_fix_is_shown_as_the_command_to_type_next(arguments: str, fix: str, shown: str) -> None:
    told = completed(fix, commands, shlex.split(arguments)).replace(run_py(DEFAULT_STACK), "RUN")
    assert told == shown


def test_the_shown_command_is_understood_and_gets_further(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "my.csv"
    file.write_text(table(30, "긍정", "부정"), encoding="cp949")
    arguments = ["train", "--set", f"dataset.path={file}"]
    error = raised_by(arguments)
    assert "reads as cp949" in error.cause
    (_, _, command) = completed(error.fix, commands, arguments).partition("run.py ")
    again = raised_by(shlex.split(command))
    assert "is not one of 'negative', 'positive'" in again.cause  # the labels are next
    assert file.name in again.cause
    assert not capsys.readouterr().err


def test_what_a_terminal_shows_is_masked(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["run.py", "train"])
    _tell(DataError("No column 'kim@example.com'.", "Did you mean '010-1234-5678'?"), ["log: a.log"])
    told = capsys.readouterr().err
    assert "[EMAIL]" in told
    assert "[PHONE]" in told
    assert "kim@" not in told


# What a config may not say: never in pydantic's words, and the value of the fix is allowed


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("split.test=2", "split.test must be less than 1"),
        ("split.test=abc", "split.test must be a number"),
        ("split.method=has", "split.method must be 'hash', 'time' or 'given'"),
        ("split=null", "split must be a mapping of keys to values"),
        ("seed=-1", "seed must be at least 0"),
        ("seed=1.5", "seed must be a whole number"),
        ("replace_champion=5", "replace_champion must be true or false"),
        ("candidates=[]", "candidates must have at least 1 entry"),
        ("candidates.0=5", "candidates.0 must be a mapping of keys to values"),
        ("candidates.linear.max_ngram=0", "candidates.0.max_ngram must be at least 1"),
        ("dataset=3", "dataset must be a mapping of keys to values"),
        ("dataset.sha256=xyz", "dataset.sha256 must be 64 of the characters 0-9 and a-f"),
        ("dataset.labels=3", "dataset.labels must be a list"),
        ("dataset.separator=ab", "dataset.separator must have at most 1 character"),
        ("dataset.created_from=maybe", "dataset.created_from must be a date, such as 2026-01-31"),
        ("dataset.text_column=3", "dataset.text_column must be a text"),
        ("dataset.rating_ranges={negative: [1], positive: [4, 5]}", "dataset.rating_ranges.negative.1 must be there"),
        ("dataset.rating_ranges={negative: [1, 2, 3]}", "dataset.rating_ranges.negative must have at most 2 entries"),
        ("steps.x.retries=11", "steps.x.retries must be at most 10"),
    ],
)
def test_a_value_that_is_not_allowed_is_told_in_our_words_with_one_that_is(override: str, words: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(words)) as caught:
        load_config(CONFIGS / "train.yaml", TrainConfig, [override])
    _require_well_said(caught.value)
    _, option, setting = caught.value.fix.partition("--set ")
    assert option
    load_config(CONFIGS / "train.yaml", TrainConfig, [override, *shlex.split(setting)])


# Few rows


def table(rows: int, *labels: str) -> str:
    return "text,label\n" + "".join(f"review number {n} of the shop,{labels[n % len(labels)]}\n" for n in range(rows))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (table(1, "positive"), "no row has the label negative (rows by label: negative 0, positive 1)"),
        (table(60, "positive"), "no row has the label negative (rows by label: negative 0, positive 60)"),
        (table(5, "positive", "negative"), "the file has 5 rows to learn from (negative 2, positive 3)"),
        (table(10, "positive", "negative"), "the file has 10 rows to learn from (negative 5, positive 5)"),
        (table(60, *["positive"] * 59, "negative"), "the file has 60 rows to learn from (negative 1, positive 59)"),
        (table(200, "positive", "negative"), "rows labelled negative in test, at least: "),
    ],
)
def test_a_file_with_few_rows_is_told_how_many_are_needed(tmp_path: Path, content: str, words: str) -> None:
    file = tmp_path / "few.csv"
    file.write_text(content)
    config = load_config(CONFIGS / "train.yaml", TrainConfig, [f"dataset.path={file}"])
    with pytest.raises(DataError) as caught:
        prepare(config)
    assert words in caught.value.cause
    assert re.search(r"Add (?:labelled )?rows.*(?:some dozen|about 200)", caught.value.fix), caught.value.fix
    _require_well_said(caught.value)


def prepare(config: TrainConfig) -> None:
    """What comes before a training."""
    cleaned, cleaning = clean(read(config.dataset)[0], config.normaliser)
    validate(split(cleaned, config.split), cleaning, config.validation).require_passed()


def raised_by(arguments: list[str]) -> SentimentError:
    result = CliRunner().invoke(commands, arguments)
    assert isinstance(result.exception, SentimentError), result.output
    return result.exception
