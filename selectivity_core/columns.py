"""A matrix that is filled row by row and read column by column, on disk where it is large."""

from __future__ import annotations

import os
import tempfile
from typing import IO, Self

import numpy as np

from .errors import SelectivityError

MEMORY = 2**26  # bytes of rows that are gathered before they are written


class Columns:
    """Rows of one length and type, gathered in a temporary file that has no name and ends with the `with`.

    Blocks of rows are written transposed, so that a few columns are read without the others.

    Args:
        memory: bytes held in memory at most, a single addition apart; 64 MiB by default.
    """

    def __init__(self, memory: int | None = None) -> None:
        self.memory = MEMORY if memory is None else memory
        self.rows = 0
        self._held: list[np.ndarray] = []
        self._blocks: list[tuple[int, int]] = []  # place in the file, rows
        self._file: IO[bytes] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        if self._file is not None:
            self._file.close()

    def append(self, rows: np.ndarray) -> None:
        """Adds rows (rows, columns).

        Raises:
            SelectivityError: no room on disk.
        """
        self.rows += len(rows)
        self._dtype = rows.dtype
        self._held.append(rows)
        if sum(held.nbytes for held in self._held) > self.memory:
            self._write()

    def _write(self) -> None:
        block = np.ascontiguousarray(np.concatenate(self._held).T)
        try:
            self._file = self._file or tempfile.TemporaryFile()  # noqa: SIM115 (it is closed on exit)
            self._blocks.append((self._file.seek(0, os.SEEK_END), block.shape[1]))
            self._file.write(block.data)
            self._file.flush()
        except OSError as error:
            raise SelectivityError(
                f"activity: {self.rows} samples of {len(block)} units do not fit into {tempfile.gettempdir()} "
                f"({error.strerror}); TMPDIR names another folder"
            ) from error
        self._held = []

    def read(self, start: int, stop: int) -> np.ndarray:
        """(rows, stop − start): columns `start` to `stop` of all rows so far, in new memory."""
        found = np.empty((stop - start, self.rows), self._dtype)
        row = 0
        for place, rows in self._blocks:
            assert self._file is not None
            self._file.seek(place + start * rows * found.itemsize)
            read = self._file.read((stop - start) * rows * found.itemsize)
            found[:, row : row + rows] = np.frombuffer(read, self._dtype).reshape(-1, rows)
            row += rows
        for held in self._held:
            found[:, row : row + len(held)] = held[:, start:stop].T
            row += len(held)
        return found.T
