"""What only the book needs: the papers' figures and claims, statistics, verdicts, plots, the build."""
