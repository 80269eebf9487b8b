# hot: http1_get
"""The router, the terminal HTTP filter: route -> cluster -> upstream stream -> downstream stream.

One attempt is: open a stream, send the request, receive the head, relay the body. A retry is the next turn of one loop.
An upload that is not complete with its head gets a greenlet of its own, so an early response needs no special case.
"""
import cython

from gmosn.errors import (ClusterNotFound, DownstreamReset, PeerGone, RemoteProtocolError, RouteNotFound,
                          StreamDurationTimeout, StreamError, StreamIdleTimeout, Timeout, UpstreamPerTryIdleTimeout,
                          UpstreamPerTryTimeout, UpstreamReset, UpstreamTimeout)
from gmosn.proxy.retry import Retry
from gmosn.proxy.route_action import note_host
from gmosn.proxy.tunnel import run_tunnel
if not cython.compiled:
    from gmosn.ascii import ascii_int
    from gmosn.clock import now_us
    from gmosn.io.splice import Pipes
    from gmosn.proxy.stream_handler import HttpStreamHandler, sooner
    from gmosn.proxy.upload import Upload

IDEMPOTENT = frozenset((b"GET", b"HEAD", b"OPTIONS", b"PUT", b"DELETE", b"TRACE"))       # RFC 9110 9.2.2
CONNECT = b"CONNECT"
SPLICE_FROM = 131072                 # bytes of body still to come for which a pipe pays
PIPE_BYTES = 1 << 20
CUT = "upstream_reset_after_response_started{connection_termination}"


