"""The admin on a socket: an ordinary listener whose connection manager ends in the admin's pages, so that its stats,
access log, limits and timeouts are those of every other listener."""
import os
from functools import partial
from urllib.parse import quote

from gevent import sleep, spawn

from gmosn.config.descriptors import message_class
from gmosn.config.listener import Listener
from gmosn.filter.api import TerminalHttpFilter
from gmosn.headers import ResponseHead
from gmosn.registry import ExtensionRegistry
from gmosn.server.admin.http_types import AdminRequest
from gmosn.server.admin.protos import pack

_HTTP = "envoy.filters.http"
_HCM = "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
_MARK = "google.protobuf.Empty"      # the configuration of our terminal filter: it has none
_FILE_LOG = "envoy.extensions.access_loggers.file.v3.FileAccessLog"
BODY_LIMIT = 1 << 20
FLUSH_S = 5.0                        # stats_flush_interval's default


class AdminFilter(TerminalHttpFilter):
    """Answers every request from `admin` (admin.Admin)."""

    def __init__(self, admin):
        self._admin = admin

    def run(self, stream):
        request = stream.request
        body = stream.read_request_body(BODY_LIMIT)
        content_type = request.get(b"content-type") or b""
        reply = self._admin.handle(AdminRequest(
            request.method.decode("latin-1"), _text(request.path or b"/"), body, content_type.decode("latin-1")))
        head = ResponseHead()
        head.status = reply.status
        for name, value in (*reply.headers, ("content-type", reply.content_type),
                            ("cache-control", "no-cache, max-age=0"), ("x-content-type-options", "nosniff")):
            head.add(name.encode(), value.encode())
        stream.info.details = b"via_upstream" if reply.status == 200 else b"admin_filter_response"
        stream.manager.respond(stream, head, False)
        stream.down.send_data(reply.body, True)


def _text(path):
    """The target as text; bytes that are not ASCII are escaped first."""
    return path.decode("ascii") if path.isascii() else quote(path, safe="/?&=%+:,;@!$'()*~")


class _AdminExtensions(ExtensionRegistry):
    """The context's extensions and the admin's own filter."""

    def __init__(self, table, admin):
        super().__init__(table)
        self._filter = AdminFilter(admin)

    def find(self, category, full_name):
        return self if (category, full_name) == (_HTTP, _MARK) else super().find(category, full_name)

    def from_proto(self, config, context):
        return self._filter


class AdminListener:
    """`admin`: admin.Admin; `context`: FactoryContext of the control process (extensions, wheel, stats, access_logs,
    unpack). A drain of the server does not drain the admin. ConfigError for an access log that cannot be used."""

    def __init__(self, admin, context):
        self._admin = admin
        config = admin.backend.bootstrap.admin
        self._proto = listener_proto(config)
        table = context.extensions.table
        self._flusher = None
        self._listener = Listener.from_proto(
            listener_proto(config), context.replace(extensions=_AdminExtensions(table, admin), server=None))

    @property
    def address(self):
        """io.address.Address as bound, the configured one before."""
        return self._listener.addresses[0]

    def serve(self, sock):
        """Serves on a bound, listening socket (or its descriptor), which it owns from now on; writes
        --admin-address-path."""
        self._listener.serve([sock])
        self._admin.pause = partial(sleep, 0)
        self._flusher = spawn(self._flush)
        log = self._admin.backend.logs.get("main")
        log.info("admin address: %s", self.address)
        path = self._admin.backend.options.admin_address_path
        if path:
            try:
                _write_whole(path, str(self.address))
            except OSError:
                log.critical("cannot open admin address output file %s for writing.", path)

    def stop(self):
        """Ends the listener and its connections at once. Idempotent."""
        if self._flusher is not None:
            self._flusher.kill(block=False)
        self._listener.close()

    def _flush(self):
        """Ends the histograms' intervals, as Envoy does when it flushes stats to its sinks."""
        bootstrap = self._admin.backend.bootstrap
        interval_s = FLUSH_S
        if bootstrap.HasField("stats_flush_interval"):
            interval_s = max(bootstrap.stats_flush_interval.ToTimedelta().total_seconds(), 0.001)
        while not bootstrap.stats_flush_on_admin:
            sleep(interval_s)
            self._admin.view.flush()


def _write_whole(path, text):
    """Readers see all of the address or nothing."""
    part = f"{path}.{os.getpid()}.part"
    with open(part, "w", encoding="utf-8", errors="surrogateescape") as file:
        file.write(text)
    os.replace(part, path)


def listener_proto(config):
    """A Listener for a bootstrap's Admin message."""
    manager = message_class(_HCM)()
    manager.stat_prefix = "admin"
    manager.codec_type = 1
    manager.route_config.name = "admin"
    manager.normalize_path.value = True
    manager.merge_slashes = True
    manager.generate_request_id.value = False
    manager.use_remote_address.value = True
    manager.delayed_close_timeout.seconds = 1
    entry = manager.http_filters.add()
    entry.name = "admin"
    entry.typed_config.type_url = f"type.googleapis.com/{_MARK}"
    manager.access_log.extend(config.access_log)
    if config.access_log_path:
        log = manager.access_log.add()
        log.name = "envoy.access_loggers.file"
        file = message_class(_FILE_LOG)()
        file.path = config.access_log_path
        log.typed_config.CopyFrom(pack(file))
    listener = message_class("envoy.config.listener.v3.Listener")()
    listener.name = listener.stat_prefix = "admin"
    listener.address.CopyFrom(config.address)
    listener.socket_options.extend(config.socket_options)
    listener.enable_reuse_port.value = False
    network_filter = listener.filter_chains.add().filters.add()
    network_filter.name = "envoy.filters.network.http_connection_manager"
    network_filter.typed_config.CopyFrom(pack(manager))
    return listener
