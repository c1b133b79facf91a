"""python run.py models list | show | promote | rollback"""

from typing import TYPE_CHECKING

import click
from rich.markup import escape
from rich.table import Table

from cli.console import chosen_stack, model_option, out, run_py, stack_option
from sentiment.home import current_user, home

if TYPE_CHECKING:
    from contextlib import AbstractContextManager
    from pathlib import Path

    from sentiment.lifecycle import Lifecycle


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
    """All versions with their status, and the history of the champion."""
    registry = _settled(model_name).registry
    versions = registry.versions()
    if not versions:
        out.print(f"{registry.model_name} has no versions yet: run {run_py(chosen_stack())} train")
        return
    table = Table("version", "status", "model", "macro-F1", "gate", "registered (UTC)", box=None)
    for each in versions:
        f1 = each.metrics.get("macro_f1")
        table.add_row(
            str(each.version),
            f"[bold green]{each.status}[/]" if each.status == "champion" else each.status,
            each.tags.get("candidate", each.kind),
            f"{f1:.3f}" if f1 is not None else "–",
            each.gate or "–",
            f"{each.created_at:%Y-%m-%d %H:%M}",
        )
    out.print(table)
    out.print("\n[bold]History[/]")
    for event in registry.history():
        before = f", after {event.from_version}" if event.from_version else ""
        what = f"{event.event.replace('_', ' ')} {event.version}{before}{' BY FORCE' if event.forced else ''}"
        out.print(f" {event.time:%Y-%m-%d %H:%M:%S}  {what}, by {escape(event.actor)}: {escape(event.reason)}")


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
    out.print(f"{model_name} version {promoted.version} is the champion.")


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
