"""Runs through executors: threads, processes, and a real Dask cluster on this machine whose parts are killed."""

import contextlib
import json
import math
import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest
from sweep_workers import same, waits_for
from tiny_specs import TINY

import selectivity_core
from selectivity_core import RunStore, sweep, train
from selectivity_core.errors import ParameterError, SelectivityError
from selectivity_core.runs import cluster
from selectivity_core.runs.checkpoints import Checkpoints
from selectivity_core.runs.cluster import VERSION, scheduled, stop_sweep, train_by_value
from selectivity_core.runs.verification import store_problems

SPECS = [TINY.replace(seed=s) for s in range(4)]


class Inline(Executor):
    """Does everything at once, in this process."""

    def submit(self, call, /, *args):
        future: Future = Future()
        try:
            future.set_result(call(*args))
        except Exception as error:
            future.set_exception(error)
        return future


def test_a_stopped_run_travels_as_its_checkpoint(monkeypatch):
    spec, real, steps = TINY.replace(epochs=10), Checkpoints.after_step, []

    def after_step(self, trainer):
        real(self, trainer)
        steps.append((trainer.epoch, trainer.step))
        if len(steps) == 6:
            stop_sweep("a sweep")

    monkeypatch.setattr(Checkpoints, "after_step", after_step)
    assert train_by_value(spec, VERSION, None, 0.0, None, "") is None
    name, content = train_by_value(spec, VERSION, None, math.inf, None, "a sweep")
    assert name.startswith("000003-00000001-")  # two steps an epoch: after the seventh
    resumed = train_by_value(spec, VERSION, None, math.inf, (name, content), "another")
    same(resumed, train(spec, progress=False))
    assert len(steps) == len(set(steps)) == 19


def test_a_time_budget_brings_back_checkpoints_and_the_next_sweep_goes_on(tmp_path, monkeypatch):
    now, real = [time.monotonic()], Checkpoints.after_step

    def after_step(self, trainer):
        real(self, trainer)
        now.append(now.pop() + 4)

    with monkeypatch.context() as patch:
        patch.setattr("time.monotonic", lambda: now[0])
        patch.setattr(Checkpoints, "after_step", after_step)
        first = sweep(SPECS[:2], tmp_path, executor=Inline(), time_budget=22, progress=False)
    store = RunStore(tmp_path)
    assert first.runs["run"].tolist() == [SPECS[0].id]
    assert store.checkpoints(SPECS[1]).position() == (1, 1)
    same(sweep(SPECS[:2], store, executor=Inline(), progress=False), sweep(SPECS[:2], tmp_path / "serial", jobs=1))


@pytest.mark.parametrize("kind", ["thread", pytest.param("process", marks=pytest.mark.slow)])
def test_any_executor_gives_the_tables_of_a_serial_sweep(tmp_path, finished, kind):
    store, specs = finished
    specs = specs[::-1]
    spawn = multiprocessing.get_context("spawn")
    with ThreadPoolExecutor(3) if kind == "thread" else ProcessPoolExecutor(2, mp_context=spawn) as pool:
        before = len(list(Path("/proc/self/fd").iterdir()))
        found = sweep(specs, tmp_path, executor=pool, progress=False)
        # weights came as values: no shared file handle of any is still open
        assert len(list(Path("/proc/self/fd").iterdir())) <= before + 8
    same(found, sweep(specs, store, on_missing="raise"))
    assert RunStore(tmp_path).ids() == sorted(s.id for s in specs)
    assert (found.runs["status"] == "diverged").sum() == 1


def test_no_more_runs_are_handed_over_than_there_are_workers(tmp_path):
    class Narrow(Inline):
        _max_workers = 2
        futures, most = [], 0

        def submit(self, call, /, *args):
            self.futures = [f for f in self.futures if not f.done()]
            future, wait = Future(), threading.Timer(0.3, lambda: future.set_result(call(*args)))
            self.futures.append(future)
            type(self).most = max(self.most, len(self.futures))
            wait.start()
            return future

    sweep(SPECS, tmp_path, executor=Narrow(), progress=False)
    assert Narrow.most == 2


