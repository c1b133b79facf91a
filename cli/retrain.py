"""python run.py retrain, and python run.py retrain status | history | pause | resume"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click
from click.core import ParameterSource
from rich.markup import escape

from cli.console import (
    DEFAULT_MODEL,
    Options,
    chosen_stack,
    dropped_facts,
    out,
    pipeline_options,
    print_header,
    print_step,
    run_log,
    run_py,
    stack_option,
    time_taken,
)
from sentiment.config.load import load_config
from sentiment.errors import GateError, StackError
from sentiment.home import current_user
from sentiment.messages import language, say

if TYPE_CHECKING:
    from pipelines.retrain import RetrainResult
    from sentiment.store.journal import Entry, Journal


@click.group("retrain", invoke_without_command=True)
@pipeline_options("retrain", cached=True)
@click.option(
    "--model",
    "model_name",
    default=DEFAULT_MODEL,
    show_default=True,
    help="The registered model's name, for the commands below.",
)
@click.pass_context
def command(context: click.Context, options: Options, model_name: str) -> None:
    """Retrain because you say so, on the reviews and the labels of users.

    A new champion is deployed. Exit code 3 when the gate refuses it, 4 when it cannot be deployed. The commands below
    do not retrain: they show what was decided, and pause retraining.
    """
    given = {name for name in context.params if context.get_parameter_source(name) is ParameterSource.COMMANDLINE}
    below = context.invoked_subcommand
    if below and given - {"model_name"}:
        raise click.UsageError(f"{below} does not retrain: give it --model and --stack alone.")
    if below is None and "model_name" in given:
        raise click.UsageError(
            "--model goes with status, history, pause and resume; the config names what is retrained."
        )
    context.obj = model_name
    if below is None:
        _run(options)


def _run(options: Options) -> None:
    from sentiment.config.retrain import RetrainConfig
    from sentiment.data.sources import check

    config = load_config(options.config, RetrainConfig, options.overrides)
    if config.train:
        check(config.train.dataset)
    with run_log("retrain") as log:
        from pipelines.retrain import decide_by_hand, launch_retrain

        reviews = config.train.dataset.name if config.train else "the reviews of its champion"
        what = f"{config.model_name}, on {reviews} and the labels of its users"
        about = {"model": what, **dropped_facts(options.config, options.overrides)}
        print_header("retrain", {"stack": options.stack, **about, "log": str(log)})
        result = launch_retrain(
            config,
            options.stack,
            decision=decide_by_hand(config),
            use_cache=options.use_cache,
            on_step=print_step,
        )
    print_result(result, options.stack)
    exit_by(result)


def exit_by(result: "RetrainResult") -> None:
    """End with 3 when the gate refused, with 4 when a new champion could not be deployed."""
    if result.outcome == "refused":
        sys.exit(GateError.exit_code)
    if result.rollout.failure:
        sys.exit(StackError.exit_code)


def print_result(result: "RetrainResult", stack: str) -> None:
    """Why, what was learnt from, the gate's verdict, and what became of a new champion."""
    from cli.train import print_decision

    out.print(f"\n{escape(say(result.decision.said, language()))}\n{escape(result.feedback.summary)}")
    print_decision(result.trained)
    if result.rollout.deployment:
        out.print(f"[bold green]Serving {escape(result.rollout.deployment.summary)}[/]")
    elif result.rollout.failure:
        out.print(f"[bold red]{escape(result.summary)}[/]")
    out.print("\n[bold]Next[/]")
    back = ["deploy --rollback"] if result.outcome == "promoted" else []
    for command in ("retrain history", "models list", *back):
        out.print(f"  {run_py(stack)} {command}")
    out.print(f"\n[dim]{time_taken()}[/]")


@command.command("status")
@stack_option
@click.pass_obj
def retrain_status(model_name: str) -> None:
    """Whether retraining is paused, and the last decision."""
    from sentiment.retraining.history import current_pause

    with _journal(model_name) as journal:
        pause = current_pause(journal)
        latest = journal.entries(("decision",), limit=1)
    _print_pause(model_name, pause)
    out.print(f"{_time(latest[0].time)}  {escape(_said(latest[0]))}" if latest else "Nothing was decided yet.")


@command.command("history")
@stack_option
@click.option("--limit", type=click.IntRange(1, 1000), default=20, show_default=True, help="How many, newest first.")
@click.pass_obj
def retrain_history(model_name: str, limit: int) -> None:
    """Decisions, retrainings and their outcomes, pauses, promotions, deployments and rollbacks, newest first."""
    with _journal(model_name) as journal:
        entries = journal.entries(("decision", "promotion", "rollback", "deployment", "paused", "resumed"), limit=limit)
    for entry in entries:
        version = f"version {entry.model_version}" if entry.model_version else ""
        out.print(f" {_time(entry.time)}  {entry.kind:<10} {escape(version):<11} {escape(_said(entry))}")
    if not entries:
        out.print("Nothing was decided yet.")


@command.command("pause")
@stack_option
@click.option("--reason", required=True, help="Kept in the history.")
@click.pass_obj
def retrain_pause(model_name: str, reason: str) -> None:
    """Let nothing be retrained until `resume`."""
    from sentiment.retraining.history import current_pause, pause

    with _journal(model_name) as journal:
        pause(journal, reason, current_user())
        held = current_pause(journal)
    _print_pause(model_name, held)
    if held:
        out.print(f"Go on: {run_py(chosen_stack())} retrain resume --reason ...")


@command.command("resume")
@stack_option
@click.option("--reason", required=True, help="Kept in the history.")
@click.pass_obj
def retrain_resume(model_name: str, reason: str) -> None:
    """Let retraining go on."""
    from sentiment.retraining.history import current_pause, resume

    with _journal(model_name) as journal:
        resume(journal, reason, current_user())
        held = current_pause(journal)
    _print_pause(model_name, held)


def _print_pause(model_name: str, held: "Entry | None") -> None:
    """What the journal says now, read back from it."""
    if held:
        out.print(f"[yellow]Retraining of {escape(model_name)} is {escape(held.summary)}[/] ({_time(held.time)})")
    else:
        out.print(f"Retraining of {escape(model_name)} is not paused.")


@contextmanager
def _journal(model_name: str) -> "Iterator[Journal]":
    from sentiment.store.database import default_database_url
    from sentiment.store.journal import journal_of

    with journal_of(default_database_url(), model_name) as journal:
        yield journal


def _said(entry: "Entry") -> str:
    from sentiment.store.journal import message_of

    return say(message_of(entry), language())


def _time(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S}"
