"""python run.py models list | show | promote | rollback"""

import re
from typing import TYPE_CHECKING, NamedTuple

import click
from rich.console import Console
from rich.markup import escape
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from cli.console import chosen_stack, model_option, out, run_py, stack_option
from sentiment.home import current_user, home

if TYPE_CHECKING:
    from collections.abc import Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path

    from sentiment.lifecycle import Lifecycle
    from sentiment.registry import Change, ModelVersion

MARK = "*"
WIDE = 110  # columns of a terminal that has room for the table
UNLIMITED = 250  # columns of what is no terminal


@click.group("models")
@stack_option
@model_option
@click.pass_context
def command(context: click.Context, model_name: str) -> None:
    """Show, promote and roll back registered models."""
    context.obj = model_name


def _lifecycle(model_name: str) -> "Lifecycle":
    """Asked for when a subcommand runs: --stack may stand behind it."""
    from sentiment.registry import Registry, default_tracking_uri
    from stacks.catalogue import load_stack
    from stacks.observers import lifecycle_of

    stack = load_stack(chosen_stack())
    return lifecycle_of(Registry(stack.tracking_uri or default_tracking_uri(), model_name), stack)


@command.command("list")
@stack_option
@click.pass_obj
def models_list(model_name: str) -> None:
    """All versions: what they learnt from, how good they are, why they were refused, what serves; and the history."""
    from sentiment.registry.records import HISTORY

    registry = _settled(model_name).registry
    versions = registry.versions()
    if not versions:
        out.print(f"{registry.model_name} has no versions yet: run {run_py(chosen_stack())} train")
        return
    changes = registry.changes()
    champion = next((each for each in versions if each.status == "champion"), None)
    served = _served(changes)
    forced = {each.version for each in changes if each.forced}
    lines = [_line(each, champion, served.get(each.version, ""), forced=each.version in forced) for each in versions]
    _print_table(lines) if not out.is_terminal or out.width >= WIDE else _print_blocks(lines)
    if any(line.elsewhere for line in lines):
        out.print(f"[dim]{MARK} measured on other test rows than the champion: do not compare the figures[/]")
    refused = [each for each in versions if each.refusal and each.status == "none"]
    if refused:
        out.print("\n[bold]Not promoted[/]")
    for each in refused:
        out.print(f" {each.version}  {escape(each.refusal or '')}")
    out.print("\n[bold]History[/]")
    for event in changes:
        if event.event not in HISTORY:
            continue
        before = f", after {event.from_version}" if event.from_version else ""
        what = f"{event.event.replace('_', ' ')} {event.version}{before}{' BY FORCE' if event.forced else ''}"
        out.print(f" {event.time:%Y-%m-%d %H:%M:%S}  {what}, by {escape(event.actor)}: {escape(event.reason)}")


class Line(NamedTuple):
    """A version as the list shows it. `elsewhere`: its figures are of other rows than the champion's."""

    values: dict[str, str]
    champion: bool
    elsewhere: bool


def _line(version: "ModelVersion", champion: "ModelVersion | None", served: str, *, forced: bool) -> Line:
    elsewhere = champion is not None and version.measured_on != champion.measured_on
    f1, low, high = (version.metrics.get(f"macro_f1{end}") for end in ("", "_low", "_high"))
    figure = "–" if f1 is None else f"{f1:.3f}{MARK if elsewhere else ''}"
    interval = f" [{low:.3f}, {high:.3f}]" if low is not None and high is not None else ""
    rows = version.tags.get("rows", "")
    values = {
        "version": str(version.version),
        "status": version.standing,
        "model": version.tags.get("candidate", version.kind),
        "data": version.tags.get("dataset", "–"),
        "rows": f"{int(rows):,}" if rows.isdecimal() else "–",
        "labels": version.tags.get("labels", "–"),
        "macro-F1": f"{figure}{interval}",
        "gate": f"{version.gate or '–'}{', promoted BY FORCE' if forced else ''}",
        "registered (UTC)": f"{version.created_at:%Y-%m-%d %H:%M}",
        "serves": served,
    }
    return Line(values, version.status == "champion", elsewhere)


