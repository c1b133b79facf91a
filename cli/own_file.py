"""`train my.csv`: look at the file, say what was found, and go on by itself only where it is certain."""

import shlex
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

import click
import yaml
from rich.markup import escape

from cli.console import Options, out
from sentiment.config.load import expand, parse_yaml
from sentiment.errors import OR, ConfigError

if TYPE_CHECKING:
    from sentiment.data.inspection import Inspection

P = ParamSpec("P")
R = TypeVar("R")
DATASET = "dataset."


def file_options(command: Callable[P, R]) -> Callable[P, R]:
    """The argument FILE and the option --yes."""
    yes = click.option("--yes", is_flag=True, help="With FILE: take what was guessed, and ask nothing.")
    return click.argument("file", required=False)(yes(command))


def with_file(
    options: Options,
    file: str | None,
    command: str,
    *,
    yes: bool,
    labelled: bool,
    usual: Callable[[], Mapping[str, Any]] = dict,
) -> Options:
    """The options with what was found in the file, before what --set says.

    `usual` gives keys of a dataset that hold for the file if they can; it is asked where nobody names the column.

    Raises ConfigError when something is doubtful and nobody can be asked, or who was asked says no.
    """
    if file is None:
        return options
    given = _given(options)
    if "path" in given:
        raise ConfigError(
            f"Two files are named: {file} and {given['path']} (dataset.path).",
            f"Name one: {_again(command, file)}",
        )
    if "://" in expand(file, source="The command"):
        return replace(options, overrides=(f"{DATASET}path={file}", *options.overrides))
    from sentiment.data.inspection import inspect_file
    from sentiment.data.sources.local import local_files

    found = inspect_file(
        local_files(file)[0], given, labelled=labelled, usual={} if "text_column" in given else usual()
    )
    found.settings["path"] = file
    _print(found)
    if found.doubts and not yes:
        _ask(found, _again(command, file))
    return replace(options, overrides=(*found.overrides(), *options.overrides))


def _again(command: str, file: str) -> str:
    return f"python run.py {command} {shlex.quote(file)}"


def _given(options: Options) -> Mapping[str, Any]:
    pairs = (override.partition("=") for override in options.overrides)
    try:
        return {key.removeprefix(DATASET): parse_yaml(value) for key, _, value in pairs if key.startswith(DATASET)}
    except yaml.YAMLError:
        return {}  # load_config says which one is wrong


def _print(found: "Inspection") -> None:
    for name, value in found.shown.items():
        out.print(f"  {name:<8} {escape(value)}")
    out.print(f"  {'as':<8} [dim]{escape(found.options())}[/]")
    for doubt in found.doubts:
        out.print(f"  [yellow]{'?':<8} {escape(doubt)}[/]")
    out.print()


def _ask(found: "Inspection", command: str) -> None:
    if sys.stdin.isatty() and sys.stdout.isatty():
        if click.confirm("Go on like this?"):
            return
        raise ConfigError("Nothing was started.", f"Say it with --set: {command} {found.typed()}")
    raise ConfigError(
        f"{found.path} leaves a question that only you can answer: {' '.join(found.doubts)}",
        f"Take the guess: {command} --yes{OR}Answer otherwise with --set: {command} {found.typed()}",
    )
