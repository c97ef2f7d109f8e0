"""What dimensions hold, followed through operations whose result is plain to see."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from selectivity_core.axes import Axes, reshaped

WEIGHT = torch.ones(6, 8)


class Attention(nn.Module):
    def __init__(self, heads=2, width=8):
        super().__init__()
        self.heads, self.qkv = heads, nn.Linear(width, 3 * width)

    def forward(self, x):
        q, k, v = self.qkv(x).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4).unbind(0)
        weights = (q @ k.transpose(-2, -1)).softmax(-1)
        return (weights @ v).transpose(1, 2).flatten(2)


def maps(n=4):
    return F.conv2d(torch.randn(n, 3, 5, 7), torch.randn(6, 3, 1, 1))


def tokens(n=4):
    return F.linear(torch.randn(n, 5, 3), torch.randn(8, 3))


def windows(x):  # as Swin does it
    n, h, w, c = x.shape
    cut = x.view(n, h // 2, 2, w // 2, 2, c).transpose(2, 3).reshape(-1, 4, c)
    whole = F.linear(cut, torch.eye(c)).view(n, h // 2, w // 2, 2, 2, c).transpose(2, 3).reshape(n, h, w, c)
    return F.gelu(whole)


@pytest.mark.parametrize("n", [4, 1])  # a single sample must not be taken for a position
@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (maps, "supp"),
        (lambda n: F.conv1d(torch.randn(n, 3, 9), torch.randn(6, 3, 2)), "sup"),
        (lambda n: F.conv_transpose3d(torch.randn(n, 3, 4, 4, 4), torch.randn(3, 6, 2, 2, 2)), "suppp"),
        (lambda n: nn.BatchNorm1d(5)(torch.randn(n, 5, 9)), "sup"),
        (tokens, "spu"),
        (lambda n: nn.Embedding(9, 4)(torch.arange(n * 3).view(n, 3) % 9), "spu"),
        (lambda n: nn.LSTM(8, 4, batch_first=True)(tokens(n))[0], "spu"),
        (lambda n: nn.LSTM(8, 4)(tokens(n).transpose(0, 1))[0], "psu"),
        (lambda n: nn.GRU(8, 4)(tokens(n).transpose(0, 1))[0][-1], "su"),
        (lambda n: nn.MultiheadAttention(8, 2, batch_first=True)(*[tokens(n)] * 3)[0], "spu"),
        (lambda n: Attention()(tokens(n)), "spu"),
        (lambda n: maps(n).permute(0, 2, 3, 1), "sppu"),
        (lambda n: F.layer_norm(maps(n).movedim(1, -1), (6,)).movedim(-1, 1), "supp"),
        (lambda n: maps(n).flatten(2).mT, "spu"),
        (lambda n: maps(n).flatten(2).transpose(1, 2)[:, 0], "su"),
        (lambda n: maps(n).mean((2, 3), keepdim=True).sigmoid() * maps(n), "supp"),
        (lambda n: maps(n).view(n, 2, 3, 5, 7).transpose(1, 2).reshape(n, 6, 5, 7), "supp"),  # ShuffleNet
        (lambda n: torch.cat([maps(n), maps(n)], 1).chunk(2, 1)[1], "supp"),
        (lambda n: torch.cat([torch.zeros(n, 1, 8), tokens(n)], 1) + torch.zeros(1, 6, 8), "spu"),
        (lambda n: torch.addmm(torch.zeros(8), tokens(n).view(-1, 8), torch.eye(8)).view(n, 5, 8), "spu"),  # GPT-2
        (lambda n: tokens(n) @ WEIGHT.T, "spu"),
        (lambda n: tokens(n) * torch.rsqrt(tokens(n).pow(2).mean(-1, keepdim=True)), "spu"),
        (lambda n: F.linear(tokens(n).mT, torch.ones(4, 5)), "spu"),  # MLP-Mixer: a linear layer has units of its own
        (lambda n: windows(maps(n)[..., :4, :4].permute(0, 2, 3, 1)), "sppu"),
        (lambda n: F.max_pool2d(F.pad(F.interpolate(maps(n), scale_factor=2), (1, 1)), 2), "supp"),
        (lambda n: maps(n)[..., None, :], "suppp"),
        (lambda n: torch.stack([maps(n), maps(n)], 1).sum(1), "supp"),
        (lambda n: torch.ones(6) + maps(n).movedim(1, -1).add_(1), "sppu"),
        (lambda n: nn.LayerNorm([6, 5, 7])(maps(n)), "supp"),
    ],
)  # fmt: skip
def test_dimensions_are_followed(make, expected, n):
    with Axes() as axes:
        found = make(n)
        assert axes.of(found) == expected
        assert len(expected) == found.ndim


@pytest.mark.parametrize(
    "make",
    [
        lambda: torch.einsum("ncij->nijc", maps()),
        lambda: maps().flatten(1).view(4, 7, 5, 6),
        lambda: maps()[:, torch.tensor([0, 1])],
        lambda: F.unfold(maps(), 2),
        lambda: maps() @ torch.ones(7, 7),  # a graph's adjacency mixes positions
        lambda: torch.ones(4, 5, 3) @ torch.ones(3, 3),
        lambda: torch.ones(4, 5, 6),
        lambda: maps()[:, :5, :, :5] + maps()[:, :5, :, :5].transpose(1, 2),
    ],
)
def test_what_has_no_rule_is_not_guessed(make):
    with Axes() as axes:
        known = axes.of(make())
    assert known is None or known.count("u") != 1


def test_operations_in_place_change_what_is_known():
    with Axes() as axes:
        x = tokens()
        assert axes.of(x.transpose_(1, 2)) == axes.of(x) == "sup"
        assert axes.of(x[:, :1].squeeze_(1)) is None


@pytest.mark.parametrize(
    ("known", "before", "after", "expected"),
    [
        ("spu", (4, 5, 6), (20, 6), "ru"), ("ru", (20, 6), (4, 5, 6), "spu"),
        ("spu", (1, 5, 6), (5, 6), "ru"), ("ru", (5, 6), (1, 5, 6), "spu"),
        ("supp", (2, 3, 1, 1), (2, 3), "su"), ("supp", (1, 3, 4, 4), (1, 48), "sx"),
        ("spu", (2, 5, 8), (2, 5, 2, 4), "spuu"), ("spuu", (2, 5, 2, 4), (2, 5, 8), "spu"),
        ("su", (4, 6), (4, 6, 1, 1), "supp"), ("supp", (2, 6, 3, 3), (6, 2, 3, 3), "xxpp"),
    ],
)  # fmt: skip
def test_reshaping(known, before, after, expected):
    assert reshaped(known, before, after) == expected


def test_calls_of_activation_functions_are_collected_with_their_module():
    class Block(nn.Module):
        def forward(self, x):
            return F.relu(x).sigmoid().softmax(-1)

    block = Block()
    with Axes() as axes:
        axes.collected = True
        block(tokens())
        torch.tanh(tokens())
    assert [(call.function, call.module) for call in axes.calls] == [
        ("relu", block), ("sigmoid", block), ("tanh", None),
    ]  # fmt: skip
