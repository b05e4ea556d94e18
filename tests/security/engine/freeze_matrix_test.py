#!/usr/bin/env python3
"""Goal: a freeze ends within its limit, whoever dies, is stopped, hangs or lies, in each of its phases and with
each freezer; nothing stays frozen, nothing stays down, the engine's view is right, and what was not of one
instant is no backup.

Prints a table: who, what, phase, freezer; longest time that the kernel held a container; what the
backup said.  FB_LONG=1 runs all of it; else a choice of rows.
"""

import contextlib
import os
import signal
import subprocess
import threading
import time
import unittest

import freeze_world as world
from engine_proxy import EngineProxy
from fuelbackup import docker, kill, wait_until

LIMIT = 2.0
LATE = 1.0  # the promise is the limit, and a second for who has to notice
LONG = bool(os.environ.get("FB_LONG"))
FREEZERS = ("cgroup", "docker", "auto")
PHASES = ("armed", "holding", "frozen", "thawing")
SOCKET = world.WORK + "/proxy/docker.sock"
ALONE = "engine alone"  # without live-restore
ROWS = []


def send(number, *pids):
    for pid in pids:
        if pid > 0:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)


class Row(unittest.TestCase):
    """What all rows do."""

    @classmethod
    def setUpClass(cls):
        world.set_up()

    @classmethod
    def tearDownClass(cls):
        world.tear_down()

    def setUp(self):
        self.service, self.proxy = None, None

    def tearDown(self):
        world.let_go()
        if self.service:
            if not self._outcome.success:
                print(self.service.log())
            self.service.remove()
        if self.proxy:
            self.proxy.close()
        wait_until("all run", world.all_run, 60)

    def serve(self, freezer, on_request=None, on_reply=None, limit=LIMIT):
        if self.service:
            self.service.remove()
        if self.proxy:
            self.proxy.close()
        if on_request or on_reply:
            self.proxy = EngineProxy(SOCKET, on_request=on_request, on_reply=on_reply)
            self.proxy.open()
        # auto: two by their cgroups, one by the engine, for its cgroup cannot be had
        self.service = world.HostService(
            hidden="fz-two" if freezer == "auto" else None, socket=SOCKET if self.proxy else None,
            environment={"FUEL_BACKUP_FREEZER": freezer, "FUEL_BACKUP_MAX_FREEZE_MS": str(int(1000 * limit))})
        self.service.start()

    def begin(self, phase):
        """A backup that waits in that phase."""
        wait_until("all run", world.all_run, 60)
        if phase:
            world.hold_at(phase)
        self.sampler = world.Sampler()
        location = self.service.start_operation("/backups")
        if phase:
            world.reached(phase)
        return location

    def judge(self, row, location, may_succeed, seconds=90):
        """All run, also for the engine; the time; what the backup said."""
        try:
            wait_until("all run", world.all_run, seconds)
        except Exception:
            print(world.views(), {n: world.is_frozen(f) for n, f in self.sampler.files.items()}, self.sampler.seen,
                  os.path.exists(self.service.store + "/run/frozen.json"), self.service.log())
            raise
        finally:
            longest = self.sampler.end()
        operation = self.service.wait_operation(location, 180)
        state = operation["state"]
        wait_until("the journal is gone", lambda: not os.path.exists(self.service.store + "/run/frozen.json"), 90)
        ROWS.append((*row, longest, state))
        print("  %-18s %-6s %-8s %-7s %6.2f s  %s" % ROWS[-1], flush=True)
        self.assertLessEqual(longest, LIMIT + LATE, row)
        self.assertEqual(set(world.views().values()), {"running"})
        if not may_succeed:
            self.check_no_instant(operation, row)

    def check_no_instant(self, operation, row):
        """That freeze was no instant: the backup fails, or it is taken again, or the container is left out and told."""
        if operation["state"] != "succeeded":
            self.assertIn(operation["state"], ("failed", "interrupted"), row)
            return
        record = self.service.api("GET", "/backups/" + operation["backup"]).json
        frozen = [one for one in record["passes"] if one["kind"] == "frozen"]
        again = frozen[0].get("given_up") or "trying again" in self.service.log()
        self.assertTrue(again or record["omitted"], (row, record))

    def rows(self, freezers, phases, act):
        for freezer in freezers:
            self.serve(freezer)
            for phase in phases:
                with self.subTest(freezer=freezer, phase=phase):
                    try:
                        act(freezer, phase)
                    finally:
                        world.let_go()


def chosen(quick, everything):
    return everything if LONG else quick


