"""CIFAR-10 from its official binary version: 60,000 colour images of 32×32 pixels."""

from __future__ import annotations

import os
import tarfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from landscape_widgets.errors import InputError
from landscape_widgets.zoo.download import fetch

BASE_URL = "https://www.cs.toronto.edu/~kriz/"
ARCHIVE, MD5 = "cifar-10-binary.tar.gz", "c32a1d4ab5d03f1284b67883e8d87530"
SUBFOLDER = "cifar-10-batches-bin"
TRAIN_FILES = tuple(f"data_batch_{number}.bin" for number in range(1, 6))
TEST_FILES = ("test_batch.bin",)
CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
RECORD = 1 + 3 * 32 * 32
"""Bytes of a record: the label, then the red, green and blue planes row by row."""
LARGEST_FILE, LARGEST_ARCHIVE = 10_000 * RECORD, 2**28


def cifar10(folder: str | Path, train: bool = True, dtype: torch.dtype = torch.float32) -> tuple[Tensor, Tensor]:
    """Read CIFAR-10 from a folder with the official binary files.

    Parameters
    ----------
    folder : holds data_batch_1.bin to data_batch_5.bin and test_batch.bin, itself or in cifar-10-batches-bin.
    train : True reads the five training files, False the test file.
    dtype : dtype of the inputs.

    Returns
    -------
    inputs : (N, 3, 32, 32), between 0 and 1; N is 50,000 or 10,000 for the official files.
    targets : (N,), int64, an index into `zoo.cifar.CLASSES`.

    Raises
    ------
    InputError : a file is missing, cut short or holds an impossible label.

    Source: A. Krizhevsky, Learning multiple layers of features from tiny images, 2009; the layout from the
    data set's own page.

    >>> cifar10("nowhere")
    Traceback (most recent call last):
    landscape_widgets.errors.InputError: expected data_batch_1.bin in nowhere, got no such file. To fix it: ...
    """
    root = Path(folder)
    if (root / SUBFOLDER).is_dir():
        root = root / SUBFOLDER
    records = np.concatenate([_records(root / name) for name in (TRAIN_FILES if train else TEST_FILES)])
    targets = torch.from_numpy(records[:, 0].astype(np.int64))
    pixels = torch.from_numpy(records[:, 1:].reshape(-1, 3, 32, 32))
    return pixels.to(dtype) / 255, targets


def download_cifar10(folder: str | Path, *, base_url: str = BASE_URL, md5: str = MD5) -> Path:
    """Download the official archive of 162 MB, check it, and unpack its six data files.

    Nothing else in this package uses the network. What is there already is not downloaded again.

    Parameters
    ----------
    folder : where to write; the archive stays there, the files come into cifar-10-batches-bin.
    base_url : address of the folder that holds cifar-10-binary.tar.gz.
    md5 : checksum of the archive, the official one unless said otherwise.

    Returns
    -------
    folder : pass it to `cifar10`.

    Raises
    ------
    InputError : no answer, another checksum (nothing is left behind), or an archive without the expected files.
    """
    root = Path(folder)
    archive = fetch(base_url.rstrip("/") + "/" + ARCHIVE, root / ARCHIVE, md5, limit=LARGEST_ARCHIVE)
    unpack_cifar10(archive, root / SUBFOLDER)
    return root


def unpack_cifar10(archive: str | Path, folder: str | Path) -> None:
    """Write the six data files of an archive into a folder; every other member is left alone.

    No path of the archive is used, so none can lead out of the folder.

    Raises
    ------
    InputError : damaged, a data file is missing, or one is no plain file of whole records.
    """
    target = Path(folder)
    missing = {*TRAIN_FILES, *TEST_FILES}
    try:
        with tarfile.open(archive, "r:gz") as tar:
            for member in tar:
                name = member.name.removeprefix(SUBFOLDER + "/")
                if name in missing and member.isfile() and member.size <= LARGEST_FILE:
                    target.mkdir(parents=True, exist_ok=True)
                    _write_whole(tar.extractfile(member), target / name)
                    missing.discard(name)
    except (tarfile.TarError, EOFError, OSError, zlib.error) as error:
        raise InputError(
            f"expected {Path(archive).name} as a gzipped tar archive, got a damaged one ({error})",
            "delete it and download again",
        ) from error
    if missing:
        raise InputError(
            f"expected {', '.join(sorted(missing))} in {Path(archive).name}, got an archive without",
            f"use the binary version, {ARCHIVE}",
        )


def _write_whole(source: Any, target: Path) -> None:
    """Write a file that appears whole or not at all."""
    part = target.with_name(target.name + ".part")
    try:
        part.write_bytes(source.read())
        os.replace(part, target)
    finally:
        part.unlink(missing_ok=True)


def _records(path: Path) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """The records of one file, (N, 3073), uint8."""
    if not path.is_file():
        raise InputError(
            f"expected {path.name} in {path.parent}, got no such file",
            "call zoo.download_cifar10(folder), or unpack cifar-10-binary.tar.gz there",
        )
    data = np.fromfile(path, dtype=np.uint8)
    if data.size == 0 or data.size % RECORD:
        raise InputError(
            f"expected {path.name} as whole records of {RECORD} bytes, got {data.size} bytes",
            "the file is cut short or another one: download it again",
        )
    records = data.reshape(-1, RECORD)
    if (largest := int(records[:, 0].max())) >= len(CLASSES):
        raise InputError(
            f"expected labels 0 to 9 in {path.name}, got {largest}", "the file is damaged: download it again"
        )
    return records
