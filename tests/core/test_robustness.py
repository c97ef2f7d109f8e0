"""Attacks on networks whose gradients are known, and against a library; dimensions of point clouds that are known."""

from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from selectivity_core import build_model, dimensionality, fgsm, pgd
from selectivity_core.errors import ActivityError, ParameterError

MEAN, STD = (0.5, 0.4, 0.3), (0.2, 0.3, 0.25)
Y = torch.arange(12) % 4


def images(channels=3, seed=0):
    return torch.rand(12, channels, 8, 8, generator=torch.Generator().manual_seed(seed))


@pytest.fixture
def network():
    torch.manual_seed(0)
    model = build_model("resnet20", channels=3, image_size=8, classes=4, width=4)
    with torch.no_grad():
        for _ in range(3):
            model(images() * 4 - 2)  # for batch norm
    return model.eval()


def linear(weights):
    """Two classes whose logits differ by the sum of weights times pixels."""
    model = nn.Sequential(nn.Flatten(), nn.Linear(weights.numel(), 2, bias=False))
    model[1].weight.data = torch.stack([weights.flatten() / 2, -weights.flatten() / 2])
    return model


def test_of_a_linear_classifier_by_hand():
    """The margin m of class 0 falls by eps Σ|w|/std, so that the loss rises to log(1 + exp(eps Σ|w|/std − m))."""
    weights = torch.tensor([[[1.0, -2.0], [0.0, 3.0]], [[-1.0, 1.0], [2.0, 0.5]]])  # 2 channels of 2x2
    mean, std = (0.5, 0.25), (0.5, 0.25)
    clean = torch.full((2, 2, 2, 2), 0.5)
    # Normalised: 0 in the first channel, 1 in the second; m = −1 + 1 + 2 + 0.5 = 2.5; Σ|w|/std = 6/0.5 + 4.5/0.25 = 30.
    model, labels, eps = linear(weights), torch.tensor([0, 1]), 0.05
    found = fgsm(model, clean, labels, eps, mean=mean, std=std)
    assert torch.equal(found[0], 0.5 - eps * weights.sign()) and torch.equal(found[1], 0.5 + eps * weights.sign())
    centre, scale = (torch.tensor(v)[:, None, None] for v in (mean, std))
    losses = F.cross_entropy(model((found - centre) / scale), labels, reduction="none")
    margin, fall = 2.5, 30 * eps
    assert losses.tolist() == pytest.approx([np.log1p(np.exp(fall - margin)), np.log1p(np.exp(fall + margin))])
    # Its gradient has the same sign everywhere, so that many small steps end where one large one does.
    start = torch.Generator().manual_seed(0)
    many = pgd(model, clean, labels, eps, steps=40, generator=start, mean=mean, std=std)
    pixels = weights != 0
    assert torch.allclose(many[:, pixels], found[:, pixels])
    assert (many[:, ~pixels] - 0.5).abs().max() <= eps  # where no pixel matters the start is left


def test_images_stay_in_the_ball_and_in_range(network):
    clean = images().round(decimals=1)  # some pixels at the ends of the range
    for eps in (0.0, 0.03, 2.0):
        for found in (fgsm(network, clean, Y, eps), pgd(network, clean, Y, eps, steps=3, step=0.5)):
            assert found.min() >= 0 and found.max() <= 1
            assert (found - clean).abs().max() <= eps + 1e-6
            assert eps or torch.equal(found, clean)


def test_attacks_raise_the_loss_and_more_steps_more_so(network):
    def loss(changed):
        return F.cross_entropy(network((changed - 0.5) / 0.25), Y).item()

    clean, scaling = images(), {"mean": [0.5], "std": [0.25]}
    one = loss(fgsm(network, clean, Y, 0.02, **scaling))
    many = loss(pgd(network, clean, Y, 0.02, steps=20, generator=torch.Generator().manual_seed(1), **scaling))
    assert loss(clean) < one < many


