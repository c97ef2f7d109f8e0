"""torchvision, also beside a torch that lacks CUDA."""

from __future__ import annotations

import sys
from functools import lru_cache
from types import ModuleType

import torch

_KEPT: list[torch.library.Library] = []  # an operator lives as long as the library that declared it


@lru_cache(maxsize=1)
def torchvision() -> ModuleType:
    """The torchvision package.

    The published wheel skips its compiled extension beside a CPU-only torch and then fails for want of two detection
    operators. On exactly that error the operators are declared, without an implementation, and the import repeated:
    data sets, transforms and classifiers then work, detection operators fail when called.
    """
    try:
        import torchvision
    except RuntimeError as error:
        if "torchvision::nms does not exist" not in str(error):
            raise
        library = torch.library.Library("torchvision", "DEF")
        for name in ("nms", "qnms"):
            library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        _KEPT.append(library)
        for name in [n for n in sys.modules if n.split(".")[0] == "torchvision"]:
            del sys.modules[name]
        import torchvision
    import torchvision.datasets

    return torchvision
