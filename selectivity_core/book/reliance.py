"""How much networks rely on single units: curves under ablation or noise, one number a network, and claims on them.

Morcos et al. 2018 compare areas under such curves, and what ablating a unit costs with how selective it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy import stats
from scipy.special import comb

from ..ablation.curves import NORMALISATIONS, areas_under
from ..data import DATASETS
from ..errors import MissingRunsError, ParameterError
from ..runs.analyses import ANALYSES
from .evidence import FITTED, Finding, NetworkRuns, needed, over_seeds
from .inference import correlation_over, mean_correlation, mean_of, slopes, spearman, unpaired
from .units import correlations, living

AREA = "initial"  # of the normalisations of an area the one that judges: accuracy over initial accuracy
EXTREMES = 5  # so many networks count as the best, and as the worst; at most a quarter of all
LAYERS = {"all": "within layers", "first3": "first three layers", "last3": "last three layers"}  # as specs name them


def fitted(runs: pd.DataFrame) -> pd.Series:
    """Which networks have fitted their training images, with the labels trained with: one rule for every page."""
    return runs["train_accuracy_last"] >= FITTED


def curves_of(curves: pd.DataFrame, analysis: str) -> pd.DataFrame:
    """The rows of one analysis ("ablation", "noise", …) of table `curves`."""
    return curves[curves["analysis"] == ANALYSES[analysis].label] if len(curves) else curves


def by_network(curves: pd.DataFrame) -> pd.DataFrame:
    """Every network's own curve: orderings (draws of noise) are no replicates, so they are averaged first."""
    keys = ["run", "analysis", "kind", "step", "fraction"]
    return curves.groupby(keys, sort=False, as_index=False)["accuracy"].mean()


def areas(curves: pd.DataFrame, runs: pd.DataFrame) -> pd.DataFrame:
    """The area under every curve, averaged over its orderings, in each normalisation of `ablation_auc`.

    Of noise the scales take the place of fractions, evenly spaced as they are on a log axis, with no noise before the
    first: the area is then a mean over sizes of the noise.

    Returns:
        a row a run, analysis and kind: these, initial, none, chance, the columns of `runs`, and `fits`: whether the
        network has fitted its training images.
    """
    classes = dict(zip(runs["run"], (DATASETS[name].classes for name in runs["dataset"]), strict=True))
    rows = []
    for (run, analysis, kind), curve in curves.groupby(["run", "analysis", "kind"], sort=False):
        if run not in classes:
            continue
        if kind == "noise":
            curve = curve.assign(fraction=curve["step"] / curve["step"].max())
        found = areas_under(curve, NORMALISATIONS, 1 / classes[run])
        rows.append({"run": run, "analysis": analysis, "kind": kind, **{k: float(v.mean()) for k, v in found.items()}})
    frame = pd.DataFrame(rows, columns=["run", "analysis", "kind", *NORMALISATIONS])
    return frame.merge(runs.assign(fits=fitted(runs)), on="run", validate="many_to_one")


def left_out(runs: pd.DataFrame, *by: str) -> pd.DataFrame:
    """Networks that have not fitted their training images, for each setting that has any.

    Args:
        runs: table `runs`, or `areas`.
        by: columns that tell settings apart.

    Returns:
        a row a setting, as pages show it: `by`, networks (all of it), left out (how many), their seeds, and lowest
        training accuracy (%).
    """
    once = runs.drop_duplicates("run")
    out = once[~fitted(once)].sort_values("seed").groupby(list(by))
    found = pd.DataFrame(
        {
            "networks": once.groupby(list(by)).size(), "left out": out.size(),
            "seeds": out["seed"].agg(lambda seeds: ", ".join(map(str, seeds))),
            "lowest training accuracy (%)": 100 * out["train_accuracy_last"].min(),
        }
    )  # fmt: skip
    return found.dropna().astype({"left out": int}).reset_index()


def fitting(areas: pd.DataFrame) -> pd.DataFrame:
    """The rows of `areas`, or of `runs`, with `fits` whose networks do; MissingRunsError where none does."""
    if areas.empty:
        raise MissingRunsError("no network whose reliance could be compared is at hand")
    if not areas["fits"].any():
        best = 100 * areas["train_accuracy_last"].max()
        raise MissingRunsError(
            f"no network fits its training images (the best has {best:.0f} % of them right at its last epoch); "
            "train for more epochs to compare reliance"
        )
    return areas[areas["fits"]]


