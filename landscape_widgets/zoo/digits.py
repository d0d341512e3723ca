"""The handwritten digits of scikit-learn: 1,797 images of 8×8 pixels, no download."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import interpolate

from landscape_widgets.errors import InputError

Samples = tuple[Tensor, Tensor]
"""Inputs and targets."""

SAMPLES, TRAIN = 1797, 1437


@lru_cache(maxsize=1)
def _arrays() -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Pixels scaled to [0, 1] and class labels; read once."""
    from sklearn.datasets import load_digits

    bunch = load_digits()
    return bunch.data / 16.0, bunch.target.astype(np.int64)


def digits(image: bool = False, dtype: torch.dtype = torch.float32) -> Samples:
    """Return the 1,797 digits of scikit-learn, pixels divided by 16.

    Parameters
    ----------
    image : False gives rows of 64 pixels, True images of one channel and 8×8 pixels.
    dtype : dtype of the inputs, float32 or float64.

    Returns
    -------
    inputs : (1797, 64) or (1797, 1, 8, 8), between 0 and 1.
    targets : (1797,), int64, the digit 0 to 9.

    Source: E. Alpaydin and C. Kaynak, Optical Recognition of Handwritten Digits, UCI (1998), test part.

    >>> inputs, targets = digits()
    >>> inputs.shape, targets[:5].tolist()
    (torch.Size([1797, 64]), [0, 1, 2, 3, 4])
    """
    pixels, labels = _arrays()
    inputs = torch.tensor(pixels, dtype=dtype)
    return (inputs.reshape(-1, 1, 8, 8) if image else inputs), torch.tensor(labels)


def digits_split(image: bool = False, dtype: torch.dtype = torch.float32, *, seed: int = 0) -> tuple[Samples, Samples]:
    """Return the digits as 1,437 training and 360 test samples, split by a seeded permutation.

    Parameters
    ----------
    image, dtype : as for `digits`.
    seed : seed of the permutation; the split does not depend on image or dtype.

    Returns
    -------
    train : (inputs, targets) of 1,437 samples.
    test : (inputs, targets) of 360 samples.

    >>> (x, y), (x_test, y_test) = digits_split(image=True)
    >>> x.shape, x_test.shape
    (torch.Size([1437, 1, 8, 8]), torch.Size([360, 1, 8, 8]))
    """
    inputs, targets = digits(image, dtype)
    order = torch.randperm(SAMPLES, generator=torch.Generator().manual_seed(seed))
    train, test = order[:TRAIN], order[TRAIN:]
    return (inputs[train], targets[train]), (inputs[test], targets[test])


def digits_resized(size: int = 32, channels: int = 3, dtype: torch.dtype = torch.float32) -> Samples:
    """Return the digits bilinearly enlarged, so that networks made for larger images take them.

    Parameters
    ----------
    size : pixels a side, at least 8.
    channels : copies of the grey channel.
    dtype : dtype of the inputs.

    Returns
    -------
    inputs : (1797, channels, size, size), between 0 and 1.
    targets : (1797,), int64.

    Raises
    ------
    InputError : size below 8 or channels below 1.

    >>> digits_resized(28, channels=1)[0].shape
    torch.Size([1797, 1, 28, 28])
    """
    if size < 8 or channels < 1:
        raise InputError(
            f"expected size >= 8 and channels >= 1, got size={size}, channels={channels}",
            "the digits are 8×8: ask for 28 or 32 pixels and 1 or 3 channels",
        )
    inputs, targets = digits(image=True, dtype=dtype)
    enlarged = interpolate(inputs, size=(size, size), mode="bilinear", align_corners=False)
    return enlarged.repeat(1, channels, 1, 1), targets
