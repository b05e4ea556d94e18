# Goal: the service starts and ends cleanly whatever runs, and refuses what it does not know.
"""The service's life: its start and what it refuses, its end while something runs, its return."""

import os
import signal
import stat
import subprocess
import threading

from case import ServiceCase
from service import Service


class LifeCase(ServiceCase):
    def refused(self, code, *texts, verb=(), **environment):
        """The program does not start with this environment, and says why."""
        done = subprocess.run([Service.binary, *verb], stdin=subprocess.DEVNULL,
                              capture_output=True, timeout=30, check=False,
                              env={**self.service.environment, **environment})
        self.assertEqual(done.returncode, code, done)
        for text in texts:
            self.assertIn(text, done.stderr.decode())
        self.assertNotIn("Sanitizer", done.stderr.decode())
        return done

    def test_term_while_one_runs(self):
        location = self.stalled()
        backup = self.running(location)
        self.service.process.send_signal(signal.SIGTERM)
        self.later(1, self.engine.release)
        self.assertEqual(self.service.process.wait(20), 0)
        self.service.start()
        self.assertEqual(self.api("GET", location).json["state"], "cancelled")
        self.assertEqual(self.api("GET", "/backups/" + backup).status, 404)
        self.nothing_runs()

    def test_term_while_the_engine_does_not_answer(self):
        """In less time than `docker stop` gives before it kills."""
        self.stalled()
        self.service.process.send_signal(signal.SIGTERM)
        try:
            code = self.service.process.wait(8)
        except subprocess.TimeoutExpired:
            self.engine.release()
            self.service.process.wait(30)
            self.fail("it waits for the engine longer than 8 s")
        self.assertEqual(code, 0)

    def test_term_while_some_wait(self):
        location = self.stalled()
        replies = []
        paths = (location + "/events", location + "?wait=60")
        clients = [threading.Thread(target=lambda p=p: replies.append(self.api("GET", p)))
                   for p in paths]
        for client in clients:
            client.start()
        self.later(1, self.service.process.send_signal, signal.SIGTERM)
        self.later(2, self.engine.release)
        self.assertEqual(self.service.process.wait(20), 0)
        for client in clients:
            client.join(20)
        self.assertEqual([reply.status for reply in replies], [200, 200])

    def test_kill_while_one_runs(self):
        location = self.stalled()
        backup = self.running(location)
        self.assertEqual(self.service.end(signal.SIGKILL), -signal.SIGKILL)
        self.engine.release()
        self.service.start()
        operation = self.api("GET", location).json
        self.assertEqual(operation["state"], "interrupted")
        self.assertIsNotNone(operation["ended_at"])
        self.assertEqual(self.service.events(location + "/events")[-1][1], operation)
        self.assertNotEqual(self.api("GET", "/backups/" + backup).status, 200)
        self.nothing_runs()

    def nothing_runs(self):
        for kind in ("backups", "operations"):
            for item in self.api("GET", "/" + kind).json[kind]:
                self.assertNotEqual(item["state"], "running", item)
        self.service.operate("/backups")

    def test_everything_is_there_again(self):
        operation = self.service.operate("/backups", None, {"Idempotency-Key": "over-a-restart"})
        path = "/backups/" + operation["backup"]
        before = [self.api("GET", p).body for p in (path, path + "/archive", "/operations")]
        url = self.api("POST", path + "/tickets").json["url"]
        token = self.service.token
        self.assertEqual(self.service.end(), 0)
        self.service.start()
        self.assertEqual(self.service.token, token)
        self.assertTrue(before == [self.api("GET", p).body
                                   for p in (path, path + "/archive", "/operations")])
        self.assertEqual(self.api("GET", url, token=None).status, 401)
        again = self.api("POST", "/backups", None, {"Idempotency-Key": "over-a-restart"})
        self.assertEqual(again.json["id"], operation["id"])

    def test_start_without_the_engine(self):
        self.assertEqual(self.service.end(), 0)
        self.engine.close()
        try:
            self.service.start()
            self.assertEqual(self.api("GET", "/health").json["status"], "degraded")
            self.problem(self.api("POST", "/backups"), 503, "engine-unreachable")
        finally:
            self.engine.open()
        self.service.operate("/backups")

    def test_second_on_the_same_store(self):
        self.refused(1, self.service.store, "held by another process",
                     str(self.service.process.pid), FUEL_BACKUP_LISTEN="127.0.0.1:0")
        self.assertEqual(self.api("GET", "/health").json["status"], "ok")

    def test_the_clients_environment(self):
        """What dockerctl goes by may stand there, too, and says nothing to the service; a word like it is still refused."""
        self.service.end()
        others = {"FUEL_BACKUP_URL": "http://192.0.2.1:1", "FUEL_BACKUP_PORT": "1", "FUEL_BACKUP_CACHE": "/nowhere",
                  "FUEL_BACKUP_PULL": "no"}
        self.service.environment.update(others)
        try:
            self.service.start()
            self.assertEqual(self.api("GET", "/health").json["status"], "ok")
            self.service.end()
        finally:
            for name in others:
                del self.service.environment[name]
        for variable in ("FUEL_BACKUP_URLS", "FUEL_BACKUP_UR", "FUEL_BACKUP_PORTS"):
            self.refused(2, f"unknown variable {variable}", **{variable: "1"})

    def test_bad_environment(self):
        self.service.end()
        for variable in ("FUEL_BACKUP_X", "FUEL_BACKUP_STOREX", "FUEL_BACKUP_"):
            self.refused(2, f"unknown variable {variable}", **{variable: "1"})
        self.refused(2, "absolute", FUEL_BACKUP_STORE="store")
        self.refused(2, "FUEL_BACKUP_LOG", FUEL_BACKUP_LOG="loud")
        for days in ("-1", "0.5", "3651", "x", "00"):
            self.refused(2, "FUEL_BACKUP_SCRUB_DAYS", FUEL_BACKUP_SCRUB_DAYS=days)
        plan = os.path.join(self.folder, "bad-schedule.json")
        with open(plan, "w", encoding="utf-8") as out:
            out.write('{"schedule": {"cron": "61 * * * *"}}')
        self.refused(1, "bad-schedule.json: plan: schedule", "minute", FUEL_BACKUP_PLAN=plan)
        self.refused(1, "DOCKER_HOST", DOCKER_HOST="ssh://host")
        self.refused(1, "FUEL_BACKUP_LISTEN", FUEL_BACKUP_LISTEN="nowhere")
        self.refused(1, "nothing.json", FUEL_BACKUP_PLAN=self.folder + "/nothing.json")
        self.refused(1, "16", FUEL_BACKUP_TOKEN="short")
        both = self.refused(2, "exclude each other", FUEL_BACKUP_TOKEN="a-secret-of-twenty-",
                            FUEL_BACKUP_TOKEN_FILE=self.folder + "/token")
        self.assertNotIn(b"a-secret", both.stderr)
        self.refused(2, "unknown command", verb=("start",))

    def test_port_in_use(self):
        other = os.path.join(self.folder, "other")
        self.refused(1, f"127.0.0.1:{self.service.port}", FUEL_BACKUP_STORE=other)

    def test_token_of_the_environment(self):
        folder = os.path.join(self.folder, "with-token")
        os.mkdir(folder)
        secret = "a-secret-of-more-than-enough-characters"
        service = Service(folder, self.engine.path, FUEL_BACKUP_TOKEN=secret)
        self.addCleanup(service.clean_up)
        service.start()
        self.assertEqual(service.api("GET", "/backups").status, 200)
        self.problem(service.api("GET", "/backups", token=None), 401, "denied")
        shown = subprocess.run([Service.binary, "config"], env=service.environment,
                               capture_output=True, check=True).stdout.decode()
        self.assertIn("FUEL_BACKUP_TOKEN=(set)", shown)
        self.assertEqual(service.end(), 0)
        self.assertNotIn(secret, shown + service.log())
        self.assertFalse(os.path.exists(service.store + "/token"))

    def test_unix_socket(self):
        folder = os.path.join(self.folder, "on-socket")
        os.mkdir(folder)
        path = folder + "/api.sock"
        service = Service(folder, self.engine.path, FUEL_BACKUP_LISTEN="unix:" + path)
        self.addCleanup(service.clean_up)
        service.answers = lambda: self.healthy(service)
        service.start()
        self.assertEqual(stat.S_IMODE(os.stat(path).st_mode), 0o600)
        self.assertEqual(service.end(), 0)
        self.assertFalse(os.path.exists(path))

    @staticmethod
    def healthy(service):
        return subprocess.run([Service.binary, "healthcheck"], env=service.environment,
                              capture_output=True, timeout=30, check=False).returncode == 0

    def test_rebuild(self):
        """The list is the same when its catalogue was made from the packs alone."""
        self.refused(1, "held by another process", verb=("rebuild",))
        backup, deleted = self.service.backup(), self.service.backup()
        self.assertEqual(self.api("DELETE", "/backups/" + deleted).status, 204)
        self.service.finish_all()
        before = [item for item in self.api("GET", "/backups").json["backups"]
                  if item["state"] == "complete"]
        self.assertEqual(self.service.end(), 0)
        done = subprocess.run([Service.binary, "rebuild"], env=self.service.environment,
                              capture_output=True, timeout=60, check=True)
        self.assertIn(f"{len(before)} backups, 0 of them damaged".encode(), done.stdout)
        self.assertIn("catalogue.db.old", os.listdir(self.service.store))
        self.service.start()
        self.assertEqual(self.api("GET", "/backups").json["backups"], before)
        self.service.operate(f"/backups/{backup}/verify")

    def test_healthcheck(self):
        self.assertTrue(self.healthy(self.service))
        self.service.end()
        self.assertFalse(self.healthy(self.service))
