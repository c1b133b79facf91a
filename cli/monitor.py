"""python run.py monitor"""

import shlex
from typing import TYPE_CHECKING

import click
from rich.markup import escape
from rich.table import Table

from cli.console import (
    Options,
    dashboard,
    out,
    pipeline_options,
    print_header,
    print_step,
    run_log,
    run_py,
    time_taken,
    tool,
)
from cli.scheduling import make_schedule, schedule_option
from sentiment.config.load import load_config
from sentiment.messages import Message, language, named, percent, say

if TYPE_CHECKING:
    from pipelines.monitor import MonitorResult
    from sentiment.config.retrain import RetrainConfig
    from sentiment.messages import Value
    from sentiment.monitoring.drift import DriftReport
    from sentiment.monitoring.quality import QualityReport
    from sentiment.retraining.decision import RetrainDecision

TOP_EFFECTS = 8
TOP_WORDS = 3
NOTE = "It alerts and decides; to retrain by itself: run.py watch, or deploy/kubernetes with --act"
COLOURS = {"drift": "red", "drop": "red", "no_drift": "green", "ok": "green", "not_enough_data": "yellow"}


@click.command("monitor")
@pipeline_options("monitor", cached=True)
@click.option("--act", is_flag=True, help="Retrain and deploy when the decision says so.")
@schedule_option
def command(options: Options, act: bool, schedule: str | None) -> None:
    """Say whether the champion is still good, and whether to retrain."""
    from sentiment.config.monitor import MonitorConfig

    if schedule and act:
        raise click.UsageError("A schedule of monitor cannot act: leave out --act, or use run.py watch.")
    language()  # one that nobody speaks is said before anything runs
    config = load_config(options.config, MonitorConfig, options.overrides)
    if schedule:
        make_schedule("monitor", config, options.stack, schedule, NOTE)
        return
    with run_log("monitor") as log:
        from pipelines.monitor import launch_monitor

        champion = f"the champion of {config.model_name}"
        print_header("monitor", {"stack": options.stack, "model": champion, "log": str(log)})
        result = launch_monitor(config, options.stack, on_step=print_step)
    _print(result, run_py(options.stack))
    if act and result.decision.retrain:
        _retrain(config.retrain, result.decision, options)


def _print(result: "MonitorResult", run: str) -> None:
    print_findings(result)
    out.print("\n[bold]Next[/]")
    for command, what in _next_commands(result, run).items():
        out.print(f"  {escape(command)}  [dim]{escape(what)}[/]")
    out.print("\n[bold]Look[/]")
    for what, page in result.pages.items():
        out.print(f"  {escape(page)}  [dim]{what}[/]")
    if result.evidently.is_dir():
        # Without DO_NOT_TRACK Evidently's server reports its use to its makers.
        command = f"DO_NOT_TRACK=1 {tool('evidently')} ui --workspace {shlex.quote(str(result.evidently))}"
        out.print(f"  {escape(command)}  [dim]drift over the last runs[/]")
    out.print(f"  {escape(dashboard(result.dashboard_url, run))}  [dim]the dashboard; this run is {result.run_id}[/]")
    out.print(f"\n[dim]{time_taken()}[/]")


def print_findings(result: "MonitorResult") -> None:
    """Drift, quality and the decision, in the language of the terminal."""
    drift, quality, decision = result.drift, result.quality, result.decision
    _print_verdict("drift", drift)
    _print_drift(drift)
    _print_verdict("quality", quality)
    _print_quality(quality)
    said = f"{_say('head.decision')}: {say(decision.said, language())}"
    out.print(f"\n[bold]{escape(said)}[/]")
    if decision.trigger:
        figures = [(name, value) for name, value in decision.evidence.items() if name not in {"drift", "quality"}]
        listed = "; ".join(f"{say(named('figure', name), language())} {_figure(value)}" for name, value in figures)
        out.print(f"  [dim]{escape(listed)}[/]")


def _print_verdict(name: str, report: "DriftReport | QualityReport") -> None:
    said = f"{_say(f'head.{name}')}: {say(report.message, language())}"
    out.print(f"\n[bold {COLOURS[report.status]}]{escape(said)}[/]")


def _say(code: str) -> str:
    return say(Message(code=code), language())


def _figure(value: "Value") -> str:
    if value is None or isinstance(value, bool):
        return _say({None: "none", True: "yes", False: "no"}[value])
    return say(value, language()) if isinstance(value, Message) else str(value)


def _print_drift(drift: "DriftReport") -> None:
    """What moved most, from before to after; new words with a text that has each."""
    for test in sorted(drift.tests, key=lambda test: -test.excess)[:TOP_EFFECTS]:
        mark = "[red]✗[/]" if test.drifted else "[green]✓[/]"
        out.print(f"  {mark} {escape(say(test.reading, language()))}")
    for word in drift.words[:TOP_WORDS]:
        out.print(f"    [dim]{escape(f'{word.text} {percent(word.window)}: {word.example}')}[/]")
    for source in drift.sources:
        values = {"source": named("origin", source.origin), "verdict": source.message}
        out.print(f"  {escape(say(Message(code='drift.of_source', values=values), language()))}")


def _print_quality(quality: "QualityReport") -> None:
    if not quality.rows:
        return
    table = Table("", _say("head.now"), _say("head.in_the_test"), box=None)
    for name, metric, before in (
        ("head.accuracy", quality.accuracy, quality.reference_accuracy),
        ("head.macro_f1", quality.macro_f1, quality.reference_macro_f1),
        ("head.estimate", quality.estimate, quality.reference_accuracy),
    ):
        now = "–" if metric is None else f"{metric:.3f}" if isinstance(metric, float) else str(metric)
        table.add_row(_say(name), escape(now), f"{before:.3f}")
    out.print(table)
    figures = {
        "labels": quality.labels,
        "rows": quality.rows,
        "coverage": quality.coverage,
        "confirmed": quality.confirmed,
        "corrected": quality.corrected,
        "counted": quality.counted,
    }
    out.print(f"  {escape(say(Message(code='quality.labels', values=figures), language()))}")


def _next_commands(result: "MonitorResult", run: str) -> dict[str, str]:
    if not result.quality.rows and not result.drift.rows:
        return {
            f"{run} deploy": "answer reviews; every answer is a row to monitor",
            f"{run} score": "or score a file of reviews",
        }
    again = {f"{run} monitor": "again, when there are more rows or labels"}
    if result.decision.retrain:
        return {f"{run} retrain": "what --act does", **again}
    return again


def _retrain(config: "RetrainConfig", decision: "RetrainDecision", options: Options) -> None:
    from cli.retrain import exit_by, print_result

    out.print("\n[bold]Retraining[/]")
    with run_log("retrain") as log:
        from pipelines.retrain import launch_retrain

        out.print(f"  log      {escape(str(log))}\n")
        result = launch_retrain(
            config, options.stack, decision=decision, use_cache=options.use_cache, on_step=print_step
        )
    print_result(result, options.stack)
    exit_by(result)
