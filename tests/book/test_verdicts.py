"""Verdicts on made-up runs, each decided by hand."""

import math

import pandas as pd
import pytest
from made_up_runs import around, evidence_of, made_up

from selectivity_core.book import verdicts
from selectivity_core.book.contrasts import CONTRASTS, MEASURES, QUANTITIES, follows, relative, trend
from selectivity_core.book.pages import FigureRuns
from selectivity_core.book.papers.claims import all_claims
from selectivity_core.errors import MissingRunsError
from selectivity_core.tables import Tables

CLAIMS = all_claims()


def judge(claim, evidence):
    """The verdict on a claim about one network."""
    [verdict] = verdicts.judge(claim, evidence)
    return verdict


def signs(low, high, **more):
    """Figure 4 at |α| = 2: test accuracy with selectivity lowered and raised, a value a seed."""
    values = {(-2.0, "test_accuracy"): low, (2.0, "test_accuracy"): high, (0.0, "test_accuracy"): [0.9] * len(low)}
    values |= {(a, "train_accuracy"): [t] * len(low) for a, t in more.get("train", {}).items()}
    return evidence_of(made_up("fig4", values))


@pytest.mark.parametrize(
    ("low", "high", "status"),
    [
        (around(0.90, 0.001, 4), [0.84] * 4, verdicts.SIZE_AGREES),  # the paper: 6 points
        (around(0.90, 0.001, 4), [0.60] * 4, verdicts.SIZE_DIFFERS),  # 30 points: same sign, not the size
        ([0.60] * 4, around(0.90, 0.001, 4), verdicts.OPPOSITE),
        (around(0.90, 0.0005, 4), [0.90] * 4, verdicts.NONE_HERE),  # within half a point for certain
        (around(0.90, 0.1, 4), [0.88] * 4, verdicts.INCONCLUSIVE),
        ([0.95], [0.84], verdicts.INCONCLUSIVE),  # one network has no spread
        ([0.95, 0.951], [0.84, 0.84], verdicts.INCONCLUSIVE),  # two that happen to agree judge nothing
    ],
)
def test_sign_and_size(low, high, status):
    assert judge(CLAIMS["L048"], signs(low, high)).status == status


def test_a_few_collapsed_networks_do_not_hide_a_sign():
    """Eight of eight fall; t's interval would be wide open, that of the sign flip is not."""
    evidence = signs([0.9] * 8, [0.896, 0.86, 0.861, 0.858, 0.3, 0.87, 0.86, 0.85])
    found = judge(CLAIMS["L048"], evidence)
    assert found.finding.estimate.interval()[0] > 0
    assert found.status in (verdicts.SIZE_AGREES, verdicts.SIZE_DIFFERS)


def test_a_cost_that_training_shows_in_full_is_named():
    train = {-2.0: 0.99, 2.0: 0.92, 0.0: 0.99}
    found = judge(CLAIMS["L048"], signs(around(0.9, 0.001, 4), [0.84] * 4, train=train))
    assert found.in_training
    assert verdicts.table([found])["training"].iloc[0] == pytest.approx(7.0)
    train[2.0] = 0.98
    assert not judge(CLAIMS["L048"], signs(around(0.9, 0.001, 4), [0.84] * 4, train=train)).in_training


def test_diverged_runs_count_as_failures():
    """Two survivors of eight say nothing for an α that made the others diverge: those have chance accuracy."""
    lost = ["diverged"] * 6 + [0.9, 0.9]
    values = {(0.0, "test_accuracy"): [0.9] * 8, (1.0, "test_accuracy"): lost}
    evidence = evidence_of(made_up("figA19", values, model="resnet18"))
    rows = evidence.of("figA19", "resnet18").values("test_accuracy")
    assert rows.loc[rows["alpha"] == 1, "value"].tolist() == pytest.approx([0.9, 0.9] + [0.1] * 6)


def fold(costs, indices, alphas=(-30.0, -5.0, -1.0)):
    """Figure A2: accuracy that α < 0 costs, and the index it leaves, the same for four seeds but for a thousandth."""
    values = {(0.0, "test_accuracy"): [0.9] * 4, (0.0, "si_units"): [0.4] * 4}
    for alpha, cost, index in zip(alphas, costs, indices, strict=True):
        values[alpha, "test_accuracy"] = around(0.9 - cost, 0.001, 4)
        values[alpha, "si_units"] = [index] * 4
    return evidence_of(made_up("figA2", values, model="resnet20"))


