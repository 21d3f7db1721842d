#!/usr/bin/env python3
"""large.py - a large fleet on a live daemon: what the ticks of inactivity and refresh cost its loop

  CORDON_FLEET=100000    devices (2,000)

Each tick is a round over all devices, made in slices between which everybody else is served; a slice and the commit of what it
changed may cost the loop 20 ms.  That is processor time of the loop's thread, so that other programs of this machine do not count.
"""
import os
import threading
import time
import urllib.error
import urllib.request

from bed import BUILD, SLOW, Bed, Tap, await_, free_port, run

COUNT = int(os.environ.get('CORDON_FLEET', 2000))
SILENT = COUNT // 5
TURN_US = 20000
PATIENCE = 60 + COUNT // 200


def fleet(bed, silent, refreshed):
    began = time.monotonic()
    run(f'{BUILD}/tests/system/old-fleet', bed.state, f'{bed.certs}/store.key', bed.topic, COUNT, silent, 2, refreshed)
    print(f'# {COUNT} devices written in {time.monotonic() - began:.1f} s', flush=True)


class Probe(threading.Thread):
    """Asks the metrics port something small all the time, and keeps the longest wait."""

    def __init__(self, port):
        super().__init__(daemon=True)
        self.url, self.waits, self.over = f'http://127.0.0.1:{port}/none', [], threading.Event()

    def run(self):
        while not self.over.wait(0.02):
            began = time.monotonic()
            try:
                urllib.request.urlopen(self.url, timeout=60)
            except urllib.error.HTTPError:
                pass
            self.waits.append(time.monotonic() - began)

    def stop(self):
        self.over.set()
        self.join()
        waits = sorted(self.waits)
        return f'{len(waits)} probes meanwhile: median {waits[len(waits) // 2] * 1e3:.1f} ms, p99 ' \
               f'{waits[len(waits) * 99 // 100] * 1e3:.1f} ms, longest {waits[-1] * 1e3:.1f} ms'


def numbers(bed):
    return bed.status()['inactivity']


def tell(t, bed, what):
    n = numbers(bed)
    t.ok(n['turn_us_max'] < TURN_US * SLOW, f'{what}: no tick costs the loop 20 ms ({n["turn_us_max"]} us)')
    print(f'# {what}: {COUNT} devices; microseconds: a round {n["round_us"]}, the longest slice {n["slice_us_max"]}, with its commit '
          f'{n["turn_us_max"]}', flush=True)


def settings(port, more):
    return f'lock-limit = "100%"; metrics: {{ listen = "127.0.0.1:{port}"; }}; {more}'


def inactivity(t):
    port = free_port()
    with Bed(settings(port, 'lock-after = "30d";')) as bed:
        bed.everything()
        bed.start().stop()
        fleet(bed, SILENT, 0)
        bed.start().connected()
        await_(lambda: numbers(bed)['rounds'] > 0, 'the first round', PATIENCE)
        t.equal(bed.status()['devices']['enrolled'], COUNT, 'the whole fleet is there, and nobody is inactive')
        tell(t, bed, 'a round with nothing to do')
        probe = Probe(port)
        probe.start()
        began = time.monotonic()
        bed.write_conf(settings(port, 'lock-after = "24h";'))
        await_(lambda: bed.status()['devices']['inactive'] == SILENT, 'the silent fifth to become Inactive', PATIENCE)
        print(f'# {SILENT} locked in {time.monotonic() - began:.1f} s; {probe.stop()}', flush=True)
        t.equal(bed.journal().count('is inactive and its access is locked'), SILENT, 'a fifth of the fleet, one line each')
        tell(t, bed, 'inactivity')
        t.equal(bed.stop(), 0, 'the daemon stops')


def refresh(t):
    port = free_port()
    with Bed(settings(port, 'lock-after = "30d";')) as bed:
        bed.everything()
        bed.start().stop()
        fleet(bed, 0, 30)
        probe = Probe(port)
        began = time.monotonic()
        bed.start()
        probe.start()
        await_(lambda: numbers(bed)['rounds'] > 0, 'the first round', 10 * PATIENCE)
        print(f'# all asked in {time.monotonic() - began:.1f} s; {probe.stop()}', flush=True)
        queue = bed.ask('/v1/enrollments/OLD-0/queue')['queue']
        t.equal(sorted(c['type'] for c in queue), ['CertificateList', 'DeviceInformation', 'ProfileList', 'SecurityInfo'],
                'everything is due for everybody, and is asked')
        tell(t, bed, 'refresh')
        t.equal(bed.stop(), 0, 'the daemon stops')


Tap().run(inactivity, refresh)
