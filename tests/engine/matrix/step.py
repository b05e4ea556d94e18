"""One step of the matrix on the engine that DOCKER_HOST names, in its network: step.py STEP [ARGUMENT]; prints JSON.

    cycle               plan, backup, damage in place, restore, remove all, restore, rehearse, verify
    make, wreck         the twelve containers, and their end
    wreck_images        the images that the twelve are made of
    backup FILE         the archive to FILE, and what they are like to a file beside
    exported            what a container sees that was exported, then damaged, then restored
    platforms           an image with two platforms in one index
    restore FILE        from nothing but the archive
    trees               containers in all states on a driver that keeps whole trees (trees.py)
    owned FILE          a container whose files have many owners; the archive to FILE, and what they look like in it
    owned_back FILE     the same from the archive alone, then what it looks like in it
"""

import hashlib
import json
import os
import shutil
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)

# pylint: disable=wrong-import-position
from dozen import KIND, ROOTLESS, WORK, Dozen
import trees as trees_module
from fuelbackup import Failed, Service, docker, run

PLAN = {"containers": {"names": ["fb-*"]}, "host_paths": []}


def service():
    made = Service(os.path.join(WORK, "store-" + KIND.replace(":", "-")))
    made.remove()
    shutil.rmtree(made.store, ignore_errors=True)
    if ROOTLESS:
        os.makedirs(made.store, mode=0o700)
        os.chown(made.store, Dozen.owner, Dozen.owner)
    return made.start()


class Row:
    """The results of one engine: of each step the seconds, or what went wrong."""

    def __init__(self):
        self.cells, self.faults = {}, []

    def step(self, name, work):
        begun = time.monotonic()
        try:
            faults = [f"{name}: {line}" for line in work() or []]
        except (Failed, KeyError) as fault:  # the steps behind it may go all the same
            faults = [f"{name}: {fault}"]
        self.faults += faults
        self.cells[name] = "FAILED" if faults else round(time.monotonic() - begun, 1)


def missing_of_host():
    """Those of the default plan's host paths that are not in the engine's root."""
    if KIND == "engine":
        return []
    paths = ["/etc/fuel", "/etc/puppet", "/root/.ssh", "/var/lib/fuel", "/var/www/nailgun"]
    there = run(HERE + "/../other", KIND, "inside", "/bin/sh", "-c",
                'for path; do [ ! -e "$path" ] || echo "$path"; done', "sh", *paths).split()
    return [path for path in paths if path not in there]


def cycle():
    row, dozen = Row(), Dozen()
    dozen.remove_everything()
    dozen.make().remember()
    ours = service()
    record = {}

    def backup():
        record.update(ours.backup(PLAN))

    def plan():
        """It asks what the host has, and makes nothing of it."""
        before = missing_of_host()
        reply = ours.api("GET", "/plan")
        made = sorted(set(before) - set(missing_of_host()))
        return [f"{path} was made on the host" for path in made] + ([] if reply.status == 200 else [str(reply)])

    def restored():
        ours.restore(record["id"])
        return dozen.settled(dozen.differences)

    def rehearsed():
        result = ours.operate(f"/backups/{record['id']}/rehearse")["result"]
        return [] if result["verdict"] == "proven" else [json.dumps(result)[:2000]]

    try:
        row.step("plan", plan)
        row.step("backup", backup)
        dozen.wreck_in_place()
        row.step("in place", restored)
        dozen.wreck_all()
        row.step("anew", restored)
        row.step("rehearse", rehearsed)
        row.step("verify", lambda: ours.operate(f"/backups/{record['id']}/verify") and [])
    finally:
        if row.faults:
            print(ours.log(), file=sys.stderr)
        ours.remove()
        dozen.remove_everything()
    info = json.loads(docker("info", "-f", "{{json .}}"))
    return {"engine": info["ServerVersion"], "driver": info["Driver"], "cgroup": info["CgroupVersion"],
            "api": docker("version", "-f", "{{.Server.APIVersion}}").strip(), "freeze_ms": record.get("freeze_ms"),
            "cells": row.cells, "faults": row.faults}


