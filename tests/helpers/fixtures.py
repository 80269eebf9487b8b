"""Data that is shared between projects and not copied into this one: tests that need it skip where it is not there."""
import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def shared_fixtures(*parts):
    """The path of `shared/fixtures/<parts>`: in GMOSN_FIXTURES, or beside the repository or further up."""
    places = [Path(os.environ["GMOSN_FIXTURES"])] if "GMOSN_FIXTURES" in os.environ else [
        folder / "shared" / "fixtures" for folder in ROOT.parents]
    for place in places:
        if place.joinpath(*parts).exists():
            return place.joinpath(*parts)
    return pytest.skip(f"no shared fixtures {'/'.join(parts)} (set GMOSN_FIXTURES)")


def shared_names(folder, pattern):
    """Paths below a folder of the shared fixtures as text, for parametrize; empty when they are not there."""
    try:
        root = shared_fixtures(folder)
    except pytest.skip.Exception:
        return []
    return sorted(path.relative_to(root).as_posix() for path in root.rglob(pattern))
