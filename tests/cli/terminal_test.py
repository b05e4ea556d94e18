#!/usr/bin/python3
# Goal: dockerctl in a terminal of 80x24 (tmux): the bar, the question at Ctrl-C, colours, the shells' completion.
import http.server
import json
import os
import re
import shlex
import subprocess
import sys
import tempfile
import threading
import time
import unittest

DOCKERCTL = os.path.abspath(sys.argv.pop(1))
ID = '20261123-091233-1a2b3c4d'
OPERATION = '20261123-091230-0badcafe'
PATIENCE_S = 60


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'

    def log_message(self, *_):
        pass

    def document(self):
        ended = self.server.ended.is_set()
        return {'id': OPERATION, 'kind': 'backup', 'state': 'cancelled' if ended else 'running',
                'phase': 'a-phase-with-a-long-name', 'bytes_done': 1023 << 30, 'bytes_total': 1023 << 40,
                'bytes_per_second': 1023 << 20, 'backup': ID, 'error': None, 'result': None, 'progress': 0.1,
                'ended_at': '2026-11-23T10:00:00.000Z' if ended else None}

    def answer(self):
        s = self.server
        self.rfile.read(int(self.headers.get('Content-Length') or 0))
        s.calls.append((self.command, self.path))
        if self.command == 'DELETE':
            s.ended.set()
        if self.path.endswith('/events'):
            return self.events()
        data = json.dumps({'backups': [
            {'id': ID, 'state': 'complete', 'created_at': '2026-11-23T09:12:33.123Z', 'containers': []}],
            'next': None} if self.path.startswith('/backups?') else self.document()).encode()
        self.send_response(200)
        self.send_header('Content-Type', 'application/json')
        self.send_header('Content-Length', str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def events(self):
        self.send_response(200)
        self.send_header('Content-Type', 'text/event-stream')
        self.send_header('Connection', 'close')
        self.end_headers()
        self.close_connection = True
        for _ in range(PATIENCE_S * 10):
            self.wfile.write(b'data: ' + json.dumps(self.document()).encode() + b'\n\n')
            if self.server.ended.wait(0.1):
                break

    do_GET = do_POST = do_DELETE = answer

    def handle(self):
        try:
            super().handle()
        except ConnectionError:
            pass  # the client has left


class Terminal(unittest.TestCase):
    def setUp(self):
        self.server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Handler)
        self.server.daemon_threads = True
        self.server.calls, self.server.ended = [], threading.Event()
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.folder = tempfile.TemporaryDirectory(prefix='fb-cli-')
        self.env = {'FUEL_BACKUP_URL': 'http://127.0.0.1:%d' % self.server.server_address[1],
                    'FUEL_BACKUP_TOKEN': 'x' * 20, 'PATH': os.path.dirname(DOCKERCTL) + ':' + os.environ['PATH'],
                    'HOME': self.folder.name, 'LC_ALL': 'C.UTF-8', 'TERM': 'xterm', 'PS1': '> '}
        self.socket = os.path.join(self.folder.name, 'tmux')

    def tearDown(self):
        subprocess.run(['tmux', '-S', self.socket, 'kill-server'], capture_output=True)
        self.server.ended.set()
        self.server.shutdown()
        self.server.server_close()
        self.folder.cleanup()

    def tmux(self, *words):
        return subprocess.run(['tmux', '-S', self.socket, '-f', '/dev/null', *words], env=self.env, check=True,
                              capture_output=True, text=True, timeout=60).stdout

    def start(self, command):
        # The server outlives its last session: one that is ending would refuse the next.
        self.tmux('start-server', ';', 'set-option', '-g', 'exit-empty', 'off', ';', 'new-session', '-d', '-x', '80', '-y', '24', command)

    def start_it(self, *words):
        self.start(shlex.join([DOCKERCTL, *words]) + '; echo "exit $?."; exec sleep 1000')

    def keys(self, *keys):
        self.tmux('send-keys', *keys)

    def see(self, pattern, *options):
        """Wait until the screen shows it."""
        end = time.monotonic() + PATIENCE_S
        while True:
            screen = self.tmux('capture-pane', '-p', *options)
            if re.search(pattern, screen):
                return screen
            if time.monotonic() > end:
                self.fail(f'no {pattern!r} in:\n{screen}')
            time.sleep(0.1)

    def test_bar(self):
        self.start_it('watch', OPERATION)
        screen = self.see(r'(?m)^a-phase- \[#*\.+\] 1023 GiB of 1023 TiB, 1023 MiB/s')
        time.sleep(1)  # several states, and still one line: none has wrapped
        self.assertEqual(len(self.see('a-phase-').strip().splitlines()), 1, screen)

    def test_detach(self):
        for answer in ('d', 'C-c'):
            self.start_it('backup')
            self.see('a-phase-')
            self.keys('C-c')
            self.see(r'Cancel it \(c\), leave it running and detach \(d\), or wait on \(w\)\?')
            self.keys(answer, 'Enter')
            self.see(r'exit 130\.')
            self.assertNotIn('DELETE', [call[0] for call in self.server.calls])
            self.tmux('kill-session')

    def test_wait_then_cancel(self):
        self.start_it('backup')
        self.see('a-phase-')
        self.keys('C-c')
        self.see('wait on')
        self.keys('w', 'Enter')
        self.see(r'on \(w\)\? w\s+a-phase-')
        self.keys('C-c')
        self.see(r'(?s)wait on.*wait on.*\? $|\?\s*$')
        self.keys('c', 'Enter')
        self.see(r'(?s)Backup failed: cancelled.*exit 1\.')
        self.assertIn(('DELETE', '/operations/' + OPERATION), self.server.calls)

    def test_detach_in_a_pipe(self):
        process = subprocess.Popen([DOCKERCTL, 'backup'], env=self.env, stdin=subprocess.DEVNULL, text=True,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.assertIn('a-phase', process.stdout.readline())
        process.send_signal(2)
        _, errors = process.communicate(timeout=PATIENCE_S)
        self.assertEqual(process.returncode, 130)
        self.assertIn('dockerctl watch ' + OPERATION, errors)
        self.assertNotIn('DELETE', [call[0] for call in self.server.calls])

    def test_colours(self):
        for more, coloured in (({}, True), ({'NO_COLOR': '1'}, False), ({'TERM': 'dumb'}, False)):
            words = ['env', *[f'{k}={v}' for k, v in more.items()], DOCKERCTL, 'list']
            self.start(shlex.join(words) + '; echo "exit $?."; exec sleep 1000')
            screen = self.see(r'exit 0\.', '-e')
            self.assertEqual('\x1b[32mcomplete\x1b[39m' in screen, coloured, screen)
            self.tmux('kill-session')

    def test_width(self):
        """Help and list fit in 80 columns, folded at blanks; in a pipe each is one line."""
        self.start('dockerctl help restore; dockerctl help restore | wc -l; dockerctl list; exec sleep 1000')
        screen = self.see(ID)
        self.assertIn('\n    [--no-host-paths] [--astute] [--tags] [--networks] [--only PART] [--as NAME]\n    [--devices] [--dry-run]', screen)
        self.assertIn('\n  --only: just containers/NAME, services/NAME, volumes/NAME, a host path, or a\n    path in the archive; may be', screen)
        self.assertRegex(screen, r'\n16\n')
        self.assertRegex(screen, r'LVPDF\n' + ID + '.{51,}-----\n')

    def test_a_rehearsal_is_asked_for(self):
        self.start_it('rehearse', ID, '--memory', '2', '--cpu', '1')
        screen = self.see(r'exit 2\.')
        self.assertIn('there is no option --cpu; is --cpus meant?', screen)
        self.assertNotIn('POST', [call[0] for call in self.server.calls])

    def test_shells(self):
        for shell, set_up in (('bash --norc --noprofile', 'source <(dockerctl completion bash)'),
                              ('zsh -f', 'autoload -U compinit; compinit -D; source <(dockerctl completion zsh)')):
            self.start(shell)
            self.keys('-l', set_up + '; echo rea""dy')
            self.keys('Enter')
            self.see(r'(?m)^ready')
            self.keys('-l', 'dockerctl rehe')
            self.keys('Tab')
            self.see('dockerctl rehearse')
            self.keys('-l', '2026')
            self.keys('Tab')
            self.see('dockerctl rehearse ' + ID)
            self.keys('-l', ' --no-')
            self.keys('Tab')
            self.see(ID + ' +--no-wait')
            self.tmux('kill-session')


if __name__ == '__main__':
    unittest.main()
