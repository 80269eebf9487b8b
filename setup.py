"""Builds the hot modules (a `.py` with a `.pxd` beside it) with Cython, and the descriptor set of the configuration.

Without a C compiler the hot modules stay Python.

Extensions are cached under build/hot by the hash of what one module depends on (its own source and every `.pxd`), so an
edit recompiles one module while the file names of all of them follow the hash of the whole set (gmosn/_accel.py).
`GMOSN_ACCEL=require` turns a missing compiler into an error, `GMOSN_ACCEL=off` skips the build.
"""
import fcntl
import hashlib
import os
import re
import shutil
import sys
import tempfile
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext
from setuptools.command.build_py import build_py

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
from build_support import descriptors  # noqa: E402
from gmosn._accel import FLAGS, hot_modules, source_hash, tagged_name  # noqa: E402

PACKAGE = HERE / "gmosn"
CACHE = Path(os.environ.get("GMOSN_BUILD_CACHE", HERE / "build" / "hot"))
CIMPORT = re.compile(r"^\s*(?:from\s+(gmosn[\w.]*)\s+cimport|cimport\s+(gmosn[\w.]*))", re.MULTILINE)
DIRECTIVES = dict(boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True, infer_types=None,
                  annotation_typing=True, nonecheck=False, always_allow_keywords=False, language_level=3)
MODE = os.environ.get("GMOSN_ACCEL", "auto")


def declarations(pxd, seen):
    """Adds `pxd` and every declaration file that it cimports, directly or not, to the set `seen`."""
    if pxd in seen or not pxd.exists():
        return
    seen.add(pxd)
    for first, second in CIMPORT.findall(pxd.read_text()):
        declarations(HERE.joinpath(*(first or second).split(".")).with_suffix(".pxd"), seen)


def module_key(source):
    """Hash of what the compiled form of one hot module depends on."""
    import Cython
    import greenlet
    digest = hashlib.sha256(repr((Cython.__version__, greenlet.__version__, FLAGS, sorted(DIRECTIVES.items()),
                                  sys.version)).encode())
    digest.update(source.read_bytes())
    needed = set()
    declarations(source.with_suffix(".pxd"), needed)
    for pxd in sorted(needed):
        digest.update(pxd.relative_to(PACKAGE).as_posix().encode() + pxd.read_bytes())
    return digest.hexdigest()[:16]


def remove_old(extension):
    """Deletes the builds of one hot module from other sources; `extension`: path of the file about to be written."""
    for old in extension.parent.glob(f"{extension.name.partition('.')[0]}.h*.so"):
        old.unlink(missing_ok=True)


class BuildHot(build_ext):
    """Names each extension after the hash of the whole set and takes unchanged ones from the cache."""

    def get_ext_filename(self, fullname):
        *package, stem = fullname.split(".")
        return str(Path(*package, tagged_name(stem, source_hash(str(PACKAGE)))))

    def run(self):
        if self.inplace:                             # a development tree: nobody calls build_py
            descriptors.build(CACHE)
        try:
            super().run()
        except Exception as exc:                     # no compiler, no headers: pure Python is the documented fallback
            if MODE == "require":
                raise
            print(f"gmosn: the hot modules stay pure Python ({exc})", file=sys.stderr)
            for ext in self.extensions:              # the set is all or nothing: leave no part of it in a wheel
                remove_old(Path(self.get_ext_fullpath(ext.name)))
            self.extensions = []                     # so that installing does not look for them

    def build_extensions(self):
        """One build at a time fills a cache: a second one that wants the same modules finds them there."""
        CACHE.mkdir(parents=True, exist_ok=True)
        with open(CACHE / "lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            self._build_missing()

    def _build_missing(self):
        """Translates what the cache lacks in one go, then runs the C compiler on as many cores as there are."""
        self.kept = {ext.name: CACHE / f"{ext.name}.{module_key(HERE / ext.sources[0])}.so" for ext in self.extensions}
        missing = [ext for ext in self.extensions if not self.kept[ext.name].exists()]
        self.parallel = min(os.cpu_count() or 1, len(missing)) or None
        if missing:
            self._try_compiler()
            from Cython.Build import cythonize
            translated = cythonize([Extension(ext.name, ext.sources) for ext in missing], quiet=True, force=True,
                                   build_dir=str(HERE / "build" / "c"), compiler_directives=DIRECTIVES,
                                   nthreads=self.parallel if self.parallel > 1 else 0)
            for ext, done in zip(missing, translated, strict=True):
                ext.sources = done.sources
        super().build_extensions()

    def _try_compiler(self):
        """Raises at once, before anything is translated, where no compiler or no Python.h is."""
        with tempfile.TemporaryDirectory() as folder:
            source = Path(folder, "probe.c")
            source.write_text("#include <Python.h>\n")
            self.compiler.compile([str(source)], output_dir=folder)

    def build_extension(self, ext):
        target, kept = Path(self.get_ext_fullpath(ext.name)), self.kept[ext.name]
        target.parent.mkdir(parents=True, exist_ok=True)
        remove_old(target)
        if kept.exists():
            shutil.copy2(kept, target)
            return
        super().build_extension(ext)
        for old in sorted(CACHE.glob(f"{ext.name}.*.so"), key=os.path.getmtime)[:-16]:
            old.unlink(missing_ok=True)
        partial = kept.with_suffix(f".{os.getpid()}")
        shutil.copy2(target, partial)
        partial.replace(kept)                        # whole or not there: several builds may share the cache

    def copy_extensions_to_source(self):
        for ext in self.extensions:
            remove_old(HERE / self.get_ext_filename(ext.name))
        super().copy_extensions_to_source()


class BuildPython(build_py):
    """Makes gmosn/config/descriptors.bin before the package's files are collected."""

    def run(self):
        descriptors.build(CACHE)
        super().run()


def extensions():
    if MODE == "off":
        return []
    try:
        import Cython  # noqa: F401
        import greenlet
    except ImportError:
        if MODE == "require":
            raise
        return []
    include = [str(Path(greenlet.__file__).parent)]
    return [Extension(name, [str(Path(py).relative_to(HERE))], include_dirs=include, extra_compile_args=list(FLAGS))
            for name, py in hot_modules(str(PACKAGE))]


setup(ext_modules=extensions(), cmdclass={"build_ext": BuildHot, "build_py": BuildPython})
