"""/stats and its sisters."""
from html import escape

from gmosn.errors import ConfigError
from gmosn.matching.regex import compile_pattern
from gmosn.server.admin.http_types import HTML, JSON, OK, AdminResponse, json_response
from gmosn.server.admin.stats_prometheus import as_prometheus
from gmosn.server.admin.stats_text import as_json, as_text

TYPES = ("All", "Counters", "Histograms", "Gauges", "TextReadouts")
MODES = ("cumulative", "disjoint", "detailed", "summary")
FORMATS = ("html", "active-html", "json", "prometheus", "text")


class BadParameter(Exception):
    """A query parameter that cannot be used; the text is the response's body."""


class Selection:
    """What of a StatsSnapshot a request asks for; has the snapshot's four tables."""

    def __init__(self, request, snapshot):
        accepts = _filter(request)
        used_only = request.has("usedonly")
        kind = request.first("type", "All")
        if kind not in TYPES:
            raise BadParameter("invalid &type= param")

        def choose(values, name, used):
            if kind not in ("All", name):
                return {}
            return {key: value for key, value in values.items()
                    if (not used_only or used(key, value)) and accepts(key)}

        self.counters = choose(snapshot.counters, "Counters", lambda key, value: key in snapshot.used)
        self.gauges = choose(snapshot.gauges, "Gauges", lambda key, value: key in snapshot.used)
        self.histograms = choose(snapshot.histograms, "Histograms", lambda key, value: value.cumulative)
        self.texts = choose(snapshot.texts, "TextReadouts", lambda key, value: value)


def _filter(request):
    pattern = request.first("filter")
    if not pattern:
        return lambda name: True
    try:
        search = compile_pattern(pattern).search
    except ConfigError as exc:
        raise BadParameter(f"Invalid re2 regex: {exc}") from None
    wanted = not request.has("invert_filter")
    return lambda name: (search(name.encode("utf-8", "surrogateescape")) is not None) == wanted


def _mode(request):
    mode = request.first("histogram_buckets", "")
    if mode and mode not in MODES:
        raise BadParameter("usage: /stats?histogram_buckets=(cumulative|disjoint|detailed|summary)\n")
    return mode


def stats(admin, request):
    """The page. Parameters as /help says."""
    try:
        form = request.first("format", "text")
        mode = _mode(request)
        if form not in FORMATS:
            raise BadParameter("usage: /stats?format=(html|active-html|json|prometheus|text)\n\n")
        if form == "prometheus":
            return prometheus(admin, request)
        chosen = Selection(request, admin.snapshot())
    except BadParameter as exc:
        return AdminResponse(str(exc), 400)
    numbers = {**chosen.counters, **chosen.gauges}
    admin.pause()
    if form == "json":
        return AdminResponse(as_json(numbers, chosen.texts, chosen.histograms, mode), 200, JSON)
    text = as_text(numbers, chosen.texts, chosen.histograms, mode)
    if form == "text":
        return AdminResponse(text)
    page = f"<!DOCTYPE html>\n<title>gmosn stats</title>\n<a href='/'>admin</a>\n<pre>\n{escape(text)}</pre>\n"
    return AdminResponse(page, 200, HTML)


def prometheus(admin, request):
    """/stats/prometheus. Parameters: usedonly, text_readouts, filter, invert_filter, histogram_buckets."""
    try:
        mode = _mode(request)
        if mode in ("disjoint", "detailed"):
            raise BadParameter("unsupported prometheus histogram bucket mode")
        chosen = Selection(request, admin.snapshot())
    except BadParameter as exc:
        return AdminResponse(str(exc), 400)
    return AdminResponse(as_prometheus(chosen, admin.tags, mode or "cumulative", request.has("text_readouts"),
                                       admin.pause))


def reset_counters(admin, request):
    admin.view.reset_counters()
    return AdminResponse(OK)


def recent_lookups(admin, request):
    """Stats are looked up by name only when configuration is loaded, never per request: there is nothing to list."""
    if admin.track_lookups:
        return AdminResponse("   Count Lookup\n\ntotal: 0\n")
    return AdminResponse("Lookup tracking is not enabled. Use /stats/recentlookups/enable to enable.\n\ntotal: 0\n")


def clear_lookups(admin, request):
    return AdminResponse(OK)


def disable_lookups(admin, request):
    admin.track_lookups = False
    return AdminResponse(OK)


def enable_lookups(admin, request):
    admin.track_lookups = True
    return AdminResponse(OK)


def contention(admin, request):
    """There are no mutexes: a process has one thread. Without the flag Envoy's notice, with it its zeros."""
    if admin.backend.options.enable_mutex_tracing:
        zeros = {"num_contentions": "0", "current_wait_cycles": "0", "lifetime_wait_cycles": "0"}
        return json_response(zeros)
    return AdminResponse(
        "Mutex contention tracing is not enabled. To enable, run Envoy with flag --enable-mutex-tracing.")
