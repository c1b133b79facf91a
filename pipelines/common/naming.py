"""The steps of all pipelines, as the settings of a stack may name them."""

from typing import Final

from pipelines import monitor, score
from pipelines.fit import FIXED_STEPS
from pipelines.retrain import OWN_STEPS
from steps.deployment.roll_out import roll_out

# Where a name depends on the config, the pattern of such names.
EVERY_STEP: Final = (
    *(step.name for step in (*FIXED_STEPS, *OWN_STEPS, roll_out)),
    *score.STEP_NAMES,
    *monitor.STEP_NAMES,
    "train_*",
    "fetch_*",
    "export_*",
)
