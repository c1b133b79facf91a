"""The command line: its commands are found by their modules, and how a command ends."""

import codecs
import errno
import os
import sys
import threading
import traceback
from collections.abc import MutableMapping, Sequence
from datetime import UTC, datetime
from importlib import import_module
from io import TextIOWrapper
from pathlib import Path
from pkgutil import iter_modules

import click
from rich.markup import escape

import cli
from cli.console import err, python, stack_option
from pipelines.common.naming import pipeline_names
from sentiment.errors import SentimentError, StackError, nearest
from sentiment.home import ENVIRONMENT_VARIABLE, PROJECT, home, keep_private

SECONDS_TO_END = 60.0
THIS_MACHINE = ("localhost", "127.0.0.1")
# On a terminal or in a file whose encoding has no such characters.
PLAIN = "sentiment-plain"
IN_PLAIN = {"✓": "+", "✗": "x", "↻": "~", "·": "-", "…": "...", "→": "->", "–": "-", "≥": ">="}


class Commands(click.Group):
    """Each module of `cli` that has a `command` is one; it is imported when it is called, or listed."""

    def list_commands(self, context: click.Context) -> list[str]:
        """The names of all commands."""
        return [name for name in _modules() if self.get_command(context, name)]

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        """The command of the module with this name."""
        if name not in _modules():
            return None
        command: click.Command | None = getattr(import_module(f"cli.{name}"), "command", None)
        return command

    def resolve_command(
        self, context: click.Context, arguments: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Raises NoSuchCommand with the nearest names."""
        name = arguments[0]
        if not name.startswith("-") and self.get_command(context, name) is None:
            raise click.NoSuchCommand(name, possibilities=self.list_commands(context), ctx=context)
        return super().resolve_command(context, arguments)

    def parse_args(self, context: click.Context, arguments: list[str]) -> list[str]:
        """Reads `--pipeline X` as the command X."""
        try:
            return super().parse_args(context, by_name(arguments))
        except click.UsageError as error:
            error.ctx = error.ctx or context
            raise

    def format_commands(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        """The pipelines first."""
        names = self.list_commands(context)
        pipelines = [name for name in names if name in pipeline_names()]
        for title, group in (("Pipelines", pipelines), ("Commands", [each for each in names if each not in pipelines])):
            commands = {name: self.get_command(context, name) for name in group}
            with formatter.section(title):
                formatter.write_dl([(name, each.get_short_help_str(90)) for name, each in commands.items() if each])


def by_name(arguments: Sequence[str]) -> list[str]:
    """`--pipeline X`, wherever it stands, as the command X.

    Raises UsageError for a pipeline that does not exist.
    """
    for at, argument in enumerate(arguments):
        option, equals, name = argument.partition("=")
        if option == "--":
            break
        if option == "--pipeline":
            rest = arguments[at + 1 :]
            if not equals:
                name, rest = next(iter(rest), ""), rest[1:]
            if name not in pipeline_names():
                raise click.UsageError(f"There is no pipeline {name!r}. {nearest(name, pipeline_names())}")
            return [name, *arguments[:at], *rest]
    return list(arguments)


def _modules() -> list[str]:
    return [module.name for module in iter_modules(cli.__path__)]


@click.group(
    cls=Commands, invoke_without_command=True, context_settings={"help_option_names": ["-h", "--help"]}, name="run.py"
)
@stack_option
@click.pass_context
def commands(context: click.Context) -> None:
    """Train, compare, promote, deploy, watch and use sentiment models.

    \b
    python run.py train
    python run.py train my.csv
    python run.py deploy
    python run.py score new.csv
    python run.py monitor --act
    python run.py watch --every 1h
    python run.py predict "다시 보고 싶은 영화"
    python run.py models list

    `--pipeline train` is another way to write `train`. The options of a command: python run.py COMMAND --help.
    """
    if context.invoked_subcommand is None:
        click.echo(context.get_help())


def _plainly(error: UnicodeError) -> tuple[str, int]:
    """What is written for characters that the encoding of the output does not have."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    lost = error.object[error.start : error.end]
    return "".join(IN_PLAIN.get(character, "?") for character in lost), error.end


def reach_this_machine(environment: MutableMapping[str, str]) -> None:
    """Servers on this machine are asked directly, whatever proxy the environment names for all others."""
    if any(name in environment for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY")):
        named = environment.get("no_proxy") or environment.get("NO_PROXY") or ""
        every = dict.fromkeys([*filter(None, named.split(",")), *THIS_MACHINE])
        environment["no_proxy"] = environment["NO_PROXY"] = ",".join(every)


codecs.register_error(PLAIN, _plainly)


def main() -> None:
    """Run the command line; a failure ends in one sentence and its exit code."""
    os.environ.setdefault("MLFLOW_CONFIGURE_LOGGING", "false")  # it would write to the terminal
    # Threads that wait for one another sleep: spinning triples torch's CPU time on a machine that is also used.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    reach_this_machine(os.environ)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper) and not stream.encoding.lower().startswith("utf"):
            stream.reconfigure(errors=PLAIN)
    code = 1
    try:
        code = _run()
    finally:
        _end_in_time(code)
    sys.exit(code)


def _run() -> int:
    try:
        keep_private()
        commands(standalone_mode=False)
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        err.print("Interrupted. What finished is cached; run the same command again to go on.")
        return 130
    except SentimentError as error:
        _tell(error, getattr(error, "__notes__", ()))
        return error.exit_code
    except Exception as error:
        known = _of_this_machine(error)
        told, notes = (known, getattr(error, "__notes__", [])) if known else _unexpected(error)
        _tell(told, notes)
        return told.exit_code
    return 0


def _tell(error: SentimentError, notes: Sequence[str]) -> None:
    from cli.fixes import completed
    from sentiment.text.pii import mask

    err.print(f"[red]error:[/] {escape(mask(error.cause))}")
    if error.fix:
        err.print(f"  fix: {escape(mask(completed(error.fix, commands, sys.argv[1:])))}")
    for note in notes:
        err.print(f"  {escape(note)}")


def _of_this_machine(error: Exception) -> SentimentError | None:
    """What this machine lacks, as a sentence: a package, room on the disk, a folder of ours that can be written."""
    if isinstance(error, ModuleNotFoundError):
        return _of_a_package(error.name or "")
    return _of_a_place(error) if isinstance(error, OSError) else None


def _of_a_package(module: str) -> SentimentError | None:
    package = module.partition(".")[0]
    if not package or any((PROJECT / package).with_suffix(suffix).exists() for suffix in ("", ".py")):
        return None  # one of ours: a fault of this project
    install = f"{python()} -m pip install -r requirements.txt -c requirements.lock"
    return StackError(f"The package {package} is not installed for {sys.executable}.", install)


def _of_a_place(error: OSError) -> SentimentError | None:
    if error.errno == errno.ENOSPC:
        return StackError("The disk is full.", f"Make room; this project writes to {home()}.")
    for variable in (ENVIRONMENT_VARIABLE, "ZENML_CONFIG_PATH"):
        place = str(home()) if variable == ENVIRONMENT_VARIABLE else os.environ.get(variable)
        if place and error.filename and f"{error.filename}/".startswith(f"{place}/"):
            why = f"{error.strerror[0].lower()}{error.strerror[1:]}" if error.strerror else type(error).__name__
            return StackError(
                f"{variable} is {place}, which cannot be used: {why} ({error.filename}).",
                f"Set it to a folder that can be written: export {variable}=DIRECTORY",
            )
    return None


def _unexpected(error: Exception) -> tuple[SentimentError, list[str]]:
    """A fault of this project in one sentence; its traceback is in the log of the run, else in one of its own."""
    from sentiment.text.pii import mask

    logs = [note for note in getattr(error, "__notes__", ()) if note.startswith("log: ")]
    if not logs:
        path = home() / "logs" / f"unexpected-{datetime.now(UTC):%Y%m%d-%H%M%S}.log"
        logs = [f"log: {path}"] if _written(path, mask("".join(traceback.format_exception(error)))) else []
    first = mask(str(error).strip().partition("\n")[0])
    cause = f"Unexpected: {type(error).__name__}: {first}" if first else f"Unexpected: {type(error).__name__}"
    fix = "The log has the details; please report it." if logs else "Please report it."
    return SentimentError(cause, fix), logs


def _written(path: Path, text: str) -> bool:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError:
        return False
    return True


def _end_in_time(code: int) -> None:
    """All is said and done. What a library still waits for, such as a server that no longer takes its last log lines,
    must not hold up the next run of a schedule.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    ending = threading.Timer(SECONDS_TO_END, os._exit, (code,))
    ending.daemon = True
    ending.start()
