"""Where a tensor's units are, followed from the operation that produced them to the layer that is read.

The number of dimensions does not say it: (4, 16, 16, 128) is 16 units of a convolution or 128 of a ConvNeXt block.
A convolution or batch norm puts its units in dimension 1, a linear layer, layer norm or embedding in the last one, and
what follows keeps, moves, splits or drops dimensions by known rules. Whatever has no rule here leaves them unknown.

Each dimension has a letter (below). Images (8, 3, 16, 16) are "supp". A convolution with 32 filters makes of them
(8, 32, 16, 16), "supp"; permute(0, 2, 3, 1) makes that (8, 16, 16, 32), "sppu"; a linear layer with 10 outputs
makes that (8, 16, 16, 10), again "sppu". The units are in the dimension that has "u".
"""

from __future__ import annotations

import math
import sys
import weakref
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

# What each dimension holds, one letter a dimension. Rows are the positions of all samples, one sample after the other;
# a dimension that was only broadcast is like any other that it meets. Samples that were picked or put in another order
# are no longer those of the labels.
SAMPLES, UNITS, POSITIONS, ROWS, BROADCAST, UNKNOWN, PICKED = "suprbxo"

CONVOLUTIONS = {f"conv{kind}{n}d" for kind in ("", "_transpose") for n in (1, 2, 3)}
NORMS = {"batch_norm", "batch_norm_elemt", "instance_norm", "group_norm", "local_response_norm"}
LINEAR = {"linear", "bilinear", "layer_norm", "rms_norm"}
PRODUCTS = {"matmul", "mm", "bmm", "addmm", "baddbmm"}
RECURRENT = {"lstm", "gru", "rnn_tanh", "rnn_relu"}
ACTIVATION_FUNCTIONS = {
    "relu", "relu6", "leaky_relu", "prelu", "rrelu", "elu", "celu", "selu", "gelu", "silu", "mish", "hardswish",
    "hardsigmoid", "hardtanh", "softplus", "sigmoid", "tanh", "softsign", "threshold", "logsigmoid", "log_sigmoid",
}  # fmt: skip
ARITHMETIC = {"add", "sub", "mul", "div", "truediv", "floordiv", "pow", "mod", "and", "or", "xor"}
SAME = (  # functions that leave every dimension where it is, of whatever size
    ACTIVATION_FUNCTIONS | ARITHMETIC | {f"{side}{name}" for side in "ir" for name in ARITHMETIC}
) | {
    "abs", "addcdiv", "addcmul", "alpha_dropout", "bernoulli", "bfloat16", "ceil", "clamp", "clamp_max",
    "clamp_min", "clip", "clone", "contiguous", "copy", "cos", "cpu", "cuda", "cumsum", "data", "detach", "divide",
    "double", "dropout", "dropout1d", "dropout2d", "dropout3d", "erf", "exp", "expand", "expand_as", "expm1",
    "feature_alpha_dropout", "fill", "flip", "float", "floor", "fmax", "fmin", "gumbel_softmax", "half", "index_fill",
    "index_select", "interpolate", "invert", "lerp", "log", "log10", "log1p", "log2", "log_softmax", "logit",
    "masked_fill", "maximum", "minimum", "multiply", "nan_to_num", "narrow", "neg", "normalize", "pad", "pos",
    "pixel_shuffle", "pixel_unshuffle", "channel_shuffle", "positive", "reciprocal", "relu_squared", "repeat",
    "requires_grad", "roll", "round", "rsqrt", "scatter", "sign", "sin", "softmax", "softmin", "sqrt", "square",
    "subtract", "tile", "to", "true_divide", "tril", "triu", "trunc", "type", "type_as", "upsample", "where", "zero",
    "cat", "concat", "concatenate", "chunk", "split", "split_with_sizes", "tensor_split", "glu", "bool", "int", "long",
    *(f"{kind}_pool{n}d{how}" for kind in ("max", "avg", "lp", "adaptive_max", "adaptive_avg", "fractional_max")
      for n in (1, 2, 3) for how in ("", "_with_indices")),
}  # fmt: skip
PROBED = {  # functions whose effect on dimensions shows on a tensor of distinct sizes
    "permute", "transpose", "swapaxes", "swapdims", "movedim", "moveaxis", "t", "mT", "mH", "adjoint", "unsqueeze",
    "mean", "sum", "amax", "amin", "max", "min", "std", "var", "prod", "logsumexp", "norm", "median", "nanmean",
}  # fmt: skip
MOVING = {  # functions that put a dimension in another order: which argument names it, and which it is otherwise
    "index_select": (1, 0), "gather": (1, 0), "flip": (1, 0), "flipud": (1, 0), "roll": (2, 0), "sort": (1, -1),
    "msort": (1, 0), "topk": (2, -1), "take_along_dim": (2, 0), "cumsum": (1, 0),
}  # fmt: skip
RESHAPED = {"view", "reshape", "flatten", "unflatten", "squeeze", "view_as", "reshape_as", "unsafe_view", "ravel"}
MOST_TENSORS = 10_000  # tensors known at a time, before those that are gone are thrown out
SIZES = (2, 3, 5, 7, 11, 13, 17, 19)


