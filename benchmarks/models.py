"""What works on networks from elsewhere, each step held against its plain definition: `make models`.

The oracle is written here. For every family of networks it knows by name which modules leave units behind and in which
dimension, reads them with hooks of its own, and works out indices class by class. Networks are freshly initialised,
inputs small, arithmetic in float64. `make models` writes results/models.csv, a row a network:

layers       "all", or "named" where the non-linearities are in no module of their own and `layers` names others
found, known layers that the library finds, and that there are; `layers_ok` where they are the same
left_out     activations that the library says it left out
unit_dim     "told" by the library, or "given" to it as the error asked
units        over all uses of all layers
axis_ok      recorded activity (samples, units) of every use
gradient_ok  the regulariser's gradient of every parameter
table_ok     `unit_table` over batches: mean, shifted SI, d′, preferred class
ablation_ok  logits with two units of every layer set to zero, and a unit that is not there refused
note         why not, in the library's words
"""

from __future__ import annotations

import re
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from torch import Tensor, nn

from selectivity_core import SelectivityRegularizer, ablate, record, unit_layers, unit_table
from selectivity_core.data.sources import torchvision
from selectivity_core.errors import SelectivityError

TABLE = Path(__file__).resolve().parents[1] / "results" / "models.csv"
SAMPLES, CLASSES = 8, 4
ALPHA = 0.7


@dataclass(frozen=True)
class Case:
    """A network, and what is known of its units.

    Attributes:
        library: that it is from.
        build: makes it.
        units: pattern of module names -> the dimension of their outputs that holds the units.
        shape: of one input image; for text, the number of tokens.
        signed: whether its activity can be negative, so that an index needs a shift.
        named: whether the modules must be named, as activations are functions or inside them.
    """

    library: str
    build: Callable[[], nn.Module]
    units: Mapping[str, int]
    shape: tuple[int, ...] = (3, 32, 32)
    signed: bool = False
    named: bool = False


def _torchvision(name: str, **options: Any) -> Callable[[], nn.Module]:
    return lambda: getattr(torchvision().models, name)(weights=None, num_classes=10, **options)


def _timm(name: str, **options: Any) -> Callable[[], nn.Module]:
    def build() -> nn.Module:
        import timm

        return timm.create_model(name, pretrained=False, num_classes=10, **options)

    return build


NARROW = {"depths": (1, 1, 1, 1), "channels": (32, 64, 96, 128), "stem_chs": 32, "group_size": 16, "num_features": 256}
NFNET = {r"(stem|stages\.\d\.0)\.act\w+|.+\.attn_last\.(act|gate)|final_act": 1}


def _bert() -> nn.Module:
    from transformers import BertConfig, BertForSequenceClassification

    sizes = {"hidden_size": 24, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 40}
    return BertForSequenceClassification(BertConfig(vocab_size=50, max_position_embeddings=16, num_labels=10, **sizes))


def _gpt2() -> nn.Module:
    from transformers import GPT2Config, GPT2ForSequenceClassification

    sizes = {"n_embd": 24, "n_layer": 2, "n_head": 2, "n_positions": 16}
    return GPT2ForSequenceClassification(GPT2Config(vocab_size=50, num_labels=10, pad_token_id=0, **sizes))


