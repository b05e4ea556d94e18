# Goal: an archive made elsewhere comes in as it is, and one that is not sound leaves nothing.
"""PUT /archives."""

import hashlib
import http.client
import os
import shutil
import socket
import subprocess
import tempfile

import hostile
from case import ServiceCase
from service import Service, wait_until

ZSTD = {"Content-Type": "application/zstd"}
TAR = {"Content-Type": "application/x-tar"}


class ImportCase(ServiceCase):
    def put(self, data, headers=None, query="", service=None, **options):
        return (service or self.service).api("PUT", "/archives" + query, data,
                                             ZSTD if headers is None else headers, **options)

    def other(self):
        """Another service with an empty store."""
        folder = tempfile.mkdtemp(prefix="fb-api-")
        self.addCleanup(shutil.rmtree, folder, ignore_errors=True)
        service = Service(folder, self.engine.path)
        self.addCleanup(service.clean_up)
        return service.start()

    def tearDown(self):
        super().tearDown()
        if self.service.process.poll() is None:
            self.api("DELETE", "/backups/" + hostile.ID)

    def listed(self):
        return [backup["id"] for backup in self.api("GET", "/backups").json["backups"]]

    def plain(self, service, backup):
        return service.api("GET", f"/backups/{backup}/archive?format=tar").body

    def test_from_store_to_store(self):
        os.makedirs(os.path.join(self.data, "many"), exist_ok=True)
        for i in range(300):
            self.write(f"many/{i}", os.urandom(i * 40))
        with open(os.path.join(self.data, "holes"), "wb") as out:
            out.truncate(3 << 20)
            out.seek(1 << 20)
            out.write(b"in the middle")
        os.link(os.path.join(self.data, "text"), os.path.join(self.data, "zz"))
        backup = self.service.backup()
        there = self.api("GET", "/backups/" + backup).json
        archive = self.api("GET", f"/backups/{backup}/archive").body
        other = self.other()
        reply = self.put(archive, service=other)
        self.assertEqual(reply.status, 201, reply)
        self.assertEqual(reply.header("Location"), "/backups/" + backup)
        here = reply.json
        for key in ("id", "state", "size_bytes", "containers", "plan", "incomplete"):
            self.assertEqual(here[key], there[key], key)
        self.assertEqual(here["imported"]["bytes"], len(archive))
        self.assertEqual(self.plain(other, backup), self.plain(self.service, backup))
        # cut as by a walk: what it added is what the download has but for the bits that differ
        self.assertLess(abs(here["archive_bytes"] - there["archive_bytes"]), 4096)
        other.operate(f"/backups/{backup}/verify")
        here["verified_at"] = other.api("GET", "/backups/" + backup).json["verified_at"]
        again = self.put(archive, service=other)
        self.assertEqual((again.status, again.json), (200, here | {"compared": "equal"}))
        self.assertNotIn("compared", other.api("GET", "/backups/" + backup).json)
        operation = other.api("GET", "/operations").json["operations"][0]
        self.assertEqual(operation["result"]["compared"], "equal")
        self.assertEqual(again.header("Location"), "/backups/" + backup)
        plain = self.plain(self.service, backup)
        self.assertEqual(self.put(plain, TAR, service=other).status, 200)
        self.assertEqual(other.end(), 0, other.log())

    def test_compared(self):
        """Of a backup that is there all is read: what is not the same, or broken, is told."""
        self.assertEqual(self.put(hostile.sound()).status, 201)
        before = self.api("GET", "/backups/" + hostile.ID).json
        plain = hostile.tar(hostile.pieces())
        self.assertEqual(self.put(plain + bytes(10240), TAR).status, 200)
        packed = hostile.sound()
        for at in range(len(packed) // 3, len(packed) - 64, max(1, len(packed) // 40)):
            rotten = packed[:at] + bytes([packed[at] ^ 4]) + packed[at + 1:]
            if self.put(rotten).status not in (400, 409):  # a bit that nothing is read from
                told = subprocess.run(["zstd", "-dqc"], input=rotten, capture_output=True)
                self.assertEqual((told.returncode, told.stdout), (0, plain), at)
        for path, reply in (
                ("volumes/data/sub/c", self.put(hostile.pack(hostile.replaced(
                    "volumes/data/sub/c", hostile.entry("volumes/data/sub/c", bytes(102400)))))),
                ("volumes/data/aa", self.put(hostile.put(
                    "volumes/data/a", hostile.entry("volumes/data/aa", b"more")), TAR)),
                ("binds/srv/x", self.put(hostile.without("volumes/data/sub/c"), TAR)),
                ("its end", self.put(hostile.without("host/etc/one"), TAR)),
                ("backup.json", self.put(hostile.with_manifest(warnings=["another"]), TAR))):
            self.problem(reply, 409, "conflict", path + " differs")
        self.problem(self.put(plain[:-1024], TAR), 400, "archive-refused", "ends")
        self.assertEqual(self.api("GET", "/backups/" + hostile.ID).json, before)

    def test_deduplicated(self):
        """What an upload that broke off brought is not stored twice."""
        archive = self.api("GET", f"/backups/{self.service.backup()}/archive").body
        other = self.other()
        reply = self.put(archive[:-100000], service=other)
        self.problem(reply, 400, "archive-refused", "too early")
        second = self.put(archive, service=other)
        self.assertEqual(second.status, 201, second)
        self.assertLess(second.json["stored_bytes"], 1 << 20)
        self.assertGreater(second.json["archive_bytes"], 3 << 20)

    def test_sound(self):
        reply = self.put(hostile.sound())
        self.assertEqual(reply.status, 201, reply)
        warnings = "\n".join(reply.json["warnings"])
        for text in ("a tmpfs was left out", "host elsewhere", "aufs", "s390x", "19.03.1",
                     "10.20.0.2", "web"):
            self.assertIn(text, warnings)
        self.assertEqual(self.plain(self.service, hostile.ID), hostile.tar(hostile.pieces()))
        operation = self.api("GET", "/operations").json["operations"][0]
        self.assertEqual((operation["kind"], operation["state"]), ("import", "succeeded"))
        self.assertEqual(operation["backup"], hostile.ID)
        self.assertEqual(operation["progress"], 1)

    def test_chunked_and_other_packing(self):
        """Any frames will do; the length need not be known."""
        data = hostile.pack(hostile.tar(hostile.pieces()), "-19")

        def parts():
            for at in range(0, len(data), 100):
                yield data[at:at + 100]
        connection = http.client.HTTPConnection("127.0.0.1", self.service.port, timeout=60)
        self.addCleanup(connection.close)
        connection.request("PUT", "/archives", parts(), {
            "Authorization": "Bearer " + self.service.token}, encode_chunked=True)
        self.assertEqual(connection.getresponse().status, 201)

    def test_hostile(self):
        before, count = self.listed(), 0
        for name, data, reason in hostile.hostile():
            with self.subTest(name):
                reply = self.put(data)
                self.assertIn(reply.status, (400, 413), reply)
                kind = "archive-refused" if reply.status == 400 else "too-large"
                self.problem(reply, reply.status, kind, reason)
                self.assertEqual(self.listed(), before)
            count += 1
        self.assertGreaterEqual(count, 50)
        self.assertEqual(self.put(hostile.sound()).status, 201)
        self.assertEqual(self.plain(self.service, hostile.ID), hostile.tar(hostile.pieces()))

    def test_a_bomb(self):
        """4 PiB that are said to come: refused before any of them is read."""
        huge, _ = hostile.entry("volumes/data/aa")
        huge.size = 1 << 52
        reply = self.put(hostile.pack(hostile.put("volumes/data/a", (huge, b""))))
        self.problem(reply, 413, "too-large", "what the store has free")

    def test_devices(self):
        data = hostile.pack(hostile.put("volumes/data/a", hostile.device("volumes/data/aa")))
        self.problem(self.put(data), 400, "archive-refused", "devices=true")
        self.problem(self.put(data, query="?devices=false"), 400, "archive-refused")
        self.assertEqual(self.put(data, query="?devices=true").status, 201)
        self.problem(self.put(data, query="?devices=1"), 400, "invalid", "devices")

    def test_refused_at_once(self):
        data = hostile.sound()
        self.problem(self.put(data, token=None), 401, "denied")
        self.problem(self.put(data, {"Content-Range": "bytes 0-9/100"}), 400, "invalid", "repeat it")
        self.problem(self.put(data, {"Content-Type": "text/plain"}), 415, "invalid")
        self.problem(self.put(data, query="?x=1"), 400, "invalid", "known here: devices")
        self.assertNotIn(hostile.ID, self.listed())

    def test_expect(self):
        """Who asks first is told before the body is sent."""
        with socket.create_connection(("127.0.0.1", self.service.port), timeout=60) as client:
            client.sendall(b"PUT /archives HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n"
                           b"Expect: 100-continue\r\nAuthorization: Bearer no\r\n\r\n")
            self.assertTrue(client.recv(100).startswith(b"HTTP/1.1 401"))

    def test_busy(self):
        location = self.stalled()
        reply = self.put(hostile.sound())
        self.assertEqual(self.problem(reply, 409, "busy")["operation"], location)
        self.engine.release()
        self.service.finish_polling(location)
        self.assertEqual(self.put(hostile.sound()).status, 201)

    def begun(self, data, length):
        """An upload of which only the first bytes come."""
        client = socket.create_connection(("127.0.0.1", self.service.port), timeout=60)
        self.addCleanup(client.close)
        client.sendall(f"PUT /archives HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n"
                       f"Authorization: Bearer {self.service.token}\r\n\r\n".encode() + data)
        return client

    def newest(self):
        return self.api("GET", "/operations?limit=1").json["operations"][0]

    def test_broken_off(self):
        data, before = hostile.sound(), self.listed()
        client = self.begun(data[:-5], len(data))
        wait_until("the import runs", lambda: self.newest()["state"] == "running")
        client.close()
        self.service.finish_all()
        operation = self.newest()
        self.assertEqual((operation["kind"], operation["state"]), ("import", "failed"))
        self.assertIn("repeat it", operation["error"]["detail"])
        self.assertEqual(self.listed(), before)
        self.assertEqual(self.put(data).status, 201)

    def test_cancelled(self):
        data = hostile.sound()
        client = self.begun(data[:-5], len(data))
        wait_until("the import runs", lambda: self.newest()["state"] == "running")
        self.api("DELETE", "/operations/" + self.newest()["id"])
        self.service.finish_all()
        client.sendall(data[-5:])
        self.assertIn(b"409", client.recv(1000)[:20])
        self.assertEqual(self.newest()["state"], "cancelled")
        self.assertNotIn(hostile.ID, self.listed())

    def test_stop_while_it_comes(self):
        data = hostile.sound()
        self.begun(data[:-5], len(data))
        wait_until("the import runs", lambda: self.newest()["state"] == "running")
        self.assertEqual(self.service.end(), 0)
        self.service.start()
        self.assertNotIn(hostile.ID, self.listed())
        self.assertEqual(self.put(data).status, 201)

    def test_never_pruned(self):
        """Retention of a plan is for the backups that it made."""
        self.put(hostile.sound())
        reply = self.api("POST", "/prune", {"keep": {"last": 1}, "dry_run": True})
        self.assertNotIn(hostile.ID, str(reply.json))

    def test_deleted_and_back_and_rebuilt(self):
        """A deletion is of one coming: a rebuild lists the import that came after it."""
        data = hostile.sound()
        self.put(data)
        plain = self.plain(self.service, hostile.ID)
        self.api("DELETE", "/backups/" + hostile.ID)
        self.service.operate("/sweep")
        self.assertEqual(self.put(data).status, 201)
        self.assertEqual(self.service.end(), 0)
        subprocess.run([Service.binary, "rebuild"], env=self.service.environment, check=True,
                       capture_output=True)
        self.service.start()
        self.assertIn(hostile.ID, self.listed())
        self.assertEqual(hashlib.sha256(self.plain(self.service, hostile.ID)).digest(),
                         hashlib.sha256(plain).digest())
