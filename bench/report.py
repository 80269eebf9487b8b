"""Turns rounds into a table: minimum (median) per proxy, and gmosn next to its bars."""
from statistics import median

# workload: (figure, unit, decimals, [(other proxy or None, at most)]): a bar is a ratio to another proxy's minimum, or
# absolute without one
BARS = {
    "keepalive_get": ("cpu_us", "us CPU per request", 1, [("envoy", 0.50), ("nginx", 1.5)]),
    "routes_and_log": ("cpu_us", "us CPU per request", 1, [("envoy", 0.60)]),
    "post_16k": ("cpu_us", "us CPU per request", 1, [("envoy", 0.80)]),
    "get_1m": ("cpu_us", "us CPU per request", 0, [("envoy", 0.80)]),
    "new_connection": ("cpu_us", "us CPU per request", 1, [("envoy", 1.0)]),
    "tcp_pingpong": ("cpu_us", "us CPU per round trip", 1, [("envoy", 0.9)]),
    "tcp_bulk": ("cpu_ms", "ms CPU per GiB", 0, [("envoy", 0.35)]),
    "p99_at_half_rate": ("p99_us", "us", 0, [("envoy", 1.0)]),
    "idle_memory": ("kib_per_connection", "KiB", 2, [(None, 4)]),
    "resting_memory": ("tree_pss_mib", "MiB PSS of the tree", 1, [(None, 110)]),
    "resting_worker": ("worker_rss_mib", "MiB RSS of the worker", 1, [(None, 60)]),
    "validate_big": ("cpu_ms", "ms CPU", 0, [("envoy", 0.6)]),
    "start_to_first_request": ("wall_ms", "ms", 0, [(None, 1000)]),
}
PROXIES = ("gmosn", "envoy", "nginx")


def summary(figures, field):
    """{proxy: (min, median)} of one workload's rounds."""
    return {name: (min(values), median(values)) for name, rounds in figures.items()
            if (values := [figure[field] for figure in rounds])}


def verdicts(numbers, bars):
    """Texts such as "0.47 x envoy (bar 0.5): met"."""
    texts = []
    for other, bar in bars:
        if "gmosn" not in numbers or (other is not None and other not in numbers):
            continue
        own = numbers["gmosn"][0]
        value = own if other is None else own / numbers[other][0]
        met = "met" if value <= bar else "**missed**"
        of_medians = "" if other is None else f", medians {numbers['gmosn'][1] / numbers[other][1]:.2f}"
        texts.append(f"{value:.2f}{f' x {other}' if other else ''} (bar {bar:g}{of_medians}): {met}")
    return texts


def table(results):
    """Markdown. `results`: {workload: {"title", "figures": {proxy: [figure]}}}."""
    lines = ["| workload | gmosn | Envoy | nginx | gmosn against its bar |", "|---|---|---|---|---|"]
    rows = dict(results)
    if "resting_memory" in rows:
        rows["resting_worker"] = rows["resting_memory"]
    for name, result in rows.items():
        field, unit, decimals, bars = BARS[name]
        numbers = summary(result["figures"], field)
        cells = [f"{numbers[one][0]:.{decimals}f} ({numbers[one][1]:.{decimals}f})" if one in numbers else "-"
                 for one in PROXIES]
        title = f"{result['title']}, {unit}"
        lines.append(f"| {title} | {' | '.join(cells)} | {'; '.join(verdicts(numbers, bars))} |")
    return "\n".join(lines)
