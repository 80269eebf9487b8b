/* Load generator and raw TCP upstreams for bench/: one thread, epoll, results as one line of JSON on stdout.
 *
 *   load serve ECHO_PORT SOURCE_PORT             echoes on one port, streams zeros on the other until the peer closes
 *   load paced PORT CONNECTIONS SECONDS RATE     open loop: GET / at a fixed rate; latency counts from the moment a
 *                                                request was due, so a stalled proxy cannot hide its queue
 *   load pingpong PORT CONNECTIONS SECONDS       closed loop: 64 bytes there and back
 *   load bulk PORT MEGABYTES                     one connection, reads that many MiB
 *   load idle PORT CONNECTIONS                   one GET / on each connection, says "idle", keeps them open until stdin
 *                                                ends
 * Responses need a content-length. Any error counts; the harness refuses a run with errors.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define PING 64
#define BUFFER 65536

static const char REQUEST[] = "GET / HTTP/1.1\r\nHost: bench\r\nUser-Agent: load\r\nAccept: */*\r\n\r\n";
static char buffer[1 << 18];

struct conn {
    int fd, busy, head_done;
    long left;                  /* bytes of the body (or of the echo) still to come */
    int filled;
    uint64_t due;
    char head[8192];
};

static uint64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + t.tv_nsec;
}

static void die(const char *what) {
    perror(what);
    exit(1);
}

static struct sockaddr_in loopback(int port) {
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    return a;
}

static int dial(int port) {
    int fd = socket(AF_INET, SOCK_STREAM, 0), one = 1;
    struct sockaddr_in a = loopback(port);
    if (fd < 0 || connect(fd, (struct sockaddr *)&a, sizeof a)) die("connect");
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    return fd;
}

static int listen_on(int port) {
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), one = 1;
    struct sockaddr_in a = loopback(port);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(fd, (struct sockaddr *)&a, sizeof a) || listen(fd, 4096)) die("listen");
    return fd;
}

static void watch(int ep, int fd, uint32_t events, uint64_t data) {
    struct epoll_event e = {.events = events, .data.u64 = data};
    if (epoll_ctl(ep, EPOLL_CTL_ADD, fd, &e)) die("epoll_ctl");
}

/* 1 = a whole response has arrived, 0 = more to come, -1 = error. Reads until it would block. */
static int read_response(struct conn *c) {
    for (;;) {
        if (!c->head_done) {
            ssize_t n = read(c->fd, c->head + c->filled, sizeof c->head - 1 - c->filled);
            if (n <= 0) return n < 0 && errno == EAGAIN ? 0 : -1;
            c->filled += n;
            c->head[c->filled] = 0;
            char *end = strstr(c->head, "\r\n\r\n");
            if (!end) continue;
            char *length = strcasestr(c->head, "\r\ncontent-length:");
            if (!length || length > end || strncmp(c->head + 8, " 200", 4)) return -1;
            c->left = atol(length + 17) - (c->filled - (end + 4 - c->head));
            c->head_done = 1;
        } else {
            ssize_t n = read(c->fd, buffer, sizeof buffer);
            if (n <= 0) return n < 0 && errno == EAGAIN ? 0 : -1;
            c->left -= n;
        }
        if (c->head_done && c->left <= 0) {
            c->head_done = c->filled = 0;
            return c->left == 0 ? 1 : -1;
        }
    }
}

