"""`History`: what the prediction database tells about a period, counted: traffic, answers of people, the journal."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select

from sentiment.store.journal import Journal
from sentiment.store.queries import SOURCES, Origin, Step, begin_of, begins, counted, right_and_wrong
from sentiment.store.tables import predictions


@dataclass(frozen=True)
class TrafficCount:
    """Rows of the hour or day (UTC) that begins at `time`."""

    time: datetime
    origin: Origin
    model_version: str
    label: str
    rows: int


@dataclass(frozen=True)
class AnswerCount:
    """What people said about the predictions of the day (UTC) that begins at `time`; their latest answers count."""

    time: datetime
    model_version: str
    confirmed: int
    corrected: int


class History(Journal):
    """One model's past: its journal, and its traffic with what people said about it.

    Neither the shadow's predictions nor those of smoke tests count.
    """

    def traffic(self, since: datetime, step: Step) -> list[TrafficCount]:
        """Counts by time, model version and label, oldest first."""
        found: list[TrafficCount] = []
        with self._database.begin() as connection:
            for table, origin in SOURCES:
                groups = [*begins(table.c, step), table.c.model_version, table.c.label]
                ours = (*counted(table, self.model_name), table.c.time >= since)
                rows = connection.execute(select(*groups, func.count().label("rows")).where(*ours).group_by(*groups))
                found += [
                    TrafficCount(begin_of(row, step), origin, row.model_version, row.label, row.rows) for row in rows
                ]
        return sorted(found, key=lambda each: (each.time, each.origin, each.model_version, each.label))

    def answers(self, since: datetime) -> list[AnswerCount]:
        """Counts by day of the prediction and model version, oldest first."""
        shown = select(
            predictions.c.id, predictions.c.label, predictions.c.model_version, *begins(predictions.c, "day")
        ).where(*counted(predictions, self.model_name), predictions.c.time >= since)
        counts: dict[tuple[datetime, str], dict[bool, int]] = {}
        with self._database.begin() as connection:
            for row in connection.execute(right_and_wrong(shown.subquery())):
                counts.setdefault((begin_of(row, "day"), row.model_version), {})[bool(row.right)] = row.rows
        return [
            AnswerCount(time, version, count.get(True, 0), count.get(False, 0))
            for (time, version), count in sorted(counts.items())
        ]
