"""python run.py predict TEXT ..."""

import json
from collections.abc import Sequence

import click
from rich.markup import escape

from cli.console import chosen_stack, model_option, out, run_py, stack_option


@click.command("predict")
@click.argument("texts", nargs=-1, required=True)
@click.option("--json", "as_json", is_flag=True, help="Print JSON with the probability of every label.")
@model_option
@stack_option
def command(texts: Sequence[str], as_json: bool, model_name: str) -> None:
    """Classify TEXTS with the champion."""
    from sentiment import Predictor
    from sentiment.errors import ConfigError
    from sentiment.text.normalise import says_nothing
    from stacks.catalogue import load_stack

    if nothing := [str(position) for position, text in enumerate(texts, start=1) if says_nothing(text)]:
        raise ConfigError(
            f"Text {', '.join(nothing)} says nothing.",
            f'Give one with words or emoji: {run_py(chosen_stack())} predict "TEXT"',
        )
    predictor = Predictor.champion(load_stack(chosen_stack()).tracking_uri, model_name)
    predictions = predictor.predict(list(texts), return_probs=True)
    if as_json:
        click.echo(json.dumps(predictions, ensure_ascii=False, indent=2))
        return
    for prediction in predictions:
        out.print(f"[bold]{prediction['label']}[/] {prediction['confidence']:.1%}  {escape(prediction['text'])}")
