#!/usr/bin/env python3
"""Goal: what another tool made of a volume comes back as that volume, by a real engine, bit for bit."""

import os
import shutil
import subprocess
import unittest

import stack
from fuelbackup import Service, docker, run

STORE = os.path.join(stack.WORK, "store")
MAKE = ("mkdir -p /d/sub/deep /d/empty; echo one >/d/one; chown 1234:4321 /d/one; chmod 4751 /d/one; ln -s one /d/link; "
        "ln /d/one /d/sub/hard; mkfifo /d/pipe; dd if=/dev/urandom of=/d/sub/deep/big bs=1k count=900 2>/dev/null; "
        "touch -d @1500000000 /d/sub /d/one; chmod 2710 /d/empty")


class ForeignTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        shutil.rmtree(stack.WORK, ignore_errors=True)
        os.makedirs(stack.WORK)
        cls.service = Service(STORE)
        cls.service.start()

    @classmethod
    def tearDownClass(cls):
        cls.service.remove()
        shutil.rmtree(stack.WORK, ignore_errors=True)

    def compare(self, volume, other):
        """By rsync: nothing would have to be done to make the one the other."""
        left = run("rsync", "-aHAXni", "--delete", stack.volume_path(volume) + "/", stack.volume_path(other) + "/")
        self.assertEqual(left, "")

    def test_by_hand_and_by_export(self):
        docker("run", "--rm", "-v", "fb-old:/d", "fb-test/small", "sh", "-c", MAKE)
        self.addCleanup(docker, "volume", "rm", "fb-old", "fb-by-tar", "fb-by-cpio", check=False)
        for name, options in (("fb-by-tar", ["--xattrs", "-z"]), ("fb-by-cpio", [])):
            path = f"{stack.WORK}/{name}"
            if options:
                run("tar", "-C", stack.volume_path("fb-old"), *options, "--numeric-owner", "-cf", path, ".")
            else:
                run("sh", "-c", f"bsdtar -cf {path} --format newc -C {stack.volume_path('fb-old')} .")
            with open(path, "rb") as file:
                reply = self.service.api("PUT", "/archives?volume=" + name, file.read())
            self.assertEqual(reply.status, 201, reply)
            backup = reply.json["id"]
            self.service.operate(f"/backups/{backup}/verify")
            self.service.restore(backup)
            if name == "fb-by-tar":
                self.compare("fb-old", name)
            else:  # cpio has whole seconds
                self.assertEqual(subprocess.run(["diff", "-r", "--no-dereference", stack.volume_path("fb-old") + "/sub",
                                                 stack.volume_path(name) + "/sub"], check=False).returncode, 0)
            exported = self.service.api("GET", f"/backups/{backup}/archive").body
            self.assertEqual(self.service.api("DELETE", "/backups/" + backup).status, 204)
            self.assertEqual(self.service.api("PUT", "/archives", exported,
                                              {"Content-Type": "application/zstd"}).status, 201, "it is an archive like any other")


if __name__ == "__main__":
    unittest.main()
