#!/usr/bin/env python3
"""Goal: every undo ends, whatever somebody did meanwhile by hand; what cannot be put back is named once, and the
service works again.  Nothing is left down, frozen or with its restart policy off.

Some of the cases; with FB_LONG=1 (dev/soak undo) all of them.
"""

import glob
import json
import os
import shutil
import sys
import threading
import time
import unittest
import urllib.parse

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)) + "/..")
import stack  # pylint: disable=wrong-import-position
from engine_proxy import EngineProxy  # pylint: disable=wrong-import-position
from fuelbackup import Service, docker, inspect, kill, wait_until  # pylint: disable=wrong-import-position

STORE = os.path.join(stack.WORK, "store")
HOST = os.path.join(stack.WORK, "host")
SOCKET = os.path.join(stack.WORK, "proxy", "docker.sock")
ALIVE = "trap 'exit 0' TERM; while :; do sleep 0.1; done"
DEAF = "trap '' TERM; while :; do sleep 0.1; done"
PLAN = {"containers": {"names": ["fb-*"]}, "host_paths": []}
LONG = unittest.skipUnless(os.environ.get("FB_LONG"), "minutes in all; with FB_LONG=1")
FAILURE = (b"HTTP/1.1 500 Internal Server Error\r\nContent-Type: application/json\r\nConnection: close\r\n"
           b"Content-Length: 27\r\n\r\n{\"message\":\"told to fail\"}\n")


def start(name, *options, script=ALIVE):
    docker("run", "-d", "--stop-signal", "TERM", "--name", name, *options, "fb-test/small", "sh", "-c", script)


def tell(name, word, path="/data/word"):
    docker("exec", name, "sh", "-c", f"echo {word} >{path}")


def told(name, path="/data/word"):
    return docker("exec", name, "cat", path, check=False).strip()


def inspect_volume(name):
    return json.loads(docker("volume", "inspect", name))[0]


def exists(name):
    return name in docker("ps", "-a", "--format", "{{.Names}}").split()


def runs(name):
    return exists(name) and inspect(name)["State"]["Running"]


class RecoveryCase(unittest.TestCase):
    """A service behind a proxy of the engine, at a call of which it can be killed."""

    def setUp(self):
        self.clean()
        os.makedirs(HOST)
        self.at, self.action, self.struck, self.stopping = None, None, threading.Event(), False
        self.away = False
        self.proxy = EngineProxy(SOCKET, on_request=self.step_in)
        self.proxy.open()
        self.service = Service(STORE, socket=SOCKET)
        self.service.start()

    def tearDown(self):
        if not self._outcome.success or os.environ.get("FB_KEEP"):
            print(self.service.log())
        self.proxy.close()
        self.clean()

    @staticmethod
    def clean():
        names = docker("ps", "-aq").split()
        if names:
            docker("rm", "-f", "-v", *names, check=False)
        docker("volume", "prune", "-f")
        for name in docker("volume", "ls", "-q").split():
            docker("volume", "rm", "-f", name, check=False)
        docker("network", "prune", "-f")
        shutil.rmtree(stack.WORK, ignore_errors=True)

    def step_in(self, method, path):
        """At the wanted call, once a container was asked to stop: the action."""
        if self.away:
            raise OSError("away")
        if self.at is None or method not in ("POST", "DELETE") or "lender" in path or "keep" in path:
            return None
        self.stopping = self.stopping or path.split("?")[0].endswith("/stop")
        if not self.stopping or not self.at(method, path.split("?")[0]):
            return None
        self.at = None
        try:
            return self.action()
        finally:
            self.struck.set()

    def kill_service(self):
        """The call does not get to the engine."""
        kill(self.pid)
        time.sleep(0.2)
        raise OSError("killed")

    def cut_off(self, at, action=None):
        """Start a restore, which is cut off at a call of the engine."""
        self.pid = self.service.pid()
        self.action = action or self.kill_service
        self.struck.clear()
        self.stopping, self.at = False, at
        location = self.service.start_operation(f"/backups/{self.backup}/restore")
        self.assertTrue(self.struck.wait(60), "the call did not come")
        return location

    def recovery(self):
        return self.service.api("GET", "/recovery").json

    def settled(self, seconds=60):
        """Until nothing is pending; what became of it."""
        def idle():
            state = self.recovery()
            return state if state["phase"] == "idle" and not state["pending"] else None
        state = wait_until("nothing is pending", idle, seconds, 0.2)
        self.assertEqual([], [name for name in glob.glob(STORE + "/run/*") if "/left-" not in name])
        self.assertEqual("ok", self.service.api("GET", "/health").json["status"])
        return state["last"]

    def works_again(self):
        """The next backup and the next restore succeed."""
        record = self.service.backup(PLAN)
        self.service.restore(record["id"])
        return record

    def left(self, last):
        return {(item["kind"], item["name"]): item["reason"] for item in last["left"]}


