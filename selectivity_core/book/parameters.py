"""Typed notebook parameters: what a notebook declares, and whether what it was given fits.

A notebook declares its parameters in one cell tagged `parameters` that holds nothing but lines such as
`alphas: list[float] = [-1, 0, 1]  # regulariser scales`. papermill itself takes any name and any type, so the
check is made here: before a kernel starts, and again inside the kernel for whoever calls papermill directly.
"""

from __future__ import annotations

import ast
import difflib
import io
import math
import re
import tokenize
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from selectivity_core.book.annotations import SUPPORTED, Mismatch, convert, supported, yaml_float
from selectivity_core.errors import NotebookError, ParameterError

if TYPE_CHECKING:
    from nbformat import NotebookNode

_INJECTED_HEADER = "# Parameters"  # the first line of the cell that papermill adds
_LINE_FORM = "`name: type = literal  # what it is`"


@dataclass(frozen=True)
class Parameter:
    """One declared parameter: name, annotation, default (as the annotation has it) and trailing comment."""

    name: str
    annotation: str
    default: Any
    help: str


def _hint(parameter: Parameter, value: Any) -> str:
    if isinstance(value, float) and not math.isfinite(value):
        return "; only finite numbers"
    if not isinstance(value, str):
        return ""
    if value.lstrip().startswith(("[", "{")) and re.match(r"list|dict", parameter.annotation):
        return f"; it arrived as text: pass it as YAML, -y '{parameter.name}: {value.strip()}', not with -p"
    number = yaml_float(value) if "float" in parameter.annotation else None
    return "" if number is None else f"; it arrived as text: in YAML write {number}, without quotes"


def _fit(parameter: Parameter, value: Any) -> Any:
    try:
        return convert(parameter.annotation, value)
    except Mismatch as found:
        raise ParameterError(
            f"parameter {parameter.name}{found.where}: got {found.value!r} ({type(found.value).__name__}); "
            f"allowed for {parameter.name}: {parameter.annotation}{_hint(parameter, found.value)}"
        ) from None


def declared(source: str) -> dict[str, Parameter]:
    """Return what a parameters cell declares, in its order.

    Args:
        source: the cell's text: annotated assignments of literals, each with a trailing comment.

    Raises:
        ParameterError: for anything else in the cell, naming the line.
    """
    try:
        statements = ast.parse(source).body
    except SyntaxError as error:
        raise ParameterError(f"parameters cell, line {error.lineno}: not Python: {error.msg}") from None
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    comments = {t.start[0]: t.string.lstrip("#").strip() for t in tokens if t.type == tokenize.COMMENT}
    found: dict[str, Parameter] = {}
    for statement in statements:
        text = ast.unparse(statement).splitlines()[0]
        place = f"parameters cell, line {statement.lineno}: `{text}`"
        match statement:
            case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value):
                pass
            case _:
                raise ParameterError(f"{place} must read {_LINE_FORM}")
        if name in found:
            raise ParameterError(f"{place} declares {name} a second time")
        annotation = ast.unparse(statement.annotation)
        if not supported(statement.annotation):
            raise ParameterError(f"{place} has the type {annotation}; allowed: {SUPPORTED}")
        help_text = comments.get(statement.end_lineno or statement.lineno, "")
        if not help_text:
            raise ParameterError(f"{place} has no comment; it must read {_LINE_FORM}")
        try:
            default = ast.literal_eval(value)
        except ValueError:
            raise ParameterError(f"{place} has a default that is not a literal; it must read {_LINE_FORM}") from None
        found[name] = Parameter(name, annotation, _fit(Parameter(name, annotation, None, ""), default), help_text)
    if not found:
        raise ParameterError(f"the parameters cell declares nothing; its lines must read {_LINE_FORM}")
    return found


def check(known: Mapping[str, Parameter], given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the value of every declared parameter: the one given, else the default.

    Raises:
        ParameterError: for an unknown name or a value that the annotation does not allow.
    """
    for name in given:
        if name not in known:
            near = difflib.get_close_matches(str(name), known, n=1)
            guess = f"did you mean {near[0]}? " if near else ""
            raise ParameterError(f"unknown parameter {name}: {guess}allowed: {', '.join(known)}")
    return {name: _fit(p, given[name]) if name in given else p.default for name, p in known.items()}


def check_injected() -> None:
    """Refuse, from inside a notebook, parameters that the notebook does not declare or of the wrong type.

    Called in the first code cell after the parameters cell. It reads the cells run so far, since papermill
    puts what it was given into a cell of its own and runs it whatever it says.

    Raises:
        ParameterError: naming the parameter; shown without the frames of this package.
    """
    try:
        from IPython import get_ipython
    except ImportError:
        shell = None
    else:
        shell = get_ipython()
    if shell is None:
        raise ParameterError("check_injected() reads a notebook's cells: it only works inside a running notebook")
    try:
        known, names = _from_history([str(cell) for cell in shell.user_ns["In"]])
        missing = [name for name in known if name not in shell.user_ns]
        if missing:
            raise ParameterError(f"parameter {missing[0]} is declared but has no value: run the parameters cell")
        check(known, {name: shell.user_ns[name] for name in names})
    except ParameterError as error:
        line = f"ParameterError: {error}"
        error._render_traceback_ = lambda: [line]  # type: ignore[attr-defined]  # IPython's hook for its display
        raise error from None


def _from_history(cells: list[str]) -> tuple[dict[str, Parameter], list[str]]:
    """Return the latest declarations among `cells` and every name set by them or injected after them."""
    refused: ParameterError | None = None
    for index in range(len(cells) - 1, -1, -1):
        try:
            known = declared(cells[index])
        except ParameterError as error:
            if re.search(r"^\w+ *:[^=\n]+=", cells[index], flags=re.MULTILINE):
                refused = error
            continue
        injected = [cell for cell in cells[index + 1 :] if cell.startswith(_INJECTED_HEADER)][-1:]
        assigned = [node for cell in injected for node in ast.parse(cell).body if isinstance(node, ast.Assign)]
        names = [target.id for node in assigned for target in node.targets if isinstance(target, ast.Name)]
        return known, list(dict.fromkeys([*known, *names]))
    raise refused or ParameterError("no cell before this one declares parameters; run the parameters cell first")


def read_notebook(path: Path) -> NotebookNode:
    """Return the notebook in `path`, brought up to format 4.

    Raises:
        NotebookError: where there is no such file or it is not a notebook.
    """
    import nbformat

    try:
        return nbformat.reads(path.read_text(encoding="utf-8"), as_version=4)
    except OSError as error:
        raise NotebookError(f"notebook {path}: {error.strerror}") from None
    except (ValueError, TypeError, AttributeError, KeyError, nbformat.ValidationError):
        raise NotebookError(f"notebook {path}: not a Jupyter notebook (JSON with a list of cells)") from None


def from_notebook(path: Path) -> dict[str, Parameter]:
    """Return what the notebook in `path` declares in its one cell tagged `parameters`.

    Raises:
        NotebookError: where `path` is no notebook.
        ParameterError: where it has no such cell, more than one, or one that `declared` refuses.
    """
    cells = read_notebook(path).cells
    tagged = [c.source for c in cells if c.cell_type == "code" and "parameters" in c.metadata.get("tags", [])]
    if len(tagged) != 1:
        raise ParameterError(f"notebook {path}: {len(tagged)} cells are tagged `parameters`; there must be one")
    try:
        return declared(tagged[0])
    except ParameterError as error:
        raise ParameterError(f"notebook {path}: {error}") from None
