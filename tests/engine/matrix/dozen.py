"""Twelve containers that between them have everything that an engine can give one, and how they are compared: after a
restore on the same engine all of their inspect documents, on another what both engines know.
"""

import json
import os
import re
import shutil
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE + "/..")

# pylint: disable=wrong-import-position
import stack
from fuelbackup import docker, inspect, run, wait_until

KIND = os.environ.get("FB_KIND", "engine")  # of the engine, as tests/engine/other has it; "engine": that of all tests
PODMAN = "+podman" in KIND
USERNS = "+userns" in KIND
ROOTLESS = "+rootless" in KIND
WORK = os.path.join(os.environ.get("FUEL_BACKUP_CACHE", "/var/cache/fuel-backup"), "matrix")

if "below:xfs" in KIND:  # a rehearsal puts what binds have there, too
    os.environ["FB_LINK_MAX"] = "1023"

# What of an inspect counts from one version to another; others have fields that the first does not know.
COUNTS = re.compile(r"""^(Name|Path|Args\.\d+|Platform
    |Config\.(User|Env|Cmd|Volumes|WorkingDir|Entrypoint|Labels|Domainname|StopSignal|Tty|OpenStdin).*
    |HostConfig\.(Binds|RestartPolicy|PortBindings|CapAdd|CapDrop|VolumesFrom|Links|Sysctls|Ulimits|Memory|ShmSize|Tmpfs
        |ReadonlyRootfs|Privileged|ExtraHosts|Dns|LogConfig|SecurityOpt|AutoRemove|UTSMode).*
    |Mounts\.\d+\.(Type|Name|Destination|RW)
    |NetworkSettings\.Networks\.[^.]+\.IPAMConfig\..*
    |State\.(Running|Paused))$""", re.VERBOSE)
BINDS = re.compile(r"^HostConfig\.Binds")  # an anonymous volume is bound by its name

# Beside those of all stacks: see docs/restore.md, and docs/engines.md for other stores.
MORE_EXCEPTIONS = {
    r"^Image$": "another store has other ids (the image itself is compared)",
    r"^State\.Health\.(Log|FailingStreak)": "of the last probes",
    r"^ImageManifestDescriptor": "of the store",
    r"^Config\.Image$": "the name of an image that has none any more is its id",
    r"^HostConfig\.OomKillDisable$": "an engine without cgroups tells none where it was told no",
    r"^Mounts\..*\.Source$": "an image's mount point holds the container's id",
}


def snapshotter():
    """For ctr, whose own default is overlayfs."""
    found = re.search(r"\+snapshotter:([^+]+)", KIND)
    return ["--snapshotter", found.group(1)] if found else []


def noted_tree(container):
    """Of a graph driver that keeps whole trees, by its own notes; None for others."""
    info = json.loads(docker("info", "-f", "{{json .}}"))
    folder = {"vfs": "vfs/dir", "btrfs": "btrfs/subvolumes"}.get(info["Driver"])
    note = f"{info['DockerRootDir']}/image/{info['Driver']}/layerdb/mounts/{container}/mount-id"
    if folder is None or not os.path.exists(note):
        return None
    with open(note, encoding="ascii") as source:
        return f"{info['DockerRootDir']}/{folder}/{source.read()}"


def containerd_upper(container):
    """Asked of containerd's own client, in the engine's root: the upper directory, or the whole tree."""
    other = stack.HERE + "/other"
    socket = "/run/containerd/containerd.sock"
    if "+system" not in KIND:
        socket = os.path.dirname(os.environ["DOCKER_HOST"].removeprefix("unix://")) + "/exec/containerd/containerd.sock"
    told = run(other, KIND, "inside", "ctr", "-n", "moby", "--address", socket, "snapshots", *snapshotter(),
               "mounts", "/x", container)
    found = re.search(r"upperdir=([^,:\]\s]+)", told) or re.search(r"mount -t bind (\S+)", told)
    assert found, told
    return found.group(1)


def upper(name):
    document = inspect(name)
    data = document.get("GraphDriver", {}).get("Data") or {}
    return data.get("UpperDir") or noted_tree(document["Id"]) or containerd_upper(document["Id"])


# Of a whole tree: what an engine makes when it creates a container, which is no part of its layer.
MADE_BY_ENGINE = ["/.dockerenv", "/dev/", "/proc/", "/sys/", "/etc/hostname", "/etc/hosts", "/etc/mtab",
                  "/etc/resolv.conf"]
upper_differences = stack.tree_differences


FUSE_MARKS = re.compile(r"/\.wh\.(\.wh\.)?\.opq('.*)?$")  # fuse-overlayfs writes them beside overlay's own


def tree_differences(reference, tree, exclude=()):
    if "fuse-overlayfs" in KIND:
        return [line for line in upper_differences(reference, tree, exclude) if not FUSE_MARKS.search(line)]
    if not os.path.lexists(tree + "/.dockerenv"):
        return upper_differences(reference, tree, exclude)
    lines = upper_differences(reference, tree, [*exclude, *MADE_BY_ENGINE])
    return [line for line in lines if line not in (".d..t...... etc/", ".d..t...... ./")]


