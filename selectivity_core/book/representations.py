"""How far α moves representations: PWCCA distances within and between values of α (Leavitt & Morcos, A.3).

And what an offset or a rotation does to either form of the distance.
"""

from __future__ import annotations

import itertools
import math
import warnings
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import pandas as pd
from scipy import stats
from torch import Tensor

from ..errors import ActivityError, ParameterError
from ..rotation import random_projection
from ..runs.derived import Analysis, Task
from ..runs.trained import TrainedRuns
from ..seeds import generator, seed_for
from ..similarity import SAMPLES_A_UNIT, WEIGHTINGS, Representation, both_orders, represented
from ..spec import RunSpec
from .inference import flips

REVERSED, SHUFFLED = ", reversed", ", shuffled"
FORMS = tuple(f"{form}{order}" for form in WEIGHTINGS for order in ("", REVERSED))


def pair_rows(runs: TrainedRuns, first: RunSpec, second: RunSpec) -> pd.DataFrame:
    """Distances of every layer of two runs on the test set: both forms, both argument orders, and a ceiling.

    The ceiling is the distance to the second run's activity with its rows in random order: what two representations
    that have nothing to do with each other give at this number of samples and units. Layers in which no unit varies
    have no distance (NaN).
    """
    ours, theirs = (runs.activity(spec, "test") for spec in (first, second))
    rows = []
    order = np.random.default_rng(seed_for(first.seed, "rows")).permutation(len(next(iter(ours.values()))))
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=rf".*below {SAMPLES_A_UNIT} a unit.*")  # what the ceiling is for
        for depth, layer in enumerate(ours):
            found = dict.fromkeys((*FORMS, *(f"{form}{SHUFFLED}" for form in WEIGHTINGS)), math.nan)
            a, b = _represented(ours[layer].numpy()), _represented(theirs[layer].numpy())
            if a is not None and b is not None:
                shuffled = Representation(b.kept[order], b.mean, b.covariance, b.root, b.scale)
                found |= _by_form(a, b)
                found |= {f"{f}{SHUFFLED}": d for (f, back), d in both_orders(a, shuffled).items() if not back}
            rows += [{"layer": layer, "depth": depth, "form": f, "distance": d} for f, d in found.items()]
    return pd.DataFrame(rows)


def _represented(activity: np.ndarray) -> Representation | None:
    try:
        return represented(activity)
    except ActivityError:
        return None


def _by_form(a: Representation, b: Representation) -> dict[str, float]:
    return {f"{form}{REVERSED if back else ''}": distance for (form, back), distance in both_orders(a, b).items()}


PAIRS = Analysis("pairs", "pwcca", 2, pair_rows)


def pair_tasks(specs: Sequence[RunSpec]) -> Iterator[Task]:
    """Every pair of runs with the same α, and every pair of an α with α = 0: the regularised run first."""
    groups: dict[float, list[RunSpec]] = {}
    for spec in specs:
        groups.setdefault(spec.alpha, []).append(spec)
    for alpha, group in groups.items():
        for pair in itertools.combinations(group, 2):
            yield Task(PAIRS, pair)
        if alpha:
            for pair in itertools.product(group, groups.get(0.0, [])):
                yield Task(PAIRS, pair)


def distances(pairs: pd.DataFrame, runs: pd.DataFrame) -> pd.DataFrame:
    """Table `pairs` with alpha, seed, alpha_other and seed_other, of the completed runs of one network, and `group`.

    That is "within" (same α), "between" (an α and 0) or "same seed" (an α and 0 from one start: closer, kept apart).
    """
    sides = runs[["run", "alpha", "seed"]]
    joined = pairs.merge(sides, on="run").merge(
        sides.rename(columns={"run": "other"}), on="other", suffixes=("", "_other")
    )
    within = joined["alpha"] == joined["alpha_other"]
    same = joined["seed"] == joined["seed_other"]
    joined["group"] = np.where(within, "within", np.where(same, "same seed", "between"))
    return joined


