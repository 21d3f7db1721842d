"""faults.py - disk, CA and parser fail again and again while devices talk: none is ever told 401, and afterwards all is as it was"""
import json
import os
import struct

from bed import BUILD, Bed, Tap, await_, run

COUNT = int(os.environ.get('CORDON_FAULT_DEVICES', '6'))
KINDS = ('writing to the disk', 'reading the store', 'the CA', 'the parsers')
OTHER = '000A1C2E3F4F0001'


class Board:
    """Which calls of the daemon fail, and how many did."""

    def __init__(self, path):
        self.path = path
        with open(path, 'wb') as f:
            f.write(bytes(32))

    def every(self, *numbers):
        with open(self.path, 'r+b') as f:
            f.write(struct.pack('4I', *numbers))

    def failed(self):
        with open(self.path, 'rb') as f:
            return struct.unpack('8I', f.read(32))[4:]


def fleet(bed, seen, *more, first=1, count=COUNT):
    """Devices that enroll or talk; what the server answered them is added up."""
    done = run(f'{BUILD}/tests/device/fake-device', 'fleet', '--count', count, '--first', first, '--concurrency', 4, '--keys', 2,
               '--public-roots', bed.roots(), '--state', f'{bed.dir}/fleet', *more, check=False)
    summary = json.loads(done.stdout[done.stdout.index('{\n'):])
    for status, n in summary['status'].items():
        seen[status] = seen.get(status, 0) + n
    seen['unenrolled'] = seen.get('unenrolled', 0) + summary['unenrolled']
    return summary


def single(bed, seen):
    """A device of its own says what a fleet does not; all its messages may be refused."""
    for verb in (('token-update',), ('set-bootstrap', 'c0ffee00'), ('get-bootstrap',), ('get-token', 'com.apple.maid'),
                 ('declarative',), ('renew-scep',), ('poll',), ('--user-id', 'U1', '--user-name', 'eva', 'user-token-update')):
        done = bed.device(OTHER, *verb, check=False)
        seen['unenrolled'] += done.returncode == 15 or 'unenrolled' in [s.get('step') for s in done.steps]


def talk(bed, seen, link, ids, first):
    for name in ids:
        bed.ctl('send', '--no-push', name, 'SecurityInfo', check=False)
    fleet(bed, seen, '--link', 'https://none.invalid/', '--idle-rounds', 6)
    fleet(bed, seen, '--link', link, '--idle-rounds', 2, first=first, count=4)
    single(bed, seen)
    for path, body in (('/checkin', 'x'), ('/mdm', '<plist>'), ('/scep?operation=PKIOperation', 'x')):
        status, _ = bed.curl(path, '-X', 'POST' if 'scep' in path else 'PUT', '-d', body)
        seen[str(status)] = seen.get(str(status), 0) + 1


def faults(t):
    with Bed(settings='queue: { keep-results = 100; };') as bed:
        board, seen = Board(f'{bed.dir}/board'), {}
        bed.cordond = f'{BUILD}/tests/system/faulty-cordond'
        bed.everything()
        bed.start(CORDON_FAULTS=board.path)
        bed.connected()
        link = bed.link('--uses', 'any')
        fleet(bed, seen, '--link', link)
        bed.enroll(OTHER)
        before = {d['id']: bed.ctl_json('show', d['id']) for d in bed.ctl_json('devices')}
        ids = [i for i in before if OTHER not in i]
        t.equal(len(ids), COUNT, 'devices enroll while nothing fails')
        t.equal(board.failed(), (0, 0, 0, 0), '... and nothing did')

        first = 1000
        for i, words in enumerate(KINDS):
            numbers = [0] * 4
            numbers[i] = 3 if i == 0 else 5
            board.every(*numbers)
            talk(bed, seen, link, ids, first)
            first += 100
            board.every(0, 0, 0, 0)
            t.ok(board.failed()[i] >= 3, f'{words}: {board.failed()[i]} calls failed')
            await_(lambda: bed.status() is not None, 'the daemon')
        board.every(17, 19, 7, 23)
        talk(bed, seen, link, ids, first)
        board.every(0, 0, 0, 0)
        print('#', json.dumps(seen), board.failed())
        t.ok(sum(n for s, n in seen.items() if s[0] in '45') >= 20, 'devices noticed', seen)
        t.equal(seen.get('401', 0), 0, 'the count of 401 answers over all of them is zero')
        t.equal(seen['unenrolled'], 0, '... and no device was told to unenroll')
        t.ok('answered 401' not in bed.journal(), '... nor would have been: no handler tried', bed.journal()[-3000:])

        await_(lambda: bed.ctl('send', '--no-push', ids[0], 'ProfileList', check=False).returncode == 0,
               'the store takes changes again', 60)
        again = {}
        summary = fleet(bed, again, '--link', 'https://none.invalid/', '--idle-rounds', 2, '--patience', 30)
        t.equal((summary['failed'], summary['enrolled']), (0, COUNT), 'when nothing fails any more, every device goes on')
        t.equal(bed.device(OTHER, 'poll').returncode, 0, '... the other one too')
        for i in before:
            now = bed.ctl_json('show', i)
            t.equal((now['state'], now['generation'], now['locked'], now['queue']),
                    ('Enrolled', before[i]['generation'], False, 0), f'{i} is as it was')
        t.equal(bed.stop(), 0, 'the daemon stops cleanly')


Tap().run(faults)
