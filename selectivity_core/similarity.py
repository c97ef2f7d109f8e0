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
class Representation:
    """All that the distance needs to know of one representation.

    Attributes:
        kept: (samples, units) centred activity of the units that vary enough to be kept.
        mean, covariance: of these units, with n − 1.
        root: (units, units) the inverse square root of the covariance scaled to a largest entry of 1.
        scale: the largest absolute covariance.
    """

    kept: np.ndarray
    mean: np.ndarray
    covariance: np.ndarray
    root: np.ndarray
    scale: float


def represented(activity: Tensor | np.ndarray, *, eps: float = 1e-10, name: str = "activity") -> Representation:
    """One side of `pwcca_distance`, worked out once however many others it is compared with; `name` is for errors."""
    try:
        if isinstance(activity, Tensor):
            activity = activity.detach().cpu()
            activity = (activity if activity.is_complex() else activity.double()).numpy()
        values = np.asarray(activity)
        if np.iscomplexobj(values):
            raise TypeError("complex")
        values = values.astype(np.float64, copy=False)
    except (TypeError, ValueError, NotImplementedError) as error:
        kind = type(activity).__name__
        raise ActivityError(f"{name}: a {kind} given; real numbers (samples, units) are needed") from error
    if values.ndim != 2 or min(values.shape) < 1 or len(values) < 2:
        raise ActivityError(f"{name}: shape {values.shape} given; (samples, units) with 2 samples or more is needed")
    if not np.isfinite(values).all():
        raise ActivityError(f"{name}: not finite in {int((~np.isfinite(values)).any(0).sum())} units")
    mean = values.mean(0)
    centred = values - mean
    covariance = centred.T @ centred / (len(centred) - 1)
    scale = float(np.abs(covariance).max())
    if scale == 0:
        raise ActivityError(f"{name}: no unit varies over the samples; a distance is not defined")
    kept = np.diag(covariance) / scale >= eps
    if not kept.all():
        centred, mean, covariance = centred[:, kept], mean[kept], covariance[np.ix_(kept, kept)]
    root = _inverse_root(covariance / scale + eps * np.eye(len(mean)))
    return Representation(centred, mean, covariance, root, scale)


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
        ActivityError: shapes that do not fit, complex or non-finite activity, a side on which nothing varies, an
            unknown weighting; with weighting "paper", fewer samples than units that vary on the side that gives the
            weights.

    Warns:
        UserWarning: fewer than 10 samples a unit, where correlations are high by chance alone.
    """
    if weighting not in WEIGHTINGS:
        raise ActivityError(f"weighting: {weighting!r} given; one of {', '.join(WEIGHTINGS)} is allowed")
    sides = represented(a, eps=eps, name="a"), represented(b, eps=eps, name="b")
    correlations, directions = _canonical(*sides, names="a, b")
    return _distance(*sides, correlations, *directions, weighting)


def both_orders(a: Representation, b: Representation) -> dict[tuple[str, bool], float]:
    """`pwcca_distance` by weighting and whether the second was the first argument.

    Each order has a decomposition of its own: the paper's form depends on the signs of the directions, which a
    decomposition leaves open, and so on which side came first.
    """
    found: dict[tuple[str, bool], float] = {}
    for reverse, sides in ((False, (a, b)), (True, (b, a))):
        correlations, directions = _canonical(*sides, names="sides")
        found |= {(form, reverse): _distance(*sides, correlations, *directions, form) for form in WEIGHTINGS}
    return found


def _canonical(a: Representation, b: Representation, names: str) -> tuple[np.ndarray, tuple[np.ndarray, np.ndarray]]:
    """Canonical correlations, and each side's directions in its whitened units."""
    samples = len(a.kept)
    if samples != len(b.kept):
        raise ActivityError(f"{names}: {samples} and {len(b.kept)} samples given; both need the same ones")
    widest = max(len(a.mean), len(b.mean))
    if samples < SAMPLES_A_UNIT * widest:
        warnings.warn(
            f"{samples} samples for {widest} units: below {SAMPLES_A_UNIT} a unit the distance is low by chance",
            stacklevel=3,
        )
    cross = a.kept.T @ b.kept / (samples - 1) / np.sqrt(a.scale * b.scale)
    u, s, vt = np.linalg.svd(a.root @ cross @ b.root, full_matrices=False)
    return np.clip(s, 0, 1), (u, vt.T)


def _distance(
    a: Representation, b: Representation, correlations: np.ndarray, left: np.ndarray, right: np.ndarray, weighting: str
) -> float:
    """1 − Σ w·s with weights from the first argument, or from the second where that keeps fewer units."""
    given, directions = (a, left) if len(a.mean) <= len(b.mean) else (b, right)
    weights = (_textbook_weights if weighting == "textbook" else _paper_weights)(given, directions)
    return float(1 - weights @ correlations / weights.sum())


def _paper_weights(given: Representation, directions: np.ndarray) -> np.ndarray:
    """Σ over units of |Pᵀ·A|, P an orthonormal basis of D = Uᵀ(A − mean) + mean, A not centred.

    With D·Dᵀ = L·Lᵀ the basis is P = Dᵀ·L⁻ᵀ, so that PᵀAᵀ = L⁻¹·(D·Aᵀ): both products follow from the moments. Where
    units depend on each other linearly there is no such L, and the basis is formed from the samples, as the paper's
    implementation always does.
    """
    samples = len(given.kept)
    if samples < len(given.mean):
        raise ActivityError(
            f'weighting: "paper" needs as many samples as units; {samples} given for {len(given.mean)} units that vary'
        )
    outer = samples * np.outer(given.mean, given.mean)
    scatter = (samples - 1) * given.covariance
    try:
        lower = np.linalg.cholesky(directions.T @ scatter @ directions + outer)
    except np.linalg.LinAlgError:
        basis, _ = np.linalg.qr(given.kept @ directions + given.mean)
        return np.abs(basis.T @ (given.kept + given.mean)).sum(1)
    return np.abs(np.linalg.solve(lower, directions.T @ scatter + outer)).sum(1)


def _textbook_weights(given: Representation, directions: np.ndarray) -> np.ndarray:
    """Σ over units of |H·Aᵀ| with the canonical variates H = Uᵀ·S^(−½)·(A − mean) and A centred, up to a factor."""
    return np.abs(directions.T @ given.root @ given.covariance).sum(1)
