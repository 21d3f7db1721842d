"""renewal.py - key and certificate of push are renewed while 200 devices poll and are pushed: nobody notices"""
import glob
import json
import os
import shutil
import socket
import threading
import time

from bed import BUILD, Bed, Tap, await_, run

COUNT = int(os.environ.get('CORDON_RENEWAL', '200'))


def serial(path):
    return run('openssl', 'x509', '-in', path, '-noout', '-serial').stdout.strip().partition('=')[2].lower().lstrip('0')


def stats(bed):
    with socket.socket(socket.AF_UNIX) as s:
        s.connect(f'{bed.rundir}/apns')
        s.sendall(b'stats\n')
        return json.loads(s.recv(4096))


def pushes(bed, start=0):
    return [json.loads(line) for line in bed.read(bed.pushes).splitlines()[start:] if line.endswith('}')]


class Pusher(threading.Thread):
    """Asks for all devices again and again; each round must reach every one of them."""

    def __init__(self, bed, ids):
        super().__init__()
        self.bed, self.ids, self.stop, self.rounds, self.lost = bed, ids, False, 0, []

    def run(self):
        while not self.stop:
            start = len(pushes(self.bed))
            done = self.bed.ctl('push', *self.ids, check=False)
            if done.returncode:
                self.lost.append(done.stderr)
            try:
                await_(lambda: len({p['token'] for p in pushes(self.bed, start) if p['status'] == 200}) >= len(self.ids), 'a round', 30)
            except TimeoutError:
                self.lost.append(f"round {self.rounds}: {len({p['token'] for p in pushes(self.bed, start) if p['status'] == 200})}")
            self.rounds += 1


def all_polled(bed, what):
    """Every device was heard since now."""
    now = time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime())
    time.sleep(1)
    await_(lambda: all(d['last_seen'] > now for d in bed.ctl_json('devices')), what, 60)


def renewal(t):
    with Bed(settings='refresh: { device-information = "never"; security-info = "never"; profile-list = "never"; '
                      'certificate-list = "never"; };') as bed:
        bed.everything()
        bed.start()
        bed.connected()
        fleet = [f'{BUILD}/tests/device/fake-device', 'fleet', '--count', COUNT, '--concurrency', 4, '--keys', 8, '--public-roots', bed.roots(),
                 '--state', f'{bed.dir}/fleet', '--patience', 0]
        run(*fleet, '--link', bed.link('--uses', 'any'))
        await_(lambda: bed.status()['devices']['enrolled'] == COUNT, 'the fleet enrolls')
        ids = [d['id'] for d in bed.ctl_json('devices')]
        old, pid = serial(f'{bed.certs}/MDM_Example_Certificate.pem'), bed.processes['cordond'].pid

        bed.begin('fleet', *fleet, '--link', 'https://none.invalid/', '--poll-every', 3000, '--idle-rounds', 1000000,
                  log=f'{bed.dir}/load.json')
        all_polled(bed, 'all poll')
        pusher = Pusher(bed, ids)
        pusher.start()
        await_(lambda: pusher.rounds >= 1, 'a round with the old certificate', 60)

        bed.tool('cordon-csr', 'renew', '--config', bed.conf)
        keys = sorted(glob.glob(f'{bed.certs}/push-*.key'), key=os.path.getmtime)
        t.equal(len(keys), 2, 'renew: a new key beside the one in use')
        rounds = pusher.rounds
        await_(lambda: pusher.rounds > rounds, 'a round with both keys there', 60)
        t.equal(pushes(bed)[-1]['serial'].lower().lstrip('0'), old, 'the old pair goes on until the certificate arrives')
        renewed = bed.signed(keys[1][:-4] + '.csr', days=400, out=f'{bed.dir}/MDM_Renewed_Certificate.pem')
        shutil.copy(renewed, bed.certs)
        await_(lambda: bed.status()['push'][0]['certificate']['file'] == 'MDM_Renewed_Certificate.pem' and bed.push_state() == 'Connected',
               'the renewed certificate is in use')
        rounds = pusher.rounds
        await_(lambda: pusher.rounds >= rounds + 2, 'two rounds with the new one', 120)
        all_polled(bed, 'all poll after it too')
        pusher.stop = True
        pusher.join()
        bed.end('fleet')
        summary = json.loads(bed.read(f'{bed.dir}/load.json')[bed.read(f'{bed.dir}/load.json').index('{\n'):])

        t.ok(pusher.rounds >= 4 and not pusher.lost, f'{pusher.rounds} rounds of {COUNT} pushes, none lost', pusher.lost)
        t.equal(stats(bed)['rejected'], 0, 'Apple rejected none')
        after = pushes(bed)[-COUNT:]
        t.equal({p['serial'].lower().lstrip('0') for p in after}, {serial(renewed)}, 'the fake APNs sees the new serial number')
        t.equal({p['topic'] for p in pushes(bed)}, {bed.topic}, 'under the same topic')
        t.equal((summary['failed'], summary['unenrolled'], summary['enrolled']), (0, 0, COUNT), 'no device failed')
        print('#', json.dumps({k: v for k, v in summary.items() if not isinstance(v, (dict, list))}))
        t.ok(summary['requests'] >= 2 * COUNT and not summary['faults'] and not summary['no_answer'],
             f"{summary['requests']} requests of polling devices, none failed", summary)
        t.equal(bed.processes['cordond'].pid, pid, 'without a restart')
        text = bed.ctl('status', check=False).stdout
        t.has(text, 'superseded by MDM_Renewed_Certificate.pem', 'the old one is named as removable')
        os.unlink(f'{bed.certs}/MDM_Example_Certificate.pem')
        os.unlink(keys[0])
        await_(lambda: 'superseded' not in bed.ctl('status', check=False).stdout, 'the old pair is removed')
        t.equal(bed.push_state(), 'Connected', 'and nothing changes when it is')
        t.equal(bed.stop(), 0, 'it stops cleanly')


Tap().run(renewal)
