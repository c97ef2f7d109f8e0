"""Runs side by side in threads of this process; on the CPU, where nothing is captured."""

import math

import pytest
from tiny_specs import DIVERGING, TINY

from selectivity_core import RunStore, sweep
from selectivity_core.errors import ParameterError
from selectivity_core.runs.side_by_side import SideBySide, by_shape, captured_shape

SERVED = [TINY.replace(alpha=alpha, seed=seed) for seed in (0, 1) for alpha in (-1.0, 0.0, 1.0)]
DPRIME = TINY.replace(alpha=1.0, index="dprime")
ALONE = TINY.replace(alpha=1.0, estimate="unbiased")


@pytest.mark.slow
def test_a_sweep_gives_the_runs_of_an_ordinary_one(tmp_path):
    specs = [SERVED[0], ALONE, DIVERGING, DPRIME, *SERVED[1:]]
    found = sweep(specs, tmp_path / "here", side_by_side=3, progress=False)
    plain = sweep(specs, tmp_path / "plain", jobs=1, progress=False)
    assert found.runs["run"].tolist() == [spec.id for spec in specs]
    assert found.runs["status"].tolist() == plain.runs["status"].tolist()
    assert (found.runs["seconds"] > 0).all()
    for name, columns in (("history", plain.history.columns.drop("run")), ("units", ["mean", "si", "dprime"])):
        mine, theirs = getattr(found, name), getattr(plain, name)
        assert mine["run"].tolist() == theirs["run"].tolist()
        for column in columns:
            assert mine[column].tolist() == pytest.approx(theirs[column].tolist(), rel=1e-3, abs=1e-3, nan_ok=True)


def test_runs_of_a_shape_follow_each_other_and_others_come_last():
    other = TINY.replace(batch_size=16)
    assert by_shape([ALONE, SERVED[0], other, SERVED[1]]) == [SERVED[0], SERVED[1], other, ALONE]
    assert captured_shape(ALONE) is None
    assert captured_shape(SERVED[0]) == captured_shape(SERVED[5]) != captured_shape(other)


def end_of(crew):
    while not (found := crew.ended(1.0)):
        pass
    return found


def test_a_stopped_run_leaves_nothing_and_a_failed_one_costs_no_other(tmp_path):
    store, stopped = RunStore(tmp_path), [False]
    with SideBySide(2, SERVED, store, None, lambda: stopped[0], lambda *_: None) as crew:
        assert crew.start(SERVED[0], math.inf) is None
        assert crew.free()  # two were made
        assert end_of(crew) == [(SERVED[0], "finished")]
        stopped[0] = True
        assert crew.start(SERVED[1], math.inf) is None
        assert end_of(crew) == [(SERVED[1], "stopped")]
        assert isinstance(crew.start(TINY.replace(dataset="mnist"), math.inf), Exception)
    assert store.folders() == [SERVED[0].id]
    assert not store.unfinished()


def test_side_by_side_takes_no_jobs(tmp_path):
    with pytest.raises(ParameterError, match="side_by_side: 2 given"):
        sweep(SERVED, tmp_path, side_by_side=2, jobs=2)


def test_the_option_of_the_command_line(command_line, tiny_profile, tmp_path):
    code, out, _ = command_line("sweep", "--profile", "tiny", "--side-by-side", 2, "--store", tmp_path)
    assert code == 0
    assert out.count("complete") == 6
