#!/usr/bin/env python3
"""Goal: the service copies backups to real servers, says what is wrong with one, and harms nothing."""

import hashlib
import json
import os
import subprocess
import sys
import unittest

import servers
import verbs_test
from verbs_test import Verbs, over

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../api"))
from case import ServiceCase  # noqa: E402
from service import Service  # noqa: E402

SERVERS = [servers.Sshd, servers.PureFtpd, servers.Nginx, servers.Rgw]


class CopyTest(ServiceCase):
    @classmethod
    def setUpClass(cls):
        cls.world = servers.World()
        cls.addClassCleanup(cls.world.close)
        super().setUpClass()
        cls.backup = cls.service.backup()

    def put(self, server, name, **more):
        settings = {key: value for key, value in server.options(**more).items() if value is not None and key != "part_bytes"}
        reply = self.api("PUT", "/destinations/" + name, {"plain": True, "form": "archives", **settings})
        self.assertIn(reply.status, (200, 201), reply)
        self.assertNotIn(servers.PASSWORD, json.dumps(reply.json))
        return reply.json["probe"]

    def copy(self, name, state="succeeded"):
        return self.service.finish(self.service.begin(f"/backups/{self.backup}/copies", {"destination": name}), state)

    @over(SERVERS)
    def test_copy(self, server):
        name = type(server).__name__.lower()
        probe = self.put(server, name)
        self.assertTrue(probe["ok"], probe)
        self.assertEqual([step["step"] for step in probe["steps"] if not step["ok"]], [])
        self.assertTrue(probe["encrypted"] and probe["deletes"])
        self.assertTrue(probe["host_key"] or probe["certificate"])
        done = self.copy(name)["result"]
        with Verbs(self.world.folder, **server.options()) as v:
            archive = v.get(f"archives/{self.backup}.tar.zst")
            told = v.get(f"archives/{self.backup}.tar.zst.sha256")
        self.assertEqual(archive, self.api("GET", f"/backups/{self.backup}/archive").body)
        self.assertEqual(told.decode(), f"{hashlib.sha256(archive).hexdigest()}  {self.backup}.tar.zst\n")
        self.assertEqual(done["sha256"], hashlib.sha256(archive).hexdigest())
        path = f"{self.world.folder}/{name}.tar.zst"
        with open(path, "wb") as out:
            out.write(archive)
        listed = subprocess.run(["tar", "--zstd", "-tf", path], check=True, capture_output=True, text=True).stdout
        self.assertIn("backup.json", listed)
        self.assertTrue(self.copy(name)["result"]["was_there"])

    @over(SERVERS)
    def test_packs(self, server):
        """The other form: the head is there, and a second backup sends what is new."""
        name = "packs-" + type(server).__name__.lower()
        url = server.options()["url"] + "/as-packs"
        self.assertTrue(self.put(server, name, form="packs", url=url)["ok"])
        done = self.copy(name)["result"]
        with Verbs(self.world.folder, **server.options(url=url)) as v:
            self.assertGreater(v.ask("stat", done["object"]), 0)
        self.assertTrue(self.copy(name)["result"]["was_there"])
        second = self.service.backup()
        again = self.service.operate(f"/backups/{second}/copies", {"destination": name})["result"]
        self.assertLess(again["bytes"], done["bytes"] // 4)
        self.assertEqual(self.api("DELETE", "/destinations/" + name).status, 204)

    @over([servers.Sshd])
    def test_host_key(self, server):
        """What the probe tells is what is to be set; a server with another key is told, and nothing sent."""
        probe = self.put(server, "keys", host_key=None)
        self.assertFalse(probe["ok"])
        self.assertEqual(probe["host_key"], server.fingerprint())
        self.assertIn("host_key", " ".join(probe["summary"]))
        self.assertTrue(self.put(server, "keys", host_key=probe["host_key"])["ok"])
        server.serve("other")
        try:
            failed = self.copy("keys", "failed")["error"]
            self.assertEqual(failed["type"], "urn:fuel-backup:destination-denied")
            self.assertIn(server.fingerprint("other"), failed["detail"])
        finally:
            server.serve("host")
        record = self.api("GET", "/backups/" + self.backup).json
        self.assertEqual((record["state"], record["warnings"]), ("complete", []))
        self.assertEqual([c["state"] for c in record["copies"] if c["destination"] == "keys"], ["failed"])
        self.assertEqual(self.copy("keys")["state"], "succeeded")

    @over([servers.PureFtpd, servers.Rgw])
    def test_wrong_secret(self, server):
        """A secret is read anew each time: what is mended on the disk is mended."""
        secret = servers.write(f"{self.world.folder}/secret", "guess\n")
        field = "secret_key_file" if type(server) is servers.Rgw else "password_file"
        probe = self.put(server, "secret", **{field: secret})
        self.assertFalse(probe["ok"])
        self.assertIn("check", " ".join(probe["summary"]))
        self.assertEqual(self.copy("secret", "failed")["error"]["type"], "urn:fuel-backup:destination-denied")
        with open(server.options()[field], encoding="utf-8") as right:
            servers.write(secret, right.read())
        self.assertTrue(self.api("POST", "/destinations/secret/probe").json["ok"])
        self.copy("secret")
        self.assertNotIn("guess", self.service.log())
        self.assertEqual(self.api("DELETE", "/destinations/secret").status, 204)

    @over([servers.Folder, servers.Nginx])
    def test_full(self, server):
        """The disk there is full: the copy fails, the backup does not; with room it is made."""
        inner = server.data + ("/in/a folder" if type(server) is servers.Nginx else "") + "/small"
        os.makedirs(inner)
        self.world.small_disk(inner)
        try:
            settings = server.options()
            self.put(server, "small", url=settings["url"] + "/small")
            failed = self.copy("small", "failed")["error"]
            self.assertIn(failed["type"].split(":")[-1], ("destination-full", "destination-unreachable", "destination-refused"))
            self.assertFalse(os.path.exists(f"{inner}/archives/{self.backup}.tar.zst"))
        finally:
            self.world.end_disk(inner)
        self.assertEqual(self.api("GET", "/backups/" + self.backup).json["state"], "complete")
        os.chmod(inner, 0o777)
        self.copy("small")


if __name__ == "__main__":
    verbs_test.PROGRAM = os.path.abspath(sys.argv.pop(1))
    Service.binary = os.path.abspath(os.environ["FB_DAEMON"])
    if os.getuid() != 0:
        print("the servers of these tests want root", file=sys.stderr)
        sys.exit(77)
    unittest.main()
