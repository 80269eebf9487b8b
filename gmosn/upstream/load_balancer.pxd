cimport cython
from gmosn.observe.stats cimport Counter
from gmosn.stream_info cimport StreamInfo
from gmosn.upstream.host cimport Host, HostSet, PriorityLevel

@cython.final
cdef class Picker:
    cdef public list hosts, heap, localities
    cdef public bint weighted
    cdef public unsigned long index
    cdef double now
    cdef long long order

cdef class LoadBalancer:
    cdef public HostSet hosts
    cdef public Counter panics
    cdef public int panic_threshold
    cdef public bint locality_weighted
    cdef public list loads, in_panic
    cdef list pickers
    cdef Picker only
    cdef unsigned long long state
    cpdef Host choose(self, StreamInfo info)
    cpdef on_hosts_changed(self, HostSet hosts)
    cpdef Host pick(self, Picker picker)
    cpdef double weight_of(self, Host host)
    cpdef unsigned long long random(self)
    cdef Picker _choose_picker(self)
    cdef Host _pick_scheduled(self, Picker picker)
    cdef Picker _pick_locality(self, Picker picker)

cdef class RoundRobin(LoadBalancer):
    pass

cdef class Random(LoadBalancer):
    pass

cdef class LeastRequest(LoadBalancer):
    cdef public int choice_count
    cdef public double active_bias
    cdef public bint full_scan
    cdef Host _scan(self, list hosts)
