"""What upgrade_test.py does on each engine in turn, in its network: upgrade.py first|upgraded [BACKUP...]; prints JSON.

On the first the service and a container are made, on the others both are there again by their restart policy; each
earlier backup is restored over damage, in place and to nothing, and one more is made.
"""

import json
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE + "/..", HERE + "/../../lib"]

# pylint: disable=wrong-import-position
from fuelbackup import Service, docker, inspect, wait_until

WORK = os.path.join(os.environ.get("FUEL_BACKUP_CACHE", "/var/cache/fuel-backup"), "upgrade")
PLAN = {"containers": {"names": ["fb-up"]}, "host_paths": []}


def service():
    return Service(WORK + "/store")


def write(text):
    docker("exec", "fb-up", "sh", "-c", f"echo {text} >/data/file; echo {text} >/srv/file1; rm -f /srv/file2")


def read():
    return docker("exec", "fb-up", "sh", "-c", "cat /data/file /srv/file1; ls /srv/file2 2>/dev/null || echo gone").split()


def make():
    ours = service()
    ours.remove()
    docker("run", "-d", "--name", "fb-up", "--restart", "always", "-v", "fb-up:/data", "fb-test/small")
    ours.start()
    docker("update", "--restart", "always", ours.name)
    return ours


def found_again():
    ours = service()
    wait_until("the service runs again", lambda: inspect(ours.name)["State"]["Running"], 60, 0.5)
    ours.wait_ready(60)
    wait_until("fb-up runs again", lambda: inspect("fb-up")["State"]["Running"], 60, 0.5)
    return ours


def main(how, backups):
    ours = make() if how == "first" else found_again()
    faults = []
    for i, backup in enumerate(backups):
        write("wrecked")
        ours.restore(backup)
        if read() != [f"state{i}"] * 2 + ["gone"]:
            faults.append(f"{backup} in place: {read()}")
        docker("rm", "-f", "-v", "fb-up")
        docker("volume", "rm", "fb-up")
        ours.restore(backup)
        if read() != [f"state{i}"] * 2 + ["gone"]:
            faults.append(f"{backup} made again: {read()}")
    write(f"state{len(backups)}")
    record = ours.backup(PLAN)
    health = ours.api("GET", "/health").json
    return {"faults": faults, "backup": record["id"], "service_api": health["engine"]["api"],
            "engine_api": docker("version", "-f", "{{.Server.APIVersion}}").strip(), "state": record["state"]}


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1], sys.argv[2:])))
