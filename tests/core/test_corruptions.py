"""Corruptions by hand on pictures of a few pixels, and what holds of all of them."""

import io

import numpy as np
import pytest
import torch
from PIL import Image

from selectivity_core import corrupt
from selectivity_core.corruptions import CORRUPTIONS, SEVERITIES, corruptions_for
from selectivity_core.errors import DataError, ParameterError

DRAWN = ("gaussian noise", "shot noise", "impulse noise", "motion blur", "fog")


def pictures(side, channels, samples=20):
    """Smooth random pictures, over the whole range."""
    coarse = torch.rand(samples, channels, 4, 4, generator=torch.Generator().manual_seed(side))
    fine = torch.nn.functional.interpolate(coarse, (side, side), mode="bicubic").clamp(0, 1)
    return (fine * 255).round().to(torch.uint8).permute(0, 2, 3, 1)


def flat(value, side=16, channels=1, samples=4):
    return torch.full((samples, side, side, channels), value, dtype=torch.uint8)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("side", [8, 32, 64])
def test_every_corruption_gives_images_alike_and_the_same_each_time(side, channels):
    images = pictures(side, channels, 6)
    before = images.clone()
    for name in corruptions_for(side):
        for severity in SEVERITIES:
            found = corrupt(images, name, severity)
            assert found.dtype == torch.uint8 and found.shape == images.shape
            assert torch.equal(found, corrupt(images, name, severity))
            assert not torch.equal(found, images)
    assert torch.equal(images, before)


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_a_seed_changes_what_is_drawn_and_nothing_else(name):
    images = pictures(32, 3)
    assert torch.equal(corrupt(images, name, 3, seed=1), corrupt(images, name, 3, seed=2)) == (name not in DRAWN)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("name", CORRUPTIONS)
def test_a_higher_severity_changes_more(name, channels):
    images = pictures(32, channels, 40)
    sizes = [float((corrupt(images, name, s).float() - images.float()).abs().mean()) for s in SEVERITIES]
    assert sizes == sorted(sizes)
    assert sizes[-1] > 1.2 * sizes[0] > 0


def test_small_images_do_without_what_makes_no_sense_on_them():
    assert set(CORRUPTIONS) - set(corruptions_for(8)) == {"motion blur", "pixelate"}
    assert len(corruptions_for(8)) == 8 and corruptions_for(16) == tuple(CORRUPTIONS)
    with pytest.raises(ParameterError, match="pixelate: images of 8 pixels given; 16 or more are needed"):
        corrupt(flat(9, 8), "pixelate", 1)


def test_gaussian_noise_has_the_published_deviation():
    for severity, deviation in zip(SEVERITIES, (0.04, 0.06, 0.08, 0.09, 0.10), strict=True):
        changes = corrupt(flat(128, 64, 3), "gaussian noise", severity).float() - 128
        assert float(changes.std()) == pytest.approx(255 * deviation, rel=0.02)
        assert float(changes.mean()) == pytest.approx(0, abs=0.5)


def test_shot_noise_counts_photons():
    """Of mean 0.5 · 50 at severity 5: the variance is the mean over the square of 50."""
    found = corrupt(flat(128, 64, 3), "shot noise", 5).float() / 255
    assert float(found.var()) == pytest.approx(0.5 / 50, rel=0.05)
    assert not corrupt(flat(0), "shot noise", 5).any()


def test_impulse_noise_is_black_or_white():
    found = corrupt(flat(100, 64, 3, 10), "impulse noise", 5)
    assert set(found.unique().tolist()) == {0, 100, 255}
    assert float((found != 100).float().mean()) == pytest.approx(0.07, rel=0.05)
    assert float((found == 0).sum() / (found == 255).sum()) == pytest.approx(1, rel=0.1)


def test_gaussian_blur_spreads_a_point_and_leaves_flat_images():
    point = flat(0)
    point[:, 8, 8] = 255
    found = corrupt(point, "gaussian blur", 5)[0, :, :, 0].float()
    weights = np.exp(-0.5 * np.arange(-4, 5) ** 2)
    expected = 255 * np.outer(weights, weights) / weights.sum() ** 2
    assert np.abs(found[4:13, 4:13].numpy() - expected).max() <= 0.5
    assert torch.equal(corrupt(flat(77), "gaussian blur", 5), flat(77))


