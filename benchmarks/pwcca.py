"""PWCCA from moments against a numpy version that forms covariances and takes matrix square roots."""

from __future__ import annotations

import numpy as np
from scipy.linalg import sqrtm

from selectivity_core import pwcca_distance
from selectivity_core.seeds import generator

from .timing import Paired, compare

SAMPLES, UNITS, EPS = 10_000, 256, 1e-10


def plain_pwcca(a: np.ndarray, b: np.ndarray) -> float:
    """The paper's form, step by step from the samples.

    Args:
        a, b: (samples, units), as many units in each, all of which vary.
    """
    units = a.shape[1]
    joint = np.cov(a, b, rowvar=False)
    xx, xy, yy = joint[:units, :units], joint[:units, units:], joint[units:, units:]
    scales = np.abs(xx).max(), np.abs(yy).max()
    roots = [
        np.linalg.inv(np.real(sqrtm(side / scale + EPS * np.eye(units))))
        for side, scale in zip((xx, yy), scales, strict=True)
    ]
    u, s, _ = np.linalg.svd(roots[0] @ (xy / np.sqrt(scales[0] * scales[1])) @ roots[1])
    mean = a.mean(0)
    directions = (a - mean) @ u + mean  # (samples, units): not whitened, the means added back
    basis, _ = np.linalg.qr(directions)
    weights = np.abs(basis.T @ a).sum(1)
    return float(1 - weights @ np.clip(s, 0, 1) / weights.sum())


def generated(samples: int, units: int) -> tuple[np.ndarray, np.ndarray]:
    """Rectified activity of two layers that share half of what they see."""
    draw = np.random.default_rng(generator(0, "pwcca").initial_seed())
    shared = draw.standard_normal((samples, units))
    both = [0.7 * shared @ draw.standard_normal((units, units)) / np.sqrt(units) for _ in range(2)]
    a, b = (np.maximum(x + 0.7 * draw.standard_normal((samples, units)) + 0.5, 0) for x in both)
    return a, b


def measure() -> dict[str, Paired]:
    """The ratio."""
    a, b = generated(SAMPLES, UNITS)
    np.testing.assert_allclose(pwcca_distance(a, b), plain_pwcca(a, b), atol=1e-6)
    return {"pwcca": compare(lambda: pwcca_distance(a, b), lambda: plain_pwcca(a, b))}
