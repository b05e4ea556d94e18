#!/usr/bin/env python3
"""Goal: a restore is all or nothing.  Whoever is killed in the middle of it: at the latest after the next
start everything is old, or everything is new, it runs, and nothing is left over.
"""

import glob
import http.client
import os
import random
import shutil
import threading
import time
import unittest

import stack
from engine_proxy import EngineProxy
from fuelbackup import Service, docker, inspect, kill, lender_pids, run, wait_until

STORE = os.path.join(stack.WORK, "store")
SOCKET = os.path.join(stack.WORK, "proxy", "docker.sock")
FOLDER, FILE, MADE = (f"{stack.WORK}/host/{name}" for name in ("folder", "file", "made"))
LARGE = FOLDER + "/large"  # differs in a few places only, and so is written in place
LARGE_BYTES, LARGE_PLACES, LARGE_WORD = random.Random(5).randbytes(4 << 20), (1 << 20, 3 << 20), 8
PLAN = {"containers": {"names": ["fb-*"]}, "host_paths": [MADE]}
PLACES = {"fb-same": "/data", "fb-other": "/srv", "fb-gone": "/srv"}
ALIVE = "while :; do sleep 0.2; done"
FAILURE = (b"HTTP/1.1 500 Internal Server Error\r\nContent-Type: application/json\r\nConnection: close\r\n"
           b"Content-Length: 27\r\n\r\n{\"message\":\"told to fail\"}\n")
ENGINE = os.path.dirname(stack.WORK)
STEPS = ("/create", "/start", "/stop", "/rename", "/update", "/kill", "/connect")


