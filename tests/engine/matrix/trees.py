"""Some containers in all states on a driver that keeps whole trees: the step of trees_test.py."""

import os
import shutil

import stack
from dozen import WORK, tree_differences, upper
from fuelbackup import Failed, docker, inspect, run

PLAN = {"containers": {"names": ["fb-*"]}, "host_paths": []}
NAMES = ["fb-all", "fb-created", "fb-paused", "fb-plain", "fb-readonly", "fb-stopped"]
CHANGES = r"""
    rm /srv/file1; rm -r /srv/tree/deep; rm -r /root; echo file >/root
    echo other >/srv/file2; chmod 600 /srv/file3; chown 12:34 /srv/file4; ln /srv/file5 /srv/linked
    rm -r /srv/tree; mkdir -m 700 /srv/tree; echo only >/srv/tree/only
    touch -r /srv/file6 /tmp/keep; echo imagE 6 >/srv/file6; touch -r /tmp/keep /srv/file6; rm /tmp/keep
    touch -r /srv/file7 /tmp/keep; chmod 600 /srv/file7; chmod 644 /srv/file7; rm /tmp/keep
    mkdir -p "/odd/$(printf 'a\nb')/.hidden"; echo x >"/odd/$(printf 'caf\351')"; echo y >"/odd/ -*?[%2f"
    ln -s ../nowhere /odd/link; mkfifo /odd/fifo; mknod /odd/null c 1 3; mknod /odd/disk b 7 0
    cp /bin/busybox /odd/tool; chmod 4755 /odd/tool; touch -d '2001-02-03 04:05:06' /odd /srv/file2
"""
# As GNU tar escapes them: those of fb-all, without what an engine makes itself.
EXPECTED = [
    "odd/", "odd/a\\nb/", "odd/a\\nb/.hidden/", "srv/", "srv/tree/", "tmp/", "odd/ -*?[%2f", "odd/caf\\351", "odd/disk",
    "odd/fifo", "odd/link", "odd/null", "odd/tool", "root", "srv/.wh.file1", "srv/file2", "srv/file3", "srv/file4",
    "srv/file5", "srv/file6", "srv/file8", "srv/file9", "srv/linked", "srv/tree/.wh.deep", "srv/tree/only",
    *(f"srv/tree/.wh.file{i}" for i in range(1, 10))]


def make():
    docker("run", "-d", "--name", "fb-all", "fb-test/small")
    docker("exec", "fb-all", "sh", "-ec", CHANGES)
    tree = upper("fb-all")
    os.setxattr(tree + "/srv/file8", "user.note", b"of a value")
    run("setfacl", "-m", "u:99:r", tree + "/srv/file9")
    os.utime(tree + "/srv/file8", ns=(0, 1234567890123456789))
    docker("create", "--name", "fb-created", "fb-test/small")
    docker("run", "-d", "--name", "fb-paused", "fb-test/small")
    docker("exec", "fb-paused", "sh", "-c", "echo kept >/srv/kept")
    docker("pause", "fb-paused")
    docker("run", "-d", "--name", "fb-plain", "-v", "fb-trees:/data", "fb-test/small")
    docker("exec", "fb-plain", "sh", "-c", "echo good >/data/file")
    docker("run", "-d", "--name", "fb-readonly", "--read-only", "fb-test/small")
    docker("run", "--name", "fb-stopped", "fb-test/small", "sh", "-c", "echo ran >/srv/ran; rm /srv/file9")


def clean():
    docker("rm", "-f", *NAMES, check=False)
    docker("volume", "rm", "-f", "fb-trees", check=False)
    shutil.rmtree(WORK + "/trees", ignore_errors=True)


def remember():
    for name in NAMES:
        stack.copy_tree(upper(name), f"{WORK}/trees/{name}")


def differences():
    return [f"{name}: {line}" for name in NAMES for line in tree_differences(f"{WORK}/trees/{name}", upper(name))]


def states():
    return {name: inspect(name)["State"]["Status"] for name in NAMES}


def members(ours, record):
    """The paths of fb-all's layer in the archive, as GNU tar names them."""
    path = WORK + "/trees/archive.tar"
    with open(path, "wb") as out:
        out.write(ours.api("GET", f"/backups/{record}/archive?format=tar").body)
    listed = run("tar", "--quoting-style=escape", "-tf", path)
    prefix = "containers/fb-all/layer/"
    names = [line[len(prefix):] for line in listed.splitlines() if line.startswith(prefix)]
    made = ("dev", "etc", "proc", "sys", ".dockerenv")
    return sorted(name for name in names if name and name.split("/")[0] not in made)


def told(result):
    return {"ways": {one["name"]: one["way"] for one in result["containers"]}, "warnings": result["warnings"],
            "sources": {one["prefix"]: one for one in result.get("sources", [])}}


def ahead(ours, record, only=None):
    return told(ours.restore(record, {"dry_run": True, **({"only": only} if only else {})})["result"])


def trees(service):
    clean()
    make()
    remember()
    ours = service()
    try:
        record = ours.backup(PLAN)["id"]
        found = {"expected": sorted(EXPECTED), "members": members(ours, record),
                 "states": states(), "unchanged": ahead(ours, record)}
        second = ours.backup(PLAN)
        found["second_read"] = second["passes"][-1]["bytes_read"]
        docker("exec", "fb-all", "sh", "-c", "echo back >/srv/file1; rm -r /odd; rm /srv/file8; echo z >/srv/tree/more")
        docker("exec", "fb-plain", "sh", "-c", "echo bad >/data/file")
        found["ahead"] = ahead(ours, record)
        try:
            found["part"] = str(ahead(ours, record, {"files": ["containers/fb-all/layer/srv/file8"]}))
        except Failed as refused:
            found["part"] = str(refused)
        found["one"] = {**told(ours.restore(record)["result"]), "differences": differences(),
                        "volume": docker("exec", "fb-plain", "cat", "/data/file")}
        found["again"] = ahead(ours, record)
        docker("rm", "-f", *NAMES)
        docker("rmi", "-f", "fb-test/small")
        ours.restore(record)
        found["all"] = {"differences": differences(), "states": states()}
    finally:
        ours.remove()
        clean()
    return found
