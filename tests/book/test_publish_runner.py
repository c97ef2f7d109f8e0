import json
import shlex

import nbformat
import pytest
import yaml
from tiny_notebooks import CHECK, write_notebook

from selectivity_core.book.publish import staleness
from selectivity_core.book.publish.job import STAGE
from selectivity_core.book.publish.runner import execute, execute_all
from selectivity_core.errors import NotebookError, ParameterError
from selectivity_core.runs.locks import staged


def names(folder):
    """What stands in a folder of executed copies, in whose own place for them nothing may be left."""
    assert names_of(folder / STAGE) == []
    return [name for name in names_of(folder) if name != STAGE]


def names_of(folder):
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


def test_execute(tmp_path, monkeypatch):
    monkeypatch.setenv("MPLBACKEND", "agg")
    source = "import os\nprint(alphas, os.getcwd(), *map(os.environ.get, ['OMP_NUM_THREADS', 'MPLBACKEND']))"
    # Braces in a path would be placeholders to papermill.
    notebook = write_notebook(tmp_path / "{x}" / "notebooks" / "a.ipynb", CHECK, source)
    out = tmp_path / "{x}" / "executed" / "a.ipynb"
    result = execute(notebook, out, {"alphas": [1, 2e-5], "profile": "digits"})
    assert (result.notebook, result.out, result.ran) == (notebook, out, True)
    assert names(out.parent) == ["a.ipynb", "a.stamp.json"]
    executed = nbformat.read(out, 4)
    nbformat.validate(executed)
    printed = executed.cells[-2].outputs[0].text
    assert printed == f"[1.0, 2e-05] {notebook.parent} 1 module://matplotlib_inline.backend_inline\n"
    injected = [cell for cell in executed.cells if "injected-parameters" in cell.metadata.get("tags", [])]
    assert [cell.metadata.tags for cell in injected] == [["injected-parameters", "hide-input"]]
    about = executed.metadata.selectivity
    assert about.parameters == {"alphas": [1.0, 2e-5], "profile": "digits"}
    assert 0 < about.seconds == round(result.seconds, 1)
    words = shlex.split(about.command)
    assert words[:-1] == ["papermill", "notebooks/a.ipynb", "out.ipynb", "-y"]
    assert yaml.safe_load(words[-1]) == {"alphas": [1.0, 2e-5]}
    assert str(tmp_path) not in json.dumps(executed.metadata)


def test_execute_with_the_notebooks_own_values_injects_nothing(tmp_path):
    notebook = write_notebook(tmp_path / "notebooks" / "a.ipynb", CHECK)
    execute(notebook, tmp_path / "out" / "a.ipynb", {"alphas": [-1.0, 0.0, 1.0]})
    executed = nbformat.read(tmp_path / "out" / "a.ipynb", 4)
    assert [cell.metadata.get("tags") for cell in executed.cells] == [["parameters"], [], None]
    assert executed.metadata.selectivity.command == "papermill notebooks/a.ipynb out.ipynb"


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"alpha": [1]}, "notebook a: unknown parameter alpha: did you mean alphas?"),
        ({"alphas": "[1]"}, "notebook a: parameter alphas: got '\\[1\\]' \\(str\\)"),
    ],
)
def test_parameters_are_checked_before_a_kernel_starts(tmp_path, parameters, message):
    notebook = write_notebook(tmp_path / "a.ipynb")
    with pytest.raises(ParameterError, match=message):
        execute(notebook, tmp_path / "out" / "a.ipynb", parameters)
    with pytest.raises(ParameterError, match=message):
        execute_all([notebook], tmp_path / "out", parameters={"a": parameters})
    assert not (tmp_path / "out").exists()


def test_a_notebook_is_not_executed_over_itself(tmp_path):
    notebook = write_notebook(tmp_path / "a.ipynb")
    with pytest.raises(NotebookError, match="would replace its source"):
        execute(notebook, tmp_path / "x" / ".." / "a.ipynb", {})


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("raise ValueError('first\\nsecond')", "ValueError: second"),
        ("raise ValueError", "ValueError"),
        ("import os; os._exit(3)", "DeadKernelError: Kernel died"),
        (
            "import time; time.sleep(60)",
            "CellTimeoutError: A cell timed out while it was being executed, after 3 seconds.",
        ),
    ],
    ids=["error", "bare", "kernel", "timeout"],
)
def test_a_failing_notebook_is_kept_apart(tmp_path, source, message):
    notebook = write_notebook(tmp_path / "a.ipynb", "print('before')", source, "print('after')")
    out = tmp_path / "out" / "a.ipynb"
    out.parent.mkdir()
    out.write_text("an earlier copy")
    staleness.write_stamp(out, staleness.fingerprint(notebook, {}), {})
    with pytest.raises(NotebookError) as caught:
        execute(notebook, out, {}, timeout=3)
    failed = out.parent / "failed" / "a.ipynb"
    assert str(caught.value) == f"notebook a failed in cell In [3]: {message} (what it did stands in {failed})"
    assert names(out.parent) == ["failed"]
    cells = nbformat.read(failed, 4).cells
    assert [cell.outputs[0].text for cell in cells if cell.source == "print('before')"] == ["before\n"]


def test_an_unknown_kernel_is_named(tmp_path):
    notebook = write_notebook(tmp_path / "a.ipynb")
    with pytest.raises(NotebookError, match="notebook a failed: NoSuchKernel: No such kernel named none-such"):
        execute(notebook, tmp_path / "out" / "a.ipynb", {}, kernel="none-such")


