# Goal: one object that cannot be had never stops the rest: it is named, and nothing takes the backup for a complete one.
"""A host path that is not there, in a plan with one that is."""

import json
import os
import subprocess

from neighbours import Receiver
from people_cases import Own


class PartialCase(Own):
    def setUp(self):
        super().setUp()
        self.write("text", "first\n")
        self.gone = self.folder + "/gone"
        self.paths = [self.folder + "/data", self.gone]
        with open(self.folder + "/plan.json", "w", encoding="utf-8") as out:
            json.dump({"host_paths": self.paths, "keep": {"last": 1, "manual": True}}, out)

    def write(self, name, text):
        with open(self.folder + "/data/" + name, "w", encoding="utf-8") as out:
            out.write(text)

    def back_up(self, state, body=None):
        operation = self.service.operate("/backups", body)
        self.assertEqual(state, operation["result"]["state"], operation)
        record = self.api("GET", "/backups/" + operation["backup"]).json
        self.assertEqual((state, state == "partial"), (record["state"], record["incomplete"]))
        self.assertEqual(record["omitted"], operation["result"]["omitted"])
        return operation["backup"], record, operation

    def test_named_and_restored_as_far_as_it_goes(self):
        hook = self.neighbour(Receiver())
        self.serve(FUEL_BACKUP_NOTIFY_URL=hook.url)
        backup, record, operation = self.back_up("partial")
        self.assertEqual((1, [{"kind": "host", "name": self.gone}]), (record["omitted_total"], [
            {"kind": one["kind"], "name": one["name"]} for one in record["omitted"]]))
        self.assertTrue(record["omitted"][0]["reason"] and record["omitted"][0]["advice"], record)
        message, = hook.messages(1)
        self.assertEqual(("partial", operation["id"]), (message["event"], message["operation"]["id"]))
        self.assertIn(self.gone, message["summary"])
        metrics = self.api("GET", "/metrics").body.decode()
        self.assertIn('fuel_backup_backups{state="partial"} 1', metrics)
        self.assertIn('fuel_backup_last_omitted_objects{plan="default"} 1', metrics)
        self.assertIn('fuel_backup_last_success_timestamp_seconds{plan="default"} 0', metrics)
        self.service.operate(f"/backups/{backup}/verify")
        self.write("text", "changed\n")
        os.mkdir(self.gone)
        self.service.operate(f"/backups/{backup}/restore")
        with open(self.folder + "/data/text", encoding="utf-8") as source:
            self.assertEqual("first\n", source.read())
        self.assertTrue(os.path.isdir(self.gone), "what the backup left out is not touched")
        archive = self.api("GET", f"/backups/{backup}/archive").body
        self.assertEqual(204, self.api("DELETE", "/backups/" + backup).status)
        reply = self.api("PUT", "/archives", archive, {"Content-Type": "application/zstd"})
        self.assertEqual((201, "partial", record["omitted"]), (
            reply.status, reply.json["state"], reply.json["omitted"]), reply)
        self.service.end()
        os.rename(self.service.store + "/catalogue.db", self.service.store + "/lost.db")
        subprocess.run([self.service.binary, "rebuild"], env=self.service.environment, check=True, timeout=60,
                       capture_output=True)
        self.service.start()
        self.assertEqual("partial", self.api("GET", "/backups/" + backup).json["state"])

    def test_fail_by_either_name(self):
        self.serve()
        for body in ({"on_error": "fail"}, {"unreadable": "fail"}):
            operation = self.service.finish(self.service.begin("/backups", {"host_paths": self.paths, **body}), "failed")
            self.assertEqual("urn:fuel-backup:unreadable", operation["error"]["type"], operation)
            self.assertIn(self.gone, operation["error"]["detail"])
        self.back_up("partial", {"host_paths": self.paths, "unreadable": "mark"})

    def test_no_complete_one_goes_for_it(self):
        self.serve()
        os.mkdir(self.gone)
        complete, _, _ = self.back_up("complete")
        os.rmdir(self.gone)
        first, _, operation = self.back_up("partial")
        self.assertEqual([], operation["result"]["removed"])
        second, _, operation = self.back_up("partial")
        self.assertEqual([first], [one["id"] for one in operation["result"]["removed"]])
        os.mkdir(self.gone)
        newest, _, operation = self.back_up("complete")
        self.assertEqual({complete, second}, {one["id"] for one in operation["result"]["removed"]})
        self.assertEqual([newest], [one["id"] for one in self.api("GET", "/backups").json["backups"]])

    def test_nothing_matches(self):
        self.serve()
        os.mkdir(self.gone)
        complete, _, _ = self.back_up("complete")
        for body, kind, text in (({"containers": {"names": ["no-such"]}}, "invalid", "matches nothing"),
                                 ({"host_paths": ["/no/such", "/nor/this"]}, "unreadable", "would be left out: host /no")):
            operation = self.service.finish(self.service.begin("/backups", body), "failed")
            self.assertEqual("urn:fuel-backup:" + kind, operation["error"]["type"], operation)
            self.assertIn(text, operation["error"]["detail"])
        states = {one["id"]: one["state"] for one in self.api("GET", "/backups").json["backups"]}
        self.assertEqual([complete], [backup for backup, state in states.items() if state != "failed"])
