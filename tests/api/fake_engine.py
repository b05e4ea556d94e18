"""An engine without containers, on a unix socket: what the service asks before it has work to do.

A call can be made to stall until it is released, and the engine can go away and come back.
"""

import http.server
import json
import os
import re
import socketserver
import threading

VERSION = {"Version": "20.10.24", "ApiVersion": "1.41", "MinAPIVersion": "1.12", "Os": "linux",
           "Arch": "amd64"}
INFO = {"ID": "FAKE", "Name": "fake", "ServerVersion": "20.10.24", "Containers": 0,
        "ContainersRunning": 0, "ContainersPaused": 0, "ContainersStopped": 0, "Images": 0,
        "Driver": "overlay2", "DockerRootDir": "/var/lib/docker", "Architecture": "x86_64",
        "OSType": "linux", "CgroupVersion": "1"}


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def address_string(self):
        return "unix"

    def handle(self):
        try:
            super().handle()
        except OSError:
            pass

    def answer(self, status, value, kind="application/json"):
        body = value if isinstance(value, bytes) else json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def events(self):
        """A stream without an end, and with no events."""
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        self.wfile.flush()
        self.close_connection = True
        self.connection.settimeout(None)
        self.connection.recv(1)  # until the client or close() ends it

    def do_GET(self):
        engine = self.server.engine
        path = re.sub(r"^/v[0-9.]+", "", self.path.split("?")[0])
        engine.calls.append(f"{self.command} {path}")
        engine.pass_gate(path)
        refusal = engine.refuses(self.path)
        if refusal:
            self.answer(400, {"message": refusal})
            return
        answers = {"/_ping": b"OK", "/version": VERSION, "/info": INFO, "/containers/json": [],
                   "/images/json": [], "/networks": [], "/volumes": {"Volumes": []}, **engine.instead}
        if path == "/events":
            self.events()
        elif path in engine.failing:
            self.answer(500, {"message": "told to fail"})
        elif path in answers:
            self.answer(200, answers[path])
        else:
            self.answer(404, {"message": f"the fake engine has no {path}"})

    do_HEAD = do_POST = do_DELETE = do_PUT = do_GET


class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 64

    def process_request(self, request, client_address):
        self.engine.connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request):
        self.engine.connections.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request, client_address):
        pass


class FakeEngine:
    def __init__(self, path):
        self.path, self.server, self.connections = path, None, set()
        self.calls, self.failing = [], set()
        self.instead = {}  # {path: what is answered}
        self.changed = threading.Condition()
        self.gates, self.held, self.releases = set(), 0, 0

    def open(self):
        self.server = Server(self.path, Handler)
        self.server.engine = self
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def listen_tcp(self):
        """Answer on loopback, too; the port."""
        server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
        server.daemon_threads, server.engine = True, self
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        return server.server_address[1]

    def close(self):
        """Go away: refuse new connections and break those that there are; a call that stalls is never answered."""
        if not self.server:
            self.release()
            return
        self.server.shutdown()
        self.server.server_close()
        os.unlink(self.path)
        for connection in list(self.connections):
            try:
                connection.shutdown(2)
            except OSError:
                pass
        self.server = None
        self.release()

    def refuses(self, path):
        """As engines do it: what a call is told whose version is not one of those spoken; None: it is."""
        asked = re.match(r"/v(\d+)\.(\d+)/", path)
        if not asked:
            return None
        known = self.instead.get("/version", VERSION)
        if "ApiVersion" not in known or "MinAPIVersion" not in known:
            return None
        version = tuple(int(part) for part in asked.groups())
        least, most = (tuple(int(part) for part in known[key].split(".")) for key in ("MinAPIVersion", "ApiVersion"))
        if version < least:
            return (f"client version {version[0]}.{version[1]} is too old. Minimum supported API version is "
                    f"{known['MinAPIVersion']}, please upgrade your client to a newer version")
        if version > most:
            return f"client version {version[0]}.{version[1]} is too new. Maximum supported API version is {known['ApiVersion']}"
        return None

    # Stalling.

    def stall(self, path):
        """From now on calls of this path wait for release()."""
        with self.changed:
            self.gates.add(path)

    def release(self):
        with self.changed:
            self.gates.clear()
            self.releases += 1
            self.changed.notify_all()

    def pass_gate(self, path):
        with self.changed:
            if path not in self.gates:
                return
            self.held += 1
            self.changed.notify_all()
            before = self.releases
            self.changed.wait_for(lambda: self.releases != before, 60)
            self.held -= 1

    def wait_held(self, seconds=20):
        """Until a call stalls."""
        with self.changed:
            if not self.changed.wait_for(lambda: self.held > 0, seconds):
                raise AssertionError(f"no call stalls; there were {self.calls[-10:]}")
