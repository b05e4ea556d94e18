# Goal: a part of a backup comes back beside what is there, under another name; nothing is overwritten, and whatever
# fails or is cut off leaves nothing.
"""POST /backups/{id}/restore with `as`. Volumes are in tests/engine/beside_test.py."""

import json
import os

from case import ServiceCase


class BesideCase(ServiceCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        os.makedirs(cls.data + "/sub/deep")
        cls.write("sub/deep/x", b"the x\n")
        cls.write("sub/two", b"two names\n")
        os.link(cls.data + "/sub/two", cls.data + "/sub/two-again")
        os.link(cls.data + "/text", cls.data + "/text-again")
        os.chmod(cls.data + "/sub/deep/x", 0o4640)
        os.utime(cls.data + "/sub/deep", ns=(1, 1234567890123456789))
        os.symlink("/nowhere", cls.data + "/sub/link")
        cls.backup = cls.service.backup()
        cls.prefix = "host" + cls.data

    def restore(self, only, name, **more):
        return self.service.operate(f"/backups/{self.backup}/restore", {"only": only, "as": name, **more})["result"]

    def fails(self, only, name, *texts):
        location = self.service.begin(f"/backups/{self.backup}/restore", {"only": only, "as": name})
        detail = self.service.finish(location, "failed")["error"]["detail"]
        for text in ("nothing was changed", *texts):
            self.assertIn(text, detail)
        self.nothing_left()

    def nothing_left(self):
        self.assertEqual([], [name for name in os.listdir(self.folder) if name.startswith(".fuel-backup")])
        self.assertEqual([], [name for name in os.listdir(self.service.store + "/run") if name.startswith("beside")])

    def test_a_host_path(self):
        self.write("text", b"changed since\n")
        place = self.folder + "/beside"
        result = self.restore({"host_paths": [self.data]}, place)
        self.assertEqual((self.prefix, place, False), (result["part"], result["as"], result["dry_run"]))
        self.assertEqual(sum(len(folders) + len(files) for _, folders, files in os.walk(place)) + 1, result["entries"])
        with open(place + "/noise", "rb") as noise, open(place + "/text", "rb") as text:
            self.assertEqual((self.noise, b"first\n"), (noise.read(), text.read()))
        self.assertEqual(b"changed since\n", self.read("text"))
        self.assertEqual(os.stat(place + "/sub/two").st_ino, os.stat(place + "/sub/two-again").st_ino)
        self.assertEqual(0o4640, os.stat(place + "/sub/deep/x").st_mode & 0o7777)
        self.assertEqual(1234567890123456789, os.stat(place + "/sub/deep").st_mtime_ns)
        self.assertEqual("/nowhere", os.readlink(place + "/sub/link"))
        self.nothing_left()
        self.fails({"host_paths": [self.data]}, place, "there is " + place)

    def test_a_folder_and_a_file(self):
        self.restore({"files": [self.prefix + "/sub"]}, self.folder + "/sub")
        self.assertEqual(["deep", "link", "two", "two-again"], sorted(os.listdir(self.folder + "/sub")))
        result = self.restore({"files": [self.prefix + "/sub/deep/x"]}, self.folder + "/x")
        self.assertEqual((1, 6), (result["entries"], os.stat(self.folder + "/x").st_size))
        self.assertEqual(0o4640, os.stat(self.folder + "/x").st_mode & 0o7777)
        self.nothing_left()

    def test_dry_run(self):
        result = self.restore({"files": [self.prefix + "/sub"]}, self.folder + "/dry", dry_run=True)
        self.assertTrue(result["dry_run"])
        self.assertEqual(6, result["entries"])
        self.assertFalse(os.path.exists(self.folder + "/dry"))

    def test_what_is_refused(self):
        one = {"files": [self.prefix + "/sub"]}
        path = f"/backups/{self.backup}/restore"
        for body, text in (({"as": "/a/b"}, "only"), ({"only": one, "as": 1}, "as"), ({"only": one, "as": None}, "as"),
                           ({"only": {"containers": ["web"]}, "as": "web2"}, "volumes"),
                           ({"only": {"files": ["volumes/a", "volumes/b"]}, "as": "/a/b"}, "one"),
                           ({"only": {"volumes": ["a"], "files": ["volumes/b"]}, "as": "/a/b"}, "one"),
                           ({"only": {"volumes": ["data"]}, "as": "/a/b"}, "volume"),
                           ({"only": {"volumes": ["data"]}, "as": "x"}, "volume"),
                           ({"only": {"volumes": ["data"]}, "as": "-data"}, "volume"),
                           ({"only": {"volumes": ["data"]}, "as": "d" * 256}, "volume"),
                           ({"only": {"volumes": ["data"]}, "as": "a b"}, "volume"),
                           *(({"only": one, "as": name}, "absolute") for name in (
                               "", "/", "/top", "relative/x", "/a/../b", "/a//b", "/a/b/", "/a/.", "/a/" + "n" * 256,
                               "/a/.fuel-backup-x"))):
            with self.subTest(str(body)[:90]):
                self.problem(self.api("POST", path, body), 400, "invalid", text)

    def test_what_fails(self):
        self.fails({"files": [self.prefix + "/none"]}, self.folder + "/none", "has no")
        self.fails({"files": ["backup.json"]}, self.folder + "/none", "has no")
        self.fails({"host_paths": ["/etc/none"]}, self.folder + "/none", "has no")
        self.fails({"files": [self.prefix + "/sub"]}, self.folder + "/no/folder", "make it first")
        self.fails({"files": [self.prefix + "/sub"]}, self.data, "another name")
        self.fails({"files": [self.prefix + "/text-again"]}, self.folder + "/again", "another name of")

    def test_one_that_was_cut_off(self):
        """What its note names is gone after the next start, and nothing else is."""
        operation = "20260101-000000-0badcafe"
        left = f"{self.folder}/.fuel-backup-beside-{operation}"
        self.service.end()
        os.makedirs(left + "/half/of/it")
        os.makedirs(self.folder + "/mine")
        with open(self.service.store + "/run/beside.json", "w", encoding="ascii") as note:
            json.dump({"id": operation, "volume": None, "parent": self.folder}, note)
        self.service.start()
        self.assertIn(operation, self.service.log())
        self.assertTrue(os.path.exists(self.folder + "/mine"))
        self.nothing_left()