def make(_=None):
    dozen = Dozen()
    dozen.remove_everything()
    dozen.make()


def wreck(_=None):
    Dozen(fresh=False).wreck_all()


def exported():
    docker("rm", "-f", "fb-exported", check=False)
    docker("run", "-d", "--name", "fb-exported", "fb-test/small", "sleep", "infinity")
    docker("exec", "fb-exported", "sh", "-c", "echo good >/srv/state")
    ours = service()
    try:
        record = ours.backup({"containers": {"names": ["fb-exported"]}, "host_paths": []})
        docker("export", "-o", WORK + "/exported", "fb-exported")
        docker("exec", "fb-exported", "sh", "-c", "echo bad >/srv/state")
        result = ours.restore(record["id"])["result"]
        seen = docker("exec", "fb-exported", "sh", "-c", "cat /srv/state")
    finally:
        ours.remove()
        docker("rm", "-f", "fb-exported", check=False)
    return {"seen": seen, "way": result["containers"][0]["way"], "warnings": result["warnings"]}


def blob(folder, document):
    data = json.dumps(document).encode()
    digest = hashlib.sha256(data).hexdigest()
    with open(f"{folder}/blobs/sha256/{digest}", "wb") as out:
        out.write(data)
    return {"digest": "sha256:" + digest, "size": len(data)}


