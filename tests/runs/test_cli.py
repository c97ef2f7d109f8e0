"""The command line, called as its entry point calls it: an exception that gets out of `main` fails the test."""

import re
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from selectivity_core.cli import main
from selectivity_core.data.sources import CIFAR10_CLASSES
from selectivity_core.runs.profiles import PROFILES, Profile
from selectivity_core.runs.store import RunStore


@pytest.fixture
def refused(command_line):
    """A function that runs a command, expects exit code 2 and gives the one line that says why."""

    def run(*words):
        code, _, err = command_line(*words)
        assert code == 2
        *bar, said = [line for line in re.split(r"[\r\n]+", err) if line]
        assert said.startswith("selectivity: ")
        assert all(line.startswith("training ") for line in bar)
        return said

    return run


@pytest.fixture
def printed(command_line):
    """A function that runs a command, expects exit code 0 and gives what it printed."""

    def run(*words):
        code, out, _ = command_line(*words)
        assert code == 0
        return out

    return run


SPECS = {
    "alpha nan": (("--alpha=nan",), "alpha: nan given; a finite number is needed"),
    "alpha inf": (("--alpha=inf",), "alpha: inf given"),
    "alpha text": (("--alpha=x",), "argument --alpha: invalid float value: 'x'"),
    "unknown profile": (("--profile", "digit"), "profile: 'digit' given; one of digits, mnist,"),
    "unknown model": (("--model", "resnet19"), "model: 'resnet19' given; profile digits covers resnet20, resnet18"),
    "unknown field": (("--set", "epoch=3"), "overrides: 'epoch' given, which is no field of a run; allowed: dataset,"),
    "out of range": (("--set", "epochs=0"), "epochs: 0 given; [1, 100000] is allowed"),
    "wrong type": (("--set", "epochs=[1]"), "epochs: [1] (list) given; a whole number is needed"),
    "field nan": (("--set", "lr=.nan"), "lr: nan given; a finite number is needed"),
    "no value": (("--set", "epochs"), "--set: 'epochs' given; FIELD=VALUE is needed"),
    "not YAML": (("--set", "milestones=[1"), "--set: 'milestones=[1' given; the value of milestones is not YAML"),
    "unknown option": (("--alfa", "1"), "unrecognized arguments: --alfa 1"),
}


@pytest.mark.parametrize(("words", "message"), SPECS.values(), ids=SPECS)
def test_train_refuses(words, message, refused, tmp_path):
    assert message in refused("train", *words, "--store", tmp_path / "runs")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("field", ["alpha", "seed", "model"])
@pytest.mark.parametrize("command", [("train",), ("sweep",), ("sweep", "--figure", "fig4")])
def test_fields_that_the_grid_sets_are_not_overridden(command, field, refused, tmp_path):
    said = refused(*command, "--set", f"{field}=1", "--store", tmp_path / "runs")
    assert f"overrides: {field} given; it is set by" in said


SWEEPS = {
    "alphas text": (("--alphas=-1,x",), "argument --alphas: '-1,x' given; comma-separated numbers are needed"),
    "alphas empty": (("--alphas=",), "argument --alphas: '' given; comma-separated numbers are needed"),
    "alphas brackets": (("--alphas=[-1,0]",), "argument --alphas: '[-1,0]' given"),
    "alphas nan": (("--alphas=0,nan",), "alpha: nan given; a finite number is needed"),
    "alphas nan, other side": (("--figure", "fig1", "--alphas=nan"), "alpha: nan given; a finite number is needed"),
    "seeds text": (("--seeds", "a"), "argument --seeds: 'a' given; a count or comma-separated seeds are needed"),
    "seeds none": (("--seeds", "0"), "seeds: 0 given; a count of at least 1"),
    "seeds twice": (("--seeds", "1,1"), "seeds: [1, 1] given; at least one, each once, is needed"),
    "seeds negative": (("--seeds=0,-1",), "seed: -1 given; [0, 2.14748e+09] is allowed"),
    "unknown figure": (("--figure", "fig99"), "figure: 'fig99' given; one of "),
    "jobs 0": (("--jobs", "0"), "argument --jobs: '0' given; a whole number of at least 1 is needed"),
    "jobs negative": (("--jobs=-2",), "argument --jobs: '-2' given"),
    "shard 0": (("--shard", "0/2"), "argument --shard: '0/2' given; I/N such as 1/4 is needed, with I from 1 to N"),
    "shard beyond": (("--shard", "3/2"), "argument --shard: '3/2' given"),
    "shard alone": (("--shard", "3"), "argument --shard: '3' given"),
    "budget text": (("--time-budget", "1h"), "argument --time-budget: '1h' given; seconds from 0 on are needed"),
    "budget negative": (("--time-budget=-1",), "argument --time-budget: '-1' given"),
    "budget nan": (("--time-budget=nan",), "argument --time-budget: 'nan' given"),
    "jobs and scheduler": (
        ("--jobs", "2", "--scheduler", "tcp://a:1"),
        "--scheduler: not allowed with argument --jobs",
    ),
    "no address": (
        ("--scheduler", "localhost"),
        "scheduler: 'localhost' given; an address such as tcp://10.0.0.1:8786",
    ),
}


