"""The one entry point: pipelines, stacks, models and predictions from the command line.

python run.py --pipeline train
python run.py --pipeline deploy
"""

import os
import sys
import threading
from importlib import import_module
from pathlib import Path

import click
from rich.markup import escape

from cli.console import DEFAULT_STACK, Options, err
from cli.models import models_group
from cli.predict import predict
from cli.retrain import retrain_group
from cli.schedule import SCHEDULABLE
from cli.stack import stack_group
from cli.watch import watch
from sentiment.errors import SentimentError

SECONDS_TO_END = 60.0
PIPELINES = ("train", "deploy", "score", "monitor", "retrain")


@click.group(invoke_without_command=True, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--pipeline", type=click.Choice(PIPELINES), help="The pipeline to run.")
@click.option("--config", type=click.Path(path_type=Path), help="Its config file.  [default: configs/PIPELINE.yaml]")
@click.option(
    "--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Change one value of the config; may be repeated."
)
@click.option("--stack", default=DEFAULT_STACK, show_default=True, help="A stack of configs/stacks to run on.")
@click.option("--no-cache", is_flag=True, help="Run every step, also those whose inputs and code did not change.")
@click.option("--rollback", is_flag=True, help="With --pipeline deploy: go back to the champion before this one.")
@click.option("--reason", default="deploy --rollback", show_default=True, help="With --rollback: kept in the history.")
@click.option("--act", is_flag=True, help="With --pipeline monitor: retrain and deploy when the decision says so.")
@click.option(
    "--schedule", metavar="CRON", help='With score or monitor: have the stack run it at these times, as "0 * * * *".'
)
@click.pass_context
def cli(
    context: click.Context,
    pipeline: str | None,
    config: Path | None,
    overrides: tuple[str, ...],
    stack: str,
    no_cache: bool,
    rollback: bool,
    reason: str,
    act: bool,
    schedule: str | None,
) -> None:
    """Train, compare, promote, deploy, watch and use sentiment models.

    \b
    python run.py --pipeline train
    python run.py --pipeline train --set dataset.path=my.csv --set dataset.text_column=review
    python run.py --pipeline deploy
    python run.py --pipeline score --set dataset.path=new.csv
    python run.py --pipeline monitor --act
    python run.py watch --every 1h
    python run.py predict "다시 보고 싶은 영화"
    python run.py models list
    """
    context.obj = stack
    if context.invoked_subcommand is not None:
        if pipeline:
            raise click.UsageError(f"Give either --pipeline or {context.invoked_subcommand}, not both.")
        return
    if pipeline is None:
        click.echo(context.get_help())
        return
    if rollback and pipeline != "deploy":
        raise click.UsageError("--rollback goes with --pipeline deploy.")
    if act and pipeline != "monitor":
        raise click.UsageError("--act goes with --pipeline monitor.")
    if schedule and (pipeline not in SCHEDULABLE or act):
        raise click.UsageError("--schedule goes with --pipeline score or monitor, and without --act.")
    from stacks.catalogue import load_stack

    load_stack(stack)  # a wrong name is told before anything slow is imported
    options = Options(
        config=config or Path(f"configs/{pipeline}.yaml"),
        overrides=overrides,
        stack=stack,
        use_cache=not no_cache,
        rollback=reason if rollback else None,
        act=act,
    )
    if schedule:
        import_module("cli.schedule").run(pipeline, schedule, options)
    else:
        import_module(f"cli.{pipeline}").run(options)


for command in (stack_group, models_group, predict, watch, retrain_group):
    cli.add_command(command)


def main() -> None:
    """Run the command line; an expected failure ends in one sentence and its exit code."""
    os.environ.setdefault("MLFLOW_CONFIGURE_LOGGING", "false")  # it would write to the terminal
    # Threads that wait for one another sleep: spinning triples torch's CPU time on a machine that is also used.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    code = 1
    try:
        code = _run()
    finally:
        _end_in_time(code)
    sys.exit(code)


def _run() -> int:
    try:
        cli(standalone_mode=False)
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        err.print("Interrupted. What finished is cached; run the same command again to go on.")
        return 130
    except SentimentError as error:
        err.print(f"[red]error:[/] {escape(error.cause)}")
        if error.fix:
            err.print(f"  fix: {escape(error.fix)}")
        for note in getattr(error, "__notes__", ()):
            err.print(f"  {escape(note)}")
        return error.exit_code
    return 0


def _end_in_time(code: int) -> None:
    """All is said and done. What a library still waits for, such as a server that no longer takes its last log lines,
    must not hold up the next run of a schedule.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    ending = threading.Timer(SECONDS_TO_END, os._exit, (code,))
    ending.daemon = True
    ending.start()


if __name__ == "__main__":
    main()
