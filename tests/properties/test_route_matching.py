"""The route tree against the rule that it implements: the first route, in order, whose path matches."""
import re

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.helpers.routes import host, request, table

SEGMENTS = st.sampled_from(["a", "b", "ab", "A", "abc", "a.b", ""])
PATHS = st.lists(SEGMENTS, min_size=0, max_size=4).map(lambda parts: "/" + "/".join(parts))
TAILS = st.sampled_from(["", "?q=/a", "#f", "?"])


def _match(kind, value, sensitive):
    if kind == "safe_regex":
        return {"safe_regex": {"regex": re.escape(value).replace("/", "\\/") + ".?"}}
    if kind == "path_separated_prefix":
        value = value.rstrip("/") or "/a"
    return {kind: value, **({} if sensitive else {"case_sensitive": False})}


MATCHES = st.builds(_match, st.sampled_from(["prefix", "path", "safe_regex", "path_separated_prefix"]), PATHS, st.booleans())


def oracle(match, target):
    """Whether one RouteMatch fits a request target: the definition, without any index."""
    path = re.split("[?#]", target)[0]
    if "safe_regex" in match:
        return re.fullmatch(match["safe_regex"]["regex"], path) is not None
    sensitive = match.get("case_sensitive", True)
    kind = next(key for key in ("prefix", "path", "path_separated_prefix") if key in match)
    value = match[kind]
    if not sensitive:
        value, path = value.lower(), path.lower()
    if kind == "prefix":
        return path.startswith(value)
    if kind == "path":
        return path == value
    return path == value or path.startswith(value + "/")


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(MATCHES, st.booleans()), min_size=1, max_size=12), st.lists(st.tuples(PATHS, TAILS), min_size=1, max_size=6))
def test_first_match_wins(matches, targets):
    routes = table(host(*({
        "name": str(index), "match": {**match, **({"headers": [{"name": "x-on"}]} if guarded else {})},
        "non_forwarding_action": {}} for index, (match, guarded) in enumerate(matches))))
    for path, tail in targets:
        for headers in ({}, {"x_on": "1"}):
            wanted = next((str(index) for index, (match, guarded) in enumerate(matches)
                           if (headers or not guarded) and oracle(match, path + tail)), None)
            found = routes.match(request(path + tail, **headers), None)
            assert (found.name if found is not None else None) == wanted, (path + tail, matches)
