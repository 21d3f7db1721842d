"""identity.py - identities of devices are renewed: by us, by the device, and what happens when it fails"""
import calendar
import shutil
import time

from bed import Bed, Tap, await_

NAMES = [f'000A1C2E3F4000{n:02X}' for n in range(1, 12)]
OLD = Bed('identity: { lifetime = "60s"; renew-before = "2s"; };\nidentity-grace = "1h";')


def udid(name):
    return f'00008110-{name}'


def device(bed, name):
    return bed.ctl_json('show', udid(name))


def sha(bed, name):
    return device(bed, name)['identity']['sha256']


def settle(bed, name):
    """Until nothing waits that an enrollment brings along."""
    bed.enroll(name)
    bed.device(name, 'poll')


def waiting(bed, name):
    return [e['uuid'] for e in bed.ctl_json('queue', udid(name))]


def fill(bed, name):
    """Ten commands behind each other."""
    for _ in range(10):
        bed.ctl('send', udid(name), 'SecurityInfo', '--no-push')
    return waiting(bed, name)


def kept(t, bed, name, before, queue, words):
    now = device(bed, name)
    t.equal((now['state'], now['generation'], now['enrolled_at']),
            ('Enrolled', before['generation'], before['enrolled_at']), f'{words}: state and generation stay')
    t.ok(set(queue) <= set(waiting(bed, name)), f'{words}: the ten commands still wait')


def halted(bed):
    return any('halted' in p for p in bed.status()['problems'])


def enroll_early(t):
    """What expires does so while the other tests run."""
    OLD.everything()
    OLD.start()
    OLD.connected()
    OLD.enroll(NAMES[0])
    t.equal(device(OLD, NAMES[0])['state'], 'Enrolled', 'a device with an identity of a minute enrolls')


def by_us(t, bed):
    name = NAMES[0]
    settle(bed, name)
    before = device(bed, name)
    queue = fill(bed, name)
    bed.ctl('renew', udid(name))
    t.equal(len(waiting(bed, name)), 11, 'a renewal waits behind ten commands')
    done = bed.device(name, 'poll')
    t.ok(any(s.get('step') == 'renewed' for s in done.steps), 'the device renews', done.stdout)
    after = device(bed, name)
    t.ok(after['identity']['sha256'] != before['identity']['sha256'], '... to another identity')
    t.equal((after['state'], after['generation']), ('Enrolled', before['generation']), '... and is the same enrollment')
    results = {r['uuid'] for r in bed.ctl_json('results', udid(name))}
    t.ok(set(queue) <= results, '... whose ten commands were all carried out')
    t.equal(after['queue'], 0, '... and nothing waits any more')
    t.has(bed.journal(), f'Device {udid(name)} has a renewed identity', '... which the journal tells')


def in_silence(t, bed):
    name = NAMES[1]
    settle(bed, name)
    before = device(bed, name)
    queue = fill(bed, name)
    bed.device(name, 'renew-scep')
    t.equal(sha(bed, name), before['identity']['sha256'], 'a certificate alone changes nothing')
    bed.device(name, 'idle-once')
    t.ok(sha(bed, name) != before['identity']['sha256'], 'its first message binds it')
    kept(t, bed, name, before, queue, 'renewed in silence')


def wiped_alone(t, bed):
    name = NAMES[5]
    settle(bed, name)
    before = device(bed, name)
    queue = fill(bed, name)
    shutil.rmtree(f'{bed.dir}/dev-{name}')
    bed.enroll(name)
    anew(t, bed, name, before, queue, 'wiped')


def anew(t, bed, name, before, queue, words):
    """Another enrollment of the same device: nothing that waited for the earlier one is left."""
    after = device(bed, name)
    t.equal((after['state'], after['generation'], after['locked']), ('Enrolled', before['generation'] + 1, False),
            f'{words}: a new enrollment, and no conflict')
    t.ok(not set(queue) & set(waiting(bed, name)), f'{words}: its earlier queue is gone')
    t.ok(not set(queue) & {r['uuid'] for r in bed.ctl_json('results', udid(name)) if r['status'] == 'Acknowledged'},
         f'{words}: and was never carried out')
    t.equal(after['identity']['renewal_begun'], None, f'{words}: no renewal waits')
    bed.device(name, 'poll')
    t.equal(waiting(bed, name), [], f'{words}: it gets what a new device gets, and then nothing waits')


def wiped(t, bed):
    wiped_alone(t, bed)
    name = NAMES[2]
    settle(bed, name)
    before = device(bed, name)
    fill(bed, name)
    bed.ctl('renew', udid(name))
    queue = waiting(bed, name)
    t.equal(len(queue), 11, 'a renewal waits behind ten commands')
    shutil.rmtree(f'{bed.dir}/dev-{name}')
    bed.enroll(name)
    anew(t, bed, name, before, queue, 'wiped with a renewal queued')

    name = NAMES[3]
    settle(bed, name)
    before = device(bed, name)
    queue = fill(bed, name)
    bed.ctl('renew', udid(name))
    bed.device(name, '--fail-renewal', 'scep', '--not-now', 'SecurityInfo', 'poll', check=False)
    t.ok(set(queue) <= set(waiting(bed, name)), 'between SCEP and Authenticate of a renewal the ten commands wait')
    shutil.rmtree(f'{bed.dir}/dev-{name}')
    bed.enroll(name)
    anew(t, bed, name, before, queue, 'wiped between SCEP and Authenticate of a renewal')


