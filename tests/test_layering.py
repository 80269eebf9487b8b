"""A package imports only lower levels, and packages of one level do not import each other (docs/architecture.md).

Every exception and every ban states its reason here; a new one needs a new reason.
"""
import pytest

from tests.helpers.source_tree import PACKAGE, dotted, imports, modules

# In import order; the number is the level's name in the documentation.
LEVELS = [
    (0, "gmosn.errors", "gmosn.ascii", "gmosn.clock", "gmosn._accel", "gmosn.version"),
    (0, "gmosn.headers"),
    (0, "gmosn.stream_info"),
    (0, "gmosn.proto_values"),
    (1, "gmosn.codec", "gmosn.matching", "gmosn.observe", "gmosn.registry", "gmosn.extensions"),
    (2, "gmosn.io"),
    (3, "gmosn.tls"),
    (4, "gmosn.stream"),
    (5, "gmosn.filter.api", "gmosn.upstream"),
    (6, "gmosn.filter.access_log"),                     # the HCM and tcp_proxy own their access logs
    (6, "gmosn.proxy", "gmosn.filter"),
    (7, "gmosn.xds", "gmosn.config"),
    (8, "gmosn.server"),
    (9, "gmosn.cli"),
    (9, "gmosn.__main__", "gmosn.demo"),
]

# (importer, imported): reason. Both are prefixes of dotted names.
EXCEPTIONS = {
    ("gmosn.config", "gmosn.xds"): "static resources enter the one registry the same way as xDS resources",
}

# (who, what, why, *but): `who` may not import `what`, except the packages `but`
BANS = [
    ("gmosn.codec", ("gevent", "socket", "_socket", "ssl", "time", "logging", "select", "threading", "gmosn.clock"),
     "codecs are pure: bytes in, events and bytes out, so that they can be tested byte by byte and fuzzed"),
    ("gmosn.codec", ("google", "gmosn.config"), "protobuf ends where a runtime object is built"),
    ("gmosn.io", ("google", "gmosn.config"), "protobuf ends where a runtime object is built"),
    ("gmosn.tls", ("google", "gmosn.config"), "protobuf ends where a runtime object is built"),
    ("gmosn.stream", ("google", "gmosn.config"), "protobuf ends where a runtime object is built"),
    ("gmosn.server.supervisor", ("gevent", "threading", "google", "grpc"),
     "the supervisor must stay trivial: no event loop, no threads, nothing to go wrong when it forks and restarts"),
    ("gmosn.server.worker", ("grpc",), "grpcio brings threads and 23 MiB; only control may use it"),
    ("gmosn.filter", ("gmosn.proxy",), "filters are written against filter/api, also those of third parties"),
    ("gmosn", ("gmosn.extensions",), "extensions are found by configuration type, not by import",
     "gmosn.config", "gmosn.cli"),
    ("gmosn", ("asyncio",), "the concurrency model is greenlets"),
]


def within(name, prefix):
    return name == prefix or name.startswith(prefix + ".")


def level(name):
    """Index into LEVELS by the longest prefix that fits, and that prefix."""
    best = max(((prefix, at) for at, (_, *group) in enumerate(LEVELS) for prefix in group if within(name, prefix)),
               key=lambda pair: len(pair[0]), default=None)
    assert best is not None, f"{name} has no level: add its package to LEVELS and to docs/architecture.md"
    return best[1], best[0]


def layering_violations(name, imported_names):
    """Texts of what module `name` may not import, by level."""
    if name == "gmosn":
        return []
    own_level, own_prefix = level(name)
    found = []
    for other in sorted(imported_names):
        if not within(other, "gmosn") or other == "gmosn" or other in PACKAGES:
            continue
        base = other if other in MODULES else other.rpartition(".")[0]
        if base in PACKAGES or base == "gmosn":
            continue                                     # gmosn.COMPILED and the like
        other_level, other_prefix = level(base)
        if other_level < own_level or own_prefix == other_prefix:
            continue
        if not any(within(name, importer) and within(base, imported) for importer, imported in EXCEPTIONS):
            found.append(f"{name} (level {LEVELS[own_level][0]}) imports {base} (level {LEVELS[other_level][0]})")
    return sorted(set(found))


def ban_violations(name, imported_names):
    found = []
    for who, what, why, *but in BANS:
        if within(name, who) and not any(within(name, prefix) for prefix in but):
            found += [f"{name} imports {other}: {why}" for other in sorted(imported_names)
                      if any(within(other, banned) for banned in what)]
    return found


MODULES = {dotted(path): path for path in modules()} | {dotted(path): path for path in PACKAGE.rglob("*.pxd")}
PACKAGES = {dotted(path) for path in modules() if path.name == "__init__.py"}


@pytest.mark.parametrize("path", modules(), ids=dotted)
def test_imports_only_lower_levels(path):
    assert layering_violations(dotted(path), imports(path)) == []


@pytest.mark.parametrize("path", modules(), ids=dotted)
def test_bans(path):
    assert ban_violations(dotted(path), imports(path)) == []


def test_every_exception_is_used():
    """An exception whose import has gone must go too."""
    for importer, imported in EXCEPTIONS:
        assert any(within(dotted(path), importer) and any(within(other, imported) for other in imports(path))
                   for path in modules()), f"unused exception: {importer} -> {imported}"


def test_the_checks_can_fail():
    assert layering_violations("gmosn.codec.http1", {"gmosn.stream_info.StreamInfo"}) == []
    assert layering_violations("gmosn.errors", {"gmosn.stream.api.Body"}) == \
        ["gmosn.errors (level 0) imports gmosn.stream.api (level 4)"]
    assert layering_violations("gmosn.codec.http1", {"gmosn.observe.stats"}) != []
    assert ban_violations("gmosn.codec.http1", {"gevent.hub"}) != []
    assert ban_violations("gmosn.filter.http.cors", {"gmosn.proxy.route"}) != []


def test_package_inits_are_empty():
    """An import must not have side effects, and a package's name must not hide where a thing is defined."""
    for path in modules():
        if path.name == "__init__.py" and path.parent != PACKAGE:
            assert path.read_text() == "", path
