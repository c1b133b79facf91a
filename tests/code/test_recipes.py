"""The recipes of CONTRIBUTING.md work: each is applied to a copy of the project, and its check is run there."""

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from sentiment.home import PROJECT

PAGE = PROJECT / "CONTRIBUTING.md"
LIMITS = {
    "A dataset": 1,
    "A source of reviews": 2,
    "A kind of model": 6,
    "A metric in the gate": 3,
    "A stack": 2,
    "A pipeline": 6,
    "A field of the prediction log": 4,
}
# What says what a block is, and the block.
BLOCK = re.compile(r"^(?P<said>[^\n]+)\n\n```(?P<language>\w+)\n(?P<text>.*?)^```$", re.M | re.S)
NEW = re.compile(r"New file `([^`]+)`:")
CHANGED = re.compile(r"Change `([^`]+)`:")


@dataclass
class Recipe:
    """`new`: the text of each new file; `changed`: the hunks of each changed file."""

    limit: int
    new: dict[str, str] = field(default_factory=dict)
    changed: dict[str, list[str]] = field(default_factory=dict)
    check: str = ""
    prints: str = ""


class RecipeError(Exception):
    """A recipe that cannot be read or applied."""


def recipes(page: str) -> dict[str, Recipe]:
    """The recipes of a page, by their titles."""
    section = page.partition("\n## Recipes\n")[2].partition("\n## ")[0]
    found: dict[str, Recipe] = {}
    for part in re.split(r"^### ", section, flags=re.M)[1:]:
        title, _, text = part.partition("\n")
        limit = re.search(r"^At most (\d+) files?\.$", text, re.M)
        if not limit:
            raise RecipeError(f"{title}: no limit")
        found[title] = recipe = Recipe(int(limit[1]))
        if text.count("\n```") != 2 * len(blocks := list(BLOCK.finditer(text))):
            raise RecipeError(f"{title}: a block without the line that says what it is")
        for block in blocks:
            if path := NEW.fullmatch(block["said"]):
                recipe.new[path[1]] = block["text"]
            elif path := CHANGED.fullmatch(block["said"]):
                recipe.changed[path[1]] = re.split(r"^@@\n", block["text"], flags=re.M)
            elif block["said"].startswith("Check it"):
                recipe.check = block["text"]
            elif block["said"] == "It prints:":
                recipe.prints = block["text"]
            else:
                raise RecipeError(f"{title}: what is the block after {block['said']!r}?")
    return found


def apply(recipe: Recipe, folder: Path) -> None:
    """Write the new files and change the others. Raises RecipeError for what does not fit."""
    for name, text in recipe.new.items():
        if (folder / name).exists():
            raise RecipeError(f"{name} is there already")
        if not (folder / name).parent.is_dir():
            raise RecipeError(f"{name}: there is no such folder")
        (folder / name).write_text(text, encoding="utf-8")
    for name, hunks in recipe.changed.items():
        if not (folder / name).is_file():
            raise RecipeError(f"{name} is not there")
        text = (folder / name).read_text(encoding="utf-8")
        for hunk in hunks:
            text = changed(text, hunk, name)
        (folder / name).write_text(text, encoding="utf-8")


def changed(text: str, hunk: str, name: str) -> str:
    """`text` with one hunk applied: the lines that are there already must stand there exactly once."""
    lines = [line or " " for line in hunk.splitlines()]
    if odd := [line for line in lines if line[0] not in " +-"]:
        raise RecipeError(f"{name}: no line of a change: {odd[0]!r}")
    before = "".join(f"{line[1:]}\n" for line in lines if line[0] != "+")
    after = "".join(f"{line[1:]}\n" for line in lines if line[0] != "-")
    found = list(re.finditer(f"^{re.escape(before)}", text, re.M)) if before else []
    if len(found) != 1:
        raise RecipeError(f"{name}: these lines stand there {len(found)} times:\n{before}")
    return text[: found[0].start()] + after + text[found[0].end() :]


RECIPES = recipes(PAGE.read_text(encoding="utf-8"))


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """What git knows of the project."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=PROJECT, capture_output=True, check=True).stdout
    folder = tmp_path / "copy"
    for name in listed.decode().rstrip("\0").split("\0"):
        if (PROJECT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(PROJECT / name, folder / name)
    return folder


def run(command: list[str], folder: Path) -> str:
    """What the command prints, in an environment that knows nothing of this folder."""
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith(("PYTHONPATH", "PYTEST_"))},
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "SENTIMENT_HOME": str(folder.parent / "home"),
        "ZENML_CONFIG_PATH": str(folder.parent / "zenml"),
        "COLUMNS": "200",
    }
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def one_space(text: str) -> str:
    """Columns are as wide as their widest cell."""
    return " ".join(text.split())


def test_every_recipe_has_its_limit() -> None:
    assert {title: recipe.limit for title, recipe in RECIPES.items()} == LIMITS


@pytest.mark.parametrize("title", LIMITS)
def test_a_recipe_does_what_it_says(title: str, copy: Path) -> None:
    recipe = RECIPES[title]
    assert len(recipe.new | recipe.changed) <= LIMITS[title]
    apply(recipe, copy)
    printed = run(["bash", "-ec", recipe.check], copy)
    assert recipe.prints
    assert not [line for line in recipe.prints.splitlines() if one_space(line) not in one_space(printed)], printed
    if modules := [name for name in recipe.new | recipe.changed if name.endswith(".py")]:
        run(["ruff", "check", *modules], copy)
        run(["ruff", "format", "--check", *modules], copy)


def test_a_recipe_that_does_not_fit_is_told(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("one\ntwo\ntwo\n", encoding="utf-8")
    apply(Recipe(1, changed={"a.py": [" one\n+half\n two\n"]}), tmp_path)
    assert (tmp_path / "a.py").read_text(encoding="utf-8") == "one\nhalf\ntwo\ntwo\n"
    for recipe, message in (
        (Recipe(1, changed={"a.py": [" two\n+three\n"]}), "2 times"),
        (Recipe(1, changed={"a.py": ["-three\n"]}), "0 times"),
        (Recipe(1, changed={"a.py": ["+three\n"]}), "0 times"),
        (Recipe(1, changed={"a.py": ["three\n"]}), "no line of a change"),
        (Recipe(1, changed={"b.py": [" two\n"]}), "b.py is not there"),
        (Recipe(1, new={"a.py": ""}), "there already"),
        (Recipe(1, new={"b/a.py": ""}), "no such folder"),
    ):
        with pytest.raises(RecipeError, match=message):
            apply(recipe, tmp_path)
    with pytest.raises(RecipeError, match="what is the block after"):
        recipes("\n## Recipes\n\n### A\n\nAt most 1 file.\n\nSomething:\n\n```text\na\n```\n")