def is_call(method, end):
    return lambda m, path: m == method and path.endswith(end)


class RemovedTest(RecoveryCase):
    @LONG
    def test_auto_remove(self):
        """The row: a --rm container with an anonymous volume is restored with its data, again and again."""
        start("fb-rm", "--rm", "-v", "/data")
        tell("fb-rm", "early")
        tell("fb-rm", "layer", "/layer")
        volume = inspect("fb-rm")["Mounts"][0]["Name"]
        self.backup = self.service.backup(PLAN)["id"]
        for word in ("late", "later"):
            tell("fb-rm", word)
            done = self.service.restore(self.backup)
            self.assertEqual([{"name": "fb-rm", "way": "replaced"}], done["result"]["containers"])
            self.assertTrue(runs("fb-rm"))
            self.assertEqual(("early", "layer"), (told("fb-rm"), told("fb-rm", "/layer")))
            self.assertEqual(volume, inspect("fb-rm")["Mounts"][0]["Name"])
            self.assertTrue(inspect("fb-rm")["HostConfig"]["AutoRemove"])
        self.assertEqual("unchanged", self.service.restore(self.backup)["result"]["containers"][0]["way"])
        self.assertEqual(["fb-rm", "fuel-backup"], sorted(docker("ps", "-a", "--format", "{{.Names}}").split()))
        self.works_again()

    def test_auto_remove_cut_off(self):
        """The same, cut off after its engine has removed it."""
        start("fb-rm", "--rm", "-v", "/data")
        start("fb-other", "-v", "fb-other:/data", "--restart", "always")
        tell("fb-rm", "early")
        tell("fb-other", "early")
        self.backup = self.service.backup(PLAN)["id"]
        tell("fb-rm", "late")
        tell("fb-other", "late")
        self.cut_off(is_call("POST", "/create"))
        wait_until("it is gone", lambda: not exists("fb-rm"))
        self.service.again()
        last = self.settled()
        self.assertEqual(("late", "late"), (told("fb-rm"), told("fb-other")))
        self.assertIn("--rm", self.left(last)["container", "fb-rm"])
        self.assertEqual("always", inspect("fb-other")["HostConfig"]["RestartPolicy"]["Name"])
        self.works_again()

    @LONG
    def test_container_removed(self):
        """The owner removes one that is down, and it stays away; the other is back."""
        for name in ("fb-a", "fb-b"):
            start(name, "-v", name + ":/data", "--restart", "always")
            tell(name, "early")
        self.backup = self.service.backup(PLAN)["id"]
        tell("fb-a", "late")
        tell("fb-b", "late")
        self.cut_off(is_call("POST", "/start"))
        docker("rm", "-f", "fb-a")
        self.service.again()
        last = self.settled()
        self.assertEqual("undone", last["outcome"])
        self.assertIn("removed", self.left(last)["container", "fb-a"])
        self.assertEqual("late", told("fb-b"))
        self.assertEqual("always", inspect("fb-b")["HostConfig"]["RestartPolicy"]["Name"])
        with open(stack.volume_path("fb-a") + "/word", encoding="ascii") as word:
            self.assertEqual("late\n", word.read())
        self.works_again()

    @LONG
    def test_made_again_by_the_owner(self):
        """docker rm and docker run: the new one stays, with the old data."""
        start("fb-a", "-v", "fb-a:/data")
        tell("fb-a", "early")
        self.backup = self.service.backup(PLAN)["id"]
        tell("fb-a", "late")
        self.cut_off(is_call("POST", "/start"))
        docker("rm", "-f", "fb-a")
        start("fb-a", "-v", "fb-a:/data", "-e", "BY=owner")
        new = inspect("fb-a")["Id"]
        self.service.again()
        last = self.settled()
        self.assertIn(("container", "fb-a"), self.left(last))
        self.assertEqual(new, inspect("fb-a")["Id"])
        self.assertTrue(runs("fb-a"))
        self.works_again()

    def test_made_again_beside_the_old(self):
        """The old one was set aside, and the owner made another of its name: nothing is removed."""
        start("fb-a", "-v", "fb-a:/data", "-e", "TURN=1")
        tell("fb-a", "early")
        self.backup = self.service.backup(PLAN)["id"]
        docker("rm", "-f", "fb-a")
        start("fb-a", "-v", "fb-a:/data", "-e", "TURN=2")
        tell("fb-a", "late")
        old = inspect("fb-a")["Id"]
        self.cut_off(is_call("POST", "/create"))
        start("fb-a", "-v", "fb-a:/data", "-e", "TURN=3")
        new = inspect("fb-a")["Id"]
        self.service.again()
        last = self.settled()
        reason = self.left(last)["container", "fb-a"]
        self.assertEqual(new, inspect("fb-a")["Id"])
        self.assertTrue(runs("fb-a"))
        aside = [name for name in docker("ps", "-a", "--format", "{{.Names}}").split() if ".fuel-backup-" in name]
        self.assertEqual([old], [inspect(name)["Id"] for name in aside])
        self.assertIn(aside[0], reason)
        self.works_again()

    @LONG
    def test_the_old_one_removed_while_aside(self):
        """It is made again, for the new one has to go."""
        start("fb-a", "-v", "fb-a:/data", "-e", "TURN=1")
        tell("fb-a", "early")
        self.backup = self.service.backup(PLAN)["id"]
        docker("rm", "-f", "fb-a")
        start("fb-a", "-v", "fb-a:/data", "-e", "TURN=2")
        tell("fb-a", "late")
        self.cut_off(is_call("POST", "/start"))
        aside = [name for name in docker("ps", "-a", "--format", "{{.Names}}").split() if ".fuel-backup-" in name]
        docker("rm", "-f", *aside)
        self.service.again()
        last = self.settled()
        self.assertIn("made again", self.left(last)["container", "fb-a"])
        self.assertIn("TURN=2", inspect("fb-a")["Config"]["Env"])
        self.assertEqual("late", told("fb-a"))
        self.works_again()

    @LONG
    def test_renamed_by_the_owner(self):
        start("fb-a", "-v", "fb-a:/data", "--restart", "always")
        tell("fb-a", "early")
        self.backup = self.service.backup(PLAN)["id"]
        tell("fb-a", "late")
        self.cut_off(is_call("POST", "/start"))
        docker("rename", "fb-a", "fb-z")
        self.service.again()
        last = self.settled()
        self.assertIn("fb-z", self.left(last)["container", "fb-a"])
        self.assertEqual("late", told("fb-z"))
        self.assertEqual("always", inspect("fb-z")["HostConfig"]["RestartPolicy"]["Name"])
        self.works_again()

    @LONG
    def test_network_removed(self):
        """It is made again, and the container is in it."""
        docker("network", "create", "fb-net", "--label", "is=kept")
        start("fb-a", "--network", "fb-net", "--network-alias", "alias", "-v", "fb-a:/data")
        tell("fb-a", "early")
        self.backup = self.service.backup(PLAN)["id"]
        tell("fb-a", "late")
        self.cut_off(is_call("POST", "/start"))
        docker("network", "rm", "fb-net")
        self.service.again()
        last = self.settled()
        self.assertIn(("network", "fb-net"), self.left(last))
        self.assertEqual("late", told("fb-a"))
        endpoint = inspect("fb-a")["NetworkSettings"]["Networks"]["fb-net"]
        self.assertIn("alias", endpoint["Aliases"])
        self.assertNotEqual("", endpoint["IPAddress"])
        self.works_again()

    @LONG
    def test_folder_removed(self):
        os.makedirs(HOST + "/folder")
        start("fb-a", "-v", HOST + "/folder:/data")
        start("fb-b", "-v", "fb-b:/data")
        tell("fb-a", "early")
        tell("fb-b", "early")
        self.backup = self.service.backup(PLAN)["id"]
        tell("fb-a", "late")
        tell("fb-b", "late")
        self.cut_off(is_call("POST", "/start"))
        shutil.rmtree(HOST + "/folder")
        self.service.again()
        last = self.settled(120)
        self.assertTrue([name for kind, name in self.left(last) if kind == "data" and name.endswith("/folder")])
        self.assertEqual("late", told("fb-b"))

    @LONG
    def test_lender_removed(self):
        """While the restore goes on."""
        start("fb-a", "-v", "fb-a:/data")
        tell("fb-a", "early")
        self.backup = self.service.backup(PLAN)["id"]
        tell("fb-a", "late")

        def remove():
            names = docker("ps", "-aq", "--filter", "name=fuel-backup-lender").split()
            docker("rm", "-f", *names)
        location = self.cut_off(is_call("POST", "/start"), remove)
        self.service.wait_operation(location)
        self.settled()
        self.assertIn(told("fb-a"), ("early", "late"))
        self.works_again()


