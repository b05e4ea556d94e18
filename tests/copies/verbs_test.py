#!/usr/bin/env python3
"""Goal: every protocol does its six verbs against a real server, and each fault of each says what to do."""

import hashlib
import json
import os
import random
import subprocess
import sys
import tempfile
import time
import unittest

import servers
from cutter import Cutter

PROGRAM = None
TABLE = [servers.Folder, servers.Sshd, servers.PureFtpd, servers.PlainFtpd, servers.Vsftpd, servers.Nginx,
         servers.Apache, servers.PutOnly, servers.Rgw]
SENT = random.Random(7).randbytes(3_000_000)


class Failed(Exception):
    def __init__(self, answer):
        super().__init__(f"{answer['error']}: {answer['text']}")
        self.code, self.text = answer["error"], answer["text"]


class Verbs:
    """A transfer: one process that keeps its connections."""

    def __init__(self, folder, environment=None, **options):
        self.folder = folder
        path = servers.write(f"{tempfile.mkdtemp(dir=folder)}/options.json", json.dumps(options))
        self.process = subprocess.Popen([PROGRAM, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                                        env={**os.environ, "ASAN_OPTIONS": self.asan(options), **(environment or {})})
        self.seen = []

    @staticmethod
    def asan(options):
        """libssh2 loses its session when the line breaks: its leak, not ours."""
        return "quarantine_size_mb=4:exitcode=99" + (":detect_leaks=0" if options["url"].startswith("sftp") else "")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        try:
            self.process.stdin.close()
        except BrokenPipeError:
            pass # it ended at once
        self.process.stdout.close()
        if self.process.wait() not in (0, 1):
            raise AssertionError(f"copies_verbs ended with {self.process.returncode}")

    def ask(self, *words):
        try:
            self.process.stdin.write(" ".join(str(word) for word in words) + "\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            pass
        line = self.process.stdout.readline()
        if not line:
            raise AssertionError(f"copies_verbs ended at {words}")
        answer = json.loads(line)
        if "error" in answer:
            self.seen.append(answer["text"])
            raise Failed(answer)
        return answer["ok"]

    def put(self, name, data, verb="new"):
        path = f"{self.folder}/{hashlib.sha256(data).hexdigest()}"
        with open(path, "wb") as file:
            file.write(data)
        return self.ask(verb, name, path)

    def get(self, name, start=0, length=-1):
        path = tempfile.mktemp(dir=self.folder)
        self.ask("get", name, start, length, path)
        with open(path, "rb") as file:
            return file.read()


def over(kinds=None):
    """A test of each of these servers, a row each; one that is not installed is named, in CI it is a fault."""
    def wrap(test):
        def rows(self):
            for kind in kinds or TABLE:
                missing = kind.missing()
                with self.subTest(kind.__name__):
                    if not missing:
                        start = time.monotonic()
                        test(self, self.world.server(kind))
                        if "FB_TIMES" in os.environ:
                            print(f"{test.__name__} {kind.__name__} {time.monotonic() - start:.1f} s")
                    elif os.environ.get("CI"):
                        self.fail(f"{missing} are not installed")
                    else:
                        print(f"no {kind.__name__}: {missing} are not installed (dev/install)", file=sys.stderr)
        rows.__doc__, rows.__name__ = test.__doc__, test.__name__
        return rows
    return wrap


class Case(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.world = servers.World()
        cls.addClassCleanup(cls.world.close)

    def verbs(self, server, environment=None, **more):
        return Verbs(self.world.folder, environment, **server.options(**more))

    def refused(self, code, *words, call, args=()):
        """`call` fails with `code` and says all the words."""
        codes = code if isinstance(code, tuple) else (code,)
        with self.assertRaises(Failed) as caught:
            call(*args)
        self.assertIn(caught.exception.code, codes, caught.exception.text)
        for word in words:
            self.assertIn(word, caught.exception.text)
        self.assertNotIn(servers.PASSWORD, caught.exception.text)
        return caught.exception.text


class TableTest(Case):
    """What must be the same everywhere."""

    @over()
    def test_put_and_get(self, server):
        with self.verbs(server) as v:
            for name, data in (("whole", SENT), ("one", b"1"), ("empty", b""), ("deep/er/whole", SENT[:70_000]),
                               ("deep/er/second", b"2" * 70_001)):
                v.put(name, data)
                self.assertEqual(v.ask("stat", name), len(data))
                self.assertEqual(v.get(name), data)

    @over()
    def test_ranges(self, server):
        with self.verbs(server) as v:
            v.put("ranged", SENT)
            size = len(SENT)
            for start, length in ((0, 1), (0, size), (1, 10), (size - 1, 1), (65_535, 65_537), (size - 7, -1)):
                self.assertEqual(v.get("ranged", start, length),
                                 SENT[start:] if length < 0 else SENT[start:start + length])
            with self.assertRaises(Failed):
                v.get("ranged", size - 5, 6)
            with self.assertRaises(Failed):
                v.get("ranged", size + 5, 6)
            self.assertEqual(v.get("ranged", 10, 10), SENT[10:20])

    @over()
    def test_listing(self, server):
        with self.verbs(server) as v:
            if server.__class__ is servers.PutOnly:
                self.refused("unsupported", "dav://", call=v.ask, args=("list",))
                return
            self.assertEqual(v.ask("list", "listed"), {})
            for i in range(12):
                v.put(f"listed/object-{i}.tar.zst", b"x" * i)
            v.put("listed/inner/object", b"")
            expected = {f"object-{i}.tar.zst": i for i in range(12)} | {"inner": "folder"}
            self.assertEqual(v.ask("list", "listed"), expected)
            self.assertEqual(v.ask("list", "listed/inner"), {"object": 0})
            self.assertEqual(v.ask("list").get("listed"), "folder")

    @over()
    def test_create_only(self, server):
        with self.verbs(server) as v:
            v.put("once", b"first")
            self.refused("conflict", "there already", call=v.put, args=("once", b"second"))
            self.assertEqual(v.get("once"), b"first")
            v.put("once", b"third", verb="put")
            self.assertEqual(v.get("once"), b"third")

    @over([servers.Sshd, servers.Nginx, servers.Apache])
    def test_two_at_once(self, server):
        """The look before the put sees nothing, for it comes meanwhile: the server itself refuses."""
        with self.verbs(server, rate_bytes_s=1_000_000) as slow:
            self.assertTrue(slow.ask("facts")["exclusive"])
            path = f"{self.world.folder}/raced"
            with open(path, "wb") as file:
                file.write(SENT)
            slow.process.stdin.write(f"new raced {path}\n")
            slow.process.stdin.flush()
            time.sleep(1)
            with self.on_disk(server, "raced") as file:
                file.write(b"the other's")
            self.assertEqual(json.loads(slow.process.stdout.readline()).get("error"), "conflict")
            self.assertEqual(slow.get("raced"), b"the other's")

    def on_disk(self, server, name):
        folder = server.data + ("/in/a folder" if server.__class__ is servers.Nginx else "")
        return open(f"{folder}/{name}", "wb")

    @over()
    def test_what_is_not_there(self, server):
        with self.verbs(server) as v:
            self.assertIsNone(v.ask("stat", "nothing"))
            self.assertIsNone(v.ask("stat", "no/folder/either"))
            self.refused("not-found", "nothing", call=v.get, args=("nothing",)) \
                if server.__class__ not in (servers.Sshd, servers.PureFtpd, servers.PlainFtpd, servers.Vsftpd) \
                else self.refused("not-found", call=v.get, args=("nothing",))
            v.ask("delete", "nothing")
            v.ask("delete", "no/folder/either")

    @over()
    def test_deletion(self, server):
        with self.verbs(server) as v:
            v.put("gone/soon", SENT[:100_000])
            v.put("gone/later", b"")
            v.ask("delete", "gone/soon")
            self.assertIsNone(v.ask("stat", "gone/soon"))
            self.assertEqual(v.ask("stat", "gone/later"), 0)
            v.put("gone/soon", b"again")
            self.assertEqual(v.get("gone/soon"), b"again")

    def test_names(self):
        with self.verbs(self.world.server(servers.Folder)) as v:
            for name in ("../up", "/root", "a//b", ".hidden", "a/.b", "a/", "with'quote", "x.part", "a" * 201, "%2e"):
                self.refused("invalid", call=v.ask, args=("stat", name))

    @over()
    def test_large_and_bounded(self, server):
        """60 MB through each: the memory does not grow with it, and S3 takes it in parts."""
        path = f"{self.world.folder}/large"
        with open(path, "wb") as file:
            for _ in range(20):
                file.write(SENT)
        with self.verbs(server) as v:
            v.ask("new", "large", path)
            self.assertEqual(v.ask("stat", "large"), 20 * len(SENT))
            self.assertEqual(v.get("large", 19 * len(SENT) - 5, 10), SENT[-5:] + SENT[:5])
            v.ask("delete", "large")
            self.assertLess(v.ask("peak"), 90 * 1024) # under ASan; half of it without


class CutTest(Case):
    """The line breaks, hangs, or lies."""
    KINDS = [servers.Sshd, servers.PlainFtpd, servers.Apache, servers.PutOnly, servers.Rgw]

    def through(self, server, cutter):
        """Its options with the proxy's port in place of its own; S3 without TLS."""
        options = server.options()
        if server.__class__ is servers.Rgw:
            options["endpoint"] = f"http://127.0.0.1:{cutter.port}"
        options["url"] = options["url"].replace(f":{server.port}", f":{cutter.port}")
        return options

    @over(KINDS)
    def test_cut_and_put_again(self, server):
        with Cutter(server.port) as cutter:
            for after in (0, 50_000, 1_500_000):
                name = f"cut-{after}"
                cutter.cut_after = after
                with Verbs(self.world.folder, **self.through(server, cutter)) as v:
                    if server.__class__ is servers.PlainFtpd and after > 0:
                        continue # its data go another way
                    self.refused(("io", "destination-unreachable", "timeout"), call=v.put, args=(name, SENT))
                with self.verbs(server) as v:
                    self.assertIsNone(v.ask("stat", name))
                    v.put(name, SENT)
                    self.assertEqual(v.get(name), SENT)

    @over([servers.Folder, servers.Sshd, servers.PureFtpd])
    def test_goes_on_where_it_broke_off(self, server):
        """What is there already is not sent again, if its end is ours."""
        for there, begins in ((SENT[:2_000_000], 2_000_000), (SENT[:10], 10), (SENT, len(SENT)),
                              (SENT[:1_999_999] + b"\0\0", 0), (SENT + b"more", 0)):
            path = f"{server.data}/resumed-{begins}-{len(there)}"
            with open(path + ".part", "wb") as file:
                file.write(there)
            os.chown(path + ".part", servers.NOBODY, servers.NOBODY)
            inode = os.stat(path + ".part").st_ino
            with self.verbs(server) as v:
                v.put(os.path.basename(path), SENT)
            with open(path, "rb") as file:
                self.assertEqual(file.read(), SENT)
            self.assertEqual(os.stat(path).st_ino, inode)
            self.assertFalse(os.path.exists(path + ".part"))

    @over([servers.Rgw])
    def test_parts_that_are_there(self, server):
        """S3: parts that an earlier put left are used, so that less is sent."""
        big = SENT * 4
        with Cutter(server.port) as cutter:
            cutter.cut_total = 7_500_000
            with Verbs(self.world.folder, **self.through(server, cutter)) as v:
                self.refused(("io", "destination-unreachable"), call=v.put, args=("parted", big))
            cutter.cut_total, cutter.sent = None, 0
            with Verbs(self.world.folder, **self.through(server, cutter)) as v:
                v.put("parted", big)
                self.assertEqual(v.get("parted"), big)
            self.assertLess(cutter.sent, 8_000_000)

    @over(KINDS)
    def test_hangs(self, server):
        with Cutter(server.port) as cutter:
            cutter.hang_after = 20_000 if server.__class__ is not servers.PlainFtpd else 30
            options = self.through(server, cutter)
            with Verbs(self.world.folder, **options, stall_s=2) as v:
                start = time.monotonic()
                self.refused(("timeout", "io"), call=v.put, args=("hung", SENT * 4))
                self.assertLess(time.monotonic() - start, 60)

    @over()
    def test_nobody_there(self, server):
        port = servers.free_ports(1)
        if server.__class__ is servers.Folder:
            return
        options = server.options()
        for key in ("url", "endpoint"):
            for old in range(server.port, server.port + 4):
                options[key] = options.get(key, "").replace(f":{old}", f":{port}")
        if not options["endpoint"]:
            del options["endpoint"]
        with Verbs(self.world.folder, **options) as v:
            self.refused("destination-unreachable", "is the server running", call=v.put, args=("x", b"x"))


class TrustTest(Case):
    """Who it is, and who we are."""

    @over()
    def test_wrong_credentials(self, server):
        wrong = servers.write(f"{self.world.folder}/wrong", "guess\n")
        if server.__class__ is servers.Folder:
            return
        changed = {"secret_key_file": wrong} if server.__class__ is servers.Rgw else {"password_file": wrong}
        options = server.options()
        options.pop("key_file", None)
        with Verbs(self.world.folder, **(options | changed)) as v:
            self.refused("destination-denied", "check", call=v.put, args=("x", b"x"))
            self.refused("destination-denied", call=v.ask, args=("stat", "x"))

    @over([servers.Sshd])
    def test_password_and_key(self, server):
        options = server.options(password_file=server.password_file)
        del options["key_file"]
        with Verbs(self.world.folder, **options) as v:
            v.put("by-password", b"x")
        with self.verbs(server, key_file=f"{server.folder}/other") as v:
            self.refused("destination-denied", "key_file", call=v.put, args=("x", b"x"))

    @over([servers.Sshd])
    def test_host_key(self, server):
        with self.verbs(server, host_key=None) as v:
            said = self.refused("destination-denied", "ssh-keygen", "host_key", call=v.ask, args=("stat", "x"))
            self.assertIn(server.fingerprint(), said)
            self.assertEqual(v.ask("facts")["host_key"], server.fingerprint())
        pinned = server.fingerprint()
        server.serve("other")
        try:
            with self.verbs(server, host_key=pinned) as v:
                self.refused("destination-denied", server.fingerprint("other"), "stands in between",
                             call=v.put, args=("x", b"x"))
            with self.verbs(server, host_key=f"{pinned} {server.fingerprint('other')}") as v:
                v.put("two-pinned", b"x")
            with self.verbs(server, host_key=pinned[:-1]) as v:
                self.refused("destination-denied", call=v.put, args=("x", b"x"))
        finally:
            server.serve("host")

    @over([servers.Nginx, servers.PureFtpd, servers.Rgw])
    def test_certificates(self, server):
        options = server.options()
        with Verbs(self.world.folder, **options) as v:
            v.put("trusted", b"x")
            self.assertIn("good.example", v.ask("facts")["certificate"])
            self.assertTrue(v.ask("facts")["encrypted"])
        del options["ca_file"]
        with Verbs(self.world.folder, **options) as v:
            self.refused("destination-denied", "ca_file", call=v.put, args=("x", b"x"))
        if server.__class__ is servers.Rgw:
            return
        server.serve(self.world.authority.expired)
        try:
            with self.verbs(server) as v:
                self.refused("destination-denied", "certificate", call=v.put, args=("x", b"x"))
        finally:
            server.serve(self.world.authority.good)

    @over([servers.PureFtpd])
    def test_no_tls(self, server):
        """ftps:// never logs in without TLS."""
        server.stop()
        server.run(servers.program("pure-ftpd"), "-S", f"127.0.0.1,{server.port}", "-l",
                   f"puredb:{server.folder}/pdb", "-E", "-j", "-H", "-A", "-Y", "0", "-u", "1", "-g",
                   f"{server.folder}/pid")
        server.wait()
        try:
            with self.verbs(server) as v:
                self.refused("destination-denied", "TLS", call=v.put, args=("x", b"x"))
        finally:
            server.serve(self.world.authority.good)

    @over([servers.Rgw])
    def test_clock(self, server):
        """S3 refuses a signature of another hour, and the words say whose clock is how far off."""
        shim = f"{self.world.folder}/clock.so"
        source = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../api/clock_shim.c")
        subprocess.run(["cc", "-shared", "-fPIC", "-o", shim, source], check=True)
        ahead = servers.write(f"{self.world.folder}/ahead", "3600")
        with self.verbs(server, {"LD_PRELOAD": shim, "FB_CLOCK_FILE": ahead,
                                 "ASAN_OPTIONS": "verify_asan_link_order=0"}) as v:
            said = self.refused("destination-denied", "RequestTimeTooSkewed", "NTP", call=v.put, args=("x", b"x"))
            self.assertRegex(said, r"\b3(59\d|60\d) s behind")

    def test_secrets(self):
        """Named, never shown; a wrong name says which."""
        server = self.world.server(servers.Folder)
        folder = self.world.folder
        rows = [({"password_file": "/nowhere"}, "denied", "password_file"),
                ({"password_file": folder}, "invalid", "no file"),
                ({"password_file": servers.write(f"{folder}/none", "")}, "invalid", "empty"),
                ({"password_file": servers.write(f"{folder}/lines", "a\nb\n")}, "invalid", "one line"),
                ({"password_file": servers.write(f"{folder}/long", "x" * 9000)}, "invalid", "bytes or more"),
                ({"password_env": "FB_NOT_THERE"}, "denied", "FB_NOT_THERE"),
                ({"password_file": f"{folder}/none", "password_env": "X"}, "invalid", "not both")]
        for more, code, word in rows:
            with self.subTest(more=list(more)), self.verbs(server, **more) as v:
                self.refused(code, word, call=v.ask, args=("stat", "x"))
        with Verbs(folder, {"FB_SECRET": servers.PASSWORD}, url="ftp://fb@127.0.0.1:1", password_env="FB_SECRET") as v:
            self.refused("destination-unreachable", call=v.ask, args=("stat", "x"))
            with open(f"/proc/{v.process.pid}/cmdline", encoding="utf-8") as line:
                self.assertNotIn(servers.PASSWORD, line.read())

    def test_addresses(self):
        for url, word in (("no-url", "scheme"), ("gopher://x/y", "destination"), ("sftp://u:secret@h/x", "password_file"),
                          ("s3://ab", "bucket"), ("sftp://h/x", "user@"), ("ftp://h/a/../b", ".."),
                          ("file://host/x", "three slashes"), ("file:///no/such/disk", "mounted"),
                          ("https://h/x?y=1", "\"?\""), ("sftp://u@h/a%22b", "character"),
                          ("davs://u@h/x", "password_file")):
            with self.subTest(url), Verbs(self.world.folder, url=url) as v:
                text = self.refused(("invalid", "destination-unreachable"), word, call=v.ask, args=("stat", "x"))
                self.assertNotIn("secret", text)


class RoomTest(Case):
    """No room, and no right to write."""

    @staticmethod
    def see(server):
        """sshd has its own mounts: those that were there at its start."""
        if server.__class__ is servers.Sshd:
            server.serve("host")

    @over([servers.Folder, servers.Sshd, servers.PureFtpd, servers.Nginx])
    def test_full(self, server):
        """Half a megabyte of room; what did not fit is not there, and what was there is."""
        inner = server.data + ("/in/a folder" if server.__class__ is servers.Nginx else "")
        os.makedirs(f"{inner}/small", exist_ok=True)
        self.world.small_disk(f"{inner}/small")
        self.see(server)
        try:
            with self.verbs(server) as v:
                v.put("small/fits", SENT[:300_000])
                self.refused(("destination-full", "destination-refused", "destination-unreachable", "io"), call=v.put,
                             args=("small/large", SENT))
                self.assertIsNone(v.ask("stat", "small/large"))
                self.assertEqual(v.get("small/fits"), SENT[:300_000])
                v.ask("delete", "small/large")
                if server.__class__ is not servers.Nginx: # it leaves what it could not copy under a name of its own
                    v.put("small/fits-too", SENT[:300_000])
        finally:
            self.world.end_disk(f"{inner}/small")

    @over([servers.Rgw])
    def test_quota(self, server):
        server.admin("quota", "set", "--quota-scope=user", "--uid=fb", "--max-size=1M")
        server.admin("quota", "enable", "--quota-scope=user", "--uid=fb")
        try:
            with self.verbs(server) as v:
                self.refused("destination-full", "QuotaExceeded", call=v.put, args=("over", SENT))
        finally:
            server.admin("quota", "disable", "--quota-scope=user", "--uid=fb")

    @over([servers.Folder, servers.Sshd, servers.PureFtpd, servers.Nginx, servers.Apache])
    def test_read_only(self, server):
        inner = server.data + ("/in/a folder" if server.__class__ is servers.Nginx else "")
        os.makedirs(f"{inner}/sealed", exist_ok=True)
        self.world.small_disk(f"{inner}/sealed", "ro,size=1m")
        self.see(server)
        try:
            with self.verbs(server) as v:
                self.refused(("destination-refused", "destination-denied", "destination-unreachable", "io"), call=v.put,
                             args=("sealed/x", b"x"))
                self.assertEqual(v.ask("list", "sealed"), {})
        finally:
            self.world.end_disk(f"{inner}/sealed")

    @over([servers.PureFtpd])
    def test_cut_listing(self, server):
        """A listing that the server cuts off is an error, not a shorter list."""
        server.serve(self.world.authority.good, "-L", "5:3")
        try:
            with self.verbs(server) as v:
                for i in range(9):
                    v.put(f"many/{i}", b"")
                self.refused("destination-refused", "-L", call=v.ask, args=("list", "many"))
        finally:
            server.serve(self.world.authority.good)


if __name__ == "__main__":
    PROGRAM = os.path.abspath(sys.argv.pop(1))
    if os.getuid() != 0:
        print("the servers of these tests want root", file=sys.stderr)
        sys.exit(77)
    unittest.main()
