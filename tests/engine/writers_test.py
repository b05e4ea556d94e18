#!/usr/bin/env python3
"""Goal: a backup is the tree as it stood in the freeze, to the byte and the nanosecond, whatever was
done to its files before, between and while the passes read them: writers/main.c lists the tricks.

The oracle needs nothing of the service: the engine's answer to the last request to pause is held back
until the trees, which nobody can change then, have been read.  (A request to thaw cannot be held back:
the service would take the engine for stuck, and have the containers run again without it.)  FB_LONG=1:
a directory with a million entries; it takes ten minutes.  FB_SEED: of the writers' choices.
"""

import glob
import os
import shutil
import sqlite3
import subprocess
import threading
import unittest

import stack
from engine_proxy import EngineProxy
from fuelbackup import Service, docker, inspect, run, wait_until
from listing import listing, listing_differences
from stack import dump

HERE = os.path.dirname(os.path.abspath(__file__))
STORE = os.path.join(stack.WORK, "store")
MEMORY = os.path.join(stack.WORK, "memory")
TREES = os.path.join(stack.WORK, "trees")
LONG = bool(os.environ.get("FB_LONG"))
SEED = int(os.environ.get("FB_SEED", "20240229"))
BACKUPS = int(os.environ.get("FB_BACKUPS") or (3 if LONG else 8))
FEW = 100  # entries of the large directory that is not large
MANY = 1_000_000 if LONG else 20_000


