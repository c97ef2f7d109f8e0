"""Executing notebooks with papermill: each in a process of its own, its copy whole or not at all.

An executed copy says in its metadata, under `STAMP`, what it was made from, so that it is made again only when its
source, its parameters, the package, a library or a table that it read has changed.
"""

from __future__ import annotations

import hashlib
import json
import logging
import multiprocessing
import os
import re
import shutil
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import nbformat
from bs4 import BeautifulSoup, Tag
from nbformat import NotebookNode

from ...errors import ParameterError, SelectivityError, nearest
from ...files import make_folder, replace
from ...machine import commit
from ...runs import reads
from .. import NotebookError
from ..papers.figures import FIGURES
from ..parameters import check, declared, read_notebook
from . import ROOT

STAMP = "selectivity"
PACKAGE = Path(__file__).resolve().parents[2]
OTHER_RUNS = {"profile", "alphas", "seeds", "overrides"}  # parameters that say which runs a page is about
LIBRARIES = ("torch", "matplotlib")  # that decide what a figure shows, beside the package
_ENVIRONMENT = tuple(f"SELECTIVITY_{name}" for name in ("LEDGER", "RUNS", "DATA", "DEVICE"))  # where results come from
_FUNCTION = re.compile(r"^\(\(\) => \{|\}\)\(\);$")  # around a script, so that its names stay its own
_CODE = re.compile(r"javascript:|vbscript:|data:text/html", re.IGNORECASE)  # at the start of an address
_UNSEEN = re.compile(r"[\x00-\x20]")  # browsers pass over these in it
_PARTS = ("iframe", "object", "embed", "applet", "frame", "base", "meta")
_TAG = re.compile(r"<(?=[A-Za-z/!?])")


@dataclass(frozen=True)
class Job:
    """A notebook to execute, its parameters checked."""

    notebook: Path
    out: Path  # of the executed copy
    changed: dict[str, Any]  # parameters that differ from the notebook's own
    made_from: dict[str, Any]  # what decides the outcome, as JSON can hold it


def find_notebook(name: str) -> Path:
    """A notebook by its path, its name, its number or that of a figure that it draws ("A7"), if only one can be meant.

    Raises:
        NotebookError: there is none, or several may be meant.
    """
    if name.endswith(".ipynb") and Path(name).is_file():
        return Path(name)
    names = sorted(p.stem for p in (ROOT / "notebooks").glob("*.ipynb"))
    stem = name.removeprefix("notebooks/").removesuffix(".ipynb")
    meant = {n for n in names if stem.isdecimal() and n.startswith(f"{stem:0>2}_")}
    meant |= {figure.notebook for figure in FIGURES.values() if stem in (figure.id, figure.number)}
    meant = {stem} & set(names) or meant
    if len(meant) == 1:
        return ROOT / "notebooks" / f"{meant.pop()}.ipynb"
    if meant:
        raise NotebookError(f"notebook {name}: several may be meant, {', '.join(sorted(meant))}")
    raise NotebookError(f"notebook {name}: there is none{nearest(Path(stem).name, names) or '; ' + ', '.join(names)}")


def prepare(notebook: Path, out: Path, parameters: Mapping[str, Any]) -> Job:
    """Check a notebook's parameters, and say what its copy would be made from.

    A notebook that skips missing runs by default trains them where other runs than its own are asked for.

    Raises:
        ParameterError: an unknown parameter or a value that is not allowed, or a notebook that declares none.
        NotebookError: `notebook` is no notebook, or is `out`.
    """
    notebook, out = notebook.resolve(), out.resolve()
    if notebook == out:
        raise NotebookError(f"notebook {notebook}: the executed copy would replace its source")
    source = read_notebook(notebook)
    known = declared(source, notebook.stem)
    try:
        values = check(known, parameters)
    except ParameterError as error:
        raise ParameterError(f"notebook {notebook.stem}: {error}") from None
    others = any(values[name] != known[name].default for name in OTHER_RUNS & known.keys())
    if others and {"profile", "on_missing"} <= known.keys() and "on_missing" not in parameters:
        values["on_missing"] = "train"
    cells = [[cell.cell_type, cell.source, cell.metadata] for cell in source.cells]
    made_from = {
        "notebook": hashlib.sha256(json.dumps(cells, sort_keys=True).encode()).hexdigest(),
        "package": _package(),
        "parameters": values,
        "libraries": {name: metadata.version(name) for name in LIBRARIES},
        "environment": {name: os.environ.get(name) for name in _ENVIRONMENT},
    }
    changed = {name: value for name, value in values.items() if value != known[name].default}
    return Job(notebook, out, changed, made_from)


