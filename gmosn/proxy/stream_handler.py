# hot: http1_get
"""One HTTP stream from head to log: rules, route, filter chain, response, stats, access log. A straight function per
stream; early exits are exceptions. Protocol-neutral: it sees stream.api, not a wire format."""
import cython

from gmosn.errors import (DownstreamReset, PeerGone, RemoteProtocolError, RequestHeaderTimeout, RequestTimeout,
                          StreamDurationTimeout, StreamError, StreamIdleTimeout, Timeout)
if not cython.compiled:
    from gmosn.clock import now_us
    from gmosn.filter.api import HttpStream
    from gmosn.headers import RequestHead, ResponseHead
    from gmosn.stream.api import Body, StreamHandler
    from gmosn.stream_info import StreamInfo

CUT = "cut"                          # why a connection ended: the client left in the middle of a request
HTTP_11, HTTP_10, CONNECT = b"HTTP/1.1", b"HTTP/1.0", b"CONNECT"
STATUS_TEXT = {426: "Upgrade Required", 431: "Request Header Fields Too Large", 501: "Not Implemented"}


def malformed(error):
    """The local reply to a RemoteProtocolError of the downstream, with Envoy's body."""
    return StreamError(error.details, status=error.status, flag="DPE",
                       text=STATUS_TEXT.get(error.status, "Bad Request"))


def sooner(first, second):
    """The earlier of two deadlines; 0 = none."""
    if first == 0:
        return second
    return first if second == 0 or first < second else second


class TransformedBody(Body):
    """A body after filters: an iterator of bytes behind the interface of Body."""

    def __init__(self, chunks, source):
        self.chunks = chunks
        self.source = source

    def read(self):
        for data in self.chunks:
            if data:
                return data
        self.done = True
        self.trailers = self.source.trailers
        return b""

    def read_buffered(self):
        return b"" if self.done else None


