#!/usr/bin/python3
# Goal: the button does in a real browser what docs/button.md says.
"""button_test.py FUEL-BACKUPD: button.mjs drives Chromium; this is the world around it, which does what it asks.

Needs chromium, node, and playwright-core, in FB_NODE_MODULES or in node_modules beside this file; ends
with 77 (skipped) without them.
"""

import json
import os
import random
import shutil
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE + "/../api")
import worlds  # noqa: E402
from fake_engine import FakeEngine  # noqa: E402
from neighbours import IN_AN_HOUR, Keystone, Nailgun  # noqa: E402
from proxy_cases import Nginx  # noqa: E402
from service import Service, free_port  # noqa: E402


class World:
    def __init__(self, folder):
        self.folder = folder
        os.mkdir(folder + "/data")
        with open(folder + "/data/noise", "wb") as out:
            out.write(random.Random(3).randbytes(5 << 20))
        with open(folder + "/plan.json", "w", encoding="utf-8") as out:
            json.dump({"host_paths": [folder + "/data"]}, out)
        self.engine = FakeEngine(folder + "/engine.sock").open()
        self.keystone, self.nailgun, self.other = Keystone(), Nailgun(), free_port()
        self.keystone.tokens = {"fuel-admin": (IN_AN_HOUR, ["admin"]), "fuel-user": (IN_AN_HOUR, ["_member_"])}
        self.service = Service(
            folder, self.engine.path, FUEL_BACKUP_PLAN=folder + "/plan.json",
            FUEL_BACKUP_ORIGINS=f"http://localhost:{self.other}", FUEL_BACKUP_AUTH="keystone",
            FUEL_BACKUP_KEYSTONE_URL=self.keystone.url + "/v3", FUEL_BACKUP_NAILGUN=self.nailgun.url)
        self.service.start()
        self.nginx = Nginx(self.service.port)

    def obey(self, order, argument=None):
        """An order of button.mjs; what it wants to know."""
        if order == "stall":
            self.engine.stall("/containers/json")
        elif order == "stalled":
            self.engine.wait_held()
        elif order == "release":
            self.engine.release()
        elif order == "fail":
            self.engine.failing = {"/containers/json"} if argument else set()
        elif order == "tasks":
            self.nailgun.tasks = argument
        elif order == "away":
            self.nginx.end()
        elif order == "begin":
            return self.service.begin("/backups")
        elif order == "idle":
            self.service.finish_all()
        elif order == "newest":
            return self.service.api("GET", "/backups?limit=1").json["backups"][0]
        else:
            raise AssertionError(order)
        return None

    def close(self):
        self.engine.release()
        code = self.service.end()
        for server in (self.nginx, self.engine, self.keystone, self.nailgun):
            getattr(server, "close", getattr(server, "end", None))()
        return code


def main():
    Service.binary = os.path.abspath(sys.argv[1])
    lack = worlds.missing("playwright-core", programs=("chromium", "node", "nginx"))
    if lack:
        print(f"button_test: there is no {lack}", file=sys.stderr)
        sys.exit(77)
    folder = tempfile.mkdtemp(prefix="fb-button-")
    world = World(folder)
    code = 1
    try:
        code = worlds.drive("button.mjs", world.obey, {
            "service": f"http://127.0.0.1:{world.service.port}", "token": world.service.token,
            "nginx": f"http://127.0.0.1:{world.nginx.port}", "other": world.other})
        if code:
            print(world.service.log()[-3000:])
    finally:
        ended = world.close()
        shutil.rmtree(folder, ignore_errors=True)
    sys.exit(code or ended)


if __name__ == "__main__":
    main()
