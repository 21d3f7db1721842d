"""migration.py - devices of a NanoMDM server go on with Cordon: their messages by PUT /migration, as its tools send them

CORDON_MIGRATION (default 24) is the size of the fleet.
"""
import json
import os
import plistlib
import shutil
import time

from bed import Tap, await_
from earlier import KEY, Old, Server, issue, make_ca, payload, why

COUNT = int(os.environ.get('CORDON_MIGRATION', '24'))
USERS = 3  # devices with a user channel


def by_calls(t):
    with Server() as bed:
        bed.everything()
        old = Old(bed)
        devices = old.enroll(COUNT)
        bed.start()
        bed.connected()
        done = bed.name_origin(old)
        t.ok('com.github.micromdm.nanomdm' in done.stdout and 'is closed' in done.stderr,
             'profile and CA of the old server are named; that the window is closed is said', done.stdout + done.stderr)

        start = time.monotonic()
        answers = bed.put_all([old.authenticate(d) for d in devices])
        answers += bed.put_all([old.token_update(d) for d in devices])
        users = [old.user(d) for d in devices[:USERS]]
        answers += bed.put_all(users)
        print(f'# {len(answers)} calls in {time.monotonic() - start:.1f} s')
        t.equal(set(answers), {(200, '')}, f'{len(answers)} calls of PUT /migration: 200 and nothing')
        t.equal(bed.migration()['imported'], COUNT, f'{COUNT} devices are there')
        t.equal(bed.migration()['waiting'], COUNT, '... and wait for their certificates')
        t.equal(bed.status()['devices']['users'], USERS, 'and the user channels')
        before = COUNT + USERS
        await_(lambda: bed.journal().count('is imported') == before, 'an entry for each')
        t.equal(set(bed.put_all([old.authenticate(devices[0]), old.token_update(devices[0]), users[0]])), {(200, '')}, 'sent twice: 200')
        t.equal((bed.journal().count('is imported'), bed.migration()['imported']), (before, COUNT), '... and no change')
        shown = bed.ctl_json('show', devices[0]['udid'])
        t.equal((shown['state'], shown['serial'], shown.get('identity')), ('Enrolled', devices[0]['serial'], None),
                'a device with its facts and without an identity')
        t.ok(any(s.get('unlock_token') for s in bed.ctl_json('secrets', devices[0]['udid'])), '... and with its unlock token',
             bed.ctl_json('secrets', devices[0]['udid']))
        t.ok(devices[0]['magic'] not in bed.journal() and devices[0]['token'] not in bed.journal(), 'the journal holds no token')

        # pushes reach them before they ever spoke to us
        bed.ctl('push', devices[1]['udid'])
        await_(lambda: bed.pushed(devices[1]['token']), 'the push')
        t.ok(True, 'a push goes to an imported token')
        pushed_user = plistlib.loads(users[0])['Token'].hex()
        bed.ctl('push', plistlib.loads(users[0])['UDID'] + ':' + plistlib.loads(users[0])['UserID'])
        await_(lambda: bed.pushed(pushed_user), 'the push of a user channel')

        # closed, they are refused
        done = old.poll(devices[0], 'idle-once')
        t.equal(done.returncode, 14, 'the window is closed: refused')
        t.has(why(bed, devices[0]), 'window `migration` in which it may bind its certificate is closed', '... with its reason')
        t.equal(bed.migration()['waiting'], COUNT, '... and nothing was bound')

        # open, they come
        bed.window('1h')
        t.has(bed.ctl('status', check=False).stdout, f'0 of {COUNT} imported devices have come; the window is open until', 'status says so')
        strangers(t, bed, old, devices[0])
        authenticates = bed.authenticates()
        summary = old.fleet()
        t.equal((summary['failed'], summary['unenrolled'], summary['faults']), (0, 0, 0), f'{COUNT} devices poll with their old identities')
        t.equal(bed.migration()['waiting'], 0, '... and all are bound')
        t.equal(bed.authenticates(), authenticates, '... with no new Authenticate')
        t.equal(await_(lambda: bed.journal().count('which is its identity from now on') >= COUNT and COUNT, 'entries'),
                COUNT, '... each an entry of the surveillance log')
        t.has(bed.ctl('status', check=False).stdout, f'{COUNT} of {COUNT} imported devices have come', 'status counts')
        bound(t, bed, old, devices[0])
        commands(t, bed, old, devices[1])
        renewals(t, bed, old, devices[2])
        closed(t, bed, old)
        t.equal(bed.stop(), 0, 'the daemon stops cleanly')


def strangers(t, bed, old, d):
    """What the open window does not let in."""
    other = make_ca(f'{old.dir}/other', 'other-ca')
    pem = f'{old.dir}/other.pem'
    issue(other, old.key, pem, 'other')
    done = old.poll(d, 'idle-once', directory=old.impostor(d, 'other-machine', pem))
    t.equal(done.returncode, 14, 'open: a certificate of another CA is refused')
    t.has(done.stdout, 'not issued by this server', '... with its reason')
    nobody = {**d, 'udid': '00008110-00000000DEADBEEF', 'serial': 'C39NOBODY', 'dir': f'{old.dir}/nobody'}
    shutil.copytree(d['dir'], nobody['dir'])
    text = json.load(open(f'{d["dir"]}/device.json'))
    with open(f'{nobody["dir"]}/device.json', 'w') as f:
        json.dump({**text, 'udid': nobody['udid'], 'serial': nobody['serial']}, f)
    for verb in ('idle-once', 'token-update', 'authenticate'):
        done = old.poll(nobody, verb)
        t.ok(done.returncode == 14 and ('imported enrollments only' in done.stdout or verb == 'authenticate'),
             f'open: {verb} of an id that was not imported is refused', done.stdout)
    t.ok(bed.ctl_json('show', nobody['udid']) is None, '... and makes no record')
    t.equal(bed.migration()['waiting'], COUNT, 'nothing of that bound anything')
    # a certificate of our own CA is not that of the imported device
    bed.enroll('OWN')
    t.equal(old.poll(d, 'idle-once', directory=old.impostor(d, 'own-machine', f'{bed.dir}/dev-OWN/identity.pem')).returncode, 14,
            'open: another device of this server is refused')
    t.equal(bed.put(old.token_update({**d, 'udid': '00008110-OWN'}))[0], 409, 'what is enrolled here is not overwritten')
    t.has(bed.put(old.token_update({**d, 'udid': '00008110-OWN'}))[1], 'forget it first', '... with a word')
    bed.device('OWN', 'checkout')
    bed.ctl('forget', '--force', '00008110-OWN')


