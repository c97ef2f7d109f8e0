"""Where the two forms of the PWCCA distance disagree, and what an offset or a rotation does to either."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import pandas as pd
import torch
from torch import Tensor

from ..errors import ParameterError
from ..seeds import generator
from ..similarity import both_orders, prepare
from .representations import FORMS, REVERSED, by_layer, in_form, ratios

PAPER, JUDGED = "paper", "textbook, averaged"  # what the paper's figures show, and what this book's verdicts rest on
COMPARED = (*FORMS, "paper, averaged", JUDGED)


def ratios_by_form(table: pd.DataFrame) -> pd.DataFrame:
    """`representations.ratios` in every form and argument order, and in each form averaged over both orders.

    Args:
        table: `representations.distances` of one network.

    Returns:
        a row a form and α: form, and the columns of `ratios`.
    """
    return pd.concat([ratios(in_form(table, form)).assign(form=form) for form in COMPARED], ignore_index=True)


def layer_ratios(table: pd.DataFrame, alpha: float) -> pd.DataFrame:
    """ρ(α, 0)/ρ(α, α) of every layer in every form and argument order; a row a layer, a column a form."""
    found = {}
    for form in FORMS:
        means = by_layer(in_form(table, form), alpha)
        found[form] = means["between"] / means["within"]
    return pd.DataFrame(found)


def disagreements(table: pd.DataFrame, first: str = PAPER, second: str = JUDGED) -> pd.DataFrame:
    """How often two forms point to different sides: does α move representations, or not?

    Args:
        table: `representations.distances` of one network.
        first, second: forms, as `representations.in_form` takes them.

    Returns:
        a row an α ≠ 0: layers; layers_ratio and layers_excess, the number of layers in which the ratio lies on
        different sides of 1, the excess on different sides of 0; ratio and excess, whether their means over layers do.
    """
    rows = []
    forms = [in_form(table, form) for form in (first, second)]
    for alpha in sorted({a for a in table["alpha"] if a}):
        sides = [by_layer(form, alpha)[["within", "between", "baseline"]] for form in forms]
        there = sides[0].notna().all(axis=1) & sides[1].notna().all(axis=1)
        if not there.any():
            continue
        ratio = [side.loc[there, "between"] / side.loc[there, "within"] for side in sides]
        excess = [(2 * s["between"] - s["within"] - s["baseline"])[there] for s in sides]
        rows.append(
            {
                "alpha": alpha, "layers": int(there.sum()),
                "layers_ratio": int(((ratio[0] > 1) != (ratio[1] > 1)).sum()),
                "layers_excess": int(((excess[0] > 0) != (excess[1] > 0)).sum()),
                "ratio": bool((ratio[0].mean() > 1) != (ratio[1].mean() > 1)),
                "excess": bool((excess[0].mean() > 0) != (excess[1].mean() > 0)),
            }
        )  # fmt: skip
    return pd.DataFrame(rows, columns=["alpha", "layers", "layers_ratio", "layers_excess", "ratio", "excess"])


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
        found = both_orders(prepare(first[layer], name=layer), prepare(second[layer], name=layer))
        rows += [
            {"layer": layer, "depth": depth, "form": f"{form}{REVERSED if back else ''}", "distance": d}
            for (form, back), d in found.items()
        ]
    return rows
