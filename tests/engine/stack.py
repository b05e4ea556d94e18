"""The stack that the engine tests back up, wreck and restore, and what it must look like after."""

import json
import os
import re
import shutil
import stat
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE + "/../lib")

# pylint: disable=wrong-import-position
from fuelbackup import Failed, docker, inspect, run, wait_until

WORK = os.path.join(os.environ.get("FUEL_BACKUP_CACHE", "/var/cache/fuel-backup"), "engine/work")
PGDATA = "/var/lib/postgresql/data/main"
AS_POSTGRES = "setpriv --reuid=postgres --regid=postgres --init-groups"
SCALE = 4

# What a restore cannot or does not bring back as it was (docs/restore.md); pattern of a path in the
# inspect document: reason.
INSPECT_EXCEPTIONS = {
    r"^(Id|Created)$": "a container made again has another id",
    r"^(ResolvConfPath|HostnamePath|HostsPath|LogPath)$": "hold the id",
    r"^GraphDriver\.": "the layer's folders are new",
    r"^State\.(Pid|StartedAt|FinishedAt)$": "it was started again",
    r"^State\.(ExitCode|Status)$": "what was stopped is not run to get its exit code back",
    r"^RestartCount$": "it was started again",
    r"^ExecIDs": "a health probe may run just now",
    r"^HostConfig\.(NetworkMode|IpcMode)$": "may hold another container's id (checked by itself)",
    r"^Config\.Hostname$": "the short id, unless one was set",
    r"^Mounts\..*\.(Mode|Propagation)$": "an anonymous volume is bound by its name",
    r"^HostConfig\.Binds": "an anonymous volume is bound by its name",
    r"^NetworkSettings\.(Sandbox|EndpointID|MacAddress)": "of the running network sandbox",
    r"^NetworkSettings\.Networks\.[^.]+\.(NetworkID|EndpointID|MacAddress)$": "made anew, generated",
    r"^NetworkSettings\.Networks\.[^.]+\.(IPAddress|Gateway|GlobalIPv6\w+|IPPrefixLen)$":
        "dynamic (the static one is checked by itself)",
    r"^NetworkSettings\.(IPAddress|Gateway|IPPrefixLen)$": "dynamic",
    r"^NetworkSettings\.Networks\.[^.]+\.(Aliases|DNSNames)": "hold the short id (aliases are checked)",
    r"^HostnamePath$": "holds the id",
    r"^AppArmorProfile$": "the engine's",
}

ENV_EXCEPTIONS = re.compile(r"(?!)")  # what an engine puts there by itself

# Upper layers: what the engine and the programs write again at each start.
LAYER_EXCEPTIONS = ["/run/", "/tmp/", "/var/log/", "/var/lib/nginx/"]


def in_container(name, *command, stdin=None, check=True):
    return docker("exec", *(["-i"] if stdin else []), name, *command, stdin=stdin, check=check)


def upper(name):
    return inspect(name)["GraphDriver"]["Data"]["UpperDir"]


def volume_path(name):
    return docker("volume", "inspect", "-f", "{{.Mountpoint}}", name).strip()


def flatten(value, path=""):
    if isinstance(value, dict) and value:
        for key, part in value.items():
            yield from flatten(part, f"{path}.{key}" if path else key)
    elif isinstance(value, list) and value:
        if path == "Mounts":  # in no order
            value = sorted(value, key=lambda mount: mount["Destination"])
        if path == "Config.Env":
            value = sorted(part for part in value if not ENV_EXCEPTIONS.match(part))
        for i, part in enumerate(value):
            yield from flatten(part, f"{path}.{i}")
    elif value not in (None, {}, [], ""):
        yield path, value


def inspect_differences(before, after):
    """Lines that say where two inspect documents differ, but for the exceptions above."""
    before, after = dict(flatten(before)), dict(flatten(after))
    return [f"{path}: {before.get(path)!r} became {after.get(path)!r}"
            for path in sorted(before.keys() | after.keys())
            if before.get(path) != after.get(path)
            and not any(re.search(pattern, path) for pattern in INSPECT_EXCEPTIONS)]


