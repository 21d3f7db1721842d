"""candidate.py - Authenticate does not mean installed: candidates, promotion, replaced identities"""
import shutil

from bed import Bed, Tap, await_

A = '000A1C2E3F40000A'


def udid(name=A):
    return f'00008110-{name}'


def device(bed):
    return bed.ctl_json('show', udid())


def run_rules(t):
    with Bed() as bed:
        bed.everything()
        bed.start()
        bed.connected()
        bed.enroll(A)
        first = device(bed)
        t.equal(first['state'], 'Enrolled', 'a device enrolls')
        bed.ctl('send', udid(), 'SecurityInfo', '--no-push')

        # another profile installation on the same device that stops after Authenticate
        shutil.copytree(f'{bed.dir}/dev-{A}', f'{bed.dir}/saved')
        shutil.rmtree(f'{bed.dir}/dev-{A}')
        done = bed.device(A, '--stop-after', 'authenticate', 'enroll', link=bed.link(), check=False)
        t.equal(done.returncode, 20, 'an installation that stops after Authenticate')
        now = device(bed)
        t.equal((now['state'], now['generation'], now['identity']['sha256'], now['queue']),
                ('Enrolled', first['generation'], first['identity']['sha256'], first['queue'] + 1),
                'Authenticate alone leaves state, identity and queue as they were')

        # the device rolled back: its old identity goes on working
        shutil.rmtree(f'{bed.dir}/dev-{A}')
        shutil.move(f'{bed.dir}/saved', f'{bed.dir}/dev-{A}')
        done = bed.device(A, 'poll')
        t.ok(any(s.get('step') == 'command' or 'SecurityInfo' in str(s) for s in done.steps),
             'after the roll-back the old identity gets its commands', done.stdout)

        # a whole new installation replaces it
        shutil.copytree(f'{bed.dir}/dev-{A}', f'{bed.dir}/dev-old')
        shutil.rmtree(f'{bed.dir}/dev-{A}')
        bed.ctl('send', udid(), 'SecurityInfo', '--no-push')
        waiting = {e['uuid'] for e in bed.ctl_json('queue', udid())}
        bed.enroll(A)
        now = device(bed)
        t.equal((now['state'], now['generation']), ('Enrolled', first['generation'] + 1), 'a whole installation replaces it')
        t.ok(now['identity']['sha256'] != first['identity']['sha256'], '... with its own identity')
        t.ok(not waiting & {e['uuid'] for e in bed.ctl_json('queue', udid())}, '... and the earlier queue is dropped')
        t.ok(not now['locked'], '... without a lock')

        # the replaced identity speaks again: two devices claim one id
        shutil.move(f'{bed.dir}/dev-{A}', f'{bed.dir}/dev-new')
        shutil.move(f'{bed.dir}/dev-old', f'{bed.dir}/dev-{A}')
        done = bed.device(A, 'idle-once', check=False)
        t.equal(done.returncode, 14, 'the replaced identity is refused, and not unenrolled')
        now = await_(lambda: device(bed) if device(bed)['locked'] else None, 'the alarm')
        t.equal(now['lock']['cause'], 'conflict', 'it raises the alarm and locks')
        t.has(bed.journal(), udid(), '... which the journal names')
        t.equal(bed.ctl('access', udid(), check=False).returncode, 1, 'the gate denies')
        shutil.rmtree(f'{bed.dir}/dev-{A}')
        shutil.move(f'{bed.dir}/dev-new', f'{bed.dir}/dev-{A}')
        t.equal(bed.device(A, 'idle-once', check=False).returncode, 0, 'the new identity goes on polling while locked')
        bed.ctl('unlock', udid())
        t.equal(bed.ctl('access', udid(), check=False).returncode, 0, 'unlock by hand opens the gate')

        # CheckOut, restart in between
        bed.device(A, 'checkout')
        t.equal((device(bed)['state'], device(bed)['removal']), ('Removed', 'checkout'), 'CheckOut removes it')
        bed.stop()
        bed.start()
        t.equal(device(bed)['state'], 'Removed', '... also after a restart')
        done = bed.ctl('send', udid(), 'SecurityInfo', check=False)
        t.ok(done.returncode != 0 and 'enroll' in done.stderr, 'a command for it is refused with what to do', done.stderr)


Tap().run(run_rules)
