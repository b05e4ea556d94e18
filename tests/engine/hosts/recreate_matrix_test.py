#!/usr/bin/env python3
"""Goal: whatever an engine accepts at create, alone and in combinations, comes back equal, and each mount holds its data.

All containers are in one backup, most of them never started (with FB_LONG all are); FB_SEED and FB_COMBINATIONS choose other combinations, and more.  Run in the network of
another engine (tests/engine/other KIND run) it is that engine's matrix.
"""

import copy
import http.client
import random
import socket

import recreate
from recreate import Case, EXCEPTIONS, IMAGE, WORK, differences, docker, json, os, run, stack, unittest

SEED = int(os.environ.get("FB_SEED", "17"))
LONG = bool(os.environ.get("FB_LONG"))
COMBINATIONS = int(os.environ.get("FB_COMBINATIONS", "300" if LONG else "15"))
QUIET = "trap 'exit 0' TERM; sleep 100000 & wait"
BOUND = os.path.join(WORK, "bound")
DEVICE = {"PathOnHost": "/dev/zero", "PathInContainer": "/dev/other", "CgroupPermissions": "rw"}

# Each is merged into the body.  Keys that begin with _ say what is besides.
CONFIG = {
    "hostname": {"Hostname": "chosen"},
    "domainname": {"Hostname": "chosen", "Domainname": "example.org"},
    "user": {"User": "1000:1000"},
    "env": {"Env": ["A=1", "B=", "C=x=y", "EMPTY", "UNICODE=ä€"]},
    "labels": {"Labels": {"a": "", "b.c": "d \"e\"", "ü": "\u2028"}},
    "workdir": {"WorkingDir": "/srv//deep/"},
    "stop": {"StopSignal": "SIGUSR1", "StopTimeout": 3},
    "stop-now": {"StopTimeout": 0},
    "tty": {"Tty": True, "OpenStdin": True},
    "stdin": {"OpenStdin": True, "StdinOnce": True, "AttachStdin": True, "AttachStdout": True},
    "exposed": {"ExposedPorts": {"80/tcp": {}, "53/udp": {}}},
    "entrypoint-none": {"Entrypoint": [""]},
    "entrypoint-empty": {"Entrypoint": []},
    "entrypoint-own": {"Entrypoint": ["sh", "-c"], "Cmd": [QUIET]},
    "entrypoint-alone": {"Entrypoint": ["sh", "-c", QUIET], "Cmd": None},
    "cmd-text": {"Cmd": ["sh", "-c", QUIET, "", " ", "'\"\\"]},
    "health-none": {"Healthcheck": {"Test": ["NONE"]}},
    "health": {"Healthcheck": {"Test": ["CMD", "true"], "Interval": 10**10, "Timeout": 2 * 10**9, "Retries": 2,
                               "StartPeriod": 10**9}},
    "health-shell": {"Healthcheck": {"Test": ["CMD-SHELL", "exit 0"]}},
    "health-start": {"_api": 44, "Healthcheck": {"Test": ["CMD", "true"], "StartPeriod": 10**10, "StartInterval": 10**9}},
    "shell": {"Shell": ["sh", "-ec"]},
    "volumes": {"Volumes": {"/anonymous": {}, "/another/": {}}},
    "mac": {"MacAddress": "02:42:ac:11:aa:01"},
    "no-network": {"NetworkDisabled": True},
}

