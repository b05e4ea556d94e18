#!/usr/bin/env python3
"""Goal: tmpfs mounts of containers are in a backup if its plan says so, and come back into the container that was started;
else each is told, and left alone.
"""

import os
import shutil
import unittest

import stack
from fuelbackup import Failed, Service, docker, inspect
from stack import in_container

NAME = "fb-memory"
PLAN = {"containers": {"names": [NAME]}, "host_paths": [], "tmpfs": True}
FILES = """cd /cache && mkdir -p a/b && echo one >a/b/one && ln a/b/one hard && ln -s a/b/one soft && chmod 640 a/b/one &&
chown 12:34 hard && head -c 300000 /dev/urandom >large && echo deep >/cache/deep/file && echo m >/mounted/file && mkfifo fifo"""
LISTED = "cd / && find cache mounted ! -name born -exec stat -c '%n %F %a %u:%g' {} + | sort && cat cache/large cache/hard | md5sum"


class MemoryTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        shutil.rmtree(stack.WORK, ignore_errors=True)
        os.makedirs(stack.WORK)
        cls.addClassCleanup(shutil.rmtree, stack.WORK, True)
        cls.service = Service(os.path.join(stack.WORK, "store")).start()
        cls.addClassCleanup(cls.service.remove)

    def setUp(self):
        docker("run", "-d", "--name", NAME, "--tmpfs", "/cache:size=8m,mode=750", "--tmpfs", "/cache/deep", "--mount",
               "type=tmpfs,target=/mounted", "-v", "fb-memory:/data", "--restart", "always", "fb-test/small", "sh", "-c",
               "date >/cache/born; exec sleep 1000")
        self.addCleanup(docker, "volume", "rm", "fb-memory")
        self.addCleanup(docker, "rm", "-f", NAME)
        in_container(NAME, "sh", "-ec", FILES)

    def listed(self):
        return in_container(NAME, "sh", "-c", LISTED)

    def test_told_without_it(self):
        record = self.service.backup({**PLAN, "tmpfs": False})
        for path in ("/cache", "/cache/deep", "/mounted"):
            self.assertTrue([w for w in record["warnings"] if f"tmpfs mount at {path} is not captured" in w], path)
        before = inspect(NAME)["State"]["StartedAt"]
        self.service.restore(record["id"])  # nothing differs: it is left alone, and keeps what it has
        self.assertEqual(before, inspect(NAME)["State"]["StartedAt"])
        self.assertEqual("one\n", in_container(NAME, "cat", "/cache/hard"))

    def test_comes_back(self):
        """Into the same container, into one made anew, and into one that its owner had paused."""
        before = self.listed()
        record = self.service.backup(PLAN)
        self.assertEqual([], [w for w in record["warnings"] if "tmpfs" in w])
        base = f"/backups/{record['id']}/files/containers/{NAME}/tmpfs"
        self.assertEqual(b"deep\n", self.service.api("GET", base + "/cache/deep/file").body)
        self.service.operate(f"/backups/{record['id']}/verify")
        in_container(NAME, "sh", "-c", "rm -r /cache/a /mounted/file; echo other >/cache/hard")
        dry = self.service.restore(record["id"], {"dry_run": True})["result"]
        self.assertEqual([{"name": NAME, "way": "in_place"}], dry["containers"])
        self.assertTrue([w for w in dry["warnings"] if "tmpfs mounts are filled" in w], dry)
        identity = inspect(NAME)["Id"]
        self.service.restore(record["id"])
        self.assertEqual((identity, before), (inspect(NAME)["Id"], self.listed()))
        docker("rm", "-f", NAME)
        self.service.restore(record["id"], {"only": {"containers": [NAME]}})
        self.assertEqual(before, self.listed())
        self.assertEqual("always", inspect(NAME)["HostConfig"]["RestartPolicy"]["Name"])

    def test_paused_by_its_owner(self):
        before = self.listed()
        docker("pause", NAME)
        record = self.service.backup(PLAN)
        docker("rm", "-f", NAME)
        self.service.restore(record["id"])
        self.assertTrue(inspect(NAME)["State"]["Paused"])
        docker("unpause", NAME)
        self.assertEqual(before, self.listed())

    def test_archive_elsewhere(self):
        """The archive is taken by an import, and rehearsed."""
        record = self.service.backup(PLAN)
        before = self.listed()
        archive = self.service.api("GET", f"/backups/{record['id']}/archive").body
        self.assertEqual(204, self.service.api("DELETE", f"/backups/{record['id']}").status)
        reply = self.service.api("PUT", "/archives", archive, {"Content-Type": "application/zstd"})
        self.assertEqual(201, reply.status, reply)
        self.service.operate(f"/backups/{record['id']}/rehearse")
        docker("rm", "-f", NAME)
        self.service.restore(record["id"])
        self.assertEqual(before, self.listed())

    def test_too_large_is_undone(self):
        """A tmpfs that cannot hold it any more: all is put back, and the old container runs."""
        record = self.service.backup(PLAN)
        docker("rm", "-f", NAME)
        docker("run", "-d", "--name", NAME, "--tmpfs", "/cache:size=8m,mode=750", "fb-test/small", "sleep", "9999")
        identity = inspect(NAME)["Id"]
        archive = self.service.api("GET", f"/backups/{record['id']}/archive?format=tar").body
        self.assertEqual(204, self.service.api("DELETE", f"/backups/{record['id']}").status)
        small = archive.replace(b"size=8m,mode=750", b"size=9k,mode=750")
        self.assertNotEqual(archive, small)
        self.assertEqual(201, self.service.api("PUT", "/archives", small, {"Content-Type": "application/x-tar"}).status)
        with self.assertRaises(Failed) as why:
            self.service.restore(record["id"])
        self.assertIn("all was put back as it was", str(why.exception))
        self.assertEqual((identity, True), (inspect(NAME)["Id"], inspect(NAME)["State"]["Running"]))
        self.assertFalse(inspect(NAME)["State"]["Paused"])

    def test_started_again_meanwhile(self):
        """A stopped container has none; parts of one are refused with what to do."""
        record = self.service.backup(PLAN)
        reply = self.service.wait_operation(self.service.start_operation(
            f"/backups/{record['id']}/restore", {"only": {"files": [f"containers/{NAME}/tmpfs/cache/hard"]}}))
        self.assertEqual("failed", reply["state"])
        self.assertIn(f"name {NAME} in", reply["error"]["detail"])
        docker("stop", "-t", "0", NAME)
        record = self.service.backup(PLAN)
        self.assertEqual(404, self.service.api(
            "GET", f"/backups/{record['id']}/files/containers/{NAME}/tmpfs/cache/hard").status)
        self.service.restore(record["id"])
        self.assertFalse(inspect(NAME)["State"]["Running"])


if __name__ == "__main__":
    unittest.main()