def test_nothing_of_the_model_or_the_images_changes(network):
    clean = images()
    before, state = clean.clone(), {k: v.clone() for k, v in network.state_dict().items()}
    network.train()
    network.stage1.eval()
    modes = [m.training for m in network.modules()]
    with torch.no_grad():
        first = pgd(network, clean, Y, 0.02, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
        again = pgd(network, clean.clone(), Y, 0.02, generator=torch.Generator().manual_seed(0))
    assert torch.equal(first, again)
    assert not first.requires_grad and not first.is_inference() and not again.requires_grad
    assert all(p.grad is None for p in network.parameters())
    assert [m.training for m in network.modules()] == modes
    assert torch.equal(clean, before)
    assert all(torch.equal(v, state[k]) for k, v in network.state_dict().items())


def test_batches_do_not_show(network, monkeypatch):
    def attack():
        return pgd(network, images(), Y, 0.02, steps=2, generator=torch.Generator().manual_seed(0))

    whole = attack()
    monkeypatch.setattr("selectivity_core.robustness.BATCH", 5)
    assert float((attack() == whole).float().mean()) > 0.99  # rounding may turn the sign of a slope of nearly 0


def waves(*shape):
    """float64 numbers between −1 and 1 that every machine makes alike."""
    return torch.sin(1.7 * torch.arange(1, 1 + int(np.prod(shape)), dtype=torch.float64)).reshape(shape)


def test_against_torchattacks():
    """Pixel for pixel what torchattacks 3.5.1 does to images of this network, normalised within it.

    It cannot be installed beside Jupyter (it asks for requests 2.25), so its answers are kept: torchattacks.csv has the
    changes of the pixels by FGSM(eps=0.1) and PGD(eps=0.1, alpha=0.025, steps=7, random_start=False).
    """
    network = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.Tanh(), nn.Flatten(), nn.Linear(100, 4)).double()
    for parameter in network.parameters():
        parameter.data = 0.4 * waves(*parameter.shape)
    clean, labels, scaling = 0.5 + 0.5 * waves(4, 3, 5, 5), torch.arange(4), {"mean": MEAN, "std": STD}
    found = {
        "fgsm": fgsm(network, clean, labels, 0.1, **scaling),
        "pgd": pgd(network, clean, labels, 0.1, steps=7, step=0.025, random_start=False, **scaling),
    }
    for line in Path(__file__).with_name("torchattacks.csv").read_text().splitlines():
        name, *changes = line.split(",")
        theirs = torch.tensor([float(change) for change in changes], dtype=torch.float64).view_as(clean)
        assert theirs.abs().max() == pytest.approx(0.1)
        torch.testing.assert_close(found.pop(name) - clean, theirs, rtol=0, atol=1e-6)
    assert not found


def test_a_random_start_is_drawn_in_the_ball(network):
    """With steps of no length what is left is the start: uniform in the ball of radius ε, as torchattacks draws it."""
    clean = 0.3 + 0.4 * images()
    found = pgd(network, clean, Y, 0.1, steps=1, step=0.0, generator=torch.Generator().manual_seed(3)) - clean
    drawn = torch.empty_like(clean).uniform_(-0.1, 0.1, generator=torch.Generator().manual_seed(3))
    torch.testing.assert_close(found, drawn, rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        ({"eps": -0.1}, ParameterError, "eps: -0.1 given"),
        ({"eps": float("nan")}, ParameterError, "eps: nan given"),
        ({"step": float("inf")}, ParameterError, "step: inf given"),
        ({"steps": 0}, ParameterError, "steps: 0 given"),
        ({"images": images() * 3}, ActivityError, r"\[0, 1\] is allowed"),
        ({"images": (images() * 255).to(torch.uint8)}, ActivityError, "uint8 given"),
        ({"labels": Y[:5]}, ActivityError, r"labels: shape \(5,\) given for 12 images"),
        ({"labels": Y - 1}, ActivityError, "labels: -1 given"),
        ({"model": nn.Conv2d(3, 4, 3)}, ActivityError, r"output is not \(samples, classes\)"),
    ],
)
def test_what_cannot_be_is_refused(network, given, error, message):
    with pytest.raises(error, match=message):
        pgd(**{"model": network, "images": images(), "labels": Y, "eps": 0.1} | given)


def test_dimensions_of_known_clouds():
    draw = np.random.default_rng(0)
    axes = np.linalg.qr(draw.normal(size=(20, 20)))[0]
    # Orthogonal columns of zero mean whose variances are in proportion 90 : 6 : 3 : 1.
    scores = np.linalg.qr(np.column_stack([np.ones(100), draw.normal(size=(100, 4))]))[0][:, 1:]
    cloud = scores * np.sqrt([90, 6, 3, 1]) @ axes[:4] + 7
    assert [dimensionality(cloud, share) for share in (0.5, 0.89, 0.95, 0.98, 0.995, 1)] == [1, 1, 2, 3, 4, 4]
    assert dimensionality(torch.from_numpy(cloud)) == 2
    assert dimensionality(scores) == 4  # each as large as the others: 95 % needs all of them
    assert dimensionality(np.full((5, 3), 0.1)) == 0
    assert dimensionality(np.zeros((5, 3))) == 0


@pytest.mark.parametrize("given", [np.zeros(5), np.zeros((1, 5)), np.full((3, 2), np.nan)])
def test_what_has_no_dimensions_is_refused(given):
    with pytest.raises(ActivityError, match="activity"):
        dimensionality(given)
    with pytest.raises(ParameterError, match="explained"):
        dimensionality(np.zeros((3, 2)), 0)
