"""python run.py serve status | stop | restart | logs"""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click
import httpx
from rich.markup import escape

from cli.console import DEFAULT_MODEL, chosen_stack, model_option, out, run_py, stack_option
from sentiment.errors import StackError
from sentiment.home import home

if TYPE_CHECKING:
    from stacks.model_deployer import RollOutDeployer, Server

SECONDS_TO_ANSWER = 5
# What probes and dashboards ask is no traffic.
NO_TRAFFIC = ("/readyz", "/livez", "/metrics")


@click.group("serve")
@stack_option
@model_option
@click.pass_context
def command(context: click.Context, model_name: str) -> None:
    """Look at, stop and restart the endpoint that `deploy` made."""
    context.obj = model_name


@command.command("status")
@stack_option
@click.pass_obj
def serve_status(model_name: str) -> None:
    """What serves where, since when, and how it is; exit code 4 when it does not answer."""
    with _deployed(model_name) as (_, servers):
        lost = [each for each in servers if not _print_status(each)]
    if lost:
        raise StackError(
            f"{model_name} does not answer at {', '.join(each.url for each in lost)}.", _restart(model_name)
        )


@command.command("stop")
@stack_option
@click.pass_obj
def serve_stop(model_name: str) -> None:
    """Stop the endpoint, once what it accepted is answered. Stopping it again changes nothing."""
    with _deployed(model_name) as (deployer, servers):
        for each in servers:
            running = each.running()
            if running:
                each.stop()
                deployer.keep_state(each)
            how = f"is stopped ({running.what} has ended)" if running else "was not running"
            out.print(f"{_name(each)} at {each.url} {how}.")
    out.print(f"  {_restart(model_name)}  [dim]start it again[/]")


@command.command("restart")
@stack_option
@click.pass_obj
def serve_restart(model_name: str) -> None:
    """The same version again, with the variables it had; one that was stopped is started."""
    failures = []
    with _deployed(model_name) as (deployer, servers):
        for each in servers:
            started = time.monotonic()
            try:
                each.restart()
            except StackError as error:
                failures.append(error)
                continue
            deployer.keep_state(each)
            running = each.running()
            seconds = time.monotonic() - started
            out.print(
                f"{_name(each)} serves at {each.url}, {running.what if running else ''} [dim]({seconds:.0f} s)[/]"
            )
    if failures:
        raise failures[0]


@command.command("logs")
@stack_option
@click.option(
    "-n", "--lines", type=click.IntRange(min=1), default=50, show_default=True, help="How many, from the end."
)
@click.option("-f", "--follow", is_flag=True, help="Go on with what is written, until Ctrl-C.")
@click.pass_obj
def serve_logs(model_name: str, lines: int, follow: bool) -> None:
    """The end of the server's log, personal data masked."""
    from sentiment.text.pii import mask

    with _deployed(model_name) as (_, servers):
        for each in servers:
            if len(servers) > 1:
                out.print(f"[bold]{_name(each)} at {each.url}[/]")
            try:
                for line in each.get_logs(follow=follow, tail=lines):
                    click.echo(mask(line))
            except KeyboardInterrupt:
                return


@contextmanager
def _deployed(model_name: str) -> "Iterator[tuple[RollOutDeployer, Sequence[Server]]]":
    """The stack's deployer and what it has of the model. Raises StackError when that is nothing."""
    from stacks.catalogue import load_stack

    stack = load_stack(chosen_stack())
    from pipelines.common.logs import logs_to

    with logs_to(home() / "logs" / "serve.log"):
        from stacks.doctor import require_healthy
        from stacks.ensure import use_stack
        from stacks.model_deployer import active_deployer
        from stacks.reach import zenml_reached, zenml_store

        require_healthy([zenml_store(stack)])
        with zenml_reached(), use_stack(stack):
            deployer = active_deployer()
            servers = deployer.servers(model_name)
            if not servers:
                which = "" if model_name == DEFAULT_MODEL else f" --set model_name={model_name}"
                raise StackError(f"{model_name} is not deployed.", f"{run_py(stack.name)} deploy{which}")
            yield deployer, servers


def _print_status(server: "Server") -> bool:
    running = server.running()
    out.print(f"[bold]{_name(server)}[/] at {server.url}")
    if running is None:
        out.print("  [red]✗[/] not running")
        return False
    hours = (datetime.now(UTC) - running.since).total_seconds() / 3600
    out.print(f"  runs      {running.what}, since {running.since:%Y-%m-%d %H:%M} UTC [dim]({hours:.1f} h)[/]")
    started = time.monotonic()
    try:
        healthy = httpx.get(f"{server.url}/readyz", timeout=SECONDS_TO_ANSWER).status_code == httpx.codes.OK
        told = f"ready, in {1000 * (time.monotonic() - started):.0f} ms" if healthy else "not ready"
        requests = _requests(server.url)
    except httpx.HTTPError as error:
        healthy, told, requests = False, f"does not answer ({type(error).__name__})", None
    out.print(f"  health    {'[green]✓[/]' if healthy else '[red]✗[/]'} {told}")
    if requests is not None:
        out.print(f"  requests  {sum(requests.values()):,} since then{_failed(requests)}")
    out.print(f"  look      {server.url}/  [dim]the page;[/] {server.url}/monitor  [dim]how the model is doing[/]")
    return healthy


def _requests(url: str) -> dict[str, int]:
    """How many requests were answered, by status; those of probes are left out."""
    from prometheus_client.parser import text_string_to_metric_families

    counted: dict[str, int] = {}
    for family in text_string_to_metric_families(httpx.get(f"{url}/metrics", timeout=SECONDS_TO_ANSWER).text):
        for sample in family.samples:
            if sample.name == "sentiment_requests_total" and sample.labels["endpoint"] not in NO_TRAFFIC:
                status = sample.labels["status"]
                counted[status] = counted.get(status, 0) + int(sample.value)
    return counted


def _failed(requests: dict[str, int]) -> str:
    failed = {status: count for status, count in requests.items() if not status.startswith("2")}
    return f", of them {', '.join(f'{count:,} with {status}' for status, count in failed.items())}" if failed else ""


def _name(server: "Server") -> str:
    return escape(f"{server.config.model_name} version {server.config.model_version}")


def _restart(model_name: str) -> str:
    which = "" if model_name == DEFAULT_MODEL else f" --model {model_name}"
    return f"{run_py(chosen_stack())} serve{which} restart"
