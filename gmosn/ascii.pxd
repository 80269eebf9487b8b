from cpython.bytes cimport PyBytes_FromStringAndSize

cdef list SMALL
cpdef bytes ascii_int(long long n)
