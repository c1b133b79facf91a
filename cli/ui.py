"""python run.py ui"""

import signal
import socket
import webbrowser
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

import click
import uvicorn
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from cli.console import chosen_stack, out, stack_option
from cli.fixes import pasted
from sentiment.errors import SentimentError, StackError
from sentiment.home import home

if TYPE_CHECKING:
    from sentiment.pages.start import Endpoint, Model, Run
    from stacks.companions import Companion

HOST = "127.0.0.1"
PORT = 8300
SECURITY = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:; base-uri 'none'"


@click.command("ui")
@click.option(
    "--port", type=click.IntRange(1, 65535), help=f"Where to listen.  [default: {PORT}, or a free one when it is taken]"
)
@click.option("--open", "show", is_flag=True, help="Open it in a browser.")
@stack_option
def command(port: int | None, show: bool) -> None:
    """A start page on this machine: last runs, champion, reports, endpoint, and the ways to ZenML and MLflow.

    Ctrl-C or SIGTERM end it with all that it started.
    """
    from stacks.catalogue import load_stack

    stack = load_stack(chosen_stack())
    from pipelines.common.logs import logs_to

    with ExitStack() as until_the_end:
        until_the_end.enter_context(logs_to(home() / "logs" / "ui.log"))
        from sentiment.registry import default_tracking_uri
        from stacks.companions import mlflow_pages, zenml_dashboard
        from stacks.doctor import require_healthy
        from stacks.ensure import use_stack
        from stacks.reach import zenml_reached, zenml_store

        listener = until_the_end.enter_context(_listening(port))
        require_healthy([zenml_store(stack)])
        until_the_end.enter_context(zenml_reached())
        until_the_end.enter_context(use_stack(stack))
        uri = stack.tracking_uri or default_tracking_uri()
        zenml, mlflow = zenml_dashboard(), mlflow_pages(uri)
        until_the_end.callback(mlflow.end)
        until_the_end.callback(zenml.end)
        url = f"http://{HOST}:{listener.getsockname()[1]}/"
        out.print(f"[bold]{url}[/]  [dim]the start page; Ctrl-C ends it[/]")
        if show and not webbrowser.open(url):
            out.print("No browser was found here: open the address yourself.")
        config = uvicorn.Config(application(uri, zenml, mlflow), log_config=None, access_log=False)
        _Server(config).run(sockets=[listener])
    out.print("Stopped.")


def application(tracking_uri: str, zenml: "Companion", mlflow: "Companion") -> Starlette:
    """The start page, the reports, and the redirects to ZenML and MLflow, which start with the first of them."""

    def start(_: Request) -> Response:
        from sentiment.pages.start import start_page

        return HTMLResponse(start_page(*_shown(tracking_uri)))

    def report(request: Request) -> Response:
        from sentiment.registry import Registry

        return HTMLResponse(Registry(tracking_uri, request.path_params["model"]).page(request.path_params["version"]))

    def to_zenml(request: Request) -> Response:
        from zenml.client import Client

        run = request.query_params.get("run")
        project = Client().active_project.name
        return RedirectResponse(f"{zenml.url()}/projects/{project}/runs{f'/{run}' if run else ''}")

    def to_mlflow(_: Request) -> Response:
        return RedirectResponse(f"{mlflow.url()}/#/models")

    return Starlette(
        routes=[
            Route("/", _answering(start)),
            Route("/report/{model}/{version:int}", _answering(report)),
            Route("/zenml", _answering(to_zenml)),
            Route("/mlflow", _answering(to_mlflow)),
        ],
        # Else a page elsewhere could read this one under a name of its own.
        middleware=[Middleware(TrustedHostMiddleware, allowed_hosts=[HOST, "localhost"])],
    )


def _answering(endpoint: Callable[[Request], Response]) -> Callable[[Request], Response]:
    """The endpoint's answer, or the sentence of what it raised."""

    def answer(request: Request) -> Response:
        from sentiment.pages.start import sentence_page

        try:
            response = endpoint(request)
        except SentimentError as error:
            response = HTMLResponse(sentence_page(error.cause, pasted(error.fix)), status_code=404)
        response.headers["Content-Security-Policy"] = SECURITY
        return response

    return answer


def _shown(tracking_uri: str) -> "tuple[list[Run], list[Model], list[Endpoint]]":
    from pipelines.common.overview import last_runs
    from sentiment.pages.start import Endpoint, Model
    from sentiment.registry import Registry
    from stacks.model_deployer import active_deployer

    registries = [Registry(tracking_uri, name) for name in Registry(tracking_uri).names()]
    models = [Model(each.model_name, each.versions(), each.history()) for each in registries]
    try:
        deployer = active_deployer()
    except StackError:
        return last_runs(), models, []
    endpoints = [
        Endpoint(model.name, server.config.model_version, server.url, running.what if running else None)
        for model in models
        for server in deployer.servers(model.name)
        for running in [server.running()]
    ]
    return last_runs(), models, endpoints


@contextmanager
def _listening(port: int | None) -> Iterator[socket.socket]:
    """The address. Raises StackError when the port that was asked for is taken."""
    for each in (port,) if port else (PORT, 0):
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with listener:
            try:
                listener.bind((HOST, each))
                listener.listen()
            except OSError as error:
                if each != PORT or port:
                    cause = f"Port {each} of {HOST} is in use: {error.strerror}."
                    raise StackError(cause, "Take a free one: python run.py ui") from None
                continue
            yield listener
            return


class _Server(uvicorn.Server):
    """One that only stops at a signal: uvicorn's own sends it again, and ends the process before its children are."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Heed SIGINT and SIGTERM."""
        for each in (signal.SIGINT, signal.SIGTERM):
            signal.signal(each, self.handle_exit)
        yield