class Router:
    """The filter envoy.filters.http.router. `suppress_envoy_headers`: no x-envoy-* headers are added."""

    EXTENSION_NAME = "envoy.filters.http.router"

    def __init__(self, suppress_envoy_headers=False):
        self.suppress_envoy_headers = suppress_envoy_headers
        self.pipes = Pipes(keep=0)                      # next to a long body a new pipe costs nothing

    @classmethod
    def from_proto(cls, config, context):
        return cls(config.suppress_envoy_headers)

    def close(self):
        self.pipes.close()

    def run(self, stream):
        route: Route = stream.route
        info: StreamInfo = stream.info
        cluster: Cluster
        upload: Upload
        manager: HttpStreamHandler = stream.manager
        manager.stats.rq_upstream_total.add(1)
        if route is None:
            route = self._route_again(stream)
        stream.reply_mutation = route.response_mutation    # failures from here on get the route's headers too
        if not route.forwards:
            self._reply(stream, route)
            return
        cluster = self._cluster(stream, route)
        self._prepare(stream, route)
        upload = self._first_piece(stream)
        self._limits(stream, route, upload)
        if upload.first_is_all:
            upload.complete_us = now_us()
        retry = Retry(route.retry_policy, stream.request, cluster,
                      cluster.high_limits if route.high_priority else cluster.limits) if route.retry_policy is not None else None
        info.attempts = 1
        try:
            while not self._attempt(stream, route, cluster, upload, retry):
                info.attempts += 1
        finally:
            if upload.greenlet is not None and upload.stop():
                stream.down.keep = False

    def _route_again(self, stream):
        """A filter cleared the route, or there was none."""
        manager: HttpStreamHandler = stream.manager
        route = manager.routes.match(stream.request, stream.info)
        if route is None:
            raise RouteNotFound()
        stream.route = stream.info.route = route
        stream.info.route_name = route.name
        return route

    def _reply(self, stream, route):
        """A redirect or a direct response."""
        manager: HttpStreamHandler = stream.manager
        reply = route.reply(stream.request, stream.info)
        if reply is None:
            raise RouteNotFound()
        manager.stats.rq_direct_response.add(1)            # redirects too: Envoy's rq_redirect counts internal ones
        manager.local_reply(stream, reply.status, reply.body, reply.headers, reply.details, reply.flag)

    def _cluster(self, stream, route):
        slot: ClusterSlot = route.choose_cluster(stream.request, stream.info)
        info: StreamInfo = stream.info
        cluster: Cluster = slot.cluster if slot is not None else None
        if cluster is None:
            raise ClusterNotFound(status=route.not_found_status)
        info.cluster = cluster
        return cluster

    def _prepare(self, stream, route):
        """The request head as the upstream shall see it."""
        request: RequestHead = stream.request
        if route.virtual_host.include_attempt_count:
            request.set(b"x-envoy-attempt-count", b"1")
        if not self.suppress_envoy_headers and route.timeout_us:
            request.items.append((b"x-envoy-expected-rq-timeout-ms", route.timeout_ms))
        if route.request_mutation is not None:
            route.request_mutation.apply(request, stream.info)
        if route.rewrites:
            route.rewrite(request, stream.info, not self.suppress_envoy_headers)

    def _limits(self, stream, route, upload):
        """How long the answer may take: the route's and its retry policy's times."""
        manager: HttpStreamHandler = stream.manager
        upload.timeout_us = route.timeout_us
        upload.idle_us = route.idle_timeout_us if route.has_idle_timeout else manager.stream_idle_us
        policy = route.retry_policy
        if policy is not None:
            upload.per_try_us = policy.per_try_timeout_us
            upload.idle_us = sooner(upload.idle_us, policy.per_try_idle_timeout_us)

    def _first_piece(self, stream):
        """What is there of the request body without waiting."""
        body = stream.request_body
        first: bytes
        more: bytes
        if body.done:
            return Upload(stream, b"", True)
        first = body.read_buffered()
        if first is None:
            return Upload(stream, b"", False)
        while first and not body.done:
            more = body.read_buffered()
            if more is None:
                return Upload(stream, first, False)
            if not more:
                break
            first += more
        if body.trailers is not None and len(body.trailers):
            return Upload(stream, first, False)            # the upload greenlet sends them after the body
        stream.info.request_end_us = now_us()
        return Upload(stream, first, True)

    def _attempt(self, stream, route, cluster, upload, retry):
        """One try. True: the response went downstream; False: try again. Raises what the client shall see."""
        info: StreamInfo = stream.info
        up: ClientStream = None
        head: ResponseHead
        deadline: cython.longlong = upload.complete_us + route.timeout_us if upload.complete_us and route.timeout_us else 0
        error: object = None
        again: cython.bint = False
        try:
            if route.high_priority:
                up = cluster.open_high_stream(info, info.attempts > 1, deadline)
            else:
                up = cluster.open_stream(info, info.attempts > 1, deadline)
            if info.attempts > 1 and route.virtual_host.include_attempt_count:
                stream.request.set(b"x-envoy-attempt-count", ascii_int(info.attempts))
            if route.auto_host_rewrite:
                self._host_rewrite(stream, route, up)
            head = self._exchange(stream, route, up, upload)
            if retry is not None and upload.replayable and retry.on_response(head):
                self._account_retried(cluster, up, head)
                up.reset()
                again = True
            else:
                self._account(stream, cluster, up, head)
                self._respond(stream, route, up, head)
        except (OSError, StreamError) as exc:
            error = exc
        except Timeout:
            error = self._timeout(stream, route, up, upload)
        except PeerGone:
            error = DownstreamReset()
        finally:
            if up is not None:
                if upload.greenlet is not None and upload.stop():
                    up.reusable = False
                if error is not None:
                    up.reusable = False
                self._release(stream, cluster, up)
        if error is None:
            return not again
        return self._failed(stream, cluster, retry, upload, up, error)

    def _release(self, stream, cluster, up):
        info: StreamInfo = stream.info
        stream.down.conn.partner = None
        info.upstream_wire_sent = up.conn.bytes_out - up.wire_out
        info.upstream_wire_received = up.conn.bytes_in - up.wire_in
        info.upstream_head_sent = up.head_sent
        up.settle()
        cluster.release(up)

    def _failed(self, stream, cluster, retry, upload, up, error):
        """After an attempt without a complete response: False = try again; else raises what the client shall see."""
        info: StreamInfo = stream.info
        if not isinstance(error, StreamError):
            cause = error
            error = UpstreamReset()
            error.__cause__ = cause
        elif error.flag == "UF":
            info.upstream_failure = error.transport_failure.replace(" ", "_").encode()
        if not stream.down.started and upload.replayable and error.source != "downstream":
            if self._is_race(stream, up, error):
                cluster.stats.rq_retry.add(1)
                return False
            if retry is not None and retry.on_failure(error.retry_on):
                return False
        if error.source == "upstream" and not stream.down.started:
            self._count_failure(stream, cluster, up, error)
        if retry is not None and info.attempts > 1:
            info.add_flag("URX")
        raise error

    def _is_race(self, stream, up, error):
        """The keep-alive race: a reused connection that ended before the first byte of an answer. The request is sent
        again, once, on a fresh connection, if that is harmless (RFC 9110 9.2.2), with or without a retry policy."""
        return (up is not None and not up.got_bytes and up.client.requests > 1 and stream.info.attempts == 1
                and error.flag == "UC" and stream.request.method in IDEMPOTENT)

    def _host_rewrite(self, stream, route, up):
        host: Host = up.client.host
        if host.hostname:
            if stream.info.attempts == 1:
                note_host(stream.request, not self.suppress_envoy_headers, route.append_x_forwarded_host)
            stream.request.authority = host.hostname.encode()

    def _exchange(self, stream, route, up, upload):
        """Sends the request and waits for the final response head."""
        info: StreamInfo = stream.info
        conn: Connection = up.conn
        down: ServerStream = stream.down
        head: ResponseHead
        now: cython.longlong = now_us()
        manager: HttpStreamHandler = stream.manager
        info.upstream_start_us = now
        conn.write_deadline = now + upload.idle_us if upload.idle_us else 0
        up.send_headers(stream.request, upload.first, upload.first_is_all)
        down.conn.partner = conn
        if down.conn.stale and down.conn.is_reset():       # it was reset while nobody could be told
            raise PeerGone()
        if upload.complete_us:
            info.upstream_sent_us = now
        conn.set_read_deadline(upload.head_deadline(now))
        if not upload.first_is_all:
            upload.start(up)
        head = up.receive_headers()
        while head.status < 200 and head.status != 101:
            if manager.proxy_100_continue:
                down.send_interim(head)
            head = up.receive_headers()
        info.upstream_first_byte_us = now_us()
        if not up.body.done:
            up.body.idle_us = upload.idle_us
            up.body.deadline_us = upload.deadline()
        return head

    def _timeout(self, stream, route, up, upload):
        """Which limit was it that a wait for the upstream ran into?"""
        info: StreamInfo = stream.info
        cluster: Cluster = info.cluster
        manager: HttpStreamHandler = stream.manager
        host: Host
        now: cython.longlong = now_us()
        if stream.ends_us and now >= stream.ends_us:
            manager.stats.rq_max_duration_reached.add(1)
            return StreamDurationTimeout()
        if route.timeout_us and upload.complete_us and now - upload.complete_us >= route.timeout_us:
            cluster.stats.rq_timeout.add(1)
            if up is not None:
                host = up.client.host
                host.rq_timeout.add(1)
            return UpstreamTimeout()
        if upload.per_try_us and not stream.down.started and now - info.upstream_sent_us >= upload.per_try_us:
            cluster.stats.rq_per_try_timeout.add(1)
            return UpstreamPerTryTimeout()
        if route.retry_policy is not None and upload.idle_us == route.retry_policy.per_try_idle_timeout_us:
            cluster.stats.rq_per_try_idle_timeout.add(1)
            return UpstreamPerTryIdleTimeout()
        manager.stats.rq_idle_timeout.add(1)
        return StreamIdleTimeout()

    def _respond(self, stream, route, up, head):
        """Head and body downstream; the first body bytes travel with the head."""
        info: StreamInfo = stream.info
        manager: HttpStreamHandler = stream.manager
        chain: FilterChain = manager.chain
        if not self.suppress_envoy_headers:
            head.set(b"x-envoy-upstream-service-time",
                     ascii_int((info.upstream_first_byte_us - info.upstream_start_us) // 1000))
        if route.virtual_host.include_attempt_count_in_response:
            head.set(b"x-envoy-attempt-count", ascii_int(info.attempts))
        if route.response_mutation is not None:
            info.response = head
            info.status = head.status
            route.response_mutation.apply(head, info)
        info.details = b"via_upstream"
        if head.status == 101 or (stream.request.method == CONNECT and 200 <= head.status < 300):
            self._tunnel(stream, up, head)
            return
        if up.body.done:
            manager.respond(stream, head, True)
        else:
            manager.respond(stream, head, False)
            if chain.response_body:
                self._relay_transformed(stream, up.body, chain)
            else:
                self._relay(stream, up.body)
        self._account_time(stream, up)

    def _tunnel(self, stream, up, head):
        manager: HttpStreamHandler = stream.manager
        manager.respond(stream, head, False)
        stream.info.upstream_end_us = now_us()
        manager.stats.cx_upgrades_total.add(1)
        manager.stats.cx_upgrades_active.add(1)
        try:
            run_tunnel(stream.down, up, manager.stream_idle_us)
        finally:
            manager.stats.cx_upgrades_active.add(-1)

    def _relay(self, stream, body):
        """Body bytes downstream as they come; small neighbours leave together."""
        data: bytes = body.read_buffered()
        more: bytes
        if data is None:
            data = self._next(stream, body)
        while data:
            more = body.read_buffered()
            while more is not None and 0 < len(more) and len(data) + len(more) <= 16384:
                data += more
                more = body.read_buffered()
            if more is None:
                self._send(stream, data, False)
                if body.verbatim_left() >= SPLICE_FROM and self._splice(stream, body):
                    break
                more = self._next(stream, body)
            elif not more and body.trailers is None:
                self._send(stream, data, True)
                return
            else:
                self._send(stream, data, False)
            data = more
        self._finish_body(stream, body)

    def _splice(self, stream, body):
        """The rest of a long body through a pipe, inside the kernel. False: not possible, nothing happened."""
        pipe: Pipe
        target: Connection = stream.down.verbatim_sink()
        if target is None or body.verbatim_source() is None:
            return False
        pipe = self.pipes.take()
        if pipe is None:
            return False
        try:
            self._pump(stream, body, pipe, target)
        finally:
            self.pipes.give(pipe)
        body.read_buffered()                               # the body's end
        return True

    def _pump(self, stream, body, pipe, target):
        source: Connection = body.verbatim_source()
        left: cython.longlong = body.verbatim_left()
        n: cython.longlong
        while left > 0:
            try:
                n = pipe.fill(source, left if left < PIPE_BYTES else PIPE_BYTES)
                if n < 0:
                    body.wait()
                    continue
            except OSError as exc:
                raise StreamError(CUT, flag="UC") from exc
            if n == 0:
                raise StreamError(CUT, flag="UC")
            left -= n
            body.took(n)
            stream.down.sent(n)
            try:
                while not pipe.drain(target):
                    target.write_deadline = now_us() + body.idle_us if body.idle_us else 0
                    target.wait_writable()
            except OSError as exc:
                raise DownstreamReset() from exc
            except Timeout as exc:
                raise StreamIdleTimeout() from exc

    def _relay_transformed(self, stream, body, chain):
        """The same with filters' transforms in between."""
        for data in chain.transform(chain.response_body, stream, iter(body)):
            if data:
                self._send(stream, data, False)
        self._finish_body(stream, body)

    def _finish_body(self, stream, body):
        if body.trailers is not None and len(body.trailers):
            stream.info.response_trailers = body.trailers
            stream.down.send_trailers(body.trailers)
        else:
            self._send(stream, b"", True)

    def _next(self, stream, body):
        """The next upstream bytes; what is held back goes out before the wait."""
        down: ServerStream = stream.down
        data: bytes
        try:
            down.flush()
        except OSError as exc:
            raise DownstreamReset() from exc
        try:
            data = body.read()
        except (RemoteProtocolError, OSError) as exc:
            stream.info.cluster.stats.cx_protocol_error.add(1)             # as Envoy, whose codec sees a message cut off
            raise StreamError(CUT, flag="UC") from exc
        down.conn.write_deadline = now_us() + body.idle_us if body.idle_us else 0
        return data

    def _send(self, stream, data, end):
        try:
            stream.down.send_data(data, end)
        except OSError as exc:
            raise DownstreamReset() from exc
        except Timeout as exc:
            raise StreamIdleTimeout() from exc

    def _count_failure(self, stream, cluster, up, error):
        """An upstream that failed counts as a response with the local reply's status, and against its host."""
        host: Host = up.client.host if up is not None else None
        cluster.stats.on_response(error.status)
        if host is None and error.flag == "UF":                # the connection that was to be could not be had
            host = stream.info.upstream_host
        if host is not None:
            host.rq_error.add(1)
        if error.flag == "UPE":
            cluster.stats.cx_protocol_error.add(1)

    def _account_retried(self, cluster, up, head):
        """Upstream stats of a response that is thrown away because the request is tried again."""
        host: Host = up.client.host
        cluster.stats.charge_retry(head.status)
        host.rq_error.add(1)

    def _account(self, stream, cluster, up, head):
        """Upstream stats of a response whose head is here."""
        stats: ClusterStats = cluster.stats
        host: Host = up.client.host
        stream.internal = stream.request.get(b"x-envoy-internal") is not None
        stats.charge(head.status, stream.internal,
                     host.canary or head.get(b"x-envoy-upstream-canary") == b"true", host.zone)
        if head.status < 500:
            host.rq_success.add(1)
        else:
            host.rq_error.add(1)
        if stream.info.attempts > 1 and head.status < 500:
            stats.rq_retry_success.add(1)

    def _account_time(self, stream, up):
        """The time from the end of the request to the end of the response."""
        info: StreamInfo = stream.info
        cluster: Cluster = info.cluster
        host: Host = up.client.host
        info.upstream_end_us = now_us()
        if info.request_end_us:
            cluster.stats.charge_time((info.upstream_end_us - info.request_end_us) // 1000,
                                      stream.internal, host.canary, host.zone)


if not cython.compiled:
    Router.suppress_envoy_headers, Router.disabled, Router.name = False, False, None
