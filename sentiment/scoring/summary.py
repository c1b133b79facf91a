"""`ScoringSummary`: what a batch came out as, for people."""

from contextlib import closing
from datetime import datetime

from sentiment.data.names import counted
from sentiment.scoring.score import ShardReport
from sentiment.scoring.snapshot import SnapshotReport
from sentiment.store.journal import Entry, Journal
from sentiment.stored import Frozen, Report

CONFIDENCE_BINS = 20


class LabelCount(Frozen):
    """The rows of one label and language, and their mean confidence."""

    label: str
    language: str
    rows: int
    confidence: float


class Tally(Frozen):
    """What stands in the table: rows by label and language, and by confidence in bins of equal width.

    The bins go from one over the number of labels, the least the highest probability can be, to one.
    """

    rows: int
    counts: tuple[LabelCount, ...]
    confidence: tuple[int, ...]

    def by_label(self) -> dict[str, int]:
        """Rows by label, the most frequent first."""
        labels: dict[str, int] = {}
        for each in self.counts:
            labels[each.label] = labels.get(each.label, 0) + each.rows
        return dict(sorted(labels.items(), key=lambda item: (-item[1], item[0])))


class ScoringSummary(Report):
    """One batch by one version of the model, every planned row verified to be in the table once.

    `parquet` is where the result lies in the artifact store. `seconds` is from the start of the first shard to the end
    of the last.
    """

    model_name: str
    model_version: str
    kind: str
    batch: str
    labels: tuple[str, ...]
    snapshot: SnapshotReport
    shards: tuple[ShardReport, ...]
    tally: Tally
    parquet: str

    @property
    def scored(self) -> int:
        """Rows that were predicted in this run."""
        return sum(shard.scored for shard in self.shards)

    @property
    def skipped(self) -> int:
        """Rows that were in the table before."""
        return sum(shard.skipped for shard in self.shards)

    @property
    def seconds(self) -> float:
        """How long the shards took, all together; those that ran at once count once."""
        return (self.finished - min(shard.started for shard in self.shards)).total_seconds()

    @property
    def finished(self) -> datetime:
        """When the last shard ended."""
        return max(shard.finished for shard in self.shards)

    @property
    def rows_per_second(self) -> float:
        """Rows predicted and written a second."""
        return self.scored / self.seconds if self.seconds else 0.0

    @property
    def summary(self) -> str:
        """The batch in one sentence."""
        now = f"{self.scored:,} scored now, {self.skipped:,} there before"
        if not self.scored:
            now = "nothing new: all were there before"
        labels = ", ".join(f"{label} {rows / self.tally.rows:.1%}" for label, rows in self.tally.by_label().items())
        return (
            f"The batch {self.batch} has {counted(self.tally.rows)} by {self.model_name} version {self.model_version} "
            f"({now}): {labels}."
        )

    def record(self, database_url: str) -> None:
        """Leave the batch in the model's journal. Raises StoreError when the database is out of reach."""
        detail = {
            "batch": self.batch,
            "rows": self.tally.rows,
            "scored": self.scored,
            "skipped": self.skipped,
            "labels": self.tally.by_label(),
        }
        with closing(Journal(database_url, self.model_name)) as journal:
            journal.record(Entry("score", self.summary, self.model_version, detail))
