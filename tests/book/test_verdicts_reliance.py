"""Predicates on curves, importances and units of Morcos et al. 2018, on tables with areas known by hand."""

import math

import pandas as pd
import pytest
from scipy import stats
from verdict_studies import curve_rows, evidence, study, with_curves

from selectivity_core.book.paper.claims import CLAIMS
from selectivity_core.book.verdicts import judge, reliance, unit_relations
from selectivity_core.errors import MissingRunsError
from selectivity_core.runs.analyses import ANALYSES

LABEL = {name: analysis.label for name, analysis in ANALYSES.items()}


def straight(area, start=1.0):
    """A curve from `start` to what makes its area over the start `area`: a straight line."""
    return {0.0: start, 1.0: start * (2 * area - 1)}


def made(figure, area, analyses=("ablation",), seeds=3, start=1.0, **figures):
    """A study with a straight curve for every run: its area by the run's row and the analysis."""
    found = study(figure, alphas=(0,), seeds=seeds)
    runs = found.tables.runs
    runs["train_accuracy_last"] = 1.0
    for name, value in figures.items():
        runs[name] = [value(row) for row in runs.itertuples()]
    rows = []
    for row in runs.itertuples():
        for name in analyses:
            rows += curve_rows(row.run, LABEL[name], straight(area(row, name), start))
    return with_curves(found, rows)


def test_areas_of_networks_that_have_memorised():
    found = made("morcos1", lambda row, _: 0.9 - 0.1 * row.label_corruption)
    runs = found.tables.runs
    runs.loc[(runs["label_corruption"] == 1) & (runs["seed"] == 0), "train_accuracy_last"] = 0.5
    table = reliance.areas(evidence(found), "morcos1", "mlp")
    assert len(table) == 6 * 3 - 1
    assert table.loc[table["label_corruption"] == 0.2, "value"].tolist() == pytest.approx([0.88] * 3)


def test_the_area_falls_with_corruption():
    found = made("morcos1", lambda row, _: 0.9 - (0.1 + 0.01 * row.seed) * row.label_corruption)
    (slope,) = reliance.area_by_corruption(evidence(found), "morcos1", "mlp", analysis="ablation")
    # Steps of 0.2 of corruption: slopes of 0.020, 0.022 and 0.024.
    assert slope.estimate == pytest.approx(-0.022)
    assert slope.se == pytest.approx(0.002 / math.sqrt(3))
    assert slope.where == "a step of corruption, 0% to 100%"
    assert judge(CLAIMS["M002"], evidence(found)).status == "direction holds"
    rising = made("morcos1", lambda row, _: 0.7 + (0.1 + 0.01 * row.seed) * row.label_corruption)
    assert judge(CLAIMS["M002"], evidence(rising)).status == "does not carry over"
    alone = made("morcos1", lambda row, _: 0.9 - 0.1 * row.label_corruption, seeds=1)
    assert judge(CLAIMS["M002"], evidence(alone)).status == "inconclusive"


def test_without_curves_it_is_not_run():
    bare = study("morcos1", alphas=(0,))
    assert judge(CLAIMS["M002"], evidence(bare)).status == "not run"
    with pytest.raises(MissingRunsError, match="no noise curve"):
        reliance.areas(evidence(made("morcos1", lambda row, _: 0.9)), "morcos1", "mlp", "noise")


def test_zero_against_mean_network_by_network():
    gap = {"ablation": 0.0, "ablation-mean": 0.05}
    found = made("morcosA1", lambda row, a: 0.8 - gap[a] - 0.01 * row.seed * (a != "ablation"), tuple(gap))
    (less,) = reliance.zero_less_mean(evidence(found), "morcosA1", "mlp")
    assert (less.estimate, less.n) == (pytest.approx(0.06), 3)
    assert judge(CLAIMS["M001"], evidence(found)).status == "direction holds"


def test_batch_norm_by_area_and_by_selectivity():
    found = made("morcos5", lambda row, _: 0.6 + 0.1 * row.batch_norm + 0.01 * row.seed * row.batch_norm)
    (area,) = reliance.with_less_without(
        evidence(found), "morcos5", "convnet11", setting="batch_norm", first=True, second=False
    )
    assert area.estimate == pytest.approx(0.11)
    assert area.where == "batch norm on less off"
    sixth = study("morcos6", alphas=(0,))
    runs = sixth.tables.runs
    runs["si_units"] = 0.5 - 0.2 * runs["batch_norm"].astype(float) - 0.01 * runs["seed"] * runs["batch_norm"]
    verdict = judge(CLAIMS["M022"], evidence(sixth))
    assert (verdict.status, verdict.finding.estimate) == ("direction holds", pytest.approx(-0.21))


