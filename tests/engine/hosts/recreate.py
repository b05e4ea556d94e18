"""What the tests of making containers again share: one service for a class, and everything gone after each test."""

import json
import os
import re
import shutil
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

# pylint: disable=wrong-import-position
import stack
from fuelbackup import Failed, Service, docker, inspect, run, wait_until

WORK = os.path.join(stack.WORK, "recreate")
ALIVE = "trap 'exit 0' TERM; while :; do sleep 0.1; done"
IMAGE = "fb-test/small"
KEPT_IMAGES = ("fuel-backup", "fb-test/")

# What cannot come back as it was: docs/restore.md names each.
EXCEPTIONS = {
    **stack.INSPECT_EXCEPTIONS,
    r"^HostConfig\.Mounts\.[^.]*\.Source$": "an anonymous volume is bound by its name (mounts are checked by themselves)",
    r"^State\.(Health|Restarting)": "it was started again",
}


def normal(value):
    """null, "", [] and {} mean the same to an engine: an inspect's field without them."""
    if isinstance(value, dict):
        found = {key: normal(item) for key, item in value.items()}
        return {key: item for key, item in found.items() if item not in (None, "", [], {}, False, 0)}
    return [normal(item) for item in value] if isinstance(value, list) else value


def flat(value, path=""):
    """{path: leaf} of a document."""
    if isinstance(value, list) and value and all(isinstance(item, dict) for item in value):
        value = {item.get("Destination") or item.get("Target") or str(i): item for i, item in enumerate(value)}
    if isinstance(value, dict) and value:
        return {k: v for key, item in value.items() for k, v in flat(item, f"{path}.{key}" if path else key).items()}
    return {path: json.dumps(value, sort_keys=True)}


def differences(before, after, exceptions=None):
    """Lines that tell what differs of two inspects, but for what cannot come back."""
    one, two = flat(normal(before)), flat(normal(after))
    patterns = [re.compile(pattern) for pattern in (exceptions or EXCEPTIONS)]
    return [f"{path}: {one.get(path)} became {two.get(path)}" for path in sorted(set(one) | set(two))
            if one.get(path) != two.get(path) and not any(p.search(path) for p in patterns)]


class Case(unittest.TestCase):
    """Names begin with fb-; names that cannot are taken away by the test itself (addCleanup)."""

    environment = {}

    @classmethod
    def setUpClass(cls):
        cls.clean()
        shutil.rmtree(WORK, ignore_errors=True)
        os.makedirs(WORK)
        cls.service = Service(os.path.join(WORK, "store"), environment=cls.environment).start()

    @classmethod
    def tearDownClass(cls):
        if sys.exc_info()[0] or os.environ.get("FB_KEEP"):
            print(cls.service.log())
        cls.service.remove()
        shutil.rmtree(WORK, ignore_errors=True)

    @classmethod
    def clean(cls):
        service = docker("ps", "-aq", "--no-trunc", "--filter", "name=^/fuel-backup$").split()
        others = [c for c in docker("ps", "-aq", "--no-trunc").split() if c not in service]
        if others:
            docker("rm", "-f", "-v", *others, check=False)
        for volume in docker("volume", "ls", "-q").split():
            docker("volume", "rm", volume, check=False)
        for network in docker("network", "ls", "-q", "--filter", "type=custom").split():
            docker("network", "rm", network, check=False)
        for image in docker("images", "--format", "{{.Repository}}:{{.Tag}}").split():
            if not image.startswith(KEPT_IMAGES) and "<none>" not in image:
                docker("rmi", image, check=False)

    def setUp(self):
        self.addCleanup(self.clean)

    def backup(self, *names, **more):
        return self.service.backup({"containers": {"names": list(names or ("fb-*",))}, "host_paths": [], **more})["id"]

    def restore(self, backup, body=None):
        """The result of a restore that succeeds."""
        return self.service.restore(backup, body)["result"]

    def dry_run(self, backup, **more):
        return self.restore(backup, {"dry_run": True, **more})

    def fails(self, backup, body=None):
        """The error of a restore that does not succeed."""
        path = f"/backups/{backup}/restore"
        operation = self.service.wait_operation(self.service.start_operation(path, body))
        self.assertEqual("failed", operation["state"], operation)
        return operation["error"]["detail"]

    def told(self, result, *words):
        """A warning that has all the words."""
        found = [w for w in result["warnings"] if all(word in w for word in words)]
        self.assertTrue(found, f"no warning with {words}: {result['warnings']}")
        return found[0]

    def assert_same(self, before, name, exceptions=None):
        self.assertEqual([], differences(before, inspect(name), exceptions))


__all__ = ["ALIVE", "Case", "EXCEPTIONS", "Failed", "IMAGE", "WORK", "differences", "docker", "inspect", "json", "os", "run",
           "stack", "unittest", "wait_until"]
