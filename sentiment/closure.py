"""Which code a module runs: the files of this project it imports, directly or not, and the packages these need.

Found by reading, not by importing. A function-level import counts; one under `if TYPE_CHECKING:` does not, nor does a
name that is put together while the program runs. A function that goes through its package with
`iter_modules(__path__)` and calls `import_module` imports all of the package's modules.
"""

import ast
import hashlib
import pkgutil
from collections.abc import Iterable, Iterator
from functools import cache, lru_cache
from importlib.metadata import packages_distributions, version
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

from sentiment.home import PROJECT

# Folders that hold the standard library and installed packages.
INSTALLED = frozenset({"site-packages", "lib", "lib64"})
# In place of the names of all modules of a package.
ITS_PACKAGE = "*its modules"


class Closure(NamedTuple):
    """`files` of the project or of the user's own modules, by module name; `packages` by their import names."""

    files: dict[str, Path]
    packages: frozenset[str]

    def digest(self) -> str:
        """SHA-256 over the files and the installed versions of the packages."""
        digest = hashlib.sha256()
        for name, path in sorted(self.files.items()):
            digest.update(f"{name}\0".encode() + path.read_bytes())
        for name, found in sorted(versions(self.packages).items()):
            digest.update(f"{name}=={found}\0".encode())
        return digest.hexdigest()


def import_closure(modules: Iterable[str]) -> Closure:
    """The closure of `modules` (dotted names) together.

    Raises ModuleNotFoundError for a name that is neither of the project nor a module of the user's own.
    """
    find = _Finder()
    waiting = list(modules)
    for module in waiting:
        if find.file_of(module) is None:
            raise ModuleNotFoundError(f"No module named {module!r} in the project or the working folder.", name=module)
    files: dict[str, Path] = {}
    packages: set[str] = set()
    while waiting:
        module = waiting.pop()
        path = find.file_of(module)
        if path is None:
            packages.add(module.partition(".")[0])
        elif module not in files:
            files[module] = path
            waiting += [*_parents(module), *_imported(module, path, find)]
    return Closure(files, frozenset(packages))


def versions(packages: Iterable[str]) -> dict[str, str]:
    """The installed version of each distribution behind these import names; the standard library has none."""
    distributions = _distributions()
    return {found: version(found) for name in packages for found in distributions.get(name, ())}


@cache
def _distributions() -> dict[str, list[str]]:
    return {name: list(found) for name, found in packages_distributions().items()}


class _Finder:
    """Where modules of the project, and a user's own, are; what it found is kept for one closure."""

    def __init__(self) -> None:
        self._roots: dict[str, Path | None] = {}

    def file_of(self, module: str) -> Path | None:
        """None for an installed package, and for what is not a module."""
        top, *rest = module.split(".")
        if top not in self._roots:
            self._roots[top] = _root_of(top)
        root = self._roots[top]
        if root is None:
            return None
        path = root.joinpath(top, *rest)
        return next((file for file in (path / "__init__.py", path.with_suffix(".py")) if file.is_file()), None)


def _root_of(top: str) -> Path | None:
    """The folder from which `top` is imported, when it is the project's or a user's own."""
    if (PROJECT / top).is_dir() or (PROJECT / f"{top}.py").is_file():
        return PROJECT
    try:
        spec = find_spec(top)
    except ValueError:  # a running script has no spec
        return None
    file = Path(spec.origin) if spec and spec.has_location and spec.origin else None
    if file is None or INSTALLED & set(file.parts):
        return None
    return file.parents[1] if file.name == "__init__.py" else file.parent


def _parents(module: str) -> list[str]:
    parts = module.split(".")
    return [".".join(parts[:end]) for end in range(1, len(parts))]


def _imported(module: str, path: Path, find: _Finder) -> Iterator[str]:
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    for base, names in _statements(path.read_bytes(), package):
        yield base
        if ITS_PACKAGE in names:
            yield from (f"{base}.{each.name}" for each in pkgutil.iter_modules([str(path.parent)]))
        # What is imported from a package may be a module of it.
        yield from (name for each in names if find.file_of(name := f"{base}.{each}"))


@lru_cache(maxsize=2048)
def _statements(source: bytes, package: str) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """What a module of `package` imports: modules, each with the names that are imported from it.

    Read once, however many closures go through it.
    """
    found: list[tuple[str, tuple[str, ...]]] = []
    for node in _runtime_nodes(ast.parse(source)):
        if isinstance(node, ast.Import):
            found += [(alias.name, ()) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            found.append((_absolute(node, package), tuple(alias.name for alias in node.names)))
        elif isinstance(node, ast.FunctionDef) and _imports_its_package(node):
            found.append((package, (ITS_PACKAGE,)))
    return tuple(found)


def _imports_its_package(function: ast.FunctionDef) -> bool:
    calls = [ast.unparse(node) for node in ast.walk(function) if isinstance(node, ast.Call)]
    return any(call.endswith("iter_modules(__path__)") for call in calls) and any(
        call.startswith("import_module(") for call in calls
    )


def _runtime_nodes(tree: ast.AST) -> Iterator[ast.AST]:
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING"):
            continue
        yield node
        yield from _runtime_nodes(node)


def _absolute(node: ast.ImportFrom, package: str) -> str:
    if not node.level:
        return str(node.module)
    parts = package.split(".")
    base = parts[: len(parts) - node.level + 1]
    return ".".join([*base, *([node.module] if node.module else [])])
