"""The benchmarks' peers compute what the fast ways compute, on tiny sizes; each group of rows runs."""

from __future__ import annotations

import pandas as pd
import pytest
import torch
from tiny_specs import TINY

from benchmarks import accuracy, epoch, imports, memory, precision, sweeps, unit_tables
from benchmarks.book import NotMeasured
from benchmarks.conventional import ConventionalTrainer
from benchmarks.growth import amounts, exponent, step_work, term
from benchmarks.images import generated
from benchmarks.off_axis import generated as generated_activity
from benchmarks.off_axis import plain_fit, plain_index
from benchmarks.pwcca import generated as generated_layers
from benchmarks.pwcca import plain_pwcca
from benchmarks.regulariser_step import PlainRegularizer, step
from selectivity_core import RunStore, SelectivityRegularizer, build_model, profile, pwcca_distance
from selectivity_core.data import split
from selectivity_core.evaluation import measured_units, score
from selectivity_core.rotation import ShiftedIndex, fit_projections, starting_projections
from selectivity_core.seeds import generator, seed_for
from selectivity_core.training import Trainer, isolated


def test_plain_regulariser_gives_the_same_loss_and_gradients():
    torch.manual_seed(0)
    model = build_model("resnet20", channels=3, image_size=16, classes=10, width=4)
    images, labels = torch.randn(40, 3, 16, 16), torch.arange(40) % 10
    found = []
    for kind in (SelectivityRegularizer, PlainRegularizer):
        regularizer = kind(model, -2.0)
        model.zero_grad()
        model(images)
        loss = regularizer(labels)
        loss.backward()
        found.append((loss.item(), [p.grad.clone() for n, p in model.named_parameters() if not n.startswith("fc")]))
        if kind is SelectivityRegularizer:
            regularizer.remove()
    assert found[0][0] == pytest.approx(found[1][0], rel=1e-5)
    for fast, plain in zip(found[0][1], found[1][1], strict=True):
        torch.testing.assert_close(fast, plain, rtol=1e-3, atol=1e-6)


def test_plain_pwcca_gives_the_same_distance():
    a, b = generated_layers(600, 12)
    assert plain_pwcca(a, b) == pytest.approx(pwcca_distance(a, b), abs=1e-9)


def test_plain_off_axis_search_starts_from_the_same_index_and_raises_it():
    """The steps differ, since torch's parametrisation is another; what both raise is the same number."""
    activity, labels = generated_activity(400, 6)
    objective = ShiftedIndex(activity, labels)
    starts = starting_projections(objective, 0)
    fits = fit_projections(activity, labels, steps=5, lr=1e-3, seed=0)
    for fit, start, first in zip(fits, starts, objective.columns(starts).mean(1), strict=True):
        assert float(plain_index(activity, labels, start.float())) == pytest.approx(float(first), abs=1e-5)
        reached = plain_fit(activity, labels, start, 5)
        assert float(plain_index(activity, labels, reached)) == pytest.approx(fit.reached, abs=0.02)
        torch.testing.assert_close(reached.T @ reached, torch.eye(6), rtol=0, atol=1e-5)


def test_steps_give_finite_losses():
    for kind in ("none", "ours", "plain"):
        assert torch.isfinite(step(kind, width=2, batch=20, size=8)())


def test_the_conventional_trainer_learns_what_ours_learns():
    """Without augmentation, in float32 and in the same order, both end with the same weights."""
    spec = epoch.epoch_spec(3).replace(
        augment=False, precision="float32", width=4, batch_size=32, train_size=64, lr=0.01
    )
    data = generated(64, 10, 10)
    with isolated(spec):
        ours = Trainer(spec, data, torch.device("cpu"))
        torch.manual_seed(seed_for(spec.seed, "init"))
        network = build_model(spec.model, channels=3, image_size=32, classes=10, width=spec.width)
        before = {name: value.detach().clone() for name, value in network.named_parameters()}
        order = torch.randperm(spec.train_size, generator=generator(spec.seed, "order", 0)).tolist()
        index = split(data, spec.seed, spec.train_size).train
        ours.run_epoch()
        ConventionalTrainer(network, spec, data, index, workers=0, order=order).run_epoch()
    for name, fast in ours.model.named_parameters():
        plain, start = network.get_parameter(name).detach(), before[name]
        apart, moved = (fast.detach() - plain).abs().max(), (plain - start).abs().max()
        assert 0 <= float(apart) < 0.05 * float(moved), name


def test_time_to_an_accuracy_by_hand():
    """Two runs whose mean passes 85 % at epoch 3 and ends at 88 %, first reached at epoch 4."""
    spec, curves = TINY.replace(epochs=5), ([0.1, 0.8, 0.9, 0.8, 0.9, 0.88], [0.1, 0.5, 0.78, 0.92, 0.86, 0.88])
    parts = [pd.DataFrame({"run": spec.replace(seed=s).id, "test_accuracy": c}) for s, c in enumerate(curves)]
    parts.append(pd.DataFrame({"run": spec.replace(alpha=1.0).id, "test_accuracy": [1.0] * 6}))  # another setting
    curve = accuracy.mean_curve(pd.concat(parts).rename_axis("epoch").reset_index(), spec)
    assert curve.tolist() == pytest.approx([0.1, 0.65, 0.84, 0.86, 0.88, 0.88])
    found = accuracy.rows(curve, 101, [(60.0, 66.0), (50.0, 55.0), (180.0, 220.0)])
    assert found["accuracy-85"].seconds == (180.0, 198.0)
    assert found["accuracy-85"].peer_seconds == (5050.0, 5555.0)
    assert found["accuracy-85-trainer"].ratios == pytest.approx([1 / 3, 0.3])
    assert found["accuracy-end"].seconds == (240.0, 264.0)
    assert found["accuracy-end-trainer"].peer_seconds == (720.0, 880.0)
    with pytest.raises(NotMeasured, match=r"reach a mean test accuracy of 0\.880, not 0\.9"):
        accuracy.first_epoch(curve, 0.9)
    with pytest.raises(NotMeasured, match="no run like"):
        accuracy.mean_curve(pd.DataFrame({"run": [], "epoch": [], "test_accuracy": []}), spec)


