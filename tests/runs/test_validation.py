import lzma
import math

import pandas as pd
import pytest
from tiny_specs import DIVERGING, TINY

from selectivity_core import train
from selectivity_core.runs import validation
from selectivity_core.runs.validation import (
    copies_problems,
    from_csv,
    from_xz,
    joint_problems,
    printable,
    table_problems,
    to_csv,
)
from selectivity_core.tables import COLUMNS, empty

LEDGER = ("runs", "history", "layers", "units", "responses", "pairs")
OTHER = TINY.replace(seed=1, alpha=1.0)


@pytest.fixture(scope="module")
def whole():
    """Tables of two runs and one that diverged, and a made-up distance."""
    results = [train(spec, progress=False) for spec in (TINY, OTHER, DIVERGING)]
    found = {n: pd.concat([f for r in results if len(f := getattr(r, n))], ignore_index=True) for n in LEDGER[:-1]}
    pair = [TINY.id, OTHER.id, "pwcca/1", "units1", 0, "paper", 0.5]
    return found | {"pairs": pd.DataFrame([pair], columns=list(COLUMNS["pairs"]))}


@pytest.fixture
def tables(whole):
    return {name: frame.copy() for name, frame in whole.items()}


def put(frame, column, value, run=None):
    """Another value in the first row, or in the first of a run."""
    frame[column] = frame[column].astype(object)
    frame.loc[frame.index[0] if run is None else frame.index[frame["run"] == run][0], column] = value
    return from_csv(to_csv(frame), next(n for n, c in COLUMNS.items() if set(c) == set(frame)))


def test_sound_tables_have_no_problems(tables):
    assert [p for name, frame in tables.items() for p in table_problems(name, frame)] == []
    assert joint_problems(tables) == []
    assert all(table_problems(name, empty(name)) == [] for name in COLUMNS)


VALUES = {
    "accuracy": ("runs", "test_accuracy", 7.3, "7.3 given (run RUN); a number in [0, 1] is allowed"),
    "share": ("history", "validation_accuracy", -0.1, "-0.1 given (run RUN, epoch 0); a number in [0, 1]"),
    "index": ("layers", "si", -4.0, "-4.0 given (run RUN, layer units1); a number in [-1, 1] is allowed"),
    "shuffled index": ("units", "si_shuffled", 1.5, "1.5 given (run RUN, layer units1, unit 0)"),
    "loss": ("runs", "test_loss", -1.0, "a number in [0, inf] is allowed"),
    "distance": ("pairs", "distance", 2.0, "a number in [-0.01, 1.01] is allowed"),
    "half an epoch": ("history", "epoch", 0.5, "epoch: '0.5' given; a whole number in [0, inf] is allowed"),
    "no epoch": ("history", "epoch", math.nan, "epoch: 'nan' given; a whole number in [0, inf] is allowed"),
    "no index": ("units", "si", math.nan, "nan given"),
    "infinite": ("responses", "mean", math.inf, "inf given (run RUN, layer units1, unit 0, class 0); a number is"),
    "text": ("units", "sd", "many", "given (run RUN, layer units1, unit 0)"),
    "a run's id": ("layers", "run", "../../etc", "run: '../../etc' given; a run's id is allowed"),
    "another's id": ("pairs", "other", "", "other: '' given; a run's id is allowed"),
    "script": ("runs", "provenance_data", "<script>alert(1)</script>", "plain text is allowed"),
    "link": ("runs", "provenance_processor", "[x](javascript:y)", "plain text is allowed"),
    "escape": ("runs", "provenance_torch", "2.13\x1b[2J", r"2.13\x1b[2J given (run RUN); plain text is allowed"),
    "reversed": ("runs", "provenance_commit", "\u202eabc", "plain text is allowed"),
    "line": ("units", "layer", "units1\nselectivity: all is well", "layer: 'units1\\nselectivity: all is well' given"),
    "endless": ("runs", "provenance_data", "a" * 501, "plain text is allowed"),
}  # fmt: skip


@pytest.mark.fault("values that no table has", "named")
@pytest.mark.parametrize(("name", "column", "value", "message"), VALUES.values(), ids=VALUES)
def test_values_that_a_table_cannot_have_are_named(tables, name, column, value, message):
    (problem,) = table_problems(name, put(tables[name], column, value))
    assert problem.startswith(f"{name}: {column}: ")
    assert message.replace("RUN", TINY.id) in problem
    assert problem.isprintable()