def bound(t, bed, old, d):
    """Once a device has come, its certificate is the only one."""
    pem = f'{old.dir}/second.pem'
    issue(old.ca, old.key, pem, d['udid'])
    done = old.poll(d, 'idle-once', directory=old.impostor(d, 'second', pem))
    t.equal(done.returncode, 14, 'a second certificate of the same CA for a bound id is refused')
    t.has(done.stdout, 'earlier server', '... with its reason')
    status, text = bed.put(old.token_update(d, PushMagic='another'))
    t.ok(status == 409 and 'has come already' in text, 'an import over a device that came is refused', (status, text))
    t.equal(bed.put(old.token_update(d)), (200, ''), '... but the same message again is no change')
    t.equal(old.poll(d, 'token-update', '--new-token').returncode, 0, 'it goes on: a TokenUpdate')
    token = json.load(open(f'{d["dir"]}/device.json'))['token']
    bed.ctl('push', d['udid'])
    await_(lambda: bed.pushed(token), 'the push to its new token')


def commands(t, bed, old, d):
    bed.ctl('send', d['udid'], 'DeviceInformation', 'Queries=DeviceName', '--no-push')
    t.equal(old.poll(d).returncode, 0, 'it fetches a command')
    t.equal(bed.ctl_json('results', d['udid'])[0]['status'], 'Acknowledged', '... and carries it out')


def renewals(t, bed, old, d):
    """The device itself refuses a renewal that changes what must stay; we look at the rest."""
    before = plistlib.load(open(f'{d["dir"]}/profile', 'rb'))
    was = bed.ctl_json('show', d['udid'])
    bed.ctl('renew', d['udid'])
    done = old.poll(d)
    t.ok(any(s.get('step') == 'renewed' for s in done.steps), 'its identity is renewed', done.stdout + done.stderr)
    now = bed.ctl_json('show', d['udid'])
    t.ok(now['identity']['sha256'] != was['identity']['sha256'], '... to one of this server')
    t.equal((now['state'], now['generation'], now['enrolled_at']), ('Enrolled', was['generation'], was['enrolled_at']),
            '... and it is the same enrollment')
    raw = open(f'{d["dir"]}/profile', 'rb').read()
    t.ok(raw.startswith(b'<?xml'), 'nobody signed the profile, so nobody signs the renewal')
    after = plistlib.loads(raw)
    for profile in (before, after):
        for part in [profile, payload(profile, 'com.apple.mdm'), payload(profile, 'com.apple.security.scep')]:
            part.pop('PayloadUUID')
        payload(profile, 'com.apple.mdm').pop('IdentityCertificateUUID')
    scep = payload(after, 'com.apple.security.scep').pop('PayloadContent')
    payload(before, 'com.apple.security.scep').pop('PayloadContent')
    t.equal(after, before, 'the profile is what it was, root certificate and all identifiers, but for numbers and the SCEP content')
    t.equal(scep['URL'], f'https://localhost:{bed.port}/scep', '... which leads here')
    t.ok(scep['Challenge'] != 'nanomdm', '... with a challenge of its own')
    t.equal(old.poll(d).returncode, 0, 'it goes on with it')
    bed.ctl('renew', d['udid'])
    t.ok(any(s.get('step') == 'renewed' for s in old.poll(d).steps), 'and is renewed once more')


def closed(t, bed, old):
    late, later = old.enroll(2)
    bed.put_all([old.authenticate(late), old.token_update(late)])
    bed.put_all([old.authenticate(later)])
    t.equal(old.poll(later, 'idle-once').returncode, 14, 'without its TokenUpdate a device is not let in')
    t.has(why(bed, later), 'no TokenUpdate', '... with its reason')
    bed.window('0s')
    t.ok(await_(lambda: 'window for the certificates of imported devices is closed: the configuration says so; 1 of' in bed.journal(),
                'the entry'), 'closed: in the log')
    t.equal(old.poll(late, 'idle-once').returncode, 14, '... and who comes late is refused')
    t.has(bed.ctl('status', check=False).stdout, 'the window is closed', 'status counts who is missing')
    t.equal({d['id'] for d in bed.ctl_json('devices', '--awaited')}, {late['udid'], later['udid']}, '... and devices --awaited names them')
    bed.stop()
    bed.start()
    t.equal(old.poll(old.devices[3]).returncode, 0, 'after a restart a bound device is served')
    t.equal(old.poll(late, 'idle-once').returncode, 14, '... and the other is not')
    t.equal(bed.put(b'', user='helpdesk', key=KEY[::-1])[0], 403, 'only admin may import')


Tap().run(by_calls)
