import hashlib
import json
import os
import pickle
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from selectivity_core import RunSpec, ledger
from selectivity_core.errors import SpecError
from selectivity_core.spec import LATER, SCHEMA, field_names, spec_of

OTHER = {
    "model": "mlp", "dataset": "mnist", "alpha": 0.5, "index": "dprime", "seed": 1, "epochs": 41, "batch_size": 33,
    "lr": 0.2, "milestones": (20,), "momentum": 0.8, "weight_decay": 0.0, "layers": "first3", "warmup_epochs": 0.5,
    "activation": "leaky_relu:0.1", "batch_norm": False, "dropout": 0.1, "label_corruption": 0.2, "width": 9,
    "train_size": 151, "augment": True, "estimate": "shuffled", "precision": "bfloat16", "threads": 2,
}  # fmt: skip
# Fields that came later, with values that no earlier run has.
ADDED = {"schedule": "onecycle", "window": (0, 3), "nesterov": True, "min_map": 2, "rounding": "dithered"}


def test_golden_ids():
    # Ids name runs in stores and ledgers for ever: a change here needs a migration of both.
    assert RunSpec().id == "00714cee0ca52409"
    assert RunSpec(**OTHER).id == "2228f165b0f835cb"
    paper = RunSpec(
        model="resnet20", dataset="cifar10", alpha=-1.0, seed=19, epochs=200, batch_size=256, milestones=(100, 150),
        width=16, train_size=45_000, augment=True, precision="bfloat16",
    )  # fmt: skip
    assert paper.id == "30305926bb91ab67"


def test_the_id_is_the_hash_of_everything():
    spec = RunSpec(alpha=-0.4)
    text = '{"activation":"relu","alpha":-0.4,"augment":false,"batch_norm":true,"batch_size":32,"dataset":"digits",'
    text += '"dropout":0.0,"epochs":40,"estimate":"batch","index":"si","label_corruption":0.0,"layers":"all","lr":0.1,'
    text += '"milestones":[20,30],"model":"resnet20","momentum":0.9,"precision":"float32","schema":1,"seed":0,'
    text += '"threads":1,"train_size":150,"warmup_epochs":0.0,"weight_decay":0.0001,"width":8}'
    assert SCHEMA == 1
    assert spec.id == hashlib.sha256(text.encode()).hexdigest()[:16]


def test_changing_any_field_changes_the_id():
    assert {*OTHER, *ADDED} == set(field_names())
    base = RunSpec(milestones=())
    ids = {base.replace(**{name: value}).id for name, value in (OTHER | ADDED).items()}
    assert len(ids) == len(OTHER | ADDED)
    assert base.id not in ids


def test_later_fields_are_hashed_only_where_they_differ():
    assert set(LATER) == set(ADDED)
    content = {k: v for k, v in RunSpec().as_dict().items() if k not in LATER}
    assert RunSpec.from_dict(content).id == RunSpec.from_dict(RunSpec().as_dict()).id == "00714cee0ca52409"


def test_every_archived_run_keeps_its_id(monkeypatch):
    monkeypatch.delenv("SELECTIVITY_LEDGER", raising=False)
    runs = ledger().runs
    assert len(runs) >= 1303
    assert [row["run"] for row in runs.to_dict("records") if spec_of(row).id != row["run"]] == []


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"schedule": "onecycle"}, "milestones: .*onecycle"),
        ({"window": (3, 2)}, "window"),
        ({"window": (0, 40)}, "between 0 and 39"),
        ({"window": (1,)}, "window"),
        ({"nesterov": True, "momentum": 0.0}, "nesterov"),
        ({"schedule": "cosine"}, "schedule"),
    ],
)
def test_schedules_and_windows_that_cannot_be(changes, message):
    with pytest.raises(SpecError, match=message):
        RunSpec(**changes)


