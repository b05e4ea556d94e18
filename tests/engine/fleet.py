"""The containers of a Fuel master, as fuel-core 8.0 makes them, at a tenth of their size (a hundredth
without FB_LONG): eleven of their own images over one base, started in their order, on the host's
network (6.1 and later) or bridged with links and published ports (6.0).  Besides a stopped one and
one that has nothing to do with Fuel, on a network of its own.
"""

import os
import random
import shutil
import socket

import stack
from fuelbackup import docker, inspect, run, wait_until

ROOT = os.path.join(stack.WORK, "host")
REFERENCE = os.path.join(stack.WORK, "reference")
LONG = bool(os.environ.get("FB_LONG"))
SCALE = 10 if LONG else 1  # hundredths of the real one's size
KIB = 1 << 10
PREFIX = "fuel-core-8.0-"
OTHER, STOPPED, NETWORK = "fb-other", "fb-stopped", "fb-own"
DATA = "/var/lib/fuel/container_data/8.0"
EVERYWHERE = ("/etc/fuel:/etc/fuel:ro", "/var/www/nailgun:/var/www/nailgun:rw", "/var/log/docker-logs:/var/log")
SSH, KEYS = "/root/.ssh:/root/.ssh:ro", "/var/lib/fuel/keys:/var/lib/fuel/keys"

# In the order of their start: port, layer (KiB at a hundredth), binds, VOLUMEs of the image, links, volumes-from.
FLEET = {
    "postgres": (5432, 400, [DATA + "/postgres:/var/lib/pgsql"], [], [], []),
    "rabbitmq": (5672, 400, [], [], [], []),
    "keystone": (5000, 300, [], [], ["postgres"], []),
    "rsync": (873, 200, ["/etc/puppet:/etc/puppet:ro"], [], [], []),
    "astute": (None, 700, [DATA + "/astute:/var/lib/astute", KEYS, SSH], ["/etc/astute"], ["rabbitmq"], []),
    "rsyslog": (514, 200, [], [], [], []),
    "nailgun": (8001, 1500, [SSH], ["/usr/share/nailgun/static", "/etc/nailgun"], ["postgres", "rabbitmq"], []),
    "ostf": (8777, 1500, [SSH], [], ["postgres", "rabbitmq"], []),
    "nginx": (8000, 200, ["/var/log/dump:/var/dump"], [], ["nailgun", "ostf"], ["nailgun"]),
    "cobbler": (80, 1000, [DATA + "/cobbler:/var/lib/cobbler", DATA + "/dnsmasq:/etc/dnsmasq.d", SSH],
                ["/etc/cobbler"], [], []),
    "mcollective": (None, 1500, [DATA + "/mcollective:/etc/hiera", KEYS, "/var/lib/fuel/ibp:/var/lib/fuel/ibp",
                                 "/var/log/dump:/var/log/dump", SSH], [], [], ["cobbler", "astute"]),
}
# Host path: KiB at a hundredth, files.
PATHS = {"/var/www/nailgun": (50000, 60), DATA + "/postgres": (5000, 40), DATA + "/cobbler": (500, 30),
         DATA + "/astute": (50, 5), DATA + "/dnsmasq": (4, 4), DATA + "/mcollective": (4, 4),
         "/etc/fuel": (8, 4), "/etc/puppet": (200, 60), "/var/lib/fuel/keys": (16, 8), "/var/lib/fuel/ibp": (300, 3),
         "/root/.ssh": (8, 4), "/var/log/docker-logs": (400, 20), "/var/log/dump": (100, 2)}
HOST_PATHS = ("/var/www/nailgun", "/etc/puppet", "/etc/fuel", "/var/lib/fuel", "/root/.ssh")
PLAN = {"containers": {"names": [PREFIX + "*", "fb-*"]}, "host_paths": [ROOT + path for path in HOST_PATHS]}
NAMES = [PREFIX + name for name in FLEET]
COUNTS = ("/var/lib/pgsql/count", "/tmp/count")  # what the load writes in turn


def image_name(name):
    return f"fuel/{name}_8.0"


