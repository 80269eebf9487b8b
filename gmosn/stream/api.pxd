cimport cython
from gmosn.headers cimport HeaderMap, RequestHead, ResponseHead
from gmosn.io.connection cimport Connection

cdef class Body:
    cdef public HeaderMap trailers
    cdef public bint done
    cdef public long long received
    cpdef bytes read(self)
    cpdef bytes read_buffered(self)

cdef class StreamHandler:
    cpdef handle(self, ServerStream stream)

cdef class ServerStream:
    cdef public ServerConnection owner
    cdef public Connection conn
    cdef public RequestHead request
    cdef public Body body
    cdef public bint keep, started, finished
    cpdef send_interim(self, int status)
    cpdef send_headers(self, ResponseHead head, bint end)
    cpdef send_data(self, bytes data, bint end)
    cpdef send_trailers(self, HeaderMap trailers)
    cpdef flush(self)
    cpdef reset(self, str reason)
    cpdef Connection take_connection(self)

cdef class ServerConnection:
    cdef public Connection conn
    cdef public StreamHandler handler
    cdef public object info
    cdef public bint draining
    cpdef serve(self)
    cpdef drain(self)

cdef class ClientConnection:
    cdef public Connection conn
    cdef public object host, pool
    cdef public long requests
    cdef public long long opened_us, idle_since
    cpdef int free_slots(self)
    cpdef ClientStream open_stream(self)
    cpdef close(self)

cdef class ClientStream:
    cdef public ClientConnection client
    cdef public Connection conn
    cdef public Body body
    cdef public bint reusable, got_bytes, sent_end
    cpdef send_headers(self, RequestHead head, bytes data, bint end)
    cpdef send_data(self, bytes data, bint end)
    cpdef send_trailers(self, HeaderMap trailers)
    cpdef ResponseHead receive_headers(self)
    cpdef reset(self)
    cpdef Connection take_connection(self)
