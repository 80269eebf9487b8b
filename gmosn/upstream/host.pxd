cimport cython
from gmosn.observe.stats cimport Counter, Gauge

cdef class Host:
    cdef public object address
    cdef public bytes name
    cdef public str hostname, zone, locality_key
    cdef public int weight, priority, health
    cdef public bint canary, gone
    cdef public object locality, metadata, cluster, pool, high_pool
    cdef public int active
    cdef public long long locality_weight
    cdef public Counter cx_total, cx_connect_fail, rq_total, rq_success, rq_error, rq_timeout
    cdef public Gauge cx_active, rq_active

cdef class PriorityLevel:
    cdef public list hosts, healthy, degraded

cdef class HostSet:
    cdef public list hosts, healthy, priorities
    cdef public long long overprovisioning
