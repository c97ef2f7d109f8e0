"""Notebooks in batch: those out of date are executed, in parallel; the book takes the executed copies."""

from __future__ import annotations

import sys
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from pathlib import Path
from typing import Any

from tqdm import tqdm

from selectivity_core.book.publish import staleness
from selectivity_core.book.publish.job import Executed, Job, prepare, run
from selectivity_core.errors import NotebookError, ParameterError, SelectivityError

_REDRAW = 0.5  # seconds


def execute(
    notebook: Path,
    out: Path,
    parameters: Mapping[str, Any],
    *,
    kernel: str = "python3",
    timeout: int | None = None,
) -> Executed:
    """Execute one notebook into `out`, whether or not it is current.

    Args:
        notebook: the source; its folder is the kernel's working directory.
        out: where the executed copy appears, whole or not at all, with its stamp beside it.
        parameters: values for those that differ from the notebook's own.
        kernel: the name of the Jupyter kernel.
        timeout: seconds that one cell may take; None for no limit.

    Raises:
        ParameterError: before anything runs, for an unknown parameter or a wrong type.
        NotebookError: where the notebook fails. What it did then stands in `failed/` beside `out`, and `out`
            itself is gone, an earlier copy too.
    """
    return run(prepare(notebook, out, parameters), "asked for", kernel, timeout, threading.Event())


def execute_all(
    notebooks: Sequence[Path],
    out_dir: Path,
    *,
    parameters: Mapping[str, Mapping[str, Any]] | None = None,
    jobs: int = 2,
    force: bool = False,
) -> list[Executed]:
    """Execute those of `notebooks` that are out of date into `out_dir`, `jobs` at a time.

    Args:
        notebooks: the sources, no two with one name.
        out_dir: the folder of the executed copies; made where it is missing.
        parameters: by notebook name (without folder and suffix), values that differ from the notebook's own.
        jobs: how many run at a time, each in processes of its own.
        force: execute the current ones too.

    Returns:
        One entry a notebook, in the order given.

    Raises:
        ParameterError: before anything runs.
        NotebookError: naming all that failed, after all others have been executed.
    """
    given = parameters or {}
    names = [path.stem for path in notebooks]
    if jobs < 1:
        raise ParameterError(f"jobs: got {jobs}; allowed: 1 or more")
    if twice := {name for name in names if names.count(name) > 1}:
        raise NotebookError(f"two notebooks have the name {sorted(twice)[0]}: their executed copies would collide")
    if unknown := [name for name in given if name not in names]:
        raise ParameterError(f"parameters for an unknown notebook {unknown[0]}; allowed: {', '.join(names)}")
    prepared = [prepare(path, out_dir / path.name, given.get(path.stem, {})) for path in notebooks]
    done: dict[Path, Executed] = {}
    stale: dict[Path, tuple[Job, str]] = {}
    for job in prepared:
        reason = "forced" if force else staleness.why_stale(job.out, job.made_from)
        if reason is None:
            done[job.notebook] = Executed(job.notebook, job.out, 0.0, False, "current")
        else:
            stale[job.notebook] = (job, reason)
        print(f"{job.notebook.stem}: {reason or 'current'}", flush=True)
    failures = _run_together(stale, jobs, done)
    if failures:
        raise NotebookError(f"{len(failures)} of {len(stale)} notebooks failed: " + "; ".join(failures))
    return [done[job.notebook] for job in prepared]


def _run_together(stale: Mapping[Path, tuple[Job, str]], jobs: int, done: dict[Path, Executed]) -> list[str]:
    """Run all of `stale`, put the good ones into `done`, and return the messages of those that failed."""
    if not stale:
        return []
    stop = threading.Event()
    failures: dict[Path, str] = {}
    running: list[str] = []

    def one(job: Job, reason: str) -> Executed:
        running.append(job.notebook.stem)
        try:
            return run(job, reason, "python3", None, stop)
        finally:
            running.remove(job.notebook.stem)

    if not sys.stderr.isatty():
        print(f"to run: {len(stale)}, up to {jobs} at a time", flush=True)
    with (
        tqdm(total=len(stale), unit="notebook", disable=None) as bar,
        ThreadPoolExecutor(jobs) as pool,
    ):
        waiting: dict[Future[Executed], Path] = {pool.submit(one, *entry): path for path, entry in stale.items()}
        try:
            while waiting:
                finished, _ = wait(waiting, timeout=_REDRAW, return_when=FIRST_COMPLETED)
                for future in finished:
                    path = waiting.pop(future)
                    try:
                        done[path] = future.result()
                    except SelectivityError as error:
                        failures[path] = str(error)
                    bar.update()
                    took = f"{done[path].seconds:.1f} s" if path in done else "FAILED"
                    with tqdm.external_write_mode():
                        print(f"{path.stem}: {took} ({len(stale) - len(waiting)} of {len(stale)})", flush=True)
                bar.set_postfix_str(", ".join(tuple(running)))
        except BaseException:
            stop.set()
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return [failures[path] for path in stale if path in failures]
