#!/usr/bin/env python3
"""Goal: a backup made on one version of the engine comes back on another, and from there on the first: Docker 20.10 to
26.1 and back.  Both run side by side (tests/engine/other).  With FB_LONG=1; where no newer one can be had it is
skipped, and says so.

Without arguments the test; with some, one step of it in the network of one of the two engines: make, backup, restore.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import unittest

import stack
from fuelbackup import Service, docker, inspect, run, wait_until

NEWER = [stack.HERE + "/other", "trixie"]
STEPS = {"old": [], "new": [*NEWER, "run"]}
KNOWN = os.path.join(stack.WORK, "known.json")
PLAN = {"containers": {"names": ["fb-*"]}, "host_paths": [stack.WORK + "/stack/special"]}

# What of an inspect counts from one version to another; others have fields that the first does not know.
COUNTS = re.compile(r"""^(Name|Image|Path|Args\.\d+|Platform|Driver
    |Config\.(User|Env|Cmd|Image|Volumes|WorkingDir|Entrypoint|Labels|Domainname|StopSignal|Tty|OpenStdin).*
    |HostConfig\.(Binds|RestartPolicy|PortBindings|CapAdd|CapDrop|VolumesFrom|Links|Sysctls|Ulimits|Memory|ShmSize|Tmpfs
        |ReadonlyRootfs|Privileged|ExtraHosts|Dns|LogConfig|SecurityOpt|AutoRemove).*
    |Mounts\.\d+\.(Type|Name|Destination|RW)
    |NetworkSettings\.Networks\.[^.]+\.IPAMConfig\..*
    |State\.(Running|Paused))$""", re.VERBOSE)
BINDS = re.compile(r"^HostConfig\.Binds")  # an anonymous volume is bound by its name


def facts(document):
    return {path: value for path, value in stack.flatten(document)
            if COUNTS.match(path) and not BINDS.match(path) and value is not False}


def aliases(document):
    networks = document["NetworkSettings"]["Networks"] or {}
    return {name: sorted(set(network["Aliases"] or []) - {document["Id"][:12], document["Config"]["Hostname"]})
            for name, network in networks.items()}


class Host(stack.Stack):
    """The stack of the other tests, without databases; what it was like is in a file, for it is another process that
    compares."""

    databases = False

    def __init__(self):  # pylint: disable=super-init-not-called
        self.root, self.reference = stack.WORK + "/stack", stack.WORK + "/reference"
        self.inspects = {}

    def known(self):
        names = self.names()
        found = {name: [facts(inspect(name)), aliases(inspect(name))] for name in names}
        networks = {name: json.loads(docker("network", "inspect", name))[0] for name in ("fb-front", "fb-back")}
        shown = {name: {key: network[key] for key in ("Driver", "Internal", "Labels")} | {
            "Config": network["IPAM"]["Config"]} for name, network in networks.items()}
        return json.loads(json.dumps({"containers": found, "networks": shown}))

    def save(self):
        shutil.rmtree(self.reference, ignore_errors=True)
        for name, path in self.static_trees().items():
            stack.copy_tree(path, os.path.join(self.reference, name))
        with open(KNOWN, "w", encoding="utf-8") as out:
            json.dump(self.known(), out)

    def compare(self):
        """Lines of what is not as it was when it was saved."""
        with open(KNOWN, encoding="utf-8") as source:
            was = json.load(source)
        now, lines = self.known(), []
        if was["networks"] != now["networks"]:
            lines.append(f"networks: {was['networks']} became {now['networks']}")
        for name in sorted(was["containers"].keys() | now["containers"].keys()):
            before, after = (state["containers"].get(name, [{}, {}]) for state in (was, now))
            for i in (0, 1):
                lines += [f"{name}: {key}: {before[i].get(key)!r} became {after[i].get(key)!r}"
                          for key in sorted(before[i].keys() | after[i].keys())
                          if before[i].get(key) != after[i].get(key)]
        for name, path in self.static_trees().items():
            exclude = stack.LAYER_EXCEPTIONS if name.startswith("layer") else ()
            lines += [f"{name}: {line}" for line in stack.tree_differences(
                os.path.join(self.reference, name), path, ["socket", *exclude])]
        return lines


def service():
    made = Service(os.path.join(stack.WORK, "store-" + docker("version", "-f", "{{.Server.Version}}").strip()))
    made.remove()
    return made.start()


def make(_):
    host = Host()
    os.makedirs(host.root)
    host.remove_everything()
    host.make()
    docker("run", "-d", "--name", "fb-static", "--network", "fb-back", "--ip", "172.31.20.10", "--network-alias",
           "database", "--restart", "always", "fb-test/small")


def backup(path):
    """The archive goes to path, and the stack, with all of its images, goes away."""
    host, ours = Host(), service()
    try:
        record = ours.backup(PLAN)
        with open(path, "wb") as out:
            out.write(ours.api("GET", f"/backups/{record['id']}/archive").body)
    finally:
        ours.remove()
    host.save()
    host.wreck_all()


def restore(path):
    """From nothing but the archive; the differences go to standard output."""
    host, ours = Host(), service()
    try:
        with open(path, "rb") as source:
            reply = ours.api("PUT", "/archives?devices=true", source.read(), {"Content-Type": "application/zstd"}, timeout=600)
        assert reply.status == 201, reply
        ahead = ours.restore(reply.json["id"], {"dry_run": True})["result"]
        assert any("version" in warning for warning in ahead["warnings"]), ahead["warnings"]
        ours.restore(reply.json["id"])
    finally:
        ours.remove()
    wait_until("what ran runs", lambda: not any("State" in line for line in host.compare()))
    print(json.dumps({"differences": host.compare(), "warnings": reply.json["warnings"]}))


class EnginesTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        if not os.environ.get("FB_LONG"):
            raise unittest.SkipTest("a minute, and a Debian root that is made once: with FB_LONG=1, as dev/soak engines")
        shutil.rmtree(stack.WORK, ignore_errors=True)
        os.makedirs(stack.WORK)
        started = subprocess.run([*NEWER, "start"], stderr=subprocess.PIPE, text=True, check=False)
        if started.returncode == 77:
            print("\n  " + started.stderr.strip().splitlines()[-1], file=sys.stderr)
            raise unittest.SkipTest("no newer engine can be had here: NOTHING was tested from one engine to another")
        if started.returncode != 0:
            raise AssertionError(started.stderr)
        run("sh", "-c", f"docker save fuel-backup | {' '.join(NEWER)} with docker load -q")

    @classmethod
    def tearDownClass(cls):  # not after a skip
        run(*NEWER, "stop", check=False)
        Host().remove_everything()
        shutil.rmtree(stack.WORK, ignore_errors=True)
        run("/bin/bash", stack.HERE + "/images", check=False)

    @staticmethod
    def step(engine, what, path="-"):
        environment = dict(os.environ)
        if engine == "new":
            environment["DOCKER_HOST"] = "unix://" + os.path.dirname(os.path.dirname(stack.WORK)) + "/other/trixie/docker.sock"
        done = subprocess.run([*STEPS[engine], sys.executable, "-B", __file__, what, path], env=environment,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)
        if done.returncode != 0:
            raise AssertionError(f"{engine} {what}: {done.stderr[-3000:]}")
        return done.stdout

    def restored(self, engine, path):
        told = json.loads(self.step(engine, "restore", path))
        self.assertEqual([], told["differences"], stack.dump(told["differences"]))
        return told["warnings"]

    def test_there_and_back(self):
        versions = [subprocess.run([*prefix, "docker", "version", "-f", "{{.Server.Version}}"], check=True, text=True,
                                   stdout=subprocess.PIPE).stdout.strip() for prefix in ([], [*NEWER, "with"])]
        print(f"  {versions[0]} and {versions[1]}")
        self.assertNotEqual(*versions)
        self.step("old", "make")
        self.step("old", "backup", stack.WORK + "/old.tar.zst")
        warnings = self.restored("new", stack.WORK + "/old.tar.zst")
        self.assertIn(versions[0], str(warnings))
        self.step("new", "backup", stack.WORK + "/new.tar.zst")
        warnings = self.restored("old", stack.WORK + "/new.tar.zst")
        self.assertIn(versions[1], str(warnings))


if __name__ == "__main__":
    if len(sys.argv) == 3 and sys.argv[1] in ("make", "backup", "restore"):
        globals()[sys.argv[1]](sys.argv[2])
    else:
        unittest.main()
