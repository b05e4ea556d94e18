"""What the tests of paths share: folders of a user on the host, and the service in its container or on the host."""

import os
import shutil
import stat
import sys
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE + "/../../engine", HERE + "/../../lib", HERE + "/../../api"]

# pylint: disable=wrong-import-position
import hostile  # noqa: F401
import service as on_host  # of tests/api
import stack
from fuelbackup import Failed, Service, docker, inspect, run  # noqa: F401

WORK = os.path.join(stack.WORK, "security")
ALIVE = "trap 'exit 0' TERM; while :; do sleep 0.1; done"
IMAGE = "fb-test/small"
DAEMON = os.environ.get("FB_DAEMON", HERE + "/../../../build/dev/fuel-backupd")


class HostService:
    """The service on the host itself, with the calls of fuelbackup.Service."""

    port_taken_late = Service.port_taken_late

    def __init__(self, folder):
        on_host.Service.binary = DAEMON
        os.makedirs(folder, exist_ok=True)
        self.process = on_host.Service(folder, os.environ["DOCKER_HOST"].removeprefix("unix://"))
        self.store = self.process.store

    def start(self):
        self.process.start()
        return self

    def remove(self):
        self.process.end()
        self.process.clean_up()

    def log(self):
        return self.process.log() if os.path.exists(self.process.log_path) else "(the test has removed it)"

    def api(self, method, path, body=None, headers=None):
        return self.process.api(method, path, body, headers)

    def wait_operation(self, location, seconds=300):
        for _ in range(seconds // 10):
            state = self.api("GET", location + "?wait=10").json
            if state["state"] not in ("queued", "running"):
                return state
        raise Failed(f"{location} did not end")


def write(path, text, mode=0o644, owner=0):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8") as out:
        out.write(text)
    os.chmod(path, mode)
    os.chown(path, owner, owner)


def read(path):
    with open(path, encoding="utf-8") as source:
        return source.read()


def looks(top):
    """{path: (type and mode, owner, content or target)} of a tree, itself too."""
    found = {}
    for folder, folders, files in os.walk(top):
        for name in [".", *folders, *files]:
            path = os.path.normpath(os.path.join(folder, name))
            st = os.lstat(path)
            what = read(path) if stat.S_ISREG(st.st_mode) else os.readlink(path) if stat.S_ISLNK(st.st_mode) else ""
            found[os.path.relpath(path, top)] = (oct(st.st_mode), st.st_uid, what)
    return found


def as_user(*command, owner=1000):
    return run("setpriv", f"--reuid={owner}", f"--regid={owner}", "--clear-groups", *command)


class Case(unittest.TestCase):
    """A service for a class; everything that begins with fb- goes after each test."""

    on_the_host = False

    @classmethod
    def setUpClass(cls):
        cls.clean()
        run("sh", "-c", f"grep -o ' {WORK}[^ ]*' /proc/self/mountinfo | sort -r | xargs -r -n1 umount", check=False)
        shutil.rmtree(WORK, ignore_errors=True)
        os.makedirs(WORK + "/service")
        cls.service = HostService(WORK + "/service").start() if cls.on_the_host else \
            Service(WORK + "/service/store").start()

    @classmethod
    def tearDownClass(cls):
        if os.environ.get("FB_KEEP"):
            print(cls.service.log())
        cls.service.remove()
        shutil.rmtree(WORK, ignore_errors=True)

    @classmethod
    def clean(cls):
        ids = docker("ps", "-aq", "--filter", "name=^/fb-").split()
        if ids:
            docker("rm", "-f", "-v", *ids, check=False)
        volumes = [name for name in docker("volume", "ls", "-q").split() if name.startswith("fb-")]
        if volumes:
            docker("volume", "rm", "-f", *volumes, check=False)

    def setUp(self):
        self.top = f"{WORK}/{self._testMethodName}"
        os.makedirs(self.top)
        self.addCleanup(self.clean)

    def container(self, name, *options, command=("sh", "-c", ALIVE)):
        docker("run", "-d", "--name", name, *options, IMAGE, *command)

    def backup(self, *names, **plan):
        reply = self.service.api("POST", "/backups", {"containers": {"names": list(names)}, **plan})
        self.assertEqual(202, reply.status, reply)
        done = self.service.wait_operation("/operations/" + reply.json["id"])
        self.assertEqual("succeeded", done["state"], done)
        return done["backup"]

    def try_restore(self, backup, **body):
        """The operation, however it ended."""
        if not any(body.get(field) for field in ("confirm", "only", "dry_run")):
            body["confirm"] = backup
        reply = self.service.api("POST", f"/backups/{backup}/restore", body)
        if reply.status != 202:
            return {"state": "failed", "error": reply.json}
        return self.service.wait_operation("/operations/" + reply.json["id"])

    def restore(self, backup, **body):
        done = self.try_restore(backup, **body)
        self.assertEqual("succeeded", done["state"], f"{done}\n{self.service.log()}")
        return done["result"]

    def refused(self, backup, *words, **body):
        """A dry run and the restore both say no, and why."""
        for more in ({"dry_run": True}, {}):
            done = self.try_restore(backup, **body, **more)
            self.assertEqual("failed", done["state"], done)
            for word in words:
                self.assertIn(word, done["error"]["detail"])
        return done["error"]

    def put(self, archive):
        reply = self.service.api("PUT", "/archives", archive, {"Content-Type": "application/x-tar"})
        self.assertIn(reply.status, (200, 201), reply)
        return reply.json


def both(loader, on_the_host, in_container, chosen):
    """All on the host, where a service starts at once; in its container those that are chosen, with FB_LONG all."""
    suite = unittest.TestSuite(loader.loadTestsFromTestCase(on_the_host))
    for name in loader.getTestCaseNames(in_container) if os.environ.get("FB_LONG") else chosen:
        suite.addTest(in_container(name))
    return suite