def networks(count=20, sign=-1):
    """Areas that fall (or rise) with generalisation error, exactly."""
    return made(
        "morcos3", lambda row, _: 0.75 + sign * 0.005 * row.seed, seeds=count,
        test_accuracy_last=lambda row: 0.9 - 0.01 * row.seed,
    )  # fmt: skip


def test_best_against_worst_generalisers():
    (found,) = reliance.best_less_worst(evidence(networks()), "morcos3", "convnet11")
    best, worst = [0.75 - 0.005 * k for k in range(5)], [0.75 - 0.005 * k for k in range(15, 20)]
    assert found.estimate == pytest.approx(0.005 * 15)
    assert found.p() == pytest.approx(stats.ttest_ind(best, worst, equal_var=False).pvalue)
    assert (found.n, found.where) == (5, "5 best less 5 worst of 20")
    (few,) = reliance.best_less_worst(evidence(networks(8)), "morcos3", "convnet11")
    assert few.where == "2 best less 2 worst of 8"
    with pytest.raises(MissingRunsError, match="too few"):
        reliance.best_less_worst(evidence(networks(3)), "morcos3", "convnet11")


def test_the_correlation_over_networks_is_fishers():
    found = networks()
    runs = found.tables.runs
    runs.loc[runs["seed"] < 2, "test_accuracy_last"] = [0.89, 0.90]  # the first two change places
    (rho,) = reliance.area_and_error(evidence(found), "morcos3", "convnet11")
    expected = 1 - 6 * 2 / (20 * (20**2 - 1))
    assert rho.estimate == pytest.approx(-expected)
    assert rho.se == pytest.approx(math.sqrt((1 + expected**2 / 2) / 17), rel=1e-4)
    assert judge(CLAIMS["M009"], evidence(found)).status == "direction holds"


def test_areas_go_with_accuracy_over_settings():
    found = made(
        "morcos4", lambda row, _: 0.5 + 0.002 * row.batch_size + row.lr, seeds=2,
        test_accuracy_last=lambda row: 0.5 + 0.001 * row.batch_size + row.lr,
    )  # fmt: skip
    (rho,) = reliance.area_and_accuracy(evidence(found), "morcos4", "convnet11")
    assert rho.n == found.tables.runs.query("model == 'convnet11'")[["lr", "batch_size"]].drop_duplicates().shape[0]
    assert 0.5 < rho.estimate < 1
    assert rho.bounds()[0] < rho.estimate


def training(areas, losses):
    """Curves and losses at epochs 1, 2, … of every perceptron; the area above chance is the straight line's."""
    found = study("morcos4", alphas=(0,), seeds=2)
    runs = found.tables.runs
    runs["train_accuracy_last"] = 1.0
    curves, history = [], []
    for run in runs.loc[runs["model"] == "mlp", "run"]:
        for epoch, (area, loss) in enumerate(zip(areas, losses, strict=True), 1):
            curves += curve_rows(run, LABEL["training"], straight(area), kind=f"epoch {epoch}")
            history.append({"run": run, "epoch": epoch, "test_loss": loss})
    found.tables.history = pd.DataFrame(history)
    return with_curves(found, curves)


def test_the_area_turns_where_the_loss_turns():
    found = training((0.7, 0.9, 0.8, 0.75), (1.0, 0.8, 0.5, 0.9))
    epochs = found.tables.runs["epochs"].iloc[0]
    (apart,) = reliance.turning_point(evidence(found), "morcos4", "mlp")
    assert apart.estimate == pytest.approx((2 - 3) / epochs)
    (rho,) = reliance.area_and_loss(evidence(found), "morcos4", "mlp")
    # Ranks 1 4 3 2 against 4 2 1 3: differences −3, 2, 2, −1, so that ρ = 1 − 6·18/60.
    assert rho.estimate == pytest.approx(-0.8)


def dropouts(area=0.8):
    """Curves with a bend: full accuracy up to a quarter of the units, then down; random labels fall twice as far."""
    found = study("morcos5", alphas=(0,))
    runs = found.tables.runs
    runs["train_accuracy_last"] = 1.0
    runs["train_loss_last"] = 0.1 + runs["dropout"] + 0.001 * runs["seed"] * runs["dropout"]
    rows = []
    for row in runs[runs["model"] == "mlp"].itertuples():
        end = 1 - 0.4 * (1 + (row.label_corruption > 0)) - 0.01 * row.seed * (row.label_corruption > 0)
        rows += curve_rows(row.run, LABEL["ablation"], {0.0: 1.0, 0.25: 1.0, 0.5: 1.0 + (end - 1) / 3, 1.0: end})
    for row in runs[runs["model"] == "convnet11"].itertuples():
        rows += curve_rows(row.run, LABEL["ablation"], straight(0.5 + 0.2 * row.batch_norm + 0.001 * row.seed))
    return with_curves(found, rows)


