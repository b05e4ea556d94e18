"""Real servers on loopback for tests/copies: each in a folder of its own, started in a second, ended by its process id.

Programs come from PATH, or out of their packages below FB_SERVERS (dev/install copies), where nothing of them is
installed and so nothing starts by itself.  sshd and vsftpd want users of the system: they get an /etc/passwd of their
own, in a mount namespace of their own.  Data folders belong to `nobody`, who the servers write as.
"""

import ctypes
import datetime
import glob
import os
import shutil
import socket
import subprocess
import tempfile
import time
import uuid

ROOT = os.environ.get("FB_SERVERS", "/usr/local/lib/fuel-backup-servers")
LIBRARIES = [f"{ROOT}/{folder}" for folder in
             ("usr/lib/x86_64-linux-gnu", "lib/x86_64-linux-gnu", "usr/lib/x86_64-linux-gnu/ceph",
              "usr/lib/aarch64-linux-gnu", "lib/aarch64-linux-gnu", "usr/lib/aarch64-linux-gnu/ceph")]
NOBODY = 65534
USER, PASSWORD = "fb", "open sesame 7"


def program(name):
    """Where it is, or None."""
    for folder in ("usr/sbin", "usr/bin"):
        if os.access(f"{ROOT}/{folder}/{name}", os.X_OK):
            return f"{ROOT}/{folder}/{name}"
    return shutil.which(name, path=os.environ["PATH"] + ":/usr/sbin:/sbin")


LIBC = ctypes.CDLL(None)


def die_with_parent():
    """A test that is killed leaves no server behind, but one that changes its user (PR_SET_PDEATHSIG, SIGKILL)."""
    LIBC.prctl(1, 9)


def free_ports(count):
    """So many ports in a row that nobody listens at."""
    while True:
        held = []
        try:
            first = socket.socket()
            first.bind(("127.0.0.1", 0))
            held.append(first)
            port = first.getsockname()[1]
            for i in range(1, count):
                held.append(socket.socket())
                held[-1].bind(("127.0.0.1", port + i))
            return port
        except (OSError, OverflowError):
            continue
        finally:
            for s in held:
                s.close()


def write(path, text, mode=0o600):
    with open(path, "w", encoding="utf-8", opener=lambda p, f: os.open(p, f, mode)) as file:
        file.write(text)
    return path


def hashed(kind="-6"):
    """The password as a server keeps it."""
    return subprocess.run(["openssl", "passwd", kind, PASSWORD], check=True, capture_output=True,
                          text=True).stdout.strip()


class Authority:
    """A certificate authority, and what it signs for 127.0.0.1."""

    def __init__(self, folder):
        from cryptography import x509
        from cryptography.hazmat.primitives import hashes, serialization
        from cryptography.hazmat.primitives.asymmetric import ec
        self.x509, self.hashes, self.serialization, self.ec = x509, hashes, serialization, ec
        self.folder = folder
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "copies' authority")])
        self.ca = self.sign("ca", self.key.public_key(), self.name, 1)
        self.good = self.server("good", 10)
        self.expired = self.server("expired", -1)

    def sign(self, file, public, subject, days):
        import ipaddress
        x509, now = self.x509, datetime.datetime.utcnow()
        builder = (x509.CertificateBuilder().subject_name(subject).issuer_name(self.name).public_key(public)
                   .serial_number(x509.random_serial_number())
                   .not_valid_before(now - datetime.timedelta(days=30))
                   .not_valid_after(now + datetime.timedelta(days=days))
                   .add_extension(x509.BasicConstraints(ca=file == "ca", path_length=None), critical=True))
        if file != "ca":
            builder = builder.add_extension(x509.SubjectAlternativeName(
                [x509.IPAddress(ipaddress.ip_address("127.0.0.1")), x509.DNSName("localhost")]), critical=False)
        text = builder.sign(self.key, self.hashes.SHA256()).public_bytes(self.serialization.Encoding.PEM).decode()
        return write(f"{self.folder}/{file}.pem", text, 0o644)

    def server(self, file, days):
        """A file with key and certificate."""
        key = self.ec.generate_private_key(self.ec.SECP256R1())
        subject = self.x509.Name([self.x509.NameAttribute(self.x509.NameOID.COMMON_NAME, f"{file}.example")])
        certificate = self.sign(file, key.public_key(), subject, days)
        text = key.private_bytes(self.serialization.Encoding.PEM, self.serialization.PrivateFormat.PKCS8,
                                 self.serialization.NoEncryption()).decode()
        with open(certificate, encoding="utf-8") as signed:
            return write(f"{self.folder}/{file}-both.pem", text + signed.read())


