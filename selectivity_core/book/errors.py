"""The errors of the book alone; those of the core are in `selectivity_core.errors`."""

from ..errors import SelectivityError


class NotebookError(SelectivityError):
    """A notebook that failed while it was executed."""


class BookError(SelectivityError):
    """A rendered book that is not what it should be."""