def test_a_result_is_let_go_once_it_is_stored(tmp_path):
    import gc
    import weakref

    futures, alive = [], []

    class Noting(Inline):
        def submit(self, call, /, *args):
            future = super().submit(call, *args)
            futures.append(weakref.ref(future))
            return future

    class Watching(RunStore):
        def add(self, result):
            super().add(result)
            gc.collect()
            alive.append(sum(f() is not None for f in futures))

    sweep(SPECS, Watching(tmp_path), executor=Noting(), progress=False)
    assert len(alive) == 4
    assert alive[-1] <= 2


def spoilt(**changes):
    """What a worker sends whose result differs in something from what it was asked for."""

    def train_by_value(spec, *_):
        result = train(spec, progress=False)
        result.runs["provenance_result_version"] = changes.get("version", "1")
        result.digest = changes.get("digest", result.digest)
        result.layers = result.layers.assign(**changes.get("column", {}))
        result.spec = result.spec.replace(**changes.get("spec", {}))
        return result

    return train_by_value


@pytest.mark.fault("results of other code or data from a cluster", "checked")
@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"version": "7"},
            r"sent a run with result version 7, here is package .* result version 1.*: install the same",
        ),
        ({"digest": "0" * 64}, r"other data under the name digits \(digest 0000000000000000, here "),
        ({"column": {"extra": 1}}, "sent a run with tables layers of another form"),
        ({"spec": {"seed": 9}}, "sent a run with result version 1"),
    ],
)
def test_results_of_other_code_or_data_are_refused(tmp_path, monkeypatch, changes, message):
    monkeypatch.setattr(cluster, "train_by_value", spoilt(**changes))
    with pytest.raises(SelectivityError, match=rf"1 of 1 runs failed, the first: .*{message}"):
        sweep([TINY], tmp_path, executor=Inline(), progress=False)
    assert RunStore(tmp_path).folders() == []


@pytest.mark.fault("an order of another version", "checked")
def test_an_order_of_another_version_is_refused_before_anything_is_trained():
    with pytest.raises(SelectivityError, match=r"its worker has package .*, here is package 9: install the same"):
        train_by_value(TINY.replace(dataset="cifar10"), "package 9", None, math.inf, None, "")


@pytest.mark.fault("an executor that gives up", "finished")
def test_an_executor_that_gives_up_is_one_clear_line_and_gets_nothing_more(tmp_path):
    class Lost(Executor):
        asked = 0

        def submit(self, call, /, *args):
            self.asked += 1
            future: Future = Future()
            future.cancel()
            future.set_running_or_notify_cancel()
            return future

        _max_workers = 1

    executor = Lost()
    with pytest.raises(SelectivityError, match=r"4 of 4 runs failed.*the executor gave it up") as raised:
        sweep(SPECS, tmp_path, executor=executor, progress=False)
    assert executor.asked == 1
    assert "\n" not in str(raised.value)


