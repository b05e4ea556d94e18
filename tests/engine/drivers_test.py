#!/usr/bin/env python3
"""Goal: volumes of other drivers, and of the local one with options, are captured through their driver, their options are
recorded, and they come back onto the same driver; one that cannot be mounted is left out alone, and told.
"""

import http.server
import json
import os
import shutil
import signal
import socketserver
import threading
import unittest

import stack
from fuelbackup import Service, docker, inspect, run, wait_until
from stack import in_container

WORK = os.path.join(stack.WORK, "drivers")
SOCKET = "/run/docker/plugins/fb-driver.sock"


class Driver(http.server.BaseHTTPRequestHandler):
    """A volume plug-in as of old: it binds a folder of its own where it is asked to mount, and only while it is."""
    volumes = {}
    users = {}

    def log_message(self, *_):
        pass

    def address_string(self):
        return "engine"

    def place(self, name):
        return f"{WORK}/mounts/{name}" if self.users.get(name) else ""

    def described(self, name):
        return {"Name": name, "Mountpoint": self.place(name), "Status": {"users": len(self.users.get(name, []))}}

    def answer(self, verb, asked):
        name = asked.get("Name")
        if verb == "Activate":
            return {"Implements": ["VolumeDriver"]}
        if verb == "Capabilities":
            return {"Capabilities": {"Scope": "local"}}
        if verb == "List":
            return {"Volumes": [self.described(one) for one in self.volumes]}
        if verb == "Create":
            self.volumes[name] = asked.get("Opts") or {}
            os.makedirs(f"{WORK}/data/{self.volumes[name].get('folder', name)}", exist_ok=True)
            return {}
        if name not in self.volumes:
            return {"Err": "no such volume"}
        if verb == "Mount":
            if not self.users.setdefault(name, []):
                os.makedirs(f"{WORK}/mounts/{name}", exist_ok=True)
                run("mount", "--bind", f"{WORK}/data/{self.volumes[name].get('folder', name)}", f"{WORK}/mounts/{name}")
            self.users[name].append(asked["ID"])
        if verb == "Unmount":
            self.users[name].remove(asked["ID"])
            if not self.users[name]:
                run("umount", f"{WORK}/mounts/{name}")
        if verb == "Remove":
            shutil.rmtree(f"{WORK}/data/{self.volumes.pop(name).get('folder', name)}")
        return {"Volume": self.described(name)} if verb == "Get" else {"Mountpoint": self.place(name)}

    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)) or b"{}")
        body = json.dumps({"Err": "", **self.answer(self.path.split(".")[-1], asked)}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/vnd.docker.plugins.v1.2+json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


class Plugin(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True


class DriversTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        shutil.rmtree(stack.WORK, ignore_errors=True)
        for folder in ("bound", "lower", "upper", "work", "data", "mounts", "export"):
            os.makedirs(f"{WORK}/{folder}")
        cls.addClassCleanup(shutil.rmtree, stack.WORK, True)
        with open(f"{WORK}/lower/image", "w", encoding="ascii") as out:
            out.write("lower\n")
        cls.make_loop()
        os.makedirs(os.path.dirname(SOCKET), exist_ok=True)
        cls.addClassCleanup(cls.forget)
        plugin = Plugin(SOCKET, Driver)
        threading.Thread(target=plugin.serve_forever, daemon=True).start()
        cls.addClassCleanup(os.unlink, SOCKET)
        cls.addClassCleanup(plugin.server_close)
        cls.addClassCleanup(plugin.shutdown)
        cls.service = Service(os.path.join(stack.WORK, "store")).start()
        cls.addClassCleanup(cls.service.remove)

    @classmethod
    def make_loop(cls):
        with open(f"{WORK}/disk", "wb") as disk:
            disk.truncate(16 << 20)
        run("mkfs.ext4", "-q", f"{WORK}/disk")
        cls.loop = run("losetup", "--find", "--show", f"{WORK}/disk").strip()
        cls.addClassCleanup(run, "losetup", "-d", cls.loop)

    @staticmethod
    def forget():
        """An engine waits for a plug-in that it has met, at each look for a volume: the other tests get a new one."""
        home = os.path.dirname(os.environ["DOCKER_HOST"].removeprefix("unix://"))
        with open(home + "/again", "w", encoding="ascii"), open(home + "/dockerd.pid", encoding="ascii") as pid:
            os.kill(int(pid.read()), signal.SIGKILL)
        wait_until("the engine is back", lambda: run("docker", "version", check=False), 60)

    def volumes(self):
        """name: (driver, options)"""
        return {"fb-ext4": ("local", {"type": "ext4", "device": self.loop}),
                "fb-bound": ("local", {"type": "none", "o": "bind", "device": f"{WORK}/bound"}),
                "fb-overlay": ("local", {"type": "overlay", "device": "overlay", "o":
                                         f"lowerdir={WORK}/lower,upperdir={WORK}/upper,workdir={WORK}/work"}),
                "fb-tmpfs": ("local", {"type": "tmpfs", "device": "tmpfs", "o": "size=4m,uid=1000"}),
                "fb-plugin": ("fb-driver", {"folder": "elsewhere"})}

    def make(self, name):
        driver, options = self.volumes()[name]
        docker("volume", "create", "--driver", driver, *(f"--opt={k}={v}" for k, v in options.items()), "--label",
               "kind=" + name, name)
        docker("run", "-d", "--name", name, "-v", name + ":/data", "fb-test/small")
        in_container(name, "sh", "-ec", "mkdir -p /data/a; echo good >/data/a/file; chown -R 5:6 /data/a; ln -s a /data/link")

    @staticmethod
    def clear():
        for name in ("fb-ext4", "fb-bound", "fb-overlay", "fb-tmpfs", "fb-plugin", "fb-broken"):
            docker("rm", "-f", name, check=False)
            docker("volume", "rm", "-f", name, check=False)

    def seen(self, name):
        return in_container(name, "sh", "-c", "cd /data && find . ! -path './lost*' -exec stat -c '%n %F %a %u:%g' {} + | sort; "
                            "cat a/file")

    def test_cycle(self):
        """In place, and after all is gone."""
        self.addCleanup(self.clear)
        for name in self.volumes():
            self.make(name)
        before = {name: self.seen(name) for name in self.volumes()}
        told = {name: json.loads(docker("volume", "inspect", name))[0] for name in before}
        record = self.service.backup({"containers": {"names": ["fb-*"]}, "host_paths": []})
        for name in before:
            in_container(name, "sh", "-c", "echo bad >/data/a/file; rm /data/link; touch /data/more")
        self.service.restore(record["id"])
        for name, was in before.items():
            self.assertEqual(was, self.seen(name), name)
        for name in before:
            in_container(name, "sh", "-c", "echo worse >/data/a/file; rm /data/link")
        self.clear()
        self.service.restore(record["id"])
        for name, was in before.items():
            self.assertEqual(was, self.seen(name), name)
            now = json.loads(docker("volume", "inspect", name))[0]
            self.assertEqual([told[name][key] for key in ("Driver", "Options", "Labels")],
                             [now[key] for key in ("Driver", "Options", "Labels")])

    def test_stopped(self):
        """Nobody has them mounted: the engine does it for the backup, and for the restore."""
        self.addCleanup(self.clear)
        names = [name for name in self.volumes() if name != "fb-tmpfs"]
        for name in names:
            self.make(name)
            docker("stop", "-t", "0", name)
        record = self.service.backup({"containers": {"names": ["fb-*"]}, "host_paths": []})
        self.clear()
        self.service.restore(record["id"])
        for name in names:
            docker("start", name)
            self.assertIn("good", self.seen(name), name)

    def test_cannot_be_mounted(self):
        """Alone; and a restore that lacks the driver says so before anything is changed."""
        self.addCleanup(self.clear)
        self.make("fb-plugin")
        docker("volume", "create", "-o", "type=nfs", "-o", "o=addr=127.0.0.1", "-o", "device=:/nowhere", "fb-broken")
        docker("create", "--name", "fb-broken", "-v", "fb-broken:/data", "fb-test/small")
        operation = self.service.operate("/backups", {"containers": {"names": ["fb-*"]}, "host_paths": []})
        self.assertEqual("partial", operation["result"]["state"])
        omitted = operation["result"]["omitted"]
        self.assertEqual([("volume", "fb-broken")], [(one["kind"], one["name"]) for one in omitted], omitted)
        identity = inspect("fb-plugin")["Id"]
        self.service.restore(operation["backup"])
        self.assertEqual(identity, inspect("fb-plugin")["Id"])
        self.assertEqual({"type": "nfs", "o": "addr=127.0.0.1", "device": ":/nowhere"},
                         json.loads(docker("volume", "inspect", "fb-broken"))[0]["Options"])


if __name__ == "__main__":
    unittest.main()