def copy_tree(source, target):
    os.makedirs(target, exist_ok=True)
    run("rsync", "-aHAXS", "--modify-window=-1", "--numeric-ids", source + "/", target + "/")


def whiteouts(tree):
    """Paths of overlayfs's marks of deletion; the kernel links them, their metadata mean nothing."""
    found = set()
    for folder, folders, files in os.walk(os.fsencode(tree)):
        for name in files:
            path = os.path.join(folder, name)
            state = os.lstat(path)
            if stat.S_ISCHR(state.st_mode) and state.st_rdev == 0:
                found.add(os.path.relpath(path, os.fsencode(tree)))
    return found


def tree_differences(reference, tree, exclude=()):
    """What rsync would still have to do to make tree equal to reference, and whiteouts that differ."""
    before, after = whiteouts(reference), whiteouts(tree)
    lines = [f"whiteout {path!r}: {'lost' if path in before else 'new'}" for path in sorted(before ^ after)
             if not any(b"/" + path + b"/" == os.fsencode(e) or (b"/" + path).startswith(os.fsencode(e))
                        for e in exclude)]
    exclude = [*exclude, *("/" + os.fsdecode(path) for path in before & after)]
    rules = [f"--filter=-x {space}.overlay.{name}" for space in ("trusted", "user")
             for name in ("origin", "impure", "nlink", "uuid")]
    return lines + run("rsync", "-aHAXn", "--delete", "--checksum", "--modify-window=-1", "--numeric-ids",
               "--itemize-changes", *rules,
               *(f"--exclude={path}" for path in exclude), reference + "/", tree + "/").splitlines()


