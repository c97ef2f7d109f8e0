"""Typed notebook parameters: what a notebook declares, and whether the values given are allowed.

A notebook declares its parameters in one cell tagged `parameters`, as `alphas: list[float] = [-1, 0, 1]  # what it is`.
papermill takes any name and any type, so that values are checked here: before a kernel starts, and inside the kernel
for whoever calls papermill directly or edits the cell in JupyterLab.
"""

from __future__ import annotations

import ast
import math
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from inspect import formatannotation
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal  # noqa: F401  # which types of parameters name

import yaml
from pydantic import ConfigDict, TypeAdapter, ValidationError

from ..errors import ParameterError, SpecError, nearest
from . import NotebookError

if TYPE_CHECKING:
    from nbformat import NotebookNode

# The parameters that figures share, with one type everywhere; others have the type that their notebook declares.
SHARED = {
    "profile": "str",
    "profiles": "list[str]",
    "alphas": "list[float]",
    "seeds": "int | list[int]",
    "overrides": "dict[str, Any]",
    "on_missing": "Literal['train', 'skip', 'raise']",
    "save": "str",
}
# How messages name the types of some.
_WORDS = {
    "alphas": "a list of numbers, such as [-1, 0, 1],",
    "seeds": "a count, or a list of seeds such as [3, 4],",
    "on_missing": "train, skip or raise",
}
_STRICT = ConfigDict(strict=True)
_INJECTED = "# Parameters\n"  # how the cell begins that papermill adds
_PAPERMILL = {"PAPERMILL_INPUT_PATH", "PAPERMILL_OUTPUT_PATH"}  # of its options --inject-paths and the like


@dataclass(frozen=True)
class Parameter:
    """A declared parameter: its type as the cell writes it ("Any" where it has none), and its default.

    A default that is no literal is the text of its expression.
    """

    annotation: str
    default: Any


def declared(notebook: NotebookNode, name: str) -> dict[str, Parameter]:
    """The parameters of a notebook, in its order; ParameterError unless one cell is tagged so, and is Python."""
    cells = [c.source for c in notebook.cells if c.cell_type == "code" and "parameters" in c.metadata.get("tags", [])]
    if len(cells) != 1:
        raise ParameterError(f"notebook {name}: {len(cells)} cells are tagged `parameters`; one is needed")
    try:
        statements = ast.parse(cells[0]).body
    except SyntaxError as error:
        raise ParameterError(f"notebook {name}: parameters cell, line {error.lineno}: {error.msg}") from None
    found = {}
    for statement in statements:
        match statement:
            case ast.AnnAssign(target=ast.Name(id=target), annotation=kind, value=ast.expr() as value):
                found[target] = Parameter(ast.unparse(kind), _literal(value))
            case ast.Assign(targets=[ast.Name(id=target)], value=value):
                found[target] = Parameter("Any", _literal(value))
    return found


def check(known: Mapping[str, Parameter], given: Mapping[str, Any]) -> dict[str, Any]:
    """The value of every declared parameter, the one given or else the default; ParameterError where it cannot be."""
    _refuse_unknown(given, known)
    fitted = {name: _fit(name, known[name].annotation, value) for name, value in given.items()}
    values = {name: fitted.get(name, parameter.default) for name, parameter in known.items()}
    _check_together(values)
    return values


def check_parameters(namespace: dict[str, Any]) -> None:
    """Check, from inside a notebook, the values that its parameters have: `check_parameters(globals())`.

    Values take the form that their type has: tuples, ranges and arrays become lists. What is not allowed, or a name
    that papermill was given and the notebook does not have, is a ParameterError, shown without a traceback.
    """
    types = namespace.get("__annotations__", {})
    names = [name for name in {**types, **SHARED} if name in namespace]
    try:
        for cell in [cell for cell in namespace.get("In", []) if cell.startswith(_INJECTED)][-1:]:
            assigned = {
                n.id for n in ast.walk(ast.parse(cell)) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)
            }
            _refuse_unknown(assigned - _PAPERMILL, names)
        namespace.update({name: _fit(name, types.get(name, Any), namespace[name]) for name in names})
        _check_together(namespace)
    except ParameterError as error:
        line = f"ParameterError: {error}"
        error._render_traceback_ = lambda: [line]  # type: ignore[attr-defined]  # IPython's hook for its display
        raise


