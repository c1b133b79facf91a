"""The cases by the name of the place whose error they make, and the places that have none."""

from collections.abc import Callable

from tests.code.fixes.world import World

Case = Callable[[World], object]
CASES: dict[str, Case] = {}
# Rooms whose errors are made on stacks that exist: their own tests show them.
OTHER_ROOMS = (
    "stacks/",
    "serving/",
    "cli/main",
    "cli/deploy",
    "cli/stack",
    "cli/serve",
    "cli/ui",
    "sentiment/lifecycle/deployment",
)
ELSEWHERE: dict[str, str] = {}


VARIANT = " | "


def case(*names: str) -> Callable[[Case], Case]:
    """Register a case for the errors of these names. `NAME | VARIANT` is one more of a place with several fixes."""

    def registered(function: Case) -> Case:
        for name in names:
            assert name not in CASES, name
            CASES[name] = function
        return function

    return registered
