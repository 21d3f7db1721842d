"""importing.py - enrollments of a NanoMDM server from files, and imports that are refused: bodies, profiles, CAs

CORDON_MIGRATION (default 12) is the size of the fleet.
"""
import base64
import json
import os
import plistlib

from bed import BUILD, Tap, run
from earlier import Old, Server, make_ca, payload, why
from terminal import talk

COUNT = int(os.environ.get('CORDON_MIGRATION', '12'))


def hostile(t):
    with Server('migration = "1h";') as bed:
        bed.everything()
        old = Old(bed)
        d, user = old.enroll(2)
        bed.start()
        other = 'com.apple.mgmt.External.99999999-0000-0000-0000-000000000000'
        deep = b'<plist version="1.0"><dict><key>a</key>' + b'<array>' * 5000 + b'</array>' * 5000 + b'</dict></plist>'
        rows = [(b'', 400, 'property list'), (b'{"a": 1}', 400, 'property list'), (b'\0' * 1000, 400, 'property list'),
                (deep, 400, 'nested'), (plistlib.dumps(['a']), 400, 'dictionary'), (plistlib.dumps({'UDID': 'x'}), 400, 'MessageType'),
                (plistlib.dumps({'MessageType': 'Authenticate', 'Topic': bed.topic}), 400, 'UDID'),
                (plistlib.dumps({'MessageType': 'CheckOut', 'UDID': 'x', 'Topic': bed.topic}), 400, 'only Authenticate'),
                (plistlib.dumps({'Status': 'Idle', 'UDID': 'x'}), 400, 'MessageType'),
                (old.authenticate(d, UDID='a/b'), 400, 'characters'), (old.authenticate(d, UDID='a' * 300), 400, 'too long'),
                (old.authenticate(d, UDID='a:b'), 400, 'characters'), (old.authenticate(d, Topic=other), 400, 'can never change its topic'),
                (old.token_update(d, Topic=other), 400, other), (old.token_update(d, Token=b'x' * 200), 400, 'Token'),
                (old.token_update(d, Token=b''), 400, 'Token'), (old.token_update(d, PushMagic=''), 400, 'PushMagic'),
                (old.token_update(d, UnlockToken=b'x' * 300000), 400, 'UnlockToken'),
                (old.authenticate(user, UserID='u'), 400, 'user channel'), (old.user(user), 400, 'import the device first'),
                (plistlib.dumps({'MessageType': 'SetBootstrapToken', 'UDID': d['udid'], 'BootstrapToken': b'x'}), 400, 'TokenUpdate first'),
                (b'<?xml version="1.0"?>' + b' ' * (5 << 20), 413, '')]
        for body, status, words in rows:
            got, text = bed.put(body)
            t.ok(got == status and words in text, f'{body[:30]!r}... ({len(body)} bytes): {status}, {words}', (got, text))
        t.equal(bed.migration(), {**bed.migration(), 'imported': 0}, 'none of it left anything')
        t.equal(len(bed.ask('/v1/enrollments')['enrollments']), 0, '... at all')
        t.equal(bed.put(old.token_update(d), path='/migration?origin=zz')[0], 404, 'an origin that is not here: 404')
        t.equal(bed.put(old.token_update(d), path='/migration', method='DELETE')[0], 405, 'another method: 405')
        # without Authenticate, binary, and in both methods
        body = plistlib.dumps(plistlib.loads(old.token_update(d)), fmt=plistlib.FMT_BINARY)
        t.equal(bed.put(body, method='POST'), (200, ''), 'a TokenUpdate alone, binary, by POST')
        t.equal(bed.put(plistlib.dumps({'MessageType': 'SetBootstrapToken', 'UDID': d['udid'], 'BootstrapToken': b'boot'})), (200, ''),
                'a bootstrap token comes along')
        t.equal(old.poll(d, 'idle-once').returncode, 14, 'a device whose CA nobody named is refused')
        t.ok('not issued by this server' in (why(bed, d) or ''), '... with its reason', why(bed, d))
        profiles(t, bed, old)
        t.equal(bed.name_origin(old, check=False).returncode, 0, 'profile and CA may be named afterwards')
        t.equal(old.poll(d).returncode, 0, '... and the device comes')
        t.ok(bed.ctl_json('show', d['udid'])['identity']['number'], '... with a record for its renewals')
        t.equal(bed.stop(), 0, 'the daemon stops cleanly')


def changed(profile, edit):
    p = plistlib.loads(profile)
    edit(p)
    return plistlib.dumps(p)


def mdm(key, value):
    def edit(p):
        payload(p, 'com.apple.mdm')[key] = value
        if value is None:
            del payload(p, 'com.apple.mdm')[key]
    return edit


