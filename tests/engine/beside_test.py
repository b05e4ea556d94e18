#!/usr/bin/env python3
"""Goal: a volume of a backup comes back as a new one of another name, its files as they were, while the containers
that have the old one run on untouched; a service killed meanwhile leaves none of it.
"""

import os
import shutil
import unittest

import stack
from fuelbackup import Service, docker, inspect
from listing import listing, listing_differences

STORE = os.path.join(stack.WORK, "store")
NEW = "fb-beside-new"


def volumes():
    return set(docker("volume", "ls", "-q").split())


class BesideTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.remove()
        shutil.rmtree(stack.WORK, ignore_errors=True)
        docker("run", "-d", "--name", "fb-beside", "-v", "fb-beside-data:/data", "fb-test/small")
        cls.tree = stack.volume_path("fb-beside-data")
        stack.run("/usr/bin/python3", stack.HERE + "/make_tree.py", cls.tree)
        with open(cls.tree + "/noise", "wb") as out:
            out.write(os.urandom(64 << 20))
        docker("exec", "fb-beside", "sh", "-c", "echo layer >/srv/new; rm /srv/file1")
        cls.before = listing(cls.tree)
        cls.before = {path: what for path, what in cls.before.items() if what["kind"] != 0o140000}
        cls.service = Service(STORE).start()
        cls.backup = cls.service.backup({"containers": {"names": ["fb-beside"]}})["id"]
        docker("exec", "fb-beside", "sh", "-c", "echo since >/data/since; rm /data/noise")

    @classmethod
    def tearDownClass(cls):
        cls.service.remove()
        cls.remove()
        shutil.rmtree(stack.WORK, ignore_errors=True)

    @staticmethod
    def remove():
        docker("rm", "-f", "-v", "fb-beside", check=False)
        docker("volume", "rm", "-f", "fb-beside-data", NEW, check=False)

    def tearDown(self):
        docker("volume", "rm", "-f", NEW, check=False)

    def body(self, **more):
        return {"only": {"volumes": ["fb-beside-data"]}, "as": NEW, **more}

    def test_a_volume(self):
        started, now = inspect("fb-beside")["State"]["StartedAt"], listing(self.tree)
        result = self.service.restore(self.backup, self.body())["result"]
        self.assertEqual(("volumes/fb-beside-data", NEW), (result["part"], result["as"]))
        self.assertEqual([], listing_differences(self.before, listing(stack.volume_path(NEW))))
        self.assertEqual([], listing_differences(now, listing(self.tree)))
        self.assertEqual(started, inspect("fb-beside")["State"]["StartedAt"])
        again = self.service.wait_operation(
            self.service.start_operation(f"/backups/{self.backup}/restore", self.body()))
        self.assertEqual("failed", again["state"])
        self.assertIn("choose another name", again["error"]["detail"])
        self.assertEqual([], listing_differences(self.before, listing(stack.volume_path(NEW))))

    def test_a_dry_run(self):
        there = volumes()
        self.assertTrue(self.service.restore(self.backup, self.body(dry_run=True))["result"]["dry_run"])
        self.assertEqual(there, volumes())

    def test_a_folder_of_a_layer(self):
        place = stack.WORK + "/layer"
        only = {"files": ["containers/fb-beside/layer/srv"]}
        result = self.service.restore(self.backup, {"only": only, "as": place})["result"]
        self.assertEqual(["new"], os.listdir(place))
        self.assertIn("1 deletions", result["warnings"][0])

    def test_killed(self):
        """The volume is gone after the next start, or, once it is complete, stays."""
        there = volumes()
        for phase in ("extract", "verify"):
            location = self.service.start_operation(f"/backups/{self.backup}/restore", self.body())
            self.service.wait_phase(location, phase)
            docker("kill", self.service.name)
            self.service.again()
            ended = self.service.api("GET", location).json["state"]
            self.assertEqual(there | ({NEW} if ended == "succeeded" else set()), volumes())
            docker("volume", "rm", "-f", NEW, check=False)
            self.assertEqual([], os.listdir(STORE + "/run"))
            self.assertEqual("", docker("ps", "-aq", "--filter", "label=fuel-backup.lender"))


if __name__ == "__main__":
    unittest.main()
