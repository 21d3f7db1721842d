#!/usr/bin/python3
"""steps.py - cordonctl steps on a terminal, after each of its steps: all before are done, one is next and bold, all others later"""
import os
import re

from bed import BUILD, Bed, Tap, await_, run
from terminal import bold, talk

NAME = '000A1C2E3F400001'


def shown(bed):
    """(number of the next step or 11, states by number, what was on the screen)"""
    _, seen = talk([f'{BUILD}/cordonctl', '--socket', f'{bed.rundir}/control.sock', 'steps'])
    plain = re.sub(r'\x1b\[[0-9;]*m', '', seen)
    states = {int(n): state for n, state in re.findall(r'^ *(\d+)\. (done|next|later) ', plain, re.M)}
    return next((n for n, state in sorted(states.items()) if state == 'next'), 11), states, seen


def stands(t, bed, number, after):
    try:
        await_(lambda: shown(bed)[0] == number, f'step {number} to be next')
    except TimeoutError as e:
        t.ok(False, f'{after}: step {number} is next', f'{e}\n{shown(bed)[2]}')
        return
    _, states, seen = shown(bed)
    wanted = {n: 'done' if n < number else 'next' if n == number else 'later' for n in range(1, 11)}
    t.equal(states, wanted, f'{after}: step {number} is next, what is before it is done' if number < 11 else f'{after}: all are done')
    parts = bold(seen)
    if number < 11:
        t.ok(len(parts) == 2 and re.match(rf'{number}\. next ', parts[0]), '... and it alone, title and text, is bold', seen)
    else:
        t.equal(parts, [], '... and nothing is bold')


def trouble(t, bed):
    """What is wrong comes before the outline, with its reason, and is what is next."""
    await_(lambda: bold(shown(bed)[2]) and bold(shown(bed)[2])[0].startswith('! next Push is'), 'the trouble with push to be next')
    _, states, seen = shown(bed)
    t.equal([n for n, state in states.items() if state != 'done'], [7, 8, 9, 10], "Apple's certificate is in, and Apple cannot be reached")
    t.ok(len(bold(seen)) == 1 and 'refused' in bold(seen)[0], '... which alone is next and bold, with the reason', seen)


def sign(bed):
    """A vendor's certificate that is its own root."""
    run('openssl', 'req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-keyout', f'{bed.certs}/vendor.key', '-out', f'{bed.certs}/vendor.crt',
        '-days', '30', '-subj', '/CN=MDM Vendor: Example')
    os.chmod(f'{bed.certs}/vendor.key', 0o600)
    bed.tool('cordon-csr', 'sign', '--config', bed.conf)


def steps(t):
    # No question is asked by itself, so that the first answer is the one that step 10 asks for.
    never = '; '.join(f'{kind} = "never"' for kind in (
        'device-information', 'security-info', 'profile-list', 'certificate-list', 'installed-applications'))
    with Bed(f'refresh: {{ {never}; }};') as bed:
        bed.apple()
        bed.start()
        stands(t, bed, 1, 'nothing yet')
        bed.ssc()
        stands(t, bed, 2, 'the SSC is made')
        bed.tls()
        stands(t, bed, 3, 'the TLS certificate is made')
        bed.csr()
        stands(t, bed, 4, 'the request is made')
        sign(bed)
        stands(t, bed, 5, 'a vendor signed it')
        bed.drop_push()
        trouble(t, bed)
        bed.apns()
        stands(t, bed, 8, 'push is Connected')
        link = bed.link()
        stands(t, bed, 9, 'a link is made')
        bed.device(NAME, 'enroll', link=link)
        stands(t, bed, 10, 'a device enrolled')
        bed.ctl('send', f'00008110-{NAME}', 'DeviceInformation')
        bed.device(NAME, 'poll')
        stands(t, bed, 11, 'it answered')
        t.equal(bed.stop(), 0, 'the daemon stops')


Tap().run(steps)