def in_form(table: pd.DataFrame, form: str) -> pd.DataFrame:
    """Rows of one form: as it is, "…, reversed", or "…, averaged" over the two orders; ActivityError for another."""
    base, _, order = form.partition(", ")
    if base not in WEIGHTINGS or order not in ("", "reversed", "averaged", "shuffled"):
        raise ActivityError(f'form: {form!r} given; {" or ".join(WEIGHTINGS)}, alone or with ", reversed", …')
    if order != "averaged":
        return table[table["form"] == form]
    both = table[table["form"].isin((base, f"{base}{REVERSED}"))]
    keys = [c for c in both.columns if c not in ("form", "distance")]
    return both.groupby(keys, sort=False, as_index=False)["distance"].mean()


def by_layer(table: pd.DataFrame, alpha: float) -> pd.DataFrame:
    """Mean distance of each layer: within α, between α and 0 (also of the `same_seed`), within 0."""
    here = table[(table["alpha"] == alpha) & table["alpha_other"].isin((alpha, 0.0))]
    columns = {name: here[here["group"] == name.replace("_", " ")] for name in ("within", "between", "same_seed")}
    columns["baseline"] = table[(table["alpha"] == 0) & (table["group"] == "within")]
    return pd.DataFrame({name: rows.groupby("depth")["distance"].mean() for name, rows in columns.items()})


def ratio(layers: pd.DataFrame) -> float:
    """The paper's ratio: the mean over layers (of `by_layer`) of ρ(α, 0)/ρ(α, α); NaN where a side has no pair."""
    return float((layers["between"] / layers["within"]).dropna().mean())


def excess(layers: pd.DataFrame) -> float:
    """The mean over layers (of `by_layer`) of 2ρ(α, 0) − ρ(α, α) − ρ(0, 0); NaN where a side has no pair."""
    return float((2 * layers["between"] - layers["within"] - layers["baseline"]).dropna().mean())


def ratios(table: pd.DataFrame) -> pd.DataFrame:
    """The paper's `ratio` and the `excess` at each α ≠ 0, over the layers in which both are defined.

    The ratio ignores how far unregularised networks lie apart from each other; the excess does not.

    Returns:
        a row an α: ratio, excess, how many layers, p of the paper's test paired by layer, and the smallest share of
        sign-flipped seeds with an excess as large (`p_networks`; networks, not layers, are the replicates).
    """
    rows = []
    for alpha in sorted({a for a in table["alpha"].unique() if a}):
        layers = by_layer(table, alpha).dropna(subset=["within", "between", "baseline"])
        if not len(layers):
            continue
        p = _paired_p(layers["between"] - layers["within"])
        rows.append((alpha, ratio(layers), excess(layers), len(layers), p, permutation_p(table, alpha)))
    return pd.DataFrame(rows, columns=["alpha", "ratio", "excess", "layers", "p_layers", "p_networks"])


def _paired_p(differences: pd.Series) -> float:
    """Student's paired t over layers, the paper's test; NaN for one layer, or where the differences do not vary."""
    if len(differences) < 2 or np.ptp(differences) <= 1e-12 * np.abs(differences).max():
        return math.nan
    return float(stats.ttest_1samp(differences, 0).pvalue)


def permutation_p(table: pd.DataFrame, alpha: float) -> float:
    """Share of exchanges of α and 0 within seeds that give an excess at least as large as the one seen.

    Two networks of one seed differ in α only: if α did nothing, which of them is called regularised would not matter.
    The exchanges are the sign flips of `inference.flips`, of `distances` in one form. NaN with fewer than two seeds on
    both sides, or where no layer of some side has a distance.
    """
    matrix, seeds = _mean_distances(table, alpha)
    n = len(seeds)
    if n < 2:
        return math.nan
    values = np.array([_exchanged(matrix, exchanged) for exchanged in (flips(n) < 0).astype(int)])
    return float((values >= values[0] - 1e-12).mean()) if np.isfinite(values).all() else math.nan


