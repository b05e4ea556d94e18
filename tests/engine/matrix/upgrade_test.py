#!/usr/bin/env python3
"""Goal: an engine is upgraded under the running service (20.10, then 26, then 28, on one data folder): the service goes on by
itself, speaks the new engine's API, and every earlier backup comes back.

Run outside of the engines' name spaces.  FB_UPGRADE names the engines, as tests/engine/other has them without their data.
"""

import json
import os
import shutil
import subprocess
import sys
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, HERE + "/..", HERE + "/../../lib"]

# pylint: disable=wrong-import-position
import matrix_test as matrix

NAME = "upgrade"
KINDS = [f"{kind}+data:{NAME}" for kind in os.environ.get("FB_UPGRADE", "host trixie sid").split()]
SOCKET = f"{matrix.CACHE}/other/socket-{NAME}/docker.sock"
DATA = f"{matrix.CACHE}/other/data-{NAME}"


def step(kind, *words):
    environment = dict(os.environ, DOCKER_HOST="unix://" + SOCKET, FB_KIND=kind)
    done = subprocess.run([matrix.OTHER, kind, "run", sys.executable, "-B", HERE + "/upgrade.py", *words], env=environment,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)
    if done.returncode != 0:
        raise AssertionError(f"{kind} {words}: {done.stderr[-3000:]}")
    return json.loads(done.stdout.splitlines()[-1])


class UpgradeTest(unittest.TestCase):
    def tearDown(self):
        for kind in KINDS:
            subprocess.run([matrix.OTHER, kind, "stop"], check=False)
        for folder in (DATA, os.path.dirname(SOCKET), matrix.CACHE + "/upgrade"):
            subprocess.run(["rm", "-rf", "--one-file-system", folder], check=False)

    def test_upgrade(self):
        matrix.make_images()
        self.tearDown()
        saved = matrix.CACHE + "/upgrade-images.tar"
        subprocess.run(["docker", "-H", matrix.socket("engine"), "save", "-o", saved, "fuel-backup", "fb-test/small"],
                       check=True)
        self.addCleanup(os.unlink, saved)
        spoken, backups = [], []
        for i, kind in enumerate(KINDS):
            started = subprocess.run([matrix.OTHER, kind, "start"], stderr=subprocess.PIPE, text=True, check=False)
            if started.returncode == 77:
                self.skipTest(started.stderr)
            self.assertEqual(0, started.returncode, started.stderr)
            if i == 0:
                subprocess.run(["docker", "-H", "unix://" + SOCKET, "load", "-q", "-i", saved], check=True,
                               stdout=subprocess.DEVNULL)
            told = step(kind, "first" if i == 0 else "upgraded", *backups)
            self.assertEqual([], told["faults"], kind)
            self.assertEqual(told["engine_api"], told["service_api"], kind)
            spoken.append(told["service_api"])
            backups.append(told["backup"])
            subprocess.run([matrix.OTHER, kind, "leave"], check=True)
        self.assertEqual(len(KINDS), len(set(spoken)), spoken)
        print(f"\n  spoken: {spoken}")


if __name__ == "__main__":
    shutil.rmtree(matrix.CACHE + "/upgrade", ignore_errors=True)
    unittest.main()