HOST = {
    "binds": {"Binds": [f"{BOUND}:/bound", f"{BOUND}:/read:ro", "fb-named:/named", "fb-named:/named-ro:ro"]},
    "binds-modes": {"Binds": [f"{BOUND}:/bound:rprivate", f"{BOUND}:/z/:ro,rprivate", "fb-nocopy:/srv:nocopy"]},
    "binds-odd": {"Binds": ["fb-odd://x/./y/", f"{BOUND}/:/b/"]},
    "bind-anonymous": {"Binds": ["/lonely"]},
    "mounts": {"Mounts": [
        {"Type": "volume", "Source": "fb-mount", "Target": "/m"},
        {"Type": "volume", "Target": "/m-anonymous"},
        {"Type": "volume", "Target": "/m-labels", "VolumeOptions": {"Labels": {"a": "b"}, "NoCopy": True}},
        {"Type": "volume", "Source": "fb-mount", "Target": "/m-ro", "ReadOnly": True},
        {"Type": "bind", "Source": BOUND, "Target": "/m-bound", "BindOptions": {"Propagation": "rprivate"}},
        {"Type": "bind", "Source": BOUND + "/file", "Target": "/m-file", "ReadOnly": True},
        {"Type": "tmpfs", "Target": "/m-tmpfs", "TmpfsOptions": {"SizeBytes": 1 << 20, "Mode": 0o700}}]},
    "mount-driver": {"Mounts": [{"Type": "volume", "Source": "fb-driven", "Target": "/driven", "VolumeOptions": {
        "DriverConfig": {"Name": "local", "Options": {"type": "tmpfs", "device": "tmpfs"}}}}]},
    "mount-colon": {"Mounts": [{"Type": "volume", "Target": "/co:lon"}]},
    "subpath": {"_api": 45, "Mounts": [{"Type": "volume", "Source": "fb-sub", "Target": "/sub", "VolumeOptions": {
        "Subpath": "inner"}}]},
    "tmpfs": {"Tmpfs": {"/scratch": "size=1m,mode=700", "/plain/": ""}},
    "ports": {"PortBindings": {"80/tcp": [{"HostIp": "127.0.0.1", "HostPort": "18041"}],
                               "53/udp": [{"HostPort": "18042"}]}},
    "ports-several": {"PortBindings": {"81/tcp": [{"HostIp": "127.0.0.1", "HostPort": "18043"},
                                                  {"HostIp": "127.0.0.1", "HostPort": "18044"}]}},
    "ports-all": {"_": {"ExposedPorts": {"82/tcp": {}}}, "PublishAllPorts": True},
    "restart-always": {"RestartPolicy": {"Name": "always"}},
    "restart-unless": {"RestartPolicy": {"Name": "unless-stopped"}},
    "restart-failure": {"RestartPolicy": {"Name": "on-failure", "MaximumRetryCount": 5}},
    "dns": {"Dns": ["127.0.0.1"], "DnsSearch": ["example.org"], "DnsOptions": ["ndots:2"]},
    "extra-hosts": {"ExtraHosts": ["one:127.0.0.1", "six:::1"]},
    "caps": {"CapAdd": ["NET_ADMIN"], "CapDrop": ["MKNOD", "CHOWN"]},
    "caps-all": {"CapDrop": ["ALL"]},
    "devices": {"Devices": [DEVICE]},
    "device-rules": {"DeviceCgroupRules": ["c 1:5 r"]},
    "graphics": {"_stays": True, "DeviceRequests": [{"Driver": "", "Count": -1, "DeviceIDs": None,
                                                     "Capabilities": [["gpu"]], "Options": {"a": "b"}}]},
    "ulimits": {"Ulimits": [{"Name": "nofile", "Soft": 500, "Hard": 600}, {"Name": "core", "Soft": 0, "Hard": 0}]},
    "sysctls": {"Sysctls": {"net.core.somaxconn": "99", "net.ipv4.ip_forward": "0"}},
    "init": {"Init": True},
    "init-not": {"Init": False},
    "read-only": {"ReadonlyRootfs": True},
    "shm": {"ShmSize": 1 << 20},
    "log-file": {"LogConfig": {"Type": "json-file", "Config": {"max-size": "1m", "max-file": "2", "labels": "a"}}},
    "log-local": {"LogConfig": {"Type": "local", "Config": {"max-size": "1m"}}},
    "log-none": {"LogConfig": {"Type": "none", "Config": {}}},
    "memory": {"Memory": 64 << 20, "MemoryReservation": 32 << 20, "MemorySwap": -1},
    "swappiness": {"MemorySwappiness": 10},
    "cpus": {"NanoCpus": 5 * 10**8},
    "cpu": {"CpuShares": 100, "CpuPeriod": 50000, "CpuQuota": 20000, "CpusetCpus": "0"},
    "pids": {"PidsLimit": 77},
    "oom": {"OomScoreAdj": 300, "OomKillDisable": False},
    "blkio": {"BlkioWeight": 300},
    "groups": {"GroupAdd": ["1234", "5678"]},
    "ipc-private": {"IpcMode": "private"},
    "ipc-shareable": {"IpcMode": "shareable"},
    "ipc-none": {"IpcMode": "none"},
    "ipc-host": {"IpcMode": "host"},
    "pid-host": {"PidMode": "host"},
    "uts-host": {"UTSMode": "host"},
    "userns-host": {"UsernsMode": "host"},
    "cgroupns-host": {"CgroupnsMode": "host"},
    "cgroupns-private": {"CgroupnsMode": "private"},
    "security": {"SecurityOpt": ["no-new-privileges", "seccomp=unconfined"]},
    "privileged": {"_stays": True, "Privileged": True},
    "masks-none": {"MaskedPaths": [], "ReadonlyPaths": []},
    "masks-own": {"MaskedPaths": ["/proc/kcore"], "ReadonlyPaths": ["/proc/sys"]},
    "runtime": {"Runtime": "runc"},
    "volume-driver": {"VolumeDriver": "local", "Binds": ["fb-by-driver:/driven"]},
    "volumes-from": {"VolumesFrom": ["fb-owner"]},
    "volumes-from-ro": {"VolumesFrom": ["fb-owner:ro"], "_": {"Volumes": {"/own": {}}}},
    "links": {"Links": ["fb-owner:alias", "fb-other:alias2"]},
    "network-none": {"NetworkMode": "none"},
    "network-host": {"NetworkMode": "host"},
    "network-container": {"NetworkMode": "container:fb-other"},
    "pid-container": {"PidMode": "container:fb-other"},
    "ipc-container": {"IpcMode": "container:fb-other"},
    "auto-remove": {"AutoRemove": True},
    "annotations": {"_api": 43, "Annotations": {"a": "b"}},
    "console": {"_api": 42, "ConsoleSize": [24, 80]},
}


