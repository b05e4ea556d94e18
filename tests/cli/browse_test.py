#!/usr/bin/python3
# Goal: ls, cat, fetch and the commands about operations and the service, in a pipe, with and without --json.
import http.server
import json
import os
import subprocess
import sys
import tempfile
import threading
import unittest

DOCKERCTL = os.path.abspath(sys.argv.pop(1))
ID = '20261123-091233-1a2b3c4d'
OPERATION = '20261123-091230-0badcafe'
OTHER = '20261123-091231-0badcafe'
CONTENT = os.urandom(600000)
ODD = b'od\xff d%\n'
FILES = '/backups/' + ID + '/files'


def entry(name, kind='file', **more):
    return dict({'name': name, 'type': kind, 'href': name, 'mode': '0644', 'uid': 1000, 'gid': 0,
                 'modified_at': '2026-11-23T09:12:33.000Z'}, **more)


ENTRIES = [entry('a', size_bytes=12), entry('bad\x1b[31m'), entry('in', 'folder'), entry('l', 'symlink', link='../out'),
           entry('z', size_bytes=2048)]


def operation(number, state='running'):
    return {'id': number, 'kind': 'backup', 'state': state, 'phase': 'live', 'progress': 0.25, 'bytes_done': 1,
            'bytes_total': 4, 'bytes_per_second': 1, 'backup': ID, 'error': None, 'result': None,
            'ended_at': None if state == 'running' else '2026-11-23T10:00:00.000Z'}


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'

    def log_message(self, *_):
        pass

    def send(self, status, data, kind='application/json', **headers):
        self.send_response(status)
        self.send_header('Content-Type', kind)
        self.send_header('Content-Length', str(len(data)))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != 'HEAD':
            cut = self.server.cuts > 0 and len(data) > 100000
            self.server.cuts -= cut
            self.close_connection = self.close_connection or cut
            self.wfile.write(data[:100000] if cut else data)

    def answer(self):
        body = self.rfile.read(int(self.headers.get('Content-Length') or 0))
        s = self.server
        s.calls.append((self.command, self.path, body))
        path, _, query = self.path.partition('?')
        data = s.answers.get((self.command, path))
        if data is not None:
            return self.send(200 if self.command == 'GET' else 202, json.dumps(data).encode())
        if path == FILES + '/in' and 'format=tar' in query:
            return self.send(200, CONTENT, 'application/x-tar')
        if path in (FILES, FILES + '/in'):
            first = 3 if 'after=' in query else 0
            page = ENTRIES[first:first + 3]
            return self.send(200, json.dumps({'path': '', 'entry': entry('in', 'folder'), 'entries': page,
                                              'next': None if first else 'in'}).encode())
        if path == FILES + '/l':
            return self.send(200, json.dumps({'path': 'l', 'entry': ENTRIES[3]}).encode())
        if path == FILES + '/in/od%FF%20d%25%0A':
            first = int((self.headers.get('Range') or 'bytes=0-')[6:-1])
            return self.send(206 if first else 200, CONTENT[first:], 'application/octet-stream', ETag='"e"')
        if path == FILES + '/empty':
            return self.send(200, b'', 'application/octet-stream', ETag='"f"')
        return self.send(404, json.dumps({'title': 'There is no such thing', 'status': 404,
                                          'detail': 'the backup has no such path'}).encode())

    do_GET = do_HEAD = do_POST = do_DELETE = do_PATCH = answer


