# Goal: behind nginx, with the lines of docs/fuel.md, everything works as without it.
"""A real nginx between a client and the service, below /backup/."""

import http.client
import json
import os
import random
import re
import shutil
import signal
import subprocess
import tempfile
import unittest
import urllib.parse

from case import ServiceCase
from service import free_port, wait_until

FUEL = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../docs/fuel.md")
CONFIGURATION = """
daemon off; pid %(folder)s/pid; error_log stderr warn; worker_processes 1;
events { worker_connections 64; }
http {
    access_log off; default_type text/plain;
    client_body_temp_path %(folder)s/body; proxy_temp_path %(folder)s/proxy;
    fastcgi_temp_path %(folder)s/x; uwsgi_temp_path %(folder)s/x; scgi_temp_path %(folder)s/x;
    server { listen 127.0.0.1:%(port)d; %(location)s }
}
"""


def documented():
    """The location block of the documentation."""
    with open(FUEL, encoding="utf-8") as source:
        [block] = re.findall(r"^ {4}location /backup/ \{\n(?: {8}.*\n)+ {4}\}\n", source.read(), re.M)
    assert "127.0.0.1:8088/" in block
    return block


class Nginx:
    def __init__(self, service_port):
        self.folder, self.port = tempfile.mkdtemp(prefix="fb-nginx-"), free_port()
        location = documented().replace("127.0.0.1:8088/", f"127.0.0.1:{service_port}/")
        with open(self.folder + "/conf", "w", encoding="utf-8") as out:
            out.write(("user root;\n" if os.geteuid() == 0 else "") + CONFIGURATION % {
                "folder": self.folder, "port": self.port, "location": location})
        with open(self.folder + "/log", "wb") as log:
            self.process = subprocess.Popen(["nginx", "-e", "stderr", "-p", self.folder, "-c", "conf"],
                                            stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        wait_until("nginx answers", self.answers)

    def answers(self):
        if self.process.poll() is not None:
            with open(self.folder + "/log", encoding="utf-8") as log:
                raise AssertionError("nginx ended: " + log.read())
        try:
            return self.call("GET", "/").status == 404
        except ConnectionRefusedError:
            return False

    def call(self, method, path, body=None, headers=None):
        """The answer, whose body is not read yet."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        connection.request(method, path, body=body, headers=headers or {}, encode_chunked=True)
        answer = connection.getresponse()
        answer.connection = connection  # which would be closed with its last reference
        return answer

    def put_aside(self):
        """Its log's lines on what it wrote to its disk before it sent it on."""
        with open(self.folder + "/log", encoding="utf-8") as log:
            return [line for line in log if "buffered to a temporary file" in line]

    def end(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(30)
        shutil.rmtree(self.folder)


@unittest.skipUnless(shutil.which("nginx"), "there is no nginx (dev/install test)")
class ProxyCase(ServiceCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.nginx = Nginx(cls.service.port)
        cls.addClassCleanup(cls.nginx.end)

    def through(self, method, path, body=None, **headers):
        headers = {"Authorization": f"Bearer {self.service.token}", **headers}
        answer = self.nginx.call(method, "/backup" + path, body, headers)
        self.addCleanup(answer.connection.close)
        return answer

    def test_the_button(self):
        answer = self.nginx.call("GET", "/backup/fuel-backup-button.js")
        self.assertEqual(answer.status, 200)
        self.assertEqual(answer.read(), self.api("GET", "/fuel-backup-button.js", token=None).body)

    def test_a_backup_and_its_download(self):
        begun = self.through("POST", "/backups")
        location = urllib.parse.urlsplit(begun.getheader("Location"))  # nginx may add its own host
        operation = json.loads(begun.read())
        self.assertEqual((begun.status, location.path), (202, f"/backup/operations/{operation['id']}"))
        ended = json.loads(self.through("GET", f"/operations/{operation['id']}?wait=60").read())
        self.assertEqual(ended["state"], "succeeded")
        path = f"/backups/{ended['backup']}/archive"
        whole = self.api("GET", path).body
        self.assertEqual(self.through("GET", path).read(), whole)
        rest = self.through("GET", path, Range="bytes=1000-")
        self.assertEqual((rest.status, rest.read()), (206, whole[1000:]))
        ticket = json.loads(self.through("POST", f"/backups/{ended['backup']}/tickets").read())["url"]
        self.assertEqual(self.nginx.call("GET", "/backup" + ticket).read(), whole)

    def test_events_come_at_once(self):
        location = self.stalled()
        answer = self.through("GET", location + "/events")
        self.assertEqual(answer.readline()[:4], b"id: ")
        first = json.loads(answer.readline().removeprefix(b"data: "))
        self.assertIsNone(first["ended_at"], "it runs, and what it says is here already")
        self.engine.release()
        last = [line for line in answer.read().split(b"\n") if line.startswith(b"data: ")][-1]
        self.assertEqual(json.loads(last.removeprefix(b"data: "))["state"], "succeeded")

    def test_a_large_upload_passes_by(self):
        """More than nginx takes by default, and none of it is put aside."""
        # No archive: what matters is that the service reads it, and is the one that refuses it.
        answer = self.through("PUT", "/archives", (bytes(1 << 20) for _ in range(32)),
                              **{"Transfer-Encoding": "chunked"})
        self.assertEqual(json.loads(answer.read())["type"], "urn:fuel-backup:archive-refused")
        self.assertEqual(self.nginx.put_aside(), [])

    def test_a_slow_download_passes_by(self):
        self.write("more", random.Random(2).randbytes(24 << 20))
        self.addCleanup(os.unlink, self.data + "/more")
        path = f"/backups/{self.service.backup()}/archive"
        answer = self.through("GET", path)
        first = answer.read(1 << 16)
        for _ in range(20):  # while nginx has nothing else to do than to read ahead
            self.through("GET", "/health").read()
        self.assertEqual(first + answer.read(), self.api("GET", path).body)
        self.assertEqual(self.nginx.put_aside(), [])

    def test_the_service_is_away(self):
        self.service.end()
        answer = self.through("GET", "/health")
        self.assertEqual(answer.status, 502)
        self.service.start()
        self.assertEqual(self.through("GET", "/health").status, 200)