class Recurrent(nn.Module):
    """A classifier of sequences, (samples, steps, features): the last step of an LSTM, one hidden layer, logits."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(5, 12, batch_first=True)
        self.hidden = nn.Sequential(nn.Linear(12, 9), nn.Tanh())
        self.head = nn.Linear(9, 10)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.hidden(self.lstm(x)[0][:, -1]))


def convolutions(dimensions: int) -> nn.Module:
    """A small network of convolutions over so many dimensions, with ReLUs in place."""
    conv, norm, pool = (getattr(nn, f"{kind}{dimensions}d") for kind in ("Conv", "BatchNorm", "AdaptiveAvgPool"))
    return nn.Sequential(
        conv(3, 7, 3), nn.ReLU(inplace=True), conv(7, 6, 3), norm(6), nn.ReLU(inplace=True), pool(1), nn.Flatten(),
        nn.Linear(6, 9), nn.ReLU(), nn.Dropout(), nn.Linear(9, 10),
    )  # fmt: skip


CASES: dict[str, Case] = {
    "resnet18": Case("torchvision", _torchvision("resnet18"), {r"(.+\.)?relu": 1}),
    "resnet50": Case("torchvision", _torchvision("resnet50"), {r"(.+\.)?relu": 1}),
    "vgg16_bn": Case(
        "torchvision", _torchvision("vgg16_bn"),
        {r"features\.(2|5|9|12|16|19|22|26|29|32|36|39|42)": 1, r"classifier\.[14]": 1},
    ),
    "densenet121": Case("torchvision", _torchvision("densenet121"), {r".+\.relu[012]?": 1}),
    "mobilenet_v3_small": Case(
        "torchvision", _torchvision("mobilenet_v3_small"),
        {
            r"features\.(0|12)\.2": 1, r"features\.(1|2|3|4|5|6|7|8|9|10|11)\.block\.0\.2": 1,
            r"features\.(2|3|4|5|6|7|8|9|10|11)\.block\.1\.2": 1, r".+\.activation": 1, r".+\.scale_activation": 1,
            r"classifier\.1": 1,
        },
        signed=True,
    ),
    "efficientnet_b0": Case(
        "torchvision", _torchvision("efficientnet_b0"),
        {
            r"features\.[08]\.2": 1, r"features\.\d\.\d\.block\.0\.2": 1, r"features\.[2-7]\.\d\.block\.1\.2": 1,
            r".+\.activation": 1, r".+\.scale_activation": 1,
        },
        signed=True,
    ),
    "convnext_tiny": Case("torchvision", _torchvision("convnext_tiny"), {r".+\.block\.4": -1}, signed=True),
    "swin_t": Case("torchvision", _torchvision("swin_t"), {r".+\.mlp\.1": -1}, signed=True),
    "vit_b_16": Case("torchvision", _torchvision("vit_b_16", image_size=32), {r".+\.mlp\.1": -1}, signed=True),
    "googlenet": Case(
        "torchvision", _torchvision("googlenet", aux_logits=False, init_weights=True),
        {r"conv[123]|inception..\.branch(1|[23]\.\d|4\.1)": 1}, named=True,
    ),
    "nfnet_f0": Case("timm", _timm("nfnet_f0", **NARROW), NFNET, shape=(3, 64, 64), signed=True),
    "dm_nfnet_f0": Case("timm", _timm("dm_nfnet_f0", **NARROW), NFNET, shape=(3, 64, 64), signed=True),
    "test_convnext": Case("timm", _timm("test_convnext"), {r".+\.mlp\.act": -1}, signed=True),
    "bert": Case(
        "transformers", _bert,
        {r".+\.intermediate_act_fn": -1, r".+\.pooler\.activation": -1}, shape=(12,), signed=True,
    ),
    "gpt2": Case("transformers", _gpt2, {r".+\.mlp\.act": -1}, shape=(12,), signed=True),
    "lstm": Case("torch", Recurrent, {"lstm": -1, r"hidden\.1": 1}, shape=(6, 5), signed=True, named=True),
    "1-D convolutions": Case("torch", lambda: convolutions(1), {"[148]": 1}, shape=(3, 20)),
    "3-D convolutions": Case("torch", lambda: convolutions(3), {"[148]": 1}, shape=(3, 8, 8, 8)),
}  # fmt: skip


@dataclass
class Network:
    """A case built, with inputs, labels and the modules that the oracle knows."""

    case: Case
    model: nn.Module = field(init=False)
    dims: dict[str, int] = field(init=False)

    def __post_init__(self) -> None:
        torchvision()  # also where timm and transformers import it
        torch.manual_seed(1)
        self.model = self.case.build().double().train()
        names = [name for name, _ in self.model.named_modules()]
        self.dims = {n: d for n in names for p, d in self.case.units.items() if re.fullmatch(p, n)}
        shape = (SAMPLES, *self.case.shape)
        self.text = self.case.library == "transformers"
        self.inputs = torch.randint(1, 50, shape) if self.text else torch.randn(shape, dtype=torch.float64)
        self.labels = torch.arange(SAMPLES) % CLASSES

    def __call__(self, part: slice = slice(None)) -> Tensor:
        """Logits, with the same dropout each time."""
        torch.manual_seed(2)
        found = self.model(**self.batch(part)) if self.text else self.model(self.batch(part))
        return found.logits if self.text else found

    def batch(self, part: slice) -> Any:
        """Inputs as the model takes them."""
        if not self.text:
            return self.inputs[part]
        return {"input_ids": self.inputs[part], "attention_mask": torch.ones_like(self.inputs[part])}

    @contextmanager
    def watched(self, change: Callable[[Tensor, int], Tensor] | None = None) -> Iterator[dict[str, list[Tensor]]]:
        """name -> (samples, units) activity of each use in a pass; `change` replaces the outputs."""
        seen: dict[str, list[Tensor]] = {}

        def hook(name: str) -> Callable[..., Any]:
            def see(_module: nn.Module, _inputs: object, output: Any) -> Any:
                whole = output[0] if isinstance(output, tuple) else output
                dim = self.dims[name] % whole.ndim
                others = [d for d in range(1, whole.ndim) if d != dim]
                seen.setdefault(name, []).append(whole.mean(others) if others else whole.clone())
                if change is None:
                    return None
                changed = change(whole, dim)
                return (changed, *output[1:]) if isinstance(output, tuple) else changed

            return see

        modules = dict(self.model.named_modules())
        handles = [modules[name].register_forward_hook(hook(name)) for name in self.dims]
        try:
            yield seen
        finally:
            for handle in handles:
                handle.remove()


def plain_index(activity: Tensor, labels: Tensor) -> Tensor:
    """SI of each unit by its definition, of activity (samples, units) of at least 0."""
    means = torch.stack([activity[labels == c].mean(0) for c in labels.unique()])
    top = means.max(0).values
    others = (means.sum(0) - top) / (len(means) - 1)
    return (top - others) / (top + others + 1e-7)


def plain_discriminability(activity: Tensor, labels: Tensor) -> Tensor:
    """d′ of each unit by its definition, of activity (samples, units)."""
    classes = labels.unique()
    found = []
    for unit in activity.T:
        means = torch.stack([unit[labels == c].mean() for c in classes])
        best = int(means.argmax())
        mine, rest = unit[labels == classes[best]], unit[labels != classes[best]]
        others = (means.sum() - means[best]) / (len(means) - 1)
        found.append((means[best] - others) / (((mine.var(correction=0) + rest.var(correction=0)) / 2).sqrt() + 1e-7))
    return torch.stack(found)


def shifted(activity: Tensor) -> Tensor:
    """Less each unit's minimum."""
    return activity - activity.detach().amin(0)