class Browse(unittest.TestCase):
    def setUp(self):
        self.server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Handler)
        self.server.calls, self.server.answers, self.server.cuts = [], {}, 0
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.folder = tempfile.TemporaryDirectory(prefix='fb-cli-')

    def tearDown(self):
        self.server.shutdown()
        self.server.server_close()
        self.folder.cleanup()

    def run_it(self, *words, code=0, stdin=b''):
        env = {'FUEL_BACKUP_URL': 'http://127.0.0.1:%d' % self.server.server_address[1],
               'FUEL_BACKUP_TOKEN': 'x' * 20, 'PATH': os.environ['PATH'], 'TERM': 'xterm'}
        done = subprocess.run([DOCKERCTL, *words], env=env, capture_output=True, timeout=60, input=stdin)
        self.assertEqual(done.returncode, code, done.stderr)
        self.assertNotIn(b'\x1b', done.stderr if words[0] == 'cat' else done.stdout + done.stderr)
        return done

    def test_ls(self):
        lines = self.run_it('ls', ID).stdout.decode().splitlines()
        self.assertEqual(lines[0], '- 0644   1000      0       12 B  2026-11-23T09:12:33  a')
        self.assertTrue(lines[1].endswith('  bad\\x1b[31m'))
        self.assertTrue(lines[3].endswith('  l -> ../out') and lines[3].startswith('l 0644'))
        self.assertEqual(len(lines), len(ENTRIES))
        self.assertEqual(json.loads(self.run_it('ls', ID, '/in/', '--json').stdout), ENTRIES)
        self.assertTrue(self.run_it('ls', ID, 'l').stdout.endswith(b'l -> ../out\n'))
        self.assertIn(b'no such path', self.run_it('ls', ID, 'none', code=1).stderr)
        self.assertIn(b'dockerctl cat', self.run_it('ls', ID, 'empty', code=1).stderr)

    def test_cat(self):
        self.assertTrue(self.run_it('cat', ID, b'in/' + ODD).stdout == CONTENT)
        self.assertEqual(self.run_it('cat', ID, 'empty').stdout, b'')
        for path in ('in', 'l'):
            done = self.run_it('cat', ID, path, code=1)
            self.assertEqual(done.stdout, b'')
            self.assertIn(b'is no file', done.stderr)
        self.server.cuts = 1
        self.run_it('cat', ID, b'in/' + ODD, code=1)

    def test_fetch(self):
        here = self.folder.name.encode()
        self.server.cuts = 2
        self.run_it('fetch', ID, b'in/' + ODD, here)
        self.run_it('fetch', ID, 'empty', here + b'/e')
        self.server.cuts = 1  # of a tar there are no ranges: it is begun again
        told = json.loads(self.run_it('fetch', ID, 'in/', here, '--json').stdout)
        self.assertEqual(told, {'file': self.folder.name + '/in.tar'})
        got = {}
        for name in os.listdir(here):
            with open(os.path.join(here, name), 'rb') as file:
                got[name] = file.read()
        self.assertTrue(got == {ODD: CONTENT, b'e': b'', b'in.tar': CONTENT})
        self.assertIn(b'is there already', self.run_it('fetch', ID, 'empty', here + b'/e', code=1).stderr)
        self.assertIn(b'neither', self.run_it('fetch', ID, 'l', here, code=1).stderr)
        self.assertIn(b'no such path', self.run_it('fetch', ID, 'none', here, code=1).stderr)
        self.assertEqual(len(os.listdir(here)), 3)

    def test_operations(self):
        page = {'operations': [operation(OPERATION, 'failed')], 'next': None}
        self.server.answers = {('GET', '/operations'): page}
        self.assertIn(OPERATION + '  backup    failed', self.run_it('operations').stdout.decode())
        self.assertEqual(json.loads(self.run_it('operations', '--json').stdout), page['operations'])
        self.assertIn(b'nothing runs', self.run_it('cancel', code=1).stderr)
        self.assertEqual(self.run_it('watch').stdout, b'Nothing runs.\n')
        self.assertEqual(self.run_it('watch', '--json').stdout, b'null\n')

        page['operations'].append(operation(OTHER))
        self.server.answers['DELETE', '/operations/' + OTHER] = operation(OTHER)
        self.assertIn(OTHER + ' is asked to stop', self.run_it('cancel').stdout.decode())
        self.assertEqual(json.loads(self.run_it('cancel', OTHER, '--json').stdout)['id'], OTHER)

        self.server.answers['GET', '/operations/' + OTHER] = operation(OTHER, 'succeeded')
        self.assertIn('succeeded', self.run_it('watch').stdout.decode())
        self.assertEqual(json.loads(self.run_it('watch', OTHER, '--json').stdout)['state'], 'succeeded')

        page['operations'].append(operation(OPERATION))
        self.assertIn(b'say which', self.run_it('cancel', code=1).stderr)

    def test_service(self):
        health = {'status': 'ok', 'version': '1', 'engine': {'reachable': True, 'version': '20.10'}, 'operation': None,
                  'store': {'path': '/s', 'free_bytes': 2048, 'packs_bytes': 1024, 'chunks': 1, 'encrypted': True}}
        plan = {'containers': [{'name': 'web'}], 'sources': [{'kind': 'volume', 'name': 'data', 'bytes': 1024,
                                                              'files': 7}], 'warnings': ['careful'],
                'freeze': {'predicted_ms': 42, 'from': 'estimate'}, 'schedule': None}
        ticket = {'url': '/backups/x/archive?ticket=00', 'expires_at': 'x'}
        self.server.answers = {('GET', '/health'): health, ('GET', '/plan'): plan,
                               ('POST', '/thaw'): {'thawed': ['db']},
                               ('POST', '/backups/%s/tickets' % ID): ticket, ('PATCH', '/backups/' + ID): {'id': ID}}
        for words, says, document in (
                (['health'], '1.0 KiB in packs, 2.0 KiB free, encrypted', health), (['plan'], 'about 42 ms', plan),
                (['thaw'], 'db runs again', {'thawed': ['db']}), (['link', ID], '/backups/x/archive?ticket=00', ticket),
                (['name', ID, 'before'], 'is named', {'id': ID})):
            self.assertIn(says, self.run_it(*words).stdout.decode())
            self.assertEqual(json.loads(self.run_it(*words, '--json').stdout), document)
        self.assertEqual(json.loads(self.server.calls[-1][2]), {'name': 'before'})
        self.run_it('name', ID)
        self.assertEqual(json.loads(self.server.calls[-1][2]), {'name': None})
        health['status'] = 'degraded'
        self.assertIn(b'no backup could begin now', self.run_it('health', code=1).stderr)

    def test_plan_of_a_backup(self):
        self.server.answers = {('POST', '/backups'): operation(OPERATION)}
        plan = {'host_paths': ['/etc/shop']}
        done = self.run_it('backup', '--plan', '-', '--force', '--no-wait', '--json', stdin=json.dumps(plan).encode())
        self.assertEqual(json.loads(done.stdout)['id'], OPERATION)
        self.assertEqual(json.loads(self.server.calls[-1][2]), dict(plan, force=True))
        for wrong, says in ((b'{', b'line 1'), (b'[]', b'a plan is a JSON object')):
            self.assertIn(says, self.run_it('backup', '--plan=-', code=1, stdin=wrong).stderr)
        self.assertEqual(len(self.server.calls), 1)


if __name__ == '__main__':
    unittest.main()
