"""Predicates on selectivity, networks, restrictions and leaky rectifiers, by hand."""

import math

import pandas as pd
import pytest
from made_up_study import made_up_study
from scipy import stats
from verdict_studies import evidence, steps, study

from selectivity_core.book.verdicts import Evidence, selectivity, settings
from selectivity_core.errors import MissingRunsError
from selectivity_core.runs.store import RunStore

FIG = ("fig1", "resnet18")
INDEX = {0.0: 0.4, -0.4: 0.3, -1.0: 0.15, -5.0: 0.02}


def reduced():
    return evidence(
        study(
            alphas=tuple(INDEX), accuracy=steps({-5.0: -0.2, -1.0: -0.02}),
            figures={"si_units": lambda a, s: INDEX[a]},
        )
    )  # fmt: skip


def test_the_cost_is_that_of_the_mildest_alpha_that_cuts_so_far():
    (two,) = selectivity.cost_at_reduction(reduced(), *FIG, factor=2.5)
    (ten,) = selectivity.cost_at_reduction(reduced(), *FIG, factor=10.0)
    assert (two.where, ten.where) == ("α = −1", "α = −5")
    assert two.estimate == pytest.approx(-0.02)
    with pytest.raises(MissingRunsError, match="no α below 0 that was run lowers the index 50-fold"):
        selectivity.cost_at_reduction(reduced(), *FIG, factor=50.0)
    with pytest.raises(MissingRunsError, match="between −1 and 0"):
        selectivity.cost_at_reduction(reduced(), *FIG, factor=2.5, above=-1.0)


def test_a_measure_follows_the_index():
    # In made-up layers precision rises with α; the index of the runs is made to fall for one of three seeds.
    made = study("figA17", alphas=(-1, 0, 1), figures={"si_units": lambda a, s: a if s else -a})
    (found,) = selectivity.follows(evidence(made), "figA17", "resnet18", measure="precision")
    z = math.atanh(0.999)
    assert found.estimate == pytest.approx(math.tanh(z / 3))
    (half,) = selectivity.follows(
        evidence(study("figA17", alphas=(-2, -1, 0))), "figA17", "resnet18", measure="informed"
    )
    assert half.estimate == pytest.approx(0.999)
    with pytest.raises(MissingRunsError):
        selectivity.follows(evidence(made), "figA17", "resnet18", measure="precision", high=0.0)


def test_more_regular_is_the_difference_of_rank_correlations():
    made = study("figA8", alphas=(0, 1, 2), figures={"si_units": lambda a, s: -a})
    (found,) = selectivity.more_regular(evidence(made), "figA8", "resnet20", measure="si_living")
    assert found.estimate == pytest.approx(2.0)


def test_a_share_above_from_one_alpha_on_and_below_before():
    made = study("figA7", alphas=(0, 5, 30))
    layers = made.tables.layers.merge(made.tables.runs[["run", "alpha", "seed"]], on="run")
    made.tables.layers["dead"] = (0.3 * (layers["alpha"] == 30) + 0.01 * layers["seed"]).to_numpy()
    five, thirty = selectivity.beyond_only(evidence(made), "figA7", "resnet18", measure="dead", alpha=10.0, share=0.1)
    assert (five.where, thirty.where) == ("α = 5", "α = 30")
    assert five.estimate == pytest.approx(0.1 - 0.01)
    assert thirty.estimate == pytest.approx(0.31 - 0.1)
    with pytest.raises(MissingRunsError, match="both sides"):
        selectivity.beyond_only(evidence(made), "figA7", "resnet18", measure="dead", alpha=50.0, share=0.1)


def test_the_deficit_is_taken_before_units_fall_silent():
    # One unit in six of the made-up tables is active for 0.4 of the images.
    made = study("figA10", alphas=(0, 1, 5, 30), accuracy=steps({1.0: -0.1, 5.0: -0.2, 30.0: -0.5}))
    at = evidence(made)
    (found,) = selectivity.deficit_before(at, "figA10", "resnet18", measure="sparse", below=10.0, share=0.2)
    assert (found.where, found.estimate) == ("α = 5", pytest.approx(-0.2))
    with pytest.raises(MissingRunsError, match="10 % of units or fewer are sparse"):
        selectivity.deficit_before(at, "figA10", "resnet18", measure="sparse", below=10.0, share=0.1)
    (busy,) = selectivity.busy_units(at, "figA10", "resnet18", alpha=1.0)
    assert busy.estimate == pytest.approx(5 / 6)


def both(figure, **more):
    return made_up_study((0.0, 1.0, 2.0), 3, figure=figure, **more)


def test_two_networks_are_compared_by_welchs_test():
    made = both("figA16")
    runs = made.tables.runs
    runs["si_units"] = runs["si_units"] + 0.1 * (runs["model"] == "vgg16") + 0.01 * runs["seed"]
    (found,) = settings.against_at(evidence(made), "figA16", "vgg16", other="resnet20", alpha=0.0, measure="si_units")
    sides = [runs.loc[(runs["model"] == m) & (runs["alpha"] == 0), "si_units"] for m in ("vgg16", "resnet20")]
    assert found.estimate == pytest.approx(0.1)
    assert found.p() == pytest.approx(stats.ttest_ind(*sides, equal_var=False).pvalue)
    with pytest.raises(MissingRunsError):
        settings.against_at(evidence(made), "figA16", "vgg16", other="resnet20", alpha=9.0, measure="si_units")


