#!/usr/bin/env python3
"""Goal: a downloaded archive needs nothing of ours: zstd, GNU tar, docker load and rsync read it, and
a download that broke off is resumed to the same bytes.
"""

import hashlib
import json
import os
import shutil
import subprocess
import unittest

import stack
from fuelbackup import Service, docker, inspect, run
from stack import dump, tree_differences

STORE = os.path.join(stack.WORK, "store")
HERE = os.path.join(stack.WORK, "archive")


class ArchiveTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        for folder in (STORE, HERE):
            shutil.rmtree(folder, ignore_errors=True)
        os.makedirs(HERE)
        cls.service = Service(STORE)
        cls.service.remove()
        cls.stack = stack.Stack()
        cls.stack.databases = False
        cls.stack.remove_everything()
        cls.stack.make()
        cls.stack.remember()
        cls.service.start()
        cls.backup = cls.service.backup()
        cls.path = f"/backups/{cls.backup['id']}/archive"
        cls.file = HERE + "/backup.tar.zst"
        cls.curl("-o", cls.file, cls.url())
        run("sh", "-c", f"zstd -dc {cls.file} >{HERE}/backup.tar")

    @classmethod
    def tearDownClass(cls):
        if os.environ.get("FB_KEEP"):
            return
        cls.service.remove()
        cls.stack.remove_everything()
        shutil.rmtree(stack.WORK, ignore_errors=True)

    @classmethod
    def url(cls, query=""):
        return f"http://127.0.0.1:{cls.service.port}{cls.path}{query}"

    @classmethod
    def curl(cls, *arguments, check=True):
        return run("curl", "-fsS", "-H", f"Authorization: Bearer {cls.service.token}", *arguments, check=check)

    def digest(self, path):
        with open(path, "rb") as data:
            return hashlib.file_digest(data, "sha256").hexdigest()

    def test_head_tells_what_is_downloaded(self):
        head = self.service.api("HEAD", self.path)
        self.assertEqual(200, head.status)
        self.assertEqual(str(os.path.getsize(self.file)), head.headers["Content-Length"])
        self.assertEqual(self.backup["archive_bytes"], os.path.getsize(self.file))
        self.assertEqual(self.backup["size_bytes"], os.path.getsize(HERE + "/backup.tar"))
        self.assertEqual("bytes", head.headers["Accept-Ranges"])

    def test_zstd_accepts_it(self):
        run("zstd", "-q", "-t", self.file)

    def test_tar_lists_it_in_the_promised_order(self):
        names = run("sh", "-c", f"tar --zstd -tf {self.file}").splitlines()
        self.assertEqual(["backup.json", "RESTORE.txt"], names[:2])
        order = ["images", "containers", "networks", "volumes", "binds", "host"]
        seen = [name.split("/")[0] for name in names[2:]]
        firsts = list(dict.fromkeys(seen))
        # A container's inspect and layer stand together; folders themselves stay in this order.
        self.assertEqual([part for part in order if part in firsts], firsts)
        self.assertIn("containers/fb-layer/inspect.json", names)
        self.assertIn("networks/fb-front.json", names)
        self.assertEqual(len(set(names)), len(names), "a name twice")

    def test_tar_extracts_it_as_root(self):
        tree = HERE + "/tree"
        os.makedirs(tree)
        run("tar", "-C", tree, "--xattrs", "--xattrs-include=*", "--delay-directory-restore", "--numeric-owner",
            "-xpf", HERE + "/backup.tar")
        compared = [("volume fb-special", "volumes/fb-special"), ("volume fb-paused", "volumes/fb-paused"),
                    ("bind special", self.find_bind(tree))]
        for name, path in compared:
            differences = tree_differences(os.path.join(self.stack.reference, name),
                                           os.path.join(tree, path), ["socket"])
            self.assertEqual([], differences, f"{name}: {dump(differences)}")
        self.assertLess(os.stat(tree + "/volumes/fb-special/sparse").st_blocks * 512, 2_000_000)
        layer = tree + "/containers/fb-layer/layer"
        for path in ("etc/.wh.issue", "usr/share/.wh.perl5", "etc/apt/.wh..wh..opq"):
            self.assertTrue(os.path.lexists(f"{layer}/{path}"), path)
        new = tree_differences(os.path.join(self.stack.reference, "layer fb-layer/new"), layer + "/new",
                               ["socket"])
        self.assertEqual([], new, dump(new))

    @staticmethod
    def find_bind(tree):
        for folder, folders, _ in os.walk(tree + "/binds"):
            if folder.endswith("/special") or "size-3000000" in os.listdir(folder):
                return folder
        raise AssertionError("the bind mount is not in the archive")

    def test_its_documents_describe_the_stack(self):
        manifest = json.loads(run("tar", "-xOf", HERE + "/backup.tar", "backup.json"))
        self.assertEqual(self.backup["id"], manifest.get("id", manifest.get("backup", {})))
        recorded = json.loads(run("tar", "-xOf", HERE + "/backup.tar", "containers/fb-layer/inspect.json"))
        recorded = recorded[0] if isinstance(recorded, list) else recorded
        self.assertEqual(inspect("fb-layer")["Id"], recorded["Id"])
        steps = run("tar", "-xOf", HERE + "/backup.tar", "RESTORE.txt")
        for words in ("docker load -i", "--xattrs-include='*' \\\n      --delay-directory-restore",
                      "docker volume create fb-special"):
            self.assertIn(words, steps)

    def test_zz_docker_loads_its_images(self):
        names = [name for name in run("tar", "-tf", HERE + "/backup.tar", "--wildcards", "images/*").split()
                 if name.endswith(".tar")]
        wanted = {name: docker("image", "inspect", "-f", "{{.Id}}", name).strip()
                  for name in ("fb-test/small", "fb-test/stack", "fb-test/volume")}
        self.assertEqual(len(wanted), len(names))
        self.stack.remove_everything()
        docker("rmi", "-f", *wanted)
        for name in names:
            run("sh", "-c", f"tar -xOf {HERE}/backup.tar {name} | docker load -q")
        for name, identity in wanted.items():
            self.assertEqual(identity, docker("image", "inspect", "-f", "{{.Id}}", name).strip())
        self.assertEqual("image 1\n", docker("run", "--rm", "fb-test/small", "cat", "/srv/file1"))

    def test_a_broken_download_is_resumed(self):
        part = HERE + "/resumed"
        total = os.path.getsize(self.file)
        for cut in (1, total // 3, total - 1):
            with open(self.file, "rb") as whole, open(part, "wb") as out:
                out.write(whole.read(cut))
            self.curl("-C", "-", "-o", part, self.url())
            self.assertEqual(self.digest(self.file), self.digest(part), f"resumed at {cut}")
        # A real break: slow, ended by force, resumed.
        os.unlink(part)
        slow = subprocess.run(["curl", "-sS", "--limit-rate", "40M", "-m", "1", "-o", part, "-H",
                               f"Authorization: Bearer {self.service.token}", self.url()], check=False,
                              capture_output=True)
        self.assertEqual(28, slow.returncode)
        self.assertLess(os.path.getsize(part), total)
        self.curl("-C", "-", "-o", part, self.url())
        self.assertEqual(self.digest(self.file), self.digest(part))

    def test_ranges(self):
        with open(self.file, "rb") as whole:
            data = whole.read()
        total = len(data)
        for text, start, end in (("bytes=0-0", 0, 1), ("bytes=100-70000", 100, 70001),
                                 (f"bytes={total - 5}-", total - 5, total), ("bytes=-9", total - 9, total),
                                 (f"bytes=65530-{total * 2}", 65530, total)):
            reply = self.service.api("GET", self.path, headers={"Range": text})
            self.assertEqual((206, f"bytes {start}-{end - 1}/{total}"),
                             (reply.status, reply.headers.get("Content-Range")), text)
            self.assertEqual(data[start:end], reply.body, text)
        beyond = self.service.api("GET", self.path, headers={"Range": f"bytes={total}-"})
        self.assertEqual((416, f"bytes */{total}"), (beyond.status, beyond.headers["Content-Range"]))
        etag = self.service.api("HEAD", self.path).headers["ETag"]
        same = self.service.api("GET", self.path, headers={"Range": "bytes=5-9", "If-Range": etag})
        self.assertEqual((206, data[5:10]), (same.status, same.body))
        other = self.service.api("GET", self.path, headers={"Range": "bytes=5-9", "If-Range": '"other"'})
        self.assertEqual((200, total), (other.status, len(other.body)))
        fresh = self.service.api("GET", self.path, headers={"If-None-Match": etag})
        self.assertEqual((304, b""), (fresh.status, fresh.body))

    def test_as_a_plain_tar(self):
        self.curl("-o", HERE + "/plain.tar", self.url("?format=tar"))
        self.assertEqual(self.digest(HERE + "/backup.tar"), self.digest(HERE + "/plain.tar"))

    def test_verify_reads_it_back(self):
        self.service.operate(f"/backups/{self.backup['id']}/verify")


if __name__ == "__main__":
    unittest.main()