def platforms():
    """A container of an image that has two platforms in one index, gone with its image, and back."""
    folder = WORK + "/platforms"
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
    docker("rm", "-f", "fb-platforms", check=False)
    run("sh", "-c", f"docker save fb-test/small | tar -x -C {folder}")
    with open(folder + "/index.json", encoding="utf-8") as source:
        first = json.load(source)["manifests"][0]
    with open(f"{folder}/blobs/{first['digest'].replace(':', '/')}", encoding="utf-8") as source:
        manifest = json.load(source)
    with open(f"{folder}/blobs/{manifest['config']['digest'].replace(':', '/')}", encoding="utf-8") as source:
        config = json.load(source)
    config["config"]["Labels"] = {"platforms": "two"}  # not the same image as the one that it is made of
    ours, other = ({**manifest, "config": {**manifest["config"], **blob(folder, {**config, "architecture": name})}}
                   for name in ("amd64", "arm64"))
    kind = {"mediaType": first["mediaType"]}
    both = [{**kind, **blob(folder, ours), "platform": {"os": "linux", "architecture": "amd64"}},
            {**kind, **blob(folder, other), "platform": {"os": "linux", "architecture": "arm64"}}]
    index = {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json"}
    whole = {"mediaType": index["mediaType"], **blob(folder, {**index, "manifests": both}), "annotations": {
        "io.containerd.image.name": "docker.io/fb-test/platforms:latest", "org.opencontainers.image.ref.name": "latest"}}
    with open(folder + "/index.json", "w", encoding="utf-8") as out:
        json.dump({**index, "manifests": [whole]}, out)
    os.unlink(folder + "/manifest.json")
    run("sh", "-c", f"tar -c -C {folder} . | docker load")
    docker("run", "-d", "--name", "fb-platforms", "fb-test/platforms", "sh", "-c", "echo mine >/srv/mine; exec sleep infinity")
    before = json.loads(docker("inspect", "fb-platforms"))[0]["Image"]
    wanted = ours["config"]["digest"]
    ours = service()
    try:
        record = ours.backup({"containers": {"names": ["fb-platforms"]}, "host_paths": []})
        docker("rm", "-f", "fb-platforms")
        docker("rmi", "-f", "fb-test/platforms")
        ours.restore(record["id"])
        after = json.loads(docker("inspect", "fb-platforms"))[0]["Image"]
        recorded = ours.api("GET", f"/backups/{record['id']}/files/backup.json").json
        seen = docker("exec", "fb-platforms", "cat", "/srv/mine")
    finally:
        ours.remove()
        docker("rm", "-f", "fb-platforms", check=False)
        docker("rmi", "-f", "fb-test/platforms", check=False)
    return {"index": whole["digest"], "before": before, "after": after, "seen": seen,
            "config": recorded["images"][0].get("config_digest"), "wanted": wanted}


def trees():
    return trees_module.trees(service)


OWNED = """for at in /srv /data; do
    mkdir -p $at/folder
    for id in 0 1 33 1234 65534; do echo $id >$at/of-$id; chown $id:$id $at/of-$id; done
    ln -s of-33 $at/link; chown -h 33:34 $at/link
    cp /bin/true $at/capable; setcap cap_net_raw+ep $at/capable
    setfacl -m u:33:rw,g:1234:r $at/of-0; setfacl -d -m u:7:rwx $at/folder
    chown 1234:33 $at/folder; chmod 2750 $at/folder
done"""
SEEN = """cd /; find srv data | sort | xargs stat -c "%n %u:%g %a %F"; getcap -r srv data | sort; getfacl -R -n srv data"""


def seen_within(name):
    return docker("exec", name, "sh", "-ec", SEEN).splitlines()


def owned(path):
    docker("rm", "-f", "fb-owned", check=False)
    docker("volume", "rm", "fb-owned", check=False)
    docker("run", "-d", "--name", "fb-owned", "-v", "fb-owned:/data", "fb-test/stack", "sleep", "infinity")
    docker("exec", "fb-owned", "sh", "-ec", OWNED)
    ours = service()
    try:
        record = ours.backup({"containers": {"names": ["fb-owned"]}, "host_paths": []})
        with open(path, "wb") as out:
            out.write(ours.api("GET", f"/backups/{record['id']}/archive").body)
        base = ours.api("GET", f"/backups/{record['id']}/files/backup.json").json["engine"].get("id_base")
    finally:
        ours.remove()
    return {"seen": seen_within("fb-owned"), "base": base}


def owned_back(path):
    docker("rm", "-f", "fb-owned", check=False)
    docker("volume", "rm", "fb-owned", check=False)
    ours = service()
    try:
        with open(path, "rb") as source:
            reply = ours.api("PUT", "/archives", source.read(), {"Content-Type": "application/zstd"}, timeout=600)
        assert reply.status == 201, reply
        verdict = ours.operate(f"/backups/{reply.json['id']}/rehearse")["result"]["verdict"]
        warnings = ours.restore(reply.json["id"])["result"]["warnings"]
        again = ours.restore(reply.json["id"], {"dry_run": True})["result"]
        told = {"seen": seen_within("fb-owned"), "warnings": warnings, "verdict": verdict,
                "again": again["entries"]}
    finally:
        ours.remove()
        docker("rm", "-f", "fb-owned", check=False)
        docker("volume", "rm", "fb-owned", check=False)
    return told


def wreck_images(_=None):
    docker("rmi", "-f", "fb-test/stack", "fb-test/small", "fb-test/volume", check=False)


def backup(path):
    """Then the stack, with all of its images, goes away."""
    dozen, ours = Dozen(fresh=False), service()
    try:
        record = ours.backup(PLAN)
        with open(path, "wb") as out:
            out.write(ours.api("GET", f"/backups/{record['id']}/archive").body)
    finally:
        ours.remove()
    dozen.save()
    dozen.wreck_all()


def restore(path):
    dozen, ours = Dozen(fresh=False), service()
    try:
        with open(path, "rb") as source:
            reply = ours.api("PUT", "/archives?devices=true", source.read(), {"Content-Type": "application/zstd"}, timeout=600)
        assert reply.status == 201, reply
        ahead = ours.restore(reply.json["id"], {"dry_run": True})["result"]
        ours.restore(reply.json["id"])
        again = ours.restore(reply.json["id"], {"dry_run": True})["result"]
    finally:
        ours.remove()
    lost = [f"image {image} is not found again" for image in again["images"]]
    return {"differences": lost + dozen.settled(dozen.compare), "missing": ahead["images"],
            "warnings": reply.json["warnings"] + ahead["warnings"]}


if __name__ == "__main__":
    os.makedirs(WORK, exist_ok=True)
    print(json.dumps(globals()[sys.argv[1]](*sys.argv[2:])))
