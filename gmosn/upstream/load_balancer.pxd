cimport cython
from gmosn.stream_info cimport StreamInfo
from gmosn.upstream.host cimport Host, HostSet

cdef class LoadBalancer:
    cpdef Host choose(self, StreamInfo info)
    cpdef on_hosts_changed(self, HostSet hosts)
