"""What only the book needs: the papers' figures and claims, statistics, verdicts, plots, the build."""

from ..errors import SelectivityError

BADGES = "selectivity-badges"  # the class of the verdicts that a page shows below its title
NOT_HERE = "selectivity-not-here"  # the class of a sentence that the runs at hand do not bear out


class NotebookError(SelectivityError):
    """A notebook that failed while it was executed."""


class BookError(SelectivityError):
    """A rendered book that is not what it should be."""
