"""Sweeps on many machines: an executor over a Dask scheduler that someone started."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Executor
from contextlib import contextmanager

from .errors import ParameterError, SelectivityError

TIMEOUT = 30  # seconds to wait for the scheduler


@contextmanager
def scheduled(address: str) -> Iterator[Executor]:
    """An executor whose runs the workers of a scheduler train; they need this package and the data, no shared disk.

    Args:
        address: the scheduler's, such as "tcp://10.0.0.1:8786".

    Raises:
        ParameterError: not an address.
        SelectivityError: Dask is not installed, or nothing answers there.
    """
    kind, separator, rest = address.partition("://")
    if not separator or kind not in ("tcp", "tls", "ws", "wss") or not rest:
        raise ParameterError(f"scheduler: {address!r} given; an address such as tcp://10.0.0.1:8786 is needed")
    try:
        from distributed import Client
    except ImportError as error:
        raise SelectivityError(
            "scheduler: Dask is not installed; install this package with its extra `cluster`"
        ) from error
    try:
        client = Client(address, timeout=TIMEOUT, set_as_default=False)
    except (OSError, TimeoutError, ValueError) as error:
        message = " ".join(str(error).split())
        raise SelectivityError(f"scheduler: nothing answers at {address} ({message})") from error
    with client:
        # pure=False: a task's key is its own, so that the results of an earlier client's tasks are never mixed in.
        yield client.get_executor(pure=False)
