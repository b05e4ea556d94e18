#!/usr/bin/python3
# Goal: dockerctl against a scripted service: what it prints, where it writes, how it ends.
import hashlib
import http.server
import json
import os
import pty
import re
import stat
import subprocess
import sys
import tempfile
import threading
import unittest
import unittest.mock

DOCKERCTL = os.path.abspath(sys.argv.pop(1))
TOKEN = 'secret-token-of-the-test'
ID = '20261123-091233-1a2b3c4d'
OTHER = '20261122-080000-99999999'
OPERATION = '20261123-091230-0badcafe'
ARCHIVE = os.urandom(700000)
TAR = os.urandom(5000000)


def backup(number=ID, state='complete'):
    return {'id': number, 'state': state, 'created_at': '2026-11-23T09:12:33.123Z', 'freeze_ms': 42,
            'size_bytes': len(TAR), 'stored_bytes': 800000, 'archive_bytes': len(ARCHIVE), 'origin': 'schedule',
            'duration_ms': 75000, 'containers': NAMES, 'warnings': ['a tmpfs was left out']}


NAMES = [{'name': 'a', 'state': 'running', 'image': 'web:1'}, {'name': 'b', 'state': 'exited', 'image': 'db:2'}]
# Of a restore, and of a rehearsal.
RESULT = {'warnings': [], 'verdict': 'failed', 'at': '2026-11-23T10:00:00.000Z', 'containers': [
    {'name': 'web', 'ok': True, 'state': 'running', 'health': 'healthy', 'starts': 1, 'started_ms': 1234,
     'check': {'command': ['x'], 'exit_code': 0, 'output': '', 'error': None, 'duration_ms': 5},
     'error': None, 'logs': None},
    {'name': 'db', 'ok': False, 'state': 'exited', 'health': None, 'starts': 1, 'started_ms': 7, 'check': None,
     'error': 'it ended with exit code 5', 'logs': 'last words'}],
    'unproven': [{'container': 'web', 'what': 'published ports'}, {'container': None, 'what': 'IPv6'}]}


def operation(state='succeeded', error=None, phase='commit'):
    ended = None if state == 'running' else '2026-11-23T09:12:40.000Z'
    return {'id': OPERATION, 'kind': 'backup', 'state': state, 'phase': phase, 'progress': 0.5,
            'bytes_done': 1000, 'bytes_total': 2000, 'files_done': 3, 'bytes_per_second': 500,
            'remaining_ms': None, 'backup': ID, 'created_at': '2026-11-23T09:12:30.000Z',
            'ended_at': ended, 'error': error, 'result': RESULT, 'sequence': 2}


