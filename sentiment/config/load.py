"""Config files and `--set` overrides into validated config models, with errors that name the nearest valid key.

A value that names a file is replaced by that file's content: `dataset: sample` by configs/datasets/sample.yaml, and
each of `candidates` and `baseline` by configs/models/NAME.yaml; `train` and `deployment` (of the retrain config) and
`retrain` (of the monitor config) by the config file at that path. `${VAR}` and `${VAR:-default}` are read from the
environment. In the address of a dataset the reference stays, since a config is stored and shown and a variable may hold
a secret: who reads the address puts the value in. An override of a key below a `train` that is null goes to
`train_changes`.
"""

import os
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import UnionType
from typing import Any, TypeVar, Union, get_args, get_origin

import yaml
from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails, to_jsonable_python

from sentiment.errors import ConfigError, nearest, option, setting
from sentiment.home import ENVIRONMENT_VARIABLE, PROJECT, home
from sentiment.kinds import ModelConfig, config_class
from sentiment.stored import REMOVED_KEY, STORED, Frozen, must
from sentiment.text.pii import holds_secret

# `env:` is before a name that was kept: ZenML puts the value of ${NAME} into what a step is given.
_REFERENCE = re.compile(r"\$\{(?:env:)?(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?P<default>:-[^}]*)?\}")


def expand(
    value: Any, *, source: str = "The config", environ: Mapping[str, str] | None = None, kept: Sequence[str] = ()
) -> Any:
    """Replace the references in every string inside `value` (a string, or lists and mappings of values).

    As in a shell, an empty variable counts as unset. `SENTIMENT_HOME` is always set: see `sentiment.home`.
    `environ` is os.environ unless given; `source` names the file in the error. `kept` are keys whose value, if it is an
    address, keeps the references to variables that are set, as ${env:NAME}.

    Raises ConfigError naming the variable when one without a default is unset.
    """
    variables = {**(os.environ if environ is None else environ), ENVIRONMENT_VARIABLE: str(home())}

    def replaced(match: re.Match[str]) -> str:
        name, default = match["name"], match["default"]
        if variables.get(name):
            return variables[name]
        if default is None:
            raise ConfigError(
                f"{source} needs the environment variable {name}, which is not set.",
                f"Set it: export {name}=VALUE",
            )
        return default.removeprefix(":-")

    def referred(match: re.Match[str]) -> str:
        return f"${{env:{match['name']}}}" if variables.get(match["name"]) else replaced(match)

    return _expand(value, replaced, referred, kept)


def _expand(
    value: Any, replaced: Callable[[re.Match[str]], str], referred: Callable[[re.Match[str]], str], kept: Sequence[str]
) -> Any:
    if isinstance(value, str):
        return _REFERENCE.sub(replaced, value)
    if isinstance(value, list):
        return [_expand(item, replaced, referred, kept) for item in value]
    if isinstance(value, dict):
        expanded = {key: _expand(item, replaced, referred, kept) for key, item in value.items()}
        addresses = [key for key in kept if isinstance(expanded.get(key), str) and "://" in expanded[key]]
        return expanded | {key: _REFERENCE.sub(referred, value[key]) for key in addresses}
    return value


CONFIGS = PROJECT / "configs"
# What a dataset file says of the very file it names, and what is not true of another one put in its place.
_KINDS = {list: "a list", str: "a text", int: "a number", float: "a number", bool: "a truth value"}
FACTS_OF_A_FILE = ("sha256", "synthetic", "created_from", "created_before", "query")
# Of the keys that have no default.
_EXAMPLES = {
    "dataset": "sample",
    "candidates": ["linear"],
    "deployment": "configs/deploy.yaml",
    "retrain": "configs/retrain.yaml",
}
# Of a dataset: they may be addresses, with what opens those.
PATHS = ("path", "validation_path", "test_path")
REFERENCES = {"dataset": "datasets", "candidates": "models", "baseline": "models"}
# Keys whose value may be the path of another pipeline's config file.
CONFIG_FILES = ("train", "train_changes", "deployment", "retrain")

# More than any config has; a few lines with aliases of aliases stand for billions.
MOST_VALUES = 100_000

ConfigT = TypeVar("ConfigT", bound=Frozen)


