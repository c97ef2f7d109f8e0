"""Weights on disk: those of a run in the store, and the smaller ones that a ledger keeps of some profiles."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from ..errors import StoreError
from ..files import read_in, sha256
from ..models import network_of
from ..spec import RunSpec
from .archive import WEIGHTS
from .reads import note_read
from .validation import RUN_ID, is_litter, printable

if TYPE_CHECKING:
    from collections.abc import Mapping


SUMS = "SHA256SUMS"  # beside weights in a ledger: a line a file, as `sha256sum -c` reads it
Layout = dict[str, tuple[torch.Size, torch.dtype]]


def layout(spec: RunSpec) -> Layout:
    """Shape and type of each parameter and buffer of a spec's network."""
    return _layout(spec.replace(alpha=0.0, seed=0))


@lru_cache(maxsize=64)
def _layout(spec: RunSpec) -> Layout:
    with torch.device("meta"):
        return {name: (value.shape, value.dtype) for name, value in network_of(spec).state_dict().items()}


def weight_problems(content: bytes, spec: RunSpec) -> list[str]:
    """What keeps a store's file of weights from being that of a spec's network at its best and last epoch."""
    return _problems(content, {f"{epoch}/{k}": v for epoch in ("best", "last") for k, v in layout(spec).items()})


def _problems(content: bytes, wanted: Layout) -> list[str]:
    try:
        found = load(content)
    except (SafetensorError, ValueError, KeyError, TypeError, OverflowError, MemoryError) as error:
        return [printable(f"weights: no safetensors ({error})")]
    if odd := sorted(set(found) ^ set(wanted)):
        return [printable(f"weights: missing or unknown: {', '.join(odd)}")]
    for name, (shape, kind) in wanted.items():
        value = found[name]
        if value.shape != shape or value.dtype != kind:
            return [
                f"weights: {name} has shape {list(value.shape)} and type {value.dtype}; "
                f"{list(shape)} and {kind} are needed"
            ]
        if value.is_floating_point() and not value.isfinite().all():
            return [f"weights: {name} is not finite"]
    return []


def kept_layout(spec: RunSpec) -> Layout:
    """As `layout`, as a ledger has it: the weights of convolutions and linear layers in bf16.

    Biases and batch norms, a hundredth of the size, stay as they are: rounded variances would cost accuracy.
    """
    return {k: (shape, torch.bfloat16 if len(shape) > 1 else kind) for k, (shape, kind) in layout(spec).items()}


def to_kept(weights: Mapping[str, Tensor], spec: RunSpec) -> bytes:
    """A network's parameters and buffers as a ledger keeps them; the same ones give the same bytes."""
    wanted = kept_layout(spec)
    return save({name: weights[name].to(wanted[name][1]).contiguous() for name in sorted(wanted)})


def kept_files(profile: Path) -> dict[str, bytes]:
    """Run -> content of the weights that a ledger keeps of a profile, each as its checksum says.

    Raises:
        StoreError: a file that is missing, or not what its checksum says.
    """
    found = {}
    for run, digest in _sums(profile).items():
        content = _read(profile, f"{run}.safetensors")
        if content is None or sha256(content) != digest:
            raise StoreError(f"{profile / WEIGHTS / run}.safetensors: missing, or not what {SUMS} says")
        found[run] = content
    return found


def kept_weights(profile: Path, spec: RunSpec) -> dict[str, Tensor] | None:
    """Parameters and buffers of a run at its best epoch, in the types of its network; None where none are kept.

    Raises:
        StoreError: they are not what their checksum says, or not those of the run's network.
    """
    digest, content = _sums(profile).get(spec.id), _read(profile, f"{spec.id}.safetensors")
    if digest is None or content is None:
        return None
    problems = ["not what its checksum says"] if sha256(content) != digest else _problems(content, kept_layout(spec))
    if problems:
        raise StoreError(f"{profile / WEIGHTS / spec.id}.safetensors: {problems[0]}")
    return {name: value.to(layout(spec)[name][1]) for name, value in load(content).items()}


def kept_text(files: Mapping[str, bytes]) -> dict[str, bytes]:
    """What stands in a profile's folder of the weights of these runs: name -> content."""
    sums = "".join(f"{sha256(content)}  {run}.safetensors\n" for run, content in sorted(files.items()))
    found = {f"{WEIGHTS}/{run}.safetensors": content for run, content in sorted(files.items())}
    return found | {f"{WEIGHTS}/{SUMS}": sums.encode()} if files else {}


def kept_problems(profile: Path, specs: Mapping[str, RunSpec]) -> list[str]:
    """What is wrong with the weights that a ledger keeps of a profile, a line each.

    Args:
        profile: its folder.
        specs: of its complete runs, by id.
    """
    try:
        found = kept_files(profile)
    except StoreError as error:
        return [str(error)]
    there = {p.name.removesuffix(".safetensors") for p in (profile / WEIGHTS).glob("*") if not is_litter(p.name)}
    problems = [printable(f"weights: {name!r} is no file of {SUMS}") for name in sorted(there - {*found, SUMS})]
    problems += [f"weights: run {run} is not among the complete runs" for run in sorted(set(found) - set(specs))]
    for run in sorted(set(found) & set(specs)):
        problems += [f"run {run}: {what}" for what in _problems(found[run], kept_layout(specs[run]))]
    return problems


def _read(profile: Path, name: str) -> bytes | None:
    note_read(profile / WEIGHTS / name)
    try:
        return read_in(profile, f"{WEIGHTS}/{name}")
    except (OSError, ValueError) as error:
        raise StoreError(f"{profile / WEIGHTS / name}: cannot be read ({error})") from error


def _sums(profile: Path) -> dict[str, str]:
    """Run -> checksum."""
    found = {}
    for line in (_read(profile, SUMS) or b"").decode("ascii", "replace").splitlines():
        digest, _, name = line.partition("  ")
        run = name.removesuffix(".safetensors")
        if name == run or not RUN_ID.fullmatch(run):
            raise StoreError(printable(f"{profile / WEIGHTS / SUMS}: {line!r} is no checksum of a run's weights"))
        found[run] = digest
    return found
