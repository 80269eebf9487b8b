"""Finds the compiled twins of the hot modules, if they were built from exactly these sources. Standard library only.

A hot module is a `.py` with a `.pxd` beside it. All hot sources and the compiler flags make one hash, which is part of
every extension's file name: Python's own importer never finds that name, and this finder finds it only while the sources
are unchanged, so a stale extension cannot be loaded. Types that cross modules are cimported, therefore the compiled set
is all or nothing.

`GMOSN_ACCEL` = `auto` (default: compiled if there), `require` (ImportError if not), `off` (pure Python).
"""
import hashlib
import os
import sys
from importlib.machinery import EXTENSION_SUFFIXES, ExtensionFileLoader
from importlib.util import spec_from_file_location

FLAGS = ("-O2", "-g0", "-fno-plt", "-D_GNU_SOURCE", "-Wno-unused-function")


def hot_modules(root):
    """(dotted name, path of the .py) of every hot module below the package directory `root`, sorted."""
    for pxd in sorted(root.rglob("*.pxd")):
        py = pxd.with_suffix(".py")
        if py.exists():
            yield ".".join((root.name, *py.relative_to(root).with_suffix("").parts)), py


def source_hash(root):
    """12 hex digits over all hot sources and what they are built with."""
    digest = hashlib.sha256(" ".join(FLAGS).encode())
    for pxd in sorted(root.rglob("*.pxd")):
        py = pxd.with_suffix(".py")
        digest.update(pxd.relative_to(root).as_posix().encode())
        digest.update(pxd.read_bytes())
        if py.exists():
            digest.update(py.read_bytes())
    return digest.hexdigest()[:12]


def tagged_name(stem, tag):
    """File name of an extension built from the sources whose hash is `tag`."""
    return f"{stem}.h{tag}{EXTENSION_SUFFIXES[0]}"


class HotFinder:
    """A meta path finder for the compiled set; `hot` is empty when any member is missing."""

    def __init__(self, root):
        tag = source_hash(root)
        paths = {name: py.with_name(tagged_name(py.stem, tag)) for name, py in hot_modules(root)}
        self.hot = paths if paths and all(path.exists() for path in paths.values()) else {}

    def find_spec(self, name, path=None, target=None):
        found = self.hot.get(name)
        return found and spec_from_file_location(name, str(found), loader=ExtensionFileLoader(name, str(found)))


def install(root):
    """Puts the finder first on `sys.meta_path`. Returns True when the compiled set will be used."""
    mode = os.environ.get("GMOSN_ACCEL", "auto")
    if mode not in ("auto", "require", "off"):
        raise ImportError(f"GMOSN_ACCEL={mode!r}: use auto, require or off")
    if mode == "off":
        return False
    finder = HotFinder(root)
    if not finder.hot:
        if mode == "require":
            raise ImportError("gmosn: compiled modules are missing or were built from other sources (try `make build`)")
        return False
    sys.meta_path.insert(0, finder)
    return True
