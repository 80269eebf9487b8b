import math

import pytest

from gmosn.observe.circllhist import (
    cumulative_buckets, detailed_buckets, disjoint_buckets, lower_bound, number_of, quantiles, sample_sum, width,
)
from gmosn.observe.stats import BINS

# What Envoy 1.40 printed for these values (admin's histogram_buckets=detailed): bins and quantiles
ENVOY_BINS = {0: 6, 1: 8, 2: 5, 3: 1, 8: 1, 45: 1, 46: 1, 72: 1}
ENVOY_QUANTILES = [0, 0, 1.0666666666666667, 2.066666666666667, 45.5, 46.5, 72.5, 72.5, 72.5, 72.5]


def test_quantiles_are_envoys():
    assert quantiles(ENVOY_BINS) == ENVOY_QUANTILES
    assert quantiles({1: 29}) == [
        1.0033333333333334, 1.0266666666666666, 1.05, 1.0733333333333333, 1.09, 1.0933333333333333,
        1.0966666666666667, 1.0966666666666667, 1.0966666666666667, 1.0966666666666667]
    assert quantiles({125: 1}) == [355.0] * 10
    assert quantiles({0: 5, 1: 9, 2: 6, 3: 5, 11: 1, 45: 1, 46: 1, 73: 1})[:4] == [0, 1.03, 2.0142857142857142,
                                                                                  3.033333333333333]


def test_empty_histogram_has_no_quantiles():
    assert all(math.isnan(q) for q in quantiles({}))
    assert sample_sum({}) == 0.0


def test_sum_is_envoys_to_the_last_bit():
    assert sample_sum(ENVOY_BINS) == 194.20940546339681986864889040589
    assert sample_sum({0: 4, 1: 1}) == 1.0476190476190476719153821250075
    assert sample_sum({125: 1}) == 354.92957746478873559681233018637


def test_buckets_are_envoys():
    assert cumulative_buckets(ENVOY_BINS)[:7] == [6, 14, 20, 21, 21, 23, 24]
    assert disjoint_buckets(ENVOY_BINS)[:7] == [6, 8, 6, 1, 0, 2, 1]
    assert detailed_buckets({0: 6, 8: 1, 45: 2}) == [(0, 0, 6), (8, 0.1, 1), (45, 1, 2)]


def test_bins_are_ordered_and_touch():
    for number in range(BINS - 1):
        low, high = lower_bound(number), lower_bound(number + 1)
        assert low < high
        if number >= 10:
            assert low + width(number) == pytest.approx(high)


@pytest.mark.parametrize("value", [0, 0.5, 1, 9, 10, 99, 100, 123, 2500, 60000, 1800000, 3600000])
def test_bin_of_a_bound_starts_at_or_below_it(value):
    number = number_of(value)
    assert lower_bound(number) <= value < lower_bound(number + 1)
