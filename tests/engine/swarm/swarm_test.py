#!/usr/bin/env python3
"""Goal: a restore of a Swarm's node brings back its services, and Swarm makes their tasks: none is ever restored as a
container, for two of them would write to one volume.

Starts an engine of its own (tests/engine/other: that of all tests has live-restore, which excludes Swarm), gives it the
images of the tests' engine, and runs its cases in its network.
"""

import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE + "/..", HERE + "/../../lib"]

# pylint: disable=wrong-import-position
from fuelbackup import Failed, Service, docker, run, wait_until
import stack

KIND = "host"
OTHER = HERE + "/../other"
IMAGES = ["fuel-backup", "fb-test/small"]
WRITE = "while :; do echo $(hostname) >>/data/log; sleep 0.1; done"
PLAN = {"containers": {"names": ["sw-*"]}, "host_paths": []}


def tasks(service="sw-web"):
    """The containers of a service that run."""
    return docker("ps", "-q", "--no-trunc", "--filter", f"label=com.docker.swarm.service.name={service}").split()


def wait_tasks(count, service="sw-web"):
    return wait_until(f"{count} tasks of {service}", lambda: len(tasks(service)) == count and (tasks(service) or True), 60)


class Swarm(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        shutil.rmtree(stack.WORK, ignore_errors=True)
        os.makedirs(stack.WORK)
        cls.addClassCleanup(shutil.rmtree, stack.WORK, True)
        docker("swarm", "init", "--advertise-addr", "127.0.0.1")
        cls.addClassCleanup(docker, "swarm", "leave", "--force", check=False)
        cls.service = Service(os.path.join(stack.WORK, "store")).start()
        cls.addClassCleanup(cls.service.remove)

    @staticmethod
    def clear():
        docker("service", "rm", "sw-web", check=False)
        wait_tasks(0)
        wait_until("its volume goes", lambda: docker("volume", "rm", "-f", "sw-data", check=False) and
                   "sw-data" not in docker("volume", "ls", "-q").split())

    @staticmethod
    def log():
        volume = docker("volume", "inspect", "-f", "{{.Mountpoint}}", "sw-data").strip()
        try:
            with open(volume + "/log", encoding="ascii") as log:
                return log.read()
        except FileNotFoundError:
            return ""

    def spec(self, service="sw-web"):
        """What its owner has set: all but what Swarm counts, and ids."""
        spec = json.loads(docker("service", "inspect", service))[0]["Spec"]
        spec["TaskTemplate"].pop("ForceUpdate", None)
        container = spec["TaskTemplate"]["ContainerSpec"]
        for one in container.get("Secrets", []) + container.get("Configs", []):
            one.pop("SecretID", None)
            one.pop("ConfigID", None)
        for one in spec["TaskTemplate"].get("Networks", []):
            one["Target"] = docker("network", "inspect", "-f", "{{.Name}}", one["Target"]).strip()
        return spec


class TasksTest(Swarm):
    """A service that writes to its volume."""

    def setUp(self):
        docker("service", "create", "-d", "--name", "sw-web", "--mount", "type=volume,source=sw-data,target=/data",
               "fb-test/small", "sh", "-c", WRITE)
        self.addCleanup(self.clear)
        self.task = wait_tasks(1)[0]
        wait_until("it writes", lambda: self.log() != "")

    def test_task_is_no_container(self):
        """It is frozen, its volume and its image are taken, and it itself is not."""
        record = self.service.backup(PLAN)
        told = {c["name"].split(".")[0]: c for c in record["containers"]}
        self.assertEqual("sw-web", told["sw-web"]["task_of"])
        self.assertIsNotNone(told["sw-web"]["freeze_ms"])
        archive = self.service.api("GET", f"/backups/{record['id']}/archive?format=tar").body
        with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
            names = tar.getnames()
        self.assertEqual([], [name for name in names if name.startswith("containers/")])
        self.assertIn("volumes/sw-data/log", names)
        self.assertEqual(1, len([name for name in names if name.startswith("images/")]))
        health = self.service.api("GET", "/health").json
        self.assertEqual(200, self.service.api("GET", "/metrics").status, health)

    def writers(self):
        """The names of all that write now."""
        before = self.log().count("\n")
        wait_until("it goes on", lambda: self.log().count("\n") > before + 5)
        return set(self.log().split("\n")[before:-1])

    def test_volume_of_a_service(self):
        """It is scaled to none while its volume is restored, and back: one writer, on the backup's data."""
        record = self.service.backup(PLAN)
        spec, saved = self.spec(), self.saved(record)
        wait_until("it goes on", lambda: self.log().count("\n") > saved.count("\n") + 5)
        dry = self.service.restore(record["id"], {"dry_run": True})["result"]
        self.assertEqual([{"name": "sw-web", "way": "restarted"}], dry["services"])
        self.assertEqual([self.task], tasks())
        for request in ({}, {"only": {"volumes": ["sw-data"]}}):
            writer = set(self.log().split())
            done = self.service.restore(record["id"], request)["result"]
            self.assertEqual(([], [{"name": "sw-web", "way": "restarted"}]), (done["containers"], done["services"]))
            self.assertEqual(spec, self.spec())
            self.assertEqual(1, len(tasks()))
            self.assertTrue(self.log().startswith(saved))
            self.assertEqual(1, len(self.writers() - writer))

    def saved(self, record):
        return self.service.api("GET", f"/backups/{record['id']}/files/volumes/sw-data/log").body.decode()

    def test_nothing_differs(self):
        """A service that is as it was, and whose data are, goes on."""
        docker("service", "scale", "-d", "sw-web=0")
        wait_tasks(0)
        record = self.service.backup(PLAN)
        index = docker("service", "inspect", "-f", "{{.Version.Index}}", "sw-web")
        done = self.service.restore(record["id"])["result"]
        self.assertEqual([{"name": "sw-web", "way": "unchanged"}], done["services"])
        self.assertEqual(index, docker("service", "inspect", "-f", "{{.Version.Index}}", "sw-web"))

    def test_undone(self):
        """A restore that fails: the service runs again as before, on its own data."""
        flag = os.path.join(stack.WORK, "flag")
        os.makedirs(flag)
        docker("run", "-d", "--name", "sw-plain", "-v", flag + ":/flag", "fb-test/small", "sh", "-c",
               "[ -e /flag/ok ] || sleep 1000")
        self.addCleanup(docker, "rm", "-f", "sw-plain")
        record = self.service.backup({**PLAN, "exclude": [flag]})
        docker("rm", "-f", "sw-plain")
        with open(flag + "/ok", "w", encoding="ascii"):
            pass
        archive = self.service.api("GET", f"/backups/{record['id']}/archive?format=tar").body
        self.assertEqual(204, self.service.api("DELETE", f"/backups/{record['id']}").status)
        self.assertEqual(201, self.service.api("PUT", "/archives", archive.replace(b"|| sleep 1000", b"&& exit 11  #"),
                                               {"Content-Type": "application/x-tar"}).status)
        spec, writer = self.spec(), self.writers()
        wait_until("it has written", lambda: self.log().count("\n") > 30)
        with self.assertRaises(Failed) as why:
            self.service.restore(record["id"])
        self.assertIn("all was put back", str(why.exception))
        self.assertEqual(spec, self.spec())
        wait_tasks(1)
        self.assertGreater(self.log().count("\n"), 30)
        self.assertEqual(1, len(self.writers() - writer))

    def test_killed(self):
        """While it is stopped for a restore: the next start gives it its settings again."""
        record = self.service.backup(PLAN)
        spec = self.spec()
        wait_until("it goes on", lambda: self.log().count("\n") > 30)
        location = self.service.start_operation(f"/backups/{record['id']}/restore")
        wait_until("it is stopped", lambda: self.spec() != spec, 60, 0.01)
        docker("kill", self.service.name)  # pids of this engine are not ours: only its network is
        docker("start", self.service.name)
        self.service.wait_ready()
        wait_until("it is undone", lambda: self.service.api("GET", "/recovery").json["phase"] == "idle", 60)
        self.assertEqual(spec, self.spec())
        self.assertEqual("interrupted", self.service.api("GET", location).json["state"])
        wait_tasks(1)
        self.assertEqual(1, len(self.writers() & {docker("inspect", "-f", "{{.Config.Hostname}}", task).strip()
                                                  for task in tasks()}))


class ServicesTest(Swarm):
    """What there is of a Swarm besides."""

    def test_task_of_an_earlier_version(self):
        """Which had it among the containers: it is told, and no container is made."""
        docker("run", "-d", "--name", "sw-old.1.abc", "--label", "com.docker.swXrm.task.id=abc", "--label",
               "com.docker.swXrm.task.name=sw-old.1.abc", "--label", "com.docker.swXrm.service.name=sw-old",
               "-v", "sw-old:/data", "fb-test/small")
        try:
            record = self.service.backup({"containers": {"names": ["sw-old*"]}, "host_paths": []})
        finally:
            docker("rm", "-f", "sw-old.1.abc")
        archive = self.service.api("GET", f"/backups/{record['id']}/archive?format=tar").body
        self.assertEqual(204, self.service.api("DELETE", f"/backups/{record['id']}").status)
        reply = self.service.api("PUT", "/archives", archive.replace(b"docker.swXrm.", b"docker.swarm."),
                                 {"Content-Type": "application/x-tar"})
        self.assertEqual(201, reply.status, reply)
        before = docker("ps", "-aq", "--no-trunc")
        done = self.service.restore(record["id"])["result"]
        self.assertEqual(before, docker("ps", "-aq", "--no-trunc"))
        self.assertEqual([], done["containers"])
        self.assertTrue([w for w in done["warnings"] if "sw-old.1.abc is a task of the Swarm service sw-old" in w], done)
        docker("volume", "rm", "sw-old")

    def test_all_is_gone(self):
        """Service, secret, config, overlay network and volume come back, in another Swarm as well."""
        self.addCleanup(self.clear_stack)
        docker("network", "create", "-d", "overlay", "--attachable", "--subnet", "10.77.0.0/24", "sw-net")
        docker("secret", "create", "--label", "a=b", "sw-secret", "-", stdin=b"hidden\0bytes")
        docker("config", "create", "sw-config", "-", stdin=b"told\n")
        docker("service", "create", "-d", "--name", "sw-stack", "--network", "sw-net", "--label",
               "com.docker.stack.namespace=sw", "--secret", "source=sw-secret,target=key,mode=0400", "--config",
               "source=sw-config,target=/etc/told", "--mount", "type=volume,source=sw-stack,target=/data", "--env", "A=b",
               "--mode", "global", "fb-test/small", "sh", "-c", "[ -e /data/kept ] || echo first >/data/kept; sleep 1000")
        wait_tasks(1, "sw-stack")
        record = self.service.backup({"containers": {"projects": ["sw"]}, "host_paths": []})
        self.assertEqual([], [w for w in record["warnings"] if "secret" in w])
        spec = self.spec("sw-stack")
        self.clear_stack()
        docker("swarm", "leave", "--force")
        with self.assertRaises(Failed) as why:
            self.service.restore(record["id"])
        self.assertIn("no manager of a Swarm", str(why.exception))
        docker("swarm", "init", "--advertise-addr", "127.0.0.1")
        done = self.service.restore(record["id"])["result"]
        self.assertEqual([{"name": "sw-stack", "way": "created"}], done["services"])
        self.assertEqual(spec, self.spec("sw-stack"))
        task = wait_tasks(1, "sw-stack")[0]
        self.assertEqual("hidden\0bytes", docker("exec", task, "cat", "/run/secrets/key"))
        self.assertEqual("told\nfirst\n", docker("exec", task, "cat", "/etc/told", "/data/kept"))
        self.assertEqual("b", docker("secret", "inspect", "-f", "{{.Spec.Labels.a}}", "sw-secret").strip())
        docker("service", "update", "-d", "--env-add", "A=other", "sw-stack")
        done = self.service.restore(record["id"], {"only": {"services": ["sw-stack"]}})["result"]
        self.assertEqual([{"name": "sw-stack", "way": "updated"}], done["services"])
        self.assertEqual(spec, self.spec("sw-stack"))

    @staticmethod
    def clear_stack():
        docker("service", "rm", "sw-stack", check=False)
        wait_tasks(0, "sw-stack")
        wait_until("its things go", lambda: docker("secret", "rm", "sw-secret", check=False) is not None and
                   docker("config", "rm", "sw-config", check=False) is not None and
                   docker("network", "rm", "sw-net", check=False) is not None and
                   docker("volume", "rm", "sw-stack", check=False) is not None and
                   "sw-" not in docker("volume", "ls", "-q", "--filter", "name=sw-stack") +
                   docker("network", "ls", "--format", "{{.Name}}", "--filter", "name=sw-net"))

    def test_secret_that_nobody_shows(self):
        """No task runs: its name is there, its value is not; where it is missing the restore is refused before anything."""
        self.addCleanup(self.clear_stack)
        docker("secret", "create", "sw-secret", "-", stdin=b"hidden")
        docker("service", "create", "-d", "--name", "sw-stack", "--secret", "sw-secret", "--replicas", "0", "fb-test/small")
        record = self.service.backup({"containers": {"names": ["sw-stack"]}, "host_paths": []})
        self.assertIn("the value of the Swarm secret sw-secret is not in the backup", " ".join(record["warnings"]))
        self.clear_stack()
        with self.assertRaises(Failed) as why:
            self.service.restore(record["id"])
        self.assertIn("docker secret create", str(why.exception))
        docker("secret", "create", "sw-secret", "-", stdin=b"anew")
        done = self.service.restore(record["id"])["result"]
        self.assertEqual([{"name": "sw-stack", "way": "created"}], done["services"])



def main():
    """Outside: start the engine, supply it, run this file inside.  77 where there is none."""
    cache = os.environ.get("FUEL_BACKUP_CACHE", "/var/cache/fuel-backup")
    socket = f"unix://{cache}/other/{KIND}/docker.sock"
    saved = subprocess.Popen(["docker", "-H", f"unix://{cache}/engine/docker.sock", "save", *IMAGES], stdout=subprocess.PIPE)
    try:
        run(OTHER, KIND, "start")
        subprocess.run(["docker", "-H", socket, "load", "-q"], stdin=saved.stdout, stdout=subprocess.DEVNULL, check=True)
        return subprocess.run([OTHER, KIND, "run", sys.executable, "-B", __file__, *sys.argv[1:]], check=False,
                              env=dict(os.environ, DOCKER_HOST=socket, FB_KIND=KIND)).returncode
    finally:
        saved.stdout.close()
        saved.wait()
        if not os.environ.get("FB_KEEP"):
            subprocess.run([OTHER, KIND, "stop"], check=False)


if __name__ == "__main__":
    if os.environ.get("FB_KIND"):
        unittest.main()
    sys.exit(main())
