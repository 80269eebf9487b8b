from gmosn.clock cimport now_us
from gmosn.filter.api cimport HttpStream
from gmosn.proxy.stream_handler cimport HttpStreamHandler, sooner
from gmosn.stream.api cimport ClientStream

cdef class Upload:
    cdef public HttpStream stream
    cdef public bytes first
    cdef public bint first_is_all, done, replayable
    cdef public object greenlet
    cdef public ClientStream up
    cdef public long long timeout_us, per_try_us, idle_us, complete_us
    cpdef run(self)
    cdef long long deadline(self) except -1
    cdef long long head_deadline(self, long long now) except -1
    cdef finished(self, ClientStream up)
    cdef start(self, ClientStream up)
    cdef bint stop(self) except -1