@pytest.mark.parametrize(("words", "message"), SWEEPS.values(), ids=SWEEPS)
def test_sweep_refuses(words, message, refused, tmp_path):
    assert message in refused("sweep", *words, "--store", tmp_path / "runs")
    assert list(tmp_path.iterdir()) == []


def test_train_sweep_status_export(tiny_profile, printed, tmp_path):
    store = tmp_path / "runs"
    assert printed("status", "--store", store) == f"{store}: 0 runs\n"
    row = printed("train", "--profile", "tiny", "--alpha", "1", "--store", store)
    assert "complete" in row
    assert len(RunStore(store).ids()) == 1

    rows = printed("sweep", "--profile", "tiny", "--alphas=-1,0", "--seeds", "2", "--jobs", "1", "--store", store)
    assert rows.count("complete") == 4
    assert len(RunStore(store).ids()) == 5

    status = printed("status", "--store", store).splitlines()
    assert status[0] == f"{store}: 5 runs, 5 complete"
    runs = [(a, s) for a in ("-1", "0") for s in (0, 1)]
    assert [
        sum(f"α = {a}, seed {s} (" in line and line.endswith(": complete") for line in status) for a, s in runs
    ] == [1] * 4

    assert printed("export", "--store", store, "--to", tmp_path / "ledger") == "digits: 5 runs\n"
    kept = pd.read_csv(tmp_path / "ledger" / "digits" / "runs.csv.gz")
    assert sorted(kept["run"]) == RunStore(store).ids()


def test_sweep_trains_only_what_is_missing_and_what_the_figure_shows(tiny_profile, printed, tmp_path):
    store = tmp_path / "runs"
    words = ("sweep", "--profile", "tiny", "--figure", "fig1", "--seeds", "1", "--jobs", "1", "--store", store)
    first = printed(*words)
    assert first.count("complete") == 2  # α = −1 and 0 of the profile's three
    before = {p: p.stat().st_mtime_ns for p in store.rglob("manifest.json")}
    assert len(before) == 2
    assert printed(*words) == first
    assert {p: p.stat().st_mtime_ns for p in store.rglob("manifest.json")} == before


def test_export_of_an_empty_store_says_so(printed, tmp_path):
    said = printed("export", "--store", tmp_path / "runs", "--to", tmp_path / "ledger")
    assert said == f"{tmp_path / 'runs'}: no finished runs to export\n"


@pytest.mark.parametrize("alphas", [(0.0,), (0.0, 1.0)])
def test_a_run_that_diverges_is_a_result_and_is_named(alphas, tiny, diverging, monkeypatch, capsys, tmp_path):
    """Exit code 3 where there is nothing else to look at."""
    monkeypatch.setitem(PROFILES, "wild", Profile("wild", (diverging,), alphas, 1, scaled_down=True))
    monkeypatch.setattr(
        "selectivity_core.runs.profiles.expand", lambda *_args, **_options: [diverging, tiny][: len(alphas)]
    )
    store = tmp_path / "runs"
    assert main(["sweep", "--profile", "wild", "--jobs", "1", "--store", str(store)]) == (3 if len(alphas) == 1 else 0)
    out, err = capsys.readouterr()
    assert out.count("diverged") == 1
    (said,) = [line for line in re.split(r"[\r\n]+", err) if line.startswith("selectivity: ")]
    assert said.startswith(f"selectivity: run {diverging.id} diverged at epoch 1, step 4 (α = 0, seed 0)")
    assert len(RunStore(store).ids()) == len(alphas)