def kept_within_and_beyond(curves: pd.DataFrame, share: float) -> pd.DataFrame:
    """What is left of accuracy at a share of ablated units (in [0, 1)), and on average beyond it.

    Curves are those of `by_network`, of one analysis and kind.

    Returns:
        a row a run: within (accuracy there over that with no unit ablated) and beyond (its mean over larger shares).
    """
    rows = []
    for run, curve in curves.sort_values("step").groupby("run", sort=False):
        places, kept = curve["fraction"].to_numpy(), curve["accuracy"].to_numpy() / curve["accuracy"].iloc[0]
        within = float(np.interp(share, places, kept))
        after = places > share
        area = np.trapezoid([within, *kept[after]], [share, *places[after]])
        rows.append({"run": run, "within": within, "beyond": float(area / (1 - share))})
    return pd.DataFrame(rows, columns=["run", "within", "beyond"])


def choose_by(score: ArrayLike, outcome: ArrayLike, subset: int, best: Sequence[int] = (1, 3, 5)) -> dict[str, float]:
    """Chooses the setting with the highest score from every subset of a size: the exact average, with no draw.

    A setting is chosen where it is in the subset and none with a higher score is; the others of the subset are then any
    of those with lower scores, so that the number among them with a better outcome is hypergeometric.

    Args:
        score: (settings,) what the choice goes by; of equal scores the earlier counts as the higher.
        outcome: (settings,) what it is held against, such as test accuracy; of equal outcomes none is the better.
        subset: how many settings each subset has.
        best: the k of "among the k best".

    Returns:
        "best 1", …: how often the chosen one is among the k best of its subset, 0 to 1; "behind": how far it stays
        behind the best of its subset, in the unit of the outcome; "behind, drawn": the same of a random setting.
    """
    scores, outcomes = np.asarray(score, np.float64), np.asarray(outcome, np.float64)
    n = scores.size
    if scores.shape != outcomes.shape or scores.ndim != 1:
        raise ParameterError(f"score, outcome: {scores.shape} and {outcomes.shape} given; one of each for a setting")
    if not (np.isfinite(scores).all() and np.isfinite(outcomes).all()):
        raise ParameterError("score, outcome: a value that is not finite; every setting needs both")
    if not 1 <= subset <= n:
        raise ParameterError(f"subset: {subset} given; 1 to {n} is allowed for {n} settings")
    ranked = outcomes[np.argsort(-scores, kind="stable")]
    lower = n - 1 - np.arange(n)  # settings with lower scores
    chance = comb(lower, subset - 1) / comb(n, subset)  # of being the highest of a subset, by rank
    better = np.array([(ranked[k + 1 :] > own).sum() for k, own in enumerate(ranked)])
    kept = lower >= subset - 1
    others = stats.hypergeom(np.maximum(lower[kept], 1), better[kept], subset - 1)
    found = {f"best {k}": float(chance[kept] @ others.cdf(k - 1)) for k in best}
    highest = np.sort(outcomes)[::-1] @ chance
    return found | {"behind": float(highest - ranked @ chance), "behind, drawn": float(highest - outcomes.mean())}


# The contrasts of claims about reliance; see `contrasts`.


def _areas(on: NetworkRuns, analysis: str = "ablation") -> pd.DataFrame:
    """A row a network that has fitted its training images and whose curve is there: its run and `value`, the area."""
    runs = on.runs()
    found = areas(curves_of(on.of_figure.tables.curves, analysis), runs)
    found = found[found["fits"]] if len(found) else found
    if not len(found):
        raise MissingRunsError(f"no {analysis} curve of {on.name} from a network that fits its training images")
    return found.assign(value=found[AREA], error=found["train_accuracy_last"] - found["test_accuracy_last"])


def _paired(first: pd.Series, second: pd.Series, where: str) -> Finding:
    """The mean of first less second, paired by their index."""
    both = (first - second).dropna()
    if not len(both):
        raise MissingRunsError("no seed has both of what the claim compares")
    return Finding(mean_of(both), where)


def _sides(rows: pd.DataFrame, setting: str, *values: Any) -> list[pd.Series]:
    """(seeds,) `value` of the networks at each value of a setting."""
    return [rows.loc[rows[setting] == value].set_index("seed")["value"] for value in values]