def test_an_unwritable_folder_is_named(tmp_path):
    notebook = write_notebook(tmp_path / "a.ipynb")
    (tmp_path / "out").write_text("a file where the folder should be")
    with pytest.raises(NotebookError, match=r"notebook a could not be executed: .*out/.stage: .* \(Not a directory\)"):
        execute(notebook, tmp_path / "out" / "a.ipynb", {})


def test_what_a_killed_one_left_is_removed_and_what_a_living_one_has_stays(tmp_path):
    notebook, stage = write_notebook(tmp_path / "a.ipynb"), tmp_path / "out" / STAGE
    (stage / "b-0123").mkdir(parents=True)
    (stage / "b-0123" / "executed.ipynb").write_text("half")
    (stage / "b-0123.lock").touch()
    with staged(stage, "c") as living:
        execute(notebook, tmp_path / "out" / "a.ipynb", {})
        assert names_of(stage) == [living.name, f"{living.name}.lock"]
    assert names(tmp_path / "out") == ["a.ipynb", "a.stamp.json"]


@pytest.mark.slow
def test_one_that_fails_keeps_none_of_the_others_back(tmp_path, capsys):
    bad = write_notebook(tmp_path / "bad.ipynb", "1 / 0")
    good = write_notebook(tmp_path / "good.ipynb", CHECK)
    out = tmp_path / "out"
    with pytest.raises(NotebookError, match=r"1 of 2 notebooks failed: notebook bad failed .*ZeroDivisionError"):
        execute_all([bad, good], out, jobs=1)
    assert names(out) == ["failed", "good.ipynb", "good.stamp.json"]
    assert "bad: FAILED" in capsys.readouterr().out
    write_notebook(bad, "1 / 1")
    results = execute_all([bad, good], out)
    assert [(result.ran, result.reason) for result in results] == [
        (True, "never executed"),
        (False, "current"),
    ]
    assert names(out / "failed") == []


def test_two_notebooks_run_at_the_same_time(tmp_path, capsys):
    """Each waits for the other: run one after the other, the first would wait in vain."""
    meet = """
import pathlib, time
pathlib.Path({me!r}).touch()
end = time.monotonic() + 60
while not pathlib.Path({other!r}).exists():
    assert time.monotonic() < end
    time.sleep(0.05)
"""
    me, other = str(tmp_path / "1"), str(tmp_path / "2")
    first = write_notebook(tmp_path / "first.ipynb", meet.format(me=me, other=other))
    second = write_notebook(tmp_path / "second.ipynb", meet.format(me=other, other=me))
    results = execute_all([first, second], tmp_path / "out", jobs=2)
    assert [result.notebook for result in results] == [first, second]
    lines = capsys.readouterr().out.splitlines()
    assert lines[:3] == ["first: never executed", "second: never executed", "to run: 2, up to 2 at a time"]
    assert {line.split(":")[0] for line in lines[3:]} == {"first", "second"}
    assert [line.split(" s ")[1] for line in lines[3:]] == ["(1 of 2)", "(2 of 2)"]


@pytest.mark.slow
def test_a_notebook_runs_again_when_something_changed_and_only_then(tmp_path, monkeypatch, capsys):
    table = tmp_path / "runs" / "r1" / "manifest.json"
    table.parent.mkdir(parents=True)
    table.write_text("1")
    package = tmp_path / "package"
    package.mkdir()
    monkeypatch.setattr(staleness, "PACKAGE", package)
    monkeypatch.chdir(tmp_path)
    read = f"from selectivity_core.runs import reads\nreads.record({str(table)!r})"
    notebook = write_notebook(tmp_path / "notebooks" / "a.ipynb", CHECK, read)
    parameters = {}

    def reason():
        (result,) = execute_all([notebook], tmp_path / "out", parameters={"a": parameters})
        assert result.ran == (result.reason != "current")
        return result.reason

    assert reason() == "never executed"
    capsys.readouterr()
    before = (tmp_path / "out" / "a.ipynb").stat().st_mtime_ns
    assert reason() == "current"
    assert capsys.readouterr().out == "a: current\n"
    assert (tmp_path / "out" / "a.ipynb").stat().st_mtime_ns == before
    write_notebook(notebook, CHECK, read, "print('more')")
    assert [reason(), reason()] == ["the notebook changed", "current"]
    (package / "metrics.py").write_text("1")
    assert [reason(), reason()] == ["the package changed", "current"]
    parameters["alphas"] = [2]
    assert [reason(), reason()] == ["parameter alphas changed", "current"]
    table.write_text("2")
    assert [reason(), reason()] == ["runs/r1/manifest.json changed", "current"]


def test_force_runs_what_is_current(tmp_path):
    notebook = write_notebook(tmp_path / "a.ipynb", CHECK)
    execute(notebook, tmp_path / "out" / "a.ipynb", {})
    (result,) = execute_all([notebook], tmp_path / "out", force=True)
    assert (result.ran, result.reason) == (True, "forced")


def test_execute_all_refuses_what_it_cannot_tell_apart(tmp_path):
    notebook = write_notebook(tmp_path / "a.ipynb")
    with pytest.raises(ParameterError, match="jobs: got 0; allowed: 1 or more"):
        execute_all([notebook], tmp_path / "out", jobs=0)
    with pytest.raises(NotebookError, match="two notebooks have the name a"):
        execute_all([notebook, write_notebook(tmp_path / "b" / "a.ipynb")], tmp_path / "out")
    with pytest.raises(ParameterError, match="parameters for an unknown notebook b; allowed: a"):
        execute_all([notebook], tmp_path / "out", parameters={"b": {}})
    assert execute_all([], tmp_path / "out") == []
