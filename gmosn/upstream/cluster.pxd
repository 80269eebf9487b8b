cimport cython
from gmosn.clock cimport now_us
from gmosn.io.connection cimport Connection
from gmosn.io.wheel cimport Wheel
from gmosn.observe.stats cimport Counter, Gauge, Histogram, Stats
from gmosn.stream.api cimport ClientConnection, ClientStream
from gmosn.stream_info cimport StreamInfo
from gmosn.upstream.cluster_stats cimport ClusterStats
from gmosn.upstream.connector cimport Connector
from gmosn.upstream.host cimport Host, HostSet
from gmosn.upstream.limits cimport Limits, CONNECTIONS, REQUESTS
from gmosn.upstream.load_balancer cimport LoadBalancer
from gmosn.upstream.pool cimport HostPool, PooledConnection, PoolGroup

cdef class Cluster:
    cdef public str name, observability_name
    cdef public ClusterStats stats
    cdef public LoadBalancer balancer
    cdef public HostSet hosts
    cdef public Limits limits, high_limits
    cdef public PoolGroup pools, high_pools
    cdef public Connector connector
    cdef public object transport_socket, metadata, options, host_stats
    cdef public long long connect_timeout_us, idle_timeout_us
    cpdef ClientStream open_stream(self, StreamInfo info, bint fresh, long long deadline_us)
    cpdef release(self, ClientStream stream)
    cpdef tuple connect(self, StreamInfo info, long long deadline_us)
    cpdef disconnected(self, Connection conn, Host host)
    cpdef ClientStream open_high_stream(self, StreamInfo info, bint fresh, long long deadline_us)
    cdef ClientStream _open(self, StreamInfo info, bint fresh, long long deadline_us, PoolGroup group)
    cpdef _close_idle(self, Host host)
    cdef Host _choose(self, StreamInfo info)

cdef class ClusterSlot:
    cdef public str name
    cdef public Cluster cluster
