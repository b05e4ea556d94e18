"""What the tests of freezes share: containers with a heartbeat, a service that runs on the host from a
build with barriers, a sampler that sees how long the kernel holds each container."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", "..", "lib"), os.path.join(HERE, "..", "..", "engine")]

from fuelbackup import Failed, Service, docker, inspect, kill, run, wait_until  # noqa: E402

WORK = "/var/tmp/fuel-backup-freeze"
BARRIERS = WORK + "/barriers"
DAEMON = os.environ.get("FB_DAEMON", os.path.join(HERE, "..", "..", "..", "build", "dev", "fuel-backupd"))
NAMES = ("fz-one", "fz-two", "fz-three")
CONTROL = "nobody-freezes-me"
ENGINE_HOME = os.path.dirname(os.environ.get("DOCKER_HOST", "").removeprefix("unix://"))


def cgroup_folder(name):
    identity = inspect(name)["Id"]
    for base in ("/sys/fs/cgroup/freezer", "/sys/fs/cgroup"):
        found = run("find", base, "-type", "d", "-name", f"*{identity}*", check=False).split()
        if found:
            return found[0]
    raise Failed(f"no cgroup of {name}")


def state_file(folder):
    first = folder + "/freezer.state"
    return first if os.path.exists(first) else folder + "/cgroup.events"


def is_frozen(file):
    try:
        with open(file, encoding="ascii") as state:
            text = state.read()
    except OSError:  # it has ended
        return False
    return text.startswith("FR") or "frozen 1" in text


class Sampler:
    """Looks each 5 ms whether the kernel holds the containers; the longest time without a break."""

    def __init__(self, names=NAMES):
        self.files = {name: state_file(cgroup_folder(name)) for name in names}
        self.longest = dict.fromkeys(names, 0.0)
        self.since, self.seen, self.began = {}, [], time.monotonic()
        self.over = threading.Event()
        self.thread = threading.Thread(target=self.look, daemon=True)
        self.thread.start()

    def look(self):
        while not self.over.is_set():
            now = time.monotonic()
            for name, file in self.files.items():
                if not is_frozen(file):
                    if self.since.pop(name, None):
                        self.seen.append(f"{now - self.began:.2f} {name} runs")
                    continue
                if name not in self.since:
                    self.seen.append(f"{now - self.began:.2f} {name} stands still")
                begin = self.since.setdefault(name, now)
                self.longest[name] = max(self.longest[name], now - begin)
            time.sleep(0.005)

    def any_now(self):
        return any(is_frozen(file) for file in self.files.values())

    def end(self):
        self.over.set()
        self.thread.join()
        return max(self.longest.values())


class HostService(Service):
    """The service as a process here.  hidden: a container whose cgroup it cannot write."""

    def __init__(self, store=WORK + "/store", port=18199, hidden=None, **options):
        super().__init__(store, port=port, **options)
        self.process, self.hidden = None, hidden

    def start(self, wait=True):
        os.makedirs(self.store, mode=0o700, exist_ok=True)
        clean = {key: value for key, value in os.environ.items() if not key.startswith("FUEL_BACKUP")}
        environment = {**clean, "FUEL_BACKUP_STORE": self.store, "DOCKER_HOST": "unix://" + self.socket,
                       "FUEL_BACKUP_LISTEN": f"127.0.0.1:{self.port}", "FUEL_BACKUP_PLAN": WORK + "/plan.json",
                       "FB_BARRIERS": BARRIERS, "ASAN_OPTIONS": "detect_leaks=0", **self.environment}
        command = [DAEMON, "serve"]
        if self.hidden:
            script = ('mount --bind "$0" "$0" && mount -o remount,bind,ro "$0" && exec "$@"')
            command = ["unshare", "--mount", "--propagation", "private", "sh", "-c", script,
                       cgroup_folder(self.hidden), *command]
        with open(WORK + "/service.log", "ab") as log:
            self.process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
        if wait:
            self.wait_ready()
        return self

    def wait_ready(self, seconds=60):
        def ready():
            if self.process.poll() is not None:
                raise Failed("the service ended:\n" + self.log())
            try:
                return self.api("GET", "/health", token=False).status in (200, 503)
            except OSError:
                return False
        wait_until("GET /health answers", ready, seconds)
        with open(os.path.join(self.store, "token"), encoding="ascii") as token:
            self.token = token.read().strip()

    def log(self):
        with open(WORK + "/service.log", encoding="utf-8", errors="replace") as log:
            return log.read()[-4000:]

    def pid(self):
        return self.process.pid

    def alive(self):
        return self.process is not None and self.process.poll() is None

    def children(self, pid=None):
        out = run("ps", "-o", "pid=", "--ppid", str(pid or self.pid()), check=False)
        return [int(one) for one in out.split()]

    def guards(self):
        """The guard and its deputy."""
        own = wait_until("a guard", self.children)
        return own[-1], (self.children(own[-1]) or [0])[0]

    def again(self):
        self.process.wait(30)
        return self.start()

    def stop(self, seconds=90):
        if self.alive():
            self.process.send_signal(signal.SIGCONT)
            self.process.terminate()
            try:
                self.process.wait(seconds)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
                raise Failed("it did not end on SIGTERM:\n" + self.log()) from None
        return self.process.returncode if self.process else None

    def remove(self):
        with contextlib.suppress(Failed):
            self.stop()


def hold_at(name):
    """The next thread that comes there waits until let_go."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(f"{BARRIERS}/{name}.reached")
    with open(f"{BARRIERS}/{name}", "w", encoding="ascii"):
        pass


