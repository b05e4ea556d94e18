# Goal: damage is found, named and marked, and the next backup of the same data heals it.
"""Verification and scrub of a damaged store: what they name, and how it is healed."""

import os

from case import ServiceCase, flip


class ScrubCase(ServiceCase):
    def setUp(self):
        super().setUp()
        for backup in self.api("GET", "/backups").json["backups"]:
            self.api("DELETE", "/backups/" + backup["id"])
        self.backup = self.service.backup()
        self.path = "/backups/" + self.backup
        self.assertNotIn("damaged", self.api("GET", self.path).json)

    def flip(self, content):
        flip(self.service.store, content)

    def named(self, operation, files):
        """It names this backup and these files (the ends of their paths)."""
        error, result = operation["error"], operation["result"]
        self.assertEqual(error["type"], "urn:fuel-backup:corrupt")
        for text in (self.backup, "the next backup", *files):
            self.assertIn(text, error["detail"])
        self.assertIn(self.backup, result["backups"])
        self.assertEqual(result["backups_damaged"], len(result["backups"]))
        self.assertEqual(result["chunks_damaged"], len(files))
        [damage] = result["damage"]
        self.assertIn(damage["backup"], result["backups"])
        self.assertEqual([os.path.basename(path) for path in damage["files"]], files)
        self.assertEqual((damage["unnamed"], damage["more"]), ([], False))
        self.assertIs(self.api("GET", self.path).json["damaged"], True)

    def healed(self):
        """By the next backup of the same data, the old one too."""
        size = self.api("HEAD", self.path + "/archive").header("Content-Length")
        other = self.service.backup()
        for backup in (self.backup, other):
            self.assertNotIn("damaged", self.api("GET", "/backups/" + backup).json)
            self.service.operate(f"/backups/{backup}/verify")
        archive = self.api("GET", self.path + "/archive")
        self.assertEqual(archive.header("Content-Length"), size)
        self.assertEqual(self.service.operate("/scrub")["result"]["backups"], [])

    def test_sound(self):
        for body in (None, {}):
            operation = self.service.operate("/scrub", body)
            self.assertEqual((operation["kind"], operation["backup"]), ("scrub", None))
            result = operation["result"]
            self.assertGreater(result["bytes"], len(self.noise))
            self.assertEqual(result["chunks"], self.api("GET", "/health").json["store"]["chunks"])
            self.assertEqual((result["chunks_damaged"], result["chunks_unread"], result["backups"],
                              result["damage"]), (0, 0, [], []))

    def test_scrub(self):
        self.flip(self.noise[1 << 20:(1 << 20) + 64])
        for _ in range(2):
            operation = self.service.finish(self.service.begin("/scrub"), "failed")
            self.named(operation, ["noise"])
        self.healed()

    def test_verify(self):
        self.flip(self.noise[2 << 20:(2 << 20) + 64])
        for _ in range(2):
            operation = self.service.finish(self.service.begin(self.path + "/verify"), "failed")
            self.named(operation, ["noise"])
        self.healed()

    def test_two_files(self):
        more = os.urandom(400_000)
        self.write("more", more)
        self.addCleanup(os.unlink, os.path.join(self.data, "more"))
        older = self.backup
        self.backup = self.service.backup()
        self.path = "/backups/" + self.backup
        self.flip(more[100_000:100_064])
        self.flip(self.noise[1 << 20:(1 << 20) + 64])
        operation = self.service.finish(self.service.begin("/scrub"), "failed")
        self.named(operation, ["more", "noise"])
        self.assertIs(self.api("GET", "/backups/" + older).json["damaged"], True)
        self.healed()
        self.assertNotIn("damaged", self.api("GET", "/backups/" + older).json)
        self.service.operate(f"/backups/{older}/verify")

    def test_lost_names(self):
        """Small files share a chunk with their headers: then it is told where they stood."""
        small = {f"small-{i}": os.urandom(3000) for i in range(9)}
        for name, content in small.items():
            self.write(name, content)
            self.addCleanup(os.unlink, os.path.join(self.data, name))
        self.backup = self.service.backup()
        self.flip(small["small-4"][1000:1064])
        location = self.service.begin(f"/backups/{self.backup}/verify")
        operation = self.service.finish(location, "failed")
        [damage] = operation["result"]["damage"]
        self.assertEqual(damage["files"], [])
        [text] = damage["unnamed"]
        self.assertRegex(text, "^between .* and .*$")
        self.assertIn("between", operation["error"]["detail"])
        self.path = "/backups/" + self.backup
        self.healed()

    def test_runs_beside(self):
        location = self.stalled()
        self.assertEqual(self.service.operate("/scrub")["state"], "succeeded")
        self.assertEqual(self.api("GET", location).json["state"], "running")
        self.engine.release()
        self.service.finish(location)
