"""Clients without a token that want to hurt: bad_clients.py KIND PORT COUNT SECONDS [PATH].

Keeps COUNT connections of the kind open for so long, each made anew as soon as the service ends it,
and prints how many were made.
"""

import errno
import select
import socket
import sys
import time

BODY = b"POST /backups HTTP/1.1\r\nHost: x\r\nContent-Length: 9000000000\r\n\r\n"
PAGE = b"GET /page/main.js HTTP/1.1\r\nHost: x\r\n\r\n"
DENIED = b"GET /backups HTTP/1.1\r\nHost: x\r\n\r\n"

# What is sent at once; what is sent each second; whether as much as goes is sent after it; whether it is read.
KINDS = {
    "idle": (b"", b"", False, False),
    "dripping_head": (b"GET /health HTTP/1.1\r\nX: ", b"a", False, False),
    "dripping_body": (BODY, b"a", False, False),
    "big_body": (BODY, b"", True, False),
    "slow_reader": (PAGE, b"", False, False),
    "half_closed": (PAGE, b"", False, False),
    "tls": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 500, b"", False, False),
    "pipelined": (DENIED * 20, b"", True, False),
    "health": (b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n", b"", False, False),
}
NOISE = b"x" * 65536


class Client:
    def __init__(self, kind, port):
        self.first, self.drip, self.floods, self.reads = KINDS[kind]
        self.socket = socket.socket()
        self.socket.setblocking(False)
        if kind == "slow_reader":
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2304)
        self.closes = kind == "half_closed"
        self.noise = DENIED * 50 if kind == "pipelined" else NOISE
        failed = self.socket.connect_ex(("127.0.0.1", port))
        if failed not in (0, errno.EINPROGRESS):
            raise OSError(failed)

    def write(self):
        """True while there is more to send at once."""
        if self.first:
            self.first = self.first[self.socket.send(self.first):]
        elif self.floods:
            self.socket.send(self.noise)
        if not self.first and self.closes:
            self.socket.shutdown(socket.SHUT_WR)
            self.closes = False
        return bool(self.first) or self.floods


def main():
    kind, port, count, seconds = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4])
    poll, clients, made = select.epoll(), {}, 0
    end, dripped = time.monotonic() + seconds, time.monotonic()

    def drop(client):
        del clients[client.socket.fileno()]
        client.socket.close()

    while time.monotonic() < end:
        for _ in range(min(50, count - len(clients))):
            try:
                client = Client(kind, port)
            except OSError:
                break
            made += 1
            clients[client.socket.fileno()] = client
            poll.register(client.socket, select.EPOLLOUT | select.EPOLLRDHUP)
        for fd, events in poll.poll(0.02, 100):
            client = clients.get(fd)
            if client is None:
                continue
            try:
                if events & (select.EPOLLHUP | select.EPOLLERR | select.EPOLLRDHUP):
                    drop(client)
                elif events & select.EPOLLOUT and not client.write():
                    poll.modify(fd, select.EPOLLRDHUP)
            except BlockingIOError:
                pass
            except OSError:
                drop(client)
        if time.monotonic() - dripped > 1:
            dripped = time.monotonic()
            for client in list(clients.values()):
                if client.drip and not client.first:
                    try:
                        client.socket.send(client.drip)
                    except BlockingIOError:
                        pass
                    except OSError:
                        drop(client)
    print(made)


if __name__ == "__main__":
    main()
