#!/usr/bin/env python3
"""Goal: on a node of a Swarm no task is ever restored as a container: Swarm makes tasks, and two of them would write to
one volume.

Starts an engine of its own (tests/engine/other: that of all tests has live-restore, which excludes Swarm), gives it the
images of the tests' engine, and runs its cases in its network.
"""

import io
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


class SwarmTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        shutil.rmtree(stack.WORK, ignore_errors=True)
        os.makedirs(stack.WORK)
        cls.addClassCleanup(shutil.rmtree, stack.WORK, True)
        docker("swarm", "init", "--advertise-addr", "127.0.0.1")
        cls.addClassCleanup(docker, "swarm", "leave", "--force")
        cls.service = Service(os.path.join(stack.WORK, "store")).start()
        cls.addClassCleanup(cls.service.remove)

    def setUp(self):
        docker("service", "create", "-d", "--name", "sw-web", "--mount", "type=volume,source=sw-data,target=/data",
               "fb-test/small", "sh", "-c", WRITE)
        self.addCleanup(self.clear)
        self.task = wait_tasks(1)[0]
        wait_until("it writes", lambda: self.log() != "")

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

    def test_volume_of_a_service(self):
        """What a running task writes to is not restored under it: Swarm would start another one meanwhile."""
        record = self.service.backup(PLAN)
        wait_until("it goes on", lambda: self.log().count("\n") > 5)
        for request in ({}, {"only": {"volumes": ["sw-data"]}}):
            with self.assertRaises(Failed) as why:
                self.service.restore(record["id"], request)
            self.assertIn("task of the Swarm service sw-web", str(why.exception))
            self.assertIn("docker service scale sw-web=0", str(why.exception))
        self.assertEqual([self.task], tasks())


def main():
    """Outside: start the engine, supply it, run this file inside.  77 where there is none."""
    socket = f"unix://{os.environ.get('FUEL_BACKUP_CACHE', '/var/cache/fuel-backup')}/other/{KIND}/docker.sock"
    saved = subprocess.Popen(["docker", "save", *IMAGES], stdout=subprocess.PIPE)
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
