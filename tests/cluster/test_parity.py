"""One config and seed on the laptop and in pods: the same data, splits, model, metrics and gate decision."""

import pytest

from benchmarks.parity import COMPACT, differences, measure, table
from tests.cluster.conftest import Project

pytestmark = pytest.mark.timeout(3_000)

# Of a transformer's metrics; the linear model must come out the same to the bit.
TOLERANCE = 0.005


def test_pods_decide_as_the_laptop_does(project: Project) -> None:
    pods = measure("kubernetes", COMPACT, project.environment)
    measured = {"laptop": measure("laptop", COMPACT), "kubernetes": pods}
    print(table(measured))
    assert differences(measured, TOLERANCE) == [], table(measured)
