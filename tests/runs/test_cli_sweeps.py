"""The command line of long sweeps: plan, shards, time budgets, status, verify, export and import."""

import lzma
import re

import pytest
from tiny_specs import TINY

from selectivity_core import RunStore, sweep
from selectivity_core.data import load
from selectivity_core.runs.validation import from_csv, to_csv
from selectivity_core.training import Trainer

GRID = ("--profile", "tiny", "--seeds", "2")
pytestmark = pytest.mark.usefixtures("tiny_profile")


@pytest.fixture
def call(command_line):
    """A function that runs a command and gives exit code, output lines and error lines (without progress bars)."""

    def run(*words):
        code, out, err = command_line(*words)
        return code, out.splitlines(), [line for line in re.split(r"[\r\n]+", err) if line.startswith("selectivity: ")]

    return run


@pytest.fixture
def store(tmp_path):
    """The grid's first seed."""
    found = RunStore(tmp_path / "runs")
    sweep([TINY.replace(alpha=a) for a in (-1.0, 0.0, 1.0)], found, jobs=1, progress=False)
    return found


def test_plan_says_what_a_sweep_will_take_and_does_nothing(call, store):
    before = sorted(store.path.rglob("*"))
    code, said, _ = call("plan", *GRID, "--workers", "2", "--store", store.path)
    assert code == 0
    assert said[0].split()[:8] == [
        "model", "dataset", "width", "train_size", "epochs", "batch_size", "regularised", "wanted",
    ]  # fmt: skip
    assert said[1].split()[:12] == ["mlp", "digits", "8", "50", "2", "32", "True", "4", "2", "0", "0", "2"]
    assert said[-1].split()[:3] == ["6", "3", "3"]  # wanted, to train, and of these by measured costs
    assert said[-1].split()[-2] == "2"  # workers
    assert sorted(store.path.rglob("*")) == before


def test_plan_of_the_papers_grids_names_what_is_extrapolated(call, store):
    code, said, _ = call("plan", "--papers", "--workers", "64", "--store", store.path)
    assert code == 0
    for model in ("resnet20", "vgg16", "resnet18", "resnet50"):
        assert [line for line in said if line.split()[:1] == [model] and " extrapolated " in line]
    assert said[-1].split()[2] == "0"
    assert said[-1].split()[-2] == "64"


def test_plan_refuses_what_a_sweep_refuses(call, tmp_path):
    code, _, (said,) = call("plan", "--profile", "tinny", "--store", tmp_path)
    assert (code, "profile: 'tinny' given" in said) == (2, True)
    code, _, (said,) = call("plan", "--workers", "0")
    assert (code, "--workers: '0' given" in said) == (2, True)


@pytest.mark.parametrize(
    ("asked", "runs"),
    [((), 30), (("--figure", "fig4"), 30), (("--seeds", "3"), 27), (("--alphas=-1,0",), 9), (("--alphas=-1",), 3)],
)
def test_a_plan_has_the_seeds_that_a_profile_has_at_alpha_0_alone(call, tmp_path, asked, runs):
    code, said, _ = call("plan", "--profile", "cifar10-short", *asked, "--store", tmp_path)
    assert code == 0
    assert said[-1].split()[:2] == [str(runs)] * 2


def test_shards_are_the_grid_in_parts(call, tmp_path):
    for part in (3, 1, 2):
        target = tmp_path / str(part)
        assert call("sweep", *GRID, "--shard", f"{part}/3", "--jobs", "1", "--store", target)[0] == 0
        assert len(RunStore(target).ids()) == 2
        code, said, _ = call("import", target, "--store", tmp_path / "all")
        assert (code, said) == (0, [f"{tmp_path / 'all'}: 2 runs added, 0 were there, 0 refused"])
    code, said, _ = call("status", *GRID, "--store", tmp_path / "all")
    assert said[0] == f"{tmp_path / 'all'}: 6 runs, 6 complete"


