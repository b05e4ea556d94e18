#!/usr/bin/env python3
"""Goal: a dry run says what the restore would say: each refusal is an obstacle of the dry run, and the restore then
refuses with the same words before anything is changed.
"""

import io
import json
import os
import shutil
import socket
import stat
import sys
import tarfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from recreate import ALIVE, Case, IMAGE, WORK, docker, inspect, run, unittest  # pylint: disable=wrong-import-position


def start(name, *options):
    return docker("run", "-d", "--name", name, *options, IMAGE, "sh", "-c", ALIVE).strip()


def changed(case, backup, host_config):
    """The backup, imported as if its container had been made with that: what this engine would not make."""
    path = os.path.join(WORK, "changed.tar")
    whole = case.service.api("GET", f"/backups/{backup}/archive?format=tar").body
    with tarfile.open(fileobj=io.BytesIO(whole)) as source, tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as target:
        for member in source:
            data = source.extractfile(member).read() if member.isreg() else b""
            if member.name.endswith("/inspect.json"):
                inspected = json.loads(data)
                inspected["HostConfig"].update(host_config)
                data = json.dumps(inspected).encode()
            member.size = len(data) if member.isreg() else 0
            target.addfile(member, io.BytesIO(data) if member.isreg() else None)
    case.assertEqual(204, case.service.api("DELETE", "/backups/" + backup).status)
    with open(path, "rb") as source:
        reply = case.service.api("PUT", "/archives", source.read(), {"Content-Type": "application/x-tar"})
    case.assertIn(reply.status, (200, 201), reply)
    return backup


