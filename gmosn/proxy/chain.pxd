from gmosn.filter.api cimport HttpStream

cdef class FilterChain:
    cdef public list filters, request, response, request_body, response_body, logs
    cdef public object terminal
    cpdef object on_request(self, HttpStream stream)
    cpdef on_response(self, HttpStream stream)
    cpdef on_log(self, HttpStream stream)
    cdef bint _disabled(self, HttpStream stream, tuple hook) except -1
