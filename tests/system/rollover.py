#!/usr/bin/python3
"""rollover.py - another SSC under enrolled devices: the old ones go on, renew into it, a third CA is refused, a stolen one too

That the profile of a renewal is signed by who signed the installed one, and that its root is among those of the profile, is the
fake device's own judgement: it refuses to replace a profile otherwise, as Apple's devices do.
"""
import glob
import json
import os

from bed import Bed, Tap, await_, run
from signer import mdm_signature

FIRST, SECOND, NEW = '000A1C2E3F400001', '000A1C2E3F400002', '000A1C2E3F400003'


def udid(name):
    return f'00008110-{name}'


def serial(bed):
    return bed.status()['certificates']['ssc']['serial']


def replace(bed, *how):
    """The tool makes another SSC; returns when the daemon has it."""
    before = serial(bed)
    bed.tool('cordon-ssc', 'new', *how, '--bits', '2048', '--config', bed.conf, '--socket', f'{bed.rundir}/control.sock')
    await_(lambda: serial(bed) not in (None, before), 'the new SSC to be in use')


def identity(bed, name):
    """The identity certificate that the fake device keeps, as PEM in a file of its own."""
    pem = f'{bed.dir}/identity-{name}.pem'
    for path in glob.glob(f'{bed.dir}/dev-{name}/*'):
        text = open(path, errors='replace').read()
        if '-----BEGIN CERTIFICATE-----' in text and 'identity' in os.path.basename(path):
            start = text.index('-----BEGIN CERTIFICATE-----')
            end = text.index('-----END CERTIFICATE-----') + len('-----END CERTIFICATE-----\n')
            with open(pem, 'w') as f:
                f.write(text[start:end])
            return pem
    raise FileNotFoundError(f'no identity in {os.listdir(f"{bed.dir}/dev-{name}")}')


def issued_by(bed, name, ca):
    return run('openssl', 'verify', '-CAfile', ca, '-partial_chain', identity(bed, name), check=False).returncode == 0


def stranger(bed):
    """An Idle of the first device, signed with an identity of a CA that was never ours."""
    d = bed.dir
    run('openssl', 'req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-keyout', f'{d}/third.key', '-out', f'{d}/third.pem', '-days', '9',
        '-subj', '/CN=Example MDM/O=Example')
    run('openssl', 'req', '-newkey', 'rsa:2048', '-nodes', '-keyout', f'{d}/x.key', '-out', f'{d}/x.csr', '-subj', f'/CN={udid(FIRST)}')
    run('openssl', 'x509', '-req', '-in', f'{d}/x.csr', '-CA', f'{d}/third.pem', '-CAkey', f'{d}/third.key', '-set_serial', '7', '-days', '9',
        '-out', f'{d}/x.pem')
    with open(f'{d}/idle', 'w') as f:
        f.write('<?xml version="1.0" encoding="UTF-8"?><plist version="1.0"><dict><key>Status</key><string>Idle</string>'
                f'<key>UDID</key><string>{udid(FIRST)}</string></dict></plist>')
    with open(f'{d}/x.pem', 'a') as f:
        f.write(open(f'{d}/x.key').read())
    signature = mdm_signature(f'{d}/x.pem', f'{d}/idle')
    return bed.curl('/mdm', '-T', f'{d}/idle', '-H', f'Mdm-Signature: {signature}', '-H', 'Content-Type: application/x-apple-aspen-mdm')[0]


def refused(bed, name):
    """Is this device's next session refused with 400, as nothing else would be?"""
    done = bed.device(name, 'poll', check=False)
    return done.returncode != 0 and '400' in done.stdout + done.stderr and '401' not in done.stdout + done.stderr


def rollover(t):
    with Bed() as bed:
        bed.everything().start().connected()
        for name in (FIRST, SECOND):
            bed.enroll(name)
        old = f'{bed.dir}/old.pem'
        run('cp', f'{bed.certs}/ssc.crt', old)
        t.ok(issued_by(bed, FIRST, old), 'the SSC issues identities')
        replace(bed, '--replace', '--common-name', 'Second MDM')
        t.equal(len(glob.glob(f'{bed.certs}/ssc-old-*.crt')), 1, 'a rollover keeps the old one')
        bed.ctl('send', udid(FIRST), 'SecurityInfo')
        t.equal(bed.device(FIRST, 'poll').returncode, 0, 'a device of the old one goes on')
        t.equal(bed.ctl_json('show', udid(FIRST))['queue'], 0, '... and carries out its commands')
        bed.enroll(NEW)
        t.ok(issued_by(bed, NEW, f'{bed.certs}/ssc.crt') and not issued_by(bed, NEW, old), 'a new device has an identity of the new one')

        before = bed.ctl_json('show', udid(FIRST))
        bed.ctl('renew', udid(FIRST))
        done = bed.device(FIRST, 'poll')
        t.ok(any(s.get('step') == 'renewed' for s in done.steps), 'the device takes the renewal: its signer is the one it knows', done.stdout)
        t.ok(issued_by(bed, FIRST, f'{bed.certs}/ssc.crt'), '... and has an identity of the new one')
        after = bed.ctl_json('show', udid(FIRST))
        t.equal((after['state'], after['generation']), ('Enrolled', before['generation']), '... without an enrollment anew')
        bed.ctl('renew', udid(FIRST))
        t.ok(any(s.get('step') == 'renewed' for s in bed.device(FIRST, 'poll').steps), '... and so the next time')
        t.equal(bed.device(SECOND, 'poll').returncode, 0, 'the other one is still served')
        t.equal(stranger(bed), 400, 'an identity of a third CA is refused, whatever its name')
        t.equal(bed.device(FIRST, 'poll').returncode, 0, '... which does its device no harm')

        replace(bed, '--compromised', '--common-name', 'Third MDM', '--yes')
        for name in (FIRST, SECOND, NEW):
            t.ok(refused(bed, name), f'{name}: refused at once after --compromised', bed.device(name, 'poll', check=False).stdout)
        bed.device(FIRST, 'wipe')
        bed.enroll(FIRST)
        t.ok(issued_by(bed, FIRST, f'{bed.certs}/ssc.crt'), 'enrolled anew it is back')
        t.equal(json.loads(bed.ctl('show', udid(FIRST), '--json').stdout)['state'], 'Enrolled', '... in every respect')
        t.equal(bed.stop(), 0, 'the daemon stops')


Tap().run(rollover)
