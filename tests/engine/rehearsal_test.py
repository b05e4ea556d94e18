#!/usr/bin/env python3
"""Goal: a rehearsal tells whether a backup can be restored, with real containers; nothing of the host and
its containers is touched by it, and nothing of it is left over, however it ends.
"""

import json
import os
import shutil
import time
import unittest

import stack
from fuelbackup import Service, docker, inspect, run, wait_until

STORE = os.path.join(stack.WORK, "store")
HOST = os.path.join(stack.WORK, "host")
SECRET = os.path.join(stack.WORK, "secret")  # of the live host; no clone may see or change it
ALIVE = "while :; do sleep 0.2; done"
OK = "fuel-backup.check"
# On an address that the host of the tests does not have, and at the next port on localhost.
SERVER = """import socket, sys
for host, more in (("10.20.0.2", 0), ("127.0.0.1", 1)):
    s = socket.create_server((host, int(sys.argv[1]) + more), backlog=9)
    globals()["s%d" % more] = s
import select
while True:
    for s in select.select([s0, s1], [], [])[0]:
        c = s.accept()[0]
        c.sendall(b"hello\\n")
        c.close()"""
PGDATA = "/var/lib/postgresql/data"
POSTGRES = f"""chown postgres {PGDATA}; cd /; S='{stack.AS_POSTGRES}'
[ -s {PGDATA}/main/PG_VERSION ] || $S initdb -D {PGDATA}/main -A trust --no-sync --locale=C -E UTF8 >&2
echo 'host all all 0.0.0.0/0 trust' >>{PGDATA}/main/pg_hba.conf
exec $S postgres -D {PGDATA}/main -c unix_socket_directories=/tmp -c listen_addresses=*"""


def psql(container, statement):
    return docker("exec", container, "psql", "-h", "/tmp", "-U", "postgres", "-Atqc", statement,
                  "postgres", check=False).strip()


def everything():
    """What the engine has, but for what changes by itself."""
    containers = {}
    for name in docker("ps", "-a", "--format", "{{.Names}}").split():
        state = inspect(name)
        state["State"].pop("Health", None)
        state["Mounts"].sort(key=lambda mount: mount["Destination"])
        containers[name] = state
    return {"containers": containers, "volumes": sorted(docker("volume", "ls", "-q").split()),
            "networks": sorted(docker("network", "ls", "-q", "--no-trunc").split()),
            "images": sorted(docker("images", "-a", "--no-trunc", "--format", "{{.ID}} {{.Repository}}:{{.Tag}}")
                             .splitlines())}


def tree(path):
    return run("find", path, "-printf", "%p %y %m %U %G %s %T@ %C@ %l\\n")


