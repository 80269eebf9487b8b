cdef class Containers:
    cdef list columns, stack
    cdef object root, key
    cdef bint waiting
    cdef Py_ssize_t waiting_column
    cdef pair(self, Py_ssize_t column, key, value)
    cdef Py_ssize_t entries(self, Py_ssize_t column, str dashes) except -1
    cdef entry(self, value)
    cdef _open(self, Py_ssize_t column, kind)
    cdef _nest(self, Py_ssize_t column, new)
