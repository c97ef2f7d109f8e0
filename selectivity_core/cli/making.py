"""Commands that get data and run notebooks: data, figure."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import Any

from ..errors import ParameterError
from .arguments import add_yes, command, read_yaml


def add_commands(commands: Any) -> None:
    """Adds this module's commands."""
    data = command(commands, "data", _data, "Get or check a data set.")
    data.add_argument("action", choices=["get", "check"])
    data.add_argument("name")
    data.add_argument("--data", type=Path, help="folder of data sets")

    figure = command(
        commands, "figure", _figure, "Run one notebook with parameters; writes an executed copy and a page of HTML."
    )
    figure.add_argument("notebook", help="a notebook's name (05_figure_4) or path")
    figure.add_argument("-y", "--parameters", default="", help="YAML, such as 'alphas: [-1, 0, 1]'")
    figure.add_argument(
        "--out", type=Path, help="executed copy (default: in figures/, named by notebook and parameters)"
    )
    add_yes(figure)


def _data(options: argparse.Namespace) -> None:
    from ..data import data_root, download, load

    if options.action == "get":
        download(options.name, data_root(options.data))
    found = load(options.name, options.data)
    print(
        f"{found.name}: {len(found.images)} and {len(found.test_images)} test images in {len(found.classes)} classes, "
        f"{found.source}, digest {found.digest[:16]}"
    )


def _figure(options: argparse.Namespace) -> None:
    from ..book.build.pages import make_figure

    parameters = read_yaml("parameters", options.parameters) or {}
    if not isinstance(parameters, dict):
        raise ParameterError(
            f"parameters: {options.parameters!r:.200} given; YAML such as 'alphas: [-1, 0, 1]' is needed"
        )
    if options.yes:
        os.environ["SELECTIVITY_MAX_HOURS"] = "inf"  # the notebook's process reads it
    executed, page = make_figure(options.notebook, parameters, options.out)
    print(f"{executed}\n{page}")
