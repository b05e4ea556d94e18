#!/usr/bin/python3
# Goal: an archive whose documents have any field changed into anything is refused in words, or is used without harm.
"""shapes_test.py FUEL-BACKUPD [unittest's options].  Every field of the manifest, of an inspect and of a network, those
that a Docker Engine gives besides included, becomes each kind of JSON, or goes; what is imported all the same is
verified, looked into, and a restore and a rehearsal are tried."""

import copy
import json
import os
import random
import sys
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "../api")]
import hostile  # noqa: E402
from case import ServiceCase  # noqa: E402
from service import Service  # noqa: E402

VALUES = (None, True, 0, -1, 1.5, 1 << 62, "", "x", "/a/../b", "\x1b[2J", [], [None], [1], [[]], ["x"], {}, {"x": None},
          {"x": 1}, {"": ""})
GONE = object()
RANDOM = 400 if os.environ.get("FB_LONG") else 25

INSPECT = {
    **hostile.INSPECT, "Image": "sha256:" + hostile.IMAGE, "Created": "2026-11-01T00:00:00Z",
    "State": {"Running": True, "Paused": False, "StartedAt": "2026-11-01T00:00:00Z", "Health": {"Status": "healthy"}},
    "Config": {"Image": "a:1", "Env": ["a=b"], "Cmd": ["x"], "Labels": {"com.docker.compose.project": "p"},
               "Entrypoint": None, "Healthcheck": {"Test": ["CMD", "x"]}, "Volumes": {"/v": {}},
               "ExposedPorts": {"80/tcp": {}}},
    "HostConfig": {"NetworkMode": "front", "Binds": ["/srv/x:/x:ro"], "Links": ["/db:/web/db"], "VolumesFrom": ["db"],
                   "PortBindings": {"80/tcp": [{"HostIp": "", "HostPort": "80"}]}, "RestartPolicy": {"Name": "always"},
                   "LogConfig": {"Type": "json-file", "Config": {"max-size": "1m"}}, "Tmpfs": {"/t": "rw"},
                   "Ulimits": [{"Name": "nofile", "Soft": 1, "Hard": 2}], "Devices": [{"PathOnHost": "/dev/null"}],
                   "Mounts": [{"Type": "volume", "Source": "data", "Target": "/data"}], "Memory": 0},
    "Mounts": [{"Type": "volume", "Name": "data", "Source": "/var/lib/docker/volumes/data/_data", "Destination": "/data",
                "Driver": "local", "RW": True},
               {"Type": "bind", "Source": "/srv/x", "Destination": "/x", "RW": False}],
    "NetworkSettings": {"Networks": {"front": {"Aliases": ["w"], "IPAMConfig": {"IPv4Address": "10.9.0.2"},
                                               "NetworkID": hostile.HEX, "Links": None, "DriverOpts": None}}},
    "GraphDriver": {"Name": "overlay2", "Data": {"UpperDir": "/x"}},
}
NETWORK = {"Name": "front", "Driver": "bridge", "Options": {"a": "b"}, "Labels": {}, "Internal": False,
           "IPAM": {"Driver": "default", "Options": None, "Config": [{"Subnet": "10.9.0.0/16", "Gateway": "10.9.0.1"}]}}


def manifest():
    head = hostile.manifest()
    head["plan"] = {"containers": {"names": ["*"], "labels": ["a"]}, "host_paths": ["/etc/one"], "exclude": ["*.log"],
                    "keep": {"daily": 7}, "on_error": "fail", "schedule": {"cron": "0 3 * * *"}}
    head["sources"][2].update({"compose": False, "place": {
        "real": "/srv/x", "links": [{"path": "/a", "to": "/srv", "uid": 0, "gid": 0}], "above": [{"mode": 493, "uid": 0,
                                                                                                "gid": 0}],
        "dev": 1, "ino": 2, "born_ns": 0, "type": "folder"}})
    head["volumes"][0].update({"Labels": {"a": "b"}, "Options": {"o": "x"}, "Mountpoint": "/x"})
    return head


