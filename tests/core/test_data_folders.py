import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from image_folders import TEST, TINY_CLASSES, TRAIN, make_cifar10, make_tiny_imagenet, pixels, save, shrink

from selectivity_core.data import data_root, dataset, load, sources
from selectivity_core.errors import DataError


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("SELECTIVITY_CACHE", str(tmp_path / "cache"))
    dataset._load.cache_clear()
    yield tmp_path / "cache" / "decoded"
    dataset._load.cache_clear()


@pytest.fixture
def cifar10(tmp_path, monkeypatch):
    shrink(monkeypatch, "cifar10", 10, 10)
    make_cifar10(tmp_path)
    return tmp_path


@pytest.fixture
def tiny_imagenet(tmp_path, monkeypatch):
    shrink(monkeypatch, "tiny-imagenet", 3, 3)
    make_tiny_imagenet(tmp_path)
    return tmp_path


def test_class_folders(cifar10):
    data = load("cifar10", cifar10)
    assert data.images.shape == (60, 32, 32, 3)
    assert data.images.dtype == torch.uint8
    assert torch.equal(data.labels, torch.arange(10).repeat_interleave(TRAIN))
    assert torch.equal(data.test_labels, torch.arange(10).repeat_interleave(TEST))
    np.testing.assert_array_equal(data.images[TRAIN * 3 + 2], pixels(32, 302))
    np.testing.assert_array_equal(data.test_images[TEST * 9 + 1], pixels(32, 951))
    assert data.classes[3] == "cat"
    assert data.source == "CIFAR-10 (class folders)"
    assert (data.mean, data.std) == dataset.IMAGENET
    assert data.image_size == 32
    assert data.channels == 3


def test_jpeg_copies_say_so(cifar10):
    for path in list((cifar10 / "cifar10").rglob("*.png")):
        save(path.with_suffix(".jpg"), 32, 0)
        path.unlink()
    assert load("cifar10", cifar10).source == "CIFAR-10 (JPEG copy)"


def test_grey_files_are_repeated_over_three_channels(cifar10):
    save(cifar10 / "cifar10/train/bird/0001.png", 32, 5, channels=1)
    grey = load("cifar10", cifar10).images[TRAIN * 2 + 1]
    np.testing.assert_array_equal(grey, np.repeat(pixels(32, 5, 1)[..., None], 3, -1))


def short(folder: Path):
    (folder / "train/cat/0000.png").unlink()
    return r"train/cat: 5 images found; 6 are needed"


def long(folder: Path):
    save(folder / "test/cat/0009.png", 32, 0)
    return r"test/cat: 3 images found; 2 are needed"


def missing_class(folder: Path):
    shutil.rmtree(folder / "train/ship")
    return r"train: class folders .*'horse', 'truck'\] found; airplane, .* are needed"


def mislabelled(folder: Path):
    (folder / "test/ship").rename(folder / "test/boat")
    return r"test: class folders .*'boat'.* found"


def no_test(folder: Path):
    shutil.rmtree(folder / "test")
    return "test: class folders none found"


def truncated(folder: Path):
    path = folder / "train/dog/0003.png"
    path.write_bytes(path.read_bytes()[:-700])
    return r"train/dog/0003\.png: not a readable image"


def empty(folder: Path):
    (folder / "train/dog/0003.png").write_bytes(b"")
    return r"train/dog/0003\.png: not a readable image"


def garbage(folder: Path):
    path = folder / "train/dog/0003.png"
    content = bytearray(path.read_bytes())
    content[60:400] = bytes(340)
    path.write_bytes(content)
    return r"train/dog/0003\.png: not a readable image"


def wrong_size(folder: Path):
    save(folder / "train/dog/0003.png", 31, 0)
    return r"train/dog/0003\.png: \(31, 31, 3\) pixels found; \(32, 32, 3\) are needed"


@pytest.mark.parametrize(
    "harm", [short, long, missing_class, mislabelled, no_test, truncated, empty, garbage, wrong_size]
)
def test_bad_class_folders_are_refused_in_one_line(cifar10, cache, harm):
    words = harm(cifar10 / "cifar10")
    with pytest.raises(DataError, match=words) as raised:
        load("cifar10", cifar10)
    assert "\n" not in str(raised.value)
    assert not list(cache.glob("*.part"))


def test_missing_data_name_the_remedy(tmp_path):
    with pytest.raises(DataError, match=r"cifar10: no images under .*selectivity data get cifar10.*SELECTIVITY_DATA"):
        load("cifar10", tmp_path)
    with pytest.raises(DataError, match="data set 'cifar11': not known; one of digits, "):
        load("cifar11")


