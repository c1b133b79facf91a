"""Reading the model registry on MLflow: aliases say which version is champion or candidate, tags everything else.

Nothing here changes it: `sentiment.lifecycle` does.

Everything lives on the tracking server, the history included (one tag of the registered model a change), so that a
registry needs no database of its own and is the same from every machine.
Aliases and tags instead of stages: https://mlflow.org/docs/latest/ml/model-registry/
"""

import json
import shlex
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from functools import cached_property
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from sentiment.errors import OR, ConfigError, FilesGoneError, SentimentError, StackError, nearest
from sentiment.models.folder import verify_manifest
from sentiment.registry.local import RegisteredModel, VersionRow, local_model
from sentiment.registry.records import (
    EARLIER_REPORT_FILE,
    HISTORY,
    REPORT_FILE,
    Change,
    ModelVersion,
    Status,
    forced_promotion,
    reigning,
)
from sentiment.registry.tracking import connect, database_path, expecting, stack_errors
from sentiment.stored import DAMAGED

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

CHAMPION: Final = "champion"
CANDIDATE: Final = "candidate"
DEFAULT_NAME: Final = "sentiment"
# What programs keep in tags. MLflow's pages leave out whatever begins with "mlflow."; until 0.2.0 these did not.
HIDDEN: Final = "mlflow.sentiment."
EVENT_PREFIX: Final = f"{HIDDEN}event."  # of the model's tags, one a change
CHANGE: Final = f"{HIDDEN}change"  # the tag of a version that says how it was registered
METRICS: Final = f"{HIDDEN}metrics"