def _mean_distances(table: pd.DataFrame, alpha: float) -> tuple[np.ndarray, list[int]]:
    """(seeds, 2, seeds, 2) distance averaged over layers between networks (seed, regularised or not)."""
    part = table[table["alpha"].isin((alpha, 0.0)) & table["alpha_other"].isin((alpha, 0.0))]
    means = part.groupby(["alpha", "seed", "alpha_other", "seed_other"])["distance"].mean()
    on = {a: set(part.loc[part["alpha"] == a, "seed"]) | set(part.loc[part["alpha_other"] == a, "seed_other"])
          for a in (alpha, 0.0)}  # fmt: skip
    seeds = sorted(on[alpha] & on[0.0])
    matrix = np.full((len(seeds), 2, len(seeds), 2), np.nan)
    place, side = {s: k for k, s in enumerate(seeds)}, {0.0: 0, alpha: 1}
    for (a, s, other, t), value in means.items():
        if s in place and t in place:
            i, j = (place[s], side[a]), (place[t], side[other])
            matrix[(*i, *j)] = matrix[(*j, *i)] = value
    return matrix, seeds


def _exchanged(matrix: np.ndarray, exchanged: np.ndarray) -> float:
    """The excess over pairs of different seeds, with the two networks of some seeds (1 in `exchanged`) exchanged."""
    i, j = np.triu_indices(len(exchanged), 1)
    one, two = 1 - exchanged, exchanged  # which of each seed's networks plays the regularised one, and which the other
    within = _mean(matrix[i, one[i], j, one[j]])
    base = _mean(matrix[i, two[i], j, two[j]])
    between = _mean(np.array([matrix[i, one[i], j, two[j]], matrix[i, two[i], j, one[j]]]))
    return 2 * between - within - base


def _mean(values: np.ndarray) -> float:
    """The mean of the finite values; NaN where there is none."""
    finite = values[np.isfinite(values)]
    return float(finite.mean()) if len(finite) else math.nan


def with_offset(first: Mapping[str, Tensor], second: Mapping[str, Tensor], shifts: Sequence[float]) -> pd.DataFrame:
    """Distances of two networks after a constant was added to every unit of both: `shifts` of its SDs.

    Networks are layer -> (samples, units) activity on the same samples.

    Returns:
        a row a layer, shift and form (of `FORMS`): layer, depth, shift, form, distance. Layers in which no unit varies
        are left out.
    """
    if not shifts or not all(math.isfinite(shift) for shift in shifts):
        raise ParameterError(f"shifts: {list(shifts)} given; at least one finite number is needed")
    rows = []
    for shift in shifts:
        moved = [
            {layer: values.double() + shift * values.double().std(0, correction=0) for layer, values in side.items()}
            for side in (first, second)
        ]
        rows += [{**row, "shift": float(shift)} for row in _distances(*moved)]
    return pd.DataFrame(rows, columns=["layer", "depth", "shift", "form", "distance"])


def rotated(first: Mapping[str, Tensor], second: Mapping[str, Tensor]) -> pd.DataFrame:
    """What a rotation of all units of a layer does: a row a layer, pair and form, as `with_offset` has them.

    The pair is "copy" (a layer and its rotated copy), "as is" (the two networks) or "rotated" (the first of them).
    """
    turned = {layer: _turned(values, depth) for depth, (layer, values) in enumerate(first.items())}
    pairs = {"copy": (first, turned), "as is": (first, second), "rotated": (turned, second)}
    rows = [{**row, "pair": name} for name, pair in pairs.items() for row in _distances(*pair)]
    return pd.DataFrame(rows, columns=["layer", "depth", "pair", "form", "distance"])


def _turned(activity: Tensor, depth: int) -> Tensor:
    units = activity.shape[1]
    return activity.double() @ random_projection(units, generator(0, "rotation", depth))


def _distances(first: Mapping[str, Tensor], second: Mapping[str, Tensor]) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = []
    for depth, layer in enumerate(first):
        if all((side[layer] != side[layer][0]).any() for side in (first, second)):
            found = _by_form(represented(first[layer], name=layer), represented(second[layer], name=layer))
            rows += [{"layer": layer, "depth": depth, "form": form, "distance": d} for form, d in found.items()]
    return rows
