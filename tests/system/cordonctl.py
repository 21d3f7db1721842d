"""cordonctl.py - the command line as a person has it: on a terminal of 80x24, for many devices at once, before what cannot be taken back,
and for scripts"""
import json
import os
import re

from bed import BUILD, SOURCE, Bed, Tap, await_
from terminal import talk

CTL = f'{BUILD}/cordonctl'
ID = '00008110-'


def plain(text):
    return re.sub(r'\x1b\[[0-9;]*m', '', text)


def on_terminal(bed, *arguments, answers=()):
    status, seen = talk([CTL, '--socket', f'{bed.rundir}/control.sock', *arguments], *answers)
    return status, plain(seen)


def words_whole(t, bed, verb):
    """No line is longer than the screen, but for one long word alone; nothing of what a pipe gets is missing."""
    _, seen = on_terminal(bed, *verb)
    whole = bed.ctl(*verb, check=False).stdout
    lines = seen.splitlines()
    t.ok(all(len(line) <= 80 or len(line.split()) == 1 for line in lines), f'{verb[0]}: every line fits 80 columns',
         '\n'.join(line for line in lines if len(line) > 80))
    t.equal([w for w in seen.split() if not w.isdigit()], [w for w in whole.split() if not w.isdigit()], f'{verb[0]}: and no word is cut')


def screens(t):
    with Bed('webhook: { url = "http://127.0.0.1:9/a/path"; };') as bed:
        bed.everything()
        bed.start()
        bed.connected()
        for name in ('ANNA1', 'BERT2'):
            bed.enroll(name)
        words_whole(t, bed, ['status'])
        words_whole(t, bed, ['steps'])
        with open(f'{bed.certs}/a-certificate-of-somebody-else.pem', 'w') as f:
            f.write('this is no certificate at all')
        os.rename(f'{bed.certs}/server.key', f'{bed.dir}/server.key')
        bed.ctl('reload')
        await_(lambda: any('server.key' in p for p in bed.status()['problems']), 'the word about the missing key')
        words_whole(t, bed, ['status'])
        _, seen = on_terminal(bed, 'status')
        t.ok(re.search(r'\n  \S', seen.split('\n\n')[0]), 'a long problem goes on below, indented', seen)
        os.rename(f'{bed.dir}/server.key', f'{bed.certs}/server.key')
        bed.ctl('reload')
        queue(t, bed)


def queue(t, bed):
    await_(lambda: not bed.ask(f'/v1/enrollments/{ID}ANNA1/queue')['queue'] or bed.device('ANNA1', 'poll').returncode, 'an empty queue')
    for kind in ('SecurityInfo', 'InstalledApplicationList') * 12:
        bed.ask(f'/v1/enrollments/{ID}ANNA1/queue', json.dumps({'request_type': kind, 'no_push': True}))
    waiting = [e['uuid'] for e in bed.ask(f'/v1/enrollments/{ID}ANNA1/queue')['queue']]
    _, seen = on_terminal(bed, 'queue', ID + 'ANNA1')
    shown = [line.split()[0] for line in seen.splitlines()[1:]]
    t.ok(len(shown) == len(waiting) > 10 and all(len(line) <= 80 for line in seen.splitlines()), 'queue: every command on a line', seen)
    t.ok(all(len([u for u in waiting if u.startswith(s)]) == 1 for s in shown), 'each by a beginning of its UUID that fits no other', shown)
    t.equal([line.split()[0] for line in bed.ctl('queue', ID + 'ANNA1').stdout.splitlines()[1:]], waiting, 'in a pipe the whole UUID')
    done = bed.ctl('cancel', ID + 'ANNA1', shown[0], shown[1])
    left = [e['uuid'] for e in bed.ask(f'/v1/enrollments/{ID}ANNA1/queue')['queue']]
    t.equal(left, waiting[2:], 'cancel takes such beginnings')
    t.ok(waiting[0] in done.stdout and waiting[1] in done.stdout, 'and says which they were', done.stdout)
    done = bed.ctl('cancel', ID + 'ANNA1', 'zzzz', check=False)
    t.ok(done.returncode == 65 and 'no command' in done.stderr, 'one that fits none is refused', (done.returncode, done.stderr))
    first = sorted(u[0] for u in left)
    twice = next(c for c in first if first.count(c) > 1)
    done = bed.ctl('cancel', ID + 'ANNA1', twice, check=False)
    t.ok(done.returncode == 65 and f'UUIDs begin with {twice}' in done.stderr, 'one that fits several too', done.stderr)
    t.equal([e['uuid'] for e in bed.ask(f'/v1/enrollments/{ID}ANNA1/queue')['queue']], left, 'and nothing is cancelled by it')
    bed.device('ANNA1', 'poll')
    results = [r['uuid'] for r in bed.ask(f'/v1/enrollments/{ID}ANNA1/results')['results']]
    _, seen = on_terminal(bed, 'results', ID + 'ANNA1')
    shown = [line.split()[0] for line in seen.splitlines()[1:]]
    t.ok(all(len([u for u in results if u.startswith(s)]) == 1 for s in shown), 'results: beginnings too', seen)
    t.ok(bed.ctl('results', ID + 'ANNA1', shown[0]).stdout.startswith(results[0]), 'by which one is shown')


def consent(t):
    with Bed() as bed:
        bed.everything()
        bed.start()
        bed.connected()
        for name, product in (('A', 'iPhone15,2'), ('B', 'iPhone15,2'), ('C', 'Mac15,3')):
            bed.enroll(name, '--product', product)
        waiting = lambda name: [e['type'] for e in bed.ask(f'/v1/enrollments/{ID}{name}/queue')['queue']]  # noqa: E731
        erase = f'{bed.dir}/erase.plist'
        with open(erase, 'w') as f:
            f.write('<plist version="1.0"><dict><key>CommandUUID</key><string>u-1</string><key>Command</key><dict>'
                    '<key>RequestType</key><string>EraseDevice</string></dict></dict></plist>')
        asks = [(['send', ID + 'A', 'EraseDevice', '--no-push'], '1 device'), (['send', ID + 'A', '--file', erase, '--no-push'], '1 device'),
                (['send', f'{ID}A,{ID}B', 'EraseDevice', '--no-push'], '2 devices'),
                (['send', '--all', 'EraseDevice', '--no-push'], '3 devices'),
                (['send', '--all', '--system', 'macOS', 'EraseDevice', '--no-push'], '1 device'),
                (['remove', ID + 'A', ID + 'B'], '2 devices'), (['remove', '--all', '--state', 'enrolled'], '3 devices')]
        for command, number in asks:
            done = bed.ctl(*command, check=False)
            t.ok(done.returncode == 65 and number in done.stderr and '--yes' in done.stderr,
                 f'{" ".join(command[:4])}: not done without a word, with the number', (done.returncode, done.stderr))
            status, seen = on_terminal(bed, *command, answers=[b'no\n'])
            t.ok(status == 65 and number in seen and 'Nothing was changed' in seen, '... nor for a no', seen)
        _, seen = on_terminal(bed, 'remove', '--all', '--group-by', 'system', answers=[b'no\n'])
        t.ok(re.search(r'2  iOS\n +1  macOS\nremove ends', seen), 'groups are counted before the question', seen)
        t.equal([n for n in 'ABC' if 'EraseDevice' in waiting(n) or 'RemoveProfile' in waiting(n)], [], 'and nothing was queued')
        status, seen = on_terminal(bed, 'send', ID + 'A', 'EraseDevice', '--no-push', answers=[b'yes\n'])
        t.ok(status == 0 and 'EraseDevice' in waiting('A'), 'a yes does it', seen)
        t.equal(bed.ctl('send', '--all', '--system', 'macOS', 'EraseDevice', 'PIN=112233', '--no-push', '--yes').returncode, 0, '--yes too')
        t.equal([n for n in 'ABC' if 'EraseDevice' in waiting(n)], ['A', 'C'], 'for those alone that were meant')
        t.equal(bed.ctl('remove', '--yes', ID + 'B').returncode, 0, 'remove --yes')
        t.ok('RemoveProfile' in waiting('B'), 'which asks the device')
        done = bed.ctl('send', f'{ID}A,{ID}NOBODY', 'SecurityInfo', check=False)
        t.ok(done.returncode == 65 and 'NOBODY' in done.stderr, 'one id among several that is none stops it', done.stderr)


