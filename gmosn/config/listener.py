"""A listener at run time: accepts connections, chooses a filter chain for each, runs it in a greenlet."""
from itertools import count

from gmosn.clock import now_us
from gmosn.config.bind_plan import bind_plans, listener_addresses
from gmosn.config.filter_chain import NetworkFilterChain
from gmosn.config.filter_chain_match import ChainMatcher, check_overlaps
from gmosn.errors import ConfigError, ConfigErrors, ConnectionRefused, PeerGone, ProtocolError, Timeout
from gmosn.filter.access_log.build import build_access_logs
from gmosn.io.address import Address
from gmosn.io.connection import Connection
from gmosn.io.descriptors import borrowed, close_descriptor
from gmosn.io.listener import PER_EVENT, Acceptor
from gmosn.proto_values import duration_us
from gmosn.stream_info import ConnectionInfo, StreamInfo

LISTENER_FILTER_CATEGORY = "envoy.filters.listener"
LISTENER_FILTERS_TIMEOUT_US = 15_000_000
DEFAULT_BUFFER_LIMIT = 1 << 20
DEFAULT, MODIFY_ONLY = range(2)
INBOUND = 1
DIRECTIONS = ("UNSPECIFIED", "INBOUND", "OUTBOUND")
ENDED = (OSError, Timeout, PeerGone, ProtocolError, ConnectionRefused)


class ListenerStats:
    """`listener.<address>.*` with Envoy's names."""

    def __init__(self, stats):
        self.cx_total = stats.counter("downstream_cx_total")
        self.cx_destroy = stats.counter("downstream_cx_destroy")
        self.cx_active = stats.gauge("downstream_cx_active")
        self.cx_length_ms = stats.histogram("downstream_cx_length_ms", "ms")
        self.cx_overflow = stats.counter("downstream_cx_overflow")
        self.cx_overload_reject = stats.counter("downstream_cx_overload_reject")
        self.cx_transport_socket_timeout = stats.counter("downstream_cx_transport_socket_connect_timeout")
        self.global_cx_overflow = stats.counter("downstream_global_cx_overflow")
        self.filter_error = stats.counter("downstream_listener_filter_error")
        self.filter_remote_close = stats.counter("downstream_listener_filter_remote_close")
        self.pre_cx_active = stats.gauge("downstream_pre_cx_active")
        self.pre_cx_timeout = stats.counter("downstream_pre_cx_timeout")
        self.no_filter_chain_match = stats.counter("no_filter_chain_match")
        self.accepted_per_event = stats.histogram("connections_accepted_per_socket_event", "")
        self.out_of_descriptors = stats.counter("accept_out_of_descriptors")      # ours: Envoy spins there


