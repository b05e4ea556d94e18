# Goal: who watches is told the truth: metrics, tasks, notifications; and only who may, gets in.
"""/metrics, /tasks, other origins, webhooks, Keystone, Nailgun, the log."""

import contextlib
import json
import os
import re
import shutil
import sqlite3
import subprocess
import tempfile
import threading
import time
import unittest

import record
from case import UNKNOWN, ServiceCase, flip
from exposition import exposition
from fake_engine import FakeEngine
from neighbours import AN_HOUR_AGO, IN_AN_HOUR, Keystone, Nailgun, Receiver
from service import Service, free_port, meant, wait_until


class Own(unittest.TestCase):
    """A service of the test's own, with an environment of its own."""

    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="fb-api-")
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.engine = FakeEngine(os.path.join(self.folder, "engine.sock")).open()
        self.addCleanup(self.engine.close)
        os.mkdir(self.folder + "/data")
        with open(self.folder + "/plan.json", "w", encoding="utf-8") as out:
            json.dump({"host_paths": [self.folder + "/data"]}, out)

    def serve(self, **environment):
        self.service = Service(self.folder, self.engine.path,
                               FUEL_BACKUP_PLAN=self.folder + "/plan.json", **environment)
        self.addCleanup(self.service.clean_up)
        self.service.start()
        self.api = self.service.api
        return self.service

    def neighbour(self, server):
        self.addCleanup(server.close)
        return server

    def tearDown(self):
        """It ends well."""
        if hasattr(self, "service") and self.service.process.poll() is None:
            self.assertEqual(self.service.end(), 0, self.service.log()[-3000:])

    problem = ServiceCase.problem

    def metrics(self):
        return exposition(self.api("GET", "/metrics").body.decode())


