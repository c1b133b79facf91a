"""Fetch what the champion is compared with."""

from typing import Annotated

from zenml import log_metadata, step

from sentiment.errors import ConfigError, SentimentError
from sentiment.monitoring.reference import REFERENCE_FILE, Reference
from steps.names import MONITORED_REFERENCE, MONITORED_VERSION, SUMMARY
from steps.tracking import registry


@step(experiment_tracker=True, enable_cache=False)
def fetch_reference(
    model_name: str,
) -> tuple[Annotated[Reference, MONITORED_REFERENCE], Annotated[str, MONITORED_VERSION]]:
    """The reference that was registered with the champion, and the champion's version; never cached, it moves."""
    models = registry(model_name)
    champion = models.champion()
    if champion is None:
        raise SentimentError(f"{model_name} has no champion to monitor.", "Train one: python run.py --pipeline train.")
    version = str(champion.version)
    try:
        stored = models.report(champion.version, REFERENCE_FILE)
    except ConfigError as error:
        raise SentimentError(
            f"Version {version} of {model_name} was registered without a reference to compare with.",
            "Train it again, which adds one: python run.py --pipeline train.",
        ) from error
    reference = Reference.read(stored, f"The reference of {model_name} version {version}")
    log_metadata({SUMMARY: f"{model_name} version {version}: {reference.summary.rstrip('.')}"})
    return reference, version