def user(network, **endpoint):
    return {"_mode": network, "EndpointsConfig": {network: endpoint}}


NETWORKS = {
    "user": user("fb-a"),
    "aliases": user("fb-a", Aliases=["one", "two"]),
    "fixed": user("fb-a", IPAMConfig={"IPv4Address": "172.31.70.77"}),
    "fixed-six": user("fb-six", IPAMConfig={"IPv6Address": "fd00:70::77"}),
    "link-local": user("fb-a", IPAMConfig={"LinkLocalIPs": ["169.254.34.68"]}),
    "links": user("fb-a", Links=["fb-net-peer:peer"]),
    "driver-options": user("fb-a", DriverOpts={"com.example.option": "1"}),
    "two": {**user("fb-a", Aliases=["first"]), "_more": {"fb-b": {"Aliases": ["second"], "IPAMConfig": {
        "IPv4Address": "172.31.71.78"}}}},
    "not-its-own": {**user("fb-a"), "_more": {"fb-b": {"Aliases": ["second"]}}, "_leave": ["fb-a"]},
    "none-any-more": {**user("fb-a"), "_leave": ["fb-a"]},
    "priority": {**user("fb-a", GwPriority=7), "_api": 48},
}

# A combination is refused by the engine, or by what one container can be: those are left out.
ALONE = {"volumes", "no-network", "network-host", "network-none", "network-container", "uts-host", "links", "privileged",
         "pid-host", "ipc-host", "pid-container", "ipc-container", "auto-remove", "graphics", "mac", "ports", "ports-several",
         "console"}


class Engine:
    """The engine's API, where its command line gives no way."""

    def __init__(self):
        self.path = os.environ["DOCKER_HOST"].removeprefix("unix://")
        self.version = json.loads(docker("version", "-f", "{{json .Server}}"))["ApiVersion"]
        self.minor = int(self.version.split(".")[1])

    def call(self, method, path, body=None):
        connection = http.client.HTTPConnection("localhost", timeout=60)
        connection.sock = socket.socket(socket.AF_UNIX)
        connection.sock.connect(self.path)
        connection.request(method, f"/v{min(self.version, '1.51')}{path}", json.dumps(body or {}),
                           {"Content-Type": "application/json"})
        reply = connection.getresponse()
        text = reply.read()
        connection.close()
        return reply.status, json.loads(text) if text else {}


def merged(first, second):
    result = copy.deepcopy(first)
    for key, value in second.items():
        if isinstance(value, dict) and isinstance(result.get(key), dict):
            result[key] = merged(result[key], value)
        elif isinstance(value, list) and isinstance(result.get(key), list) and key in ("Binds", "Mounts"):
            result[key] = result[key] + value
        else:
            result[key] = copy.deepcopy(value)
    return result


def inspect(name):
    """Docker 28 leaves out the name of a volume that was made for a bind of a destination alone, and tells that of one that is
    bound by its name, as a restore binds it."""
    document = recreate.inspect(name)
    for mount in document["Mounts"]:
        if mount["Type"] == "volume" and not mount.get("Name"):
            mount["Name"] = os.path.basename(os.path.dirname(mount["Source"]))
    return document