def test_a_time_budget_that_is_over_leaves_the_rest_for_later(call, tmp_path):
    code, out, (said,) = call("sweep", *GRID, "--jobs", "1", "--time-budget", "0", "--store", tmp_path)
    assert (code, out) == (4, [])
    assert said.startswith("selectivity: the time budget of 0 s is over: 0 runs are finished, 6 are left")
    code, out, said = call("sweep", *GRID, "--jobs", "1", "--time-budget", "3600", "--store", tmp_path)
    assert (code, len(out), said) == (0, 7, [])


def test_runs_of_the_ledger_need_not_be_trained(call, store, tmp_path, monkeypatch):
    call("export", "--store", store.path, "--to", tmp_path / "ledger")
    monkeypatch.setenv("SELECTIVITY_LEDGER", str(tmp_path / "ledger"))
    code, said, _ = call("plan", *GRID, "--store", tmp_path / "s", "--use-ledger")
    assert said[-1].split()[:2] == ["6", "3"]
    code, out, _ = call("sweep", *GRID, "--jobs", "1", "--use-ledger", "--store", tmp_path / "s")
    assert (code, len(out)) == (0, 7)
    assert len(RunStore(tmp_path / "s").ids()) == 3


def test_status_of_a_grid_has_every_kind(call, store, monkeypatch):
    begun, gone = TINY.replace(alpha=-1.0, seed=1), TINY.replace(alpha=0.0)
    trainer = Trainer(begun, load("digits"))
    trainer.step = 1
    store.checkpoints(begun).save(trainer)
    units = store.folder(gone) / "units.csv"
    units.write_text("")
    code, said, _ = call("status", *GRID, "--store", store.path)
    assert code == 0
    assert said[0] == f"{store.path}: 6 runs, 2 complete, 1 damaged, 1 interrupted, 2 absent"
    assert said[1].startswith("mlp on digits, α = -1, seed 0 (")
    assert said[1].endswith("): complete")
    assert f"damaged ({units}: differs from its manifest" in said[2]
    assert said[4].endswith(": interrupted (at step 1 of epoch 1)")
    assert said[5].endswith(": absent")
    monkeypatch.setattr("selectivity_core.training.RESULT_VERSION", 2)
    code, said, _ = call("status", "--store", store.path)
    assert said[0] == f"{store.path}: 4 runs, 2 stale, 1 damaged, 1 interrupted"
    assert sum(line.endswith("stale (result version 1, now 2)") for line in said) == 2


@pytest.mark.fault("names of folders that look like output", "read")
def test_names_of_folders_forge_no_lines_of_a_status(call, tmp_path):
    (tmp_path / "0: complete\n1").mkdir()
    assert len(call("status", "--store", tmp_path)[1]) == 2


def test_status_of_part_of_a_grid_needs_its_profile(call, store):
    code, _, (said,) = call("status", "--figure", "fig4", "--store", store.path)
    assert (code, said) == (2, "selectivity: status: --figure, --model, --set and --shard need --profile")


def test_verify_names_what_is_wrong_and_ends_with_2(call, store, tmp_path):
    call("export", "--store", store.path, "--to", tmp_path / "ledger")
    words = ("verify", "--store", store.path, "--ledger", tmp_path / "ledger")
    code, out, said = call(*words)
    assert (code, said) == (0, [])
    assert out == [f"{store.path}: 3 runs, 0 problems", f"{tmp_path / 'ledger'}: 1 profiles, 0 problems"]
    manifest = store.folder(TINY) / "manifest.json"
    manifest.write_text("{")
    (tmp_path / "ledger" / "digits" / "units.csv.xz").write_bytes(b"")
    code, out, said = call(*words)
    assert code == 2
    assert len(said) == 2
    assert f"{manifest.parent}: manifest.json: Invalid JSON" in said[0]
    assert "units.csv.xz: not a table of the ledger" in said[1]
    code, _, (said,) = call("verify", "--store", store.path, "--ledger", tmp_path / "nowhere")
    assert (code, said) == (2, f"selectivity: {tmp_path / 'nowhere'}: no such folder")


