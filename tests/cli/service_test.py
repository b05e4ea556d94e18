#!/usr/bin/python3
# Goal: every command of dockerctl against the real service (its engine is scripted).
import json
import os
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '../api'))
from case import ServiceCase  # noqa: E402
from service import Service  # noqa: E402

DOCKERCTL = os.path.abspath(sys.argv.pop(1))
Service.binary = os.path.abspath(sys.argv.pop(1))
ODD = b'od\xff d%\n?#'


class Real(ServiceCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        os.makedirs(os.path.join(cls.data, 'tree'))
        with open(os.path.join(os.fsencode(cls.data), b'tree', ODD), 'wb') as file:
            file.write(b'odd')
        with open(os.path.join(cls.data, 'tree', 'holes'), 'wb') as file:
            file.truncate(1 << 20)
        os.symlink('/etc/passwd', os.path.join(cls.data, 'tree', 'soft'))
        cls.top = os.fsencode('host' + cls.data)
        cls.backup = cls.service.backup()

    def ask(self, *words, code=0):
        env = {'FUEL_BACKUP_URL': f'http://127.0.0.1:{self.service.port}', 'FUEL_BACKUP_STORE': self.service.store,
               'PATH': os.environ['PATH']}
        done = subprocess.run([DOCKERCTL, *words], env=env, capture_output=True, timeout=120,
                              stdin=subprocess.DEVNULL)
        self.assertEqual(done.returncode, code, (done.stdout[:500], done.stderr))
        return done

    def document(self, *words):
        return json.loads(self.ask(*words, '--json').stdout)

    def test_looking_into_it(self):
        names = [entry['name'] for entry in self.document('ls', self.backup, self.top + b'/tree')]
        self.assertEqual(sorted(names), ['holes', 'od\\xff d%\n?#', 'soft'])
        shown = self.ask('ls', 'latest', self.top + b'/tree').stdout
        self.assertIn(b'od\\xff d%\\x0a?#\n', shown)
        self.assertIn(b'soft -> /etc/passwd\n', shown)
        self.assertEqual(self.ask('cat', self.backup, self.top + b'/tree/' + ODD).stdout, b'odd')
        self.assertEqual(self.ask('cat', self.backup, self.top + b'/tree/holes').stdout, bytes(1 << 20))
        self.assertIn(b'is no file', self.ask('cat', self.backup, self.top + b'/tree/soft', code=1).stderr)
        self.assertIn(b'none', self.ask('ls', self.backup, 'none', code=1).stderr)
        with tempfile.TemporaryDirectory(prefix='fb-cli-') as folder:
            self.ask('fetch', self.backup, self.top + b'/tree/' + ODD, folder)
            self.ask('fetch', self.backup, self.top + b'/tree', folder)
            self.assertEqual(sorted(os.listdir(os.fsencode(folder))), sorted([ODD, b'tree.tar']))
            told = subprocess.run(['tar', '-tf', folder + '/tree.tar'], capture_output=True, check=True).stdout
            self.assertIn(self.top + b'/tree/soft', told)

    def test_copies(self):
        with tempfile.TemporaryDirectory(prefix='fb-cli-') as folder:
            settings = os.path.join(folder, 'settings.json')
            with open(settings, 'w', encoding='utf-8') as file:
                json.dump({'url': 'file://' + folder, 'form': 'archives'}, file)
            self.assertIn(b'Copies can be put there.', self.ask('destination', 'usb', settings).stdout)
            self.assertIn(b'usb  file://', self.ask('destinations').stdout)
            self.assertEqual(self.document('destinations', 'usb')['name'], 'usb')
            self.assertTrue(self.document('probe', 'usb')['ok'])
            self.assertIn(b'archives/' + self.backup.encode(), self.ask('copy', 'latest', 'usb').stdout)
            self.assertTrue(self.document('copy', self.backup, 'usb')['result']['was_there'])
            self.ask('restore', f'{folder}/archives/{self.backup}.tar.zst', '--dry-run')
            self.ask('forget', 'usb')
            self.assertIn(b'no destination', self.ask('probe', 'usb', code=1).stderr)
            self.ask('destination', 'usb', '/dev/null', code=1)
            self.assertIn(b'no destination', self.ask('copy', 'latest', 'usb', code=1).stderr)
            gone = {'url': 'file:///no/such/disk'}
            with open(settings, 'w', encoding='utf-8') as file:
                json.dump(gone, file)
            self.assertIn(b'mounted', self.ask('destination', 'gone', settings).stdout)
            self.ask('probe', 'gone', code=1)
            self.assertEqual(self.document('forget', 'gone'), {'forgotten': 'gone'})

    def test_of_a_backup(self):
        self.assertEqual(self.document('show', self.backup)['id'], self.backup)
        self.assertIn(self.backup, [backup['id'] for backup in self.document('list')])
        self.assertTrue(self.document('lock', self.backup)['locked'])
        self.assertFalse(self.document('unlock', self.backup)['locked'])
        self.assertEqual(self.document('name', self.backup, 'first')['name'], 'first')
        self.assertEqual(self.document('show', 'first')['id'], self.backup)
        self.assertIsNone(self.document('name', self.backup)['name'])
        self.assertEqual(self.document('verify', self.backup)['state'], 'succeeded')
        self.assertIn('ticket=', self.document('link', self.backup)['url'])
        with tempfile.TemporaryDirectory(prefix='fb-cli-') as folder:
            made = self.document('backup', folder)
            self.assertEqual(os.listdir(folder), [os.path.basename(made['file'])])
            tar = self.document('download', made['id'], folder, '--tar')['file']
            told = subprocess.run(['tar', '-tf', tar], capture_output=True, check=True).stdout
            self.assertIn(b'backup.json\n', told)
            self.assertEqual(self.document('import', made['file'])['id'], made['id'])
            self.assertEqual(self.document('delete', made['id'], '--yes'), {'deleted': made['id']})

    def test_of_the_service(self):
        self.assertEqual(self.document('health')['status'], 'ok')
        self.assertIn('freeze', self.document('plan'))
        self.assertIn(b'stand still', self.ask('plan').stdout)
        self.assertEqual(self.document('thaw'), {'thawed': []})
        self.assertEqual(self.document('scrub')['state'], 'succeeded')
        self.assertEqual(self.document('sweep')['state'], 'succeeded')
        self.assertIn(b'fuel_backup_', self.ask('metrics').stdout)
        self.assertIn('fuel_backup_store_chunks', {sample['name'] for sample in self.document('metrics')})
        self.assertIn(self.backup, json.dumps(self.document('prune', '--keep', 'last=1', '--dry-run')))
        listed = self.document('operations')
        self.assertEqual(self.document('operations', listed[0]['id'])['id'], listed[0]['id'])
        self.assertEqual(self.document('watch', listed[0]['id'])['id'], listed[0]['id'])
        self.ask('watch', '20000101-000000-00000000', code=1)
        self.assertIn(self.backup.encode(), self.ask('completion', 'ids').stdout.split())


if __name__ == '__main__':
    unittest.main()
