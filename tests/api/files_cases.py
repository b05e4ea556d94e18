# Goal: a backup is looked into as the contract says: each folder, each file, each byte, any name.
"""Browsing a backup and fetching from it."""

import hashlib
import http.client
import io
import os
import tarfile
import urllib.parse

from case import UNKNOWN, ServiceCase

MANY = 2500
SPARSE = 3 << 20


def quoted(path):
    return urllib.parse.quote(path, safe="/")


class FilesCase(ServiceCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        for folder in ("deep/er/est", "many", "empty", "tags"):
            os.makedirs(os.path.join(cls.data, folder))
        for number in range(MANY):
            cls.write(f"many/{number:05}", b"%d\n" % number)
        cls.write("deep/er/est/one", b"1")
        cls.write("deep!", b"sorts around the slash of deep/")
        os.link(os.path.join(cls.data, "noise"), os.path.join(cls.data, "tags/noise again"))
        os.symlink("../../../etc/passwd", os.path.join(cls.data, "tags/soft"))
        os.mkfifo(os.path.join(cls.data, "tags/pipe"))
        with open(os.path.join(cls.data, "holes"), "wb") as out:
            out.seek(SPARSE // 2)
            out.write(b"island")
            out.truncate(SPARSE)
        cls.odd = [b"sp ace", b"per%cent", b"quest?ion#mark", b"new\nline", "ümläut".encode(),
                   b"\xff\xfe not utf-8", b"plus+and&", b'quo"te\\']
        for name in cls.odd:
            with open(os.path.join(os.fsencode(cls.data), b"tags", name), "wb") as out:
                out.write(b"<" + name + b">")
        cls.backup = cls.service.backup()
        cls.root = f"/backups/{cls.backup}/files"
        cls.top = "host" + cls.data

    def look(self, path="", query="", **options):
        return self.api("GET", f"{self.root}/{path}{query}" if path else self.root + query, **options)

    def listed(self, path="", limit=10000):
        """All entries of a folder, by pages."""
        found, after = [], ""
        while True:
            reply = self.look(quoted(path), f"?limit={limit}{after}")
            self.assertEqual(reply.status, 200, reply)
            self.assertLessEqual(len(reply.json["entries"]), limit)
            found += reply.json["entries"]
            if reply.json["next"] is None:
                return found
            after = "&after=" + reply.json["next"]

    # Folders.

    def test_root(self):
        reply = self.look()
        self.assertEqual((reply.json["path"], reply.json["entry"]["type"]), ("", "folder"))
        names = {entry["name"]: entry for entry in reply.json["entries"]}
        self.assertEqual(names["backup.json"]["type"], "file")
        self.assertEqual(names["host"]["type"], "folder")
        self.assertNotIn("mode", names["host"])  # no member of the archive, only what is in it
        self.assertEqual(self.look("host/").json["entries"], self.listed("host"))

    def test_folder(self):
        entries = self.listed(self.top)
        self.assertEqual([entry["name"] for entry in entries],
                         sorted(os.listdir(self.data), key=os.fsencode))
        for entry in entries:
            with self.subTest(entry["name"]):
                state = os.lstat(os.path.join(self.data, entry["name"]))
                self.assertEqual(entry["href"], quoted(self.top + "/" + entry["name"]))
                self.assertEqual((entry["uid"], entry["gid"]), (state.st_uid, state.st_gid))
                self.assertEqual(int(entry["mode"], 8), state.st_mode & 0o7777)
                if entry["type"] == "file":
                    self.assertEqual(entry["size_bytes"], state.st_size)
        kinds = {entry["name"]: entry["type"] for entry in entries}
        self.assertEqual((kinds["deep"], kinds["deep!"], kinds["holes"]), ("folder", "file", "file"))
        self.assertEqual(self.listed(self.top + "/empty"), [])

    def test_pages(self):
        whole = self.listed(self.top + "/many")
        self.assertEqual([entry["name"] for entry in whole], [f"{n:05}" for n in range(MANY)])
        self.assertEqual(len(self.look(quoted(self.top + "/many")).json["entries"]), 1000)
        for limit in (7, 999, MANY):
            self.assertEqual(self.listed(self.top + "/many", limit), whole)
        tags = self.listed(self.top + "/tags")
        self.assertEqual(self.listed(self.top + "/tags", 1), tags)

    def test_types(self):
        entries = {entry["name"]: entry for entry in self.listed(self.top + "/tags")}
        self.assertEqual(entries["soft"]["type"], "symlink")
        self.assertEqual(entries["soft"]["link"], "../../../etc/passwd")
        self.assertEqual(entries["pipe"]["type"], "fifo")
        hard = entries["noise again"]
        self.assertEqual((hard["type"], hard["link"]), ("hardlink", self.top + "/noise"))
        soft = self.look(entries["soft"]["href"])  # told, never followed
        self.assertEqual((soft.status, soft.json["entry"]), (200, entries["soft"]))

    # Files.

    def test_odd_names(self):
        entries = self.listed(self.top + "/tags")
        contents = set()
        for entry in entries:
            if entry["type"] != "file":
                continue
            reply = self.look(entry["href"])
            self.assertEqual(reply.status, 200)
            self.assertIn("filename*=UTF-8''" + entry["href"].rsplit("/", 1)[1],
                          reply.header("Content-Disposition"))
            contents.add(reply.body)
        self.assertEqual(contents, {b"<" + name + b">" for name in self.odd})
        self.assertIn("\\xff\\xfe not utf-8", [entry["name"] for entry in entries])

    def test_bytes(self):
        for name, content in (("noise", self.noise), ("text", b"first\n"), ("tags/noise again", self.noise),
                              ("deep/er/est/one", b"1"), ("holes", self.read("holes"))):
            reply = self.look(quoted(f"{self.top}/{name}"))
            self.assertEqual(hashlib.sha256(reply.body).digest(), hashlib.sha256(content).digest(), name)
            self.assertEqual(reply.header("Content-Type"), "application/octet-stream")
            self.assertEqual(reply.header("Content-Length"), str(len(content)))
            self.assertEqual(reply.header("X-Content-Type-Options"), "nosniff")
            head = self.api("HEAD", f"{self.root}/{quoted(self.top)}/{quoted(name)}")
            self.assertEqual((head.status, head.header("ETag")), (200, reply.header("ETag")))
            self.assertEqual(head.header("Content-Length"), str(len(content)))
            again = self.look(quoted(f"{self.top}/{name}"), headers={"If-None-Match": reply.header("ETag")})
            self.assertEqual((again.status, again.body), (304, b""))

    def test_ranges(self):
        path = quoted(self.top + "/noise")
        size, etag = len(self.noise), self.look(path).header("ETag")
        for spec, first, end in (("bytes=0-0", 0, 1), ("bytes=1000000-1999999", 1000000, 2000000),
                                 (f"bytes={size - 1}-", size - 1, size), ("bytes=-300000", size - 300000, size)):
            reply = self.look(path, headers={"Range": spec, "If-Range": etag})
            self.assertEqual((reply.status, reply.body), (206, self.noise[first:end]), spec)
            self.assertEqual(reply.header("Content-Range"), f"bytes {first}-{end - 1}/{size}")
        reply = self.look(path, headers={"Range": f"bytes={size}-"})
        self.problem(reply, 416, "range", str(size))
        self.assertEqual(reply.header("Content-Range"), f"bytes */{size}")
        reply = self.look(path, headers={"Range": "bytes=0-0", "If-Range": '"other"'})
        self.assertEqual((reply.status, len(reply.body)), (200, size))
        sparse = self.look(quoted(self.top + "/holes"), headers={"Range": "bytes=5-9"})
        self.assertEqual((sparse.status, sparse.header("Accept-Ranges")), (200, "none"))

    # A folder as a tar.

    def test_tar(self):
        reply = self.look(quoted(self.top + "/tags"), "?format=tar")
        self.assertEqual((reply.status, reply.header("Content-Type")), (200, "application/x-tar"))
        self.assertEqual(reply.header("Content-Length"), str(len(reply.body)))
        self.assertIn("tags.tar", reply.header("Content-Disposition"))
        with tarfile.open(fileobj=io.BytesIO(reply.body), errors="surrogateescape") as tar:
            names = {os.path.relpath(member.name, self.top) for member in tar}
        expected = {os.path.join("tags", name) for name in os.listdir(self.data + "/tags")}
        self.assertEqual(names, expected | {"tags"})
        whole = self.look("", "?format=tar").body
        archive = self.api("GET", f"/backups/{self.backup}/archive?format=tar").body
        self.assertEqual(whole, archive)

    # What is refused.

    def test_damage(self):
        """A file with a damaged chunk is never sent as if it were whole; others are."""
        noise = os.urandom(1 << 20)
        self.write("broken", noise)
        self.addCleanup(os.unlink, os.path.join(self.data, "broken"))
        backup = self.service.backup()
        root = f"/backups/{backup}/files/{quoted(self.top)}"
        self.assertEqual(self.api("GET", root + "/broken").body, noise)
        middle = noise[600_000:600_064]
        for folder, _, names in os.walk(os.path.join(self.service.store, "packs")):
            for name in names:
                with open(os.path.join(folder, name), "r+b") as pack:
                    at = pack.read().find(middle)
                    if at >= 0:
                        pack.seek(at)
                        pack.write(bytes(64))
        with self.assertRaises(http.client.IncompleteRead):
            self.api("GET", root + "/broken")
        self.assertEqual(self.api("GET", root + "/text").body, b"first\n")

    def test_refusals(self):
        self.problem(self.api("GET", f"/backups/{UNKNOWN}/files"), 404, "not-found", UNKNOWN)
        self.problem(self.api("GET", f"/backups/{UNKNOWN}/files/x"), 404, "not-found", UNKNOWN)
        for path in ("none", "host/none", quoted(self.top + "/text/under a file")):
            self.problem(self.look(path), 404, "not-found", "has no")
        for path in ("a//b", "../etc", "host/..", "host/./x", "%2e%2e/x", "//"):
            self.problem(self.look(path), 400, "invalid", "path")
        for query in ("limit=0", "limit=10001", "after=", "after=a%2Fb", "format=zip", "format="):
            self.problem(self.look("host", "?" + query), 400, "invalid", query.split("=")[0])
        self.problem(self.look("backup.json", "?format=tar"), 400, "invalid", "no folder")
        bare = self.service.api("GET", self.root, token=None)
        self.problem(bare, 401, "denied")

    def test_tickets(self):
        url = self.api("POST", f"/backups/{self.backup}/tickets").json["url"]
        ticket = url.split("ticket=")[1]
        path = f"{self.root}/{quoted(self.top)}/text"
        reply = self.service.api("GET", f"{path}?ticket={ticket}", token=None)
        self.assertEqual((reply.status, reply.body), (200, b"first\n"))
        self.problem(self.service.api("GET", f"{path}?ticket={'0' * 64}", token=None), 401, "denied")

    def test_not_complete(self):
        location = self.stalled()
        self.problem(self.api("GET", f"/backups/{self.running(location)}/files"), 409, "conflict")
        self.problem(self.api("GET", f"/backups/{self.running(location)}/files/x"), 409, "conflict")

    def test_several_backups(self):
        """More than are kept: each answers with its own bytes."""
        made = []
        for number in range(6):
            self.write("text", b"number %d\n" % number)
            made.append((self.service.backup(), b"number %d\n" % number))
        self.write("text", b"first\n")
        for _ in range(2):
            for backup, content in made:
                reply = self.api("GET", f"/backups/{backup}/files/{quoted(self.top)}/text")
                self.assertEqual(reply.body, content)
