#!/usr/bin/python3
# Goal: behind nginx with the TLS lines of docs/security.md curl and dockerctl work, and a certificate that nobody signed stops them.
"""tls_test.py FUEL-BACKUPD DOCKERCTL"""

import os
import shutil
import signal
import subprocess
import sys
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE + "/../api", HERE + "/../lib"]
from case import ServiceCase  # noqa: E402
from pages import sections  # noqa: E402
from service import Service, free_port, wait_until  # noqa: E402

FRAME = """
daemon off; pid %(folder)s/nginx.pid; error_log stderr warn; worker_processes 1;
events { worker_connections 64; }
http {
    access_log off;
    client_body_temp_path %(folder)s/1; proxy_temp_path %(folder)s/2;
    fastcgi_temp_path %(folder)s/3; uwsgi_temp_path %(folder)s/4; scgi_temp_path %(folder)s/5;
%(server)s}
"""
SYSTEM = "/etc/ssl/certs/ca-certificates.crt"


@unittest.skipUnless(shutil.which("nginx") and shutil.which("openssl"), "there is no nginx (dev/install test), or no openssl")
class Tls(ServiceCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.port, cls.certificate = free_port(), cls.folder + "/backup.crt"
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                        "-subj", "/CN=backup.example", "-addext", "subjectAltName=DNS:localhost", "-keyout",
                        cls.folder + "/backup.key", "-out", cls.certificate], check=True, capture_output=True)
        [server] = [text for language, text in sections("docs/security.md")["TLS"] if language == "nginx"]
        for there, here in (("listen 8443", f"listen 127.0.0.1:{cls.port}"), ("/etc/ssl/", cls.folder + "/"),
                            ("127.0.0.1:8088", f"127.0.0.1:{cls.service.port}")):
            assert there in server, there
            server = server.replace(there, here)
        with open(cls.folder + "/conf", "w", encoding="utf-8") as out:
            out.write(("user root;\n" if os.geteuid() == 0 else "") + FRAME % {"folder": cls.folder, "server": server})
        cls.log = open(cls.folder + "/nginx.log", "w+", encoding="utf-8")
        cls.nginx = subprocess.Popen(["nginx", "-e", "stderr", "-p", cls.folder, "-c", "conf"], stdout=cls.log, stderr=cls.log)
        cls.addClassCleanup(cls.end)
        cls.url = f"https://localhost:{cls.port}"
        wait_until("nginx answers", lambda: cls.curl("/health").returncode == 0)

    @classmethod
    def end(cls):
        cls.nginx.send_signal(signal.SIGTERM)
        cls.nginx.wait(30)
        cls.log.close()

    @classmethod
    def curl(cls, path, *options, ca=True):
        return subprocess.run(["curl", "-sS", "-f", "-i", *(["--cacert", cls.certificate] if ca else []), *options, cls.url + path],
                              capture_output=True, text=True, timeout=60, check=False)

    def dockerctl(self, *words, trusting=False):
        """With trusting the certificate is among the system's, as update-ca-certificates would put it there."""
        command = [DOCKERCTL, *words]
        if trusting:
            command = ["unshare", "--mount", "sh", "-c", f'mount --bind {self.certificate} {SYSTEM} && exec "$@"', "sh", *command]
        environment = {"PATH": os.environ["PATH"], "FUEL_BACKUP_URL": self.url, "FUEL_BACKUP_TOKEN": self.service.token}
        return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)

    def test_curl(self):
        done = self.curl("/health")
        self.assertIn("Strict-Transport-Security: max-age=31536000", done.stdout)
        self.assertEqual(22, self.curl("/backups").returncode)
        done = self.curl("/backups", "-H", "Authorization: Bearer " + self.service.token)
        self.assertEqual(0, done.returncode, done.stderr)
        self.assertEqual(60, self.curl("/health", ca=False).returncode)  # it is nobody's
        self.assertNotEqual(0, self.curl("/health", "--tls-max", "1.1").returncode)

    @unittest.skipUnless(os.geteuid() == 0 and os.path.exists(SYSTEM), "root is needed, and ca-certificates")
    def test_dockerctl(self):
        done = self.dockerctl("backup", self.folder)
        self.assertEqual(4, done.returncode, done.stderr)
        self.assertEqual([], self.api("GET", "/backups").json["backups"])
        done = self.dockerctl("backup", self.folder, trusting=True)
        self.assertEqual(0, done.returncode, done.stderr)
        self.assertIn("Backup complete. File is available at " + self.folder, done.stdout)


if __name__ == "__main__":
    Service.binary = os.path.abspath(sys.argv.pop(1))
    DOCKERCTL = os.path.abspath(sys.argv.pop(1))
    unittest.main()
