#!/usr/bin/env python3
"""Goal: a dry run says what the restore would say: each refusal is an obstacle of the dry run, and the restore then
refuses with the same words before anything is changed.
"""

import os
import shutil
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from recreate import ALIVE, Case, IMAGE, WORK, docker, inspect, unittest  # pylint: disable=wrong-import-position


def start(name, *options):
    return docker("run", "-d", "--name", name, *options, IMAGE, "sh", "-c", ALIVE).strip()


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
