"""The table of extensions: (category, full proto name of the configuration) -> "module:Class".

Only config/ and cli import this module. Entry points of the group `gmosn.extensions` add to it: the entry point's name
is "category/full.proto.Name", its value "module:Class".
"""
NETWORK, HTTP, LISTENER, ACCESS_LOG = ("envoy.filters.network", "envoy.filters.http", "envoy.filters.listener",
                                       "envoy.access_loggers")
PER_ROUTE = "envoy.filters.http.per_route"       # what may stand in typed_per_filter_config
_FILTERS = "envoy.extensions.filters"
_LOGGERS = "envoy.extensions.access_loggers"

TABLE = {
    (NETWORK, f"{_FILTERS}.network.http_connection_manager.v3.HttpConnectionManager"):
        "gmosn.proxy.http_connection_manager:HttpConnectionManager",
    (NETWORK, f"{_FILTERS}.network.tcp_proxy.v3.TcpProxy"): "gmosn.filter.network.tcp_proxy:TcpProxy",
    (NETWORK, f"{_FILTERS}.network.echo.v3.Echo"): "gmosn.filter.network.echo:Echo",
    (NETWORK, f"{_FILTERS}.network.direct_response.v3.Config"): "gmosn.filter.network.direct_response:DirectResponse",
    (HTTP, f"{_FILTERS}.http.router.v3.Router"): "gmosn.proxy.router:Router",
    (HTTP, "gmosn.filters.http.python.v1.PythonFilter"): "gmosn.filter.http.python_filter:PythonFilter",
    (PER_ROUTE, "gmosn.filters.http.python.v1.PythonFilterPerRoute"):
        "gmosn.filter.http.python_filter:PythonFilterPerRoute",
    (ACCESS_LOG, f"{_LOGGERS}.file.v3.FileAccessLog"): "gmosn.filter.access_log.file:FileAccessLog",
    (ACCESS_LOG, f"{_LOGGERS}.stream.v3.StdoutAccessLog"): "gmosn.filter.access_log.stream:StdoutAccessLog",
    (ACCESS_LOG, f"{_LOGGERS}.stream.v3.StderrAccessLog"): "gmosn.filter.access_log.stream:StderrAccessLog",
}


class ExtensionTable(dict):
    """TABLE, and what installed packages add. They are asked for the first type that is not built in: going through all
    of them takes longer than the rest of this module's users need to start."""

    def __init__(self):
        super().__init__(TABLE)
        self._asked = False

    def __missing__(self, key):
        if self._asked:
            raise KeyError(key)
        self.add_installed()
        return self[key]

    def get(self, key, default=None):
        try:
            return self[key]
        except KeyError:
            return default

    def add_installed(self):
        """Enters what installed packages offer; what is built in stays. Returns the table."""
        from importlib.metadata import entry_points
        self._asked = True
        for point in entry_points(group="gmosn.extensions"):
            category, _, full_name = point.name.partition("/")
            self.setdefault((category, full_name), point.value)
        return self


def extension_table():
    """A table for one process or test."""
    return ExtensionTable()
