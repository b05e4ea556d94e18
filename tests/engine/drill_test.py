#!/usr/bin/env python3
"""Goal: docs/quick-start.md, docs/disaster.md and the hardening of docs/security.md are true: each of their commands is run as it
stands, the drill's on a second engine that has nothing.

What the pages name is somewhere else here: the store, the engine's socket, the stick, where programs and files by hand go.
"""

import json
import os
import shutil
import subprocess
import unittest

import stack
from fuelbackup import docker, wait_until
from pages import ROOT, Reader

WORK = os.path.join(stack.WORK, "drill")
USB, SITE = WORK + "/usb", WORK + "/site"
ENGINE = stack.HERE + "/engine"
BUILD = os.path.abspath(os.path.join(ROOT, "build/release"))


class Host:
    """One that the pages speak of: its engine, its store, where its programs are."""

    def __init__(self, name, socket, wrapper=(), cache=None):
        self.store, self.bin, self.socket, self.wrapper = f"{WORK}/{name}/store", f"{WORK}/{name}/bin", socket, wrapper
        self.environment = {"FUEL_BACKUP_STORE": self.store, "PATH": f"{self.bin}:{os.environ['PATH']}"}
        if cache:
            self.environment["FUEL_BACKUP_CACHE"] = cache
        os.makedirs(self.bin)

    def read(self, page, *headings):
        """Do sections of a page here; what each block printed."""
        os.makedirs(self.store, mode=0o700, exist_ok=True)
        reader = Reader(page, {"-v /var/run/docker.sock:": f"-v {self.socket}:", "-v /var/backup/fuel:": f"-v {self.store}:",
                               "cat >/var/backup/fuel": f"cat >{self.store}", "/mnt/usb": USB,
                               "/usr/local/bin": self.bin, "/tmp/by-hand": WORK + "/by-hand"}, self.environment)
        return [text for heading in headings for text in reader.run(heading, self.wrapper)]

    def run(self, *command):
        return subprocess.run([*self.wrapper, *command], env={**os.environ, **self.environment}, check=True, timeout=600,
                              capture_output=True, text=True).stdout

    def docker(self, *words):
        return self.run("docker", *words)

    def inspect(self, name):
        return json.loads(self.docker("inspect", "--type", "container", name))[0]


def forget():
    """Remove all containers, volumes and networks of the test's own engine."""
    if ids := docker("ps", "-aq").split():
        docker("rm", "-f", "-v", *ids)
    if names := docker("volume", "ls", "-q").split():
        docker("volume", "rm", *names)
    docker("network", "prune", "-f")


def make_stack():
    """A web server that is healthy if it can read what is in its volume, and a writer; one has a folder of the host."""
    os.makedirs(SITE + "/deep")
    for name in ("index.html", "deep/page"):
        with open(f"{SITE}/{name}", "w", encoding="ascii") as out:
            out.write(name + "\n")
    os.chmod(SITE + "/deep/page", 0o640)
    os.chown(SITE + "/deep/page", 1234, 4321)
    os.setxattr(SITE + "/deep/page", "user.origin", b"drill")
    docker("network", "create", "--label", "of=shop", "shop")
    docker("run", "-d", "--name", "shop-db", "--network", "shop", "-v", "shop-data:/data", "fb-test/small",
           "sh", "-c", "echo row >/data/row; exec sleep 100000")
    wait_until("the row is there", lambda: docker("exec", "shop-db", "ls", "/data").split() == ["row"])
    docker("run", "-d", "--name", "shop-web", "--network", "shop", "--restart", "unless-stopped", "-v", "shop-data:/data:ro",
           "-v", f"{SITE}:/site", "-e", "COLOUR=blue", "-p", "127.0.0.1:18099:80", "--health-interval", "1s", "--health-cmd",
           "wget -q -O - http://127.0.0.1/deep/page && cat /data/row", "fb-test/small", "httpd", "-f", "-p", "80", "-h", "/site")
    docker("exec", "shop-web", "sh", "-c", "echo in the layer >/root/note; rm /srv/file1")
    wait_until("shop-web is healthy", lambda: json.loads(docker("inspect", "shop-web"))[0]["State"]["Health"]["Status"] == "healthy")