def test_slopes_of_two_networks_over_the_alphas_of_both():
    fast = study("figA6", alphas=(0, 1, 2, 5), accuracy=lambda a, s: 0.9 - 0.1 * a - 0.01 * s * a)
    slow = study("fig3", alphas=(0, 1, 2), accuracy=lambda a, s: 0.9 - 0.02 * a - 0.001 * s * a)
    (found,) = settings.slopes_against(
        evidence(fast, slow), "figA6", "resnet20", other="resnet18", elsewhere="fig3", low=0.0, high=math.inf,
        measure="test_accuracy",
    )  # fmt: skip
    assert found.estimate == pytest.approx(-0.11 + 0.021)
    assert found.where == "a step of the grid, α from 0 to 2"


def test_first_layers_against_last_and_the_shape_of_both():
    first = study("figA21", accuracy=steps({-1.0: 0.05, -5.0: 0.03}), alphas=(-5, -1, 0))
    last = study("figA25", accuracy=steps({-1.0: 0.01, -5.0: -0.03}), alphas=(-5, -1, 0))
    (found,) = settings.early_less_late(evidence(first, last), "figA21", "resnet18", late="figA25")
    assert found.estimate == pytest.approx((0.04 + 0.06) / 2)
    whole = study("fig4", accuracy=steps({-1.0: 0.3, -5.0: 0.2}), alphas=(-5, -1, 0))
    parts = (("figA21",), ("figA25",))
    same = settings.same_shape(
        evidence(first, last, whole), "figA21", "resnet18", parts=parts, whole={"resnet18": "fig4"}
    )
    assert [f.where.split()[0] for f in same] == ["first", "last"]
    assert same[0].estimate == pytest.approx(0.999)
    assert same[1].estimate < same[0].estimate
    with pytest.raises(MissingRunsError):
        settings.early_less_late(evidence(first), "figA21", "resnet18", late="figA25")


def leaky():
    made = study("figA9", alphas=(0, 1))
    runs = made.tables.runs
    slope = runs["activation"].str.partition(":")[2].replace("", "0").astype(float)
    # ReLU loses 0.3 at α = 1; a slope b wins b of it back, for one seed a little more.
    runs["test_accuracy"] = 0.9 - (runs["alpha"] == 1) * (0.3 - slope - 0.01 * runs["seed"] * (slope > 0))
    return made


def test_leaky_rectifiers_are_held_against_relu_at_each_slope():
    parts = settings.leaky_recovery(evidence(leaky()), "figA9", "resnet20")
    assert [f.where for f in parts] == [f"slope {b}, α = 1" for b in ("0.01", "0.1", "0.3")]
    assert [f.estimate for f in parts] == pytest.approx([0.02, 0.11, 0.31])
    dead = settings.leaky_dead(evidence(leaky()), "figA9", "resnet20")
    assert len(dead) == 6
    assert {f.estimate for f in dead} == {0.0, 0.25}
    with pytest.raises(MissingRunsError, match="leaky"):
        settings.leaky_dead(evidence(study()), *FIG)
    with pytest.raises(MissingRunsError, match="leaky"):
        settings.leaky_recovery(evidence(study()), *FIG)


def test_evidence_has_one_value_a_network():
    made = study("figA10", alphas=(0, 1))
    at = evidence(made)
    assert at.values("figA10", "resnet18", "sparse")["value"].tolist() == pytest.approx([1 / 6] * 6)
    precision = at.values("figA10", "resnet18", "precision")["value"]
    assert pd.api.types.is_float_dtype(precision), "the measure, not the arithmetic of the run"
    informed = at.values("figA10", "resnet18", "informed")["value"]
    plain = at.values("figA10", "resnet18", "mutual_information")["value"]
    assert (plain - informed).tolist() == pytest.approx([0.1] * 6)
    with pytest.raises(MissingRunsError, match="no finished run of resnet18 has validation_accuracy"):
        at.values("figA10", "resnet18", "validation_accuracy")
    with pytest.raises(MissingRunsError, match="bounds has no row"):
        at.values("figA10", "resnet18", "bound")
    with pytest.raises(MissingRunsError, match="no run of VGG16 is finished for Figure A10"):
        at.runs("figA10", "vgg16")


def test_evidence_reads_the_store_and_trains_nothing(monkeypatch, tmp_path):
    monkeypatch.setenv("SELECTIVITY_RUNS", str(tmp_path / "runs"))
    at = Evidence("digits", seeds=1)
    with pytest.raises(MissingRunsError, match="no run of ResNet18 is finished for Figure 1"):
        at.runs("fig1", "resnet18")
    assert not list(tmp_path.glob("runs/*"))


def test_evidence_of_a_store_is_its_runs_and_reads_each_once(monkeypatch, finished, tiny):
    store, specs = finished
    monkeypatch.setenv("SELECTIVITY_RUNS", str(store.path))
    given = {name: value for name, value in tiny.as_dict().items() if name not in ("model", "alpha", "seed")}
    at = Evidence("mnist", seeds=3, overrides=given)  # its perceptron stands in for the figure's network
    reads = []
    monkeypatch.setattr(RunStore, "table", _counting(RunStore.table, reads))
    found = at.values("figA2", tiny.model, "si_units")
    expected = {s.id: store.table(s.id, "runs")["si_units"].iloc[0] for s in specs if s.alpha <= 0 and s.lr == tiny.lr}
    assert dict(zip(found["run"], found["value"], strict=True)) == expected
    assert len(expected) == 4
    reads.clear()
    at.values("figA3", tiny.model, "si_units")
    assert reads == [], "the second figure has the same runs"
    assert {s.seed for s in at.study("figA3").missing} == {2}, "nothing was trained for the seed that is not there"


def _counting(table, reads):
    def counted(self, run, name):
        reads.append((run, name))
        return table(self, run, name)

    return counted