def test_a_factor_is_read_between_runs_and_never_at_the_next_beyond():
    """20-fold lies halfway between 16-fold at no cost and 25-fold at 60 points; the next α beyond would say −60."""
    found = judge(CLAIMS["L004"], fold((0.60, 0.00, 0.0), (0.016, 0.025, 0.2)))
    assert found.finding.estimate.mean == pytest.approx(-0.3, abs=1e-3)
    assert found.status == verdicts.SIZE_DIFFERS  # the paper: 2 points
    agrees = judge(CLAIMS["L004"], fold((0.035, 0.005, 0.0), (0.016, 0.025, 0.2)))
    assert agrees.status == verdicts.SIZE_AGREES


def shown(claim, evidence):
    return verdicts.table([judge(CLAIMS[claim], evidence)]).iloc[0]


def test_a_cut_of_the_index_is_shown_as_a_factor():
    """Left are shares of 0.05, 0.7 and 0.15: 0.3 on average. The paper: more than 3-fold, within 0.1 of a share."""
    values = {(0.0, "si_units"): [0.4] * 3, (-1.0, "si_units"): [0.02, 0.28, 0.06]}
    evidence = evidence_of(made_up("figA2", values, model="resnet20"))
    row, left = shown("L022", evidence), judge(CLAIMS["L022"], evidence).finding.estimate.interval()
    assert (row["estimate"], row["paper_value"], row["threshold"]) == pytest.approx((1 / 0.3, 3.0, 1.0))
    assert left[0] < 0 < left[1] and (row["low"], row["high"]) == (1 / left[1], math.inf)
    assert (row["paper_low"], row["paper_high"]) == (pytest.approx(1 / (1 / 3 + 0.1)), math.inf)
    assert row["claimed"] == "above 1, size 2.31 or more"
    assert row["where"] == "α = 0 over α = −1"  # "α = −1" is the contrast of what accuracy changes there


def test_a_value_on_the_papers_data_is_held_against_ours_at_zero_and_on_other_data_only_the_change():
    values = {(0.0, "si_units"): [0.2] * 3, (-1.0, "si_units"): [0.09, 0.10, 0.11]}
    row = shown("L021", evidence_of(made_up("figA2", values, profile="cifar10-short", model="resnet20")))
    assert (row["quantity"], row["claimed"]) == ("mean index", "below 0.2 (that at α = 0), size 0.0467 to 0.0933")
    assert (row["estimate"], row["threshold"]) == pytest.approx((0.10, 0.20))
    row = shown("L021", evidence_of(made_up("figA2", values, model="resnet20")))
    assert (row["quantity"], row["claimed"]) == ("change in mean index from α = 0", "below 0")
    assert (row["estimate"], row["threshold"], row["margin"]) == pytest.approx((-0.10, 0, 0.022))


def test_thresholds_and_margins_are_in_the_unit_of_the_estimate():
    evidence = fold((0.06, 0.005, 0.0), (0.016, 0.025, 0.2))
    row = shown("L030", evidence)  # at most about two points
    assert (row["threshold"], row["paper_low"], row["paper_high"]) == pytest.approx((0.0, -2.5, 0.0))
    assert (row["quantity"], row["claimed"]) == (
        "change in test accuracy from α = 0 (points)",
        "below 0, size −2.5 to 0",
    )
    row = shown("L003", fold((0.02, 0.001, 0.0), (0.1, 0.16, 0.3)))
    assert (row["margin"], row["claimed"]) == (pytest.approx(0.5), "within ±0.5")


def test_a_claim_of_a_value_alone_has_no_sign():
    values = {(0.0, "si_units"): around(0.216, 0.005, 6), (0.0, "test_accuracy"): [0.75] * 6}
    row = shown("L020", evidence_of(made_up("figA2", values, profile="cifar10-short", model="resnet20")))
    assert (row["status"], row["verdict"], row["claimed"]) == (verdicts.SIZE_AGREES, "size agrees", "0.196 to 0.244")


def test_every_contrast_and_measure_of_a_claim_has_a_name_for_its_axis():
    """One that can be read on as "… is above 0"."""
    assert set(QUANTITIES) == set(CONTRASTS) and not any(":" in name for name in QUANTITIES.values())
    named = [c.criterion.settings.get(k, "") for c in CLAIMS.values() for k in ("measure", "first", "second")]
    assert {name for name in named if isinstance(name, str)} <= set(MEASURES)


def test_nothing_is_interpolated_over_a_wide_gap():
    found = judge(CLAIMS["L004"], fold((0.06, 0.005, 0.0), (0.004, 0.04, 0.2)))  # 10-fold and 100-fold
    assert (found.status, "factor of 1.4" in found.why) == (verdicts.NOT_RUN, True)


