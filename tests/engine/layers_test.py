#!/usr/bin/env python3
"""Goal: a layer of which nobody knows where it is comes through the Engine API, with what that loses told by name; one that
cannot be had is left out alone, and its container's volumes and configuration are in the backup.
"""

import json
import os
import shutil
import subprocess
import unittest

import stack
from engine_proxy import EngineProxy
from fuelbackup import Service, docker, inspect, run, wait_until

STORE = os.path.join(stack.WORK, "store")
SOCKET = stack.WORK + "/proxy/docker.sock"
IMAGE = "fb-test/small"
NAMES = ["fb-runs", "fb-stands", "fb-created", "fb-paused", "fb-readonly"]
CHANGES = """
    rm /srv/file1; rm -r /srv/tree/deep; rm -r /root; echo file >/root; echo new >/srv/file2; chmod 600 /srv/file3
    chown 12:34 /srv/file4; mkdir -p /new/a/b; echo one >/new/a/one; ln /new/a/one /new/a/b/two; ln -s one /new/a/link
    cp /bin/busybox /new/tool; chmod 4755 /new/tool; mkfifo /new/fifo; mknod /new/null c 1 3
    echo x >"/new/a name
with a line, and %2f&=?#"; mkdir -m 1777 /new/sticky; touch -d '2001-02-03 04:05:06' /new/a/one /new/a /new
    [ ! -d /new/data ] || echo of the volume >/new/data/file
"""


def asked(path):
    """What the engine itself answers to a GET."""
    target = os.environ["DOCKER_HOST"].removeprefix("unix://")
    return subprocess.run(["curl", "-s", "--unix-socket", target, "http://d" + path], stdout=subprocess.PIPE, check=True).stdout


def answer(body, kind="application/json"):
    return (f"HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n").encode() + body


