"""Check what a stack needs before a run does: `python run.py stack doctor`."""

import os
import re
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from sqlalchemy import make_url
from zenml.enums import StackComponentType
from zenml.integrations.registry import integration_registry
from zenml.utils.secret_utils import is_secret_reference, parse_secret_reference

from sentiment.config.stack import Component, StackConfig
from sentiment.errors import ConfigError, StackError, nearest
from sentiment.home import PROJECT, home
from sentiment.registry import Registry, default_tracking_uri
from sentiment.registry.records import ModelVersion
from sentiment.store.database import default_database_url
from stacks.catalogue import load_stack, required_variables
from stacks.flavors import import_from_project, known_flavors, validated
from stacks.homes import Moved, moved_folders
from stacks.reach import Finding, opens, reach
from stacks.secrets import missing_variables, values_of
from stacks.settings import check_settings, unmatched_patterns

FREE_GIGABYTES = 2
REQUIREMENTS = ("requirements.txt", "requirements-cloud.txt")
# ZenML's integrations whose libraries the requirements files pin, and one of these libraries.
PINNED = {"s3": "s3fs", "kubernetes": "kubernetes", "mlflow": "mlflow", "bentoml": "bentoml"}


def examine(name: str, *, step_names: Iterable[str] = (), offline: bool = False) -> list[Finding]:
    """`diagnose` for a stack file, which may refer to variables that are not set: then each of these is a finding.

    Raises StackError for an unknown name, ConfigError for a file that is wrong in itself.
    """
    unset = [variable for variable in required_variables(name) if not os.environ.get(variable)]
    if unset:
        return [_variable(each) for each in unset]
    config = load_stack(name)
    return [*diagnose(config, step_names=step_names, offline=offline), *([] if offline else _stored(config))]


def diagnose(config: StackConfig, *, step_names: Iterable[str] = (), offline: bool = False) -> list[Finding]:
    """Every check of the stack, changing nothing: libraries, variables, folders, disk, flavors, settings, servers.

    With `offline`, nothing outside this process is asked. `step_names` are those of all pipelines, to tell names and
    patterns of the stack's settings that match none; without them that is not checked.
    """
    import_from_project()
    findings = [_module(name) for name in config.requires.modules]
    findings += [_variable(name) for name in dict.fromkeys([*config.requires.environment, *missing_variables(config)])]
    findings += [_writable_home(), _disk()]
    components = {kind: _component(config, kind, each) for kind, each in config.enabled().items()}
    findings += [*components.values(), *_settings(config, list(step_names))]
    if not offline:
        findings += map(_moved, moved_folders(config))
        findings += reach(config, [kind for kind, finding in components.items() if finding.ok])
    return findings


def require_healthy(findings: Sequence[Finding]) -> None:
    """Raise StackError with the first finding that is not ok."""
    for finding in findings:
        if not finding.ok:
            raise StackError(f"{finding.name}: {finding.detail}", finding.fix)


def lost_since(config: StackConfig) -> Finding | None:
    """What does not answer, or refuses, now that a run on the stack has failed; None when all is well.

    The error of a step that lost its storage is often a single word.
    """
    return next((finding for finding in reach(config, config.enabled()) if not finding.ok), None)


def _module(name: str) -> Finding:
    if find_spec(name):
        return Finding(f"library {name}", True, "installed")
    return Finding(f"library {name}", False, "It is not installed.", f"Run {_pip_line(name)}.")


def _pip_line(module: str) -> str:
    """The line that installs `module`, from the first requirements file that names it."""
    named = re.compile(rf"^{module}(\[[^]]*\])?==", re.MULTILINE | re.IGNORECASE)
    files = [each for each in REQUIREMENTS if named.search((PROJECT / each).read_text(encoding="utf-8"))]
    return f"pip install -r {files[0] if files else REQUIREMENTS[0]} -c requirements.lock"


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


def _stored(config: StackConfig) -> Iterator[Finding]:
    """What earlier runs left on this machine. A run does not ask: training is what puts the files of a model back."""
    url = make_url(default_database_url())
    if url.get_backend_name() == "sqlite" and url.database:
        yield opens("prediction database", Path(url.database))
    uri = config.tracking_uri or default_tracking_uri()
    try:
        registries = [Registry(uri, name) for name in Registry(uri).names()]
        champions = [(each, champion) for each in registries if (champion := each.champion())]
        for registry, champion in champions:
            yield _files(registry, champion)
    except StackError:
        return  # the tracking server has a finding of its own


def _files(registry: Registry, champion: ModelVersion) -> Finding:
    name = f"champion of {registry.model_name}"
    if registry.has_files(champion.version):
        return Finding(name, True, f"version {champion.version}, and its files are there")
    gone = registry.gone(champion)
    return Finding(name, False, gone.cause, gone.fix)


def _moved(moved: Moved) -> Finding:
    detail = f"{moved.after} was moved or copied from {moved.before}: its records still name the files there."
    return Finding(moved.variable, False, detail, "python run.py stack up")


def _existing(folder: Path) -> Path:
    return next(each for each in [folder, *folder.parents] if each.exists())


def _component(config: StackConfig, kind: str, component: Component) -> Finding:
    name = f"{kind} ({component.flavor})"
    if kind not in StackComponentType.values():
        return Finding(name, False, f"{kind!r} is no component type.", nearest(kind, StackComponentType.values()))
    flavors = known_flavors(StackComponentType(kind))
    if component.flavor not in flavors:
        return Finding(name, False, "ZenML knows no such flavor.", nearest(component.flavor, flavors))
    flavor = flavors[component.flavor]
    # A reference is resolved by reading it, and its secret is made only when the stack is.
    filled = component.model_copy(update={"configuration": _without_references(config, component.configuration)})
    try:
        validated(kind, filled, flavor.config_class)
        flavor.implementation_class  # noqa: B018 - imports the libraries of the flavor
    except ConfigError as error:
        return Finding(name, False, error.cause, error.fix)
    except ImportError as error:
        return Finding(name, False, f"Its library is missing: {error}.", f"Run {_packages(kind, component.flavor)}.")
    return Finding(name, True, "known, and its settings are valid")


def _without_references(config: StackConfig, configuration: Mapping[str, Any]) -> dict[str, Any]:
    def filled(value: Any) -> Any:
        if not is_secret_reference(value):
            return value
        reference = parse_secret_reference(value)
        return values_of(config, reference.name).get(reference.key, reference.key)

    return {key: filled(value) for key, value in configuration.items()}


def _packages(kind: str, flavor: str) -> str:
    """The line that installs what the flavor imports."""
    for name, integration in integration_registry.integrations.items():
        flavors = [each() for each in integration.flavors()]
        if any(each.name == flavor and each.type == StackComponentType(kind) for each in flavors):
            if name in PINNED:
                return _pip_line(PINNED[name])
            packages = integration_registry.select_integration_requirements(name)
            return "pip install " + " ".join(f"'{each}'" for each in packages)
    return _pip_line("zenml")


def _settings(config: StackConfig, step_names: Sequence[str]) -> Iterator[Finding]:
    name = "run settings"
    try:
        check_settings(config)
    except ConfigError as error:
        yield Finding(name, False, error.cause, error.fix)
    except ImportError as error:
        yield Finding(name, False, f"A library is missing: {error}.", f"Run {_pip_line('kubernetes')}.")
    else:
        if config.settings.model_fields_set:
            yield Finding(name, True, "valid")
    for pattern in unmatched_patterns(config, step_names) if step_names else []:
        fix = nearest(pattern, step_names)
        yield Finding(f"settings.steps.{pattern}", False, "No step of any pipeline has that name.", fix)