def test_a_factor_that_no_run_reaches_is_not_judged():
    found = judge(CLAIMS["L004"], fold((0.02, 0.0, 0.0), (0.1, 0.2, 0.3)))
    assert found.status == verdicts.NOT_RUN
    assert "not bracketed" in found.why and "4-fold" in found.why


def test_a_factor_that_few_seeds_reach_is_not_judged():
    values = {(0.0, "test_accuracy"): [0.9] * 3, (0.0, "si_units"): [0.4] * 3}
    values |= {(-2.0, "test_accuracy"): [0.88] * 3, (-2.0, "si_units"): [0.021] * 3}
    values |= {(-5.0, "test_accuracy"): [0.87], (-5.0, "si_units"): [0.019]}  # of the first seed alone
    found = judge(CLAIMS["L004"], evidence_of(made_up("figA2", values, model="resnet20")))
    assert found.status == verdicts.NOT_RUN
    assert found.why == "a 20-fold cut is bracketed in 1 of 3 seeds, and half of them are needed"


def test_claims_on_the_same_contrast_count_once():
    frame = verdicts.table([judge(CLAIMS[c], fold((0.06, 0.005, 0.0), (0.016, 0.025, 0.2))) for c in ("L004", "L030")])
    assert frame["contrast"].nunique() == 1
    counts = verdicts.independent(frame)
    assert (counts["claims"].sum(), counts["contrasts"].sum()) == (2, 1)


def test_chance_is_counted_once_a_side_and_only_where_a_side_is_claimed():
    """Forty contrasts with a direction, one of them shown twice, and one claim of no difference."""
    row = {"profile": "digits", "claimed": "above 0", "status": verdicts.INCONCLUSIVE}
    rows = [row | {"contrast": f"c{k}"} for k in range(40)]
    for k, status in enumerate((verdicts.HOLDS, verdicts.SIZE_DIFFERS, verdicts.OPPOSITE)):
        rows[k]["status"] = status
    rows += [rows[0], row | {"contrast": "d", "claimed": "within ±0.5"}, row | {"contrast": "", "claimed": None}]
    (found,) = verdicts.by_chance(pd.DataFrame(rows)).to_dict("records")
    assert found == {
        "profile": "digits", "contrasts": 40, "on the claimed side": 2, "on the other side": 1,
        "on each side by chance": 1.0,
    }  # fmt: skip


def test_a_claim_on_several_networks_is_judged_on_each():
    alphas = {(0.0, "test_accuracy"): [0.9] * 4, (1.0, "test_accuracy"): around(0.8, 0.001, 4)}
    runs = made_up("figA6", {**alphas, (2.0, "test_accuracy"): around(0.7, 0.001, 4)}, model="resnet20")
    found = {v.model: v for v in verdicts.judge(CLAIMS["L005"], evidence_of(runs, profile="cifar10-short"))}
    assert {model: v.status for model, v in found.items()} == {
        "resnet18": verdicts.NOT_APPLICABLE, "resnet20": verdicts.HOLDS, "vgg16": verdicts.NOT_RUN,
        "resnet50": verdicts.NOT_APPLICABLE,
    }  # fmt: skip
    assert found["resnet18"].why == "the profile has no ResNet18"
    table = verdicts.table(found.values())
    assert table["network"].tolist() == ["ResNet18", "ResNet20", "VGG16", "ResNet50"]


def test_values_on_other_data_are_not_compared():
    found = judge(CLAIMS["L020"], fold((0, 0, 0), (0.1, 0.2, 0.3)))
    assert (found.status, found.finding) == (verdicts.NOT_APPLICABLE, None)


def test_the_index_at_zero_is_judged_at_every_schedule():
    """Claim L020 gives 0.22 for CIFAR-10; a short schedule is judged like any other."""
    values = {(0.0, "si_units"): around(0.216, 0.005, 6), (0.0, "test_accuracy"): [0.75] * 6}
    runs = made_up("figA2", values, profile="cifar10-short", model="resnet20")
    found = judge(CLAIMS["L020"], evidence_of(runs, profile="cifar10-short"))
    assert found.status == verdicts.SIZE_AGREES  # 75 % is not the paper's accuracy
    values[0.0, "test_accuracy"] = [0.91] * 6
    runs = made_up("figA2", values, profile="cifar10-short", model="resnet20")
    assert judge(CLAIMS["L020"], evidence_of(runs, profile="cifar10-short")).status == verdicts.REPRODUCED