class ProcessesTest(Row):
    """The service, its guard, the guard's deputy."""

    def kill_and_see(self, who, victims, phase, freezer):
        location = self.begin(phase)
        guard, deputy = self.service.guards()
        pids = {"service": self.service.pid(), "guard": guard, "deputy": deputy}
        if freezer != "cgroup":
            time.sleep(0.3)  # an engine that is to unpause within milliseconds may take its own events in wrong order
        send(signal.SIGKILL, *(pids[one] for one in victims))
        if "service" in victims and {"guard", "deputy"} - set(victims):
            wait_until("thawed by who is left", lambda: not self.sampler.any_now(), LIMIT + LATE, 0.01)
        world.let_go()
        if "service" in victims:
            self.service.again()
        # In the last phase all was copied already.
        self.judge((who, "kill", phase, freezer), location, phase == "thawing" or "guard" not in victims)

    def test_service_killed(self):
        self.rows(chosen(("cgroup", "auto"), FREEZERS), chosen(("frozen",), PHASES),
                  lambda freezer, phase: self.kill_and_see("service", ("service",), phase, freezer))

    def test_guard_killed(self):
        self.rows(chosen(("cgroup",), FREEZERS), chosen(("frozen",), PHASES),
                  lambda freezer, phase: self.kill_and_see("guard", ("guard",), phase, freezer))

    def test_deputy_killed(self):
        self.rows(chosen((), FREEZERS), ("frozen",),
                  lambda freezer, phase: self.kill_and_see("deputy", ("deputy",), phase, freezer))

    def test_service_and_guard_killed(self):
        self.rows(chosen(("auto",), FREEZERS), chosen(("frozen",), PHASES),
                  lambda freezer, phase: self.kill_and_see("service+guard", ("service", "guard"), phase, freezer))

    def test_all_killed(self):
        """The next start thaws, before all else."""
        self.rows(chosen(("auto",), FREEZERS), chosen(("frozen",), PHASES),
                  lambda freezer, phase: self.kill_and_see(
                      "all three", ("service", "guard", "deputy"), phase, freezer))

    def stop_and_see(self, who, victims, phase, freezer, killed=()):
        location = self.begin(phase)
        guard, deputy = self.service.guards()
        pids = {"service": self.service.pid(), "guard": guard, "deputy": deputy}
        send(signal.SIGSTOP, *(pids[one] for one in victims))
        send(signal.SIGKILL, *(pids[one] for one in killed))
        time.sleep(LIMIT + LATE)
        frozen = self.sampler.any_now()
        send(signal.SIGCONT, *(pids[one] for one in victims))
        world.let_go()
        self.assertFalse(frozen, f"{who} stopped in {phase}: frozen {LIMIT + LATE} s later")
        # A second freeze may have succeeded, of one instant again.
        self.judge((who, "stop", phase, freezer), location, True)

    def test_service_stopped(self):
        self.rows(chosen(("docker", "auto"), FREEZERS), chosen(("frozen",), PHASES),
                  lambda freezer, phase: self.stop_and_see("service", ("service",), phase, freezer))

    def test_guard_stopped(self):
        self.rows(chosen(("cgroup",), FREEZERS), chosen(("frozen",), PHASES),
                  lambda freezer, phase: self.stop_and_see("guard", ("guard",), phase, freezer))

    def test_deputy_stopped(self):
        self.rows(chosen((), FREEZERS), ("frozen",),
                  lambda freezer, phase: self.stop_and_see("deputy", ("deputy",), phase, freezer))

    def test_service_and_guard_stopped(self):
        """The deputy acts."""
        self.rows(chosen(("auto",), FREEZERS), ("frozen",),
                  lambda freezer, phase: self.stop_and_see("service+guard", ("service", "guard"), phase, freezer))

    def test_service_stopped_guard_killed(self):
        self.rows(chosen(("cgroup",), FREEZERS), ("frozen",),
                  lambda freezer, phase: self.stop_and_see("service, guard", ("service",), phase, freezer, ("guard",)))