def why_stale(job: Job) -> str | None:
    """Why a job's copy must be made again; None where it is current."""
    try:
        stamp = read_notebook(job.out).metadata[STAMP]
        now = json.loads(json.dumps(job.made_from))
        changed = [name for name in now if stamp[name] != now[name]]
        changed += [Path(path).name for path in reads.changed(stamp["reads"])[:1]]
    except (NotebookError, KeyError, TypeError):
        return "not executed yet"
    return f"changed: {', '.join(changed)}" if changed else None


def execute(job: Job, *, show_progress: bool = False) -> float:
    """Execute a notebook, printing the progress of its sweeps where asked, and give the seconds that it took.

    Raises:
        NotebookError: it failed. What it did stands in `failed/` beside `job.out`; an earlier copy is left alone.
    """
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_work, args=(job, sender, show_progress))
    process.start()
    sender.close()
    try:
        outcome = receiver.recv()
    except EOFError:
        outcome = f"notebook {job.notebook.stem}: its process was killed"
    except BaseException:
        process.terminate()
        raise
    finally:
        process.join()
    if isinstance(outcome, str):
        raise NotebookError(outcome)
    return float(outcome)


def execute_all(jobs: Sequence[Job], workers: int) -> int:
    """Execute the jobs whose copies are out of date, `workers` at a time, and give their number.

    Raises:
        NotebookError: naming all that failed, after the others have been executed.
    """
    reasons = {job.out: why_stale(job) for job in jobs}
    stale = [job for job in jobs if reasons[job.out]]
    for job in stale:
        print(f"{job.notebook.stem}: {reasons[job.out]}", flush=True)
    failures = []
    with ThreadPoolExecutor(workers) as pool:
        running = {pool.submit(execute, job): job for job in stale}
        try:
            for count, future in enumerate(as_completed(running), 1):
                error = future.exception()
                how = "failed" if error else f"{future.result():.1f} s"
                print(f"{running[future].notebook.stem}: {how} ({count} of {len(stale)})", flush=True)
                failures += [str(error)] if error else []
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            for process in multiprocessing.active_children():
                process.terminate()
            raise
    if failures:
        raise NotebookError(f"{len(failures)} of {len(stale)} notebooks failed:\n  " + "\n  ".join(failures))
    return len(stale)


def _package() -> str:
    """One digest over the names and contents of the package's files."""
    total = hashlib.sha256()
    for path in sorted(p for p in PACKAGE.rglob("*") if p.is_file() and "__pycache__" not in p.parts):
        total.update(f"{path.relative_to(PACKAGE)}\n{reads.file_digest(path)}\n".encode())
    return total.hexdigest()