class Stack:
    """Names begin with fb-, so that nothing else is touched."""

    databases = True
    ulimits = ["nofile=500:600"]  # of one container
    memory = ["--memory", "256m"]  # of another one
    owner = None  # who the engine's root is on the host, if not root
    dependants_first = False  # the engine removes no container whose namespaces another one uses

    def __init__(self):
        self.root = os.path.join(WORK, "stack")
        self.reference = os.path.join(WORK, "reference")
        self.inspects = {}
        self.trees = {}
        for folder in (self.root, self.reference):
            shutil.rmtree(folder, ignore_errors=True)
            os.makedirs(folder)

    # ---- making it ----

    def make(self):
        docker("network", "create", "--subnet", "172.31.10.0/24", "--label", "fb=front", "fb-front")
        docker("network", "create", "--subnet", "172.31.20.0/24", "--internal", "fb-back")
        self.make_small()
        self.make_layer()
        if self.databases:
            self.make_databases()
        return self

    def make_tree(self, path):
        """All kinds of files, owned as those of the engine's containers can be."""
        if self.owner is None:
            run("/usr/bin/python3", HERE + "/make_tree.py", path)
            return
        os.makedirs(path, exist_ok=True)
        os.chown(path, self.owner, self.owner)
        with open(HERE + "/make_tree.py", "rb") as script:
            docker("run", "--rm", "-i", "-v", path + ":/tree", "fb-test/stack", "python3", "-", "/tree",
                   stdin=script.read())

    def own(self, path):
        """What the test makes on the host is its containers'."""
        if self.owner is not None:
            os.chown(path, self.owner, self.owner)

    def make_small(self):
        bind = self.root + "/special"
        self.make_tree(bind)
        docker("volume", "create", "--label", "kind=special", "fb-special")
        self.make_tree(volume_path("fb-special"))
        docker("run", "-d", "--name", "fb-special", "-v", "fb-special:/volume", "-v", bind + ":/bind",
               "--network", "fb-front", "--ipc", "shareable", "--sysctl", "net.core.somaxconn=99",
               *(f"--ulimit={limit}" for limit in self.ulimits), "fb-test/small")
        docker("run", "-d", "--name", "fb-anonymous", "--hostname", "anonymous", "fb-test/volume")
        in_container("fb-anonymous", "sh", "-c", "echo mine >/anonymous/file; rm /anonymous/image")
        docker("run", "-d", "--name", "fb-borrower", "--volumes-from", "fb-anonymous", "fb-test/small")
        docker("run", "-d", "--name", "fb-sidecar", "--network", "container:fb-special", "--ipc",
               "container:fb-special", "--tmpfs", "/scratch:size=1m", "fb-test/small")
        docker("run", "--name", "fb-stopped", "-e", "KEY=value", "fb-test/small", "sh", "-c",
               "echo ran >/srv/ran; rm /srv/file1 && rm -r /srv/tree && mkdir /srv/tree && "
               "echo new >/srv/tree/new; exit 3", check=False)
        docker("create", "--name", "fb-created", "--label", "never=started", "fb-test/small")
        docker("run", "-d", "--name", "fb-paused", "-v", "fb-paused:/state", "fb-test/small")
        in_container("fb-paused", "sh", "-c", "echo 1 >/state/count; echo 1 >/srv/count")
        docker("pause", "fb-paused")

    def make_layer(self):
        """A writable layer with everything in it, over a large image."""
        docker("run", "-d", "--name", "fb-layer", "--network", "fb-front", "--network-alias", "layered",
               "--restart", "unless-stopped", *self.memory, "--cap-add", "NET_ADMIN",
               "--stop-signal", "KILL", "fb-test/stack")
        with open(HERE + "/make_tree.py", "rb") as script:
            in_container("fb-layer", "python3", "-", "/new", stdin=script.read())
        in_container("fb-layer", "sh", "-ec", """
            rm /etc/issue
            rm -r /usr/share/perl5                   # a deleted folder
            rm -r /etc/skel; echo file >/etc/skel    # a folder that became a file
            rm /etc/issue.net; mkdir /etc/issue.net; echo x >/etc/issue.net/file
            rm -r /etc/apt; mkdir -m 700 /etc/apt; echo opaque >/etc/apt/only
            echo changed >/etc/debian_version; chmod 600 /etc/debian_version
            chmod 700 /opt; chown 12:34 /srv         # metadata alone
            ln /etc/debconf.conf /new/hard-link-to-image
            mv /etc/profile /etc/profile.moved; rm /usr/bin/perl; ln -s python3 /usr/bin/perl
            touch -d '2001-02-03 04:05:06.789012345' /etc/host.conf""")

    def make_databases(self):
        docker("run", "-d", "--name", "fb-db", "-v", "fb-pgdata:/var/lib/postgresql/data",
               "--network", "fb-back", "--ip", "172.31.20.10", "--network-alias", "database",
               "--shm-size", "64m", "--stop-signal", "INT", "-e", f"PGDATA={PGDATA}", "fb-test/stack", "sh", "-c",
               f"""chown postgres /var/lib/postgresql/data
               [ -s $PGDATA/PG_VERSION ] || {{ {AS_POSTGRES} initdb -A trust --no-sync --locale=C -E UTF8 >&2 &&
               echo 'host all all 0.0.0.0/0 trust' >>$PGDATA/pg_hba.conf; }}
               exec {AS_POSTGRES} postgres -c listen_addresses='*' -c unix_socket_directories=/tmp \
               -c max_wal_size=128MB -c checkpoint_timeout=30s""")
        docker("network", "connect", "--alias", "database-front", "--ip", "172.31.10.77", "fb-front", "fb-db")
        docker("run", "-d", "--name", "fb-cache", "-v", "fb-redis:/data", "--network", "fb-back",
               "fb-test/stack", "redis-server", "--appendonly", "yes", "--appendfsync", "always",
               "--save", "", "--dir", "/data", "--protected-mode", "no")
        site = self.root + "/site"
        os.makedirs(site)
        with open(site + "/index.html", "w", encoding="ascii") as page:
            page.write("the page of the backup\n")
        with open(self.root + "/nginx.conf", "w", encoding="ascii") as conf:
            conf.write("daemon off; events {} http { access_log off; error_log stderr;"
                       " server { listen 80; root /site; } }\n")
        docker("run", "-d", "--name", "fb-web", "-v", site + ":/site:ro", "--network", "fb-front",
               "-v", self.root + "/nginx.conf:/etc/nginx/nginx.conf:ro", "-p", "127.0.0.1:18081:80",
               "fb-test/stack", "nginx")
        self.wait_databases()
        in_container("fb-db", "pgbench", "-h", "/tmp", "-U", "postgres", "-i", "-q", "-s", str(SCALE),
                     "postgres")
        self.sql("create table written(id bigint primary key)")
        for i in range(50):
            self.redis("set", f"key{i}", "v" * i)

    # ---- asking it ----

    def sql(self, statement, check=True):
        return in_container("fb-db", "psql", "-h", "/tmp", "-U", "postgres", "-Atqc", statement,
                            "postgres", check=check).strip()

    def redis(self, *arguments, check=True):
        return in_container("fb-cache", "redis-cli", *arguments, check=check).strip()

    def page(self):
        return run("curl", "-fsS", "-m", "5", "http://127.0.0.1:18081/", check=False)

    def wait_databases(self):
        wait_until("PostgreSQL answers", lambda: self.sql("select 1", check=False) == "1", 60, 0.2)
        wait_until("Redis answers", lambda: self.redis("ping", check=False) == "PONG", 60, 0.2)
        wait_until("nginx answers", self.page, 60, 0.2)

    def names(self):
        return sorted(docker("ps", "-a", "--filter", "name=^/?fb-", "--format", "{{.Names}}").split())

    # ---- remembering and comparing ----

    def static_trees(self):
        """The trees that nobody writes: name → path (for a layer also what is left out)."""
        trees = {"volume fb-special": volume_path("fb-special"), "bind special": self.root + "/special",
                 "volume fb-paused": volume_path("fb-paused")}
        mounts = inspect("fb-anonymous")["Mounts"]
        trees["anonymous volume"] = volume_path(mounts[0]["Name"])
        for name in ("fb-layer", "fb-stopped", "fb-created", "fb-paused", "fb-anonymous"):
            trees["layer " + name] = upper(name)
        if self.databases:
            trees["bind site"] = self.root + "/site"
            trees["layer fb-web"] = upper("fb-web")
        return trees

    def remember(self):
        for name, path in self.static_trees().items():
            copy_tree(path, os.path.join(self.reference, name))
        self.inspects = {name: inspect(name) for name in self.names() if name != "fb-load"}
        self.anonymous = self.inspects["fb-anonymous"]["Mounts"][0]["Name"]

    def differences(self):
        """Everything that is not as it was when remember() was called, as lines."""
        lines = []
        for name, path in self.static_trees().items():
            exclude = LAYER_EXCEPTIONS if name.startswith("layer") else ()
            lines += [f"{name}: {line}" for line in tree_differences(
                os.path.join(self.reference, name), path, ["socket", *exclude])]
        names = [name for name in self.names() if name != "fb-load"]
        if names != sorted(self.inspects):
            lines.append(f"containers: {sorted(self.inspects)} became {names}")
        for name in sorted(set(names) & set(self.inspects)):
            lines += [f"inspect {name}: {line}"
                      for line in inspect_differences(self.inspects[name], inspect(name))]
        lines += self.special_differences()
        return lines

    def special_differences(self):
        """What the general comparisons leave out on purpose."""
        lines = []
        running = {name: inspect(name)["State"] for name in self.inspects}
        for name, state in running.items():
            was = self.inspects[name]["State"]
            if (state["Running"], state["Paused"]) != (was["Running"], was["Paused"]):
                lines.append(f"{name}: {was['Status']} became {state['Status']}")
        if inspect("fb-anonymous")["Mounts"][0]["Name"] != self.anonymous:
            lines.append("fb-anonymous: another anonymous volume")
        if inspect("fb-borrower")["Mounts"][0]["Name"] != self.anonymous:
            lines.append("fb-borrower: not the volume of fb-anonymous")
        owner = inspect("fb-special")["Id"]
        for mode in ("NetworkMode", "IpcMode"):
            now = inspect("fb-sidecar")["HostConfig"][mode]
            if now != "container:" + owner:
                lines.append(f"fb-sidecar: {mode} {now}, and fb-special is {owner}")
        for name, state in self.inspects.items():
            for mode in ("NetworkMode", "IpcMode"):
                was, now = state["HostConfig"][mode], inspect(name)["HostConfig"][mode]
                if was != now and not was.startswith("container:"):
                    lines.append(f"{name}: {mode} {was} became {now}")
        for name, path in (("volume fb-special", volume_path("fb-special")),
                           ("layer fb-layer", upper("fb-layer") + "/new")):
            state = os.stat(path + "/sparse")
            if state.st_blocks * 512 > 2_000_000:
                lines.append(f"{name}: sparse takes {state.st_blocks * 512} bytes on disk")
        if self.databases:
            networks = inspect("fb-db")["NetworkSettings"]["Networks"]
            back, front = networks["fb-back"], networks["fb-front"]
            if back["IPAddress"] != "172.31.20.10" or front["IPAddress"] != "172.31.10.77":
                lines.append(f"fb-db: addresses {back['IPAddress']} {front['IPAddress']}")
            if "database" not in back["Aliases"] or "database-front" not in front["Aliases"]:
                lines.append(f"fb-db: aliases {back['Aliases']} {front['Aliases']}")
        return lines

    # ---- wrecking it ----

    def remove_everything(self):
        while names := docker("ps", "-aq", "--filter", "name=^/?fb-").split():
            done = docker("rm", "-f", "-v", *names, check=not self.dependants_first)
            if not done:
                break
        volumes = [v for v in docker("volume", "ls", "-q").split() if v.startswith("fb-") or len(v) == 64]
        if volumes:
            docker("volume", "rm", *volumes)
        for network in ("fb-front", "fb-back"):
            docker("network", "rm", network, check=False)

    def wreck_all(self):
        """Containers, volumes, networks, images and the folders that were bound: all gone."""
        self.remove_everything()
        docker("rmi", "-f", "fb-test/stack", "fb-test/small", "fb-test/volume")
        shutil.rmtree(self.root)

    def wreck_in_place(self):
        """Everything still there, and different."""
        docker("unpause", "fb-paused")
        in_container("fb-paused", "sh", "-c", "echo wrecked >/srv/count; echo wrecked >/srv/more")
        docker("start", "fb-stopped", check=False)
        in_container("fb-layer", "sh", "-c", "rm -rf /new/names /new/xattr /usr/share/zoneinfo; echo >/etc/issue;"
                     " echo wrecked >/etc/debian_version; mkdir -p /etc/skel2 /usr/share/perl5; chmod 777 /opt;"
                     " echo more >/etc/apt/more; touch /new/made-since; chmod u-s /new/setuid;"
                     " rm /etc/skel; mkdir /etc/skel")
        for tree in (volume_path("fb-special"), self.root + "/special"):
            shutil.rmtree(tree + "/links")
            subprocess.run(["setfattr", "-x", "user.text", tree + "/xattr"], check=True)
            os.truncate(tree + "/size-3000000", 1000)
            os.chmod(tree + "/setuid", 0o644)
            os.mkdir(tree + "/made-since")
            self.own(tree + "/made-since")
            os.rename(tree + "/all", tree + "/made-since/all")
            os.utime(tree + "/date-1")
        in_container("fb-anonymous", "sh", "-c", "rm /anonymous/file; echo wrecked >/anonymous/other")
        if self.databases:
            self.sql("drop table pgbench_tellers; delete from written; create table wrecked(x int)")
            self.redis("flushall")
            os.unlink(self.root + "/site/index.html")
            with open(self.root + "/site/other.html", "w", encoding="ascii") as page:
                page.write("wrecked\n")


def dump(differences):
    more = [f"… {len(differences)} in all"] if len(differences) > 60 else []
    return "\n".join([line[:200] for line in differences[:60]] + more)


def frozen_containers():
    return docker("ps", "-q", "--filter", "status=paused").split()


__all__ = ["Failed", "Stack", "dump", "frozen_containers", "in_container", "json", "volume_path", "upper", "WORK"]