def read_notebook(path: Path) -> NotebookNode:
    """The notebook in `path`, brought up to format 4; NotebookError where there is none."""
    import nbformat

    try:
        return nbformat.reads(path.read_text(encoding="utf-8"), as_version=4)
    except OSError as error:
        raise NotebookError(f"notebook {path}: {error.strerror}") from None
    except (ValueError, TypeError, AttributeError, KeyError, nbformat.ValidationError):
        raise NotebookError(f"notebook {path}: not a Jupyter notebook (JSON with a list of cells)") from None


def _literal(expression: ast.expr) -> Any:
    try:
        return ast.literal_eval(expression)
    except ValueError:
        return ast.unparse(expression)


def _refuse_unknown(given: Iterable[str], known: Collection[str]) -> None:
    for name in sorted(set(map(str, given)) - set(known))[:1]:
        raise ParameterError(f"{name}: no such parameter{nearest(name, known) or ';'} allowed are {', '.join(known)}")


def _fit(name: str, annotation: Any, value: Any) -> Any:
    """A value as its type has it."""
    annotation = SHARED.get(name, annotation)
    plain = _plain(name, value)
    try:
        fitted = TypeAdapter(annotation, config=_STRICT).validate_python(plain)
        if name in SHARED:
            _check_shared(name, fitted)
    except ValidationError as error:
        found = error.errors()[0]["input"]
        kind = _WORDS.get(name) or (annotation if isinstance(annotation, str) else formatannotation(annotation))
        raise ParameterError(
            f"{name}: {repr(found)[:80]} ({type(found).__name__}) given; {kind} is needed{_hint(name, plain)}"
        ) from None
    except SpecError as error:
        raise ParameterError(f"{error}{_hint(name, plain)}") from None
    return fitted


def _check_shared(name: str, value: Any) -> None:
    """What the value of a shared parameter must fulfil beside its type; else SpecError."""
    from ..runs.profiles import check_overrides, find_profile, seed_list  # here: they load torch
    from ..spec import RunSpec

    match name, value:
        case "profile" | "profiles", _:
            for each in [value] if name == "profile" else value:
                find_profile(each)
        case "alphas", _:
            for alpha in value:
                RunSpec(alpha=alpha)
        case "seeds", int() if value < 0:
            raise SpecError(f"seeds: {value} given; a count from 0 on, or a list of seeds, is needed")
        case "seeds", int() | [_, *_] if value:
            seed_list(value)
        case "overrides", _:
            check_overrides(value)
        case "save", str() if value and (there := Path(value).expanduser()).exists() and not there.is_dir():
            raise SpecError(f"save: {value!r} given, which is a file; a folder is needed, there already or new")


def _check_together(values: Mapping[str, Any]) -> None:
    """Whether the overrides fit one of the profile's networks; the figure's own are known in the notebook alone."""
    profile, overrides = values.get("profile"), values.get("overrides")
    if not isinstance(profile, str) or not isinstance(overrides, dict) or not overrides:
        return
    from ..runs import profiles

    refused = []
    for model in profiles.find_profile(profile).models:
        try:
            profiles.profile(profile, model=model, **overrides)
            return
        except SpecError as error:
            refused.append(str(error))
    raise ParameterError(f"overrides: {refused[0]}{_hint('overrides', overrides)}")


def _plain(where: str, value: Any) -> Any:
    """Tuples, ranges and arrays as lists, numpy's scalars as Python's; NaN and infinity are refused at any depth."""
    value = value.tolist() if hasattr(value, "tolist") else value
    if isinstance(value, list | tuple | range):
        return [_plain(f"{where}[{k}]", item) for k, item in enumerate(value)]
    if isinstance(value, dict):
        return {key: _plain(f"{where}[{key!r}]", item) for key, item in value.items()}
    if isinstance(value, float) and not math.isfinite(value):
        raise ParameterError(f"{where}: {value} given; a finite number is needed")
    return value


def _hint(name: str, value: Any) -> str:
    """What to write instead, where a value seems to have become text on its way."""
    if isinstance(value, str) and value.lstrip().startswith(("[", "{")):
        return f"; it arrived as text: pass it as YAML, -y '{name}: {value.strip()}', not with -p"
    for text in re.findall(r"'([-+.\d]+[eE]?[-+]?\d*)'", repr(value)):
        try:
            number = yaml.safe_dump(float(text)).split()[0]
        except ValueError:
            continue
        return f"; {text!r} arrived as text: in YAML write {number}"
    return ""
