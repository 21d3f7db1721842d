"""fleet.py - many devices at once: each enrolls and answers a command, with no error"""
import json
import os
import time

from bed import BUILD, Bed, Tap, run

COUNT = int(os.environ.get('CORDON_FLEET', '1000'))


def memory(bed):
    text = bed.read(f"/proc/{bed.processes['cordond'].pid}/status")
    return next(int(line.split()[1]) for line in text.splitlines() if line.startswith('VmHWM'))


def size(directory):
    return sum(os.lstat(os.path.join(d, f)).st_blocks * 512 for d, _, files in os.walk(directory) for f in files)


def fleet(t):
    with Bed(settings='refresh: { security-info = "never"; profile-list = "never"; certificate-list = "never"; };') as bed:
        bed.everything()
        bed.start()
        bed.connected()
        began = time.monotonic()
        done = run(f'{BUILD}/tests/device/fake-device', 'fleet', '--count', COUNT, '--concurrency', 16, '--keys', 32,
                   '--link', bed.link('--uses', 'any'), '--public-roots', bed.roots(), '--commands', 1, '--patience', 60,
                   check=False)
        took = time.monotonic() - began
        summary = json.loads(done.stdout) if done.stdout.strip().startswith('{') else {}
        t.equal(done.returncode, 0, f'{COUNT} devices enroll and answer one command each')
        if done.returncode:
            print('#', done.stdout[-2000:], done.stderr[-2000:])
        status = bed.status()
        t.equal(status['devices']['enrolled'], COUNT, 'all are Enrolled')
        answered = 0
        for d in bed.ctl_json('devices'):
            answered += d['os'] is not None and d['serial'] is not None
        t.equal(answered, COUNT, 'all have told their OS version and serial number')
        t.ok(not status['problems'], 'nothing needs a person', status['problems'])
        print(f'# {COUNT} devices in {took:.1f} s, peak memory {memory(bed)} kB, store {size(bed.state)} bytes on disk')
        print('#', json.dumps(summary)[:3000])
        t.equal(bed.stop(), 0, 'the daemon stops cleanly (no leak, no sanitizer report)')


Tap().run(fleet)
