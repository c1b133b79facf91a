"""The one entry point: pipelines, stacks, models and predictions from the command line.

python run.py --pipeline train
python run.py --pipeline deploy
"""

import json
import logging
import os
import shlex
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from sentiment.errors import GateError, SentimentError
from sentiment.home import home

if TYPE_CHECKING:
    from pipelines.launch import DeployResult, TrainResult
    from pipelines.runner import StepLine
    from sentiment.config.train import TrainConfig
    from sentiment.registry import Registry

PIPELINES = ("train", "deploy")
DEFAULT_MODEL = "sentiment"
out = Console(highlight=False, soft_wrap=True)
err = Console(stderr=True, highlight=False, soft_wrap=True)


@click.group(invoke_without_command=True, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--pipeline", type=click.Choice(PIPELINES), help="The pipeline to run.")
@click.option("--config", type=click.Path(path_type=Path), help="Its config file.  [default: configs/PIPELINE.yaml]")
@click.option(
    "--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Change one value of the config; may be repeated."
)
@click.option("--stack", default="laptop", show_default=True, help="A stack of configs/stacks to run on.")
@click.option("--no-cache", is_flag=True, help="Run every step, also those whose inputs and code did not change.")
@click.option("--rollback", is_flag=True, help="With --pipeline deploy: go back to the champion before this one.")
@click.option("--reason", default="deploy --rollback", show_default=True, help="With --rollback: kept in the history.")
@click.pass_context
def cli(
    context: click.Context,
    pipeline: str | None,
    config: Path | None,
    overrides: Sequence[str],
    stack: str,
    no_cache: bool,
    rollback: bool,
    reason: str,
) -> None:
    """Train, compare, promote, deploy and use sentiment models.

    \b
    python run.py --pipeline train
    python run.py --pipeline train --set dataset.path=my.csv --set dataset.text_column=review
    python run.py --pipeline deploy
    python run.py predict "다시 보고 싶은 영화"
    python run.py models list
    """
    context.obj = stack
    if context.invoked_subcommand is None:
        if pipeline is None:
            click.echo(context.get_help())
            return
        if rollback and pipeline != "deploy":
            raise click.UsageError("--rollback goes with --pipeline deploy.")
        path = config or Path(f"configs/{pipeline}.yaml")
        if pipeline == "train":
            _train(path, overrides, stack, use_cache=not no_cache)
        else:
            _deploy(path, overrides, stack, rollback=reason if rollback else None)
    elif pipeline:
        raise click.UsageError(f"Give either --pipeline or {context.invoked_subcommand}, not both.")


def _train(config_path: Path, overrides: Sequence[str], stack_name: str, *, use_cache: bool) -> None:
    from sentiment.config.load import load_config
    from sentiment.config.train import TrainConfig
    from stacks.catalogue import load_stack

    load_stack(stack_name)  # a wrong name is told before anything slow is imported
    config = load_config(config_path, TrainConfig, overrides)
    from sentiment.data.read import source_digest

    digest = source_digest(config.dataset)
    with _run_log("train") as log:
        from pipelines.launch import describe, launch_train

        _print_header("train", {"stack": stack_name, **describe(config, digest), "log": str(log)})
        result = launch_train(config, digest, stack_name, use_cache=use_cache, on_step=_print_step)
    _print_result(result, config)
    if result.decision.outcome == "refuse":
        sys.exit(GateError.exit_code)


def _deploy(config_path: Path, overrides: Sequence[str], stack_name: str, *, rollback: str | None) -> None:
    from sentiment.config.deploy import DeployConfig
    from sentiment.config.load import load_config
    from stacks.catalogue import load_stack

    load_stack(stack_name)
    config = load_config(config_path, DeployConfig, overrides)
    with _run_log("deploy") as log:
        from pipelines.launch import Rollback, launch_deploy

        what = f"the champion of {config.model_name}" + (" before this one" if rollback else "")
        _print_header("deploy", {"stack": stack_name, "model": what, "log": str(log)})
        result = launch_deploy(
            config, stack_name, rollback=Rollback(rollback, _user()) if rollback else None, on_step=_print_step
        )
    _print_deployment(result, stack_name)


@contextmanager
def _run_log(pipeline: str) -> Iterator[Path]:
    """Send what libraries log to a file, and name the file in the errors of the run."""
    from pipelines.logs import logs_to

    with logs_to(home() / "logs" / f"{pipeline}-{datetime.now(UTC):%Y%m%d-%H%M%S}.log") as log:
        try:
            yield log
        except SentimentError as error:
            logging.getLogger(__name__).exception("The run failed.")
            error.add_note(f"log: {log}")
            raise


def _print_header(pipeline: str, values: Mapping[str, str]) -> None:
    out.print(f"[bold]sentiment-ops[/] {pipeline}")
    for name, value in values.items():
        out.print(f"  {name:<8} {escape(value)}")
    out.print()


@cli.group("stack")
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
    from pipelines.logs import logs_to

    with logs_to(home() / "logs" / "stack.log"):
        from stacks.ensure import ensure_stack

        ensure_stack(stack)
    out.print(f"The stack {name} is ready.")


@stack_group.command("doctor")
@click.argument("name", default="laptop")
def stack_doctor(name: str) -> None:
    """Check what the stack NAME needs: libraries, variables, folders, servers."""
    from stacks.catalogue import load_stack
    from stacks.doctor import diagnose

    findings = diagnose(load_stack(name))
    table = Table("", "check", "finding", "fix", box=None)
    for finding in findings:
        mark = "[green]ok[/]" if finding.ok else "[red]no[/]"
        table.add_row(mark, escape(finding.name), escape(finding.detail), escape(finding.fix))
    out.print(table)
    if not all(finding.ok for finding in findings):
        sys.exit(4)


@cli.group("models")
@click.option("--model", "model_name", default=DEFAULT_MODEL, show_default=True, help="The registered model's name.")
@click.pass_context
def models_group(context: click.Context, model_name: str) -> None:
    """Show, promote and roll back registered models."""
    from sentiment.registry import Registry, default_tracking_uri
    from stacks.catalogue import load_stack

    uri = load_stack(context.obj).tracking_uri or default_tracking_uri()
    context.obj = Registry(uri, model_name)


@models_group.command("list")
@click.pass_obj
def models_list(registry: "Registry") -> None:
    """All versions with their status, and the history of the champion."""
    versions = registry.versions()
    if not versions:
        out.print(f"{registry.model_name} has no versions yet: run {_python()} run.py --pipeline train")
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
    promoted = registry.promote(version, reason, actor=_user(), force=force)
    _mirror(registry)
    out.print(f"{registry.model_name} version {promoted.version} is the champion.")


@models_group.command("rollback")
@click.option("--reason", required=True, help="Kept in the history.")
@click.pass_obj
def models_rollback(registry: "Registry", reason: str) -> None:
    """Make the previous champion the champion again."""
    champion = registry.rollback(reason, actor=_user())
    _mirror(registry)
    out.print(f"{registry.model_name} version {champion.version} is the champion again.")


def _mirror(registry: "Registry") -> None:
    from pipelines.logs import logs_to

    with logs_to(home() / "logs" / "models.log"):
        from stacks.model_control_plane import mirror

        mirror(registry)


@cli.command("predict")
@click.argument("texts", nargs=-1, required=True)
@click.option("--json", "as_json", is_flag=True, help="Print JSON with the probability of every label.")
@click.option("--model", "model_name", default=DEFAULT_MODEL, show_default=True, help="The registered model's name.")
@click.pass_context
def predict(context: click.Context, texts: Sequence[str], as_json: bool, model_name: str) -> None:
    """Classify TEXTS with the champion."""
    from sentiment import Predictor
    from stacks.catalogue import load_stack

    predictor = Predictor.champion(load_stack(context.obj).tracking_uri, model_name)
    predictions = predictor.predict(list(texts), return_probs=True)
    if as_json:
        click.echo(json.dumps(predictions, ensure_ascii=False, indent=2))
        return
    for prediction in predictions:
        out.print(f"[bold]{prediction['label']}[/] {prediction['confidence']:.1%}  {escape(prediction['text'])}")


def _print_step(line: "StepLine") -> None:
    mark = {"completed": "[green]✓[/]", "cached": "[green]✓[/]", "failed": "[red]✗[/]"}.get(line.status, "·")
    time = "cached" if line.status == "cached" else f"{line.seconds:.1f} s"
    out.print(f"  {mark} {line.name:<20} {escape(line.summary)}  [dim]{time}[/]")


def _print_result(result: "TrainResult", config: "TrainConfig") -> None:
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
    if config.dataset.synthetic:
        out.print(
            "\n[yellow]A demonstration on the small synthetic sample. A real model, on 150,000 movie reviews:\n"
            f"  {_python()} run.py --pipeline train --config configs/train_nsmc.yaml[/]"
        )
    out.print("\n[bold]Next[/]")
    for command in _next_commands(result):
        out.print(f"  {escape(command)}")
    out.print("\n[bold]Look[/]")
    for command, what in _links(result).items():
        out.print(f"  {escape(command)}  [dim]{escape(what)}[/]")
    out.print(f"\n[dim]{result.seconds:.0f} s[/]")


def _print_deployment(result: "DeployResult", stack_name: str) -> None:
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
    run = f"{_python()} run.py"
    zenml = f"PYTHONPATH=. {Path(_python()).parent / 'zenml'}"
    out.print("\n[bold]Next[/]")
    out.print(f"  {run} --pipeline deploy --set traffic.mode=shadow  [dim]score the candidate on the side[/]")
    out.print(f"  {run} --pipeline deploy --rollback  [dim]go back to the version before[/]")
    out.print(f"  {zenml} stack set {stack_name} && {zenml} model-deployer models stop {deployment.id}")
    out.print(f"\n[dim]server log: {escape(deployment.log)}; {result.seconds:.0f} s[/]")


def _next_commands(result: "TrainResult") -> list[str]:
    run = f"{_python()} run.py"
    name = result.registration.model_name
    model = "" if name == DEFAULT_MODEL else f" --model {name}"
    shown = result.registration.version or result.champion_version
    commands = [f"{run} models{model} list", f"{run} models{model} show {shown}"]
    if result.champion_version is None:
        return [*commands, f"{run} --help"]
    return [f'{run} predict{model} "다시 보고 싶은 영화" "돈이 아까워요"', *commands]


def _links(result: "TrainResult") -> dict[str, str]:
    folder = Path(_python()).parent
    return {
        result.report_uri: "the evaluation",
        f"{folder / 'zenml'} login --local": f"the dashboard; this run is {result.run_id}",
        f"{folder / 'mlflow'} ui --host 127.0.0.1 --backend-store-uri {result.tracking_uri}": "curves, metrics, files",
    }


def _python() -> str:
    """How to call this very Python from the current folder, so that printed commands work when pasted."""
    found = shutil.which("python")
    if found and Path(found).parent == Path(sys.executable).parent:
        return "python"
    executable = Path(sys.executable)
    return str(executable.relative_to(Path.cwd()) if executable.is_relative_to(Path.cwd()) else executable)


def _user() -> str:
    import getpass

    return getpass.getuser()


def main() -> None:
    """Run the command line; an expected failure ends in one sentence and its exit code."""
    os.environ.setdefault("MLFLOW_CONFIGURE_LOGGING", "false")  # it would write to the terminal
    # Threads that wait for one another sleep: spinning triples torch's CPU time on a machine that is also used.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    try:
        cli(standalone_mode=False)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        err.print("Interrupted. What finished is cached; run the same command again to go on.")
        sys.exit(130)
    except SentimentError as error:
        err.print(f"[red]error:[/] {escape(error.cause)}")
        if error.fix:
            err.print(f"  fix: {escape(error.fix)}")
        for note in getattr(error, "__notes__", ()):
            err.print(f"  {escape(note)}")
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main()
