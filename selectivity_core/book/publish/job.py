"""One notebook: from its source to an executed copy that appears whole or not at all."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from concurrent.futures import CancelledError
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from selectivity_core.book.parameters import check, from_notebook, read_notebook
from selectivity_core.book.publish import child, colophon, staleness, titling
from selectivity_core.errors import NotebookError, ParameterError, StoreError
from selectivity_core.runs import reads
from selectivity_core.runs.locks import remove_leftovers, staged

STAGE = ".stage"  # beside executed copies, where they are made; no page is read from there (`_config.yml`)
_POLL = 0.5  # seconds between looks at whether to stop


@dataclass(frozen=True)
class Executed:
    """What became of one notebook: wall `seconds` (0 where it was not run), whether it ran, and why."""

    notebook: Path
    out: Path
    seconds: float
    ran: bool
    reason: str


@dataclass(frozen=True)
class Job:
    """A notebook to execute, its parameters checked; `overridden` are those unlike its own values."""

    notebook: Path
    out: Path
    parameters: dict[str, Any]
    overridden: dict[str, Any]
    made_from: staleness.Fingerprint


def prepare(notebook: Path, out: Path, parameters: Mapping[str, Any]) -> Job:
    """Check a notebook's parameters and take its fingerprint; nothing is run or written.

    Raises:
        ParameterError: for an unknown parameter or a wrong type, or a notebook that declares none.
        NotebookError: where `notebook` is no notebook, or is `out`.
    """
    notebook, out = notebook.resolve(), out.resolve()
    if notebook == out:
        raise NotebookError(f"notebook {notebook}: the executed copy would replace its source")
    known = from_notebook(notebook)
    try:
        values = check(known, parameters)
    except ParameterError as error:
        raise ParameterError(f"notebook {notebook.stem}: {error}") from None
    overridden = {name: value for name, value in values.items() if value != known[name].default}
    return Job(notebook, out, values, overridden, staleness.fingerprint(notebook, values))


def run(job: Job, reason: str, kernel: str, timeout: int | None, stop: threading.Event) -> Executed:
    """Execute a prepared notebook, as `runner.execute` says.

    Raises:
        NotebookError: where the notebook fails or its folder cannot be written.
        CancelledError: once `stop` is set; an earlier executed copy then stays.
    """
    try:
        stage = job.out.parent / STAGE
        remove_leftovers(stage)
        with staged(stage, job.notebook.stem) as folder:
            return _run_in(folder, job, reason, kernel, timeout, stop)
    except StoreError as error:
        raise NotebookError(f"notebook {job.notebook.stem} could not be executed: {error}") from error
    except OSError as error:
        what = f"{error.filename}: {error.strerror}" if error.filename else error
        raise NotebookError(f"notebook {job.notebook.stem} could not be executed: {what}") from error


def _run_in(folder: Path, job: Job, reason: str, kernel: str, timeout: int | None, stop: threading.Event) -> Executed:
    executed, failed = folder / child.EXECUTED, job.out.parent / "failed" / job.out.name
    shutil.copyfile(job.notebook, folder / child.SOURCE)
    order = {
        "parameters": job.overridden,
        "kernel": kernel,
        "cwd": str(job.notebook.parent),
        "timeout": timeout,
    }
    (folder / child.ORDER).write_text(json.dumps(order), encoding="utf-8")
    start = time.monotonic()
    good = _carry_out(folder, stop)
    seconds = time.monotonic() - start
    if not good:
        staleness.discard(job.out)
        message = _failure(job, folder)
        if executed.exists():
            failed.parent.mkdir(exist_ok=True)
            executed.replace(failed)
            message += f" (what it did stands in {failed})"
        raise NotebookError(message)
    _finish(executed, job, seconds)
    read = reads.entries(folder / child.READS)
    executed.replace(job.out)
    staleness.write_stamp(job.out, job.made_from, read)
    failed.unlink(missing_ok=True)
    return Executed(job.notebook, job.out, seconds, True, reason)


def _carry_out(folder: Path, stop: threading.Event) -> bool:
    """Run the job in `folder`; whether it went well. Raises CancelledError once `stop` is set."""
    environment = {
        **os.environ,
        "OMP_NUM_THREADS": "1",
        "SELECTIVITY_PROGRESS": os.environ.get("SELECTIVITY_PROGRESS", "none"),
        reads.VARIABLE: str(folder / child.READS),
    }
    environment.pop("MPLBACKEND", None)  # one set for scripts would leave the notebook without its figures
    with (
        (folder / child.LOG).open("wb") as log,
        subprocess.Popen(
            [sys.executable, "-m", child.__name__],
            cwd=folder,
            env=environment,
            stdin=subprocess.PIPE,  # never written to: it closes with the caller, and then the child ends
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C reaches the caller alone: a stop is not taken for a failure
        ) as process,
    ):
        while not stop.is_set():
            try:
                return process.wait(timeout=_POLL) == 0
            except subprocess.TimeoutExpired:
                continue
    raise CancelledError


def _failure(job: Job, folder: Path) -> str:
    """Say in one line which cell failed and how."""
    where = ""
    if (folder / child.EXECUTED).exists():
        cells = read_notebook(folder / child.EXECUTED).cells
        # The last cell that started: one that timed out or lost its kernel leaves no error output.
        started = [c for c in cells if c.cell_type == "code" and c.metadata.get("papermill", {}).get("start_time")]
        where = f" in cell In [{started[-1].execution_count or len(started)}]" if started else ""
    if (folder / child.FAILURE).exists():
        how = (folder / child.FAILURE).read_text(encoding="utf-8")
    else:
        log = (folder / child.LOG).read_text(encoding="utf-8", errors="replace").strip().splitlines()
        how = log[-1] if log else "its process was killed"
    return f"notebook {job.notebook.stem} failed{where}: {how}"


def _finish(executed: Path, job: Job, seconds: float) -> None:
    """Add to an executed notebook what its page shows, and take out the paths of the machine it ran on."""
    import nbformat

    notebook = read_notebook(executed)
    for cell in notebook.cells:
        tags = cell.metadata.get("tags", [])
        if "injected-parameters" in tags:
            cell.metadata["tags"] = [*tags, "hide-input"]
    for key in ("input_path", "output_path"):
        notebook.metadata.papermill.pop(key, None)
    made: dict[str, Any] = {"command": _command(job), "parameters": job.parameters, "seconds": round(seconds, 1)}
    notebook.metadata["selectivity"] = made
    titling.retitle(notebook, job.notebook.stem, job.parameters.get("profile"))
    notebook.cells.append(colophon.cell(f"{job.notebook.parent.name}/{job.notebook.name}", **made))
    executed.write_text(nbformat.writes(notebook) + "\n", encoding="utf-8")


def _command(job: Job) -> str:
    """Return the papermill command that gives the same notebook, from the folder above the notebook's."""
    import yaml

    words = ["papermill", f"{job.notebook.parent.name}/{job.notebook.name}", "out.ipynb"]
    if job.overridden:
        text = yaml.safe_dump(
            job.overridden, default_flow_style=True, sort_keys=False, allow_unicode=True, width=float("inf")
        )
        words += ["-y", text.strip()]
    return shlex.join(words)
