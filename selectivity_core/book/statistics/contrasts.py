"""The judging test: every alpha against alpha = 0 in one block model, corrected for all at once."""

from collections.abc import Hashable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

from selectivity_core.book.statistics.blocks import block_contrasts
from selectivity_core.book.statistics.multiplicity import adjusted_p, critical_value
from selectivity_core.book.statistics.samples import check_fraction, numbers
from selectivity_core.errors import ParameterError


@dataclass(frozen=True)
class Contrast:
    """One treatment minus the control.

    `estimate`, `se`, `low` and `high` are in the unit of the values; `low`, `high` and `p_adjusted` hold for
    all contrasts of the table at once, `p_unadjusted` for this one alone; `n` counts the networks that the
    treatment has. All but the treatment and `n` are NaN where the data determine no such difference; the
    p-values also where there is no spread.
    """

    treatment: Hashable
    estimate: float
    se: float
    df: float
    low: float
    high: float
    p_adjusted: float
    p_unadjusted: float
    n: int


def _cells(table: pd.DataFrame, value: str, treatment: str, block: str, control: Hashable) -> pd.DataFrame:
    """The table as (blocks, treatments) with the control first; missing cells are NaN."""
    for column in (value, treatment, block):
        if column not in table.columns:
            raise ParameterError(f"{column}: no such column; the table has {', '.join(map(str, table.columns))}")
    for column in (treatment, block):
        if table[column].isna().any():
            raise ParameterError(f"{column}: holds a missing value; allowed is one named {column} a row")
    twice = table.duplicated([block, treatment])
    if twice.any():
        row = table[twice].iloc[0]
        cell = f"{treatment} {row[treatment]}, {block} {row[block]}"
        raise ParameterError(f"{cell}: given twice; allowed is one row for each pair")
    values = table.assign(**{value: numbers(table[value].to_numpy(), value)})
    cells = values.pivot(index=block, columns=treatment, values=value)
    if control not in cells.columns:
        raise ParameterError(f"{treatment}: no row of the control {control!r}; given are {list(cells.columns)}")
    return cells[[control, *cells.columns.drop(control)]]


def dunnett_block(
    table: pd.DataFrame,
    *,
    value: str,
    treatment: str = "alpha",
    block: str = "seed",
    control: Hashable = 0.0,
    level: float = 0.95,
) -> list[Contrast]:
    """Compare every treatment with the control in the additive model value = block + treatment + residual.

    Least squares over whichever cells are there (rows whose value is NaN count as missing). Which treatments
    share one residual spread, and what the others are judged with, is the rule at the head of
    `statistics/blocks.py`. Contrasts with the shared spread are corrected by Dunnett's method, the
    multivariate t distribution of all contrasts with their exact correlation; those with a spread of their
    own by Bonferroni's over the same number of comparisons.

    Args:
        table: one row a network, at most one for each pair of treatment and block.
        value: column of the values.
        treatment: column of the conditions, in whose order the contrasts are returned.
        block: column of what pairs the networks; networks of one block share its effect.
        control: the treatment that the others are compared with.
        level: coverage of the simultaneous intervals.

    Raises:
        ParameterError: for a column that is missing, a pair given twice, a control with no row, an infinite
            value, or a level outside (0, 1).
    """
    check_fraction(level, "level")
    cells = _cells(table, value, treatment, block, control)
    if cells.shape[1] == 1:
        return []
    matrix = cells.to_numpy()
    found = block_contrasts(matrix)
    determined = ~np.isnan(found.se)
    family = found.correlation[np.ix_(determined, determined)]
    counts = np.count_nonzero(~np.isnan(matrix), axis=0)[1:]
    comparisons = len(family)
    # All contrasts of the pool have its degrees of freedom, so that one limit serves them.
    pooled = found.pooled & determined
    shared_limit = critical_value(level, family, found.pool_df) if pooled.any() else np.nan
    contrasts = []
    for index, name in enumerate(cells.columns[1:]):
        estimate, se, df = (float(column[index]) for column in (found.estimate, found.se, found.df))
        p = adjusted = limit = np.nan
        if se > 0:
            p = float(2 * stats.t.sf(abs(estimate / se), df))
            if pooled[index]:
                limit, adjusted = shared_limit, adjusted_p(estimate / se, family, df)
            else:
                # Spreads estimated apart are independent: one spread for all would promise too much.
                limit = float(stats.t.ppf(1 - (1 - level) / (2 * comparisons), df))
                adjusted = min(1.0, comparisons * p)
        half = 0.0 if se == 0 else limit * se
        bounds = estimate - half, estimate + half
        contrasts.append(Contrast(name, estimate, se, df, *bounds, adjusted, p, int(counts[index])))
    return contrasts
