#!/usr/bin/env python3
"""Goal: what is mounted below a folder of the backup is in it as well, or is told: a disk or an export is captured as a
source of its own; memory, and what the plan excludes, is not.
"""

import os
import shutil
import unittest

import stack
from fuelbackup import Service, docker, run

FOLDER = os.path.join(stack.WORK, "nested")
MOUNTS = ("disk", "memory", "left/out", "deep/er/disk")


class NestedTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        shutil.rmtree(stack.WORK, ignore_errors=True)
        cls.addClassCleanup(shutil.rmtree, stack.WORK, True)
        for name in MOUNTS:
            os.makedirs(f"{FOLDER}/{name}")
            os.makedirs(f"{stack.WORK}/disks/{name}")
            with open(f"{stack.WORK}/disks/{name}/file", "w", encoding="ascii") as out:
                out.write(name + "\n")
            if name == "memory":
                run("mount", "-t", "tmpfs", "tmpfs", f"{FOLDER}/{name}")
            else:
                run("mount", "--bind", f"{stack.WORK}/disks/{name}", f"{FOLDER}/{name}")
            cls.addClassCleanup(run, "umount", f"{FOLDER}/{name}")
        docker("run", "-d", "--name", "fb-nested", "-v", FOLDER + ":/folder", "fb-test/small")
        cls.addClassCleanup(docker, "rm", "-f", "fb-nested")
        cls.service = Service(os.path.join(stack.WORK, "store")).start()
        cls.addClassCleanup(cls.service.remove)

    def test_captured_or_told(self):
        record = self.service.backup({"containers": {"names": ["fb-nested"]}, "host_paths": [],
                                      "exclude": [FOLDER + "/left/*", "binds" + FOLDER + "/left"]})
        files = f"/backups/{record['id']}/files/binds{FOLDER}"
        for name in ("disk", "deep/er/disk"):
            reply = self.service.api("GET", f"{files}/{name}/file")
            self.assertEqual((reply.status, reply.body), (200, name.encode() + b"\n"), name)
        self.assertEqual(404, self.service.api("GET", files + "/left/out/file").status)
        told = [warning for warning in record["warnings"] if "mount of its own" in warning]
        self.assertEqual(1, len(told), record["warnings"])
        self.assertIn("/memory", told[0])


if __name__ == "__main__":
    unittest.main()