class MetricsCase(ServiceCase):
    def metrics(self):
        reply = self.api("GET", "/metrics")
        self.assertEqual(reply.header("Content-Type"), "text/plain; version=0.0.4; charset=utf-8")
        return exposition(reply.body.decode())

    def test_figures(self):
        ended = self.service.operate("/backups")
        other = self.service.operate("/backups", {"host_paths": [self.data], "exclude": ["/x"]})
        found, backup = self.metrics(), self.api("GET", f"/backups/{ended['backup']}").json
        default = (("plan", "default"),)
        for name, field, unit in (("duration_seconds", "duration_ms", 1000),
                                  ("freeze_seconds", "freeze_ms", 1000), ("size_bytes", "size_bytes", 1),
                                  ("stored_bytes", "stored_bytes", 1), ("archive_bytes", "archive_bytes", 1)):
            self.assertEqual(found["fuel_backup_last_" + name][default], (backup[field] or 0) / unit)
        self.assertGreater(found["fuel_backup_last_success_timestamp_seconds"][default], 1.7e9)
        self.assertEqual(len(found["fuel_backup_last_success_timestamp_seconds"]), 2)
        self.assertEqual(found["fuel_backup_backups"][(("state", "complete"),)], 2)
        health = self.api("GET", "/health", token=None).json["store"]
        self.assertEqual(found["fuel_backup_store_packs_bytes"][()], health["packs_bytes"])
        self.assertGreater(found["fuel_backup_store_dedup_ratio"][()], 1.5)
        self.assertEqual(found["fuel_backup_operations_total"][
            (("kind", "backup"), ("state", "succeeded"))], 2)
        self.assertNotEqual(other["backup"], ended["backup"])
        before = {name: found[name] for name in found if "last_s" in name or "backups" in name}
        self.service.end()
        self.service.start()
        again = self.metrics()
        self.assertEqual({name: again[name] for name in before}, before)

    def test_histograms(self):
        def figures():
            found = self.metrics()
            return found["fuel_backup_duration_seconds"], found["fuel_backup_freeze_seconds"]

        before = figures()
        windows = []
        for _ in range(2):
            ended = self.service.operate("/backups")
            windows.append(self.api("GET", f"/backups/{ended['backup']}").json["freeze_ms"] / 1000)
        self.service.finish(self.service.begin("/backups", {"host_paths": ["/no/such"]}), "failed")
        for one, other in zip(before, figures()):
            self.assertEqual(other["_count", ()] - one["_count", ()], 2, "a failed one does not count")
        self.assertAlmostEqual(other["_sum", ()] - one["_sum", ()], sum(windows), 6)
        in_a_second = "_bucket", (("le", "1"),)
        self.assertEqual(other[in_a_second] - one[in_a_second], sum(window <= 1 for window in windows))

    def test_scrub_age(self):
        import datetime
        name = "fuel_backup_scrub_last_success_timestamp_seconds"
        self.service.backup()
        for slice_of in (None, {}):
            scrub = self.service.operate("/scrub", slice_of)
            ended = datetime.datetime.fromisoformat(scrub["ended_at"].replace("Z", "+00:00")).timestamp()
            self.assertAlmostEqual(self.metrics()[name][()], ended, 3)
        self.service.backup()
        self.assertAlmostEqual(self.metrics()[name][()], ended, 3, "nothing else moves it")
        self.service.end()
        self.service.start()
        self.assertAlmostEqual(self.metrics()[name][()], ended, 3, "it outlives a restart")

    def test_requests_by_pattern(self):
        key = (("method", "GET"), ("route", "/backups/{id}"), ("code", "404"))
        before = self.metrics()["fuel_backup_http_requests_total"].get(key, 0)
        for _ in range(3):
            self.api("GET", f"/backups/{UNKNOWN}")
        self.api("ODD", "/nowhere/secret-path")
        text = self.api("GET", "/metrics").body.decode()
        self.assertEqual(exposition(text)["fuel_backup_http_requests_total"][key], before + 3)
        self.assertNotIn("secret-path", text)
        self.assertNotIn("ODD", text)

    def test_promtool(self):
        tool = shutil.which("promtool") or os.environ.get("FB_PROMTOOL")
        if not tool:
            self.skipTest("no promtool; the parser above judges alone")
        text = self.api("GET", "/metrics").body
        done = subprocess.run([tool, "check", "metrics"], input=text, capture_output=True)
        self.assertEqual((done.returncode, done.stderr), (0, b""), done)

    def test_tasks(self):
        location = self.stalled()
        [task] = [t for t in self.api("GET", "/tasks").json if t["status"] == "running"]
        self.assertEqual(location, f"/operations/{task['id']}")
        self.engine.release()
        ended = self.service.finish(location)
        task = self.api("GET", f"/tasks/{task['id']}").json
        self.assertEqual((task["status"], task["progress"], task["name"], task["cluster"]),
                         ("ready", 100, "backup", None))
        self.assertEqual(task["message"], f"/backups/{ended['backup']}/archive")
        self.assertEqual(self.api("GET", "/tasks?cluster_id=1").json, [])
        self.assertIn(task, self.api("GET", "/tasks?cluster_id=").json)
        failed = self.service.begin("/backups", {"host_paths": ["/nowhere/at/all"]})
        error = self.service.finish(failed, "failed")["error"]
        task = self.api("GET", "/tasks/" + failed.split("/")[-1]).json
        self.assertEqual((task["status"], task["message"]), ("error", error["detail"]))
        self.problem(self.api("GET", f"/tasks/{UNKNOWN}"), 404, "not-found")

    def test_no_other_origins(self):
        reply = self.api("OPTIONS", "/backups", token=None, headers={
            "Origin": "http://fuel", "Access-Control-Request-Method": "POST"})
        self.assertEqual([name for name, _ in reply.headers if "Access-Control" in name], [])