stack.tree_differences = tree_differences
stack.upper = upper
if PODMAN:  # from its start on, and of its name
    stack.ENV_EXCEPTIONS = re.compile(r"HOME=|HOSTNAME=[0-9a-f]{12}$")
stack.INSPECT_EXCEPTIONS.update(MORE_EXCEPTIONS)


def post(path):
    run("curl", "-fsS", "--unix-socket", os.environ["DOCKER_HOST"].removeprefix("unix://"), "-d", "{}", "-H",
        "Content-Type: application/json", "http://engine" + path)


def api():
    """Of the engine; FB_PLAIN: of the oldest, for what is carried to it may hold nothing that it does not know."""
    if os.environ.get("FB_PLAIN"):
        return (1, 41)
    return tuple(int(part) for part in docker("version", "-f", "{{.Server.APIVersion}}").strip().split("."))


def facts(document):
    return {path: value for path, value in stack.flatten(document)
            if COUNTS.match(path) and not BINDS.match(path) and value is not False}


def aliases(document):
    networks = document["NetworkSettings"]["Networks"] or {}
    return {name: sorted(set(network["Aliases"] or []) - {document["Id"][:12], document["Config"]["Hostname"]})
            for name, network in networks.items()}


def image_facts(document):
    """What the image of a container is, whatever the store calls it."""
    image = json.loads(docker("image", "inspect", document["Image"]))[0]
    return {"Layers": image["RootFS"]["Layers"], "Env": image["Config"].get("Env"),
            "Labels": image["Config"].get("Labels")}


