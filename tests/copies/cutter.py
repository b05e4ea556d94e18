"""A proxy on loopback that breaks lines: after so many bytes from the client it cuts, or passes on no more."""

import select
import socket
import threading


class Cutter:
    def __init__(self, port):
        self.target, self.cut_after, self.hang_after = port, None, None
        self.cut_total = None # of all connections
        self.sent = 0 # by clients, of all connections
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.ended = threading.Event()
        threading.Thread(target=self.run, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.ended.set()
        self.listener.close()

    def run(self):
        while not self.ended.is_set():
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.pass_on, args=(client,), daemon=True).start()

    def pass_on(self, client):
        """One connection, to its end."""
        with client, socket.create_connection(("127.0.0.1", self.target)) as server:
            sent = 0
            while not self.ended.is_set():
                ready, _, _ = select.select([client, server], [], [], 0.2)
                for side in ready:
                    try:
                        data = side.recv(64 * 1024)
                    except OSError:
                        return
                    if not data:
                        return
                    if side is server:
                        client.sendall(data)
                        continue
                    sent += len(data)
                    self.sent += len(data)
                    if self.cut_after is not None and sent > self.cut_after:
                        return
                    if self.cut_total is not None and self.sent > self.cut_total:
                        return
                    if self.hang_after is not None and sent > self.hang_after:
                        self.ended.wait()
                        return
                    try:
                        server.sendall(data)
                    except OSError:
                        return