def load_config(
    path: Path, model: type[ConfigT], overrides: Sequence[str] = (), *, under: Mapping[str, Any] | None = None
) -> ConfigT:
    """Read `path`, apply `key.to.value=yaml` overrides in order, and validate against `model`.

    `under` holds for keys that neither of the two says anything about.

    Raises ConfigError for a missing file, broken YAML, an unknown or misspelt key, a value of the wrong type, and one
    with a secret in it.
    """
    raw = _read_config(path)
    _override(raw, overrides)
    raw = expand(overlay(under or {}, raw), source=str(path), kept=PATHS)
    _require_no_secret(raw, str(path))
    return validate(raw, model, str(path), option_prefix="")


def _require_no_secret(value: Any, source: str, key: str = "") -> None:
    """Raise ConfigError for a password, a signature or a token in any string: configs are stored, shown and logged."""
    if isinstance(value, dict | list):
        items = value.items() if isinstance(value, dict) else enumerate(value)
        for name, item in items:
            _require_no_secret(str(name), source, f"a key of {key or 'the config'}")
            _require_no_secret(item, source, f"{key}.{name}".lstrip("."))
    elif isinstance(value, str) and holds_secret(value):
        is_path = key.rpartition(".")[2] in PATHS
        raise ConfigError(
            f"{source}: {key} holds a password, a signature or a token, and configs are stored and shown.",
            f"Put the whole address into an environment variable and name that: --set '{key}=${{REVIEWS_URL}}'"
            if is_path
            else "Take it out: what opens something stands in an environment variable.",
        )


def forgotten(path: Path, overrides: Sequence[str] = ()) -> dict[str, dict[str, Any]]:
    """What `load_config` drops because `overrides` put another file in a dataset's place: facts by the file named."""
    return _override(_read_config(path), overrides)


def validate(
    raw: Mapping[str, Any],
    model: type[ConfigT],
    source: str,
    *,
    stored: bool = False,
    option_prefix: str | None = None,
) -> ConfigT:
    """Validate `raw` against `model`; `source` names it in errors.

    `stored`: an earlier version may have written it, so keys that are no longer a setting are dropped.
    `option_prefix`: what --set has before its keys; None where it cannot change them.
    """
    try:
        return model.model_validate(raw, context=STORED if stored else None)
    except ValidationError as error:
        raise _config_error(model, raw, error.errors()[0], source, option_prefix) from None