class DrillTest(unittest.TestCase):
    maxDiff = None

    def setUp(self):
        shutil.rmtree(WORK, ignore_errors=True)
        os.makedirs(USB)
        self.addCleanup(shutil.rmtree, WORK, True)
        forget()
        self.addCleanup(forget)
        make_stack()
        self.old = Host("old", os.environ["DOCKER_HOST"].removeprefix("unix://"))
        shutil.copy(BUILD + "/dockerctl", self.old.bin)

    def test_quick_start(self):
        printed = self.old.read("docs/quick-start.md", "Start it", "Back up", "Look into it")
        self.assertIn("Backup complete. File is available at " + USB, "".join(printed))
        self.assertIn("is proven restorable at", printed[-1])
        with open(SITE + "/index.html", "w", encoding="ascii") as out:
            out.write("changed\n")
        docker("exec", "shop-db", "sh", "-c", "echo other >/data/row")
        printed = self.old.read("docs/quick-start.md", "Restore", "From now on by itself")
        self.assertIn("Nothing was changed.", printed[0])
        self.assertEqual("other\n", docker("exec", "shop-db", "cat", "/data/row"), "a pasted block overwrites the host")
        self.assertIn("Restore complete.", self.old.run(self.old.bin + "/dockerctl", "restore", "latest", "--yes"))
        self.assertEqual("row\n", docker("exec", "shop-db", "cat", "/data/row"))
        with open(SITE + "/index.html", encoding="ascii") as source:
            self.assertEqual("index.html\n", source.read())
        self.assertIn("The next backup by schedule begins at", printed[-1])

    def test_hardening(self):
        """With so few capabilities a backup, a rehearsal and a restore still bring back owners, modes and attributes."""
        self.old.read("docs/security.md", "Hardening")
        before = {name: self.old.inspect(name) for name in ("shop-db", "shop-web")}
        ctl = self.old.bin + "/dockerctl"
        for words in (["backup"], ["rehearse", "latest"]):
            self.old.run(ctl, *words)
        docker("rm", "-f", "-v", "shop-web", "shop-db")
        docker("volume", "rm", "shop-data")
        shutil.rmtree(SITE)
        self.old.run(ctl, "restore", "latest", "--yes")
        self.compare(self.old, before)

    def test_drill(self):
        self.old.read("docs/quick-start.md", "Start it")
        self.old.read("docs/disaster.md", "On the host, as long as there is one")
        self.assertEqual(4, len(os.listdir(USB)), os.listdir(USB))
        before = {name: self.old.inspect(name) for name in ("shop-db", "shop-web")}
        forget()
        shutil.rmtree(SITE)
        shutil.rmtree(self.old.store)
        cache = WORK + "/fresh/cache"
        environment = {**os.environ, "FUEL_BACKUP_CACHE": cache}
        os.makedirs(cache)
        self.addCleanup(subprocess.run, [ENGINE, "stop"], env=environment, check=True, timeout=120)
        subprocess.run([ENGINE, "start"], env=environment, check=True, timeout=300)
        fresh = Host("fresh", cache + "/engine/docker.sock", [ENGINE, "run"], cache)
        for words in (["ps", "-aq"], ["images", "-aq"], ["volume", "ls", "-q"]):
            self.assertEqual("", fresh.docker(*words))
        printed = fresh.read("docs/disaster.md", "On the fresh host")
        self.assertIn("container shop-web: created", printed[1])
        self.assertIn("Nothing was changed.", printed[1])
        self.assertIn("Restore complete.", printed[2])
        self.compare(fresh, before)
        printed = fresh.read("docs/disaster.md", "Is it all there?", "Without fuel-backup")
        self.assertIn("Backup complete.", printed[0])
        self.assertIn("docker load", printed[1])

    def compare(self, host, before):
        """It is the same stack, healthy, with the same data."""
        for name, inspect in before.items():
            differences = stack.inspect_differences(inspect, host.inspect(name))
            self.assertEqual([], [line for line in differences if not line.startswith(("GraphDriver", "State.Health", "Mounts"))])
        self.assertEqual("healthy", host.inspect("shop-web")["State"]["Health"]["Status"])
        self.assertEqual("row\n", host.docker("exec", "shop-db", "cat", "/data/row"))
        self.assertEqual("in the layer\n", host.docker("exec", "shop-web", "cat", "/root/note"))
        self.assertNotIn("file1", host.docker("exec", "shop-web", "ls", "/srv").split())
        self.assertEqual("shop\n", host.docker("network", "inspect", "-f", '{{index .Labels "of"}}', "shop"))
        page = host.run("curl", "-fsS", "http://127.0.0.1:18099/deep/page")
        self.assertEqual("deep/page\n", page)
        status = os.stat(SITE + "/deep/page")
        self.assertEqual((0o100640, 1234, 4321), (status.st_mode, status.st_uid, status.st_gid))
        self.assertEqual(b"drill", os.getxattr(SITE + "/deep/page", "user.origin"))


if __name__ == "__main__":
    unittest.main()
