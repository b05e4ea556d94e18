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
       'listBackups': 'list', 'getCoverage': 'list', 'createBackup': 'backup', 'getBackup': 'show', 'deleteBackup': 'delete',
       'changeBackup': 'lock unlock name', 'getArchive': 'download', 'headArchive': 'download', 'getRootFolder': 'ls',
       'getFile': 'cat fetch ls', 'putArchive': 'import', 'createTicket': 'link', 'restoreBackup': 'restore',
       'rehearseBackup': 'rehearse', 'verifyBackup': 'verify', 'prune': 'prune', 'sweep': 'sweep', 'scrub': 'scrub',
       'listOperations': 'operations', 'getOperation': 'watch', 'cancelOperation': 'cancel',
       'getOperationEvents': 'watch', 'getRecovery': 'recover', 'recover': 'recover', 'copyBackup': 'copy',
       'listDestinations': 'destinations', 'getDestination': 'destinations', 'putDestination': 'destination',
       'deleteDestination': 'forget', 'probeDestination': 'probe'}
NO_JSON = {'cat', 'completion'}  # they print a file's bytes, and what shells read
# What each field of a request, and each parameter of a query, is given by: an option, a word, or what dockerctl does by itself.
FIELDS = {'Plan': 'backup --plan FILE', 'Plan.force': 'backup --force', 'BackupChange.locked': 'lock ID',
          'BackupChange.name': 'name ID [NAME]', 'RestoreRequest.host_paths': 'restore --no-host-paths',
          'RestoreRequest.force': 'restore --force', 'RestoreRequest.astute': 'restore --astute',
          'RestoreRequest.tags': 'restore --tags',
          'RestoreRequest.networks': 'restore --networks',
          'RestoreRequest.confirm': 'restore ID|FILE', 'RestoreRequest.only': 'restore --only PART', 'RestoreRequest.as': 'restore --as NAME',
          'RestoreRequest.entries_from': 'restore --entries-from NUMBER', 'RestoreRequest.dry_run': 'restore --dry-run',
          'RehearsalRequest.memory_bytes': 'rehearse --memory SIZE', 'RehearsalRequest.cpus': 'rehearse --cpus NUMBER',
          'RehearsalRequest.stay_seconds': 'rehearse --stay SECONDS',
          'RehearsalRequest.health_seconds': 'rehearse --health SECONDS', 'PruneRequest.keep': 'prune --keep RULES',
          'DestinationSettings': 'destination NAME FILE', 'RecoverRequest.abandon': 'recover --abandon',
          'PruneRequest.dry_run': 'prune --dry-run', 'putArchive.devices': 'import --devices',
          'putArchive.volume': 'import --volume NAME', 'putArchive.host_path': 'import --host-path PATH', 'putArchive.strip': 'import --strip NUMBER',
          'getArchive.format': 'download --tar', 'getOperation.wait': 'watch [OPERATION]',
          'getRootFolder.format': 'fetch ID PATH [DEST]', 'getFile.format': 'fetch ID PATH [DEST]'}
BY_ITSELF = {'limit', 'after'}  # all pages are shown


def say(*words):
    return subprocess.run([DOCKERCTL, *words], check=True, capture_output=True, text=True, timeout=60).stdout


def read(name):
    with open(os.path.join(ROOT, name), encoding='utf-8') as file:
        return file.read()


class Table(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.names = [line.split()[0] for line in re.findall(r'^    dockerctl (.*)$', read('docs/dockerctl.md'), re.M)]
        cls.names = [n for n in cls.names if n not in ('help', 'version')]
        cls.usage = {n: say('help', n).splitlines() for n in cls.names}
        assert len(cls.names) > 20

    def lines(self):
        return [self.usage[name][0].removeprefix('Usage: dockerctl ') for name in self.names]

    def test_groups(self):
        """`help` names each command once, on one screen."""
        lines = say('help').splitlines()
        named = [name for line in re.findall(r'^  ([a-z, ]+): ', '\n'.join(lines), re.M) for name in line.split(', ')]
        self.assertEqual(sorted(named), sorted([*self.names, 'help', 'version']))
        self.assertLessEqual(len(lines), 23)
        self.assertLess(max(map(len, lines)), 80)

    def test_who_destroys_takes_yes(self):
        for name in ('restore', 'delete', 'prune'):
            self.assertIn('[--yes]', self.usage[name][0])

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

    def test_fields(self):
        """What can be asked of the API can be asked of dockerctl."""
        spec = yaml.safe_load(read('api-spec/openapi.yaml'))
        asked, schemas, names = set(), spec['components']['schemas'], spec['components']['parameters']
        for item in spec['paths'].values():
            for method, operation in item.items():
                if method == 'parameters' or API[operation['operationId']] is None:
                    continue
                for parameter in operation.get('parameters', []):
                    parameter = names[parameter['$ref'].split('/')[-1]] if '$ref' in parameter else parameter
                    if parameter['in'] == 'query' and parameter['name'] not in BY_ITSELF and method != 'head':
                        asked.add(f'{operation["operationId"]}.{parameter["name"]}')
                body = operation.get('requestBody', {}).get('content', {}).get('application/json', {}).get('schema', {})
                schema = body.get('$ref', '').split('/')[-1]
                for field in schemas.get(schema, {}).get('properties', {}):
                    asked.add(schema if schema == 'DestinationSettings' or schema == 'Plan' and field != 'force' else f'{schema}.{field}')
        self.assertEqual(asked, set(FIELDS))
        for name, words in FIELDS.items():
            command, rest = words.split(' ', 1)
            self.assertIn(f'[{rest}]' if rest.startswith('--') else rest, self.usage[command][0], name)

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
        self.assertEqual(complete('rehearse', '--memory', ''), [])
        self.assertEqual(complete('restore', '--only', ''), [])
        self.assertEqual(complete('help', 'hea'), ['health'])
        self.assertEqual(complete('list', ''), [])

    def test_wrong_use(self):
        keep, size = 'prune: --keep: ', 'rehearse: --memory: '
        for words, says in ((['list', 'x'], 'list takes nothing but options, not "x"'),
                            (['delete', 'x', 'y'], '"y" is one too many, it takes ID'),
                            (['backup', '--plan'], '--plan needs a FILE'), (['backup', '--plan='], 'FILE of --plan is empty'),
                            (['backup', '--plan', 'x', '--plan', 'y'], '--plan is there twice'),
                            (['restore', 'x', *['--only=y'] * 101], 'more than 100 times --only'),
                            (['list', '--json=1'], 'takes no value'), (['cat', 'latest'], 'cat: its PATH is missing'),
                            (['cat'], 'cat: its ID is missing'), (['restore'], 'its ID|FILE is missing'),
                            (['cat', 'latest', 'x', '--json'], 'there is no option --json\n'),
                            (['list', '--jsno'], 'there is no option --jsno; is --json meant?'),
                            (['restore', 'x', '--dryrun=1'], 'there is no option --dryrun; is --dry-run meant?'),
                            (['list', '--\x1b[2Jx'], 'there is no option --\\x1b[2Jx'),
                            (['lsit'], 'there is no command "lsit"; is list meant?'),
                            (['help', 'bakcup'], 'there is no command "bakcup"; is backup meant?'),
                            (['frobnicate'], 'there is no command "frobnicate"; `dockerctl help` shows all'),
                            (['x' * 100], 'there is no command "xxx'), (['\x1b[2J'], 'there is no command "\\x1b[2J"'),
                            (['rehearse', 'x', '--cpus', '1.5'], '--cpus: "1.5" is no whole number'),
                            (['rehearse', 'x', '--stay', '-1'], '--stay: "-1" is no whole number'),
                            (['rehearse', 'x', '--health', '1000000000'], 'of up to 9 digits'),
                            (['rehearse', 'x', '--memory', '2 G'], size + '"2 G" is no size: write bytes, or as 512M or 2G'),
                            (['rehearse', 'x', '--memory', 'G'], size + '"G" is no size'),
                            (['rehearse', 'x', '--memory', '999999999999999T'], size + '"999999999999999T" is too large'),
                            (['prune', '--keep', 'daily'], keep + 'how many? Write daily=7'),
                            (['prune', '--keep', 'daily=x'], keep + 'daily: "x" is no whole number'),
                            (['prune', '--keep', 'dayly=7'], keep + 'there is no rule "dayly"; known are last, '),
                            (['prune', '--keep', 'last=1,'], keep + 'there is no rule ""'),
                            (['prune', '--keep', 'last=1,last=2'], keep + 'last is there twice')):
            done = subprocess.run([DOCKERCTL, *words], capture_output=True, text=True, timeout=60)
            self.assertEqual((done.returncode, done.stdout), (2, ''), words)
            self.assertIn(says, done.stderr)


if __name__ == '__main__':
    unittest.main()