@pytest.mark.parametrize("words", [("train",), ("sweep", "--alphas=0", "--seeds", "1", "--jobs", "1")])
def test_an_unwritable_store_is_named(words, tiny_profile, refused, tmp_path):
    (tmp_path / "runs").write_text("a file where the folder should be")
    said = refused(*words, "--profile", "tiny", "--store", tmp_path / "runs")
    assert str(tmp_path / "runs") in said
    assert (tmp_path / "runs").read_text() == "a file where the folder should be"


def test_an_unwritable_ledger_is_named(finished, refused, tmp_path):
    (tmp_path / "ledger").write_text("")
    said = refused("export", "--store", finished[0].path, "--to", tmp_path / "ledger")
    assert f"{tmp_path / 'ledger'}" in said


def test_data_check_of_the_embedded_digits(printed):
    said = printed("data", "check", "digits")
    assert said.startswith("digits: 1000 and 797 test images in 10 classes, scikit-learn digits, digest ")


def test_missing_data_are_named_with_the_remedy(refused, tmp_path):
    said = refused("data", "check", "cifar10", "--data", tmp_path)
    assert f"cifar10: no images under {tmp_path}; run `selectivity data get cifar10`" in said
    assert list(tmp_path.iterdir()) == []


def test_a_run_on_missing_data_is_refused_and_leaves_no_run(refused, tmp_path):
    said = refused("train", "--profile", "cifar10-short", "--data", tmp_path / "data", "--store", tmp_path / "runs")
    assert "no images under" in said
    assert RunStore(tmp_path / "runs").ids() == []


def test_an_unknown_data_set_is_refused(refused):
    assert "data set 'cifar': not known; one of digits, mnist," in refused("data", "check", "cifar")
    assert "data set 'cifar': not known" in refused("data", "get", "cifar")


def class_folders(root: Path, skip: str = "") -> None:
    for part in ("train", "test"):
        for name in CIFAR10_CLASSES:
            if name != skip:
                (root / "cifar10" / part / name).mkdir(parents=True)
                (root / "cifar10" / part / name / "1.png").write_bytes(b"")


def test_a_short_class_folder_is_named_with_what_is_needed(refused, tmp_path):
    class_folders(tmp_path)
    said = refused("data", "check", "cifar10", "--data", tmp_path)
    assert f"{tmp_path / 'cifar10' / 'train' / 'airplane'}: 1 images found; 5000 are needed" in said


def test_a_missing_class_folder_is_named(refused, tmp_path):
    class_folders(tmp_path, skip="frog")
    said = refused("data", "check", "cifar10", "--data", tmp_path)
    assert f"{tmp_path / 'cifar10' / 'train'}: class folders" in said
    assert "frog" in said.split("found; ")[1]


FIGURES = {
    "unknown notebook": (("04_figure_5",), "notebook 04_figure_5: there is none; did you mean 04_figure_3?"),
    "not YAML": (("05_figure_4", "-y", "alphas: [1"), "parameters: not YAML ("),
    "no mapping": (("05_figure_4", "-y", "alphas"), "parameters: 'alphas' given; YAML such as 'alphas: [-1, 0, 1]'"),
    "unknown parameter": (("05_figure_4", "-y", "alpha: [1]"), "alpha: no such parameter; did you mean alphas?"),
}


@pytest.mark.parametrize(("words", "message"), FIGURES.values(), ids=FIGURES)
def test_figure_refuses(words, message, refused, tmp_path):
    assert message in refused("figure", *words, "--out", tmp_path / "out.ipynb")
    assert list(tmp_path.iterdir()) == []


def test_no_command_is_refused_with_one_line(refused):
    assert "required: COMMAND (see selectivity --help)" in refused()
    assert "invalid choice: 'fly'" in refused("fly")


def test_ctrl_c_is_no_traceback(monkeypatch, capsys, tmp_path):
    def interrupt(*_arguments, **_options):
        raise KeyboardInterrupt

    monkeypatch.setattr("selectivity_core.runs.sweeping.sweep", interrupt)
    assert main(["train", "--store", str(tmp_path)]) == 130
    assert "finished runs are kept" in capsys.readouterr().err


@pytest.mark.slow
def test_the_installed_command_ends_with_the_exit_code(tmp_path):
    done = subprocess.run(
        [Path(sys.executable).with_name("selectivity"), "train", "--alpha=nan"],
        capture_output=True, text=True, cwd=tmp_path, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "selectivity: alpha: nan given; a finite number is needed\n"
