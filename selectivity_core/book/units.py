"""From tables of units and layers to one number a network, and correlations over units."""

from __future__ import annotations

import numpy as np
import pandas as pd

from .inference import spearman


def over_units(layers: pd.DataFrame, value: str = "si", which: str = "all") -> pd.DataFrame:
    """A measure's mean over the units of each network, from the means of its layers.

    Args:
        layers: table `layers` with alpha and seed.
        value: one of its columns; "si_living" counts living units only.
        which: "all" layers, the "first3" or the "last3".

    Returns:
        a row a run: run, alpha, seed, `mean`, and `shuffled`: what shuffled labels give (NaN where that is unknown).
        Both are over living units for "si_living": dead ones have an index of 0 under any labels.
    """
    rows = layers
    if which != "all":
        rank = rows.groupby("run")["depth"].rank(ascending=which == "first3")
        rows = rows[rank <= 3]
    alive = 1 - rows["dead"] if value == "si_living" else 1
    weight = rows["units"] * alive
    null = rows.get(f"{'si' if value == 'si_living' else value}_shuffled")
    kept = rows[value].notna()  # a layer without living units has no mean
    frame = rows[["run", "alpha", "seed"]].assign(
        weight=weight.where(kept, 0.0), mean=(weight * rows[value]).where(kept, 0.0),
        units=rows["units"], shuffled=np.nan if null is None else rows["units"] * null,
    )  # fmt: skip
    sums = frame.groupby(["run", "alpha", "seed"], sort=False, as_index=False).sum(min_count=1)
    sums["mean"] = sums["mean"] / sums["weight"].where(sums["weight"] > 0)
    counted = sums["weight"] if value == "si_living" else sums["units"]
    sums["shuffled"] = sums["shuffled"] / counted.where(counted > 0)
    return sums[["run", "alpha", "seed", "mean", "shuffled"]]


def correlations(units: pd.DataFrame, first: str, second: str) -> pd.DataFrame:
    """Spearman's correlation of two columns over the units of each layer of each network.

    Args:
        units: a row a unit: run, layer, and both columns; layers in their order.
        first, second: columns; units where either is missing are left out.

    Returns:
        a row a network and layer: run, layer, depth (0 for the first), rho (NaN where fewer than two units are there,
        or one side has one value only) and units (how many it rests on).
    """
    depth = {layer: k for k, layer in enumerate(units["layer"].unique())}
    rows = [
        (run, layer, depth[layer], spearman(own[first], own[second]), len(own[[first, second]].dropna()))
        for (run, layer), own in units.groupby(["run", "layer"], sort=False)
    ]
    return pd.DataFrame(rows, columns=["run", "layer", "depth", "rho", "units"])


def living(units: pd.DataFrame) -> pd.DataFrame:
    """Units that are not dead; `informed` is mutual information less that of shuffled labels."""
    alive = units[~units["dead"].astype(bool)]
    return alive.assign(informed=alive["mutual_information"] - alive["mutual_information_shuffled"])
