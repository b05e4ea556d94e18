#!/usr/bin/python3
# Goal: help, man page, docs and completion tell of the same commands and options, and these do all that the API does.
import os
import re
import subprocess
import sys
import unittest

import yaml

DOCKERCTL = os.path.abspath(sys.argv.pop(1))
ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', '..')
# What does each of the API's operations; None: of browsers and of machines alone.
API = {'getPage': None, 'getPagePart': None, 'getButton': None, 'getApiSpec': None, 'listTasks': None,
       'getTask': None, 'getHealth': 'health', 'getMetrics': 'metrics', 'getPlan': 'plan', 'thaw': 'thaw',
       'listBackups': 'list', 'createBackup': 'backup', 'getBackup': 'show', 'deleteBackup': 'delete',
       'changeBackup': 'lock unlock name', 'getArchive': 'download', 'headArchive': 'download', 'getRootFolder': 'ls',
       'getFile': 'cat fetch ls', 'putArchive': 'import', 'createTicket': 'link', 'restoreBackup': 'restore',
       'rehearseBackup': 'rehearse', 'verifyBackup': 'verify', 'prune': 'prune', 'sweep': 'sweep', 'scrub': 'scrub',
       'listOperations': 'operations', 'getOperation': 'watch', 'cancelOperation': 'cancel',
       'getOperationEvents': 'watch'}
NO_JSON = {'cat', 'metrics', 'completion'}  # they print bytes of others


def say(*words):
    return subprocess.run([DOCKERCTL, *words], check=True, capture_output=True, text=True, timeout=60).stdout


def read(name):
    with open(os.path.join(ROOT, name), encoding='utf-8') as file:
        return file.read()


class Table(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.names = [n for n in re.findall(r'^  ([a-z]+): ', say('help'), re.M) if n not in ('help', 'version')]
        cls.usage = {n: say('help', n).splitlines() for n in cls.names}
        assert len(cls.names) > 20

    def lines(self):
        return [self.usage[name][0].removeprefix('Usage: dockerctl ') for name in self.names]

    def test_help(self):
        for name in self.names:
            self.assertEqual(say(name, '--help').splitlines(), self.usage[name])
            told = re.findall(r'^  (--[a-z-]+): ', '\n'.join(self.usage[name]), re.M)
            self.assertEqual(told, re.findall(r'\[(--[a-z-]+)', self.usage[name][0]))
            self.assertEqual('--json' in told, name not in NO_JSON, name)

    def test_api(self):
        spec = yaml.safe_load(read('api-spec/openapi.yaml'))
        there = {operation['operationId'] for item in spec['paths'].values() for operation in item.values()
                 if isinstance(operation, dict)}
        self.assertEqual(there, set(API))
        done = {name for names in API.values() if names for name in names.split()}
        self.assertEqual(done, set(self.names) - {'completion'})

    def test_man_page(self):
        page = read('docs/dockerctl.1').replace('\\-', '-')
        part = page.split('.SH COMMANDS')[1].split('.SH OPTIONS')
        self.assertEqual(re.findall(r'^\.TP\n\.B (.*)$', part[0], re.M), self.lines() + ['help [COMMAND]', 'version'])
        told = set(re.findall(r'^\.B (--[a-z-]+)', part[1].split('.SH')[0], re.M))
        self.assertEqual(told, set(re.findall(r'--[a-z-]+', ' '.join(self.lines()))))
        done = subprocess.run(['groff', '-man', '-Tascii', '-ww', os.path.join(ROOT, 'docs/dockerctl.1')],
                              capture_output=True, text=True, check=True)
        self.assertEqual(done.stderr, '')
        self.assertIn('EXIT STATUS', re.sub('.\b|\x1b\\[[0-9;]*m', '', done.stdout))

    def test_docs(self):
        block = re.findall(r'^    dockerctl (.*)$', read('docs/dockerctl.md'), re.M)
        self.assertEqual(block, self.lines() + ['help [COMMAND]', 'version'])

    def test_completion(self):
        script = say('completion', 'bash')

        def complete(*words):
            ask = ('source /dev/stdin; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _dockerctl; '
                   'printf "%s\\n" "${COMPREPLY[@]}"')
            done = subprocess.run(['bash', '-c', ask, 'bash', 'dockerctl', *words], input=script, text=True,
                                  capture_output=True, check=True, cwd=os.path.join(ROOT, 'tests', 'cli'))
            self.assertEqual(done.stderr, '')
            return done.stdout.split()

        self.assertEqual(complete(''), self.names + ['help', 'version'])
        self.assertEqual(complete('re'), [n for n in self.names if n.startswith('re')])
        for name in self.names:
            options = re.findall(r'\[(--[a-z-]+)', self.usage[name][0])
            self.assertEqual(complete(name, '-'), options)
            self.assertEqual([o for o in options if o not in re.findall('--[a-z-]+', say('completion', 'zsh'))], [])
        self.assertEqual(complete('completion', ''), ['bash', 'zsh', 'ids', 'operations'])
        self.assertEqual(complete('import', 'table_'), ['table_test.py'])
        self.assertEqual(complete('backup', '--plan', 'table_'), ['table_test.py'])
        self.assertEqual(complete('help', 'hea'), ['health'])
        self.assertEqual(complete('list', ''), [])

    def test_wrong_use(self):
        for words, says in ((['list', 'x'], 'what is "x" for?'), (['backup', '--plan'], '--plan needs a FILE'),
                            (['list', '--json=1'], 'takes no value'), (['cat', 'latest'], 'it needs ID PATH'),
                            (['cat', 'latest', 'x', '--json'], 'unknown option --json'),
                            (['list', '--js'], 'unknown option --js')):
            done = subprocess.run([DOCKERCTL, *words], capture_output=True, text=True, timeout=60)
            self.assertEqual(done.returncode, 2)
            self.assertIn(says, done.stderr)


if __name__ == '__main__':
    unittest.main()
