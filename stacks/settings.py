"""How the steps of a run are run: the stack's settings and the pipeline's own, merged into what ZenML takes.

configured = train.with_options(**run_options(stack, step_names, config.steps))

What is said in several places counts in this order, the first one that says it:
1. the pipeline's config (its `steps` block, `--set` included): cache and retries;
2. the stack's settings for the step by its name;
3. the stack's settings for a pattern that the name matches; of several, the later one in the file;
4. the stack's settings for every step;
5. ZenML's default.
Mappings are merged key by key, down to the last level; null takes back what a place further down says.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any, Final, TypedDict

from pydantic import BaseModel, ValidationError
from zenml.config import DockerSettings, ResourceSettings
from zenml.config.base_settings import BaseSettings
from zenml.config.resource_settings import ByteUnit
from zenml.config.retry_config import StepRetryConfig
from zenml.enums import StackComponentType
from zenml.stack import StackComponentConfig

from sentiment.config.stack import StackConfig, StepSettings
from sentiment.config.train import StepOptions
from sentiment.errors import ConfigError, nearest
from stacks.flavors import known_flavors

# What a step asks for (cores, GPUs, memory), in the words of the orchestrator that runs it.
#
# ZenML's Kubernetes orchestrator takes a pod's resources from its settings only: it ignores ZenML's own
# ResourceSettings, with no more than a warning in the log, and a step that asked for a GPU would train without one.

KUBERNETES: Final = "kubernetes"
# Orchestrators that give a step what this machine, or the instance of its settings, has.
IGNORED_BY: Final = ("local", "local_docker", "sagemaker")
GPU: Final = "nvidia.com/gpu"


def pod_resources(resources: Mapping[str, Any]) -> dict[str, dict[str, str]]:
    """The `resources` of a container (https://kubernetes.io/docs/concepts/configuration/manage-resources-containers/).

    Cores are requested and not limited; memory and GPUs are requested and limited alike.
    """
    settings = ResourceSettings(**resources)
    limits = {}
    if memory := settings.get_memory(ByteUnit.MIB):
        limits["memory"] = f"{math.ceil(memory)}Mi"
    if settings.gpu_count:
        limits[GPU] = str(settings.gpu_count)
    requests = dict(limits)
    if settings.cpu_count:
        requests["cpu"] = f"{settings.cpu_count:g}"
    return {name: asked for name, asked in (("requests", requests), ("limits", limits)) if asked}


WILDCARDS: Final = "*?["
COMPONENTS: Final = ("orchestrator", "step_operator")


class RunOptions(TypedDict):
    """Keyword arguments of `Pipeline.with_options`. `settings` is also for what the orchestrator itself runs in."""

    settings: dict[str, Any]
    steps: dict[str, dict[str, Any]]


def run_options(
    stack: StackConfig, step_names: Sequence[str], overrides: Mapping[str, StepOptions] | None = None
) -> RunOptions:
    """What `Pipeline.with_options` takes so that the steps run as the stack and the pipeline's config say.

    Names and patterns of the stack that match none of `step_names` are for other pipelines.

    Raises ConfigError when `overrides` names a step that is not among `step_names`.
    """
    overrides = overrides or {}
    for name in overrides:
        if name not in step_names:
            raise ConfigError(f"steps: the run has no step {name!r}.", nearest(name, step_names))
    everywhere = stack.settings.model_dump(exclude_unset=True, exclude={"steps"})
    steps = {name: _step_options(stack, name, overrides.get(name, StepOptions())) for name in step_names}
    settings = _zenml_settings(stack, {key: everywhere[key] for key in ("image", "orchestrator") if key in everywhere})
    return RunOptions(settings=settings, steps={name: options for name, options in steps.items() if options})


def unmatched_patterns(stack: StackConfig, step_names: Iterable[str]) -> list[str]:
    """The step names and patterns of the stack that match no step of any pipeline.

    `step_names` are those of all pipelines; one whose name depends on the config is given as a pattern: train_*.
    """
    names = list(step_names)
    return [
        pattern
        for pattern in stack.settings.steps
        if not any(fnmatchcase(name, pattern) or fnmatchcase(pattern, name) for name in names)
    ]


def check_settings(stack: StackConfig) -> None:
    """Raise ConfigError when a component's flavor does not accept the settings that a step has for it.

    ZenML itself ignores a setting that it does not know.
    """
    components = stack.enabled()
    places = {"settings": stack.settings} | {
        f"settings.steps.{name}": each for name, each in stack.settings.steps.items()
    }
    for place, settings in places.items():
        _check_resources(place, settings, stack)
        for kind in COMPONENTS:
            if content := getattr(settings, kind):
                accepted = settings_class(kind, components[kind].flavor)
                _check(f"{place}.{kind}", _without_nulls_inside(content), accepted)


def settings_class(kind: str, flavor: str) -> type[BaseSettings] | None:
    """The run settings that the flavor's components take; None when they take none, or the flavor is unknown."""
    known = known_flavors(StackComponentType(kind)).get(flavor)
    bases = known.config_class.__mro__ if known else ()
    return next(
        (
            base
            for base in bases
            if issubclass(base, BaseSettings)
            and not issubclass(base, StackComponentConfig)
            and base is not BaseSettings
        ),
        None,
    )


def _merged(stack: StackConfig, name: str) -> dict[str, Any]:
    merged = stack.settings.model_dump(exclude_unset=True, exclude={"steps"})
    patterns = [pattern for pattern in stack.settings.steps if pattern != name and fnmatchcase(name, pattern)]
    for place in [*patterns, name]:
        if settings := stack.settings.steps.get(place):
            merged = _over(merged, settings.model_dump(exclude_unset=True))
    return merged


def _over(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(below)
    for key, value in above.items():
        before = merged.get(key)
        merged[key] = _over(before, value) if isinstance(before, dict) and isinstance(value, dict) else value
    return merged


def _step_options(stack: StackConfig, name: str, override: StepOptions) -> dict[str, Any]:
    merged = _merged(stack, name)
    options: dict[str, Any] = {}
    retry = merged.get("retry")
    if "retries" in override.model_fields_set:
        retry = {**(retry or {}), "max_retries": override.retries} if override.retries else None
    if retry:
        options["retry"] = StepRetryConfig(**retry)
    if override.cache is not None:
        options["enable_cache"] = override.cache
    if merged.get("runtime"):
        options["runtime"] = merged["runtime"]
    if merged.get("step_operator") is not None:
        options["step_operator"] = True
    if settings := _zenml_settings(stack, merged):
        options["settings"] = settings
    return options


def _zenml_settings(stack: StackConfig, merged: Mapping[str, Any]) -> dict[str, Any]:
    settings: dict[str, Any] = {}
    if image := merged.get("image"):
        settings["docker"] = DockerSettings(parent_image=image, skip_build=True)
    components = {kind: _without_nulls_inside(merged.get(kind) or {}) for kind in COMPONENTS}
    if resources := {key: value for key, value in (merged.get("resources") or {}).items() if value is not None}:
        if _orchestrator(stack) == KUBERNETES and merged.get("step_operator") is None:
            asked = {"pod_settings": {"resources": pod_resources(resources)}}
            components["orchestrator"] = _over(components["orchestrator"], asked)
        else:
            settings["resources"] = ResourceSettings(**resources)
    return settings | {kind: content for kind, content in components.items() if content}


def _orchestrator(stack: StackConfig) -> str | None:
    component = stack.components.get("orchestrator")
    return component.flavor if component else None


def _without_nulls_inside(content: Mapping[str, Any]) -> dict[str, Any]:
    """A null at the top takes back what ZenML would add from the settings of every step; one further in took back what
    was merged, and is no value that a flavor accepts.
    """

    def kept(value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        return {key: kept(inner) for key, inner in value.items() if inner is not None}

    return {key: kept(value) for key, value in content.items()}


def _check_resources(place: str, settings: StepSettings, stack: StackConfig) -> None:
    asked = settings.resources.model_dump(exclude_none=True)
    orchestrator = _orchestrator(stack)
    if asked and orchestrator in IGNORED_BY and "step_operator" not in stack.components:
        raise ConfigError(
            f"{place}.resources: the orchestrator {orchestrator!r} would ignore them.",
            "Remove them, or say them in the words of its own settings.",
        )


def _check(place: str, content: Mapping[str, Any], accepted: type[BaseModel] | None) -> None:
    if accepted is None:
        raise ConfigError(f"{place}: the component's flavor has no run settings.", "Remove them from the stack file.")
    _check_keys(place, content, accepted)
    try:
        accepted(**content)
    except ValidationError as error:
        first = error.errors()[0]
        detail = ": ".join([*map(str, first["loc"]), first["msg"]])
        raise ConfigError(f"{place}: {' '.join(detail.split())}.", "Correct the stack file.") from None


def _check_keys(place: str, content: Mapping[str, Any], accepted: type[BaseModel]) -> None:
    for key, value in content.items():
        field = accepted.model_fields.get(key)
        if field is None:
            raise ConfigError(f"{place} has no setting {key!r}.", nearest(key, accepted.model_fields))
        inner = next((each for each in _models_in(field.annotation) if isinstance(value, dict)), None)
        if inner:
            _check_keys(f"{place}.{key}", value, inner)


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    arguments = getattr(annotation, "__args__", ())
    found = [each for each in (annotation, *arguments) if isinstance(each, type)]
    return [each for each in found if issubclass(each, BaseModel)]