class OriginsCase(Own):
    def test_origins(self):
        self.serve(FUEL_BACKUP_ORIGINS="http://fuel:8000, https://fuel:8443")
        ask = {"Access-Control-Request-Method": "POST"}
        for origin in ("http://fuel:8000", "https://fuel:8443"):
            reply = self.api("OPTIONS", "/backups", token=None, headers={"Origin": origin, **ask})
            self.assertEqual(reply.status, 204)
            self.assertEqual(reply.header("Access-Control-Allow-Origin"), origin)
            self.assertIn("POST", reply.header("Access-Control-Allow-Methods"))
            self.assertIn("Authorization", reply.header("Access-Control-Allow-Headers"))
            self.assertIsNone(reply.header("Access-Control-Allow-Credentials"))
            for token, status in ((True, 200), (None, 401)):
                reply = self.api("GET", "/backups", token=token, headers={"Origin": origin})
                self.assertEqual(reply.status, status)
                self.assertEqual(reply.header("Access-Control-Allow-Origin"), origin)
                self.assertEqual(reply.header("Vary"), "Origin")
        for origin in ("http://fuel", "https://fuel:8000", "null", "http://fuel:8000.evil",
                       "HTTP://FUEL:8000", None):
            headers = {"Origin": origin, **ask} if origin else ask
            for reply in (self.api("OPTIONS", "/backups", token=None, headers=headers),
                          self.api("GET", "/backups", headers=headers)):
                self.assertEqual([n for n, _ in reply.headers if "Access-Control" in n], [])
                self.assertEqual(reply.header("Vary"), "Origin")

    def test_what_is_no_origin(self):
        for text in ("*", "http://fuel/", "fuel:8000", "http://", "http://Fuel"):
            service = Service(self.folder, self.engine.path, FUEL_BACKUP_ORIGINS=text)
            self.addCleanup(service.clean_up)
            with self.assertRaisesRegex(AssertionError, "FUEL_BACKUP_ORIGINS"):
                service.start()

    def test_metrics_token(self):
        with open(self.folder + "/prometheus", "w", encoding="ascii") as out:
            out.write("m" * 40 + "\n")
        self.serve(FUEL_BACKUP_METRICS_TOKEN_FILE=self.folder + "/prometheus")
        self.assertEqual(self.api("GET", "/metrics", token="m" * 40).status, 200)
        self.problem(self.api("GET", "/metrics", token="n" * 40), 401, "denied")
        self.problem(self.api("GET", "/backups", token="m" * 40), 401, "denied")
        self.problem(self.api("POST", "/backups", token="m" * 40), 401, "denied")


