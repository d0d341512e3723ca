"""CIFAR-10 and MNIST: files of the official formats, damaged ones, and downloads from a loopback server."""

import functools
import gzip
import hashlib
import http.server
import io
import struct
import tarfile
import threading

import numpy as np
import pytest
import torch

from landscape_widgets import zoo
from landscape_widgets.errors import InputError
from landscape_widgets.zoo.cifar import RECORD, SUBFOLDER, TEST_FILES, TRAIN_FILES, unpack_cifar10
from landscape_widgets.zoo.mnist import read_idx


def md5(path):
    return hashlib.md5(path.read_bytes()).hexdigest()


def cifar_record(label, first):
    return bytes([label, first]) + bytes(3071)


def cifar_files():
    files = {name: cifar_record(number, 51 * number) * 2 for number, name in enumerate(TRAIN_FILES)}
    return files | {TEST_FILES[0]: cifar_record(9, 255)}


def write_cifar(folder):
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in cifar_files().items():
        (folder / name).write_bytes(content)


def write_tar(path, files):
    with tarfile.open(path, "w:gz") as tar:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return path


def idx(array):
    return struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape) + array.tobytes()


def write_mnist(folder, packed=True):
    images = np.arange(4 * 784, dtype=np.uint32).astype(np.uint8).reshape(4, 28, 28)
    labels = np.array([3, 1, 4, 9], dtype=np.uint8)
    for part in ("train", "t10k"):
        for name, array in ((f"{part}-images-idx3-ubyte", images), (f"{part}-labels-idx1-ubyte", labels)):
            target = folder / (name + (".gz" if packed else ""))
            target.write_bytes(gzip.compress(idx(array)) if packed else idx(array))
    return images, labels


