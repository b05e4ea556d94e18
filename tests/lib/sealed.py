"""Goal: an encrypted store read by other means than our own, as docs/security.md describes it: Python's
scrypt and HMAC, and the AES-GCM of python3-cryptography."""

import glob
import hashlib
import hmac
import json
import os
import struct

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

HEADER = 96
PADDING = 6


def hkdf(key, salt, info):
    """RFC 5869 with SHA-256, 32 bytes."""
    extracted = hmac.digest(salt or bytes(32), key, "sha256")
    return hmac.digest(extracted, info.encode() + b"\x01", "sha256")


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def slot_key(slot, secret):
    salt = bytes.fromhex(slot["salt"])
    if slot["kind"] == "scrypt":
        return hashlib.scrypt(secret, salt=salt, n=slot["n"], r=slot["r"], p=slot["p"], dklen=32,
                              maxmem=1 << 30)
    if slot["kind"] == "recovery":
        secret = bytes.fromhex(secret.decode().replace("-", ""))
    return hkdf(secret, salt, f"fuel-backup 1 {slot['kind']} slot")


def master_key(store, secret, number=1):
    """Of the slot of that number, and the whole file authenticated with it."""
    with open(os.path.join(store, "keys"), encoding="utf-8") as source:
        document = json.load(source)
    slot = document["slots"][number - 1]
    bound = " ".join(["fuel-backup slot 1", slot["kind"], slot["salt"], str(slot.get("n", 0)),
                      str(slot.get("r", 0)), str(slot.get("p", 0)), slot["created_at"], slot["label"]])
    box = bytes.fromhex(slot["key"])
    master = AESGCM(slot_key(slot, secret)).decrypt(box[:12], box[12:], bound.encode())
    mac = document.pop("mac")
    text = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert hmac.digest(hkdf(master, None, "fuel-backup 1 keyfile"), text.encode(), "sha256").hex() == mac
    return master


class Pack:
    """Yields (offset, ordinal, header, frame) of each record behind the pack's own; of a damaged one
    the frame is None."""

    def __init__(self, path, master):
        self.path = path
        self.uuid = bytes.fromhex(os.path.basename(path)[:32])
        packs = hkdf(master, None, "fuel-backup 1 packs")
        self.gcm = AESGCM(hkdf(packs, self.uuid, "fuel-backup 1 pack"))
        with open(path, "rb") as source:
            self.data = source.read()
        head = self.data[:92][:32] + bytes(32) + self.data[64:92]
        head += struct.pack("<I", crc32c(head))
        key = hkdf(packs, self.uuid, "fuel-backup 1 pack head")
        assert hmac.digest(key, head, "sha256") == self.data[32:64], path

    def __iter__(self):
        at, ordinal = HEADER, 1
        while at < len(self.data):
            closed = self.data[at:at + HEADER]
            try:
                opened = self.gcm.decrypt(struct.pack("<III", ordinal, 0, 0), closed, self.uuid)
            except InvalidTag:
                return  # the rest of a pack that was cut off, or is open
            header, tag = opened[:64], opened[64:]
            length, = struct.unpack_from("<I", header, 28)
            frame = self.data[at + HEADER:at + HEADER + length] + tag
            try:
                frame = self.gcm.decrypt(struct.pack("<III", ordinal, 1, 0), frame, header)
            except InvalidTag:
                frame = None
            yield at, ordinal, header, frame
            at, ordinal = at + HEADER + length, ordinal + 1


def flip(store, master, content):
    """Flip a bit of the ciphertext where these bytes of a plain frame stand; how often they do."""
    found = 0
    for pack in packs(store, master):
        for offset, _, _, frame in pack:
            at = -1 if frame is None else frame.find(content)
            if at >= 0:
                place = offset + HEADER + at + 5
                with open(pack.path, "r+b") as out:
                    out.seek(place)
                    out.write(bytes([pack.data[place] ^ 1]))
                found += 1
    return found


def packs(store, master):
    for path in sorted(glob.glob(os.path.join(store, "packs/*/*.zpk"))):
        yield Pack(path, master)
