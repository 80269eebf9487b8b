"""Finds the compiled twins of the hot modules, if they were built from exactly these sources. Standard library only.

A hot module is a `.py` with a `.pxd` beside it. All hot sources and the compiler flags make one hash, which is part of
every extension's file name: Python's own importer never finds that name, and this finder finds it only while the sources
are unchanged, so a stale extension cannot be loaded. Types that cross modules are cimported, therefore the compiled set
is all or nothing.

`GMOSN_ACCEL` = `auto` (default: compiled if there), `require` (ImportError if not), `off` (pure Python).
"""
import os
import sys
from importlib.machinery import EXTENSION_SUFFIXES, ExtensionFileLoader
from importlib.util import source_hash as keyed_hash
from importlib.util import spec_from_file_location

FLAGS = ("-O2", "-g0", "-fno-plt", "-D_GNU_SOURCE", "-Wno-unused-function")


def declarations(root):
    """The paths of all .pxd below the package directory `root`, sorted."""
    return sorted(os.path.join(folder, name) for folder, _, names in os.walk(root) for name in names
                  if name.endswith(".pxd"))


def hot_modules(root):
    """(dotted name, path of the .py) of every hot module below the package directory `root`, sorted."""
    parent = os.path.dirname(root)
    for pxd in declarations(root):
        py = f"{pxd[:-4]}.py"
        if os.path.exists(py):
            yield os.path.relpath(pxd[:-4], parent).replace(os.sep, "."), py


def source_hash(root):
    """16 hex digits over all hot sources and what they are built with.

    By importlib's hash (64 bits): hashlib and pathlib take 25 ms to import, which every process would spend here.
    """
    parts = [" ".join(FLAGS).encode()]
    for pxd in declarations(root):
        parts.append(os.path.relpath(pxd, root).encode())
        for source in (pxd, f"{pxd[:-4]}.py"):
            try:
                with open(source, "rb") as file:
                    parts.append(file.read())
            except FileNotFoundError:                # a .pxd alone: other people's C API
                pass
    return keyed_hash(b"".join(b"%d:%b" % (len(part), part) for part in parts)).hex()


def tagged_name(stem, tag):
    """File name of an extension built from the sources whose hash is `tag`."""
    return f"{stem}.h{tag}{EXTENSION_SUFFIXES[0]}"


class HotFinder:
    """A meta path finder for the compiled set; `hot` is empty when any member is missing."""

    def __init__(self, root):
        tag = source_hash(root)
        paths = {name: tagged_name(py[:-3], tag) for name, py in hot_modules(root)}
        self.hot = paths if paths and all(map(os.path.exists, paths.values())) else {}

    def find_spec(self, name, path=None, target=None):
        found = self.hot.get(name)
        return found and spec_from_file_location(name, found, loader=ExtensionFileLoader(name, found))


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
