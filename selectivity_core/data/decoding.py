"""Image files decoded once into a uint8 tensor, kept in a cache that is checked before it is used."""

from __future__ import annotations

import contextlib
import hashlib
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import torch
from torch import Tensor

from ..errors import DataError
from ..progress import bar


def cache_folder() -> Path:
    """Where decoded images are kept: SELECTIVITY_CACHE, else a cache folder of the user."""
    given = os.environ.get("SELECTIVITY_CACHE")
    base = Path(given) if given else Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache") / "selectivity"
    return base.expanduser() / "decoded"


def decode(paths: list[Path], shape: tuple[int, int, int], *, root: Path) -> Tensor:
    """Decodes image files, or reads what an earlier call kept.

    The cache is keyed by the names, sizes and modification times of the files under `root`, and holds a digest of
    its pixels that is checked when it is read.

    Args:
        paths: files in the order wanted.
        shape: (H, W, channels) that each must have; grey files are repeated over three channels.
        root: folder that the names in the key are relative to.

    Returns:
        (files, H, W, channels) uint8.

    Raises:
        DataError: a file that is missing, damaged or of another size.
    """
    key = hashlib.sha256(repr(shape).encode())
    for path in paths:
        try:
            state = path.stat()
        except OSError as error:
            raise DataError(f"{path}: cannot be read ({error.strerror})") from error
        key.update(f"{path.relative_to(root)} {state.st_size} {state.st_mtime_ns}\n".encode())
    cache = cache_folder() / f"{key.hexdigest()[:32]}.safetensors"
    kept = _read_cache(cache)
    if kept is not None:
        return kept
    images = torch.empty(len(paths), *shape, dtype=torch.uint8)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        jobs = pool.map(lambda item: _decode_one(images, *item), enumerate(paths), chunksize=256)
        with bar(f"decoding {root.name}", len(paths), "image") as shown:
            for _ in jobs:
                shown.update()
    _write_cache(cache, images)
    return images


def _decode_one(images: Tensor, position: int, path: Path) -> None:
    import numpy as np
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(path) as image:
            pixels = np.asarray(image.convert("RGB"))
    except (OSError, UnidentifiedImageError, SyntaxError) as error:
        raise DataError(f"{path}: not a readable image ({error})") from error
    if pixels.shape != tuple(images.shape[1:]):
        raise DataError(f"{path}: {pixels.shape} pixels found; {tuple(images.shape[1:])} are needed")
    images[position] = torch.from_numpy(pixels.copy())


def _pixels_digest(images: Tensor) -> str:
    return hashlib.sha256(images.numpy().tobytes()).hexdigest()


def _read_cache(cache: Path) -> Tensor | None:
    from safetensors import SafetensorError, safe_open

    if not cache.exists():
        return None
    try:
        with safe_open(cache, framework="pt") as file:
            images, digest = file.get_tensor("images"), (file.metadata() or {}).get("sha256")
    except (SafetensorError, OSError):
        return None  # a damaged cache is decoded anew
    return images if _pixels_digest(images) == digest else None


def _write_cache(cache: Path, images: Tensor) -> None:
    from safetensors.torch import save_file

    stage = cache.with_suffix(f".{os.getpid()}.part")
    try:
        cache.parent.mkdir(parents=True, exist_ok=True)
        save_file({"images": images}, stage, metadata={"sha256": _pixels_digest(images)})
        stage.replace(cache)
    except OSError as error:
        # The cache only saves time: without it the images are decoded again.
        print(f"decoded images could not be kept at {cache}: {error}", file=sys.stderr)
    finally:
        with contextlib.suppress(OSError):
            stage.unlink()
