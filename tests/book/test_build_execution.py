"""Notebooks are executed in processes of their own, whole or not at all, and only when something has changed."""

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import nbformat
import psutil
import pytest
from tiny_notebooks import CHECK, write_notebook
from tiny_specs import TINY

from selectivity_core import RunStore
from selectivity_core.book import NotebookError
from selectivity_core.book.build import execution
from selectivity_core.book.build.execution import STAMP, execute, execute_all, find_notebook, prepare, why_stale
from selectivity_core.errors import ParameterError
from selectivity_core.runs.verification import run_status

WAIT = 240  # seconds; far more than anything here takes


def test_parameters_are_checked_before_a_kernel_starts(tmp_path):
    notebook = write_notebook(tmp_path / "a.ipynb")
    for given, message in (({"alpha": [1]}, "did you mean alphas"), ({"profile": "digit"}, "one of digits")):
        with pytest.raises(ParameterError, match=f"notebook a: .*{message}"):
            prepare(notebook, tmp_path / "out" / "a.ipynb", given)
    with pytest.raises(NotebookError, match="would replace its source"):
        prepare(notebook, tmp_path / "x" / ".." / "a.ipynb", {})
    assert [path.name for path in tmp_path.iterdir()] == ["a.ipynb"]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, "skip"),
        ({"save": "here"}, "skip"),
        ({"profile": "cifar10-fast"}, "skip"),  # its own
        ({"seeds": [9]}, "train"),
        ({"profile": "digits"}, "train"),
        ({"profile": "digits", "on_missing": "skip"}, "skip"),
        ({"alphas": [3], "on_missing": "raise"}, "raise"),
    ],
)
def test_who_asks_for_other_runs_gets_them_trained(given, expected, tmp_path):
    job = prepare(find_notebook("07_resnet20"), tmp_path / "a.ipynb", given)
    assert job.made_from["parameters"]["on_missing"] == expected
    assert job.changed.get("on_missing", "skip") == expected


