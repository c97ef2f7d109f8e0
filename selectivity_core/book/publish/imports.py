"""Who imports whom in a package, read from its source: nothing is imported."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

from ...errors import BookError


@dataclass(frozen=True)
class Imports:
    """The imports of a package.

    Attributes:
        package: its name.
        modules: module (dotted, the package's own name left out) -> modules of the package that it imports.
        says: module -> the first line of its docstring.
    """

    package: str
    modules: dict[str, set[str]]
    says: dict[str, str]

    def rooms(self) -> dict[str, set[str]]:
        """The same one level up: modules and folders that lie directly in the package, without the package itself."""
        found: dict[str, set[str]] = {room_of(module): set() for module in self.modules if module}
        for module, imported in self.modules.items():
            if module:
                found[room_of(module)] |= {room_of(other) for other in imported if other} - {room_of(module)}
        return found

    def files_of(self, room: str) -> int:
        """How many files a room has."""
        return sum(bool(module) and room_of(module) == room for module in self.modules)


def room_of(module: str) -> str:
    """The module or folder directly in the package that a module belongs to."""
    return module.partition(".")[0]


def read_imports(package: Path) -> Imports:
    """The imports of every file of a package, those inside functions and those for types alone too.

    Raises:
        BookError: a file that is no Python.
    """
    files = {_dotted(path, package): path for path in sorted(package.rglob("*.py"))}
    modules, says = {}, {}
    for module, path in files.items():
        try:
            tree = ast.parse(path.read_text(encoding="utf-8"))
        except SyntaxError as error:
            raise BookError(f"{path}: line {error.lineno} is no Python: {error.msg}") from error
        folder = module if path.name == "__init__.py" else module.rpartition(".")[0]
        modules[module] = {m for m in _imported(tree, folder, package.name, set(files)) if m != module}
        says[module] = (ast.get_docstring(tree) or "").partition("\n")[0]
    return Imports(package.name, modules, says)


def circle(graph: dict[str, set[str]]) -> list[str]:
    """Names that import each other in a circle, in its order, the first once more at the end; empty where none do."""
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return list(reversed(error.args[1]))  # it lists what is imported before what imports it
    return []


def _dotted(path: Path, package: Path) -> str:
    parts = path.relative_to(package).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _imported(tree: ast.Module, folder: str, package: str, known: set[str]) -> Iterator[str]:
    """Modules of the package that a file names: `known` says which there are, `folder` where it lies."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name.partition(".") for alias in node.names]
            yield from (rest for first, _, rest in names if first == package and rest in known)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                above = folder.split(".")[: folder.count(".") + 2 - node.level] if folder else []
                base = ".".join([*above, *([base] if base else [])])
            elif base.partition(".")[0] == package:
                base = base.partition(".")[2]
            else:
                continue
            for alias in node.names:  # `from .a import b` names the module a.b where there is one
                whole = f"{base}.{alias.name}".strip(".")
                yield whole if whole in known else base
