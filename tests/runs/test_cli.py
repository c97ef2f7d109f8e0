"""The command line, called as its entry point calls it: an exception that gets out of `main` fails the test."""

import math
import os
import re
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from selectivity_core.cli import main
from selectivity_core.cli.arguments import read_yaml
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
    "unknown profile": (("--profile", "digit"), "profile: 'digit' given; one of digits, digits-1, mnist,"),
    "misspelt profile": (("--profile", "cifar10-shrot"), "is allowed; did you mean cifar10-short?"),
    "unknown model": (("--model", "resnet19"), "model: 'resnet19' given; profile digits covers resnet20, resnet18"),
    "unknown field": (("--set", "epoch=3"), "overrides: 'epoch' given, which is no field of a run; allowed: dataset,"),
    "out of range": (("--set", "epochs=0"), "epochs: 0 given; [1, 100000] is allowed"),
    "wrong type": (("--set", "epochs=[1]"), "epochs: [1] (list) given; a whole number is needed"),
    "field nan": (("--set", "lr=.nan"), "lr: nan given; a finite number is needed"),
    "no value": (("--set", "epochs"), "--set: 'epochs' given; FIELD=VALUE is needed"),
    "not YAML": (("--set", "milestones=[1"), "--set milestones: '[1' given; it is not YAML"),
    "a date": (("--set", "lr=2001-99-99"), "lr: '2001-99-99' (str) given; a number is needed"),
    "a tag": (("--set", "lr=!!int foo"), "--set lr: '!!int foo' given; plain values, lists and mappings are needed"),
    "base 60": (("--set", "epochs=1:30"), "epochs: '1:30' (str) given; a whole number is needed"),
    "many digits": (("--set", f"epochs={'9' * 5000}"), "a number of 5000 digits is no value of anything"),
    "aliases": (("--set", "milestones=[&a [1], *a]"), "without tags, anchors or aliases"),
    "deep": (("--set", "milestones=" + "[" * 5000), "plain values, lists and mappings are needed"),
    "too long": (("--set", "milestones=" + "1," * 9000), "at most 10000 characters are read"),
    "a week": (("--profile", "cifar10", "--set", "epochs=2000"), "hours are allowed without --yes"),
    "unknown option": (("--alfa", "1"), "unrecognized arguments: --alfa 1"),
}


@pytest.mark.fault("options of train that cannot be", "read")
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
    "alphas apart": (("--alphas", "-1,0"), "one argument; write it with an equals sign, --alphas=-1,0,1 (see "),
    "alphas nan": (("--alphas=0,nan",), "alpha: nan given; a finite number is needed"),
    "alphas nan, other side": (("--figure", "fig1", "--alphas=nan"), "alpha: nan given; a finite number is needed"),
    "seeds text": (("--seeds", "a"), "argument --seeds: 'a' given; a count or comma-separated seeds are needed"),
    "seeds none": (("--seeds", "0"), "seeds: 0 given; 1 to 1000 seeds are needed"),
    "seeds twice": (("--seeds", "1,1"), "seeds: [1, 1] given; a seed is repeated, and each is needed once"),
    "seeds many": (
        ("--seeds", "1000000000"),
        "given; 1 to 1000 seeds are needed",
    ),
    "seeds of many digits": (("--seeds", "9" * 5000), "given; a count or comma-separated seeds are needed"),
    "seeds negative": (("--seeds=0,-1",), "seed: -1 given; [0, 2.14748e+09] is allowed"),
    "unknown figure": (("--figure", "fig99"), "figure: 'fig99' given; one of "),
    "misspelt figure": (("--figure", "figg4"), "is allowed; did you mean fig4?"),
    "too much": (("--profile", "cifar10", "--seeds", "1000"), "hours are allowed without --yes"),
    "jobs 0": (("--jobs", "0"), "argument --jobs: '0' given; a whole number of at least 1 is needed"),
    "jobs negative": (("--jobs=-2",), "argument --jobs: '-2' given"),
    "shard 0": (("--shard", "0/2"), "argument --shard: '0/2' given; I/N such as 1/4 is needed, with I from 1 to N"),
    "shard beyond": (("--shard", "3/2"), "argument --shard: '3/2' given"),
    "jobs of many digits": (("--jobs", "9" * 5000), "given; a whole number of at least 1 is needed"),
    "shard of many digits": (("--shard", "1/" + "9" * 5000), "given; I/N such as 1/4 is needed"),
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


