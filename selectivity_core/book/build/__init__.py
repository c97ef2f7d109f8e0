"""The build of the book: notebooks are executed, pages rendered and checked."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
"""The checkout."""
