import pytest
from tiny_specs import TINY

from selectivity_core import RunSpec, ledger
from selectivity_core.runs.archive import TRACKED, export
from selectivity_core.runs.planning import (
    REFERENCE,
    Sample,
    cost_of,
    estimated_bytes,
    makespan,
    measured_costs,
    samples_of,
    setting_of,
    work,
)


def sample(spec: RunSpec, seconds: float) -> Sample:
    return Sample(spec, seconds, "cpu", "a processor")


def test_what_hardly_matters_is_not_in_the_setting():
    assert setting_of(TINY.replace(alpha=1.0)) == setting_of(
        TINY.replace(alpha=-5.0, seed=3, lr=0.01, label_corruption=0.5, index="dprime", layers="first3")
    )
    assert setting_of(TINY) == setting_of(TINY.replace(seed=9))
    assert setting_of(TINY) == setting_of(TINY.replace(schedule="onecycle", window=(0, 1), nesterov=True))
    for change in ({"alpha": 1.0}, {"epochs": 3}, {"width": 9}, {"train_size": 51}, {"min_map": 2}):
        assert setting_of(TINY.replace(**change)) != setting_of(TINY)


def test_measured_costs_are_those_of_the_fastest_run_of_the_setting():
    samples = [sample(TINY.replace(seed=k), s) for k, s in enumerate((2.0, 1.0, 9.0))]
    found = cost_of(TINY.replace(seed=7), [*samples, sample(TINY.replace(epochs=3), 0.5)])
    assert (found.seconds, found.measured) == (1.0, True)
    assert (found.sample, found.arithmetic) == (samples[1], 1.0)


def test_extrapolated_costs_grow_with_the_arithmetic_and_say_from_what():
    found = cost_of(TINY.replace(epochs=20), [sample(TINY, 3.0)])
    assert found.seconds == pytest.approx(30.0)
    assert not found.measured
    assert (found.sample.spec, found.arithmetic) == (TINY, 10.0)
    assert cost_of(TINY, [sample(TINY.replace(epochs=20), 3.0)]).seconds == 1.0  # not 0.3: each run takes a second


def test_the_nearest_setting_is_the_same_network_on_the_same_data():
    paper = RunSpec(dataset="cifar10", width=16, train_size=45_000, epochs=200, milestones=())
    others = [
        sample(paper.replace(model="vgg16"), 1.0), sample(paper.replace(epochs=8), 2.0),
        sample(paper.replace(epochs=199, width=8), 3.0), sample(paper.replace(dataset="digits"), 4.0),
    ]  # fmt: skip
    found = cost_of(paper.replace(seed=5), others)
    assert found.seconds == pytest.approx(2.0 * 200 / 8)


def test_of_runs_with_the_same_steps_the_fastest_of_their_kind_counts():
    """However many epochs it has: a longer run that shared the machine says less of what a run costs."""
    paper = RunSpec(dataset="cifar10", width=16, train_size=45_000, epochs=200, milestones=())
    short = [sample(paper.replace(epochs=16, alpha=alpha), 2.0 + 0.1 * abs(alpha)) for alpha in (0.0, 1.0)]
    shared = [sample(paper.replace(epochs=34, alpha=alpha), 20.0) for alpha in (0.0, 1.0)]
    for alpha, nearest in ((0.0, short[0]), (-2.0, short[1])):
        assert cost_of(paper.replace(alpha=alpha), [*shared, *short]).sample == nearest


def test_of_other_networks_the_one_with_the_most_similar_steps_counts():
    """The same network on tiny images spends its time on other things than arithmetic."""
    paper = RunSpec(model="vgg16", dataset="cifar10", width=64, batch_size=256, train_size=45_000, milestones=())
    near = RunSpec(dataset="cifar10", width=16, batch_size=256, train_size=45_000, milestones=())
    tiny = RunSpec(model="vgg16", dataset="digits", width=8, batch_size=32, milestones=())
    found = cost_of(paper, [sample(tiny, 1.0), sample(near, 100.0)])
    assert found.seconds == pytest.approx(100.0 * work(paper) / work(near))
    assert found.sample.spec == near


