#!/usr/bin/env python3
"""Goal: `kill -9` of the whole service at any moment, while backups, downloads, deletions, sweeps and
scrubs go on, costs nothing but what was under way: every backup that was complete still is and reads
back bit by bit, none that was deleted comes back, no container stays frozen, nothing is left over.

FB_KILLS says how often it is killed: 10 times, or 300 with FB_LONG=1.
"""

import hashlib
import http.client
import os
import random
import shutil
import subprocess
import threading
import time
import unittest

import stack
from fuelbackup import Failed, Service, docker, inspect, kill, wait_until

STORE = os.path.join(stack.WORK, "store")
KILLS = int(os.environ.get("FB_KILLS") or (300 if os.environ.get("FB_LONG") else 10))
SEED = int(os.environ.get("FB_SEED") or 1)
NAMES = ("fb-one", "fb-two", "fb-busy")
KEPT = 2  # more complete backups than this, and one is deleted
READ_FULLY = 10  # after so many kills all backups are read, not only one
AWAY = (OSError, http.client.HTTPException)  # what a client of a killed service sees


class Known:
    """The plain model: what the service has promised, by its answers."""

    def __init__(self):
        self.lock = threading.Lock()
        self.complete = {}  # id: (digest, archive_bytes)
        self.leaving = set()  # their deletion was asked for
        self.gone = set()  # and answered
        self.hashes = {}  # id: SHA-256 of the archive when it was first read
        self.wrong = []  # what a reader found meanwhile
        self.done = {}  # kind: how often it ended well

    def saw(self, backup):
        with self.lock:
            self.complete.setdefault(backup["id"], (backup["digest"], backup["archive_bytes"]))

    def count(self, kind):
        with self.lock:
            self.done[kind] = self.done.get(kind, 0) + 1

    def safe(self):
        with self.lock:
            return {name: what for name, what in self.complete.items() if name not in self.leaving}


class Load(threading.Thread):
    """One client that does one thing again and again, through all kills."""

    def __init__(self, what, known):
        super().__init__(daemon=True)
        self.what, self.known, self.ended = what, known, threading.Event()

    def run(self):
        while not self.ended.is_set():
            try:
                if self.what():
                    self.known.count(self.what.__name__)
            except AWAY:
                time.sleep(0.05)
            except Exception as error:  # pylint: disable=broad-except
                self.known.wrong.append(f"{self.what.__name__}: {error!r}")
                time.sleep(0.5)


