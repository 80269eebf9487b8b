cimport cython
from libc.string cimport memchr, memcmp
from gmosn.headers cimport HeaderMap, RequestHead, ResponseHead
from gmosn.matching.matchers cimport HeaderMatcher, StringMatcher, match_all
from gmosn.observe.access_log cimport Formatter
from gmosn.stream_info cimport StreamInfo
from gmosn.upstream.cluster cimport Cluster, ClusterSlot

cdef class HeaderOp:
    cdef public bytes name, value
    cdef public Formatter formatter
    cdef public int action
    cdef public bint keep_empty

cdef class HeaderMutation:
    cdef public list remove, append
    cdef public bint constant
    cdef public HeaderMutation then
    cpdef apply(self, HeaderMap headers, StreamInfo info)
    cdef _apply_one(self, HeaderMap headers, StreamInfo info)

cdef class QueryMatcher:
    cdef public bytes name
    cdef public StringMatcher string
    cdef public bint invert
    cpdef bint match(self, bytes path) except -1

cdef class RouteMatch:
    cdef public int kind
    cdef public bytes value
    cdef public bint case_sensitive, grpc, has_conditions
    cdef public object regex
    cdef public list headers, queries
    cdef public long long numerator, denominator
    cpdef bint conditions(self, RequestHead request, long long random) except -1

cdef class Route:
    cdef public int index
    cdef public RouteMatch matcher
    cdef public VirtualHost virtual_host
    cdef public object name, metadata, per_filter, decorator, retry_policy, upgrades, hidden
    cdef public object action
    cdef public bint forwards
    cdef public long long timeout_us, idle_timeout_us, max_stream_duration_us
    cdef public bytes timeout_ms
    cdef public HeaderMutation request_mutation, response_mutation
    cdef public bint has_idle_timeout, has_max_stream_duration, rewrites, auto_host_rewrite, append_x_forwarded_host, high_priority
    cdef public int not_found_status
    cdef public ClusterSlot slot
    cdef public list variants
    cdef public long long total_weight
    cpdef ClusterSlot choose_cluster(self, RequestHead request, StreamInfo info)
    cpdef object reply(self, RequestHead request, StreamInfo info)
    cpdef rewrite(self, RequestHead request, StreamInfo info, bint keep_original=*)
    cdef Route _pick(self, unsigned long long random)

cdef class VirtualHost:
    cdef public str name
    cdef public int require_tls
    cdef public Node tree, folded
    cdef public list scanned, pathless
    cdef public Route tls_redirect
    cdef public bint include_attempt_count, include_attempt_count_in_response, ignore_path_parameters
    cdef public object retry_policy, per_filter, metadata
    cpdef Route match(self, RequestHead request, unsigned long long random)
    cdef Route _match_pathless(self, RequestHead request, long long random)
    cdef bint _needs_tls(self, RequestHead request)

cdef class Node:
    cdef public bytes label, firsts
    cdef public list children, prefixes, exacts, separated

cdef class RouteTable:
    cdef public str name
    cdef public dict exact
    cdef public list suffixes, prefixes, virtual_hosts
    cdef public VirtualHost fallback
    cdef public bint ignore_port
    cdef public object metadata
    cdef unsigned long long seed
    cpdef VirtualHost find_virtual_host(self, bytes host)
    cpdef Route match(self, RequestHead request, StreamInfo info)
    cdef VirtualHost _by_wildcard(self, bytes host)

cpdef bytes without_port(bytes host)
cdef bytes _parameter(bytes path, bytes name)
cdef bytes _without_parameters(bytes path)
cdef Py_ssize_t _path_end(bytes path) except -1
cdef Py_ssize_t _child(bytes firsts, bytes path, Py_ssize_t at)
cdef Route _walk(Node node, bytes path, Py_ssize_t end, Route best, RequestHead request, long long random)
cdef Route _first(list routes, Route best, RequestHead request, long long random)
