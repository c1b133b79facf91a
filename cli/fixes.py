"""The fix of an error as the command that the person who typed this one can type next."""

import re
import shlex
from collections.abc import Sequence
from itertools import pairwise

import click

from cli.console import DEFAULT_STACK, python, run_py, tool
from sentiment.errors import OR

# Options that end a way out, such as `Set it: --set dataset.encoding=cp949`.
_OPTIONS = re.compile(r"(?:^|(?<=[:?.] ))--[a-z]+ .*$")
_RUN = re.compile(r"(?:^|(?<=[:?.] ))python run\.py\b")
_ZENML = re.compile(r"(?:^|(?<=[:?.] ))zenml\b")
# Commands that write a file anew, and its name.
_WRITES = re.compile(r": (?:(?:\(printf|iconv|gzip|sed|\S+ -c) .*> |mv \S+ )('[^']*'|\S+)$")
# Where a command has what the config of train has at its top.
_BELOW = {"retrain": "train.", "monitor": "retrain.train."}
_OF_TRAIN = re.compile(r"(--set '?)(?=(?:dataset|split|validation|candidates|baseline|evaluation|gate|normaliser)\b)")
_PATH = re.compile(r"^--set (?:'dataset\.path=(?P<quoted>[^']*)'|dataset\.path=(?P<plain>\S+))$")


def completed(fix: str, group: click.Group, arguments: Sequence[str]) -> str:
    """Each way out with a whole command: options are added to the one that was typed as `arguments`."""
    return OR.join(_completed(line, group, arguments) for line in fix.split(OR))


def pasted(fix: str, stack: str = DEFAULT_STACK) -> str:
    """The commands in a fix as they are called from here: with this very Python, and the programs beside it."""
    ways = fix.split(OR)
    return OR.join(_ZENML.sub(lambda _: tool("zenml"), _RUN.sub(lambda _: run_py(stack), way)) for way in ways)


def _completed(line: str, group: click.Group, arguments: Sequence[str]) -> str:
    typed = _typed(group, arguments)
    stack = typed.meta.get("stack", DEFAULT_STACK) if typed else DEFAULT_STACK
    line = pasted(line, stack).replace(": python -c ", f": {python()} -c ")
    found = _OPTIONS.search(line)
    if typed and (written := _WRITES.search(line)):
        return f"{line}{_then(typed, list(arguments), shlex.split(written[1])[0])}"
    if typed is None or found is None or f"--{_name(found[0])}" not in _options_of(typed):
        return line
    options = _OF_TRAIN.sub(rf"\g<1>{_BELOW.get(typed.info_name or '', '')}", found[0])
    path = _PATH.match(options)
    if path and typed.params.get("file"):
        named = (path["quoted"] or path["plain"]).strip('"')
        return f"{line[: found.start()]}{_on_file(typed, list(arguments), named)}"
    given = _without(list(arguments), shlex.split(options))
    return f"{line[: found.start()]}{run_py(DEFAULT_STACK)} {shlex.join(given)} {options}"


def _on_file(typed: click.Context, given: list[str], path: str) -> str:
    """What was typed, for another file."""
    if (file := typed.params.get("file")) in given:
        given[given.index(file)] = path
    else:
        given = [*_without(given, ["--set", "dataset.path="]), "--set", f"dataset.path={path}"]
    return f"{run_py(DEFAULT_STACK)} {shlex.join(given)}"


def _then(typed: click.Context, given: list[str], path: str) -> str:
    """What follows a command that wrote the file anew."""
    named = typed.params.get("file") or any(word.startswith("dataset.path=") for word in given)
    return f"; {_on_file(typed, given, path)}" if named else ""


def _without(given: list[str], said: list[str]) -> list[str]:
    """The arguments without the options and the keys of --set that are said anew."""
    anew = {(option, value.partition("=")[0] if option == "--set" else "") for option, value in pairwise(said)}
    kept: list[str] = []
    for word in given:
        before = kept[-1] if kept else ""
        if (before, word.partition("=")[0] if before == "--set" else "") in anew and before.startswith("--"):
            kept.pop()
        else:
            kept.append(word)
    return kept


def _typed(group: click.Group, arguments: Sequence[str]) -> click.Context | None:
    """The context of the command that was typed; None when there was none."""
    with click.Context(group, info_name="run.py") as root:
        try:
            context = group.make_context("run.py", list(arguments), parent=root, resilient_parsing=True)
            rest = [*context.protected_args, *context.args]
            name, command, rest = group.resolve_command(context, rest) if rest else (None, None, [])
            return command.make_context(name, rest, parent=context, resilient_parsing=True) if command else None
        except click.ClickException:
            return None


def _options_of(context: click.Context) -> set[str]:
    return {each for parameter in context.command.params for each in parameter.opts}


def _name(options: str) -> str:
    return options[2:].partition(" ")[0]