class Registry:
    """The versions of one model on one MLflow tracking server (or database)."""

    def __init__(self, tracking_uri: str, model_name: str = DEFAULT_NAME) -> None:
        self.tracking_uri = tracking_uri
        self.model_name = model_name

    @cached_property
    def client(self) -> "MlflowClient":
        """MLflow's own client, for `sentiment.lifecycle`."""
        return connect(self.tracking_uri)

    @stack_errors
    def names(self) -> list[str]:
        """Every registered model of the server, this one or another."""
        if _is_to_be_made(self.tracking_uri):
            return []
        return sorted(each.name for each in self.client.search_registered_models())

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
            f"Name one that there is: {names}." if names else "Train one: python run.py train",
        )

    @stack_errors
    def versions(self) -> list[ModelVersion]:
        """All versions, oldest first."""
        model = self._model()
        if model is None:
            return []
        aliases: dict[int, list[str]] = {}
        for alias, version in model.aliases.items():
            aliases.setdefault(version, []).append(alias)
        versions = [self._version(each, aliases.get(int(each.version), [])) for each in model.versions]
        return sorted(versions, key=lambda each: each.version)

    def history(self) -> list[Change]:
        """Every promotion, rollback and archiving, oldest first."""
        return [each for each in self.changes() if each.event in HISTORY]

    @stack_errors
    def changes(self) -> list[Change]:
        """The history, and every deployment; how a version was registered lies with the version."""
        model = self._model()
        tags = model.tags if model else {}
        stored = {key.removeprefix(HIDDEN): value for key, value in tags.items()}
        with self._whole("the history"):
            return [self._change(stored[key]) for key in sorted(stored) if key.startswith("event.")]

    @stack_errors
    def card(self, version: int) -> str:
        """The model card that was registered with `version`, in Markdown; who forced its promotion stands first."""
        target = self.get(version)
        card = self._text(target, f"{place_of(target.digest)}/card.md")
        forced = forced_promotion(self.history(), version)
        return f"> **{escape(forced.summary, quote=False)}**\n\n{card}" if forced else card

    @stack_errors
    def report(self, version: int, name: str) -> str:
        """The text of a report that was registered with `version`, such as `reference.json`.

        Raises ConfigError naming the reports there are when it has none of that name.
        """
        target = self.get(version)
        place = f"{place_of(target.digest)}/reports"
        names = [Path(each.path).name for each in self.client.list_artifacts(target.run_id, place)]
        if not names and not self.has_files(version):
            raise self.gone(target)
        if name not in names:
            raise ConfigError(
                f"Version {version} of {self.model_name} has no report {name}.",
                f"{nearest(name, names) if names else 'It has none.'} A version trained now has them all.",
            )
        return self._text(target, f"{place}/{name}")

    @stack_errors
    def page(self, version: int) -> str:
        """The report of the run that registered `version`, a self-contained HTML page.

        Raises ConfigError when that run kept none.
        """
        target = self.get(version)
        if any(each.path == REPORT_FILE for each in self.client.list_artifacts(target.run_id)):
            return self._text(target, REPORT_FILE)
        return self.report(version, EARLIER_REPORT_FILE)

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
            downloaded = self._download(target, f"{place_of(target.digest)}/folder", temporary)
            if verify_manifest(downloaded) != target.digest:
                raise SentimentError(
                    f"The stored model of version {version} is not the one that was registered.", self._way_out(target)
                )
            shutil.rmtree(folder, ignore_errors=True)
            downloaded.replace(folder)
        return folder

    @stack_errors
    def has_files(self, version: int) -> bool:
        """Whether the model folder of `version` is where it was put; that its content is right, `fetch` sees."""
        target = self.get(version)
        return bool(self.client.list_artifacts(target.run_id, f"{place_of(target.digest)}/folder"))

    def _text(self, target: ModelVersion, path: str) -> str:
        with tempfile.TemporaryDirectory() as temporary:
            return self._download(target, path, temporary).read_text(encoding="utf-8")

    def _download(self, target: ModelVersion, path: str, into: str) -> Path:
        """A file or folder of the run that registered a version. Raises FilesGoneError when it is not there."""
        try:
            return Path(self.client.download_artifacts(target.run_id, path, into))
        except Exception:
            if path in (each.path for each in self.client.list_artifacts(target.run_id, path.rpartition("/")[0])):
                raise
            raise self.gone(target) from None

    def gone(self, target: ModelVersion) -> FilesGoneError:
        """The error for a version whose files are not where they were put, with what helps."""
        return FilesGoneError(
            f"The files of {self.model_name} version {target.version} are gone from {target.source}.",
            self._way_out(target),
        )

    def _way_out(self, target: ModelVersion) -> str:
        """What helps when the files of a version are gone or damaged."""
        reason = shlex.quote(f"the files of version {target.version} are lost")
        models = f"python run.py models --model {self.model_name}"
        if target.status != CHAMPION:
            return f"Restore them from a copy{OR}Choose another version: {models} list"
        earlier = [each for each in reigning(self.history()) if each != target.version]
        if earlier and self.has_files(earlier[-1]):
            return f"Go back to the champion before: {models} rollback --reason {reason}"
        others = [each.version for each in self.versions() if each != target and self.has_files(each.version)]
        if others:
            return f"Choose another version: {models} promote {others[-1]} --force --reason {reason}"
        again = "Train as before, which puts the same files back: python run.py train --no-cache"
        return f"Restore them from a copy{OR}{again}"

    def _model(self) -> RegisteredModel | None:
        """None when nothing was registered yet."""
        if _is_to_be_made(self.tracking_uri):
            return None  # whoever only asks makes no database
        database = database_path(self.tracking_uri)
        if database and (found := local_model(database, self.model_name)):
            return found
        with expecting("RESOURCE_DOES_NOT_EXIST"):
            model = self.client.get_registered_model(self.model_name)
            aliases = {alias: int(version) for alias, version in model.aliases.items()}
            return RegisteredModel(dict(model.tags), aliases, self._all_versions())
        return None

    def _all_versions(self) -> list[Any]:
        found: list[Any] = []
        token = None
        while True:
            page = self.client.search_model_versions(f"name = '{self.model_name}'", page_token=token)
            found.extend(page)
            token = page.token
            if not token:
                return found

    def _by_status(self, status: Status) -> ModelVersion | None:
        return next((each for each in self.versions() if each.status == status), None)

    def _version(self, raw: VersionRow, aliases: list[str]) -> ModelVersion:
        with self._whole(f"version {raw.version}"):
            return self._read_version(raw, aliases)

    @contextmanager
    def _whole(self, what: str) -> Iterator[None]:
        """Raise StackError where a record of the registry is not what was written."""
        try:
            yield
        except (ValueError, TypeError, RecursionError, SentimentError) as error:
            if isinstance(error, SentimentError) and error.fix != DAMAGED:
                raise
            raise StackError(
                f"What the registry keeps of {what} of {self.model_name} is damaged.",
                "Restore MLflow's database from a backup.",
            ) from error

    def _read_version(self, raw: VersionRow, aliases: list[str]) -> ModelVersion:
        hidden = {key.removeprefix(HIDDEN): value for key, value in raw.tags.items() if key.startswith(HIDDEN)}
        tags = {key: value for key, value in raw.tags.items() if not key.startswith(HIDDEN)} | hidden
        stored = tags.pop("change", None)
        change = self._change(stored, version=int(raw.version)) if stored else None
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
            change=change,
        )

    def _change(self, stored: str, **known: int) -> Change:
        told = {"model_name": self.model_name, **known, **json.loads(stored)}
        return Change.read(json.dumps(told), f"A change of {self.model_name} in the registry")


def _is_to_be_made(tracking_uri: str) -> bool:
    """Whether this is a database file that is not there. Raises OSError for a place where none can be."""
    database = database_path(tracking_uri)
    try:
        return bool(database and not database.stat())
    except FileNotFoundError:
        return True


def place_of(digest: str) -> str:
    """Where a model lies among the files of its run: by digest, so that a second upload overwrites with the same."""
    return f"model-{digest[:12]}"
