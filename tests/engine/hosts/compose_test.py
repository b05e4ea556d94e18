#!/usr/bin/env python3
"""Goal: `docker compose up -d` after a restore changes nothing but what it must: the containers that it finds are those that
it made, with the same hashes, networks and volumes.

FB_COMPOSE: the command of a Compose (dev/soak compose unpacks Debian's, of both generations); without it this is skipped.
"""

import os
import shlex
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from recreate import Case, IMAGE, WORK, docker, inspect  # pylint: disable=wrong-import-position

COMPOSE = os.environ.get("FB_COMPOSE")
FILE = f"""
version: "2.4"
x-base: &base
  image: {IMAGE}
  command: ["sh", "-c", "trap 'exit 0' TERM; while :; do sleep 0.1; done"]
services:
  db:
    <<: *base
    restart: unless-stopped
    env_file: db.env
    environment: {{EMPTY: "", GREETING: "a b"}}
    volumes: ["data:/data", "./conf:/conf:ro", "/anonymous"]
    networks: {{back: {{aliases: [database], ipv4_address: 10.91.0.9}}}}
    healthcheck: {{test: ["CMD", "true"], interval: 1s}}
    sysctls: {{net.core.somaxconn: 1024}}
    ulimits: {{nofile: {{soft: 1000, hard: 2000}}}}
    tmpfs: /tmpfs
  web:
    <<: *base
    depends_on: [db]
    hostname: web
    ports: ["127.0.0.1:18991:80", "18992"]
    networks: [back, front]
    extra_hosts: ["other:192.0.2.1"]
    labels: {{a: "1"}}
  side:
    <<: *base
    network_mode: "service:web"
    volumes_from: [db]
  twice:
    <<: *base
    networks: [front]
    links: ["web:w"]
  once:
    image: {IMAGE}
    command: ["true"]
    networks: [front]
networks:
  back: {{ipam: {{config: [{{subnet: 10.91.0.0/24}}]}}}}
  front: {{internal: true, labels: {{b: "2"}}}}
volumes:
  data: {{labels: {{c: "3"}}}}
"""


@unittest.skipUnless(COMPOSE, "FB_COMPOSE is not set")
class ComposeTest(Case):
    def setUp(self):
        super().setUp()
        self.folder = os.path.join(WORK, "fbc")
        os.makedirs(self.folder + "/conf", exist_ok=True)
        for name, text in (("docker-compose.yml", FILE), ("db.env", "WORD=early\n"), ("conf/file", "x\n")):
            with open(os.path.join(self.folder, name), "w", encoding="ascii") as out:
                out.write(text)
        self.compose("up", "-d", "--scale", "twice=2")

    def compose(self, *arguments):
        done = subprocess.run([*shlex.split(COMPOSE), "-p", "fbc", *arguments], cwd=self.folder, capture_output=True,
                              check=False, timeout=300)
        self.assertEqual(0, done.returncode, done.stderr.decode())
        return done.stderr.decode() + done.stdout.decode()

    def ids(self):
        """{service and number: id}."""
        found = {}
        for name in docker("ps", "-a", "--format", "{{.Names}}", "--filter", "label=com.docker.compose.project=fbc").split():
            one = inspect(name)
            labels = one["Config"]["Labels"]
            found[labels["com.docker.compose.service"] + labels["com.docker.compose.container-number"]] = one["Id"]
        return found

    def objects(self):
        return sorted(docker("network", "ls", "--no-trunc", "--filter", "label=com.docker.compose.project=fbc", "-q").split() +
                      docker("volume", "ls", "--filter", "label=com.docker.compose.project=fbc", "-q").split())

    def up(self, may_differ=()):
        """What is here is what is here after an `up`, but for these services."""
        before, objects = self.ids(), self.objects()
        said = self.compose("up", "-d", "--scale", "twice=2")
        after = self.ids()
        self.assertEqual(sorted(before), sorted(after))
        self.assertEqual([], sorted(key for key in before if before[key] != after[key] and key[:-1] not in may_differ), said)
        self.assertEqual(objects, self.objects())
        self.assertEqual("kept", docker("exec", self.named("db"), "cat", "/data/word").strip())

    def named(self, service):
        return docker("ps", "-a", "--format", "{{.Names}}", "--filter", "label=com.docker.compose.project=fbc", "--filter",
                      "label=com.docker.compose.service=" + service).split()[0]

    def test_up_after_a_restore(self):
        docker("exec", self.named("db"), "sh", "-c", "echo kept >/data/word; echo kept >/anonymous/word")
        self.up()  # Compose itself is content
        backup = self.service.backup({"containers": {"projects": ["fbc"]}, "host_paths": []})["id"]
        with self.subTest("in place"):
            before = self.ids()
            docker("exec", self.named("db"), "sh", "-c", "echo lost >/data/word")
            self.restore(backup)
            self.assertEqual(before, self.ids())
            self.up()
        with self.subTest("one is gone"):
            docker("rm", "-f", self.named("web"))
            self.restore(backup)
            self.up(may_differ=("side",))
        with self.subTest("all is gone"):
            self.compose("down", "-v")
            self.restore(backup)
            self.assertEqual("kept\n", docker("exec", self.named("db"), "cat", "/anonymous/word"))
            self.up(may_differ=("side",))
            self.assertEqual("kept\n", docker("exec", self.named("db"), "cat", "/anonymous/word"))
        with self.subTest("a network of another hand"):
            self.compose("down")
            docker("network", "create", "--subnet", "10.92.0.0/24", "fbc_back")
            self.restore(backup, {"networks": True})
            self.up(may_differ=("side",))


if __name__ == "__main__":
    unittest.main()