def test_epochs_to_an_accuracy_are_timed_in_both_recipes_and_by_the_peer():
    small = [profile(name, width=2, batch_size=20, precision="float32") for name in ("cifar10-fast", "cifar10")]
    times = accuracy.epochs_in_turn(*small, steps=2, rounds=2)
    assert [len(each) for each in times] == [2, 2, 2]
    assert min(map(min, times)) > 0


def test_training_arithmetic_by_hand():
    """A first 3x3 convolution of 3 to 2 channels at 32x32 alone is 2·27·2·1024 operations an image."""
    spec = epoch.epoch_spec(1).replace(width=2, batch_size=4)
    one, two = epoch.training_flops(spec), epoch.training_flops(spec.replace(batch_size=8))
    assert two == 2 * one
    assert one > 2 * 27 * 2 * 1024 * 4


def test_generated_images():
    data = generated(30, 10, 20, size=8)
    assert data.images.shape == (40, 8, 8, 3)
    assert data.images.dtype == torch.uint8
    assert data.test_labels.bincount().tolist() == [2] * 10
    assert torch.equal(data.images, generated(30, 10, 20, size=8).images)


@pytest.mark.slow
def test_a_sweep_gives_what_runs_one_after_another_give(tmp_path):
    wanted = [TINY.replace(seed=s) for s in range(3)]
    pooled = sweeps.swept(wanted, tmp_path / "pooled")
    alone = sweeps.one_after_another(wanted, tmp_path / "alone", threads=1)
    for spec in wanted:
        for name in ("history", "units"):
            pd.testing.assert_frame_equal(pooled.table(spec.id, name), alone.table(spec.id, name))


def test_forty_runs_of_the_digits_profile():
    wanted = sweeps.specs()
    assert len({spec.id for spec in wanted}) == 40
    assert {spec.dataset for spec in wanted} == {"digits"}


def test_a_folder_is_there_for_the_work_and_gone_afterwards():
    seen = []
    sweeps.in_empty_folder(lambda folder: seen.append(RunStore(folder).path))
    assert len(seen) == 1
    assert not seen[0].exists()


def test_the_unit_tables_rest_on_the_plain_pass():
    data = generated(10, 10, 60, size=8)
    torch.manual_seed(0)
    model = build_model("resnet20", channels=3, image_size=8, classes=10, width=2)
    units, _, found = measured_units(model, data, "float32", 0, shuffles=0)
    assert found == score(model, data, data.test_images, data.test_labels, "float32")
    assert units.filter(like="shuffled").isna().all(axis=None)


def test_the_unit_tables_row_runs(monkeypatch):
    monkeypatch.setattr(unit_tables, "IMAGES", 20)
    before = torch.get_num_threads()
    assert len(unit_tables.measure()["unit-tables"].ratios) == 5
    assert torch.get_num_threads() == before


def test_imports_fail_loudly():
    with pytest.raises(imports.subprocess.CalledProcessError):
        imports.run("import no_such_module")


def test_exponent_by_hand():
    assert exponent([1, 2, 4], [3, 12, 48]) == pytest.approx(2)
    assert exponent([1, 10], [5, 5]) == pytest.approx(0)


def test_work_of_a_step_grows_with_the_batch():
    assert step_work(2, 10, 8) == 2 * step_work(2, 10, 4)
    assert step_work(2, 20, 4) > step_work(2, 10, 4)


def test_the_term_is_the_regularisers():
    term(units=3, classes=2, batch=4)()


def test_a_column_of_layers_has_a_table_for_each():
    model = memory.Column(3)
    units, _, _ = measured_units(model, generated(10, 10, 20, 4), "float32", 0, shuffles=0)
    assert units["layer"].value_counts().to_dict() == {f"units.{k}": memory.UNITS for k in range(3)}


def test_the_peak_rises_with_what_is_held():
    before = memory.peak()
    held = torch.ones(50_000_000, dtype=torch.uint8)
    assert len(held) == 50_000_000
    assert memory.peak() >= before
    assert memory.peak() > 100_000_000  # torch alone takes more


@pytest.mark.slow
def test_precisions_are_compared_seed_by_seed():
    rows = precision.measure(TINY, seeds=2)
    assert [(row["α"], row["seeds"]) for row in rows] == [(a, 2) for a in ("−1", "−1", "0", "0", "1", "1")]
    for row in rows:
        difference = float(row["bf16"]) - float(row["float32"])
        assert float(row["difference"].replace("−", "-")) == pytest.approx(difference, abs=1.1e-3)


def test_amounts_name_their_unit():
    assert amounts([0.00112, 0.0275], "seconds") == "1.12, 27.5 ms"
    assert amounts([0.05, 1.5], "seconds") == "0.05, 1.5 s"
    assert amounts([2**20, 1.5 * 2**20], "bytes") == "1, 1.5 MiB"
