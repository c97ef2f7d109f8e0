"""What a clone holds, and that the files that must agree do."""

import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from unittest import mock

import matplotlib.pyplot as plt
import pytest
import torch
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from selectivity_core import grid
from selectivity_core.data.sources import torchvision

ROOT = Path(__file__).resolve().parents[2]
PAGES = ["README.md", "CONTRIBUTING.md", *(f"book/{page.name}" for page in sorted((ROOT / "book").glob("*.md")))]


def text(name):
    return (ROOT / name).read_text(encoding="utf-8")


def pins(lines):
    """Name and version of requirements that are all pinned exactly."""
    found = {}
    for line in lines:
        name, equals, version = line.partition("==")
        assert equals, f"{line!r} is not pinned"
        found[canonicalize_name(name.strip())] = version.strip()
    return found


def constraints():
    return pins(line for line in text("constraints.txt").splitlines() if line and not line.startswith("#"))


def direct():
    """Names of the package's own requirements, those of its extras too."""
    project = tomllib.loads(text("pyproject.toml"))["project"]
    listed = [*project["dependencies"], *(r for extra in project["optional-dependencies"].values() for r in extra)]
    found = {canonicalize_name(Requirement(r).name): Requirement(r) for r in listed}
    return {name: requirement for name, requirement in found.items() if name != "selectivity-core"}  # extras of extras


def environment():
    listed = yaml.safe_load(text("environment.yml"))["dependencies"]
    *pinned, project = next(item["pip"] for item in listed if isinstance(item, dict))
    assert project == "-e ."  # last, so that nothing is resolved anew for it
    return [item for item in listed if isinstance(item, str)], pins(pinned)


def test_every_direct_dependency_is_pinned_to_a_version_that_is_allowed():
    pinned = constraints()
    assert set(direct()) <= set(pinned)
    for name, requirement in direct().items():
        assert requirement.specifier.contains(pinned[name]), f"{requirement} does not allow {pinned[name]}"


def test_environment_has_the_direct_dependencies_at_the_same_versions():
    _, pip = environment()
    pinned = constraints()
    assert pip == {name: pinned[name] for name in direct()}


def test_environment_has_the_same_python():
    conda, _ = environment()
    (python,) = [item.removeprefix("python=") for item in conda if item.startswith("python=")]
    requires = tomllib.loads(text("pyproject.toml"))["project"]["requires-python"]
    assert Requirement(f"x{requires}").specifier.contains(f"{python}.0")
    assert f"{sys.version_info.major}.{sys.version_info.minor}" == python


def test_the_table_of_contents_has_every_notebook_and_every_page():
    toc = yaml.safe_load(text("_toc.yml"))
    files = [toc["root"], *(c["file"] for part in toc["parts"] for c in part["chapters"])]
    assert len(files) == len(set(files))
    executed = [f.removeprefix("notebooks/") for f in files if f.startswith("notebooks/")]
    assert sorted(executed) == sorted(p.stem for p in (ROOT / "notebooks").glob("*.ipynb"))
    pages = {p.relative_to(ROOT).with_suffix("").as_posix() for p in (ROOT / "book").glob("*.md")}
    assert {f for f in files if not f.startswith("notebooks/")} == pages


def test_notebooks_are_numbered_without_a_gap():
    numbers = sorted(p.name[:2] for p in (ROOT / "notebooks").glob("*.ipynb"))
    first = int(numbers[0])
    assert numbers == [f"{k:02d}" for k in range(first, first + len(numbers))]


def python_examples(name):
    return re.findall(r"^```python\n(.*?)^```", text(name), flags=re.MULTILINE | re.DOTALL)


def test_the_readmes_example_runs_and_is_at_most_ten_lines(tmp_path):
    (example,) = python_examples("README.md")
    assert len([line for line in example.splitlines() if line.strip()]) <= 10
    assert "SelectivityRegularizer" in example
    # It says what it computed: that the gradient reached the first layer, and that the hooks are gone.
    after = "\nassert float(model[0].weight.grad.abs().sum()) > 0\nassert not model[1]._forward_hooks\nprint('ran')\n"
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", example + after],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "ran\n", "")


def a_readers_own():
    """Names that examples take from their readers."""
    model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(48, 3), torch.nn.ReLU(), torch.nn.Linear(3, 2))
    images, labels = torch.rand(4, 3, 4, 4), torch.tensor([0, 1, 0, 1])
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    return {"model": model, "images": list(zip(images, labels, strict=True)), "batches": [(images, labels)],
            "optimizer": optimizer}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("name", ["book/api.md", "book/models.md", "book/rerun.md", "book/sweeps.md"])
