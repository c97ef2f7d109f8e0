"""From tables of units and layers to one number a network: means, correlations, and how much of a change is offset."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pandas as pd

from .inference import spearman


def over_units(layers: pd.DataFrame, value: str = "si") -> pd.DataFrame:
    """A measure's mean over the units of each network, from the means of its layers.

    Returns:
        a row a run: run, alpha, seed, `mean`, and `shuffled`: what shuffled labels give (NaN where that is unknown).
        Both are over living units for "si_living": dead ones have an index of 0 under any labels.
    """
    alive = 1 - layers["dead"] if value == "si_living" else 1
    weight = layers["units"] * alive
    null = layers.get(f"{'si' if value == 'si_living' else value}_shuffled")
    kept = layers[value].notna()  # a layer without living units has no mean
    frame = layers[["run", "alpha", "seed"]].assign(
        weight=weight.where(kept, 0.0), mean=(weight * layers[value]).where(kept, 0.0),
        units=layers["units"], shuffled=np.nan if null is None else layers["units"] * null,
    )  # fmt: skip
    sums = frame.groupby(["run", "alpha", "seed"], sort=False, as_index=False).sum(min_count=1)
    sums["mean"] = sums["mean"] / sums["weight"].where(sums["weight"] > 0)
    counted = sums["weight"] if value == "si_living" else sums["units"]
    sums["shuffled"] = sums["shuffled"] / counted.where(counted > 0)
    return sums[["run", "alpha", "seed", "mean", "shuffled"]]


def correlations(units: pd.DataFrame, first: str, second: str) -> pd.DataFrame:
    """Spearman's correlation of two columns over the units of each layer of each network.

    Units where either is missing are left out; layers stand in their order.

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


def decompose(
    units: pd.DataFrame, responses: pd.DataFrame, *, scale: Literal["total", "within"] = "total"
) -> pd.DataFrame:
    """Splits the change of the mean index since α = 0 into smaller class differences and offset.

    With a spread σ of the unit, SI = [(μmax − μ₋max)/σ] / [(μmax + μ₋max)/σ]: how far the classes lie apart, over how
    far activity lies from zero, in units of σ. Rescaling a unit changes neither; a constant added to it changes the
    second only. Log changes of the two add up to that of SI. A unit's change SI − SI₀ is shared out in proportion, by
    the logarithmic mean (SI − SI₀)/ln(SI/SI₀), so that the parts of all units add up to the change of their mean. A
    unit is compared with the one that had the same initial weights at α = 0.

    Args:
        units, responses: tables of one network, `units` with alpha and seed.
        scale: σ over all images, which holds the differences between classes too, so that the class part looks smaller
            where they shrink; or within classes, σ·√(1 − η²), which asks how well they can be told apart.

    Returns:
        a row an α ≠ 0 and seed: change, and its parts classes, offset and rest (units whose index is 0 on one side,
        where no logarithm exists). Runs without `responses`, or without α = 0 of their seed, are left out.
    """
    key = ["run", "layer", "unit"]
    means = responses.groupby(key, sort=False)["mean"].agg(["max", "sum", "size"]).reset_index()
    others = (means["sum"] - means["max"]) / (means["size"] - 1).where(means["size"] > 1)
    rows = units.merge(means[key].assign(raw=means["max"] - others), on=key)
    spread = rows["sd"] * (np.sqrt((1 - rows["class_share"]).clip(lower=0)) if scale == "within" else 1.0)
    rows["apart"] = rows["raw"] / spread.where(spread > 0)
    base = rows[rows["alpha"] == 0]
    place = ["seed", "layer", "unit"]
    both = rows[rows["alpha"] != 0].merge(base[[*place, "si", "apart"]], on=place, suffixes=("", "_0"))
    columns = ["si", "si_0", "apart", "apart_0"]
    usable = (both[columns] > 0).all(axis=1)
    logs = np.log(both[columns].where(usable))
    both["change"] = both["si"] - both["si_0"]
    growth = logs["si"] - logs["si_0"]
    # The logarithmic mean of two nearly equal numbers is their mean; the quotient would be rounding only.
    weight = (both["change"] / growth).where(growth.abs() > 1e-6, (both["si"] + both["si_0"]) / 2)
    both["classes"] = (weight * (logs["apart"] - logs["apart_0"])).where(usable, 0.0)
    both["rest"] = both["change"].where(~usable, 0.0)
    both["offset"] = both["change"] - both["rest"] - both["classes"]
    return both.groupby(["alpha", "seed"], as_index=False)[["change", "classes", "offset", "rest"]].mean()
