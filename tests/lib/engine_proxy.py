"""A unix socket in front of the engine's, which a test can take away and bring back, and where it can
step in between a request and the engine."""

import os
import re
import socket
import threading

REQUEST = re.compile(rb"^(GET|HEAD|POST|PUT|DELETE) (?:/v[0-9.]+)?(/\S*) HTTP/1\.1\r\n")


class EngineProxy:
    """on_request(method, path), if given, is called before a request goes on to the engine, on the
    thread of its connection: as long as it takes, the request waits.  What it returns, bytes, is the answer instead
    of the engine's; None lets it through.  on_reply(method, path), if given, is called before the first bytes of the
    engine's answer to that request go back, which wait likewise."""

    def __init__(self, path, target=None, on_request=None, on_reply=None):
        self.path = path
        self.on_request, self.on_reply = on_request, on_reply
        self.target = target or os.environ["DOCKER_HOST"].removeprefix("unix://")
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
            try:
                server.connect(self.target)
            except OSError:  # it is away
                server.close()
                client.close()
                continue
            self.connections |= {client, server}
            asked = []  # of this connection: requests whose answers have not begun
            for source, sink, look in ((client, server, lambda data, asked=asked: self.request(data, asked)),
                                       (server, client, lambda _, asked=asked: self.reply(asked))):
                threading.Thread(target=self.copy, args=(source, sink, look), daemon=True).start()

    def request(self, data, asked):
        """Look at what a client sends; bytes are the answer to it."""
        found = REQUEST.match(data)
        if not found:
            return None
        method, path = found[1].decode(), found[2].decode()
        answer = self.on_request(method, path) if self.on_request else None
        if self.on_reply and not answer:
            asked.append((method, path))
        return answer

    def reply(self, asked):
        if asked:
            self.on_reply(*asked.pop(0))

    @staticmethod
    def answer(client, answer):
        """The last one of this connection; what still comes of the request is taken, so that nothing breaks it."""
        client.sendall(answer)
        client.shutdown(socket.SHUT_WR)
        while client.recv(1 << 16):
            pass

    @staticmethod
    def copy(source, sink, look):
        try:
            while data := source.recv(1 << 18):
                answer = look(data)
                if answer:
                    EngineProxy.answer(source, answer)
                    break
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            for end in (source, sink):
                try:
                    end.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass
