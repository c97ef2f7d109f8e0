"""Adding a figure takes one notebook and one register entry; adding a network, one function. Done in a copy."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).resolve().parents[2]
ENTRY = """    FigureEntry(
        "added", BOOK, "B99", "An added figure", "99_added",
        (Panel("a", "accuracy", "resnet20", "test accuracy by α"), Panel("b", "by_alpha", "resnet20", "SI by α", "si")),
    ),
)  # fmt: skip
"""
NETWORK = '''"""Two convolutions."""

from torch import nn

from .network import Chain, Units, conv3x3, initialise, mean_over_positions
from .registry import register


@register("two", title="Two convolutions")
def two(*, channels, image_size, classes, width, activation, batch_norm, dropout):
    """Two convolutions, the mean over positions, the logits."""
    parts = {"conv1": conv3x3(channels, width), "units1": Units(activation)}
    parts |= {"conv2": conv3x3(width, 2 * width, 2), "units2": Units(activation)}
    model = Chain({**parts, "mean": mean_over_positions, "fc": nn.Linear(2 * width, classes)})
    initialise(model)
    return model
'''
TRAINED = """
import json, sys
from selectivity_core import RunSpec, RunStore, cumulative_ablation, sweep
from selectivity_core.data import load, normalise
from selectivity_core.book.study import MODEL_NAMES
from selectivity_core.runs.trained import network
specs = [RunSpec(model="two", alpha=a, epochs=2, milestones=(), train_size=60, width=4) for a in (-1, 0)]
store = RunStore(sys.argv[1])
tables = sweep(specs, store, jobs=1, progress=False)
data = load("digits")
images, labels = normalise(data.test_images[:50], data), data.test_labels[:50]
curve = cumulative_ablation(network(specs[0], store, data), images, labels, layers=["units2"], orderings=1)
units = tables.units
print(json.dumps({
    "status": list(tables.runs["status"]), "layers": tables.layers[["layer", "units"]].values.tolist(),
    "si": [units["si"].min(), units["si"].max()], "steps": len(curve), "title": MODEL_NAMES["two"],
}))
"""
SMALL = "{alphas: [-1, 0, 1], seeds: 1, overrides: {epochs: 1, milestones: [], train_size: 60, width: 2}}"


@pytest.fixture
def clone(tmp_path):
    """The package and two notebooks, to be changed; with this copy in front of the installed package."""
    root = tmp_path / "clone"
    shutil.copytree(ROOT / "selectivity_core", root / "selectivity_core", ignore=shutil.ignore_patterns("__pycache__"))
    (root / "notebooks").mkdir()
    for name in ("05_figure_4", "31_figure_index"):
        shutil.copy(ROOT / "notebooks" / f"{name}.ipynb", root / "notebooks")
    return root


def run(clone, *words):
    environment = {**os.environ, "PYTHONPATH": str(clone), "SELECTIVITY_RUNS": str(clone / "runs")}
    done = subprocess.run(
        [sys.executable, *words], cwd=clone, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def outputs(path):
    """HTML of a notebook's outputs, one text."""
    cells = [cell for cell in nbformat.read(path, 4).cells if cell.cell_type == "code"]
    return "\n".join(str(out.get("data", {}).get("text/html", "")) for cell in cells for out in cell.outputs)


@pytest.mark.slow
def test_a_figure_is_a_notebook_and_an_entry_of_the_register(clone):
    register = clone / "selectivity_core" / "book" / "paper" / "beyond.py"
    before, end = register.read_text(encoding="utf-8").rsplit(")  # fmt: skip\n", 1)
    register.write_text(before + ENTRY + end, encoding="utf-8")
    notebook = nbformat.read(clone / "notebooks" / "05_figure_4.ipynb", 4)
    for cell in notebook.cells:
        cell.source = cell.source.replace('"fig4"', '"added"')
    nbformat.write(notebook, clone / "notebooks" / "99_added.ipynb")

    run(clone, "-m", "selectivity_core.cli", "figure", "99_added", "-y", SMALL)
    (executed,) = clone.rglob("figures/99_added-*.ipynb")
    drawn = outputs(executed)
    assert '<figure id="figure-B99" class="selectivity-figure">' in drawn
    assert "Figure B99 (this book). An added figure." in drawn
    assert "<img" in drawn

    # Its place in the index follows from the two; in the contents it gets a line.
    index = (
        "from selectivity_core.book.figures import figure_index as f; print(f('book', profile='digits')._repr_html_())"
    )
    assert '<a href="99_added.html#figure-B99">Figure&nbsp;B99</a>' in run(clone, "-c", index)


@pytest.mark.slow
def test_a_network_is_one_function(clone):
    (clone / "selectivity_core" / "models" / "two.py").write_text(NETWORK, encoding="utf-8")
    found = json.loads(run(clone, "-c", TRAINED, str(clone / "runs")))
    assert found["status"] == ["complete", "complete"]
    assert found["layers"] == [["units1", 4], ["units2", 8]] * 2
    low, high = found["si"]
    assert 0 <= low < high <= 1
    assert found["steps"] == 9
    assert found["title"] == "Two convolutions"