@pytest.mark.fault("the same value written in several ways", "read")
@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"alpha": 1}, {"alpha": 1.0}),
        ({"alpha": -0.0}, {"alpha": 0.0}),
        ({"warmup_epochs": -0.0}, {}),
        ({"seed": 3.0}, {"seed": 3}),
        ({"alpha": np.float64(0.7)}, {"alpha": 0.7}),
        ({"seed": np.int64(7)}, {"seed": 7}),
        ({"milestones": [20, 30]}, {"milestones": (20, 30)}),
        ({"milestones": (20.0, np.int64(30))}, {"milestones": (20, 30)}),
        ({"model": np.str_("mlp")}, {"model": "mlp"}),
    ],
)
def test_equal_values_are_one_spec(one, other):
    one, other = RunSpec(**one), RunSpec(**other)
    assert one.id == other.id
    assert one == other
    assert hash(one) == hash(other)
    assert json.dumps(one.as_dict()) == json.dumps(other.as_dict())


@given(st.floats(-1e6, 1e6), st.integers(0, 2**31 - 1), st.integers(1, 100), st.permutations(sorted(field_names())))
def test_content_survives_json_in_any_order(alpha, seed, width, order):
    spec = RunSpec(alpha=alpha, seed=seed, width=width)
    content = json.loads(json.dumps(spec.as_dict()))
    again = RunSpec.from_dict({name: content[name] for name in order})
    assert again == spec
    assert again.id == spec.id
    assert pickle.loads(pickle.dumps(spec)).id == spec.id


@pytest.mark.parametrize("hash_seed", ["1", "4242"])
def test_hash_seed_does_not_matter(hash_seed):
    script = "from selectivity_core import RunSpec; print(RunSpec(alpha=-0.4, milestones=[5]).id)"
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=environment, check=True)
    assert run.stdout.strip() == RunSpec(alpha=-0.4, milestones=(5,)).id


BELOW_AND_ABOVE = {
    "alpha": (-1.1e6, 1.1e6), "seed": (-1, 2**31), "epochs": (0, 100_001), "batch_size": (1, 1_000_001), "lr": (0, 101),
    "momentum": (-0.1, 1), "weight_decay": (-1e-9, 1.1), "warmup_epochs": (-0.1, 1e6), "dropout": (-0.1, 1),
    "label_corruption": (-0.1, 1.1), "width": (0, 65_537), "train_size": (1, 10**9), "threads": (0, 1025),
}  # fmt: skip


@pytest.mark.fault("values of the wrong kind in every field of a spec", "read")
@pytest.mark.parametrize("name", field_names())
def test_every_field_refuses_what_it_cannot_hold(name):
    bad = ["x", None, [1], float("nan"), float("inf"), 10**400, b"x", {}]
    bad += [1, 0.5] if isinstance(getattr(RunSpec(), name), bool | str) else [True, False]
    bad += [*BELOW_AND_ABOVE.get(name, ())]
    bad += [2.5] if isinstance(getattr(RunSpec(), name), int) else []
    bad.remove([1]) if name == "milestones" else None
    bad.remove(None) if name == "window" else None
    for value in bad:
        with pytest.raises(SpecError, match=f"^{name}: ") as raised:
            RunSpec(**{name: value})
        assert "\n" not in str(raised.value)


@pytest.mark.parametrize(("name", "bounds"), BELOW_AND_ABOVE.items())
def test_ranges_are_named(name, bounds):
    for value in bounds:
        with pytest.raises(SpecError, match=rf"{name}: .* given; [\[(].*[\])] is allowed"):
            RunSpec(**{name: value})


@pytest.mark.parametrize("milestones", [(30, 20), (20, 20), (0,), (40,), (-1, 5), (1.5,), (True,), ("3",), "20", 20])
def test_milestones_must_ascend_within_the_run(milestones):
    with pytest.raises(SpecError, match=r"^milestones: "):
        RunSpec(milestones=milestones)
    assert RunSpec(milestones=(1, 39)).milestones == (1, 39)


def test_unbiased_estimates_are_for_si():
    with pytest.raises(SpecError, match='estimate: "unbiased"'):
        RunSpec(estimate="unbiased", index="dprime")


def test_missing_or_unknown_fields_are_named():
    content = RunSpec().as_dict()
    with pytest.raises(SpecError, match=r"fields missing or unknown: beta, lr$"):
        RunSpec.from_dict({k: v for k, v in content.items() if k != "lr"} | {"beta": 1})
    with pytest.raises(SpecError, match="beta: no such field"):
        RunSpec().replace(beta=1)


def test_a_spec_cannot_be_changed():
    with pytest.raises(AttributeError):
        RunSpec().alpha = 1.0
