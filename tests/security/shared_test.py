#!/usr/bin/python3
# Goal: whoever reads while operations run, fail and end reads what is whole: no thread changes what another one has.
"""shared_test.py FUEL-BACKUPD [unittest's options].  It finds the most in a program built with a sanitizer: dev/soak
runs it under ThreadSanitizer, CI under AddressSanitizer."""

import http.client
import json
import os
import random
import sys
import threading
import time
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "../api")]
import hostile  # noqa: E402
from case import ServiceCase  # noqa: E402
from service import Service  # noqa: E402

SECONDS = 120 if os.environ.get("FB_LONG") else 12


class SharedCase(ServiceCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.ended = cls.service.operate("/backups")

    def setUp(self):
        super().setUp()
        self.end, self.faults, self.done = time.monotonic() + SECONDS, [], {}

    def repeat(self, work):
        """In a thread of its own, until the time is over."""
        def run():
            while time.monotonic() < self.end and not self.faults:
                try:
                    work()
                    self.done[work.__name__] = self.done.get(work.__name__, 0) + 1
                except (OSError, http.client.HTTPException, AssertionError, ValueError) as fault:
                    self.faults.append(f"{work.__name__}: {fault!r}")
        thread = threading.Thread(target=run)
        thread.start()
        return thread

    def run_all(self, *works):
        for thread in [self.repeat(work) for work in works]:
            thread.join()
        self.assertEqual(self.faults, [])
        self.assertIsNone(self.service.process.poll(), self.service.log()[-3000:])
        print(self.done, file=sys.stderr)

    # Those who read.

    def lists(self):
        for path in ("/operations?limit=2", "/operations", "/backups", "/tasks"):
            json.loads(self.api("GET", path).body)

    def one(self):
        for operation in self.api("GET", "/operations?limit=3").json["operations"]:
            path = "/operations/" + operation["id"]
            for what in (path, path + "?wait=1", path.replace("operations", "tasks")):
                json.loads(self.api("GET", what).body)

    def follow(self):
        for operation in self.api("GET", "/operations?limit=1").json["operations"]:
            self.service.events(f"/operations/{operation['id']}/events")

    def look(self):
        path = "/backups/" + self.ended["backup"]
        for what in ("/health", "/metrics", "/plan", path, path + "/files", path + "/files" + "/host" + self.data,
                     "/", "/api-spec"):
            self.assertLess(self.api("GET", what).status, 500, what)

    def download(self):
        path = f"/backups/{self.ended['backup']}/archive"
        self.assertEqual(self.api("GET", path).status, 200)
        self.assertEqual(self.api("GET", path + "?format=tar").status, 200)
        self.assertEqual(self.api("GET", path, headers={"Range": f"bytes={random.randrange(1000)}-"}).status, 206)

    # Those who change something.

    def failing_import(self):
        reply = self.api("PUT", "/archives", b"\0" * 600, {"Content-Type": "application/x-tar"})
        self.assertIn(reply.status, (400, 409))

    def sound_import(self):
        reply = self.api("PUT", "/archives", hostile.sound())
        self.assertIn(reply.status, (200, 201, 409), reply)
        if reply.status == 201 and random.random() < 0.5:
            self.api("DELETE", "/backups/" + reply.json["id"])

    def operate(self):
        path = "/backups/" + self.ended["backup"]
        for what, body in random.sample((("/backups", None), (path + "/verify", None), ("/sweep", None), ("/scrub", None),
                                         (path + "/restore", {"dry_run": True}), (path + "/rehearse", None)), 3):
            reply = self.api("POST", what, body)
            self.assertLess(reply.status, 500, what)
            if reply.status == 202 and random.random() < 0.3:
                self.assertIn(self.api("DELETE", reply.header("Location")).status, (202, 409))

    def change(self):
        path = "/backups/" + self.ended["backup"]
        self.api("PATCH", path, {"name": f"n{random.random()}"})
        self.api("POST", "/prune", {"keep": {"last": 1000}, "dry_run": True})
        self.api("POST", "/thaw")
        self.api("POST", path + "/tickets")

    def test_imports_that_fail(self):
        """Their error was changed by one thread while others printed it."""
        self.end = time.monotonic() + SECONDS / 2
        self.run_all(self.failing_import, self.failing_import, self.lists, self.lists, self.one, self.follow)

    def test_all(self):
        self.run_all(self.failing_import, self.sound_import, self.operate, self.operate, self.change, self.lists,
                     self.one, self.follow, self.look, self.download)


if __name__ == "__main__":
    Service.binary = os.path.abspath(sys.argv.pop(1))
    unittest.main(verbosity=2)
