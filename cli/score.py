"""python run.py score"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from cli.console import (
    Options,
    chosen_stack,
    dropped_facts,
    pipeline_options,
    print_header,
    print_step,
    run_log,
    run_py,
    time_taken,
)
from cli.console import out as console
from cli.own_file import file_options, with_file
from cli.scheduling import make_schedule, schedule_option
from sentiment.config.load import load_config
from sentiment.data.names import counted

if TYPE_CHECKING:
    from pipelines.score import OnProgress, ScoreResult
    from sentiment.config.dataset import DatasetConfig
    from sentiment.config.score import ScoreConfig

SECONDS_BETWEEN_LINES = 10.0


@click.command("score")
@pipeline_options("score")
@schedule_option
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Also write the rows as they were given, with label and confidence: .csv, .tsv or .jsonl.",
)
@file_options
def command(options: Options, schedule: str | None, file: str | None, yes: bool, out: Path | None) -> None:
    """Score a dataset with the champion: a row a review in the table of scores.

    FILE is a file of your own with texts. It is looked at first: what is found is printed, and what is doubtful is
    asked.
    """
    config, options = _config(options, file, yes=yes)
    from sentiment.data.read import source_digest
    from sentiment.data.sources import shown
    from sentiment.scoring.answers import check_out
    from sentiment.scoring.batch import default_batch

    if out:
        check_out(out, config.dataset)
    if schedule:
        make_schedule("score", config, options.stack, schedule)
        return
    batch = config.batch or default_batch(config, source_digest(config.dataset))
    with run_log("score") as log:
        from pipelines.score import launch_score

        what = f"{config.dataset.name}, {shown(config.dataset.path)}"
        about = {"dataset": what, **dropped_facts(options.config, options.overrides), "batch": batch}
        print_header("score", {"stack": options.stack, **about, "log": str(log)})
        with _progress_shown() as on_progress:
            result = launch_score(config, batch, options.stack, on_step=print_step, on_progress=on_progress)
    if out:
        _write(result, config.dataset, out)
    _print(result, options)


def _config(options: Options, file: str | None, *, yes: bool) -> "tuple[ScoreConfig, Options]":
    """What to score: what the champion's dataset says of its texts holds where nobody says otherwise."""
    from sentiment.config.score import ScoreConfig

    model_name = load_config(options.config, ScoreConfig, options.overrides).model_name
    from sentiment.data.sources import check
    from sentiment.registry import Registry, default_tracking_uri
    from sentiment.retraining.training import dataset_to_score, require_own_texts
    from stacks.catalogue import load_stack

    registry = Registry(load_stack(chosen_stack()).tracking_uri or default_tracking_uri(), model_name)
    usual = cache(partial(dataset_to_score, registry, dialect=file is None))
    options = with_file(options, file, "score", yes=yes, labelled=False, usual=usual)
    config = load_config(options.config, ScoreConfig, options.overrides, under={"dataset": usual()})
    check(config.dataset)
    require_own_texts(config.dataset, registry)
    return config, options


def _write(result: "ScoreResult", dataset: "DatasetConfig", path: Path) -> None:
    from sentiment.scoring.answers import write_answers
    from sentiment.store.database import default_database_url
    from sentiment.store.scores import Target

    summary = result.summary
    target = Target(summary.model_name, summary.model_version, summary.batch)
    rows, answered = write_answers(dataset, target, default_database_url(), path)
    console.print(f"  [green]✓[/] {escape(str(path))}: {counted(rows)}, {answered:,} with an answer")


@contextmanager
def _progress_shown() -> Iterator["OnProgress"]:
    """A bar on a terminal, a line now and then in a log."""
    started = told = time.monotonic()
    shown = 0

    def line(done: int, total: int) -> None:
        nonlocal told, shown
        now = time.monotonic()
        if done != shown and now - told >= SECONDS_BETWEEN_LINES:
            told, shown = now, done
            rate = done / (now - started)
            console.print(f"  · {done:,} of {total:,} rows, about {(total - done) / rate:,.0f} s left")

    if not console.is_terminal:
        yield line
        return
    columns = (TextColumn("  "), BarColumn(), MofNCompleteColumn(), TextColumn("rows"), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("", total=None, visible=False)
        yield lambda done, total: progress.update(task, completed=done, total=total, visible=True)


def _print(result: "ScoreResult", options: Options) -> None:
    summary = result.summary
    table = Table("label", "language", "rows", "share", "mean confidence", box=None)
    for each in summary.tally.counts:
        share = f"{each.rows / summary.tally.rows:.1%}"
        table.add_row(escape(each.label), escape(each.language), f"{each.rows:,}", share, f"{each.confidence:.3f}")
    console.print()
    console.print(table)
    console.print(f"\n[bold green]{escape(summary.summary)}[/]")
    console.print("  [green]✓[/] every planned row was read back from the table, once")
    for reason, rows in summary.snapshot.left_out.items():
        console.print(f"  [yellow]·[/] {rows:,} not scored: {escape(reason)}")
    console.print(f"  result  {escape(summary.parquet)}")
    run = run_py(options.stack)
    console.print("\n[bold]Next[/]")
    console.print(f"  {run} score new.csv  [dim]another file: a batch of its own[/]")
    console.print(f"  {run} monitor  [dim]is the model still good on these rows?[/]")
    console.print(f"  {run} models list  [dim]which version scored, and what came before it[/]")
    console.print(f"\n[dim]{summary.rows_per_second:,.0f} rows/s; {time_taken()}[/]")