def many(t):
    with Bed() as bed:
        bed.everything()
        bed.start()
        bed.connected()
        for i in range(4):
            bed.enroll(f'M{i}', '--product', 'Mac15,3' if i < 2 else 'iPhone15,2')
        done = bed.ctl('lock', '--all', '--system', 'macOS', '--group-by', 'model')
        locked = [e['id'] for e in bed.ask('/v1/enrollments?locked=true')['enrollments']]
        t.equal(sorted(locked), [ID + 'M0', ID + 'M1'], 'lock --all --system')
        t.ok(re.search(r'^ +2  \S', done.stderr, re.M), '--group-by counts them by a column', done.stderr)
        status, seen = on_terminal(bed, 'lock', '--all')
        t.ok(status == 0 and '4 of 4' in seen and '[##########' in seen and 'done for 4 of 4' in seen, 'on a terminal it shows a bar', seen)
        t.equal(len(bed.ask('/v1/enrollments?locked=true')['enrollments']), 4, 'and locks them all')
        t.equal(bed.ctl('unlock', '--locked').returncode, 0, 'unlock --locked')
        t.equal(bed.ask('/v1/enrollments?locked=true')['enrollments'], [], 'unlocks them')
        status, seen = on_terminal(bed, 'send', '--all', '--group-by', 'system', 'SecurityInfo', '--no-push')
        t.ok(status == 0 and re.search(r'\b2  iOS', seen) and re.search(r'\b2  macOS', seen) and '[####' in seen and 'queued for 4 of 4' in seen,
             'send --all --group-by: groups, a bar, the sum', seen)
        t.has(bed.ctl('push', '--all', '--state', 'enrolled').stdout, 'asked for 4 of 4', 'push --all')
        t.has(bed.ctl('send', f'C39M0,{ID}M3', 'SecurityInfo').stdout, 'queued for 2 of 2', 'several ids between commas, as serial number or id')
        for verb in (['lock'], ['push'], ['remove', ID + 'M1', '--all'], ['pause', '--frob'], ['send', '--all']):
            t.equal(bed.ctl(*verb, check=False).returncode, 64, f'{" ".join(verb)}: usage')
        t.equal(bed.ctl('pause', ID + 'M1', ID + 'M2').stdout.count('does not count'), 2, 'pause takes several')
        bed.ctl('pause', '--end', '--all')
        t.equal([e['id'] for e in bed.ask('/v1/enrollments')['enrollments'] if e['paused']], [], 'pause --end --all')
        shapes(t, bed)


# verb and arguments -> type of the JSON, keys that it has
SHAPES = [
    (['status'], dict, {'version', 'problems', 'push', 'devices', 'certificates', 'configuration', 'store', 'webhook', 'inactivity'}),
    (['steps'], dict, {'steps'}),
    (['devices'], list, {'id', 'state', 'serial', 'system', 'os', 'locked', 'last_seen'}),
    (['show', ID + 'M0'], dict, {'id', 'state', 'serial', 'enrolled_at', 'access'}),
    (['access', ID + 'M0'], dict, {'allowed', 'reason'}),
    (['lock', ID + 'M2'], dict, {'id', 'locked'}),
    (['unlock', ID + 'M2'], dict, {'id', 'locked'}),
    (['pause', ID + 'M2'], dict, set()),
    (['refresh', ID + 'M2'], dict, {'queued'}),
    (['enroll-link'], dict, {'url', 'id'}),
    (['links'], list, {'id'}),
    (['send', ID + 'M0', 'SecurityInfo', '--no-push'], dict, {'command_uuid', 'request_type'}),
    (['send', '--all', 'SecurityInfo', '--no-push'], dict, {'bulk', 'done', 'total', 'matched', 'queued', 'failed', 'failures'}),
    (['send', '--help', 'DeviceLock'], dict, {'name', 'fits', 'keys', 'schema_date'}),
    (['push', ID + 'M0'], dict, {'status'}),
    (['queue', ID + 'M0'], list, {'uuid', 'type', 'queued_at', 'actor'}),
    (['results', ID + 'M0'], list, {'uuid', 'type', 'status', 'at'}),
    (['secrets', ID + 'M3'], list, {'current', 'unlock_token'}),
    (['results', ID + 'M0', 'UUID'], dict, {'uuid', 'type', 'status', 'answer'}),
    (['cancel', ID + 'M3', 'UUID'], dict, {'handed_out'}),
    (['renew', ID + 'M3'], dict, {'id'}),
    (['renew', '--resume'], dict, set()),
    (['remove', ID + 'M3', '--yes'], dict, {'command_uuid', 'request_type'}),
    (['release', 'SOMEBODY'], dict, set()),
    (['forget', '--force', ID + 'M3'], dict, set()),
    (['backup', 'FILE'], dict, {'id', 'bytes', 'sha256', 'made_at'}),
    (['export'], None, {'kind'}),
    (['adopt', '--for', '1h'], dict, {'open', 'until', 'adopted'}),
    (['reload'], dict, set()),
    (['check'], list, {'check', 'result', 'text'}),
]
# what cannot be shown here, and where it is: it runs until it is interrupted, or wants a guard or files of another server
ELSEWHERE = {'watch': 'events.py', 'accept-topic': 'topic.py', 'accept-server-name': 'topic.py', 'import': 'importing.py'}