@dataclass(frozen=True, eq=False)
class Memory:
    """The memory of a tensor, by which it is known again in another shape: what it is a view of, and which part."""

    root: weakref.ref[Tensor]
    size: int
    offset: int

    @classmethod
    def of(cls, tensor: Tensor) -> Memory:
        """The memory of a tensor."""
        return cls(weakref.ref(_root(tensor)), tensor.numel(), int(tensor.storage_offset()))

    def is_among(self, tensors: Iterable[Tensor]) -> bool:
        """Whether one of some tensors is there."""
        root, part = self.root(), (self.size, self.offset)
        return any(_root(t) is root and (t.numel(), t.storage_offset()) == part for t in tensors)


def _root(tensor: Tensor) -> Tensor:
    return tensor if tensor._base is None else tensor._base


@dataclass(frozen=True)
class FunctionCall:
    """A call of an activation function, in the forward pass of a module if there was one."""

    function: str
    module: nn.Module | None
    memory: Memory


class Axes(TorchFunctionMode):
    """Follows dimensions through every operation of its body. What has no rule, or breaks one, becomes unknown.

    Calls of activation functions are noted in `calls` where they are `collected`.
    """

    def __init__(self) -> None:
        super().__init__()
        self._known: dict[int, tuple[weakref.ref[Tensor], str]] = {}
        self._samples: int | None = None
        self.collected, self.calls = False, list[FunctionCall]()

    def begin(self, inputs: Sequence[object]) -> None:
        """A pass begins: samples come first in what a model is given, and channels second in images."""
        self._known.clear()
        self.calls.clear()
        self._samples = next((len(given) for given in inputs if isinstance(given, Tensor) and given.ndim), None)
        for given in inputs:
            if isinstance(given, Tensor) and given.ndim:
                image = given.ndim == 4
                rest = UNITS + POSITIONS * 2 if image else UNKNOWN * (given.ndim - 1)
                self.note(given, SAMPLES + rest)

    def of(self, tensor: Tensor) -> str | None:
        """A letter for each dimension; None where nothing is known."""
        found = self._known.get(id(tensor))
        return found[1] if found is not None and found[0]() is tensor and len(found[1]) == tensor.ndim else None

    def note(self, tensor: Tensor, axes: str | None) -> None:
        """Records what a tensor's dimensions hold."""
        if axes is not None and len(axes) == tensor.ndim:
            self._known[id(tensor)] = weakref.ref(tensor), axes
            if len(self._known) > MOST_TENSORS:  # a long body without a pass of its own
                self._known = {key: value for key, value in self._known.items() if value[0]() is not None}
        else:
            self._known.pop(id(tensor), None)

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Calls the function and notes what its outputs' dimensions hold."""
        kwargs = kwargs or {}
        found = func(*args, **kwargs)
        outputs = _tensors((found,))
        if outputs:
            name = func.__name__
            name = getattr(func.__self__, "__name__", name) if name == "__get__" else name.strip("_")
            with torch._C.DisableTorchFunction():  # what is looked at here is of no interest to others who follow
                self._note_all(name, func, args, kwargs, outputs)
        return found

    def _note_all(self, name: str, func: Any, args: Any, kwargs: Any, outputs: list[Tensor]) -> None:
        for index, output in enumerate(outputs):
            try:
                axes = self._follow(name, func, args, kwargs, output, index)
            except (RuntimeError, TypeError, ValueError, IndexError, AttributeError, KeyError):
                axes = None  # called in a way that the rule does not know
            self.note(output, axes)
        if self.collected and name in ACTIVATION_FUNCTIONS and len(outputs) == 1:
            self.calls.append(FunctionCall(name, _calling_module(), Memory.of(outputs[0])))

    def _follow(self, name: str, func: Any, args: Any, kwargs: Any, output: Tensor, index: int) -> str | None:
        tensors = _tensors((*args, *kwargs.values()))
        if not tensors:
            return None
        first, size = tensors[0], output.ndim
        if name in CONVOLUTIONS or name in NORMS:
            if name in CONVOLUTIONS and size != 2 + int(name[-2]):
                return UNITS + POSITIONS * (size - 1)  # a single sample without its dimension
            return self._lead(first)[0] + UNITS + POSITIONS * (size - 2)
        if name in ("layer_norm", "rms_norm") and len(kwargs.get("normalized_shape", args[1:2][-1])) > 1:
            return self.of(first)
        if name in LINEAR:
            return self._lead(first) + UNITS
        if name == "embedding":
            tokens = first if not first.is_floating_point() else tensors[1]
            positions = tokens.ndim == 1 and self.of(tokens) is None  # such as those of all positions
            return (POSITIONS if positions else self._lead(tokens, size)) + UNITS
        if name in PRODUCTS:
            a, b = tensors[-2:]
            if b.ndim > 2:
                return self._batched(a, b)
            known, weight = self.of(a), b if b._base is None else b._base
            # Weights; but a matrix that mixes positions has no units of its own.
            mixing = isinstance(weight, nn.Parameter) if known is None else UNITS not in known[:-1]
            return self._lead(a) + UNITS if mixing else None
        if name == "scaled_dot_product_attention":
            return self._batched(first, tensors[2])
        if name in RECURRENT and first.ndim == 2:
            return PICKED + UNITS  # a packed sequence: the first positions of all samples, then the second ones
        if name in RECURRENT and first.ndim == 3:
            batch_first, known = bool(kwargs.get("batch_first", args[-1])), self.of(first)
            batch = known[0 if batch_first else 1] if known is not None else SAMPLES
            alone = batch == POSITIONS and batch_first and len(first) == 1  # a single sample without its dimension
            samples = batch if batch == PICKED or alone else SAMPLES
            # Final states have layers first.
            return samples + POSITIONS + UNITS if batch_first and not index else POSITIONS + samples + UNITS
        if name == "multi_head_attention_forward" and first.ndim == 3 and not index:
            return POSITIONS + SAMPLES + UNITS  # tokens first, whatever the module's `batch_first`
        if name in PROBED and len(_tensors(args)) == 1:
            return self._probed(func, args, kwargs, index)
        if name in MOVING and _moves_samples(name, args, kwargs, first.ndim):
            return PICKED + (self.of(first) or UNKNOWN * first.ndim)[1:]
        if name in SAME or name in ("max", "min"):
            return self._joined(tensors, output)
        if name in RESHAPED:
            known = self.of(first)
            return None if known is None else reshaped(known, first.shape, output.shape, self._samples)
        if name == "getitem":
            return self._item(first, args[1])
        if name in ("select", "unbind", "stack"):
            dim = kwargs.get("dim", args[1] if len(args) > 1 else 0)
            known = self._joined(tensors, tensors[0])
            if known is None:
                return None
            dim %= size if name == "stack" else first.ndim
            return known[:dim] + (POSITIONS + known[dim:] if name == "stack" else known[dim + 1 :])
        if name == "T":
            return (self.of(first) or "")[::-1] or None
        return None

    def _lead(self, tensor: Tensor, size: int = 0) -> str:
        """All dimensions but the last of what goes into a linear layer: where the samples are known, positions else."""
        count = (size or tensor.ndim) - 1
        known = (self.of(tensor) or SAMPLES + POSITIONS * count)[:count]
        others = UNITS + UNKNOWN if {SAMPLES, ROWS, PICKED} & set(known) else UNITS
        return "".join(POSITIONS if letter in others else letter for letter in known)

    def _batched(self, a: Tensor, b: Tensor) -> str | None:
        rows, columns = self.of(a), self.of(b)
        if rows is None or columns is None or len(rows) != len(columns):
            return None
        lead = "".join(x if x == y else UNKNOWN for x, y in zip(rows[:-2], columns[:-2], strict=True))
        return lead + rows[-2] + columns[-1]

    def _joined(self, tensors: Sequence[Tensor], output: Tensor) -> str | None:
        """Dimensions of several tensors aligned from the right; those that are broadcast have no say."""
        found: list[str | None] = [None] * output.ndim
        some = False
        for tensor in tensors:
            known = self.of(tensor)
            if known is None or len(known) > output.ndim:
                continue
            some = True
            for k in range(1, len(known) + 1):
                letter = known[-k]
                if tensor.shape[-k] == 1 != output.shape[-k] or letter in (found[-k], BROADCAST):
                    continue
                found[-k] = letter if found[-k] is None else UNKNOWN
        return "".join(letter or BROADCAST for letter in found) if some else None

    def _probed(self, func: Any, args: Any, kwargs: Any, index: int) -> str | None:
        first = next(a for a in (*args, *kwargs.values()) if isinstance(a, Tensor))
        known = self.of(first)
        if known is None:
            return None
        probe = torch.empty(SIZES[: first.ndim], device="meta")
        given = [probe if a is first else a for a in args]
        result = func(*given, **{name: probe if a is first else a for name, a in kwargs.items()})
        sizes = _tensors([result])[index].shape
        return "".join(POSITIONS if n == 1 else known[SIZES.index(n)] for n in sizes)

    def _item(self, tensor: Tensor, index: object) -> str | None:
        known = self.of(tensor)
        parts = index if isinstance(index, tuple) else (index,)
        taken = sum(part is not None and part is not Ellipsis for part in parts)
        if parts and isinstance(parts[0], Tensor | list | np.ndarray):
            return self._picked(tensor, parts)
        if known is None:
            return None
        if isinstance(parts[0], slice) and parts[0].step not in (None, 1) and known[0] == SAMPLES:
            known = PICKED + known[1:]
        found, k = "", 0
        for part in parts:
            if part is None:
                found += POSITIONS
            elif part is Ellipsis:
                found, k = found + known[k : k + tensor.ndim - taken], k + tensor.ndim - taken
            elif isinstance(part, slice):
                found, k = found + known[k], k + 1
            elif isinstance(part, int) and not isinstance(part, bool):
                k += 1
            else:
                return None
        return found + known[k:]

    def _picked(self, tensor: Tensor, parts: tuple) -> str | None:
        """What an index of numbers or truth values in the first dimension leaves of it."""
        known, first = self.of(tensor), torch.as_tensor(parts[0], device=tensor.device)
        if known is not None and known[0] not in (SAMPLES, ROWS, PICKED):
            return None
        known = known or UNKNOWN * tensor.ndim
        if first.dtype in (torch.bool, torch.uint8):
            lead = ROWS if known[0] in (SAMPLES, ROWS) else known[0]  # in order, though not all
            rest = known[first.ndim :]
        else:
            whole = first.ndim == 1 and len(first) == len(tensor) and bool((first.diff() == 1).all())
            lead, rest = (known[0] if whole else PICKED) + POSITIONS * (first.ndim - 1), known[1:]
        if len(parts) == 1:
            return lead + rest
        if all(isinstance(part, Tensor) and part.ndim == first.ndim == 1 for part in parts[1:]):
            return lead + known[len(parts) :]  # a position of each sample
        return lead + rest if all(part == slice(None) for part in parts[1:]) else None