def test_dropout():
    at = evidence(dropouts())
    slopes = reliance.loss_by_dropout(at, "morcos5", "mlp")
    assert [f.estimate for f in slopes] == pytest.approx([0.1001, 0.1001])
    lost = {f.where: f.estimate for f in reliance.up_to_dropout(at, "morcos5", "mlp")}
    assert lost["dropout 0.1, 0% of labels corrupted"] == pytest.approx(0.0)
    assert lost["dropout 0.3, 0% of labels corrupted"] == pytest.approx(-0.2 * 0.4 / 3)
    beyond = reliance.beyond_dropout(at, "morcos5", "mlp")
    # Beyond 0.3 there are the points at 0.5 and 1: random labels keep 0.4 less at the end, a third of it at 0.5.
    assert beyond[-1].where == "dropout 0.3"
    assert beyond[-1].estimate == pytest.approx(-(0.41 + 0.41 / 3) / 2)
    assert judge(CLAIMS["M019"], at).status == "direction holds"


def test_batch_norm_against_dropout():
    (found,) = reliance.norm_less_dropout(evidence(dropouts()), "morcos5", "convnet11", other="mlp")
    assert found.estimate == pytest.approx(0.2)  # dropout leaves the made-up perceptron's curves as they are
    assert found.where == "batch norm less dropout 0.3"


def importances(change, seeds=3):
    """Six units a layer whose index rises from unit to unit; `change` of unit and seed is what clamping does."""
    found = study("morcos7", alphas=(0,), seeds=seeds)
    units = found.tables.units.merge(found.tables.runs[["run", "seed"]], on="run")
    found.tables.importances = pd.DataFrame(
        {
            "run": units["run"], "analysis": LABEL["importance"], "layer": units["layer"], "unit": units["unit"],
            "accuracy_change": [change(u, s) for u, s in zip(units["unit"], units["seed"], strict=True)],
            "loss_change": 0.0,
        }
    )  # fmt: skip
    return found


def test_importance_goes_with_what_is_lost():
    (found,) = unit_relations.importance(
        evidence(importances(lambda u, s: -float(u))), "morcos7", "convnet11", measure="si"
    )
    assert (found.estimate, found.n) == (pytest.approx(0.999), 3)
    helped = evidence(importances(lambda u, s: float(u), seeds=6))  # as many as must agree where none differs
    (early,) = unit_relations.importance(helped, "morcos7", "convnet11", measure="si", part="first3")
    assert early.estimate == pytest.approx(-0.999)
    assert early.where == "over units, first three layers"
    assert judge(CLAIMS["M025"], helped).status == "direction holds"
    assert judge(CLAIMS["M026"], helped).status == "does not carry over"


def test_dead_units_are_left_out():
    found = importances(lambda u, s: -float(u) if u < 5 else 100.0)
    found.tables.units["dead"] = found.tables.units["unit"] == 5
    (rho,) = unit_relations.importance(evidence(found), "morcos7", "mlp", measure="si")
    assert rho.estimate == pytest.approx(0.999)


def test_units_agree_and_selectivity_rises_with_depth():
    at = evidence(study("figA19", alphas=(-1, 0)))
    (rho,) = unit_relations.units_agree(at, "figA19", "resnet18", first="dprime", second="si")
    assert rho.estimate == pytest.approx(0.999)  # made-up d′ is the square of the index
    with pytest.raises(MissingRunsError, match="no units"):
        unit_relations.units_agree(at, "figA19", "resnet18", first="dprime", second="si", alpha=7.0)
    deep = study("morcosA2", alphas=(0,))
    places = {layer: k for k, layer in enumerate(deep.tables.units["layer"].unique())}
    deep.tables.units["si"] = deep.tables.units["layer"].map(places).astype(float)
    (rises,) = unit_relations.rises_with_depth(evidence(deep), "morcosA2", "convnet11", measure="si")
    assert rises.estimate == pytest.approx(0.999)
    with pytest.raises(MissingRunsError, match="has not been worked out"):
        unit_relations.importance(evidence(study("morcos7", alphas=(0,))), "morcos7", "mlp", measure="si")
