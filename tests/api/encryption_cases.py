# Goal: an encrypted store does all that a plain one does, opens with its keys alone, and shows nothing.
"""The service with an encrypted store."""

import glob
import hashlib
import os
import re
import signal
import stat
import subprocess

import backup_cases
import sealed
import scrub_cases
from case import ServiceCase
from service import Service

KEY = b"thirty-two bytes are enough here"
PHRASE = b"correct horse battery staple"


def write_secret(path, content, mode=0o600):
    with open(path, "wb") as out:
        out.write(content)
    os.chmod(path, mode)
    return path


class Encrypted:
    """For a ServiceCase: its store is encrypted with a key file."""

    @classmethod
    def variables(cls):
        return {"FUEL_BACKUP_KEY_FILE": write_secret(os.path.join(cls.folder, "key"), KEY)}

    def damage(self, content):
        """A bit of the ciphertext where these bytes stand, which do not compress."""
        master = sealed.master_key(self.service.store, KEY)
        self.assertEqual(sealed.flip(self.service.store, master, content), 1)


class EncryptedBackupCase(Encrypted, backup_cases.BackupCase):
    """All of BackupCase: lists, downloads with ranges and tickets, verify, deletion, sweep."""


class EncryptedScrubCase(Encrypted, scrub_cases.ScrubCase):
    """All of ScrubCase: what is damaged is found, named and healed."""

    flip = Encrypted.damage


