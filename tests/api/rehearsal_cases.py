# Goal: a rehearsal is refused, and its verdict recorded and shown, as the contract says.
"""Rehearsals of a backup without containers, which is proven by being read; what real containers do is in
tests/engine/rehearsal_test.py."""

import contextlib
import json
import os
import sqlite3

from case import UNKNOWN, ServiceCase
from service import Service, wait_until


class RehearsalCase(ServiceCase):
    def backup(self):
        return self.service.backup()

    def test_proven(self):
        backup = self.backup()
        record = self.api("GET", f"/backups/{backup}").json
        self.assertIsNone(record["rehearsal"])
        self.assertIsNone(record["proven_at"])
        operation = self.service.operate(f"/backups/{backup}/rehearse",
                                         {"memory_bytes": 1 << 30, "cpus": 1, "stay_seconds": 1, "health_seconds": 1})
        record = self.api("GET", f"/backups/{backup}").json
        self.assertEqual(operation["result"], record["rehearsal"])
        self.assertEqual("proven", record["rehearsal"]["verdict"])
        self.assertEqual(record["rehearsal"]["at"], record["proven_at"])
        self.assertEqual([], record["rehearsal"]["containers"])
        listed = self.api("GET", "/backups").json["backups"][0]
        self.assertEqual({"verdict": "proven", "at": record["proven_at"]}, listed["rehearsal"])

    def test_refused(self):
        backup = self.backup()
        path = f"/backups/{backup}/rehearse"
        for body in ({"memory_bytes": (16 << 20) - 1}, {"memory_bytes": (1 << 50) + 1}, {"cpus": 0}, {"cpus": 4097},
                     {"stay_seconds": 0}, {"stay_seconds": 601}, {"health_seconds": 3601}, {"cpus": "1"}, {"cpus": 1.0}):
            self.problem(self.api("POST", path, body), 400, "invalid", *body)
        self.problem(self.api("POST", path, {"cpu": 1}), 400, "invalid", "memory_bytes, cpus")
        self.problem(self.api("POST", f"/backups/{UNKNOWN}/rehearse"), 404, "not-found")
        self.assertEqual(self.api("POST", path, token=None).status, 401)
        self.assertEqual(self.api("POST", path, b"x" * (2 << 20)).status, 413)
        self.assertEqual(self.api("POST", path, b"{}", {"Content-Type": "text/plain"}).status, 415)
        key = {"Idempotency-Key": "rehearse-" + backup}
        first = self.api("POST", path, None, key)
        self.assertEqual(first.status, 202)
        self.service.finish(first.header("Location"))
        self.assertEqual(self.api("POST", path, {"cpus": 1}, key).status, 422)
        self.engine.close()
        try:
            self.problem(self.api("POST", path), 503, "engine-unreachable")
        finally:
            self.engine.open()

    def test_one_at_a_time(self):
        """A second one is refused; a backup is not; a cancelled one has no verdict."""
        backup = self.backup()
        self.engine.stall("/info")
        self.addCleanup(self.engine.release)
        location = self.service.begin(f"/backups/{backup}/rehearse")
        self.engine.wait_held()
        reply = self.api("POST", f"/backups/{backup}/rehearse")
        self.assertEqual(self.problem(reply, 409, "busy")["operation"], location)
        self.assertEqual(self.api("DELETE", location).status, 202)
        self.engine.release()
        self.service.finish(location, "cancelled")
        self.assertIsNone(self.api("GET", f"/backups/{backup}").json["rehearsal"])

    def test_after_a_backup(self):
        operation = self.service.operate("/backups", {"host_paths": [self.data], "rehearse": "after-backup"})
        self.service.finish(operation["result"]["rehearsal"])
        self.assertIsNotNone(self.api("GET", f"/backups/{operation['backup']}").json["proven_at"])
        self.problem(self.api("POST", "/backups", {"rehearse": "never"}), 400, "invalid", "after-backup")

    def test_damaged(self):
        """A backup that cannot be read is not restorable: that is a verdict."""
        folder = os.path.join(self.folder, "damaged")
        os.mkdir(folder)
        plan = os.path.join(folder, "plan.json")
        with open(plan, "w", encoding="utf-8") as out:
            json.dump({"host_paths": [self.data]}, out)
        service = Service(folder, self.engine.path, FUEL_BACKUP_PLAN=plan).start()
        self.addCleanup(service.clean_up)
        backup = service.backup()
        with contextlib.closing(sqlite3.connect(os.path.join(service.store, "catalogue.db"))) as catalogue:
            offset, stored, pack = catalogue.execute(
                "SELECT offset, stored, hex(uuid) FROM chunks JOIN packs ON packs.id = pack "
                "ORDER BY plain DESC LIMIT 1").fetchone()
        del pack
        for path, _, names in os.walk(os.path.join(service.store, "packs")):
            for name in names:
                with open(os.path.join(path, name), "r+b") as file:
                    file.seek(offset + stored // 2)
                    byte = file.read(1)
                    file.seek(-1, os.SEEK_CUR)
                    file.write(bytes([byte[0] ^ 0xFF]))
        operation = service.finish(service.begin(f"/backups/{backup}/rehearse"), "failed")
        self.assertEqual("urn:fuel-backup:unproven", operation["error"]["type"])
        record = service.api("GET", f"/backups/{backup}").json
        self.assertEqual("failed", record["rehearsal"]["verdict"])
        self.assertIsNotNone(record["rehearsal"]["error"])
        self.assertIsNone(record["proven_at"])
        wait_until("it ends", lambda: service.end() == 0)
