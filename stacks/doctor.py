"""Check what a stack needs before a run does: `python run.py stack doctor`."""

import os
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

from zenml.enums import StackComponentType
from zenml.integrations.registry import integration_registry

from sentiment.config.load import nearest
from sentiment.config.stack import Component, StackConfig
from sentiment.errors import ConfigError, StackError
from sentiment.home import home
from sentiment.registry.tracking import database_path, require_answer, without_credentials
from stacks.flavors import import_from_project, known_flavors, validated

FREE_GIGABYTES = 2
ANSWER_SECONDS = 3


class Finding(NamedTuple):
    """One check. `fix` is empty when it is ok."""

    name: str
    ok: bool
    detail: str
    fix: str = ""


def diagnose(config: StackConfig) -> list[Finding]:
    """Every check of the stack, changing nothing: libraries, variables, folders, disk, flavors, servers, databases."""
    import_from_project()
    components = config.enabled()
    findings = [_module(name) for name in config.requires.modules]
    findings += [_variable(name) for name in config.requires.environment]
    findings += [_writable_home(), _disk()]
    for kind, component in components.items():
        findings.append(_component(kind, component))
        findings += [_address(kind, uri) for uri in _strings(component.configuration) if "://" in uri]
    return findings


def require_healthy(findings: Sequence[Finding]) -> None:
    """Raise StackError with the first finding that is not ok."""
    for finding in findings:
        if not finding.ok:
            raise StackError(f"{finding.name}: {finding.detail}", finding.fix)


def _module(name: str) -> Finding:
    if find_spec(name):
        return Finding(f"library {name}", True, "installed")
    return Finding(f"library {name}", False, "It is not installed.", "Run pip install -r requirements.txt.")


def _variable(name: str) -> Finding:
    if os.environ.get(name):
        return Finding(f"variable {name}", True, "set")
    return Finding(f"variable {name}", False, "It is not set.", f"Set it: export {name}=...")


def _writable_home() -> Finding:
    folder = _existing(home())
    try:
        with tempfile.TemporaryFile(dir=folder):
            return Finding("SENTIMENT_HOME", True, f"{home()} is writable")
    except OSError as error:
        detail = f"{folder} is not writable ({error.strerror})."
        return Finding("SENTIMENT_HOME", False, detail, "Set SENTIMENT_HOME to a folder of your own.")


def _disk() -> Finding:
    free = shutil.disk_usage(_existing(home())).free / 1e9
    detail = f"{free:.1f} GB free"
    if free >= FREE_GIGABYTES:
        return Finding("disk", True, detail)
    fix = f"Free at least {FREE_GIGABYTES} GB, or set SENTIMENT_HOME to another disk."
    return Finding("disk", False, f"Only {detail} under {home()}.", fix)


def _existing(folder: Path) -> Path:
    return next(each for each in [folder, *folder.parents] if each.exists())


def _component(kind: str, component: Component) -> Finding:
    name = f"{kind} ({component.flavor})"
    if kind not in StackComponentType.values():
        return Finding(name, False, f"{kind!r} is no component type.", nearest(kind, StackComponentType.values()))
    flavors = known_flavors(StackComponentType(kind))
    if component.flavor not in flavors:
        return Finding(name, False, "ZenML knows no such flavor.", nearest(component.flavor, flavors))
    flavor = flavors[component.flavor]
    try:
        validated(kind, component, flavor.config_class)
        flavor.implementation_class  # noqa: B018 - imports the libraries of the flavor
    except ConfigError as error:
        return Finding(name, False, error.cause, error.fix)
    except ImportError as error:
        return Finding(name, False, f"Its library is missing: {error}.", f"Run pip install {_packages(component)}.")
    return Finding(name, True, "known, and its settings are valid")


def _packages(component: Component) -> str:
    if component.flavor not in integration_registry.list_integration_names:
        return "-r requirements.txt"
    return " ".join(f"'{each}'" for each in integration_registry.select_integration_requirements(component.flavor))


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _strings(item)


def _address(kind: str, uri: str) -> Finding:
    name = f"{kind} {without_credentials(uri)}"
    if database := database_path(uri):
        return _database(name, database)
    try:
        require_answer(uri, ANSWER_SECONDS)
    except StackError as error:
        return Finding(name, False, error.cause, error.fix)
    is_server = uri.startswith(("http://", "https://"))
    return Finding(name, True, "answers" if is_server else "not checked: it has no HTTP address")


def _database(name: str, database: Path) -> Finding:
    if not database.exists():
        return Finding(name, True, "will be created")
    try:
        connection = sqlite3.connect(f"{database.as_uri()}?mode=rw", uri=True)
        try:
            connection.execute("SELECT count(*) FROM sqlite_master")
        finally:
            connection.close()
    except sqlite3.Error as error:
        return Finding(name, False, f"It does not open: {error}.", f"Move {database} away, or restore it.")
    return Finding(name, True, "opens")
