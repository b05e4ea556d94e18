#!/usr/bin/env python3
"""Goal: a restored stack gets the time and the order that the original needed."""

import time

from recreate import ALIVE, Case, IMAGE, docker, inspect, unittest, wait_until

LISTEN = f"sleep 4; while :; do nc -l -p 99 -e true; done & {ALIVE}"
NEEDS_IT = f"nc -w 1 fb-db 99 </dev/null || exit 1; {ALIVE}"
# Healthy from its 8th second on.
LATE = ("--health-cmd", "test -e /dev/shm/well", "--health-interval", "1s", "--health-retries", "1",
        "--health-timeout", "2s")
LATE_COMMAND = f"rm -f /dev/shm/well; (sleep 8; touch /dev/shm/well) & {ALIVE}"


def start(name, *options, command=ALIVE):
    return docker("run", "-d", "--name", name, *options, IMAGE, "sh", "-c", command).strip()


def health(name):
    return inspect(name)["State"]["Health"]["Status"]


def is_up(name):
    return inspect(name)["State"]["Running"] and not inspect(name)["State"]["Restarting"]


class StartTest(Case):
    def change(self, *names):
        for name in names:
            docker("exec", name, "sh", "-c", "echo changed >/changed")

    def check_restore(self, backup, *names):
        """In place, and again after all containers are gone; what each result told."""
        self.change(*names)
        told = [self.restore(backup)["warnings"]]
        docker("rm", "-f", *names)
        told.append(self.restore(backup)["warnings"])
        for name in names:
            self.assertTrue(is_up(name), inspect(name)["State"])
        return told

    def test_a_restart_policy(self):
        """The row: it exits 1 until its database answers."""
        for policy in ("always", "unless-stopped", "on-failure", "on-failure:20"):
            with self.subTest(policy=policy):
                self.clean()
                docker("network", "create", "fb-net")
                start("fb-db", "--network", "fb-net", command=LISTEN)
                start("fb-app", "--network", "fb-net", "--restart", policy, command=NEEDS_IT)
                wait_until("the application is up and stays so", lambda: is_up("fb-app") and
                           time.sleep(1) is None and is_up("fb-app"))
                before = inspect("fb-app")["HostConfig"]["RestartPolicy"]
                backup = self.backup()
                self.check_restore(backup, "fb-db", "fb-app")
                self.assertEqual(before, inspect("fb-app")["HostConfig"]["RestartPolicy"])

    def test_a_policy_that_gives_up(self):
        """Of two tries none succeeds: that is final, and all is put back."""
        start("fb-app", "--restart", "on-failure:2", command=f"test ! -e /ends || exit 3; {ALIVE}")
        docker("exec", "fb-app", "touch", "/ends")
        backup = self.backup()
        docker("exec", "fb-app", "sh", "-c", "rm /ends; echo new >/new")
        error = self.fails(backup)
        self.assertIn("fb-app ended, and its restart policy gives it no further start", error)
        self.assertIn("all was put back", error)
        self.assertEqual("new\n", docker("exec", "fb-app", "cat", "/new"))
        self.assertEqual({"Name": "on-failure", "MaximumRetryCount": 2}, inspect("fb-app")["HostConfig"]["RestartPolicy"])

    def test_unhealthy_at_first(self):
        """The row: the health check fails for a while, and each failure says unhealthy."""
        start("fb-late", *LATE, command=LATE_COMMAND)
        wait_until("it is healthy", lambda: health("fb-late") == "healthy")
        self.check_restore(self.backup(), "fb-late")
        self.assertEqual("healthy", health("fb-late"))

    def test_a_start_period(self):
        start("fb-late", *LATE, "--health-start-period", "300s", command=LATE_COMMAND)
        wait_until("it is healthy", lambda: health("fb-late") == "healthy")
        self.check_restore(self.backup(), "fb-late")
        self.assertEqual("healthy", health("fb-late"))

    def test_static_after_dynamic(self):
        """The row: one with a fixed address was started again after one that has a dynamic one."""
        docker("network", "create", "--subnet", "172.31.40.0/24", "fb-net")
        start("fb-static", "--network", "fb-net", "--ip", "172.31.40.2")
        start("fb-dynamic", "--network", "fb-net")
        docker("restart", "-t", "1", "fb-static")
        backup = self.backup()
        docker("rm", "-f", "fb-static", "fb-dynamic")
        docker("network", "rm", "fb-net")
        self.restore(backup)
        networks = {name: inspect(name)["NetworkSettings"]["Networks"]["fb-net"]["IPAddress"]
                    for name in ("fb-static", "fb-dynamic")}
        self.assertEqual("172.31.40.2", networks["fb-static"])
        self.assertTrue(networks["fb-dynamic"])

    def test_a_fixed_address_that_a_needed_one_takes(self):
        """The one with the fixed address needs the other one, which gets that address by chance."""
        docker("network", "create", "--subnet", "172.31.41.0/24", "fb-net")
        labels = lambda service, needs="": ("--label", "com.docker.compose.project=p", "--label",
                                            f"com.docker.compose.service={service}", "--label",
                                            f"com.docker.compose.depends_on={needs}")
        start("fb-static", "--network", "fb-net", "--ip", "172.31.41.2", *labels("web", "db:service_started:false"))
        start("fb-dynamic", "--network", "fb-net", *labels("db"))
        backup = self.backup()
        docker("rm", "-f", "fb-static", "fb-dynamic")
        docker("network", "rm", "fb-net")
        self.restore(backup)
        self.assertEqual("172.31.41.2", inspect("fb-static")["NetworkSettings"]["Networks"]["fb-net"]["IPAddress"])
        self.assertTrue(is_up("fb-dynamic"))

    def test_compose_order(self):
        """The application starts when its database is healthy, and its migration stays what it was: done."""
        labels = lambda service, needs="": ("--label", "com.docker.compose.project=p", "--label",
                                            f"com.docker.compose.service={service}", "--label",
                                            f"com.docker.compose.depends_on={needs}")
        docker("run", "--name", "fb-a-migrate", *labels("migrate", "db:service_healthy:false"), IMAGE, "true")
        start("fb-a-app", *labels("app", "migrate:service_completed_successfully:false,db:service_healthy:false"))
        start("fb-db", *LATE, *labels("db"), command=LATE_COMMAND)
        wait_until("it is healthy", lambda: health("fb-db") == "healthy")
        backup = self.backup()
        docker("rm", "-f", "fb-a-migrate", "fb-a-app", "fb-db")
        self.restore(backup)
        self.assertEqual("created", inspect("fb-a-migrate")["State"]["Status"])
        healthy = next(probe["End"] for probe in inspect("fb-db")["State"]["Health"]["Log"] if probe["ExitCode"] == 0)
        started = inspect("fb-a-app")["State"]["StartedAt"]
        self.assertLess(healthy[:23], started[:23])

    def test_one_that_always_restarts(self):
        """Captured as what it is, and restored as that: told, not undone."""
        start("fb-loop", "--restart", "always", command="sleep 0.3; exit 1")
        start("fb-other")
        wait_until("it restarts", lambda: inspect("fb-loop")["RestartCount"] > 1)
        backup = self.backup()
        docker("rm", "-f", "fb-loop", "fb-other")
        result = self.restore(backup)
        self.told(result, "fb-loop", "keeps restarting, as it did")
        self.assertTrue(is_up("fb-other"))
        wait_until("it restarts", lambda: inspect("fb-loop")["RestartCount"] > 1)

    def test_a_namespace_whose_owner_has_ended(self):
        """It runs on in what its owner left; nobody can start it again so: told, and all else runs."""
        start("fb-owner", command="sleep 3")
        start("fb-sidecar", "--network", "container:fb-owner")
        start("fb-other")
        wait_until("the owner has ended", lambda: not inspect("fb-owner")["State"]["Running"])
        backup = self.backup()
        docker("rm", "-f", "fb-owner", "fb-sidecar", "fb-other")
        self.told(self.restore(backup), "fb-sidecar", "was not started")
        self.assertEqual("container:" + inspect("fb-owner")["Id"], inspect("fb-sidecar")["HostConfig"]["NetworkMode"])
        self.assertTrue(is_up("fb-other"))


if __name__ == "__main__":
    unittest.main()
