"""The α explorer: all units of a network as α moves, drawn in the reader's browser from the tables themselves.

The output is one piece of HTML that holds its data, style and script. It needs no kernel, no server and no other host,
and is the same in JupyterLab, Voilà, a rendered page and a file. Without scripts it is a picture and a table.
"""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Sequence
from html import escape
from importlib.resources import files
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from IPython.display import HTML
from matplotlib.figure import Figure

from ..data import DATASETS, class_names
from ..models import MODEL_NAMES
from ..runs.profiles import PLAIN
from ..spec import field_names
from ..tables import Tables
from . import BookError
from .evidence import label
from .papers.claims import reported, reported_change

LARGEST = 1_500_000  # bytes of one explorer
MOST_MEANS = 160_000  # class means in it, some seven bytes each
COLORS = {-1: "#3b7dd8", 0: "#808080", 1: "#d9503f"}  # by the sign of α; those of explorer.css


def explorer(tables: Tables, *, model: str = "resnet20") -> HTML:
    """An interactive figure: accuracy against selectivity, every unit of a layer, and one unit, as α moves.

    Units are those of the lowest seed that has them at α = 0; accuracies and mean indices are over all seeds. The
    paper's values are what the register of claims has for this network and its data.

    BookError says where the tables lack runs of the network at α = 0, their units or class means, or take too much.
    """
    data = explorer_data(tables, model)
    style, script = ((files(__package__) / f"explorer.{kind}").read_text("utf-8") for kind in ("css", "js"))
    # Without "<" no name of a class or layer can end the element that holds it.
    embedded = json.dumps(data, allow_nan=False, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")
    page = (
        f'<div class="alpha-explorer"><style>{style}</style><div class="drawing">{_fallback(data)}</div>'
        f'<script type="application/json">{embedded}</script></div><script>(() => {{\n{script}}})();</script>'
    )
    if (size := len(page.encode())) > LARGEST:
        sizes = f"{len(data['layers'])} layers, {len(data['classes'])} classes and {len(data['alphas'])} α"
        raise BookError(f"model: {model!r} with {sizes} takes {size / 1e6:.1f} MB; {LARGEST / 1e6:g} MB are allowed")
    return HTML(page)


def explorer_data(tables: Tables, model: str) -> dict[str, Any]:
    """What the script draws, measures of units to three significant digits.

    Returns:
        `alphas`, ascending; `networks`, an entry an α (see `_networks`); `layers`, each with `si` and `mean` by α and
        unit and `responses` by α, unit and class; `every`, n where only every n-th unit of a layer is there, so that
        the class means are not more than `MOST_MEANS`; `paper`; `left_out`, α without units of this seed; and words.
    """
    runs = _sweep(tables.runs, model)
    measured = runs[runs["run"].isin(tables.units["run"]) & runs["run"].isin(tables.responses["run"])]
    seeds = measured.loc[measured["alpha"] == 0, "seed"]
    if not len(seeds):
        raise BookError(f"model: {model!r} given; the tables have no units with class means of it at α = 0")
    seed = int(seeds.min())
    own = measured[measured["seed"] == seed].sort_values("alpha")
    alphas, dataset = own["alpha"].tolist(), own["dataset"].iloc[0]
    units, responses = (frame[frame["run"].isin(own["run"])] for frame in (tables.units, tables.responses))
    every = -(-len(responses) // MOST_MEANS)
    units, responses = (frame[frame["unit"] % every == 0] for frame in (units, responses))
    labels = sorted(set(responses["class"]))
    layers = []
    for depth, name in enumerate(dict.fromkeys(units["layer"]), 1):
        here, means = units[units["layer"] == name], responses[responses["layer"] == name]
        values = {kind: _values(here, own["run"], kind) for kind in ("si", "mean")}
        layers.append({"name": name, "depth": depth, **values, "responses": _values(means, own["run"], "mean", labels)})
    paper = {"index": reported(model, dataset, "si_units"), "change": reported_change(model, dataset)}
    return {
        "network": MODEL_NAMES[model], "data": DATASETS[dataset].title, "epochs": int(own["epochs"].iloc[0]),
        "seed": seed, "every": every, "alphas": alphas, "left_out": sorted(set(runs["alpha"]) - set(alphas)),
        "networks": [_networks(runs[runs["alpha"] == alpha], runs[runs["alpha"] == 0]) for alpha in alphas],
        "classes": [class_names(dataset)[k] for k in labels], "layers": layers,
        "paper": {kind: sorted(values.items()) for kind, values in paper.items()},
    }  # fmt: skip


def _sweep(runs: pd.DataFrame, model: str) -> pd.DataFrame:
    """The network's runs that differ in α and seed alone: of the recipes with α = 0 the one with the most α.

    A run at α = 0 is the baseline of every recipe that differs from it only in what the regulariser alone reads.
    """
    runs = runs[(runs["model"] == model) & (runs["status"] == "complete")].reset_index(drop=True)
    varies, plain = [name for name in field_names() if name not in ("alpha", "seed")], runs["alpha"] == 0
    if not plain.any():
        raise BookError(f"model: {model!r} given; the tables have no finished run of it at α = 0")
    recipe, read = (runs[names].map(str).agg("|".join, axis=1) for names in (varies, [*set(varies) - PLAIN.keys()]))
    groups = [
        pd.concat([runs[plain & (read == read[own.index[0]])], own[own["alpha"] != 0]])
        for _, own in runs.groupby(recipe)
    ]
    groups = [group for group in groups if (group["alpha"] == 0).any()]
    widths = [group["alpha"].nunique() for group in groups]
    if widths.count(max(widths)) > 1:
        raise BookError(f"tables: {widths.count(max(widths))} recipes of {model} have {max(widths)} α each; give one")
    return groups[widths.index(max(widths))]


def _networks(runs: pd.DataFrame, baseline: pd.DataFrame) -> dict[str, Any]:
    """The networks of one α: mean index and accuracy, and `each`; `change` in accuracy from α = 0 over shared seeds."""
    change = (runs.set_index("seed")["test_accuracy"] - baseline.set_index("seed")["test_accuracy"]).dropna()
    return {
        "index": _short(runs["si_units"].mean(), 5), "accuracy": _short(runs["test_accuracy"].mean(), 5),
        "change": _short(change.mean(), 5) if len(change) else 0, "pairs": len(change),
        "each": [[_short(value, 4) for value in row] for row in runs[["si_units", "test_accuracy"]].to_numpy()],
    }  # fmt: skip


def _values(rows: pd.DataFrame, runs: pd.Series, value: str, labels: Sequence[int] = ()) -> list:
    """Values by run and unit (and class) as lists; every run must have the same units."""
    wide = rows.pivot(index="unit", columns=["run", "class"] if labels else "run", values=value)
    by_run = [wide[run][list(labels)] if labels else wide[run] for run in runs]
    if any(one.isna().to_numpy().any() for one in by_run):
        raise BookError(f"tables: the runs of layer {rows['layer'].iloc[0]} do not have the same units")
    return [np.vectorize(_short, otypes=[float])(one.to_numpy()).tolist() for one in by_run]


def _short(value: float, digits: int = 3) -> float:
    return float(f"{value:.{digits}g}")


def _fallback(data: dict[str, Any]) -> str:
    """Accuracy and mean index by α as a picture and as a table, for readers without scripts."""
    alphas, networks = [label(alpha) for alpha in data["alphas"]], data["networks"]
    table = pd.DataFrame(
        {
            "α": alphas,
            "test accuracy (%)": [round(100 * here["accuracy"], 1) for here in networks],
            "mean selectivity index": [round(here["index"], 3) for here in networks],
            "networks": [len(here["each"]) for here in networks],
        }
    )
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "selectivity", "font.size": 9}):
        figure = Figure(figsize=(4.8, 4), layout="constrained")
        for axes, name in zip(figure.subplots(2, sharex=True), table.columns[1:3], strict=True):
            axes.plot(alphas, table[name], color="0.7", zorder=0)
            axes.scatter(alphas, table[name], color=[COLORS[int(np.sign(alpha))] for alpha in data["alphas"]])
            axes.set(ylabel=name)
        axes.set(xlabel="α")
        figure.savefig(picture := io.BytesIO(), format="svg", metadata={"Date": None})
    accuracy, index = table.iloc[data["alphas"].index(0), 1:3]
    alt = f"Test accuracy and mean selectivity index of {data['network']} on {data['data']} at {len(alphas)} α; "
    alt += f"{accuracy} % and {index} at α = 0."
    source = base64.b64encode(picture.getvalue()).decode()
    return f'<img alt="{escape(alt)}" src="data:image/svg+xml;base64,{source}">{table.to_html(index=False, border=0)}'