def leaky(gain):
    """Figure A9 at α = 1: how much more a leaky network keeps than one with ReLU, which loses 30 points."""
    values = {(0.0, "test_accuracy"): [0.9] * 4, (1.0, "test_accuracy"): around(0.6, 0.002, 4)}
    parts = [made_up("figA9", values, model="resnet20", activation=a) for a in ("relu", "leaky_relu:0.1")]
    frame = parts[1].tables.runs
    frame.loc[frame["alpha"] == 1, "test_accuracy"] += gain
    both = pd.concat([p.tables.runs for p in parts], ignore_index=True).drop_duplicates("run")
    return evidence_of(FigureRuns(parts[0].figure, "digits", parts[0].specs + parts[1].specs, Tables(runs=both)))


@pytest.mark.parametrize(("gain", "status"), [(-0.36, verdicts.HOLDS), (0.0, verdicts.HOLDS), (0.2, verdicts.OPPOSITE)])
def test_no_rescue_is_no_rescue_also_where_more_is_lost(gain, status):
    assert judge(CLAIMS["L063"], leaky(gain)).status == status


def test_either_side_is_judged_on_its_own():
    """A measure that follows α below 0 and runs against it above does not follow it, whatever the average."""
    values = ((-2.0, 0.1), (-1.0, 0.25), (0.0, 0.4), (1.0, 0.35), (2.0, 0.3))
    runs = made_up("fig4", {(a, "si_units"): around(v, 0.01, 4) for a, v in values})
    sides = trend(evidence_of(runs).of("fig4", "resnet18"), measure="si_units")
    assert [round(s.estimate.mean, 2) for s in sides] == [0.15, -0.05]


def test_a_measure_is_held_against_the_index_where_networks_fit():
    """It falls as the index rises, but for α = 5, where nothing is learnt."""
    index, accuracy, train = [0.4, 0.5, 0.6, 0.3], [0.9, 0.8, 0.7, 0.95], [1.0, 1.0, 0.95, 0.94]
    values = {}
    for k, alpha in enumerate((0.0, 1.0, 2.0, 5.0)):
        values |= {(alpha, "si_units"): index[k : k + 1] * 4, (alpha, "test_accuracy"): accuracy[k : k + 1] * 4}
        values[alpha, "train_accuracy"] = train[k : k + 1] * 4
    [found] = follows(evidence_of(made_up("fig4", values)).of("fig4", "resnet18"), measure="test_accuracy")
    assert found.estimate.mean < -0.99


def test_a_measure_of_networks_that_do_not_fit_is_not_held_against_the_index():
    values = {}
    for alpha in (0.0, 1.0, 2.0):
        values |= {(alpha, "si_units"): [0.3 + alpha] * 2, (alpha, "test_accuracy"): [0.8 - alpha / 10] * 2}
        values[alpha, "train_accuracy"] = [0.94] * 2
    with pytest.raises(MissingRunsError, match="at which networks fit 95 % of their training images"):
        follows(evidence_of(made_up("fig4", values)).of("fig4", "resnet18"), measure="test_accuracy")


def test_one_alpha_is_not_every_alpha_and_one_step_no_trend():
    runs = made_up("fig1", {(a, "test_accuracy"): around(v, 0.01, 4) for a, v in ((-1.0, 0.95), (0.0, 0.9))})
    for claim in ("L007", "L097"):
        assert judge(CLAIMS[claim], evidence_of(runs)).status == verdicts.NOT_RUN


def test_a_share_of_what_no_baseline_run_has_is_not_judged():
    runs = made_up("fig1", {(-1.0, "test_accuracy"): [0.9] * 4})
    with pytest.raises(MissingRunsError, match="missing at α = 0"):
        relative(evidence_of(runs).of("fig1", "resnet18"), measure="test_accuracy", low=-1.0, high=0.0)


def test_a_claim_on_pairs_that_no_seed_has_is_not_run():
    runs = made_up("fig1", {(-1.0, "si_units"): [0.2, math.nan], (0.0, "si_units"): [math.nan, 0.3]})
    found = judge(CLAIMS["L012"], evidence_of(runs))
    assert (found.status, found.why) == (verdicts.NOT_RUN, "no seed has all that the claim compares")


def test_the_plateau_of_the_area_is_not_judged():
    evidence = evidence_of(made_up("morcos4", {(0.0, "test_accuracy"): [0.9] * 3}, model="mlp"))
    found = judge(CLAIMS["M010"], evidence)
    assert (found.status, "plateau" in found.why) == (verdicts.NOT_RUN, True)
