"""screen.py - what cordonctl shows of devices fits a terminal of 80x24, cuts nothing that tells them apart, and is no JSON"""
import re

from bed import BUILD, Bed, Tap
from terminal import talk

NAMES = [f'000A1C2E3F4000{i:02X}' for i in range(1, 4)]


def udid(name):
    return f'00008110-{name}'


def serial(name):
    return f'F2LW{name[-8:]}'


def screen(bed, *arguments):
    status, text = talk([f'{BUILD}/cordonctl', '--socket', f'{bed.rundir}/control.sock', *arguments])
    return status, re.sub(r'\x1b\[\d*m', '', text).rstrip('\n').split('\n')


def fits(t, lines, what):
    wide = [line for line in lines if len(line) > 80]
    t.ok(lines and not wide, f'{what} fits 80 columns', '\n'.join(wide or lines))


def devices(t, bed):
    _, lines = screen(bed, 'devices')
    fits(t, lines, 'the list of devices')
    for name in NAMES:
        rows = [line for line in lines if serial(name) in line.split()]
        t.equal(len(rows), 1, f'{serial(name)} stands there whole, once')
        t.ok(any(word in rows[0] for word in ('Enrolled', 'Removed')) and 'just now' in rows[0], '... with state and last response', rows)
    t.equal(len({line for line in lines[1:]}), len(lines) - 1, 'no two lines are the same')
    t.has(lines[-1], 'ID', 'it is said what is not shown')
    t.has('\n'.join(lines), 'locked', 'a lock is shown')
    for name in NAMES:
        t.equal(screen(bed, 'access', serial(name))[1][0].split(':')[0], 'allowed' if name == NAMES[0] else 'denied',
                'what is shown can be typed')
    # a pipe gets everything
    done = bed.ctl('devices')
    t.ok(all(udid(n) in done.stdout and serial(n) in done.stdout for n in NAMES), 'a pipe gets every column', done.stdout)

    # two enrollments of one device: the serial number does not tell them apart, so the ids stay
    bed.device('other', '--udid', '00008110-000A1C2E3F4000FE', '--serial', serial(NAMES[0]), 'enroll', link=bed.link())
    _, lines = screen(bed, 'devices')
    t.has(lines[0], 'OS', 'what still fits is shown')
    fits(t, lines, 'the list with two enrollments of one device')
    rows = [line for line in lines if serial(NAMES[0]) in line.split()]
    t.equal(sorted(line.split()[0] for line in rows), [udid(NAMES[0]), '00008110-000A1C2E3F4000FE'], '... shows both ids whole')


def leaves(value):
    """Every single value of a JSON text, as a page shows it."""
    if isinstance(value, dict):
        return [leaf for v in value.values() for leaf in leaves(v)]
    if isinstance(value, list):
        return [leaf for v in value for leaf in leaves(v)]
    if value is None or value == '':
        return []
    if isinstance(value, bool):
        return ['yes' if value else 'no']
    return [f'{value:.6g}' if isinstance(value, float) else str(value)]


def keys(value):
    if isinstance(value, dict):
        return [k for k, v in value.items() if leaves(v)] + [k for v in value.values() for k in keys(v)]
    return [k for v in value for k in keys(v)] if isinstance(value, list) else []


def page(t, bed):
    whole = bed.ctl_json('show', udid(NAMES[0]))
    for where, lines in (('a terminal', screen(bed, 'show', udid(NAMES[0]))[1]), ('a pipe', bed.ctl('show', udid(NAMES[0])).stdout.split('\n'))):
        text = '\n'.join(lines)
        if where == 'a terminal':
            fits(t, lines, 'the page of a device')
        t.ok(not re.search(r'[{}\[\]"]|null', text), f'on {where} it is no JSON', text)
        missing = [v for v in leaves(whole) if v not in text]
        t.equal(missing, [], f'on {where} every value is there, whole')
        words = set(text.split())
        t.equal([k for k in keys(whole) if k not in words], [], f'on {where} every name is there')
        t.ok(re.search(r'\n  ServiceSubscriptions\n    - Slot +CTSubscriptionSlotOne\n      Label +Primary\n', text),
             f'on {where} a list of things is indented', text)
        t.ok(re.search(r'\n  ManagementStatus\n    EnrolledViaDEP +no\n', text), f'on {where} what is nested is indented', text)


def answer(t, bed):
    one = bed.ctl('send', udid(NAMES[0]), 'InstalledApplicationList', '--no-push').stdout.split()[0]
    bed.device(NAMES[0], '--apps', '30', 'poll')
    _, lines = screen(bed, 'results', udid(NAMES[0]), one)
    fits(t, lines, 'an answer with a list of applications')
    text = '\n'.join(lines)
    apps = bed.ctl_json('results', udid(NAMES[0]), one)['answer']['InstalledApplicationList']
    t.equal((len(apps), len(re.findall(r'^ *- ', text, re.M))), (30, 30), 'each application is an item')
    t.equal([v for v in leaves(apps) if v not in text], [], '... whole')


def hostile(t, bed):
    """A device may call itself what it likes."""
    me = ('--udid', '00008110-000A1C2E3F4000FF', '--serial', 'F2LWEVIL', '--name', 'a\nF2LWFALSE  x')
    bed.device('evil', *me, 'enroll', link=bed.link())
    bed.device('evil', *me, 'poll')
    t.has(bed.ctl_json('show', 'F2LWEVIL')['device_information']['DeviceName'], '\n', 'a name with a line feed came')
    for arguments in (['devices'], ['show', 'F2LWEVIL']):
        _, lines = screen(bed, *arguments)
        text = '\n'.join(lines)
        t.ok(not re.search(r'^ *F2LWFALSE', text, re.M), f'{arguments[0]}: its name makes no line of its own', text)
    t.has(text, r'a\x0aF2LWFALSE  x', '... and is shown')


def main(t):
    with Bed() as bed:
        bed.everything()
        bed.start().connected()
        for name in NAMES:
            bed.device(name, '--serial', serial(name), 'enroll', link=bed.link())
            bed.device(name, 'poll')
        bed.ctl('lock', udid(NAMES[1]))
        bed.device(NAMES[2], 'checkout')
        page(t, bed)
        answer(t, bed)
        devices(t, bed)
        hostile(t, bed)


Tap().run(main)
