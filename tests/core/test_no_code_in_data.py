"""Nothing that is read can run: the package loads no pickle, in whatever disguise."""

import ast
from pathlib import Path

import pytest

import selectivity_core

SOURCES = sorted(Path(selectivity_core.__file__).parent.rglob("*.py"))
CODE_IN_DATA = {"pickle", "cPickle", "dill", "cloudpickle", "shelve", "marshal"}
# call -> the argument that makes it safe, and the value that it must have there
NEEDS = {
    "torch.load": ("weights_only", True),
    "np.load": ("allow_pickle", False),
    "numpy.load": ("allow_pickle", False),
}
NEVER = {"joblib.load", "yaml.load", "yaml.unsafe_load", "pd.read_pickle", "pandas.read_pickle", "eval", "exec"}


def wrong(tree: ast.AST) -> list[str]:
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [a.name for a in node.names if a.name.partition(".")[0] in CODE_IN_DATA]
        elif isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] in CODE_IN_DATA:
            found.append(node.module)
        elif isinstance(node, ast.Call):
            name = ast.unparse(node.func)
            given = {k.arg: getattr(k.value, "value", None) for k in node.keywords}
            if name in NEVER or (name in NEEDS and given.get(NEEDS[name][0], "absent") is not NEEDS[name][1]):
                found.append(name)
    return found


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: p.relative_to(SOURCES[0].parent).as_posix())
def test_no_module_loads_code_from_data(path):
    assert wrong(ast.parse(path.read_text())) == []


@pytest.mark.fault("calls in the package that could run what is in data", "inert")
@pytest.mark.parametrize(
    "text",
    [
        "import pickle", "from pickle import loads", "import os, shelve", "torch.load(f)", "eval(x)", "joblib.load(f)",
        "torch.load(f, weights_only=False)", "np.load(f)", "np.load(f, allow_pickle=True)", "yaml.load(f, Loader)",
    ],
)  # fmt: skip
def test_the_check_sees_each_way(text):
    assert len(wrong(ast.parse(text))) == 1


def test_the_check_lets_the_safe_ways_pass():
    assert wrong(ast.parse("torch.load(f, weights_only=True); np.load(f, allow_pickle=False); yaml.safe_load(f)")) == []
