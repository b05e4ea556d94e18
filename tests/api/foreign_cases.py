# Goal: an archive that another tool made becomes a backup of one volume or folder, with all that it holds, and nothing of a hostile one leaves its folder.
"""PUT /archives?volume= and ?host_path=."""

import io
import os
import subprocess
import tarfile
import tempfile
import zipfile

from case import ServiceCase

DAY = 1_600_000_000


def tar_of(*members, mode="w", format=tarfile.PAX_FORMAT):
    """members: (name, content or None for a folder, changes of the TarInfo)."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode=mode, format=format) as tar:
        for name, content, changes in members:
            info = tarfile.TarInfo(name)
            info.mtime, info.mode = DAY, 0o640
            if content is None:
                info.type, info.mode = tarfile.DIRTYPE, 0o750
            else:
                info.size = len(content)
            for key, value in changes.items():
                setattr(info, key, value)
            tar.addfile(info, None if content is None else io.BytesIO(content))
    return out.getvalue()


class ForeignCase(ServiceCase):
    def put(self, data, query, status=201):
        reply = self.service.api("PUT", "/archives" + query, data, {"Content-Type": "application/octet-stream"})
        self.assertEqual(reply.status, status, reply)
        self.assertEqual([name for name in os.listdir(os.path.join(self.service.store, "run"))
                          if name.startswith("foreign-")], [], "nothing is left")
        return reply.json

    def content(self, backup, path):
        reply = self.api("GET", f"/backups/{backup}/files/" + path.replace(" ", "%20"))
        self.assertEqual(reply.status, 200, reply)
        return reply.body

    def members(self, backup):
        """Of the backup's own archive."""
        reply = self.api("GET", f"/backups/{backup}/archive?format=tar")
        with tarfile.open(fileobj=io.BytesIO(reply.body)) as tar:
            return {member.name: member for member in tar}

    SAMPLE = (("./", None, {}), ("./etc", None, {}), ("./etc/conf", b"one\n", {"uid": 123, "gid": 456}),
              ("./big", os.urandom(300_000), {"mode": 0o4755}), ("./link", b"", {"type": tarfile.SYMTYPE, "linkname": "etc/conf"}),
              ("./hard", b"", {"type": tarfile.LNKTYPE, "linkname": "./big"}), ("./pipe", b"", {"type": tarfile.FIFOTYPE}))

    def check_sample(self, backup, prefix):
        found = self.members(backup)
        self.assertEqual(self.content(backup, prefix + "/etc/conf"), b"one\n")
        self.assertEqual(self.content(backup, prefix + "/big"), self.SAMPLE[3][1])
        conf = found[prefix + "/etc/conf"]
        self.assertEqual((conf.uid, conf.gid, conf.mode & 0o7777, int(conf.mtime)), (123, 456, 0o640, DAY))
        self.assertEqual(found[prefix + "/big"].mode & 0o7777, 0o4755)
        self.assertEqual(found[prefix + "/link"].linkname, "etc/conf")
        self.assertTrue(found[prefix + "/hard"].islnk())
        self.assertTrue(found[prefix + "/pipe"].isfifo())
        self.assertEqual(found[prefix].mode & 0o7777, 0o750)
        operation = self.service.operate(f"/backups/{backup}/verify")
        self.assertEqual(operation["state"], "succeeded", operation)

    def test_tars(self):
        for mode in ("w", "w:gz", "w:bz2", "w:xz"):
            for form in (tarfile.PAX_FORMAT, tarfile.GNU_FORMAT, tarfile.USTAR_FORMAT):
                with self.subTest(mode, form=form):
                    record = self.put(tar_of(*self.SAMPLE, mode=mode, format=form), "?volume=old")
                    self.assertEqual((record["state"], record["origin"]), ("complete", "import"))
                    self.assertIn("tar", record["imported"]["format"])
                    self.check_sample(record["id"], "volumes/old")

    def test_zstd_and_host_path(self):
        packed = subprocess.run(["zstd", "-q"], input=tar_of(*self.SAMPLE), capture_output=True, check=True).stdout
        record = self.put(packed, "?host_path=/srv/old%20data")
        self.assertIn("zstd", record["imported"]["format"])
        self.check_sample(record["id"], "host/srv/old data")
        self.assertEqual(record["plan"]["host_paths"], ["/srv/old data"])

    def test_other_formats(self):
        """zip, 7z, cpio: by other people's writers."""
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("a/ü.txt", "zipped")
        record = self.put(out.getvalue(), "?volume=zipped")
        self.assertEqual(self.content(record["id"], "volumes/zipped/a/%C3%BC.txt"), b"zipped")
        with tempfile.TemporaryDirectory() as folder:
            os.makedirs(folder + "/a/b")
            with open(folder + "/a/b/c", "wb") as file:
                file.write(b"content" * 1000)
            for form in ("7zip", "newc", "odc"):
                packed = subprocess.run(["bsdtar", "-cf", "-", "--format", form, "-C", folder, "a"],
                                        capture_output=True, check=True).stdout
                record = self.put(packed, "?volume=other")
                self.assertEqual(self.content(record["id"], "volumes/other/a/b/c"), b"content" * 1000, form)

    def test_names(self):
        """Long ones, those that are no UTF-8, many parts; a pax name in another alphabet."""
        long = "/".join("d" * 200 for _ in range(5)) + "/f"
        record = self.put(tar_of(("x", None, {}), (long, b"1", {}), ("имя", b"2", {})), "?volume=names")
        self.assertEqual(self.content(record["id"], "volumes/names/" + long), b"1")
        self.assertEqual(self.content(record["id"], "volumes/names/%D0%B8%D0%BC%D1%8F"), b"2")
        raw = io.BytesIO()
        with tarfile.open(fileobj=raw, mode="w", format=tarfile.GNU_FORMAT, encoding="latin-1") as tar:
            info = tarfile.TarInfo("caf\xe9")
            info.size = 3
            tar.addfile(info, io.BytesIO(b"old"))
        record = self.put(raw.getvalue(), "?volume=names")
        self.assertEqual(self.content(record["id"], "volumes/names/caf%E9"), b"old")

    def test_strip(self):
        """As DVB makes them: backup/NAME/…; what has no more parts goes."""
        tar = tar_of(("backup", None, {}), ("backup/data", None, {}), ("backup/data/f", b"1", {}), ("top", b"2", {}))
        record = self.put(tar, "?volume=data&strip=2")
        self.assertEqual(self.content(record["id"], "volumes/data/f"), b"1")
        self.assertNotIn("volumes/data/top", self.members(record["id"]))
        reply = self.put(tar, "?volume=data&strip=7", 400)
        self.assertIn("holds nothing", reply["detail"])

    def test_absolute_names_are_below(self):
        record = self.put(tar_of(("/etc/shadow", b"mine", {})), "?volume=v")
        self.assertEqual(self.content(record["id"], "volumes/v/etc/shadow"), b"mine")
        self.assertIn("leading /", " ".join(record["warnings"]))

    def test_nothing_leaves_the_folder(self):
        """Up, through a link, by a hard link; then nothing is on the list."""
        outside = os.path.join(self.data, "outside")
        os.makedirs(outside, exist_ok=True)
        link = {"type": tarfile.SYMTYPE, "linkname": outside}
        cases = {
            "up": [("../escaped", b"x", {})],
            "up inside": [("a/../../escaped", b"x", {})],
            "hard link up": [("h", b"", {"type": tarfile.LNKTYPE, "linkname": "../../token"})],
            "hard link out": [("dir", b"", link), ("h", b"", {"type": tarfile.LNKTYPE, "linkname": "dir/x"})],
            "device": [("disk", b"", {"type": tarfile.BLKTYPE, "devmajor": 8, "devminor": 0})],
        }
        before = len(self.api("GET", "/backups").json["backups"])
        for name, members in cases.items():
            with self.subTest(name):
                reply = self.put(tar_of(("ok", b"1", {}), *members), "?volume=v", 400)
                self.assertTrue(reply["type"].endswith(":archive-refused"), reply)
        self.assertEqual(os.listdir(outside), [])
        self.assertEqual(len(self.api("GET", "/backups").json["backups"]), before)

    def test_a_folder_in_the_place_of_a_link(self):
        """What goes through a link finds a folder of the archive's own in its place."""
        outside = os.path.join(self.data, "outside")
        os.makedirs(outside, exist_ok=True)
        record = self.put(tar_of(("dir", b"", {"type": tarfile.SYMTYPE, "linkname": outside}), ("dir/f", b"x", {})),
                          "?volume=v")
        self.assertEqual(os.listdir(outside), [])
        self.assertEqual(self.content(record["id"], "volumes/v/dir/f"), b"x")

    def test_a_file_over_a_link_replaces_the_link(self):
        victim = os.path.join(self.data, "victim")
        self.write("victim", b"untouched")
        record = self.put(tar_of(("f", b"", {"type": tarfile.SYMTYPE, "linkname": victim}), ("f", b"new", {})), "?volume=v")
        self.assertEqual(self.content(record["id"], "volumes/v/f"), b"new")
        with open(victim, "rb") as file:
            self.assertEqual(file.read(), b"untouched")

    def test_what_is_no_archive(self):
        whole = tar_of(*self.SAMPLE, mode="w:gz")
        for data, word in ((b"", "empty"), (b"hello, world" * 100, "none of the archives"), (whole[:-5000], "damaged or ends early"),
                           (b"LRZI" + bytes(100), "lrzip -d"), (b"7z\xbc\xaf\x27\x1c" + bytes(60), "archive"), (b"PK" + bytes(60), "archive")):
            with self.subTest(word):
                self.assertIn(word, self.put(data, "?volume=v", 400)["detail"])

    def test_bad_requests(self):
        tar = tar_of(("f", b"1", {}))
        for query, word in (("?volume=a&host_path=/b", "not both"), ("?volume=../x", "name of a volume"), ("?volume=", "name of a volume"),
                            ("?volume=" + "v" * 300, "at most"), ("?host_path=relative", "absolute"), ("?host_path=/a/../b", "absolute"),
                            ("?host_path=/", "absolute"), ("?volume=v&strip=x", "strip"), ("?strip=1", "volume"), ("?volume=v&strip=100", "strip")):
            with self.subTest(query):
                self.assertIn(word, self.put(tar, query, 400)["detail"])
