#!/usr/bin/env python3
"""Goal: after any kill at any call of a restore and any one thing done by hand meanwhile, the undo ends, and the next backup
succeeds or says which object it left out; what nobody touched is all of one state.

A few seeds; FB_SEEDS=N, FB_SEED=FIRST: others.  With FB_LONG=1 (dev/soak undo) many.
"""

import os
import random
import shutil
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
# pylint: disable=wrong-import-position
from recovery_test import ALIVE, HOST, PLAN, RecoveryCase, docker, exists, inspect, kill, tell, told, wait_until

SEEDS = int(os.environ.get("FB_SEEDS", "60" if os.environ.get("FB_LONG") else "4"))
FIRST = int(os.environ.get("FB_SEED", "1"))
NAMES = ("fb-a", "fb-b", "fb-c", "fb-d")
BIND = HOST + "/bound"


def labels(name):
    return inspect(name)["Config"]["Labels"]


def by_hand(*command):
    """It may be refused: then nothing was done, as with whoever tries it."""
    return subprocess.run(["docker", *command], capture_output=True, check=False, timeout=60).returncode == 0


class Hand:
    """One thing that somebody does while the service is down, and what it touches."""

    def __init__(self, seed):
        self.random = seed
        self.touched = set()

    def containers(self):
        return [line for line in docker("ps", "-a", "--format", "{{.Names}}").split() if line.startswith("fb-")]

    def remove_container(self):
        name = self.random.choice(self.containers())
        self.touched.add(name.split(".")[0])
        by_hand("rm", "-f", name)

    def rename_container(self):
        name = self.random.choice(self.containers())
        self.touched.add(name.split(".")[0])
        by_hand("rename", name, "hand-" + str(self.random.randrange(1000)))

    def make_container(self):
        name = self.random.choice(self.containers()).split(".")[0]
        self.touched.add(name)
        by_hand("rm", "-f", name)
        by_hand("run", "-d", "--name", name, "--label", "by=hand", "fb-test/small", "sh", "-c", ALIVE)

    def stop_container(self):
        name = self.random.choice(self.containers())
        self.touched.add(name.split(".")[0])
        by_hand("stop", "-t", "0", name)

    def start_container(self):
        name = self.random.choice(self.containers())
        self.touched.add(name.split(".")[0])
        by_hand("start", name)

    def pause_container(self):
        name = self.random.choice(self.containers())
        self.touched.add(name.split(".")[0])
        by_hand("pause", name)

    def remove_volume(self):
        """With whoever has it: an engine removes no volume that is used."""
        for name in self.containers():
            if name.startswith("fb-a"):
                by_hand("rm", "-f", name)
        by_hand("volume", "rm", "fb-data")
        self.touched.add("fb-a")

    def make_volume(self):
        self.remove_volume()
        by_hand("volume", "create", "--label", "by=hand", "fb-data")

    def remove_network(self):
        self.touched.add("fb-b")
        for name in self.containers():
            by_hand("network", "disconnect", "-f", "fb-net", name)
        by_hand("network", "rm", "fb-net")

    def make_network(self):
        self.remove_network()
        by_hand("network", "create", "--subnet", "10.88.0.0/24", "--label", "by=hand", "fb-net")

    def remove_bind(self):
        self.touched.update(("fb-b", "bind"))
        shutil.rmtree(BIND, ignore_errors=True)

    def move_bind(self):
        self.touched.update(("fb-b", "bind"))
        os.rename(BIND, BIND + ".moved")

    def make_bind(self):
        self.move_bind()
        os.makedirs(BIND)

    def remove_image(self):
        by_hand("rmi", "-f", "fb-app")

    def remove_helpers(self):
        ids = docker("ps", "-aq", "--filter", "label=fuel-backup.lender").split()
        if ids:
            by_hand("rm", "-f", *ids)

    def nothing(self):
        pass

    def act(self):
        deeds = [name for name, deed in vars(Hand).items() if callable(deed) and name not in ("__init__", "act", "containers")]
        deed = self.random.choice(sorted(deeds))
        getattr(self, deed)()
        return deed


