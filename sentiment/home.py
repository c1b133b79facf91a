"""Where the project is, and SENTIMENT_HOME: the one folder for everything it keeps on this machine."""

import os
import pwd
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]
ENVIRONMENT_VARIABLE = "SENTIMENT_HOME"


def home() -> Path:
    """The folder that holds mlflow.db, mlflow-artifacts/, downloads/, logs/ and checkpoints/.

    `SENTIMENT_HOME`, else ~/.sentiment-ops. Read on every call and not created: whoever writes makes the folder.
    """
    return Path(os.environ.get(ENVIRONMENT_VARIABLE) or "~/.sentiment-ops").expanduser().absolute()


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
