"""What the profile counts, on calls whose operations are known."""

import torch

from benchmarks import profile


def test_operations_of_a_matrix_product_are_counted():
    a, b = torch.ones(3, 5), torch.ones(5, 7)
    assert profile.flops(lambda: a @ b) == 2 * 3 * 5 * 7


def test_the_largest_operation_is_named_first():
    a = torch.ones(300, 300)
    times = profile.own_times(lambda: torch.relu(a @ a))
    assert profile.operations(times).startswith("mm ")
    assert profile.products(times) == times["mm"] / sum(times.values())


def test_a_share_is_of_the_peak():
    assert profile.share(work=5e9, seconds=0.25, roof=40e9) == "50 % of peak"
