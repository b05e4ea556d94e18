"""What the tests of the API share: a service, its engine, and a folder that it backs up."""

import json
import os
import random
import shutil
import tempfile
import threading
import unittest

from fake_engine import FakeEngine
from service import Service

UNKNOWN = "20200101-000000-00000000"  # an id of nothing


def flip(store, content):
    """Flip a bit of these bytes, which do not compress, in the pack that has them."""
    found = 0
    for folder, _, names in os.walk(os.path.join(store, "packs")):
        for name in names:
            with open(os.path.join(folder, name), "r+b") as pack:
                at = pack.read().find(content)
                if at >= 0:
                    pack.seek(at + 5)
                    pack.write(bytes([content[5] ^ 1]))
                    found += 1
    assert found == 1, f"{found} places instead of one"


class ServiceCase(unittest.TestCase):
    """Each class has a service of its own, whose plan is the folder `data`: 3 MiB that do not
    compress and a small text."""

    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp(prefix="fb-api-")
        cls.addClassCleanup(shutil.rmtree, cls.folder, ignore_errors=True)
        cls.data = os.path.join(cls.folder, "data")
        os.mkdir(cls.data)
        cls.noise = random.Random(1).randbytes(3 << 20)
        cls.write("noise", cls.noise)
        cls.write("text", b"first\n")
        plan = os.path.join(cls.folder, "plan.json")
        with open(plan, "w", encoding="utf-8") as out:
            json.dump({"host_paths": [cls.data]}, out)
        cls.engine = FakeEngine(os.path.join(cls.folder, "engine.sock")).open()
        cls.addClassCleanup(cls.engine.close)
        cls.service = Service(cls.folder, cls.engine.path, FUEL_BACKUP_PLAN=plan, **cls.variables())
        cls.addClassCleanup(cls.service.clean_up)
        cls.service.start()
        cls.api = cls.service.api

    @classmethod
    def variables(cls):
        """What else the service's environment has."""
        return {}

    @classmethod
    def tearDownClass(cls):
        """The service must have had no fault that only its log shows, and end well."""
        cls.engine.release()
        code = cls.service.end()
        log = cls.service.log()
        if code != 0 or "runtime error" in log or "Sanitizer" in log:
            raise AssertionError(f"the service ended with {code}:\n{log[-5000:]}")

    def setUp(self):
        """The test before may have ended the service."""
        if self.service.process.poll() is not None:
            self.service.start()

    def tearDown(self):
        """A test that failed may not make the next ones fail: nothing runs, the engine is there."""
        self.engine.release()
        if not self.engine.server:
            self.engine.open()
        if self.service.process.poll() is None:
            self.service.finish_all()

    @classmethod
    def write(cls, name, content):
        with open(os.path.join(cls.data, name), "wb") as out:
            out.write(content)

    def read(self, name):
        with open(os.path.join(self.data, name), "rb") as source:
            return source.read()

    def problem(self, reply, status, kind="invalid", *texts):
        """A problem of this status and type, whose detail has these texts."""
        self.assertEqual(reply.status, status, reply)
        self.assertEqual(reply.json["type"], "urn:fuel-backup:" + kind, reply)
        for text in texts:
            self.assertIn(text, reply.json["detail"])
        return reply.json

    def stalled(self, path="/backups", body=None):
        """The Location of an operation that waits for the engine until engine.release()."""
        self.engine.stall("/containers/json")
        self.addCleanup(self.engine.release)
        location = self.service.begin(path, body)
        self.engine.wait_held()
        return location

    def later(self, seconds, action, *arguments):
        """Do so in a while, unless the test has ended by then: it may not reach into the next one."""
        timer = threading.Timer(seconds, action, arguments)
        self.addCleanup(timer.join)
        self.addCleanup(timer.cancel)
        timer.start()

    def running(self, location):
        """The backup that this operation makes."""
        backup = self.api("GET", location).json["backup"]
        self.assertIsNotNone(backup)
        return backup
