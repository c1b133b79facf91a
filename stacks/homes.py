"""Folders that were moved or copied. MLflow and ZenML keep absolute paths, which `stack up` renews."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

from zenml.config.global_config import GlobalConfiguration
from zenml.constants import ENV_ZENML_STORE_PREFIX

from sentiment.config.stack import StackConfig
from sentiment.registry.tracking import SQLITE, database_path, moved_from
from sentiment.store.moved import rename_folder

# Of ZenML's own database in its config folder.
IN_CONFIG: Final = "/local_stores/default_zen_store/zenml.db"


class Moved(NamedTuple):
    """`variable` names the folder `after`; its `database` holds paths in `before`."""

    variable: str
    before: Path
    after: Path
    database: Path


def moved_folders(config: StackConfig) -> Iterator[Moved]:
    """The folders of this machine that were moved or copied since their databases were written."""
    if (uri := config.tracking_uri) and (database := database_path(uri)) and (before := moved_from(uri)):
        yield Moved("SENTIMENT_HOME", before, database.parent, database)
    zenml = GlobalConfiguration()
    if any(name.startswith(ENV_ZENML_STORE_PREFIX) for name in os.environ):
        return
    recorded, here = zenml.store_configuration.url, Path(zenml.get_default_store().url.removeprefix(SQLITE))
    before = Path(recorded.removeprefix(SQLITE).removesuffix(IN_CONFIG))
    there = Path(f"{before}{IN_CONFIG}")
    if recorded == f"{SQLITE}{there}" and here.exists() and not (there.exists() and there.samefile(here)):
        yield Moved("ZENML_CONFIG_PATH", before, Path(zenml.config_directory), here)


def renew_paths(config: StackConfig) -> list[str]:
    """Let the databases name the files where they are now; returns what was done, a sentence a folder."""
    told = []
    for each in list(moved_folders(config)):
        changed = rename_folder(each.database, each.before, each.after)
        if each.variable == "ZENML_CONFIG_PATH":
            GlobalConfiguration().set_default_store()
        told.append(f"{each.after} was moved or copied from {each.before}: {changed} paths were renewed.")
    return told
