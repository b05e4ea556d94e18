# Goal: a store that any earlier version left opens, is brought up, and gives out what it held, to the byte.
"""Stores of tests/fixtures, made by the programs of their time; a store of a later version is refused and left alone."""

import glob
import hashlib
import json
import os
import random
import shutil
import sqlite3
import subprocess
import tempfile
import unittest

from fake_engine import FakeEngine
from service import Service

FIXTURES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../fixtures")
KEY = b"thirty-two bytes are enough here"
NOISE = random.Random(5).randbytes(100_000)  # as in each of them


def hashes(folder):
    found = {}
    for place, _, names in os.walk(folder):
        for name in names:
            with open(os.path.join(place, name), "rb") as source:
                if name != "lock":
                    found[os.path.join(place, name)] = hashlib.sha256(source.read()).hexdigest()
    return found


class FixtureCase(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="fb-fixture-")
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.engine = FakeEngine(self.folder + "/engine.sock").open()
        self.addCleanup(self.engine.close)

    def unpack(self, name):
        """A service, not started, with the store of that name; and what must come out of it."""
        place = tempfile.mkdtemp(dir=self.folder)
        subprocess.run(["tar", "-C", place, "--zstd", "-xf", f"{FIXTURES}/{name}.tar.zst"], check=True)
        os.mkdir(place + "/data")
        with open(place + "/data/noise", "wb") as out:
            out.write(NOISE)
        with open(place + "/plan.json", "w", encoding="utf-8") as out:
            json.dump({"host_paths": [place + "/data"]}, out)
        with open(f"{FIXTURES}/{name}.json", encoding="utf-8") as source:
            wanted = json.load(source)
        more = {}
        if wanted["encrypted"]:
            with open(place + "/key", "wb", opener=lambda path, flags: os.open(path, flags, 0o600)) as out:
                out.write(KEY)
            more["FUEL_BACKUP_KEY_FILE"] = place + "/key"
        service = Service(place, self.engine.path, FUEL_BACKUP_PLAN=place + "/plan.json", **more)
        self.addCleanup(service.clean_up)
        return service, wanted

    def listed(self, service, wanted, rebuilt):
        """The list is as it was.  A rebuilt one has no locks and names; of version 1, whose packs had neither times
        nor tombstones, it has the times to the second and what was deleted then."""
        fields = ("id", "created_at") + (() if rebuilt else ("locked", "name"))
        there = [{key: one[key] for key in fields} for one in service.api("GET", "/backups").json["backups"]
                 if one["state"] == "complete"]
        told = [{key: one[key] for key in fields} for one in wanted["backups"]]
        if rebuilt and wanted["version"] == 1:
            there = [one for one in there if one["id"] in {other["id"] for other in told}]
            told = [{**one, "created_at": one["created_at"][:20] + "000Z"} for one in told]
        self.assertEqual(there, told)

    def holds(self, service, wanted, rebuilt=False):
        """The list is as it was, each download to the byte, each chunk whole, and files can be fetched."""
        self.listed(service, wanted, rebuilt)
        for backup in wanted["backups"]:
            path = "/backups/" + backup["id"]
            tar = service.api("GET", path + "/archive?format=tar").body
            self.assertEqual((len(tar), hashlib.sha256(tar).hexdigest()), (backup["tar_bytes"], backup["sha256"]))
            service.operate(path + "/verify")
            noise = service.api("GET", f"{path}/files/{wanted['folder']}/noise").body
            self.assertEqual(hashlib.sha256(noise).digest(), hashlib.sha256(NOISE).digest())

    def opens(self, name):
        service, wanted = self.unpack(name)
        service.start()
        self.holds(service, wanted)
        backup = service.backup()
        record = service.api("GET", "/backups/" + backup).json
        self.assertLess(record["stored_bytes"], len(NOISE) // 4, "what it held is not stored again")
        self.assertEqual(service.api("DELETE", "/backups/" + backup).status, 204)
        service.operate("/sweep")
        service.operate("/scrub")
        self.holds(service, wanted)
        self.assertEqual(service.end(), 0)
        subprocess.run([Service.binary, "rebuild"], env=service.environment, check=True, timeout=60,
                       stdout=subprocess.DEVNULL)
        service.start()
        self.holds(service, wanted, rebuilt=True)
        newest, oldest = (one["id"] for one in wanted["backups"])
        service.api("PATCH", "/backups/" + oldest, {"locked": False})
        self.assertEqual(service.api("DELETE", "/backups/" + oldest).status, 204)
        service.operate("/sweep")
        service.operate(f"/backups/{newest}/verify")
        self.assertEqual(service.end(), 0)

    def test_each_version_opens(self):
        names = sorted(os.path.basename(path)[:-5] for path in glob.glob(FIXTURES + "/*.json"))
        versions = set()
        for name in names:
            with self.subTest(name):
                self.opens(name)
                with open(f"{FIXTURES}/{name}.json", encoding="utf-8") as source:
                    versions.add(json.load(source)["version"])
        service, _ = self.unpack("version-1")
        service.start()
        self.assertEqual(service.end(), 0)
        with sqlite3.connect(service.store + "/catalogue.db") as catalogue:
            present = catalogue.execute("PRAGMA user_version").fetchone()[0]
        self.assertEqual(versions, set(range(1, present + 1)), "tests/fixtures lacks a version: see make there")

    def test_a_deletion_stays_one(self):
        """Also of a backup whose record in the packs has no time, by which tombstones are told apart."""
        service, wanted = self.unpack("version-1")
        service.start()
        newest, oldest = (one["id"] for one in wanted["backups"])
        self.assertEqual(service.api("DELETE", "/backups/" + newest).status, 204)
        service.operate("/sweep")
        self.assertEqual(service.end(), 0)
        subprocess.run([Service.binary, "rebuild"], env=service.environment, check=True, timeout=60,
                       stdout=subprocess.DEVNULL)
        service.start()
        ids = [one["id"] for one in service.api("GET", "/backups").json["backups"]]
        self.assertIn(oldest, ids)
        self.assertNotIn(newest, ids)
        self.assertEqual(service.end(), 0)

    def test_a_newer_one_is_refused_and_left_alone(self):
        service, _ = self.unpack("version-5")
        with sqlite3.connect(service.store + "/catalogue.db") as catalogue:
            catalogue.execute("PRAGMA user_version = 99")
        catalogue.close()
        before = hashes(service.store)
        done = subprocess.run([Service.binary, "serve"], env=service.environment, capture_output=True, timeout=60,
                              check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn(b"99", done.stderr)
        self.assertIn(b"newer", done.stderr)
        after = hashes(service.store)
        self.assertEqual({path: after.get(path) for path in before}, before)
