cimport cython
from gmosn.headers cimport HeaderMap

cdef class StringMatcher:
    cdef public int kind
    cdef public bytes value
    cdef public bint ignore_case
    cdef object regex
    cpdef bint match(self, bytes value) except -1

cdef class HeaderMatcher:
    cdef public bytes name
    cdef public bint invert, missing_as_empty, joined
    cdef public int kind
    cdef public StringMatcher string
    cdef long long low, high
    cpdef bint match(self, HeaderMap headers) except -1
    cdef bint _holds(self, bytes value) except -1

cpdef bint match_all(list matchers, HeaderMap headers) except -1
