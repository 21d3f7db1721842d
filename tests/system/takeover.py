"""takeover.py - a stranger with a link of their own claims another device's id, in both settings of re-enroll"""
import shutil

from bed import Bed, Tap, await_

VICTIM = '000A1C2E3F40000D'
WIPED = '000A1C2E3F40000E'
TOKEN = 'c0ffee00c0ffee00c0ffee00c0ffee00'


def udid(name=VICTIM):
    return f'00008110-{name}'


def device(bed, name=VICTIM):
    return bed.ctl_json('show', udid(name))


def set_up(bed):
    bed.everything()
    bed.start()
    bed.connected()
    for name in (VICTIM, WIPED):
        bed.enroll(name, '--product', 'Mac14,2')
        bed.device(name, 'poll')
        bed.device(name, 'set-bootstrap', TOKEN)
    bed.ctl('send', udid(), 'DeviceInformation', 'Queries=DeviceName', '--no-push')
    return [e['uuid'] for e in bed.ctl_json('queue', udid())]


def stranger(bed, *more, link=None, check=False, serial='C39STRANGER01'):
    """Another machine: its own state, the victim's UDID."""
    return bed.device('STRANGER', '--udid', udid(), '--serial', serial, '--product', 'Mac14,2', *more,
                      link=link, check=check)


def reads_nothing(t, done, queue, words):
    t.ok(not any(uuid in done.stdout for uuid in queue), f'{words}: no command of the victim', done.stdout)
    t.ok(not any(s.get('step') == 'get-bootstrap' and s['length'] for s in done.steps),
         f'{words}: no bootstrap token of the victim', done.stdout)


def settled_bound(t):
    with Bed('enrollment: { re-enroll = "bound"; };') as bed:
        queue = set_up(bed)
        before = device(bed)
        for words, link, serial in (('a link of their own', bed.link(), 'C39STRANGER01'),
                                    ('a link bound to their own serial number', bed.link('--serial', 'C39STRANGER01'),
                                     'C39STRANGER01'),
                                    ("a link of their own and the victim's serial number", bed.link(), f'C39{VICTIM}')):
            shutil.rmtree(f'{bed.dir}/dev-STRANGER', ignore_errors=True)
            done = stranger(bed, 'enroll', link=link, serial=serial)
            t.ok(done.returncode != 0, f'bound, {words}: refused', done.stdout)
            reads_nothing(t, done, queue, f'bound, {words}')
        now = device(bed)
        t.equal((now['identity']['sha256'], now['generation'], now['locked']),
                (before['identity']['sha256'], before['generation'], False), 'bound: the victim is as it was')
        t.equal(queue, [e['uuid'] for e in bed.ctl_json('queue', udid())], '... and so is its queue')
        t.has(bed.journal(), f'Somebody tried to enroll as device {udid()}', '... and the alarm is raised')
        done = bed.device(VICTIM, 'get-bootstrap')
        t.equal([(s['length'], s['same']) for s in done.steps if s['step'] == 'get-bootstrap'], [(16, True)],
                '... and it reads its own bootstrap token')
        t.equal(bed.device(VICTIM, 'poll').returncode, 0, '... and goes on')

        # a really wiped device enrolls by a link bound to it: by serial number, or by id
        for option, value in (('--serial', f'C39{WIPED}'), ('--device', udid(WIPED))):
            generation = device(bed, WIPED)['generation']
            shutil.rmtree(f'{bed.dir}/dev-{WIPED}')
            bed.device(WIPED, '--product', 'Mac14,2', 'enroll', link=bed.link(option, value))
            t.equal((device(bed, WIPED)['state'], device(bed, WIPED)['generation']), ('Enrolled', generation + 1),
                    f'bound: a wiped device enrolls by a link with {option}')
        done = bed.device(WIPED, 'get-bootstrap')
        t.equal([s['length'] for s in done.steps if s['step'] == 'get-bootstrap'], [0],
                '... and is given nothing of its earlier enrollment')
        done = stranger(bed, 'enroll', link=bed.link('--device', udid(WIPED)))
        t.ok(done.returncode != 0, "a link bound to another device is none for this one", done.stdout)


def settled_any(t):
    with Bed() as bed:
        queue = set_up(bed)
        done = stranger(bed, '--stop-after', 'authenticate', 'enroll', link=bed.link())
        reads_nothing(t, done, queue, 'any, after Authenticate')
        t.equal(device(bed)['generation'], 1, 'any: Authenticate alone changes nothing')
        for verb in ('idle-once', 'get-bootstrap'):
            done = stranger(bed, verb)
            reads_nothing(t, done, queue, f'any, {verb} of a candidate')
        t.equal(bed.device(VICTIM, 'idle-once').returncode, 0, 'any: the victim goes on')
        shutil.rmtree(f'{bed.dir}/dev-STRANGER', ignore_errors=True)
        done = stranger(bed, 'enroll', link=bed.link())
        reads_nothing(t, done, queue, 'any, enrolling')
        done = stranger(bed, 'poll')
        reads_nothing(t, done, queue, 'any, polling')
        done = stranger(bed, 'get-bootstrap')
        reads_nothing(t, done, queue, 'any, asking for the bootstrap token')
        done = bed.device(VICTIM, 'idle-once', check=False)
        t.equal(done.returncode, 14, 'any: the victim speaks, and is not unenrolled')
        await_(lambda: device(bed)['locked'], 'the lock')
        t.equal(device(bed)['lock']['cause'], 'conflict', '... which raises the alarm')
        t.has(bed.journal(), f'Two devices claim to be {udid()}', '... in the journal')
        t.equal(bed.ctl('access', udid(), check=False).returncode, 1, '... and the gate denies both')
        shutil.rmtree(f'{bed.dir}/dev-{WIPED}')
        bed.enroll(WIPED)
        t.equal((device(bed, WIPED)['state'], device(bed, WIPED)['locked']), ('Enrolled', False),
                'any: a really wiped device beside it enrolls')


Tap().run(settled_bound, settled_any)