class Listener:
    """Built once per configuration generation. `stats`: its scope, which filters use too; `addresses`: [Address], as
    bound once it serves; `plans`: what gmosn.io.bind binds for it; `inbound`: its traffic direction."""

    def __init__(self, proto, context):
        self.name = proto.name
        self.addresses = listener_addresses(proto)
        self.plans = bind_plans(proto)
        self.stats = context.stats.scope(f"listener.{stat_name(proto, self.addresses[0])}.")
        self.counts = ListenerStats(self.stats)
        self.context = context
        self.metadata = proto.metadata if proto.HasField("metadata") else None
        self.direction = DIRECTIONS[proto.traffic_direction]
        self.inbound = proto.traffic_direction == INBOUND
        self.drain_type = proto.drain_type
        self.buffer_limit = (proto.per_connection_buffer_limit_bytes.value
                             if proto.HasField("per_connection_buffer_limit_bytes") else DEFAULT_BUFFER_LIMIT)
        self.per_event = proto.max_connections_to_accept_per_socket_event.value or PER_EVENT
        self.filters_timeout_us = duration_us(proto, "listener_filters_timeout", LISTENER_FILTERS_TIMEOUT_US)
        self.continue_on_timeout = proto.continue_on_listener_filters_timeout
        self.listener_filters = []
        self.access_logs = []
        self.chains = []
        self.matcher = None
        self.acceptors = []
        self.live = {}                               # Connection -> its StreamInfo, None without an access log
        self.greenlets = set()
        self.ids = count(1)
        self.closed = False

    @classmethod
    def from_proto(cls, proto, context):
        """From an envoy.config.listener.v3.Listener. Binds nothing. ConfigErrors with all that is wrong."""
        listener = cls(proto, context)
        inner = context.replace(listener=listener)
        if proto.drain_type == MODIFY_ONLY and context.server is not None:
            inner = inner.replace(server=ModifyOnly(context.server))
        try:
            _Parts(listener, proto, inner).build()
        except BaseException:
            listener.close()
            raise
        return listener

    # -- life

    def serve(self, sockets):
        """Accepts from these listening sockets (or descriptors), one per plan in that order; owns them from now on.

        Does not block: the hub accepts."""
        if len(sockets) != len(self.plans):
            raise ValueError(f"{self.name}: {len(sockets)} sockets for {len(self.plans)} addresses")
        bound = []
        for sock in sockets:
            acceptor = Acceptor(sock, None, self._exhausted, self.per_event, self.counts.accepted_per_event.record)
            address = Address.from_sockaddr(acceptor.sock.getsockname(), acceptor.sock.family)
            bound.append(address)
            acceptor.on_accept = Accepting(self, address, acceptor.sock.family)
            self.acceptors.append(acceptor)
            acceptor.start()
        self.addresses = bound or self.addresses

    def stop_accepting(self):
        """Connections that are there go on; new ones stay in the queues of the sockets, which remain open."""
        for acceptor in self.acceptors:
            acceptor.stop()

    def release_sockets(self):
        """Stops accepting and gives the descriptors of its sockets away, in the plans' order: for a successor."""
        released = [acceptor.release() for acceptor in self.acceptors]
        self.acceptors = []
        return released

    def accept_waiting(self):
        """Accepts everybody who waits in the sockets' queues now: before close_sockets(), which would reset them."""
        for acceptor in self.acceptors:
            acceptor.accept_waiting()

    def close_sockets(self):
        """Stops accepting and closes the sockets: new connections are refused."""
        for acceptor in self.acceptors:
            acceptor.close()
        self.acceptors = []

    def drain(self):
        """Asks every connection to end when it can (HTTP: `connection: close`)."""
        for chain in self.chains:
            chain.drain()

    def close_idle(self):
        """Closes the connections that are between two requests. Returns how many."""
        idle = [conn for conn in self.live if conn.idle or conn.parked is not None]
        for conn in idle:
            conn.close()
        return len(idle)

    def close(self):
        """Ends everything at once: sockets, connections, filters. Idempotent."""
        if self.closed:
            return
        self.closed = True
        self.close_sockets()
        for conn in list(self.live):
            conn.close()
        if self.greenlets:
            from gevent import killall
            killall(list(self.greenlets), block=False)
        for chain in self.chains:
            chain.close()
        for listener_filter in self.listener_filters:
            listener_filter.close()

    def __repr__(self):
        state = "closed" if self.closed else "serving" if self.acceptors else "not serving"
        return f"<Listener {self.name} {' '.join(map(str, self.addresses))} {state}, {len(self.live)} connections>"

    # -- connections

    def accepted(self, fd, local, remote):
        """In the hub: a new connection."""
        conn = Connection(fd, self.context.wheel, local, remote)
        conn.owner = self
        if self.buffer_limit:
            conn.limit_reads(self.buffer_limit)
        self.counts.cx_total.add(1)
        self.counts.cx_active.add(1)
        self.live[conn] = None
        self._start(self._run, conn)

    def spawn(self, conn, resume):
        """From a parked connection: it wants its greenlet back."""
        self._start(self._resume, conn, resume)

    def _start(self, run, conn, *arguments):
        from gmosn.io.connection_greenlet import ConnectionGreenlet      # validation needs no gevent: 70 ms
        greenlet = ConnectionGreenlet(run, conn, *arguments)
        self.greenlets.add(greenlet)
        greenlet.start()

    def connection_closed(self, conn):
        """From Connection.close(), whoever called it."""
        self.counts.cx_active.add(-1)
        self.counts.cx_destroy.add(1)
        self.counts.cx_length_ms.record((now_us() - conn.opened_us) // 1000)
        stream = self.live.pop(conn, None)
        if stream is not None:
            stream.end_us = now_us()
            stream.bytes_received = stream.downstream_wire_received = conn.bytes_in
            stream.bytes_sent = stream.downstream_wire_sent = conn.bytes_out
            for log in self.access_logs:
                log.log(stream)

    def _run(self, conn):
        """The greenlet of a new connection."""
        try:
            info = self._info(conn)
            if self._inspect(conn, info):
                chain = self.matcher.find(info)
                if chain is None:
                    self._no_match(conn)
                else:
                    info.filter_chain_name = chain.name
                    chain.serve(conn, info)
        except ENDED:
            pass                                     # whoever needs to know counted and logged it where it happened
        except Exception as exc:
            self.context.log_exception(exc)
        finally:
            self._leave(conn)

    def _resume(self, conn, resume):
        """The greenlet of a connection that was parked."""
        try:
            resume()
        except ENDED:
            pass
        except Exception as exc:
            self.context.log_exception(exc)
        finally:
            self._leave(conn)

    def _leave(self, conn):
        from greenlet import getcurrent
        self.greenlets.discard(getcurrent())
        if conn.parked is None:
            conn.close()

    def _info(self, conn):
        info = ConnectionInfo(conn.local, conn.remote)
        info.id = next(self.ids)
        info.listener_name = self.name
        info.listener_metadata = self.metadata
        info.direction = self.direction
        if self.access_logs:
            self.live[conn] = StreamInfo(info)
        return info

    def _inspect(self, conn, info):
        """Runs the listener filters. False: the connection is to be closed."""
        if not self.listener_filters:
            return True
        self.counts.pre_cx_active.add(1)
        conn.set_read_deadline(now_us() + self.filters_timeout_us if self.filters_timeout_us else 0)
        try:
            for listener_filter in self.listener_filters:
                listener_filter.inspect(conn, info)
        except Timeout:
            self.counts.pre_cx_timeout.add(1)
            return self.continue_on_timeout
        except OSError:
            self.counts.filter_remote_close.add(1)
            return False
        except ProtocolError:
            self.counts.filter_error.add(1)
            return False
        finally:
            conn.set_read_deadline(0)
            self.counts.pre_cx_active.add(-1)
        return True

    def _no_match(self, conn):
        self.counts.no_filter_chain_match.add(1)
        stream = self.live.get(conn)
        if stream is not None:
            stream.add_flag("NR")
            stream.details = b"filter_chain_not_found"

    def _exhausted(self, pauses):
        self.counts.out_of_descriptors.add(pauses)
        self.context.log_exception(OutOfDescriptors(
            f"listener {self.name}: no file descriptors left, accepting was paused {pauses} times"))


class Accepting:
    """What an Acceptor calls: makes addresses of what the kernel says."""

    def __init__(self, listener, local, family):
        self.listener = listener
        self.local = local
        self.family = family

    def __call__(self, fd, sockaddr):
        local = self.local
        try:
            remote = Address.from_sockaddr(sockaddr, self.family)
            if local.is_wildcard:
                with borrowed(fd) as sock:
                    local = Address.from_sockaddr(sock.getsockname(), self.family)
        except OSError:                              # it has gone already
            close_descriptor(fd, False)
            return
        self.listener.accepted(fd, local, remote)


class OutOfDescriptors(Exception):
    """Not raised: what a listener reports while it cannot accept."""


class ModifyOnly:
    """ServerState as a listener with drain_type MODIFY_ONLY sees it: a failed health check does not drain it."""

    def __init__(self, server):
        self._server = server

    def should_close(self):
        return self._server.draining and self._server.should_close()

    def __getattr__(self, name):
        return getattr(self._server, name)


class _Parts:
    """Builds what a listener is made of, collecting errors."""

    def __init__(self, listener, proto, context):
        self.listener = listener
        self.proto = proto
        self.context = context
        self.where = ", ".join(map(str, listener.addresses))
        self.errors = []

    def build(self):
        self._attempt(self._access_logs, under=("access_log",))
        self._attempt(self._listener_filters, under=("listener_filters",))
        self._attempt(self._chains)
        if self.errors:
            raise ConfigErrors(self.errors)

    def _attempt(self, step, *arguments, under=()):
        try:
            return step(*arguments)
        except ConfigErrors as exc:
            self.errors.extend(exc.under(*under).errors)
        except ConfigError as exc:
            self.errors.append(exc.under(*under))
        return None

    def _access_logs(self):
        self.listener.access_logs = build_access_logs(self.proto.access_log, self.context)

    def _listener_filters(self):
        registry = self.context.extensions
        for index, entry in enumerate(self.proto.listener_filters):
            try:
                if entry.WhichOneof("config_type") != "typed_config":
                    raise ConfigError(f"Didn't find a registered implementation for '{entry.name}' with type URL: ''")
                self.listener.listener_filters.append(
                    registry.build(LISTENER_FILTER_CATEGORY, entry.name, entry.typed_config, self.context))
            except ConfigError as exc:
                raise exc.under(index) from None

    def _chains(self):
        proto = self.proto
        if not proto.filter_chains and not proto.HasField("default_filter_chain"):
            raise ConfigError(f"error adding listener '{self.where}': no filter chains specified", ("filter_chains",))
        self._attempt(check_overlaps, proto.filter_chains, self.where)
        pairs = []
        for index, chain in enumerate(proto.filter_chains):
            built = self._attempt(self._chain, chain, under=("filter_chains", index))
            pairs.append((chain.filter_chain_match, built))
        default = None
        if proto.HasField("default_filter_chain"):
            default = self._attempt(self._chain, proto.default_filter_chain, under=("default_filter_chain",))
        if not self.errors:
            self.listener.matcher = ChainMatcher(pairs, default)

    def _chain(self, proto):
        built = NetworkFilterChain.from_proto(proto, self.context)
        self.listener.chains.append(built)
        return built


def stat_name(proto, address):
    """What stands for the listener in stat names: its stat_prefix, or its address with `:` as `_`."""
    return proto.stat_prefix or str(address).replace(":", "_")
