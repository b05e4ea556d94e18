#!/usr/bin/env python3
"""Goal: each task of the page is done in a real browser on the real service with real containers: a backup that
freezes them, browsing, fetching, a restore after the name was typed, a rehearsal, an import, an error.

The tasks are those of tests/browser/page.mjs.  Skipped (77) without chromium, node, playwright-core and axe-core.
"""

import json
import os
import shutil
import sys

import stack
from fuelbackup import Service, docker

sys.path.insert(0, stack.HERE + "/../browser")
import worlds  # noqa: E402  pylint: disable=wrong-import-position

STORE = os.path.join(stack.WORK, "store")
CONTAINERS = ("fb-page-app", "fb-page-db", "fb-page-odd")
VOLUME = "fb-page-data"


class World:
    def __init__(self):
        self.remove()
        docker("run", "-d", "--name", CONTAINERS[0], "-v", VOLUME + ":/data", "fb-test/small")
        docker("run", "-d", "--name", CONTAINERS[1], "-v", VOLUME + ":/data:ro", "fb-test/small")
        self.folder = stack.volume_path(VOLUME)
        os.makedirs(self.folder + "/sub", exist_ok=True)
        with open(self.folder + "/noise", "wb") as out:
            out.write(os.urandom(48 << 20))
        self.file = self.folder + "/sub/note & more.txt"
        self.write("as it was\n")
        os.makedirs(STORE)
        with open(STORE + "/plan.json", "w", encoding="utf-8") as out:
            json.dump({"containers": {"names": ["fb-page-*"]}}, out)
        self.service = Service(STORE, environment={"FUEL_BACKUP_PLAN": "/var/backup/fuel/plan.json"}).start()

    def write(self, text):
        with open(self.file, "w", encoding="utf-8") as out:
            out.write(text)

    @staticmethod
    def remove():
        docker("rm", "-f", "-v", *CONTAINERS, check=False)
        docker("volume", "rm", "-f", VOLUME, check=False)
        shutil.rmtree(stack.WORK, ignore_errors=True)

    def facts(self):
        return {"service": f"http://127.0.0.1:{self.service.port}", "token": self.service.token, "containers": True,
                "folder": f"volumes/{VOLUME}/sub", "file": os.path.basename(self.file)}

    # Orders of page.mjs.

    def release(self):
        pass

    def fail(self, on):
        docker("rm", "-f", CONTAINERS[2], check=False)
        if on:
            docker("run", "-d", "--name", CONTAINERS[2], "--label", "fuel-backup.before-freeze=echo refused; false",
                   "fb-test/small")

    def backup(self):
        self.service.backup()

    def delete(self, backup):
        self.service.api("DELETE", "/backups/" + backup)

    def change(self):
        self.write("changed since\n")

    def same(self):
        with open(self.file, encoding="utf-8") as source:
            return source.read() == "as it was\n"

    def beside(self):
        return stack.WORK + "/beside"

    def hash(self, path=None):
        return worlds.sha256(path or self.file)

    def idle(self):
        while (running := self.service.api("GET", "/health").json["operation"]) is not None:
            self.service.wait_operation("/operations/" + running)

    def close(self):
        log = self.service.log()
        self.service.remove()
        self.remove()
        return log


def main():
    lack = worlds.missing("playwright-core", "axe-core")
    if lack:
        print(f"page_test: there is no {lack}", file=sys.stderr)
        sys.exit(77)
    world, code = World(), 1
    try:
        code = worlds.drive("page.mjs", lambda order, *more: getattr(world, order)(*more), world.facts())
        frozen = docker("ps", "-q", "--filter", "status=paused")
        assert not frozen, frozen
    finally:
        log = world.close()
        if code:
            print(log)
    sys.exit(code)


if __name__ == "__main__":
    main()
