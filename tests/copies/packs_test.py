#!/usr/bin/env python3
"""Goal: the dead host. Of a store that was copied to a real server, a machine that has the URL, a credential and
the secret makes the store again by one command, byte for byte, plain and encrypted."""

import hashlib
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import unittest

import servers

PROGRAM = SERVICE = None
TABLE = [servers.Folder, servers.Sshd, servers.PureFtpd, servers.Nginx, servers.Rgw]
SIZE = 12_000_000


class PacksTest(unittest.TestCase):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        cls.world = servers.World()
        cls.addClassCleanup(cls.world.close)

    def setUp(self):
        self.folder = tempfile.mkdtemp(dir=self.world.folder)
        self.key = servers.write(f"{self.folder}/key", "thirty-two bytes are enough here")
        self.count = 0

    def settings(self, server):
        """Each case has a folder of its own there."""
        options = server.options()
        options.pop("part_bytes", None)
        options["url"] = f"{options['url']}/{os.path.basename(self.folder)}"
        if options["url"].startswith("file://"):
            os.makedirs(options["url"].removeprefix("file://"), exist_ok=True)
        return options

    def program(self, *words):
        # libssh2 loses its session when the line breaks: its leak, not ours
        done = subprocess.run([PROGRAM, *words], capture_output=True, text=True,
                              env={**os.environ, "ASAN_OPTIONS": "detect_leaks=0"})
        self.assertIn(done.returncode, (0, 1), done.stderr)
        return json.loads(done.stdout)

    def put(self, settings, key, data, store="store"):
        self.count += 1
        with open(f"{self.folder}/data-{self.count}", "wb") as file:
            file.write(data)
        path = servers.write(f"{self.folder}/settings", json.dumps(settings))
        return self.program("put", f"{self.folder}/{store}", key, f"{self.folder}/data-{self.count}", path, "offsite")

    def rebuild(self, settings, key, *words):
        """The one command, on a machine with nothing."""
        new = tempfile.mkdtemp(dir=self.folder) + "/new"
        environment = {"PATH": os.environ["PATH"], "FUEL_BACKUP_STORE": new, "ASAN_OPTIONS": "detect_leaks=0"}
        if key != "-":
            environment["FUEL_BACKUP_KEY_FILE"] = key
        fields = [f"{name}={value}" for name, value in settings.items() if name != "url"]
        done = subprocess.run([SERVICE, "rebuild", "--from", settings["url"], *fields, *words], capture_output=True,
                              text=True, env=environment)
        return new, done

    def comes_back(self, server, key):
        settings = self.settings(server)
        first = random.Random(1).randbytes(SIZE)
        second = first[:SIZE // 2] + random.Random(2).randbytes(SIZE // 4)
        one, two = self.put(settings, key, first), self.put(settings, key, second)
        self.assertNotIn("error", one)
        self.assertNotIn("error", two)
        self.assertLess(two["bytes"], SIZE // 2, "what is there already was sent again")
        hashes = {one["backup"]: hashlib.sha256(first).hexdigest(), two["backup"]: hashlib.sha256(second).hexdigest()}
        shutil.rmtree(f"{self.folder}/store")

        new, done = self.rebuild(settings, key)
        self.assertEqual((done.returncode, done.stderr), (0, ""), done.stdout)
        self.assertEqual(self.program("list", new, key), hashes)
        new, done = self.rebuild(settings, key, "--backup", "latest")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(list(self.program("list", new, key)), [two["backup"]])

    def test_every_server(self):
        for kind in TABLE:
            if kind.missing():
                print(f"{kind.__name__}: not installed: {' '.join(kind.missing())}", file=sys.stderr)
                continue
            for key in ("-", self.key):
                with self.subTest(server=kind.__name__, encrypted=key != "-"):
                    self.setUp()
                    self.comes_back(self.world.server(kind), self.key if key != "-" else "-")

    def test_what_is_wrong_is_said(self):
        settings = self.settings(self.world.server(servers.Folder))
        for words, said in (((), "no copy of a store"), (("--store", "ab"), "no copy of a store"),
                            (("colour=red",), "colour"), (("--backup",), "missing"), (("red",), "unknown argument")):
            with self.subTest(words=words):
                _, done = self.rebuild(settings, "-", *words)
                self.assertNotEqual(done.returncode, 0)
                self.assertIn(said, done.stderr)
        self.put(settings, self.key, b"secret" * 1000)
        _, done = self.rebuild(settings, "-")
        self.assertEqual(done.returncode, 1)
        self.assertIn("encrypted", done.stderr)
        other = servers.write(f"{self.folder}/other", "another thirty-two bytes, wrong!")
        _, done = self.rebuild(settings, other)
        self.assertEqual(done.returncode, 1)
        self.assertIn("opens none", done.stderr)
        _, done = self.rebuild(settings, self.key, "--backup", "20200101-000000-00000000")
        self.assertIn("no copy of 20200101", done.stderr)
        self.put(settings, "-", b"another store" * 1000, store="second")
        _, done = self.rebuild(settings, self.key)
        self.assertEqual(done.returncode, 1)
        self.assertIn("copies of 2 stores", done.stderr)


if __name__ == "__main__":
    PROGRAM = os.path.join(os.path.dirname(os.path.abspath(sys.argv[1])), "copies_packs")
    SERVICE = os.path.join(os.path.dirname(os.path.abspath(sys.argv[1])), "fuel-backupd")
    del sys.argv[1]
    unittest.main()