def _work(job: Job, sender: Connection, show_progress: bool) -> None:
    """Run in a process of its own, whose environment and signals it sets. Sends seconds, or what went wrong."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the caller, which ends this process by SIGTERM
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    with tempfile.TemporaryDirectory(prefix="selectivity-") as name:
        threading.Thread(target=_end_with_caller, args=(name,), daemon=True).start()
        os.environ |= {
            "OMP_NUM_THREADS": "1",
            "SELECTIVITY_PROGRESS": f"{name}/progress" if show_progress else "none",
            reads.VARIABLE: f"{name}/reads",
            "JUPYTER_RUNTIME_DIR": name,
        }
        if show_progress:
            threading.Thread(target=_show, args=(Path(name, "progress"),), daemon=True).start()
        os.environ.pop("MPLBACKEND", None)  # one set for scripts would leave the notebook without its figures
        try:
            sender.send(_execute(job, Path(name)))
        except SelectivityError as error:
            sender.send(str(error))


def _end_with_caller(folder: str) -> None:
    """The kernel ends with this process by itself."""
    caller = multiprocessing.parent_process()
    assert caller is not None
    caller.join()
    shutil.rmtree(folder, ignore_errors=True)
    os._exit(1)


def _show(path: Path) -> None:
    """What is written to a file, as it comes."""
    path.touch()
    with path.open(encoding="utf-8") as file:
        while True:
            print(file.read(), end="", file=sys.stderr, flush=True)
            time.sleep(0.5)


def _execute(job: Job, folder: Path) -> float:
    copy, start = folder / "executed.ipynb", time.monotonic()
    problem = _papermill(job, copy)
    seconds = round(time.monotonic() - start, 1)
    if copy.exists():
        executed, out = read_notebook(copy), job.out
        problem = problem or next(defuse(executed), "")
        if problem:
            out = job.out.parent / "failed" / job.out.name
            problem += f" (what it did stands in {out})"
        read, made_with = reads.entries(folder / "reads"), {"changed": job.changed, "commit": commit()}
        executed.metadata[STAMP] = job.made_from | made_with | {"reads": read, "seconds": seconds}
        executed.metadata.pop("papermill", None)  # it names folders of this machine
        make_folder(out.parent)
        replace(out, (nbformat.writes(executed) + "\n").encode())
    if problem:
        raise NotebookError(f"notebook {job.notebook.stem} failed {' '.join(problem.split())}")
    return seconds


def _papermill(job: Job, copy: Path) -> str:
    """Run papermill, and say what went wrong; it writes the copy after each cell."""
    import papermill
    from traitlets.config import Config

    logging.getLogger("papermill").setLevel(logging.ERROR)  # it calls parameters unknown whose type has a bar
    # Unix sockets: another process can take a TCP port between its choice and its use.
    sockets = Config({"KernelManager": {"transport": "ipc", "ip": str(copy.with_name("kernel"))}})
    try:
        papermill.execute_notebook(
            read_notebook(job.notebook), copy, job.changed, kernel_name="python3", language="python",
            progress_bar=False, config=sockets, extra_arguments=["--log-level=CRITICAL"],
        )  # fmt: skip
    except papermill.PapermillExecutionError as error:
        return f"in cell In [{error.exec_count}]: {error.ename}: {error.evalue}"
    except Exception as error:  # a kernel that died or never was; whatever it is, the caller names the notebook
        return f"with {type(error).__name__}: {error}"
    return ""


# What comes from data must not run.


def defuse(notebook: NotebookNode) -> Iterator[str]:
    """Let HTML in Markdown that cells put out be shown as text, and name scripts in their HTML that are not ours."""
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            data = output.get("data", {})
            if "text/markdown" in data:
                data["text/markdown"] = _TAG.sub("&lt;", data["text/markdown"])
            yield from foreign_scripts(BeautifulSoup(str(data.get("text/html", "")), "html.parser"))


def foreign_scripts(part: Tag) -> Iterator[str]:
    """What runs in a part of a page and does not stand, word for word, in the package."""
    for script in part.find_all("script"):
        text = _FUNCTION.sub("", script.get_text().strip()).strip()
        if script.get("type") != "application/json" and (script.get("src") or text not in _own_code()):
            yield f"a script that is not the package's: {str(script)[:120]}"
    for tag in part.find_all(True):
        for name, value in tag.attrs.items():
            if name.startswith("on") or _CODE.match(_UNSEEN.sub("", str(value))):
                yield f"<{tag.name}> runs a script: {name}={str(value)[:80]}"
        if tag.name in _PARTS:
            yield f"<{tag.name}> in the text of a page: {str(tag)[:80]}"


@cache
def _own_code() -> str:
    folder = Path(__file__).parents[1]
    return "\n".join(p.read_text(encoding="utf-8") for kind in ("*.py", "*.js") for p in sorted(folder.rglob(kind)))
