"""Commands that get data and run notebooks: data, figure."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ..errors import ParameterError, unknown
from .arguments import command, read_yaml

NOTEBOOKS = Path(__file__).resolve().parents[2] / "notebooks"


def add_commands(commands: Any) -> None:
    """Adds this module's commands."""
    data = command(commands, "data", _data, "Get or check a data set.")
    data.add_argument("action", choices=["get", "check"])
    data.add_argument("name")
    data.add_argument("--data", type=Path, help="folder of data sets")

    figure = command(commands, "figure", _figure, "Run one notebook with parameters; writes an executed copy.")
    figure.add_argument("notebook", help="a notebook's name (05_figure_4) or path")
    figure.add_argument("-y", "--parameters", default="", help="YAML, such as 'alphas: [-1, 0, 1]'")
    figure.add_argument("--out", type=Path, help="executed copy (default: figures/NAME.ipynb)")


def _data(options: argparse.Namespace) -> None:
    from ..data import data_root, load
    from ..data.download import download

    if options.action == "get":
        download(options.name, data_root(options.data))
    found = load(options.name, options.data)
    print(
        f"{found.name}: {len(found.images)} and {len(found.test_images)} test images in {len(found.classes)} classes, "
        f"{found.source}, digest {found.digest[:16]}"
    )


def _figure(options: argparse.Namespace) -> None:
    from ..book.publish.runner import execute

    path = Path(options.notebook)
    if not path.suffix:
        names = sorted(p.stem for p in NOTEBOOKS.glob("*.ipynb"))
        if options.notebook not in names:
            raise ParameterError(unknown("notebook", options.notebook, names))
        path = NOTEBOOKS / f"{options.notebook}.ipynb"
    parameters = read_yaml("parameters", options.parameters) or {}
    if not isinstance(parameters, dict):
        raise ParameterError(
            f"parameters: {options.parameters!r:.200} given; YAML such as 'alphas: [-1, 0, 1]' is needed"
        )
    _check(parameters)
    out = options.out or Path("figures") / f"{path.stem}.ipynb"
    with _relayed_progress():
        done = execute(path, out, parameters)
    print(f"{done.out} in {done.seconds:.0f} s")


def _check(parameters: dict[str, Any]) -> None:
    """Refuses before a kernel starts what the notebook would refuse after half a minute.

    Raises:
        SpecError: an unknown profile or field, or seeds or values that no run can have.
    """
    from ..runs.profiles import check_overrides, find_profile, seed_list

    if "profile" in parameters:
        find_profile(parameters["profile"])
    if parameters.get("seeds"):  # 0 or none: as many as the ledger has
        seed_list(parameters["seeds"])
    if isinstance(parameters.get("overrides"), dict):
        check_overrides(parameters["overrides"])


@contextmanager
def _relayed_progress() -> Iterator[None]:
    """Shows here the bars of the processes that a notebook runs in: they write them into a file."""
    done = threading.Event()

    def relay() -> None:
        with file.open(encoding="utf-8", errors="replace") as content:
            while not done.wait(0.5):
                sys.stderr.write(content.read())
                sys.stderr.flush()

    with tempfile.TemporaryDirectory(prefix="selectivity-") as folder:
        file = Path(folder) / "progress"
        file.touch()
        os.environ.setdefault("SELECTIVITY_PROGRESS", str(file))
        thread = threading.Thread(target=relay, daemon=True)
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()
            if os.environ["SELECTIVITY_PROGRESS"] == str(file):
                del os.environ["SELECTIVITY_PROGRESS"]