class NotifyCase(Own):
    def test_success_and_failure(self):
        hook = self.neighbour(Receiver())
        self.serve(FUEL_BACKUP_NOTIFY_URL=hook.url + "/hook?key=secret-key")
        ended = self.service.operate("/backups")
        self.service.finish(self.service.begin("/backups", {"host_paths": ["/no/such"]}), "failed")
        good, bad = hook.messages(2)
        self.assertEqual((good["event"], good["operation"]["id"]), ("success", ended["id"]))
        self.assertEqual((bad["event"], bad["operation"]["error"]["status"]), ("failure", 500))
        self.assertEqual(hook.calls[0][1], "/hook?key=secret-key")
        self.assertNotIn("secret-key", self.service.log())
        wait_until("both are counted", lambda: self.metrics()["fuel_backup_notifications_total"][
            (("outcome", "sent"),)] == 2)

    def test_text_and_again(self):
        hook = self.neighbour(Receiver(500, 429, 200))
        self.serve(FUEL_BACKUP_NOTIFY_URL=hook.url, FUEL_BACKUP_NOTIFY_FORMAT="text")
        self.service.operate("/backups")
        messages = hook.messages(3)
        self.assertEqual(set(messages[0]), {"text"})
        self.assertIn("backup succeeded", messages[0]["text"])
        self.assertEqual(messages, [messages[0]] * 3)
        wait_until("it is counted", lambda: self.metrics()["fuel_backup_notifications_total"][
            (("outcome", "sent"),)] == 1)

    def test_refused(self):
        for status in (404, 302):
            hook = self.neighbour(Receiver(status))
            self.serve(FUEL_BACKUP_NOTIFY_URL=hook.url)
            self.service.operate("/backups")
            wait_until("it is counted", lambda: self.metrics()["fuel_backup_notifications_total"][
                (("outcome", "failed"),)] == 1)
            self.assertEqual(len(hook.calls), 1)
            self.assertIn("the receiver did not take it", self.service.log())
            self.service.end()

    def test_slow_holds_up_nothing(self):
        hook = self.neighbour(Receiver())
        hook.pause.clear()
        self.serve(FUEL_BACKUP_NOTIFY_URL=hook.url)
        for _ in range(3):
            self.service.operate("/backups")
        self.assertEqual(self.metrics()["fuel_backup_notifications_waiting"][()], 3)
        self.assertEqual(self.service.end(), 0)

    def test_whose_host_what_went_and_what_was_only_looked_at(self):
        """Messages name the engine's host, what retention removed, and say of a dry run that it is one."""
        hook = self.neighbour(Receiver())
        self.serve(FUEL_BACKUP_NOTIFY_URL=hook.url)
        wait_until("the host is known", lambda: self.api("GET", "/health").json["host"])
        first = self.service.backup()
        last = self.service.operate("/backups", {"host_paths": [self.folder + "/data"],
                                                 "keep": {"last": 1, "manual": True}})["backup"]
        self.service.operate(f"/backups/{last}/restore", {"dry_run": True})
        messages = hook.messages(3)
        self.assertEqual({m["host"] for m in messages}, {"fake"})
        self.assertNotIn("removed", messages[0]["summary"])
        self.assertIn(f"retention removed {first} of ", messages[1]["summary"])
        self.assertEqual([one["id"] for one in messages[1]["operation"]["result"]["removed"]], [first])
        self.assertIn("dry run of a restore succeeded", messages[2]["summary"])
        self.assertIs(messages[2]["operation"]["dry_run"], True)

    def test_a_success_of_a_time_to_come(self):
        """It is none to rely on: the figures, by which overdue is judged, leave it out."""
        hook = self.neighbour(Receiver())
        self.serve(FUEL_BACKUP_NOTIFY_URL=hook.url, FUEL_BACKUP_NOTIFY_ON="overdue", FUEL_BACKUP_OVERDUE_HOURS="24")
        backup = self.service.backup()
        self.service.end()
        with contextlib.closing(sqlite3.connect(self.service.store + "/catalogue.db")) as catalogue, catalogue:
            catalogue.execute("UPDATE backups SET created_ns = created_ns + 400 * 86400 * 1000000000")
        self.service.start()
        self.assertTrue(self.api("GET", "/backups/" + backup).json["future"])
        success = self.metrics().get("fuel_backup_last_success_timestamp_seconds", {})
        self.assertNotIn(True, [value > time.time() for value in success.values()])

    def test_damaged(self):
        """A damaged chunk is told as damage, and not as a failure besides; when it is found again, again."""
        content = os.urandom(1 << 20)
        with open(self.folder + "/data/noise", "wb") as out:
            out.write(content)
        hook = self.neighbour(Receiver())
        self.serve(FUEL_BACKUP_NOTIFY_URL=hook.url, FUEL_BACKUP_NOTIFY_ON="failure,damaged,overdue")
        backup = self.service.backup()
        self.service.operate("/scrub")
        before = self.metrics()
        flip(self.service.store, content[5000:5064])
        scrub = self.service.finish(self.service.begin("/scrub"), "failed")
        verify = self.service.finish(self.service.begin(f"/backups/{backup}/verify"), "failed")
        messages = hook.messages(2)
        self.assertEqual([(m["event"], m["operation"]["id"]) for m in messages],
                         [("damaged", scrub["id"]), ("damaged", verify["id"])])
        self.assertEqual(messages[0]["operation"]["result"]["chunks_damaged"], 1)
        for text in (backup, "noise"):
            self.assertIn(text, messages[0]["summary"])
        found = self.metrics()
        self.assertEqual((found["fuel_backup_damaged_chunks"][()], found["fuel_backup_damaged_backups"][()]), (1, 1))
        name = "fuel_backup_scrub_last_success_timestamp_seconds"
        self.assertGreater(before[name][()], 0)
        self.assertEqual(found[name], before[name], "a scrub that finds damage is no success")

    def test_the_queue_overflows(self):
        hook = self.neighbour(Receiver())
        hook.pause.clear()
        self.serve(FUEL_BACKUP_NOTIFY_URL=hook.url)
        for _ in range(67):  # one is being sent, it waits all the same
            self.service.finish(self.service.begin("/backups", {"host_paths": ["/no/such"]}), "failed")
        found = self.metrics()
        self.assertEqual(found["fuel_backup_notifications_waiting"][()], 64)
        self.assertEqual(found["fuel_backup_notifications_total"][(("outcome", "dropped"),)], 3)
        self.assertIn("64 notifications wait", self.service.log())
        hook.pause.set()
        wait_until("all are sent", lambda: self.metrics()["fuel_backup_notifications_waiting"][()] == 0)
        # Where all this took more than ten seconds the first one was sent again.
        self.assertEqual(len({m["operation"]["id"] for m in hook.messages(len(hook.calls))}), 64)

    def test_only_some(self):
        hook = self.neighbour(Receiver())
        self.serve(FUEL_BACKUP_NOTIFY_URL=hook.url, FUEL_BACKUP_NOTIFY_ON="failure")
        self.service.operate("/backups")
        self.service.finish(self.service.begin("/backups", {"host_paths": ["/no/such"]}), "failed")
        self.assertEqual([m["event"] for m in hook.messages(1)], ["failure"])

    def test_overdue(self):
        hook = self.neighbour(Receiver())
        self.serve(FUEL_BACKUP_NOTIFY_URL=hook.url, FUEL_BACKUP_NOTIFY_ON="overdue",
                   FUEL_BACKUP_OVERDUE_HOURS="24")
        self.service.operate("/backups")
        self.assertEqual(self.metrics()["fuel_backup_overdue"][()], 0)
        self.service.end()
        database = sqlite3.connect(self.service.store + "/catalogue.db")
        database.execute("UPDATE backups SET created_ns = created_ns - 25 * 3600 * 1000000000")
        database.commit()
        database.close()
        self.service.start()
        [message] = hook.messages(1)
        self.assertEqual(message["event"], "overdue")
        self.assertIn("25 hours", message["summary"])
        self.assertEqual(self.metrics()["fuel_backup_overdue"][()], 1)


