"""How much of a change in selectivity is offset: a raised mean that says nothing of classes, but lowers the index."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from .effects import over_units
from .statistics import Interval, ratio_interval

# A constant added to a unit moves none of these.
SHIFT_FREE = ("si_shifted", "dprime", "class_share", "precision", "mutual_information")
COMPARED = ("si", *SHIFT_FREE)


def relative(layers: pd.DataFrame, *, by_layer: bool = False) -> pd.DataFrame:
    """Each measure less what shuffled labels give, against the same seed's at α = 0.

    Args:
        layers: table `layers` with alpha and seed, of one network.
        by_layer: each layer for itself; else means over all units of the network.

    Returns:
        a row a run (and layer) and measure, of seeds that have α = 0: alpha, seed, measure, value and log_ratio (to
        α = 0), with depth where `by_layer`. The ratio is NaN where a side does not exceed chance.
    """
    keys = ["seed", "depth"] if by_layer else ["seed"]
    parts = []
    for measure in COMPARED:
        if by_layer:
            rows = layers.assign(value=layers[measure] - layers[f"{measure}_shuffled"])
        else:
            rows = over_units(layers, measure)
            rows = rows.assign(value=rows["mean"] - rows["shuffled"])
        parts.append(rows[["alpha", *keys, "value"]].assign(measure=measure))
    table = pd.concat(parts, ignore_index=True)
    base = table.loc[table["alpha"] == 0, [*keys, "measure", "value"]]
    joined = table.merge(base, on=[*keys, "measure"], suffixes=("", "_0"))
    above = (joined["value"] > 0) & (joined["value_0"] > 0)
    ratio = (joined["value"] / joined["value_0"]).where(above)
    return joined.drop(columns="value_0").assign(log_ratio=np.log(ratio))


def shares(table: pd.DataFrame) -> dict[tuple[float, str], Interval]:
    """Which share of the index's change, in logs, each shift-free measure shows: 1 where it changes as much.

    Paired by seed (`ratio_interval`). It has no value (NaN) where the seeds cannot tell the index's change from none.

    Args:
        table: of `relative`, over all units of the network.

    Returns:
        (α, measure) -> the share with its 95 % interval over seeds.
    """
    logs = table.pivot(index=["alpha", "seed"], columns="measure", values="log_ratio")
    found = {}
    for alpha, rows in logs.groupby(level="alpha"):
        if alpha == 0:
            continue
        for measure in SHIFT_FREE:
            found[float(alpha), measure] = ratio_interval(rows[measure], rows["si"])
    return found


def split(units: pd.DataFrame, responses: pd.DataFrame, *, each: Sequence[str] = ()) -> pd.DataFrame:
    """Splits the change of the mean index since α = 0 into smaller class differences and offset.

    With the SD σ of a unit SI = [(μmax − μ₋max)/σ] / [(μmax + μ₋max)/σ]: how far the classes lie apart in SDs, over how
    far activity lies from zero in SDs. Rescaling a unit changes neither; a constant added to it changes the second
    only. Log changes of the two add up to that of SI. A unit's change SI − SI₀ is shared out in proportion, by the
    logarithmic mean (SI − SI₀)/ln(SI/SI₀), so that the parts add up to the change of the mean over units exactly. A
    unit is compared with the unit that had the same initial weights at α = 0.

    Args:
        units: table `units` with alpha and seed, of one network.
        responses: table `responses`.
        each: columns of `units` beside α and seed to average for ("layer").

    Returns:
        a row an α ≠ 0 and seed (and layer …): change, its parts `classes`, `offset` and `rest` (units whose index is 0
        on one side, where no log exists), and `classes_raw`: the part of the class differences were they taken in raw
        activity, not in SDs. Runs without `responses`, or without α = 0 of their seed, are left out.
    """
    key = ["run", "layer", "unit"]
    means = responses.groupby(key, sort=False)["mean"].agg(["max", "sum", "size"]).reset_index()
    others = (means["sum"] - means["max"]) / (means["size"] - 1).where(means["size"] > 1)
    rows = units.merge(means[key].assign(raw=means["max"] - others), on=key)
    rows["apart"] = rows["raw"] / rows["sd"].where(rows["sd"] > 0)
    base = rows[rows["alpha"] == 0]
    place = ["seed", "layer", "unit"]
    both = rows[rows["alpha"] != 0].merge(base[[*place, "si", "raw", "apart"]], on=place, suffixes=("", "_0"))
    change = both["si"] - both["si_0"]
    columns = ["si", "si_0", "raw", "raw_0", "apart", "apart_0"]
    usable = (both[columns] > 0).all(axis=1)
    logs = np.log(both[columns].where(usable))
    growth = logs["si"] - logs["si_0"]
    # The logarithmic mean of two nearly equal numbers is their mean; the quotient would be rounding only.
    weight = (change / growth).where(growth.abs() > 1e-6, (both["si"] + both["si_0"]) / 2)
    both["change"], both["rest"] = change, change.where(~usable, 0.0)
    both["classes"] = (weight * (logs["apart"] - logs["apart_0"])).where(usable, 0.0)
    both["classes_raw"] = (weight * (logs["raw"] - logs["raw_0"])).where(usable, 0.0)
    both["offset"] = both["change"] - both["rest"] - both["classes"]
    parts = ["change", "classes", "offset", "rest", "classes_raw"]
    return both.groupby(["alpha", "seed", *each], sort=False)[parts].mean().reset_index()


def part_shares(parts: pd.DataFrame, part: str = "offset") -> dict[float, Interval]:
    """The share of the index's change that a part of `split` makes up at each α, paired by seed; NaN as in `shares`."""
    return {float(alpha): ratio_interval(rows[part], rows["change"]) for alpha, rows in parts.groupby("alpha")}


def spread(units: pd.DataFrame, *, by_layer: bool = False) -> pd.DataFrame:
    """How far activity lies from zero in SDs: the median of mean/SD over the units that vary.

    Args:
        units: table `units` with alpha and seed, of one network.
        by_layer: each layer for itself, with depth (0 the first).

    Returns:
        a row a run (and layer): alpha, seed, (depth,) ratio.
    """
    varying = units[units["sd"] > 0]
    order = {layer: depth for depth, layer in enumerate(units["layer"].unique())}
    rows = varying.assign(ratio=varying["mean"] / varying["sd"], depth=varying["layer"].map(order))
    keys = ["alpha", "seed", "depth"] if by_layer else ["alpha", "seed"]
    return rows.groupby(keys)["ratio"].median().reset_index()
