"""What a step finds in a pod reaches the people: drift in reviews that were scored on the cluster."""

from dataclasses import replace

import polars as pl
import pytest

from sentiment.home import PROJECT
from tests.cluster.conftest import STACK, Project, uploaded
from tests.code.webhook_receiver import receiving

pytestmark = pytest.mark.timeout(1_500)

ROWS = 1_000  # the monitor's window


@pytest.mark.usefixtures("trained")
def test_drift_that_a_pod_finds_is_told(project: Project) -> None:
    sample = pl.read_csv(PROJECT / "data/sample/reviews.csv", infer_schema=False).head(ROWS)
    # Another kind of texts: each said four times over, and shouted.
    longer = pl.concat_str([pl.col("text").str.to_uppercase()] * 4, separator="!!! ")
    drifted = sample.select(longer.alias("text")).with_row_index("id").with_columns(pl.col("id").cast(pl.String))
    with receiving(project.host) as chat, uploaded(project, drifted, "tests/drifted.parquet") as dataset:
        told = replace(project, environment={**project.environment, "SENTIMENT_WEBHOOK_URL": chat.url})
        told.run("--pipeline", "score", *dataset, "--set", "batch=drifted", *STACK)
        assert chat.messages == []
        said = told.run("--pipeline", "monitor", *STACK).stdout
        assert "drift" in said
        (message,) = chat.messages
    assert "The traffic has drifted".lower() in message.lower()
    assert "sentiment" in message
    assert chat.url not in said
