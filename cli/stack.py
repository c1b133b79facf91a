"""python run.py stack list | up | doctor"""

import sys

import click
from rich.markup import escape
from rich.table import Table

from cli.console import choose_stack, chosen_stack, out, stack_option
from cli.fixes import pasted
from sentiment.home import home

name_argument = click.argument("name", required=False, expose_value=False, callback=choose_stack)


@click.group("stack")
@stack_option
def command() -> None:
    """List, make and check stacks."""


@command.command("list")
@stack_option
def stack_list() -> None:
    """The stacks of configs/stacks."""
    from stacks.catalogue import available_stacks

    table = Table("stack", "what it is", box=None)
    for name, description in available_stacks().items():
        table.add_row(name, description)
    out.print(table)


@command.command("up")
@name_argument
@stack_option
def stack_up() -> None:
    """Make the stack NAME, or bring it up to date with its file. Running it again changes nothing.

    Without NAME, the stack of --stack.
    """
    from stacks.catalogue import load_stack

    stack = load_stack(chosen_stack())
    from pipelines.common.logs import logs_to

    with logs_to(home() / "logs" / "stack.log"):
        from stacks.doctor import require_healthy
        from stacks.ensure import ensure_stack
        from stacks.homes import renew_paths
        from stacks.reach import zenml_reached, zenml_store

        for told in renew_paths(stack):
            out.print(escape(told))
        require_healthy([zenml_store(stack)])
        with zenml_reached():
            ensure_stack(stack)
    out.print(f"The stack {stack.name} is ready.")


@command.command("doctor")
@name_argument
@stack_option
def stack_doctor() -> None:
    """Check what the stack NAME needs: libraries, variables, folders, servers.

    Without NAME, the stack of --stack.
    """
    from pipelines.common.logs import logs_to

    with logs_to(home() / "logs" / "stack.log"):
        from pipelines.common.naming import every_step
        from stacks.doctor import examine

        findings = examine(chosen_stack(), step_names=every_step())
    table = Table("", "check", "finding", "fix", box=None)
    for finding in findings:
        mark = "[green]ok[/]" if finding.ok else "[red]no[/]"
        table.add_row(mark, escape(finding.name), escape(finding.detail), escape(pasted(finding.fix)))
    out.print(table)
    if not all(finding.ok for finding in findings):
        sys.exit(4)
