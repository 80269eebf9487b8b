"""A DNS server on loopback, in a thread: records are a dict, and it can fail or stay silent."""
import socket
import threading

import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset


def _same_port():
    """A UDP and a TCP socket on one port that was free for both."""
    while True:
        tcp = socket.create_server(("127.0.0.1", 0))
        udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            udp.bind(tcp.getsockname())
            return udp, tcp
        except OSError:
            tcp.close()
            udp.close()


class DnsServer:
    """`records`: {"name.": {"A": (ttl, [ip, ...]), "CNAME": (ttl, "target.")}}; `mode`: "ok" | "servfail" | "silent";
    `questions`: [(name, kind)]; `port`."""

    def __init__(self, records=None):
        self.records = records or {}
        self.mode = "ok"
        self.questions = []
        self.udp, self.tcp = _same_port()
        self.port = self.udp.getsockname()[1]
        self.truncate = False
        for serve in (self._serve_udp, self._serve_tcp):
            threading.Thread(target=serve, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        for sock in (self.udp, self.tcp):
            sock.shutdown(socket.SHUT_RDWR) if sock is self.tcp else None
            sock.close()

    def _serve_udp(self):
        while True:
            try:
                wire, peer = self.udp.recvfrom(4096)
                answer = self.answer(dns.message.from_wire(wire))
                if answer is not None:
                    if self.truncate:
                        answer.flags |= dns.flags.TC
                        answer.answer = []
                    self.udp.sendto(answer.to_wire(), peer)
            except OSError:
                return

    def _serve_tcp(self):
        while True:
            try:
                conn, _ = self.tcp.accept()
            except OSError:
                return
            with conn:
                size = int.from_bytes(conn.recv(2), "big")
                answer = self.answer(dns.message.from_wire(conn.recv(size)))
                wire = answer.to_wire() if answer is not None else b""
                conn.sendall(len(wire).to_bytes(2, "big") + wire)

    def answer(self, query):
        question = query.question[0]
        name, kind = question.name.to_text().lower(), dns.rdatatype.to_text(question.rdtype)
        self.questions.append((name, kind))
        if self.mode == "silent":
            return None
        response = dns.message.make_response(query)
        if self.mode == "servfail":
            response.set_rcode(dns.rcode.SERVFAIL)
            return response
        if name not in self.records:
            response.set_rcode(dns.rcode.NXDOMAIN)
        while name in self.records:
            found = self.records[name]
            if kind in found:
                response.answer.append(dns.rrset.from_text_list(name, found[kind][0], "IN", kind, found[kind][1]))
            if kind in found or "CNAME" not in found:
                break
            ttl, target = found["CNAME"]
            response.answer.append(dns.rrset.from_text(name, ttl, "IN", "CNAME", target))
            name = target
        return response