def fill(tree, kib, files, seed):
    """Files that do not compress, in folders, and one of each kind that is special."""
    chance = random.Random(seed)
    for number in range(files):
        path = f"{tree}/{number % 5}/{number}.rpm" if files > 5 else f"{tree}/{number}.rpm"
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as out:
            out.write(chance.randbytes(max(1, kib * KIB * SCALE // files)))
    os.symlink("0.rpm", tree + "/current")
    os.makedirs(tree + "/empty")
    os.chmod(tree + "/empty", 0o750)
    with open(tree + "/owned", "w", encoding="ascii") as out:
        out.write(seed)
    os.link(tree + "/owned", tree + "/empty/linked")
    os.chown(tree + "/owned", 48, 27)
    os.setxattr(tree + "/owned", "user.origin", seed.encode())


class Fleet:
    """host: on the host's network; else bridged, with links and published ports."""

    def __init__(self, host):
        self.host = host
        self.before = {}

    # ---- making it ----

    def make_images(self):
        """Nothing but files above fb-test/small, so that it takes seconds."""
        context = os.path.join(stack.WORK, "images")
        os.makedirs(context, exist_ok=True)
        chance = random.Random("images")

        def build(tag, text):
            with open(context + "/Dockerfile", "w", encoding="ascii") as out:
                out.write(text)
            run("env", "DOCKER_BUILDKIT=0", "docker", "build", "-q", "--network", "none", "-t", tag, context)

        with open(context + "/base", "wb") as out:
            out.write(chance.randbytes(10000 * KIB * SCALE))
        build("fuel/centos", "FROM fb-test/small\nCOPY base /usr/lib/base\n")
        os.unlink(context + "/base")
        for name, (_, kib, _, volumes, _, _) in FLEET.items():
            with open(context + "/layer", "wb") as out:
                out.write(chance.randbytes(kib * KIB * SCALE // 10))
            lines = ["FROM fuel/centos", f"COPY layer /usr/lib/{name}", f"LABEL fuel={name}"]
            for volume in volumes:
                lines += [f"COPY layer {volume}/of-the-image", f"VOLUME {volume}"]
            build(image_name(name), "\n".join(lines) + "\n")
        shutil.rmtree(context)

    def make(self):
        for path, (kib, files) in PATHS.items():
            os.makedirs(ROOT + path)
            fill(ROOT + path, kib, files, path)
        self.make_images()
        for name in FLEET:
            self.start(name)
        docker("network", "create", "--subnet", "172.30.77.0/24", "--label", "own=yes", NETWORK)
        docker("run", "-d", "--name", OTHER, "--network", NETWORK, "--ip", "172.30.77.7", "--network-alias", "else",
               "-v", "fb-own-data:/data", "fb-test/small", "sh", "-c", "nc -ll -p 7777 -e echo other")
        docker("create", "--name", STOPPED, "-v", "fb-stopped-data:/data", "fb-test/volume")
        for volume in ("fb-own-data", "fb-stopped-data"):
            fill(stack.volume_path(volume), 20, 6, volume)
        for name in NAMES:
            docker("exec", name, "sh", "-c", f"echo {name} >/etc/own; rm /srv/file1; rm -r /srv/tree/deep; "
                   "mkdir -p /var/lib/made; head -c 20000 /dev/urandom >/var/lib/made/noise; "
                   "for volume in /etc/astute /etc/nailgun /etc/cobbler /usr/share/nailgun/static; do "
                   "[ ! -d $volume ] || echo mine >$volume/mine-of-$HOSTNAME; done; chown 7:9 /etc/own")
        return self

    def start(self, name, image=None, options=()):
        port, _, binds, _, links, sources = FLEET[name]
        command = ["run", "-d", "--name", PREFIX + name, "-t", *options]
        if self.host:
            command += ["--net=host"]
        else:
            command += [f"--link={PREFIX}{link}:{link}" for link in links]
            command += ["-p", f"127.0.0.1:{port + 10000}:{port}"] if port else []
        for bind in (*EVERYWHERE, *binds):
            command += ["-v", ROOT + bind]
        command += [f"--volumes-from={PREFIX}{source}" for source in sources]
        serve = f"nc -ll -p {port} -e echo {name}" if port else "sleep 1000000"
        docker(*command, image or image_name(name), "sh", "-c", f"exec {serve}")

    # ---- its load ----

    def load(self):
        """A database that is written to: one number in two places, first on the host, then in the layer."""
        path, layer = COUNTS
        docker("exec", "-d", PREFIX + "postgres", "sh", "-c",
               f"n=0; until [ -e /tmp/enough ]; do n=$((n+1)); for file in {path} {layer}; do "
               "printf '%08d\\n' $n | dd of=$file bs=9 conv=notrunc 2>/dev/null; done; "
               "dd if=/dev/zero of=/var/lib/pgsql/count.page bs=8k count=1 seek=$((n % 64)) conv=notrunc 2>/dev/null; "
               "done")
        wait_until("it writes", lambda: self.counts()[1] > 20)

    def unload(self):
        docker("exec", PREFIX + "postgres", "touch", "/tmp/enough")

    @staticmethod
    def counts():
        words = docker("exec", PREFIX + "postgres", "cat", *COUNTS, check=False).split()
        return [int(word) for word in words] if len(words) == 2 else [0, 0]

    # ---- comparing it ----

    @staticmethod
    def names():
        return sorted(docker("ps", "-a", "--format", "{{.Names}}").split())

    @staticmethod
    def volumes(name):
        """Destination: name of the volume."""
        return {mount["Destination"]: mount["Name"] for mount in inspect(name)["Mounts"] if mount["Type"] == "volume"}

    def trees(self):
        """Name: path of each tree."""
        trees = {"host " + path: ROOT + path for path in (*HOST_PATHS, "/var/log/docker-logs", "/var/log/dump")}
        for name in (*NAMES, OTHER, STOPPED):
            trees["layer " + name] = stack.upper(name)
            for place, volume in self.volumes(name).items():
                trees[f"volume {place} of {name}"] = stack.volume_path(volume)
        return trees

    def facts(self):
        """All that is no tree, as one object."""
        images = sorted(docker("images", "--no-trunc", "--format", "{{.Repository}}:{{.Tag}} {{.ID}}",
                               "--filter", "reference=fuel/*_8.0").splitlines())
        network = stack.json.loads(docker("network", "inspect", NETWORK))[0]
        return {"inspects": {name: inspect(name) for name in (*NAMES, OTHER, STOPPED)}, "images": images,
                "network": {key: network[key] for key in ("Name", "Driver", "IPAM", "Internal", "Labels", "Options")},
                "states": {name: inspect(name)["State"]["Status"] for name in (*NAMES, OTHER, STOPPED)},
                "volumes": {name: self.volumes(name) for name in (*NAMES, OTHER, STOPPED)}}

    def remember(self):
        """After the backup, and with its load ended."""
        for name, path in self.trees().items():
            stack.copy_tree(path, os.path.join(REFERENCE, name.replace("/", "_")))
        self.before = self.facts()

    def differences(self):
        lines, now = [], self.facts()
        for name, path in self.trees().items():
            left_out = ["count", "count.page", *stack.LAYER_EXCEPTIONS[:2]]
            lines += [f"{name}: {line}"
                      for line in stack.tree_differences(os.path.join(REFERENCE, name.replace("/", "_")), path, left_out)]
        for name, was in self.before["inspects"].items():
            lines += [f"{name}: {line}" for line in stack.inspect_differences(was, now["inspects"][name])
                      if not line.startswith("HostConfig.Links")]
            links = [sorted(i["HostConfig"]["Links"] or []) for i in (was, now["inspects"][name])]
            lines += [] if links[0] == links[1] else [f"{name}: links {links}"]
        for what in ("images", "network", "states", "volumes"):
            if self.before[what] != now[what]:
                lines.append(f"{what}: {self.before[what]} became {now[what]}")
        return lines

    def unreachable(self):
        """Whom those that need them do not find where they should be, as lines."""
        lines = []
        for name, (port, _, _, _, links, _) in FLEET.items():
            if port and self.ask("127.0.0.1", port if self.host else port + 10000) != name:
                lines.append(f"{name} does not answer")
            for link in links:
                said = docker("exec", PREFIX + name, "nc", "-w", "3", "127.0.0.1" if self.host else link,
                              str(FLEET[link][0]), stdin=b"", check=False).strip() if FLEET[link][0] else link
                lines += [] if said == link else [f"{name} does not find {link}: {said!r}"]
        return lines + ([] if self.ask("172.30.77.7", 7777) == "other" else ["the other one does not answer"])

    @staticmethod
    def ask(address, port):
        try:
            with socket.create_connection((address, port), 3) as connection:
                return connection.makefile().readline().strip()
        except OSError as error:
            return repr(error)

    # ---- the end of it ----

    @staticmethod
    def remove_containers(*options):
        names = [name for name in Fleet.names() if name.startswith((PREFIX, "fb-", "was-"))]
        if names:
            docker("rm", "-f", *options, *names)

    def remove_volumes(self):
        volumes = docker("volume", "ls", "-q").split()
        if volumes:
            docker("volume", "rm", "-f", *volumes)

    @staticmethod
    def remove_images():
        for name in (*map(image_name, FLEET), "fuel/centos"):
            docker("rmi", "-f", name, check=False)

    def remove(self):
        self.remove_containers("-v")
        self.remove_volumes()
        docker("network", "rm", NETWORK, check=False)
        self.remove_images()
        shutil.rmtree(stack.WORK, ignore_errors=True)
