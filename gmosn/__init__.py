"""gmosn: a layer-4/layer-7 proxy in synchronous Python, configured like Envoy."""
import os.path

from gmosn._accel import install

__version__ = "0.1.0"
COMPILED = install(os.path.dirname(os.path.abspath(__file__)))
