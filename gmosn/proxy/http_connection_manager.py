"""The HTTP connection manager (HCM): the terminal network filter that turns a connection into HTTP streams.

This module is its configuration; what happens per stream is in stream_handler.py (source of names and defaults:
Envoy's api, extensions/filters/network/http_connection_manager/v3).
"""
from gmosn.codec.http1 import Http1Settings
from gmosn.errors import ConfigError, ConfigErrors
from gmosn.filter.access_log.build import build_access_logs
from gmosn.filter.api import TerminalFilter
from gmosn.proto_values import duration_us
from gmosn.proxy.chain import FilterChain
from gmosn.proxy.http_filters import build_http_filters
from gmosn.proxy.http_stats import HttpStats
from gmosn.proxy.request_rules import RequestRules
from gmosn.proxy.route_config import RouteTable
from gmosn.proxy.stream_handler import HttpStreamHandler
from gmosn.stream.http1 import Http1ServerConnection

AUTO, HTTP1, HTTP2, HTTP3 = range(4)
DEFAULT_IDLE_US = 3_600_000_000
DEFAULT_STREAM_IDLE_US = 300_000_000
DEFAULT_DELAYED_CLOSE_US = 1_000_000
DEFAULT_HEADERS_KB = 60
DEFAULT_HEADERS_COUNT = 100


def http1_settings(config):
    """Http1Settings of an HCM message's http_protocol_options, common_http_protocol_options and limits."""
    settings = Http1Settings()
    options, common = config.http_protocol_options, config.common_http_protocol_options
    settings.max_head_bytes = (config.max_request_headers_kb.value if config.HasField("max_request_headers_kb")
                               else DEFAULT_HEADERS_KB) * 1024
    settings.max_fields = (common.max_headers_count.value if common.HasField("max_headers_count")
                           else DEFAULT_HEADERS_COUNT)
    settings.allow_absolute_url = not options.HasField("allow_absolute_url") or options.allow_absolute_url.value
    settings.accept_http_10 = options.accept_http_10
    settings.default_host = options.default_host_for_http_10.encode()
    settings.enable_trailers = options.enable_trailers
    settings.allow_chunked_length = options.allow_chunked_length
    settings.underscores = common.headers_with_underscores_action
    return settings


class HttpConnectionManager(TerminalFilter):
    """Built once per configuration generation; `handler` does the work."""

    TYPE_URL = "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"

    def __init__(self, handler, settings, idle_timeout_us, headers_timeout_us, linger_us):
        self.handler = handler
        self.settings = settings
        self.idle_timeout_us = idle_timeout_us
        self.headers_timeout_us = headers_timeout_us
        self.linger_us = linger_us

    @classmethod
    def from_proto(cls, config, context):
        errors = []
        if config.stream_error_on_invalid_http_message.value:
            errors.append(ConfigError("not implemented: after an invalid message the connection is always closed",
                                      ("stream_error_on_invalid_http_message",)))
        handler = HttpStreamHandler()
        if config.codec_type in (HTTP2, HTTP3):
            errors.append(ConfigError("HTTP/2 and HTTP/3 are not implemented yet", ("codec_type",)))

        def part(field, build, *arguments):
            try:
                return build(*arguments)
            except ConfigErrors as exc:
                errors.extend(exc.under(field).errors)
            except ConfigError as exc:
                errors.append(exc.under(field))
            return None

        if config.WhichOneof("route_specifier") == "route_config":
            handler.routes = part("route_config", RouteTable.from_proto, config.route_config, context)
        else:
            errors.append(ConfigError("only an inline route_config is implemented yet",
                                      (config.WhichOneof("route_specifier") or "route_config",)))
        filters = part("http_filters", build_http_filters, config.http_filters, context)
        handler.access_logs = part("access_log", build_access_logs, config.access_log, context)
        try:
            handler.rules = RequestRules.from_proto(config, context)
        except ConfigErrors as exc:
            errors.extend(exc.errors)
        except ConfigError as exc:
            errors.append(exc)
        if errors:
            raise ConfigErrors(errors)
        handler.chain = FilterChain(filters)
        _limits(handler, config)
        handler.upgrades = _upgrades(config)
        handler.server = context.server
        handler.log = context.log_exception
        scope = f"http.{config.stat_prefix}."
        listener = context.listener.stats.scope(scope) if context.listener is not None else None
        handler.stats = HttpStats(context.stats.scope(scope), listener)
        return cls(handler, http1_settings(config), *_connection_times(config))

    def serve(self, conn, info):
        """Returns when the connection has ended, or has been parked."""
        connection = Http1ServerConnection(conn, self.handler, self.settings, info)
        connection.idle_timeout_us = self.idle_timeout_us
        connection.headers_timeout_us = self.headers_timeout_us
        connection.linger_us = self.linger_us
        self.handler.opened(connection)
        connection.serve()

    def drain(self):
        """Tells every connection to go."""
        self.handler.drain()

    def close(self):
        self.handler.chain.close()


def _limits(handler, config):
    """Times and counts per stream and connection."""
    common = config.common_http_protocol_options
    handler.stream_idle_us = duration_us(config, "stream_idle_timeout", DEFAULT_STREAM_IDLE_US)
    handler.request_timeout_us = duration_us(config, "request_timeout")
    handler.max_stream_duration_us = duration_us(common, "max_stream_duration")
    handler.max_requests = (common.max_requests_per_connection.value
                            if common.HasField("max_requests_per_connection") else 0)
    handler.max_connection_us = duration_us(common, "max_connection_duration")
    handler.proxy_100_continue = config.proxy_100_continue


def _connection_times(config):
    """(idle timeout, head timeout, delayed close timeout) in us."""
    stream_idle = duration_us(config, "stream_idle_timeout", DEFAULT_STREAM_IDLE_US)
    limits = [us for us in (duration_us(config, "request_headers_timeout"), duration_us(config, "request_timeout"),
                            stream_idle) if us]
    return (duration_us(config.common_http_protocol_options, "idle_timeout", DEFAULT_IDLE_US),
            min(limits, default=0), duration_us(config, "delayed_close_timeout", DEFAULT_DELAYED_CLOSE_US))


def _upgrades(config):
    """{lower-case upgrade type: enabled} of `upgrade_configs`."""
    return {entry.upgrade_type.lower().encode(): not entry.HasField("enabled") or entry.enabled.value
            for entry in config.upgrade_configs}