class NoteTest(RecoveryCase):
    def setUp(self):
        super().setUp()
        start("fb-a", "-v", "fb-a:/data", "--restart", "always")
        tell("fb-a", "early")
        self.backup = self.service.backup(PLAN)["id"]
        tell("fb-a", "late")
        self.cut_off(is_call("POST", "/start"))

    def damage(self, *names):
        for name in names:
            with open(f"{STORE}/run/{name}", "r+b") as note:
                note.truncate(40)

    def refusal(self):
        """What a restore is refused with.  One that is asked for in the middle of a try waits for its end, and fails."""
        reply = self.service.api("POST", f"/backups/{self.backup}/restore", {"confirm": self.backup})
        if reply.status == 409:
            return reply.json["detail"]
        self.assertEqual(202, reply.status, reply)
        return self.service.wait_operation(urllib.parse.urlsplit(reply.headers["Location"]).path)["error"]["detail"]

    def test_one_copy_damaged(self):
        for name in ("restore.json", "restore-copy.json"):
            with self.subTest(name):
                self.damage(name)
                self.service.again()
                self.assertEqual("undone", self.settled()["outcome"])
                self.assertEqual("late", told("fb-a"))
                self.assertEqual("always", inspect("fb-a")["HostConfig"]["RestartPolicy"]["Name"])
                if name == "restore.json":
                    self.cut_off(is_call("POST", "/start"))
        self.works_again()

    def test_both_copies_damaged(self):
        """An error, and not `nothing`: told, until somebody gives it up; backups go on and say so."""
        self.damage("restore.json", "restore-copy.json")
        self.service.again()
        state = wait_until("it is told", lambda: self.recovery() if self.recovery()["phase"] == "waiting" else None)
        self.assertTrue(state["pending"])
        self.assertIn("damaged", state["error"]["detail"])
        health = self.service.api("GET", "/health").json
        self.assertEqual("degraded", health["status"])
        self.assertIn("damaged", health["recovery"]["error"])
        record = self.service.backup(PLAN)
        self.assertTrue([text for text in record["warnings"] if "damaged" in text], record["warnings"])
        self.assertEqual(409, self.service.api("DELETE", "/backups/" + self.backup).status)
        self.assertIn("dockerctl recover", wait_until("a restore is refused", self.refusal))
        reply = self.service.api("POST", "/recovery", {"abandon": True})
        self.assertEqual(200, reply.status, reply)
        self.assertEqual("abandoned", reply.json["last"]["outcome"])
        self.assertEqual(404, self.service.api("POST", "/recovery", {"abandon": True}).status)
        self.settled()
        docker("start", "fb-a")
        self.works_again()

    def test_note_of_an_earlier_version(self):
        """Which did its work inside the volumes, and did not note where."""
        inside = inspect_volume("fb-a")["Mountpoint"]
        for name in ("restore.json", "restore-copy.json"):
            with open(f"{STORE}/run/{name}", "r+", encoding="utf-8") as file:
                note = json.load(file)
                self.assertTrue([target.pop("outside") for target in note["targets"] if target.get("volume") == "fb-a"])
                file.seek(0)
                file.truncate()
                json.dump(note, file)
        work, = glob.glob(os.path.dirname(inside) + "/.fuel-backup-*")
        os.rename(work, f"{inside}/{os.path.basename(work)}")
        self.service.again()
        self.assertEqual("undone", self.settled()["outcome"])
        self.assertEqual("late", told("fb-a"))
        self.assertEqual(["word"], os.listdir(inside))
        self.works_again()

    @LONG
    def test_abandoned(self):
        """Nothing is touched, and it is said where the old things are."""
        self.away = True
        self.service.again()
        wait_until("it is told", lambda: self.recovery()["phase"] == "waiting")
        self.assertEqual("degraded", self.service.api("GET", "/health").json["status"])
        reply = self.service.api("POST", "/recovery", {"abandon": True})
        left = self.left(reply.json["last"])
        self.assertIn('"always"', left["container", "fb-a"])
        self.assertIn(".fuel-backup-", left["data", "volumes/fb-a"])
        self.away = False
        self.settled()
        self.assertFalse(runs("fb-a"))
        docker("start", "fb-a")
        self.works_again()

    @LONG
    def test_bad_requests(self):
        self.service.again()
        self.settled()
        for body in ({"x": 1}, {"abandon": 1}, {"abandon": True, "y": 2}, [1]):
            self.assertEqual(400, self.service.api("POST", "/recovery", body).status, body)


