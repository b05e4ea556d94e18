# Goal: operations are followed, repeated, refused and cancelled as the contract says.
"""Operations: waiting, events, cancelling, idempotency, one at a time, and an engine that is away."""

import contextlib
import json
import os
import time

from case import UNKNOWN, ServiceCase
from service import meant, wait_until

WAITERS = 64  # of whom there may be so many at once


class OperationCase(ServiceCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.ended = cls.service.operate("/backups")
        cls.backup = cls.ended["backup"]
        cls.location = "/operations/" + cls.ended["id"]

    # One that has ended.

    def test_ended(self):
        self.assertEqual(self.ended["kind"], "backup")
        self.assertEqual(self.ended["progress"], 1)
        self.assertEqual(self.ended["result"]["backup"], self.backup)
        self.assertIsNone(self.ended["error"])
        self.assertEqual(self.api("GET", self.location).json, self.ended)
        since = time.monotonic()
        self.assertEqual(self.api("GET", self.location + "?wait=30").json, self.ended)
        self.assertLess(time.monotonic() - since, 5)
        self.assertIn(self.ended, self.api("GET", "/operations").json["operations"])

    def test_bad_wait(self):
        for wait in ("-1", "301", "x", "", "1.5", "1s", "99999999999999999999"):
            reply = self.api("GET", f"{self.location}?wait={wait}")
            self.problem(reply, 400, "invalid", "wait")
        self.assertEqual(self.api("GET", self.location + "?wait=300").status, 200)

    def test_cancel_ended(self):
        self.problem(self.api("DELETE", self.location), 409, "conflict", self.ended["id"])
        self.problem(self.api("DELETE", "/operations/" + UNKNOWN), 404, "not-found")
        self.assertEqual(self.api("GET", self.location).json, self.ended)

    def test_events_ended(self):
        path, known = self.location + "/events", self.ended["sequence"]
        for headers in ({}, {"Last-Event-ID": str(known - 1)}, {"Last-Event-ID": "0"},
                        {"Last-Event-ID": "x"}, {"Last-Event-ID": "-1"}):
            self.assertEqual(self.service.events(path, headers), [(known, self.ended)], headers)
        for last in (known, known + 1, 10 ** 17):
            reply = self.api("GET", path, headers={"Last-Event-ID": str(last)})
            self.assertEqual((reply.status, reply.body), (204, b""), last)

    # Idempotency.

    def test_key(self):
        headers = {"Idempotency-Key": "a-key_!~"}
        body = {"host_paths": [self.data]}
        location = self.service.begin("/backups", body, headers)
        for _ in range(2):
            again = self.api("POST", "/backups", body, headers)
            self.assertEqual((again.status, again.header("Location")), (202, location))
        first = self.service.finish(location)
        again = self.api("POST", "/backups", body, headers)
        self.assertEqual((again.status, again.header("Location")), (202, location))
        self.assertEqual(again.json, first)
        for path, other in (("/backups", {"host_paths": ["/etc/hostname"]}), ("/backups", None),
                            (f"/backups/{self.backup}/verify", None), ("/sweep", None),
                            ("/scrub", None),
                            (f"/backups/{self.backup}/restore", body and {"host_paths": False})):
            reply = self.api("POST", path, other, headers)
            self.problem(reply, 422, "invalid", "Idempotency-Key")
        self.service.finish(self.service.begin("/backups", body, {"Idempotency-Key": "A" * 128}))

    def test_key_of_other_operations(self):
        for path in (f"/backups/{self.backup}/verify", f"/backups/{self.backup}/restore", "/sweep",
                     "/scrub"):
            headers = {"Idempotency-Key": "k-" + path.rsplit("/", 1)[1]}
            location = self.service.begin(path, {}, headers)
            self.assertEqual(self.service.begin(path, {}, headers), location)
            self.service.finish(location)

    def test_bad_keys(self):
        before = self.api("GET", "/operations").json
        for key in ("", "A" * 129, "a b", "ä", "a\tb"):
            for path in ("/backups", f"/backups/{self.backup}/verify",
                         f"/backups/{self.backup}/restore", "/sweep", "/scrub"):
                reply = self.api("POST", path, headers={"Idempotency-Key": key})
                self.problem(reply, 400, "invalid", "Idempotency-Key")
        self.assertEqual(self.api("GET", "/operations").json, before)

    def test_key_of_a_refused_request_is_free(self):
        headers = {"Idempotency-Key": "refused"}
        reply = self.api("POST", "/backups", {"nothing": 1}, headers)
        self.problem(reply, 400)
        location = self.stalled()
        reply = self.api("POST", "/backups", {"host_paths": [self.data]}, headers)
        self.problem(reply, 409, "busy")
        self.engine.release()
        self.service.finish(location)
        self.service.operate("/backups", {"host_paths": [self.data]}, headers)

    # One that runs.

    def test_busy(self):
        location = self.stalled()
        for path in ("/backups", f"/backups/{self.backup}/verify",
                     f"/backups/{self.backup}/restore"):
            problem = self.problem(self.api("POST", path, meant(path, None)), 409, "busy", location.split("/")[2])
            self.assertEqual(problem["operation"], location)
        self.assertEqual("/operations/" + self.api("GET", "/health").json["operation"], location)
        self.assertEqual(self.api("GET", f"/backups/{self.backup}/archive").status, 200)
        since = time.monotonic()
        operation = self.api("GET", location + "?wait=1").json
        self.assertGreater(time.monotonic() - since, 0.9)
        self.assertEqual((operation["state"], operation["ended_at"]), ("running", None))
        self.later(0.5, self.engine.release)
        since = time.monotonic()
        self.assertEqual(self.service.finish(location)["state"], "succeeded")
        self.assertLess(time.monotonic() - since, 20)
        self.assertIsNone(self.api("GET", "/health").json["operation"])

    def test_a_sweep_runs_beside(self):
        location = self.stalled()
        self.service.operate("/sweep")
        self.assertEqual(self.api("GET", location).json["state"], "running")
        self.assertEqual("/operations/" + self.api("GET", "/health").json["operation"], location)
        started = [self.service.begin("/sweep") for _ in range(20)]
        for sweep in started:
            self.assertEqual(self.service.finish(sweep)["kind"], "sweep")
        reply = self.api("DELETE", started[-1])
        self.problem(reply, 409, "conflict", "ended already")
        self.engine.release()
        self.assertEqual(self.service.finish(location)["state"], "succeeded")

    def test_running_backup(self):
        location = self.stalled()
        backup = self.running(location)
        path = "/backups/" + backup
        self.assertEqual(self.api("GET", path).json["state"], "running")
        for method, tail in (("GET", "/archive"), ("POST", "/tickets"), ("DELETE", ""),
                             ("POST", "/verify"), ("POST", "/restore")):
            with self.subTest(f"{method} {tail}"):
                self.problem(self.api(method, path + tail), 409, "conflict", backup)
        self.assertEqual(self.api("HEAD", path + "/archive").status, 409)
        self.engine.release()
        self.service.finish(location)
        self.assertEqual(self.api("GET", path).json["state"], "complete")

    def test_what_is_restored_is_not_deleted(self):
        """Also in its first phase, in which nothing is changed yet."""
        backup = self.service.backup()
        for path in (f"/backups/{backup}/restore", f"/backups/{backup}/rehearse"):
            self.engine.stall("/info")
            self.addCleanup(self.engine.release)
            location = self.service.begin(path)
            self.assertEqual(self.api("GET", location + "?wait=1").json["state"], "running")
            self.problem(self.api("DELETE", f"/backups/{backup}"), 409, "conflict", "delete it after that")
            self.assertEqual(self.api("GET", f"/backups/{backup}").status, 200)
            self.assertEqual(self.api("DELETE", location).status, 202)
            self.engine.release()
            self.service.finish(location, "cancelled")
        self.assertEqual(self.api("DELETE", f"/backups/{backup}").status, 204)

    def test_cancel(self):
        before = self.api("GET", "/backups").json
        location = self.stalled()
        backup = self.running(location)
        reply = self.api("DELETE", location)
        self.assertEqual((reply.status, reply.header("Location")), (202, location))
        self.engine.release()
        operation = self.service.finish(location, "cancelled")
        self.assertEqual(operation["error"]["type"], "urn:fuel-backup:cancelled")
        self.assertEqual(self.api("GET", "/backups/" + backup).status, 404)
        self.assertEqual(self.api("GET", "/backups").json, before)
        self.problem(self.api("DELETE", location), 409, "conflict")
        self.service.operate("/backups")

    def test_failed(self):
        self.engine.failing.add("/containers/json")
        try:
            location = self.service.begin("/backups")
            operation = self.service.finish(location, "failed")
            self.assertEqual(self.api("GET", "/plan").status, 502)
        finally:
            self.engine.failing.clear()
        self.assertEqual(operation["error"]["status"], 502)
        backup = self.api("GET", "/backups/" + operation["backup"]).json
        self.assertEqual((backup["state"], backup["error"]), ("failed", operation["error"]))
        for tail in ("/verify", "/restore", "/tickets"):
            self.problem(self.api("POST", f"/backups/{backup['id']}{tail}"), 409, "conflict")
        self.assertEqual(self.api("GET", f"/backups/{backup['id']}/archive").status, 409)
        self.assertEqual(self.api("DELETE", "/backups/" + backup["id"]).status, 204)

    def test_events_running(self):
        """The present state first, whatever changes, and the final state at the end."""
        location = self.stalled()
        present = self.api("GET", location).json
        connection, answer = self.service.call("GET", location + "/events")
        with contextlib.closing(connection):
            self.assertEqual(answer.status, 200)
            lines = [answer.readline() for _ in range(3)]
            self.assertEqual(lines[0].decode(), f"id: {present['sequence']}\n")
            self.assertEqual(json.loads(lines[1].removeprefix(b"data: ")), present)
            self.assertEqual(lines[2], b"\n")
            self.later(0.3, self.engine.release)
            rest = answer.read().decode()
        self.service.judge("GET", location + "/events", self.reply_of(answer, lines, rest))
        events = [block.split("\n") for block in rest.split("\n\n")[:-1]]
        ids = [int(event[0].removeprefix("id: ")) for event in events]
        self.assertEqual(ids, sorted(set(ids)))
        self.assertGreater(ids[0], present["sequence"])
        final = json.loads(events[-1][1].removeprefix("data: "))
        self.assertEqual(final, self.api("GET", location).json)
        self.assertEqual(final["state"], "succeeded")

    @staticmethod
    def reply_of(answer, lines, rest):
        from service import Reply
        return Reply(answer.status, answer.getheaders(), b"".join(lines) + rest.encode())

    def test_events_known(self):
        """Whoever knows the present state is told the next one first."""
        location = self.stalled()
        known = self.api("GET", location).json["sequence"]
        self.later(0.3, self.engine.release)
        events = self.service.events(location + "/events", {"Last-Event-ID": str(known)})
        self.assertGreater(events[0][0], known)
        self.assertEqual(events[-1][1]["state"], "succeeded")

    def test_many_who_wait(self):
        """They may not shut out the others."""
        location = self.stalled()
        with contextlib.ExitStack() as stack:
            for _ in range(WAITERS):
                connection, answer = self.service.call("GET", location + "/events")
                stack.callback(connection.close)
                self.assertEqual(answer.status, 200)
                answer.readline()
            for path in (location + "/events", location + "?wait=5"):
                reply = self.api("GET", path)
                self.problem(reply, 503, "waiters")
                self.assertIsNotNone(reply.header("Retry-After"))
            self.assertEqual(self.api("GET", location).json["state"], "running")
            self.engine.release()
            self.service.finish_polling(location)
        wait_until("those who waited are forgotten",
                   lambda: self.api("GET", location + "?wait=1").status == 200)

    # An engine that is away.

    def test_engine_away(self):
        self.engine.close()
        for path in ("/backups", f"/backups/{self.backup}/restore"):
            reply = self.api("POST", path, meant(path, None))
            self.problem(reply, 503, "engine-unreachable", self.engine.path)
            self.assertGreater(int(reply.header("Retry-After")), 0)
        self.problem(self.api("GET", "/plan"), 503, "engine-unreachable")
        self.problem(self.api("GET", "/coverage"), 503, "engine-unreachable")
        health = self.api("GET", "/health").json
        self.assertEqual((health["status"], health["engine"]["reachable"]), ("degraded", False))
        self.assertIn(self.engine.path, health["engine"]["error"])
        self.assertEqual(self.api("GET", "/backups").status, 200)
        self.service.operate(f"/backups/{self.backup}/verify")
        self.engine.open()
        self.assertEqual(self.api("GET", "/health").json["status"], "ok")
        self.assertEqual(self.api("GET", "/plan").status, 200)
        self.service.operate("/backups")

    def test_engine_goes_while_it_is_asked(self):
        location = self.stalled()
        self.engine.close()
        operation = self.service.finish(location, "failed")
        self.assertEqual(self.api("GET", "/backups/" + operation["backup"]).json["state"], "failed")
        self.engine.open()
        self.service.operate("/backups")

    def test_thaw_what_was_left(self):
        journal = os.path.join(self.service.store, "run", "frozen.json")
        with open(journal, "w", encoding="utf-8") as out:
            json.dump([{"id": "0" * 64, "name": "left"}], out)
        self.engine.close()
        try:
            reply = self.api("POST", "/thaw")
        finally:
            self.engine.open()
        self.problem(reply, 503, "engine-unreachable")
        self.assertIsNotNone(reply.header("Retry-After"))
        self.assertTrue(os.path.exists(journal))
        self.assertEqual(self.api("POST", "/thaw").json, {"thawed": ["left"]})
        self.assertFalse(os.path.exists(journal))
        self.assertEqual(self.api("POST", "/thaw").json, {"thawed": []})


class NothingCase(ServiceCase):
    """A plan that finds neither containers nor paths (partial_cases has what becomes of a backup of it)."""

    def test_cancelled_with_nothing_to_copy(self):
        location = self.stalled("/backups", {"containers": {"names": ["*"]}})
        self.assertEqual(self.api("DELETE", location).status, 202)
        self.engine.release()
        self.service.finish(location, "cancelled")
