"""python run.py trace PREDICTION_ID"""

from typing import TYPE_CHECKING

import click
from rich.markup import escape

from cli.console import chosen_stack, out, stack_option
from sentiment.errors import ConfigError, SentimentError

if TYPE_CHECKING:
    from sentiment.registry import Registry
    from sentiment.store.predictions import Traced

TIME = "%Y-%m-%d %H:%M:%S UTC"


@click.command("trace")
@click.argument("prediction_id")
@stack_option
def command(prediction_id: str) -> None:
    """Where an answer came from: the model, its data, its gate, who promoted and deployed it.

    PREDICTION_ID is in every answer of the endpoint, and in the table of scores.
    """
    from sentiment.registry import Registry, default_tracking_uri
    from sentiment.store.database import default_database_url
    from sentiment.store.predictions import trace
    from stacks.catalogue import load_stack

    found = trace(default_database_url(), prediction_id.strip().lower())
    if found is None:
        raise ConfigError(
            f"There is no prediction {prediction_id}.",
            "Write the id of an answer that the endpoint still has: GET /recent shows the latest.",
        )
    _print_answer(found)
    if not found.model_version.isdigit():
        out.print(f"  {'model':<10} {escape(found.model_name)}, version {escape(found.model_version)}: not registered")
        return
    uri = load_stack(chosen_stack()).tracking_uri or default_tracking_uri()
    _print_model(Registry(uri, found.model_name), found)


def _line(name: str, value: str) -> None:
    out.print(f"  {name:<10} {escape(value)}")


def _print_answer(found: "Traced") -> None:
    out.print(f"[bold]{found.id}[/]")
    _line("asked", f"{found.time:{TIME}}, {found.how}")
    _line("text", found.text)
    _line("answer", f"{found.label} {found.confidence:.1%}")
    for answer in found.feedback:
        _line("feedback", f"{answer.label}, {answer.time:{TIME}}, from {answer.source}")


def _print_model(registry: "Registry", found: "Traced") -> None:
    from sentiment.store.database import default_database_url
    from sentiment.store.journal import journal_of

    version = int(found.model_version)
    model = registry.get(version)
    _line("model", f"{found.model_name} version {version}, {model.kind}, {model.status} now: {model.reason}")
    _line("data", _data(registry, version) or f"digest {model.dataset_digest[:12]}")
    _line("gate", model.gate or "none")
    for event in registry.history():
        if event.version == version:
            forced = " BY FORCE, against the gate" if event.forced else ""
            what = f"{event.event.replace('_', ' ')}{forced}, {event.time:{TIME}}, by {event.actor}: {event.reason}"
            _line("history", f"{what}{f' ({event.evidence})' if event.evidence else ''}")
    with journal_of(default_database_url(), found.model_name) as journal:
        deployments = [each for each in journal.entries(("deployment",)) if each.model_version == found.model_version]
    for each in [each for each in deployments if each.time <= found.time][:1]:
        _line("deployed", f"{each.time:{TIME}}: {each.summary}")


def _data(registry: "Registry", version: int) -> str | None:
    from sentiment.retraining.training import dataset_of

    try:
        dataset = dataset_of(registry, version)
    except SentimentError:
        return None
    return f"{dataset}, run {registry.get(version).run_id}" if dataset else None
