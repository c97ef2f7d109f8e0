import pandas as pd
import pytest

from selectivity_core.tables import COLUMNS, NAMES, Tables, concat, empty


def frame(run, **columns):
    return pd.DataFrame({"run": [run], **{k: [v] for k, v in columns.items()}})


def test_tables_are_read_when_first_used_and_once():
    asked = []
    tables = Tables(lambda name: asked.append(name) or empty(name), runs=frame("a"))
    assert tables.runs["run"].tolist() == ["a"]
    assert asked == []
    assert tables.units is tables.units
    assert asked == ["units"]


def test_unknown_tables_are_refused():
    with pytest.raises(TypeError, match="table 'rows': not one of runs, history"):
        Tables(rows=frame("a"))
    with pytest.raises(AttributeError, match="no table 'rows'; tables are runs"):
        Tables().rows  # noqa: B018


def test_empty_tables_have_every_column():
    for name in NAMES:
        assert tuple(getattr(Tables(), name).columns) == COLUMNS[name]
        assert COLUMNS[name][0] == "run"
    assert len(Tables().with_spec("units", "alpha")) == 0


def test_concat_keeps_order_and_skips_what_is_empty():
    parts = [Tables(runs=frame("b", x=1)), Tables(), Tables(runs=frame("a", x=2))]
    runs = concat(iter(parts)).runs
    assert runs["run"].tolist() == ["b", "a"]
    assert runs.index.tolist() == [0, 1]
    assert runs["x"].dtype == "int64"
    assert not len(concat(parts).units)


def test_with_spec_joins_and_leaves_out_what_diverged():
    runs = pd.concat([frame("a", status="complete", alpha=1.0), frame("b", status="diverged", alpha=2.0)])
    units = pd.concat([frame("b", si=0.5), frame("a", si=0.1), frame("a", si=0.2), frame("c", si=0.9)])
    complete = Tables(runs=runs).with_spec("runs", "alpha")
    assert complete.equals(runs[runs["status"] == "complete"].reset_index(drop=True))
    joined = Tables(runs=runs, units=units).with_spec("units", "alpha")
    assert joined["si"].tolist() == [0.1, 0.2]
    assert joined["alpha"].tolist() == [1.0, 1.0]
    with pytest.raises(pd.errors.MergeError):
        Tables(runs=pd.concat([runs, runs]), units=units).with_spec("units", "alpha")