def area_by_corruption(on: NetworkRuns, *, analysis: str) -> list[Finding]:
    """How much the area changes from one share of corrupted labels to the next; one slope a seed."""
    found = slopes(_areas(on, analysis), "value", "label_corruption")
    if not len(found):
        raise MissingRunsError("no seed has two shares of corrupted labels whose networks fit")
    return [Finding(mean_of(found), "a step of label corruption")]


def zero_less_mean(on: NetworkRuns) -> list[Finding]:
    """The area with units ablated to zero less that with units ablated to their mean, network by network."""
    zero, mean = (_areas(on, analysis).set_index("run")["value"] for analysis in ("ablation", "ablation-mean"))
    return [_paired(zero, mean, "to zero minus to the mean")]


def with_less_without(on: NetworkRuns, *, setting: str, first: Any, second: Any, measure: str = "") -> list[Finding]:
    """A measure (the area under the ablation curve where empty) at one value of a setting less that at another."""
    rows = on.values(measure) if measure else _areas(on)
    with_it, without = _sides(rows, setting, first, second)
    return [_paired(with_it, without, f"with {setting.replace('_', ' ')} minus without")]


def best_less_worst(on: NetworkRuns) -> list[Finding]:
    """The area of the networks that generalise best less that of those that generalise worst."""
    found = _areas(on)
    k = min(EXTREMES, len(found) // 4)
    if not k:
        raise MissingRunsError(f"{len(found)} networks: too few for a best and a worst quarter")
    ranked = found.sort_values(["error", "seed"], kind="stable")["value"]
    return [Finding(unpaired(ranked.head(k), ranked.tail(k)), f"{k} best minus {k} worst of {len(found)}")]


def area_and_error(on: NetworkRuns) -> list[Finding]:
    """Spearman's correlation of area and generalisation error over networks."""
    found = _areas(on)
    return [Finding(correlation_over(found["value"], found["error"]), f"over {len(found)} networks")]


def area_and_accuracy(on: NetworkRuns) -> list[Finding]:
    """Spearman's correlation of area and test accuracy over settings, each the mean of its networks."""
    found = _areas(on)
    means = found.groupby(["lr", "batch_size"], as_index=False)[["value", "test_accuracy_last"]].mean()
    if len(means) < 3:
        raise MissingRunsError(f"it is about a correlation over settings, of which {len(means)} was run")
    return [Finding(correlation_over(means["value"], means["test_accuracy_last"]), f"over {len(means)} settings")]


def area_and_loss(on: NetworkRuns) -> list[Finding]:
    """Spearman's correlation of area and test loss over the epochs of each network, averaged over networks.

    The area is that above chance, of epochs at which accuracy is twice chance or more: over initial accuracy a network
    that has learnt nothing has an area near 1.
    """
    found = _areas(on, "training").dropna(subset=["chance"])
    found = found.assign(epoch=found["kind"].str.removeprefix("epoch ").astype(int))
    history = on.table("history")[["run", "epoch", "test_loss"]]
    rows = found[["run", "epoch", "chance"]].merge(history, on=["run", "epoch"], validate="one_to_one")
    rows = rows[rows["epoch"] > 0]
    rho = [spearman(own["chance"], own["test_loss"]) for _, own in rows.groupby("run")]
    return [Finding(over_seeds(rho), "over epochs")]


def turning_point(on: NetworkRuns) -> list[Finding]:
    """The epoch of the largest area, which is never judged: it lies on a plateau, and is noise there."""
    raise MissingRunsError("the area has a plateau, so that the epoch of its maximum says nothing")


def loss_by_dropout(on: NetworkRuns) -> list[Finding]:
    """How much the last training loss changes from one dropout to the next, on true and on corrupted labels."""
    found = []
    for share, own in on.values("train_loss_last").groupby("label_corruption"):
        by_seed = slopes(own, "value", "dropout")
        if len(by_seed):
            labels = f"{100 * share:.0f} % of labels random" if share else "true labels"
            found.append(Finding(mean_of(by_seed), f"a step of dropout, {labels}"))
    return needed(found, why="no labels with two or more rates of dropout")


def _dropped(on: NetworkRuns) -> pd.DataFrame:
    """What networks trained with dropout keep within and beyond the share that training dropped."""
    counted = _areas(on)[["run", "seed", "dropout", "label_corruption", "train_accuracy_last"]]
    curves = by_network(curves_of(on.of_figure.tables.curves, "ablation"))
    parts = [
        kept_within_and_beyond(curves[curves["run"].isin(own["run"])], float(rate)).merge(own, on="run")
        for rate, own in counted[counted["dropout"] > 0].groupby("dropout")
    ]
    if not parts:
        raise MissingRunsError("no curve of a network trained with dropout is at hand")
    return pd.concat(parts)


def up_to_dropout(on: NetworkRuns) -> list[Finding]:
    """Training accuracy with as large a share of units ablated as training dropped, less that with none ablated."""
    found = [
        Finding(
            mean_of((own["within"] - 1) * own["train_accuracy_last"]),
            f"dropout {rate:g}, {100 * share:.0f} % of labels random" if share else f"dropout {rate:g}, true labels",
            True,
        )
        for (rate, share), own in _dropped(on).groupby(["dropout", "label_corruption"])
    ]
    return needed(found)


def beyond_dropout(on: NetworkRuns) -> list[Finding]:
    """Mean accuracy kept beyond the share that training dropped: on corrupted labels less on true ones, by seed."""
    found = []
    for rate, own in _dropped(on).groupby("dropout"):
        kept = own.set_index("seed")
        corrupted, true = kept[kept["label_corruption"] > 0]["beyond"], kept[kept["label_corruption"] == 0]["beyond"]
        if len(corrupted) and len(true):
            found.append(_paired(corrupted, true, f"dropout {rate:g}"))
    return needed(found, why="no dropout with curves on both true and corrupted labels")


def norm_less_dropout(on: NetworkRuns, *, other: str) -> list[Finding]:
    """What batch norm adds to the area of one network less what the most dropout adds to that of another."""
    norm, drop = _areas(on), _areas(on.other(model=other))
    drop = drop[drop["label_corruption"] == 0]
    normed, plain = _sides(norm, "batch_norm", True, False)
    most, least = _sides(drop, "dropout", drop["dropout"].max(), 0.0)
    gains = [(normed - plain).dropna(), (most - least).dropna()]
    if not all(map(len, gains)):
        raise MissingRunsError("no seed has both of what the claim compares")
    return [Finding(unpaired(*gains), "batch norm minus dropout")]


def _over_networks(units: pd.DataFrame, first: str, second: str, layers: str = "all") -> Finding:
    table = correlations(units, first, second)
    last = table["depth"].max()
    keep = {"all": table["depth"] >= 0, "first3": table["depth"] < 3, "last3": table["depth"] > last - 3}[layers]
    each = table[keep].groupby("run")["rho"].mean()
    if not each.notna().any():
        raise MissingRunsError("no layer has units enough for a correlation")
    return Finding(mean_correlation(each), LAYERS[layers])


def units_agree(on: NetworkRuns, *, first: str, second: str, pooled: bool = False) -> list[Finding]:
    """Spearman's correlation of two measures over living units at α = 0: within layers, or pooled over all of them."""
    units = living(on.table("units"))
    units = units[units["alpha"] == 0]
    if not len(units):
        raise MissingRunsError(f"no units of {on.name} at α = 0")
    if pooled:
        each = [spearman(own[first], own[second]) for _, own in units.groupby("run")]
        return [Finding(mean_correlation(each), "pooled over layers")]
    return [_over_networks(units, first, second)]


def importance(on: NetworkRuns, *, measure: str, layers: str = "all") -> list[Finding]:
    """Spearman's correlation of a measure and the rise in test loss when a unit alone is ablated, within layers.

    Of loss, since ablating one unit changes accuracy by an image or two, and by none for most units.
    """
    units = living(on.table("units"))
    found = curves_of(on.of_figure.tables.importances, "importance")
    joined = units.merge(found, on=["run", "layer", "unit"], suffixes=("", "_ablated")) if len(found) else found
    if not len(joined):
        raise MissingRunsError(f"what ablating single units of {on.name} costs has not been measured")
    return [_over_networks(joined, measure, "loss_change", layers)]


def rises_with_depth(on: NetworkRuns, *, measure: str) -> list[Finding]:
    """Spearman's correlation of depth and a layer's mean measure over living units, averaged over networks."""
    found = []
    for _, own in living(on.table("units")).groupby("run"):
        means = own.groupby("layer", sort=False)[measure].mean()
        found.append(spearman(range(len(means)), means))
    return [Finding(mean_correlation(found), "over layers")]