class Place:
    """One set of writers, in a container of its own.  parent: their folder's, in the container."""

    def __init__(self, name, archived, options, parent=""):
        self.name, self.archived, self.options, self.parent = "fb-" + name, archived, options, parent
        self.process = None

    def make(self, program):
        docker("run", "-d", "--name", self.name, *self.options, "fb-test/small")
        docker("cp", program, self.name + ":/writers")
        docker("exec", self.name, "mkdir", "-p", self.parent + "/work")

    def start(self, seed, entries):
        self.process = subprocess.Popen(
            ["docker", "exec", self.name, "/writers", self.parent + "/work", str(seed), str(entries)],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def path(self):
        """On the host."""
        mounts = inspect(self.name)["Mounts"]
        return mounts[0]["Source"] if mounts else stack.upper(self.name) + self.parent + "/work"

    def end(self):
        if self.process:
            self.process.kill()
            self.process.communicate()


# The layer's new folder is marked opaque, what is below it is not: so there is a parent.
PLACES = [Place("volume", "volumes/fb-writers", ["-v", "fb-writers:/work"]),
          Place("layer", "containers/fb-layer/layer/srv/new/work", [], "/srv/new"),
          Place("memory", "binds" + MEMORY, ["-v", MEMORY + ":/work"])]


class Oracle:
    """What all places hold while everything is frozen: read in each freeze, so that the last one of a backup counts."""

    def __init__(self):
        self.failure, self.trees = None, {}
        self.pausing = threading.Lock()

    def step_in(self, method, path):
        """Before the answer to each request to pause a container goes back; the others wait meanwhile."""
        if method == "POST" and path.endswith("/pause"):
            with self.pausing:
                self.take()

    def clear(self):
        self.failure, self.trees = "nothing was frozen", {}

    def take(self):
        try:
            if not all_paused():
                return
            self.trees = {place.name: listing(place.path()) for place in PLACES}
            self.failure = None if all_paused() else "not frozen all the time"
        except Exception as error:  # pylint: disable=broad-exception-caught
            self.failure = repr(error)  # whatever it is, the containers must be thawed


def all_paused():
    return all(inspect(place.name)["State"]["Paused"] for place in PLACES)


def mount_memory(folder):
    os.makedirs(folder)
    run("mount", "-t", "tmpfs", "-o", "size=3g,nr_inodes=0", "tmpfs", folder)


def holds_attributes(folder):
    """tmpfs has no xattrs of users before Linux 6.6."""
    try:
        os.setxattr(folder, "user.try", b"")
    except OSError:
        return False
    return True


def folders(trees):
    """(place, trick) → what its folder holds."""
    found = {}
    for place, tree in trees.items():
        for path, what in tree.items():
            if path != b".":
                found.setdefault((place, path.split(b"/")[0].decode()), {})[path] = what
    return found


class WritersTest(unittest.TestCase):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        cls.oracle = Oracle()
        cls.service = Service(STORE, socket=stack.WORK + "/proxy/docker.sock",
                              environment={"FUEL_BACKUP_MAX_FREEZE_MS": "600000",  # the oracle takes its time
                                           "FUEL_BACKUP_FREEZER": "docker"})  # and is asked before each pause ends
        cls.proxy = EngineProxy(cls.service.socket, on_reply=cls.oracle.step_in)
        cls.tearDownClass()
        for folder in (MEMORY, TREES):
            mount_memory(folder)
        if not holds_attributes(TREES):  # much is extracted: on a disk it takes longer
            run("umount", TREES)
        cls.proxy.open()
        program = stack.WORK + "/writers"
        run("gcc", "-std=c17", "-D_GNU_SOURCE", "-O2", "-Wall", "-Wextra", "-Werror", "-static", "-o", program,
            *glob.glob(HERE + "/writers/*.c"), "-lsqlite3", "-lm")
        for number, place in enumerate(PLACES):
            place.make(program)
            place.start(SEED + number, MANY if place.name == "fb-volume" else FEW)
        for place in PLACES:
            if place.process.stdout.readline() != "ready\n":
                raise AssertionError(f"{place.name}: {place.process.communicate()}")
        cls.service.start()
        print(f"  FB_SEED={SEED}")

    @classmethod
    def tearDownClass(cls):
        if os.environ.get("FB_KEEP") and cls.proxy.listener:
            return
        cls.proxy.close()
        cls.service.remove()
        for place in PLACES:
            place.end()
            docker("rm", "-f", "-v", place.name, check=False)
        docker("volume", "rm", "fb-writers", check=False)
        run("umount", MEMORY, TREES, check=False)
        shutil.rmtree(stack.WORK, ignore_errors=True)

    def download(self, backup):
        """Extract what the writers wrote, as README.md says, and return the folder."""
        tree = TREES + "/" + backup["id"]
        os.makedirs(tree)
        url = f"http://127.0.0.1:{self.service.port}/backups/{backup['id']}/archive"
        run("bash", "-o", "pipefail", "-c",
            f"curl -fsS -H 'Authorization: Bearer {self.service.token}' {url} | zstd -dc | "
            f"tar -C {tree} --xattrs --xattrs-include='*' --delay-directory-restore --numeric-owner -xpf - "
            + " ".join(place.archived for place in PLACES))
        return tree

    def check_tree(self, place, was, path):
        """The tree is what the oracle saw, which was."""
        lines = listing_differences(was, listing(path))
        self.assertEqual([], lines, f"{place.name}, FB_SEED={SEED}:\n{dump(lines)}")
        holed = sum(os.stat(file).st_blocks * 512 for file in glob.glob(path + "/holes/*"))
        self.assertLess(holed, 16 << 20, "of 32 MiB: the holes were filled")

    def check_databases(self, path):
        """After a crash in the freeze, SQLite would have recovered to a whole transaction."""
        for name in ("wal.db", "rollback.db"):
            database = sqlite3.connect(f"{path}/sqlite/{name}")
            try:
                self.assertEqual([("ok",)], database.execute("PRAGMA integrity_check").fetchall(), name)
                total, changed = database.execute("SELECT sum(sum), sum(sum != 0) FROM account").fetchone()
            finally:
                database.close()
            self.assertEqual(0, total, name)
            self.assertGreater(changed, 0, name)

    def check_backup(self):
        """One backup, and its archive compared.  Returns its record."""
        self.oracle.clear()
        backup = self.service.backup()
        self.assertIsNone(self.oracle.failure)
        extracted = self.download(backup)
        for place in PLACES:
            path = os.path.join(extracted, place.archived)
            self.check_tree(place, self.oracle.trees[place.name], path)
            self.check_databases(path)
            if place.process.poll() is not None:
                self.fail(f"the writers of {place.name} ended: {place.process.communicate()}")
        shutil.rmtree(extracted)
        self.assertEqual([], [warning for warning in backup["warnings"] if "changed" in warning])
        return backup

    def check_passes(self, number, passes):
        """Or nothing was tried: segments of earlier backups, of the pass before, and new ones."""
        print(f"\n  {number}: " + "; ".join(
            f"{p['kind']} {p['duration_ms']} ms, {p['files_read']} files read, "
            f"{p['reused_bytes'] >> 10} KiB not read" for p in passes), end="")
        self.assertTrue(number == 0 or passes[0]["reused_bytes"] > 0)
        self.assertGreater(passes[-1]["reused_bytes"], 0)
        self.assertGreater(passes[-1]["files_read"], 0)

    def test_1_backups_while_they_write(self):
        before, changed = {}, set()
        for number in range(BACKUPS):
            backup = self.check_backup()
            self.check_passes(number, backup["passes"])
            after = folders(self.oracle.trees)
            changed |= {key for key, what in before.items() if after[key] != what}
            before = after
        print()
        self.assertEqual(set(), before.keys() - changed, "nothing was written")
        type(self).last = backup

    def test_2_restore(self):
        """No writer is started again with its container, so that what was restored stays."""
        self.service.restore(self.last["id"])
        wait_until("the containers run", lambda: all(inspect(place.name)["State"]["Running"] for place in PLACES))
        for place in PLACES:
            self.check_tree(place, self.oracle.trees[place.name], place.path())
            self.check_databases(place.path())


if __name__ == "__main__":
    unittest.main(failfast=True)
