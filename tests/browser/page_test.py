#!/usr/bin/python3
# Goal: in a real browser each task of the page can be done, by whoever uses it however.
"""page_test.py FUEL-BACKUPD: page.mjs drives Chromium; here are the service and an engine without containers.

Needs chromium, node, nginx, and playwright-core and axe-core, in FB_NODE_MODULES or in node_modules beside this
file; ends with 77 (skipped) without them.  FB_PICTURES: a folder for screenshots.
"""

import contextlib
import json
import os
import random
import shutil
import signal
import sqlite3
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE + "/../api")
import worlds  # noqa: E402
from fake_engine import FakeEngine  # noqa: E402
from proxy_cases import Nginx  # noqa: E402
from service import Service  # noqa: E402


class World:
    def __init__(self, folder):
        self.folder, self.data = folder, folder + "/data"
        os.makedirs(self.data + "/sub")
        with open(self.data + "/noise", "wb") as out:
            out.write(random.Random(3).randbytes(3 << 20))
        self.write("as it was\n")
        with open(folder + "/plan.json", "w", encoding="utf-8") as out:
            json.dump({"host_paths": [self.data]}, out)
        self.engine = FakeEngine(folder + "/engine.sock").open()
        self.service = Service(folder, self.engine.path, FUEL_BACKUP_PLAN=folder + "/plan.json")
        self.service.start()
        self.nginx = Nginx(self.service.port)

    @property
    def file(self):
        return self.data + "/sub/note & more.txt"

    def write(self, text):
        with open(self.file, "w", encoding="utf-8") as out:
            out.write(text)

    def facts(self):
        return {"service": f"http://127.0.0.1:{self.service.port}", "token": self.service.token,
                "nginx": f"http://127.0.0.1:{self.nginx.port}", "scripted": True, "containers": False,
                "folder": "host" + self.data + "/sub", "file": os.path.basename(self.file)}

    # Orders of page.mjs.

    def stall(self):
        self.engine.stall("/containers/json")

    def stalled(self):
        self.engine.wait_held()

    def release(self):
        self.engine.release()

    def fail(self, on):
        self.engine.failing = {"/containers/json"} if on else set()

    def backup(self):
        self.service.backup()

    def edit(self, statement, *values):
        with contextlib.closing(sqlite3.connect(self.service.store + "/catalogue.db", timeout=20)) as catalogue, catalogue:
            catalogue.execute(statement, values)

    def containers(self, there, backed):
        """The engine has these, and the newest backup those."""
        self.engine.instead = {"/containers/json": [
            {"Id": str(i) * 64, "Names": ["/" + name], "Labels": {}} for i, name in enumerate(there)]} if there else {}
        self.edit("UPDATE backups SET record = json_set(record, '$.containers', json(?)) WHERE seq ="
                  " (SELECT max(seq) FROM backups)", json.dumps(
                      [{"name": name, "image": "x", "state": "running", "freeze_ms": 1} for name in backed]))

    def marks(self):
        """Three backups: one of which nothing is known, one with all that is good, one that is damaged since."""
        proven = json.dumps({"verdict": "proven", "at": "2026-11-22T03:15:00.000Z"})
        for damaged in (1, 0, None):
            backup = self.service.backup()
            if damaged is not None:
                self.edit("UPDATE backups SET damaged = ?, verified_ns = created_ns, locked = ?, rehearsal = ? WHERE id = ?",
                          damaged, 1 - damaged, proven, backup)

    def clear(self):
        self.edit("UPDATE backups SET locked = 0")
        for backup in self.service.api("GET", "/backups").json["backups"]:
            self.delete(backup["id"])

    def delete(self, backup):
        self.service.api("DELETE", "/backups/" + backup)

    def change(self):
        self.write("changed since\n")

    def same(self):
        with open(self.file, encoding="utf-8") as source:
            return source.read() == "as it was\n"

    def beside(self):
        return self.folder + "/beside"

    def hash(self, path=None):
        return worlds.sha256(path or self.file)

    def idle(self):
        self.service.finish_all()

    def die(self):
        self.service.end(signal.SIGKILL)

    def live(self):
        self.engine.release()
        self.service.start()

    def close(self):
        self.engine.release()
        code = self.service.end()
        self.nginx.end()
        self.engine.close()
        return code


def main():
    Service.binary = os.path.abspath(sys.argv[1])
    lack = worlds.missing("playwright-core", "axe-core", programs=("chromium", "node", "nginx"))
    if lack:
        print(f"page_test: there is no {lack}", file=sys.stderr)
        sys.exit(77)
    folder = tempfile.mkdtemp(prefix="fb-page-")
    world = World(folder)
    code = 1
    try:
        code = worlds.drive("page.mjs", lambda order, *more: getattr(world, order)(*more), world.facts())
        if code:
            print(world.service.log()[-3000:])
    finally:
        ended = world.close()
        shutil.rmtree(folder, ignore_errors=True)
    sys.exit(code or ended)


if __name__ == "__main__":
    main()
