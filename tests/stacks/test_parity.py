"""One config and seed on every stack of this machine: the same data, splits, model, metrics and gate decision."""

import pytest

from benchmarks.parity import differences, measure, table
from tests.stacks.conftest import Machine

# The transformer's way, at a size that costs seconds.
COMPACT = (
    "candidates=[linear, compact]",
    "candidates.compact.epochs=1",
    "candidates.compact.encoder.layers=1",
    "candidates.compact.encoder.hidden_size=32",
    "candidates.compact.encoder.intermediate_size=64",
    "candidates.compact.encoder.pretrain_epochs=0",
)


@pytest.fixture(scope="module")
def laptop() -> dict[str, object]:
    return measure("laptop", COMPACT)


def test_hybrid_decides_as_the_laptop_does(laptop: dict[str, object], machine: Machine) -> None:
    environment = {name: value for name, value in machine.state.items() if not name.endswith(("_HOME", "_PATH"))}
    measured = {"laptop": laptop, "hybrid": measure("hybrid", COMPACT, environment)}
    assert differences(measured) == [], table(measured)


@pytest.mark.docker
def test_docker_decides_as_the_laptop_does(laptop: dict[str, object]) -> None:
    measured = {"laptop": laptop, "docker": measure("docker", COMPACT)}
    assert differences(measured) == [], table(measured)


def test_a_difference_is_told(laptop: dict[str, object]) -> None:
    outcome = laptop["outcome"]
    other = {**outcome, "metrics": {**outcome["metrics"], "macro-F1": outcome["metrics"]["macro-F1"] + 0.004}}  # type: ignore[index,call-overload,dict-item]
    measured = {"laptop": laptop, "other": {**laptop, "outcome": other}}
    assert [each[:29] for each in differences(measured)] == ["other differs from laptop in m"[:29]]
    assert differences(measured, tolerance=0.005) == []
