"""One step of the matrix on the engine that DOCKER_HOST names, in its network: step.py STEP [ARGUMENT]; prints JSON.

    cycle               plan, backup, damage in place, restore, remove all, restore, rehearse, verify
    make, wreck         the twelve containers, and their end
    wreck_images        the images that the twelve are made of
    backup FILE         the archive to FILE, and what they are like to a file beside
    exported            what a container sees that was exported, then damaged, then restored
    restore FILE        from nothing but the archive
"""

import json
import os
import shutil
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

# pylint: disable=wrong-import-position
from dozen import KIND, WORK, Dozen
from fuelbackup import Failed, Service, docker

PLAN = {"containers": {"names": ["fb-*"]}, "host_paths": []}


def service():
    made = Service(os.path.join(WORK, "store-" + KIND.replace(":", "-")))
    made.remove()
    shutil.rmtree(made.store, ignore_errors=True)
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


def cycle():
    row, dozen = Row(), Dozen()
    dozen.remove_everything()
    dozen.make().remember()
    ours = service()
    record = {}

    def backup():
        record.update(ours.backup(PLAN))

    def plan():
        reply = ours.api("GET", "/plan")
        return [] if reply.status == 200 else [str(reply)]

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
