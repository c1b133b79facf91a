"""python run.py deploy"""

import os
import shlex
from typing import TYPE_CHECKING

import click
from rich.markup import escape

from cli.console import (
    DEFAULT_MODEL,
    Options,
    out,
    pipeline_options,
    print_header,
    print_step,
    run_log,
    run_py,
    time_taken,
)
from sentiment.config.load import load_config
from sentiment.home import current_user

if TYPE_CHECKING:
    from pipelines.deploy import DeployResult


@click.command("deploy")
@pipeline_options("deploy")
@click.option("--rollback", is_flag=True, help="Go back to the champion before this one.")
@click.option("--reason", default="deploy --rollback", show_default=True, help="With --rollback: kept in the history.")
def command(options: Options, rollback: bool, reason: str) -> None:
    """Serve the champion, or with --rollback the one before it."""
    from sentiment.config.deploy import DeployConfig

    config = load_config(options.config, DeployConfig, options.overrides)
    with run_log("deploy") as log:
        from pipelines.deploy import Rollback, launch_deploy

        back = Rollback(reason, current_user()) if rollback else None
        what = f"the champion of {config.model_name}" + (" before this one" if back else "")
        print_header("deploy", {"stack": options.stack, "model": what, "log": str(log)})
        result = launch_deploy(config, options.stack, rollback=back, on_step=print_step)
    _print(result, options.stack)


def _print(result: "DeployResult", stack_name: str) -> None:
    deployment = result.deployment
    out.print(f"\n[bold green]Serving {escape(deployment.summary)}[/]")
    slowest = max(answer.milliseconds for answer in deployment.answers)
    count = len(deployment.answers)
    out.print(f"  [green]✓[/] {count} texts answered over HTTP as by the Python API, the slowest in {slowest:.0f} ms")
    key = ' -H "Authorization: Bearer $SENTIMENT_API_KEY"' if os.environ.get("SENTIMENT_API_KEY") else ""
    out.print("\n[bold]Try[/]")
    for text in ("다시 보고 싶은 영화", "This is amazing!"):
        out.print(f"  curl{key} -F {shlex.quote(f'text={text}')} {escape(deployment.url)}/predict", markup=False)
    out.print(f"  {escape(deployment.url)}/  [dim]the page;[/] {escape(deployment.url)}/docs  [dim]the API[/]")
    out.print(f"  {escape(deployment.url)}/monitor  [dim]how the model is doing[/]")
    out.print("\n[bold]Next[/]")
    for command, what in _next_commands(result, run_py(stack_name)).items():
        out.print(f"  {escape(command)}  [dim]{what}[/]")
    out.print(f"\n[dim]server log: {escape(deployment.log)}; {time_taken()}[/]")


def _next_commands(result: "DeployResult", run: str) -> dict[str, str]:
    name = result.deployment.models[0].model_name
    model = "" if name == DEFAULT_MODEL else f" --model {name}"
    which = "" if name == DEFAULT_MODEL else f" --set model_name={name}"
    commands = {
        f"{run} serve{model} status": "version, health, requests; stop, restart and logs are beside it",
        f"{run} models{model} list": "the versions; one beside this: --set traffic.mode=shadow --set traffic.version=N",
    }
    if result.can_roll_back:
        commands[f"{run} deploy{which} --rollback"] = "go back to the version before"
    return commands
