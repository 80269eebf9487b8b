# hot: http1_get
"""What is known of one stream and of its downstream connection: written by the layers as they learn it, read by access
logs, filters and stats. Times are us on the monotonic clock, 0 = has not happened; `wall_us` is since the epoch."""
import cython

if not cython.compiled:
    from gmosn.clock import now_us, wall_us

# Envoy's response flags in the order of its enum (source: envoy/stream_info/stream_info.h): short name, long name
RESPONSE_FLAGS = (
    ("LH", "FailedLocalHealthCheck"), ("UH", "NoHealthyUpstream"), ("UT", "UpstreamRequestTimeout"),
    ("LR", "LocalReset"), ("UR", "UpstreamRemoteReset"), ("UF", "UpstreamConnectionFailure"),
    ("UC", "UpstreamConnectionTermination"), ("UO", "UpstreamOverflow"), ("NR", "NoRouteFound"),
    ("DI", "DelayInjected"), ("FI", "FaultInjected"), ("RL", "RateLimited"),
    ("UAEX", "UnauthorizedExternalService"), ("RLSE", "RateLimitServiceError"),
    ("DC", "DownstreamConnectionTermination"), ("URX", "UpstreamRetryLimitExceeded"), ("SI", "StreamIdleTimeout"),
    ("IH", "InvalidEnvoyRequestHeaders"), ("DPE", "DownstreamProtocolError"),
    ("UMSDR", "UpstreamMaxStreamDurationReached"), ("RFCF", "ResponseFromCacheFilter"),
    ("NFCF", "NoFilterConfigFound"), ("DT", "DurationTimeout"), ("UPE", "UpstreamProtocolError"),
    ("NC", "NoClusterFound"), ("OM", "OverloadManagerTerminated"), ("DF", "DnsResolutionFailed"),
    ("DO", "DropOverload"), ("DR", "DownstreamRemoteReset"), ("UDO", "UnconditionalDropOverload"),
)
FLAG_BITS = {short: 1 << bit for bit, (short, _) in enumerate(RESPONSE_FLAGS)}


class ConnectionInfo:
    """A downstream connection. `local`, `remote`, `direct_remote` are io.address.Address; `remote` may be changed by
    PROXY protocol. `id` counts up per process."""

    def __init__(self, local, remote):
        self.local = local
        self.remote = self.direct_remote = remote
        self.start_us = now_us()
        self.wall_us = wall_us()


class StreamInfo:
    """One HTTP request, or one TCP connection (request and response are None then). `remote`: the client's address
    after x-forwarded-for; `route`, `cluster`, `upstream_host`: runtime objects; `*_name`s are str; `log_type`: Envoy's access
    log type where it is not the end of the stream."""

    def __init__(self, connection: ConnectionInfo):
        self.connection = connection
        self.start_us = now_us()
        self.wall_us = wall_us()
        self.remote = connection.remote if connection is not None else None

    def add_flag(self, flag):
        """`flag`: a short name of RESPONSE_FLAGS."""
        if flag:
            self.flags = self.flags | cython.cast(cython.ulonglong, FLAG_BITS[flag])

    def has_flag(self, flag):
        return (self.flags & cython.cast(cython.ulonglong, FLAG_BITS[flag])) != 0

    def flag_names(self, long=False):
        """Short (or long) names of the flags that are set, in Envoy's order."""
        return [names[long] for bit, names in enumerate(RESPONSE_FLAGS) if self.flags >> bit & 1]


if not cython.compiled:
    for _cls, _numbers, _objects in (
        (ConnectionInfo, "id start_us wall_us",
         "local remote direct_remote sni alpn transport_protocol tls listener_name filter_chain_name "
         "listener_metadata direction termination_details transport_failure"),
        (StreamInfo, "start_us wall_us request_end_us upstream_start_us upstream_sent_us upstream_first_byte_us "
         "upstream_end_us response_start_us end_us bytes_received bytes_sent downstream_wire_received "
         "downstream_wire_sent downstream_head_received downstream_head_sent upstream_wire_received "
         "upstream_wire_sent upstream_head_received upstream_head_sent status attempts flags",
         "connection request response request_trailers response_trailers remote details termination_details "
         "upstream_failure protocol original_path request_id log_type route route_name virtual_host virtual_cluster "
         "cluster upstream_host upstream_local upstream_protocol filter_state metadata")):
        for _name in _numbers.split():
            setattr(_cls, _name, 0)
        for _name in _objects.split():
            setattr(_cls, _name, None)
