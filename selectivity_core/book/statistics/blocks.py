"""The additive block model, value = seed + treatment + residual, and the spread of its residuals.

Cells are a matrix (blocks, treatments), one value a network, NaN where a cell is missing; column 0 is the
control.

**The rule for spreads, fixed beforehand.** An alpha is *pooled* with the control where its residual standard
deviation lies within a factor 2 of the pool's. The pool grows from the control: those within the factor of
the control's own spread come first, then the pooled spread is the new measure, until nothing changes. An
alpha outside takes no part in estimating the pool's spread or the seeds' effects; its contrast has a spread
of its own (its deviations from the control that the pool predicts for each seed) with Satterthwaite's degrees
of freedom, and never a smaller standard error than the pool's spread would give: a spread found small by
chance in three networks must not make a finding.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from selectivity_core.book.statistics.samples import ROUNDING, Floats

# Simulated with two of ten alphas ten times as wild, no true difference and three seeds: a factor 3 makes a
# false finding in 13 % of families, 2 in 8 %, pooling everything in 21 % (500 families each; nominal 5 %).
SIMILAR = 2.0


@dataclass(frozen=True)
class BlockFit:
    """Least-squares fit; coefficients are the blocks' effects followed by the treatments'.

    `unscaled` is the pseudo-inverse of the normal matrix; `variance` is NaN where `df` is 0.
    """

    coefficients: Floats
    unscaled: Floats
    normal: Floats
    variance: float
    df: int

    def estimable(self, combination: Floats) -> bool:
        """Whether the data determine this linear combination of the coefficients."""
        return bool(np.allclose(combination @ self.unscaled @ self.normal, combination, atol=1e-8))


@dataclass(frozen=True)
class BlockContrasts:
    """Differences from the control, one for each treatment after it; NaN where the data determine none.

    `pooled` says which are judged with the pool's spread and its `pool_df`; `correlation` is between the
    estimates.
    """

    estimate: Floats
    se: Floats
    df: Floats
    pooled: np.ndarray
    correlation: Floats
    pool_df: int


def _negligible(cells: Floats) -> float:
    """The variance below which differences are rounding."""
    return float((ROUNDING * np.nanmax(np.abs(cells), initial=0)) ** 2)


def fit_blocks(cells: Floats) -> BlockFit:
    """Fit block and treatment effects by least squares, whichever cells are missing."""
    block, treatment = np.nonzero(~np.isnan(cells))
    rows = np.arange(block.size)
    design = np.zeros((block.size, sum(cells.shape)))
    design[rows, block] = 1
    design[rows, len(cells) + treatment] = 1
    values = cells[block, treatment]
    normal = design.T @ design
    unscaled = np.linalg.pinv(normal, rcond=1e-10, hermitian=True).astype(np.float64, copy=False)
    coefficients = unscaled @ design.T @ values
    df = block.size - (int(np.linalg.matrix_rank(design)) if block.size else 0)
    variance = float(((values - design @ coefficients) ** 2).sum() / df) if df else np.nan
    return BlockFit(coefficients, unscaled, normal, 0.0 if variance <= _negligible(cells) else variance, df)


def _weighted_median(values: Floats, weights: Floats) -> float:
    """The value below and above which lies half of the weight."""
    order = np.argsort(values)
    share = np.cumsum(weights[order]) / weights.sum()
    return float(values[order[np.searchsorted(share, 0.5)]])


def residual_variances(cells: Floats) -> Floats:
    """Each treatment's own residual variance, (treatments,); 0 for a negative estimate, NaN for none.

    The covariance of (this - second) with (this - third) over the seeds that all three share estimates it
    free of the seeds' effects. Of all pairs of others it is the median, weighted by the inverse spreads of
    both differences, so that wild treatments tell little about tame ones.
    """
    found = np.full(cells.shape[1], np.nan)
    for column in range(cells.shape[1]):
        differences = pd.DataFrame(cells[:, [column]] - np.delete(cells, column, axis=1))
        covariances = differences.cov(min_periods=2).to_numpy()
        second, third = np.triu_indices(len(covariances), 1)
        pairs = covariances[second, third]
        known = ~np.isnan(pairs)
        if known.any():
            spreads = np.sqrt(np.maximum(np.diag(covariances), np.finfo(float).tiny))
            variance = _weighted_median(pairs[known], 1 / (spreads[second] * spreads[third])[known])
            found[column] = 0.0 if variance <= _negligible(cells) else variance
    return found


def pool(cells: Floats) -> np.ndarray:
    """Which treatments share the control's spread by the rule above, (treatments,) bool.

    With fewer than three treatments (or seeds in common) the spreads cannot be told apart and all are pooled:
    for one treatment against the control that is the paired t-test.
    """
    variances = residual_variances(cells)
    alone = np.arange(cells.shape[1]) == 0
    if np.isnan(variances[0]):
        return np.ones(cells.shape[1], dtype=bool)
    factor = SIMILAR**2
    reference = variances[0]
    seen: list[np.ndarray] = []
    while True:
        members = alone | ((variances <= factor * reference) & (variances * factor >= reference))
        if any(np.array_equal(members, earlier) for earlier in seen):
            break
        seen.append(members)
        fit = fit_blocks(cells[:, members])
        if not fit.df:
            break
        reference = fit.variance
    return alone if variances[0] > factor * reference else members


def block_contrasts(cells: Floats) -> BlockContrasts:
    """Every treatment against the control (column 0) by the block model and the rule for spreads above.

    A treatment outside the pool with a single network has an estimate and no standard error.
    """
    blocks, treatments = cells.shape
    members = pool(cells)
    fit = fit_blocks(cells[:, members])
    basis = np.eye(fit.coefficients.size)
    effects = dict(zip(np.flatnonzero(members), basis[blocks:], strict=True))
    control = basis[:blocks] + effects[0]  # what the model predicts for the control in each block
    estimate, se, df = np.full((3, treatments - 1), np.nan)
    pooled = members[1:].copy()
    combinations = np.zeros((treatments - 1, fit.coefficients.size))
    for index, column in enumerate(range(1, treatments)):
        if column in effects:
            combination = effects[column] - effects[0]
            if not fit.estimable(combination):
                continue
            estimate[index] = combination @ fit.coefficients
            variance, df[index] = fit.variance * (combination @ fit.unscaled @ combination), fit.df
        else:
            used = [s for s in np.flatnonzero(~np.isnan(cells[:, column])) if fit.estimable(control[s])]
            if not used:
                continue
            combination = -control[used].mean(axis=0)
            deviations = cells[used, column] - control[used] @ fit.coefficients
            estimate[index] = deviations.mean()
            variance, df[index] = _own_variance(deviations, control[used], fit)
            # What the pool's spread would give the mean of these networks less the predicted control.
            shared = fit.variance * (1 / len(used) + combination @ fit.unscaled @ combination)
            if shared >= variance:
                pooled[index], variance, df[index] = True, shared, fit.df
        combinations[index] = combination
        se[index] = np.sqrt(variance)
    se[se**2 <= _negligible(cells)] = 0
    df[np.isnan(se)] = np.nan
    return BlockContrasts(estimate, se, df, pooled, _correlation(combinations, fit, se), fit.df)


def _own_variance(deviations: Floats, predictors: Floats, fit: BlockFit) -> tuple[float, float]:
    """Variance of the mean deviation and its Satterthwaite degrees of freedom, outside the pool.

    The squared deviations hold the treatment's spread and the share of the predictions' errors that differs
    between seeds; what the seeds' predictions err in common comes from the pool.
    """
    n = deviations.size
    if n < 2:
        return np.nan, np.nan
    own = float(deviations.var(ddof=1) / n)
    errors = predictors @ fit.unscaled @ predictors.T
    differing = (np.trace(errors) - errors.mean() * n) / (n * (n - 1))
    share = max(float(errors.mean() - differing), 0.0)
    if share < ROUNDING:  # as where the pool is the control alone: the paired t-test
        return own, float(n - 1)
    common = share * fit.variance
    if not own + common > 0:
        return common, float(n - 1)
    return own + common, float((own + common) ** 2 / (own**2 / (n - 1) + common**2 / fit.df))


def _correlation(combinations: Floats, fit: BlockFit, se: Floats) -> Floats:
    """Correlation of the contrasts through the errors of the pool, (m, m); 0 where unknown."""
    scale = np.outer(se, se)
    covariance = fit.variance * (combinations @ fit.unscaled @ combinations.T)
    known = np.isfinite(covariance) & (scale > 0)
    correlation = np.where(known, covariance / np.where(known, scale, 1), 0.0)
    np.fill_diagonal(correlation, 1)
    return correlation
