# Goal: the service takes an address only where nobody is, and removes nothing that is not its own.
"""Where it listens: a unix socket, and who holds what."""

import os
import socket
import stat
import subprocess

from case import ServiceCase
from service import Service, wait_until


class EndpointCase(ServiceCase):
    def serve(self, path, store="unix-store"):
        """A service of its own there."""
        environment = {**self.service.environment, "FUEL_BACKUP_LISTEN": f"unix:{path}",
                       "FUEL_BACKUP_STORE": os.path.join(self.folder, store)}
        process = subprocess.Popen([Service.binary], env=environment, stdout=subprocess.DEVNULL,
                                   stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True)

        def clean_up():
            if process.poll() is None:
                process.kill()
            process.communicate()
        self.addCleanup(clean_up)
        return process

    def answers(self, path):
        connection = socket.socket(socket.AF_UNIX)
        try:
            connection.connect(path)
            connection.sendall(b"GET /health HTTP/1.0\r\n\r\n")
            return connection.recv(100).startswith(b"HTTP/1.1 ")
        except OSError:
            return False
        finally:
            connection.close()

    def refused(self, path, text):
        process = self.serve(path)
        self.assertEqual(process.wait(30), 1)
        self.assertIn(text, process.stderr.read())

    def test_what_is_no_socket_stays(self):
        place = os.path.join(self.folder, "valuable")
        with open(place, "w", encoding="ascii") as out:
            out.write("mine")
        self.refused(place, "no socket")
        with open(place, encoding="ascii") as source:
            self.assertEqual(source.read(), "mine")
        folder, link, fifo = (os.path.join(self.folder, name) for name in ("folder", "link", "fifo"))
        os.mkdir(folder)
        os.symlink(place, link)
        os.mkfifo(fifo)
        for other in (folder, link, fifo):
            self.refused(other, "no socket")
            self.assertTrue(os.path.lexists(other))

    def test_somebody_else_listens(self):
        place = os.path.join(self.folder, "other.sock")
        other = socket.socket(socket.AF_UNIX)
        self.addCleanup(other.close)
        other.bind(place)
        other.listen(1)
        self.refused(place, "another process listens there")
        self.assertTrue(stat.S_ISSOCK(os.lstat(place).st_mode))

    def test_what_a_killed_one_left(self):
        place = os.path.join(self.folder, "api.sock")
        process = self.serve(place)
        wait_until("it answers", lambda: self.answers(place))
        self.assertEqual(stat.S_IMODE(os.lstat(place).st_mode), 0o600)
        process.kill()
        process.wait()
        self.assertTrue(os.path.lexists(place))
        process = self.serve(place)
        wait_until("it answers again", lambda: self.answers(place))
        process.terminate()
        self.assertEqual(process.wait(30), 0)
        self.assertFalse(os.path.lexists(place))

    def test_what_is_another_ones_at_the_end(self):
        """Somebody put another socket there meanwhile: it stays."""
        place = os.path.join(self.folder, "swapped.sock")
        process = self.serve(place)
        wait_until("it answers", lambda: self.answers(place))
        os.unlink(place)
        other = socket.socket(socket.AF_UNIX)
        self.addCleanup(other.close)
        other.bind(place)
        other.listen(1)
        process.terminate()
        self.assertEqual(process.wait(30), 0)
        self.assertTrue(os.path.lexists(place))

    def test_a_removed_lock_lets_nobody_in(self):
        os.unlink(os.path.join(self.service.store, "lock"))
        for _ in range(2):
            process = self.serve(os.path.join(self.folder, "second.sock"), store=self.service.store)
            self.assertEqual(process.wait(30), 1)
            self.assertIn("held by another process", process.stderr.read())
        self.assertEqual(self.api("GET", "/health").status, 200)