def test_verify_trains_some_runs_anew(call, store, tmp_path, monkeypatch):
    monkeypatch.setattr("selectivity_core.runs.executing.default_jobs", lambda specs, gpus: 1)
    folder = tmp_path / "ledger"
    call("export", "--store", store.path, "--to", folder)
    words = ("verify", "--store", tmp_path / "empty", "--ledger", folder, "--retrain", 2)
    code, out, said = call(*words, "--draw", 4)
    assert (code, said) == (0, [])
    assert out[2] == "training 2 of 3 runs of digits anew (--draw 4)"
    assert out[3].split()[:3] == ["run", "model", "dataset"] and len(out) == 7
    assert out[-1] == "2 of 2 agree bit for bit, 2 agree"
    path = folder / "digits" / "runs.csv.xz"
    rows = from_csv(lzma.decompress(path.read_bytes()), "runs")
    path.write_bytes(lzma.compress(to_csv(rows.assign(train_loss=rows["train_loss"] + 0.25))))
    code, out, said = call(*words)
    assert code == 2
    assert said and all("differs; every bit is expected to agree" in line for line in said)
    code, _, said = call(*words, "--profile", "digit")
    assert code == 2 and "profile: 'digit' given" in said[-1]
    monkeypatch.setenv("SELECTIVITY_LEDGER", "none")
    code, _, (said,) = call("verify", "--store", tmp_path / "empty", "--retrain", 1)
    assert (code, said) == (2, 'selectivity: ledger: SELECTIVITY_LEDGER is "none"; there is no run to train again')


def test_export_and_import_of_whole_runs(call, store, tmp_path):
    tar = tmp_path / "moved.tar"
    assert call("export", "--runs", tar, "--store", store.path)[:2] == (0, [f"{tar}: 3 runs"])
    other = RunStore(tmp_path / "other")
    assert call("import", tar, "--store", other.path)[1] == [f"{other.path}: 3 runs added, 0 were there, 0 refused"]
    assert other.ids() == store.ids()
    assert call("export", "--runs", tmp_path / "folder", "--store", store.path)[0] == 0
    (tmp_path / "folder" / TINY.id / "runs.csv").write_text("")
    code, out, (said,) = call("import", tmp_path / "folder", "--store", tmp_path / "third")
    assert (code, out) == (2, [f"{tmp_path / 'third'}: 2 runs added, 0 were there, 1 refused"])
    assert said == f"selectivity: {tmp_path / 'folder'}: run {TINY.id}: runs.csv: not as the manifest says"
    code, _, (said,) = call("import", tmp_path / "nowhere", "--store", other.path)
    assert (code, "nowhere: no such folder or file of runs" in said) == (2, True)
    code, _, (said,) = call("export", "--runs", tar, "--to", tmp_path / "x", "--store", store.path)
    assert (code, "not allowed with argument" in said) == (2, True)


def test_an_export_says_which_trainings_it_kept_or_replaced(call, store, tmp_path):
    words = ("export", "--to", tmp_path / "ledger", "--store")
    assert call(*words, store.path) == (0, ["digits: 3 runs"], [])
    again = RunStore(tmp_path / "again")
    sweep([TINY], again, jobs=1, progress=False)
    code, out, (said,) = call(*words, again.path)
    assert (code, out) == (0, ["digits: 3 runs"])
    assert said == (
        f"selectivity: digits: the ledger keeps another training of 1 of these runs ({TINY.id} the first); --replace "
        "takes the store's"
    )
    assert call(*words, again.path, "--replace") == (0, ["digits: 3 runs, 1 replaced"], [])


@pytest.mark.fault("a run of a later schema", "checked")
def test_a_run_of_a_later_schema_blocks_nothing(call, store, tmp_path):
    manifest = store.folder(TINY) / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"schema": 1', '"schema": 2'))
    assert call("export", "--to", tmp_path / "ledger", "--store", store.path) == (0, ["digits: 2 runs"], [])
    assert call("verify", "--store", store.path, "--ledger", tmp_path / "ledger")[0] == 0
    code, out, _ = call("status", "--store", store.path)
    assert (code, out[0]) == (0, f"{store.path}: 3 runs, 2 complete, 1 stale")
    assert any(line.endswith(": stale (schema 2, now 1)") for line in out)