def shape(bed, verb):
    """Runs it; its JSON, None when it is none."""
    words = [word for word in verb]
    if verb[-1] == 'UUID':
        kind = 'queue' if verb[0] == 'cancel' else 'results'
        words[-1] = bed.ask(f'/v1/enrollments/{verb[1]}/{kind}')[kind][0]['uuid']
    if verb[-1] == 'FILE':
        words[-1] = f'{bed.dir}/file'
    done = bed.ctl(*words, *(['--config', bed.conf] if verb == ['check'] else []), '--json', check=False)
    try:
        return done, json.loads(done.stdout.splitlines()[0] if verb == ['export'] else done.stdout)
    except (json.JSONDecodeError, IndexError):
        return done, None


def shapes(t, bed):
    bed.device('M0', 'poll')
    for verb, kind, keys in SHAPES:
        done, value = shape(bed, verb)
        one = value[0] if isinstance(value, list) and value else value
        t.ok(isinstance(value, kind or dict) and one is not None and keys <= set(one), f'{" ".join(verb[:3])} --json has {sorted(keys)}',
             (done.returncode, done.stdout[:600], done.stderr))
    verbs = set(re.findall(r'^  (\S+)', bed.ctl('--help').stdout, re.M))
    manual = open(f'{SOURCE}/man/cordonctl.1').read().partition('.Ss JSON')[2].partition('.Sh ENV')[0]
    told = set(re.findall(r'[a-z-]+', ' '.join(re.findall(r'^\.It Cm (.*)', manual, re.M))))
    t.equal(sorted(verbs - told), [], 'the manual tells the JSON of every verb')
    t.equal(sorted(verbs - {verb[0] for verb, _, _ in SHAPES} - set(ELSEWHERE)), [], 'and each was looked at here, or elsewhere')


def alone(t):
    """What needs no daemon."""
    with Bed() as bed:
        os.environ['CORDON_SCHEMA'] = f'{SOURCE}/etc/apple-schema/commands.tsv'
        done = bed.ctl('send', '--help', 'DeviceLock', check=False)
        t.ok(done.returncode == 0 and 'PIN' in done.stdout and 'macOS 10.8' in done.stdout, 'send --help TYPE without a daemon', done)
        for verb in re.findall(r'^  (\S+)', bed.ctl('--help').stdout, re.M):
            done = bed.ctl(verb, '--help', check=False)
            t.ok(done.returncode == 0 and f'cordonctl {verb}' in done.stdout, f'{verb} --help too', done)
        done = bed.ctl('send', '--help', 'NoSuchCommand', check=False)
        t.ok(done.returncode == 65 and 'NoSuchCommand' in done.stderr, 'a command that is none is named', done)
        offline = bed.ctl_json('send', '--help', 'AccountConfiguration')
        bed.ssc()
        bed.start()
        online = bed.ctl_json('send', '--help', 'AccountConfiguration')
        online.pop('example')
        t.equal(offline, online, 'the table alone says what the daemon says, but for the example')
        bed.stop()
        del os.environ['CORDON_SCHEMA']
        done = bed.ctl('status', check=False)
        t.ok(done.returncode == 2 and 'control.sock' in done.stderr, 'status without a daemon: 2', done)


Tap().run(screens, consent, many, alone)
