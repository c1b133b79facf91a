"""python run.py reproduce VERSION"""

import sys
from typing import TYPE_CHECKING

import click
from rich.markup import escape

from cli.console import chosen_stack, model_option, out, run_log, stack_option

if TYPE_CHECKING:
    from sentiment.retraining.reproduction import Reproduction


@click.command("reproduce")
@click.argument("version")
@model_option
@stack_option
def command(version: str, model_name: str) -> None:
    """Train VERSION again on this machine, on the very rows it learnt from, and compare.

    VERSION is a number, or the digest in the model's card. Nothing is registered. Exit code 1 when another model
    comes out.
    """
    with run_log("reproduce"):
        found = _reproduce(version, model_name)
    out.print(f"[bold {'green' if found.reproduced else 'red'}]{escape(found.summary)}[/]")
    sys.exit(0 if found.reproduced else 1)


def _reproduce(wanted: str, model_name: str) -> "Reproduction":
    from pipelines.common.launching import registry_of, stored_splits
    from sentiment.retraining.reproduction import find_version, reproduce
    from stacks.catalogue import load_stack

    stack = load_stack(chosen_stack())
    registry = registry_of(stack, model_name)
    found = find_version(registry, wanted)
    train, validation = stored_splits(stack, found)
    model = found.tags.get("candidate", found.kind)
    out.print(f"  version {found.version}, {escape(model)}: training again on {len(train):,} rows ...")
    return reproduce(registry, found, train, validation)