def _print_table(lines: "Sequence[Line]") -> None:
    shown = [name for name in lines[0].values if any(line.values[name] for line in lines)]
    table = Table(*shown, box=None)
    for line in lines:
        style = "dim" if line.elsewhere else "bold green" if line.champion else ""
        table.add_row(*(escape(line.values[name]) for name in shown), style=style)
    (out if out.is_terminal else Console(highlight=False, width=UNLIMITED)).print(table)


def _print_blocks(lines: "Sequence[Line]") -> None:
    """For a narrow terminal: a heading a version, and what it is under it."""
    for line in lines:
        style = "dim" if line.elsewhere else "bold green" if line.champion else "bold"
        out.print(f"[{style}]{line.values['version']}  {escape(line.values['status'])}[/]", soft_wrap=False)
        rest = {
            name: value
            for name, value in line.values.items()
            if name not in {"version", "status"} and value not in {"", "–"}
        }
        text = " · ".join(f"{name} {value}" for name, value in rest.items())
        out.print(Padding(Text(text, style="dim" if line.elsewhere else ""), (0, 0, 0, 3)), soft_wrap=False)


def _served(changes: "Sequence[Change]") -> dict[int, str]:
    """The address at which a version was deployed last, unless another one took its place there."""
    places: dict[str, int] = {}
    for change in changes:
        address = re.search(r" at (https?://[^\s,;]+)", change.evidence) if change.event == "deployed" else None
        if address:
            places[address[1]] = change.version
    found: dict[int, list[str]] = {}
    for place, version in places.items():
        found.setdefault(version, []).append(place)
    return {version: ", ".join(there) for version, there in found.items()}


@command.command("show")
@stack_option
@click.argument("version", type=int)
@click.pass_obj
def models_show(model_name: str, version: int) -> None:
    """The model card of VERSION."""
    from rich.markdown import Markdown

    registry = _settled(model_name).registry
    found = registry.get(version)
    out.print(f"[bold]{registry.model_name} version {version}[/], {found.status}: {escape(found.reason)}")
    out.print(Markdown(registry.card(version)), soft_wrap=False)


@command.command("promote")
@stack_option
@click.argument("version", type=int)
@click.option("--reason", required=True, help="Kept in the history.")
@click.option("--force", is_flag=True, help="Promote although the gate did not approve; the history says so.")
@click.pass_obj
def models_promote(model_name: str, version: int, reason: str, force: bool) -> None:
    """Make VERSION the champion."""
    lifecycle = _settled(model_name)
    with _log():
        promoted = lifecycle.promote(version, reason, actor=current_user(), force=force)
    by_force = ", BY FORCE" if promoted.gate != "approved" else ""
    out.print(f"{model_name} version {promoted.version} is the champion{by_force}.")


@command.command("rollback")
@stack_option
@click.option("--reason", required=True, help="Kept in the history.")
@click.pass_obj
def models_rollback(model_name: str, reason: str) -> None:
    """Make the previous champion the champion again."""
    lifecycle = _settled(model_name)
    with _log():
        champion = lifecycle.roll_back(reason, actor=current_user())
    out.print(f"{model_name} version {champion.version} is the champion again.")


def _settled(model_name: str) -> "Lifecycle":
    """The model's lifecycle. What a killed process began is completed, and said."""
    lifecycle = _lifecycle(model_name)
    if not lifecycle.is_settled():  # known without ZenML, whose import takes seconds
        with _log():
            if completed := lifecycle.settle():
                out.print(f"[yellow]{escape(completed)}[/]")
    return lifecycle


def _log() -> "AbstractContextManager[Path]":
    """Where what libraries log meanwhile goes."""
    from pipelines.common.logs import logs_to

    return logs_to(home() / "logs" / "models.log")
