"""Stats as text and as JSON, byte for byte as Envoy 1.40 prints them."""
import json
from math import isnan

from gmosn.observe import circllhist

PERCENTILES = ("0", "25", "50", "75", "90", "95", "99", "99.5", "99.9", "100")


def to_chars(value):
    """A double as C++'s std::to_chars writes it: the shortest text that reads back the same, plain if not longer."""
    if isnan(value):
        return "null"
    text = repr(float(value))
    mantissa, _, exponent = text.partition("e")
    if exponent:
        digits, point = mantissa.replace(".", "").lstrip("-"), mantissa.lstrip("-").find(".")
        shift = int(exponent) + (point if point >= 0 else len(digits))
        plain = digits + "0" * (shift - len(digits)) if shift >= len(digits) else None
        if plain is None:
            return f"{mantissa}e{int(exponent):+03d}"
        digits = digits.rstrip("0") or "0"
    else:
        plain = text.removesuffix(".0")
        digits = plain.lstrip("-").replace(".", "").strip("0") or "0"
        shift = len(plain.lstrip("-").partition(".")[0])
    scientific = digits[0] + ("." + digits[1:] if digits[1:] else "") + f"e{shift - 1:+03d}"
    if "." in plain or abs(float(value)) < 1 or len(scientific) >= len(plain.lstrip("-")):
        return plain
    return ("-" if value < 0 else "") + scientific


def quantile_text(value):
    """A quantile as fmt's {} writes it."""
    return repr(value).removesuffix(".0")


def as_text(numbers, texts, histograms, mode):
    """The text page. `numbers`: name -> int, `texts`: name -> str, `histograms`: name -> HistogramValue, `mode`:
    "" (quantiles), "summary", "cumulative", "disjoint" or "detailed"."""
    out = [f'{name}: "{texts[name]}"\n' for name in sorted(texts)]
    out += [f"{name}: {numbers[name]}\n" for name in sorted(numbers)]
    for name in sorted(histograms):
        value = histograms[name]
        if not value.cumulative:
            out.append(f"{name}: No recorded values\n")
        elif mode == "detailed":
            out.append(f"{name}:\n  totals={_details(value.cumulative)}\n  intervals={_details(value.interval)}\n"
                       f"  summary={_quantiles(value)}\n")
        elif mode in ("cumulative", "disjoint"):
            out.append(f"{name}: {_buckets(value, mode)}\n")
        else:
            out.append(f"{name}: {_quantiles(value)}\n")
    return "".join(out)


def _quantiles(value):
    pairs = zip(PERCENTILES, circllhist.quantiles(value.interval), circllhist.quantiles(value.cumulative),
                strict=True)
    return " ".join(f"P{name}({quantile_text(interval)},{quantile_text(cumulative)})"
                    for name, interval, cumulative in pairs)


def bucket_counts(value, mode):
    """(bound, interval's count, cumulative count) per bucket; `mode`: "cumulative" or "disjoint"."""
    count = circllhist.cumulative_buckets if mode == "cumulative" else circllhist.disjoint_buckets
    return zip(value.bounds, count(value.interval, value.bounds), count(value.cumulative, value.bounds), strict=True)


def _buckets(value, mode):
    return " ".join(f"B{bound:g}({interval},{total})" for bound, interval, total in bucket_counts(value, mode))


def _details(bins):
    return ", ".join(f"{low:g},{wide:g}:{count}" for low, wide, count in circllhist.detailed_buckets(bins))


def as_json(numbers, texts, histograms, mode):
    """The JSON page; arguments as as_text."""
    out = [f'{{"name":{json.dumps(name)},"value":{json.dumps(texts[name])}}}' for name in sorted(texts)]
    out += [f'{{"name":{json.dumps(name)},"value":{numbers[name]}}}' for name in sorted(numbers)]
    if histograms:
        out.append(_histograms_json(histograms, mode))
    return '{"stats":[' + ",".join(out) + "]}"


def _histograms_json(histograms, mode):
    names = sorted(histograms)
    percentiles = ",".join(PERCENTILES)
    if mode in ("cumulative", "disjoint"):
        items = ",".join(_buckets_json(name, histograms[name], mode) for name in names)
        return f'{{"histograms":[{items}]}}'
    if mode == "detailed":
        items = ",".join(_details_json(name, histograms[name]) for name in names)
        return f'{{"histograms":{{"supported_percentiles":[{percentiles}],"details":[{items}]}}}}'
    items = ",".join(f'{{"name":{json.dumps(name)},"values":{_quantiles_json(histograms[name])}}}' for name in names)
    return f'{{"histograms":{{"supported_quantiles":[{percentiles}],"computed_quantiles":[{items}]}}}}'


def _quantiles_json(value):
    pairs = zip(circllhist.quantiles(value.cumulative), circllhist.quantiles(value.interval), strict=True)
    return "[" + ",".join(f'{{"cumulative":{to_chars(cumulative)},"interval":{to_chars(interval)}}}'
                          for cumulative, interval in pairs) + "]"


def _buckets_json(name, value, mode):
    items = ",".join(f'{{"upper_bound":{to_chars(bound)},"interval":{interval},"cumulative":{total}}}'
                     for bound, interval, total in bucket_counts(value, mode))
    return f'{{"name":{json.dumps(name)},"buckets":[{items}]}}'


def _details_json(name, value):
    parts = []
    for bins in (value.cumulative, value.interval):
        parts.append(",".join(f'{{"lower_bound":{to_chars(low)},"width":{to_chars(wide)},"count":{count}}}'
                              for low, wide, count in circllhist.detailed_buckets(bins)))
    return (f'{{"name":{json.dumps(name)},"totals":[{parts[0]}],"intervals":[{parts[1]}],'
            f'"percentiles":{_quantiles_json(value)}}}')
