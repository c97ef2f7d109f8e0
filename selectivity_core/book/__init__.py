"""What only the book needs: the papers' figures and claims, statistics, verdicts, plots, the build."""

NOT_HERE = "selectivity-not-here"  # the class of a sentence that the runs at hand do not bear out