class Server:
    """One that runs.  `options`: what a client needs; `data`: where its objects are, as the disk has them."""
    programs = ()

    @classmethod
    def missing(cls):
        return [name for name in cls.programs if program(name) is None]

    def __init__(self, world):
        self.folder = tempfile.mkdtemp(prefix=f"{type(self).__name__.lower()}-", dir=world.folder)
        os.chmod(self.folder, 0o755)
        self.data = f"{self.folder}/data"
        os.mkdir(self.data)
        os.chown(self.data, NOBODY, NOBODY)
        self.world, self.processes = world, []
        self.password_file = write(f"{self.folder}/password", PASSWORD + "\n")
        self.port = free_ports(30)
        self.start()

    def start(self):
        raise NotImplementedError

    def options(self, **more):
        raise NotImplementedError

    def run(self, *command, private=False, environment=None):
        """Start a server in the foreground; `private`: with users of its own."""
        command = list(command)
        if private:
            command = ["unshare", "-m", "/bin/sh", "-e", self.users(), *command]
        log = open(f"{self.folder}/log", "ab")
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
                                   preexec_fn=die_with_parent,
                                   env={**os.environ, "LD_LIBRARY_PATH": ":".join(LIBRARIES), **(environment or {})})
        log.close()
        self.processes.append(process)
        return process

    def users(self):
        """A script that gives the command after it an /etc of its own: who is who, and how they log in."""
        passwd = write(f"{self.folder}/passwd", f"root:x:0:0::/root:/bin/sh\nnobody:x:{NOBODY}:{NOBODY}::/:/bin/sh\n"
                       f"sshd:x:101:{NOBODY}::/run/sshd:/bin/false\nftp:x:102:{NOBODY}::/:/bin/false\n"
                       f"{USER}:x:{NOBODY}:{NOBODY}::{self.data}:/bin/sh\n", 0o644)
        shadow = write(f"{self.folder}/shadow", f"root:*:1::::::\n{USER}:{hashed()}:19000::::::\n")
        os.mkdir(f"{self.folder}/pam.d")
        write(f"{self.folder}/pam.d/vsftpd", "auth required pam_unix.so\naccount required pam_permit.so\n"
              "session required pam_permit.so\n", 0o644)
        return write(f"{self.folder}/users", f"mount --make-rslave /\nmount --bind {passwd} /etc/passwd\n"
                     f"mount --bind {shadow} /etc/shadow\nmount --bind {self.folder}/pam.d /etc/pam.d\n"
                     "mount -t tmpfs -o mode=755 tmpfs /run\nmkdir /run/sshd /run/empty\nexec \"$@\"\n", 0o755)

    def wait(self, port=None, seconds=20):
        """Until it answers."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            try:
                socket.create_connection(("127.0.0.1", port or self.port), 1).close()
                return
            except OSError:
                if self.processes and self.processes[-1].poll() is not None:
                    break
                time.sleep(0.02)
        with open(f"{self.folder}/log", encoding="utf-8", errors="replace") as log:
            raise AssertionError(f"{type(self).__name__} does not start: {log.read()[-2000:]}")

    def stop(self):
        for process in self.processes:
            try:
                os.killpg(process.pid, 9)
            except ProcessLookupError:
                pass
            process.wait()
        self.processes = []


class Folder(Server):
    """A disk of this host."""

    def start(self):
        self.base = f"file://{self.data}"

    def options(self, **more):
        return {"url": self.base, **more}


class Sshd(Server):
    programs = ("sshd", "ssh-keygen")

    def start(self):
        keygen = program("ssh-keygen")
        for name in ("host", "other", "user"):
            subprocess.run([keygen, "-q", "-t", "ed25519", "-N", "", "-f", f"{self.folder}/{name}"], check=True)
        shutil.copy(f"{self.folder}/user.pub", f"{self.folder}/authorized")
        os.chmod(f"{self.folder}/authorized", 0o644)
        self.serve("host")

    def serve(self, key):
        self.stop()
        config = write(f"{self.folder}/config", f"Port {self.port}\nListenAddress 127.0.0.1\n"
                       f"HostKey {self.folder}/{key}\nAuthorizedKeysFile {self.folder}/authorized\nUsePAM no\n"
                       "StrictModes no\nPasswordAuthentication yes\nKbdInteractiveAuthentication no\nUseDNS no\n"
                       "MaxStartups 100\nPerSourcePenalties no\n"
                       f"PidFile none\nSubsystem sftp internal-sftp\nForceCommand internal-sftp -d {self.data}\n")
        if "PerSourcePenalties" in subprocess.run([program("sshd"), "-t", "-f", config], capture_output=True, text=True,
                                                  env={**os.environ, "LD_LIBRARY_PATH": ":".join(LIBRARIES)}).stderr:
            with open(config, encoding="utf-8") as file:
                text = file.read().replace("PerSourcePenalties no\n", "")
            write(config, text)
        shutil.rmtree(f"{self.folder}/pam.d", ignore_errors=True)
        self.run(program("sshd"), "-D", "-e", "-f", config, private=True)
        self.wait()

    def fingerprint(self, key="host"):
        return subprocess.run([program("ssh-keygen"), "-lf", f"{self.folder}/{key}.pub"], check=True,
                              capture_output=True, text=True).stdout.split()[1]

    def options(self, **more):
        return {"url": f"sftp://{USER}@127.0.0.1:{self.port}{self.data}", "key_file": f"{self.folder}/user",
                "host_key": self.fingerprint(), **more}


class PureFtpd(Server):
    programs = ("pure-ftpd", "pure-pw")

    def start(self, *extra):
        # pure-pw's own hash takes a second of each login.
        write(f"{self.folder}/pw", f"{USER}:{hashed()}:{NOBODY}:{NOBODY}::{self.data}/./::::::::::::\n")
        subprocess.run([program("pure-pw"), "mkdb", f"{self.folder}/pdb", "-f", f"{self.folder}/pw"], check=True,
                       capture_output=True)
        self.serve(self.world.authority.good)

    def serve(self, certificate, *extra):
        self.stop()
        self.run(program("pure-ftpd"), "-S", f"127.0.0.1,{self.port}", "-l", f"puredb:{self.folder}/pdb", "-E", "-j",
                 "-H", "-A", "-Y", "1", "-2", certificate, "-p", f"{self.port + 1}:{self.port + 28}", "-u", "1",
                 "-g", f"{self.folder}/pid", *extra)
        self.wait()

    def options(self, **more):
        return {"url": f"ftps://{USER}@127.0.0.1:{self.port}", "password_file": self.password_file,
                "ca_file": self.world.authority.ca, **more}


class PlainFtpd(PureFtpd):
    """The same without TLS."""

    def options(self, **more):
        return {"url": f"ftp://{USER}@127.0.0.1:{self.port}/in/a/folder", "password_file": self.password_file, **more}


class Vsftpd(Server):
    """No MLSD, and each data connection must be of the same TLS session."""
    programs = ("vsftpd",)

    def start(self):
        yes = "listen local_enable write_enable chroot_local_user allow_writeable_chroot ssl_enable " \
            "require_ssl_reuse force_local_data_ssl force_local_logins_ssl"
        empty = f"{self.folder}/empty"
        os.mkdir(empty, 0o755)
        config = write(f"{self.folder}/config", "".join(f"{name}=YES\n" for name in yes.split()) +
                       "background=NO\nanonymous_enable=NO\nlisten_address=127.0.0.1\nssl_sslv3=NO\n"
                       f"listen_port={self.port}\npasv_min_port={self.port + 1}\npasv_max_port={self.port + 28}\n"
                       f"secure_chroot_dir={empty}\nrsa_cert_file={self.world.authority.good}\n"
                       f"rsa_private_key_file={self.world.authority.good}\nseccomp_sandbox=NO\nssl_ciphers=HIGH\n")
        self.run(program("vsftpd"), config, private=True)
        self.wait()

    def options(self, **more):
        return {"url": f"ftps://{USER}@127.0.0.1:{self.port}", "password_file": self.password_file,
                "ca_file": self.world.authority.ca, **more}


class Nginx(Server):
    programs = ("nginx",)
    dav = True

    @classmethod
    def missing(cls):
        return [] if program("nginx") and (not cls.dav or cls.module()) else ["nginx and its dav-ext module"]

    @staticmethod
    def module():
        return next(iter(glob.glob(f"{ROOT}/usr/lib/nginx/modules/ngx_http_dav_ext_module.so") +
                         glob.glob("/usr/lib/nginx/modules/ngx_http_dav_ext_module.so")), None)

    def start(self):
        write(f"{self.folder}/htpasswd", f"{USER}:{hashed('-apr1')}\n", 0o644)
        for name in ("body", "tmp"):
            os.mkdir(f"{self.folder}/{name}")
            os.chown(f"{self.folder}/{name}", NOBODY, NOBODY)
        self.serve(self.world.authority.good)

    def rules(self):
        return "dav_methods PUT DELETE MKCOL COPY MOVE; dav_ext_methods PROPFIND OPTIONS; create_full_put_path on;"

    def serve(self, certificate):
        self.stop()
        module = f"load_module {self.module()};" if self.dav else ""
        temporary = " ".join(f"{name}_temp_path {self.folder}/tmp;" for name in ("proxy", "fastcgi", "uwsgi", "scgi"))
        config = write(f"{self.folder}/config", f"""{module} daemon off; user nobody nogroup; worker_processes 1;
            pid {self.folder}/pid; error_log {self.folder}/log; events {{}}
            http {{ client_body_temp_path {self.folder}/body; access_log off; {temporary}
              server {{ listen 127.0.0.1:{self.port}; listen 127.0.0.1:{self.port + 1} ssl; root {self.data};
                ssl_certificate {certificate}; ssl_certificate_key {certificate}; client_max_body_size 0;
                auth_basic copies; auth_basic_user_file {self.folder}/htpasswd;
                location / {{ {self.rules()} }} }} }}""")
        self.run(program("nginx"), "-c", config, "-e", f"{self.folder}/log")
        self.wait()

    def options(self, **more):
        return {"url": f"davs://{USER}@127.0.0.1:{self.port + 1}/in/a%20folder", "password_file": self.password_file,
                "ca_file": self.world.authority.ca, **more}


class PutOnly(Nginx):
    """What a plain HTTP server has: PUT and DELETE."""
    dav = False

    def rules(self):
        return "dav_methods PUT DELETE; create_full_put_path on;"

    def options(self, **more):
        return {"url": f"http://{USER}@127.0.0.1:{self.port}/put", "password_file": self.password_file, **more}


class Apache(Server):
    programs = ("apache2",)

    def start(self):
        modules = next(iter(glob.glob(f"{ROOT}/usr/lib/apache2/modules") + ["/usr/lib/apache2/modules"]))
        write(f"{self.folder}/htpasswd", f"{USER}:{hashed('-apr1')}\n", 0o644)
        lock = f"{self.folder}/lock"
        os.mkdir(lock)
        os.chown(lock, NOBODY, NOBODY)
        names = "mpm_event authn_core authn_file authz_core authz_user auth_basic dav dav_fs mime"
        write(f"{self.folder}/types", "text/plain txt\n", 0o644)
        config = write(f"{self.folder}/config", "".join(
            f"LoadModule {name}_module {modules}/mod_{name}.so\n" for name in names.split()) +
            f"ServerName localhost\nListen 127.0.0.1:{self.port}\nPidFile {self.folder}/pid\nServerRoot {self.folder}\n"
            f"DefaultRuntimeDir {self.folder}\nErrorLog {self.folder}/errors\nUser nobody\nGroup nogroup\n"
            f"TypesConfig {self.folder}/types\nDavLockDB {lock}/db\nDocumentRoot {self.data}\n"
            f"<Directory {self.data}>\nDav on\nAuthType Basic\nAuthName copies\nAuthUserFile {self.folder}/htpasswd\n"
            "Require valid-user\n</Directory>\n")
        self.run(program("apache2"), "-X", "-f", config)
        self.wait()

    def options(self, **more):
        return {"url": f"dav://{USER}@127.0.0.1:{self.port}", "password_file": self.password_file, **more}


class Rgw(Server):
    """Ceph's S3: a monitor, an OSD in memory and a gateway."""
    programs = ("ceph-mon", "ceph-osd", "radosgw", "radosgw-admin", "monmaptool", "ceph")
    keys = ("FBKEY", "fbsecret/with+odd=signs")
    bucket = "copies"

    def start(self):
        d, p = self.folder, self.port
        for name in ("mon", "osd", "run"):
            os.mkdir(f"{d}/{name}")
        fsid, osd = str(uuid.uuid4()), str(uuid.uuid4())
        hosts = f"[v2:127.0.0.1:{p + 1},v1:127.0.0.1:{p + 2}]"
        root = f"{ROOT}/usr/lib" if os.path.isdir(f"{ROOT}/usr/lib/x86_64-linux-gnu/ceph") else "/usr/lib"
        machine = os.uname().machine
        config = write(f"{d}/conf", f"""[global]
fsid = {fsid}
mon host = {hosts}
auth cluster required = none
auth service required = none
auth client required = none
keyring = /dev/null
run dir = {d}/run
admin socket =
pid file = {d}/run/$name.pid
log file = {d}/run/$name.log
crash dir = {d}/run
mon cluster log file = {d}/run/cluster.log
public addr = 127.0.0.1
cluster addr = 127.0.0.1
ms bind port min = {p + 10}
ms bind port max = {p + 28}
mon data = {d}/mon
mon data avail crit = 0
mon allow pool size one = true
paxos propose interval = 0.02
osd data = {d}/osd
osd objectstore = memstore
memstore device bytes = 1073741824
osd crush chooseleaf type = 0
osd pool default size = 1
osd pool default pg num = 1
osd pool default pg autoscale mode = off
osd class dir = {root}/{machine}-linux-gnu/rados-classes
plugin dir = {root}/{machine}-linux-gnu/ceph
erasure code dir = {root}/{machine}-linux-gnu/ceph/erasure-code
[client.rgw]
ms mon client mode = crc
rgw data = {d}/run
rgw frontends = beast endpoint=127.0.0.1:{p} ssl_endpoint=127.0.0.1:{p + 3} ssl_certificate={self.world.authority.good} ssl_private_key={self.world.authority.good}
""", 0o644)
        environment = {**os.environ, "LD_LIBRARY_PATH": ":".join(LIBRARIES),
                       "PYTHONPATH": f"{ROOT}/usr/lib/python3/dist-packages"}

        def step(*command):
            done = subprocess.run([program(command[0]), *command[1:]], env=environment, capture_output=True, text=True,
                                  timeout=60)
            assert done.returncode == 0, f"{command}: {done.stderr[-2000:]}"

        common = ("-c", config)
        step("monmaptool", "--create", "--fsid", fsid, "--addv", "a", hosts, f"{d}/monmap")
        step("ceph-mon", *common, "-i", "a", "--mkfs", "--monmap", f"{d}/monmap")
        self.run(program("ceph-mon"), *common, "-i", "a", "-f")
        step("ceph", *common, "osd", "new", osd)
        step("ceph-osd", *common, "-i", "0", "--mkfs", "--osd-uuid", osd, "--no-mon-config")
        self.run(program("ceph-osd"), *common, "-i", "0", "--no-mon-config", "-f")
        self.run(program("radosgw"), *common, "-n", "client.rgw", "--no-mon-config", "-f")
        self.wait(seconds=60)
        step("radosgw-admin", *common, "user", "create", "--uid=fb", "--display-name=fb",
             f"--access-key={self.keys[0]}", f"--secret-key={self.keys[1]}")
        self.admin = lambda *command: step("radosgw-admin", *common, *command)
        self.access = write(f"{d}/access", self.keys[0] + "\n")
        self.secret = write(f"{d}/secret", self.keys[1] + "\n")
        self.make_bucket()

    def make_bucket(self):
        """By curl's own signature: another's than ours."""
        subprocess.run(["curl", "-sS", "-f", "--retry", "20", "--retry-all-errors", "--retry-delay", "1", "-X", "PUT",
                        "--aws-sigv4", "aws:amz:us-east-1:s3", "-u", ":".join(self.keys), "-H",
                        "x-amz-content-sha256: UNSIGNED-PAYLOAD",
                        f"http://127.0.0.1:{self.port}/{self.bucket}"], check=True)

    def options(self, **more):
        return {"url": f"s3://{self.bucket}/some/prefix", "endpoint": f"https://127.0.0.1:{self.port + 3}",
                "access_key_file": self.access, "secret_key_file": self.secret,
                "ca_file": self.world.authority.ca, "part_bytes": 5 << 20, **more}


class World:
    """The folder of a test, with its authority and the servers that were started."""

    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix="copies-", dir="/var/tmp")
        os.chmod(self.folder, 0o755)
        self.authority = Authority(self.folder)
        self.servers, self.mounts = {}, []

    def server(self, kind):
        if kind not in self.servers:
            self.servers[kind] = kind(self)
        return self.servers[kind]

    def small_disk(self, path, options="size=1m"):
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"{options},uid={NOBODY},gid={NOBODY}", "tmpfs", path], check=True)
        self.mounts.append(path)

    def end_disk(self, path):
        subprocess.run(["umount", "-l", path], check=True)
        self.mounts.remove(path)

    def close(self):
        for server in self.servers.values():
            server.stop()
        for path in reversed(self.mounts):
            subprocess.run(["umount", "-l", path], check=False)
        shutil.rmtree(self.folder, ignore_errors=True)