def test_an_example_on_a_page_runs(name, monkeypatch):
    swept, own = [], a_readers_own()
    weights = own["model"][1].weight
    before = weights.detach().clone()
    monkeypatch.setitem(sys.modules, "dask_jobqueue", mock.MagicMock())  # a scheduler that is not here
    monkeypatch.setattr("selectivity_core.runs.cluster.scheduled", mock.MagicMock())
    monkeypatch.setattr("selectivity_core.sweep", lambda specs, *_, **__: swept.extend(specs))
    torchvision()  # where its compiled part is missing, a plain import fails before
    for example in python_examples(name):
        exec(example, own)
    plt.close("all")
    assert torch.equal(weights, before) == (name != "book/rerun.md")
    assert ("table" in own) == (name == "book/models.md")
    assert len(swept) == (len(grid("cifar10", "fig4")) if name == "book/sweeps.md" else 0)


def test_every_example_is_run_somewhere():
    """Here, above and below, or on the page of the tables in its own test."""
    run = {"README.md", "book/tables.md", "book/api.md", "book/models.md", "book/rerun.md", "book/sweeps.md"}
    assert {name for name in PAGES if python_examples(name)} == run


def shell_lines(name):
    blocks = re.findall(r"^```(?:bash|sh)\n(.*?)^```", text(name), flags=re.MULTILINE | re.DOTALL)
    inline = re.findall(r"`(make [^`]+|\.venv/bin/[^`]+|bash [^`]+)`", text(name))
    return [line.split("#")[0].strip() for block in blocks for line in block.splitlines()] + inline


@pytest.mark.parametrize("name", PAGES)
def test_commands_that_pages_name_exist(name):
    targets = set(re.findall(r"^([a-z-]+):", text("Makefile"), flags=re.MULTILINE))
    variables = set(re.findall(r"\$[($]([A-Z]+)", text("Makefile")))
    scripts = Path(sys.executable).parent
    for line in shell_lines(name):
        words = line.split()
        if words[:1] == ["make"]:
            named = [w for w in words[1:2] if not re.match(r"[A-Z]+=", w)]
            assert set(named) <= targets, line
            assert set(re.findall(r"\b([A-Z]+)=", line)) <= variables, line
        elif words and words[0].startswith(".venv/bin/"):
            assert (scripts / Path(words[0]).name).exists(), line
        elif words[:1] == ["selectivity"]:
            assert "source .venv/bin/activate" in text(name), line  # else the shell does not find it
        elif words[:1] == ["bash"]:
            assert (ROOT / words[1]).is_file(), line


def test_every_make_target_is_phony_and_explained():
    makefile = text("Makefile")
    targets = re.findall(r"^([a-z-]+):(.*)$", makefile, flags=re.MULTILINE)
    (phony,) = re.findall(r"^\.PHONY: (.*)$", makefile, flags=re.MULTILINE)
    assert {name for name, _ in targets} == set(phony.split())
    assert [name for name, rest in targets if "##" not in rest] == []


def recipe(target):
    """The commands of a make target."""
    (found,) = re.findall(rf"^{target}:.*\n((?:\t.*\n)+)", text("Makefile"), flags=re.MULTILINE)
    return [line.strip() for line in found.splitlines()]


def made(tmp_path, target, *settings):
    """What the commands of a target are given, in a folder of their own, where stand-ins only say it."""
    for name in ("jupyter", "selectivity"):
        (tmp_path / "bin").mkdir(exist_ok=True)
        (tmp_path / "bin" / name).write_text(f'#!/bin/sh\nfor word in {name} "$@"; do echo "$word"; done\n')
        (tmp_path / "bin" / name).chmod(0o755)
    command = ["make", "-s", "-f", ROOT / "Makefile", "-o", "env", target, "BIN=bin", *settings]
    return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True).stdout.splitlines()


def test_make_figure_passes_its_parameters_on_as_they_are(tmp_path):
    given = "{profile: digits, overrides: {activation: 'leaky_relu:0.1'}, save: \"$HOME a\"}"
    said = made(tmp_path, "figure", "NB=23_ablation", f"PARAMS={given.replace('$', '$$')}")
    assert said == ["selectivity", "figure", "23_ablation", "-y", given]


