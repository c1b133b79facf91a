"""Check the splits before anything is trained on them."""

from typing import Annotated

from zenml import log_metadata, step

from sentiment.config.dataset import ValidationConfig
from sentiment.data.clean import CleaningReport
from sentiment.data.reviews import Reviews, Splits
from sentiment.data.validate import ValidationReport, validate
from steps.caching import CODE_AWARE
from steps.names import SUMMARY, VALIDATION_REPORT


@step(cache_policy=CODE_AWARE)
def validate_splits(
    train: Reviews, validation: Reviews, test: Reviews, cleaning: CleaningReport, config: ValidationConfig
) -> Annotated[ValidationReport, VALIDATION_REPORT]:
    """Run every check. A breach is kept as a report people can open; `require_valid` then stops the run."""
    report = validate(Splits(train, validation, test), cleaning, config)
    passed = len(report.checks) - len(report.failed)
    log_metadata({SUMMARY: f"{passed} of {len(report.checks)} checks passed"})
    return report


@step(enable_cache=False)
def require_valid(report: ValidationReport) -> None:
    """Stop the run with the failed checks, their reasons and the first offending ids."""
    report.require_passed()
