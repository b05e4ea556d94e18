#!/usr/bin/env python3
"""Goal: with an encrypted store a stack is backed up, downloaded, restored, swept and rebuilt as with a
plain one, with a backup going on when the service is killed; and the store's folder shows none of it.
"""

import os
import shutil
import subprocess
import unittest

import stack
from fuelbackup import Service, docker, kill, run

STORE = os.path.join(stack.WORK, "store")
SECRETS = os.path.join(stack.WORK, "secrets")
HERE = os.path.join(stack.WORK, "download")
RARE = "quokka7731"
NAME, VOLUME, FOLDER = f"fb-{RARE}", f"fb-{RARE}-data", os.path.join(stack.WORK, f"host/{RARE}")
PLAN = {"containers": {"names": ["fb-*"]}, "host_paths": [FOLDER]}
KEY = {"FUEL_BACKUP_KEY_FILE": "/secrets/key"}
# Every tenth of a second 24 MiB change, twice what a frozen pass keeps in memory.
BUSY = f"while :; do yes {RARE} | head -c 25165824 >/data/busy.new; mv /data/busy.new /data/busy; sleep 0.1; done"


def secret(name, content):
    path = os.path.join(SECRETS, name)
    with open(path, "w", encoding="ascii") as out:
        out.write(content)
    os.chmod(path, 0o600)


class EncryptionTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        for folder in (STORE, SECRETS, HERE, FOLDER):
            shutil.rmtree(folder, ignore_errors=True)
            os.makedirs(folder)
        secret("key", "thirty-two bytes are enough here")
        secret("phrase", "correct horse battery staple\n")
        cls.service = Service(STORE, environment=KEY, secrets=SECRETS)
        cls.service.remove()
        cls.remove_stack()
        cls.make_stack()
        cls.service.start()

    @classmethod
    def tearDownClass(cls):
        cls.service.remove()
        cls.remove_stack()
        shutil.rmtree(stack.WORK, ignore_errors=True)

    @staticmethod
    def make_stack():
        with open(f"{FOLDER}/of {RARE}", "w", encoding="ascii") as out:
            out.write(f"{RARE} of the host\n")
        docker("network", "create", f"fb-{RARE}-net")
        docker("run", "-d", "--name", NAME, "--hostname", RARE, "--network", f"fb-{RARE}-net", "-e", f"SECRET={RARE}",
               "--label", f"fb.{RARE}={RARE}", "-v", f"{VOLUME}:/data", "fb-test/small", "sh", "-c", BUSY)
        docker("exec", NAME, "sh", "-c", f"mkdir /data/{RARE} && echo {RARE} of the volume >/data/{RARE}/file && "
               f"echo {RARE} of the layer >/srv/{RARE}")

    @staticmethod
    def remove_stack():
        docker("rm", "-f", "-v", NAME, check=False)
        docker("volume", "rm", "-f", VOLUME, check=False)
        docker("network", "rm", f"fb-{RARE}-net", check=False)

    def shown(self):
        """Files of the store that have the word, or the first plain words of an archive."""
        found = subprocess.run(["grep", "-rlaE", f"{RARE}|backup\\.json|inspect\\.json", STORE],
                               capture_output=True, text=True, check=False).stdout.split()
        return found + run("find", STORE, "-name", f"*{RARE}*").split()

    def again(self, environment):
        """The service with another environment, in a new container."""
        self.service.remove()
        self.service.environment = environment
        return self.service.start()

    def keys(self, *arguments, environment=None):
        options = [f"-e{name}={value}" for name, value in (environment or KEY).items()]
        return docker("run", "--rm", "-v", f"{STORE}:/var/backup/fuel", "-v", f"{SECRETS}:/secrets:ro", *options,
                      "fuel-backup", *arguments)

    def download(self, backup):
        path = os.path.join(HERE, backup)
        self.service_curl("-o", path, backup)
        return path

    def service_curl(self, *arguments):
        *options, backup = arguments
        run("curl", "-fsS", "-H", f"Authorization: Bearer {self.service.token}", *options,
            f"http://127.0.0.1:{self.service.port}/backups/{backup}/archive")

    def test_life(self):
        first = self.service.backup(PLAN)
        self.assertEqual([], self.shown())
        path = self.download(first["id"])
        run("zstd", "-q", "-t", path)
        self.assertEqual(first["archive_bytes"], os.path.getsize(path))
        shutil.copy(path, path + ".part")
        os.truncate(path + ".part", first["archive_bytes"] // 3)
        self.service_curl("-C", "-", "-o", path + ".part", first["id"])
        run("cmp", path, path + ".part")
        self.assertIn(f"containers/{NAME}/inspect.json", run("tar", "--zstd", "-tf", path).splitlines())

        second = self.service.backup(PLAN)
        self.killed_in_a_backup()
        self.assertEqual([], self.shown())
        self.service.operate(f"/backups/{first['id']}/verify")
        self.restored(first["id"])
        self.assertEqual(204, self.service.api("DELETE", "/backups/" + first["id"]).status)
        self.service.operate("/sweep")
        self.service.operate("/scrub")
        self.service.operate(f"/backups/{second['id']}/verify")
        self.recovered(second["id"])
        self.assertEqual([], self.shown())

    def killed_in_a_backup(self):
        location = self.service.start_operation("/backups", PLAN)
        self.service.wait_phase(location, "store")
        kill(self.service.pid())
        self.assertEqual([], self.shown())
        run("docker", "start", self.service.name)
        self.service.wait_ready(60)

    def restored(self, backup):
        docker("exec", NAME, "sh", "-c", f"rm -r /data/{RARE} /srv/{RARE}; echo other >/data/other")
        os.unlink(f"{FOLDER}/of {RARE}")
        self.service.restore(backup)
        for path, place in ((f"/data/{RARE}/file", "volume"), (f"/srv/{RARE}", "layer")):
            self.assertEqual(f"{RARE} of the {place}\n", docker("exec", NAME, "cat", path))
        with open(f"{FOLDER}/of {RARE}", encoding="ascii") as source:
            self.assertEqual(f"{RARE} of the host\n", source.read())
        self.assertNotIn("other", docker("exec", NAME, "ls", "/data").split())

    def recovered(self, backup):
        """A pass phrase and a recovery key; the key file is lost, and then the catalogue."""
        docker("exec", self.service.name, "/fuel-backupd", "keys", "add", "passphrase", "/secrets/phrase")
        phrase = {"FUEL_BACKUP_PASSPHRASE_FILE": "/secrets/phrase"}
        secret("recovery", self.keys("keys", "recovery", environment=phrase).strip())
        recovery = {"FUEL_BACKUP_PASSPHRASE_FILE": "/secrets/recovery"}
        self.keys("keys", "remove", "1", environment=recovery)
        path = self.download(backup)
        self.service.remove()
        os.unlink(STORE + "/catalogue.db")
        self.keys("rebuild", environment=recovery)
        self.again(phrase)
        os.rename(path, path + ".before")
        run("cmp", self.download(backup), path + ".before")
        self.service.operate(f"/backups/{backup}/verify")

    def test_without_its_key(self):
        self.service.stop()
        for environment, text in (({}, "is encrypted: say by FUEL_BACKUP_KEY_FILE"),
                                  ({"FUEL_BACKUP_PASSPHRASE_FILE": "/secrets/wrong"}, "opens none of the store's")):
            secret("wrong", "some other words")
            before, self.service.environment = self.service.environment, environment
            self.service.remove()
            self.service.start(wait=False)
            self.assertEqual("1", docker("wait", self.service.name).strip())
            self.assertIn(text, self.service.log())
            self.service.environment = before
        self.again(self.service.environment)


if __name__ == "__main__":
    unittest.main()