@pytest.fixture
def served(tmp_path):
    """A folder, and the address under which a server on loopback gives its files."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *arguments):
            pass

    folder = tmp_path / "served"
    folder.mkdir()
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield folder, f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.mark.parametrize("subfolder", ["", SUBFOLDER])
def test_reads_cifar_records(tmp_path, subfolder):
    write_cifar(tmp_path / subfolder)
    inputs, targets = zoo.cifar10(tmp_path)
    assert inputs.shape == (10, 3, 32, 32)
    assert inputs.dtype == torch.float32
    assert targets.tolist() == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4]
    assert torch.allclose(inputs[:, 0, 0, 0], targets * 0.2)
    assert inputs[:, 1:].abs().max() == 0
    inputs, targets = zoo.cifar10(tmp_path, train=False, dtype=torch.float64)
    assert (inputs[0, 0, 0, 0].item(), targets.tolist()) == (1.0, [9])


def test_cifar_planes_are_red_green_blue_row_by_row(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (3, 32, 32), dtype=np.uint8)
    (tmp_path / TEST_FILES[0]).write_bytes(bytes([7]) + pixels.tobytes())
    inputs, _ = zoo.cifar10(tmp_path, train=False)
    assert np.array_equal((inputs[0] * 255).round().numpy().astype(np.uint8), pixels)


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b"", r"test_batch\.bin as whole records of 3073 bytes, got 0 bytes"),
        (bytes(RECORD - 1), "got 3072 bytes.*cut short or another one: download it again"),
        (bytes([10]) + bytes(RECORD - 1), r"expected labels 0 to 9 in test_batch\.bin, got 10"),
    ],
)
def test_damaged_cifar_files(tmp_path, content, text):
    (tmp_path / TEST_FILES[0]).write_bytes(content)
    with pytest.raises(InputError, match=text):
        zoo.cifar10(tmp_path, train=False)
    with pytest.raises(InputError, match=r"expected data_batch_1\.bin.*call zoo\.download_cifar10"):
        zoo.cifar10(tmp_path)


def test_downloads_and_unpacks_cifar_once(served, tmp_path):
    folder, url = served
    archive = write_tar(
        folder / "cifar-10-binary.tar.gz", {f"{SUBFOLDER}/{name}": data for name, data in cifar_files().items()}
    )
    target = tmp_path / "data"
    zoo.download_cifar10(target, base_url=url, md5=md5(archive))
    assert len(zoo.cifar10(target)[1]) == 10
    checksum = md5(archive)
    archive.unlink()
    assert zoo.download_cifar10(target, base_url=url, md5=checksum) == target  # nothing is fetched again


def test_another_checksum_leaves_nothing_behind(served, tmp_path):
    folder, url = served
    write_tar(folder / "cifar-10-binary.tar.gz", {})
    target = tmp_path / "data"
    with pytest.raises(InputError, match=r"with MD5 c32a1d4ab5d03f1284b67883e8d87530, got [0-9a-f]{32} from http"):
        zoo.download_cifar10(target, base_url=url)
    assert list(target.iterdir()) == []


def test_a_missing_file_another_scheme_and_a_dead_server(served, tmp_path):
    _, url = served
    with pytest.raises(InputError, match=r"expected a file at .*404.*check the connection"):
        zoo.download_cifar10(tmp_path / "a", base_url=url)
    with pytest.raises(InputError, match="expected an http or https address, got file:"):
        zoo.download_mnist(tmp_path / "b", base_url="file:///etc")
    with pytest.raises(InputError, match="got no answer that can be used"):
        zoo.download_mnist(tmp_path / "c", base_url="http://127.0.0.1:1")
    assert not list(tmp_path.glob("[abc]/*"))


def test_a_file_over_the_limit_is_refused(served, tmp_path):
    folder, url = served
    (folder / "big").write_bytes(bytes(1000))
    from landscape_widgets.zoo.download import fetch

    with pytest.raises(InputError, match="expected at most 999 bytes"):
        fetch(f"{url}/big", tmp_path / "big", md5(folder / "big"), limit=999)
    assert fetch(f"{url}/big", tmp_path / "big", md5(folder / "big"), limit=1000).stat().st_size == 1000
    assert not (tmp_path / "big.part").exists()


def test_only_expected_names_are_unpacked(tmp_path):
    hostile = {"../escaped.bin": b"x", "/tmp/absolute.bin": b"x", f"{SUBFOLDER}/../../up.bin": b"x", "notes.txt": b"x"}
    expected = {f"{SUBFOLDER}/{name}": data for name, data in cifar_files().items()}
    unpack_cifar10(write_tar(tmp_path / "a.tar.gz", hostile | expected), tmp_path / "in" / "side")
    assert sorted(path.name for path in tmp_path.rglob("*") if path.is_file()) == sorted(
        ["a.tar.gz", *TRAIN_FILES, *TEST_FILES]
    )


def test_links_in_place_of_files_are_not_followed(tmp_path):
    path = tmp_path / "a.tar.gz"
    with tarfile.open(path, "w:gz") as tar:
        for name in (*TRAIN_FILES, *TEST_FILES):
            info = tarfile.TarInfo(f"{SUBFOLDER}/{name}")
            info.type, info.linkname = tarfile.SYMTYPE, "/etc/passwd"
            tar.addfile(info)
    with pytest.raises(InputError, match=r"expected data_batch_1\.bin, .* in a\.tar\.gz, got an archive without"):
        unpack_cifar10(path, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_damaged_archive(tmp_path):
    path = write_tar(
        tmp_path / "a.tar.gz",
        {f"{SUBFOLDER}/{name}": np.random.default_rng(n).bytes(RECORD) for n, name in enumerate(cifar_files())},
    )
    path.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(InputError, match=r"a\.tar\.gz as a gzipped tar archive, got a damaged one"):
        unpack_cifar10(path, tmp_path / "out")
    assert not list(tmp_path.glob("out/*.part"))


@pytest.mark.parametrize("packed", [True, False])
def test_reads_mnist(tmp_path, packed):
    images, labels = write_mnist(tmp_path, packed)
    inputs, targets = zoo.mnist(tmp_path, train=False)
    assert inputs.shape == (4, 1, 28, 28)
    assert np.array_equal((inputs[:, 0] * 255).round().numpy().astype(np.uint8), images)
    assert targets.tolist() == labels.tolist()
    assert len(zoo.mnist(tmp_path, dtype=torch.float64)[1]) == 4


def test_downloads_mnist(served, tmp_path):
    folder, url = served
    write_mnist(folder)
    checksums = {path.name: md5(path) for path in folder.iterdir()}
    zoo.download_mnist(tmp_path / "data", base_url=url + "/", md5=checksums)
    assert len(zoo.mnist(tmp_path / "data")[0]) == 4
    with pytest.raises(InputError, match=r"expected train-images-idx3-ubyte\.gz with MD5 f68b3c2d"):
        zoo.download_mnist(tmp_path / "other", base_url=url)
    assert list((tmp_path / "other").iterdir()) == []


WHOLE = idx(np.zeros((2, 28, 28), dtype=np.uint8))


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b"", "as an IDX file of unsigned bytes, got another header b''"),
        (b"\x00\x00\x0d\x01" + bytes(8), "as an IDX file of unsigned bytes"),
        (WHOLE[:10], "as an IDX file of unsigned bytes"),
        (WHOLE[:-1], "expected 1568 bytes after the header of file, got 1567"),
        (WHOLE + b"\x00", "got more"),
        (gzip.compress(WHOLE, mtime=0)[:-9], "as a whole gzip file, got a damaged one"),
        (gzip.compress(WHOLE, mtime=0)[:-8] + bytes(8), "as a whole gzip file, got a damaged one"),
        (b"\x00\x00\x08\x03" + b"\xff" * 12, "after the header of file, got 0"),
    ],
)
def test_damaged_idx_files(tmp_path, content, text):
    path = tmp_path / "file"
    path.write_bytes(content)
    with pytest.raises(InputError, match=text):
        read_idx(path)


def test_mnist_files_that_do_not_belong_together(tmp_path):
    write_mnist(tmp_path)
    labels = tmp_path / "train-labels-idx1-ubyte"
    labels.write_bytes(idx(np.array([1, 2], dtype=np.uint8)))
    with pytest.raises(InputError, match=r"got \(4, 28, 28\) and \(2,\)"):
        zoo.mnist(tmp_path)
    labels.write_bytes(idx(np.array([1, 2, 3, 10], dtype=np.uint8)))
    with pytest.raises(InputError, match="expected train labels 0 to 9, got 10"):
        zoo.mnist(tmp_path)
