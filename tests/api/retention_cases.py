# Goal: only what no rule, lock or reader keeps is removed, and never more than the dry run says.
"""Retention: locks and names, prune with its dry run, and the prune after a backup."""

import contextlib
import json
import os
import sqlite3
import time

from case import UNKNOWN, ServiceCase

DAY_NS = 86400 * 10 ** 9


class RetentionCase(ServiceCase):
    def setUp(self):
        super().setUp()
        for backup in self.api("GET", "/backups?limit=1000").json["backups"]:
            if backup["locked"]:
                self.change(backup["id"], locked=False)
            self.assertEqual(self.api("DELETE", "/backups/" + backup["id"]).status, 204)

    def change(self, backup, **fields):
        reply = self.api("PATCH", "/backups/" + backup, fields)
        self.assertEqual(reply.status, 200, reply)
        return reply.json

    def age(self, backup, days):
        """Its backup was made so many days ago, as its row has it."""
        self.edit("UPDATE backups SET created_ns = created_ns - ? WHERE id = ?", days * DAY_NS, backup)

    def edit(self, statement, *values):
        """In the catalogue, as only the service itself would."""
        path = os.path.join(self.service.store, "catalogue.db")
        with contextlib.closing(sqlite3.connect(path, timeout=20)) as catalogue, catalogue:
            catalogue.execute(statement, values)

    def scheduled(self, backup):
        """As if the schedule had made it."""
        self.edit("UPDATE backups SET record = json_set(record, '$.origin', 'schedule') WHERE id = ?", backup)

    def days(self, *ages, plan=None):
        """A backup by schedule of each age in days, made in that order, with the oldest last."""
        made = []
        for days in sorted(ages, reverse=True):
            made.append(self.service.backup(plan))
            self.age(made[-1], days)
            self.scheduled(made[-1])
        return made[::-1]

    def prune(self, **body):
        reply = self.api("POST", "/prune", body)
        self.assertEqual(reply.status, 200, reply)
        return ([item["id"] for item in reply.json["removed"]],
                {item["id"]: item["reasons"] for item in reply.json["kept"]})

    def listed(self):
        return [item["id"] for item in self.api("GET", "/backups").json["backups"]]

    # What is covered.

    def test_coverage(self):
        """Containers that are in no backup of the last day are named; those that are left out by their label, besides."""
        self.addCleanup(self.engine.instead.clear)
        self.assertEqual(self.api("GET", "/coverage").json,
                         {"containers": 0, "missing": [], "left_out": [], "oldest_at": None})
        backup = self.service.backup()  # whose containers the catalogue then has
        self.engine.instead["/containers/json"] = [
            {"Id": str(i) * 64, "Names": ["/" + name], "Labels": {"fuel-backup.exclude": "true"} if name == "cache" else {}}
            for i, name in enumerate(("web", "db", "cache"))]

        def covered():
            reply = self.api("GET", "/coverage").json
            self.assertEqual((reply["containers"], reply["left_out"]), (2, ["cache"]))
            return reply["missing"], reply["oldest_at"]
        self.assertEqual(covered(), (["web", "db"], None))
        self.edit("UPDATE backups SET record = json_set(record, '$.containers', json(?)) WHERE id = ?",
                  json.dumps([{"name": "web", "image": "x", "state": "running", "freeze_ms": None}]), backup)
        at = self.api("GET", "/backups/" + backup).json["created_at"]
        self.assertEqual(covered(), (["db"], at))
        self.edit("UPDATE backups SET damaged = 1 WHERE id = ?", backup)
        self.assertEqual(covered(), (["web", "db"], None))
        self.edit("UPDATE backups SET damaged = 0 WHERE id = ?", backup)
        self.age(backup, 1)
        self.assertEqual(covered(), (["web", "db"], None))
        self.age(backup, -401)
        self.assertEqual(covered(), (["web", "db"], None))
        self.engine.failing.add("/containers/json")
        self.addCleanup(self.engine.failing.clear)
        self.assertEqual(self.api("GET", "/coverage").status, 502)

    # Locks and names.

    def test_lock(self):
        backup = self.service.backup()
        path = "/backups/" + backup
        self.assertIs(self.api("GET", path).json["locked"], False)
        self.assertIs(self.change(backup, locked=True)["locked"], True)
        self.problem(self.api("DELETE", path), 409, "conflict", "unlock")
        self.service.end()
        self.service.start()
        self.assertIs(self.api("GET", path).json["locked"], True)
        self.problem(self.api("DELETE", path), 409, "conflict", backup)
        self.assertIs(self.change(backup, locked=False)["locked"], False)
        self.assertEqual(self.api("DELETE", path).status, 204)

    def test_name(self):
        backup = self.service.backup()
        self.assertIsNone(self.api("GET", "/backups/" + backup).json["name"])
        self.assertEqual(self.change(backup, name="Vor dem Umzug ä")["name"], "Vor dem Umzug ä")
        self.assertEqual(self.change(backup, locked=True)["name"], "Vor dem Umzug ä")
        changed = self.change(backup, name=None, locked=False)
        self.assertEqual((changed["name"], changed["locked"]), (None, False))

    def test_bad_changes(self):
        path = "/backups/" + self.service.backup()
        for body, text in (({}, "what to change"), (None, "what to change"), ({"locked": 1}, "locked"),
                           ({"locked": None}, "locked"), ({"name": ""}, "name"), ({"name": 1}, "name"),
                           ({"name": "x" * 201}, "200"), ({"name": "a\0b"}, ""),
                           ({"state": "complete"}, "state")):
            self.problem(self.api("PATCH", path, body), 400, "invalid", text)
        self.problem(self.api("PATCH", "/backups/" + UNKNOWN, {"locked": True}), 404, "not-found")
        self.assertIs(self.api("GET", path).json["locked"], False)

    # Prune.

    def test_prune(self):
        a, b, c, d = self.days(0, 1, 2, 3)
        before = self.listed()
        keep = {"daily": 2, "last": 1}
        expected = ([c, d], {a: ["last", "daily"], b: ["daily"]})
        self.assertEqual(self.prune(keep=keep, dry_run=True), expected)
        self.assertEqual(self.listed(), before)
        self.assertEqual(self.prune(keep=keep), expected)
        self.assertEqual(self.listed(), [a, b])
        self.service.finish_all()
        self.assertIn("sweep", [o["kind"] for o in self.api("GET", "/operations").json["operations"]])
        for backup in (a, b):
            self.service.operate(f"/backups/{backup}/verify")
        self.assertEqual(self.prune(keep=keep), ([], expected[1]))

    def test_prune_spares(self):
        """A locked backup, one of another plan, one that is being read, a failed one."""
        a, locked, read, gone = self.days(0, 1, 2, 3)
        [other] = self.days(9, plan={"host_paths": [self.data + "/text"]})
        self.engine.failing.add("/containers/json")
        failed = self.service.finish(self.service.begin("/backups"), "failed")["backup"]
        self.engine.failing.clear()
        self.change(locked, locked=True)
        connection, answer = self.service.call("GET", f"/backups/{read}/archive?format=tar")
        with contextlib.closing(connection):
            answer.read(1)
            self.assertEqual(self.prune(keep={"last": 1}),
                             ([gone], {a: ["last"], locked: ["locked"], read: ["read"]}))
        self.assertEqual(set(self.listed()), {a, locked, read, other, failed})

    def test_bad_prunes(self):
        before = self.days(0, 1)
        for body, text in ((None, "keep"), ({}, "keep"), ({"dry_run": True}, "keep"),
                           ({"keep": {}}, "above 0"), ({"keep": {"last": 0}}, "above 0"),
                           ({"keep": {"last": -1}}, "last"), ({"keep": {"dayly": 1}}, "dayly"),
                           ({"keep": []}, "keep"), ({"keep": {"last": 1}, "dry_run": 1}, "dry_run"),
                           ({"keep": {"last": 1}, "plan": {}}, "plan")):
            self.problem(self.api("POST", "/prune", body), 400, "invalid", text)
        self.assertEqual(self.listed(), before)

    def test_after_a_backup(self):
        """Only a plan with `keep` prunes, and another `keep` makes no other plan of it."""
        plan = {"host_paths": [self.data]}
        old = self.days(1, 2, 3)
        first = self.service.operate("/backups", plan)
        self.scheduled(first["backup"])
        self.assertNotIn("removed", first["result"])
        operation = self.service.operate("/backups", {**plan, "keep": {"daily": 3}})
        removed = [item["id"] for item in operation["result"]["removed"]]
        self.assertEqual(removed, [old[2]])  # the new one is manual, and counts for no rule
        self.assertEqual(self.listed(), [operation["backup"], first["backup"], *old[:2]])

    def test_only_what_the_schedule_made(self):
        """What somebody asked for stays, whatever the rules, as does what is of an unknown origin; unless `keep` says
        that it may go, too."""
        new, middle, old = self.days(0, 1, 2)
        self.edit("UPDATE backups SET record = json_set(record, '$.origin', 'manual') WHERE id = ?", middle)
        self.edit("UPDATE backups SET record = json_remove(record, '$.origin') WHERE id = ?", old)
        by_hand = self.service.backup()
        origins = {item["id"]: item["origin"] for item in self.api("GET", "/backups").json["backups"]}
        self.assertEqual(origins, {by_hand: "manual", new: "schedule", middle: "manual", old: "manual"})
        self.assertEqual(self.prune(keep={"last": 1}),
                         ([], {by_hand: ["manual"], new: ["last"], middle: ["manual"], old: ["manual"]}))
        self.assertEqual(self.prune(keep={"last": 2, "manual": True}),
                         ([middle, old], {by_hand: ["last"], new: ["last"]}))

    def test_the_newest_proven_one_stays(self):
        new, middle, old, oldest = self.days(0, 1, 2, 3)
        for backup in (middle, old, oldest):
            self.edit("UPDATE backups SET rehearsal = ? WHERE id = ?", json.dumps(
                {"verdict": "failed" if backup == middle else "proven", "at": "2026-11-22T03:15:00.000Z"}), backup)
        self.assertEqual(self.prune(keep={"last": 1}), ([middle, oldest], {new: ["last"], old: ["proven"]}))

    def test_the_clock_was_ahead(self):
        """What was made then neither makes newer ones go, nor stands before them, nor goes itself; nobody trusts its time."""
        ahead, true = self.days(0, 1)
        self.edit("UPDATE backups SET created_ns = created_ns + ? WHERE id IN (?, ?)", 400 * DAY_NS, ahead, true)
        for _ in range(2):
            new = self.service.backup()
            self.scheduled(new)
            self.assertEqual(self.prune(keep={"last": 1})[0], [] if _ == 0 else [before])
            before = new
        listed = self.api("GET", "/backups").json["backups"]
        self.assertEqual([item["id"] for item in listed], [new, ahead, true])
        self.assertEqual([item.get("future") for item in listed], [None, True, True])
        self.assertEqual(self.prune(keep={"daily": 1}), ([], {new: ["daily"], ahead: ["clock"], true: ["clock"]}))
        page = self.api("GET", f"/backups?limit=1&after={new}").json
        self.assertEqual(([item["id"] for item in page["backups"]], page["next"]), ([ahead], ahead))
        self.assertEqual([item["id"] for item in self.api("GET", f"/backups?limit=1&after={ahead}").json["backups"]],
                         [true])
        metrics = self.api("GET", "/metrics").body.decode()
        success = [float(line.split()[1]) for line in metrics.splitlines()
                   if line.startswith("fuel_backup_last_success_timestamp_seconds{")]
        self.assertLess(success[0] if success else 0, time.time() + 60)

    def test_the_clock_was_dead(self):
        """One that was made in 1970 makes no other go, nor goes."""
        new, dead, old, older = self.days(0, 1, 2, 3)
        self.edit("UPDATE backups SET created_ns = 5 WHERE id = ?", dead)
        self.assertEqual(self.prune(keep={"daily": 2}), ([older], {new: ["daily"], dead: ["clock"], old: ["daily"]}))

    def test_a_restore_needs_it(self):
        """While one is under way, or waits to be undone."""
        new, old = self.days(0, 5)
        note = os.path.join(self.service.store, "run/restore.json")
        with open(note, "w", encoding="utf-8") as out:
            json.dump({"state": "undo", "backup": old}, out)
        self.addCleanup(lambda: os.path.exists(note) and os.unlink(note))
        self.problem(self.api("DELETE", "/backups/" + old), 409, "conflict", "restore", old)
        self.assertEqual(self.prune(keep={"last": 1}), ([], {new: ["last"]}))
        os.unlink(note)
        self.assertEqual(self.prune(keep={"last": 1})[0], [old])

    def test_imports_stay(self):
        new, old = self.days(0, 5)
        self.edit("UPDATE backups SET record = json_set(record, '$.imported', json('{}'), '$.origin', 'import')"
                  " WHERE id = ?", old)
        self.assertEqual(self.prune(keep={"last": 1}), ([], {new: ["last"]}))
        self.assertEqual(self.api("DELETE", "/backups/" + old).status, 204)

    def test_bad_keep_in_a_plan(self):
        for keep, text in (([], "keep"), ({"last": 0}, "above 0"), ({"latest": 1}, "latest")):
            reply = self.api("POST", "/backups", {"host_paths": [self.data], "keep": keep})
            self.problem(reply, 400, "invalid", "plan", text)