class KillTest(unittest.TestCase):
    """fb-one and fb-two write all the time, fb-busy is a processor's load; fb-asleep was paused by
    its owner and must stay so."""

    @classmethod
    def setUpClass(cls):
        cls.tearDownClass()
        os.makedirs(stack.WORK)
        docker("volume", "create", "fb-data")
        for i in range(24):
            with open(f"{stack.volume_path('fb-data')}/{i}", "wb") as out:
                out.write(random.Random(i).randbytes(512 << 10))
        for name in NAMES[:2]:
            docker("run", "-d", "--name", name, "-v", "fb-data:/data", "fb-test/small", "sh", "-c",
                   f"while :; do head -c 1500000 /dev/urandom >/data/{name}; sleep 0.1; done")
        docker("run", "-d", "--name", "fb-busy", "fb-test/small", "sh", "-c",
               "while :; do head -c 100000 /dev/urandom >/srv/busy; sleep 0.02; done")
        docker("run", "-d", "--name", "fb-asleep", "fb-test/small")
        docker("pause", "fb-asleep")

    @classmethod
    def tearDownClass(cls):
        names = docker("ps", "-aq", "--filter", "name=^/f").split()
        if names:
            docker("rm", "-f", "-v", *names)
        docker("volume", "rm", "fb-data", check=False)
        shutil.rmtree(stack.WORK, ignore_errors=True)

    def setUp(self):
        self.chance, self.known, self.load = random.Random(SEED), Known(), []
        self.service = Service(STORE)
        self.service.remove()
        self.service.start()

    def tearDown(self):
        for load in self.load:
            load.ended.set()
        if not self._outcome.success or os.environ.get("FB_KEEP"):
            print(self.service.log())
        self.service.remove()
        for load in self.load:
            load.join(30)

    # ---- the load ----

    def listed(self):
        """All backups, page by page."""
        found, after = [], ""
        while after is not None:
            page = self.service.api("GET", "/backups?limit=100" + (f"&after={after}" if after else "")).json
            found, after = found + page["backups"], page["next"]
        return found

    def backup(self):
        reply = self.service.api("POST", "/backups")
        if reply.status != 202:
            time.sleep(0.1)
            return False
        operation = self.service.wait_operation(reply.headers["Location"], 60)
        if operation["state"] != "succeeded":
            return False
        reply = self.service.api("GET", "/backups/" + operation["backup"])
        if reply.status == 200:  # else it is deleted already
            self.known.saw(reply.json)
        return True

    def read(self, name):
        """A whole archive, whose bytes must be those of the first time."""
        with self.known.lock:
            _, size = self.known.complete[name]
        reply = self.service.api("GET", f"/backups/{name}/archive")
        if reply.status != 200 or len(reply.body) != size:
            if name in self.known.safe():
                raise Failed(f"{name}: {reply.status}, {len(reply.body)} of {size} bytes")
            return False
        digest = hashlib.sha256(reply.body).hexdigest()
        with self.known.lock:
            if self.known.hashes.setdefault(name, digest) != digest:
                raise Failed(f"{name}: its archive has changed")
        return True

    def download(self):
        names = sorted(self.known.safe())
        if not names:
            time.sleep(0.1)
            return False
        return self.read(random.choice(names))

    def delete(self):
        """Old complete ones, and failed ones."""
        time.sleep(0.2)
        listed = self.listed()
        complete = [one["id"] for one in listed if one["state"] == "complete"]
        old = [one["id"] for one in listed if one["state"] == "failed"]
        if len(complete) > KEPT:
            old.append(random.choice(complete))
        for name in old:
            with self.known.lock:
                self.known.leaving.add(name)
            if self.service.api("DELETE", "/backups/" + name).status == 204:
                with self.known.lock:
                    self.known.gone.add(name)
        return len(complete) > KEPT

    def sweep(self):
        time.sleep(0.1)
        reply = self.service.api("POST", "/sweep")
        return reply.status == 202 and self.ended_well(reply)

    def scrub(self):
        time.sleep(0.3)
        reply = self.service.api("POST", "/scrub")
        return reply.status == 202 and self.ended_well(reply)

    def ended_well(self, reply):
        """False if the service's end ended it; any other failure is a finding."""
        operation = self.service.wait_operation(reply.headers["Location"], 120)
        if operation["state"] == "failed":
            raise Failed(str(operation))
        return operation["state"] == "succeeded"

    # ---- after each kill ----

    def states(self):
        return [inspect(name)["State"]["Status"] for name in NAMES]

    def check_list(self):
        """What was promised is listed, what was deleted is not."""
        safe = self.known.safe()  # before the list: what comes after is not looked for
        gone = set(self.known.gone)
        listed = {one["id"]: one for one in self.listed()}
        for name, what in safe.items():
            if name in self.known.leaving:
                continue  # since
            self.assertIn(name, listed, "a complete backup is lost")
            one = listed[name]
            self.assertEqual(("complete", *what), (one["state"], one["digest"], one["archive_bytes"]))
            self.assertNotIn("damaged", one)
        self.assertEqual(set(), gone & set(listed), "a deleted backup came back")
        return listed

    def kill(self, turn):
        time.sleep(self.chance.uniform(0.05, 2.5))
        kill(self.service.pid())
        wait_until("it is dead", lambda: not inspect("fuel-backup")["State"]["Running"])
        wait_until("all thawed by the guard", lambda: self.states() == ["running"] * len(NAMES), 15)
        self.service.again()
        self.assertEqual("paused", inspect("fb-asleep")["State"]["Status"])
        self.check_list()
        safe = sorted(self.known.safe())
        for name in safe if turn % READ_FULLY == 0 else safe[-1:]:
            self.read(name)
        self.assertEqual([], self.known.wrong)

    def check_end(self):
        """At rest: all of it reads back, by the service and by others' tools."""
        wait_until("no operation", lambda: self.service.api("GET", "/health").json["operation"] is None, 60)
        wait_until("no lender left", lambda: not docker("ps", "-aq", "--filter", "name=lender").split(), 15)
        listed = self.check_list()
        self.assertEqual(set(), {one["state"] for one in listed.values()} - {"complete", "failed"})
        complete = [name for name, one in listed.items() if one["state"] == "complete"]
        self.assertGreater(len(complete), 0)
        for name in complete:
            self.service.operate(f"/backups/{name}/verify")
            archive = self.service.api("GET", f"/backups/{name}/archive").body
            subprocess.run("zstd -dc | tar -tf - >/dev/null", shell=True, input=archive, check=True)
        return complete

    def check_room(self):
        """Without backups the store holds next to nothing."""
        for one in self.listed():
            self.assertEqual(204, self.service.api("DELETE", "/backups/" + one["id"]).status)
        self.service.stop()  # seals the pack that is being written
        self.service.again()
        self.service.operate("/sweep")
        packs = sum(os.path.getsize(os.path.join(folder, name))
                    for folder, _, names in os.walk(STORE + "/packs") for name in names)
        self.assertEqual(packs, self.service.api("GET", "/health").json["store"]["packs_bytes"])
        self.assertLess(packs, 1 << 20, "room that no backup needs")
        spools = [name for name in os.listdir(STORE + "/run") if "spool" in name or "freeze" in name]
        self.assertEqual([], spools)
        return packs

    def test_killed_again_and_again(self):
        self.known.saw(self.service.backup())
        self.load = [Load(what, self.known)
                     for what in (self.backup, self.download, self.delete, self.sweep, self.scrub)]
        for load in self.load:
            load.start()
        for turn in range(1, KILLS + 1):
            self.kill(turn)
            if turn % 25 == 0:
                print(f"  {turn} kills: {self.known.done}", flush=True)
        for load in self.load:
            load.ended.set()
        for load in self.load:
            load.join(150)
        self.assertEqual([], self.known.wrong)
        complete, packs = self.check_end(), self.check_room()
        print(f"  {KILLS} kills, seed {SEED}; ended well in between: {self.known.done}; {len(complete)} backups"
              f" verified at the end; {packs} bytes left without backups")


if __name__ == "__main__":
    unittest.main()