class KeystoneCase(Own):
    def ask(self, token, path="/backups", method="GET"):
        return self.api(method, path, token=None, headers={"X-Auth-Token": token})

    def check(self, version, **more):
        keystone = self.neighbour(Keystone())
        keystone.tokens = {"good": (IN_AN_HOUR, ["_member_", "admin"]), "old": (AN_HOUR_AGO, ["admin"]),
                           "member": (IN_AN_HOUR, ["_member_"]), "none": (IN_AN_HOUR, [])}
        self.serve(FUEL_BACKUP_AUTH="keystone", FUEL_BACKUP_KEYSTONE_URL=keystone.url + version, **more)
        self.assertEqual(self.ask("good").status, 200)
        calls = len(keystone.calls)
        self.assertEqual(self.ask("good").status, 200)
        self.assertEqual(len(keystone.calls), calls, "it was remembered")
        self.problem(self.ask("old"), 401, "denied")
        self.problem(self.ask("unknown"), 401, "denied")
        self.problem(self.ask("../../x?y"), 401, "denied")
        for token in ("member", "none"):
            self.problem(self.ask(token), 403, "forbidden")
        self.assertEqual(self.api("GET", "/backups").status, 200, "the service's own token")
        self.problem(self.api("GET", "/backups", token=None), 401, "denied")
        keystone.tokens["later"] = keystone.tokens["good"]
        for keystone.garbage in (b"", b"{", b"[]", b"{}", {"token": {}}, {"access": {"token": 1}},
                                 {"token": {"expires_at": "soon", "roles": [{"name": "admin"}]}}):
            self.problem(self.ask("later"), 503, "login-unavailable")
        keystone.garbage = None
        keystone.status = 500
        self.problem(self.ask("later"), 503, "login-unavailable")
        self.assertEqual(self.ask("good").status, 200)
        keystone.status = None
        self.assertEqual(self.ask("later").status, 200)
        for secret in ("good", "member", "secret"):
            self.assertNotIn(secret, self.service.log())
        return keystone

    def test_role_is_needed_everywhere(self):
        keystone = self.neighbour(Keystone())
        keystone.tokens = {"member": (IN_AN_HOUR, ["_member_"])}
        self.serve(FUEL_BACKUP_AUTH="keystone", FUEL_BACKUP_KEYSTONE_URL=keystone.url + "/v3")
        contract = record.Contract()
        for method, template, operation in contract.operations():
            if operation.get("security", True) == []:
                continue
            with self.subTest(f"{method} {template}"):
                reply = self.ask("member", template.replace("{id}", UNKNOWN), method)
                self.assertEqual(reply.status, 403)
                if method != "HEAD":
                    self.problem(reply, 403, "forbidden", "admin")

    def test_v3(self):
        self.check("/v3")

    def test_v2(self):
        self.check("/v2.0")

    def test_asked_by_a_user(self):
        for version in ("/v3", "/v2.0"):
            keystone = self.check(version, FUEL_BACKUP_KEYSTONE_USER="nailgun",
                                  FUEL_BACKUP_KEYSTONE_PASSWORD="secret")
            keystone.tokens = {"fresh": (IN_AN_HOUR, ["admin"])}  # our own is gone: a new one
            self.assertEqual(self.ask("fresh").status, 200)
            self.service.end()

    def test_off(self):
        self.serve()
        self.problem(self.ask("good"), 401, "denied")

    def test_unreachable(self):
        self.serve(FUEL_BACKUP_AUTH="keystone",
                   FUEL_BACKUP_KEYSTONE_URL=f"http://127.0.0.1:{free_port()}/v3")
        self.problem(self.ask("good"), 503, "login-unavailable", "cannot be reached")
        self.assertEqual(self.api("GET", "/backups").status, 200)

    def test_slow_holds_up_nobody_else(self):
        keystone = self.neighbour(Keystone())
        keystone.tokens = {"good": (IN_AN_HOUR, ["admin"])}
        self.serve(FUEL_BACKUP_AUTH="keystone", FUEL_BACKUP_KEYSTONE_URL=keystone.url + "/v3")
        keystone.pause.clear()
        answers = []
        threads = [threading.Thread(target=lambda: answers.append(self.ask("good")))
                   for _ in range(16)]
        for thread in threads:
            thread.start()
        keystone.wait_calls(16)
        self.assertEqual(self.api("GET", "/backups").status, 200)
        self.problem(self.ask("good"), 503, "login-unavailable", "16 tokens")
        keystone.pause.set()
        for thread in threads:
            thread.join()
        self.assertTrue(all(reply.status in (200, 503) for reply in answers), answers)