class EngineTest(Row):
    """The engine, with live-restore or without, and its containerd."""

    def act(self, who, what, phase, freezer):
        location = self.begin(phase)
        if what == "kill":
            world.kill_engine() if who.startswith("engine") else kill(world.containerd_pid())
            time.sleep(LIMIT + LATE)
            self.assertFalse(self.sampler.any_now(), f"{who} killed in {phase}: frozen {LIMIT + LATE} s later")
        else:
            pid = world.engine_pid() if who == "engine" else world.containerd_pid()
            send(signal.SIGSTOP, pid)
            try:
                if phase == "thawing":  # let it try
                    world.let_go()
                time.sleep(LIMIT + LATE)
                frozen = self.sampler.any_now()
            finally:
                send(signal.SIGCONT, pid)
            self.assertFalse(frozen, f"{who} stopped in {phase}: frozen {LIMIT + LATE} s later")
        world.let_go()
        wait_until("the engine is back", world.engine_answers, 90)
        if who == ALONE:
            self.up_as_the_others()
        # A killed containerd is missed by its engine after some seconds.
        wait_until("it works again", lambda: docker("top", "fz-one", check=False), 60, 0.3)
        self.judge((who, what, phase, freezer), location, True)
        error = self.service.api("GET", location).json["error"]
        self.assertNotIn("runs any more", str(error), "an engine that fails says nothing of its containers")
        self.works_again()

    @staticmethod
    def up_as_the_others():
        """An engine without live-restore ends what a killed one left, and may forget to start it again: that becomes of
        ours as of a container that nobody froze.  Who runs the host then starts them."""
        def equal():
            states = set(world.views().values()) | {world.inspect(world.CONTROL)["State"]["Status"]}
            return len(states) == 1 and states <= {"running", "exited"}
        time.sleep(LATE)  # it may be about to end them
        wait_until("all are as the one that nobody froze", equal, 60)
        docker("start", *world.NAMES, world.CONTROL)

    def works_again(self):
        """The next backup succeeds, of all of them."""
        self.assertEqual("complete", self.service.backup()["state"])

    # Not with auto: one has no cgroup then, and nobody but an engine that works can thaw it.
    def test_engine_stopped(self):
        self.rows(chosen(("docker",), ("cgroup", "docker")), chosen(("thawing",), PHASES),
                  lambda freezer, phase: self.act("engine", "stop", phase, freezer))

    def test_containerd_stopped(self):
        self.rows(chosen(("docker",), ("cgroup", "docker")), chosen(("thawing",), PHASES),
                  lambda freezer, phase: self.act("containerd", "stop", phase, freezer))

    def test_containerd_killed(self):
        """Its shims, which hold the containers, live on; the engine starts it again."""
        self.rows(chosen(("docker",), ("cgroup", "docker")), chosen(("frozen",), PHASES),
                  lambda freezer, phase: self.act("containerd", "kill", phase, freezer))

    def test_engine_killed(self):
        who = "engine" if world.keeps_containers() else ALONE
        world.run_container(world.CONTROL)
        self.rows(chosen(("docker",), FREEZERS), chosen(("frozen",), PHASES),
                  lambda freezer, phase: self.act(who, "kill", phase, freezer))


class LiesTest(Row):
    """What stands between the service and the engine."""

    def first(self, path, of):
        """True once, for a call about fz-two that ends like that."""
        if not path.endswith(of) or self.identity not in path or self.done.is_set():
            return False
        self.done.set()
        return True

    def lie(self, row, on_request=None, on_reply=None, may_succeed=True, freezer="docker"):
        self.identity = world.inspect("fz-two")["Id"]
        self.done = threading.Event()
        self.serve(freezer, on_request, on_reply)
        location = self.begin(None)
        wait_until("it happened", self.done.is_set, 60)
        self.judge((*row, freezer), location, may_succeed, 60)
        self.assertEqual({"thawed": []}, self.service.api("POST", "/thaw").json)
        self.service.backup()

    @staticmethod
    def reply(status):
        return f"HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode()

    def carried_out_but(self, status, what):
        def step_in(_, path):
            if self.first(path, "/pause"):
                docker("pause", "fz-two")
                return self.reply(status)
            return None
        self.lie(("proxy", what, "pausing"), step_in)

    def test_504_after_the_pause(self):
        self.carried_out_but("504 Gateway Time-out", "504")

    def test_409_after_the_pause(self):
        """As of a proxy that asks twice."""
        self.carried_out_but("409 Conflict", "409")

    def test_reset_after_the_pause(self):
        def step_in(_, path):
            if self.first(path, "/pause"):
                docker("pause", "fz-two")
                raise OSError("reset")
        self.lie(("proxy", "reset", "pausing"), step_in)

    def test_204_without_the_pause(self):
        """It is not frozen, so the copy is of no instant."""
        def step_in(_, path):
            return self.reply("204 No Content") if self.first(path, "/pause") else None
        self.lie(("proxy", "204", "pausing"), step_in, may_succeed=False)

    def test_204_without_the_unpause(self):
        def step_in(_, path):
            return self.reply("204 No Content") if self.first(path, "/unpause") else None
        self.lie(("proxy", "204", "thawing"), step_in)

    def test_500_after_the_unpause(self):
        def step_in(_, path):
            if self.first(path, "/unpause"):
                docker("unpause", "fz-two")
                return self.reply("500 Internal Server Error")
            return None
        self.lie(("proxy", "500", "thawing"), step_in)

    def test_pause_answered_late(self):
        def step_in(_, path):
            if self.first(path, "/pause"):
                time.sleep(LIMIT + 3)
        self.lie(("proxy", "late", "pausing"), on_reply=step_in)

    def test_pause_carried_out_late(self):
        """When nobody asks for it any more."""
        def step_in(_, path):
            if self.first(path, "/pause"):
                time.sleep(LIMIT + 2)
        self.lie(("proxy", "later", "pausing"), step_in)

    def test_unpause_hangs(self):
        def step_in(_, path):
            if self.first(path, "/unpause"):
                time.sleep(30)
        self.lie(("proxy", "hang", "thawing"), step_in)

    def test_all_hangs(self):
        """From the first unpause on nothing is answered, for ten seconds."""
        until = []

        def step_in(_, path):
            if self.first(path, "/unpause"):
                until.append(time.monotonic() + 10)
            if until:
                time.sleep(max(0, until[0] - time.monotonic()))
        self.lie(("proxy", "hang all", "thawing"), step_in)