class KeysCase(Encrypted, ServiceCase):
    """Who may open it."""

    def tearDown(self):
        if self.service.process.poll() is None:
            super().tearDown()

    def secret(self, name, content, mode=0o600):
        return write_secret(os.path.join(self.folder, name), content, mode)

    def keys(self, *arguments, **variables):
        """`fuel-backupd ARGUMENTS` on the service's store, by default with its key."""
        environment = {k: v for k, v in self.service.environment.items() if k != "FUEL_BACKUP_KEY_FILE"}
        environment.update(variables or self.variables())
        return subprocess.run([Service.binary, *arguments], env=environment, capture_output=True,
                              text=True, timeout=60, check=False)

    def keys_well(self, *arguments, **variables):
        done = self.keys(*arguments, **variables)
        self.assertEqual((done.returncode, done.stderr if arguments[1:] != ("recovery",) else ""),
                         (0, ""), done)
        return done.stdout

    def refused(self, text, *arguments, code=1, **variables):
        done = self.keys(*(arguments or ("serve",)), **variables)
        self.assertEqual(done.returncode, code, done)
        self.assertIn(text, done.stderr + done.stdout)
        return done

    def only_with(self, **variables):
        """The service starts with these, and has its backups."""
        before, self.service.environment = self.service.environment, {
            **{k: v for k, v in self.service.environment.items() if k != "FUEL_BACKUP_KEY_FILE"},
            **variables}
        try:
            self.service.start()
            listed = self.api("GET", "/backups").json["backups"]
            self.assertEqual(self.service.end(), 0)
            return listed
        finally:
            self.service.environment = before

    def test_refusals(self):
        self.assertIs(self.api("GET", "/health").json["store"]["encrypted"], True)
        self.assertEqual(self.service.end(), 0)
        key = self.variables()["FUEL_BACKUP_KEY_FILE"]
        phrase = self.secret("phrase", PHRASE)
        other = self.secret("other", KEY[::-1])
        self.refused("opens none of the store's", FUEL_BACKUP_KEY_FILE=other)
        self.refused("opens none of the store's", "rebuild", FUEL_BACKUP_KEY_FILE=other)
        self.refused("opens none of the store's", FUEL_BACKUP_PASSPHRASE_FILE=phrase)
        self.refused("is encrypted: say by FUEL_BACKUP_KEY_FILE", FUEL_BACKUP_LOG="text")
        self.refused("is encrypted: say by FUEL_BACKUP_KEY_FILE", "rebuild", FUEL_BACKUP_LOG="text")
        self.refused("exclude each other", FUEL_BACKUP_KEY_FILE=key,
                     FUEL_BACKUP_PASSPHRASE_FILE=phrase, code=2)
        self.refused("FUEL_BACKUP_KEY_FILE: cannot open", FUEL_BACKUP_KEY_FILE=key + "x")
        self.refused("chmod 600", FUEL_BACKUP_KEY_FILE=self.secret("open", KEY, 0o644))
        self.refused("32 to 4096 bytes", FUEL_BACKUP_KEY_FILE=self.secret("short", KEY[1:]))
        self.refused("unknown variable FUEL_BACKUP_PASSPHRASE;", FUEL_BACKUP_PASSPHRASE="x", code=2)
        plain = os.path.join(self.folder, "plain")
        service = Service(os.path.join(self.folder, "plain"), self.engine.path)
        os.makedirs(plain, exist_ok=True)
        service.start()
        self.assertIs(service.api("GET", "/health").json["store"]["encrypted"], False)
        self.assertEqual(service.end(), 0)
        self.refused("is not encrypted, and cannot be any more", FUEL_BACKUP_KEY_FILE=key,
                     FUEL_BACKUP_STORE=service.store)
        self.refused("is not encrypted", "keys", FUEL_BACKUP_STORE=service.store)
        os.rename(self.service.store + "/keys", self.folder + "/aside")
        for variables in (self.variables(), {"FUEL_BACKUP_LOG": "text"}):
            self.refused("put a copy of it back", **variables)
        os.rename(self.folder + "/aside", self.service.store + "/keys")
        self.service.start()

    def test_slots(self):
        """Beside the running service, then with each of the secrets."""
        backup = self.service.backup()
        phrase, another = self.secret("phrase", PHRASE + b"\n"), self.secret("another", PHRASE * 2)
        by_phrase = {"FUEL_BACKUP_PASSPHRASE_FILE": phrase}
        self.assertIn("slot 2", self.keys_well("keys", "add", "passphrase", phrase, "in the safe"))
        listed = self.keys_well("keys").splitlines()
        self.assertEqual([line.split()[:2] for line in listed[1:]], [["1", "keyfile"], ["2", "scrypt"]])
        self.assertTrue(listed[2].endswith("in the safe"))
        self.assertEqual(self.keys_well("keys", "list"), self.keys_well("keys"))
        self.assertIn("slot 2", self.keys_well("keys", "check", **by_phrase))
        text = self.keys_well("keys", "recovery", **by_phrase).strip()
        self.assertRegex(text, "^([0-9a-f]{8}-){7}[0-9a-f]{8}$")
        by_recovery = {"FUEL_BACKUP_PASSPHRASE_FILE": self.secret("recovery", text.encode())}
        self.assertIn("slot 3", self.keys_well("keys", "check", **by_recovery))
        self.assertIn("slot 2", self.keys_well("keys", "change", "passphrase", another, **by_phrase))
        self.refused("opens none of the store's 3", "keys", "check", **by_phrase)
        by_another = {"FUEL_BACKUP_PASSPHRASE_FILE": another}
        self.service.operate(f"/backups/{backup}/verify")
        self.assertEqual(self.service.end(), 0)
        for secret in (by_another, by_recovery, self.variables()):
            self.assertIn(backup, [item["id"] for item in self.only_with(**secret)])
        masters = {sealed.master_key(self.service.store, *of) for of in (
            (KEY, 1), (PHRASE * 2, 2), (text.encode(), 3))}
        self.assertEqual(len(masters), 1)

        self.refused("is the one that the given secret opens", "keys", "remove", "2", **by_another)
        self.refused("there is no key slot 4", "keys", "remove", "4")
        self.refused("no slot's number", "keys", "remove", "one")
        self.keys_well("keys", "remove", "1", **by_another)
        self.refused("opens none of the store's 2", **self.variables())
        self.keys_well("keys", "remove", "2", **by_another)
        self.refused("the last key slot stays", "keys", "remove", "1", **by_another)
        self.keys_well("keys", "change", "key", self.variables()["FUEL_BACKUP_KEY_FILE"], **by_another)
        self.assertEqual(stat.S_IMODE(os.stat(self.service.store + "/keys").st_mode), 0o600)
        self.service.start()
        self.service.operate(f"/backups/{backup}/verify")

    def test_usage(self):
        self.assertIn("keys recovery", self.keys_well("keys", "help"))
        for wrong in (["forget"], ["list", "x"], ["add", "key"], ["remove"], ["change", "key", "a", "b"]):
            self.assertEqual(self.keys("keys", *wrong).returncode, 2, wrong)
        self.refused("neither", "keys", "add", "word", "/dev/null")

    def test_rebuild(self):
        backup = self.service.backup()
        archive = self.api("GET", f"/backups/{backup}/archive")
        listed = self.api("GET", "/backups").json["backups"]
        self.refused("held by another process", "rebuild", **self.variables())
        self.assertEqual(self.service.end(), 0)
        self.keys_well("rebuild")
        self.service.start()
        again = self.api("GET", f"/backups/{backup}/archive")
        self.assertEqual((again.header("ETag"), hashlib.sha256(again.body).digest()),
                         (archive.header("ETag"), hashlib.sha256(archive.body).digest()))
        self.assertEqual(self.api("GET", "/backups").json["backups"], listed)

    def test_no_key_is_shown(self):
        self.secret("phrase", PHRASE)
        log = self.service.log() + self.keys_well("config") + self.keys_well("keys")
        for secret in (KEY.decode(), KEY.hex(), PHRASE.decode(),
                       sealed.master_key(self.service.store, KEY).hex()):
            self.assertNotIn(secret, log)


