"""What the paper's regulariser does beyond a control that differs from it in the estimate only, paired by seed."""

from __future__ import annotations

import numpy as np
import pandas as pd

from ..errors import ParameterError
from ..spec import RunSpec
from .effects import over_units
from .offset import COMPARED, spread
from .statistics import TestResult, holm, paired, ratio_interval

PLAIN = "batch"  # the paper's estimate: the index of the whole batch, under its true labels


def control_of(specs: list[RunSpec]) -> str:
    """The estimate, other than the paper's, that runs were trained with.

    Raises:
        ParameterError: none, or more than one.
    """
    others = sorted({spec.estimate for spec in specs} - {PLAIN})
    if len(others) != 1:
        raise ParameterError(f'estimate: {", ".join(others) or "none"} given beside "{PLAIN}"; one control is needed')
    return others[0]


def by_run(runs: pd.DataFrame, layers: pd.DataFrame, units: pd.DataFrame) -> pd.DataFrame:
    """What each network came to: accuracy, measures of its units less chance, and how far activity lies from zero.

    Args:
        runs: completed runs of one network.
        layers, units: tables with alpha and seed.

    Returns:
        a row a run: run, alpha, seed, estimate, test_accuracy, every measure of `offset.COMPARED` (mean over units
        less what shuffled labels give) and mean_over_sd (`offset.spread`; NaN where no unit table is kept).
    """
    found = runs[["run", "alpha", "seed", "estimate", "test_accuracy"]].reset_index(drop=True)
    for measure in COMPARED:
        means = over_units(layers, measure).set_index("run")
        found[measure] = found["run"].map(means["mean"] - means["shuffled"])
    ratios = {run: spread(rows)["ratio"].iloc[0] for run, rows in units[units["sd"] > 0].groupby("run")}
    return found.assign(mean_over_sd=found["run"].map(ratios).astype(float))


def against_control(values: pd.DataFrame, control: str, measure: str) -> pd.DataFrame:
    """At each α: what the paper's regulariser changes, what the control changes, and the difference of the two.

    Both start from the same networks at α = 0. What the paper's does beyond the control is due to what the control
    lacks. Seeds that lack one of the three runs are left out.

    Args:
        values: of `by_run`.
        control: the other estimate.
        measure: its column.

    Returns:
        a row an α ≠ 0: alpha, n, baseline, plain and other (means over seeds), then for `plain_change`,
        `other_change` (each against α = 0) and `beyond` (plain minus other) the mean with `…_low`, `…_high` (95 %,
        paired t), for `beyond` p and p_holm over the α values, and `share` of the plain change that the control brings
        too (a ratio of means, with Fieller's interval; NaN where the plain change cannot be told from none).
    """
    base = values[values["alpha"] == 0].set_index("seed")[measure]
    rows = []
    for alpha in sorted(set(values["alpha"]) - {0.0}):
        here = values[values["alpha"] == alpha].pivot(index="seed", columns="estimate", values=measure)
        sides = here.reindex(columns=[PLAIN, control]).assign(base=base).dropna()
        if not len(sides):
            continue
        row = {"alpha": alpha, "n": len(sides), "baseline": sides["base"].mean()}
        row |= {"plain": sides[PLAIN].mean(), "other": sides[control].mean()}
        row |= _bounds("plain_change", paired(sides[PLAIN], sides["base"]))
        row |= _bounds("other_change", paired(sides[control], sides["base"]))
        beyond = paired(sides[PLAIN], sides[control])
        share = ratio_interval(sides[control] - sides["base"], sides[PLAIN] - sides["base"])
        row |= {"share": share.mean, "share_low": share.low, "share_high": share.high}
        rows.append({**row, **_bounds("beyond", beyond), "p": beyond.p})
    changes = [
        f"{c}{end}" for c in ("plain_change", "other_change", "beyond", "share") for end in ("", "_low", "_high")
    ]
    frame = pd.DataFrame(rows, columns=["alpha", "n", "baseline", "plain", "other", *changes, "p"])
    return frame.assign(p_holm=holm(frame["p"].astype(np.float64)))


def _bounds(name: str, result: TestResult) -> dict[str, float]:
    return {name: result.estimate, f"{name}_low": result.low, f"{name}_high": result.high}
