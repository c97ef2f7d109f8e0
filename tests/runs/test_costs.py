import math

import pandas as pd
import pytest
from tiny_specs import TINY

from selectivity_core import RunSpec
from selectivity_core.runs.planning import Sample, cost_in_words, cost_of, estimated_bytes, setting_of, work


def sample(spec: RunSpec, seconds: float, size: float = math.nan) -> Sample:
    return Sample(spec, seconds, size, "cpu", "a processor")


def test_what_hardly_matters_is_not_in_the_setting():
    assert setting_of(TINY.replace(alpha=1.0)) == setting_of(
        TINY.replace(alpha=-5.0, seed=3, lr=0.01, label_corruption=0.5, index="dprime", layers="first3")
    )
    assert setting_of(TINY) == setting_of(TINY.replace(seed=9))
    for change in ({"alpha": 1.0}, {"epochs": 3}, {"width": 9}, {"train_size": 51}, {"precision": "bfloat16"}):
        assert setting_of(TINY.replace(**change)) != setting_of(TINY)


def test_measured_costs_are_those_of_the_fastest_run_of_the_setting():
    samples = [sample(TINY.replace(seed=k), s, 100.0 * s) for k, s in enumerate((1.0, 9.0, 2.0))]
    found = cost_of(TINY.replace(seed=7), [*samples, sample(TINY.replace(epochs=3), 70.0)])
    assert (found.seconds, found.bytes, found.measured) == (1.0, 200.0, True)
    assert found.basis == "measured: fastest of 3 runs on a processor"


def test_extrapolated_costs_grow_with_the_arithmetic_and_say_from_what():
    found = cost_of(TINY.replace(epochs=20), [sample(TINY, 3.0)])
    assert found.seconds == pytest.approx(30.0)
    assert not found.measured
    assert found.basis == (
        "extrapolated: 10 times the arithmetic of MLP (width 8) on 50 images of scikit-learn's digits, 2 epochs, "
        "batch 32, α = 0 (1 run on a processor)"
    )


def test_the_nearest_setting_is_the_same_network_on_the_same_data():
    paper = RunSpec(dataset="cifar10", width=16, train_size=45_000, epochs=200, milestones=())
    others = [
        sample(paper.replace(model="vgg16"), 1.0), sample(paper.replace(epochs=8), 2.0),
        sample(paper.replace(epochs=199, width=8), 3.0), sample(paper.replace(dataset="digits"), 4.0),
    ]  # fmt: skip
    found = cost_of(paper.replace(seed=5), others)
    assert found.seconds == pytest.approx(2.0 * 200 / 8)


def test_of_other_networks_the_one_with_the_most_similar_steps_counts():
    """The same network on tiny images spends its time on other things than arithmetic."""
    paper = RunSpec(model="vgg16", dataset="cifar10", width=64, batch_size=256, train_size=45_000, milestones=())
    near = RunSpec(dataset="cifar10", width=16, batch_size=256, train_size=45_000, milestones=())
    tiny = RunSpec(model="vgg16", dataset="digits", width=8, batch_size=32, milestones=())
    found = cost_of(paper, [sample(tiny, 1.0), sample(near, 100.0)])
    assert found.seconds == pytest.approx(100.0 * work(paper) / work(near))
    assert "ResNet20" in found.basis


def test_nothing_measured_is_not_a_number_and_says_so():
    found = cost_of(TINY, [])
    assert math.isnan(found.seconds)
    assert "nothing measured yet" in found.basis
    assert found.bytes > 0


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


def test_a_cost_in_words_follows_epochs_and_images():
    """Two finished runs took 10 s each."""
    specs = [TINY.replace(seed=k) for k in range(3)]
    runs = pd.DataFrame([s.as_dict() | {"status": "complete", "seconds": 10.0} for s in specs[:2]])
    said = "That would take about 10 s of one core, by the fastest finished run of the same network and data."
    assert cost_in_words(specs[2:], runs) == said
    runs.loc[0, "seconds"] = 900.0  # one that shared the machine with more changes nothing
    assert cost_in_words(specs[2:], runs) == said
    runs.loc[0, ["status", "seconds"]] = "diverged", 0.5  # nor does one that ended early
    assert cost_in_words(specs[2:], runs) == said
    runs["epochs"] *= 2  # had they had twice the epochs in 10 s, the missing one would take 5
    assert "about 5 s" in cost_in_words(specs[2:], runs)
    more = specs[2].replace(train_size=3 * specs[2].train_size)
    assert "about 20 s" in cost_in_words([specs[2], more], runs)
    runs["seconds"] = 10 * 3600.0
    assert "about 5.0 hours" in cost_in_words(specs[2:], runs)
    runs["seconds"] = 1200.0
    assert "about 10 minutes" in cost_in_words(specs[2:], runs)
    runs["model"] = "no such"
    assert cost_in_words(specs[2:], runs) == "What that would cost is not known: no such run has been measured."
