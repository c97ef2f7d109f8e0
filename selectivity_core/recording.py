"""The activity of units in a pass."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from torch import Tensor, nn

from .units import spatial_mean
from .watching import Call, UnitDim, Watch


class _Recorder(Watch):
    per_sample = True

    def __init__(self, model: nn.Module, layers: str | Sequence[str], unit_dim: UnitDim, maps: bool) -> None:
        super().__init__(model, layers, unit_dim)
        self.maps, self.found = maps, dict[str, Tensor]()
        self._uses = dict[tuple[str, int], Tensor]()

    def began(self) -> None:
        self.found.clear()
        self._uses.clear()

    def see(self, call: Call) -> None:
        output = call.output.detach()
        self._uses[call.layer, call.number] = output.clone() if self.maps else spatial_mean(output, call.dim)
        self.found.clear()
        self.found.update(self.named(self._uses))


@contextmanager
def record(
    model: nn.Module, layers: str | Sequence[str] = "all", *, maps: bool = False, unit_dim: UnitDim = None
) -> Iterator[dict[str, Tensor]]:
    """Collects the units' activity of the latest forward pass, in copies that nothing later changes.

    A module that the pass uses several times has an entry for each use, "name:0", "name:1" and so on. A pass is a call
    of the model; what runs outside one, such as a part of it, is taken to be of one pass.

    Args:
        model: any module.
        layers: as for `unit_layers`.
        maps: keep whole outputs, such as (samples, units, H, W), rather than spatial means (samples, units).
        unit_dim: the dimension of the units in outputs with more than two, for all layers or as layer -> dimension;
            by default it is told by what produces them: 1 behind a convolution or batch norm, the last behind a
            linear layer, layer norm or embedding.

    Yields:
        name -> activity; filled by each pass, detached.

    Raises:
        UnitError: a layer that the model lacks, or no layer at all; a ScriptModule; in a pass, units whose dimension
            cannot be told, samples that are not all in dimension 0 in their order, outputs that are no plain tensor.
        ActivityError: in a pass, outputs of fewer than two dimensions or of complex numbers; a pass under torch.vmap.

    Warns:
        PartialUnits: after the first pass, activations that no activation module holds.
    """
    with _Recorder(model, layers, unit_dim, maps) as recorder:
        yield recorder.found
