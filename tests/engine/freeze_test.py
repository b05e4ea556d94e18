#!/usr/bin/env python3
"""Goal: a freeze ends within its time whoever dies in it, with either freezer; hooks run around it;
what changed meanwhile, and nothing else, is copied in it.
"""

import io
import json
import os
import random
import shutil
import subprocess
import tarfile
import threading
import time
import unittest

import stack
from engine_proxy import EngineProxy
from fuelbackup import Failed, Service, docker, inspect, kill, lender_pids, run, wait_until

STORE = os.path.join(stack.WORK, "store")
SOCKET = os.path.join(stack.WORK, "proxy", "docker.sock")
NAMES = ("fb-one", "fb-two", "fb-three")
FREEZERS = ("docker", "cgroup")


def cgroup_file(name):
    """The file that tells what the kernel says of a container's freezer."""
    identity = inspect(name)["Id"]
    for base, file in (("/sys/fs/cgroup/freezer", "freezer.state"), ("/sys/fs/cgroup", "cgroup.events")):
        found = run("find", base, "-type", "d", "-name", f"*{identity}*", check=False).split()
        if found:
            return f"{found[0]}/{file}"
    raise Failed(f"no cgroup of {name}")


def is_frozen(file):
    with open(file, encoding="ascii") as state:
        text = state.read()
    return text.startswith("FROZEN") or "frozen 1" in text


def thawed():
    return all(inspect(name)["State"]["Status"] == "running" and not is_frozen(cgroup_file(name))
               for name in NAMES)


