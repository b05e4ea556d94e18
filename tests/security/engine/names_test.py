#!/usr/bin/env python3
"""Goal: what an image's author or a label says puts no file of the host into a backup, and no name makes a backup that
calls itself complete and that no restore would take.
"""

import json
import os
import subprocess
import unittest

from hosts import ALIVE, IMAGE, Case, docker, read, write

PROJECT = "com.docker.compose.project"


class NamesTest(Case):
    on_the_host = False

    def record(self, backup):
        return self.service.api("GET", "/backups/" + backup).json

    def taken(self, *names, **plan):
        """A backup, complete or partial, and its manifest's sources by path; it verifies and dry-runs."""
        backup = self.backup(*names, **plan)
        reply = self.service.api("POST", f"/backups/{backup}/verify")
        self.assertEqual("succeeded", self.service.wait_operation("/operations/" + reply.json["id"])["state"])
        self.restore(backup, dry_run=True)
        head = self.service.api("GET", f"/backups/{backup}/files/backup.json")
        return backup, {source["path"]: source for source in json.loads(head.body)["sources"]}

    def labelled(self, folder, *files, image=IMAGE, **more):
        labels = {PROJECT: "fb", PROJECT + ".working_dir": folder, PROJECT + ".config_files": ",".join(files), **more}
        options = [f"--label={key}={value}" for key, value in labels.items()]
        docker("run", "-d", "--name", "fb-a", *options, image, "sh", "-c", ALIVE)

    def test_a_project(self):
        write(self.top + "/p/compose.yml", "services: {}\n")
        write(self.top + "/p/sub/more.yml", "services: {}\n")
        self.labelled(self.top + "/p", self.top + "/p/compose.yml", self.top + "/p/sub/more.yml")
        backup, sources = self.taken("fb-a")
        self.assertLessEqual({self.top + "/p/compose.yml", self.top + "/p/sub/more.yml"}, set(sources))
        docker("run", "-d", "--name", "fb-b", *(f"--label={key}={value}" for key, value in {
            PROJECT: "fb", PROJECT + ".working_dir": self.top + "/p",
            PROJECT + ".config_files": self.top + "/p/compose.yml"}.items()), IMAGE, "sh", "-c", ALIVE)
        backup, sources = self.taken("fb-a", "fb-b")  # of two containers they are files of a project all the same
        self.assertTrue(sources[self.top + "/p/compose.yml"]["compose"])
        write(self.top + "/p/compose.yml", "changed\n")
        self.restore(backup)
        self.assertEqual("changed\n", read(self.top + "/p/compose.yml"))  # nobody asked for it
        self.restore(backup, only={"host_paths": [self.top + "/p/compose.yml"]})
        self.assertEqual("services: {}\n", read(self.top + "/p/compose.yml"))

    def test_files_that_no_label_names(self):
        """Compose's .env, env files and includes; nothing that a link below the folder leads to."""
        project = self.top + "/p"
        write(project + "/compose.yml", "include: [parts/db.yaml]\nservices: {a: {env_file: ['./conf/a.env']}}\n")
        write(project + "/parts/db.yaml", "services:\n  db:\n    env_file:\n    - path: db.env\n      required: false\n")
        for name in (".env", "conf/a.env", "parts/db.env", "unused/b.env", "compose.override.yaml"):
            write(f"{project}/{name}", name)
        write(self.top + "/secret.env", "x\n")
        os.symlink(self.top + "/secret.env", project + "/linked.env")
        self.labelled(project, project + "/compose.yml")
        backup, sources = self.taken("fb-a")
        self.assertEqual("complete", self.record(backup)["state"])
        names = sorted(path[len(project) + 1:] for path in sources if path.startswith(self.top))
        self.assertEqual([".env", "compose.override.yaml", "compose.yml", "conf/a.env", "parts/db.env",
                          "parts/db.yaml"], names)
        write(project + "/.env", "changed")
        self.restore(backup, only={"host_paths": [project + "/.env"]})
        self.assertEqual(".env", read(project + "/.env"))

    def test_files_elsewhere(self):
        write(self.top + "/p/compose.yml", "x\n")
        write(self.top + "/shadow", "root:HASH\n", 0o600)
        write(self.top + "/pp/other.yml", "x\n")
        files = [self.top + "/p/../shadow", self.top + "//shadow", self.top + "/shadow", self.top + "/pp/other.yml",
                 self.top + "/p/", self.top + "/p", self.top + "/p/./compose.yml", self.top + "/p/" + "n" * 256]
        for file in files:
            with self.subTest(file=file):
                self.labelled(self.top + "/p", file)
                backup, sources = self.taken("fb-a")
                self.assertEqual([], [path for path in sources if path.startswith(self.top)])
                self.assertIn("project's folder", " ".join(self.record(backup)["warnings"]))
                docker("rm", "-f", "fb-a")

    def test_no_folder(self):
        write(self.top + "/shadow", "root:HASH\n")
        for folder in ("", "/", "relative", self.top + "/.."):
            with self.subTest(folder=folder):
                self.labelled(folder, self.top + "/shadow")
                self.assertNotIn(self.top + "/shadow", self.taken("fb-a")[1])
                docker("rm", "-f", "fb-a")

    def test_labels_of_an_image(self):
        """They are on every container of it, made by compose or not."""
        write(self.top + "/shadow", "root:HASH\n")
        change = {PROJECT: "fb", PROJECT + ".working_dir": self.top, PROJECT + ".config_files": self.top + "/shadow"}
        options = [f"--change=LABEL {key}={value}" for key, value in change.items()]
        exported = subprocess.run(["docker", "create", "--name", "fb-x", IMAGE], check=True, capture_output=True)
        self.assertTrue(exported.stdout)
        with subprocess.Popen(["docker", "export", "fb-x"], stdout=subprocess.PIPE) as out:
            subprocess.run(["docker", "import", *options, "-", "fb-test-labels"], stdin=out.stdout, check=True,
                           capture_output=True)
        self.addCleanup(docker, "rmi", "-f", "fb-test-labels", check=False)
        self.addCleanup(docker, "rm", "-f", "fb-a", check=False)
        docker("run", "-d", "--name", "fb-a", "fb-test-labels", "sh", "-c", ALIVE)
        self.assertNotIn(self.top + "/shadow", self.taken("fb-a")[1])
        docker("rm", "-f", "fb-a")
        # Compose's own labels stand above the image's: its project's files count, the image's do not.
        write(self.top + "/p/compose.yml", "x\n")
        self.labelled(self.top + "/p", self.top + "/p/compose.yml", image="fb-test-labels")
        sources = self.taken("fb-a")[1]
        self.assertIn(self.top + "/p/compose.yml", sources)
        self.assertNotIn(self.top + "/shadow", sources)

    def test_names_of_networks(self):
        for name in ("fb-n/x", "fb-n/../y", "fb-" + "n" * 252, "fb-ok"):
            with self.subTest(name=name):
                if subprocess.run(["docker", "network", "create", name], check=False, capture_output=True).returncode:
                    continue
                ident = docker("network", "ls", "-q", "--no-trunc", "--filter", f"name=^{name}$").strip()
                docker("run", "-d", "--name", "fb-a", "--network", ident, IMAGE, "sh", "-c", ALIVE)
                try:
                    backup, _ = self.taken("fb-a")
                    record = self.record(backup)
                    self.assertEqual("complete" if name == "fb-ok" else "partial", record["state"])
                    if name != "fb-ok":
                        self.assertIn(name[:100], json.dumps(record["omitted"]))
                finally:
                    docker("rm", "-f", "fb-a")
                    docker("network", "rm", ident)


if __name__ == "__main__":
    unittest.main()
