"""The service in its real container, for tests: start it, talk to it, wait for its operations.

Runs where the engine's published ports are seen (tests/engine/engine run).  Every reply is judged by
the contract, and recorded where FB_CONTRACT_RECORDS says (record.py).
"""

import contextlib
import http.client
import json
import os
import signal
import socket
import subprocess
import threading
import time
import urllib.parse

import record

PORT = 18088


def meant(path, body):
    """The body of a request to start an operation: a restore of everything says that it is meant (`confirm`)."""
    parts = path.split("/")
    if parts[1:2] != ["backups"] or parts[3:] != ["restore"] or isinstance(body, bytes):
        return body
    asks = any((body or {}).get(field) for field in ("confirm", "only", "dry_run"))
    return body if asks else {**(body or {}), "confirm": parts[2]}


class Failed(Exception):
    """A command or the service did not do what was asked."""


def run(*command, stdin=None, check=True, timeout=600):
    """Run a command; its standard output as text."""
    done = subprocess.run(command, input=stdin, capture_output=True, timeout=timeout, check=False)
    if check and done.returncode != 0:
        raise Failed(f"{command}: {done.returncode}: {done.stderr.decode(errors='replace')[-2000:]}"
                     f"{done.stdout.decode(errors='replace')[-2000:]}")
    return done.stdout.decode(errors="surrogateescape")


def docker(*arguments, **options):
    return run("docker", *arguments, **options)


def inspect(name):
    return json.loads(docker("inspect", "--type", "container", name))[0]


