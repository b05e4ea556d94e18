#!/usr/bin/env python3
"""make_tree.py ROOT: fill a folder with everything that a file system can hold and a tar may lose.

Runs inside a container (its writable layer) and on the host (volumes, bind mounts), so it uses
nothing but the standard library, setcap and setfacl.
"""

import contextlib
import errno
import os
import random
import socket
import stat
import subprocess
import sys

DATES_NS = [1, 1_700_000_000_123_456_789, 999_999_999, 4_102_444_800_000_000_001, -86_400_000_000_001]


def write(path, data=b"text\n", mode=0o644):
    with open(path, "wb") as out:
        out.write(data)
    os.chmod(path, mode)
    return path


def sparse(path, size_bytes, *offsets):
    with open(path, "wb") as out:
        out.truncate(size_bytes)
        for offset in offsets:
            out.seek(offset)
            out.write(b"island" * 700)


def special_files(root):
    os.mkfifo(root + "/fifo", 0o620)
    with contextlib.suppress(PermissionError):  # Podman's containers, and those of a user, make none
        os.mknod(root + "/null", 0o666 | stat.S_IFCHR, os.makedev(1, 3))
        os.mknod(root + "/block", 0o600 | stat.S_IFBLK, os.makedev(7, 200))
    for name, mode in (("setuid", 0o4755), ("setgid", 0o2755), ("none", 0), ("all", 0o777)):
        write(f"{root}/{name}", mode=mode)
    os.mkdir(root + "/sticky")
    os.chmod(root + "/sticky", 0o1777)
    os.mkdir(root + "/closed")
    os.chmod(root + "/closed", 0)
    os.mkdir(root + "/empty", 0o751)
    with socket.socket(socket.AF_UNIX) as listener:
        os.chdir(root)
        listener.bind("socket")  # never backed up: documented
        os.chdir("/")


def names(root):
    folder = os.fsencode(root) + b"/names"
    os.mkdir(folder)
    for name in (b"caf\xe9", b"\xff\xfe\x80", "übung 漢字".encode(), b"new\nline", b" space ", b"-dash",
                 b"back\\slash", b"tab\t", b"*glob?[x]", b"x" * 255, b".hidden", b"\x01", b"a" * 100,
                 b".wh", b"wh.", b"..."):
        try:
            write(folder + b"/" + name, name)
        except OSError as fault:  # fuse-overlayfs wants room for a mark of its own
            if fault.errno != errno.ENAMETOOLONG:
                raise
            write(folder + b"/" + name[:-9], name)
    deep = folder
    for i in range(12):
        deep += b"/" + bytes([97 + i]) * 120
        os.mkdir(deep)
    write(deep + b"/leaf")
    os.symlink("/absolute/dangling", folder + b"/absolute")
    os.symlink(b"../names/caf\xe9", folder + b"/relative")
    try:
        os.symlink("t" * int(os.environ.get("FB_LINK_MAX", "3000")), folder + b"/long target")
    except OSError as fault:  # of xfs, 1,024 bytes
        if fault.errno != errno.ENAMETOOLONG:
            raise
        os.symlink("t" * 1023, folder + b"/long target")


def links(root):
    os.makedirs(root + "/links/z")
    write(root + "/links/z/first", b"linked" * 20_000)
    for name in ("/links/a", "/links/m", "/links/z/zz"):
        os.link(root + "/links/z/first", root + name)
    write(root + "/links/small")
    os.link(root + "/links/small", root + "/links/z/small")
    os.symlink("nowhere", root + "/links/symlink")
    os.link(root + "/links/symlink", root + "/links/symlink-too", follow_symlinks=False)


def contents(root):
    chance = random.Random(root)
    for size in (0, 1, 511, 512, 513, 65_535, 65_536, 65_537, 262_144, 3_000_000):
        write(f"{root}/size-{size}", chance.randbytes(size))
    write(root + "/zeros", bytes(2_000_000))
    os.mkdir(root + "/many")
    for i in range(600):
        write(f"{root}/many/{i}", b"%d\n" % i * chance.randrange(400))
    sparse(root + "/sparse", 96 << 20, 0, 5 << 20, (40 << 20) + 123, (96 << 20) - 4200)
    sparse(root + "/hole", 24 << 20)
    sparse(root + "/hole-last", (8 << 20) + 5, 4096)


def attributes(root):
    write(root + "/xattr")
    os.setxattr(root + "/xattr", "user.text", b"value")
    os.setxattr(root + "/xattr", "user.binary", bytes(range(256)))
    os.setxattr(root + "/xattr", "user.empty", b"")
    os.setxattr(root + "/empty", "user.of-a-folder", b"folder")
    write(root + "/capable", b"#!/bin/true\n", 0o755)
    subprocess.run(["setcap", "cap_net_raw,cap_net_bind_service+ep", root + "/capable"], check=True)
    write(root + "/acl")
    subprocess.run(["setfacl", "-m", "u:1234:rw,g:4321:r", root + "/acl"], check=True)
    subprocess.run(["setfacl", "-d", "-m", "u:1234:rwx", root + "/empty"], check=True)
    for i, (uid, gid) in enumerate(((1234, 4321), (2_097_152, 2_097_153), (4_000_000_000, 1))):
        with contextlib.suppress(OSError):  # where ids are mapped there are no others
            os.lchown(write(f"{root}/owner-{i}"), uid, gid)
    os.symlink("x", root + "/owned-link")
    os.lchown(root + "/owned-link", 77, 78)
    for i, when in enumerate(DATES_NS):
        os.utime(write(f"{root}/date-{i}"), ns=(when, when))
    os.utime(root + "/owned-link", ns=(DATES_NS[1], DATES_NS[1]), follow_symlinks=False)
    os.utime(root + "/sticky", ns=(DATES_NS[2], DATES_NS[2]))


def main():
    root = sys.argv[1]
    os.makedirs(root, exist_ok=True)
    for part in (special_files, names, links, contents, attributes):
        part(root)


main()
