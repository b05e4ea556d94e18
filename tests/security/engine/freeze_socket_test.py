#!/usr/bin/env python3
"""Goal: a service in its container thaws in time when the engine is started anew under it and leaves it on a dead
socket, when it is paused itself, and when its guard is killed meanwhile; it then ends, its restart policy
binds the new socket, and what was left is put right.  The real socket, no proxy.
"""

import os
import signal
import subprocess
import tarfile
import tempfile
import time
import unittest

import freeze_world as world
from fuelbackup import Service, docker, inspect, lender_pids, run, wait_until

LIMIT = 3.0
LATE = 1.0
IMAGE = "fuel-backup-barriers"
NAME = "fz-service"
PHASES = ("armed", "holding", "frozen", "thawing")


def make_image():
    """Of the program that the tests were given, with barriers, and its libraries."""
    needs = [word for line in run("ldd", world.DAEMON).splitlines() for word in line.split() if word.startswith("/")]
    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
        with tarfile.open(folder + "/image.tar", "w") as tar:
            for name in ("tmp", "run", "var/backup/fuel"):
                member = tarfile.TarInfo(name)
                member.type, member.mode = tarfile.DIRTYPE, 0o1777
                tar.addfile(member)
            tar.add(os.path.realpath(world.DAEMON), "fuel-backupd")
            for library in sorted(set(needs)):
                tar.add(os.path.realpath(library), library.lstrip("/"))
        run("docker", "import", "-c", 'ENTRYPOINT ["/fuel-backupd"]', "-c", 'CMD ["serve"]', "-c",
            "ENV FUEL_BACKUP_LISTEN=0.0.0.0:8088 FB_BARRIERS=/var/backup/fuel/barriers ASAN_OPTIONS=detect_leaks=0",
            folder + "/image.tar", IMAGE)


class ContainerService(Service):
    def start(self, wait=True):
        os.makedirs(self.store, mode=0o700, exist_ok=True)
        docker("run", "-d", "--name", self.name, "--restart", "unless-stopped", "-p", f"127.0.0.1:{self.port}:8088",
               "-v", f"{self.socket}:/var/run/docker.sock", "-v", f"{self.store}:/var/backup/fuel",
               "-v", f"{world.WORK}/plan.json:/plan.json:ro", "-e", "FUEL_BACKUP_PLAN=/plan.json",
               *(word for item in self.environment.items() for word in ("-e", "=".join(item))), IMAGE)
        if wait:
            self.wait_ready()
        return self


class SocketTest(unittest.TestCase):
    def setUp(self):
        world.BARRIERS = world.WORK + "/store/barriers"
        world.set_up()
        make_image()
        self.service = ContainerService(world.WORK + "/store", name=NAME, port=18198, environment={
            "FUEL_BACKUP_MAX_FREEZE_MS": str(int(1000 * LIMIT))})
        self.service.start()

    def tearDown(self):
        if not self._outcome.success:
            print(self.service.log())
        subprocess.run(["docker", "unpause", NAME], stderr=subprocess.DEVNULL, check=False)
        self.service.remove()
        lenders = docker("ps", "-aq", "--filter", "label=fuel-backup.lender=/" + NAME).split()
        if lenders:
            docker("rm", "-f", *lenders)
        world.tear_down()

    def begin(self, phase="frozen"):
        world.hold_at(phase)
        self.sampler = world.Sampler()
        location = self.service.start_operation("/backups")
        world.reached(phase)
        return location

    def judge(self, what):
        wait_until("all run", world.all_run, 90)
        longest = self.sampler.end()
        print(f"  {what}: frozen for {longest:.2f} s at most")
        self.assertLessEqual(longest, LIMIT + LATE)
        wait_until("it is served again", self.is_served, 90)
        wait_until("the journal is gone", lambda: not os.path.exists(self.service.store + "/run/frozen.json"), 60)
        self.service.backup()
        self.assertTrue(world.all_run())

    def is_served(self):
        try:
            return self.service.api("GET", "/health", token=False).status == 200
        except OSError:
            return False

    def test_engine_started_anew(self):
        """With live-restore all containers stay, the service on a socket that nobody answers on.  Without, the next engine
        ends all of them, the service too, and may forget to start them again (freeze_matrix_test)."""
        for phase in PHASES if os.environ.get("FB_LONG") else ("frozen",):
            with self.subTest(phase=phase):
                self.start_engine_anew(phase)

    def start_engine_anew(self, phase):
        before = inspect(NAME)["State"]["StartedAt"]
        location = self.begin(phase)
        begin = time.monotonic()
        world.kill_engine()
        wait_until("thawed", lambda: not self.sampler.any_now(), LIMIT + LATE, 0.01)
        print(f"  thawed {time.monotonic() - begin:.2f} s after the engine was killed in the phase {phase}")
        world.let_go()
        wait_until("the engine is back", world.engine_answers, 90)
        if not world.keeps_containers():
            time.sleep(LATE)
            docker("start", *world.NAMES, NAME)
        wait_until("it was started again", lambda: inspect(NAME)["State"]["StartedAt"] != before, 90)
        self.judge(f"engine started anew in the phase {phase}")
        self.assertIn(self.service.wait_operation(location)["state"], ("failed", "cancelled", "interrupted"))

    def test_service_is_paused(self):
        location = self.begin()
        docker("pause", NAME)
        wait_until("thawed", lambda: not self.sampler.any_now(), LIMIT + LATE, 0.01)
        docker("unpause", NAME)
        world.let_go()
        self.assertIn(self.service.wait_operation(location)["state"], ("failed", "succeeded"))
        self.judge("service paused")

    def test_guard_is_killed_while_the_service_is_paused(self):
        """The engine starts it again, and it knows from the journal what it held."""
        location = self.begin()
        docker("pause", NAME)
        for pid in lender_pids():
            os.kill(pid, signal.SIGKILL)
        begin = time.monotonic()
        wait_until("thawed", lambda: not self.sampler.any_now(), LIMIT + LATE, 0.01)
        print(f"  thawed {time.monotonic() - begin:.2f} s after the guard was killed")
        docker("unpause", NAME)
        world.let_go()
        self.assertEqual("failed", self.service.wait_operation(location)["state"])
        self.judge("service paused, guard killed")


if __name__ == "__main__":
    unittest.main()