def profiles(t, bed, old):
    """Profiles and CAs that cannot be used."""
    good, ca = open(old.profile, 'rb').read(), open(old.ca).read()
    leaf = run('openssl', 'x509', '-in', f'{old.devices[0]["dir"]}/identity.pem').stdout
    own = open(f'{bed.certs}/ssc.crt').read()
    rows = [(b'', ca, 'property list'), (good[:-30], ca, 'property list'), (b'\x30\x82' + good, ca, 'signature'),
            (changed(good, lambda p: p.update(PayloadType='x')), ca, 'configuration profile'),
            (changed(good, lambda p: p.pop('PayloadIdentifier')), ca, 'PayloadIdentifier'),
            (changed(good, lambda p: p['PayloadContent'].pop(2)), ca, 'MDM payload'),
            (changed(good, lambda p: p['PayloadContent'].append(payload(p, 'com.apple.mdm'))), ca, 'MDM payload'),
            (changed(good, lambda p: p['PayloadContent'].pop(1)), ca, 'IdentityCertificateUUID'),
            (changed(good, mdm('AccessRights', 0)), ca, 'AccessRights'), (changed(good, mdm('AccessRights', 1 << 40)), ca, 'AccessRights'),
            (changed(good, mdm('ServerURL', 'http://x/mdm')), ca, 'ServerURL'), (changed(good, mdm('ServerURL', 'https:///mdm')), ca, 'ServerURL'),
            (changed(good, mdm('CheckInURL', 'ftp://x')), ca, 'CheckInURL'), (changed(good, mdm('EnrollmentMode', 'BYOD')), ca, 'account-driven'),
            (changed(good, mdm('Topic', 'com.apple.mgmt.External.other')), ca, 'none of this server'),
            (good, '', 'identity_ca'), (good, 'x', 'identity_ca'), (good, leaf, 'no CA'), (good, own, "this server's own")]
    for profile, cas, words in rows:
        answer = bed.ask('/v1/migration', json.dumps({'profile': base64.b64encode(profile).decode(), 'identity_ca': cas}))
        t.has(answer.get('error'), words, f'a profile or CA is refused: {words}')
    answer = bed.ask('/v1/migration', json.dumps({'profile': 7}))
    t.has(answer.get('error'), 'base64', 'a profile that is no text')
    t.equal(bed.ask('/v1/migration')['origins'], [], 'none of them is kept')
    odd = changed(good, lambda p: (payload(p, 'com.apple.mdm').update(ServerURL='https://mdm.example.org/mdm/connect', SignMessage=False)))
    warnings = ' '.join(bed.ask('/v1/migration', json.dumps({'profile': base64.b64encode(odd).decode(), 'identity_ca': ca}))['warnings'])
    for words in ('paths other than', 'SignMessage is false', 'that name must lead here'):
        t.has(warnings, words, f'a profile with a warning: {words}')


def signed(t):
    """A profile that somebody signed whose key is not here: renewals wait for a person's word."""
    with Server('migration = "1h";') as bed:
        bed.everything()
        old = Old(bed)
        signer = make_ca(old.dir, 'signer')
        run('openssl', 'cms', '-sign', '-nodetach', '-binary', '-md', 'sha256', '-in', old.profile, '-signer', signer, '-inkey',
            signer.replace('.pem', '.key'), '-outform', 'DER', '-out', f'{old.profile}.signed')
        old.profile += '.signed'
        [d] = old.enroll(1)
        bed.start()
        t.has(bed.name_origin(old).stderr, 'renewals cannot be made until', 'the signer is not here: a warning')
        bed.put_all([old.authenticate(d), old.token_update(d)])
        t.equal(old.poll(d).returncode, 0, 'the device comes all the same')
        done = bed.ctl('renew', d['udid'], check=False)
        t.ok(done.returncode != 0 and 'cannot sign here' in done.stdout + done.stderr, 'its renewal is refused in words',
             done.stdout + done.stderr)
        t.equal(bed.name_origin(old, '--resign').stderr, '', 'a person decides that the SSC signs')
        t.equal(bed.ctl('renew', d['udid'], check=False).returncode, 0, '... and the renewal is made')
        offered = old.poll(d)
        t.has(offered.stdout + offered.stderr, 'not signed by the signer', '... which this device, as strict as they come, tells of')


