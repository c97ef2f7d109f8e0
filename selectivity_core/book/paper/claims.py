"""What the two papers found, as data: every claim with its figure, the paper's value and how it is put to the test."""

from __future__ import annotations

from . import claims_appendix, claims_main, claims_morcos
from .claim_entries import Claim, Context

CLAIMS: dict[str, Claim] = {c.id: c for c in (*claims_main.CLAIMS, *claims_appendix.CLAIMS, *claims_morcos.CLAIMS)}
# Statements that are recalled, unknown or of another paper: listed, never judged.
CONTEXT: dict[str, Context] = {c.id: c for c in (*claims_main.CONTEXT, *claims_morcos.CONTEXT)}

# The papers' main answers, for a first look.
HEADLINES = ("L029", "L001", "L017", "L005", "L048", "L037", "M002", "M009", "M021", "M031")
