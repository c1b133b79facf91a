"""Every fix that the code can print is carried out here, and what failed goes on.

A new error needs a case: a function in tests/code/fixes that is named after its place (`@case("MODULE: CAUSE")`) and
makes it happen. One that needs what a test does not have (a cluster, a GPU) is in `ELSEWHERE`, with the reason.
"""

import re
from pathlib import Path

import pytest

from sentiment.errors import SentimentError
from tests.code.fixes import cases_config, cases_data, cases_models, cases_running  # noqa: F401 - they register
from tests.code.fixes.registered import CASES, ELSEWHERE, OTHER_ROOMS
from tests.code.fixes.sites import sites
from tests.code.fixes.world import World, ways

SITES = sites()


def test_every_error_has_a_case() -> None:
    known = CASES.keys() | ELSEWHERE.keys()
    missing = [name for name in SITES if name not in known and not name.startswith(OTHER_ROOMS)]
    assert not missing, "\n".join(
        ["Add a case to tests/code/fixes that makes this error and carries out its fix:", *missing]
    )
    gone = sorted(known - SITES.keys())
    assert not gone, "\n".join(["These errors are not in the code any more; take their cases out:", *gone])
    assert not CASES.keys() & ELSEWHERE.keys()


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
            assert SITES[name].made(error.cause), error
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
