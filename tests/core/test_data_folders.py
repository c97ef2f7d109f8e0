import fcntl
import hashlib
import os
import pickle
import shutil
import signal
import struct
import subprocess
import sys
import zlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from image_folders import TEST, TINY_CLASSES, TRAIN, make_cifar10, make_tiny_imagenet, pixels, save, shrink
from PIL import Image

from selectivity_core.data import data_root, dataset, download, load, sources
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
    assert (data.mean, data.std) == sources.IMAGENET
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
    return r"train: no folder for ship; one folder for each class is needed"


def mislabelled(folder: Path):
    (folder / "test/ship").rename(folder / "test/boat")
    return r"test: no folder for ship; no class is called boat; one folder"


def no_test(folder: Path):
    shutil.rmtree(folder / "test")
    return r"test: no folder for airplane, .*, truck; one folder"


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


def deep(folder: Path):
    Image.fromarray(np.full((32, 32), 40_000, dtype=np.uint16)).save(folder / "train/dog/0003.png")
    return r"train/dog/0003\.png: 16 bits a channel; save it with 8"


def png(path: Path, width: int, height: int, bits: int, pixels: bytes) -> None:
    """An RGB image of which only the header need be right."""
    header = struct.pack(">IIBBBBB", width, height, bits, 2, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(pixels)), (b"IEND", b"")]
    content = [struct.pack(">I", len(d)) + kind + d + struct.pack(">I", zlib.crc32(kind + d)) for kind, d in chunks]
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(content))


def deep_colours(folder: Path):
    """Pillow reads it, and keeps the upper half of each number."""
    png(folder / "train/dog/0003.png", 32, 32, 16, bytes(32 * (1 + 32 * 6)))
    return r"train/dog/0003\.png: 16 bits a channel; save it with 8"


def transparent(folder: Path):
    Image.new("RGBA", (32, 32), (1, 2, 3, 0)).save(folder / "train/dog/0003.png")
    return r"train/dog/0003\.png: partly transparent; save it without an alpha channel"


def of_another_format(folder: Path):
    Image.new("L", (32, 32)).save(folder / "train/dog/0003.png", format="GIF")
    return r"train/dog/0003\.png: not a readable image \(cannot identify"


def endless(folder: Path):
    (folder / "train/dog/0003.png").unlink()
    os.mkfifo(folder / "train/dog/0003.png")
    return r"train/dog/0003\.png: is no file"


def bomb(folder: Path):
    """Refused by its header: half a kilobyte of file, two gigabytes of pixels."""
    png(folder / "train/dog/0003.png", 40_000, 20_000, 8, bytes(99))
    return r"train/dog/0003\.png: not a readable image \(Image size \(800000000 pixels\) exceeds limit"


