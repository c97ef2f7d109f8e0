"""How far apart two networks' representations of the same images are: projection-weighted CCA distance."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from .errors import ActivityError

WEIGHTINGS = ("paper", "textbook")
SAMPLES_A_UNIT = 10


@dataclass(frozen=True)
class Moments:
    """All that the distance needs to know of one side.

    Attributes:
        mean: (units,) of the units kept.
        covariance: (units, units), with n − 1.
        kept: (all units,) whether a unit varies enough to be kept.
        scale: the largest absolute covariance.
    """

    mean: np.ndarray
    covariance: np.ndarray
    kept: np.ndarray
    scale: float


def _matrix(activity: Tensor | np.ndarray, name: str) -> np.ndarray:
    values = activity.detach().cpu().numpy() if isinstance(activity, Tensor) else np.asarray(activity)
    values = values.astype(np.float64)
    if values.ndim != 2 or min(values.shape) < 1 or len(values) < 2:
        raise ActivityError(f"{name}: shape {values.shape} given; (samples, units) with 2 samples or more is needed")
    if not np.isfinite(values).all():
        raise ActivityError(f"{name}: not finite in {int((~np.isfinite(values)).any(0).sum())} units")
    return values


def _moments(centred: np.ndarray, mean: np.ndarray, eps: float, name: str) -> Moments:
    covariance = centred.T @ centred / (len(centred) - 1)
    scale = float(np.abs(covariance).max())
    if scale == 0:
        raise ActivityError(f"{name}: no unit varies over the samples; a distance is not defined")
    kept = np.diag(covariance) / scale >= eps
    return Moments(mean[kept], covariance[np.ix_(kept, kept)], kept, scale)


def _inverse_root(matrix: np.ndarray) -> np.ndarray:
    """The symmetric inverse square root; directions without variance are left out."""
    values, vectors = np.linalg.eigh(matrix)
    usable = values > values.max() * 1e-15
    roots = np.where(usable, 1 / np.sqrt(np.where(usable, values, 1.0)), 0.0)
    return (vectors * roots) @ vectors.T


def pwcca_distance(
    a: Tensor | np.ndarray, b: Tensor | np.ndarray, *, eps: float = 1e-10, weighting: str = "paper"
) -> float:
    """Projection-weighted CCA distance of two representations of the same samples (Leavitt & Morcos, A.3.3).

    1 − Σ w·s, with s the canonical correlations and w how much of the activity each canonical direction carries.
    Only the means and covariances are used, so that the samples are passed over once.

    Args:
        a, b: (samples, units) each, the same samples in the same order.
        eps: units whose variance is below eps of the largest covariance are dropped, and eps is added to the scaled
            variances.
        weighting: "paper", as the implementation that the paper names computes it: directions that are not whitened,
            with the units' means added back, and activity that is not centred; it changes when a constant is added to
            a unit. "textbook": whitened directions and centred activity.

    Returns:
        the distance, in [0, 1]. Directions come from `a` unless `b` keeps fewer units, so it is not symmetric.

    Raises:
        ActivityError: shapes that do not fit, non-finite activity, a side on which nothing varies, unknown weighting.

    Warns:
        UserWarning: fewer than 10 samples a unit, where correlations are high by chance alone.
    """
    if weighting not in WEIGHTINGS:
        raise ActivityError(f"weighting: {weighting!r} given; one of {', '.join(WEIGHTINGS)} is allowed")
    first, second = _matrix(a, "a"), _matrix(b, "b")
    if len(first) != len(second):
        raise ActivityError(f"a, b: {len(first)} and {len(second)} samples given; both need the same ones")
    samples, widest = len(first), max(first.shape[1], second.shape[1])
    if samples < SAMPLES_A_UNIT * widest:
        warnings.warn(
            f"{samples} samples for {widest} units: below {SAMPLES_A_UNIT} a unit the distance is low by chance",
            stacklevel=2,
        )
    means = first.mean(0), second.mean(0)
    first, second = first - means[0], second - means[1]
    left, right = _moments(first, means[0], eps, "a"), _moments(second, means[1], eps, "b")
    cross = (first.T @ second)[np.ix_(left.kept, right.kept)] / (samples - 1)
    roots = [_inverse_root(side.covariance / side.scale + eps * np.eye(len(side.mean))) for side in (left, right)]
    u, s, vt = np.linalg.svd(roots[0] @ (cross / np.sqrt(left.scale * right.scale)) @ roots[1], full_matrices=False)
    side, directions, root = (left, u, roots[0]) if len(left.mean) <= len(right.mean) else (right, vt.T, roots[1])
    if weighting == "textbook":
        weights = _textbook_weights(side, directions, root)
    else:
        weights = _paper_weights(side, directions, first if side is left else second)
    return float(1 - weights @ np.clip(s, 0, 1) / weights.sum())


def _paper_weights(side: Moments, directions: np.ndarray, centred: np.ndarray) -> np.ndarray:
    """Σ over units of |Pᵀ·A|, P an orthonormal basis of D = Uᵀ(A − mean) + mean, A not centred.

    With D·Dᵀ = L·Lᵀ the basis is P = Dᵀ·L⁻ᵀ, so that PᵀAᵀ = L⁻¹·(D·Aᵀ): both products follow from the moments. Where
    units depend on each other linearly there is no such L, and the basis is formed from the samples, as the paper's
    implementation always does.
    """
    samples = len(centred)
    outer = samples * np.outer(side.mean, side.mean)
    scatter = (samples - 1) * side.covariance
    try:
        lower = np.linalg.cholesky(directions.T @ scatter @ directions + outer)
    except np.linalg.LinAlgError:
        kept = centred[:, side.kept]
        basis, _ = np.linalg.qr(kept @ directions + side.mean)
        return np.abs(basis.T @ (kept + side.mean)).sum(1)
    return np.abs(np.linalg.solve(lower, directions.T @ scatter + outer)).sum(1)


def _textbook_weights(side: Moments, directions: np.ndarray, root: np.ndarray) -> np.ndarray:
    """Σ over units of |H·Aᵀ| with the canonical variates H = Uᵀ·S^(−½)·(A − mean) and A centred, up to a factor."""
    return np.abs(directions.T @ root @ side.covariance).sum(1)
