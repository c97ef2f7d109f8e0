"""How long networks take to learn, by α."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from .style import alpha_axis, alpha_color, in_style


@in_style
def time_to_learn(axes: Axes, runs: pd.DataFrame) -> pd.Series:
    """Epochs to 95 % of a run's best test accuracy by α: every seed a dot, bars from quartile to quartile (A.2).

    Returns:
        the medians, by α; α whose runs never got to twice chance have none.
    """
    alphas = sorted(runs["alpha"].unique())
    places = alpha_axis(axes, alphas)
    medians = {}
    for alpha in alphas:
        values = runs.loc[runs["alpha"] == alpha, "t95"].dropna().to_numpy()
        color = alpha_color(alpha, alphas)
        if not len(values):
            axes.annotate(
                "never", (places[alpha], 0.02), xycoords=("data", "axes fraction"), ha="center", fontsize=7.5,
                color=color,
            )  # fmt: skip
            continue
        low, medians[alpha], high = np.quantile(values, [0.25, 0.5, 0.75])
        axes.vlines(places[alpha], low, high, color=color, lw=3, alpha=0.6)
        axes.plot(np.full(len(values), places[alpha]), values, "o", ms=3, color=color, alpha=0.7, mew=0)
        axes.plot([places[alpha] - 0.25, places[alpha] + 0.25], [medians[alpha]] * 2, color=color, lw=1.8)
    axes.set_ylim(0, None)
    axes.set_ylabel("epochs to 95 % of the best accuracy")
    return pd.Series(medians)
