"""What an offset or a rotation does to either form of the PWCCA distance."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import pandas as pd
import torch
from torch import Tensor

from ..errors import ParameterError
from ..seeds import generator
from ..similarity import both_orders, represented
from .representations import REVERSED


def with_offset(first: Mapping[str, Tensor], second: Mapping[str, Tensor], shifts: Sequence[float]) -> pd.DataFrame:
    """Distances of two networks after a constant was added to every unit of both: so many of its SDs.

    Args:
        first, second: layer -> (samples, units) activity on the same samples.
        shifts: in SDs.

    Returns:
        a row a layer, shift and form (of `representations.FORMS`): layer, depth, shift, form, distance. Layers in
        which no unit varies are left out.

    Raises:
        ParameterError: no shifts, or one that is not finite.
        ActivityError: activity of another shape or of other samples, or not finite.
    """
    if not shifts or not all(math.isfinite(shift) for shift in shifts):
        raise ParameterError(f"shifts: {list(shifts)} given; at least one finite number is needed")
    rows = []
    for shift in shifts:
        moved = [{k: _raised(v, shift) for k, v in side.items()} for side in (first, second)]
        rows += [{**row, "shift": float(shift)} for row in _distances(*moved)]
    return pd.DataFrame(rows, columns=["layer", "depth", "shift", "form", "distance"])


def rotated(first: Mapping[str, Tensor], second: Mapping[str, Tensor], seed: int = 0) -> pd.DataFrame:
    """What a rotation of all units of a layer does: distances to the rotated copy of itself, and from it to another.

    Args:
        first, second: layer -> (samples, units) activity on the same samples.
        seed: of the rotations.

    Returns:
        a row a layer, pair and form: layer, depth, form, distance, and `pair`: "copy" (a layer and its rotated copy),
        "as is" (the two networks) or "rotated" (the first of them rotated).

    Raises:
        ActivityError: as for `with_offset`.
    """
    turned = {layer: _turned(values, seed, depth) for depth, (layer, values) in enumerate(first.items())}
    pairs = {"copy": (first, turned), "as is": (first, second), "rotated": (turned, second)}
    rows = [{**row, "pair": name} for name, pair in pairs.items() for row in _distances(*pair)]
    return pd.DataFrame(rows, columns=["layer", "depth", "pair", "form", "distance"])


def _raised(activity: Tensor, shift: float) -> Tensor:
    values = activity.double()
    return values + shift * values.std(0, correction=0)


def _turned(activity: Tensor, seed: int, depth: int) -> Tensor:
    units = activity.shape[1]
    drawn = torch.empty(units, units, dtype=torch.float64)
    return activity.double() @ torch.nn.init.orthogonal_(drawn, generator=generator(seed, "rotation", depth))


def _distances(first: Mapping[str, Tensor], second: Mapping[str, Tensor]) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = []
    for depth, layer in enumerate(first):
        if not all((side[layer] != side[layer][0]).any() for side in (first, second)):
            continue
        found = both_orders(represented(first[layer], name=layer), represented(second[layer], name=layer))
        rows += [
            {"layer": layer, "depth": depth, "form": f"{form}{REVERSED if back else ''}", "distance": d}
            for (form, back), d in found.items()
        ]
    return rows
