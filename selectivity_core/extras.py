"""Packages of the extras, asked for where they are first needed."""

from importlib.util import find_spec

from .errors import MissingExtraError


def required(extra: str, *packages: str) -> None:
    """Refuses to go on without packages that an extra brings; imports nothing.

    Args:
        extra: its name in pyproject.toml.
        packages: names as they are imported.

    Raises:
        MissingExtraError: one of them is not installed.
    """
    missing = [name for name in packages if find_spec(name) is None]
    if missing:
        raise MissingExtraError(
            f"{missing[0]}: not installed; the extra {extra!r} brings it: pip install 'selectivity-core[{extra}]'"
        )