class HttpStreamHandler(StreamHandler):
    """Serves the streams of one HTTP connection manager. Built by http_connection_manager.py, which sets the fields.

    `rules`: request_rules.RequestRules; `routes`: the RouteTable in force; `upgrades`: {b"websocket": bool} of the HCM;
    times are us, 0 = no limit; `log(text)`: where unexpected exceptions go.
    """

    def __init__(self):
        self.connections = set()
        self.draining = False

    def handle(self, down):
        info: StreamInfo = StreamInfo(down.owner.info)
        stream: HttpStream = HttpStream(down, info)
        stream.manager = self
        self._start(down, stream)
        try:
            try:
                self._run(stream)
            except StreamError as exc:
                self._failed(stream, exc)
            except PeerGone:
                self._failed(stream, DownstreamReset())
            except Timeout:
                self._failed(stream, self.client_timeout(stream))
            except RemoteProtocolError as exc:
                self._failed(stream, malformed(exc))
            except OSError:
                self._failed(stream, DownstreamReset())
            except Exception as exc:
                self._unexpected(stream, exc)
        except OSError:                                    # the reply to a failure could not be written either
            down.keep = False
            info.add_flag("DC")
        except Timeout:
            down.keep = False
        finally:
            self._finish(stream)

    def _start(self, down, stream):
        info: StreamInfo = stream.info
        request: RequestHead = down.request
        stats: HttpStats = self.stats
        info.request = request
        info.protocol = HTTP_11 if request.minor else HTTP_10
        down.conn.write_deadline = info.start_us + self.stream_idle_us if self.stream_idle_us else 0
        if self.max_stream_duration_us:
            stream.ends_us = info.start_us + self.max_stream_duration_us
        if request.has_body:
            down.body.idle_us = self.stream_idle_us
            down.body.deadline_us = stream.ends_us
            if self.request_timeout_us:
                down.body.deadline_us = sooner(info.start_us + self.request_timeout_us, stream.ends_us)
            if request.expect_continue and self.proxy_100_continue:
                down.body.wants_continue = False           # the upstream decides
                request.items.append((b"expect", b"100-continue"))
        else:
            info.request_end_us = info.start_us
        if down.owner.requests == 1:                           # Envoy: not before there is something to parse
            stats.cx_http1_total.add(1)
            stats.cx_http1_active.add(1)
        stats.rq_total.add(1)
        stats.rq_http1_total.add(1)
        stats.rq_active.add(1)

    def _run(self, stream):
        info: StreamInfo = stream.info
        request: RequestHead = stream.request
        route: Route
        chain: FilterChain = self.chain
        reply = self.rules.apply(request, info.connection, info)
        if reply is not None and (reply.status == 400 or reply.status == 403):     # malformed: the connection ends, too
            stream.down.keep = False
        if reply is None:
            route = self.routes.match(request, info)
            if route is not None:
                stream.route = info.route = route
                info.route_name = route.name
                if route.has_max_stream_duration:
                    self._limit_duration(stream, route)
            if request.upgrade is not None or request.method == CONNECT:
                self._check_upgrade(stream)
            reply = chain.on_request(stream)
            if reply is None:
                if chain.request_body and not stream.request_body.done:
                    self._transform_request(stream)
                chain.terminal.run(stream)
                return
        self.local_reply(stream, reply.status, reply.body, reply.headers, reply.details, reply.flag)

    def _limit_duration(self, stream, route):
        """A route's max_stream_duration replaces the connection manager's; 0 = no limit."""
        stream.ends_us = stream.info.start_us + route.max_stream_duration_us if route.max_stream_duration_us else 0
        if stream.request.has_body:
            stream.down.body.deadline_us = sooner(stream.ends_us, stream.info.start_us + self.request_timeout_us
                                                  if self.request_timeout_us else 0)

    def _transform_request(self, stream):
        """Puts the body hooks between the client and the terminal filter; the length is unknown from here on."""
        chunks = self.chain.transform(self.chain.request_body, stream, iter(stream.request_body))
        stream.request_body = TransformedBody(chunks, stream.request_body)
        stream.request.length = -1

    def _check_upgrade(self, stream):
        """Upgrades must be configured on the route or here (Envoy: upgrade_configs). A CONNECT that no route takes is
        left to the router's 404."""
        request: RequestHead = stream.request
        if request.upgrade is None and stream.route is None:
            return
        wanted: bytes = request.upgrade if request.upgrade is not None else CONNECT
        allowed = None
        if stream.route is not None and stream.route.upgrades is not None:
            allowed = stream.route.upgrades.get(wanted.lower())
        if allowed is None:
            allowed = self.upgrades.get(wanted.lower())
        if not allowed:
            self.stats.rq_ws_on_non_ws_route.add(1)
            raise StreamError("upgrade_failed", status=403)

    def client_timeout(self, stream):
        """A wait for the client's body ended: which of the limits was it?"""
        body: Body = stream.down.body
        if stream.ends_us and now_us() >= stream.ends_us:
            self.stats.rq_max_duration_reached.add(1)
            return StreamDurationTimeout()
        if body.deadline_us and now_us() >= body.deadline_us:
            self.stats.rq_timeout.add(1)
            return RequestTimeout()
        self.stats.rq_idle_timeout.add(1)
        return StreamIdleTimeout()

    def _failed(self, stream, error):
        """Turns a failure into a local reply, or cuts the response that has begun."""
        down: ServerStream = stream.down
        info: StreamInfo = stream.info
        info.add_flag(error.flag)
        info.details = error.details.encode()
        if error.flag == "NR":
            self.stats.no_route.add(1)
        elif error.flag == "NC":
            self.stats.no_cluster.add(1)
        if error.source == "downstream" and error.status == 0:
            down.keep = False
            down.owner.reason = CUT
            self.stats.rq_rx_reset.add(1)
        elif down.started:
            if error.source != "downstream" and error.flag != "UC":
                self.stats.rq_reset_after_downstream_response_started.add(1)
            self.stats.rq_tx_reset.add(1)
            self.stats.rq_rx_reset.add(1)                      # Envoy's codec resets the other direction, too
            if not down.finished:
                try:
                    down.flush()
                finally:
                    down.reset(error.flag == "SI" or error.flag == "DT")       # a client that is stuck reads no FIN
        else:
            headers = ((b"x-envoy-overloaded", b"true"),) if error.flag == "UO" else ()
            self.local_reply(stream, error.status, error.text.encode(), headers, error.details, None)

    def _unexpected(self, stream, error):
        """A bug, here or in a filter: never the worker's end."""
        self.log(error)
        self._failed(stream, StreamError("internal_error", status=500, text="internal error"))

    def respond(self, stream, head, end):
        """Sends a final response head: response hooks, rules, keep-alive decision. `end`: no body follows."""
        info: StreamInfo = stream.info
        down: ServerStream = stream.down
        chain: FilterChain = self.chain
        stream.response = info.response = head
        if chain.response:
            chain.on_response(stream)
            head = stream.response
            info.response = head
        if not end and chain.response_body:
            head.length = -1
        self.rules.finish_response(head, info)
        if down.keep and self._must_close(stream):
            down.keep = False
            self.stats.cx_drain_close.add(1)
        info.status = head.status
        down.send_headers(head, end)
        info.response_start_us = now_us()

    def _must_close(self, stream):
        """Whether the connection should end with this response."""
        owner: ServerConnection = stream.down.owner
        if owner.draining or self.draining or (self.server is not None and self.server.should_close()):
            return True
        if self.max_requests and owner.requests >= self.max_requests:
            self.stats.cx_max_requests_reached.add(1)
            return True
        if owner.ends_us and now_us() >= owner.ends_us:
            self.stats.cx_max_duration_reached.add(1)
            return True
        return False

    def local_reply(self, stream, status, body, headers, details, flag):
        """A whole response made here. `body`: bytes; `headers`: pairs of bytes; goes through the response hooks."""
        info: StreamInfo = stream.info
        down: ServerStream = stream.down
        head: ResponseHead = ResponseHead()
        upload: Body = stream.down.body
        if down.started:
            raise StreamError("local reply after the response began")
        head.status = status
        for pair in headers:
            head.add(pair[0], pair[1])
        if details is not None:
            info.details = details.encode()
        info.add_flag(flag)
        head.length = len(body)
        if body and head.get(b"content-type") is None:
            head.add(b"content-type", b"text/plain")
        if stream.reply_mutation is not None:
            info.response = head
            stream.reply_mutation.apply(head, info)
        while not upload.done and upload.read_buffered():  # what is here need not cost the connection
            pass
        if not upload.done:
            down.keep = False
        self.respond(stream, head, not body)
        if body:
            down.send_data(body, True)

    def _finish(self, stream):
        """Exactly once per stream."""
        info: StreamInfo = stream.info
        down: ServerStream = stream.down
        conn: Connection = down.conn
        stats: HttpStats = self.stats
        log: AccessLog
        owner: ServerConnection = down.owner
        info.end_us = now_us()
        info.bytes_sent = down.body_sent
        info.bytes_received = down.body.received
        info.downstream_wire_received = conn.bytes_in - owner.wire_in_mark
        info.downstream_wire_sent = conn.bytes_out - owner.wire_out_mark
        info.downstream_head_sent = down.head_sent
        owner.wire_in_mark = conn.bytes_in
        owner.wire_out_mark = conn.bytes_out
        stats.cx_rx_bytes_total.add(info.downstream_wire_received)
        stats.cx_tx_bytes_total.add(info.downstream_wire_sent)
        if not down.body.done and down.started:
            stats.rq_response_before_rq_complete.add(1)
            if not info.has_flag("DC"):
                stats.rq_rx_reset.add(1)
        stats.rq_active.add(-1)
        if info.status:
            stats.on_status(info.status)
        stats.rq_time.record((info.end_us - info.start_us) // 1000)
        if self.chain.logs:
            self._log_hooks(stream)
        for log in self.access_logs:
            log.log(info)

    def _log_hooks(self, stream):
        try:
            self.chain.on_log(stream)
        except Exception as exc:
            self.log(exc)

    # ---- connections ----

    def opened(self, connection):
        """A downstream connection was accepted."""
        stats: HttpStats = self.stats
        self.connections.add(connection)
        if self.max_connection_us:
            connection.ends_us = connection.info.start_us + self.max_connection_us
        stats.cx_total.add(1)
        stats.cx_active.add(1)

    def closed(self, connection):
        stats: HttpStats = self.stats
        self.connections.discard(connection)
        stats.cx_active.add(-1)
        if connection.requests:
            stats.cx_http1_active.add(-1)
        stats.cx_destroy.add(1)
        reason = connection.reason
        if reason == "remote" or reason == CUT:
            stats.cx_destroy_remote.add(1)
            if reason == CUT:
                stats.cx_destroy_active_rq.add(1)
                stats.cx_destroy_remote_active_rq.add(1)
        else:
            stats.cx_destroy_local.add(1)
            if reason == "idle_timeout" and connection.ends_us and now_us() >= connection.ends_us:
                stats.cx_max_duration_reached.add(1)
            elif reason == "idle_timeout":
                stats.cx_idle_timeout.add(1)
        stats.cx_length_ms.record((now_us() - connection.info.start_us) // 1000)

    def refuse(self, down, error):
        """Answers a request whose head could not be had; counted and logged like any other stream."""
        info: StreamInfo = StreamInfo(down.owner.info)
        stream: HttpStream = HttpStream(down, info)
        stream.manager = self
        down.owner.requests += 1
        self._start(down, stream)
        try:
            if isinstance(error, RemoteProtocolError):
                if error.details != "missing_host_header":     # which Envoy's connection manager finds, not its codec
                    self.stats.cx_protocol_error.add(1)
                    self.stats.rq_response_before_rq_complete.add(1)
                    self.stats.rq_rx_reset.add(1)
                self._failed(stream, malformed(error))
            else:
                self.stats.rq_header_timeout.add(1)
                self._failed(stream, RequestHeaderTimeout())
        except (OSError, Timeout):
            pass
        finally:
            self._finish(stream)

    def drain(self):
        """Every connection is told to go; idle ones are closed."""
        self.draining = True
        for connection in list(self.connections):
            connection.drain()