def test_decoded_images_are_kept_and_checked(cifar10, cache, monkeypatch):
    first = load("cifar10", cifar10)
    kept = sorted(cache.iterdir())
    assert len(kept) == 2
    assert not [p for p in kept if p.suffix != ".safetensors"]

    def never(*_args):
        raise AssertionError("decoded although a cache was there")

    dataset._load.cache_clear()
    with monkeypatch.context() as patch:
        patch.setattr(sources, "_decode_one", never)
        assert load("cifar10", cifar10).digest == first.digest
        dataset._load.cache_clear()
        content = bytearray(kept[0].read_bytes())
        content[-1] ^= 1  # a pixel
        kept[0].write_bytes(content)
        with pytest.raises(AssertionError):
            load("cifar10", cifar10)
    for damage in (bytes(content), bytes(content[:50]), b""):
        kept[0].write_bytes(damage)
        dataset._load.cache_clear()
        assert load("cifar10", cifar10).digest == first.digest


def test_a_changed_file_is_decoded_anew(cifar10):
    first = load("cifar10", cifar10)
    save(cifar10 / "cifar10/train/cat/0000.png", 32, 12345)
    dataset._load.cache_clear()
    second = load("cifar10", cifar10)
    assert second.digest != first.digest
    np.testing.assert_array_equal(second.images[TRAIN * 3], pixels(32, 12345))


def test_a_cache_that_cannot_be_kept_costs_nothing_but_time(cifar10, monkeypatch, capsys):
    (cifar10 / "file").write_text("")
    monkeypatch.setenv("SELECTIVITY_CACHE", str(cifar10 / "file"))
    assert len(load("cifar10", cifar10).images) == 60
    assert "decoded images could not be kept" in capsys.readouterr().err


def test_a_made_up_torchvision_copy_fails_its_checksum(tmp_path):
    folder = tmp_path / "cifar-10-batches-py"
    folder.mkdir()
    for name in [*(f"data_batch_{k}" for k in range(1, 6)), "test_batch", "batches.meta"]:
        content = {b"data": pixels(32, 0).transpose(2, 0, 1).reshape(1, -1), b"labels": [0]}
        (folder / name).write_bytes(pickle.dumps(content))
    with pytest.raises(
        DataError, match=r"CIFAR10: the files under .* missing or damaged \(.*selectivity data get"
    ) as e:
        load("cifar10", tmp_path)
    assert "\n" not in str(e.value)


def test_tiny_imagenets_flat_validation_folder(tiny_imagenet):
    data = load("tiny-imagenet", tiny_imagenet)
    assert data.classes == ("n01", "n02", "n03")
    assert torch.equal(data.labels, torch.arange(3).repeat_interleave(TRAIN))
    # file k is of class TINY_CLASSES[k % 3] = n03, n01, n02; labels count the sorted names
    assert data.test_labels.tolist() == [2, 0, 1, 2, 0, 1]
    np.testing.assert_array_equal(data.test_images[4], pixels(64, 1004))
    np.testing.assert_array_equal(data.test_images[0, ..., 2], pixels(64, 1000, 1))


@pytest.mark.parametrize(
    ("harm", "words"),
    [
        (lambda f: (f / "val/val_annotations.txt").unlink(), r"val_annotations\.txt is missing; run `selectivity"),
        (lambda f: (f / "wnids.txt").unlink(), r"wnids\.txt is missing"),
        (lambda f: shutil.rmtree(f / "val/images"), r"val/images is missing"),
        (lambda f: shutil.rmtree(f / "train/n02"), r"train/n02/images: no such folder; 6 images are needed"),
        (lambda f: (f / "val/images/val_3.png").unlink(), r"val_3\.png: cannot be read \(No such file"),
        (lambda f: edit(f, lambda t: t.replace("n02", "n99", 1)), r"val_annotations\.txt line 3 names no known class"),
        (lambda f: edit(f, lambda t: t.replace("\t", " ")), r"val_annotations\.txt line 1 names no known class"),
        (lambda f: edit(f, lambda t: t.replace("n02", "n01")), r"test images .*classes \[1\] have no images"),
        (lambda f: edit(f, lambda t: t.replace("n02", "n01", 1)), r"test images .*: 1 to 3 images a class found; 2 of"),
        (lambda f: edit(f, lambda t: t[: t.rindex("val_5")]), "5 images and 5 labels found; 6 are needed"),
    ],
)
def test_bad_tiny_imagenet_is_refused(tiny_imagenet, harm, words):
    harm(tiny_imagenet / "tiny-imagenet-200")
    with pytest.raises(DataError, match=words):
        load("tiny-imagenet", tiny_imagenet)
    assert len(TINY_CLASSES) == 3


def edit(folder: Path, change) -> None:
    path = folder / "val/val_annotations.txt"
    path.write_text(change(path.read_text()))


def test_data_root(monkeypatch, tmp_path):
    monkeypatch.setenv("SELECTIVITY_DATA", "~/here")
    assert data_root() == Path.home() / "here"
    assert data_root(tmp_path) == tmp_path
    monkeypatch.delenv("SELECTIVITY_DATA")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert data_root() == tmp_path / "selectivity" / "data"
    assert sources.CIFAR10_CLASSES[0] == "airplane"