def restored(t, bed):
    """Two identities claim one id."""
    name = NAMES[4]
    settle(bed, name)
    shutil.copytree(f'{bed.dir}/dev-{name}', f'{bed.dir}/backup')
    shutil.rmtree(f'{bed.dir}/dev-{name}')
    settle(bed, name)
    queue = fill(bed, name)
    shutil.rmtree(f'{bed.dir}/dev-{name}')
    shutil.move(f'{bed.dir}/backup', f'{bed.dir}/dev-{name}')
    done = bed.device(name, 'poll', check=False)
    t.equal(done.returncode, 14, 'restored from backup: refused, and not unenrolled')
    t.equal(device(bed, name)['lock']['cause'], 'conflict', '... with the alarm')
    t.equal(waiting(bed, name), queue, '... and the ten commands wait, in their order, for the enrollment that is in force')
    t.ok(not any(uuid in done.stdout for uuid in queue), '... which the restored one is given none of', done.stdout)


def going_well(t):
    with Bed() as bed:
        bed.everything()
        bed.start()
        bed.connected()
        by_us(t, bed)
        in_silence(t, bed)
        wiped(t, bed)
        restored(t, bed)
        t.equal(bed.ctl('renew', udid(NAMES[9]), check=False).returncode, 65, 'no renewal for an unknown device')


def fail_once(t, bed, name, stage, words):
    settle(bed, name)
    before = device(bed, name)
    queue = fill(bed, name)
    bed.ctl('renew', udid(name))
    bed.device(name, '--fail-renewal', stage, '--not-now', 'SecurityInfo', 'poll', check=False)
    now = device(bed, name)
    t.equal(now['identity']['sha256'], before['identity']['sha256'], f'failing {words}: the old identity stays')
    kept(t, bed, name, before, queue, f'failing {words}')
    t.equal(now['identity']['renewal_failures'], 1, f'failing {words}: it counts as failed')
    t.equal(bed.device(name, 'poll').returncode, 0, f'failing {words}: the device goes on')
    t.equal(waiting(bed, name), [], f'failing {words}: and gets its ten commands')


def failing(t):
    with Bed() as bed:
        bed.everything()
        bed.start()
        bed.connected()
        for name, stage, words in ((NAMES[3], 'profile', 'at SCEP'), (NAMES[0], 'scep', 'at Authenticate')):
            fail_once(t, bed, name, stage, words)
        t.ok(not halted(bed), 'two that failed halt nothing')
        fail_once(t, bed, NAMES[1], 'authenticate', 'at TokenUpdate')
        t.ok(halted(bed), 'three that failed do')
        bed.ctl('renew', '--resume')
        for name in (NAMES[4], NAMES[5]):
            fail_once(t, bed, name, 'scep', 'again')
        name = NAMES[2]
        settle(bed, name)
        bed.ctl('renew', udid(name))
        bed.device(name, '--fail-renewal', 'authenticate', '--renewal-failure', 'unenroll', 'poll', check=False)
        t.equal((device(bed, name)['state'], device(bed, name)['removal']), ('Removed', 'checkout'),
                'a device that falls out of management is removed')
        t.ok(halted(bed), 'three that failed halt renewals, and status says so')
        t.has(bed.journal(), 'Renewals of device identities are halted', '... and the journal')
        bed.stop()
        bed.start()
        t.ok(halted(bed), '... also after a restart')
        bed.ctl('renew', udid(NAMES[0]))
        done = bed.device(NAMES[0], 'poll')
        t.ok(any(s.get('step') == 'renewed' for s in done.steps), 'by hand one can be tried all the same', done.stdout)
        bed.ctl('renew', '--resume')
        t.ok(not halted(bed), 'and a person lets them go on')


def expired(t):
    bed, name = OLD, NAMES[0]
    before = device(bed, name)
    ends = calendar.timegm(time.strptime(before['identity']['not_after'], '%Y-%m-%dT%H:%M:%SZ'))
    await_(lambda: time.time() > ends + 1, 'the end of the identity', 60)
    bed.ctl('send', udid(name), 'SecurityInfo', '--no-push')
    done = bed.device(name, 'idle-once')
    t.has(done.stdout, 'InstallProfile', 'an expired identity is offered its renewal')
    t.ok('SecurityInfo' not in done.stdout and 'DeviceInformation' not in done.stdout, '... and nothing else', done.stdout)
    bed.device(name, 'poll')
    after = device(bed, name)
    t.ok(after['identity']['sha256'] != before['identity']['sha256'], 'and it renews by it')
    t.equal(after['generation'], before['generation'], '... without enrolling again')
    bed.device(name, 'poll')
    t.equal(waiting(bed, name), [], 'then it gets what waited')


with OLD:
    Tap().run(enroll_early, going_well, failing, expired)
