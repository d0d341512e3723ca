"""The sentence on random slices says what they show, and claims no more than is known."""

import dataclasses

import numpy as np

from landscape_widgets.compute.lanczos import Lanczos
from landscape_widgets.compute.operators.dense import DenseOperator
from landscape_widgets.compute.operators.diagonal import DiagonalOperator
from landscape_widgets.compute.random_slices import RandomSlices
from landscape_widgets.compute.slice_laws import SliceLaw
from landscape_widgets.compute.slice_words import sentence


def counted(minimum=0, maximum=0, saddle=0, flat=0):
    """A sample with these counts."""
    kinds = np.repeat(np.arange(4, dtype=np.int8), [minimum, maximum, saddle, flat])
    sample = RandomSlices(DiagonalOperator(np.ones(3)), draws=len(kinds)).run()
    return dataclasses.replace(sample, kinds=kinds)


def test_the_sentence_with_the_whole_spectrum():
    usual = counted(146, 140, 714)
    law = SliceLaw.toy_saddle(500)
    assert sentence(usual, law) == (
        "146 of 1,000 random slices show a minimum; the point is a saddle with 500 negative directions"
    )
    assert sentence(counted(1, 30, 69), SliceLaw([1.0, -1.0])) == (
        "30 of 100 random slices show a maximum; the point is a saddle with 1 negative direction"
    )
    assert sentence(counted(1, 0, 9), law).startswith("1 of 10 random slices shows a minimum; the point is a saddle")
    assert sentence(counted(saddle=10), law).startswith("10 of 10 random slices show a saddle; the point is a saddle")
    assert sentence(counted(minimum=10), SliceLaw([1.0, 2.0])) == (
        "10 of 10 random slices show a minimum; the spectrum has no negative direction"
    )
    assert sentence(counted(maximum=10), SliceLaw([-1.0, 0.0], [3, 2])) == (
        "10 of 10 random slices show a maximum; the spectrum has no positive direction"
    )
    assert sentence(counted(flat=10), SliceLaw([1.0])).startswith("10 of 10 random slices show nothing but flatness")


def test_the_sentence_claims_no_more_than_is_known():
    diagonal = np.r_[5.0, 4.0, 3.0, np.full(30, 0.5), -1.0, -2.0, -3.0]
    sample = RandomSlices(DenseOperator(np.diag(diagonal)), draws=200, seed=0).run()
    pairs = Lanczos(DenseOperator(np.diag(diagonal)), 2, 3, tol=1e-6).run()
    assert (pairs.values[2:] < 0).all()
    assert sentence(sample, pairs).endswith("at least 3 negative directions are known")
    doubted = dataclasses.replace(pairs, residuals=np.r_[0.0, 0.0, 10.0, 10.0, 10.0])
    assert sentence(sample, doubted) == sentence(sample)
    assert sentence(counted(minimum=5)) == "5 of 5 random slices show a minimum; no negative direction is known"
    # one slice that curves downwards along a line proves one negative direction, one that does everywhere proves two
    assert sentence(counted(minimum=4, saddle=1)).endswith("at least 1 negative direction is known")
    assert sentence(counted(minimum=4, maximum=1)).endswith("at least 2 negative directions are known")
    part = SliceLaw.partly_known(pairs, diagonal.sum(), (diagonal**2).sum(), len(diagonal))
    assert sentence(sample, part) == sentence(sample)


def test_before_the_first_slice():
    stream = RandomSlices(DenseOperator(np.eye(3)), draws=5).stream()
    assert sentence(next(stream)) == "No random slice is drawn yet"
