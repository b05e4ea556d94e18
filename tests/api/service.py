"""A service of a test's own: fuel-backupd on a free port of this host, with a store of its own.

Each reply to api() is judged by the contract and recorded; and no reply may show the token.
"""

import contextlib
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
import record  # noqa: E402
from fuelbackup import meant  # noqa: E402

START_SECONDS = 30


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_until(what, condition, seconds=30):
    end = time.monotonic() + seconds
    while not (value := condition()):
        if time.monotonic() > end:
            raise AssertionError(f"not within {seconds} s: {what}")
        time.sleep(0.02)
    return value


class Reply:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    def header(self, name):
        """Its value, or None; the same header twice is a fault."""
        values = [value for key, value in self.headers if key.lower() == name.lower()]
        assert len(values) <= 1, f"{name} {len(values)} times"
        return values[0] if values else None

    @property
    def json(self):
        return json.loads(self.body)

    def __repr__(self):
        return f"{self.status} {self.headers} {self.body[:600]!r}"


class Service:
    binary = None  # set by the test's main
    wrapper = []  # what it is run by

    def __init__(self, folder, engine_socket, **environment):
        self.store = os.path.join(folder, "store")
        self.log_path = os.path.join(folder, "log")
        self.port = free_port()
        self.environment = {
            "PATH": os.environ["PATH"], "FUEL_BACKUP_STORE": self.store,
            "FUEL_BACKUP_LISTEN": f"127.0.0.1:{self.port}",
            "DOCKER_HOST": f"unix://{engine_socket}", **environment}
        for name in ("ASAN_OPTIONS", "UBSAN_OPTIONS", "TSAN_OPTIONS"):
            if name in os.environ:
                self.environment[name] = os.environ[name]
        self.process, self.token = None, environment.get("FUEL_BACKUP_TOKEN")

    def start(self):
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen([*self.wrapper, self.binary], env=self.environment, stdout=log,
                                            stderr=log, stdin=subprocess.DEVNULL)
        wait_until("the service answers", self.answers, START_SECONDS)
        if "FUEL_BACKUP_TOKEN" not in self.environment:
            with open(os.path.join(self.store, "token"), encoding="ascii") as source:
                self.token = source.read().strip()
        if not self.environment["FUEL_BACKUP_LISTEN"].startswith("unix:"):
            wait_until("what an earlier run left is seen to", self.settled, START_SECONDS)
        return self

    def settled(self):
        """It listens first, and looks for what an earlier run left beside that."""
        return self.api("GET", "/recovery").json["phase"] in ("idle", "waiting")

    def answers(self):
        if self.process.poll() is not None:
            raise AssertionError(f"the service ended: {self.process.returncode}\n{self.log()}")
        try:
            return self.api("GET", "/health", token=None).status in (200, 503)
        except ConnectionRefusedError:
            return False

    def log(self):
        with open(self.log_path, encoding="utf-8", errors="replace") as source:
            return source.read()

    def end(self, how=signal.SIGTERM, seconds=30):
        """Ask it to end, and return its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(how)
        return self.process.wait(seconds)

    def clean_up(self):
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def call(self, method, path, body=None, headers=None, token=True, timeout=60):
        """One request; the connection and its answer, whose body is not read yet."""
        headers = dict(headers or {})
        if token:
            headers.setdefault("Authorization", f"Bearer {self.token if token is True else token}")
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
            headers.setdefault("Content-Type", "application/json")
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        try:
            connection.request(method, path, body=body, headers=headers)
            return connection, connection.getresponse()
        except BaseException:
            connection.close()
            raise

    def api(self, method, path, body=None, headers=None, token=True, timeout=60):
        """One request and its judged reply.  body: bytes as they are, else as JSON.
        token: True for the right one, None for none, or a text to send instead."""
        connection, answer = self.call(method, path, body, headers, token, timeout)
        with contextlib.closing(connection):
            reply = Reply(answer.status, answer.getheaders(), answer.read())
        self.judge(method, path, reply)
        return reply

    def judge(self, method, path, reply):
        shown = repr(reply.headers).encode() + reply.body
        if self.token and self.token.encode() in shown:
            raise AssertionError(f"{method} {path}: the reply shows the token")
        record.reply(method, path, reply.status, reply.headers, reply.body)

    def events(self, path, headers=None, timeout=60):
        """The (id, data) of a whole stream of events, and its comments left out."""
        reply = self.api("GET", path, headers=headers, timeout=timeout)
        assert reply.status == 200, reply
        found = []
        assert reply.body.endswith(b"\n\n"), reply
        for block in reply.body.decode().split("\n\n")[:-1]:
            lines = [line for line in block.split("\n") if not line.startswith(":")]
            if lines:
                fields = dict(line.split(": ", 1) for line in lines)
                assert set(fields) == {"id", "data"}, fields
                found.append((int(fields["id"]), json.loads(fields["data"])))
        return found

    # Operations.

    def begin(self, path, body=None, headers=None):
        reply = self.api("POST", path, meant(path, body), headers)
        assert reply.status == 202, reply
        return reply.header("Location")

    def finish(self, location, state="succeeded"):
        def ended():
            operation = self.api("GET", location + "?wait=20").json
            return operation if operation["ended_at"] else None
        operation = wait_until(f"{location} ends", ended, 60)
        assert operation["state"] == state, f"{operation}\n{self.log()[-3000:]}"
        return operation

    def operate(self, path, body=None, headers=None):
        return self.finish(self.begin(path, body, headers))

    def backup(self, plan=None):
        return self.operate("/backups", plan)["backup"]

    def finish_polling(self, location):
        """As finish, without waiting on the service's side."""
        wait_until(f"{location} ends", lambda: self.api("GET", location).json["ended_at"])

    def finish_all(self):
        """Until nothing runs."""
        wait_until("no operation runs",
                   lambda: self.api("GET", "/health", token=None).json["operation"] is None)
