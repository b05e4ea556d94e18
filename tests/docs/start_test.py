#!/usr/bin/python3
# Goal: compose.yaml starts the container that dev/up and docs/quick-start.md start, and the image says what it is.
"""No engine: what the three say is compared; dev/up and the quick start are carried out by others."""

import os
import re
import shlex
import unittest

import yaml

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../..")


def read(name):
    with open(os.path.join(ROOT, name), encoding="utf-8") as source:
        return source.read()


def options(text):
    """What a `docker run` says: {option: [values]}, and the image."""
    words = shlex.split(text.replace("\\\n", " "))
    found, i = {}, words.index("run") + 1
    while words[i].startswith("-"):
        name = words[i]
        value = "" if name == "-d" else words[i + 1]
        found.setdefault(name, []).append(value)
        i += 1 if name == "-d" else 2
    return found, words[i]


class Start(unittest.TestCase):
    def setUp(self):
        self.service = yaml.safe_load(read("compose.yaml"))["services"]["fuel-backup"]

    @staticmethod
    def plain(text):
        """Without shell variables and their defaults."""
        text = re.sub(r"\$\{[A-Z_]+:-([^}]*)\}", r"\1", text)
        for name, value in (("$socket", "/var/run/docker.sock"), ("$store", "/var/backup/fuel"), ("$port", "8088")):
            text = text.replace(name, value)
        return text

    def compare(self, command):
        said, image = options(self.plain(command))
        self.assertEqual(image, self.service["image"])
        self.assertEqual(said["--name"], [self.service["container_name"]])
        self.assertEqual(said["--restart"], [self.service["restart"]])
        self.assertEqual(said["--stop-timeout"], [self.service["stop_grace_period"].rstrip("s")])
        self.assertEqual(said["-v"], [self.plain(volume) for volume in self.service["volumes"]])
        self.assertEqual(said["-p"], [self.plain(port) for port in self.service["ports"]])
        self.assertEqual(set(said), {"-d", "--name", "--restart", "--stop-timeout", "-v", "-p"})

    def test_as_dev_up(self):
        command = re.search(r"docker run -d --name fuel-backup .*?fuel-backup >", read("dev/up"), re.S)[0]
        self.compare(command.replace('"${key_options[@]}"', "").rstrip(">"))

    def test_as_the_quick_start(self):
        command = re.search(r"docker run -d --name fuel-backup .*?fuel-backup\n", read("docs/quick-start.md"), re.S)[0]
        self.compare(command)

    def test_nothing_is_set_by_itself(self):
        for name, value in self.service["environment"].items():
            self.assertEqual(value, f"${{{name}:-}}")

    def test_the_image_comes_before_it_is_run(self):
        """A stranger's first command works: built or loaded, then run."""
        page = read("docs/quick-start.md")
        self.assertLess(page.index("dev/image"), page.index("docker run"))
        self.assertLess(page.index("docker load"), page.index("docker run"))

    def test_labels(self):
        label = re.search(r"(?ms)^LABEL (.*?[^\\])$", read("Dockerfile"))[1]
        labels = dict(word.split("=", 1) for word in shlex.split(label.replace("\\\n", " ")))
        labels = {name.removeprefix("org.opencontainers.image."): value for name, value in labels.items()}
        self.assertEqual(set(labels), {"title", "description", "version", "licenses"})
        self.assertEqual(labels["version"], re.search(r"project\(\S+ VERSION ([0-9.]+)", read("CMakeLists.txt"))[1])
        self.assertIn("Apache License", read("LICENSE"))
        self.assertEqual(labels["licenses"], "Apache-2.0")


if __name__ == "__main__":
    unittest.main()