class MatrixTest(Case):
    environment = {"FUEL_BACKUP_FREEZER": "cgroup", "FUEL_BACKUP_MAX_FREEZE_MS": "60000"}

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.engine = Engine()

    # ---- bodies ----

    def spec(self, config=None, host=None, network=None):
        """(body, extras) of the named fragments; None if this engine is too old for one."""
        parts = [CONFIG.get(config or "", {}), HOST.get(host or "", {}), NETWORKS.get(network or "", {})]
        if any(part.get("_api", 0) > self.engine.minor for part in parts):
            return None
        bare = [{key: value for key, value in part.items() if not key.startswith("_")} for part in parts]
        body = merged({"Image": IMAGE, "Cmd": ["sh", "-c", QUIET]}, merged(bare[0], parts[1].get("_", {})))
        body["HostConfig"] = bare[1]
        if network:
            body["HostConfig"]["NetworkMode"] = parts[2]["_mode"]
            body["NetworkingConfig"] = bare[2]
        return body, {key: value for part in parts for key, value in part.items() if key.startswith("_")}

    def singles(self):
        for kind, table in (("config", CONFIG), ("host", HOST), ("network", NETWORKS)):
            for name in table:
                made = self.spec(**{kind: name})
                if made:
                    yield f"fb-{kind[:4]}-{name}", made

    def combinations(self):
        """Of several fields of the configuration and of the host, and a network."""
        chance = random.Random(SEED)
        config, host = sorted(set(CONFIG) - ALONE), sorted(set(HOST) - ALONE)
        networks = sorted(set(NETWORKS) - {"fixed", "fixed-six", "two"})  # an address has one container
        for number in range(COMBINATIONS):
            body, extras = self.spec(network=chance.choice([None, *networks])) or self.spec()
            names = [chance.sample(config, chance.randint(1, 4)), chance.sample(host, chance.randint(1, 5))]
            for kind, chosen in zip(("config", "host"), names):
                for name in chosen:
                    more = self.spec(**{kind: name})
                    if more:
                        mode = body["HostConfig"].get("NetworkMode")
                        body, extras = merged(body, more[0]), {**extras, **more[1]}
                        if mode:
                            body["HostConfig"]["NetworkMode"] = mode
            yield f"fb-mix-{number}", (body, extras)

    # ---- making them ----

    def prepare(self):
        os.makedirs(BOUND, exist_ok=True)
        for name in ("file", "other"):
            with open(f"{BOUND}/{name}", "w", encoding="ascii") as out:
                out.write("of the host\n")
        docker("network", "create", "--subnet", "172.31.70.0/24", "fb-a")
        docker("network", "create", "--subnet", "172.31.71.0/24", "--internal", "--label", "a=b", "fb-b")
        docker("network", "create", "--ipv6", "--subnet", "fd00:70::/64", "--subnet", "172.31.72.0/24", "fb-six")
        docker("run", "-d", "--name", "fb-owner", "-v", "/lent", "-v", "fb-lent:/lent-named", IMAGE, "sh", "-c", QUIET)
        docker("run", "-d", "--name", "fb-other", "--ipc", "shareable", IMAGE, "sh", "-c", QUIET)
        docker("run", "-d", "--name", "fb-net-peer", "--network", "fb-a", IMAGE, "sh", "-c", QUIET)
        docker("run", "--rm", "-v", "fb-sub:/v", IMAGE, "mkdir", "-p", "/v/inner")

    def make(self, name, body, extras):
        """Create it, and start it unless that is not to be; false if this engine takes no such thing."""
        status, reply = self.engine.call("POST", "/containers/create?name=" + name, body)
        if status != 201:
            self.refused[name] = reply.get("message")
            return False
        for network, endpoint in extras.get("_more", {}).items():
            self.assertEqual(200, self.engine.call("POST", f"/networks/{network}/connect", {
                "Container": name, "EndpointConfig": endpoint})[0])
        if not extras.get("_stays") and (LONG or not name.startswith(("fb-conf", "fb-host"))):
            status, reply = self.engine.call("POST", f"/containers/{name}/start")
            if status != 204:
                self.refused[name] = reply.get("message")
                docker("rm", "-f", "-v", name)
                return False
        for network in extras.get("_leave", []):
            docker("network", "disconnect", network, name)
        return True

    # ---- what they hold ----

    @staticmethod
    def places(name):
        """Where it holds data that a backup has: {destination: (type, name or source)}."""
        document = inspect(name)
        options = {volume: json.loads(docker("volume", "inspect", volume))[0]["Options"] or {} for volume in
                   {m["Name"] for m in document["Mounts"] if m["Type"] == "volume"}}
        return {m["Destination"]: (m["Type"], m.get("Name") or m["Source"]) for m in document["Mounts"]
                if m["Type"] != "tmpfs" and not (m["Type"] == "volume" and options[m["Name"]].get("type") == "tmpfs")}

    def volumes(self, name):
        """{destination: its folder on the host}, of those that keep their data."""
        kept = {where: named for where, (kind, named) in self.places(name).items() if kind == "volume"}
        return {where: stack.volume_path(named) for where, named in kept.items()}

    def mark(self, name):
        """A file in each volume, on the host's side: a container may not be able to."""
        for path in self.volumes(name).values():
            with open(path + "/mark", "a", encoding="ascii") as out:
                out.write(name + "\n")

    def held(self, name):
        found = {}
        for where, path in self.volumes(name).items():
            with open(path + "/mark", encoding="ascii") as source:
                found[where] = source.read()
        return found

    # Documented in docs/restore.md and docs/recreate.md, or checked by themselves.
    more_exceptions = [
        r"^NetworkSettings\.Ports", r"^State\.", r"^HostConfig\.VolumesFrom", r"^HostConfig\.PidMode$",
        r"^HostConfig\.Links", r"^HostConfig\.Mounts\.[^.]*\.Source$", r"^Config\.Volumes",
        r"^NetworkSettings\.(GlobalIPv6\w+|IPv6Gateway|SecondaryIP\w+|LinkLocalIPv6\w+)",
        r"^NetworkSettings\.Networks\.[^.]+\.IPv6Gateway$", r"^(ImageManifestDescriptor|Storage)"]

    def test_all(self):
        self.refused = {}
        self.prepare()
        names = ["fb-owner", "fb-other", "fb-net-peer"]
        for name, (body, extras) in [*self.singles(), *self.combinations()]:
            if self.make(name, body, extras):
                names.append(name)
        for name in names:
            self.mark(name)
        before = {name: inspect(name) for name in names}
        held = {name: self.held(name) for name in names}
        places = {name: self.places(name) for name in names}
        backup = self.service.backup({"containers": {"names": ["fb-*"]}, "host_paths": []}, seconds=1200)["id"]
        print(f"{len(names)} containers; refused by this engine: {json.dumps(self.refused, indent=1)}")
        self.assertLess(len(self.refused), 15 + COMBINATIONS // 3)
        docker("rm", "-f", "-v", *names)
        for volume in docker("volume", "ls", "-q").split():
            docker("volume", "rm", volume)
        for network in ("fb-a", "fb-b", "fb-six"):
            docker("network", "rm", network)
        run("rm", "-r", BOUND)
        result = self.service.restore(backup, seconds=1800)["result"]
        self.assertEqual({"created"}, {c["way"] for c in result["containers"]})
        exceptions = [*EXCEPTIONS, *self.more_exceptions]
        wrong = {}
        for name in names:
            lines = differences(before[name], inspect(name), exceptions)
            if held[name] != self.held(name):
                lines.append(f"data: {held[name]} became {self.held(name)}")
            if places[name] != self.places(name):
                lines.append(f"mounts: {places[name]} became {self.places(name)}")
            if before[name]["State"]["Running"] != inspect(name)["State"]["Running"]:
                lines.append(f"state: {before[name]['State']} became {inspect(name)['State']}")
            if lines:
                wrong[name] = lines
        self.assertEqual({}, wrong, json.dumps(wrong, indent=1))
        with open(BOUND + "/file", encoding="ascii") as source:
            self.assertEqual("of the host\n", source.read())
        again = {c["name"]: c["way"] for c in self.service.restore(backup, seconds=1800)["result"]["containers"]}
        empty = {name for name in names if any(  # a tmpfs is another one each time that it is mounted
            mount["Destination"] == "/driven" for mount in before[name]["Mounts"])}
        self.assertEqual({}, {name: way for name, way in again.items() if way != "unchanged" and name not in empty})


if __name__ == "__main__":
    unittest.main()