@pytest.mark.fault("options of sweep and plan that cannot be", "read")
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
    kept = pd.read_csv(tmp_path / "ledger" / "digits" / "runs.csv.xz")
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
    assert said.startswith("digits: 1000 training and 797 test images in 10 classes, scikit-learn digits, digest ")


def test_missing_data_are_named_with_the_remedy(refused, tmp_path):
    said = refused("data", "check", "cifar10", "--data", tmp_path)
    assert f"cifar10: no images under {tmp_path}; run `selectivity data get cifar10`" in said
    assert list(tmp_path.iterdir()) == []


def test_a_run_on_missing_data_is_refused_and_leaves_no_run(refused, tmp_path):
    said = refused("train", "--profile", "cifar10-short", "--data", tmp_path / "data", "--store", tmp_path / "runs")
    assert said.startswith("selectivity: cifar10: no images under")
    assert RunStore(tmp_path / "runs").ids() == []


def test_an_unknown_data_set_is_refused(refused):
    assert "data set: 'cifar' given; one of digits, mnist," in refused("data", "check", "cifar")
    assert "did you mean cifar10?" in refused("data", "get", "cifar")


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
    assert f"{tmp_path / 'cifar10' / 'train'}: no folder for frog; " in said


FIGURES = {
    "unknown notebook": (("04_figure_5",), "notebook 04_figure_5: there is none; did you mean 04_figure_3?"),
    "not YAML": (("05_figure_4", "-y", "alphas: [1"), "parameters: 'alphas: [1' given; it is not YAML ("),
    "twice": (("05_figure_4", "-y", "{alphas: [1], alphas: [2]}"), "a name stands there twice"),
    "laughs": (
        ("05_figure_4", "-y", "a: &a [x]\nb: &b [*a, *a]\nc: [*b, *b]"),
        "[*b, *b]' given; plain values, lists and mappings are needed, without tags, anchors or aliases",
    ),
    "profile": (("05_figure_4", "-y", "profile: digit"), "profile: 'digit' given; one of digits, "),
    "seeds": (("05_figure_4", "-y", "seeds: -3"), "seeds: -3 given; a count from 0 on, or a list of seeds, is needed"),
    "too many seeds": (
        ("05_figure_4", "-y", "seeds: 100000"),
        "given; 1 to 1000 seeds are needed",
    ),
    "override": (("05_figure_4", "-y", "overrides: {epoch: 3}"), "did you mean epochs?"),
    "value": (("05_figure_4", "-y", "overrides: {lr: fast}"), "lr: 'fast' (str) given; a number is needed"),
    "no mapping": (("05_figure_4", "-y", "alphas"), "parameters: 'alphas' given; YAML such as 'alphas: [-1, 0, 1]'"),
    "unknown parameter": (("05_figure_4", "-y", "alpha: [1]"), "alpha: no such parameter; did you mean alphas?"),
}


@pytest.mark.fault("parameters that cannot be, aliases that expand without end", "read")
@pytest.mark.parametrize(("words", "message"), FIGURES.values(), ids=FIGURES)
def test_figure_refuses(words, message, refused, tmp_path):
    assert message in refused("figure", *words, "--out", tmp_path / "out.ipynb")
    assert list(tmp_path.iterdir()) == []


VALUES = {
    "010": 10, "-7": -7, "+3": 3, "1e-4": 1e-4, "1.0e-4": 1e-4, "1E5": 1e5, ".5": 0.5, "5.": 5.0, "-.inf": -math.inf,
    "true": True, "False": False, "yes": "yes", "null": None, "": None, "0x10": "0x10", "1_000": "1_000",
    "1:30": "1:30", "2001-01-01": "2001-01-01", "'010'": "010", '"true"': "true", "[1, [2.5, x]]": [1, [2.5, "x"]],
    "{a: 1, b: [no]}": {"a": 1, "b": ["no"]}, "relu": "relu", "leaky_relu:0.1": "leaky_relu:0.1", "α": "α",
}  # fmt: skip