class Service(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self):
        super().__init__(('127.0.0.1', 0), Handler)
        self.calls = []
        self.list = [backup(), backup(OTHER)]
        self.busy = False
        self.error = None
        self.locked = False
        self.coverage = None
        self.uploads = []
        self.refusal = None
        self.cuts = 0  # that many downloads break off in the middle
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def url(self):
        return 'http://127.0.0.1:%d' % self.server_address[1]


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'

    def log_message(self, *_):
        pass

    def answer(self, status, body, kind='application/json'):
        data = b'' if body is None else json.dumps(body).encode()
        self.send_response(status)
        self.send_header('Content-Type', kind)
        self.send_header('Content-Length', str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def raw(self, data):
        self.send_response(200)
        self.send_header('Content-Length', str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def problem(self, status, title, detail, **more):
        self.answer(status, dict(type='urn:fuel-backup:x', title=title, status=status,
                                 detail=detail, **more), 'application/problem+json')

    def handle_all(self):
        length = int(self.headers.get('Content-Length') or 0)
        body = self.rfile.read(length)
        s = self.server
        s.calls.append((self.command, self.path, body))
        if self.headers.get('Authorization') != 'Bearer ' + TOKEN:
            return self.problem(401, 'A valid token is needed', 'the token is wrong')
        if (self.command, self.path) == ('POST', '/backups') or self.path.endswith(
                ('/restore', '/verify', '/rehearse', '/sweep', '/scrub')):
            if s.busy:
                return self.problem(409, 'Another operation is running', 'wait for it',
                                    operation='/operations/' + OPERATION)
            return self.answer(202, operation('running', phase='live'))
        if self.command == 'PUT':
            s.uploads.append((self.path, self.headers['Content-Type'], body))
            if s.refusal:
                return self.problem(400, 'The archive was refused', s.refusal)
            return self.answer(201, dict(backup(), warnings=['the backup is of the host x']))
        if self.path == '/coverage' and s.coverage:
            return self.answer(200, s.coverage)
        if self.path == '/health':
            return self.answer(200, {'status': 'ok', 'host': 'master-1'})
        if self.path in ('/plan', '/thaw'):
            return self.answer(200, s.answers[self.path])
        if self.path == '/metrics':
            return self.raw(s.metrics.encode())
        if self.path == '/prune':
            return self.answer(200, {
                'dry_run': json.loads(body)['dry_run'],
                'removed': [{'id': OTHER, 'created_at': '2026-11-22T08:00:00.000Z'}],
                'kept': [{'id': ID, 'created_at': '2026-11-23T09:12:33.123Z',
                          'reasons': ['last', 'daily']}]})
        if self.path == '/backups?limit=1000':
            return self.answer(200, {'backups': s.list, 'next': None})
        if self.path.endswith('/events'):
            return self.events()
        if self.path.split('?')[0].endswith('/archive'):
            return self.archive()
        if self.path in ('/backups/' + ID, '/backups/' + OTHER):
            if self.command == 'PATCH':
                s.locked = json.loads(body)['locked']
            if self.command == 'DELETE' and s.locked:
                return self.problem(409, 'Not possible in the present state', 'unlock it first')
            if self.command == 'DELETE':
                return self.answer(204, None)
            return self.answer(200, next(one for one in s.list if one['id'] == self.path.rsplit('/', 1)[1]))
        if self.path == '/operations/' + OPERATION:
            return self.answer(200, operation('failed' if s.error else 'succeeded', s.error))
        return self.problem(404, 'There is no such thing', 'there is no such backup')

    do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = handle_all

    def events(self):
        s = self.server
        self.send_response(200)
        self.send_header('Content-Type', 'text/event-stream')
        self.send_header('Connection', 'close')
        self.end_headers()
        last = operation('failed' if s.error else 'succeeded', s.error)
        for document in (operation('running', phase='live'), operation('running', phase='freeze'),
                         last):
            self.wfile.write(b'id: 1\ndata: ' + json.dumps(document).encode() + b'\n\n')
        self.close_connection = True

    def archive(self):
        found = re.fullmatch(r'bytes=(\d+)-(\d*)', 'format' not in self.path and self.headers.get('Range') or '')
        first = int(found.group(1)) if found else 0
        content = TAR if 'format=tar' in self.path else ARCHIVE
        last = int(found.group(2)) if found and found.group(2) else len(content) - 1
        self.send_response(206 if found else 200)
        self.send_header('Content-Type', 'application/zstd')
        self.send_header('ETag', '"etag"')
        self.send_header('Content-Length', str(last + 1 - first))
        self.end_headers()
        data = content[first:last + 1]
        if self.server.cuts > 0:
            self.server.cuts -= 1
            data = data[:200000]
            self.close_connection = True
        self.wfile.write(data)


class Dockerctl(unittest.TestCase):
    def setUp(self):
        self.service = Service()
        self.folder = tempfile.TemporaryDirectory(prefix='fb-cli-')
        self.env = {'FUEL_BACKUP_URL': self.service.url, 'FUEL_BACKUP_TOKEN': TOKEN,
                    'PATH': os.environ['PATH'], 'TZ': 'UTC'}

    def tearDown(self):
        self.service.shutdown()
        self.service.server_close()
        self.folder.cleanup()

    def run_it(self, *words, code=0, **env):
        done = subprocess.run([DOCKERCTL, *words], env=dict(self.env, **env), text=True,
                              capture_output=True, stdin=subprocess.DEVNULL, timeout=60)
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        self.assertNotIn(TOKEN, done.stdout + done.stderr)
        return done

    def test_backup(self):
        done = self.run_it('backup')
        self.assertEqual(done.stdout.splitlines()[-1],
                         'Backup complete. File is available at %s/backups/%s/archive' % (
                             self.service.url, ID))
        self.assertIn('live: ', done.stdout)
        self.assertIn('freeze: ', done.stdout)
        self.assertNotIn('\r', done.stdout)
        self.assertIn('warning: a tmpfs was left out', done.stderr)

    def test_backup_to_a_folder(self):
        done = self.run_it('backup', self.folder.name, '--full')
        path = os.path.join(self.folder.name, 'fuel_backup_2026-11-23_091233.tar.zst')
        self.assertEqual(done.stdout.splitlines()[-1],
                         'Backup complete. File is available at ' + path)
        self.assertEqual(os.listdir(self.folder.name), [os.path.basename(path)])
        self.assertEqual(stat.S_IMODE(os.stat(path).st_mode), 0o600)
        with open(path, 'rb') as file:
            self.assertEqual(hashlib.sha256(file.read()).digest(), hashlib.sha256(ARCHIVE).digest())
        again = self.run_it('backup', self.folder.name, code=1)
        self.assertIn('is there already', again.stderr)

    def test_a_partial_one(self):
        self.service.list[0] |= {'state': 'partial', 'omitted_total': 3, 'omitted': [
            {'kind': 'volume', 'name': 'media', 'reason': 'not lent', 'advice': 'start its driver'},
            {'kind': 'layer', 'name': 'web', 'reason': 'no path', 'advice': None}]}
        done = self.run_it('backup', code=3)
        self.assertIn('Backup partial', done.stdout.splitlines()[-1])
        self.assertIn('left out: volume media: not lent (start its driver)\nleft out: layer web: no path\nand 1 more\n', done.stderr)
        self.assertEqual('partial', json.loads(self.run_it('backup', '--json', code=3).stdout)['state'])
        self.assertEqual(OTHER, json.loads(self.run_it('show', 'latest', '--json').stdout)['id'])
        self.service.list[1]['state'] = 'failed'
        self.assertEqual(ID, json.loads(self.run_it('show', 'latest', '--json').stdout)['id'])

    def test_backup_to_no_folder(self):
        done = self.run_it('backup', self.folder.name + '/none', code=1)
        self.assertIn('is no folder', done.stderr)
        self.assertEqual(self.service.calls, [])

    def test_backup_fails(self):
        self.service.error = {'type': 'urn:fuel-backup:no-space', 'title': 'Not enough space',
                              'status': 507, 'detail': 'make room'}
        done = self.run_it('backup', code=1)
        self.assertIn('Backup failed: Not enough space: make room', done.stderr)

    def test_an_error_of_two_lines(self):
        self.service.error = {'type': 'x', 'title': 'T', 'status': 500, 'detail': 'one\ntwo\x1b[31m'}
        self.assertIn('T: one\ntwo\\x1b[31m', self.run_it('backup', code=1).stderr)

    def test_no_wait(self):
        done = self.run_it('backup', '--no-wait')
        self.assertIn('/operations/' + OPERATION, done.stdout)
        self.assertEqual(len(self.service.calls), 1)

    def test_busy(self):
        self.service.busy = True
        done = self.run_it('backup', code=1)
        self.assertIn('Another operation is running: wait for it', done.stderr)

    def test_download_resumes(self):
        self.service.cuts = 2
        self.run_it('download', 'latest', self.folder.name + '/a.tar.zst')
        with open(self.folder.name + '/a.tar.zst', 'rb') as file:
            self.assertEqual(file.read(), ARCHIVE)
        self.assertEqual(len([c for c in self.service.calls if c[1].endswith('/archive')]), 3)

    def test_download_a_tar(self):
        """It has no ranges: what broke off begins again."""
        self.service.cuts = 1
        done = self.run_it('download', 'latest', self.folder.name, '--tar')
        path = self.folder.name + '/fuel_backup_2026-11-23_091233.tar'
        self.assertIn(path + '\n', done.stdout)
        with open(path, 'rb') as file:
            self.assertEqual(file.read(), TAR)
        self.assertEqual({c[1] for c in self.service.calls if '/archive' in c[1]}, {f'/backups/{ID}/archive?format=tar'})

    def test_list(self):
        self.service.list[1].update(locked=True, verified_at='x', proven_at='x', damaged=True, future=True, name='a\x1b[2J')
        done = self.run_it('list')
        self.assertRegex(done.stdout, ID + r'  2026-11-23 09:12  complete +42 ms +4\.8 MiB  -----\n')
        self.assertRegex(done.stdout, OTHER + r'  .*  L--DF  a\\x1b\[2J\n')
        self.assertLessEqual(max(map(len, done.stdout.splitlines()[:2])), 80)
        self.assertEqual(len(json.loads(self.run_it('list', '--json').stdout)), 2)
        self.service.list = []
        self.assertIn('There is no backup yet', self.run_it('list').stdout)

    def test_list_tells_what_is_covered(self):
        for missing, text in (([], 'All 3 containers are in a backup of the last day.\n'),
                              (['a', 'b\x1b[2J'], 'Not in any backup of the last day: a, b\\x1b[2J (2 of 3 containers).\n')):
            self.service.coverage = {'containers': 3, 'missing': missing, 'left_out': [], 'oldest_at': None}
            self.assertTrue(self.run_it('list').stdout.endswith(text))
        self.assertEqual(2, len(json.loads(self.run_it('list', '--json').stdout)))

    def test_ids(self):
        self.assertEqual(json.loads(self.run_it('show', '20261122', '--json').stdout)['id'], OTHER)
        self.assertEqual(json.loads(self.run_it('show', 'latest', '--json').stdout)['id'], ID)
        self.assertIn('the beginning of several ids: say which', self.run_it('show', '2026', code=1).stderr)
        self.service.list[1]['name'] = '2026'
        self.assertEqual(json.loads(self.run_it('show', '2026', '--json').stdout)['id'], OTHER)
        self.service.list[0]['name'] = '2026'
        self.assertIn('the name of several backups', self.run_it('show', '2026', code=1).stderr)
        self.assertIn('it is empty', self.run_it('show', '', code=1).stderr)
        self.assertIn('dockerctl list', self.run_it('show', 'nothing', code=1).stderr)

    def test_restore(self):
        done = self.run_it('restore', ID, '--astute', '--yes')
        self.assertIn('Restore complete.', done.stdout)
        body = [c[2] for c in self.service.calls if c[1].endswith('/restore')][0]
        self.assertEqual(json.loads(body), {'host_paths': True, 'astute': True, 'confirm': ID})
        del self.service.calls[:]
        self.run_it('restore', ID, '--tags', '--yes')
        body = [c[2] for c in self.service.calls if c[1].endswith('/restore')][0]
        self.assertIs(json.loads(body)['tags'], True)

    def test_restore_a_part(self):
        for part, only in (('volumes/data', {'volumes': ['data']}), ('containers/web', {'containers': ['web']}),
                           ('/etc/shop', {'host_paths': ['/etc/shop']}),
                           ('volumes/data/one', {'files': ['volumes/data/one']}),
                           ('binds/srv/x', {'files': ['binds/srv/x']})):
            del self.service.calls[:]
            self.run_it('restore', ID, '--only', part, '-y')
            body = [c[2] for c in self.service.calls if c[1].endswith('/restore')][0]
            self.assertEqual(json.loads(body)['only'], only)
            self.assertNotIn('as', json.loads(body))

    def test_restore_several_parts(self):
        done = self.run_it('restore', ID, '--only', 'volumes/data', '--only=/etc/x', '--only', 'volumes/more',
                           '--dry-run', '--entries-from', '1000')
        body = json.loads([c[2] for c in self.service.calls if c[1].endswith('/restore')][0])
        self.assertEqual(body['only'], {'volumes': ['data', 'more'], 'host_paths': ['/etc/x']})
        self.assertEqual(body['entries_from'], 1000)
        self.assertIn('Nothing was changed.', done.stdout)

    def test_restore_beside(self):
        done = self.run_it('restore', ID, '--only', 'volumes/data', '--as=data-old')
        body = [c[2] for c in self.service.calls if c[1].endswith('/restore')][0]
        self.assertEqual(json.loads(body)['as'], 'data-old')
        self.assertIn('Restored ', done.stdout)
        self.assertNotIn('The stack is', done.stdout)

    def test_restore_dry(self):
        """The service here answers with no outlook: the totals are printed, and nobody is asked."""
        done = self.run_it('restore', ID, '--dry-run')
        self.assertIn('Nothing was changed.', done.stdout)
        self.assertNotIn('Restore complete.', done.stdout)
        body = [c[2] for c in self.service.calls if c[1].endswith('/restore')][0]
        self.assertTrue(json.loads(body)['dry_run'])
        self.assertNotIn('confirm', json.loads(body))

    def test_restore_a_file(self):
        path = self.folder.name + '/x.tar.zst'
        other = ARCHIVE[:-1] + bytes([ARCHIVE[-1] ^ 1])
        for content in (ARCHIVE, other):  # one that the store has, and another, which is sent
            with open(path, 'wb') as file:
                file.write(content)
            del self.service.calls[:]
            done = self.run_it('restore', path, '--yes')
            started = [c[1] for c in self.service.calls if c[0] == 'POST']
            self.assertEqual(started, ['/backups/' + ID + '/restore'])
            self.assertIn('Restore complete.', done.stdout)
        self.assertIn('warning: the backup is of the host x', done.stderr)
        self.assertEqual(self.service.uploads, [('/archives', 'application/zstd', other)])

    def test_restore_a_file_that_is_refused(self):
        path = self.folder.name + '/x.tar.zst'
        with open(path, 'wb') as file:
            file.write(b'x')
        self.service.refusal = 'volumes/a/../b: unsafe'
        done = self.run_it('restore', path, '--yes', code=1)
        self.assertIn('The archive was refused: volumes/a/../b: unsafe', done.stderr)
        self.assertEqual([c for c in self.service.calls if c[0] == 'POST'], [])

    def test_import(self):
        path = self.folder.name + '/x.tar'
        with open(path, 'wb') as file:
            file.write(os.urandom(3 << 20))
        done = self.run_it('import', path, '--devices')
        self.assertIn('Import complete. The backup is ' + ID, done.stdout)
        self.assertIn('the host x', done.stderr)
        [(where, kind, body)] = self.service.uploads
        self.assertEqual((where, kind), ('/archives?devices=true', 'application/x-tar'))
        with open(path, 'rb') as file:
            self.assertEqual(body, file.read())
        self.assertIn('No such file', self.run_it('import', path + 'x', code=1).stderr)

    def test_delete_and_verify(self):
        self.assertIn('is deleted', self.run_it('delete', OTHER, '--yes').stdout)
        self.assertIn(('DELETE', '/backups/' + OTHER, b''), self.service.calls)
        self.assertIn('is whole', self.run_it('verify', ID).stdout)

    def test_rehearse(self):
        self.run_it('rehearse', ID, '--memory', '2G', '--cpus=3', '--stay', '5', '--health', '60', '--no-wait')
        self.assertEqual(json.loads(self.service.calls[-1][2]), {
            'memory_bytes': 2 << 30, 'cpus': 3, 'stay_seconds': 5, 'health_seconds': 60})
        for text, size in (('1048576', 1 << 20), ('16MiB', 16 << 20), ('1T', 1 << 40), ('3K', 3 << 10)):
            self.run_it('rehearse', ID, '--memory', text, '--no-wait')
            self.assertEqual(json.loads(self.service.calls[-1][2]), {'memory_bytes': size})
        done = self.run_it('rehearse', ID)
        self.assertIn(('POST', '/backups/' + ID + '/rehearse', b''), self.service.calls)
        self.assertRegex(done.stdout, 'ok +web +running +up in 1234 ms  check: exit code 0\n')
        self.assertRegex(done.stdout, 'FAILED +db +exited')
        for text in ('it ended with exit code 5', 'last words', 'not proven: web: published ports',
                     'not proven: IPv6', 'proven restorable at 2026-11-23T10:00:00.000Z'):
            self.assertIn(text, done.stdout)
        self.service.error = {'type': 'urn:fuel-backup:unproven', 'title': 'The rehearsal failed', 'status': 500,
                              'detail': '1 of 2 containers did not come up'}
        done = self.run_it('rehearse', ID, code=1)
        self.assertIn('last words', done.stdout)
        self.assertIn('Rehearsal failed: ', done.stderr)
        self.assertIn('Rehearsal started', self.run_it('rehearse', ID, '--no-wait').stdout)

    def test_orders_for_the_terminal(self):
        """What containers and archives say is shown, and is no order for the terminal."""
        evil = 'x\x1b[2J\x1b]0;y\x07\r\x9b\u009b1m\x7f\u202e\u2066\u2028\u0085'
        shown = 'x\\x1b[2J\\x1b]0;y\\x07\\x0d'
        names = ('name', 'way', 'change', 'prefix', 'path', 'port', 'container', 'taken_by')
        one = dict.fromkeys(names, evil)
        looked = {'containers': [one], 'networks': [one], 'ports': [one], 'sources': [one], 'entries': [one],
                  'images': [evil], 'volumes': [evil + '\nvolume to make: another']}
        proven = {'containers': [{'name': evil, 'state': evil, 'error': evil, 'logs': f'{evil}\nlast line'}],
                  'unproven': [{'container': evil, 'what': evil}]}
        for words, result, lines in ((['restore', ID, '--dry-run'], looked, 7), (['rehearse', ID], proven, 4)):
            with unittest.mock.patch.dict(RESULT, result):
                done = self.run_it(*words)
            self.assertGreaterEqual(done.stdout.count(shown), lines, done.stdout)
            for character in done.stdout + done.stderr:
                self.assertTrue(character == '\n' or character.isprintable(), repr(character))
        self.assertIn('\nlast line\n', done.stdout)
        with unittest.mock.patch.dict(RESULT, looked):
            self.assertNotIn('\nvolume to make: another', self.run_it('restore', ID, '--dry-run').stdout)

    def test_no_orders_in_any_field(self):
        """What a service tells is shown by every command without orders for the terminal; JSON stays JSON."""
        evil = 'x\u009b2J\x7f\u202e\u2029\x1b[2J\U000e0041'
        self.service.list[1].update({key: evil for key in ('name', 'plan_name', 'host')})
        with unittest.mock.patch.dict(self.service.list[1], {'warnings': [evil], 'state': evil, 'created_at': evil}):
            for words in (['list'], ['list', '--json'], ['show', OTHER], ['show', OTHER, '--json']):
                done = self.run_it(*words)
                for character in done.stdout + done.stderr:
                    self.assertTrue(character == '\n' or character.isprintable(), (words, repr(character)))
                self.assertIn('009b' if '--json' in words else '\\xc2\\x9b', done.stdout)
                if '--json' in words:  # it says the same, escaped
                    told = json.loads(done.stdout)
                    told = told if isinstance(told, dict) else told[1]
                    self.assertEqual((told['name'], told['warnings']), (evil, [evil]))

    def test_plan_and_thaw(self):
        """By names, and these are no order for the terminal."""
        self.service.answers = {
            '/thaw': {'thawed': ['shop-db', 'x\x1b[2J']},
            '/plan': {'containers': [{'name': 'shop-db', 'state': 'running'}, {'name': 'x\x1b[2J', 'state': 'stopped'}],
                      'images': [{'id': 'sha256:1234', 'tags': ['shop/db:1', 'shop/db:latest'], 'size_bytes': 2 << 20},
                                 {'id': 'sha256:5678', 'tags': [], 'size_bytes': 0}],
                      'sources': [{'kind': 'volume', 'name': 'shop-data', 'bytes': 1024, 'files': 7}],
                      'warnings': ['a socket\x1b[2J'], 'freeze': {'predicted_ms': 25, 'from': 'backups'},
                      'schedule': {'last_at': None, 'next_at': '2026-11-24T03:15:00.000Z'}}}
        done = self.run_it('plan')
        for line in (r'container +running +shop-db', r'container +stopped +x\\x1b\[2J', r'image +2\.0 MiB +shop/db:1',
                     r' +shop/db:latest', r'image +0 B +sha256:5678', r'volume +1\.0 KiB +7 files +shop-data',
                     r'warning: a socket\\x1b\[2J', r'The containers would stand still for about 25 ms \(from the last backups\)\.',
                     r'The next backup by schedule begins at 2026-11-24 03:15:00 UTC\.'):
            self.assertRegex(done.stdout, f'(?m)^{line}$')
        self.assertEqual(self.run_it('thaw').stdout, 'shop-db runs again.\nx\\x1b[2J runs again.\n')
        self.service.answers['/thaw'] = {'thawed': []}
        self.assertEqual(self.run_it('thaw').stdout, 'Nothing was frozen.\n')

    def test_lock(self):
        self.assertIn('is locked', self.run_it('lock', OTHER).stdout)
        self.assertIn(('PATCH', '/backups/' + OTHER, b'{"locked":true}'), self.service.calls)
        self.assertIn('unlock it first', self.run_it('delete', OTHER, '--yes', code=1).stderr)
        self.assertIn('is unlocked', self.run_it('unlock', OTHER).stdout)
        self.assertIn('is deleted', self.run_it('delete', OTHER, '--yes').stdout)

    def test_prune(self):
        for words, dry, says in ((['--dry-run'], True, '1 backup would be removed.'), (['--yes'], False, '1 backup removed.')):
            del self.service.calls[:]
            done = self.run_it('prune', *words)
            self.assertIn(f'remove  {OTHER}', done.stdout)
            self.assertRegex(done.stdout, f'keep +{ID} .*  last daily\n')
            self.assertIn(says, done.stdout)
            [call] = self.service.calls
            self.assertEqual((call[1], json.loads(call[2])), ('/prune', {'dry_run': dry}))

    def test_prune_by_rules(self):
        self.run_it('prune', '--keep', 'daily=7,weekly=5,last=0', '--dry-run')
        self.assertEqual(json.loads(self.service.calls[-1][2]),
                         {'dry_run': True, 'keep': {'daily': 7, 'weekly': 5, 'last': 0}})

    def test_metrics(self):
        self.service.metrics = ('# HELP a b\n# TYPE a gauge\na 1\nb{x="1",y="q\\"\\\\\\n{}, "} 2.5e3\nc{} +Inf\n'
                                'd{le="+Inf"} 7 1700000000\n')
        self.assertEqual(self.run_it('metrics').stdout, self.service.metrics)
        self.assertEqual(json.loads(self.run_it('metrics', '--json').stdout), [
            {'name': 'a', 'labels': {}, 'value': 1}, {'name': 'b', 'labels': {'x': '1', 'y': 'q"\\\n{}, '}, 'value': 2500},
            {'name': 'c', 'labels': {}, 'value': '+Inf'}, {'name': 'd', 'labels': {'le': '+Inf'}, 'value': 7}])
        for line in ('b{x="1} 2', 'b{x=1} 2', 'b{x="1"', 'b 1x', 'b', 'b{x="\\', 'b{="1"} 2'):
            self.service.metrics = line + '\n'
            self.assertIn('this is no metric: ' + line, self.run_it('metrics', '--json', code=1).stderr)

    def test_operations(self):
        self.assertEqual(json.loads(self.run_it('operations', OPERATION).stdout)['id'], OPERATION)

    def test_sweep(self):
        self.assertIn('are free again', self.run_it('sweep').stdout)
        self.assertEqual([c[1] for c in self.service.calls if c[0] == 'POST'], ['/sweep'])
        self.assertIn('/operations/', self.run_it('sweep', '--no-wait').stdout)

    def test_scrub(self):
        self.assertIn('is whole', self.run_it('scrub').stdout)
        self.assertEqual([c[1] for c in self.service.calls if c[0] == 'POST'], ['/scrub'])
        self.assertIn('/operations/', self.run_it('scrub', '--no-wait').stdout)
        self.service.error = {'type': 'urn:fuel-backup:corrupt', 'title': 'Stored data are damaged',
                              'status': 500, 'detail': 'the files: volumes/db/data'}
        self.assertIn('volumes/db/data', self.run_it('scrub', code=1).stderr)

    def test_token(self):
        self.assertIn('the token is wrong', self.run_it('list', code=4, FUEL_BACKUP_TOKEN='x' * 20).stderr)
        store = self.folder.name
        done = self.run_it('list', code=4, FUEL_BACKUP_TOKEN='', FUEL_BACKUP_STORE=store)
        self.assertIn(store + '/token', done.stderr)
        with open(store + '/token', 'w') as file:
            file.write(TOKEN + '\n')
        self.run_it('list', FUEL_BACKUP_TOKEN='', FUEL_BACKUP_STORE=store)

    def test_not_there(self):
        done = self.run_it('list', code=4, FUEL_BACKUP_URL='http://127.0.0.1:1')
        self.assertIn('is the service up?', done.stderr)

    def test_no_address(self):
        for url in ('nonsense', 'ftp://127.0.0.1'):
            done = self.run_it('list', code=1, FUEL_BACKUP_URL=url)
            self.assertIn('FUEL_BACKUP_URL is http://host:port, https://host or unix:/path', done.stderr)

    def test_a_plan(self):
        path = self.folder.name + '/plan.json'
        for text, says in (('{\n"a"', ', line 2: '), ('[]', ': a plan is a JSON object'), (None, 'No such file')):
            if text is not None:
                with open(path, 'w') as file:
                    file.write(text)
            done = self.run_it('backup', '--plan', path if text else path + '-none', code=1)
            self.assertIn('--plan: ', done.stderr)
            self.assertIn(path, done.stderr)
            self.assertIn(says, done.stderr)
        self.assertIn('--plan: standard input, line 1: ', self.run_it('backup', '--plan', '-', code=1).stderr)
        self.assertEqual(self.service.calls, [])

    def test_usage(self):
        self.assertIn('  backup: back up entire deployment', self.run_it('help').stdout)
        self.assertIn('  backup: ', self.run_it(code=2).stderr)
        self.assertIn('is backup meant?', self.run_it('backpu', code=2).stderr)
        self.assertIn('Usage: dockerctl restore ID|FILE', self.run_it('restore', code=2).stderr)
        self.assertRegex(self.run_it('version').stdout, r'^dockerctl \(fuel-backup\) \d')

    def on_terminal(self, words, typed):
        master, slave = pty.openpty()
        process = subprocess.Popen([DOCKERCTL, *words], env=self.env, stdin=slave, stdout=slave,
                                   stderr=slave, close_fds=True)
        os.close(slave)
        os.write(master, typed)
        text = b''
        try:
            while True:
                piece = os.read(master, 4096)
                if not piece:
                    break
                text += piece
        except OSError:
            pass  # the other end is closed
        os.close(master)
        return process.wait(60), text.decode()

    def test_the_bar_is_taken_back(self):
        """By an order of our own, which is no text."""
        code, text = self.on_terminal(['restore', ID, '--dry-run'], b'')
        self.assertEqual(code, 0, text)
        self.assertNotIn('\\x', text)
        self.assertIn('\r\x1b[Kcontainer web', text)
        self.assertLessEqual(max(len(line) for line in text.replace('\r\x1b[K', '\n').split('\n')), 80)

    def test_terminal(self):
        code, text = self.on_terminal(['backup'], b'')
        self.assertEqual(code, 0, text)
        self.assertRegex(text, r'\r\x1b\[Klive +\[#+\.+\] 1000 B of 2\.0 KiB, 500 B/s')

    DESTROY = (['restore', ID], ['restore', 'latest'], ['restore', ID, '--only', 'volumes/data'], ['restore', '/etc/passwd'],
               ['restore', ID, '--json'], ['delete', OTHER], ['delete', OTHER, '--json'], ['prune'], ['prune', '--json'],
               ['prune', '--keep', 'last=1'])

    def test_nobody_to_ask(self):
        """Without a terminal nothing is destroyed unless --yes is there, and the service is not even called."""
        for words in self.DESTROY:
            for typed in (subprocess.DEVNULL, subprocess.PIPE):
                done = subprocess.run([DOCKERCTL, *words], env=self.env, text=True, stdout=subprocess.PIPE,
                                      stderr=subprocess.PIPE, timeout=60, check=False,
                                      **{'input': 'y\n' * 9} if typed == subprocess.PIPE else {'stdin': typed})
                self.assertEqual(2, done.returncode, (words, done))
                self.assertRegex(done.stderr, f'^dockerctl {words[0]} .*add --yes if that is meant. Nothing was done.\n$')
                self.assertEqual('', done.stdout)
        self.assertEqual([], self.service.calls)
        for words in (['restore', ID, '--dry-run'], ['restore', ID, '--only', 'volumes/data', '--as', 'copy'],
                      ['prune', '--dry-run']):
            self.run_it(*words)

    def piped(self, words, typed, err_too):
        """stdin is a terminal, stdout a pipe, as in `… | tee log`; and stderr the terminal, or that pipe, too."""
        master, slave = pty.openpty()
        with subprocess.Popen([DOCKERCTL, *words], env=self.env, stdin=slave, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT if err_too else slave, close_fds=True) as process:
            os.close(slave)
            os.write(master, typed)
            out = process.stdout.read().decode()
            shown = b''
            try:
                while piece := os.read(master, 4096):
                    shown += piece
            except OSError:
                pass  # the other end is closed
            os.close(master)
            return process.wait(60), out, shown.decode()

    def test_piped(self):
        for words in (['restore', ID], ['delete', OTHER], ['prune']):
            for typed, code in ((b'n\n', 1), (b'\n', 1), (b'y\n', 0)):
                del self.service.calls[:]
                ended, out, shown = self.piped(words, typed, False)
                self.assertEqual(code, ended, (words, out, shown))
                self.assertIn('[y/N]', shown)
                self.assertNotIn('[y/N]', out)
                done = [c for c in self.service.calls if c[0] in ('POST', 'DELETE') and b'"dry_run":true' not in c[2]]
                self.assertEqual(code == 0, bool(done), done)
            del self.service.calls[:]
            ended, out, _ = self.piped(words, b'y\n', True)
            self.assertEqual(2, ended)
            self.assertIn('--yes', out)
            self.assertEqual([], self.service.calls)

    def test_question(self):
        """It names the host, the backup, its time, and the containers."""
        code, text = self.on_terminal(['restore', ID], b'n\n')
        self.assertEqual(code, 1, text)
        for part in ('[y/N]', 'host master-1', ID, '2026-11-23 09:12:33 UTC', 'containers a, b'):
            self.assertIn(part, text)
        self.assertEqual([c for c in self.service.calls if c[0] == 'POST'], [])
        code, text = self.on_terminal(['restore', ID, '--only', 'volumes/data'], b'n\n')
        self.assertIn('only volumes/data', text)
        code, text = self.on_terminal(['delete', ID], b'n\n')
        self.assertEqual(code, 1, text)
        for part in ('[y/N]', 'store of master-1', ID, '2026-11-23 09:12:33 UTC', 'a, b'):
            self.assertIn(part, text)
        code, text = self.on_terminal(['prune'], b'n\n')
        for part in ('[y/N]', 'Remove 1 backup,', 'store of master-1', OTHER):
            self.assertIn(part, text)
        code, text = self.on_terminal(['restore', ID], b'y\n')
        self.assertEqual(code, 0, text)

    def test_show(self):
        """For people; in the terminal's zone, and no orders for it."""
        with unittest.mock.patch.dict(NAMES[0], name='a\x1b[2J'):
            done = self.run_it('show', ID, TZ='Asia/Tokyo')
        for line in (r'Backup +' + ID, r'State +complete', r'Made +2026-11-23 18:12:33 JST, by the schedule',
                     r'Size +4\.8 MiB; its archive has 684 KiB, 781 KiB were new to the store',
                     r'Took +1 min 15 s; its containers stood still for 42 ms', r'Verified +no', r'Rehearsal +none',
                     r'Warnings +a tmpfs was left out', r'Containers  2', r'  a\\x1b\[2J +running +web:1'):
            self.assertRegex(done.stdout, '(?m)^' + line)
        self.assertLessEqual(max(map(len, done.stdout.splitlines())), 80)
        self.assertEqual(json.loads(self.run_it('show', ID, '--json').stdout)['id'], ID)

    def test_what_retention_removed(self):
        with unittest.mock.patch.dict(RESULT, removed=[{'id': OTHER, 'created_at': '2026-11-22T08:00:00.000Z'}]):
            self.assertIn(f"Removed by the plan's retention: {OTHER} of 2026-11-22 08:00\n", self.run_it('backup').stdout)
            document = json.loads(self.run_it('backup', '--json').stdout)
        self.assertEqual([OTHER], [one['id'] for one in document['removed']])

    def test_a_dry_run_for_people(self):
        looked = {'space_bytes': 5 << 30, 'downtime_ms': 75000, 'sources': [
            {'prefix': 'volumes/data', 'added': {'entries': 2, 'bytes': 3 << 20}, 'changed': {}, 'deleted': {}}],
                  'differing': [{'kind': 'tag', 'name': 'web:1', 'becomes': 'kept'}]}
        with unittest.mock.patch.dict(RESULT, looked):
            text = self.run_it('restore', ID, '--dry-run').stdout
        self.assertIn('volumes/data:  added 2 (3.0 MiB)\n', text)
        self.assertIn('tag web:1 is another here than in the backup: kept\n', text)
        self.assertIn('Dry run: 5.0 GiB would be written, and containers would be down for about 1 min 15 s.\n'
                      'Nothing was changed.\n', text)


if __name__ == '__main__':
    unittest.main()