class RecoverySeededTest(RecoveryCase):
    def make_stack(self, seed):
        """Before the backup all say early, and late after it; some are other ones then, and are made again."""
        os.makedirs(BIND)
        docker("network", "create", "--subnet", "10.87.0.0/24", "fb-net")
        docker("tag", "fb-test/small", "fb-app")
        options = {"fb-a": ("-v", "fb-data:/data", "--restart", "unless-stopped"),
                   "fb-b": ("-v", BIND + ":/data", "--network", "fb-net", "--ip", "10.87.0.9"),
                   "fb-c": ("--network", "container:fb-b"), "fb-d": ()}

        def make(name, label):
            image = "fb-app" if name == "fb-d" else "fb-test/small"
            docker("run", "-d", "--stop-signal", "TERM", "--name", name, "--label", "is=" + label, *options[name], image,
                   "sh", "-c", ALIVE)

        for name in NAMES:
            make(name, "early")
            docker("exec", name, "mkdir", "-p", "/data")
            tell(name, "early")
        self.backup = self.service.backup(PLAN)["id"]
        others = [name for name in NAMES if seed.random() < 0.5]
        if "fb-b" in others and "fb-c" not in others:
            others.append("fb-c")  # its network is another container's now
        for name in others:
            docker("rm", "-f", name)
        for name in NAMES:
            if name in others:
                make(name, "late")
                docker("exec", name, "mkdir", "-p", "/data")
            tell(name, "late")
        return others

    def cut_at(self, seed):
        """The service is killed at the n-th call that changes something; it may have ended before."""
        left = [seed.randrange(24)]

        def at(_method, _path):
            left[0] -= 1
            return left[0] < 0
        self.pid = self.service.pid()
        self.action, self.stopping, self.at = self.kill_service, False, at
        self.struck.clear()
        location = self.service.start_operation(f"/backups/{self.backup}/restore")

        def ended():
            return self.struck.is_set() or \
                self.service.api("GET", location).json["state"] not in ("queued", "running")
        try:
            wait_until("the restore is cut off, or ends", ended, 90)
        except OSError:
            self.assertTrue(self.struck.wait(10))
        self.at = None
        if not self.struck.is_set():
            kill(self.service.pid())
            self.struck.wait(0.2)

    def check(self, hand, others):
        self.assertEqual([], [line for line in docker("ps", "-a", "--format", "{{.Names}} {{.Status}}").splitlines()
                              if "Paused" in line and line.split()[0].split(".")[0] not in hand.touched])
        untouched = [name for name in NAMES if name not in hand.touched]
        if "fb-b" in hand.touched:
            untouched = [name for name in untouched if name != "fb-c"]  # lives in its network
        words, made = set(), set()
        for name in untouched:
            self.assertTrue(exists(name), f"{name} is gone")
            self.assertTrue(inspect(name)["State"]["Running"], f"{name} does not run")
            words.add(told(name))
            if name in others:
                made.add(labels(name)["is"])
        self.assertLessEqual(len(words), 1, "half of it is restored")
        self.assertLessEqual(made, words or made)
        if "fb-a" in untouched:
            self.assertEqual("unless-stopped", inspect("fb-a")["HostConfig"]["RestartPolicy"]["Name"])

    def one(self, number):
        seed = random.Random(number)
        others = self.make_stack(seed)
        self.cut_at(seed)
        hand = Hand(seed)
        deed = hand.act()
        self.service.again()
        self.settled(120)
        with self.subTest(deed=deed):
            self.check(hand, others)
        operation = self.service.operate("/backups", PLAN)
        record = self.service.api("GET", "/backups/" + operation["backup"]).json
        self.assertIn(record["state"], ("complete", "partial"))
        self.assertEqual(record["state"] == "partial", bool(record["omitted"]), record["omitted"])
        self.assertEqual("ok", self.service.api("GET", "/health").json["status"])

    def test_seeds(self):
        for number in range(FIRST, FIRST + SEEDS):
            with self.subTest(seed=number):
                self.one(number)
            docker("rmi", "-f", "fb-app", check=False)
            if number + 1 < FIRST + SEEDS:
                self.proxy.close()
                self.setUp()

    def tearDown(self):
        super().tearDown()
        docker("rmi", "-f", "fb-app", check=False)


if __name__ == "__main__":
    unittest.main()
