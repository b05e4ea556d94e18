#!/usr/bin/env python3
"""Goal: what a restore prepares for a volume lies where no container sees it: beside the volume's folder, for root alone,
whoever looks as fast as he can; in one whose folder is a disk of its own it cannot, and then it is inside, for root alone.
"""

import glob
import os
import shutil
import subprocess
import sys
import threading
import time
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", "..", "lib"), os.path.join(HERE, "..", "..", "engine")]

import stack  # noqa: E402
from fuelbackup import Service, docker  # noqa: E402

STORE = os.path.join(stack.WORK, "store")
OUT = os.path.join(stack.WORK, "out")
PLAN = {"containers": {"names": ["fb-look"]}, "host_paths": []}
FILES = 2000
LOOK = ("trap 'exit 0' TERM; while :; do for one in /data/.fuel-backup-*; do [ -e $one ] && echo $one >>/out/seen; done; done")
FILL = f"i=0; while [ $i -lt {FILES} ]; do echo $0 >/data/$i; i=$((i+1)); done; sync"


class Watch:
    """Sees, from the host, where work folders are, and whom they belong to."""

    def __init__(self, *folders):
        self.folders, self.seen, self.over = folders, {}, threading.Event()
        self.thread = threading.Thread(target=self.look, daemon=True)
        self.thread.start()

    def look(self):
        while not self.over.is_set():
            for folder in self.folders:
                for path in glob.glob(folder + "/.fuel-backup-*"):
                    try:
                        found = os.lstat(path)
                    except FileNotFoundError:
                        continue
                    self.seen.setdefault(folder, set()).add((found.st_mode & 0o7777, found.st_uid))
            time.sleep(0.002)

    def end(self):
        self.over.set()
        self.thread.join()
        return self.seen


class StagingTest(unittest.TestCase):
    def setUp(self):
        self.clean()
        os.makedirs(OUT)
        docker("volume", "create", "fb-look")
        self.inside = stack.volume_path("fb-look")
        self.service = Service(STORE)

    def tearDown(self):
        if not self._outcome.success:
            print(self.service.log())
        self.service.remove()
        self.clean()

    @staticmethod
    def clean():
        names = docker("ps", "-aq").split()
        if names:
            docker("rm", "-f", "-v", *names, check=False)
        docker("volume", "rm", "-f", "fb-look", check=False)
        shutil.rmtree(stack.WORK, ignore_errors=True)

    def watch_a_restore(self):
        self.service.start()
        docker("run", "-d", "--name", "fb-look", "--stop-signal", "TERM", "-v", "fb-look:/data", "-v", OUT + ":/out",
               "fb-test/small", "sh", "-c", LOOK)
        docker("exec", "fb-look", "sh", "-c", FILL, "early")
        backup = self.service.backup(PLAN)["id"]
        docker("exec", "fb-look", "sh", "-c", FILL, "late")
        watch = Watch(self.inside, os.path.dirname(self.inside))
        self.service.restore(backup, {"only": {"volumes": ["fb-look"]}})
        seen = watch.end()
        for name in ("0", str(FILES - 1)):
            with open(f"{self.inside}/{name}", encoding="ascii") as file:
                self.assertEqual("early\n", file.read())
        self.assertEqual([], glob.glob(self.inside + "/.fuel*") + glob.glob(self.inside + "/../.fuel*"))
        return seen

    def test_a_container_sees_nothing(self):
        seen = self.watch_a_restore()
        self.assertEqual({os.path.dirname(self.inside): {(0o700, 0)}}, seen)
        self.assertFalse(os.path.exists(OUT + "/seen"), "the container saw the work folder")

    def test_a_disk_of_its_own(self):
        """Nothing is renamed across mounts."""
        subprocess.run(["mount", "-t", "tmpfs", "tmpfs", self.inside], check=True)
        self.addCleanup(subprocess.run, ["umount", self.inside], check=True)
        self.assertEqual({self.inside: {(0o700, 0)}}, self.watch_a_restore())


if __name__ == "__main__":
    unittest.main()