class NailgunCase(Own):
    def test_preflight(self):
        nailgun = self.neighbour(Nailgun())
        self.serve(FUEL_BACKUP_NAILGUN=nailgun.url)
        nailgun.tasks = [{"id": 1, "name": "deploy", "status": s} for s in ("ready", "error")]
        backup = self.service.backup()
        self.assertEqual(nailgun.calls[0][1], "/api/tasks")
        paths = ("/backups", f"/backups/{backup}/restore")
        for status in ("running", "pending"):
            nailgun.tasks = [{"id": 7, "name": "provision", "status": status}]
            for path in paths:
                self.problem(self.api("POST", path, meant(path, None)), 409, "fuel-busy", "7 (provision)", status)
        for nailgun.status, nailgun.tasks in ((200, b"<html>"), (200, {}), (200, [{}]), (200, [1]),
                                              (401, []), (500, []), (302, [])):
            for path in paths:
                self.problem(self.api("POST", path, meant(path, None)), 503, "preflight-failed", "force")
        self.service.finish(self.service.begin("/backups", {"force": True}))
        self.problem(self.api("POST", "/backups", {"force": False}), 503, "preflight-failed")
        self.problem(self.api("POST", "/backups", {"force": 1}), 400, "invalid", "force")
        nailgun.close()
        self.problem(self.api("POST", "/backups"), 503, "preflight-failed")
        plan = self.api("GET", "/plan").json["plan"]
        self.assertNotIn("force", plan)

    def test_with_a_login(self):
        keystone, nailgun = self.neighbour(Keystone()), self.neighbour(Nailgun())
        self.serve(FUEL_BACKUP_NAILGUN=nailgun.url, FUEL_BACKUP_KEYSTONE_USER="nailgun",
                   FUEL_BACKUP_KEYSTONE_URL=keystone.url + "/v2.0",
                   FUEL_BACKUP_KEYSTONE_PASSWORD="secret")
        self.service.backup()
        self.assertIn(nailgun.calls[0][2]["X-Auth-Token"], keystone.tokens)


class LogCase(Own):
    PAIR = re.compile(r'([a-z_]+)=("(?:[^"\\]|\\.)*"|[^\s"=]+)(?: |$)')

    def lines(self, kind):
        self.serve(FUEL_BACKUP_LOG=kind)
        self.service.finish(
            self.service.begin("/backups", {"host_paths": ['/no "such" \\ place=1']}), "failed")
        self.service.end()
        return self.service.log().splitlines()

    def test_text_is_logfmt(self):
        found = []
        for line in self.lines("text"):
            pairs, at = {}, 0
            while at < len(line):
                pair = self.PAIR.match(line, at)
                self.assertTrue(pair, line)
                value = pair[2]
                pairs[pair[1]] = json.loads(value) if value.startswith('"') else value
                at = pair.end()
            found.append(pairs)
        self.judge(found)

    def test_json(self):
        self.judge([json.loads(line) for line in self.lines("json")])

    def judge(self, found):
        for line in found:
            self.assertEqual(list(line), ["time", "level", "message"])
            self.assertRegex(line["time"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$")
        self.assertTrue(any('/no "such" \\ place=1' in line["message"] for line in found), found)
