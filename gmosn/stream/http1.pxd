cimport cython
from gmosn.headers cimport HeaderMap, RequestHead, ResponseHead
from gmosn.codec.http1 cimport Http1Codec, Http1Settings, encode_chunk, encode_last_chunk, encode_request, encode_response
from gmosn.clock cimport now_us
from gmosn.io.connection cimport Connection
from gmosn.stream.api cimport Body, ClientConnection, ClientStream, ServerConnection, ServerStream, StreamHandler
