# Goal: GET /health is true: ok only if a backup could begin now, and told at once whatever hangs.
"""Health: what is missing, in words, and how fast it is told."""

import contextlib
import http.client
import json
import os
import shutil
import signal
import subprocess
import tempfile
import threading
import time
import unittest

from case import ServiceCase
from fake_engine import FakeEngine
from service import Service, wait_until




class HealthCase(ServiceCase):
    def health(self, status=200):
        reply = self.api("GET", "/health", token=None)
        self.assertEqual(reply.status, status, reply)
        told = reply.json
        self.assertEqual(told["status"], "ok" if status == 200 else "degraded")
        self.assertEqual(told["missing"] == [], status == 200)
        return told

    def missing(self, *texts):
        """Until something is missing that these texts tell; whatever it is, a backup is refused, too."""
        told = wait_until(f"{texts} is missing", lambda: next(
            (told for told in [self.api("GET", "/health", token=None).json]
             if all(text in " ".join(told["missing"]) for text in texts)), None), 10)
        self.assertEqual(told["status"], "degraded")
        self.health(503)
        return told

    def well(self):
        wait_until("it is well", lambda: self.api("GET", "/health", token=None).status == 200, 10)
        self.service.operate("/backups")

    def test_well(self):
        wait_until("it has looked", lambda: self.health()["checked_at"])
        time.sleep(0.5)
        self.assertLess(self.health()["age_ms"], 1500)
        self.assertEqual(self.api("HEAD", "/health", token=None).status, 200)

    def test_no_engine(self):
        self.engine.close()
        told = self.missing(self.engine.path)
        self.assertIs(told["engine"]["reachable"], False)
        self.problem(self.api("POST", "/backups"), 503, "engine-unreachable")
        self.engine.open()
        self.well()

    def test_engine_that_hangs(self):
        """Asked by many at once, and no second goes by."""
        time.sleep(0.5)
        self.engine.stall("/version")
        self.addCleanup(self.engine.release)
        slow, faults = [], []

        def ask():
            for _ in range(5):
                since = time.monotonic()
                try:
                    self.api("GET", "/health", token=None)
                except (OSError, AssertionError) as fault:
                    faults.append(repr(fault))
                slow.append(time.monotonic() - since)
        clients = [threading.Thread(target=ask) for _ in range(40)]
        for client in clients:
            client.start()
        for client in clients:
            client.join()
        self.assertEqual(faults, [])
        slow.sort()
        self.assertLess(slow[len(slow) // 2], 2)
        self.assertLess(slow[-1], 15)  # of a loaded machine; the engine's own limit is 120 s
        told = self.missing("has not answered")
        self.assertIs(told["engine"]["reachable"], False)
        self.engine.release()
        self.well()

    def test_end_while_the_engine_hangs(self):
        """Who waits for the engine does not hold up the end."""
        for call in ("/version", "/containers/json", "/info", "/events"):
            self.engine.stall(call)
        self.addCleanup(self.engine.release)
        clients = [threading.Thread(target=lambda p=path: self.ask_and_forget(p))
                   for path in ("/plan", "/plan", "/health")]
        for client in clients:
            client.start()
        time.sleep(1)
        since = time.monotonic()
        self.assertEqual(self.service.end(), 0)
        self.assertLess(time.monotonic() - since, 10)
        self.engine.release()
        for client in clients:
            client.join()
        self.service.start()

    def ask_and_forget(self, path):
        try:
            self.api("GET", path)
        except (OSError, http.client.HTTPException):
            pass

    def test_plan_file(self):
        plan = self.service.environment["FUEL_BACKUP_PLAN"]
        with open(plan, "rb") as source:
            before = source.read()
        for text in (b"{", b'{"hostpaths": []}'):
            with open(plan, "wb") as out:
                out.write(text)
            self.missing(plan)
            self.assertGreaterEqual(self.api("POST", "/backups").status, 400)
        with open(plan, "wb") as out:
            out.write(before)
        self.well()

    def test_store_moved_away(self):
        other = self.service.store + "-moved"
        os.rename(self.service.store, other)
        try:
            self.missing("the store's folder", self.service.store)
            os.mkdir(self.service.store)  # another one in its place
            time.sleep(0.5)
            self.missing("the store's folder")
            os.rmdir(self.service.store)
        finally:
            os.rename(other, self.service.store)
        self.well()

    def test_what_may_be_frozen_still(self):
        self.service.finish_all()
        with open(os.path.join(self.service.store, "run", "frozen.json"), "w", encoding="ascii") as out:
            out.write("[]")
        self.missing("dockerctl thaw")
        self.assertEqual(self.api("POST", "/thaw").status, 200)
        self.well()

    def test_who_lives_is_alive(self):
        """The container's health check is whether the service lives: to restart it helps nothing else."""
        def check():
            return subprocess.run([Service.binary, "healthcheck"], env=self.service.environment,
                                  capture_output=True, timeout=30, check=False)
        self.assertEqual(check().returncode, 0)
        self.engine.close()
        self.missing(self.engine.path)
        done = check()
        self.assertEqual(done.returncode, 0)
        self.assertIn(self.engine.path, json.loads(done.stdout)["missing"][0])
        self.engine.open()
        self.well()
        self.service.end(signal.SIGTERM)
        self.assertEqual(check().returncode, 1)
        self.service.start()


class SocketCase(unittest.TestCase):
    """A bound socket whose engine was started anew."""

    TRIES = 5  # it ends half a second after that, or sooner: nobody may have asked by then

    def told(self):
        """What /health says of it as long as anybody answers; the service's exit code."""
        folder = tempfile.mkdtemp(prefix="fb-socket-")
        self.addCleanup(shutil.rmtree, folder, ignore_errors=True)
        engine = FakeEngine(os.path.join(folder, "engine.sock")).open()
        self.addCleanup(engine.close)
        bound = os.path.join(folder, "bound.sock")
        with open(bound, "wb"):
            pass
        service = Service(folder, bound)
        service.wrapper = ["unshare", "--mount", "--propagation", "private", "sh", "-c",
                           'mount --bind "$0" "$1" && exec "$2"', engine.path, bound]
        self.addCleanup(service.clean_up)
        service.start()
        wait_until("it is well", lambda: not service.api("GET", "/health", token=None).json["engine"]["socket_dead"])
        engine.close()
        seen = []
        with contextlib.suppress(OSError, http.client.HTTPException):
            while True:
                seen.append(service.api("GET", "/health", token=None))
        return seen, service.process.wait(30)

    def test_it_is_told_and_the_service_ends(self):
        for _ in range(self.TRIES):
            seen, status = self.told()
            self.assertEqual(status, 75)
            dead = [reply for reply in seen if reply.json["engine"]["socket_dead"]]
            if dead:
                break
        self.assertEqual(dead[-1].status, 503)
        self.assertIn("started anew", dead[-1].json["missing"][0])
        self.assertEqual(dead[-1].json["engine"]["error"], dead[-1].json["missing"][0])


class RemoteCase(unittest.TestCase):
    """An engine that may be another host's is refused, in words."""

    def start(self, host, **environment):
        folder = tempfile.mkdtemp(prefix="fb-remote-")
        self.addCleanup(shutil.rmtree, folder, ignore_errors=True)
        return subprocess.run([Service.binary], stdin=subprocess.DEVNULL, capture_output=True, timeout=30,
                              check=False, text=True,
                              env={"FUEL_BACKUP_STORE": folder, "FUEL_BACKUP_LISTEN": "127.0.0.1:0",
                                   "DOCKER_HOST": host, **environment})

    def test_refused_at_the_start(self):
        for host, environment in (("ssh://root@host", {}), ("ssh://host:22/run/docker.sock", {}),
                                  ("tcp://10.0.0.1:2376", {"DOCKER_TLS_VERIFY": "1"}),
                                  ("tcp://10.0.0.1:2376", {"DOCKER_CERT_PATH": "/certs"}),
                                  ("https://10.0.0.1:2376", {}), ("npipe:////./pipe/docker_engine", {}),
                                  ("fd://", {}), ("tcp://", {}), ("unix://run/docker.sock", {}),
                                  ("/var/run/docker.sock", {}), ("10.0.0.1:2375", {})):
            with self.subTest(host, **environment):
                done = self.start(host, **environment)
                self.assertEqual(done.returncode, 1, done)
                self.assertIn("DOCKER_HOST", done.stderr)
                self.assertIn("unix://", done.stderr)

    def test_tcp_from_the_host_itself(self):
        """An engine answers there, and may be another host's: nothing is asked of it."""
        folder = tempfile.mkdtemp(prefix="fb-remote-")
        self.addCleanup(shutil.rmtree, folder, ignore_errors=True)
        engine = FakeEngine(os.path.join(folder, "engine.sock")).open()
        self.addCleanup(engine.close)
        done = self.start(f"tcp://127.0.0.1:{engine.listen_tcp()}")
        self.assertEqual(done.returncode, 1, done)
        self.assertIn("may be another host's", done.stderr)
        self.assertIn("unix:///var/run/docker.sock", done.stderr)
        self.assertEqual(engine.calls, [])
