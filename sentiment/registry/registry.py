"""The model registry on MLflow: aliases say which version is champion or candidate, tags say everything else.

Everything lives on the tracking server, the history included (one tag of the registered model per event), so that a
registry needs no database of its own and is the same from every machine.
Aliases and tags instead of stages: https://mlflow.org/docs/latest/ml/model-registry/
"""

import json
import shutil
import tempfile
import uuid
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

from sentiment.errors import ConfigError, GateError, SentimentError
from sentiment.models.folder import IDENTITY, verify_manifest
from sentiment.registry.records import Gate, ModelVersion, PromotionEvent, Status, reigning
from sentiment.registry.tracking import connect, ensure_experiment, expecting, stack_errors

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

CHAMPION: Final = "champion"
CANDIDATE: Final = "candidate"
EVENT_PREFIX = "event."
# MLflow's limits are higher; these keep the registry's page readable.
MAX_DESCRIPTION = 5000
MAX_TEXT = 1000


class Registry:
    """The versions of one model on one MLflow tracking server (or database)."""

    def __init__(self, tracking_uri: str, model_name: str = "sentiment") -> None:
        self.tracking_uri = tracking_uri
        self.model_name = model_name

    @cached_property
    def _client(self) -> "MlflowClient":
        return connect(self.tracking_uri)

    @stack_errors
    def register(
        self,
        folder: Path,
        *,
        digest: str,
        dataset_digest: str,
        metrics: Mapping[str, float],
        card: str,
        gate: Gate | None = None,
        tags: Mapping[str, str] | None = None,
        reports: Mapping[str, str] | None = None,
        run_id: str | None = None,
    ) -> ModelVersion:
        """Upload a model folder with its card and reports (text by file name), and make it a version.

        The version is created after the last upload and its alias is set at the very end: a failure on the way leaves
        no version behind. It becomes the candidate unless the gate refused it. `run_id` is the MLflow run that
        trained it; a run of its own is made when there is none.

        Raises SentimentError when the folder does not match its manifest or `digest`.
        """
        if verify_manifest(folder) != digest:
            raise SentimentError(f"The model folder {folder} is not the one with the digest {digest[:12]}.")
        kind = json.loads((folder / IDENTITY).read_text(encoding="utf-8"))["kind"]
        run_id, source = self._upload(folder, digest, card, reports or {}, run_id)
        with expecting("RESOURCE_ALREADY_EXISTS"):
            self._client.create_registered_model(self.model_name)
        created = self._client.create_model_version(
            self.model_name,
            source,
            run_id,
            tags={
                **(tags or {}),
                "digest": digest,
                "dataset_digest": dataset_digest,
                "kind": kind,
                "metrics": json.dumps(dict(metrics), sort_keys=True),
                **({"gate": gate} if gate else {}),
            },
            description=card[:MAX_DESCRIPTION],
        )
        version = int(created.version)
        if gate != "refused":
            self._client.set_registered_model_alias(self.model_name, CANDIDATE, str(version))
        return self.get(version)

    @stack_errors
    def promote(
        self, version: int, reason: str, *, actor: str, evidence: str = "", force: bool = False
    ) -> ModelVersion:
        """Make `version` the champion; the one before is archived. Promoting the champion again changes nothing.

        Raises GateError unless the gate approved the version; `force` overrules that, and the history says so.
        ConfigError for an unknown version or an empty reason.
        """
        target = self.get(version)
        if target.status == CHAMPION:
            return target
        if target.gate != "approved" and not force:
            found = "was refused by the gate" if target.gate else "has no gate decision"
            raise GateError(
                f"Version {version} of {self.model_name} {found}.",
                "Train a better one, or promote it with --force and a reason.",
            )
        self._crown(target, "promoted", reason, actor=actor, evidence=evidence, forced=target.gate != "approved")
        return self.get(version)

    @stack_errors
    def rollback(self, reason: str, *, actor: str) -> ModelVersion:
        """Make the champion before this one the champion again; a second rollback goes one further back.

        Raises GateError when the history holds no earlier champion that still exists.
        """
        existing = {each.version for each in self.versions()}
        champion = self.champion()
        reigns = [version for version in reigning(self.history()) if version in existing]
        while champion and reigns and reigns[-1] == champion.version:
            reigns.pop()
        if not reigns:
            raise GateError(
                f"{self.model_name} has no earlier champion to go back to.", "Promote another version instead."
            )
        self._crown(self.get(reigns[-1]), "rolled_back", reason, actor=actor)
        return self.get(reigns[-1])

    @stack_errors
    def archive(self, version: int, reason: str, *, actor: str) -> ModelVersion:
        """Take `version` out of consideration.

        Raises ConfigError when it is the champion, unknown, or no reason is given.
        """
        target = self.get(version)
        if target.status == CHAMPION:
            raise ConfigError(f"Version {version} is the champion.", "Promote another version or roll back first.")
        self._record("archived", target, None, reason, actor=actor)
        self._archive(target, reason)
        return self.get(version)

    def champion(self) -> ModelVersion | None:
        """The version in use; None before the first promotion."""
        return self._by_status(CHAMPION)

    def candidate(self) -> ModelVersion | None:
        """The latest version that waits for promotion; None when there is none."""
        return self._by_status(CANDIDATE)

    @stack_errors
    def get(self, version: int) -> ModelVersion:
        """One version. Raises ConfigError naming the existing ones when it is not there."""
        versions = self.versions()
        for each in versions:
            if each.version == version:
                return each
        names = ", ".join(str(each.version) for each in versions)
        raise ConfigError(
            f"{self.model_name} has no version {version}.",
            f"Existing versions: {names}."
            if names
            else "No version is registered yet: run python run.py --pipeline train.",
        )

    @stack_errors
    def versions(self) -> list[ModelVersion]:
        """All versions, oldest first."""
        model = self._model()
        if model is None:
            return []
        aliases: dict[int, list[str]] = {}
        for alias, version in model.aliases.items():
            aliases.setdefault(int(version), []).append(alias)
        found: list[Any] = []
        token = None
        while True:
            page = self._client.search_model_versions(f"name = '{self.model_name}'", page_token=token)
            found.extend(page)
            token = page.token
            if not token:
                break
        versions = [_model_version(each, aliases.get(int(each.version), [])) for each in found]
        return sorted(versions, key=lambda each: each.version)

    @stack_errors
    def history(self) -> list[PromotionEvent]:
        """Every promotion, rollback and archiving, oldest first."""
        model = self._model()
        tags = model.tags if model else {}
        events = [key for key in sorted(tags) if key.startswith(EVENT_PREFIX)]
        return [PromotionEvent.read(tags[key], f"The entry {key} of {self.model_name}'s history") for key in events]

    @stack_errors
    def card(self, version: int) -> str:
        """The model card that was registered with `version`, in Markdown."""
        target = self.get(version)
        with tempfile.TemporaryDirectory() as temporary:
            path = self._client.download_artifacts(target.run_id, f"{_place(target.digest)}/card.md", temporary)
            return Path(path).read_text(encoding="utf-8")

    @stack_errors
    def report(self, version: int, name: str) -> str:
        """The text of a report that was registered with `version`, such as `reference.json`.

        Raises ConfigError naming the reports there are when it has none of that name.
        """
        target = self.get(version)
        place = f"{_place(target.digest)}/reports"
        names = [Path(each.path).name for each in self._client.list_artifacts(target.run_id, place)]
        if name not in names:
            raise ConfigError(
                f"Version {version} of {self.model_name} has no report {name}.",
                f"It has {', '.join(sorted(names)) or 'none'}; a version trained now has them all.",
            )
        with tempfile.TemporaryDirectory() as temporary:
            path = self._client.download_artifacts(target.run_id, f"{place}/{name}", temporary)
            return Path(path).read_text(encoding="utf-8")

    @stack_errors
    def add_report(self, version: int, name: str, text: str) -> None:
        """Keep `text` with `version` as the report `name`; one that is there already is replaced."""
        target = self.get(version)
        self._client.log_text(target.run_id, text, f"{_place(target.digest)}/reports/{name}")

    @stack_errors
    def fetch(self, version: int, into: Path) -> Path:
        """The model folder of `version` as a folder inside `into` named by its digest, downloaded if need be.

        Raises SentimentError when what the server holds is not what was registered.
        """
        target = self.get(version)
        folder = into / target.digest
        with suppress(SentimentError):  # a damaged copy is fetched again
            if verify_manifest(folder) == target.digest:
                return folder
        into.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=into, prefix=".fetch-") as temporary:
            downloaded = Path(
                self._client.download_artifacts(target.run_id, f"{_place(target.digest)}/folder", temporary)
            )
            if verify_manifest(downloaded) != target.digest:
                raise SentimentError(
                    f"The stored model of version {version} is not the one that was registered.",
                    "Roll back to a version that verifies: python run.py models rollback --reason ...",
                )
            shutil.rmtree(folder, ignore_errors=True)
            downloaded.replace(folder)
        return folder

    def _upload(
        self, folder: Path, digest: str, card: str, reports: Mapping[str, str], run_id: str | None
    ) -> tuple[str, str]:
        if run_id is None:
            run = self._client.create_run(ensure_experiment(self._client), run_name=f"register-{digest[:12]}")
            uploaded = self._upload(folder, digest, card, reports, run.info.run_id)
            self._client.set_terminated(run.info.run_id)
            return uploaded
        place = _place(digest)
        self._client.log_artifacts(run_id, str(folder), f"{place}/folder")
        self._client.log_text(run_id, card, f"{place}/card.md")
        for name, text in reports.items():
            self._client.log_text(run_id, text, f"{place}/reports/{name}")
        return run_id, f"{self._client.get_run(run_id).info.artifact_uri}/{place}/folder"

    def _model(self) -> Any:
        with expecting("RESOURCE_DOES_NOT_EXIST"):
            return self._client.get_registered_model(self.model_name)
        return None

    def _by_status(self, status: Status) -> ModelVersion | None:
        return next((each for each in self.versions() if each.status == status), None)

    def _crown(
        self,
        target: ModelVersion,
        event: Literal["promoted", "rolled_back"],
        reason: str,
        *,
        actor: str,
        evidence: str = "",
        forced: bool = False,
    ) -> None:
        champion = self.champion()
        # The row first: a champion that no row explains would be worse than a row whose switch has to be repeated.
        self._record(event, target, champion, reason, actor=actor, evidence=evidence, forced=forced)
        self._client.set_registered_model_alias(self.model_name, CHAMPION, str(target.version))
        self._tag(target, "reason", reason[:MAX_TEXT])
        if CANDIDATE in target.aliases:
            self._client.delete_registered_model_alias(self.model_name, CANDIDATE)
        if "archived" in target.tags:
            self._client.delete_model_version_tag(self.model_name, str(target.version), "archived")
        if champion:
            self._archive(champion, f"version {target.version} {event.replace('_', ' ')}: {reason}")

    def _archive(self, target: ModelVersion, reason: str) -> None:
        self._tag(target, "archived", "true")
        self._tag(target, "reason", reason[:MAX_TEXT])
        if CANDIDATE in target.aliases:
            self._client.delete_registered_model_alias(self.model_name, CANDIDATE)

    def _tag(self, target: ModelVersion, key: str, value: str) -> None:
        self._client.set_model_version_tag(self.model_name, str(target.version), key, value)

    def _record(
        self,
        event: Literal["promoted", "rolled_back", "archived"],
        target: ModelVersion,
        champion: ModelVersion | None,
        reason: str,
        *,
        actor: str,
        evidence: str = "",
        forced: bool = False,
    ) -> None:
        if not reason.strip():
            raise ConfigError("A reason is needed: the history keeps it.", "Give it with --reason.")
        row = PromotionEvent(
            time=datetime.now(UTC),
            event=event,
            version=target.version,
            from_version=champion.version if champion else None,
            actor=actor,
            reason=reason[:MAX_TEXT],
            evidence=evidence[:MAX_TEXT],
            forced=forced,
        )
        # Sorted by name is sorted by time; the suffix keeps two machines from overwriting each other's row.
        key = f"{EVENT_PREFIX}{row.time:%Y-%m-%dT%H:%M:%S.%f}Z.{uuid.uuid4().hex[:6]}"
        self._client.set_registered_model_tag(self.model_name, key, row.model_dump_json())


def _place(digest: str) -> str:
    # By digest: a second attempt to upload overwrites the first with the same bytes.
    return f"model-{digest[:12]}"


def _model_version(raw: Any, aliases: list[str]) -> ModelVersion:
    tags = dict(raw.tags)
    status: Status = "none"
    if CHAMPION in aliases:
        status = "champion"
    elif "archived" in tags:
        status = "archived"
    elif CANDIDATE in aliases:
        status = "candidate"
    return ModelVersion(
        version=int(raw.version),
        status=status,
        aliases=tuple(sorted(aliases)),
        kind=tags.pop("kind", ""),
        gate=tags.pop("gate", None),
        metrics=json.loads(tags.pop("metrics", "{}")),
        digest=tags.pop("digest", ""),
        dataset_digest=tags.pop("dataset_digest", ""),
        source=raw.source,
        run_id=raw.run_id or "",
        created_at=datetime.fromtimestamp(raw.creation_timestamp / 1000, UTC),
        reason=tags.pop("reason", ""),
        tags=tags,
    )
