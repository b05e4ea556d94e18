#!/usr/bin/python3
# Goal: Lighthouse gives the page 95 of 100 or more for accessibility and, where nothing else runs, for performance, offline.
"""lighthouse_test.py FUEL-BACKUPD: as root in a network that has a loopback and nothing else.

Needs chromium, node and lighthouse, in FB_NODE_MODULES or in node_modules beside this file; ends with 77 (skipped) without.  A score
for performance is a matter of time: it is asked for with FB_LONG=1 only, and the best of three counts.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE + "/../api")
import worlds  # noqa: E402
from fake_engine import FakeEngine  # noqa: E402
from service import Service  # noqa: E402

ENOUGH, TRIES, ALONE = 95, 3, "FB_LIGHTHOUSE_ALONE"


def scores(url):
    done = subprocess.run(["node", HERE + "/lighthouse.mjs", url], capture_output=True, text=True, timeout=300, check=False,
                          env={**os.environ, "FB_NODE_MODULES": worlds.MODULES, "CHROMIUM": shutil.which("chromium")})
    if done.returncode:
        sys.exit(f"lighthouse: {done.returncode}\n{done.stdout}{done.stderr[-3000:]}")
    print(url, done.stdout.strip(), done.stderr, flush=True)
    return json.loads(done.stdout)


def good(url):
    if os.environ.get("FB_LONG"):
        return any(min(scores(url).values()) >= ENOUGH for _ in range(TRIES))
    return scores(url)["accessibility"] >= ENOUGH


def main():
    if lack := worlds.missing("lighthouse"):
        print(f"lighthouse_test: there is no {lack}", file=sys.stderr)
        return 77
    if os.geteuid() == 0 and ALONE not in os.environ:
        os.environ[ALONE] = "yes"
        os.execvp("unshare", ["unshare", "--net", "sh", "-c", 'ip link set lo up && exec "$@"', "sh", sys.executable, "-B", *sys.argv])
    Service.binary = os.path.abspath(sys.argv[1])
    with tempfile.TemporaryDirectory(prefix="fb-lighthouse-") as folder:
        os.mkdir(folder + "/data")
        with open(folder + "/plan.json", "w", encoding="utf-8") as out:
            json.dump({"host_paths": [folder + "/data"]}, out)
        engine = FakeEngine(folder + "/engine.sock").open()
        service = Service(folder, engine.path, FUEL_BACKUP_PLAN=folder + "/plan.json").start()
        try:
            service.backup()
            url = f"http://127.0.0.1:{service.port}/"
            return 0 if good(url) else 1
        finally:
            service.end()
            engine.close()


if __name__ == "__main__":
    sys.exit(main())
