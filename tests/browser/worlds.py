"""What the tests in a browser have around them, which does what their halves in JavaScript ask for."""

import hashlib
import json
import os
import shutil
import subprocess

HERE = os.path.dirname(os.path.abspath(__file__))
MODULES = os.environ.get("FB_NODE_MODULES", HERE + "/node_modules")


def missing(*packages, programs=("chromium", "node")):
    """What is lacking of programs and of npm's packages; None if nothing is."""
    for program in programs:
        if not shutil.which(program):
            return program
    for package in packages:
        if not os.path.isdir(f"{MODULES}/{package}"):
            return f"{package} in {MODULES}"
    return None


def sha256(path):
    with open(path, "rb") as source:
        return hashlib.sha256(source.read()).hexdigest()


def drive(script, obey, facts):
    """Run a script; obey(order, *arguments) answers what it asks.  Its exit code."""
    facts = {"modules": MODULES, "pictures": os.environ.get("FB_PICTURES"), "chromium": shutil.which("chromium"),
             "patience": int(os.environ.get("FB_PATIENCE_MS", "30000")),
             **facts}
    if facts["pictures"]:
        os.makedirs(facts["pictures"], exist_ok=True)
    with subprocess.Popen(["node", f"{HERE}/{script}", json.dumps(facts)], text=True,
                          stdin=subprocess.PIPE, stdout=subprocess.PIPE) as browser:
        for line in browser.stdout:
            if line.startswith("! "):
                browser.stdin.write(json.dumps(obey(*json.loads(line[2:]))) + "\n")
                browser.stdin.flush()
            else:
                print(line, end="", flush=True)
        return browser.wait(60)