class DryRunTest(Case):
    def obstacle(self, backup, check, *words):
        """The dry run has this one alone, and the restore fails with it, nothing being changed."""
        before = docker("ps", "-a", "--no-trunc", "--format", "{{.ID}} {{.Names}} {{.State}}")
        [found] = self.dry_run(backup)["obstacles"]
        self.assertEqual(check, found["check"])
        error = self.fails(backup)
        self.assertIn("nothing was changed", error)
        for word in (*words, found["detail"]):
            self.assertIn(word, error)
        self.assertEqual(before, docker("ps", "-a", "--no-trunc", "--format", "{{.ID}} {{.Names}} {{.State}}"))

    def none(self, backup):
        self.assertEqual([], self.dry_run(backup)["obstacles"])
        self.restore(backup)

    def test_subnet(self):
        """Of a network that is gone, another one has a part now, or more."""
        docker("network", "create", "--subnet", "10.77.0.0/24", "fb-net")
        start("fb-a", "--network", "fb-net")
        backup = self.backup()
        docker("rm", "-f", "fb-a")
        docker("network", "rm", "fb-net")
        for subnet in ("10.77.0.0/24", "10.77.0.128/25", "10.77.0.0/16"):
            with self.subTest(subnet):
                docker("network", "create", "--subnet", subnet, "fb-other")
                self.obstacle(backup, "subnet", "10.77.0.0/24", "fb-other")
                docker("network", "rm", "fb-other")
        docker("network", "create", "--subnet", "10.77.1.0/24", "fb-beside")
        self.none(backup)

    def test_port(self):
        start("fb-a", "-p", "127.0.0.1:18971:80", "-p", "18972:80/udp")
        backup = self.backup()
        docker("rm", "-f", "fb-a")
        for port in ("127.0.0.1:18971:80", "18971:80", "18972:80/udp"):
            with self.subTest(port):
                start("other", "-p", port)
                self.obstacle(backup, "port", "other")
                docker("rm", "-f", "other")
        start("other", "-p", "127.0.0.2:18971:80", "-p", "18972:80/tcp")
        self.none(backup)

    def test_address(self):
        docker("network", "create", "--subnet", "10.77.0.0/24", "fb-net")
        start("fb-a", "--network", "fb-net", "--ip", "10.77.0.9")
        backup = self.backup()
        docker("rm", "-f", "fb-a")
        start("other", "--network", "fb-net", "--ip", "10.77.0.9")
        self.obstacle(backup, "address", "10.77.0.9", "other")
        docker("rm", "-f", "other")
        self.none(backup)
        self.assertTrue(inspect("fb-a")["State"]["Running"])

    def test_port_of_a_process(self):
        """Not of a container: by TCP and UDP, on all addresses or on one."""
        start("fb-a", "-p", "18973:80")
        start("fb-b", "-p", "127.0.0.1:18974:80/udp")
        backup = self.backup()
        docker("rm", "-f", "fb-a", "fb-b")
        for family, kind, address, port in (
                (socket.AF_INET, socket.SOCK_STREAM, "0.0.0.0", 18973), (socket.AF_INET, socket.SOCK_STREAM, "127.0.0.1", 18973),
                (socket.AF_INET6, socket.SOCK_STREAM, "::", 18973), (socket.AF_INET, socket.SOCK_DGRAM, "127.0.0.1", 18974),
                (socket.AF_INET, socket.SOCK_DGRAM, "0.0.0.0", 18974)):
            with self.subTest(f"{kind} {address}:{port}"), socket.socket(family, kind) as taken:
                taken.bind((address, port))
                if kind == socket.SOCK_STREAM:
                    taken.listen()
                self.obstacle(backup, "port", f"{port}/", "a process of the host")
        with socket.socket() as other, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as wrong, socket.socket() as beside:
            other.bind(("127.0.0.1", 18975))
            other.listen()
            wrong.bind(("0.0.0.0", 18973))  # another protocol
            beside.bind(("127.0.0.1", 18974))
            beside.listen()
            self.none(backup)
        self.none(backup)  # they run now: their own ports are in nobody's way
        docker("stop", "fb-a")
        with socket.socket() as taken:
            taken.bind(("0.0.0.0", 18973))
            taken.listen()
            self.obstacle(backup, "port", "18973")  # in place

    def test_what_the_machine_has(self):
        """Processors, memory nodes, log drivers that this host has not: the engine would refuse the create."""
        for what, body, words in (
                ("NanoCpus", {"NanoCpus": 64 * 10 ** 9}, "64 processors"),
                ("CpusetCpus", {"CpusetCpus": "0,4000-4001"}, "processor 4000"),
                ("CpusetMems", {"CpusetMems": "0,900"}, "memory node 900"),
                ("LogConfig", {"LogConfig": {"Type": "nosuch", "Config": {}}}, '"nosuch"'),
                ("StorageOpt", {"StorageOpt": {"size": "1G"}}, "xfs"),
                ("Mounts", {"Mounts": [{"Type": "image", "Source": IMAGE, "Target": "/image"}]}, "/image"),
                ("Subpath", {"Mounts": [{"Type": "volume", "Source": "fb-v", "Target": "/sub",
                                         "VolumeOptions": {"Subpath": "a/b"}}]}, "/sub")):
            with self.subTest(what):
                start("fb-a")
                backup = changed(self, self.backup(), body)
                docker("rm", "-f", "fb-a")
                self.obstacle(backup, "engine", "fb-a", words)
        start("fb-a", "--cpus", "1", "--cpuset-cpus", "0", "--cpuset-mems", "0", "--log-driver", "none")
        backup = self.backup()
        docker("rm", "-f", "fb-a")
        self.none(backup)

    def test_interfaces(self):
        """A macvlan's parent that is gone; a bridge's name that another network has now."""
        run("ip", "link", "add", "fbdummy", "type", "veth", "peer", "name", "fbpeer")
        self.addCleanup(run, "ip", "link", "del", "fbdummy", check=False)
        run("ip", "link", "set", "fbdummy", "up")
        docker("network", "create", "-d", "macvlan", "-o", "parent=fbdummy", "--subnet", "10.78.0.0/24", "fb-lan")
        docker("network", "create", "-o", "com.docker.network.bridge.name=br-fb", "--subnet", "10.79.0.0/24", "fb-bridge")
        start("fb-a", "--network", "fb-lan")
        start("fb-b", "--network", "fb-bridge")
        backup = self.backup()
        docker("rm", "-f", "fb-a", "fb-b")
        docker("network", "rm", "fb-lan", "fb-bridge")
        run("ip", "link", "del", "fbdummy")
        self.obstacle(backup, "interface", "fb-lan", "fbdummy")
        run("ip", "link", "add", "fbdummy", "type", "veth", "peer", "name", "fbpeer")
        run("ip", "link", "set", "fbdummy", "up")
        docker("network", "create", "-o", "com.docker.network.bridge.name=br-fb", "--subnet", "10.80.0.0/24", "other")
        self.obstacle(backup, "interface", "fb-bridge", "br-fb", "other")
        docker("network", "rm", "other")
        self.none(backup)

    def test_address_of_other_addresses(self):
        """The network is there with other addresses, and stays: a fixed address of the backup is none of them."""
        docker("network", "create", "--subnet", "10.77.0.0/24", "fb-net")
        start("fb-a", "--network", "fb-net", "--ip", "10.77.0.9")
        backup = self.backup()
        docker("rm", "-f", "fb-a")
        docker("network", "rm", "fb-net")
        docker("network", "create", "--subnet", "10.78.0.0/24", "fb-net")
        self.obstacle(backup, "address", "10.77.0.9", "fb-net")
        docker("network", "rm", "fb-net")
        self.none(backup)

    def test_made_without(self):
        """What the host lacks and a container is made without: the dry run says it, as the restore does."""
        device, folder = "/dev/fb-nosuch", os.path.join(WORK, "gone")
        os.mknod(device, stat.S_IFCHR | 0o600, os.makedev(1, 3))
        self.addCleanup(lambda: os.path.exists(device) and os.remove(device))
        os.makedirs(folder)
        secret = os.path.join(WORK, "secret")
        with open(secret, "w", encoding="ascii") as out:
            out.write("secret")
        listener = socket.socket(socket.AF_UNIX)
        self.addCleanup(listener.close)
        listener.bind(folder + "/x.sock")
        docker("run", "-d", "--name", "fb-other", IMAGE, "sh", "-c", ALIVE)
        start("fb-a", "--device", device, "-v", folder + "/x.sock:/x.sock", "--mount", f"type=bind,src={secret},dst=/secret",
              "--link", "fb-other:alias")
        backup = self.backup("fb-a")
        docker("rm", "-f", "fb-a", "fb-other")
        for path in (device, folder + "/x.sock", secret):
            os.remove(path)
        dry = self.dry_run(backup)
        self.assertEqual([], dry["obstacles"])
        foreseen = sorted(one.replace("will be made", "was made") for one in dry["warnings"] if "made without" in one)
        self.assertEqual(3, len(foreseen), foreseen)
        for word in (device, "x.sock", "fb-other"):
            self.assertTrue([one for one in foreseen if word in one], foreseen)
        done = self.restore(backup)
        self.assertEqual(foreseen, sorted(one for one in done["warnings"] if "made without" in one))
        self.assertEqual("secret", docker("exec", "fb-a", "cat", "/secret"))

    def test_folder_of_a_bound_volume(self):
        """On a fresh host the folder that an `o=bind` volume binds is not there: it is made."""
        folder = os.path.join(WORK, "media")
        os.makedirs(folder)
        docker("volume", "create", "--opt", "type=none", "--opt", "o=bind", "--opt", "device=" + folder, "fb-media")
        start("fb-a", "-v", "fb-media:/data")
        docker("exec", "fb-a", "sh", "-c", "echo early >/data/file")
        backup = self.backup()
        docker("rm", "-f", "fb-a")
        docker("volume", "rm", "fb-media")
        shutil.rmtree(folder)
        self.none(backup)
        self.assertEqual("early\n", docker("exec", "fb-a", "cat", "/data/file"))
        with open(folder + "/file", encoding="ascii") as file:
            self.assertEqual("early\n", file.read())


if __name__ == "__main__":
    unittest.main()
