import ast
import math

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from selectivity_core.book.annotations import Mismatch, convert, supported, yaml_float


@pytest.mark.parametrize(
    "annotation",
    [
        "str",
        "int",
        "float",
        "bool",
        "dict",
        "list[str]",
        "list[list[int]]",
        "dict[str, float]",
        "float | None",
    ],
)
def test_supported(annotation):
    assert supported(ast.parse(annotation, mode="eval").body)


@pytest.mark.parametrize(
    "annotation",
    ["list", "tuple[int]", "dict[int, str]", "int | str", "Any", "set[int]", "'int'", "None", "list[Any]"],
)
def test_not_supported(annotation):
    assert not supported(ast.parse(annotation, mode="eval").body)


@pytest.mark.parametrize(
    ("annotation", "value", "expected"),
    [
        ("float", 1, 1.0),
        ("list[float]", [], []),
        ("list[float]", [-1, 0.5], [-1.0, 0.5]),
        ("float | None", None, None),
        ("float | None", 2, 2.0),
        ("list[int] | None", [2], [2]),
        ("dict[str, float]", {"a": 1}, {"a": 1.0}),
        ("dict", {"a": [1, None, {"b": True}]}, {"a": [1, None, {"b": True}]}),
        ("bool", False, False),
    ],
)
def test_convert(annotation, value, expected):
    result = convert(annotation, value)
    assert result == expected
    assert repr(result) == repr(expected)  # 1 == 1.0 == True would pass without it


@pytest.mark.parametrize(
    ("annotation", "value", "where", "found"),
    [
        ("float", True, "", True),
        ("int", True, "", True),
        ("int", 1.0, "", 1.0),
        ("bool", 1, "", 1),
        ("str", 1, "", 1),
        ("str", None, "", None),
        ("float", math.inf, "", math.inf),
        ("float", 10**400, "", 10**400),
        ("list[float]", (1.0,), "", (1.0,)),
        ("list[float]", [0.0, "1"], "[1]", "1"),
        ("list[list[int]]", [[1], [2, None]], "[1][1]", None),
        ("dict[str, int]", {"a": 1, "b": "x"}, "['b']", "x"),
        ("dict[str, int]", {3: 1}, " key", 3),
        ("dict", {"a": [math.inf]}, "['a'][0]", math.inf),
        ("dict", {"a": {1: 2}}, "['a'] key", 1),
        ("dict", {"a": (1,)}, "['a']", (1,)),
    ],
)
def test_convert_refuses(annotation, value, where, found):
    with pytest.raises(Mismatch) as caught:
        convert(annotation, value)
    assert (caught.value.where, caught.value.value) == (where, found)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("1e-4", "1.0e-4"), ("-1E4", "-1.0e+4"), ("2.5e3", "2.5e+3"), ("7", "7.0"), ("x", None), ("nan", None)],
)
def test_yaml_float(text, expected):
    assert yaml_float(text) == expected


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_yaml_reads_the_suggested_spelling_as_the_number_meant(number):
    assert yaml.safe_load(yaml_float(repr(number))) == number
