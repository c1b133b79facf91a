"""python run.py train"""

import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING

import click
from rich.markup import escape
from rich.table import Table

from cli.console import (
    DEFAULT_MODEL,
    Options,
    dashboard,
    dropped_facts,
    out,
    pipeline_options,
    print_header,
    print_step,
    run_log,
    run_py,
    time_taken,
    tool,
)
from cli.own_file import file_options, with_file
from sentiment.config.load import load_config
from sentiment.errors import GateError

if TYPE_CHECKING:
    from pipelines.train import TrainResult


@click.command("train")
@pipeline_options("train", cached=True)
@file_options
def command(options: Options, file: str | None, yes: bool) -> None:
    """Train, compare and promote a model; exit code 3 when the gate refuses it.

    FILE is a file of your own with texts and their labels or ratings. It is looked at first: what is found is printed,
    and what is doubtful is asked.
    """
    options = with_file(options, file, "train", yes=yes, labelled=True)
    from sentiment.config.train import TrainConfig
    from sentiment.data.read import check_first_rows, learn_labels, source_digest

    config = load_config(options.config, TrainConfig, options.overrides)
    dataset, learnt = learn_labels(config.dataset)
    config = config.model_copy(update={"dataset": dataset})
    digest = source_digest(config.dataset)
    check_first_rows(config.dataset)
    with run_log("train") as log:
        from pipelines.train import describe, launch_train

        about = {**describe(config, digest), **_learnt(learnt), **dropped_facts(options.config, options.overrides)}
        print_header("train", {"stack": options.stack, **about, "log": str(log)})
        result = launch_train(config, digest, options.stack, use_cache=options.use_cache, on_step=print_step)
    print_decision(result)
    if config.dataset.synthetic:
        out.print(
            "\n[yellow]A demonstration on the small synthetic sample. A real model, on 150,000 movie reviews:\n"
            f"  {run_py(options.stack)} train --config configs/train_nsmc.yaml[/]"
        )
    out.print("\n[bold]Next[/]")
    for command in _next_commands(result, run_py(options.stack)):
        out.print(f"  {escape(command)}")
    out.print("\n[bold]Look[/]")
    for command, what in _links(result, run_py(options.stack)).items():
        out.print(f"  {escape(command)}  [dim]{escape(what)}[/]")
    out.print(f"\n[dim]{time_taken()}[/]")
    if result.outcome == "refused":
        sys.exit(GateError.exit_code)


def _learnt(labels: Mapping[str, int]) -> dict[str, str]:
    """The header's line about labels that the rows themselves said."""
    from sentiment.data.names import masked

    counts = ", ".join(f"{masked(label)}{f' {rows:,}' if rows else ''}" for label, rows in labels.items())
    return {"labels": f"{counts} (as the rows say)"} if labels else {}


def print_decision(result: "TrainResult") -> None:
    """The contenders, the gate's verdict with its checks, and what became of the candidate."""
    table = Table("", "model", "macro-F1 [95%]", "accuracy", "ECE", "one text", "size", box=None)
    for each in result.decision.contenders:
        table.add_row(
            each.role,
            escape(each.name),
            escape(str(each.macro_f1)),
            f"{each.accuracy.value:.3f}",
            f"{each.ece:.3f}",
            f"{each.latency_p50_ms:.1f} ms",
            f"{each.size_bytes / 1e6:.1f} MB",
        )
    out.print()
    out.print(table)
    colour = {"promote": "green", "refuse": "red", "unchanged": "yellow"}[result.decision.outcome]
    out.print(f"\n[bold {colour}]{escape(result.decision.summary)}[/]")
    for check in result.decision.checks:
        out.print(f"  {'[green]✓[/]' if check.passed else '[red]✗[/]'} {escape(check.reason)}")
    out.print(escape(result.registration.summary))


def _next_commands(result: "TrainResult", run: str) -> list[str]:
    model = _model(result)
    shown = result.registration.version or result.champion_version
    commands = [f"{run} models{model} list", f"{run} models{model} show {shown}"]
    if result.outcome == "refused":
        return [*commands, f"{run} models{model} promote {shown} --force --reason WHY"]
    return [f'{run} predict{model} "다시 보고 싶은 영화" "돈이 아까워요"', *commands]


def _model(result: "TrainResult") -> str:
    name = result.registration.model_name
    return "" if name == DEFAULT_MODEL else f" --model {name}"


def _links(result: "TrainResult", run: str) -> dict[str, str]:
    from sentiment.registry.tracking import is_server

    uri = result.tracking_uri or ""
    mlflow = uri if is_server(uri) else f"{tool('mlflow')} ui --host 127.0.0.1 --backend-store-uri {uri}"
    version = result.registration.version or result.champion_version
    return {
        f"{run} report{_model(result)} {version} --open": "the report, in a browser",
        dashboard(result.dashboard_url, run): f"the dashboard; this run is {result.run_id}",
        mlflow: "curves, metrics, files",
    }