class RehearsalTest(unittest.TestCase):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        shutil.rmtree(stack.WORK, ignore_errors=True)
        os.makedirs(HOST + "/folder")
        os.makedirs(SECRET)
        for path, text in ((HOST + "/folder/page", "from the host\n"), (HOST + "/file", "a file\n"),
                           (SECRET + "/live", "live\n")):
            with open(path, "w", encoding="ascii") as out:
                out.write(text)
        cls.service = Service(STORE).start()
        cls.addClassCleanup(shutil.rmtree, stack.WORK, True)
        cls.addClassCleanup(cls.service.remove)

    def setUp(self):
        self.made = []
        self.addCleanup(self.clean)

    def clean(self):
        if self.made:
            docker("rm", "-f", "-v", *self.made, check=False)
        docker("volume", "rm", "fb-r-data", check=False)
        docker("network", "rm", "fb-r-net", check=False)

    def start(self, name, *options, image="fb-test/small", command=ALIVE):
        self.made.append(name)
        docker("run", "-d", "--name", name, *options, image, "sh", "-c", command)

    def backup(self):
        return self.service.backup({"containers": {"names": ["fb-r-*"]}})["id"]

    def rehearse(self, backup, body=None, state="succeeded"):
        """The operation, and the record of the backup after it."""
        location = self.service.start_operation(f"/backups/{backup}/rehearse", body)
        operation = self.service.wait_operation(location)
        self.assertEqual(state, operation["state"], json.dumps(operation, indent=1) + self.service.log())
        return operation, self.service.api("GET", f"/backups/{backup}").json

    def no_leftover(self):
        found = everything()
        for kind in ("volumes", "networks", "images"):
            self.assertEqual([], [x for x in found[kind] if "rehears" in x], kind)
        self.assertEqual([], [x for x in found["containers"] if "rehearsal" in x or "fuel-backup-" in x])
        self.assertEqual([], [x for x in os.listdir(STORE + "/run") if "rehearsal" in x])

    @staticmethod
    def what(record, container):
        return "\n".join(item["what"] for item in record["rehearsal"]["unproven"]
                         if item["container"] == container)

    def test_proven(self):
        """PostgreSQL, Redis and nginx that know each other by names and links; volumes-from; another's
        network; a bound folder and file; one that was stopped."""
        docker("network", "create", "--subnet", "172.31.30.0/24", "fb-r-net")
        self.start("fb-r-db", "--network", "fb-r-net", "--ip", "172.31.30.9", "--network-alias", "database",
                   "-v", "fb-r-data:" + PGDATA, "--label",
                   OK + "=psql -h /tmp -U postgres -Atqc 'select word from words' postgres | grep -x kept",
                   image="fb-test/stack", command=POSTGRES)
        wait_until("PostgreSQL answers", lambda: psql("fb-r-db", "select 1") == "1", 120, 0.2)
        psql("fb-r-db", "create table words(word text); insert into words values('kept')")
        self.start("fb-r-cache", image="fb-test/stack", command="exec redis-server --protected-mode no --dir /tmp")
        self.start("fb-r-web", "--link", "fb-r-cache:cache", "-p", "127.0.0.1:18099:80", "-v",
                   HOST + "/folder:/site:ro", "-v", HOST + "/file:/etc/one-file:ro", "--label",
                   OK + "=redis-cli -h cache ping && grep -q 'a file' /etc/one-file && python3 -c "
                   "'import socket as s; c = s.create_connection((\"127.0.0.1\", 80)); c.sendall(b\"GET /page HTTP/1.0\\r\\n\\r\\n\"); "
                   "assert b\"from the host\" in c.makefile(\"rb\").read()'",
                   image="fb-test/stack", command="printf 'daemon off; events {} http { access_log off; server "
                   "{ listen 80; root /site; } }' >/tmp/conf; exec nginx -c /tmp/conf")
        self.start("fb-r-client", "--network", "fb-r-net", "--label",
                   OK + "=psql -h database -U postgres -Atqc 'select 1' postgres && "
                   "psql -h fb-r-db -U postgres -Atqc 'select 1' postgres",
                   image="fb-test/stack", command="sleep infinity")
        docker("exec", "fb-r-client", "sh", "-c", "echo >/layer; rm /etc/issue")
        self.start("fb-r-volume", image="fb-test/volume")
        docker("exec", "fb-r-volume", "sh", "-c", "echo mine >/anonymous/mine")
        self.start("fb-r-borrower", "--volumes-from", "fb-r-volume", "--label", OK + "=grep mine /anonymous/mine")
        self.start("fb-r-sidecar", "--network", "container:fb-r-web", "--label",
                   OK + '=["sh", "-c", "nc 127.0.0.1 80 </dev/null"]')
        self.start("fb-r-stopped", command="exit 3")
        wait_until("it ends", lambda: not inspect("fb-r-stopped")["State"]["Running"])
        backup = self.backup()
        before, files = everything(), tree(HOST)
        psql("fb-r-db", "delete from words")
        operation, record = self.rehearse(backup)
        self.assertEqual("", psql("fb-r-db", "select word from words"), "the live database was touched")
        self.assertEqual(before, everything())
        self.assertEqual(files, tree(HOST))
        self.no_leftover()
        verdict = record["rehearsal"]
        self.assertEqual(operation["result"], verdict)
        self.assertEqual("proven", verdict["verdict"])
        self.assertEqual(record["proven_at"], verdict["at"])
        found = {c["name"]: c for c in verdict["containers"]}
        self.assertEqual(set(self.made), set(found))
        self.assertEqual("created", found["fb-r-stopped"]["state"])
        self.assertEqual(0, found["fb-r-web"]["check"]["exit_code"])
        self.assertEqual("kept\n", found["fb-r-db"]["check"]["output"])
        self.assertIn("18099", self.what(record, "fb-r-web"))
        self.assertIn("172.31.30.9", self.what(record, "fb-r-db"))
        [listed] = [b for b in self.service.api("GET", "/backups").json["backups"] if b["id"] == backup]
        self.assertEqual(record["proven_at"], listed["proven_at"])
        self.assertEqual({"verdict": "proven", "at": verdict["at"]}, listed["rehearsal"])
        print(f"  {verdict['timings']}")

    def test_host_network(self):
        """Two on the host's network find each other at localhost and at any address of the host."""
        port = 18097
        self.start("fb-r-server", "--network", "host", image="fb-test/stack",
                   command=f"while :; do python3 -c '{SERVER}' {port}; sleep 0.2; done")
        self.start("fb-r-asker", "--network", "host", "--label",
                   f"{OK}=nc 10.20.0.2 {port} </dev/null | grep hello && "
                   f"nc 127.0.0.1 {port + 1} </dev/null | grep hello")
        backup = self.backup()
        _, record = self.rehearse(backup)
        self.assertEqual("proven", record["rehearsal"]["verdict"])
        self.assertIn("the host's network", self.what(record, "fb-r-asker"))
        self.no_leftover()

    def test_hostile(self):
        """With all the host's powers when it was backed up; its clone has none of them."""
        probe = ("true && [ ! -e /host/etc ] && [ ! -S /var/run/docker.sock ] && [ ! -e /dev/fb-device ] && "
                 "! nc -w 2 172.29.0.1 18095 && ! nc -w 2 $(ip route | sed -n 's/^default via \\([0-9.]*\\).*/\\1/p') 18095 && "
                 "! mount -t tmpfs x /mnt && [ $(ls /sys/class/net | wc -l) -le 2 ] && "
                 "grep -q 'CapEff:.*00000000a80425fb' /proc/self/status && echo safe && "
                 "rm -rf /secret/live /host/* && echo gone >/secret/live")
        docker("create", "--name", "fb-r-privileged", "--privileged", "-v", "/:/host", "fb-test/small")
        self.made.append("fb-r-privileged")
        self.start("fb-r-hostile", "--pid", "host", "--ipc", "host", "--uts", "host",
                   "-v", "/:/host", "-v", SECRET + ":/secret", "-v",
                   self.service.socket + ":/var/run/docker.sock", "--device", "/dev/null:/dev/fb-device",
                   "--cap-add", "SYS_ADMIN", "--security-opt", "seccomp=unconfined", "--label", OK + "=" + probe)
        docker("run", "-d", "--name", "fb-listener", "--network", "host", "fb-test/small", "nc", "-ll", "-p",
               "18095", "-e", "echo", "live")
        self.made.append("fb-listener")
        wait_until("a container reaches the host", lambda: "live" in docker(
            "exec", "fb-r-hostile", "nc", "-w", "2", "172.29.0.1", "18095", stdin=b"", check=False) or None, 10, 0.5)
        backup = self.backup()
        before, files = everything(), tree(SECRET)
        operation, record = self.rehearse(backup)
        self.assertEqual(files, tree(SECRET))
        self.assertEqual(before, everything())
        found = {c["name"]: c for c in operation["result"]["containers"]}
        self.assertIn("safe", found["fb-r-hostile"]["check"]["output"])
        what = self.what(record, "fb-r-hostile")
        self.assertIn("privileged mode", self.what(record, "fb-r-privileged"))
        for word in ("PidMode", "IpcMode", "UTSMode", "/ of the host at /host", "docker.sock",
                     "devices of the host", "SYS_ADMIN"):
            self.assertIn(word, what)
        self.no_leftover()

    def test_failed(self):
        """One fails its check, one ends, one cannot be started; the others are judged all the same."""
        self.start("fb-r-good")
        self.start("fb-r-check", "--label", OK + "=echo it is not so; exit 7", "--label",
                   "fuel-backup.check-timeout=2", command="echo a line of the log; " + ALIVE)
        self.start("fb-r-ends", "-v", HOST + "/folder:/live",
                   command="[ ! -e /live/stop ] || { echo last words; exit 5; }; " + ALIVE)
        self.addCleanup(shutil.rmtree, HOST + "/folder/stop", True)
        os.mkdir(HOST + "/folder/stop")
        backup = self.backup()
        operation, record = self.rehearse(backup, {"stay_seconds": 2}, state="failed")
        self.assertEqual("urn:fuel-backup:unproven", operation["error"]["type"])
        self.assertIn("fb-r-check", operation["error"]["detail"])
        self.assertEqual("failed", record["rehearsal"]["verdict"])
        self.assertIsNone(record["proven_at"])
        found = {c["name"]: c for c in record["rehearsal"]["containers"]}
        self.assertEqual([False, False, True], [found[n]["ok"] for n in ("fb-r-check", "fb-r-ends", "fb-r-good")])
        self.assertEqual(7, found["fb-r-check"]["check"]["exit_code"])
        self.assertIn("it is not so", found["fb-r-check"]["check"]["output"])
        self.assertIn("a line of the log", found["fb-r-check"]["logs"])
        self.assertIn("exit code 5", found["fb-r-ends"]["error"])
        self.assertIn("last words", found["fb-r-ends"]["logs"])
        self.no_leftover()

    def test_cannot_start(self):
        self.start("fb-r-nothing")
        docker("exec", "fb-r-nothing", "sh", "-c", "rm -rf /bin")
        operation, record = self.rehearse(self.backup(), state="failed")
        self.assertIn("could not be started", record["rehearsal"]["containers"][0]["error"], operation)
        self.no_leftover()

    def test_image_that_is_gone(self):
        """It is loaded for the rehearsal and goes again; a name that means another image by now stays."""
        self.start("fb-r-image", image="fb-test/volume")
        backup = self.backup()
        small = docker("images", "-q", "--no-trunc", "fb-test/small").strip()
        volume = docker("images", "-q", "--no-trunc", "fb-test/volume").strip()
        docker("rm", "-f", "-v", "fb-r-image")
        docker("rmi", "fb-test/volume")
        docker("tag", "fb-test/small", "fb-test/volume")
        try:
            before = everything()
            _, record = self.rehearse(backup)
            self.assertEqual(1, record["rehearsal"]["images_loaded"])
            self.assertEqual(before, everything())
            self.assertEqual(small, docker("images", "-q", "--no-trunc", "fb-test/volume").strip())
        finally:
            docker("rmi", "fb-test/volume")
            self.service.restore(backup)
            self.assertEqual(volume, docker("images", "-q", "--no-trunc", "fb-test/volume").strip())
        self.no_leftover()

    def start_long(self):
        self.start("fb-r-long", "--network", "host", "-v", "fb-r-data:/data")
        backup = self.backup()
        location = self.service.start_operation(f"/backups/{backup}/rehearse", {"stay_seconds": 300})
        self.service.wait_phase(location, "start")
        wait_until("the clone runs", lambda: docker("ps", "-q", "--filter", "label=fuel-backup.rehearsal"))
        return backup, location

    def test_beside_a_backup_and_cancelled(self):
        """A backup does not wait for it, and takes nothing of it; a restore ends it."""
        backup, location = self.start_long()
        other = self.service.backup()
        self.assertEqual([], [c["name"] for c in other["containers"] if "rehearsal" in c["name"]])
        again = self.service.api("POST", f"/backups/{backup}/rehearse")
        self.assertEqual((409, location), (again.status, again.json["operation"]))
        self.assertEqual(202, self.service.api("DELETE", location).status)
        self.assertEqual("cancelled", self.service.wait_operation(location)["state"])
        self.assertIsNone(self.service.api("GET", f"/backups/{backup}").json["rehearsal"])
        self.no_leftover()
        location = self.service.start_operation(f"/backups/{backup}/rehearse", {"stay_seconds": 300})
        self.service.wait_phase(location, "start")
        self.service.restore(backup)
        self.assertEqual("cancelled", self.service.wait_operation(location)["state"])
        self.no_leftover()

    def test_killed(self):
        """kill -9 in each phase: the next start removes what was made."""
        backup, location = self.start_long()
        live = everything()["containers"]["fb-r-long"]
        for phase in ("start", "fill", "create"):
            docker("kill", self.service.name)
            self.service.again()
            self.assertEqual("interrupted", self.service.api("GET", location).json["state"])
            self.no_leftover()
            location = self.service.start_operation(f"/backups/{backup}/rehearse", {"stay_seconds": 300})
            self.service.wait_phase(location, phase)
        self.service.api("DELETE", location)
        self.service.wait_operation(location)
        self.no_leftover()
        self.assertEqual(live, everything()["containers"]["fb-r-long"])

    def test_fleet(self):
        """Eleven small ones: how long it takes."""
        for i in range(11):
            self.start(f"fb-r-{i}", *([] if i % 2 else ["--network", "host"]))
        backup = self.backup()
        begun = time.monotonic()
        _, record = self.rehearse(backup)
        print(f"  11 containers: {time.monotonic() - begun:.1f} s, {record['rehearsal']['timings']}")
        self.assertEqual(11, len(record["rehearsal"]["containers"]))
        self.no_leftover()


if __name__ == "__main__":
    unittest.main()
