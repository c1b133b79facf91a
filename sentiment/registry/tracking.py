"""The MLflow server or database behind the registry: where it is, whether it answers, its experiment and its errors."""

import os
import re
import ssl
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from http.client import HTTPException
from pathlib import Path
from typing import TYPE_CHECKING, ParamSpec, TypeVar
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from filelock import FileLock

from sentiment.errors import OR, StackError
from sentiment.home import home
from sentiment.store.moved import values_of
from sentiment.text.pii import mask

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

EXPERIMENT = "sentiment"
SQLITE = "sqlite:///"
ARTIFACTS = "mlflow-artifacts"
DRIVER = re.compile(r"\((?:sqlite3|psycopg)\.\w+\) (.*)")  # how SQLAlchemy begins what a database's driver says

P = ParamSpec("P")
R = TypeVar("R")


def default_tracking_uri() -> str:
    """`MLFLOW_TRACKING_URI`, else the SQLite database in SENTIMENT_HOME."""
    return os.environ.get("MLFLOW_TRACKING_URI") or f"{SQLITE}{home() / 'mlflow.db'}"


def database_path(tracking_uri: str) -> Path | None:
    """The file behind a SQLite tracking URI; None for any other URI."""
    return Path(tracking_uri.removeprefix(SQLITE)).absolute() if tracking_uri.startswith(SQLITE) else None


def stack_errors(method: Callable[P, R]) -> Callable[P, R]:
    """Turn the failures of MLflow and of its database into StackError; our own errors pass."""

    @wraps(method)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return method(*args, **kwargs)
        except Exception as error:
            if not _is_mlflows(error):
                raise
            raise _as_sentence(str(error).partition("\n")[0]) from error

    return wrapper


def _is_mlflows(error: Exception) -> bool:
    """Asked without importing MLflow or SQLAlchemy: what was not imported did not fail."""
    kinds = (("mlflow.exceptions", "MlflowException"), ("sqlalchemy.exc", "DBAPIError"))
    return any((module := sys.modules.get(name)) and isinstance(error, getattr(module, kind)) for name, kind in kinds)


def _as_sentence(told: str) -> StackError:
    if found := DRIVER.search(told):  # MLflow hands some errors of its database on, and wraps others
        return StackError(
            f"MLflow's database cannot be used: {mask(found[1])[:300]}.",
            "See what it needs: python run.py stack doctor",
        )
    return StackError(
        f"MLflow refused: {mask(told)[:300]}",
        "See the log of the tracking server, mend what it names, and run the same command again.",
    )


@stack_errors
def connect(tracking_uri: str) -> "MlflowClient":
    """A client that is known to have an answering server, or an existing folder for its database, behind it.

    Raises StackError at once when an HTTP server does not answer; MLflow alone would retry for minutes.
    """
    from mlflow.tracking import MlflowClient

    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    # Else the server sends clients to its store by presigned URLs, which name it as the server sees it.
    os.environ.setdefault("MLFLOW_ENABLE_PROXY_MULTIPART_DOWNLOAD", "false")
    os.environ.setdefault("MLFLOW_ENABLE_PROXY_MULTIPART_UPLOAD", "false")
    require_answer(tracking_uri)
    database = database_path(tracking_uri)
    if database is None:
        return MlflowClient(tracking_uri=tracking_uri, registry_uri=tracking_uri)
    database.parent.mkdir(parents=True, exist_ok=True)
    if before := moved_from(tracking_uri):
        raise StackError(
            f"{database.parent} was moved or copied from {before}: its records still name the files there.",
            "python run.py stack up",
        )
    # The first client makes the tables, and fails where a second one does the same at once.
    with FileLock(database.with_name(f"{database.name}.lock")):
        return MlflowClient(tracking_uri=tracking_uri, registry_uri=tracking_uri)


def moved_from(tracking_uri: str) -> Path | None:
    """The folder from which the database and the files of its experiments came here; None where they were made here.

    Until the paths in the database are renewed, new files would go to the old place.
    """
    database = database_path(tracking_uri)
    if database is None or not (database.exists() and (database.parent / ARTIFACTS).is_dir()):
        return None
    for location in values_of(database, "experiments", "artifact_location"):
        before, found, _ = location.removeprefix("file://").rpartition(f"/{ARTIFACTS}/")
        if found and not _same(Path(before), database.parent):
            return Path(before)
    return None


def _same(one: Path, other: Path) -> bool:
    return one == other or (one.exists() and one.samefile(other))


def is_server(tracking_uri: str) -> bool:
    """Whether this is a server over HTTP; anything else is on this machine."""
    return tracking_uri.startswith(("http://", "https://"))


def require_answer(tracking_uri: str, seconds: float = 5) -> None:
    """Raise StackError unless the HTTP server at `tracking_uri` (anything else passes) answers, whatever it answers."""
    if not is_server(tracking_uri):
        return
    address = without_credentials(tracking_uri)
    try:
        urlopen(Request(address, method="HEAD"), timeout=seconds).close()  # noqa: S310 - the scheme was checked
    except HTTPError:
        return
    except (OSError, HTTPException, ValueError) as error:
        reason = getattr(error, "reason", error)
        if isinstance(reason, ssl.SSLError):  # it answered; whether its certificate is trusted is MLflow's to judge
            return
        raise StackError(
            f"The server {address} does not answer ({_plainly(reason)}).",
            f"Start it{OR}Name the one that runs: export MLFLOW_TRACKING_URI=ADDRESS",
        ) from None


def _plainly(reason: object) -> str:
    """Why a server does not answer, without the number of the error."""
    return str(getattr(reason, "strerror", None) or reason)


@stack_errors
def ensure_experiment(client: "MlflowClient", name: str = EXPERIMENT) -> str:
    """The id of the experiment `name`, created if missing.

    With SQLite its artifacts go to mlflow-artifacts/ beside the database: MLflow's own default is ./mlruns in
    whatever folder the process happens to run in. A server decides for itself.
    """
    if experiment := client.get_experiment_by_name(name):
        return str(experiment.experiment_id)
    database = database_path(client.tracking_uri)
    location = str(database.parent / ARTIFACTS / name) if database else None
    with expecting("RESOURCE_ALREADY_EXISTS"):  # another process was faster
        return str(client.create_experiment(name, artifact_location=location))
    return str(client.get_experiment_by_name(name).experiment_id)


@contextmanager
def expecting(error_code: str) -> Iterator[None]:
    """Swallow MLflow's answer `error_code`, and no other failure."""
    from mlflow.exceptions import MlflowException

    try:
        yield
    except MlflowException as error:
        if error.error_code != error_code:
            raise


def without_credentials(uri: str) -> str:
    """`uri` without its user:password@ part, for messages."""
    scheme, _, rest = uri.partition("://")
    return f"{scheme}://{rest.rpartition('@')[2]}"