def read_yaml(path: Path) -> dict[str, Any]:
    """The mapping in a YAML file, empty for an empty one; a relative path may be one within the project.

    Raises ConfigError for a missing file, and for one that is no mapping.
    """
    location = path if path.is_absolute() or path.exists() else PROJECT / path
    try:
        content = parse_yaml(location.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(f"The config file {path} does not exist.", _nearest_file(path, location.parent)) from None
    except IsADirectoryError:
        raise ConfigError(f"{path} is a folder, not a config file.", _nearest_file(path, location)) from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        where, fix = _unreadable(error)
        raise ConfigError(f"{path}{where}.", fix) from None
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise ConfigError(
            f"{path} holds {_KINDS.get(type(content), 'a value')}, not keys.", "Write lines of `key: value`."
        )
    return content


class TooManyValuesError(yaml.YAMLError):
    """YAML that is nested too deeply, or whose aliases stand for too many values."""


def parse_yaml(text: str) -> Any:
    """What a YAML text says. Raises yaml.YAMLError, also where it would grow beyond MOST_VALUES."""
    loader = yaml.SafeLoader(text)
    try:
        node = loader.get_single_node()
        if node is None:
            return None
        if _values_in(node, {}) > MOST_VALUES:
            raise TooManyValuesError
        return loader.construct_document(node)
    except RecursionError:
        raise TooManyValuesError from None
    finally:
        loader.dispose()


def _values_in(node: yaml.Node, counted: dict[int, float]) -> float:
    """How many values a node stands for once its aliases are followed; an alias within itself has no end."""
    if not isinstance(node, yaml.CollectionNode):
        return 1
    if id(node) not in counted:
        counted[id(node)] = float("inf")
        parts = [part for pair in node.value for part in (pair if isinstance(pair, tuple) else (pair,))]
        counted[id(node)] = 1 + sum(_values_in(part, counted) for part in parts)
    return counted[id(node)]


def _nearest_file(path: Path, folder: Path) -> str:
    """One sentence with the config file that may be meant."""
    files = [*(folder.glob("*.yaml") if folder.is_dir() else ())] or [*CONFIGS.glob("*.yaml")]
    return nearest(_in_project(path), map(_in_project, files))


def _in_project(path: Path) -> str:
    return str(path.relative_to(PROJECT) if path.is_relative_to(PROJECT) else path)


def _unreadable(error: yaml.YAMLError | UnicodeDecodeError) -> tuple[str, str]:
    """What is wrong with a file that is no YAML and where, and what to do."""
    if isinstance(error, UnicodeDecodeError):
        return " is not UTF-8 text", "Save it as UTF-8."
    if isinstance(error, TooManyValuesError):
        return f" stands for more than {MOST_VALUES:,} values, or has no end", "Write its values out, without aliases."
    mark = getattr(error, "problem_mark", None)
    line = f", line {mark.line + 1}" if mark else ""
    problem = getattr(error, "problem", None) or "a character that YAML does not allow"
    return (
        f"{line} is not YAML: {problem}",
        "Correct that line: `key: value`, spaces and no tabs before it, and quotes around a text with : or #.",
    )


def _read_config(path: Path) -> dict[str, Any]:
    return _resolve_all(read_yaml(path))


def _resolve_all(raw: dict[str, Any]) -> dict[str, Any]:
    return {key: _resolve(key, value) for key, value in raw.items()}


def _override(raw: dict[str, Any], overrides: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Apply the overrides in order. Where one puts another file in a dataset's place, facts of the first are dropped,
    and the dataset has the name of that file.

    Returns the dropped facts by the file they were said of. A fact that an override sets is of the new file.
    """
    dropped: dict[str, dict[str, Any]] = {}
    given = {override.partition("=")[0] for override in overrides}
    for override in overrides:
        key, found, text = override.partition("=")
        if not found or not key:
            name = re.split(r"[\s:=]", override, maxsplit=1)[0]
            raise ConfigError(f"--set {override} is not an assignment.", f"Write it as --set {name or 'KEY'}=VALUE")
        dataset, last = _dataset_of(raw, key)
        if last == "path":
            facts = [fact for fact in FACTS_OF_A_FILE if key.removesuffix(last) + fact not in given]
            said = {fact: value for fact in facts if (value := dataset.pop(fact, None))}
            dropped.setdefault(str(dataset.get("path")), {}).update(said)
            if key.removesuffix(last) + "name" not in given:
                dataset["name"] = _name_of(text) or dataset.get("name")
        _assign(raw, key.split("."), _parse(override, text))
    return {path: facts for path, facts in dropped.items() if facts}


def _name_of(path: str) -> str:
    """What a dataset at this path is called: its file, folder, hub dataset or database."""
    path = _REFERENCE.sub(lambda match: match["name"], path)  # the name is shown, and a value may be secret
    last = path.partition("?")[0].rstrip("/").rpartition("/")[2].partition("@")[0]
    return last.lstrip(".").partition(".")[0]


def _dataset_of(raw: Any, key: str) -> tuple[dict[str, Any], str]:
    """The dataset that `key` sets a value of and that value's name; nothing for any other key."""
    *holders, last = key.split(".")
    for holder in holders:
        raw = raw.get(holder) if isinstance(raw, dict) else None
    return (raw, last) if holders[-1:] == ["dataset"] and isinstance(raw, dict) else ({}, "")


def _resolve(key: str, value: Any) -> Any:
    if key not in REFERENCES and key not in CONFIG_FILES:
        return value
    if isinstance(value, list):
        return [_resolve(key, item) for item in value]
    if key in CONFIG_FILES and isinstance(value, dict):
        return _resolve_all(value)
    if not isinstance(value, str):
        return value
    if key in CONFIG_FILES:
        return _read_config(Path(value))
    folder = CONFIGS / REFERENCES[key]
    path = Path(value) if value.endswith((".yaml", ".yml")) else folder / f"{value}.yaml"
    if path.parent == folder and not path.exists():
        names = [file.stem for file in folder.glob("*.yaml")]
        raise ConfigError(f"{key}: there is no {value!r} in configs/{REFERENCES[key]}.", nearest(value, names))
    return {"name": path.stem, **read_yaml(path)}


def _parse(override: str, text: str) -> Any:
    try:
        return parse_yaml(text)
    except yaml.YAMLError:
        key = override.partition("=")[0]
        raise ConfigError(f"--set {override}: the value is not valid YAML.", f"Quote it: {option(key, text)}") from None


def _assign(target: Any, keys: Sequence[str], value: Any) -> None:
    head, rest = keys[0], keys[1:]
    if isinstance(target, list):
        index = _index(target, head)
        if rest:
            _assign(target[index], rest, value)
        else:
            target[index] = value
    elif not rest:
        target[head] = _resolve(head, value)
    else:
        if head == "train" and target.get(head) is None:
            head = "train_changes"  # of the champion's config, which is not known here
        if not isinstance(target.get(head), dict | list):
            target[head] = {}
        _assign(target[head], rest, value)


def overlay(base: Any, changes: Any) -> Any:
    """`base` with `changes` laid over it, key by key; a key of a list is the name or the number of an entry.

    All else is replaced, a model as a whole as well.
    """
    if not isinstance(changes, dict) or not isinstance(base, dict | list) or {"name", "kind"} <= changes.keys():
        return changes
    if isinstance(base, dict):
        return base | {key: overlay(base.get(key), value) for key, value in changes.items()}
    items = list(base)
    for key, value in changes.items():
        index = _index(items, str(key))
        items[index] = overlay(items[index], value)
    return items


def _index(items: list[Any], key: str) -> int:
    names = [str(item.get("name")) if isinstance(item, dict) else str(item) for item in items]
    if key in names:
        return names.index(key)
    if key.isdecimal() and int(key) < len(items):
        return int(key)
    raise ConfigError(f"--set: the list has no entry {key!r}.", nearest(key, names))


def _config_error(
    model: type[BaseModel], raw: Mapping[str, Any], error: ErrorDetails, source: str, option_prefix: str | None
) -> ConfigError:
    location = error["loc"]
    named = ".".join(map(str, location))
    context = error.get("ctx", {})
    if error["type"] == "extra_forbidden":
        valid = _fields_at(model, raw, location[:-1])
        return ConfigError(f"{source}: unknown key {named!r}.", nearest(str(location[-1]), valid))
    if error["type"] == REMOVED_KEY:
        key = ".".join(map(str, (*location, context["key"])))
        return ConfigError(f"{source}: `{key}` is no longer a setting.", "Leave it out: its value is fixed now.")
    if "cause" in context:
        return ConfigError(f"{source}: {named or 'the config'}: {error['msg']}.", str(context.get("fix", "")))
    return ConfigError(
        f"{source}: {named or 'the config'} {must(error)}.", _other_value(model, raw, error, option_prefix)
    )


def _other_value(model: type[BaseModel], raw: Any, error: ErrorDetails, option_prefix: str | None) -> str:
    """The fix for a value that is not allowed: one that is, for its key or for the nearest one above that has one."""
    context = error.get("ctx", {})
    example, said = context.get("example", context.get("ge", context.get("le"))), "One that is allowed"
    location = [str(part) for part in error["loc"]]
    for last in reversed(range(len(location))):
        field = _fields_at(model, raw, error["loc"][:last]).get(location[last])
        if field is not None and not field.is_required():
            example, said = field.get_default(call_default_factory=True, validated_data={}), "Its default"
        elif location[last] in _EXAMPLES:
            example, said = _EXAMPLES[location[last]], "For example"
        elif field is not None and example is None:
            example, said = "VALUE", "Give it one"
        if field is not None or last == 0:
            location = location[: last + 1]
            break
    shown = to_jsonable_python(example)
    if option_prefix is None:
        return f"{said}: write {location[-1]}: {setting('', shown)[1:]}" if location else "Correct it."
    return f"{said}: {option(option_prefix + '.'.join(location), shown)}"


def _fields_at(model: type[BaseModel], raw: Any, location: Sequence[int | str]) -> dict[str, FieldInfo]:
    models = [model]
    for part in location:
        inner = [field for each in models if (field := each.model_fields.get(str(part)))]
        if inner:
            models = [nested for field in inner for nested in _models_in(field.annotation)]
        if isinstance(raw, Mapping):
            raw = raw.get(part, raw)  # a location also names members of unions
        elif isinstance(raw, list) and isinstance(part, int):
            raw = raw[part]
        if ModelConfig in models and isinstance(raw, Mapping):
            models = [config_class(raw["kind"])]
    return {name: field for each in models for name, field in each.model_fields.items()}


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    if get_origin(annotation) in (Union, UnionType) or get_args(annotation):
        return [nested for argument in get_args(annotation) for nested in _models_in(argument)]
    return []
