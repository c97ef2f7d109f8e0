"""Which values the annotation of a notebook parameter allows."""

from __future__ import annotations

import ast
import math
from typing import Any

SUPPORTED = "str, int, float, bool, list[T], dict, dict[str, T], T | None"
_SCALARS: dict[str, type] = {"str": str, "int": int, "float": float, "bool": bool}


class Mismatch(Exception):
    """A value that an annotation does not allow: `where` inside the parameter, and the value there."""

    def __init__(self, where: str, value: Any) -> None:
        super().__init__(where)
        self.where, self.value = where, value


def supported(kind: ast.expr) -> bool:
    """Whether an annotation, parsed, is one of those in SUPPORTED."""
    match kind:
        case ast.BinOp(left=left, op=ast.BitOr(), right=ast.Constant(value=None)):
            return supported(left)
        case ast.Subscript(value=ast.Name(id="list"), slice=item):
            return supported(item)
        case ast.Subscript(value=ast.Name(id="dict"), slice=ast.Tuple(elts=[ast.Name(id="str"), item])):
            return supported(item)
        case ast.Name(id=name):
            return name == "dict" or name in _SCALARS
    return False


def convert(annotation: str, value: Any) -> Any:
    """Return `value` as a supported annotation has it: ints become floats where floats are asked for.

    Raises:
        Mismatch: where the annotation does not allow it; booleans are no numbers, NaN and infinity no floats.
    """
    return _convert(ast.parse(annotation, mode="eval").body, value, "")


def _convert(kind: ast.expr, value: Any, where: str) -> Any:
    match kind, value:
        case ast.BinOp(left=left), _:
            return None if value is None else _convert(left, value, where)
        case ast.Subscript(value=ast.Name(id="list"), slice=item), list():
            return [_convert(item, each, f"{where}[{i}]") for i, each in enumerate(value)]
        case ast.Subscript(slice=ast.Tuple(elts=[_, item])), dict():
            return {_key(k, where): _convert(item, each, f"{where}[{k!r}]") for k, each in value.items()}
        case ast.Name(id="dict"), dict():
            return {_key(k, where): _plain(each, f"{where}[{k!r}]") for k, each in value.items()}
        case ast.Name(id="float"), int() | float() if not isinstance(value, bool):
            return _finite(value, where)
        case ast.Name(id=name), _ if type(value) is _SCALARS.get(name):
            return value
    raise Mismatch(where, value)


def _finite(value: float, where: str) -> float:
    try:
        number = float(value)
    except OverflowError:  # an int beyond the floats
        number = math.inf
    if not math.isfinite(number):
        raise Mismatch(where, value)
    return number


def _key(key: Any, where: str) -> str:
    if type(key) is not str:
        raise Mismatch(f"{where} key", key)
    return key


def _plain(value: Any, where: str) -> Any:
    """Check what a bare `dict` may hold: text, numbers, booleans, None, and lists and dicts of them."""
    if isinstance(value, list):
        return [_plain(each, f"{where}[{i}]") for i, each in enumerate(value)]
    if isinstance(value, dict):
        return {_key(k, where): _plain(each, f"{where}[{k!r}]") for k, each in value.items()}
    if type(value) is float:
        return _finite(value, where)
    if value is None or type(value) in (str, int, bool):
        return value
    raise Mismatch(where, value)


def yaml_float(text: str) -> str | None:
    """Return the spelling that YAML reads as the number in `text`, or None where it is no finite number."""
    try:
        number = float(text)
    except ValueError:
        return None
    if not math.isfinite(number):
        return None
    mantissa, _, exponent = text.strip().lower().partition("e")
    if not exponent:
        return repr(number)
    return f"{mantissa if '.' in mantissa else mantissa + '.0'}e{int(exponent):+d}"