def places(value, at=()):
    """The path of every field in a document."""
    yield at
    for key in (value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()):
        yield from places(value[key], at + (key,))


def changed(document, at, value):
    if not at:
        return {} if value is GONE else value
    document = copy.deepcopy(document)
    inner = document
    for key in at[:-1]:
        inner = inner[key]
    if value is GONE:
        del inner[at[-1]]
    else:
        inner[at[-1]] = value
    return document


def archive(head=None, inspect=None, network=None):
    pieces = []
    for info, content in hostile.pieces(head=manifest() if head is None else head,
                                        inspect=INSPECT if inspect is None else inspect):
        if info.name == "networks/front.json":
            info, content = hostile.entry(info.name, json.dumps(NETWORK if network is None else network).encode())
        pieces.append((info, content))
    return hostile.tar(pieces)


class ShapesCase(ServiceCase):
    def send(self, data):
        """Import it; what it answers.  The same id may come again."""
        reply = self.api("PUT", "/archives", data, {"Content-Type": "application/x-tar"})
        if reply.status == 400:
            self.assertIn(reply.json["type"], ("urn:fuel-backup:archive-refused", "urn:fuel-backup:unsupported",
                                               "urn:fuel-backup:invalid"), reply)
            self.assertGreater(len(reply.json["detail"]), 10)
            self.assertNotIn('\x1b', reply.json["detail"].replace('\x1b[2J', ''), reply)
        return reply

    def use(self, backup):
        """All that can be done with it without an engine that has anything."""
        path = "/backups/" + backup
        for what in (path, path + "/files", path + "/files/volumes/data", path + "/archive"):
            reply = self.api("GET", what)
            self.assertIn(reply.status, (200, 404, 409), (what, reply))
        for what, body in (("/verify", None), ("/restore", {"dry_run": True}), ("/rehearse", None),
                           ("/restore", {"dry_run": True, "only": ["volumes/data"]})):
            reply = self.api("POST", path + what, body)
            if reply.status == 202:
                self.service.finish_polling(reply.header("Location"))
            else:
                self.assertGreaterEqual(reply.status, 400)
        self.assertEqual(self.api("DELETE", path).status, 204)

    def judge(self, data, what):
        with self.subTest(what):
            reply = self.send(data)
            self.assertIn(reply.status, (200, 201, 400, 501), what)
            if reply.status in (200, 201):
                self.use(reply.json["id"])
            return reply.status

    def test_sound(self):
        self.assertEqual(self.judge(archive(), "sound"), 201)

    def test_each_field(self):
        seen = dict.fromkeys((200, 201, 400, 501, None), 0)
        random.seed(7)
        for name, document in (("head", manifest()), ("inspect", INSPECT), ("network", NETWORK)):
            for at in places(document):
                values = VALUES + (GONE,) if os.environ.get("FB_LONG") else random.sample(VALUES, 2) + [GONE]
                for value in values:
                    what = f"{name} {'.'.join(map(str, at))} = {'gone' if value is GONE else value!r}"
                    seen[self.judge(archive(**{name: changed(document, at, value)}), what)] += 1
        print(f"imported {seen[201]}, refused {seen[400]}", file=sys.stderr)
        self.assertGreater(seen[400], 100)

    def test_several_fields(self):
        random.seed(int(os.environ.get("FB_SEED", "11")))
        for turn in range(RANDOM):
            documents = {"head": manifest(), "inspect": INSPECT, "network": NETWORK}
            for _ in range(random.randint(1, 4)):
                name = random.choice(list(documents))
                at = random.choice(list(places(documents[name])))
                documents[name] = changed(documents[name], at, random.choice(VALUES))
            self.judge(archive(**documents), f"turn {turn}")

    def test_the_finding(self):
        """It was a NULL pointer at the restore."""
        head = manifest()
        head["plan"]["exclude"] = [1]
        reply = self.send(archive(head=head))
        self.assertEqual(reply.status, 400)
        self.assertIn("plan.exclude[0]", reply.json["detail"])


if __name__ == "__main__":
    Service.binary = os.path.abspath(sys.argv.pop(1))
    unittest.main(verbosity=2)
