"""Rank correlations over units, network by network and layer by layer: units are no replicates, networks are."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy import stats

from .statistics import Interval, mean_correlation, spearman

COLUMNS = ("run", "layer", "depth", "rho", "units")


def by_layer(units: pd.DataFrame, first: str, second: str) -> pd.DataFrame:
    """Spearman's correlation of two columns over the units of each layer of each network.

    Args:
        units: a row a unit: run, layer, and both columns; layers in their order.
        first, second: columns; units where either is missing are left out.

    Returns:
        a row a network and layer: run, layer, depth (0 for the first), rho (NaN where fewer than two units are there,
        or one side has one value only) and units (how many it rests on).
    """
    depth = {layer: k for k, layer in enumerate(units["layer"].unique())}
    rows = []
    for (run, layer), group in units.groupby(["run", "layer"], sort=False):
        rho, n = spearman(group[first], group[second])
        rows.append({"run": run, "layer": layer, "depth": depth[layer], "rho": rho, "units": n})
    return pd.DataFrame(rows, columns=list(COLUMNS))


def over_networks(table: pd.DataFrame) -> Interval:
    """The correlation of `by_layer` averaged over the layers of each network, then over networks.

    Layers where there is none are left out.
    """
    return mean_correlation(table.groupby("run", sort=False)["rho"].mean().to_numpy())


def layer_means(table: pd.DataFrame) -> dict[int, Interval]:
    """depth -> the correlation of `by_layer` averaged over networks."""
    return {int(depth): mean_correlation(rows["rho"].to_numpy()) for depth, rows in table.groupby("depth")}


def correlation_over(networks: pd.DataFrame, first: str, second: str, level: float = 0.95) -> Interval:
    """Spearman's correlation over networks, one pair of values each, with its interval.

    By Fisher's z with the variance (1 + ρ²/2) / (n − 3) of rank correlations; below four networks there is none.
    """
    rho, n = spearman(networks[first], networks[second])
    if n < 4 or not np.isfinite(rho):
        return Interval(rho, np.nan, np.nan, n, "fisher z")
    if np.isclose(abs(rho), 1):
        return Interval(rho, rho, rho, n, "fisher z")
    half = stats.norm.ppf((1 + level) / 2) * np.sqrt((1 + rho**2 / 2) / (n - 3))
    low, high = np.tanh(np.arctanh(rho) + np.array([-half, half]))
    return Interval(rho, float(low), float(high), n, "fisher z")