def kill(*pids):
    """At once, for whoever is still there.  The engine's 0 is none that runs; to the kernel it is ourselves."""
    for pid in pids:
        if pid > 0:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def is_alive(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as stat:
            return stat.read().rsplit(")", 1)[1].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def lender_pids():
    """Of the lenders that run now."""
    names = docker("ps", "-q", "--filter", "name=lender", check=False).split()
    pids = docker("inspect", "-f", "{{.State.Pid}}", *names, check=False).split() if names else []
    return [int(pid) for pid in pids if int(pid) > 0]


def wait_until(what, condition, seconds=30, pause=0.05):
    """Poll until condition() is true, and return what it returned."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise Failed(f"not within {seconds} s: {what}")
        time.sleep(pause)


class Reply:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    @property
    def json(self):
        return json.loads(self.body)

    def __repr__(self):
        return f"{self.status} {self.body[:600]!r}"


class Service:
    """The container of the service.  store: a folder of the host.  secrets: another, seen at /secrets.
    With FB_ENCRYPTED in the environment each store is encrypted, unless it has secrets of its own."""

    def __init__(self, store, name="fuel-backup", port=PORT, environment=None, socket=None,
                 memory=None, secrets=None):
        self.store, self.name, self.port = store, name, port
        self.environment = environment or {}
        self.socket = socket or os.environ["DOCKER_HOST"].removeprefix("unix://")
        self.memory, self.secrets = memory, secrets
        self.token = None
        if os.environ.get("FB_ENCRYPTED") and not secrets:
            self.encrypt()

    def encrypt(self):
        """Its store is to be an encrypted one."""
        self.secrets = self.store.rstrip("/") + "-secrets"
        self.environment = {**self.environment, "FUEL_BACKUP_KEY_FILE": "/secrets/key"}

    def make_key(self):
        os.makedirs(self.secrets, exist_ok=True)
        with open(self.secrets + "/key", "wb", opener=lambda path, flags: os.open(path, flags, 0o600)) as out:
            out.write(b"thirty-two bytes are enough here")

    def start(self, wait=True):
        os.makedirs(self.store, mode=0o700, exist_ok=True)
        command = ["run", "-d", "--name", self.name, "-p", f"127.0.0.1:{self.port}:8088",
                   "-v", f"{self.socket}:/var/run/docker.sock",
                   "-v", f"{self.store}:/var/backup/fuel"]
        kind = os.environ.get("FB_KIND", "")  # of the engine, as tests/engine/other has it
        if "+userns" in kind:
            command += ["--userns", "host"]
        if "+podman" in kind and "+rootless" not in kind:
            command += ["--cap-add", "MKNOD"]  # which Docker's containers have
        if self.secrets == self.store.rstrip("/") + "-secrets":
            self.make_key()
        if self.secrets:
            command += ["-v", f"{self.secrets}:/secrets:ro"]
        if self.memory:
            command += ["--memory", str(self.memory), "--memory-swap", str(self.memory)]
        for key, value in self.environment.items():
            command += ["-e", f"{key}={value}"]
        docker(*command, "fuel-backup")
        if wait:
            self.wait_ready()
        return self

    @contextlib.contextmanager
    def port_taken_late(self, port):
        """A process of the host takes the port once a restore has begun to change things: no look beforehand finds it,
        and what wants the port cannot be started."""
        note, over, takers = os.path.join(self.store, "run/restore.json"), threading.Event(), []

        def take():
            while not over.wait(0.002):
                if os.path.exists(note):
                    takers.append(socket.create_server(("127.0.0.1", port)))
                    return

        thread = threading.Thread(target=take)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()
            for taker in takers:
                taker.close()
        assert takers, f"no restore began while port {port} was to be taken"

    def wait_ready(self, seconds=30):
        def ready():
            try:
                return self.api("GET", "/health", token=False).status in (200, 503)
            except (OSError, http.client.HTTPException):
                if not inspect(self.name)["State"]["Running"]:
                    raise Failed("the service ended:\n" + self.log()) from None
                return False
        wait_until("GET /health answers", ready, seconds)
        with open(os.path.join(self.store, "token"), encoding="ascii") as token:
            self.token = token.read().strip()
        wait_until("what an earlier run left is seen to", self.settled, 120)

    def settled(self):
        """It listens first, and looks for what an earlier run left beside that."""
        try:
            return self.api("GET", "/recovery").json["phase"] in ("idle", "waiting")
        except (OSError, http.client.HTTPException):  # the engine's proxy may have dropped the connection
            if not inspect(self.name)["State"]["Running"]:
                raise Failed("the service ended:\n" + self.log()) from None
            return False

    def log(self):
        return subprocess.run(["docker", "logs", "--tail", "60", self.name], check=False, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT).stdout

    def pid(self):
        return inspect(self.name)["State"]["Pid"]

    def stop(self, seconds=60):
        docker("stop", "-t", str(seconds), self.name)
        return inspect(self.name)["State"]["ExitCode"]

    def again(self):
        """Start the same container once more; to an engine that has not noticed that it was killed it still runs."""
        def noticed():
            state = inspect(self.name)["State"]
            return not state["Running"] or is_alive(state["Pid"])
        wait_until("the engine has noticed", noticed)
        docker("start", self.name)
        self.wait_ready()

    def remove(self):
        docker("rm", "-f", "-v", self.name, check=False)

    def api(self, method, path, body=None, headers=None, token=True, timeout=120):
        """One request; never raises for a status."""
        headers = dict(headers or {})
        if token and self.token:
            headers.setdefault("Authorization", "Bearer " + self.token)
        data = None
        if body is not None:
            data = body if isinstance(body, bytes) else json.dumps(body).encode()
            headers.setdefault("Content-Type", "application/json")
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        try:
            connection.request(method, path, body=data, headers=headers)
            answer = connection.getresponse()
            reply = Reply(answer.status, dict(answer.getheaders()), answer.read())
        finally:
            connection.close()
        record.reply(method, path, reply.status, answer.getheaders(), reply.body)
        return reply

    def wait_operation(self, location, seconds=600):
        """Follow an operation to its end and return it; also with a service that restarts."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            reply = self.api("GET", location + "?wait=10")
            if reply.status != 200:
                raise Failed(f"GET {location}: {reply}")
            if reply.json["state"] not in ("queued", "running"):
                return reply.json
        raise Failed(f"{location} did not end within {seconds} s")

    def start_operation(self, path, body=None):
        reply = self.api("POST", path, meant(path, body))
        if reply.status != 202:
            raise Failed(f"POST {path}: {reply}\n{self.log()}")
        return urllib.parse.urlsplit(reply.headers["Location"]).path

    def operate(self, path, body=None, seconds=600):
        """Start an operation, wait for its success, and return it."""
        operation = self.wait_operation(self.start_operation(path, body), seconds)
        if operation["state"] != "succeeded":
            raise Failed(f"POST {path}: {json.dumps(operation, indent=1)}\n{self.log()}")
        return operation

    def backup(self, plan=None, seconds=600):
        """Take a backup and return its record."""
        operation = self.operate("/backups", plan, seconds)
        reply = self.api("GET", "/backups/" + operation["backup"])
        if reply.status != 200 or reply.json["state"] != "complete":
            raise Failed(f"GET /backups/{operation['backup']}: {reply}")
        return reply.json

    def restore(self, backup, body=None, seconds=600):
        return self.operate(f"/backups/{backup}/restore", body, seconds)

    def wait_phase(self, location, phase, seconds=120):
        """Poll fast until an operation reaches a phase; its state by then if it ends before."""
        def reached():
            operation = self.api("GET", location).json
            return operation if operation["phase"] == phase or operation["ended_at"] else None
        return wait_until(f"{location} in phase {phase}", reached, seconds, 0.005)
