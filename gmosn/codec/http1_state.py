"""The states of one HTTP/1 connection as its receiving side sees them, and every way from one to another.

Rule: nothing else decides what may follow what. The codec assigns only states that this table allows after the state it
is in; the tests run the whole corpus with a codec that checks each assignment against the table, and
docs/architecture.md draws its picture from it.
"""

HEAD = 0            # between messages, or inside a head that is not complete
LENGTH = 1          # in a body of known length
CHUNK_SIZE = 2      # at a chunk-size line
CHUNK_DATA = 3      # inside a chunk
CHUNK_END = 4       # at the CRLF behind a chunk's data
TRAILERS = 5        # behind the last chunk
UNTIL_CLOSE = 6     # in a response body that ends with the connection
TUNNEL = 7          # the bytes are no longer HTTP: an upgrade was accepted, or CONNECT was asked for
CLOSED = 8          # the connection ended where a message may end
BROKEN = 9          # the peer broke the protocol; nothing more is read

NAMES = ("HEAD", "LENGTH", "CHUNK_SIZE", "CHUNK_DATA", "CHUNK_END", "TRAILERS", "UNTIL_CLOSE", "TUNNEL", "CLOSED",
         "BROKEN")

# state -> {next state: what makes the step}
TRANSITIONS = {
    HEAD: {
        HEAD: "a head without a body, or a 1xx head",
        LENGTH: "a head with content-length above 0",
        CHUNK_SIZE: "a head with transfer-encoding: chunked",
        UNTIL_CLOSE: "a response head without a length",
        TUNNEL: "a CONNECT request; a 101 response, or a 2xx to CONNECT; an accepted upgrade",
        CLOSED: "the connection's end between two messages",
        BROKEN: "an invalid head, or the connection's end inside one",
    },
    LENGTH: {
        HEAD: "the last byte of the body",
        BROKEN: "the connection's end before it",
    },
    CHUNK_SIZE: {
        CHUNK_DATA: "a chunk size above 0",
        TRAILERS: "the last chunk (size 0)",
        BROKEN: "an invalid chunk-size line, or the connection's end",
    },
    CHUNK_DATA: {
        CHUNK_END: "the last byte of the chunk",
        BROKEN: "the connection's end inside a chunk",
    },
    CHUNK_END: {
        CHUNK_SIZE: "CRLF",
        BROKEN: "anything else, or the connection's end",
    },
    TRAILERS: {
        HEAD: "the blank line",
        BROKEN: "an invalid trailer field, or the connection's end",
    },
    UNTIL_CLOSE: {
        CLOSED: "the connection's end",
    },
    TUNNEL: {},
    CLOSED: {},
    BROKEN: {},
}
