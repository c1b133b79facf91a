"""python run.py models list | show | promote | rollback"""

from typing import TYPE_CHECKING, Literal

import click
from rich.markup import escape
from rich.table import Table

from cli.console import DEFAULT_MODEL, out, run_py, user
from sentiment.home import home

if TYPE_CHECKING:
    from sentiment.registry import Registry


@click.group("models")
@click.option("--model", "model_name", default=DEFAULT_MODEL, show_default=True, help="The registered model's name.")
@click.pass_context
def models_group(context: click.Context, model_name: str) -> None:
    """Show, promote and roll back registered models."""
    from sentiment.registry import Registry, default_tracking_uri
    from stacks.catalogue import load_stack

    uri = load_stack(context.obj).tracking_uri or default_tracking_uri()
    context.obj = Registry(uri, model_name)


@models_group.command("list")
@click.pass_context
def models_list(context: click.Context) -> None:
    """All versions with their status, and the history of the champion."""
    registry: Registry = context.obj
    versions = registry.versions()
    if not versions:
        out.print(f"{registry.model_name} has no versions yet: run {run_py(context.find_root().obj)} --pipeline train")
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


@models_group.command("show")
@click.argument("version", type=int)
@click.pass_obj
def models_show(registry: "Registry", version: int) -> None:
    """The model card of VERSION."""
    from rich.markdown import Markdown

    found = registry.get(version)
    out.print(f"[bold]{registry.model_name} version {version}[/], {found.status}: {escape(found.reason)}")
    out.print(Markdown(registry.card(version)), soft_wrap=False)


@models_group.command("promote")
@click.argument("version", type=int)
@click.option("--reason", required=True, help="Kept in the history.")
@click.option("--force", is_flag=True, help="Promote although the gate did not approve; the history says so.")
@click.pass_obj
def models_promote(registry: "Registry", version: int, reason: str, force: bool) -> None:
    """Make VERSION the champion."""
    promoted = registry.promote(version, reason, actor=user(), force=force)
    _follow(registry, "promotion", promoted.version, reason)
    out.print(f"{registry.model_name} version {promoted.version} is the champion.")


@models_group.command("rollback")
@click.option("--reason", required=True, help="Kept in the history.")
@click.pass_obj
def models_rollback(registry: "Registry", reason: str) -> None:
    """Make the previous champion the champion again."""
    champion = registry.rollback(reason, actor=user())
    _follow(registry, "rollback", champion.version, reason)
    out.print(f"{registry.model_name} version {champion.version} is the champion again.")


def _follow(registry: "Registry", event: Literal["promotion", "rollback"], version: int, reason: str) -> None:
    """Mirror the registry in ZenML, and tell the journal."""
    from pipelines.common.logs import logs_to

    with logs_to(home() / "logs" / "models.log"):
        from pipelines.common.launching import record
        from sentiment.store.journal import Entry
        from stacks.model_control_plane import mirror

        mirror(registry)
        record(registry.model_name, Entry(event, f"By {user()}: {reason}", str(version)))