@pytest.mark.fault("two clients with one sweep", "kept")
def test_two_sweeps_with_executors_on_one_store_train_each_run_once(tmp_path, monkeypatch):
    trained, answers, real = [], [], train_by_value

    def counted(spec, *order):
        trained.append(spec.id)
        return real(spec, *order)

    monkeypatch.setattr(cluster, "train_by_value", counted)
    with ThreadPoolExecutor(2) as pool:
        ask = lambda: answers.append(sweep(SPECS, tmp_path, executor=pool, progress=False))  # noqa: E731
        threads = [threading.Thread(target=ask, daemon=True) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert sorted(trained) == sorted(s.id for s in SPECS)
    same(*answers)


@pytest.mark.fault("Ctrl-C of a sweep elsewhere", "ended")
@pytest.mark.usefixtures("interrupts")
def test_ctrl_c_brings_back_the_checkpoints_of_an_executor(tmp_path, monkeypatch):
    real = Checkpoints.after_step

    def after_step(self, trainer):
        real(self, trainer)
        if trainer.epoch == 3:
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(0.5)

    monkeypatch.setattr(Checkpoints, "after_step", after_step)
    endless = TINY.replace(epochs=100_000)
    with ThreadPoolExecutor(1) as pool, pytest.raises(KeyboardInterrupt):
        sweep([endless], tmp_path, executor=pool, progress=False)
    epoch, _ = RunStore(tmp_path).checkpoints(endless).position()
    assert epoch >= 3


LONGER = [TINY.replace(seed=s, alpha=a, epochs=60) for s in range(4) for a in (-1.0, 0.0, 1.0)]
ENDLESS = [TINY.replace(epochs=10**5)]
CLIENT = """
import json, signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # shells let what they start in the background ignore it
from selectivity_core import RunSpec, sweep
from selectivity_core.runs.cluster import scheduled
with scheduled(sys.argv[1]) as executor:
    sweep([RunSpec.from_dict(s) for s in json.loads(sys.argv[3])], sys.argv[2], executor=executor, progress=False)
"""
PACKAGE = Path(selectivity_core.__file__).parent


def environment(*paths: Path) -> dict[str, str]:
    return {
        **os.environ, "OMP_NUM_THREADS": "1", "DASK_DISTRIBUTED__SCHEDULER__WORKER_TTL": "60s",
        "PYTHONPATH": os.pathsep.join(map(str, paths or [PACKAGE.parent])),
    }  # fmt: skip


def command(address: str, store: RunStore, specs) -> list[str]:
    """A process that sweeps through the scheduler."""
    return [sys.executable, "-c", CLIENT, address, str(store.path), json.dumps([s.as_dict() for s in specs])]


@pytest.fixture
def dask(tmp_path):
    """Address and process of a scheduler, and a function that starts a worker in a folder of its own."""
    started = []

    def start(*words, paths=()):
        folder = tmp_path / f"process{len(started)}"  # no worker sees the store
        folder.mkdir()
        with (folder / "log").open("w") as log:
            child = subprocess.Popen(
                [sys.executable, "-m", "dask", *words], cwd=folder, env=environment(*paths), stdout=log, stderr=log
            )
        started.append(child)
        return child

    file = tmp_path / "scheduler.json"
    scheduler = start(
        "scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard", "--no-show", "--scheduler-file", str(file)
    )
    waits_for(file.exists)
    address = json.loads(file.read_text())["address"]

    def worker(*paths):
        words = ("worker", address, "--host", "127.0.0.1", "--nthreads", "1", "--no-dashboard", "--no-nanny")
        return start(*words, paths=paths)

    yield address, scheduler, worker
    for child in started:
        with contextlib.suppress(psutil.NoSuchProcess):
            child.kill()
        child.wait()


@pytest.mark.fault("a worker and the client of a cluster killed", "same")
@pytest.mark.slow
def test_a_cluster_that_loses_a_worker_and_its_client_gives_the_tables_of_a_serial_sweep(tmp_path, dask):
    address, _, worker = dask
    store, workers = RunStore(tmp_path / "store"), [worker(), worker()]
    words = command(address, store, LONGER)
    client = subprocess.Popen(words, env=environment())
    waits_for(lambda: len(store.ids()) >= 2)
    workers[0].kill()  # in the middle of a run: runs follow one another without a pause
    replacement = worker()
    seen = len(store.ids())
    waits_for(lambda: len(store.ids()) > seen)
    client.kill()
    assert client.wait() == -signal.SIGKILL
    left = store.ids()
    assert 0 < len(left) < len(LONGER)
    assert store_problems(store) == []
    kept = {run: (store.folder(run) / "manifest.json").stat().st_mtime_ns for run in left}
    again = subprocess.run(words, env=environment(), timeout=300, capture_output=True, text=True)
    assert again.returncode == 0, again.stderr
    assert workers[0].wait() == -signal.SIGKILL
    assert workers[1].poll() is None
    assert replacement.poll() is None
    assert store.ids() == sorted(s.id for s in LONGER)
    assert all((store.folder(run) / "manifest.json").stat().st_mtime_ns == at for run, at in kept.items())
    assert not (store.path / ".replaced").exists()  # each run was stored once
    assert store_problems(store) == []
    same(sweep(LONGER, store, on_missing="raise"), sweep(LONGER, tmp_path / "serial", jobs=1, progress=False))


@pytest.mark.fault("workers of another version, and without the package", "checked")
@pytest.mark.slow
def test_workers_of_another_version_or_without_the_package_are_named_and_get_no_run(tmp_path, dask, capsys):
    address, _, worker = dask
    other, broken = tmp_path / "other", tmp_path / "broken"
    shutil.copytree(PACKAGE, other / "selectivity_core", ignore=shutil.ignore_patterns("__pycache__"))
    tables = other / "selectivity_core" / "tables.py"
    tables.write_text(tables.read_text().replace('"responses": ("run",', '"responses": ("run", "extra",'))
    (broken / "selectivity_core").mkdir(parents=True)
    (broken / "selectivity_core" / "__init__.py").write_text("raise ImportError('broken')")
    worker(other)
    worker(broken)
    with scheduled(address) as executor:
        executor._client.wait_for_workers(2, timeout=300)
        with pytest.raises(SelectivityError, match=r"worker tcp://\S+ has .*, here is package .*: install the same"):
            sweep(SPECS[:1], tmp_path / "s", executor=executor, progress=False)
        said = capsys.readouterr().err
        assert (
            said.count("gets no run: it has package") == said.count("gets no run: it has no package that can be") == 1
        )
        worker()
        executor._client.wait_for_workers(3, timeout=300)
        found = sweep(SPECS, tmp_path / "s", executor=executor, progress=False)
    same(found, sweep(SPECS, tmp_path / "serial", jobs=1, progress=False))


@pytest.mark.fault("SIGINT and SIGKILL of a client", "ended")
@pytest.mark.slow
def test_a_client_that_ends_takes_its_runs_along(tmp_path, dask):
    """Ctrl-C brings their checkpoints back; after kill -9 they stop, too."""
    from distributed import Client

    address, _, worker = dask
    worker()
    with Client(address, set_as_default=False) as watching:
        state = "sum(len(w.state.executing) for w in __import__('distributed').Worker._instances)"
        data = "__import__('selectivity_core.data.dataset', fromlist=['_load'])._load.cache_info().currsize"
        store = RunStore(tmp_path / "store")
        for number in (signal.SIGINT, signal.SIGKILL):
            client = subprocess.Popen(command(address, store, ENDLESS), env=environment(), stderr=subprocess.DEVNULL)
            waits_for(lambda: sum(watching.run(eval, state).values()))
            waits_for(lambda: sum(watching.run(eval, data).values()))  # training begins
            time.sleep(1)
            client.send_signal(number)
            client.wait()
            waits_for(lambda: not sum(watching.run(eval, state).values()))
        assert store.checkpoints(ENDLESS[0]).position() is not None


@pytest.mark.fault("the scheduler killed", "finished")
@pytest.mark.slow
def test_a_scheduler_that_is_gone_ends_the_sweep_with_one_line(tmp_path, dask):
    address, scheduler, worker = dask
    worker()
    store = RunStore(tmp_path / "store")
    client = subprocess.Popen(
        command(address, store, [*ENDLESS, *SPECS]), env=environment(), stderr=subprocess.PIPE, text=True
    )
    waits_for(lambda: store.in_training(ENDLESS[0]))
    scheduler.kill()
    _, said = client.communicate(timeout=300)
    assert "SelectivityError" in said.strip().splitlines()[-1]
    assert "scheduler" in said.strip().splitlines()[-1]


@pytest.mark.parametrize("address", ["localhost", "localhost:8786", "tcp://", "http://localhost", ""])
def test_what_is_no_address_is_refused(address):
    with pytest.raises(ParameterError, match=r"scheduler: .* given; an address such as tcp://"), scheduled(address):
        pass


def test_without_dask_the_remedy_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(SelectivityError, match="Dask is not installed; install this package with its extra `cluster`"):
        scheduled("tcp://127.0.0.1:1").__enter__()


@pytest.mark.fault("no scheduler", "named")
@pytest.mark.slow
def test_no_scheduler_there_is_one_clear_line(monkeypatch):
    monkeypatch.setattr("selectivity_core.runs.cluster.TIMEOUT", 1)
    with pytest.raises(SelectivityError, match=r"scheduler: nothing answers at tcp://127\.0\.0\.1:9 ") as raised:
        scheduled("tcp://127.0.0.1:9").__enter__()
    assert "\n" not in str(raised.value)
