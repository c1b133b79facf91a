"""python run.py stack list | up | doctor"""

import sys

import click
from rich.markup import escape
from rich.table import Table

from cli.console import out
from sentiment.home import home


@click.group("stack")
def stack_group() -> None:
    """List, make and check stacks."""


@stack_group.command("list")
def stack_list() -> None:
    """The stacks of configs/stacks."""
    from stacks.catalogue import available_stacks

    table = Table("stack", "what it is", box=None)
    for name, description in available_stacks().items():
        table.add_row(name, description)
    out.print(table)


@stack_group.command("up")
@click.argument("name", default="laptop")
def stack_up(name: str) -> None:
    """Make the stack NAME, or bring it up to date with its file. Running it again changes nothing."""
    from stacks.catalogue import load_stack

    stack = load_stack(name)
    from pipelines.common.logs import logs_to

    with logs_to(home() / "logs" / "stack.log"):
        from stacks.ensure import ensure_stack

        ensure_stack(stack)
    out.print(f"The stack {name} is ready.")


@stack_group.command("doctor")
@click.argument("name", default="laptop")
def stack_doctor(name: str) -> None:
    """Check what the stack NAME needs: libraries, variables, folders, servers."""
    from pipelines.common.logs import logs_to

    with logs_to(home() / "logs" / "stack.log"):
        from pipelines.common.naming import every_step
        from stacks.doctor import examine

        findings = examine(name, step_names=every_step())
    table = Table("", "check", "finding", "fix", box=None)
    for finding in findings:
        mark = "[green]ok[/]" if finding.ok else "[red]no[/]"
        table.add_row(mark, escape(finding.name), escape(finding.detail), escape(finding.fix))
    out.print(table)
    if not all(finding.ok for finding in findings):
        sys.exit(4)