class FreezeTest(unittest.TestCase):
    """Three containers that write all the time, one of them with a health check."""

    @classmethod
    def setUpClass(cls):
        cls.tearDownClass()
        os.makedirs(stack.WORK)
        docker("volume", "create", "fb-data")
        with open(stack.volume_path("fb-data") + "/steady", "wb") as out:
            out.write(random.Random(5).randbytes(32 << 20))
        for name in NAMES:
            cls.run_container(name)

    @staticmethod
    def run_container(name, *options):
        docker("rm", "-f", name, check=False)
        docker("run", "-d", "--name", name, "-v", "fb-data:/data", "--health-cmd", "true",
               "--health-interval", "1s", "--stop-signal", "TERM", *options, "fb-test/small", "sh", "-c",
               f"trap 'exit 0' TERM; while :; do date +%N >/data/{name}; sleep 0.05; done")

    @classmethod
    def tearDownClass(cls):
        names = docker("ps", "-aq", "--filter", "name=^/f").split()
        if names:
            docker("rm", "-f", "-v", *names)
        docker("volume", "rm", "fb-data", check=False)
        for mount in ("old", "cow"):
            run("umount", f"{stack.WORK}/{mount}", check=False)
        shutil.rmtree(stack.WORK, ignore_errors=True)

    def setUp(self):
        self.service, self.proxy, self.cut = None, None, False

    def tearDown(self):
        if self.service and (not self._outcome.success or os.environ.get("FB_KEEP")):
            print(self.service.log())
        if self.proxy:
            self.proxy.close()
        if self.service:
            self.service.remove()
        shutil.rmtree(STORE, ignore_errors=True)
        wait_until("no lender left", lambda: not docker("ps", "-aq", "--filter", "name=lender").split(), 15)

    def serve(self, freezer="docker", on_request=None, store=STORE, **environment):
        """A service, whose engine is behind a proxy if somebody wants to step in."""
        if on_request:
            self.proxy = EngineProxy(SOCKET, on_request=on_request)
            self.proxy.open()
        if self.service:
            self.service.remove()
        self.service = Service(store, socket=SOCKET if on_request else None, environment={
            "FUEL_BACKUP_FREEZER": freezer,
            **{"FUEL_BACKUP_" + key: value for key, value in environment.items()}})
        self.service.start()

    # ---- whoever dies ----

    def kill_at(self, freezer, request, number, victims):
        """Kill when the number-th call like that comes; the seconds until all runs again."""
        lock, calls, dead, known = threading.Lock(), [], threading.Event(), threading.Event()
        pids = []

        def step_in(method, path):
            if method != "POST" or not path.endswith(request):
                return
            with lock:
                calls.append(path)
                if dead.is_set() and self.cut:
                    raise OSError("nobody is left who asked for it")
                if len(calls) != number or dead.is_set():
                    return
                if not known.wait(10):
                    return
                kill(*pids)
                dead.set()
                self.cut = victims == "both"
                if self.cut:
                    raise OSError("nobody is left who asked for it")

        self.serve(freezer, step_in)
        location = self.service.start_operation("/backups")
        guard = wait_until("a lender", lender_pids)
        pids += {"service": [self.service.pid()], "lender": guard,
                 "both": [self.service.pid(), *guard]}[victims]
        known.set()
        self.assertTrue(dead.wait(60), f"no {request} came: {calls}")
        return location

    def thawed_after(self, request, number, victims):
        location = self.kill_at("docker", request, number, victims)
        begin = time.monotonic()
        wait_until("all thawed", thawed, 10, 0.01)  # by the guard: the service comes back only after that
        print(f"  {victims} killed at {request} {number}: thawed after {1000 * (time.monotonic() - begin):.0f} ms")
        if victims == "service":
            self.service.again()
        self.assertNotIn(self.service.wait_operation(location)["state"], ("running", "queued"))
        self.service.backup()
        self.assertTrue(thawed())

    def test_killed_in_each_step(self):
        for request, number in (("/pause", 1), ("/pause", 3), ("/unpause", 1), ("/unpause", 3)):
            for victims in ("service", "lender") if number == 3 else ("service",):
                with self.subTest(request=request, number=number, victims=victims):
                    try:
                        self.thawed_after(request, number, victims)
                    finally:
                        self.tearDown()

    def test_both_killed(self):
        self.kill_at("docker", "/unpause", 1, "both")
        time.sleep(0.5)
        self.assertFalse(thawed(), "it was not killed in the freeze")
        self.cut = False
        self.service.again()
        self.assertTrue(thawed())
        self.service.backup()

    # The engine is asked nothing in a freeze by cgroups, so there time is made by what is copied: a
    # large file, which is new with each write.

    def frozen_by_cgroup(self, action):
        """Call action(pids of the service and its lenders) while a backup by cgroups is frozen; its
        result, and the operation."""
        big, stop = stack.volume_path("fb-data") + "/big", threading.Event()
        noise = random.Random(9).randbytes(64 << 20)

        def write():
            while not stop.is_set():
                with open(big, "wb") as out:
                    for i in range(8):
                        out.write(b"%d" % (time.monotonic_ns() + i))
                        out.write(noise)

        writer = threading.Thread(target=write)
        self.serve("cgroup")
        file = cgroup_file("fb-one")
        writer.start()
        try:
            for _ in range(10):  # a freeze may pass before this thread has its turn
                location = self.service.start_operation("/backups")
                pids = [self.service.pid(), *wait_until("a lender", lender_pids)]
                while not is_frozen(file) and not self.service.api("GET", location).json["ended_at"]:
                    end = time.monotonic() + 0.2
                    while not is_frozen(file) and time.monotonic() < end:
                        pass
                if is_frozen(file):
                    return action(pids), location
                self.service.wait_operation(location)
            raise Failed("no freeze was seen")
        finally:
            stop.set()
            writer.join()
            os.unlink(big)

    def test_killed_in_a_freeze_by_cgroup(self):
        file = cgroup_file("fb-one")

        def end_service(pids):
            kill(pids[0])
            begin = time.monotonic()
            wait_until("thawed", lambda: not is_frozen(file), 10, 0.001)
            return time.monotonic() - begin

        took, _ = self.frozen_by_cgroup(end_service)
        print(f"  service killed: thawed after {1000 * took:.0f} ms")
        self.service.again()
        self.service.backup()

    def test_both_killed_in_a_freeze_by_cgroup(self):
        """The engine starts the guard again, which knows from the journal what it held."""
        file = cgroup_file("fb-one")

        def end_both(pids):
            kill(*reversed(pids))
            begin = time.monotonic()
            wait_until("thawed", lambda: not is_frozen(file), 10, 0.01)
            return time.monotonic() - begin

        took, _ = self.frozen_by_cgroup(end_both)
        print(f"  both killed: thawed after {1000 * took:.0f} ms")
        self.service.again()
        self.assertTrue(thawed())
        self.service.backup()

    def test_engine_killed_and_started_again(self):
        """With live-restore the containers stay, paused as they are; nobody but us knows why."""
        home = os.path.dirname(os.environ["DOCKER_HOST"].removeprefix("unix://"))
        killed = threading.Event()

        def step_in(_, path):
            if path.endswith("/unpause") and not killed.is_set():
                killed.set()
                with open(home + "/again", "w", encoding="ascii"):
                    pass
                with open(home + "/dockerd.pid", encoding="ascii") as pid:
                    kill(int(pid.read()))

        self.serve("docker", step_in)
        location = self.service.start_operation("/backups")
        self.assertTrue(killed.wait(60))
        wait_until("the engine is back", lambda: docker("version", "-f", "{{.Server.Version}}", check=False).strip(), 60)
        begin = time.monotonic()
        wait_until("all thawed", thawed, 10, 0.02)
        print(f"  thawed {1000 * (time.monotonic() - begin):.0f} ms after the engine was back")
        self.assertIn(self.service.wait_operation(location)["state"], ("succeeded", "failed"))
        self.service.backup()

    # ---- whatever happens meanwhile ----

    def test_time_is_up(self):
        """Each pause takes longer than a freeze may: thawed, tried again, given up; never longer."""
        slow = threading.Event()
        slow.set()

        def step_in(_, path):
            if path.endswith("/pause") and slow.is_set():
                time.sleep(0.8)

        self.serve("docker", step_in, MAX_FREEZE_MS="300")
        operation = self.service.wait_operation(self.service.start_operation("/backups"))
        self.assertEqual(("failed", "urn:fuel-backup:timeout"),
                         (operation["state"], operation["error"]["type"]))
        wait_until("all thawed", thawed, 2)
        slow.clear()
        backup = self.service.backup()
        self.assertLess(backup["freeze_ms"], 300)

    def test_one_freeze_is_given_up(self):
        """Only the first is too slow: the backup goes on with another."""
        first = threading.Event()

        def step_in(_, path):
            if path.endswith("/pause") and not first.is_set():
                time.sleep(1)
                first.set()

        self.serve("docker", step_in, MAX_FREEZE_MS="500")
        backup = self.service.backup()
        self.assertLess(backup["freeze_ms"], 500)
        self.assertTrue(thawed())

    def test_owner_pauses_in_the_middle(self):
        for freezer in FREEZERS:
            with self.subTest(freezer=freezer):
                done = threading.Event()

                def step_in(_, path, done=done):
                    # The last thing that is asked before either freeze.
                    if path.endswith("/_ping") and not done.is_set():
                        done.set()
                        docker("pause", "fb-two")

                self.serve(freezer, step_in)
                if freezer == "cgroup":
                    docker("pause", "fb-two")
                operation = self.service.wait_operation(self.service.start_operation("/backups"))
                self.assertIn(operation["state"], ("succeeded", "failed"))
                self.assertEqual("paused", inspect("fb-two")["State"]["Status"])
                self.assertTrue(is_frozen(cgroup_file("fb-two")))
                docker("unpause", "fb-two")
                self.assertTrue(thawed())
                self.tearDown()

    def test_container_ends_in_the_middle(self):
        """It exits, or is removed, when the freeze begins."""
        for command in (("stop", "-t", "1"), ("restart", "-t", "1"), ("rm", "-f")):
            with self.subTest(command=command[0]):
                done = threading.Event()

                def step_in(_, path, done=done, command=command):
                    if path.endswith("/_ping") and not done.is_set():
                        done.set()
                        docker(*command, "fb-three")

                self.serve("docker", step_in)
                operation = self.service.wait_operation(self.service.start_operation("/backups"))
                if operation["state"] == "failed":
                    self.assertEqual("urn:fuel-backup:changed", operation["error"]["type"], operation)
                self.run_container("fb-three")
                wait_until("all run", thawed)
                self.tearDown()

    def test_stop_and_exec_while_frozen_by_cgroup(self):
        """The engine does not know.  A stop waits and then ends the container as it should; an exec
        is refused by the runtime (126), or waits; after the thaw both work and nothing is unhealthy."""
        def exec_now(_):
            return subprocess.run(["docker", "exec", "fb-one", "echo", "said"], capture_output=True,
                                  check=False)

        def stop_now(_):
            return subprocess.Popen(["docker", "stop", "-t", "20", "fb-one"], stdout=subprocess.DEVNULL)

        done, location = self.frozen_by_cgroup(exec_now)
        self.assertIn((done.returncode, done.stdout), ((0, b"said\n"), (126, b""), (126, done.stdout)))
        self.assertEqual("succeeded", self.service.wait_operation(location)["state"])
        self.assertEqual("said\n", docker("exec", "fb-one", "echo", "said"))
        self.assertEqual("healthy", inspect("fb-one")["State"]["Health"]["Status"])
        client, location = self.frozen_by_cgroup(stop_now)
        self.assertIn(self.service.wait_operation(location)["state"], ("succeeded", "failed"))
        self.assertEqual(0, client.wait(30))
        self.assertEqual(("exited", 0), (inspect("fb-one")["State"]["Status"],
                                         inspect("fb-one")["State"]["ExitCode"]))
        docker("start", "fb-one")

    # ---- both freezers ----

    def test_windows_side_by_side(self):
        wait_until("healthy", lambda: inspect("fb-one")["State"]["Health"]["Status"] == "healthy")
        windows = {}
        for freezer in (*FREEZERS, "auto"):
            self.serve(freezer)
            for _ in range(3):
                backup = self.service.backup()
                windows.setdefault(freezer, []).append(backup["freeze_ms"])
                self.assertEqual(freezer, backup["freeze"]["freezer"])
                self.assertEqual({"cgroup" if freezer == "auto" else freezer},
                                 {c["freezer"] for c in backup["containers"] if c["name"] in NAMES})
                self.assertEqual({name: True for name in NAMES},
                                 {c["name"]: c["freeze_ms"] is not None for c in backup["containers"]})
                if freezer != "docker":
                    wait_until("healthy again", lambda: inspect("fb-one")["State"]["Health"]["Status"] == "healthy",
                               10 if len(windows[freezer]) == 1 else 0)
                    self.assertEqual("healthy", inspect("fb-one")["State"]["Health"]["Status"])
            plan = self.service.api("GET", "/plan").json["freeze"]
            self.assertEqual({"predicted_ms": sorted(windows[freezer])[1], "from": "backups"}, plan)
        print(f"  freeze windows of 3 containers: {windows}")
        self.assertLess(min(windows["cgroup"]), min(windows["docker"]))

    def test_prediction_before_any_backup(self):
        self.serve()
        plan = self.service.api("GET", "/plan").json["freeze"]
        self.assertEqual("estimate", plan["from"])
        self.assertTrue(20 <= plan["predicted_ms"] <= 1000, plan)

    # ---- hooks ----

    def archive_text(self, backup, path):
        """One file of a backup."""
        plain = run("curl", "-fsS", "-H", f"Authorization: Bearer {self.service.token}",
                    f"http://127.0.0.1:{self.service.port}/backups/{backup}/archive?format=tar")
        with tarfile.open(fileobj=io.BytesIO(plain.encode("utf-8", "surrogateescape"))) as archive:
            return archive.extractfile(path).read().decode()

    def hooked(self, *labels):
        options = [word for label in labels for word in ("--label", "fuel-backup." + label)]
        self.run_container("fb-three", *options)

    def tearDownHooks(self):
        self.run_container("fb-three")

    def test_hooks(self):
        self.addCleanup(self.tearDownHooks)
        self.hooked("before-freeze=echo dumped >/data/dump; echo to stdout; echo to stderr >&2",
                    'after-thaw=["rm", "/data/dump"]')
        self.serve()
        backup = self.service.backup()
        before, after = backup["hooks"]
        self.assertEqual(("before-freeze", 0, None), (before["when"], before["exit_code"], before["error"]))
        self.assertEqual(["to stderr", "to stdout"], sorted(before["output"].split("\n"))[1:])
        self.assertEqual(("after-thaw", 0, ["rm", "/data/dump"]),
                         (after["when"], after["exit_code"], after["command"]))
        self.assertEqual("dumped\n", self.archive_text(backup["id"], "volumes/fb-data/dump"))
        self.assertFalse(os.path.exists(stack.volume_path("fb-data") + "/dump"))

    def test_failing_hooks(self):
        self.addCleanup(self.tearDownHooks)
        self.serve()
        mark = stack.volume_path("fb-data") + "/after"
        for label, text in (("before-freeze=echo no dump today; exit 3", "no dump today"),
                            ("before-freeze=sleep 30", "did not end"), ('before-freeze=["/gone"]', "")):
            self.hooked(label, "hook-timeout=1", "after-thaw=touch /data/after")
            operation = self.service.wait_operation(self.service.start_operation("/backups"))
            self.assertEqual(("failed", "urn:fuel-backup:hook"),
                             (operation["state"], operation["error"]["type"]), label)
            self.assertIn(text, operation["error"]["detail"])
            self.assertIn("fb-three", operation["error"]["detail"])
            record = self.service.api("GET", "/backups/" + operation["backup"]).json
            self.assertIsNone(record["freeze_ms"])
            self.assertTrue(os.path.exists(mark), "the hook for after the thaw was owed")
            os.unlink(mark)
        self.hooked("before-freeze=exit 3", "hook-failure=ignore")
        self.assertEqual(3, self.service.backup()["hooks"][0]["exit_code"])
        self.hooked("before-freeze=[1]")
        operation = self.service.wait_operation(self.service.start_operation("/backups"))
        self.assertEqual("urn:fuel-backup:invalid", operation["error"]["type"])

    def test_killed_between_the_hooks(self):
        """The next start runs what was owed."""
        self.addCleanup(self.tearDownHooks)
        self.hooked("before-freeze=touch /data/held; sleep 2", "after-thaw=rm /data/held")
        self.serve()
        held = stack.volume_path("fb-data") + "/held"
        self.service.start_operation("/backups")
        wait_until("the hook runs", lambda: os.path.exists(held))
        kill(self.service.pid())
        time.sleep(0.5)
        self.assertTrue(os.path.exists(held))
        self.service.again()
        wait_until("the hook for after the thaw", lambda: not os.path.exists(held), 5)

    # ---- what is copied ----

    def test_silent_change_is_found(self):
        """The bytes of a file change on the disk below its file system: no stat tells.  Each segment
        has its turn to be read again, and then is stored anew."""
        image, mount = stack.WORK + "/disk", stack.WORK + "/old"
        os.makedirs(mount, exist_ok=True)
        run("truncate", "-s", "64M", image)
        run("mkfs.ext4", "-q", image)
        run("mount", "-o", "loop", image, mount)
        with open(mount + "/large", "wb") as out:
            out.write(b"what it was before " * 20000)
        with open(mount + "/small", "wb") as out:
            out.write(b"what it was before")
        os.utime(mount + "/small", (0, 0))
        time.sleep(0.1)
        self.serve(REREAD="1/1")
        plan = {"containers": {"names": ["none"]}, "host_paths": [mount]}
        self.assertEqual(0, self.service.backup(plan)["freeze"]["healed_segments"])
        record = self.service.backup(plan)
        self.assertEqual(0, record["freeze"]["healed_segments"])
        self.assertGreater(record["freeze"]["reread_segments"], 1)

        run("umount", mount)
        with open(image, "r+b") as disk:
            data = disk.read()
            disk.seek(0)
            disk.write(data.replace(b"it was before", b"has got rotten"[:13]))
        run("mount", "-o", "loop", image, mount)
        record = self.service.backup(plan)
        self.assertGreaterEqual(record["freeze"]["healed_segments"], 2)
        self.assertIn(f"host{mount}/large did not hold what earlier backups have for it",
                      " ".join(record["warnings"]))
        self.assertEqual("what has got rotte", self.archive_text(record["id"], f"host{mount}/small"))
        self.assertEqual(0, self.service.backup(plan)["freeze"]["healed_segments"])
        run("umount", mount)

    def test_reflink(self):
        """Source and store on one file system that shares blocks: a file that changed is not read
        while the containers stand still."""
        image, mount = stack.WORK + "/shared", stack.WORK + "/cow"
        os.makedirs(mount, exist_ok=True)
        run("truncate", "-s", "1G", image)
        run("mkfs.xfs", "-q", "-f", "-m", "reflink=1", image)
        run("mount", "-o", "loop", image, mount)
        os.makedirs(mount + "/source")
        try:
            docker("run", "-d", "--name", "fb-cow", "-v", f"{mount}/source:/data", "fb-test/small", "sh", "-c",
                   "dd if=/dev/zero of=/data/base bs=1M count=48 2>/dev/null; while :; do "
                   "cat /data/base /proc/uptime /data/base >/data/large; done")
            wait_until("the file", lambda: os.path.exists(mount + "/source/large"))
            self.serve(store=mount + "/store")
            record = self.service.backup({"containers": {"names": ["fb-cow"]}})
            frozen = record["passes"][-1]
            print(f"  frozen pass: {frozen}, {record['freeze_ms']} ms")
            self.assertGreater(frozen["files_read"], 0)
            self.assertLess(frozen["bytes_read"], 1 << 20)
            self.service.operate(f"/backups/{record['id']}/verify")
        finally:
            docker("rm", "-f", "fb-cow", check=False)
            self.service.remove()
            run("umount", mount)

    def test_large_file_costs_what_changed(self):
        """A few pages of a large file are written all the time: they alone are copied."""
        docker("run", "-d", "--name", "fb-pages", "-v", "fb-data:/data", "fb-test/small", "sh", "-c",
               "dd if=/dev/urandom of=/data/big.db bs=1M count=96 2>/dev/null; while :; do "
               "dd if=/dev/urandom of=/data/big.db bs=16k count=1 seek=$((1$(date +%S) * 37)) "
               "conv=notrunc 2>/dev/null; sleep 0.01; done")
        self.addCleanup(os.unlink, stack.volume_path("fb-data") + "/big.db")
        self.addCleanup(docker, "rm", "-f", "fb-pages")
        path = stack.volume_path("fb-data") + "/big.db"
        wait_until("the file", lambda: os.path.exists(path) and os.path.getsize(path) >= 96 << 20)
        self.serve()
        for _ in range(2):
            record = self.service.backup()
            frozen = record["passes"][-1]
            print(f"  frozen pass: {json.dumps(frozen)}, {record['freeze_ms']} ms")
            self.assertGreater(frozen["bytes_read"], 96 << 20)
            self.assertLess(frozen["copied_bytes"], 8 << 20)
            self.service.operate(f"/backups/{record['id']}/verify")

    def test_large_file_that_no_live_pass_has_read(self):
        """It changes in the moment of the pause, after all live passes: it is read while all runs, not in the freeze."""
        docker("run", "-d", "--name", "fb-late", "-v", "fb-data:/data", "fb-test/small", "sh", "-c",
               "dd if=/dev/urandom of=/data/late bs=1M count=300 2>/dev/null; touch /data/done; sleep infinity")
        path = stack.volume_path("fb-data") + "/late"
        self.addCleanup(run, "sh", "-c", f"rm -f {path} {os.path.dirname(path)}/done")
        self.addCleanup(docker, "rm", "-f", "fb-late")
        wait_until("the file", lambda: os.path.exists(os.path.dirname(path) + "/done"), 60)
        pauses = []

        def change(method, request):
            if method == "POST" and request.endswith("/pause"):
                pauses.append(request)
                if len(pauses) == armed:
                    with open(path, "r+b") as out:
                        out.seek(77 << 20)
                        out.write(b"late" * 4096)

        armed = 0
        plan = {"containers": {"names": ["fb-late"]}}
        self.serve(on_request=change)
        self.service.backup(plan)
        pauses.clear()
        armed = 1
        record = self.service.backup(plan)
        print(f"  passes: {record['passes']}, {record['freeze_ms']} ms")
        *_, given_up, live, frozen = record["passes"]
        self.assertEqual([one["kind"] for one in (given_up, live, frozen)], ["frozen", "live", "frozen"])
        self.assertTrue(given_up["given_up"])
        self.assertLess(given_up["copied_bytes"], 1 << 20)
        self.assertLess(frozen["copied_bytes"], 1 << 20, "what the live pass read is known")
        got = self.service.api("GET", f"/backups/{record['id']}/files/volumes/fb-data/late").body
        with open(path, "rb") as file:
            self.assertEqual(got, file.read())

    def test_live_passes_can_be_held_back(self):
        self.serve(LIVE_MIB_S="16")
        begin = time.monotonic()
        self.service.backup()
        self.assertGreater(time.monotonic() - begin, 2, "32 MiB at 16 MiB/s")


if __name__ == "__main__":
    unittest.main()
