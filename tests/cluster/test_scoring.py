"""A batch scored by four pods, two of which are lost on the way: every row is in the table, once."""

import re
import subprocess
import time
from collections.abc import Iterator

import polars as pl
import psycopg
import pytest

from sentiment.home import PROJECT
from sentiment.scoring.snapshot import _hashes
from tests.cluster.conftest import STACK, Kubectl, Project, uploaded

pytestmark = pytest.mark.timeout(3_000)

SHARDS = 4
ROWS = 1_200_000
BATCH = "lost-pods"
SECONDS_TO_START = 300


@pytest.fixture(scope="module")
def dataset(project: Project) -> Iterator[tuple[str, ...]]:
    """Many reviews: those of the sample again and again, under ids of their own."""
    sample = pl.read_csv(PROJECT / "data/sample/reviews.csv", infer_schema=False)
    texts = sample.filter(pl.col("text").str.strip_chars() != "").select("text")
    copies = pl.concat([texts] * (ROWS // len(texts) + 1)).head(ROWS)
    reviews = copies.with_row_index("id").with_columns(id=pl.format("r{}", "id"))
    with uploaded(project, reviews, "tests/reviews.parquet") as options:
        yield options


@pytest.mark.usefixtures("trained")
def test_rows_are_there_once_when_pods_are_lost(project: Project, dataset: tuple[str, ...], kubectl: Kubectl) -> None:
    before = kubectl.pod_names()
    settings = (*dataset, "--set", f"shards={SHARDS}", "--set", f"batch={BATCH}")
    with (
        psycopg.connect(project.environment["SENTIMENT_DATABASE_URL"], autocommit=True) as database,
        project.running("--pipeline", "score", *settings, *STACK) as process,
    ):
        failed, deleted = begun_shards(database, process)[:2]
        kubectl.fail(name_of(kubectl, failed))
        kubectl("delete", "pod", name_of(kubectl, deleted), "--force", "--grace-period=0")
        output, _ = process.communicate(timeout=600)
        assert process.returncode == 0, output
        print(output)
        there, distinct = database.execute(
            "SELECT count(*), count(DISTINCT review_id) FROM scores WHERE batch = %s", (BATCH,)
        ).fetchone()  # type: ignore[misc]
    assert (ROWS - distinct, there - distinct) == (0, 0), "missing, doubled"
    assert "every planned row was read back from the table, once" in output
    assert "Signature" not in output, "a signed address is shown without its signature"
    assert re.search(rf"↻ map:score_shard:{failed} +it failed, or its machine was lost; it starts again", output)
    progress = [int(done.replace(",", "")) for done in re.findall(r"· ([\d,]+) of 1,200,000 rows", output)]
    assert progress
    assert sorted(progress)[-1] <= ROWS, "rows of a lost pod are counted once"
    for shard in range(SHARDS):
        lost = shard in (failed, deleted)
        ended = [each["status"]["phase"] for each in kubectl.pods(step_of(shard), besides=before)]
        assert ended == ["Failed"] * (shard == failed) + ["Succeeded"], "a deleted pod is not listed"
        (line,) = re.findall(rf"✓ map:score_shard:{shard} .*", output)
        assert ("rows were there" in line) == lost, "what a lost pod wrote is not scored again"
        # A pod that a node fails has 30 s left, and may finish its rows; one that is deleted by force has none.
        assert "rows scored" in line or shard == failed


def begun_shards(database: "psycopg.Connection[tuple[str]]", process: "subprocess.Popen[str]") -> list[int]:
    """Two or more shards that have rows in the table, and are not done."""
    deadline = time.monotonic() + SECONDS_TO_START
    while time.monotonic() < deadline:
        assert process.poll() is None, process.communicate()[0]
        found = database.execute("SELECT review_id FROM scores WHERE batch = %s", (BATCH,)).fetchall()
        homes = _hashes(pl.Series([row[0] for row in found], dtype=pl.String)) % SHARDS
        counts = pl.Series("shard", homes).value_counts()
        begun = counts.filter(pl.col("count") < 0.5 * ROWS / SHARDS).sort("count")[:, 0].to_list()
        if len(begun) >= 2:
            return [int(each) for each in begun]
        time.sleep(0.2)
    raise AssertionError("No two shards had rows in the table.")


def step_of(shard: int) -> str:
    return f"map-score_shard-{shard}"


def name_of(kubectl: Kubectl, shard: int) -> str:
    return str(kubectl.pods(step_of(shard))[-1]["metadata"]["name"])
