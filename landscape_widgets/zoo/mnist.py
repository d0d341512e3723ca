"""MNIST from its IDX files: 70,000 images of handwritten digits, 28×28 pixels."""

from __future__ import annotations

import gzip
import math
import struct
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from landscape_widgets.errors import InputError
from landscape_widgets.zoo.download import fetch

BASE_URL = "https://ossci-datasets.s3.amazonaws.com/mnist/"
"""The mirror that PyTorch keeps; the first address, yann.lecun.com/exdb/mnist, no longer gives the files."""
MD5 = {
    "train-images-idx3-ubyte.gz": "f68b3c2dcbeaaa9fbdd348bbdeb94873",
    "train-labels-idx1-ubyte.gz": "d53e105ee54ea40749a09fcbcd1e9432",
    "t10k-images-idx3-ubyte.gz": "9fb629c4189551a2d022fa330f9573f3",
    "t10k-labels-idx1-ubyte.gz": "ec29112dd5afa0611ce80d1b7f02629c",
}
LARGEST_FILE, LARGEST_ARRAY = 2**24, 2**30


def mnist(folder: str | Path, train: bool = True, dtype: torch.dtype = torch.float32) -> tuple[Tensor, Tensor]:
    """Read MNIST from a folder with its IDX files, compressed or not.

    Parameters
    ----------
    folder : holds train-images-idx3-ubyte, train-labels-idx1-ubyte and the two t10k files, with or without .gz.
    train : True reads the training files, False the t10k files.
    dtype : dtype of the inputs.

    Returns
    -------
    inputs : (N, 1, 28, 28), between 0 and 1; N is 60,000 or 10,000 for the official files.
    targets : (N,), int64, the digit 0 to 9.

    Raises
    ------
    InputError : a file is missing, damaged, or not of the expected shape.

    Source: Y. LeCun, C. Cortes, C. Burges, The MNIST database; the layout from the data set's own page.

    >>> mnist("nowhere")
    Traceback (most recent call last):
    landscape_widgets.errors.InputError: expected train-images-idx3-ubyte or train-images-idx3-ubyte.gz in nowhere, ...
    """
    part = "train" if train else "t10k"
    images = read_idx(_find(Path(folder), f"{part}-images-idx3-ubyte"))
    labels = read_idx(_find(Path(folder), f"{part}-labels-idx1-ubyte"))
    if images.ndim != 3 or images.shape[1:] != (28, 28) or labels.shape != images.shape[:1] or not labels.size:
        raise InputError(
            f"expected {part} images (N, 28, 28) and labels (N,), got {images.shape} and {labels.shape}",
            "the files do not belong together: download them again",
        )
    if (largest := int(labels.max())) > 9:
        raise InputError(f"expected {part} labels 0 to 9, got {largest}", "the file is damaged: download it again")
    return torch.from_numpy(images)[:, None].to(dtype) / 255, torch.from_numpy(labels.astype(np.int64))


def download_mnist(folder: str | Path, *, base_url: str = BASE_URL, md5: Mapping[str, str] | None = None) -> Path:
    """Download the four official files of 11 MB in all and check them.

    Nothing else in this package uses the network. What is there already is not downloaded again.

    Parameters
    ----------
    folder : where to write.
    base_url : address of the folder that holds the files.
    md5 : file name -> checksum; None takes the official four.

    Returns
    -------
    folder : pass it to `mnist`.

    Raises
    ------
    InputError : no answer, or another checksum (nothing is left behind of that file).
    """
    root = Path(folder)
    for name, digest in (MD5 if md5 is None else md5).items():
        fetch(base_url.rstrip("/") + "/" + name, root / Path(name).name, digest, limit=LARGEST_FILE)
    return root


def read_idx(path: str | Path) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """Read one IDX file of unsigned bytes, gzipped or plain.

    Returns
    -------
    array : uint8, of the shape that the file's header states.

    Raises
    ------
    InputError : not an IDX file of unsigned bytes, longer or shorter than its header says, or a damaged gzip stream.
    """
    source = Path(path)
    with source.open("rb") as file:
        packed = file.read(2) == b"\x1f\x8b"
    try:
        with gzip.open(source, "rb") if packed else source.open("rb") as file:
            magic = file.read(4)
            dimensions = magic[3] if len(magic) == 4 and magic[:3] == b"\x00\x00\x08" else 0
            header = file.read(4 * dimensions)
            if dimensions == 0 or len(header) != 4 * dimensions:
                raise InputError(
                    f"expected {source.name} as an IDX file of unsigned bytes, got another header {magic!r}",
                    "the file is another one or damaged: download it again",
                )
            shape = struct.unpack(f">{dimensions}I", header)
            size = min(math.prod(shape), LARGEST_ARRAY)
            data = file.read(size + 1)
    except (EOFError, OSError, zlib.error) as error:
        raise InputError(
            f"expected {source.name} as a whole gzip file, got a damaged one ({error})", "download it again"
        ) from error
    if len(data) != math.prod(shape):
        raise InputError(
            f"expected {math.prod(shape)} bytes after the header of {source.name}, got "
            + (f"{len(data)}" if len(data) <= size else "more"),
            "the file is cut short or damaged: download it again",
        )
    return np.frombuffer(bytearray(data), dtype=np.uint8).reshape(shape)


def _find(folder: Path, name: str) -> Path:
    for candidate in (folder / name, folder / f"{name}.gz"):
        if candidate.is_file():
            return candidate
    raise InputError(
        f"expected {name} or {name}.gz in {folder}, got no such file",
        "call zoo.download_mnist(folder), or copy the four files there",
    )
