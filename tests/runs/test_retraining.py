import math

import pandas as pd
import pytest

from selectivity_core.errors import MissingRunsError, ParameterError
from selectivity_core.runs.verification import agrees, retrain, sample
from selectivity_core.tables import Tables, empty


@pytest.fixture
def kept(finished):
    store, specs = finished
    return store.tables(specs)


def changed(kept, spec, **columns):
    runs = kept.runs.copy()
    for name, value in columns.items():
        runs.loc[runs["run"] == spec.id, name] = value
    return with_table(kept, runs=runs)


def with_table(kept, **frames):
    return Tables(lambda name: getattr(kept, name), **frames)


def rows(specs, kept):
    """A dictionary a run."""
    return retrain(specs, kept).to_dict("records")


def test_a_run_trained_again_is_the_same_to_the_last_bit(finished, kept):
    _, specs = finished
    table = retrain([specs[1], specs[-1]], kept)  # the last one diverges
    assert table["run"].tolist() == [specs[1].id, specs[-1].id]
    assert table[["agrees", "bit for bit", "same machine"]].all(axis=None)
    assert table["differs most"].tolist() == ["", ""]


@pytest.mark.fault("one bit of a kept figure changed, and the run trained anew", "same")
def test_one_bit_is_a_disagreement_on_the_same_machine(finished, kept):
    _, specs = finished
    loss = float(kept.runs.set_index("run").loc[specs[1].id, "test_loss"])
    (found,) = rows(specs[1:2], changed(kept, specs[1], test_loss=math.nextafter(loss, 9)))
    assert not found["bit for bit"] and not found["agrees"]
    assert found["differs most"] == "test_loss"


@pytest.mark.fault("a figure of each other table changed, and the run trained anew", "same")
@pytest.mark.parametrize(
    ("table", "column"), [("history", "si_units"), ("layers", "switches"), ("units", "sd"), ("responses", "mean")]
)
def test_a_figure_that_is_in_no_row_of_the_runs_is_held_against_the_new_one_too(finished, kept, table, column):
    _, specs = finished
    frame = getattr(kept, table).copy()
    frame.loc[frame.index[frame["run"] == specs[1].id][1], column] = 0.123
    (found,) = rows(specs[1:2], with_table(kept, **{table: frame}))
    assert not found["agrees"] and found["differs most"] == table


def test_a_ledger_may_keep_no_units_of_a_run(finished, kept):
    _, specs = finished
    (found,) = rows(specs[1:2], with_table(kept, units=empty("units"), responses=empty("responses")))
    assert found["bit for bit"]


@pytest.mark.fault("other or unknown instruction sets", "same")
@pytest.mark.parametrize("instructions", ["AVX2 avx2", "unknown"])
def test_other_or_unknown_instruction_sets_need_not_agree_to_the_bit(finished, kept, instructions):
    _, specs = finished
    loss = float(kept.runs.set_index("run").loc[specs[1].id, "test_loss"])
    there = changed(kept, specs[1], test_loss=math.nextafter(loss, 9), provenance_instructions=instructions)
    (found,) = rows(specs[1:2], there)
    assert found["agrees"] and not found["same machine"]


def test_on_another_machine_the_spread_over_seeds_decides(finished, kept):
    _, specs = finished
    spec, other = [s for s in specs[:6] if s.alpha == 0]  # two seeds: their SD is |a - b| / sqrt(2)
    losses = kept.runs.set_index("run")["test_loss"].astype(float)
    there, gap = losses[spec.id], abs(losses[spec.id] - losses[other.id])
    assert gap > 0
    elsewhere = changed(kept, spec, provenance_torch="1.0")
    (near,) = rows([spec], changed(elsewhere, spec, test_loss=there + gap / 100))
    assert not near["same machine"] and near["agrees"] and near["standard deviations"] < 0.1
    (far,) = rows([spec], changed(elsewhere, other, test_loss=there + gap / 100))
    assert far["bit for bit"]  # only the other seed's row moved
    moved = changed(elsewhere, spec, test_loss=losses[other.id], test_accuracy=7.0)
    (far,) = rows([spec], moved)
    assert not far["bit for bit"] and far["differs most"] in ("test_accuracy", "test_loss")


def test_a_setting_without_a_spread_is_held_against_those_of_its_network(finished, kept):
    _, specs = finished
    spec = specs[1]  # α = 0, seed 0; the settings at α = -1 and 1 keep both seeds
    others = kept.runs[(kept.runs["alpha"] != 0) | (kept.runs["seed"] == 0)]
    spreads = others[others["alpha"] != 0].groupby("alpha")["test_loss"].std(ddof=1)
    row = others.set_index("run").loc[spec.id]
    for distance, agreeing in ((2.9, True), (3.1, False)):
        there = row["test_loss"] + distance * spreads.median()
        (found,) = rows([spec], changed(with_table(kept, runs=others), spec, test_loss=there, provenance_torch="1.0"))
        assert (found["agrees"], found["differs most"]) == (agreeing, "test_loss")
        assert found["standard deviations"] == pytest.approx(distance)


def test_what_cannot_be_judged_says_so(finished, kept):
    _, specs = finished
    spec = specs[1]
    alone = with_table(kept, runs=kept.runs[kept.runs["run"] == spec.id])
    (found,) = rows([spec], changed(changed(alone, spec, provenance_processor="abacus"), spec, test_loss=9.0))
    assert math.isnan(found["standard deviations"]) and found["agrees"] and not found["bit for bit"]


def test_another_outcome_is_as_far_as_can_be(finished, kept):
    _, specs = finished
    elsewhere = changed(kept, specs[1], provenance_torch="1.0", status="diverged")
    (found,) = rows(specs[1:2], elsewhere)
    assert (found["differs most"], found["standard deviations"], found["agrees"]) == ("status", math.inf, False)


@pytest.mark.parametrize(
    ("same", "expected", "furthest", "agreeing"),
    [
        (True, True, 0, True), (False, True, 0.1, False), (False, False, 3.0, True),
        (False, False, 3.01, False), (False, False, math.nan, True), (False, True, math.nan, False),
    ],
)  # fmt: skip
def test_the_rule(same, expected, furthest, agreeing):
    assert agrees(same, expected, furthest) is agreeing


def test_a_sample_has_no_run_twice_and_is_repeated_by_its_seed(kept):
    whole = sample(kept, 100, 0)
    assert sorted(s.id for s in whole) == sorted(kept.runs["run"])
    some = sample(kept, 3, 5)
    assert len(set(some)) == 3 and some == sample(kept, 3, 5)
    shuffled = with_table(kept, runs=kept.runs.sample(frac=1, random_state=1))
    assert sample(shuffled, 3, 5) == some
    assert {tuple(sample(kept, 3, s)) for s in range(6)} != {tuple(some)}


def test_samples_of_nothing_are_refused(kept):
    with pytest.raises(ParameterError, match="retrain: 0 given"):
        sample(kept, 0, 0)
    with pytest.raises(MissingRunsError, match="no run to train again"):
        sample(Tables(runs=pd.DataFrame()), 1, 0)