def test_make_lab_opens_copies_and_leaves_those_there_alone(tmp_path):
    """Saving in JupyterLab changes no tracked file, and a reader's own work is never overwritten."""
    (tmp_path / "notebooks").mkdir()
    for name in ("a", "b"):
        (tmp_path / "notebooks" / f"{name}.ipynb").write_text(name)
    (tmp_path / "lab").mkdir()
    (tmp_path / "lab" / "b.ipynb").write_text("a reader's")
    said = made(tmp_path, "lab", "NB=a")
    as_root = ["--allow-root"] if os.getuid() == 0 else []
    assert said == ["jupyter", "lab", *as_root, "--LabApp.default_url=/lab/tree/lab/a.ipynb"]
    assert made(tmp_path, "lab", "NB=a.ipynb") == said
    assert [(tmp_path / "lab" / f"{name}.ipynb").read_text() for name in ("a", "b")] == ["a", "a reader's"]
    assert re.search(r"^make lab ", text("README.md"), flags=re.MULTILINE)
    book = tomllib.loads(text("pyproject.toml"))["project"]["optional-dependencies"]["book"]
    assert "jupyterlab" in {Requirement(r).name for r in book}


def test_pre_commit_runs_what_lint_runs_and_downloads_nothing():
    repos = yaml.safe_load(text(".pre-commit-config.yaml"))["repos"]
    assert [repo["repo"] for repo in repos] == ["local"]
    hooks = [hook for repo in repos for hook in repo["hooks"]]
    assert {hook["language"] for hook in hooks} == {"system"}

    def essence(command):
        """Tool, step and what makes it check rather than mend; not which files."""
        tool, *words = command.replace("$(BIN)", ".venv/bin").split()
        return (
            tool,
            *(w for w in words if w in ("check", "format", "--check", "--verify", "-m", "selectivity_core.book.build")),
        )

    assert [essence(hook["entry"]) for hook in hooks] == [essence(line) for line in recipe("lint")]
    for hook in hooks:
        assert (Path(sys.executable).parent / Path(hook["entry"].split()[0]).name).exists()
    assert re.search(r"^make lint$", text(".ci/run"), flags=re.MULTILINE)


def test_the_quick_tests_are_those_without_a_mark():
    quick, slow = (shlex.split(*recipe(target)) for target in ("test", "test-slow"))
    assert quick[-1] == "not slow and not browser and not book" and slow[-1] == "slow or browser or book"
    assert quick[:-1] == slow[:-1]
    assert re.search(r"^test-all: test test-slow\b", text("Makefile"), flags=re.MULTILINE)


def test_what_is_left_to_do_names_its_issue():
    later, mend = "TO" + "DO", "FIX" + "ME"  # apart: this file is looked at too
    left = re.compile(rf"\b({later}|{mend})\b(?!\(#\d+\))")
    assert left.search(f"# {later}: one day")
    assert not left.search(f"# {later}(#12): one day")
    kinds = (".py", ".md", ".yml", ".ipynb", ".css", ".js", ".toml")
    sources = [p for p in tracked() if p.suffix in kinds]
    assert [p.relative_to(ROOT).as_posix() for p in sources if left.search(p.read_text(encoding="utf-8"))] == []


def tracked():
    if shutil.which("git") is None or not (ROOT / ".git").exists():
        pytest.skip("not a git checkout")
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [ROOT / name for name in listed.split("\0") if name and (ROOT / name).is_file()]


def test_no_tracked_file_names_this_machine():
    # Not as a part of a longer path: a clone at /src is no reason to object to `lib/src`.
    here = re.compile(rb"(?<![\w./-])" + re.escape(str(ROOT).encode()) + rb"(?![\w-])")
    assert here.search(f"see {ROOT}/README.md".encode())
    assert [p.relative_to(ROOT).as_posix() for p in tracked() if here.search(p.read_bytes())] == []


def test_nothing_that_is_made_is_tracked():
    made = [p.relative_to(ROOT).as_posix() for p in tracked()]
    kept = ("_build/", "build/", "runs/", "figures/", "lab/", ".venv/")
    assert [name for name in made if name.startswith(kept) or "__pycache__" in name] == []


def test_git_ignores_what_readers_make():
    made = ["out.ipynb", "notebooks/.ipynb_checkpoints/a-checkpoint.ipynb", "build/lib/a.py", "figures/a.html",
            "lab/a.ipynb", "runs/a/manifest.json", "_build/html/index.html", ".venv/bin/python"]  # fmt: skip
    tracked()  # skips where there is no checkout
    command = ["git", "check-ignore", "--no-index", *made]
    assert subprocess.run(command, cwd=ROOT, capture_output=True, text=True).stdout.splitlines() == made


def test_ci_runs_the_readmes_test_command():
    assert re.search(r"^make test$", text(".ci/run"), flags=re.MULTILINE)
    assert re.search(r"^make book$", text(".ci/run"), flags=re.MULTILINE)
    assert re.search(r"^make test ", text("README.md"), flags=re.MULTILINE)
    assert (ROOT / ".ci" / "run").stat().st_mode & 0o111


def test_the_public_names_import_from_the_package():
    code = "import selectivity_core as s; print([n for n in s.__all__ if not hasattr(s, n)])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd="/")
    assert done.stdout == "[]\n"