def _moves_samples(name: str, args: Any, kwargs: Any, ndim: int) -> bool:
    """Whether a function puts what is in the first dimension in another order."""
    position, default = MOVING[name]
    given: Any = kwargs.get("dim", kwargs.get("dims", args[position:] or default))
    given = given[:1] if name != "flip" and isinstance(given, tuple) and given is not kwargs.get("dims") else given
    while isinstance(given, tuple | list) and len(given) == 1:
        given = given[0]
    return any(dim in (0, -ndim) for dim in (given if isinstance(given, tuple | list) else (given,)))


def reshaped(known: str, before: Sequence[int], after: Sequence[int], samples: int | None = None) -> str:
    """What dimensions hold after a reshape: those of equal size stay, others are split or merged in order.

    Rows are known again as samples where there are as many as `samples`.
    """
    if math.prod(before) != math.prod(after) or not math.prod(before):
        return UNKNOWN * len(after)
    found, i, j = "", 0, 0
    while i < len(before) or j < len(after):
        last = i + 1 >= len(before), j + 1 >= len(after)
        if i < len(before) and j < len(after) and before[i] == after[j]:
            found, i, j = found + known[i], i + 1, j + 1
        elif j < len(after) and after[j] == 1 and not (known[i : i + 1] == ROWS and not last[1]):
            found, j = found + POSITIONS, j + 1
        elif i < len(before) and before[i] == 1 and not (known[i] == SAMPLES and not last[0]):
            i += 1
        else:
            a, b = i + 1 + (before[i] == 1), j + 1 + (after[j] == 1)
            while math.prod(before[i:a]) != math.prod(after[j:b]):
                if math.prod(before[i:a]) < math.prod(after[j:b]):
                    a += 1
                else:
                    b += 1
            found, i, j = found + _cut(known[i:a], after[j:b], samples), a, b
    return found


def _cut(letters: str, sizes: Sequence[int], samples: int | None) -> str:
    """What dimensions of some sizes hold that are cut anew from others."""
    first, others = letters[0], set(letters[1:])
    if first in (SAMPLES, ROWS) and not others & {SAMPLES, ROWS, PICKED}:  # all of a sample before the next one
        whole = sizes[0] == samples if samples is not None else len(sizes) > 1
        rest = POSITIONS if others <= {POSITIONS} else UNKNOWN
        return (SAMPLES if whole else ROWS) + rest * (len(sizes) - 1)
    return (first if others <= {first} else UNKNOWN) * len(sizes)


def _tensors(values: Iterable[object]) -> list[Tensor]:
    found = list[Tensor]()
    for value in values:
        if isinstance(value, Tensor):
            found.append(value)
        elif isinstance(value, tuple | list):
            found += _tensors(value)
    return found


def _calling_module() -> nn.Module | None:
    """The module whose method is nearest on the stack."""
    frame: Any = sys._getframe(1)
    while frame is not None and not isinstance(frame.f_locals.get("self"), nn.Module):
        frame = frame.f_back
    return None if frame is None else frame.f_locals["self"]
