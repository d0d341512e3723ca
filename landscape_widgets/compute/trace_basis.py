"""An orthonormal basis that grows by what is new in images, one at a time or several together."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from landscape_widgets.compute.operators.base import SymmetricOperator

DEPENDENT = 10.0
"""An image whose part outside the basis is below this many rounding errors lies in the basis."""


BLOCK = 2**18
"""Numbers of a basis that are multiplied at a time: small vectors together, large ones alone."""


def orthogonal_part(image: Tensor, basis: list[Tensor]) -> tuple[Tensor | None, np.ndarray]:
    """The unit vector of what is new in an image, and its coefficients in the basis with that one, (m + 1,).

    Two Gram-Schmidt passes; None where the image lies in the basis to rounding.
    """
    whole = float(image.norm())
    left, coefficients = image.clone(), np.zeros(len(basis) + 1)
    for _ in range(2):
        for first, rows in blocks(basis):
            parts = rows @ left
            left -= parts @ rows
            coefficients[first : first + len(rows)] += parts.cpu().double().numpy()
    length = float(left.norm())
    coefficients[-1] = length
    if length <= DEPENDENT * torch.finfo(image.dtype).eps * whole:
        return None, coefficients
    return left / length, coefficients


def orthogonal_block(images: Tensor, basis: list[Tensor]) -> tuple[Tensor, np.ndarray] | None:
    """Orthonormal columns (P, k) for what is new in k images, and the coefficients in the basis with them, (m + k, k).

    Twice a Gram-Schmidt pass and a QR decomposition, its diagonal positive: what `orthogonal_part` gives one by one.
    None where an image lies in the basis with the images before it, to rounding.

    Source: J. Barlow and A. Smoktunowicz, "Reorthogonalized block classical Gram-Schmidt" (2013).
    """
    left, count = images, images.shape[1]
    coefficients, triangle = np.zeros((len(basis), count)), np.eye(count)
    for _ in range(2):
        for first, rows in blocks(basis):
            parts = rows @ left
            left = left - rows.T @ parts
            coefficients[first : first + len(rows)] += parts.cpu().double().numpy() @ triangle
        left, factor = torch.linalg.qr(left)
        triangle = factor.cpu().double().numpy() @ triangle
    lengths = torch.linalg.vector_norm(images, dim=0).cpu().double().numpy()
    if (np.abs(np.diag(triangle)) <= DEPENDENT * torch.finfo(images.dtype).eps * lengths).any():
        return None
    signs = np.sign(np.diag(triangle))
    return left * torch.as_tensor(signs).to(left), np.concatenate([coefficients, signs[:, None] * triangle])


def inners(vectors: list[Tensor], other: Tensor) -> np.ndarray:
    """Inner products of some vectors with one, (m,), or with k, (m, k), summed in float64 where the device has it."""
    wide = torch.float32 if other.device.type == "mps" else torch.float64
    other = other.to(wide)
    found = [rows.to(wide) @ other for _, rows in blocks(vectors)]
    return torch.cat(found).cpu().double().numpy() if found else np.zeros((0, *other.shape[1:]))


def blocks(vectors: list[Tensor]) -> Iterator[tuple[int, Tensor]]:
    """Vectors as rows (k, P) with the number of the first one, at most `BLOCK` numbers at a time."""
    count = max(1, BLOCK // max(1, len(vectors[0]))) if vectors else 1
    for first in range(0, len(vectors), count):
        yield first, vectors[first][None] if count == 1 else torch.stack(vectors[first : first + count])


def stacked(vectors: list[Tensor], operator: SymmetricOperator) -> Tensor:
    """Vectors as columns (P, k); (P, 0) for none."""
    if not vectors:
        return torch.zeros(operator.size, 0, dtype=operator.dtype, device=operator.device)
    return torch.stack(vectors, dim=1)
