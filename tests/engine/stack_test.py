#!/usr/bin/env python3
"""Goal: what a backup took comes back, bit for bit, after the whole stack was wrecked, in both ways:
everything gone, and everything still there and changed.  The databases are written while the backup
runs, and lose no transaction that was acknowledged before the freeze.
"""

import json
import os
import shutil
import subprocess
import threading
import time
import unittest

import stack
from fuelbackup import Service, docker, inspect, wait_until
from stack import dump, in_container

STORE = os.path.join(stack.WORK, "store")


class Writer(threading.Thread):
    """Inserts numbers over the network, and remembers when each was sent and acknowledged."""

    def __init__(self):
        super().__init__(daemon=True)
        self.acknowledged, self.sent, self.ended = {}, {}, False

    def run(self):
        client = subprocess.Popen(
            ["docker", "exec", "-i", "fb-load", "psql", "-h", "172.31.20.10", "-U", "postgres",
             "-Atq", "postgres"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)
        number = 0
        while not self.ended:
            number += 1
            self.sent[number] = time.time()
            client.stdin.write(f"insert into written values({number}) returning id;\n")
            client.stdin.flush()
            if client.stdout.readline().strip() != str(number):
                break
            self.acknowledged[number] = time.time()
        client.communicate(timeout=20)

    def end(self):
        self.ended = True
        self.join(20)


class Events:
    """When the engine paused and thawed which container, by its own events."""

    def __init__(self):
        self.since = time.time()

    def times(self, action):
        lines = docker("events", "--since", f"{self.since:.9f}", "--until", f"{time.time():.9f}",
                       "--filter", "type=container", "--filter", f"event={action}", "--format", "{{json .}}")
        return {event["Actor"]["Attributes"]["name"]: event["timeNano"] / 1e9
                for event in map(json.loads, lines.splitlines())}


class StackTest(unittest.TestCase):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        shutil.rmtree(STORE, ignore_errors=True)
        cls.service = Service(STORE, environment={"FUEL_BACKUP_FREEZER": "docker"})  # its events tell of the freeze
        cls.service.remove()
        cls.stack = stack.Stack()
        cls.stack.remove_everything()
        cls.stack.make()
        cls.stack.remember()
        cls.load()
        cls.service.start()

    @classmethod
    def tearDownClass(cls):
        if os.environ.get("FB_KEEP"):
            return
        cls.service.remove()
        cls.stack.remove_everything()
        shutil.rmtree(stack.WORK, ignore_errors=True)

    @classmethod
    def load(cls):
        """A container that is not backed up, with pgbench and the writer's client."""
        docker("run", "-d", "--name", "fb-load", "--label", "fuel-backup.exclude=true", "--network",
               "fb-back", "fb-test/stack")
        docker("exec", "-d", "fb-load", "sh", "-c", "pgbench -h database -U postgres -c 4 -j 1 -T 600 "
               "postgres >/tmp/pgbench 2>&1")

    def check_databases(self):
        self.stack.wait_databases()
        self.assertEqual("", in_container("fb-db", "pg_amcheck", "-h", "/tmp", "-U", "postgres",
                                          "--install-missing", "--heapallindexed", "--all"))
        sums = self.stack.sql("select (select sum(tbalance) from pgbench_tellers),"
                              " (select sum(bbalance) from pgbench_branches),"
                              " (select sum(abalance) from pgbench_accounts),"
                              " (select sum(delta) from pgbench_history)").split("|")
        self.assertEqual(1, len(set(sums)), f"balances do not add up: {sums}")
        written = set(map(int, self.stack.sql("select id from written").split()))
        self.assertEqual(set(), type(self).before - written, "acknowledged before the freeze, and lost")
        self.assertEqual(set(), type(self).after & written, "sent after the thaw, yet restored")
        self.assertEqual("50", self.stack.redis("dbsize"))
        self.assertEqual("v" * 49, self.stack.redis("get", "key49"))
        self.assertEqual("the page of the backup\n", self.stack.page())

    def check_everything(self):
        wait_until("what ran runs", lambda: all(inspect(name)["State"]["Running"] or not was["State"]["Running"]
                                                for name, was in self.stack.inspects.items()))
        self.assertEqual([], self.stack.differences(), dump(self.stack.differences()))
        self.check_databases()
        old = [name for name in docker("ps", "-a", "--format", "{{.Names}}").split()
               if name not in self.stack.inspects and name not in ("fb-load", "fuel-backup")]
        self.assertEqual([], old, "left behind")

    def test_1_backup_under_load(self):
        writer, events = Writer(), Events()
        writer.start()
        wait_until("the writer writes", lambda: len(writer.acknowledged) > 20)
        backup = self.service.backup()
        wait_until("the writer goes on", lambda: len(writer.sent) > len(writer.acknowledged) - 1)
        time.sleep(0.5)
        writer.end()
        paused, thawed = events.times("pause"), events.times("unpause")

        type(self).backup = backup["id"]
        type(self).before = {n for n, when in writer.acknowledged.items() if when < paused["fb-db"]}
        type(self).after = {n for n, when in writer.sent.items() if when > thawed["fb-db"]}
        self.assertGreater(len(self.before), 20)
        self.assertGreater(len(self.after), 0)

        running = {name for name, was in self.stack.inspects.items()
                   if was["State"]["Running"] and not was["State"]["Paused"]}
        self.assertEqual(running, set(paused), "the containers of the freeze")
        self.assertEqual(running, set(thawed), "the containers of the thaw")
        self.assertLess(max(paused.values()), min(thawed.values()), "one instant when all were frozen")
        self.assertEqual(set(self.stack.inspects), {c["name"] for c in backup["containers"]})
        self.assertEqual("paused", inspect("fb-paused")["State"]["Status"])
        self.assertEqual([], self.stack.differences(), "the backup changed something")
        print(f"  freeze {backup['freeze_ms']} ms, {backup['duration_ms']} ms in all, "
              f"{backup['size_bytes'] >> 20} MiB, stored {backup['stored_bytes'] >> 20} MiB, "
              f"{len(self.before)} inserts before and {len(self.after)} after; {backup['warnings']}")

    def test_2_second_backup_stores_little(self):
        backup = self.service.backup()
        print(f"  freeze {backup['freeze_ms']} ms, {backup['duration_ms']} ms in all, "
              f"stored {backup['stored_bytes'] >> 10} KiB")
        self.assertLess(backup["stored_bytes"], 60 << 20)

    def test_3_restore_what_was_changed(self):
        docker("rm", "-f", "fb-load")
        ids = {name: was["Id"] for name, was in self.stack.inspects.items()}
        self.stack.wreck_in_place()
        self.service.restore(self.backup)
        self.check_everything()
        self.assertEqual(ids, {name: inspect(name)["Id"] for name in ids}, "made again instead of in place")

    def test_4_restore_what_is_gone(self):
        self.stack.wreck_all()
        self.assertEqual("", docker("images", "-q", "fb-test/stack"))
        self.service.restore(self.backup)
        self.check_everything()

    def test_5_restored_containers_survive_a_restart(self):
        docker("restart", "-t", "5", "fb-db", "fb-cache", "fb-layer")
        self.check_databases()
        self.assertIn("cap_net_raw", in_container("fb-layer", "getcap", "/new/capable"))


if __name__ == "__main__":
    unittest.main(failfast=True)