class HiddenCase(Encrypted, ServiceCase):
    """What a stolen disk shows."""

    RARE = "Xylophagous-Quokka-7731"

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.write("text", (f"{cls.RARE} is in a small file\n" * 20).encode())
        cls.write("large", cls.RARE.encode() * 9000)  # of a chunk's own
        cls.write(f"a name with {cls.RARE}", b"in it")
        os.makedirs(f"{cls.data}/folder {cls.RARE}/below")
        os.symlink(cls.RARE, f"{cls.data}/link")
        os.setxattr(f"{cls.data}/text", "user.rare", cls.RARE.encode())
        cls.service.backup()

    def shown(self, store=None):
        """Files of the store in which it stands, as text or as hexadecimal digits, or in base64."""
        words = [self.RARE.encode(), self.RARE.encode().hex().encode(), self.data.encode(), b"backup.json",
                 b"host_paths", self.noise[:64], self.noise[-64:]]
        found = []
        for folder, folders, names in os.walk(store or self.service.store):
            for name in names:
                path = os.path.join(folder, name)
                if not stat.S_ISREG(os.stat(path).st_mode):
                    continue
                with open(path, "rb") as source:
                    data = source.read()
                found += [(path, word) for word in words if word in data]
            found += [name for name in folders + names if self.RARE in name]
        return found

    def test_nothing_shows(self):
        self.api("PATCH", "/backups/" + self.service.backup(), {"name": self.RARE})
        self.service.operate("/backups", {"host_paths": [f"{self.data}/folder {self.RARE}"]},
                             headers={"Idempotency-Key": self.RARE})
        self.assertEqual(self.shown(), [])  # while it runs, with its log
        self.service.end(signal.SIGKILL)
        self.assertTrue(os.path.exists(self.service.store + "/catalogue.db-wal"))
        self.assertEqual(self.shown(), [])
        self.service.start()
        [named] = [b for b in self.api("GET", "/backups").json["backups"] if b.get("name") == self.RARE]
        self.service.operate(f"/backups/{named['id']}/verify")
        self.api("PATCH", "/backups/" + named["id"], {"name": None})
        self.api("DELETE", "/backups/" + named["id"])
        self.service.operate("/sweep")
        self.assertEqual(self.service.end(), 0)
        self.assertEqual(self.shown(), [])
        self.service.start()

    def test_a_plain_store_would_show_it(self):
        """The search finds what is there."""
        folder = os.path.join(self.folder, "plain")
        os.makedirs(folder)
        plain = Service(folder, self.engine.path,
                        FUEL_BACKUP_PLAN=self.service.environment["FUEL_BACKUP_PLAN"])
        plain.start()
        self.addCleanup(plain.clean_up)
        plain.backup()
        self.assertEqual(plain.end(), 0)
        words = {word for _, word in self.shown(plain.store)}
        self.assertLessEqual({self.data.encode(), self.noise[:64], self.noise[-64:]}, words)

    def test_as_described(self):
        """Other people's AES-GCM, scrypt and zstd read the packs."""
        backup = self.service.backup()
        tar = self.api("GET", f"/backups/{backup}/archive?format=tar").body
        self.assertEqual(self.service.end(), 0)
        master = sealed.master_key(self.service.store, KEY)
        ids = sealed.hkdf(master, None, "fuel-backup 1 ids")
        chunks, ordinals = {}, set()
        for pack in sealed.packs(self.service.store, master):
            self.assertEqual(len(pack.data) % 65536, 0)
            kinds = []
            for _, ordinal, header, frame in pack:
                self.assertNotIn((pack.uuid, ordinal), ordinals)
                ordinals.add((pack.uuid, ordinal))
                kinds.append(header[9])
                self.assertIsNotNone(frame)
                if header[9] == 2:
                    plain = subprocess.run(["zstd", "-dcq"], input=frame, capture_output=True,
                                           check=True).stdout
                    self.assertEqual(sealed.hmac.digest(ids, plain, "sha256"), header[32:64])
                    chunks[int.from_bytes(header[16:24], "little")] = plain
            self.assertEqual(kinds[-1], sealed.PADDING)
        whole = b"".join(chunks[number] for number in sorted(chunks))
        self.assertIn(self.RARE.encode(), whole)
        for at in range(0, len(self.noise) - 64, 50000):
            self.assertIn(self.noise[at:at + 64], whole)
        for number, plain in chunks.items():
            if self.noise[:64] in plain:
                self.assertIn(plain[:4096], tar, number)
        self.assertTrue(re.fullmatch("[0-9a-f]{2}", os.path.basename(
            os.path.dirname(glob.glob(self.service.store + "/packs/*/*.zpk")[0]))))
        self.service.start()
