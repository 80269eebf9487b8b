"""envoy.filters.network.tcp_proxy: a connection to a host of a cluster, bytes both ways."""
import random
from itertools import accumulate

import gevent

from gmosn.clock import now_us
from gmosn.errors import ConfigError, NoHealthyUpstream, StreamError, UpstreamConnectFailure, UpstreamOverflow
from gmosn.filter.access_log.build import build_access_logs
from gmosn.filter.api import TerminalFilter
from gmosn.filter.network.relay import DURATION, IDLE, RESET_UP, Relay
from gmosn.io.splice import Pipes
from gmosn.proto_values import duration_us
from gmosn.stream_info import StreamInfo

DEFAULT_IDLE_US = 3_600_000_000
CONNECTED, PERIODIC, END = b"TcpUpstreamConnected", b"TcpPeriodic", b"TcpConnectionEnd"


class TcpProxyStats:
    """`tcp.<stat_prefix>.*` with Envoy's names. The buffered gauges stay 0: what is not delivered is in the kernel."""

    def __init__(self, stats):
        self.cx_total = stats.counter("downstream_cx_total")
        self.cx_no_route = stats.counter("downstream_cx_no_route")
        self.received = stats.counter("downstream_cx_rx_bytes_total")
        self.sent = stats.counter("downstream_cx_tx_bytes_total")
        self.paused = stats.counter("downstream_flow_control_paused_reading_total")
        self.resumed = stats.counter("downstream_flow_control_resumed_reading_total")
        self.idle_timeout = stats.counter("idle_timeout")
        self.max_duration = stats.counter("max_downstream_connection_duration")
        for name in ("downstream_cx_drain_close", "downstream_cx_overload_close", "early_data_received_count_total",
                     "route_delayed_total", "upstream_flush_total"):
            stats.counter(name)
        for name in ("downstream_cx_rx_bytes_buffered", "downstream_cx_tx_bytes_buffered", "upstream_flush_active"):
            stats.gauge(name)


class TcpProxy(TerminalFilter):
    """Built once per configuration generation, shared by its connections."""

    TYPE_URL = "envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy"

    def __init__(self, config, context):
        self.stats = TcpProxyStats(context.stats.scope(f"tcp.{config.stat_prefix}."))
        self.choose = _cluster_choice(config, context)
        self.idle_us = duration_us(config, "idle_timeout", DEFAULT_IDLE_US)
        self.attempts = config.max_connect_attempts.value or 1
        self.backoff = _backoff(config)
        self.max_duration_us = duration_us(config, "max_downstream_connection_duration")
        self.jitter = config.max_downstream_connection_duration_jitter_percentage.value / 100
        self.access_logs = build_access_logs(config.access_log, context)
        self.log_connected, self.log_interval_us = _log_options(config)
        self.pipes = Pipes()

    @classmethod
    def from_proto(cls, config, context):
        """From the TcpProxy message."""
        if config.WhichOneof("cluster_specifier") is None:
            raise ConfigError("Proto constraint validation failed "
                              "(TcpProxyValidationError.ClusterSpecifier: is required)")
        return cls(config, context)

    def close(self):
        self.pipes.close()

    def serve(self, conn, info):
        """Blocks until the connection is over; closes it and writes the access log."""
        stream = StreamInfo(info)
        self.stats.cx_total.add(1)
        until = self._until()
        try:
            cluster, upstream, host = self._connect(stream)
            if upstream is not None:
                try:
                    self._relay(conn, upstream, stream, until)
                finally:
                    cluster.disconnected(upstream, host)
        finally:
            conn.close()
            stream.end_us = now_us()
            self._log(stream, END)

    def _until(self):
        if not self.max_duration_us:
            return 0
        return now_us() + int(self.max_duration_us * (1 + self.jitter * random.random()))

    # -- upstream

    def _connect(self, stream):
        """(Cluster, Connection, Host), or three times None: then the flags say why."""
        slot = self.choose()
        cluster = slot.cluster
        if cluster is None:
            self.stats.cx_no_route.add(1)
            stream.add_flag("NC")
            return None, None, None
        stream.cluster = cluster
        for attempt in range(self.attempts):
            if attempt and self.backoff is not None:
                gevent.sleep(self.backoff.pause_s(attempt))
            try:
                connection = cluster.connect(stream, 0)
            except UpstreamConnectFailure:
                stream.attempts += 1
                stream.add_flag("UF")
            except (NoHealthyUpstream, UpstreamOverflow) as exc:
                stream.add_flag(exc.flag)
                stream.upstream_host = None
                return None, None, None
            except StreamError as exc:
                stream.add_flag(exc.flag)
                return None, None, None
            else:
                stream.attempts += 1
                return cluster, *connection
        stream.add_flag("URX")
        cluster.stats.cx_connect_attempts_exceeded.add(1)
        return None, None, None

    def _relay(self, conn, upstream, stream, until):
        relay = Relay(conn, upstream, self.stats.received, self.stats.sent)
        relay.pipes = self.pipes
        relay.idle_us = self.idle_us
        relay.until_us = until
        if self.log_connected:
            self._log(stream, CONNECTED)
        if self.log_interval_us:
            relay.report_us = self.log_interval_us
            relay.on_report = lambda: self._report(conn, upstream, stream)
        relay.run()
        _count(conn, upstream, stream)
        self.stats.paused.add(upstream.blocked)
        self.stats.resumed.add(upstream.blocked)
        if relay.outcome == RESET_UP:
            stream.add_flag("UR")
        elif relay.outcome == IDLE:
            self.stats.idle_timeout.add(1)
        elif relay.outcome == DURATION:
            self.stats.max_duration.add(1)
            stream.add_flag("DT")

    # -- access log

    def _report(self, conn, upstream, stream):
        _count(conn, upstream, stream)
        self._log(stream, PERIODIC)

    def _log(self, stream, kind):
        stream.log_type = kind
        for log in self.access_logs:
            log.log(stream)