def reached(name, seconds=60):
    wait_until(f"barrier {name} is reached", lambda: os.path.exists(f"{BARRIERS}/{name}.reached"), seconds, 0.005)


def let_go(*names):
    for name in names or os.listdir(BARRIERS):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(f"{BARRIERS}/{name}")


def run_container(name, *options):
    docker("rm", "-f", name, check=False)
    docker("run", "-d", "--name", name, "--stop-signal", "TERM", "--restart", "unless-stopped", *options, "fb-test/small",
           "sh", "-c", f"trap 'exit 0' TERM; while :; do date +%N >/data-{name}; sleep 0.05; done")


def needs_barriers():
    """Only a build with them (cmake -DFB_BARRIERS=ON; preset dev) can be held where a test wants it."""
    with open(DAEMON, "rb") as program:
        if b"%s.reached" not in program.read():
            raise unittest.SkipTest("the service was built without barriers (FB_BARRIERS)")


def set_up():
    needs_barriers()
    tear_down()
    os.makedirs(BARRIERS)
    with open(WORK + "/plan.json", "w", encoding="ascii") as plan:
        plan.write('{"containers": {"names": ["fz-*"]}, "host_paths": []}')
    for name in NAMES:
        run_container(name)


def tear_down():
    names = docker("ps", "-aq", "--filter", "name=^/fz-", "--filter", f"name=^/{CONTROL}$").split()
    if names:
        docker("rm", "-f", "-v", *names)
    shutil.rmtree(WORK, ignore_errors=True)


def views():
    """What the engine says of each: "running", "paused", …"""
    return {name: inspect(name)["State"]["Status"] for name in NAMES}


def all_run():
    with contextlib.suppress(Failed, ValueError):
        return set(views().values()) == {"running"} and not any(
            is_frozen(state_file(cgroup_folder(name))) for name in NAMES)
    return False


def engine_pid():
    with open(ENGINE_HOME + "/dockerd.pid", encoding="ascii") as pid:
        return int(pid.read())


def kill_engine():
    """Who started it starts it again."""
    with open(ENGINE_HOME + "/again", "w", encoding="ascii"):
        pass
    kill(engine_pid())


def engine_answers():
    return docker("version", "-f", "{{.Server.Version}}", check=False).strip()


def keeps_containers():
    """Whether they live on when the engine ends: live-restore."""
    return docker("info", "-f", "{{.LiveRestoreEnabled}}").strip() == "true"


def containerd_pid():
    return int(run("pgrep", "-P", str(engine_pid()), "-x", "containerd").split()[0])