def close(given: Tensor, plain: Tensor, atol: float = 1e-9) -> bool:
    """Whether two results are equal but for rounding."""
    return given.shape == plain.shape and bool(torch.allclose(given, plain, rtol=1e-6, atol=atol))


class Trial:
    """The steps of one case. Each is true where the library gives what the plain definition gives."""

    def __init__(self, case: Case) -> None:
        self.net = Network(case)
        self.options: dict[str, Any] = {"layers": list(self.net.dims) if case.named else "all"}
        self.shift = "min" if case.signed else None
        self.left_out = 0

    def layers_ok(self) -> bool:
        """Layers found are those that there are."""
        return set(unit_layers(self.net.model, self.options["layers"])) == set(self.net.dims)

    def axis_ok(self) -> bool:
        """Recorded activity of every use of every layer."""
        with record(self.net.model, **self.options) as given, self.net.watched() as plain:
            self.net()
        expected = {
            name if len(uses) == 1 else f"{name}:{k}": activity
            for name, uses in plain.items()
            for k, activity in enumerate(uses)
        }
        return set(given) == set(expected) and all(close(given[name], expected[name]) for name in expected)

    def gradient_ok(self) -> bool:
        """The regulariser's term, and its gradient of every parameter."""
        parameters = list(self.net.model.parameters())

        def gradients(term: Tensor) -> list[Tensor | None]:
            return list(torch.autograd.grad(term, parameters, allow_unused=True))

        with self.net.watched() as seen:
            self.net()
        uses = [activity for found in seen.values() for activity in found]
        values = [plain_index(shifted(a) if self.shift else a, self.net.labels).mean() for a in uses]
        plain = -ALPHA * torch.stack(values).mean()
        expected = gradients(plain)
        regularizer = SelectivityRegularizer(self.net.model, ALPHA, shift=self.shift, **self.options)  # type: ignore[arg-type]
        try:
            logits = self.net()
            term = regularizer(self.net.labels)
            found = gradients(term)
            self.left_out = len(getattr(regularizer, "skipped", ()))
        finally:
            regularizer.remove()
            del logits
        largest = max(float(g.abs().max()) for g in expected if g is not None)
        pairs = [(f, e) for f, e in zip(found, expected, strict=True) if f is not None or e is not None]
        same = all(f is not None and e is not None and float((f - e).abs().max()) < 1e-7 * largest for f, e in pairs)
        return same and close(term, plain)

    def table_ok(self) -> bool:
        """`unit_table` over three batches."""
        net = self.net
        parts = [slice(0, 3), slice(3, 6), slice(6, SAMPLES)]
        table = unit_table(net.model, [(net.batch(p), net.labels[p]) for p in parts], **self.options)
        net.model.eval()
        with torch.no_grad(), net.watched() as seen:
            net()
        net.model.train()
        uses = [activity for found in seen.values() for activity in found]
        plain = pd.DataFrame()
        plain["mean"] = torch.cat([a.mean(0) for a in uses])
        plain["si_shifted"] = torch.cat([plain_index(shifted(a), net.labels) for a in uses])
        plain["dprime"] = torch.cat([plain_discriminability(a, net.labels) for a in uses])
        if len(table) != len(plain):
            return False
        # An index of a unit that hardly varies rests on the rounding of its activity.
        return all(close(torch.tensor(table[c].to_numpy()), torch.tensor(plain[c].to_numpy()), 1e-6) for c in plain)

    def ablation_ok(self) -> bool:
        """Two units of every layer set to zero; a unit that no layer has."""
        chosen = [0, 2]
        options = {"unit_dim": self.options["unit_dim"]} if "unit_dim" in self.options else {}
        self.net.model.eval()
        try:
            with torch.no_grad():
                with self.net.watched(lambda output, dim: output.index_fill(dim, torch.tensor(chosen), 0)) as seen:
                    plain = self.net()
                with ablate(self.net.model, dict.fromkeys(self.net.dims, chosen), **options):
                    given = self.net()
                first, uses = next(iter(seen.items()))
                try:
                    with ablate(self.net.model, {first: [max(a.shape[1] for a in uses)]}, **options):
                        self.net()
                except SelectivityError:
                    return close(given, plain)
                return False
        finally:
            self.net.model.train()

    def units(self) -> int:
        """Units of all uses of all layers."""
        with torch.no_grad(), self.net.watched() as seen:
            self.net()
        return sum(activity.shape[1] for found in seen.values() for activity in found)