static int by_size(const void *a, const void *b) {
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

static struct conn *dial_all(int ep, int port, int count) {
    struct conn *conns = calloc(count, sizeof *conns);
    for (int i = 0; i < count; i++) {
        conns[i].fd = dial(port);
        if (fcntl(conns[i].fd, F_SETFL, O_NONBLOCK)) die("fcntl");
        watch(ep, conns[i].fd, EPOLLIN, i);
    }
    return conns;
}

static int paced(int port, int count, double seconds, double rate) {
    int ep = epoll_create1(0), idle_count = count, *idle = malloc(count * sizeof *idle);
    struct conn *conns = dial_all(ep, port, count);
    uint64_t total = (uint64_t)(seconds * rate), sent = 0, done = 0, errors = 0;
    uint32_t *latency = malloc((total + 1) * sizeof *latency);
    struct epoll_event events[256];
    for (int i = 0; i < count; i++) idle[i] = i;
    uint64_t start = now_ns(), give_up = start + (uint64_t)((seconds + 10) * 1e9);
    while (done + errors < total && now_ns() < give_up) {
        uint64_t now = now_ns(), next = start + (uint64_t)(sent / rate * 1e9);
        while (sent < total && idle_count && next <= now) {
            struct conn *c = &conns[idle[--idle_count]];
            c->due = next;
            if (write(c->fd, REQUEST, sizeof REQUEST - 1) != sizeof REQUEST - 1) errors++;
            next = start + (uint64_t)(++sent / rate * 1e9);
        }
        struct timespec wait = {0, 100000000};
        now = now_ns();
        if (sent < total && idle_count) wait.tv_nsec = next > now ? (next - now < 100000000 ? next - now : 100000000) : 0;
        int n = epoll_pwait2(ep, events, 256, &wait, NULL);
        now = now_ns();
        for (int i = 0; i < n; i++) {
            struct conn *c = &conns[events[i].data.u64];
            int got = read_response(c);
            if (got == 0) continue;
            if (got < 0) {
                errors++;
                epoll_ctl(ep, EPOLL_CTL_DEL, c->fd, NULL);
                continue;
            }
            latency[done++] = (uint32_t)((now - c->due) / 1000);
            idle[idle_count++] = c - conns;
        }
    }
    qsort(latency, done, sizeof *latency, by_size);
    uint64_t last = done ? done - 1 : 0;
    printf("{\"requests\": %lu, \"errors\": %lu, \"seconds\": %.6f, \"p50_us\": %u, \"p90_us\": %u, \"p99_us\": %u, "
           "\"p999_us\": %u, \"max_us\": %u}\n", done, errors + (total - done - errors), (now_ns() - start) / 1e9,
           latency[last / 2], latency[(uint64_t)(last * 0.9)], latency[(uint64_t)(last * 0.99)],
           latency[(uint64_t)(last * 0.999)], latency[last]);
    return 0;
}

static int pingpong(int port, int count, double seconds) {
    int ep = epoll_create1(0);
    struct conn *conns = dial_all(ep, port, count);
    struct epoll_event events[256];
    uint64_t done = 0, errors = 0, start = now_ns(), end = start + (uint64_t)(seconds * 1e9);
    memset(buffer, 'p', PING);
    for (int i = 0; i < count; i++) {
        conns[i].left = PING;
        if (write(conns[i].fd, buffer, PING) != PING) errors++;
    }
    while (now_ns() < end && !errors) {
        int n = epoll_wait(ep, events, 256, 100);
        for (int i = 0; i < n; i++) {
            struct conn *c = &conns[events[i].data.u64];
            ssize_t got = read(c->fd, buffer, PING);
            if (got <= 0) { errors++; break; }
            if (c->left -= got) continue;
            done++;
            c->left = PING;
            if (write(c->fd, buffer, PING) != PING) errors++;
        }
    }
    printf("{\"requests\": %lu, \"errors\": %lu, \"seconds\": %.6f}\n", done, errors, (now_ns() - start) / 1e9);
    return 0;
}

static int bulk(int port, double megabytes) {
    int fd = dial(port);
    uint64_t want = (uint64_t)(megabytes * 1048576), got = 0, start = now_ns();
    if (write(fd, "x", 1) != 1) die("write");
    while (got < want) {
        ssize_t n = read(fd, buffer, sizeof buffer);
        if (n <= 0) break;
        got += n;
    }
    printf("{\"requests\": %lu, \"errors\": %d, \"seconds\": %.6f}\n", got, got < want, (now_ns() - start) / 1e9);
    return 0;
}

static int idle(int port, int count) {
    struct conn *c = calloc(1, sizeof *c);
    int errors = 0;
    for (int i = 0; i < count; i++) {                   /* blocking sockets: one exchange after the other */
        c->fd = dial(port);
        if (write(c->fd, REQUEST, sizeof REQUEST - 1) != sizeof REQUEST - 1 || read_response(c) != 1) errors++;
    }
    printf("{\"requests\": %d, \"errors\": %d}\n", count, errors);
    fflush(stdout);
    while (getchar() != EOF) {}
    return 0;
}

/* Does not return. role: 0 unused, 'e' echoes, 's' streams zeros from its first byte on. */
static _Noreturn void serve(int echo_port, int source_port) {
    static char role[65536], zeros[BUFFER];
    int ep = epoll_create1(0), echo_listener = listen_on(echo_port), source_listener = listen_on(source_port), one = 1;
    struct epoll_event events[256];
    watch(ep, echo_listener, EPOLLIN, echo_listener);
    watch(ep, source_listener, EPOLLIN, source_listener);
    printf("serving\n");
    fflush(stdout);
    for (;;) {
        int n = epoll_wait(ep, events, 256, -1);
        for (int i = 0; i < n; i++) {
            int fd = (int)events[i].data.u64;
            if (fd == echo_listener || fd == source_listener) {
                int new = accept4(fd, NULL, NULL, SOCK_NONBLOCK);
                if (new < 0 || new >= (int)sizeof role) continue;
                setsockopt(new, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
                role[new] = fd == echo_listener ? 'e' : 's';
                watch(ep, new, EPOLLIN, new);
                continue;
            }
            ssize_t size = events[i].events & EPOLLIN ? read(fd, buffer, PING) : 1;
            if (size > 0 && role[fd] == 'e') {
                if (write(fd, buffer, size) != size) size = 0;
            } else if (size > 0) {
                struct epoll_event e = {.events = EPOLLOUT, .data.u64 = fd};
                epoll_ctl(ep, EPOLL_CTL_MOD, fd, &e);
                if (write(fd, zeros, sizeof zeros) < 0 && errno != EAGAIN) size = 0;
            }
            if (size == 0 || (size < 0 && errno != EAGAIN)) close(fd);
        }
    }
}

int main(int argc, char **argv) {
    struct rlimit files;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    signal(SIGPIPE, SIG_IGN);
    const char *verb = argc > 3 ? argv[1] : "";
    if (!strcmp(verb, "serve")) serve(atoi(argv[2]), atoi(argv[3]));
    if (!strcmp(verb, "paced") && argc == 6) return paced(atoi(argv[2]), atoi(argv[3]), atof(argv[4]), atof(argv[5]));
    if (!strcmp(verb, "pingpong") && argc == 5) return pingpong(atoi(argv[2]), atoi(argv[3]), atof(argv[4]));
    if (!strcmp(verb, "bulk")) return bulk(atoi(argv[2]), atof(argv[3]));
    if (!strcmp(verb, "idle")) return idle(atoi(argv[2]), atoi(argv[3]));
    fprintf(stderr, "usage: see the top of load.c\n");
    return 2;
}