class StopTest(RecoveryCase):
    def test_stop_in_flight(self):
        """The engine ends a container that is deaf to TERM after the recovery had it running."""
        start("fb-a", "-v", "fb-a:/data", "--restart", "always", "--stop-timeout", "6", script=DEAF)
        start("fb-b", "-v", "fb-b:/data", "--stop-timeout", "6", script=DEAF)
        for name in ("fb-a", "fb-b"):
            tell(name, "early")
        self.backup = self.service.backup(PLAN)["id"]
        for name in ("fb-a", "fb-b"):
            tell(name, "late")

        def later():
            threading.Timer(1, kill, (self.pid,)).start()
        self.cut_off(is_call("POST", "/stop"), later)
        begun = time.monotonic()
        wait_until("it is dead", lambda: not runs("fuel-backup"))
        self.service.again()
        self.settled()
        time.sleep(max(0, begun + 10 - time.monotonic()))
        for name in ("fb-a", "fb-b"):
            self.assertTrue(runs(name), name)
            self.assertEqual("late", told(name))
        self.assertEqual("always", inspect("fb-a")["HostConfig"]["RestartPolicy"]["Name"])
        self.works_again()

    @LONG
    def test_service_stopped_in_a_long_stop(self):
        """docker stop fuel-backup gives ten seconds; nothing is left down when the service is gone."""
        start("fb-a", "-v", "fb-a:/data", "--restart", "always", "--stop-timeout", "75", script=DEAF)
        tell("fb-a", "early")
        self.backup = self.service.backup(PLAN)["id"]
        tell("fb-a", "late")
        stopped = threading.Event()

        def stop():
            threading.Thread(target=lambda: (time.sleep(1), docker("stop", "-t", "30", "fuel-backup"), stopped.set()),
                             daemon=True).start()
        began = time.monotonic()
        self.cut_off(is_call("POST", "/stop"), stop)
        self.assertTrue(stopped.wait(60))
        self.assertLess(time.monotonic() - began, 25)
        self.assertEqual(0, inspect("fuel-backup")["State"]["ExitCode"])
        self.assertTrue(runs("fb-a"))
        self.assertEqual("late", told("fb-a"))
        self.assertEqual("always", inspect("fb-a")["HostConfig"]["RestartPolicy"]["Name"])
        time.sleep(3)
        self.assertTrue(runs("fb-a"))
        self.service.again()
        self.works_again()

    def test_engine_away(self):
        """For ten seconds in the middle of a restore: all is undone by itself when it is back."""
        start("fb-a", "-v", "fb-a:/data", "--restart", "always")
        tell("fb-a", "early")
        self.backup = self.service.backup(PLAN)["id"]
        tell("fb-a", "late")

        def away():
            self.away = True
            raise OSError("away")
        location = self.cut_off(is_call("POST", "/start"), away)
        operation = self.service.wait_operation(location)
        self.assertEqual("failed", operation["state"])
        self.assertIn("dockerctl recover", operation["error"]["detail"])
        time.sleep(5)
        self.assertTrue(self.recovery()["pending"])
        health = self.service.api("GET", "/health").json
        self.assertEqual(operation["id"], health["recovery"]["operation"])
        self.away = False
        wait_until("it runs again", lambda: runs("fb-a"), 15)
        self.settled()
        self.assertEqual("late", told("fb-a"))
        self.assertEqual("always", inspect("fb-a")["HostConfig"]["RestartPolicy"]["Name"])
        self.works_again()

    @LONG
    def test_look_up_fails(self):
        """An error of a look-up is an error, and never `it is not there`."""
        start("fb-a", "-v", "fb-a:/data", "-e", "TURN=1")
        tell("fb-a", "early")
        self.backup = self.service.backup(PLAN)["id"]
        docker("rm", "-f", "fb-a")
        start("fb-a", "-v", "fb-a:/data", "-e", "TURN=2")
        tell("fb-a", "late")
        self.cut_off(is_call("POST", "/start"))
        failing = [3]
        plain = self.proxy.on_request

        def fail(method, path):
            if method == "GET" and path.endswith("/json") and "/containers/" in path and "fb-a" in path and failing[0]:
                failing[0] -= 1
                return FAILURE
            return plain(method, path)
        self.proxy.on_request = fail
        self.service.again()
        last = self.settled(90)
        self.assertEqual([], last["left"])
        self.assertLess(failing[0], 3)
        self.assertIn("TURN=2", inspect("fb-a")["Config"]["Env"])
        self.assertEqual("late", told("fb-a"))
        self.works_again()


if __name__ == "__main__":
    unittest.main()
