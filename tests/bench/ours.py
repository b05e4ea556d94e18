"""Goal: the service as a client sees it, and its memory; nothing but it is in the times (Service judges
each reply by the contract, which takes longer than some answers do)."""

import http.client
import json
import shutil
import time

import peers
from fuelbackup import Failed, Service, meant, run


class Ours:
    def __init__(self, folder, warm, encrypted=False):
        self.service = Service(folder + "/store")
        if encrypted:
            self.service = Service(folder + "/store-encrypted")
            self.service.encrypt()
        self.warm = warm
        self.size_before = 0

    def begin(self):
        """An empty store, but for the images."""
        self.remove()
        self.service.start()
        self.backup(self.warm.plan)
        self.size_before = peers.tree_bytes(self.service.store)

    def remove(self):
        self.service.remove()
        shutil.rmtree(self.service.store, ignore_errors=True)

    def size(self):
        """Of all files of the store, without what the images took."""
        return peers.tree_bytes(self.service.store) - self.size_before

    def ask(self, method, path, body=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.service.port, timeout=600)
        try:
            connection.request(method, path, None if body is None else json.dumps(body), {
                "Authorization": "Bearer " + self.service.token, "Content-Type": "application/json"})
            reply = connection.getresponse()
            text = reply.read()
            if reply.status not in (200, 202):
                raise Failed(f"{method} {path}: {reply.status} {text!r}")
            return reply.getheader("Location"), json.loads(text)
        finally:
            connection.close()

    def operate(self, path, body=None):
        """Seconds from POST to the end of the operation, and the operation."""
        if body is None and path.endswith("/restore"):
            body = {"confirm": path.split("/")[2]}
        begin = time.monotonic()
        location, _ = self.ask("POST", path, meant(path, body))
        while True:
            _, operation = self.ask("GET", location + "?wait=300")
            if operation["state"] not in ("queued", "running"):
                break
        seconds = time.monotonic() - begin
        if operation["state"] != "succeeded":
            raise Failed(f"POST {path}: {json.dumps(operation, indent=1)}\n{self.service.log()}")
        return seconds, operation

    def backup(self, plan):
        """Seconds, and the backup's record."""
        seconds, operation = self.operate("/backups", plan)
        return seconds, self.ask("GET", "/backups/" + operation["backup"])[1]

    def download(self, backup):
        self.archive(backup, "/dev/null")

    def archive(self, backup, path):
        run("curl", "-fsS", "-o", path, "-H", f"Authorization: Bearer {self.service.token}",
            f"http://127.0.0.1:{self.service.port}/backups/{backup}/archive", timeout=1800)

    def peak_reset(self, restart=False):
        """Begin to look for the peak; of a process that did nothing yet, if restart."""
        if restart:
            self.service.stop()
            self.service.again()
        with open(f"/proc/{self.service.pid()}/clear_refs", "w", encoding="ascii") as out:
            out.write("5")

    def peak_bytes(self):
        """The peak of the resident set since peak_reset()."""
        with open(f"/proc/{self.service.pid()}/status", encoding="ascii") as status:
            return next(int(line.split()[1]) for line in status if line.startswith("VmHWM:")) << 10


def frozen_pass(record):
    """What the walk did while the containers stood still: seconds, and bytes read."""
    frozen = [one for one in record["passes"] if one["kind"] == "frozen"]
    return sum(one["duration_ms"] for one in frozen) / 1000, sum(one["bytes_read"] for one in frozen)