def test_a_notebook_is_found_by_name_or_path(tmp_path):
    assert find_notebook("05_figure_4").name == "05_figure_4.ipynb"
    path = write_notebook(tmp_path / "a.ipynb")
    assert find_notebook(str(path)) == path
    for name in ("05_figur_4", "notebooks/05_figur_4.ipynb"):
        with pytest.raises(NotebookError, match=f"notebook {name}: there is none; did you mean 05_figure_4"):
            find_notebook(name)


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("05_figure_4.ipynb", "05_figure_4"), ("notebooks/05_figure_4", "05_figure_4"), ("A7", "08_dead_units"),
        ("figA7", "08_dead_units"), ("fig4", "05_figure_4"), ("38", "38_schedules"), ("0", "00_findings"),
    ],
)  # fmt: skip
def test_a_notebook_is_found_by_a_number_that_only_one_has(name, found, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert find_notebook(name).stem == found


def test_of_several_notebooks_none_is_guessed():
    """Notebook 04 draws Figure 3, 05 Figure 4 of one paper, and another the other paper's."""
    with pytest.raises(NotebookError, match=r"4: several may be meant, 04_figure_3, 05_figure_4, \w+$"):
        find_notebook("4")
    with pytest.raises(NotebookError, match=r"x/05_figure_4.ipynb: there is none; did you mean 05_figure_4"):
        find_notebook("x/05_figure_4.ipynb")
    with pytest.raises(NotebookError, match="notebook zzz: there is none; 00_findings, 01_index, "):
        find_notebook("zzz")


@pytest.fixture
def job(tmp_path, monkeypatch):
    """A notebook, and what it would be made from."""
    package = tmp_path / "package"
    package.mkdir()
    monkeypatch.setattr(execution, "PACKAGE", package)
    return prepare(write_notebook(tmp_path / "a.ipynb", CHECK), tmp_path / "out" / "a.ipynb", {"alphas": [2]})


def executed_as(job, **read):
    """A copy as `execute` leaves it, without a kernel."""
    stamp = job.made_from | {"reads": read, "seconds": 0.1, "commit": "", "changed": job.changed}
    job.out.parent.mkdir(exist_ok=True)
    nbformat.write(nbformat.v4.new_notebook(metadata={STAMP: stamp}), job.out)


def again(job, given=None):
    return prepare(job.notebook, job.out, {"alphas": [2]} if given is None else given)


def test_a_copy_is_current_until_something_changes(job, tmp_path, monkeypatch):
    assert why_stale(job) == "not executed yet"
    table = tmp_path / "runs.csv"
    table.write_text("1")
    executed_as(job, **{str(table): execution.reads.file_digest(table), str(tmp_path / "absent"): None})
    assert why_stale(job) is None
    assert why_stale(again(job, {})) == "changed: parameters"
    (tmp_path / "package" / "indices.py").write_text("1")
    assert why_stale(again(job)) == "changed: package"
    (tmp_path / "package" / "indices.py").unlink()
    with monkeypatch.context() as patch:
        patch.setenv("SELECTIVITY_LEDGER", str(tmp_path))
        assert why_stale(again(job)) == "changed: environment"
    assert why_stale(again(job)) is None
    (tmp_path / "absent").write_text("")
    assert why_stale(again(job)) == "changed: absent"
    table.write_text("2")
    write_notebook(job.notebook, CHECK, "1")
    assert why_stale(again(job)) == "changed: notebook, absent"
    job.out.write_text("half a file")
    assert why_stale(again(job)) == "not executed yet"


def test_the_build_runs_what_is_stale(job, tmp_path, monkeypatch, capsys):
    other = replace(job, out=tmp_path / "out" / "b.ipynb")
    ran = []
    monkeypatch.setattr(execution, "execute", lambda job: ran.append(job.out.name) or 1.5)
    executed_as(job)
    assert execute_all([job, other], 2) == 1
    assert ran == ["b.ipynb"]
    assert capsys.readouterr().out == "a: not executed yet\na: 1.5 s (1 of 1)\n"
    assert execute_all([], 2) == 0


@pytest.mark.slow
def test_execute(tmp_path, monkeypatch):
    monkeypatch.setenv("MPLBACKEND", "agg")
    source = (
        "import os\nfrom selectivity_core.runs import reads\nreads.note_read(alphas and 'table')\n"
        "print(alphas, os.getcwd(), *map(os.environ.get, ['OMP_NUM_THREADS', 'MPLBACKEND']))"
    )
    notebook = write_notebook(tmp_path / "{x}" / "a.ipynb", CHECK, source)  # braces are placeholders to papermill
    job = prepare(notebook, tmp_path / "out" / "a.ipynb", {"alphas": [1, 2e-5], "profile": "digits"})
    assert execute(job) > 0
    executed = nbformat.read(job.out, 4)
    nbformat.validate(executed)
    printed = executed.cells[-1].outputs[0].text
    assert printed == f"[1.0, 2e-05] {Path.cwd()} 1 module://matplotlib_inline.backend_inline\n"
    assert set(executed.metadata) == {"kernelspec", "language_info", STAMP}
    assert executed.metadata[STAMP]["changed"] == {"alphas": [1.0, 2e-5]}
    assert list(executed.metadata[STAMP]["reads"]) == [f"{Path.cwd()}/table"]
    assert [path.name for path in job.out.parent.iterdir()] == ["a.ipynb"]
    assert why_stale(job) is None


@pytest.mark.slow
def test_failures_are_kept_apart_and_keep_no_other_back(tmp_path):
    sources = {
        "error": "raise ValueError('first\\nsecond')",
        "kernel": "import os; os._exit(3)",
        "evil": "from IPython.display import HTML\nHTML('<script>alert(1)</script>')",
        "good": "1",
    }
    jobs = [
        prepare(write_notebook(tmp_path / f"{name}.ipynb", source), tmp_path / "out" / f"{name}.ipynb", {})
        for name, source in sources.items()
    ]
    jobs[0].out.parent.mkdir()
    jobs[0].out.write_text("an earlier copy")
    with pytest.raises(NotebookError) as caught:
        execute_all(jobs, 2)
    first, *lines = sorted(str(caught.value).splitlines(), key=lambda line: line.startswith(" "))
    assert first == "3 of 4 notebooks failed:"
    error, evil, kernel = sorted(line.strip() for line in lines)
    assert evil.startswith("notebook evil failed a script that is not the package's: <script>alert(1)</script>")
    failed = tmp_path / "out" / "failed"
    assert error.startswith("notebook error failed in cell In [2]: ValueError: first second")
    assert error.endswith(f"(what it did stands in {failed}/error.ipynb)")
    assert kernel.startswith("notebook kernel failed with DeadKernelError: Kernel died")
    assert jobs[0].out.read_text() == "an earlier copy"
    assert sorted(path.name for path in jobs[0].out.parent.iterdir()) == ["error.ipynb", "failed", "good.ipynb"]
    assert sorted(path.name for path in failed.iterdir()) == ["error.ipynb", "evil.ipynb", "kernel.ipynb"]


def until(condition):
    end = time.monotonic() + WAIT
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.05)