class Dozen(stack.Stack):
    """Those of the other tests, without databases, and four more."""

    databases = False
    # Podman raises what is not named as far as a root may, which that of a machine for tests need not be allowed to.
    ulimits = ["nofile=500:600", "nproc=500:600"] if PODMAN else stack.Stack.ulimits
    dependants_first = PODMAN
    memory = [] if ROOTLESS else stack.Stack.memory
    owner = 1000 if ROOTLESS else None

    def __init__(self, fresh=True):  # pylint: disable=super-init-not-called
        self.root, self.reference = WORK + "/stack", WORK + "/reference"
        self.inspects, self.trees, self.images = {}, {}, {}
        self.anonymous = None
        if fresh:
            for folder in (self.root, self.reference):
                shutil.rmtree(folder, ignore_errors=True)
                os.makedirs(folder)
            self.own(self.root)

    def make(self):
        super().make()
        secret = self.root + "/secret"
        with open(secret, "w", encoding="ascii") as out:
            out.write("a single file\n")
        self.own(secret)
        docker("run", "-d", "--name", "fb-limits", "--network", "fb-back", "--ip", "172.31.20.10", "--network-alias",
               "database", "--restart", "always",
               *([] if ROOTLESS else ["--memory", "64m", "--cpus", "0.5", "--pids-limit", "99"]),
               "--cap-drop", "MKNOD", "--cap-add", "SYS_TIME", "--security-opt", "no-new-privileges", "--init",
               "--add-host", "elsewhere:192.0.2.7", "--dns", "192.0.2.53", "--env", "KEY=value with spaces",
               "--user", "12:34", "--workdir", "/srv", "--log-opt", "max-size=1m", "--shm-size", "8m",
               "--health-cmd", "true", "--health-interval", "1s", "--label", "what=limits", "--tty",
               "--hostname", "limited", *([] if USERNS or ROOTLESS else ["--domainname", "example.test"]),
               *([] if PODMAN or USERNS or ROOTLESS else ["--device", "/dev/zero:/dev/nothing"]),
               "-p", "127.0.0.1:18082:80", "fb-test/small", "sleep", "infinity")
        docker("network", "connect", "--alias", "limits-front", "fb-front", "fb-limits")
        docker("run", "-d", "--name", "fb-host", "--network", "host", "--pid", "host", "--uts", "host",
               *(["--userns", "host"] if USERNS else []), "fb-test/small")
        more = []
        if api() >= (1, 48):
            more = ["--mount", "type=image,source=fb-test/volume,target=/image"]
        if api() >= (1, 45):
            os.makedirs(volume_part := stack.volume_path("fb-special") + "/part", exist_ok=True)
            with open(volume_part + "/file", "w", encoding="ascii") as out:
                out.write("of a part\n")
            self.own(volume_part)
            self.own(volume_part + "/file")
            more += ["--mount", "type=volume,source=fb-special,target=/part,volume-subpath=part"]
        docker("run", "-d", "--name", "fb-mounts", "--read-only", "-v", f"{secret}:/run/secret:ro", "--mount",
               "type=tmpfs,target=/scratch,tmpfs-size=1048576", *more, "fb-test/small")
        docker("run", "--name", "fb-base", "fb-test/small", "sh", "-c", "echo of an image without a name >/srv/untagged")
        if PODMAN:  # whose rmi takes the containers along, and whose commit wants a body
            post("/v1.41/commit?container=fb-base&repo=fb-test/gone&changes=LABEL+made=here")
        else:
            docker("commit", "-c", "LABEL made=here", "fb-base", "fb-test/gone")
        docker("rm", "fb-base")
        docker("run", "-d", "--name", "fb-untagged", "fb-test/gone", "sleep", "infinity")
        if PODMAN:
            post("/v4.0.0/libpod/images/fb-test/gone/untag")
        else:
            docker("rmi", "-f", "fb-test/gone")
        return self

    def static_trees(self):
        trees = super().static_trees()
        trees["bind secret"] = self.root + "/secret-folder"
        for name in ("fb-untagged", "fb-limits", "fb-host"):
            trees["layer " + name] = upper(name)
        os.makedirs(trees["bind secret"], exist_ok=True)
        if os.path.exists(self.root + "/secret"):  # compared as what it is: a file alone
            shutil.copy2(self.root + "/secret", trees["bind secret"])
            os.utime(trees["bind secret"], (0, 0))
        return trees

    def remember(self):
        super().remember()
        self.images = {name: image_facts(self.inspects[name]) for name in self.inspects}

    def differences(self):
        lines = super().differences()
        for name, was in self.images.items():
            if name in self.names() and image_facts(inspect(name)) != was:
                lines.append(f"image of {name}: {was} became {image_facts(inspect(name))}")
        return lines

    def settled(self, compare, seconds=20):
        """What still differs, once what was restored has had time to be up."""
        lines = []

        def equal():
            lines[:] = compare()
            return not any("State" in line or "fb-limits" in line for line in lines) or None
        try:
            wait_until("what ran runs", equal, seconds, 0.5)
        except stack.Failed:
            pass
        return lines

    def wreck_in_place(self):
        super().wreck_in_place()
        stack.in_container("fb-untagged", "sh", "-c", "rm /srv/untagged; echo wrecked >/srv/file1")
        with open(self.root + "/secret", "w", encoding="ascii") as out:
            out.write("wrecked\n")

    def wreck_all(self):
        image = inspect("fb-untagged")["Image"]
        self.remove_everything()
        docker("rmi", "-f", "fb-test/stack", "fb-test/small", "fb-test/volume", image)
        shutil.rmtree(self.root)
        if ROOTLESS:  # who may not make it where it is
            os.makedirs(self.root)
            self.own(self.root)

    # ---- from one engine to another: what it was like is in a file, for it is another process that compares ----

    def known(self):
        found = {name: [facts(inspect(name)), aliases(inspect(name)), image_facts(inspect(name))]
                 for name in self.names()}
        networks = {name: json.loads(docker("network", "inspect", name))[0] for name in ("fb-front", "fb-back")}
        shown = {name: {key: network[key] for key in ("Driver", "Internal", "Labels")} | {
            "Config": [{"Subnet": config["Subnet"]} for config in network["IPAM"]["Config"]]}
            for name, network in networks.items()}
        return json.loads(json.dumps({"containers": found, "networks": shown}))

    def save(self):
        shutil.rmtree(self.reference, ignore_errors=True)
        for name, path in self.seen_trees().items():
            stack.copy_tree(path, os.path.join(self.reference, name))
        with open(WORK + "/known.json", "w", encoding="utf-8") as out:
            json.dump(self.known(), out)

    def compare(self):
        """Lines of what is not as it was when it was saved."""
        with open(WORK + "/known.json", encoding="utf-8") as source:
            was = json.load(source)
        now, lines = self.known(), []
        if was["networks"] != now["networks"]:
            lines.append(f"networks: {was['networks']} became {now['networks']}")
        for name in sorted(was["containers"].keys() | now["containers"].keys()):
            before, after = (state["containers"].get(name, [{}, {}, {}]) for state in (was, now))
            for i in range(3):
                lines += [f"{name}: {key}: {before[i].get(key)!r} became {after[i].get(key)!r}"
                          for key in sorted(before[i].keys() | after[i].keys())
                          if before[i].get(key) != after[i].get(key)]
        for name, path in self.seen_trees().items():
            exclude = stack.LAYER_EXCEPTIONS if name.startswith("layer") else ()
            lines += [f"{name}: {line}" for line in stack.tree_differences(
                os.path.join(self.reference, name), path, ["socket", *exclude])]
        return lines

    def seen_trees(self):
        """As static_trees; with FB_SEEN of each layer what its container sees, for drivers that keep other things."""
        trees = self.static_trees()
        shutil.rmtree(WORK + "/seen", ignore_errors=True)
        for name in trees if os.environ.get("FB_SEEN") else ():
            if name.startswith("layer "):
                trees[name] = f"{WORK}/seen/{name[6:]}"
                os.makedirs(trees[name])
                run("sh", "-c", f"docker export {name[6:]} | tar -x --xattrs --xattrs-include='*' --numeric-owner -C {trees[name]}")
        return trees


__all__ = ["Dozen", "WORK", "KIND", "api", "subprocess"]
