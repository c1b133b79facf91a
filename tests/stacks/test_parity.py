"""One config and seed on every stack of this machine: the same data, splits, model, metrics and gate decision."""

from copy import deepcopy
from typing import Any

import pytest

from benchmarks.parity import COMPACT, differences, measure, table
from tests.stacks.conftest import Machine

# Of a transformer's metrics in an image with another build of Python; the linear model is the same to the bit.
TOLERANCE = 0.005


@pytest.fixture(scope="module")
def laptop() -> dict[str, Any]:
    return measure("laptop", COMPACT)


def test_hybrid_decides_as_the_laptop_does(laptop: dict[str, Any], machine: Machine) -> None:
    environment = {name: value for name, value in machine.state.items() if not name.endswith(("_HOME", "_PATH"))}
    measured = {"laptop": laptop, "hybrid": measure("hybrid", COMPACT, environment)}
    assert differences(measured) == [], table(measured)


@pytest.mark.docker
def test_docker_decides_as_the_laptop_does(laptop: dict[str, Any]) -> None:
    measured = {"laptop": laptop, "docker": measure("docker", COMPACT)}
    assert differences(measured, TOLERANCE) == [], table(measured)


@pytest.mark.parametrize(
    ("candidate", "by", "tolerance", "told"),
    [
        ("compact", 0.004, None, True),
        ("compact", 0.004, 0.005, False),
        ("compact", 0.006, 0.005, True),
        ("linear", 1e-12, 0.005, True),
    ],
)
def test_a_difference_is_told(
    laptop: dict[str, Any], candidate: str, by: float, tolerance: float | None, told: bool
) -> None:
    other = deepcopy(laptop)
    other["outcome"]["candidates"][candidate]["macro-F1"] += by
    found = differences({"laptop": laptop, "other": other}, tolerance)
    assert [each.partition(":")[0] for each in found] == ["other differs from laptop in candidates"] * told