def alive(pid):
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


CALL = """
import pathlib, signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # which processes of a shell's background lack
from selectivity_core.book.build.execution import execute_all, prepare
if __name__ == "__main__":
    execute_all([prepare(pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]), {})], 1)
"""


@pytest.mark.fault("a build ended and killed", "ended")
@pytest.mark.slow
@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_build_that_is_ended_leaves_no_process_and_no_half_copy(tmp_path, sent):
    marker = tmp_path / "marker"
    begin = f"""
import os, pathlib, time
pathlib.Path({str(marker)!r} + "x").write_text(f"{{os.getpid()}} {{os.getppid()}}")
os.replace({str(marker)!r} + "x", {str(marker)!r})
time.sleep(600)
"""
    notebook, out = write_notebook(tmp_path / "a.ipynb", begin), tmp_path / "out" / "a.ipynb"
    (tmp_path / "call.py").write_text(CALL)
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    command = [sys.executable, str(tmp_path / "call.py"), str(notebook), str(out)]
    with subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL) as process:
        try:
            until(marker.exists)
            process.send_signal(sent)
            assert process.wait(WAIT) != 0
        finally:
            process.kill()
    for pid in map(int, marker.read_text().split()):
        until(lambda pid=pid: not alive(pid))
    until(lambda: not list(tmp_path.glob("selectivity-*")))
    assert not out.exists()


FIGURE = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
from selectivity_core.cli import main
sys.exit(main(["figure", sys.argv[1], "--out", sys.argv[2]]))
"""
ENDLESS = [TINY.replace(seed=seed, epochs=100_000) for seed in range(2)]
SWEEP = """
import sys
sys.path.insert(0, {tests!r})
from tiny_specs import TINY
from selectivity_core import sweep
sweep([TINY.replace(seed=seed, epochs=100_000) for seed in range(2)], {store!r}, jobs=2, progress=False)
"""


@pytest.mark.fault("a figure that trains in workers, ended and killed", "ended")
@pytest.mark.slow
@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_figure_that_is_ended_takes_its_kernel_and_the_kernels_workers_along(tmp_path, sent):
    """Ctrl-C reaches all processes of a terminal; the other signals the command alone."""
    store, tests = RunStore(tmp_path / "runs"), str(Path(__file__).parents[1])
    notebook = write_notebook(tmp_path / "a.ipynb", SWEEP.format(tests=tests, store=str(store.path)))
    command = [sys.executable, "-c", FIGURE, str(notebook), str(tmp_path / "out.ipynb")]
    found = []
    with subprocess.Popen(command, stderr=subprocess.DEVNULL, start_new_session=True) as process:
        try:
            until(lambda: all(run_status(store, spec).in_training for spec in ENDLESS))
            found = psutil.Process(process.pid).children(recursive=True)
            assert sum("executing.serve" in " ".join(each.cmdline()) for each in found) == 2
            os.killpg(process.pid, sent) if sent == signal.SIGINT else process.send_signal(sent)
            assert process.wait(WAIT) != 0
            until(lambda: not any(alive(each.pid) for each in found))
        finally:
            for each in [process, *filter(psutil.Process.is_running, found)]:
                each.kill()
    assert sorted(store.unfinished()) == sorted(spec.id for spec in ENDLESS)  # each with its checkpoint
    assert not (tmp_path / "out.ipynb").exists()
