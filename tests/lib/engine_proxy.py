"""A unix socket in front of the engine's, which a test can take away and bring back, and which can
let a test look at what is frozen before it is thawed.
"""

import os
import re
import socket
import threading

THAW = re.compile(rb"POST (/v[0-9.]+)?/containers/[^/ ]+/unpause[? ]")


class EngineProxy:
    """before_thaw: called before each request to thaw a container goes on; the others wait meanwhile.
    (The service sends the head of a request at once, and no second request before the answer.)"""

    def __init__(self, path, target=None, before_thaw=None):
        self.path = path
        self.target = target or os.environ["DOCKER_HOST"].removeprefix("unix://")
        self.before_thaw, self.thawing = before_thaw, threading.Lock()
        self.listener, self.connections = None, set()

    def __enter__(self):
        self.open()
        return self

    def __exit__(self, *_):
        self.close()

    def open(self):
        os.makedirs(os.path.dirname(self.path), exist_ok=True)
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(self.path)
        self.listener.listen(64)
        threading.Thread(target=self.accept, args=(self.listener,), daemon=True).start()

    def close(self):
        """Refuse new connections and break those that there are."""
        if not self.listener:
            return
        os.unlink(self.path)
        for end in (self.listener, *self.connections):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            end.close()
        self.listener, self.connections = None, set()

    def accept(self, listener):
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            server = socket.socket(socket.AF_UNIX)
            server.connect(self.target)
            self.connections |= {client, server}
            for source, sink in ((client, server), (server, client)):
                threading.Thread(target=self.copy, args=(source, sink), daemon=True).start()

    def copy(self, source, sink):
        try:
            while data := source.recv(1 << 18):
                if self.before_thaw and THAW.match(data):
                    with self.thawing:
                        self.before_thaw()
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            for end in (source, sink):
                try:
                    end.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass
