"""What the commands share: their options, where they print, the log of a run, and how this Python is called."""

import logging
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import psutil
from rich.console import Console
from rich.markup import escape

from sentiment.config.load import forgotten
from sentiment.home import home

if TYPE_CHECKING:
    from pipelines.common.watching import StepLine

DEFAULT_MODEL = "sentiment"
DEFAULT_STACK = "laptop"
STACK = "stack"
LOST = dict.fromkeys(("retrying", "retried"), "it failed, or its machine was lost; it starts again")
MARKS = {
    **dict.fromkeys(("completed", "cached"), "[green]✓[/]"),
    **dict.fromkeys(LOST, "[yellow]↻[/]"),
    "failed": "[red]✗[/]",
}
out = Console(highlight=False, soft_wrap=True)
err = Console(stderr=True, highlight=False, soft_wrap=True)


@dataclass(frozen=True)
class Options:
    """What every pipeline may be asked."""

    config: Path
    overrides: tuple[str, ...]
    stack: str
    use_cache: bool


def choose_stack(context: click.Context, _: object, name: str | None) -> None:
    """Note the stack that the command line names, at whatever place.

    Raises UsageError when it names two.
    """
    if name is not None and (before := context.meta.setdefault(STACK, name)) != name:
        raise click.UsageError(f"Two stacks are named: {before} and {name}.", context)


stack_option = click.option(
    "--stack",
    metavar="NAME",
    expose_value=False,
    callback=choose_stack,
    help=f"A stack of configs/stacks to run on.  [default: {DEFAULT_STACK}]",
)
NO_CACHE = click.option(
    "--no-cache", is_flag=True, help="Run every step, also those whose inputs and code did not change."
)
OVERRIDES = click.option(
    "--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Change one value of the config; may be repeated."
)
model_option = click.option(
    "--model", "model_name", default=DEFAULT_MODEL, show_default=True, help="The registered model's name."
)


def chosen_stack() -> str:
    """The stack that the command line names, else the default."""
    name: str = click.get_current_context().meta.get(STACK, DEFAULT_STACK)
    return name


def pipeline_options(pipeline: str, *, cached: bool = False) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """The options that all pipelines have, given to the command as `Options`; `cached` adds --no-cache.

    Raises StackError for a stack that does not exist, before anything slow is imported.
    """

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        @wraps(command)
        def called(config: Path, overrides: tuple[str, ...], no_cache: bool = False, **own: Any) -> None:
            from stacks.catalogue import load_stack

            load_stack(chosen_stack())
            command(Options(config, overrides, chosen_stack(), use_cache=not no_cache), **own)

        if cached:
            called = NO_CACHE(called)
        config = click.option(
            "--config",
            type=click.Path(path_type=Path),
            default=Path(f"configs/{pipeline}.yaml"),
            show_default=True,
            help="The config file.",
        )
        return config(OVERRIDES(stack_option(called)))

    return decorate


@contextmanager
def run_log(pipeline: str) -> Iterator[Path]:
    """Send what libraries log to a file, and name the file in the errors of the run. Their tracebacks go there, too."""
    from pipelines.common.logs import logs_to

    with logs_to(home() / "logs" / f"{pipeline}-{datetime.now(UTC):%Y%m%d-%H%M%S}.log") as log:
        try:
            yield log
        except Exception as error:
            logging.getLogger(__name__).exception("The run failed.")
            error.add_note(f"log: {log}")
            raise


def print_header(pipeline: str, values: Mapping[str, str]) -> None:
    """The pipeline's name and a line a value."""
    out.print(f"[bold]sentiment-ops[/] {pipeline}")
    for name, value in values.items():
        out.print(f"  {name:<8} {escape(value)}")
    out.print()


def dropped_facts(config: Path, overrides: Sequence[str]) -> dict[str, str]:
    """The header's line about what a config says of a file that `--set` has put another one in place of, if any."""
    from sentiment.data.sources import shown

    told = [
        f"{', '.join(_fact(name, value) for name, value in facts.items())} (said of {shown(path)})"
        for path, facts in forgotten(config, overrides).items()
    ]
    return {"dropped": "; ".join(told)} if told else {}


def _fact(name: str, value: object) -> str:
    return f"{name} {value}" if isinstance(value, date) else name


def print_step(line: "StepLine") -> None:
    """A finished step in one line."""
    duration = "cached" if line.status == "cached" else f"{line.seconds:.1f} s"
    summary = line.summary or LOST.get(line.status, "")
    out.print(f"  {MARKS.get(line.status, '·')} {line.name:<20} {escape(summary)}  [dim]{duration}[/]")


def time_taken() -> str:
    """How long this command has run by the clock on the wall, the start of Python included."""
    return f"{time.time() - psutil.Process().create_time():.0f} s"


def python() -> str:
    """How to call this very Python from the current folder, so that printed commands work when pasted."""
    found = shutil.which("python")
    if found and Path(found).parent == Path(sys.executable).parent:
        return "python"
    executable = Path(sys.executable)
    return str(executable.relative_to(Path.cwd()) if executable.is_relative_to(Path.cwd()) else executable)


def tool(name: str) -> str:
    """How to call a program that is installed beside this Python, as the beginning of a command to paste."""
    return str(Path(python()).parent / name)


def run_py(stack: str) -> str:
    """How to call run.py on `stack`, as a command to paste."""
    return f"{python()} run.py" if stack == DEFAULT_STACK else f"{python()} run.py --stack {stack}"


def dashboard(url: str | None, run: str) -> str:
    """Where a run is seen in ZenML's dashboard: its URL, or without a server the command that leads to one here.

    `zenml login --local` would connect ZenML's client to a server that is gone after the next start of the machine.
    """
    return url or f"{run} ui"
