#!/usr/bin/env python3
"""Goal: a backup is what the containers' files were while they stood still, byte for byte, whatever
tricks writers use meanwhile.

The oracle is a copy of the tree that is made inside of the freeze, by a proxy that holds the first thaw
back.  FB_LONG=1: a million entries in a folder.
"""

import hashlib
import os
import shutil
import stat
import subprocess
import sys
import threading
import unittest

import stack
from engine_proxy import EngineProxy
from fuelbackup import Service, docker, run, wait_until

STORE = os.path.join(stack.WORK, "store")
SOCKET = os.path.join(stack.WORK, "proxy", "docker.sock")
TMPFS = os.path.join(stack.WORK, "tmpfs")
HERE = os.path.dirname(os.path.abspath(__file__))
LONG = bool(os.environ.get("FB_LONG"))
ROUNDS = 3 if LONG else 5
ENTRIES = 1_000_000 if LONG else 5_000


def digest(path):
    with open(path, "rb") as source:
        return hashlib.file_digest(source, "sha256").hexdigest()


def listing(top):
    """{path: what there is to compare}.  Hard links: the set of their paths."""
    found, inodes = {}, {}
    for folder, names, files in os.walk(top):
        for name in [".", *names, *files] if folder == top else names + files:
            path = os.path.join(folder, name)
            st = os.lstat(path)
            key = os.path.relpath(path, top)
            entry = [stat.filemode(st.st_mode), st.st_uid, st.st_gid, st.st_mtime_ns]
            if stat.S_ISREG(st.st_mode):
                entry += [st.st_size, digest(path),
                          [(n, os.getxattr(path, n)) for n in sorted(os.listxattr(path))]]
                inodes.setdefault(st.st_ino, []).append(key)
            elif stat.S_ISLNK(st.st_mode):
                entry.append(os.readlink(path))
            found[key] = entry
    for paths in inodes.values():
        for path in paths:
            found[path].append(tuple(sorted(paths)))
    return found


class WritersTest(unittest.TestCase):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        cls.tearDownClass()
        os.makedirs(TMPFS)
        run("mount", "-t", "tmpfs", "tmpfs", TMPFS)
        program = stack.WORK + "/writers"
        run("gcc", "-static", "-O1", "-D_GNU_SOURCE", "-o", program, HERE + "/writers.c")
        docker("volume", "create", "fb-tricks")
        docker("create", "--name", "fb-writers", "-v", "fb-tricks:/data", "-v", TMPFS + ":/memory",
               "fb-test/small", "sh", "-c",
               f"/writers /memory 3 100 & exec /writers /data 11 {ENTRIES}")
        docker("cp", program, "fb-writers:/writers")
        docker("start", "fb-writers")
        many = stack.volume_path("fb-tricks") + "/many"
        wait_until("the entries", lambda: os.path.exists(f"{many}/e{ENTRIES - ENTRIES // 4}"), 600, 0.5)
        cls.tops = {"volumes/fb-tricks": stack.volume_path("fb-tricks"), "binds" + TMPFS: TMPFS}

    @classmethod
    def tearDownClass(cls):
        docker("rm", "-f", "-v", "fb-writers", check=False)
        docker("volume", "rm", "fb-tricks", check=False)
        run("umount", TMPFS, check=False)
        shutil.rmtree(stack.WORK, ignore_errors=True)

    def setUp(self):
        self.copied = threading.Event()
        self.proxy = EngineProxy(SOCKET, on_request=self.step_in)
        self.proxy.open()
        self.service = Service(STORE, socket=SOCKET, environment={"FUEL_BACKUP_MAX_FREEZE_MS": "600000"})
        self.service.start()

    def tearDown(self):
        if sys.exc_info()[0]:
            print(self.service.log())
        self.proxy.close()
        self.service.remove()
        shutil.rmtree(STORE, ignore_errors=True)

    def step_in(self, method, path):
        """All stands still: now is the truth."""
        if method == "POST" and path.endswith("/unpause") and not self.copied.is_set():
            for prefix, top in self.tops.items():
                os.makedirs(f"{stack.WORK}/oracle/{prefix}")
                run("cp", "-a", top + "/.", f"{stack.WORK}/oracle/{prefix}")
            self.copied.set()

    def extract(self, backup):
        """The archive, as the README says."""
        target = stack.WORK + "/extracted"
        os.makedirs(target)
        url = f"http://127.0.0.1:{self.service.port}/backups/{backup}/archive"
        subprocess.run(["bash", "-c", "set -o pipefail; "
                        f"curl -fsS -H 'Authorization: Bearer {self.service.token}' {url} | zstd -dc | "
                        f"tar --xattrs --xattrs-include='*' --delay-directory-restore --numeric-owner --warning=no-timestamp "
                        f"-C {target} -xpf - volumes binds"], check=True)
        return target

    def compare(self, expected, found):
        for prefix in self.tops:
            want, have = listing(f"{expected}/{prefix}"), listing(f"{found}/{prefix}")
            wrong = {path: (want.get(path), have.get(path)) for path in want.keys() | have.keys()
                     if want.get(path) != have.get(path)}
            self.assertEqual({}, wrong, f"{prefix}: {len(wrong)} of {len(want)} differ")

    def test_backups_are_the_frozen_trees(self):
        reused = 0
        for turn in range(ROUNDS):
            with self.subTest(turn=turn):
                self.copied.clear()
                record = self.service.backup()
                self.assertTrue(self.copied.is_set())
                self.compare(stack.WORK + "/oracle", self.extract(record["id"]))
                self.assertEqual([], record["freeze"]["marked"])
                frozen = record["passes"][-1]
                reused += frozen["reused_bytes"]
                print(f"  {turn}: frozen pass {frozen['duration_ms']} ms, read {frozen['bytes_read'] >> 10} KiB,"
                      f" copied {frozen['copied_bytes'] >> 10} KiB, re-used {frozen['reused_bytes'] >> 10} KiB")
            shutil.rmtree(stack.WORK + "/oracle")
            shutil.rmtree(stack.WORK + "/extracted")
        self.assertGreater(reused, 0, "nothing was re-used, so nothing was shown")

        docker("stop", "-t", "0", "fb-writers")
        record = self.service.backup()
        tree = stack.volume_path("fb-tricks")
        run("cp", "-a", tree + "/.", stack.WORK + "/before")
        for name in os.listdir(tree):
            run("rm", "-rf", f"{tree}/{name}")
        self.service.restore(record["id"])
        want, have = listing(stack.WORK + "/before"), listing(stack.volume_path("fb-tricks"))
        self.assertEqual([], [p for p in want.keys() | have.keys() if want.get(p) != have.get(p)])


if __name__ == "__main__":
    unittest.main()
