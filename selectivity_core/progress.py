"""Progress shown one way everywhere: a bar on a terminal or in a notebook, a line now and then elsewhere."""

from __future__ import annotations

import os
import sys
from typing import Any

from tqdm.auto import tqdm


def bar(title: str, total: int | None, unit: str, **options: Any) -> tqdm:
    """A tqdm bar; where the output is not a terminal it prints at most one line every ten seconds.

    SELECTIVITY_PROGRESS=none, which notebooks run for the book have, shows none: a page has no use for it.
    """
    if os.environ.get("SELECTIVITY_PROGRESS") == "none":
        options["disable"] = True
    quiet = not sys.stderr.isatty() and "ipykernel" not in sys.modules
    if quiet:
        options = {"mininterval": 10.0, "maxinterval": 30.0, "ncols": 100} | options
    return tqdm(desc=title, total=total, unit=unit, **options)