class RollbackTest(unittest.TestCase):
    """fb-same: is restored in place, with a volume, a bound folder and a bound file; fb-other was made
    anew with another environment; fb-gone is not there any more."""

    @classmethod
    def tearDownClass(cls):
        cls.remove()
        shutil.rmtree(stack.WORK, ignore_errors=True)

    @staticmethod
    def remove():
        names = docker("ps", "-aq").split()
        if names:
            docker("rm", "-f", "-v", *names)
        docker("volume", "rm", "-f", "fb-data", check=False)

    @staticmethod
    def mark(word):
        """One word in each place that is restored."""
        for name, folder in PLACES.items():
            docker("exec", name, "sh", "-c", f"echo {word} >{folder}/word; echo {word} >/layer", check=False)
        for path in (FOLDER + "/word", FILE, MADE):
            with open(path, "w", encoding="ascii") as out:
                out.write(word + "\n")
        with open(LARGE, "r+b" if os.path.exists(LARGE) else "w+b") as out:
            out.write(LARGE_BYTES)
            for at in LARGE_PLACES:
                out.seek(at)
                out.write(word.encode().ljust(LARGE_WORD))

    @staticmethod
    def large_words():
        """The words in the large file; and that the rest of it is what it should be."""
        with open(LARGE, "rb") as source:
            data = bytearray(source.read())
        found = []
        for at in LARGE_PLACES:
            found.append(data[at:at + LARGE_WORD].decode("ascii", "replace").strip())
            data[at:at + LARGE_WORD] = LARGE_BYTES[at:at + LARGE_WORD]
        return found if data == LARGE_BYTES else ["torn"]

    def words(self):
        found = {}
        for name, folder in PLACES.items():
            if docker("ps", "-q", "--filter", f"name=^/{name}$").split():
                text = docker("exec", name, "cat", f"{folder}/word", "/layer", check=False)
                found[name] = text.split()
        for path in (FOLDER + "/word", FILE, MADE):
            if os.path.exists(path):
                with open(path, encoding="ascii") as source:
                    found[path] = source.read().split()
        found[LARGE] = self.large_words()
        return found

    OLD = {"fb-same": ["late"] * 2, "fb-other": ["late"] * 2, FOLDER + "/word": ["late"], FILE: ["late"],
           LARGE: ["late"] * 2}
    NEW = {"fb-same": ["early"] * 2, "fb-other": ["early"] * 2, "fb-gone": ["early"] * 2,
           FOLDER + "/word": ["early"], FILE: ["early"], MADE: ["early"], LARGE: ["early"] * 2}

    def setUp(self):
        self.remove()
        shutil.rmtree(stack.WORK, ignore_errors=True)
        os.makedirs(FOLDER)
        self.victims, self.at, self.calls, self.dead, self.how = [], None, 0, threading.Event(), "before"
        self.struck, self.hits = False, 0
        for path in (FILE, MADE):
            with open(path, "w", encoding="ascii"):
                pass
        self.run_all()
        self.mark("early")
        self.proxy = EngineProxy(SOCKET, on_request=self.step_in)
        self.proxy.open()
        self.service = Service(STORE, socket=SOCKET)
        self.service.start()
        self.backup = self.service.backup(PLAN)["id"]
        self.spoil()

    @staticmethod
    def run_all():
        docker("run", "-d", "--name", "fb-same", "-v", "fb-data:/data", "-v", FOLDER + ":/folder",
               "-v", FILE + ":/file", "--restart", "unless-stopped", "fb-test/small", "sh", "-c", ALIVE)
        docker("run", "-d", "--name", "fb-other", "-e", "TURN=early", "fb-test/small", "sh", "-c", ALIVE)
        docker("run", "-d", "--name", "fb-gone", "fb-test/small", "sh", "-c", ALIVE)

    def spoil(self):
        """What the restore finds; as `OLD` says."""
        docker("rm", "-f", "fb-other", "fb-gone", check=False)
        docker("run", "-d", "--name", "fb-other", "-e", "TURN=late", "fb-test/small", "sh", "-c", ALIVE)
        self.mark("late")
        os.unlink(MADE)
        self.assertEqual(self.OLD, self.words())
        self.inode = os.stat(LARGE).st_ino

    def tearDown(self):
        if not self._outcome.success or os.environ.get("FB_KEEP"):
            print(self.service.log())
        self.proxy.close()
        self.service.remove()

    def step_in(self, method, path):
        """Count the calls that change something, from the stop on; kill at the wanted one."""
        if method not in ("POST", "DELETE") or self.at is None:
            return None
        if method == "POST" and not path.split("?")[0].endswith(STEPS):
            return None
        if "lender" in path or self.dead.is_set():
            return None
        self.calls += 1
        if self.calls != self.at:
            return None
        if self.how == "refused":
            self.dead.set()
            self.hits += 1
            return FAILURE
        self.kill()
        return None

    def kill(self):
        self.struck = True
        if self.how == "after":  # the engine has the call and carries it out
            threading.Timer(0.03, self.kill_now).start()
        else:
            self.kill_now()

    def kill_now(self):
        if self.how == "lender":
            self.victims = lender_pids()
        if self.how == "engine":
            with open(ENGINE + "/again", "w", encoding="ascii"), open(ENGINE + "/dockerd.pid", encoding="ascii") as pid:
                self.victims = [int(pid.read())]
        self.hits += bool(self.victims)
        kill(*self.victims)
        self.dead.set()

    def everything_runs(self):
        return set(self.words()) in (set(self.OLD), set(self.NEW))

    def check(self):
        """After the next start."""
        if self.how in ("engine", "refused"):
            docker("restart", self.service.name)  # what the engine kept is put right then
            self.service.wait_ready()
        elif self.how in ("before", "after") and self.dead.is_set():
            wait_until("the engine has noticed", lambda: inspect("fuel-backup")["State"]["Pid"] not in self.victims)
        if not inspect("fuel-backup")["State"]["Running"]:
            self.service.again()
        if self.how == "engine" and not self.everything_runs() and "already exists" in self.service.log():
            print("  the engine will not start what it was stopping until it is started anew", flush=True)
            self.kill_now()
            self.wait_engine()
            docker("restart", self.service.name)
            self.service.wait_ready()
        if os.environ.get("FB_KEEP"):
            print(self.service.log()[-1500:])
            print(run("sh", "-c", "docker ps -aq | xargs docker inspect -f '{{.Name}} {{.Created}} {{.State.Status}} {{.Config.Labels}} {{.Config.Cmd}}'"))
        wait_until("everything runs", self.everything_runs, 60)
        words = self.words()
        self.assertIn(words, (self.OLD, self.NEW))
        self.assertEqual("unless-stopped", inspect("fb-same")["HostConfig"]["RestartPolicy"]["Name"])
        names = sorted(docker("ps", "-a", "--format", "{{.Names}}").split())
        expected = ["fb-other", "fb-same", "fuel-backup"] + (["fb-gone"] if words == self.NEW else [])
        self.assertEqual(sorted(expected), names)
        left = run("find", os.path.dirname(stack.volume_path("fb-data")), stack.WORK + "/host", "-name", ".fuel-backup-*")
        self.assertEqual("", left)
        self.assertEqual([], glob.glob(STORE + "/run/*"))
        self.assertEqual(self.inode, os.stat(LARGE).st_ino)
        return words == self.NEW

    def wait_engine(self):
        """It is back, and with it the way to the service's port."""
        def back():
            try:
                return self.service.api("GET", "/health").json["status"] == "ok"
            except (OSError, http.client.HTTPException):
                return False
        wait_until("the engine is back, and the service knows", back, 90, 0.2)

    def restore_killed(self, at=None, phase=None, delay=0.0, lender=False):
        """Start a restore and kill at a call, or some time into a phase; True if a kill fell into it."""
        self.calls, self.at, self.struck = 0, None, False
        self.dead.clear()
        self.victims = [self.service.pid()]
        location = self.service.start_operation(f"/backups/{self.backup}/restore")
        self.at = at
        if phase:
            self.service.wait_phase(location, phase)
            time.sleep(delay)
            if lender:
                self.victims = lender_pids()
            self.kill()
        else:
            wait_until("the call, or the end", lambda: self.dead.is_set() or self.ended(location), 60, 0.02)
            if self.struck:
                wait_until("the kill", self.dead.is_set)
        self.at = None
        if self.how == "engine" and self.struck:
            self.wait_engine()
        if lender or self.how not in ("before", "after"):
            self.service.wait_operation(location)
        return self.dead.is_set()

    def ended(self, location):
        try:
            return self.service.api("GET", location).json["ended_at"]
        except (OSError, http.client.HTTPException):
            return False

    def faults_at_each_call(self, how):
        """Until a restore makes fewer calls; how many there were."""
        point, results, self.how, self.hits = 1, [], how, 0
        while self.restore_killed(at=point):
            results.append("new" if self.check() else "old")
            self.spoil() if results[-1] == "new" else None
            point += 1
        self.assertTrue(self.check())
        self.spoil()
        print(f"  {how}: {self.hits} points: {' '.join(results)}", flush=True)
        self.assertGreater(point, 10)
        return self.hits

    def test_killed_at_each_call(self):
        self.faults_at_each_call("before")

    @unittest.skipUnless(os.environ.get("FB_LONG"), "minutes; with FB_LONG=1")
    def test_faults_at_each_call(self):
        """At each call: it fails; the service dies before the engine has it, and once it has; the lender dies; the
        engine dies.  Those in the midst of each phase come besides."""
        points = sum(self.faults_at_each_call(how) for how in ("refused", "before", "after", "lender", "engine"))
        print(f"  {points} points of fault")
        self.assertGreaterEqual(points, 100)

    def test_killed_in_each_phase(self):
        results = []
        for phase in ("lend", "stop", "create", "extract", "swap", "start", "finish"):
            for delay in (0, 0.02, 0.08):
                with self.subTest(phase=phase, delay=delay):
                    self.restore_killed(phase=phase, delay=delay)
                    results.append(f"{phase}:{'new' if self.check() else 'old'}")
                    if results[-1].endswith("new"):
                        self.spoil()
        print("  " + " ".join(results))

    def test_lender_killed(self):
        for phase in ("stop", "extract", "start"):
            with self.subTest(phase=phase):
                self.restore_killed(phase=phase, lender=True)
                if self.check():
                    self.spoil()

    def test_a_container_that_cannot_be_started(self):
        """It takes a port that a process of the host has by then: all is put back, and the reason told."""
        docker("run", "-d", "--name", "fb-ports", "-p", "127.0.0.1:18099:1", "fb-test/small", "sh", "-c", ALIVE)
        backup = self.service.backup({"containers": {"names": ["fb-ports", "fb-same"]}})["id"]
        docker("rm", "-f", "fb-ports")
        with self.service.port_taken_late(18099):
            operation = self.service.wait_operation(self.service.start_operation(f"/backups/{backup}/restore"))
            self.assertEqual("failed", operation["state"])
            self.assertIn("fb-ports", operation["error"]["detail"])
            self.assertIn("all was put back", operation["error"]["detail"])
        self.assertFalse(self.check())

    def test_the_last_container_ends_soon_after_its_start(self):
        """With what is restored it ends a second later: it is watched as long as those started before it."""
        names = [f"fb-stays{i}" for i in range(4)] + ["fb-z-ends"]
        for name in names:
            docker("run", "-d", "--name", name, "fb-test/small", "sh", "-c",
                   f"test -e /ends && sleep 1 && echo told to end && exit 3; {ALIVE}")
        try:
            docker("exec", "fb-z-ends", "touch", "/ends")
            backup = self.service.backup({"containers": {"names": names}})["id"]
            for name in names:
                docker("exec", name, "sh", "-c", "rm -f /ends; echo new >/new")
            operation = self.service.wait_operation(self.service.start_operation(f"/backups/{backup}/restore"))
            self.assertEqual("failed", operation["state"], operation)
            for told in ("fb-z-ends ended right after its start", "told to end", "all was put back"):
                self.assertIn(told, operation["error"]["detail"])
            for name in names:
                self.assertTrue(inspect(name)["State"]["Running"])
                self.assertEqual("new", docker("exec", name, "cat", "/new").strip())
        finally:
            docker("rm", "-f", *names)


if __name__ == "__main__":
    unittest.main()
