#!/usr/bin/env python3
"""upgrade.py - a store that the first release left when it was killed is opened, served, brought forward and opened again

first-store.txt has its files as that release wrote them: database, log that was not yet brought into it, a large answer, the keys
and a device.
"""
import base64
import glob
import os
import shutil
import zlib

from bed import SOURCE, Bed, Tap

A1, B2, C3 = '00008110-A1', '00008110-B2', '00008110-C3'


def unpack(to):
    name, text = None, {}
    for line in open(f'{SOURCE}/tests/system/first-store.txt'):
        if line.startswith('= '):
            name = line[2:].strip()
            text[name] = ''
        elif name:
            text[name] += line.strip()
    for name, packed in text.items():
        os.makedirs(os.path.dirname(f'{to}/{name}'), exist_ok=True)
        with open(os.open(f'{to}/{name}', os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), 'wb') as f:
            f.write(zlib.decompress(base64.b64decode(packed)))


def commands(bed, verb):
    return [line.split()[1] for line in bed.ctl(verb, A1).stdout.splitlines()[1:]]


def fleet(bed):
    return {d['id']: d['state'].lower() for d in bed.ctl_json('devices')}


def kept(t, bed, when):
    """What does not depend on the day on which the test runs."""
    t.equal(fleet(bed), {A1: 'enrolled', B2: 'enrolled', C3: 'removed'}, f'the devices are there {when}')
    t.has(bed.ctl('show', A1).stdout, 'C39A1', f'... and one of them is shown {when}')
    t.equal(bed.ctl('access', A1, check=False).stdout.strip(), 'allowed', f'... is let through {when}')
    t.equal(bed.ctl('access', B2, check=False).stdout.strip(), 'denied: locked', f'... the locked one is not {when}')
    t.ok({'CertificateList', 'DeviceInformation', 'SecurityInfo'} <= set(commands(bed, 'results')), f'... results are there {when}')


def the_first_release(t):
    with Bed('queue: { lifetime = "3650d"; };') as bed:
        unpack(bed.dir)
        shutil.copy(f'{bed.dir}/certs/store.key', bed.certs)
        for name in ('ssc.key', 'ssc.crt'):
            shutil.copy(f'{bed.dir}/certs/{name}', bed.certs)
        bed.tls()
        bed.apple()
        bed.apns()
        bed.csr()
        bed.drop_push()
        bed.start().connected()
        bed.ctl('accept-server-name', f'localhost:{bed.port}', '--yes')
        kept(t, bed, 'after the upgrade')
        t.equal(commands(bed, 'queue'), ['ProfileList'], 'a command that was acknowledged just before the kill waits')
        before = len(commands(bed, 'results'))
        done = bed.device('A1', '--connect', f'127.0.0.1:{bed.port}', 'poll')
        reports = [s['type'] for s in done.steps if s['step'] == 'report']
        t.has(' '.join(reports), 'ProfileList', 'its device comes with the identity that it has, and takes the command')
        t.equal(len(commands(bed, 'results')), before + 1, 'the answer is kept beside the old ones')
        t.equal(bed.stop(), 0, 'the daemon stops, with a checkpoint')
        t.ok(glob.glob(f'{bed.state}/walk*'), 'a file of walks lies beside the database', os.listdir(bed.state))
        bed.start().connected()
        kept(t, bed, 'from the checkpoint')
        t.equal(commands(bed, 'queue'), [], 'nothing waits that was answered')
        t.has(bed.enroll('D4').stdout, 'D4', 'a new device enrolls beside them')
        t.equal(fleet(bed).get('00008110-D4'), 'enrolled', '... and is listed')
        t.equal(bed.stop(), 0, 'the daemon stops')


if __name__ == '__main__':
    Tap().run(the_first_release)
