# Goal: backups are copied to where they are wanted, whole, without harm to anything that is there or here.
"""Destinations, their probe, and copies to folders of this host. Servers are in tests/copies."""

import hashlib
import json
import os
import shutil
import socket
import subprocess
import threading
import time

from case import UNKNOWN, ServiceCase


class DestinationCase(ServiceCase):
    @classmethod
    def variables(cls):
        return {"FB_BARRIERS": os.path.join(cls.folder, "barriers")}

    def setUp(self):
        super().setUp()
        self.place = os.path.join(self.folder, f"copies-{self._testMethodName}")
        os.mkdir(self.place)
        for destination in self.api("GET", "/destinations").json["destinations"]:
            self.assertEqual(self.api("DELETE", "/destinations/" + destination["name"]).status, 204)

    def put(self, name="offsite", status=201, **settings):
        reply = self.api("PUT", "/destinations/" + name, {"url": f"file://{self.place}", "form": "archives", **settings})
        self.assertEqual(reply.status, status, reply)
        return reply.json

    def copy(self, backup, name="offsite", state="succeeded"):
        return self.service.finish(self.service.begin(f"/backups/{backup}/copies", {"destination": name}), state)

    def copies(self, backup):
        return {item["destination"]: item for item in self.api("GET", "/backups/" + backup).json["copies"]}

    def settled(self, backup, name, state, seconds=60):
        """The copy's state when it is this one."""
        end = time.monotonic() + seconds
        while self.copies(backup).get(name, {}).get("state") != state:
            self.assertLess(time.monotonic(), end, self.copies(backup))
            time.sleep(0.05)
        return self.copies(backup)[name]

    # Destinations.

    def test_life_of_one(self):
        self.assertEqual(self.api("GET", "/destinations").json, {"destinations": []})
        made = self.put()
        self.assertEqual((made["name"], made["url"]), ("offsite", f"file://{self.place}"))
        self.assertTrue(made["probe"]["ok"], made)
        self.assertTrue(made["probe"]["deletes"])
        self.assertEqual([step["step"] for step in made["probe"]["steps"] if step["ok"]],
                         ["put", "create only", "range", "list", "delete"])
        self.assertEqual(os.listdir(self.place + "/probe"), [])
        self.assertEqual(self.api("GET", "/destinations/offsite").json, made)
        changed = self.put(status=200, rate_mib_s=5)
        self.assertEqual(changed["rate_mib_s"], 5)
        self.put("another")
        self.assertEqual([d["name"] for d in self.api("GET", "/destinations").json["destinations"]],
                         ["another", "offsite"])
        probed = self.api("POST", "/destinations/offsite/probe")
        self.assertEqual((probed.status, probed.json["ok"]), (200, True))
        self.assertEqual(self.api("DELETE", "/destinations/offsite").status, 204)
        for method, path in (("GET", ""), ("DELETE", ""), ("POST", "/probe")):
            self.problem(self.api(method, "/destinations/offsite" + path), 404, "not-found", "offsite")
        self.problem(self.api("GET", "/destinations/Never%20a%20name"), 404, "not-found")

    def test_bad_settings(self):
        rows = (({}, "url"), ({"url": 1}, "url"), ({"url": ""}, "url"), ({"url": "x" * 1025}, "url"),
                ({"url": "file:///x", "colour": "red"}, "colour"), ({"url": "file:///x", "plain": 1}, "plain"),
                ({"url": "file:///x", "rate_mib_s": 0}, "rate_mib_s"), ({"url": "file:///x", "password": "x"}, "password_file"),
                ({"url": "file:///x", "password_file": "relative"}, "absolute"))
        for settings, word in rows:
            with self.subTest(settings):
                self.problem(self.api("PUT", "/destinations/bad", settings), 400, "invalid", word)
        for name in ("Upper", "-dash", "a_b", "a" * 33, "%2e%2e"):
            with self.subTest(name):
                self.problem(self.api("PUT", "/destinations/" + name, {"url": "file:///x"}), 400, "invalid", "name")
        kind = {"Content-Type": "application/json"}
        self.problem(self.api("PUT", "/destinations/bad", b"{" + b" " * 1048576 + b"}", kind), 413, "too-large")
        self.problem(self.api("PUT", "/destinations/bad", b"{}", {"Content-Type": "text/plain"}), 415, "invalid")
        self.assertEqual(self.api("GET", "/destinations").json, {"destinations": []})

    def test_what_a_probe_says(self):
        secret = os.path.join(self.folder, "secret")
        with open(secret, "w", encoding="utf-8") as out:
            out.write("never seen\n")
        rows = (({"url": "file:///no/such/disk"}, "put", "mounted"),
                ({"url": "sftp://u@127.0.0.1:1/x", "password_file": secret}, "put", "server running"),
                ({"url": "https://u@127.0.0.1:1/x", "password_file": "/nowhere"}, "open", "password_file"),
                ({"url": "gopher://h/x"}, "open", "gopher"),
                ({"url": "s3://bucket"}, "open", "access_key_file"),
                ({"url": "sftp://u:never%20seen@h/x"}, "open", "password_file"))
        for settings, step, word in rows:
            with self.subTest(settings["url"]):
                probe = self.put("failing", 201, **settings)["probe"]
                self.assertFalse(probe["ok"])
                self.assertIn(probe["steps"][0]["step"], (step, "open"))
                self.assertIn(word, " ".join(probe["summary"]))
                self.assertNotIn("never seen", json.dumps(probe))
                self.assertEqual(self.api("DELETE", "/destinations/failing").status, 204)

    def test_after_a_restart(self):
        made = self.put(rate_mib_s=100)
        backup = self.service.backup()
        self.copy(backup)
        before = self.copies(backup)
        self.service.end()
        self.service.start()
        self.assertEqual(self.api("GET", "/destinations/offsite").json, made)
        self.assertEqual(self.copies(backup), before)

    # Copies.

    def test_copy(self):
        self.put()
        backup = self.service.backup()
        self.assertEqual(self.copies(backup), {})
        operation = self.copy(backup)
        self.assertEqual((operation["state"], operation["kind"], operation["backup"]), ("succeeded", "copy", backup))
        archive = self.api("GET", f"/backups/{backup}/archive").body
        with open(f"{self.place}/archives/{backup}.tar.zst", "rb") as there:
            self.assertEqual(there.read(), archive)
        subprocess.run(["sha256sum", "-c", "--status", f"{backup}.tar.zst.sha256"], cwd=self.place + "/archives", check=True)
        self.assertEqual(sorted(os.listdir(self.place + "/archives")), [f"{backup}.tar.zst", f"{backup}.tar.zst.sha256"])
        state = self.copies(backup)["offsite"]
        self.assertEqual((state["state"], state["bytes"], state["sha256"]),
                         ("complete", len(archive), hashlib.sha256(archive).hexdigest()))
        self.assertEqual(self.api("GET", "/backups").json["backups"][0]["copies"], [state])
        again = self.copy(backup)
        self.assertEqual((again["state"], again["result"]["was_there"]), ("succeeded", True))
        metrics = self.api("GET", "/metrics").body.decode()
        self.assertIn('fuel_backup_copies{destination="offsite",state="complete"}', metrics)
        self.assertRegex(metrics, r'fuel_backup_copy_newest_timestamp_seconds{destination="offsite"} 1\.?\d+')

    def test_packs(self):
        """The other form: the second copy sends little, and each has a head."""
        self.put(form="packs")
        first, second = self.service.backup(), self.service.backup()
        sizes = []
        for backup in (first, second):
            result = self.copy(backup)["result"]
            self.assertTrue(os.path.isfile(f"{self.place}/{result['object']}"), result)
            self.assertIn(backup, result["object"])
            sizes.append(result["bytes"])
        self.assertGreater(sizes[0], len(self.noise))
        self.assertLess(sizes[1], len(self.noise) // 4)
        state = self.copies(second)["offsite"]
        self.assertEqual((state["state"], state["sha256"]), ("complete", None))
        self.assertTrue(self.copy(second)["result"]["was_there"])
        self.problem(self.api("PUT", "/destinations/bad", {"url": "file:///x", "form": "zip"}), 400, "invalid", "packs")
        self.put("clear", url="https://127.0.0.1:1/x", form="packs")
        self.problem(self.api("POST", f"/backups/{first}/copies", {"destination": "clear"}), 403, "forbidden", "not encrypted")

    def test_what_is_there_is_left_alone(self):
        self.put()
        backup = self.service.backup()
        os.mkdir(self.place + "/archives")
        path = f"{self.place}/archives/{backup}.tar.zst"
        with open(path, "wb") as other:
            other.write(b"another's")
        operation = self.copy(backup, state="failed")
        self.assertEqual(operation["error"]["type"], "urn:fuel-backup:conflict")
        self.assertIn("left alone", operation["error"]["detail"])
        with open(path, "rb") as other:
            self.assertEqual(other.read(), b"another's")
        state = self.copies(backup)["offsite"]
        self.assertEqual((state["state"], state["tries"], state["error"]), ("failed", 1, operation["error"]))
        self.assertIsNotNone(state["next_at"])
        self.assertEqual(self.api("GET", "/backups/" + backup).json["state"], "complete")

    def test_goes_on(self):
        """What an earlier try left half done is gone on with."""
        self.put()
        backup = self.service.backup()
        archive = self.api("GET", f"/backups/{backup}/archive").body
        os.mkdir(self.place + "/archives")
        path = f"{self.place}/archives/{backup}.tar.zst"
        with open(path + ".part", "wb") as part:
            part.write(archive[:2_000_000])
        inode = os.stat(path + ".part").st_ino
        self.assertEqual(self.copy(backup)["state"], "succeeded")
        self.assertEqual(os.stat(path).st_ino, inode)
        subprocess.run(["sha256sum", "-c", "--status", f"{backup}.tar.zst.sha256"], cwd=self.place + "/archives", check=True)

    def test_refused(self):
        self.put()
        backup = self.service.backup()
        path = f"/backups/{backup}/copies"
        self.problem(self.api("POST", path), 400, "invalid", "destination")
        self.problem(self.api("POST", path, {"destination": "nowhere"}), 404, "not-found", "nowhere")
        self.problem(self.api("POST", f"/backups/{UNKNOWN}/copies", {"destination": "offsite"}), 404, "not-found")
        self.put("clear", url="https://127.0.0.1:1/x")
        self.problem(self.api("POST", path, {"destination": "clear"}), 403, "forbidden", "plain")
        self.put("clear", 200, url="https://127.0.0.1:1/x", plain=True)
        operation = self.copy(backup, "clear", "failed")
        self.assertEqual(operation["error"]["type"], "urn:fuel-backup:destination-unreachable")
        key = {"Idempotency-Key": "copy-it"}
        first = self.api("POST", path, {"destination": "offsite"}, key)
        self.assertEqual(first.status, 202)
        self.service.finish_all()
        self.assertEqual(self.api("POST", path, {"destination": "offsite"}, key).header("Location"), first.header("Location"))
        self.problem(self.api("POST", path, {"destination": "clear"}, key), 422)

    def test_one_at_a_time_and_cancelled(self):
        """A second copy is refused while one waits for a server; who cancels one does not see it again."""
        self.put()
        backup = self.service.backup()
        with Silent() as silent:
            self.put("silent", url=f"http://127.0.0.1:{silent.port}/x", plain=True)
            silent.answer = False
            location = self.service.begin(f"/backups/{backup}/copies", {"destination": "silent"})
            silent.wait()
            busy = self.api("POST", f"/backups/{backup}/copies", {"destination": "offsite"})
            self.problem(busy, 409, "busy")
            self.assertEqual(busy.json["operation"], location)
            self.service.backup()  # is not kept waiting
            self.assertEqual(self.api("DELETE", location).status, 202)
            self.service.finish(location, "cancelled")
        state = self.settled(backup, "silent", "failed")
        self.assertEqual((state["next_at"], state["error"]["type"]), (None, "urn:fuel-backup:cancelled"))

    def test_never_beside_a_freeze(self):
        """While containers are frozen nothing of a copy moves; then it goes on."""
        self.put()
        backup = self.service.backup()
        barriers = os.path.join(self.folder, "barriers")
        os.mkdir(barriers)
        with open(barriers + "/copying", "w", encoding="utf-8"):
            pass
        freezing = self.service.begin("/backups")
        end = time.monotonic() + 20
        while not os.path.exists(barriers + "/copying.reached"):
            if time.monotonic() > end or self.api("GET", freezing).json["state"] != "running":
                self.skipTest("the service was built without barriers (FB_BARRIERS)")
            time.sleep(0.02)
        self.assertEqual(self.api("GET", freezing).json["phase"], "freeze")
        copying = self.service.begin(f"/backups/{backup}/copies", {"destination": "offsite"})
        time.sleep(1)
        seen = self.api("GET", copying).json
        self.assertEqual((seen["state"], seen["bytes_done"]), ("running", 0))
        os.unlink(barriers + "/copying")
        self.service.finish(freezing)
        self.service.finish(copying)

    def test_plan(self):
        """A plan's copies begin by themselves; one that fails fails alone."""
        self.put()
        self.put("gone", url="file:///no/such/disk", plain=True)
        plan = {"host_paths": [self.data], "copies": ["offsite", "gone", "nowhere"]}
        operation = self.service.operate("/backups", plan)
        self.assertEqual((operation["state"], operation["result"]["copies"]), ("succeeded", plan["copies"]))
        backup = operation["backup"]
        self.settled(backup, "offsite", "complete")
        failed = self.settled(backup, "gone", "failed")
        self.assertEqual(failed["error"]["type"], "urn:fuel-backup:destination-unreachable")
        self.assertGreater(failed["next_at"], failed["at"])
        self.assertEqual(self.settled(backup, "nowhere", "failed")["error"]["type"], "urn:fuel-backup:not-found")
        self.assertEqual(self.api("GET", "/backups/" + backup).json["warnings"], [])
        for copies, word in ((["x"] * 1001, "1000"), ([1], "text"), ("offsite", "copies")):
            self.problem(self.api("POST", "/backups", {"host_paths": [self.data], "copies": copies}), 400, "invalid", word)

    def test_tried_again_after_a_kill(self):
        """A copy that a kill cut off is begun again by the next start."""
        self.put()
        backup = self.service.backup()
        with Silent() as silent:
            self.put("later", url=f"http://127.0.0.1:{silent.port}/x", plain=True)
            silent.answer = False
            self.service.begin(f"/backups/{backup}/copies", {"destination": "later"})
            silent.wait()
            self.service.process.kill()
            self.service.process.wait()
        path = f"{self.service.store}/destinations/later.json"
        with open(path, encoding="utf-8") as document:
            settings = json.load(document)
        settings["url"] = f"file://{self.place}"
        with open(path, "w", encoding="utf-8") as document:
            json.dump(settings, document)
        self.service.start()
        self.settled(backup, "later", "complete")
        self.assertTrue(os.path.exists(f"{self.place}/archives/{backup}.tar.zst.sha256"))

    def test_a_store_out_of_a_copy(self):
        """The form that is meant if none is named: each backup once, only what is new, and a store out of it."""
        made = self.api("PUT", "/destinations/offsite", {"url": f"file://{self.place}"})
        self.assertEqual(made.status, 201, made)
        one = self.service.backup()
        first = self.copy(one)["result"]
        self.assertFalse(first["was_there"])
        self.assertEqual(self.copies(one)["offsite"]["object"], first["object"])
        self.assertIsNone(self.copies(one)["offsite"]["sha256"])
        store, folder, head = first["object"].split("/")
        self.assertEqual((folder, head.split(".")[0]), ("backups", one))
        self.assertEqual(sorted(set(os.listdir(self.place)) - {"probe"}), [store])
        self.assertEqual(sorted(os.listdir(f"{self.place}/{store}")), ["backups", "format", "index", "packs"])
        self.assertTrue(self.copy(one)["result"]["was_there"])
        two = self.service.backup()
        second = self.copy(two)["result"]
        self.assertEqual(second["object"].split("/")[0], store)
        self.assertLess(second["bytes"], max(first["bytes"], 1 << 20))
        new = os.path.join(self.folder, "store-from-a-copy")
        rebuilt = subprocess.run([self.service.binary, "rebuild", "--from", f"file://{self.place}"],
                                 env={"PATH": os.environ["PATH"], "FUEL_BACKUP_STORE": new}, capture_output=True, text=True)
        self.assertEqual((rebuilt.returncode, rebuilt.stderr), (0, ""), rebuilt.stdout)
        self.assertTrue(rebuilt.stdout.startswith(f"2 backups from the copy of the store {store}:"), rebuilt.stdout)
        shutil.rmtree(new)

    def test_deleted(self):
        """With the backup its state goes, also by a prune; what is there stays."""
        self.put()
        backups = [self.service.backup() for _ in range(3)]
        for backup in backups:
            self.copy(backup)
        self.assertEqual(self.api("DELETE", "/backups/" + backups[0]).status, 204)
        pruned = self.api("POST", "/prune", {"keep": {"last": 1, "manual": True}})
        self.assertIn(backups[1], [item["id"] for item in pruned.json["removed"]], pruned)
        left = os.listdir(self.service.store + "/copies")
        for backup in backups:
            self.assertEqual(f"{backup}.json" in left, backup == backups[2])
            self.assertTrue(os.path.exists(f"{self.place}/archives/{backup}.tar.zst"))


class Silent:
    """A server that takes connections; the first ones, of the probe, it closes, and then it never answers."""

    answer = True

    def __enter__(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.held = []
        self.listener.settimeout(0.2)
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self.run)
        self.thread.start()
        return self

    def run(self):
        while not self.ended.is_set():
            try:
                connection, _ = self.listener.accept()
            except OSError:
                continue
            if self.answer:
                connection.close()
            else:
                self.held.append(connection)

    def wait(self):
        """Until a connection is held."""
        end = time.monotonic() + 30
        while not self.held:
            assert time.monotonic() < end
            time.sleep(0.02)

    def __exit__(self, *_):
        self.ended.set()
        self.thread.join()
        for connection in self.held:
            connection.close()
        self.listener.close()
