"""Where the project is, and SENTIMENT_HOME: the one folder for everything it keeps on this machine."""

import contextlib
import os
import pwd
import re
from pathlib import Path

from sentiment.errors import ConfigError

PROJECT = Path(__file__).resolve().parents[1]
ENVIRONMENT_VARIABLE = "SENTIMENT_HOME"
# What SQLAlchemy takes for the end of a file's name, and MLflow for another character.
_UNUSABLE = re.compile(r"\?|%[0-9A-Fa-f]{2}")
OURS = ("mlflow.db", "predictions.db", "spool")  # by one of them a home folder is known as that


def home() -> Path:
    """The folder that holds mlflow.db, mlflow-artifacts/, downloads/, logs/ and checkpoints/.

    `SENTIMENT_HOME`, else ~/.sentiment-ops. Read on every call and not created: whoever writes makes the folder.

    Raises ConfigError for a name that an address of a database cannot hold: half of it would be kept elsewhere.
    """
    folder = Path(os.environ.get(ENVIRONMENT_VARIABLE) or "~/.sentiment-ops").expanduser().absolute()
    if found := _UNUSABLE.search(str(folder)):
        raise ConfigError(
            f"The folder {folder} cannot hold the project's files: {found[0]} has a meaning in addresses.",
            f"Name another one: export {ENVIRONMENT_VARIABLE}=~/sentiment-home",
        )
    return folder


def keep_private() -> None:
    """Let nobody but this user read what the process writes from now on, and what the home folder holds already.

    A folder that holds nothing of ours is left as it is: SENTIMENT_HOME may name one that others use.
    """
    os.umask(0o077)
    folder = home()
    if any((folder / name).exists() for name in OURS):
        with contextlib.suppress(PermissionError):  # another user's: who owns it decides
            folder.chmod(0o700)


def current_user() -> str:
    """Who runs this process: the history of a model keeps it.

    A container may run as a number that its /etc/passwd does not know.
    """
    if name := os.environ.get("LOGNAME") or os.environ.get("USER"):
        return name
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return f"uid {os.getuid()}"