def test_motion_blur_spreads_a_point_to_one_side_along_a_line():
    point = flat(0, 33, samples=50)
    point[:, 16, 16] = 255
    found = corrupt(point, "motion blur", 5)[..., 0].float()
    places = found.nonzero()
    across, down = 16 - places[:, 2], (16 - places[:, 1]).abs()
    assert (across >= 0).all() and (down <= across).all()  # within 45° of the horizontal
    assert found.sum((1, 2)).tolist() == pytest.approx([255] * 50, abs=4)
    weights = np.exp(-0.5 * (np.arange(19) / 2.5) ** 2)
    assert found[:, 16, 16].unique().tolist() == [round(255 * weights[0] / weights.sum())]


def test_fog_adds_a_field_and_keeps_the_brightest_value():
    images = pictures(32, 3)
    found = corrupt(images, "fog", 5).float()
    most = images.amax((1, 2, 3)).float()
    assert (found.amax((1, 2, 3)) <= most + 1).all()
    # On a flat image of brightness b: b²/(b + 1.5) where the field is 0, and b where it is 1.
    veiled = corrupt(flat(204, 32), "fog", 5).float().flatten(1) / 255
    assert veiled.amin(1).tolist() == pytest.approx([0.64 / 2.3] * 4, abs=0.003)
    assert veiled.amax(1).tolist() == pytest.approx([0.8] * 4, abs=0.003)
    assert not corrupt(flat(0, 32), "fog", 5).any()


def test_brightness_raises_the_largest_channel_and_keeps_hue_and_saturation():
    image = torch.tensor([[51, 102, 0], [0, 0, 0], [255, 51, 0], [204, 204, 204]], dtype=torch.uint8).view(1, 2, 2, 3)
    expected = [[89, 178, 0], [76, 76, 76], [255, 51, 0], [255, 255, 255]]  # by 0.3, which is 76.5
    assert (corrupt(image, "brightness", 5).view(4, 3).int() - torch.tensor(expected)).abs().max() <= 1
    assert corrupt(flat(100), "brightness", 2).unique().tolist() == [126]


def test_contrast_draws_values_to_the_channels_mean():
    image = torch.tensor([[0, 10], [100, 10], [0, 10], [100, 250]], dtype=torch.uint8).view(1, 2, 2, 2)
    image = torch.cat([image, image[..., :1]], 3)
    found = corrupt(image, "contrast", 5)  # means 50 and 70, what is left 0.15
    assert found[0, ..., 0].flatten().tolist() == [42, 58, 42, 58]
    assert found[0, ..., 1].flatten().tolist() == [61, 61, 61, 97]


@pytest.mark.parametrize("channels", [1, 3])
def test_pixelate_and_jpeg_are_pillows(channels):
    images = pictures(32, channels, 3)
    for k, image in enumerate(images):
        picture = Image.fromarray(image.numpy()[:, :, 0] if channels == 1 else image.numpy())
        small = picture.resize((20, 20), Image.Resampling.BOX).resize((32, 32), Image.Resampling.BOX)
        assert np.array_equal(corrupt(images, "pixelate", 5)[k].squeeze(2).numpy(), np.asarray(small))
        file = io.BytesIO()
        picture.save(file, "JPEG", quality=40)
        assert np.array_equal(corrupt(images, "jpeg", 5)[k].squeeze(2).numpy(), np.asarray(Image.open(file)))


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        ({"corruption": "gausian noise"}, ParameterError, "did you mean gaussian noise"),
        ({"severity": 0}, ParameterError, "severity: 0 given; 1 to 5 is allowed"),
        ({"severity": 2.5}, ParameterError, r"severity: 2\.5 given"),
        ({"images": flat(1).float()}, DataError, "float32 given"),
        ({"images": flat(1, channels=2)}, DataError, "1 or 3 channels is needed"),
        ({"images": flat(1)[0]}, DataError, r"\(16, 16, 1\)"),
        ({"images": flat(1)[:0]}, DataError, "images"),
    ],
)
def test_what_cannot_be_is_refused(given, error, message):
    with pytest.raises(error, match=message):
        corrupt(**{"images": flat(1), "corruption": "fog", "severity": 1} | given)