class HandTest(Row):
    """People in the middle."""

    def test_thaw_by_hand(self):
        for freezer in chosen(("auto",), FREEZERS):
            with self.subTest(freezer=freezer):
                self.serve(freezer, limit=20)
                location = self.begin("frozen")
                begin = time.monotonic()
                thawed = self.service.api("POST", "/thaw").json["thawed"]
                self.assertEqual(sorted(world.NAMES), sorted(thawed))
                wait_until("thawed", lambda: not self.sampler.any_now(), 5, 0.01)
                print(f"  POST /thaw: {1000 * (time.monotonic() - begin):.0f} ms")
                world.let_go()
                self.judge(("POST /thaw", "", "frozen", freezer), location, False)

    def test_somebody_writes_the_switch(self):
        """Thawed behind our back, by the kernel's own switch, and frozen again: no instant."""
        self.serve("cgroup", limit=20)
        location = self.begin("frozen")
        folder = world.cgroup_folder("fz-one")
        switch, off = (folder + "/freezer.state", "THAWED")
        if not os.path.exists(switch):
            switch, off = folder + "/cgroup.freeze", "0"
        with open(switch, "w", encoding="ascii") as out:
            out.write(off)
        world.let_go()
        self.judge(("somebody", "thaws", "frozen", "cgroup"), location, False)

    def test_owner_pauses(self):
        """Just before the freeze: it stays paused.  In the middle of it the engine may refuse to pause what stands
        still; then it runs again."""
        for phase in chosen(("prepared", "armed"), ("prepared", "armed", "holding", "frozen", "thawing")):
            with self.subTest(phase=phase):
                self.serve("cgroup", limit=20)
                location = self.begin(phase)
                refused = subprocess.run(["docker", "pause", "fz-three"], capture_output=True, check=False).returncode
                world.let_go()
                self.service.wait_operation(location)
                self.sampler.end()
                expected = "running" if refused else "paused"
                self.assertEqual(expected, world.views()["fz-three"])
                self.assertEqual(expected == "paused", world.is_frozen(world.state_file(world.cgroup_folder("fz-three"))))
                self.assertFalse(refused and phase in ("prepared", "armed"))
                if not refused:
                    docker("unpause", "fz-three")
                wait_until("all run", world.all_run)

    def test_owner_ends_it(self):
        """stop, kill, rm -f, restart in the freeze: none hangs for longer than the freeze, none is in a backup
        that calls itself whole."""
        for command in chosen((("stop", "-t", "5"), ("rm", "-f")),
                              (("stop", "-t", "5"), ("kill",), ("rm", "-f"), ("restart", "-t", "5"), ("exec",))):
            with self.subTest(command=command[0]):
                self.serve("cgroup", limit=10)
                location = self.begin("copying")
                tail = ("true",) if command[0] == "exec" else ()
                since = time.time()
                caller = threading.Thread(target=docker, args=(*command, "fz-three", *tail), kwargs={"check": False})
                caller.start()
                came = self.engine_was_told(command[0], since)
                world.let_go()
                caller.join(60)
                operation = self.service.wait_operation(location)
                state = operation["state"]
                self.sampler.end()
                print(f"  docker {command[0]}: {state}{'' if came else ' (it came after the freeze)'}")
                world.run_container("fz-three")
                self.assertFalse(caller.is_alive(), command)
                if came and command[0] != "exec":
                    self.check_no_instant(operation, command)

    @staticmethod
    def engine_was_told(what, since):
        """Whether that is under way while all stand still; a loaded machine may be too late."""
        end = time.monotonic() + LIMIT / 2
        while time.monotonic() < end:
            told = docker("events", "--since", f"{since:.3f}", "--until", f"{time.time():.3f}", "--filter",
                          "container=fz-three", "--format", "{{.Action}}", check=False)
            if told.strip() and what != "exec":
                return True
            time.sleep(0.05)
        return False


def tearDownModule():
    if ROWS:
        print(f"\n{len(ROWS)} rows, limit {LIMIT} s: longest {max(row[4] for row in ROWS):.2f} s, "
              f"{sum(row[4] > LIMIT + LATE for row in ROWS)} beyond the limit + {LATE} s, 0 left frozen, 0 left down")


if __name__ == "__main__":
    unittest.main()
