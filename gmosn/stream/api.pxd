cimport cython
from gmosn.headers cimport HeaderMap, RequestHead, ResponseHead
from gmosn.io.connection cimport Connection

cdef class Body:
    cdef public HeaderMap trailers
    cdef public bint done, wants_continue
    cdef public long long received, deadline_us, idle_us
    cpdef bytes read(self)
    cpdef bytes read_buffered(self)
    cpdef Connection verbatim_source(self)
    cpdef Py_ssize_t verbatim_left(self) except -1
    cpdef took(self, long long size)
    cpdef wait(self)

cdef Body NO_BODY

cdef class StreamHandler:
    cpdef handle(self, ServerStream stream)
    cpdef refuse(self, ServerStream stream, error)
    cpdef closed(self, ServerConnection connection)

cdef class ServerStream:
    cdef public ServerConnection owner
    cdef public Connection conn
    cdef public RequestHead request
    cdef public Body body
    cdef public bint keep, started, finished, tunnel
    cdef public long long body_sent, head_sent
    cpdef send_interim(self, ResponseHead head)
    cpdef send_headers(self, ResponseHead head, bint end)
    cpdef send_data(self, bytes data, bint end)
    cpdef send_trailers(self, HeaderMap trailers)
    cpdef flush(self)
    cpdef Connection verbatim_sink(self)
    cpdef sent(self, long long size)
    cpdef reset(self, bint abort=*)
    cpdef Body open_tunnel(self)

cdef class ServerConnection:
    cdef public Connection conn
    cdef public StreamHandler handler
    cdef public object info
    cdef public bint draining, busy
    cdef public long long ends_us, requests, wire_in_mark, wire_out_mark
    cdef public str reason
    cpdef serve(self)
    cpdef drain(self)

cdef class ClientConnection:
    cdef public Connection conn
    cdef public object host, pool
    cdef public long long requests, opened_us, idle_since
    cpdef int free_slots(self) except -1
    cpdef ClientStream open_stream(self)
    cpdef close(self)

cdef class ClientStream:
    cdef public ClientConnection client
    cdef public Connection conn
    cdef public Body body
    cdef public bint reusable, got_bytes, sent_end, tunnel
    cdef public long long head_sent, wire_in, wire_out
    cpdef send_headers(self, RequestHead head, bytes data, bint end)
    cpdef send_data(self, bytes data, bint end)
    cpdef send_trailers(self, HeaderMap trailers)
    cpdef ResponseHead receive_headers(self)
    cpdef settle(self)
    cpdef reset(self)
    cpdef Body open_tunnel(self)
