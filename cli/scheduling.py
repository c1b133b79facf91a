"""--schedule: what the commands of score and monitor share.

python run.py score --schedule "0 * * * *" --stack kubernetes
"""

from importlib import import_module
from typing import Any

import click
from rich.markup import escape

from cli.console import out, print_header, run_log

schedule_option = click.option(
    "--schedule", metavar="CRON", help='Have the stack run it at these times, as "0 * * * *", instead of now.'
)


def make_schedule(pipeline: str, config: Any, stack: str, cron: str, note: str = "") -> None:
    """Have the stack's orchestrator run the pipeline at the times of `cron`, and say so."""
    with run_log("schedule") as log:
        print_header(f"schedule of {pipeline}", {"stack": stack, "times": f"{cron} (UTC)", "log": str(log)})
        made = getattr(import_module(f"pipelines.{pipeline}"), f"schedule_{pipeline}")(config, stack, cron)
    out.print(f"[bold green]Scheduled as {escape(made.name)}[/]")
    for name in made.replaced:
        out.print(f"  in place of {escape(name)}")
    if note:
        out.print(f"  {escape(note)}")
    out.print(f"\n[bold]Next[/]\n  zenml pipeline schedule list\n  zenml pipeline schedule delete {escape(made.name)}")
