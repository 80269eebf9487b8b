cimport cython
from libc.string cimport memchr, memcmp
from cpython.bytes cimport PyBytes_FromStringAndSize

cdef extern from *:
    """
    #include <stdint.h>
    #include <string.h>
    /* 1 when n bytes at p hold a control character other than HTAB: eight bytes at a time, then one by one when a
       suspicious word (it may hold only HTAB) was seen. */
    static inline int gmosn_bad_value(const unsigned char *p, size_t n) {
        const uint64_t low = 0x0101010101010101u, high = 0x8080808080808080u;
        uint64_t word, seen = 0;
        size_t i = 0;
        for (; i + 8 <= n; i += 8) {
            memcpy(&word, p + i, 8);
            uint64_t is_del = word ^ (low * 0x7f);
            seen |= ((word - low * 0x20) & ~word) | ((is_del - low) & ~is_del);
        }
        if (seen & high)
            i = 0;
        for (; i < n; i++)
            if ((p[i] < 0x20 && p[i] != 9) || p[i] == 0x7f)
                return 1;
        return 0;
    }
    """
    int gmosn_bad_value(const unsigned char *p, size_t n) nogil

cdef unsigned char[256] LOWER
cdef unsigned char[1024] KIND
cdef list KNOWN

@cython.final
cdef class Fields:
    cdef public list items, nominated
    cdef public bytes host, upgrade, expect
    cdef public long long length
    cdef public bint strict, trailer, chunked, close, keep_alive, upgrade_listed, te_trailers, bare_lf
    cdef public int underscores, dropped, count, tokens, max_fields
    cdef public Py_ssize_t size, max_bytes
    cdef reset(self, list items, bint trailer, Py_ssize_t size)
    cdef int add(self, int kind, bytes name, bytes value) except -1
    cdef int add_line(self, bytes line) except -1

cdef int _special(Fields f, int kind, bytes value) except -1
cdef int _connection(Fields f, bytes value) except -1
cdef Py_ssize_t parse_fields(Fields f, bytes buf, Py_ssize_t at) except -2
cdef long long parse_length(bytes value)
cdef Py_ssize_t find_end(bytes buf, Py_ssize_t at)
