cimport cython
from gmosn.clock cimport now_us
from gmosn.io.connection cimport Connection
from gmosn.io.wheel cimport Entry
from gmosn.stream.api cimport ClientConnection, ClientStream
from gmosn.upstream.cluster_stats cimport ClusterStats
from gmosn.upstream.connector cimport Connector, Pause
from gmosn.upstream.host cimport Host
from gmosn.upstream.limits cimport Limits, CONNECTIONS, PENDING

cdef class Waiter(Pause):
    cdef public PooledConnection given
    cdef public bint slot, fresh
    cdef public object error
    cdef public long long order

@cython.final
cdef class PooledConnection:
    cdef public HostPool pool
    cdef public ClientConnection client
    cdef public ClientStream stream
    cdef public Connection conn
    cdef public long long opened_us, retire_us, idle_until_us, seen_in, seen_out
    cdef public long requests
    cdef public bint closed, idle
    cdef public object wake
    cpdef woken(self)

cdef class HostPool:
    cdef public Host host
    cdef public PoolGroup group
    cdef public list idle, waiters
    cdef public int total, connecting
    cpdef PooledConnection take(self)

cdef class PoolGroup(Entry):
    cdef public ClusterStats stats
    cdef public Limits limits
    cdef public Connector connector
    cdef public object make_client
    cdef public long long idle_timeout_us, max_duration_us, max_requests
    cdef public bint closing
    cdef public list waiting
    cdef long long arrivals
    cdef public dict raw
    cdef bint ticking
    cpdef add_raw(self, PooledConnection entry)
    cpdef PooledConnection obtain(self, HostPool pool, bint fresh, long long deadline_us)
    cpdef put(self, PooledConnection entry)
    cpdef destroy(self, PooledConnection entry, bint remote, bint active)
    cpdef count_bytes(self, PooledConnection entry)
    cpdef bint reserve(self, HostPool pool)
    cpdef unreserve(self, HostPool pool)
    cpdef grant(self)
    cpdef release_slot(self, HostPool pool)
    cpdef count_destroy(self, bint remote, bint active)
    cpdef not_connected(self, HostPool pool, exc, long long start_us)
    cpdef close_idle(self, HostPool pool)
    cdef PooledConnection _connect(self, HostPool pool, long long deadline_us)
    cdef PooledConnection _wait(self, HostPool pool, bint fresh, long long deadline_us)
    cdef _close(self, PooledConnection entry, bint remote, bint active)
    cdef _park(self, PooledConnection entry)