def from_files(t):
    with Server('migration = "1h";') as bed:
        bed.everything()
        old = Old(bed)
        devices = old.enroll(COUNT)
        bed.start()
        kept = f'{old.dir}/dbkv'
        for i, d in enumerate(devices):
            os.makedirs(f'{kept}/{d["udid"]}')
            for name, body in (('Authenticate.plist', old.authenticate(d)), ('TokenUpdate.plist', old.token_update(d)),
                               ('SerialNumber.txt', d['serial'].encode()), ('UnlockToken.dat', bytes.fromhex(d['unlock']))):
                with open(f'{kept}/{d["udid"]}/{name}', 'wb') as f:
                    f.write(body)
        os.makedirs(f'{kept}/00-user')  # sorts before its device
        with open(f'{kept}/00-user/TokenUpdate.plist', 'wb') as f:
            f.write(old.user(devices[0]))
        done = bed.name_origin(old, kept, check=False)
        n = len(devices)
        t.equal(done.returncode, 0, 'a directory of files is imported')
        t.has(done.stdout, f'{2 * n + 1} messages imported, 0 were here already, 0 refused, {2 * n} other files left alone', '... and told')
        again = json.loads(bed.name_origin(old, kept, '--json').stdout)
        t.equal((again['imported'], again['unchanged'], again['refused'], again['skipped']), (0, 2 * n + 1, 0, 2 * n), 'again: no change')
        t.equal({f['result'] for f in again['files']}, {'unchanged', 'skipped'}, '... file by file')

        bad = f'{old.dir}/bad'
        os.mkdir(bad)
        [more] = old.enroll(1)
        files = {'a.plist': b'<plist>', 'b.plist': old.authenticate(more, Topic='com.apple.mgmt.External.other'),
                 'c.xml': plistlib.dumps({'MessageType': 'CheckOut'}), 'd.plist': old.token_update(more), 'e.plist': b'x' * (5 << 20)}
        for name, body in files.items():
            with open(f'{bad}/{name}', 'wb') as f:
                f.write(body)
        os.symlink('/etc/passwd', f'{bad}/link.plist')
        done = bed.name_origin(old, bad, check=False)
        t.equal(done.returncode, 65, 'some are refused: 65')
        for name, words in (('a.plist', 'not a property list'), ('b.plist', 'can never change its topic'), ('c.xml', 'only Authenticate'),
                            ('e.plist', 'too large')):
            t.ok(any(line.startswith(f'{bad}/{name}: refused') and words in line for line in done.stdout.splitlines()), f'{name}: {words}',
                 done.stdout)
        t.has(done.stdout, '1 messages imported, 0 were here already, 4 refused, 0 other', '... and the good one is in')
        empty = f'{old.dir}/empty'
        os.mkdir(empty)
        for arguments, code in (([empty], 66), ([f'{old.dir}/nothing'], 66), ([old.ca], 66), ([kept, kept], 64)):
            t.equal(bed.name_origin(old, *arguments, check=False).returncode, code, f'import {len(arguments)} of {arguments[0][-12:]}: {code}')
        t.equal(bed.ctl('import', kept, check=False).returncode, 64, 'without profile and CA: 64')
        t.equal(bed.ctl('import', kept, '--profile', f'{old.dir}/none', '--identity-ca', old.ca, check=False).returncode, 66,
                'a profile that is not there: 66')
        code, screen = talk([f'{BUILD}/cordonctl', '--socket', f'{bed.rundir}/control.sock', 'import', kept, '--profile', old.profile,
                             '--identity-ca', old.ca])
        t.ok(code == 0 and f'] {4 * n + 1} of {4 * n + 1}' in screen and '#' * 40 in screen, 'a terminal shows how far it is', screen)

        summary = old.fleet()
        t.equal((summary['failed'], summary['unenrolled']), (0, 0), 'the devices poll and are served')
        t.equal((bed.migration()['waiting'], bed.authenticates()), (0, 0), '... with no new Authenticate')
        bed.ctl('renew', devices[1]['udid'])
        t.ok(any(s.get('step') == 'renewed' for s in old.poll(devices[1]).steps), 'and are renewed from the recorded profile')
        second = Old(bed, 'second')
        [stranger] = second.enroll(1)
        bed.ctl('import', '--profile', second.profile, '--identity-ca', second.ca)
        both = {**stranger, 'udid': '00008110-TWO'}
        origin = next(o['origin'] for o in bed.ask('/v1/migration')['origins'] if o['origin'] != again['origin']['origin'])
        t.equal(bed.put(old.token_update(both), path=f'/migration?origin={again["origin"]["origin"]}'), (200, ''), 'two servers before this one')
        text = json.load(open(f'{stranger["dir"]}/device.json'))
        with open(f'{stranger["dir"]}/device.json', 'w') as f:
            json.dump({**text, 'udid': both['udid']}, f)
        t.equal(second.poll(both, 'idle-once').returncode, 14, "the CA of one does not speak for the other's devices")
        t.has(why(bed, both), 'a CA that was not named for it', '... with its reason')
        t.equal(bed.put(old.token_update(both, PushMagic='x'), path=f'/migration?origin={origin}'), (200, ''), 'told anew, from the other')
        t.equal(second.poll(both, 'idle-once').returncode, 0, '... it does')


Tap().run(hostile, signed, from_files)
