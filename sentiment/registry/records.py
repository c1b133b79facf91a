"""What the registry tells: model versions, the changes that made them what they are, and what follows from those."""

import uuid
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Literal, NamedTuple

from pydantic import Field

from sentiment.stored import Frozen, Stored

Status = Literal["champion", "candidate", "archived", "none"]
Gate = Literal["approved", "refused"]
Event = Literal["registered", "refused", "promoted", "rolled_back", "archived", "deployed"]
# The changes that say which version is, or was, the champion: what people call the history.
HISTORY: tuple[Event, ...] = ("promoted", "rolled_back", "archived")
# The report of a run, among the run's files; and the page that a version had in its place until 0.2.0.
REPORT_FILE = "report.html"
EARLIER_REPORT_FILE = "evaluation.html"
TEST_DIGEST = "test_digest"  # the tag of a version with the digest of the rows on which it was measured
# MLflow's limits are higher; this keeps the registry's page readable.
MAX_TEXT = 1000
FORCED = "Promoted BY FORCE, against the gate"


class Change(Stored):
    """One change of a model, as the registry keeps it: what is to be, written before anything else is done.

    `version` became champion in the place of `from_version`, was archived, deployed or registered. `evidence` is what
    spoke for it (the gate's sentence), `forced` that it overruled the gate. The rest is what is still to be done:
    `over` the digest of the champion that a registered version is to replace ("" for none), `untold` the observers
    that do not know of the change yet, `owner` the process that is at it. Version 0.1 kept neither id nor model name.
    """

    id: str = ""
    model_name: str
    time: datetime
    event: Event
    version: int
    from_version: int | None = None
    actor: str
    reason: str
    evidence: str = ""
    forced: bool = False
    over: str | None = None
    untold: tuple[str, ...] = ()
    owner: str = ""

    @property
    def summary(self) -> str:
        """The change in a sentence, for the journal and the people who are alerted."""
        if self.forced:
            return f"{FORCED}, by {self.actor}: {self.reason}"
        if self.evidence:
            return self.evidence
        if self.event == "rolled_back":
            return f"Version {self.version} is the champion again: {self.reason}"
        return f"By {self.actor}: {self.reason}"

    @property
    def title(self) -> str:
        """The change in two words."""
        return f"{self.event.replace('_', ' ')} {self.version}"


class ModelVersion(Frozen):
    """One registered model. `digest` is the model folder's, `reason` why it holds its status.

    `change` is how it was registered; None for a version of 0.1.
    """

    version: int
    status: Status
    aliases: tuple[str, ...]
    kind: str
    gate: Gate | None
    metrics: dict[str, float]
    digest: str
    dataset_digest: str
    source: str
    run_id: str
    created_at: datetime
    reason: str
    tags: dict[str, str]
    change: Change | None = Field(default=None, repr=False)

    @property
    def measured_on(self) -> str:
        """The digest of the rows its metrics are of; of a version of 0.2.0 or before, that of its training rows."""
        return self.tags.get(TEST_DIGEST) or self.dataset_digest

    @property
    def standing(self) -> str:
        """Its status in a word; of a version that was neither champion nor candidate, what the gate said."""
        return self.gate or self.status if self.status == "none" else self.status

    @property
    def refusal(self) -> str | None:
        """Why it did not become champion when it was registered, in the words of the gate or of who was faster."""
        if self.change is None or self.change.event != "refused":
            return None
        return self.change.summary.removeprefix("Refused: ") or self.reason


class Standing(NamedTuple):
    """What a version is by the history, and why."""

    status: Literal["champion", "archived"]
    reason: str


def new_change(model_name: str, event: Event, version: int, *, actor: str, reason: str, **rest: object) -> Change:
    """A change that happens now."""
    values = {"actor": actor, "reason": reason[:MAX_TEXT], **rest}
    values["evidence"] = str(values.get("evidence", ""))[:MAX_TEXT]
    return Change.model_validate(
        {
            "id": uuid.uuid4().hex,
            "model_name": model_name,
            "time": datetime.now(UTC),
            "event": event,
            "version": version,
            **values,
        }
    )


def standings(history: Sequence[Change]) -> dict[int, Standing]:
    """What the history says of every version in it; at most one is the champion."""
    found: dict[int, Standing] = {}
    for change in history:
        if change.event == "archived":
            found[change.version] = Standing("archived", change.reason)
            continue
        why = f"version {change.version} {change.event.replace('_', ' ')}: {change.reason}"[:MAX_TEXT]
        before = [version for version, each in found.items() if each.status == "champion"]
        for version in {*before, *([change.from_version] if change.from_version else [])}:
            found[version] = Standing("archived", why)
        found[change.version] = Standing("champion", change.reason)
    return found


def forced_promotion(history: Sequence[Change], version: int) -> Change | None:
    """The promotion that made `version` champion last, if it overruled the gate."""
    promotions = [each for each in history if each.version == version and each.event == "promoted"]
    return promotions[-1] if promotions and promotions[-1].forced else None


def reigning(history: Sequence[Change]) -> list[int]:
    """The champions that a chain of rollbacks would walk back through, the current one last."""
    reigns: list[int] = []
    for event in history:
        if event.event == "promoted":
            reigns.append(event.version)
        elif event.event == "rolled_back":
            while reigns and reigns[-1] != event.version:
                reigns.pop()
    return reigns
