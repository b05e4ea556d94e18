# Goal: what was backed up is downloaded, verified, restored and deleted as the contract says.
"""Backups and what is done with them: lists, downloads, tickets, verify, restore, delete."""

import datetime
import hashlib
import os
import subprocess

from case import UNKNOWN, ServiceCase


def filtered(command, data):
    return subprocess.run(command, input=data, capture_output=True, check=True).stdout


class BackupCase(ServiceCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.backups = [cls.service.backup()]
        cls.write("text", b"second\n")
        cls.backups += [cls.service.backup(), cls.service.backup({})]
        cls.backup = cls.backups[0]
        cls.archive_path = f"/backups/{cls.backup}/archive"
        cls.archive = cls.api("GET", cls.archive_path)

    # Lists.

    def pages(self, kind, limit):
        """All ids of a list, taken by pages of this size."""
        found, after = [], ""
        while True:
            page = self.api("GET", f"/{kind}?limit={limit}{after}").json
            self.assertLessEqual(len(page[kind]), limit)
            found += [item["id"] for item in page[kind]]
            if page["next"] is None:
                return found
            self.assertEqual(page["next"], found[-1])
            after = "&after=" + page["next"]

    def test_pages(self):
        for kind in ("backups", "operations"):
            whole = [item["id"] for item in self.api("GET", "/" + kind).json[kind]]
            self.assertGreaterEqual(len(whole), 3)
            self.assertEqual(whole, sorted(whole, reverse=True, key=lambda i: i[:15]))
            for limit in (1, 2, len(whole), 1000):
                self.assertEqual(self.pages(kind, limit), whole, f"{kind} {limit}")
        for backup in self.backups:
            self.assertIn(backup, self.pages("backups", 2))

    def test_bad_pages(self):
        for kind in ("backups", "operations"):
            for query in ("limit=0", "limit=1001", "limit=-1", "limit=x", "limit=", "limit=1e2",
                          "limit=%201", "limit=99999999999999999999", "after=", "after=x",
                          "after=" + self.backup + "0"):
                with self.subTest(f"{kind}?{query}"):
                    self.problem(self.api("GET", f"/{kind}?{query}"), 400, "invalid",
                                 query.split("=")[0])
            self.problem(self.api("GET", f"/{kind}?after={UNKNOWN}"), 400, "invalid", UNKNOWN)

    # One backup.

    def test_show(self):
        backup = self.api("GET", "/backups/" + self.backup).json
        self.assertEqual((backup["id"], backup["state"]), (self.backup, "complete"))
        self.assertEqual((backup["containers"], backup["error"]), ([], None))
        self.assertEqual(backup["plan"], {"host_paths": [self.data]})
        self.assertGreater(backup["size_bytes"], len(self.noise))
        self.assertEqual(backup["archive_bytes"], len(self.archive.body))
        listed = self.api("GET", "/backups").json["backups"]
        self.assertIn(backup, listed)

    def test_stored_once(self):
        second = self.api("GET", "/backups/" + self.backups[1]).json
        self.assertLess(second["stored_bytes"], 200_000)

    # Downloads.

    def test_archive(self):
        digest = self.api("GET", "/backups/" + self.backup).json["digest"]
        reply = self.archive
        self.assertEqual(reply.status, 200)
        self.assertEqual(reply.header("ETag"), f'"{digest}"')
        self.assertEqual(reply.header("Accept-Ranges"), "bytes")
        self.assertEqual(reply.header("Content-Type"), "application/zstd")
        self.assertEqual(reply.header("Content-Length"), str(len(reply.body)))
        self.assertIn(f"fuel_backup_{self.backup}.tar.zst", reply.header("Content-Disposition"))
        filtered(["zstd", "-t", "-q"], reply.body)
        tar = filtered(["zstd", "-dcq"], reply.body)
        names = filtered(["tar", "-tf", "-"], tar).decode().splitlines()
        self.assertIn("backup.json", names)
        for name, content in (("noise", self.noise), ("text", b"first\n")):
            [entry] = [n for n in names if n.endswith("/data/" + name)]
            found = filtered(["tar", "-xOf", "-", entry], tar)
            self.assertEqual(hashlib.sha256(found).digest(), hashlib.sha256(content).digest())

    def test_head(self):
        for query in ("", "?format=tar.zst", "?format=tar"):
            get = self.api("GET", self.archive_path + query)
            head = self.api("HEAD", self.archive_path + query, headers={"Range": "bytes=0-9"})
            self.assertEqual(head.status, 200)
            for name in ("ETag", "Accept-Ranges", "Content-Type", "Content-Length",
                         "Content-Disposition", "Cache-Control"):
                self.assertEqual(head.header(name), get.header(name), f"{query} {name}")

    def test_formats(self):
        same = self.api("GET", self.archive_path + "?format=tar.zst")
        self.assertEqual((same.status, same.body), (200, self.archive.body))
        tar = self.api("GET", self.archive_path + "?format=tar", headers={"Range": "bytes=0-9"})
        self.assertEqual(tar.status, 200)
        self.assertEqual(tar.body, filtered(["zstd", "-dcq"], self.archive.body))
        self.assertEqual(tar.header("Content-Type"), "application/x-tar")
        self.assertEqual(tar.header("Content-Length"), str(len(tar.body)))
        self.assertEqual(tar.header("Accept-Ranges"), "none")
        self.assertNotEqual(tar.header("ETag"), self.archive.header("ETag"))
        size = self.api("GET", "/backups/" + self.backup).json["size_bytes"]
        self.assertEqual(len(tar.body), size)
        for bad in ("zip", "", "TAR", "tar.gz"):
            for method in ("GET", "HEAD"):
                reply = self.api(method, f"{self.archive_path}?format={bad}")
                self.assertEqual(reply.status, 400)
            self.problem(self.api("GET", f"{self.archive_path}?format={bad}"), 400, "invalid",
                         "format")

    def part(self, spec, **headers):
        return self.api("GET", self.archive_path, headers={
            "Range": spec, **{name.replace("_", "-"): value for name, value in headers.items()}})

    def test_ranges(self):
        whole = self.archive.body
        size = len(whole)
        for spec, first, end in (
                ("bytes=0-0", 0, 1), ("bytes=0-99", 0, 100), ("bytes=1000000-1999999", 1000000, 2000000),
                ("bytes=100-", 100, size), ("bytes=0-", 0, size), (f"bytes={size - 1}-", size - 1, size),
                (f"bytes={size - 1}-{size + 100}", size - 1, size), (f"bytes=5-{size * 2}", 5, size),
                (f"bytes=7-{size - 1}", 7, size), ("bytes=-1", size - 1, size),
                ("bytes=-5000", size - 5000, size), (f"bytes=-{size}", 0, size),
                (f"bytes=-{size + 1}", 0, size), (f"Bytes=0-{10 ** 17}", 0, size)):
            with self.subTest(spec):
                reply = self.part(spec)
                self.assertEqual(reply.status, 206)
                self.assertEqual(reply.header("Content-Range"), f"bytes {first}-{end - 1}/{size}")
                self.assertEqual(reply.header("Content-Length"), str(end - first))
                self.assertEqual(reply.header("ETag"), self.archive.header("ETag"))
                self.assertTrue(reply.body == whole[first:end], "other bytes")

    def test_ranges_beyond_the_end(self):
        size = len(self.archive.body)
        for spec in (f"bytes={size}-", f"bytes={size}-{size + 9}", f"bytes={size * 9}-", "bytes=-0"):
            with self.subTest(spec):
                reply = self.part(spec)
                self.problem(reply, 416, "range", str(size))
                self.assertEqual(reply.header("Content-Range"), f"bytes */{size}")

    def test_ranges_answered_with_the_whole(self):
        for spec in ("bytes=0-1,4-5", "bytes=0-1, -1", "bytes=5-2", "bytes=a-b", "bytes=1-b",
                     "bytes=", "bytes=-", "bytes", "items=0-1", "bytes=0-1;", "bytes=--1",
                     "bytes=0x10-", ""):
            with self.subTest(spec):
                reply = self.part(spec)
                self.assertEqual(reply.status, 200)
                self.assertTrue(reply.body == self.archive.body, "other bytes")

    def test_ranges_behind_the_end(self):
        """However many digits there are."""
        for spec in (f"bytes={len(self.archive.body)}-", "bytes=" + "9" * 19 + "-", "bytes=" + "9" * 30 + "-"):
            self.assertEqual(self.part(spec).status, 416, spec)

    def test_if_range(self):
        etag = self.archive.header("ETag")
        self.assertEqual(self.part("bytes=0-9", If_Range=etag).status, 206)
        for other in ('"other"', "W/" + etag, etag[1:-1], "Mon, 23 Nov 2026 00:00:00 GMT"):
            reply = self.part("bytes=0-9", If_Range=other)
            self.assertEqual((reply.status, len(reply.body)), (200, len(self.archive.body)), other)
        beyond = f"bytes={len(self.archive.body)}-"
        self.assertEqual(self.part(beyond, If_Range=etag).status, 416)
        self.assertEqual(self.part(beyond, If_Range='"other"').status, 200)

    def test_resume(self):
        """A download in pieces, as a client that loses its connection makes it."""
        etag, size, got = self.archive.header("ETag"), len(self.archive.body), b""
        while len(got) < size:
            end = min(len(got) + 700_001, size)
            got += self.part(f"bytes={len(got)}-{end - 1}", If_Range=etag).body
        self.assertTrue(got == self.archive.body, "other bytes")

    def test_archive_not_modified(self):
        for query in ("", "?format=tar"):
            etag = self.api("HEAD", self.archive_path + query).header("ETag")
            for known in (etag, "*", f'"x", {etag}', "W/" + etag):
                for method in ("GET", "HEAD"):
                    reply = self.api(method, self.archive_path + query, headers={
                        "If-None-Match": known, "Range": "bytes=0-9"})
                    self.assertEqual((reply.status, reply.body), (304, b""), known)
        self.assertEqual(self.part("bytes=0-9", If_None_Match='"other"').status, 206)

    def test_archive_is_the_same_again(self):
        self.assertTrue(self.api("GET", self.archive_path).body == self.archive.body)
        other = self.api("HEAD", f"/backups/{self.backups[1]}/archive")
        self.assertNotEqual(other.header("ETag"), self.archive.header("ETag"))

    # Tickets.

    def test_ticket(self):
        before = datetime.datetime.now(datetime.timezone.utc)
        reply = self.api("POST", f"/backups/{self.backup}/tickets")
        self.assertEqual(reply.status, 201)
        url = reply.json["url"]
        self.assertEqual(reply.header("Location"), url)
        self.assertTrue(url.startswith(self.archive_path + "?ticket="), url)
        self.assertEqual(reply.header("Cache-Control"), "no-store")
        expires = datetime.datetime.fromisoformat(reply.json["expires_at"].replace("Z", "+00:00"))
        self.assertAlmostEqual((expires - before).total_seconds(), 60, delta=10)
        for _ in range(2):
            self.assertEqual(self.api("HEAD", url, token=None).status, 200)
        part = self.api("GET", url, token=None, headers={"Range": "bytes=0-9"})
        self.assertEqual((part.status, part.body), (206, self.archive.body[:10]))
        tar = self.api("GET", url + "&format=tar", token=None)
        self.assertEqual((tar.status, tar.header("Content-Type")), (200, "application/x-tar"))

    def test_wrong_tickets(self):
        ticket = self.api("POST", f"/backups/{self.backup}/tickets", {}).json["url"].split("=")[1]
        for path in (f"/backups/{self.backups[1]}/archive?ticket={ticket}",  # of another backup
                     f"{self.archive_path}?ticket={'0' * 64}", f"{self.archive_path}?ticket=",
                     f"{self.archive_path}?ticket", f"{self.archive_path}?ticket={ticket[:-1]}",
                     f"{self.archive_path}?ticket={ticket}0",
                     f"/backups/{self.backup}?ticket={ticket}"):  # of another path
            for method in ("GET", "HEAD"):
                reply = self.api(method, path, token=None)
                self.assertEqual(reply.status, 401, path)
                self.assertNotIn(ticket.encode(), reply.body)
        wrong = self.api("GET", f"{self.archive_path}?ticket={ticket}", token="f" * 64)
        self.assertEqual(wrong.status, 401)  # a wrong token is not mended by a ticket
        self.assertNotIn(ticket, self.service.log())

    # Verify, restore, delete.

    def test_verify(self):
        for body in (None, {}):
            operation = self.service.operate(f"/backups/{self.backup}/verify", body)
            self.assertEqual((operation["kind"], operation["backup"]), ("verify", self.backup))
            record = self.api("GET", "/backups/" + self.backup).json
            self.assertLessEqual(operation["created_at"], record["verified_at"])
            self.assertLessEqual(record["verified_at"], operation["ended_at"])

    def test_verify_finds_damage(self):
        """One byte of a chunk that only this backup has; what does not compress is stored as it
        is, so it is found in a pack."""
        more = os.urandom(300_000)
        self.write("more", more)
        backup = self.service.backup()
        self.assertIsNone(self.api("GET", "/backups/" + backup).json["verified_at"])
        self.service.operate(f"/backups/{backup}/verify")
        self.assertIsNotNone(self.api("GET", "/backups/" + backup).json["verified_at"])
        os.unlink(os.path.join(self.data, "more"))
        self.damage(more[150_000:150_032])
        operation = self.service.finish(self.service.begin(f"/backups/{backup}/verify"), "failed")
        self.assertEqual(operation["error"]["type"], "urn:fuel-backup:corrupt")
        self.assertIsNone(self.api("GET", "/backups/" + backup).json["verified_at"])
        self.service.operate(f"/backups/{self.backup}/verify")
        self.assertEqual(self.api("DELETE", "/backups/" + backup).status, 204)

    def damage(self, content):
        """Flip a bit of these bytes in the file of the store that has them."""
        for folder, _, names in os.walk(self.service.store):
            for name in names:
                with open(os.path.join(folder, name), "r+b") as file:
                    at = file.read().find(content)
                    if at >= 0:
                        file.seek(at)
                        file.write(bytes([content[0] ^ 0x40]))
                        return
        self.fail("no file of the store has these bytes")

    def test_restore(self):
        self.write("text", b"changed\n")
        path = f"/backups/{self.backup}/restore"
        operation = self.service.operate(path, {"host_paths": False})
        self.assertEqual((operation["kind"], operation["backup"]), ("restore", self.backup))
        self.assertEqual(self.read("text"), b"changed\n")
        self.service.operate(path, {"host_paths": True, "astute": False})
        self.assertEqual((self.read("text"), self.read("noise")), (b"first\n", self.noise))
        self.write("text", b"changed\n")
        self.service.operate(path)
        self.assertEqual(self.read("text"), b"first\n")

    def test_restore_is_meant(self):
        """Nobody overwrites a host by a request that says nothing, or that means another backup."""
        path, other = f"/backups/{self.backup}/restore", self.service.backup()
        self.write("text", b"changed\n")
        before = self.api("GET", "/operations").json
        for body in (None, {}, {"host_paths": True}, {"force": True}, {"host_paths": False, "astute": True},
                     {"dry_run": False}):
            with self.subTest(str(body)):
                self.problem(self.api("POST", path, body), 400, "invalid", "confirm", "dry_run", "only", self.backup)
        file = {"files": ["host" + self.data + "/text"]}
        for body in ({"confirm": other}, {"confirm": ""}, {"confirm": "latest"}, {"confirm": self.backup[:-1]},
                     {"confirm": self.backup + " "}, {"confirm": other, "dry_run": True}, {"confirm": other, "only": file}):
            with self.subTest(str(body)):
                self.problem(self.api("POST", path, body), 400, "invalid", "confirm", self.backup, "nothing was done")
        for confirm in (True, None, 1, [self.backup], {"id": self.backup}):
            with self.subTest(str(confirm)):
                self.problem(self.api("POST", path, {"confirm": confirm}), 400, "invalid", "confirm")
        self.assertEqual(self.api("GET", "/operations").json, before)
        self.assertEqual(self.read("text"), b"changed\n")
        dry = self.service.operate(path, {"dry_run": True})
        self.assertIs(dry["dry_run"], True)
        self.assertIs(self.service.operate(path, {"only": file, "as": self.folder + "/dry-run", "dry_run": True})["dry_run"],
                      True)
        self.assertEqual(self.read("text"), b"changed\n")
        counts = [line for line in self.api("GET", "/metrics").body.decode().splitlines()
                  if line.startswith("fuel_backup_operations_total{") and "dry-run" in line]
        self.assertEqual(1, len(counts), "dry runs are counted as restores")
        self.service.operate(path, {"only": file})
        self.assertEqual(self.read("text"), b"first\n")
        self.write("text", b"changed\n")
        reply = self.api("POST", path, {"confirm": self.backup})
        self.assertEqual(reply.status, 202, reply)
        self.service.finish(reply.header("Location"))
        self.assertEqual(self.read("text"), b"first\n")

    def test_dry_run_pages(self):
        """A listing of more than one page, complete and each entry once."""
        folder = self.folder + "/pages"
        os.makedirs(folder)
        for i in range(2345):
            with open(f"{folder}/{i}", "wb"):
                pass
        path = f"/backups/{self.service.backup({'host_paths': [folder]})}/restore"
        for i in range(2345):
            os.unlink(f"{folder}/{i}") if i % 2 else os.rename(f"{folder}/{i}", f"{folder}/{i}.new")
        changed, pages = [], []
        while not pages or pages[-1]["entries_left_out"]:
            result = self.service.operate(path, {"dry_run": True, "entries_from": len(changed)})["result"]
            self.assertEqual(len(changed), result["entries_from"])
            changed += [(entry["change"], entry["path"]) for entry in result["entries"]]
            pages.append(result)
        prefix = "host" + folder
        expected = {("added", f"{prefix}/{i}") for i in range(2345)}
        expected |= {("deleted", f"{prefix}/{i}.new") for i in range(0, 2345, 2)}
        expected.add(("changed", prefix))
        self.assertEqual((len(expected), expected), (len(changed), set(changed)))
        self.assertEqual([len(expected) - 1000 * n for n in range(1, len(pages))],
                         [page["entries_left_out"] for page in pages[:-1]])
        for page in pages[1:]:
            self.assertEqual(pages[0]["sources"], page["sources"])
        beyond = self.service.operate(path, {"dry_run": True, "entries_from": 1 << 40})["result"]
        self.assertEqual(([], 0), (beyond["entries"], beyond["entries_left_out"]))
        for body in ({"dry_run": True, "entries_from": -1}, {"dry_run": True, "entries_from": "0"},
                     {"entries_from": 1000}):
            self.problem(self.api("POST", path, body), 400, "invalid", "entries_from")

    def test_delete(self):
        backup = self.service.backup()
        path = "/backups/" + backup
        reply = self.api("DELETE", path)
        self.assertEqual((reply.status, reply.body), (204, b""))
        for method, tail in (("GET", ""), ("DELETE", ""), ("GET", "/archive"), ("HEAD", "/archive"),
                             ("POST", "/tickets"), ("POST", "/verify"), ("POST", "/restore")):
            reply = self.api(method, path + tail)
            self.assertEqual(reply.status, 404, f"{method} {tail}")
        self.assertNotIn(backup, self.pages("backups", 100))
        self.service.operate(f"/backups/{self.backup}/verify")  # what they shared is still there

    def test_delete_gives_space_back(self):
        """What only the deleted backup had is gone once its pack is no longer written to; what
        others need stays."""
        more = os.urandom(5 << 20)
        self.write("more", more)
        backup = self.service.backup()
        os.unlink(os.path.join(self.data, "more"))
        self.service.end()
        self.service.start()  # the pack is sealed
        before = self.api("GET", "/health").json["store"]
        self.assertEqual(self.api("DELETE", "/backups/" + backup).status, 204)
        sweep = self.sweeps()[0]
        self.service.finish("/operations/" + sweep["id"])
        result = self.api("GET", "/operations/" + sweep["id"]).json["result"]
        after = self.api("GET", "/health").json["store"]
        self.assertGreater(result["freed_bytes"], 4 << 20)
        self.assertGreater(result["packs_removed"], 0)
        self.assertLess(after["packs_bytes"], before["packs_bytes"] - (4 << 20))
        self.assertLess(after["chunks"], before["chunks"])
        self.service.operate(f"/backups/{self.backup}/verify")
        self.write("more", more)  # and can be stored again
        backup = self.service.backup()
        os.unlink(os.path.join(self.data, "more"))
        self.service.operate(f"/backups/{backup}/verify")

    def sweeps(self):
        return [item for item in self.api("GET", "/operations").json["operations"]
                if item["kind"] == "sweep"]

    def test_sweep(self):
        for body in (None, {}):
            operation = self.service.operate("/sweep", body)
            self.assertEqual((operation["kind"], operation["backup"]), ("sweep", None))
            self.assertEqual(operation["result"]["chunks_damaged"], 0)
        self.service.operate(f"/backups/{self.backup}/verify")

    def test_delete_takes_an_empty_body(self):
        backup = self.service.backup()
        self.assertEqual(self.api("DELETE", "/backups/" + backup, {}).status, 204)

    def test_a_ticket_ends_with_its_backup(self):
        backup = self.service.backup()
        url = self.api("POST", f"/backups/{backup}/tickets").json["url"]
        self.assertEqual(self.api("DELETE", "/backups/" + backup).status, 204)
        self.assertEqual(self.api("GET", url, token=None).status, 404)