@pytest.mark.fault("010, 1:30, 0x10, dates and words in YAML", "read")
@pytest.mark.parametrize(("text", "value"), VALUES.items())
def test_yaml_is_read_as_plain_decimal_values(text, value):
    found = read_yaml("x", text)
    assert found == value
    assert type(found) is type(value)


def test_lists_may_stand_in_brackets(printed, tmp_path):
    words = ("plan", "--store", tmp_path)
    plain = printed(*words, "--alphas=-1,0", "--seeds", "3,4")
    assert printed(*words, "--alphas=[-1, 0]", "--seeds", "[3, 4]") == plain
    assert plain.splitlines()[-1].split()[:2] == ["4", "4"]
    assert printed(*words, "--alphas=0", "--seeds", "[3]").splitlines()[-1].split()[:2] == ["1", "1"]


def test_milestones_follow_the_epochs(printed, tmp_path):
    plan = printed("plan", "--set", "epochs=1", "--alphas=0", "--seeds", "1", "--store", tmp_path)
    assert plan.splitlines()[1].split()[4] == "1"  # behind model, dataset, width and train_size
    row = ("train", "--set", "epochs=2", "--set", "train_size=20", "--set", "width=1", "--store", tmp_path)
    assert "complete" in printed(*row)
    assert RunStore(tmp_path).spec(RunStore(tmp_path).ids()[0]).milestones == (1,)  # 20 and 30 of 40


def ended(*words: str, **environment: str) -> subprocess.CompletedProcess:
    """The command line in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "selectivity_core.cli", *words], capture_output=True, check=False,
        env={**os.environ, "SELECTIVITY_RUNS": "/nowhere", **environment},
    )  # fmt: skip


@pytest.mark.fault("status | head -1", "read")
@pytest.mark.slow
def test_output_that_nobody_reads_is_no_traceback(finished):
    status = f"{sys.executable} -m selectivity_core.cli status --store '{finished[0].path}'"
    command = f"{status} | head -1; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=True)
    first, code = done.stdout.splitlines()
    assert first.endswith("7 runs, 6 complete, 1 diverged")
    assert (code, "Traceback" in done.stderr) in (("141", False), ("0", False))  # 0 where all fitted into the pipe


@pytest.mark.fault("an ASCII locale", "read")
@pytest.mark.slow
def test_a_terminal_without_greek_letters(finished):
    ascii_only = {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0", "PYTHONIOENCODING": ""}
    done = ended("status", "--store", str(finished[0].path), **ascii_only)
    assert done.returncode == 0
    assert b"Traceback" not in done.stderr
    assert rb"mlp on digits, \u03b1 = -1, seed 0" in done.stdout


@pytest.mark.fault("more threads than OpenMP allows", "read")
@pytest.mark.slow
def test_more_threads_than_openmp_allows_is_one_line_and_does_not_hang(tmp_path):
    words = ("train", "--set", "threads=2", "--set", "epochs=1", "--store", str(tmp_path))
    done = ended(*words, OMP_THREAD_LIMIT="1")
    assert done.returncode == 2
    assert b"threads: 2 given; OMP_THREAD_LIMIT allows 1" in done.stderr


@pytest.mark.fault("paths of 5,000 letters", "read")
def test_a_path_that_is_too_long_is_one_line(refused, tmp_path):
    for words in (("train",), ("status",), ("plan",), ("sweep", "--jobs", "1")):
        assert "File name too long" in refused(*words, "--store", tmp_path / ("x" * 5000))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.fault("a full disk under a command", "read")
def test_a_home_folder_that_there_is_not_is_one_line(refused):
    assert "~nobody9/runs: there is no home folder of that name" in refused("status", "--store", "~nobody9/runs")


def test_a_file_system_error_is_one_line(monkeypatch, refused, tmp_path):
    def full(*_arguments, **_options):
        raise OSError(28, "No space left on device", str(tmp_path))

    monkeypatch.setattr("selectivity_core.runs.sweeping.sweep", full)
    assert refused("train", "--store", tmp_path) == f"selectivity: {tmp_path}: No space left on device"


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