def test_the_same_fault_in_many_rows_is_one_line(tables):
    frame = tables["history"].assign(test_accuracy=2.0)
    (problem,) = table_problems("history", frame)
    assert f"and in {len(frame) - 1} rows more; " in problem


@pytest.mark.fault("doubled rows", "named")
@pytest.mark.parametrize("name", LEDGER)
def test_rows_that_stand_twice_are_named(tables, name):
    frame = tables[name]
    (problem,) = table_problems(name, pd.concat([frame, frame[:1]]))
    assert problem.startswith(f"{name}: run {TINY.id}")
    assert problem.endswith("stands there twice")


def drop(name, where):
    def edit(tables):
        tables[name] = tables[name][~where(tables[name])]

    return edit


def set_in_runs(column, value, run):
    def edit(tables):
        tables["runs"] = put(tables["runs"], column, value, run.id)

    return edit


def set_in(name, column, value):
    def edit(tables):
        tables[name] = put(tables[name], column, value)

    return edit


def set_in_history(tables):
    tables["history"].loc[tables["history"]["epoch"] == 2, "test_accuracy"] = 0.5


TOGETHER = {
    "another α": (set_in_runs("alpha", 0.5, TINY), f"runs: run {TINY.id}: its fields are those of run "),
    "out of range": (set_in_runs("momentum", 1.5, TINY), "is no run's spec (momentum: 1.5 given"),
    "unknown network": (set_in_runs("model", "resnet19", TINY), "is no run's spec (model: 'resnet19' given"),
    "milestones": (set_in_runs("milestones", "x", TINY), "is no run's spec (invalid literal"),
    "status": (set_in_runs("status", "done", TINY), "status 'done'; \"complete\" or \"diverged\" is allowed"),
    "no figure": (set_in_runs("test_accuracy", math.nan, TINY), "is complete and lacks test_accuracy"),
    "infinite figure": (set_in_runs("test_loss", math.inf, TINY), "is complete and lacks test_loss"),
    "best epoch": (set_in_runs("best_epoch", 999, TINY), "best_epoch 999; 1 to 2, its epochs, is allowed"),
    "t95": (set_in_runs("t95", 0, TINY), "t95 0; 1 to 2, its epochs, is allowed"),
    "step": (set_in_runs("diverged_step", math.nan, DIVERGING), "diverged and does not say at which step"),
    "no digest": (set_in_runs("provenance_digest", "", TINY), "lacks provenance_digest"),
    "not its history's": (set_in_runs("test_accuracy", 0.123, OTHER), f"run {OTHER.id}: its test_accuracy is not that"),
    "not its runs'": (set_in_history, "its test_accuracy_last is not that of its history"),
    "epoch gone": (drop("history", lambda f: f["epoch"] == 1), f"history: run {TINY.id}: has not every epoch from 0"),
    "last gone": (drop("history", lambda f: f["epoch"] == 2), "has not every epoch from 0 to 2"),
    "no history": (drop("history", lambda f: f["run"] == TINY.id), "has not every epoch from 0 to 2"),
    "no layers": (drop("layers", lambda f: f["run"] == TINY.id), f"layers: run {TINY.id}: is complete and has none"),
    "unit gone": (drop("units", lambda f: f["unit"] == 3), f"units: run {TINY.id}: not the units that its layer"),
    "layer gone": (drop("responses", lambda f: f["layer"] == "units2"), "not the units that its layer units2 has"),
    "no date": (set_in_runs("started", "9999-99-99", TINY), "started '9999-99-99'; a date and time such as 2025-"),
    "a layer gone": (
        lambda tables: [drop(n, lambda f: f["layer"] == "units2")(tables) for n in ("layers", "units", "responses")],
        f"layers: run {TINY.id}: its index is not the run's si_layers",
    ),
    "depth": (set_in("layers", "depth", 7), f"layers: run {TINY.id}: its depths are not those of its layers"),
    "a layer's index": (set_in("layers", "si", 0.9), f"layers: run {TINY.id}: its index is not the run's si_units"),
    "a unit's": (set_in("units", "dprime", 9.0), f"units: run {TINY.id}: their dprime is not that of layer units1"),
    "no class": (set_in("units", "preferred", 10), f"units: run {TINY.id}: preferred 10; it has 10 classes"),
    "class gone": (drop("responses", lambda f: f["class"] == 9), f"responses: run {TINY.id}: lacks classes of some"),
    "strangers": (
        drop("runs", lambda f: f["run"] == OTHER.id), f"pairs: has rows of run {OTHER.id}, which is not among the runs"
    ),
}  # fmt: skip


