"""Verdicts on the papers' claims, computed from tables. The trained network is the replicate."""

from .evidence import Evidence
from .judging import STATUSES, Status, Verdict, by_chance, judge, judge_all

__all__ = ["STATUSES", "Evidence", "Status", "Verdict", "by_chance", "judge", "judge_all"]