def measure(name: str) -> dict[str, Any]:
    """A row of the table."""
    case = CASES[name]
    trial = Trial(case)
    package = version(case.library).partition("+")[0]
    row: dict[str, Any] = {"model": name, "library": case.library, "version": package}
    row["layers"] = "named" if case.named else "all"
    try:
        row["found"] = len(unit_layers(trial.net.model, trial.options["layers"]))
    except SelectivityError:
        row["found"] = 0
    row |= {"known": len(trial.net.dims), "left_out": 0, "unit_dim": "told", "units": trial.units(), "note": ""}
    for step in (Trial.layers_ok, Trial.axis_ok, Trial.gradient_ok, Trial.table_ok, Trial.ablation_ok):
        row[step.__name__] = _worked(step, trial, row)
    row["left_out"] = trial.left_out
    row["note"] = row.pop("note")
    return row


def _worked(step: Callable[[Trial], bool], trial: Trial, row: dict[str, Any]) -> bool:
    for _ in range(2):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of what was left out: the table says it
                worked = step(trial)
            row["note"] = row["note"] or ("" if worked else f"{step.__name__}: another number")
            return worked
        except (SelectivityError, RuntimeError, ValueError, TypeError, LookupError, AttributeError) as error:
            said = " ".join(str(error).split())
            if isinstance(error, SelectivityError) and "unit_dim=" in said and "unit_dim" not in trial.options:
                trial.options["unit_dim"] = trial.net.dims
                row["unit_dim"] = "given"
                continue
            row["note"] = row["note"] or f"{step.__name__}: {type(error).__name__}: {said}"[:160]
            return False
    return False


def main(names: list[str]) -> None:
    """Measures all cases and writes the table, or prints the rows of some."""
    rows = []
    for name in names or CASES:
        rows.append(measure(name))
        print(*(f"{key}={value}" for key, value in rows[-1].items()), flush=True)
    if not names:
        pd.DataFrame(rows).to_csv(TABLE, index=False)


if __name__ == "__main__":
    main(sys.argv[1:])
