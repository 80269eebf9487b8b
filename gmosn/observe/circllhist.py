"""What libcircllhist computes from a histogram's bins: quantiles, sums, buckets. Bins are {number: count}, numbered as
in observe/stats.py. Source: libcircllhist's documented model (a bin's n samples are spread evenly inside it), checked
against what Envoy prints."""
from math import ceil, nan

QUANTILES = (0.0, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 0.995, 0.999, 1.0)
DEFAULT_BUCKETS = (0.5, 1.0, 5.0, 10.0, 25.0, 50.0, 100.0, 250.0, 500.0, 1000.0, 2500.0, 5000.0, 10000.0, 30000.0,
                   60000.0, 300000.0, 600000.0, 1800000.0, 3600000.0)


def lower_bound(number):
    """The smallest value of a bin."""
    if number < 100:
        return float(number)
    exponent = (number - 10) // 90
    return (number - 90 * exponent) / 10.0 * 10.0 ** (exponent + 1)


def width(number):
    """How wide a bin is. 0 has no width; 1..9 are bins of two digits (1.0, 2.0 ...), thus 0.1 wide."""
    if number < 10:
        return 0.1 if number else 0.0
    return 10.0 ** ((number - 10) // 90 + 1) / 10.0


def number_of(value):
    """The bin for a bucket's bound, which may be a fraction: the last bin that starts at or below it, -1 for none."""
    if value < 0:
        return -1
    if value < 100:
        return int(value)
    digits, shift = int(value), 0
    while digits >= 100:
        digits //= 10
        shift += 90
    return shift + digits


def quantiles(bins, wanted=QUANTILES):
    """The values at `wanted` (ascending, 0..1); NaN for an empty histogram."""
    numbers = sorted(bins)
    if not numbers:
        return [nan] * len(wanted)
    total = float(sum(bins.values()))
    out, place, below = [], 0, 0.0
    count = bins[numbers[0]]
    for share in wanted:
        target = total * share
        while place < len(numbers) - 1 and below + count < target:
            below += count
            place += 1
            count = bins[numbers[place]]
        left, wide = lower_bound(numbers[place]), width(numbers[place])
        rank = ceil(target - below) or 1.0
        out.append(left + rank / (count + 1) * wide if wide else left)
    return out


def sample_sum(bins):
    """The approximate sum: every sample counts as the point of its bin with the least relative error."""
    total = 0.0
    for number in sorted(bins):
        left, wide = lower_bound(number), width(number)
        if number:
            total += (left + wide * (left / (left + (left + wide)))) * bins[number]
    return total


def cumulative_buckets(bins, bounds=DEFAULT_BUCKETS):
    """For every bound, how many samples are in bins that start at or below it."""
    numbers = sorted(bins)
    out, place, count = [], 0, 0
    for bound in bounds:
        last = number_of(bound)
        while place < len(numbers) and numbers[place] <= last:
            count += bins[numbers[place]]
            place += 1
        out.append(count)
    return out


def disjoint_buckets(bins, bounds=DEFAULT_BUCKETS):
    """How many samples fall between each bound and the one before."""
    upto = cumulative_buckets(bins, bounds)
    return [count - before for count, before in zip(upto, [0, *upto[:-1]], strict=True)]


def detailed_buckets(bins):
    """(lower bound, width, count) of every bin that has samples."""
    return [(lower_bound(number), width(number), bins[number]) for number in sorted(bins)]
