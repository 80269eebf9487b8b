"""What this build says it is."""
import sys

from gmosn import COMPILED, __version__

HOT_RESTART_VERSION = "1.1"              # of gmosn's own protocol; Envoy's number would promise what we do not speak


def version_text():
    """For --version and /server_info: "0.1.0/compiled/cpython-3.11.7"."""
    mode = "compiled" if COMPILED else "pure Python"
    return f"{__version__}/{mode}/{sys.implementation.name}-{sys.version.split()[0]}"
