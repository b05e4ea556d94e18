#!/usr/bin/env python3
"""Goal: whatever dies, vanishes or fills up during a backup: the error is clear, no container stays
frozen, no half backup is listed, and the next backup works.
"""

import glob
import os
import random
import shutil
import subprocess
import threading
import time
import unittest

import stack
from engine_proxy import EngineProxy
from fuelbackup import Failed, Service, docker, inspect, kill, lender_pids, run, wait_until

STORE = os.path.join(stack.WORK, "store")


def states(*names):
    return [inspect(name)["State"]["Status"] for name in names]


BY_PAUSE = {"FUEL_BACKUP_FREEZER": "docker"}  # the engine's events tell of these freezes


class FaultsTest(unittest.TestCase):
    """fb-data has a volume that takes a while, fb-busy never stops writing, fb-asleep was paused by
    its owner and must stay so."""

    @classmethod
    def setUpClass(cls):
        cls.tearDownClass()
        os.makedirs(stack.WORK)
        docker("volume", "create", "fb-data")
        chance = random.Random(3)
        for i in range(60):
            with open(f"{stack.volume_path('fb-data')}/{i}", "wb") as out:
                out.write(chance.randbytes(8 << 20))
        docker("run", "-d", "--name", "fb-data", "-v", "fb-data:/data", "fb-test/small")
        docker("run", "-d", "--name", "fb-busy", "fb-test/small", "sh", "-c",
               "while :; do dd if=/dev/urandom of=/srv/busy bs=1M count=12 2>/dev/null; done")
        docker("run", "-d", "--name", "fb-asleep", "fb-test/small")
        docker("pause", "fb-asleep")

    @classmethod
    def tearDownClass(cls):
        names = docker("ps", "-aq", "--filter", "name=^/f").split()
        if names:
            docker("rm", "-f", "-v", *names)
        docker("volume", "rm", "fb-data", check=False)
        run("umount", stack.WORK + "/full", check=False)
        shutil.rmtree(stack.WORK, ignore_errors=True)

    def setUp(self):
        self.service = Service(STORE)
        self.service.remove()
        for name in ("fb-data", "fb-busy"):  # as a failed test may have left them
            docker("unpause", name, check=False)

    def tearDown(self):
        if not self._outcome.success or os.environ.get("FB_KEEP"):
            print(self.service.log())
        self.service.remove()
        shutil.rmtree(STORE, ignore_errors=True)

    def check_sound(self, backups=None):
        """After every fault: nothing frozen but by its owner, no lender, nothing half done."""
        wait_until("all thawed", lambda: states("fb-data", "fb-busy") == ["running", "running"], 15)
        self.assertEqual(["paused"], states("fb-asleep"))
        listed = self.service.api("GET", "/backups").json["backups"]
        self.assertEqual([], [b for b in listed if b["state"] not in ("complete", "partial", "failed")], listed)
        if backups is not None:
            self.assertEqual(backups, sum(b["state"] in ("complete", "partial") for b in listed))
        wait_until("no lender left", lambda: not docker("ps", "-aq", "--filter", "name=lender").split(), 15)

    def check_failed(self, operation, kind):
        self.assertEqual(("failed", "urn:fuel-backup:" + kind),
                         (operation["state"], (operation["error"] or {}).get("type")), operation)
        self.assertGreater(len(operation["error"]["detail"]), 20)

    # ---- the engine ----

    def test_engine_not_reachable(self):
        with EngineProxy(stack.WORK + "/proxy/docker.sock") as proxy:
            self.service.socket = stack.WORK + "/proxy"
            self.service.environment = {"DOCKER_HOST": "unix:///var/run/docker.sock/docker.sock"}
            self.service.start()
            proxy.close()
            reply = self.service.api("POST", "/backups")
            if reply.status == 202:
                operation = self.service.wait_operation(reply.headers["Location"])
                self.assertEqual(503, operation["error"]["status"], operation)
            else:
                self.assertEqual((503, "urn:fuel-backup:engine-unreachable"), (reply.status, reply.json["type"]))
            health = self.service.api("GET", "/health", token=False).json
            self.assertEqual(("degraded", False), (health["status"], health["engine"]["reachable"]))
            self.assertEqual(503, self.service.api("GET", "/plan").status)
            self.assertEqual(200, self.service.api("GET", "/backups").status)
            proxy.open()
            wait_until("healthy again",
                       lambda: self.service.api("GET", "/health", token=False).json["status"] == "ok", 15)
            self.service.backup()
            self.check_sound(backups=1)

    def test_engine_lost_while_frozen(self):
        """The service cannot thaw through an engine that is away; it does as soon as it is back."""
        with EngineProxy(stack.WORK + "/proxy/docker.sock") as proxy:
            self.service.socket = stack.WORK + "/proxy"
            self.service.environment = {"DOCKER_HOST": "unix:///var/run/docker.sock/docker.sock", **BY_PAUSE}
            self.service.start()
            frozen = self.watch_for_pause()
            location = self.service.start_operation("/backups")
            self.assertTrue(frozen.wait(60))
            proxy.close()
            time.sleep(3)
            proxy.open()
            self.service.wait_operation(location)
            self.check_sound()

    # ---- containers and sources ----

    def test_container_vanishes(self):
        self.service.start()
        docker("run", "-d", "--name", "fb-gone", "fb-test/small")
        location = self.service.start_operation("/backups")
        self.service.wait_phase(location, "live")
        docker("rm", "-f", "fb-gone")
        operation = self.service.wait_operation(location)
        self.assertEqual("succeeded", operation["state"], operation)
        record = self.service.api("GET", "/backups/" + operation["backup"]).json
        self.assertEqual("complete", record["state"], "what its owner removed is no fault")
        self.assertIn("fb-gone", " ".join(record["warnings"]))
        self.check_sound(backups=1)
        self.service.backup()
        self.check_sound(backups=2)

    def test_unreadable_source(self):
        folder = stack.WORK + "/bound"
        os.makedirs(folder)
        docker("create", "--name", "fb-bound", "-v", folder + ":/bound", "fb-test/small")
        os.rmdir(folder)
        try:
            self.service.start()
            reply = self.service.api("POST", "/backups")
            self.assertEqual(202, reply.status, reply)
            operation = self.service.wait_operation(reply.headers["Location"])
            self.assertEqual("succeeded", operation["state"], operation)
            self.assertEqual("partial", operation["result"]["state"], operation)
            self.assertEqual([("bind", folder)], [(one["kind"], one["name"]) for one in operation["result"]["omitted"]])
            self.check_sound(backups=1)
            reply = self.service.api("POST", "/backups", {"on_error": "fail"})
            operation = self.service.wait_operation(reply.headers["Location"])
            self.check_failed(operation, "unreadable")
            self.assertIn("bound", operation["error"]["detail"])
            self.check_sound(backups=1)
        finally:
            docker("rm", "-f", "fb-bound")

    # ---- the store ----

    def full_store(self, megabytes):
        store = stack.WORK + "/full"
        os.makedirs(store, exist_ok=True)
        run("mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", store)
        self.addCleanup(run, "umount", store, check=False)
        self.addCleanup(self.service.remove)
        self.service.store = store
        self.service.start()
        location = self.service.start_operation("/backups")
        operation = self.service.wait_operation(location)
        self.check_failed(operation, "no-space")
        self.assertEqual(507, operation["error"]["status"])
        self.check_sound(backups=0)
        for backup in self.service.api("GET", "/backups").json["backups"]:
            self.assertEqual(204, self.service.api("DELETE", "/backups/" + backup["id"]).status)
        self.assertEqual([], self.service.api("GET", "/backups").json["backups"])
        return operation

    def test_store_too_small_is_known_before(self):
        operation = self.full_store(100)
        self.assertIn("nothing was frozen", operation["error"]["detail"])

    def test_store_fills_up(self):
        self.full_store(256)

    @staticmethod
    def damage(needle):
        """Flip a bit where these bytes stand in a pack: noise does not compress, so they do."""
        for path in glob.glob(STORE + "/packs/*/*.zpk"):
            with open(path, "r+b") as pack:
                at = pack.read().find(needle)
                if at >= 0:
                    pack.seek(at)
                    pack.write(bytes([needle[0] ^ 4]))
                    return
        raise Failed("it is in no pack")

    def test_damaged_backup_is_not_restored(self):
        """One flipped bit: who needs the file is refused before anything is touched; who has it can do without."""
        self.service.start()
        backup = self.service.backup()
        tree = stack.volume_path("fb-data")
        with open(tree + "/30", "rb") as data:
            data.seek(5_000_000)
            self.damage(data.read(64))
        before = {name: inspect(name)["State"] for name in ("fb-data", "fb-busy", "fb-asleep")}
        os.rename(tree + "/30", tree + "/away")
        try:
            for what, body in (("verify", None), ("restore", None), ("restore", {"dry_run": True})):
                location = self.service.start_operation(f"/backups/{backup['id']}/{what}", body)
                self.check_failed(self.service.wait_operation(location), "corrupt")
            self.assertEqual(before, {name: inspect(name)["State"] for name in before})
            self.assertIn("away", os.listdir(tree))
        finally:
            os.rename(tree + "/away", tree + "/30")
        self.service.restore(backup["id"], {"only": {"volumes": ["fb-data"]}})
        broken = run("curl", "-sS", "-o", "/dev/null", "-w", "%{exitcode}", "-H",
                     f"Authorization: Bearer {self.service.token}",
                     f"http://127.0.0.1:{self.service.port}/backups/{backup['id']}/archive?format=tar",
                     check=False)
        self.assertNotEqual("0", broken, "a damaged download ended well")

    def test_damaged_where_the_undo_needs_it(self):
        """A restored container writes into a file that was equal; then another cannot be started.  What it wrote
        cannot be taken back, and that is told; all else is."""
        port, seconds = ["-p", "127.0.0.1:18099:1", "fb-test/small"], "trap 'exit 0' TERM; while :; do sleep 0.2; done"
        self.addCleanup(lambda: docker("volume", "rm", "-f", "fb-writer", check=False))
        self.addCleanup(lambda: docker("rm", "-f", "-v", "fb-writer", "fb-zports", check=False))
        docker("run", "-d", "--name", "fb-writer", "-v", "fb-writer:/data", "fb-test/small", "sh", "-c",
               "printf x | dd of=/data/big bs=1 seek=3000000 conv=notrunc; " + seconds)
        docker("run", "-d", "--name", "fb-zports", *port)
        tree, noise = stack.volume_path("fb-writer"), random.Random(8).randbytes(4 << 20)
        for name, content in (("big", noise), ("other", b"early")):
            with open(f"{tree}/{name}", "wb") as out:
                out.write(content)
        self.service.start()
        backup = self.service.backup({"containers": {"names": ["fb-writer", "fb-zports"]}})["id"]
        docker("rm", "-f", "fb-zports")
        with open(tree + "/other", "wb") as out:
            out.write(b"late")
        self.damage(noise[2_000_000:2_000_064])
        with self.service.port_taken_late(18099):
            operation = self.service.wait_operation(self.service.start_operation(f"/backups/{backup}/restore"))
        self.assertEqual("failed", operation["state"])
        self.assertIn("all was put back but for what the restored containers wrote", operation["error"]["detail"])
        self.assertTrue(inspect("fb-writer")["State"]["Running"])
        self.assertEqual(["big", "other"], sorted(os.listdir(tree)))
        with open(tree + "/other", "rb") as other:
            self.assertEqual(b"late", other.read())
        with open(tree + "/big", "rb") as big:
            self.assertEqual(noise[:3000000] + b"x" + noise[3000001:], big.read())
        self.assertEqual([], glob.glob(STORE + "/run/*.json"))
        self.service.backup({"containers": {"names": ["fb-writer"]}})

    # ---- the service ----

    def test_terminated_in_the_middle(self):
        for phase in ("images", "live", "freeze", "store"):
            with self.subTest(phase=phase):
                self.service.remove()
                shutil.rmtree(STORE, ignore_errors=True)
                self.service.start()
                location = self.service.start_operation("/backups")
                self.service.wait_phase(location, phase)
                begin = time.monotonic()
                self.assertEqual(0, self.service.stop())
                self.assertLess(time.monotonic() - begin, 20)
                wait_until("all thawed", lambda: states("fb-data", "fb-busy") == ["running", "running"], 2)
                self.service.again()
                operation = self.service.wait_operation(location)
                self.assertIn(operation["state"], ("cancelled", "interrupted", "succeeded"))
                self.check_sound(backups=1 if operation["state"] == "succeeded" else 0)

    def watch_for_pause(self):
        """An event that is set as soon as the engine tells of a pause."""
        seen = threading.Event()
        client = subprocess.Popen(["docker", "events", "--filter", "event=pause", "--format", "{{.ID}}"],
                                  stdout=subprocess.PIPE)
        self.addCleanup(client.wait)
        self.addCleanup(client.stdout.close)
        self.addCleanup(client.kill)

        def read():
            if client.stdout.readline():
                seen.set()
        threading.Thread(target=read, daemon=True).start()
        time.sleep(0.3)
        return seen

    def test_killed_while_frozen(self):
        caught = 0
        self.service.environment = BY_PAUSE
        for _ in range(4):
            self.service.start()
            pid, frozen = self.service.pid(), self.watch_for_pause()
            location = self.service.start_operation("/backups")
            self.assertTrue(frozen.wait(60))
            kill(pid)
            begin = time.monotonic()
            caught += "paused" in states("fb-data", "fb-busy")
            wait_until("the guard thaws", lambda: states("fb-data", "fb-busy") == ["running", "running"], 10)
            print(f"  thawed {1000 * (time.monotonic() - begin):.0f} ms after the kill")
            self.service.again()
            self.assertIn(self.service.wait_operation(location)["state"], ("interrupted", "succeeded"))
            self.check_sound()
            self.service.backup()
            self.check_sound()
            self.service.remove()
            shutil.rmtree(STORE)
        self.assertGreater(caught, 0, "no kill fell into a freeze")

    def test_guard_killed_too(self):
        """Service and lender die together: the next start thaws by the journal."""
        self.service.environment = BY_PAUSE
        self.service.start()
        pid, frozen = self.service.pid(), self.watch_for_pause()
        self.service.start_operation("/backups")
        victims = wait_until("a lender", lender_pids) + [pid]
        self.assertTrue(frozen.wait(60))
        kill(*victims)
        time.sleep(0.5)
        self.service.again()
        self.check_sound()

    def test_two_at_once(self):
        self.service.start()
        first = self.service.start_operation("/backups")
        second = self.service.api("POST", "/backups")
        self.assertEqual((409, "urn:fuel-backup:busy", first),
                         (second.status, second.json["type"], second.json["operation"]))
        self.assertEqual("succeeded", self.service.wait_operation(first)["state"])
        self.check_sound(backups=1)

    def test_cancelled(self):
        self.service.start()
        location = self.service.start_operation("/backups")
        self.service.wait_phase(location, "live")
        self.assertIn(self.service.api("DELETE", location).status, (202, 204))
        self.assertEqual("cancelled", self.service.wait_operation(location)["state"])
        self.check_sound(backups=0)


if __name__ == "__main__":
    unittest.main()
