"""The two papers as data: their figures, their claims, and the numbers that they report."""