@pytest.mark.fault("image folders that are short, odd, damaged, of 16 bits, too large", "checked")
@pytest.mark.parametrize(
    "harm",
    [
        short,
        long,
        missing_class,
        mislabelled,
        no_test,
        truncated,
        empty,
        garbage,
        wrong_size,
        deep,
        deep_colours,
        transparent,
        of_another_format,
        endless,
        bomb,
    ],
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
    with pytest.raises(DataError, match=r"data set: 'cifar11' given; one of digits, .* did you mean cifar10\?"):
        load("cifar11")


def test_what_notebooks_and_macs_leave_beside_images_is_left_out(cifar10):
    first = load("cifar10", cifar10)
    for part in ("train", "test"):
        for name in (".ipynb_checkpoints", "__MACOSX", ".git"):
            (cifar10 / "cifar10" / part / name).mkdir()
        (cifar10 / "cifar10" / part / ".DS_Store").write_bytes(b"x")
        (cifar10 / "cifar10" / part / "cat" / "._0000.png").write_bytes(b"Mac")
    dataset._load.cache_clear()
    assert load("cifar10", cifar10).digest == first.digest


@pytest.mark.fault("decoded images damaged in the cache", "named")
def test_decoded_images_are_kept_and_checked(cifar10, cache, monkeypatch):
    first = load("cifar10", cifar10)
    kept = sorted(cache.iterdir())
    assert [p.suffix for p in kept] == [".npy", ".npy"]
    decoded, real = [], sources._decode_one

    def counted(images, position, path):
        decoded.append(path)
        real(images, position, path)

    monkeypatch.setattr(sources, "_decode_one", counted)
    dataset._load.cache_clear()
    assert load("cifar10", cifar10).digest == first.digest
    assert not decoded
    whole = kept[0].read_bytes()
    size = whole[-33:]
    for damage in (whole[:-33] + bytes([size[0] ^ 1]) + size[1:], whole[:50], b"", whole[:-1], bytes(len(whole))):
        kept[0].write_bytes(damage)
        decoded.clear()
        dataset._load.cache_clear()
        assert load("cifar10", cifar10).digest == first.digest
        assert decoded
        assert kept[0].read_bytes() == whole


@pytest.mark.fault("another folder with equal names, sizes and times", "unmixed")
def test_another_folder_with_equal_names_sizes_and_times_is_another(cifar10, tmp_path):
    first, path = load("cifar10", cifar10), "cifar10/train/cat/0000.png"
    shutil.copytree(cifar10 / "cifar10", tmp_path / "b" / "cifar10")
    content, times = (cifar10 / path).read_bytes(), (cifar10 / path).stat()
    save(tmp_path / "b" / path, 32, 4321)  # noise does not compress: the file is as long
    size = len((tmp_path / "b" / path).read_bytes())
    assert size == len(content)
    for file in (tmp_path / "b").rglob("*.png"):
        times = (cifar10 / file.relative_to(tmp_path / "b")).stat()
        os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert load("cifar10", tmp_path / "b").digest != first.digest
    (tmp_path / "b" / path).write_bytes(content)  # in place: only the time of change says so
    times = (cifar10 / path).stat()
    os.utime(tmp_path / "b" / path, ns=(times.st_atime_ns, times.st_mtime_ns))
    dataset._load.cache_clear()
    assert load("cifar10", tmp_path / "b").digest == first.digest


KILLED = """
import os, signal, sys
import numpy as np
from pathlib import Path
from selectivity_core.data import sources
real = np.save
def half(file, array):
    file.write(b"half")
    file.flush()
    os.kill(os.getpid(), signal.SIGKILL)
np.save = half
import torch
sources._write_cache(Path(sys.argv[1]) / "x.npy", torch.zeros(4, dtype=torch.uint8))
"""


@pytest.mark.fault("a decoding killed", "whole")
def test_what_a_killed_decode_left_is_removed_and_what_a_living_one_writes_is_not(cifar10, cache):
    done = subprocess.run([sys.executable, "-c", KILLED, str(cache)], check=False)
    assert done.returncode == -signal.SIGKILL
    (left,) = cache.glob("*.part")
    with (cache / "living.1.part").open("wb") as living:
        fcntl.flock(living, fcntl.LOCK_EX)
        load("cifar10", cifar10)
        assert not left.exists()
        assert (cache / "living.1.part").exists()


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


@pytest.mark.fault("a made-up copy in torchvision's layout", "checked")
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


@pytest.mark.fault("copies of Tiny ImageNet that are short or mislabelled", "checked")
@pytest.mark.parametrize(
    ("harm", "words"),
    [
        (lambda f: (f / "val/val_annotations.txt").unlink(), r"val_annotations\.txt is missing; `selectivity data get"),
        (lambda f: (f / "wnids.txt").unlink(), r"wnids\.txt is missing"),
        (lambda f: shutil.rmtree(f / "val/images"), r"val/images is missing"),
        (
            lambda f: shutil.rmtree(f / "train/n02"),
            r"train/n02/images: no such folder; .*unpacks it again",
        ),
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


def archive(root: Path) -> None:
    """The zip of a data set, as it was downloaded."""
    shutil.make_archive(str(root / "tiny-imagenet-200"), "zip", root, "tiny-imagenet-200")


def test_getting_tiny_imagenet_again_mends_an_unpacking_that_broke_off(tiny_imagenet, monkeypatch):
    whole, folder = load("tiny-imagenet", tiny_imagenet).digest, tiny_imagenet / "tiny-imagenet-200"
    archive(tiny_imagenet)
    content = (tiny_imagenet / "tiny-imagenet-200.zip").read_bytes()
    monkeypatch.setattr(sources, "TINY_IMAGENET_MD5", hashlib.md5(content).hexdigest())
    shutil.rmtree(folder / "val")
    (folder / "train/n03/images/n03_5.png").write_bytes(b"half")
    dataset._load.cache_clear()
    with pytest.raises(DataError, match="unpacks it again"):
        load("tiny-imagenet", tiny_imagenet)
    download("tiny-imagenet", tiny_imagenet)
    assert load("tiny-imagenet", tiny_imagenet).digest == whole


def test_getting_data_that_are_there_needs_no_connection(cifar10, monkeypatch):
    monkeypatch.setattr(sources, "torchvision", None)
    download("cifar10", cifar10)
    download("digits", cifar10 / "nowhere")
    with pytest.raises(DataError, match=r"data set: 'cifar' given; .*; did you mean cifar10\?"):
        download("cifar", cifar10)


def test_a_data_set_without_a_download_is_refused_by_name(cifar10, monkeypatch):
    shutil.rmtree(cifar10 / "cifar10")
    monkeypatch.delitem(sources.DOWNLOADS, "cifar10")
    with pytest.raises(DataError, match="cifar10: there is no download of it; those of mnist, fashion-mnist, tiny"):
        download("cifar10", cifar10)


def test_colours_without_constants_are_normalised_by_their_own(cifar10, monkeypatch):
    monkeypatch.setitem(sources.DATASETS, "cifar10", replace(sources.DATASETS["cifar10"], normalisation=None))
    data = load("cifar10", cifar10)
    own = data.images.double() / 255
    np.testing.assert_allclose(data.mean, own.mean((0, 1, 2)), rtol=1e-5)
    np.testing.assert_allclose(data.std, own.std((0, 1, 2)), rtol=1e-5)


def test_data_that_cannot_be_downloaded_are_one_line(tmp_path, monkeypatch):
    class Offline:
        def __getattr__(self, _):
            raise OSError("no route")

    monkeypatch.setattr(sources, "torchvision", Offline)
    with pytest.raises(DataError, match=r"cifar10: cannot be downloaded into .* \(no route\)"):
        download("cifar10", tmp_path)


def test_data_root(monkeypatch, tmp_path):
    monkeypatch.setenv("SELECTIVITY_DATA", "~/here")
    assert data_root() == Path.home() / "here"
    assert data_root(tmp_path) == tmp_path
    monkeypatch.delenv("SELECTIVITY_DATA")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert data_root() == tmp_path / "selectivity" / "data"
    assert sources.CIFAR10_CLASSES[0] == "airplane"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.delenv("SELECTIVITY_CACHE")

    def homeless(self):
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "expanduser", homeless)
    for ask in (data_root, sources.cache_folder, lambda: data_root("~nobody/data")):
        with pytest.raises(DataError, match="no home folder"):
            ask()