class LayersTest(unittest.TestCase):
    def setUp(self):
        self.clean()
        os.makedirs(stack.WORK)
        self.cut = None  # of which container the engine's tars end too early
        docker("run", "-d", "--name", "fb-runs", "-v", "fb-data:/new/data", IMAGE)
        docker("exec", "fb-runs", "sh", "-ec", CHANGES)
        docker("run", "--name", "fb-stands", IMAGE, "sh", "-ec", CHANGES)
        docker("create", "--name", "fb-created", IMAGE)
        docker("run", "-d", "--name", "fb-paused", "--tmpfs", "/scratch", IMAGE)
        docker("exec", "fb-paused", "sh", "-c", "echo kept >/srv/kept; echo lost >/scratch/lost")
        docker("pause", "fb-paused")
        docker("run", "-d", "--name", "fb-readonly", "--read-only", "-v", "fb-data:/data", IMAGE)
        wait_until("it is written", lambda: os.path.exists(stack.volume_path("fb-data") + "/file"))
        self.proxy = EngineProxy(SOCKET, on_request=self.step_in)
        self.proxy.open()
        self.service = Service(STORE, socket=SOCKET).start()

    def tearDown(self):
        if not self._outcome.success:
            print(self.service.log())
        self.service.remove()
        self.proxy.close()
        self.clean()

    def clean(self):
        docker("rm", "-f", "-v", *NAMES, check=False)
        docker("volume", "rm", "-f", "fb-data", check=False)
        Service(STORE).remove()
        shutil.rmtree(stack.WORK, ignore_errors=True)

    def step_in(self, method, path):
        """An engine whose storage driver nobody knows."""
        parts = path.split("?")[0].split("/")
        if method != "GET" or parts[1:2] != ["containers"] or len(parts) != 4:
            return None
        if parts[3] == "json" and parts[2] != "json":
            document = json.loads(asked(path))
            if not document.get("Name", "").startswith("/fb-"):
                return None
            document["GraphDriver"] = {"Name": "unheard-of", "Data": None}
            return answer(json.dumps(document).encode())
        if parts[3] == "archive" and self.cut and inspect(parts[2])["Name"] == "/" + self.cut:
            return answer(asked(path)[:512], "application/x-tar")
        return None

    def plan(self):
        return {"containers": {"names": ["fb-*"]}, "host_paths": []}

    def restored(self, record):
        """By a service that knows where the layers are."""
        self.service.remove()
        self.service = Service(STORE).start()
        self.service.restore(record["id"])

    def kept(self, name):
        """The upper directory, whose times the API cuts off: a copy with whole seconds and no xattrs."""
        copy = stack.WORK + "/kept-" + name
        run("rsync", "-aHA", stack.upper(name) + "/", copy + "/")
        run("find", copy, "-exec", "sh", "-c", 'for f; do touch -h -d "@$(stat -c %Y "$f")" "$f"; done', "sh", "{}", "+")
        return copy

    def test_through_the_engine(self):
        names = ["fb-runs", "fb-stands", "fb-paused"]
        before = {name: self.kept(name) for name in names}
        opaque = inspect("fb-runs")["Id"]
        operation = self.service.operate("/backups", self.plan())
        record = self.service.api("GET", "/backups/" + operation["backup"]).json
        self.assertEqual(("complete", []), (record["state"], record["omitted"]))
        for name in NAMES:
            self.assertTrue(any(name in text and "through the engine" in text and "ACLs" in text
                                for text in record["warnings"]), record["warnings"])
        self.assertEqual("paused", inspect("fb-paused")["State"]["Status"])
        listed = self.service.api("GET", f"/backups/{record['id']}/archive?format=tar").body
        with open(stack.WORK + "/archive.tar", "wb") as out:
            out.write(listed)
        found = run("tar", "-tf", stack.WORK + "/archive.tar")
        self.assertNotIn("fb-runs/layer/new/data/file", found)
        self.assertIn("containers/fb-runs/layer/srv/.wh.file1\n", found)
        self.assertEqual([], [name for name in os.listdir(STORE + "/run") if name.startswith("layer-copy")])
        docker("rm", "-f", *NAMES)
        docker("volume", "rm", "fb-data")
        self.restored(record)
        self.assertNotEqual(opaque, inspect("fb-runs")["Id"])
        with open(stack.volume_path("fb-data") + "/file", encoding="ascii") as source:
            self.assertEqual("of the volume\n", source.read())
        for name in names:
            # The mounts' places are made by the engine; the root's and their folders' times are its.
            lines = run("rsync", "-aHAn", "--delete", "--checksum", "--itemize-changes", "--omit-dir-times", "--exclude=/dev",
                        "--exclude=/etc", "--exclude=/proc", "--exclude=/sys", "--exclude=/scratch", "--exclude=/new/data",
                        before[name] + "/", stack.upper(name) + "/").splitlines()
            # The kernel shares one inode among many marks of deletion.
            self.assertEqual([], [line for line in lines if line[1:5] != "D..t"], name)

    def test_where_nobody_knows_them_all_else_comes_back(self):
        """A restore by a service that does not know the layers either, in place and to nothing: what is missing is told."""
        operation = self.service.operate("/backups", self.plan())
        docker("exec", "fb-runs", "sh", "-c", "echo bad >/new/data/file; echo stays >/srv/file2")
        docker("rm", "fb-stands")
        ahead = self.service.restore(operation["backup"], {"dry_run": True})["result"]
        done = self.service.restore(operation["backup"])["result"]
        for told in (ahead, done):
            self.assertTrue(any("layer of container fb-runs is not restored" in text for text in told["warnings"]), told)
        self.assertTrue(any("layer of container fb-stands is not restored" in text for text in done["warnings"]), done)
        self.assertEqual("of the volume\nstays\n", docker("exec", "fb-runs", "cat", "/new/data/file", "/srv/file2"))
        self.assertEqual("created", inspect("fb-stands")["State"]["Status"])
        self.assertEqual("running", inspect("fb-runs")["State"]["Status"])

    def test_what_cannot_be_had_is_left_out_alone(self):
        self.cut = "fb-stands"
        operation = self.service.operate("/backups", self.plan())
        record = self.service.api("GET", "/backups/" + operation["backup"]).json
        self.assertEqual([("layer", "fb-stands")], [(one["kind"], one["name"]) for one in record["omitted"]], record["omitted"])
        self.assertEqual("partial", record["state"])
        self.assertEqual(sorted(NAMES), sorted(one["name"] for one in record["containers"]))
        with open(stack.volume_path("fb-data") + "/file", "w", encoding="ascii") as out:
            out.write("bad\n")
        docker("rm", "fb-stands")
        self.restored(record)
        with open(stack.volume_path("fb-data") + "/file", encoding="ascii") as source:
            self.assertEqual("of the volume\n", source.read())
        self.assertEqual("created", inspect("fb-stands")["State"]["Status"])


if __name__ == "__main__":
    unittest.main()