def _count(conn, upstream, stream):
    """What has moved until now."""
    stream.bytes_received = stream.downstream_wire_received = conn.bytes_in
    stream.bytes_sent = stream.downstream_wire_sent = conn.bytes_out
    stream.upstream_wire_received = upstream.bytes_in
    stream.upstream_wire_sent = upstream.bytes_out


class Backoff:
    """Pauses between connect attempts: exponential with full jitter. Times in s."""

    def __init__(self, base, largest):
        self.base = base
        self.largest = largest

    def pause_s(self, attempt):
        """Before attempt number `attempt` (the first is 0 and has none)."""
        return random.random() * min(self.base * (2 ** min(attempt, 30) - 1), self.largest)


def _backoff(config):
    if not config.HasField("backoff_options"):
        return None
    base = duration_us(config.backoff_options, "base_interval") / 1e6
    largest = duration_us(config.backoff_options, "max_interval") / 1e6 or base * 10
    if largest < base:
        raise ConfigError("max_interval must be greater than or equal to the base_interval", ("backoff_options",))
    return Backoff(base, largest)


def _cluster_choice(config, context):
    """A function without arguments that gives a connection's ClusterSlot."""
    if config.WhichOneof("cluster_specifier") == "cluster":
        slot = context.clusters.slot(config.cluster)
        return lambda: slot
    slots = [context.clusters.slot(entry.name) for entry in config.weighted_clusters.clusters]
    totals = list(accumulate(entry.weight for entry in config.weighted_clusters.clusters))
    if totals[-1] == 0:
        raise ConfigError("the sum of the weights must be greater than 0", ("weighted_clusters", "clusters"))
    return lambda: random.choices(slots, cum_weights=totals)[0]


def _log_options(config):
    """(log when connected, interval in us or 0): the options, or the deprecated fields that they replace."""
    source = config
    if config.HasField("access_log_options"):
        if config.HasField("access_log_flush_interval") or config.flush_access_log_on_connected:
            raise ConfigError("Only one of access_log_options or access_log_flush_interval/"
                              "flush_access_log_on_connected can be specified.", ("access_log_options",))
        source = config.access_log_options
    return source.flush_access_log_on_connected, duration_us(source, "access_log_flush_interval")
