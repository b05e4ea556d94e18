#!/usr/bin/env python3
"""Goal: an archive is all that a fresh host needs: a stack that is gone, with the store that held it,
comes back by `dockerctl restore FILE` through a service with an empty store.
"""

import os
import shutil
import subprocess
import unittest

import stack
from fuelbackup import Service, run
from stack import dump

STORE = os.path.join(stack.WORK, "store")
OTHER = os.path.join(stack.WORK, "other")
HERE = os.path.join(stack.WORK, "archive")
DOCKERCTL = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../build/release/dockerctl")


class ImportTest(unittest.TestCase):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        for folder in (STORE, OTHER, HERE):
            shutil.rmtree(folder, ignore_errors=True)
        os.makedirs(HERE)
        cls.service = Service(STORE)
        cls.service.remove()
        cls.stack = stack.Stack()
        cls.stack.databases = False
        cls.stack.remove_everything()
        cls.stack.make()
        cls.stack.remember()

    @classmethod
    def tearDownClass(cls):
        if os.environ.get("FB_KEEP"):
            return
        cls.service.remove()
        cls.stack.remove_everything()
        shutil.rmtree(stack.WORK, ignore_errors=True)

    def dockerctl(self, *arguments):
        environment = {"PATH": os.environ["PATH"], "FUEL_BACKUP_TOKEN": self.service.token,
                       "FUEL_BACKUP_URL": f"http://127.0.0.1:{self.service.port}"}
        return subprocess.run([DOCKERCTL, *arguments], env=environment, capture_output=True,
                              text=True, check=False, timeout=600)

    def plain(self, backup):
        return run("sh", "-c", f"curl -fsS -H 'Authorization: Bearer {self.service.token}' 'http://127.0.0.1:"
                   f"{self.service.port}/backups/{backup}/archive?format=tar' | sha256sum")

    def test_restore_a_file_elsewhere(self):
        self.service.start()
        backup = self.service.backup()
        file = HERE + "/backup.tar.zst"
        done = self.dockerctl("download", backup["id"], file)
        self.assertEqual(done.returncode, 0, done.stderr)
        digest = self.plain(backup["id"])
        self.service.remove()
        shutil.rmtree(STORE)
        self.stack.wreck_all()
        type(self).service = Service(OTHER).start()
        self.assertEqual(self.service.api("GET", "/backups").json["backups"], [])
        done = self.dockerctl("restore", file, "--yes")  # a volume of the stack has devices
        self.assertEqual(done.returncode, 1)
        self.assertIn("volumes/fb-special/block", done.stderr)
        self.assertEqual(self.service.api("GET", "/backups").json["backups"], [])
        done = self.dockerctl("restore", file, "--yes", "--devices")
        self.assertEqual(done.returncode, 0, done.stderr + self.service.log())
        self.assertIn("Restore complete.", done.stdout)
        self.assertEqual([], self.stack.differences(), dump(self.stack.differences()))
        self.assertEqual(self.plain(backup["id"]), digest)
        record = self.service.api("GET", "/backups/" + backup["id"]).json
        self.assertEqual(record["imported"]["bytes"], os.path.getsize(file))


if __name__ == "__main__":
    unittest.main()
