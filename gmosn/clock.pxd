from posix.time cimport timespec, clock_gettime, CLOCK_MONOTONIC, CLOCK_REALTIME

cpdef long long now_us() except -1
cpdef long long wall_us() except -1
