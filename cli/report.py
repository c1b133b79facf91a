"""python run.py report"""

import webbrowser
from pathlib import Path

import click
from rich.markup import escape

from cli.console import chosen_stack, model_option, out, run_py, stack_option
from sentiment.errors import ConfigError
from sentiment.home import home


@click.command("report")
@click.argument("version", type=int, required=False)
@click.option("--open", "show", is_flag=True, help="Open it in a browser.")
@stack_option
@model_option
def command(version: int | None, show: bool, model_name: str) -> None:
    """The report of the run that trained VERSION, else the newest version, as one HTML file.

    It has the verdict, the contenders, the checks, the mistakes, the slices and the model card.
    """
    from sentiment.registry import Registry, default_tracking_uri
    from stacks.catalogue import load_stack

    registry = Registry(load_stack(chosen_stack()).tracking_uri or default_tracking_uri(), model_name)
    if version is None:
        version = max((each.version for each in registry.versions()), default=None)
    if version is None:
        raise ConfigError(f"{model_name} has no versions yet.", f"{run_py(chosen_stack())} train")
    found = registry.get(version)
    path = home() / "reports" / f"{model_name}-{version}.html"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(registry.page(version), encoding="utf-8")
    forced = " BY FORCE, against the gate" if any(e.forced and e.version == version for e in registry.history()) else ""
    why = found.reason or found.refusal or ""
    out.print(f"[bold]{model_name} version {version}[/], {found.standing}{forced}: {escape(why)}".rstrip(": "))
    out.print(escape(_short(path)))
    if show and not webbrowser.open(path.as_uri()):
        out.print("No browser was found here: open the file yourself.")


def _short(path: Path) -> str:
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)
