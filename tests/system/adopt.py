"""adopt.py - devices that a restored backup does not know are taken in again, while a person says so"""
import json
import os
import shutil

from bed import BUILD, Tap, await_, run
from earlier import Server, issue, make_ca


def adopt(t):
    with Server() as bed:
        bed.everything()
        bed.start()
        bed.connected()
        bed.enroll('BEFORE')
        bed.ctl('backup', f'{bed.dir}/backup')
        for name in ('AFTER', 'LATE', 'TOKEN'):
            bed.enroll(name)
            bed.device(name, 'poll')
        bed.stop()
        shutil.rmtree(bed.state)
        os.mkdir(bed.state)
        run(f'{BUILD}/cordond', '-c', bed.conf, '--restore', f'{bed.dir}/backup')
        bed.start()
        bed.connected()
        t.equal(bed.device('AFTER', 'idle-once', check=False).returncode, 14, 'a device that enrolled after the backup is unknown')
        t.equal(bed.status()['adopt'], {'open': False, 'until': None, 'adopted': 0}, 'no window is open by itself')
        for span, code in (('0s', 65), ('1000d', 65), ('soon', 65)):
            t.equal(bed.ctl('adopt', '--for', span, check=False).returncode, code, f'adopt --for {span} is refused')
        t.equal(bed.ctl('adopt', '--for', '1h', '--end', check=False).returncode, 64, 'for and end together are no sentence')
        t.equal(bed.ctl('adopt', '--end', check=False).returncode, 65, 'what is closed cannot be ended')
        t.has(bed.ctl('adopt', '--for', '1h').stdout, 'Open until', 'the window is opened')
        bed.stop()
        bed.start()
        bed.connected()
        t.has(bed.ctl('status', check=False).stdout, 'unknown devices of our own CA are taken in until', 'it lives through a restart: status')
        authenticates = bed.authenticates()
        done = bed.device('AFTER', 'poll', check=False)
        t.equal(done.returncode, 0, 'the device is taken in')
        t.ok(any(s.get('step') == 'renewed' for s in done.steps), '... and says all again, for it gets its profile anew', done.stdout)
        t.equal(bed.authenticates(), authenticates + 1, '... (one Authenticate, by its renewal)')
        shown = bed.ctl_json('show', '00008110-AFTER')
        t.equal((shown['state'], shown['adopted_at'] is not None), ('Enrolled', True), 'show says where it comes from')
        token = json.load(open(f'{bed.dir}/dev-AFTER/device.json'))['token']
        bed.ctl('push', '00008110-AFTER')
        await_(lambda: bed.pushed(token), 'the push')
        t.ok(True, 'and pushes reach it')
        bed.ctl('send', '00008110-AFTER', 'SecurityInfo', '--no-push')
        t.equal(bed.device('AFTER', 'poll').returncode, 0, '... and commands')
        t.equal(bed.device('TOKEN', 'token-update', '--new-token', check=False).returncode, 0, 'one that comes with its TokenUpdate')
        bed.device('TOKEN', 'poll')
        token = json.load(open(f'{bed.dir}/dev-TOKEN/device.json'))['token']
        bed.ctl('push', '00008110-TOKEN')
        await_(lambda: bed.pushed(token), 'the push to the other')
        # what it does not let in
        foreign = make_ca(f'{bed.dir}/f', 'foreign')
        issue(foreign, f'{bed.dir}/f/foreign.key', f'{bed.dir}/f/x.pem', 'x')
        shutil.copytree(f'{bed.dir}/dev-LATE', f'{bed.dir}/dev-FOREIGN')
        shutil.copy(f'{bed.dir}/f/x.pem', f'{bed.dir}/dev-FOREIGN/identity.pem')
        t.equal(bed.device('FOREIGN', 'idle-once', check=False).returncode, 14, 'a certificate of another CA is refused')
        shutil.copy(f'{bed.dir}/dev-BEFORE/identity.pem', f'{bed.dir}/dev-FOREIGN/identity.pem')
        t.equal(bed.device('FOREIGN', 'idle-once', check=False).returncode, 14, "... and that of another device")
        t.equal(bed.device('BEFORE', 'poll').returncode, 0, 'a known device notices nothing')
        t.has(bed.ctl('adopt').stdout, '2 so far', 'who was taken in is counted')
        t.has(bed.ctl('adopt', '--end').stdout, 'Closed', 'the window is closed')
        t.equal(bed.device('LATE', 'idle-once', check=False).returncode, 14, 'and who comes late is refused')
        journal = bed.journal()
        for words in ('unknown devices with an identity of this server are taken in', 'Device 00008110-AFTER is taken in again',
                      'Unknown devices are taken in no more: ended by'):
            t.has(journal, words, f'the log: {words}')
        t.equal(bed.stop(), 0, 'the daemon stops cleanly')


Tap().run(adopt)