def test_where_nothing_was_measured_known_runs_are_gone_by():
    small, large = REFERENCE
    assert cost_of(TINY, []).sample in REFERENCE
    assert cost_of(small.spec.replace(seed=3), []).seconds == small.seconds
    longer = large.spec.replace(epochs=200, milestones=(100, 150))
    assert cost_of(longer, []).seconds == pytest.approx(25 * large.seconds)


def test_the_reference_is_about_what_the_ledger_says():
    fastest = samples_of(ledger(folder=TRACKED).runs)
    assert len(fastest) < 100  # one for each setting
    for known in REFERENCE:
        assert 0.4 < cost_of(known.spec, fastest).seconds / known.seconds < 2.5


def test_makespan_takes_runs_in_order_by_whoever_is_free():
    assert makespan([3.0, 1.0, 1.0, 4.0], 1) == 9.0
    assert makespan([3.0, 1.0, 1.0, 4.0], 2) == 6.0  # 3 | 1, 1, 4
    assert makespan([3.0, 1.0, 1.0, 4.0], 4) == makespan([3.0, 1.0, 1.0, 4.0], 64) == 4.0
    assert makespan([], 3) == 0.0


def test_store_and_ledger_are_read_without_runs_that_diverged(finished, tmp_path, monkeypatch):
    store, specs = finished
    mine = measured_costs(store, None)
    assert {s.spec.id for s in mine} == {s.id for s in specs[:6]}
    assert [s.seconds for s in mine] == [float(store.table(s.spec.id, "runs")["seconds"].iloc[0]) for s in mine]
    export(store, tmp_path)
    kept = samples_of(ledger(folder=tmp_path).runs)
    for regularised in (False, True):
        (one,) = [s for s in kept if (s.spec.alpha != 0) == regularised]
        assert one.seconds == min(s.seconds for s in mine if (s.spec.alpha != 0) == regularised)


def test_costs_of_this_kind_of_device_come_first(finished, monkeypatch):
    store, _ = finished
    runs = store.table(finished[1][0].id, "runs").assign(provenance_device="cuda:1", seconds=0.001)
    kept = ledger()
    kept.runs = runs
    assert {s.device for s in measured_costs(store, kept)} == {"cpu"}
    monkeypatch.setenv("SELECTIVITY_DEVICE", "cuda")
    assert [(s.device, s.seconds) for s in measured_costs(store, kept)] == [("cuda", 0.001)]
    kept.runs = runs[:0]
    assert {s.device for s in measured_costs(store, kept)} == {"cpu"}  # better than none


def test_work_by_hand():
    """A layer of 64 by 8, one of 8 by 8, and the logits, 8 by 10; 50 images trained on, 300 + 797 looked at."""
    assert work(TINY) == (64 * 8 + 8 * 8 + 8 * 10) * (3 * 50 + 300 + 797) * 2
    assert work(RunSpec(dataset="cifar10", width=16, epochs=1, milestones=())) == pytest.approx(
        40.55e6 * (3 * 150 + 5_000 + 10_000), rel=1e-3
    )


def test_estimated_bytes_are_near_those_of_real_runs(finished):
    store, specs = finished
    for spec in specs[:2]:
        real = sum(entry["bytes"] for entry in store.manifest(spec)["files"].values())
        assert estimated_bytes(spec) == pytest.approx(real, rel=0.25)


def test_no_memory_or_random_state_is_spent_on_counting():
    import torch

    before = torch.get_rng_state()
    huge = RunSpec(model="vgg16", width=1024, dataset="tiny-imagenet", epochs=1, milestones=())
    assert estimated_bytes(huge) > 10e9  # weights that no machine here would hold
    assert torch.equal(torch.get_rng_state(), before)
