"""The errors that the package raises on purpose. Each message names the thing, what was given and what is allowed."""

import difflib
from collections.abc import Iterable
from importlib.util import find_spec

# What is said where Ctrl-C or SIGTERM stops a command.
INTERRUPTED = (
    "selectivity: interrupted; finished runs are kept, those in progress have a checkpoint, and the same command goes "
    "on from there"
)


def nearest(given: object, allowed: Iterable[str]) -> str:
    """The end of a message on a name that is none of those allowed: the one that it is most like."""
    near = difflib.get_close_matches(str(given), list(allowed), n=1)
    return f"; did you mean {near[0]}?" if near else ""


def unknown(what: str, given: object, allowed: Iterable[str]) -> str:
    """The message on a name that is none of those allowed."""
    allowed = list(allowed)
    return f"{what}: {given!r:.100} given; one of {', '.join(allowed)} is allowed{nearest(given, allowed)}"


class SelectivityError(Exception):
    """Base of every error raised on purpose; the command line prints its message as one line and exits with 2."""


class MissingExtraError(SelectivityError, ImportError):
    """A package that only an extra of this one brings, and that is not installed."""


class SpecError(SelectivityError, ValueError):
    """A run specification, profile or grid that cannot be."""


class ParameterError(SelectivityError, ValueError):
    """A notebook parameter that is unknown, of the wrong type or out of range."""


class DataError(SelectivityError):
    """A data set that is missing, truncated, mislabelled or not what its name says."""


class StoreError(SelectivityError):
    """A run store that cannot be read or written, or holds something that does not verify."""


class MissingRunsError(SelectivityError):
    """Runs that a caller needs and neither the store nor the ledger has."""


class ActivityError(SelectivityError, ValueError):
    """Activity or labels that a measure is not defined for."""


class UnitError(SelectivityError, ValueError):
    """A layer or unit that a model does not have."""


class PartialUnits(UserWarning):
    """Activations of a model that are not among the layers that were found."""


def required(extra: str, *packages: str) -> None:
    """Raises `MissingExtraError` where packages that an extra of pyproject.toml brings are missing; imports nothing."""
    missing = [name for name in packages if find_spec(name) is None]
    if missing:
        raise MissingExtraError(
            f"{missing[0]}: not installed; the extra {extra!r} brings it: pip install 'selectivity-core[{extra}]'"
        )
