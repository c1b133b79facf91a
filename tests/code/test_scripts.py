"""Scripts that no other code imports find what they import: modules move, and these are run once in months.

By reading: to import all of them takes longer than the other tests here.
"""

import ast
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from sentiment.home import PROJECT

SCRIPTS = [
    path
    for folder in ("benchmarks", "docs", "deploy")
    for path in sorted((PROJECT / folder).rglob("*.py"))
    if "airflow" not in path.parts  # Airflow has an environment of its own: make test-airflow
]


def imports(path: Path) -> Iterator[tuple[str, str | None]]:
    """Every module that a script imports, also inside a function, with the name that is taken from it."""
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Import):
            yield from ((alias.name, None) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from ((str(node.module), alias.name) for alias in node.names)


def file_of(module: str, folders: tuple[Path, ...]) -> Path | None:
    """The file of a module below one of `folders`; None for any other."""
    paths = [folder.joinpath(*module.split(".")) for folder in folders]
    files = [file for path in paths for file in (path / "__init__.py", path.with_suffix(".py"))]
    return next(filter(Path.is_file, files), None)


def defined(path: Path) -> set[str]:
    """The names of a module; those of its functions too, and what `__all__` promises."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.alias):
            names.add(node.asname or node.name)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
        elif isinstance(node, ast.List) and all(isinstance(each, ast.Constant) for each in node.elts):
            names.update(str(each.value) for each in node.elts if isinstance(each, ast.Constant))
    return names


def is_found(module: str, name: str | None, script: Path) -> bool:
    top = module.partition(".")[0]
    if not (PROJECT / top).is_dir() and not (PROJECT / f"{top}.py").is_file() and not file_of(top, (script.parent,)):
        return find_spec(top) is not None
    folders = (PROJECT, script.parent)
    if name and file_of(f"{module}.{name}", folders):
        return True
    file = file_of(module, folders)
    return file is not None and (name is None or name in defined(file))


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: str(path.relative_to(PROJECT)))
def test_a_script_finds_what_it_imports(script: Path) -> None:
    assert not [(module, name) for module, name in imports(script) if not is_found(module, name, script)]


def test_a_name_that_moved_is_noticed(tmp_path: Path) -> None:
    script = tmp_path / "old.py"
    script.write_text(
        "from sentiment import stored\nfrom sentiment.closure import Closure, Moved\n"
        "def late():\n    import sentiment.moved\n"
    )
    lost = [(module, name) for module, name in imports(script) if not is_found(module, name, script)]
    assert sorted(lost, key=str) == [("sentiment.closure", "Moved"), ("sentiment.moved", None)]
