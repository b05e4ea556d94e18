#!/usr/bin/env python3
"""Goal: an exec, and so a health probe, that begins in the very moment of a pause is frozen half-way, and
with it the engine, which then never unpauses: the containers run again all the same, at once, whoever
thaws them, and the engine knows that they do.
"""

import os
import shutil
import subprocess
import threading
import time
import unittest

import stack
from fuelbackup import Service, docker, inspect, kill, lender_pids, wait_until

STORE = os.path.join(stack.WORK, "store")
NAMES = ("fb-probe-one", "fb-probe-two")
HELPED = "was thawed by its cgroup"
MOST = 40  # backups; one pause of eleven that has an exec beside it is enough


def all_run():
    return all(inspect(name)["State"]["Status"] == "running" for name in NAMES)


class ProbesTest(unittest.TestCase):
    def setUp(self):
        self.tearDown()
        os.makedirs(stack.WORK)
        for name in NAMES:
            docker("run", "-d", "--name", name, "fb-test/small", "sleep", "1000000")
        self.service, self.end = Service(STORE, environment={"FUEL_BACKUP_FREEZER": "docker"}), threading.Event()
        self.service.start()
        self.probing = [threading.Thread(target=self.probe, args=(name,)) for name in NAMES for _ in range(2)]
        for thread in self.probing:
            thread.start()

    def probe(self, name):
        while not self.end.is_set():
            try:
                subprocess.run(["docker", "exec", name, "true"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                               stderr=subprocess.DEVNULL, timeout=60, check=False)  # a paused one refuses it
            except subprocess.TimeoutExpired:
                self.end.set()

    def tearDown(self):
        if hasattr(self, "end"):
            self.end.set()
            for thread in self.probing:
                thread.join()
        if hasattr(self, "service"):
            self.service.remove()
        names = docker("ps", "-aq", "--filter", "name=^/fb-probe-").split()
        if names:
            docker("rm", "-f", *names)
        shutil.rmtree(stack.WORK, ignore_errors=True)

    def test_backups(self):
        """None fails, none is frozen for long, until it has happened."""
        for count in range(1, MOST + 1):
            record = self.service.backup()
            self.assertTrue(all_run())
            if HELPED in self.service.log():
                break
        print(f"  backup {count} of {MOST} needed it: frozen for {record['freeze_ms']} ms")
        self.assertIn(HELPED, self.service.log(), "it was not provoked")
        self.assertLess(record["freeze_ms"], 10000)
        self.assertFalse(self.end.is_set(), "an exec hung")
        self.service.backup()

    def test_service_killed(self):
        """The guard thaws, and so does the next start where the guard is gone, too."""
        for turn in range(6):
            location = self.service.start_operation("/backups")
            self.service.wait_phase(location, "freeze")
            kill(self.service.pid(), *(lender_pids() if turn % 2 else []))
            begin = time.monotonic()
            if turn % 2:
                self.service.again()
            wait_until("all run", all_run, 30, 0.02)
            print(f"  {'both' if turn % 2 else 'service'} killed: all run after {time.monotonic() - begin:.2f} s")
            if not turn % 2:
                self.service.again()
            self.assertFalse(self.end.is_set(), "an exec hung")
        self.service.backup()
        self.assertTrue(all_run())


if __name__ == "__main__":
    unittest.main()