@pytest.mark.fault("tables that do not fit together", "named")
@pytest.mark.parametrize(("edit", "message"), TOGETHER.values(), ids=TOGETHER)
def test_what_does_not_fit_together_is_named(tables, edit, message):
    edit(tables)
    assert [p for name, frame in tables.items() for p in table_problems(name, frame)] == []
    problems = joint_problems(tables)
    assert [p for p in problems if message in p], problems


def test_rows_of_a_run_that_diverged_are_named(tables):
    tables["layers"].loc[tables["layers"]["run"] == OTHER.id, "run"] = DIVERGING.id
    assert f"layers: has rows of run {DIVERGING.id}, which diverged" in joint_problems(tables)


def test_columns_are_those_of_the_table(tables):
    for odd in (tables["units"].drop(columns="si"), tables["units"].assign(beta=1)):
        with pytest.raises(ValueError, match=r"units: columns missing or unknown: (si|beta)$"):
            from_csv(to_csv(odd), "units")


@pytest.mark.fault("garbage in place of a table", "named")
@pytest.mark.parametrize("content", [b"", b"\x00\xff", b"a,b\n1\n1,2,3\n", b'"', b"run,layer\n" + b"," * 5000])
def test_garbage_is_one_line(content):
    for read in (from_csv, from_xz):
        with pytest.raises(ValueError) as raised:
            read(content, "units")
        assert str(raised.value).isprintable()


def test_nothing_may_follow_a_table(tables):
    content = lzma.compress(to_csv(tables["units"]))
    assert len(from_xz(content, "units")) == len(tables["units"])
    for more in (b"x", content, content[:40]):
        with pytest.raises(ValueError, match=r"^units: is not one whole xz stream$"):
            from_xz(content + more, "units")


def test_columns_that_came_later_read_as_what_runs_had_before(tables):
    old = tables["runs"].drop(columns=["schedule", "window", "nesterov", "min_map", "provenance_instructions"])
    found = from_csv(to_csv(old), "runs")
    assert list(found) == list(COLUMNS["runs"])
    row = found.iloc[0]
    assert (row["schedule"], row["window"], row["nesterov"], row["min_map"]) == ("steps", "", False, 1)
    assert set(found["provenance_instructions"]) == {"unknown"}
    assert joint_problems(tables | {"runs": found}) == []


def test_copies_of_the_data_are_told_apart():
    runs = [("digits", "a" * 64, "1"), ("digits", "b" * 64, "2"), ("mnist", "c" * 64, "3"), ("digits", "a" * 64, "0")]
    (problem,) = copies_problems(runs)
    copies = f"{'a' * 16} (2 runs, 0 the first), {'b' * 16} (1 runs, 2 the first)"
    assert problem == f"digits: runs were made from 2 copies of the data: {copies}"
    assert copies_problems(runs[1:3]) == []


def test_printable_is_one_bounded_line():
    assert printable("α\n\x1b[31mred\x07 \u202e") == "α \\x1b[31mred\\x07 \\u202e"
    assert len(printable("x" * 2000)) == 1000


def test_a_measure_that_came_later_is_missing_in_older_tables(tables, monkeypatch):
    """CONTRIBUTING's recipe for an index: tables that were archived before it read as NaN in its columns."""
    new = {name: (*columns, "gap", "gap_shuffled") for name, columns in COLUMNS.items() if name in ("layers", "units")}
    old = {name: to_csv(frame) for name, frame in tables.items()}
    for name, columns in new.items():
        monkeypatch.setitem(COLUMNS, name, columns)
    with pytest.raises(ValueError, match="columns missing or unknown: gap, gap_shuffled"):
        from_csv(old["units"], "units")
    monkeypatch.setattr(validation, "LATE_MEASURES", ("gap",))
    monkeypatch.setattr(validation, "MEASURES", (*validation.MEASURES, "gap"))
    found = {name: from_csv(content, name) for name, content in old.items()}
    assert found["units"]["gap"].isna().all()
    assert joint_problems(found) == []
    found["units"].loc[0, "gap"] = 0.5
    assert "their gap is not that of layer" in joint_problems(found)[0]
