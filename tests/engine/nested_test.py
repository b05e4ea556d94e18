#!/usr/bin/env python3
"""Goal: what is mounted below a folder of the backup is in it as well, or is told: a disk or an export is captured as a
source of its own; memory, and what the plan excludes, is not.  A restore goes around what is mounted.
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

    def test_restored_around(self):
        """Each file system gets its own files, and stays mounted; what was told is left alone."""
        record = self.service.backup({"containers": {"names": ["fb-nested"]}, "host_paths": []})
        before = run("sh", "-c", f"grep {FOLDER} /proc/self/mountinfo")
        for name in MOUNTS:
            with open(f"{FOLDER}/{name}/file", "w", encoding="ascii") as out:
                out.write("bad\n")
        with open(FOLDER + "/more", "w", encoding="ascii"):
            pass
        self.service.restore(record["id"])
        self.assertEqual(before, run("sh", "-c", f"grep {FOLDER} /proc/self/mountinfo"))
        seen = {}
        for name in MOUNTS:
            with open(f"{FOLDER}/{name}/file", encoding="ascii") as file:
                seen[name] = file.read()
        self.assertEqual({"disk": "disk\n", "memory": "bad\n", "left/out": "left/out\n", "deep/er/disk": "deep/er/disk\n"}, seen)
        self.assertFalse(os.path.exists(FOLDER + "/more"))


class WithinTest(unittest.TestCase):
    """Mounts of a container in each other: a volume in a bind, a bind in a volume, tmpfs in either; and a disk that the
    host has mounted in a volume."""

    @classmethod
    def setUpClass(cls):
        shutil.rmtree(stack.WORK, ignore_errors=True)
        os.makedirs(FOLDER + "/bind")
        os.makedirs(FOLDER + "/other")
        cls.addClassCleanup(shutil.rmtree, stack.WORK, True)
        docker("run", "-d", "--name", "fb-within", "-v", FOLDER + "/bind:/bind", "-v", "fb-in-bind:/bind/volume", "-v",
               "fb-outer:/volume", "-v", FOLDER + "/other:/volume/bind", "-v", "fb-in-volume:/volume/volume", "--tmpfs",
               "/volume/memory", "--tmpfs", "/bind/memory", "fb-test/small")
        cls.addClassCleanup(docker, "volume", "rm", "-f", "fb-in-bind", "fb-outer", "fb-in-volume", "fb-disk")
        cls.addClassCleanup(docker, "rm", "-f", "fb-within", check=False)
        cls.service = Service(os.path.join(stack.WORK, "store")).start()
        cls.addClassCleanup(cls.service.remove)

    PLACES = ("bind", "bind/volume", "bind/memory", "volume", "volume/bind", "volume/volume", "volume/memory")

    def write(self, text):
        for place in self.PLACES:
            stack.in_container("fb-within", "sh", "-c", f"echo {place} {text} >/{place}/file")

    def read(self):
        return [stack.in_container("fb-within", "cat", f"/{place}/file").strip() for place in self.PLACES]

    def test_of_a_container(self):
        """Each has its own files after a restore, in place and anew."""
        self.write("good")
        before = self.read()
        record = self.service.backup({"containers": {"names": ["fb-within"]}, "host_paths": [], "tmpfs": True})
        self.write("bad")
        self.service.restore(record["id"])
        self.assertEqual(before, self.read())
        self.write("bad")
        docker("rm", "-f", "fb-within")
        docker("volume", "rm", "fb-in-bind", "fb-outer", "fb-in-volume")
        self.service.restore(record["id"])
        self.assertEqual(before, self.read())

    def test_disk_in_a_volume(self):
        """It is the host's, not the engine's: told, and left alone."""
        docker("volume", "create", "fb-disk")
        docker("create", "--name", "fb-disk", "-v", "fb-disk:/data", "fb-test/small")
        self.addCleanup(docker, "rm", "-f", "fb-disk")
        data = stack.volume_path("fb-disk")
        os.makedirs(data + "/inner/disk")
        with open(FOLDER + "/image", "wb") as image:
            image.truncate(16 << 20)
        run("mkfs.ext4", "-q", FOLDER + "/image")
        run("mount", "-o", "loop", FOLDER + "/image", data + "/inner/disk")
        self.addCleanup(run, "umount", data + "/inner/disk")
        for place in ("outer", "inner/disk/file"):
            with open(f"{data}/{place}", "w", encoding="ascii") as out:
                out.write("good\n")
        record = self.service.backup({"containers": {"names": ["fb-disk"]}, "host_paths": []})
        self.assertIn("volumes/fb-disk/inner/disk is a mount of its own", " ".join(record["warnings"]))
        for place in ("outer", "inner/disk/file"):
            with open(f"{data}/{place}", "w", encoding="ascii") as out:
                out.write("worse\n")
        self.service.restore(record["id"])
        for place, seen in (("outer", "good\n"), ("inner/disk/file", "worse\n")):
            with open(f"{data}/{place}", encoding="ascii") as text:
                self.assertEqual(seen, text.read(), place)
        self.assertTrue(os.path.ismount(data + "/inner/disk"))


if __name__ == "__main__":
    unittest.main()
