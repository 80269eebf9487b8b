"""gmosn: a layer-4/layer-7 proxy in synchronous Python, configured like Envoy."""
from pathlib import Path

from gmosn._accel import install

__version__ = "0.1.0"
COMPILED = install(Path(__file__).parent)
