"""events.py - cordonctl watch and export: events as they happen, and everything readable as JSON lines"""
import json
import signal
import subprocess
import time

from bed import BUILD, SLOW, Bed, Tap, await_


def follow(bed, name, *more):
    out = f'{bed.dir}/{name}.log'
    bed.begin(name, f'{BUILD}/cordonctl', '--socket', f'{bed.rundir}/control.sock', 'watch', *more)
    return lambda: bed.read(out)


def watch(t):
    with Bed() as bed:
        bed.everything()
        bed.start()
        bed.connected()
        plain, lines = follow(bed, 'plain'), follow(bed, 'lines', '--json')
        bed.enroll('A')

        def locked():
            bed.ctl('lock', '00008110-A')
            bed.ctl('unlock', '00008110-A')
            return 'access locked by' in plain() and 'DEVICE_UNLOCKED' in lines()
        await_(locked, 'the events on both')
        t.ok(True, 'events are printed as they happen')
        await_(lambda: lines().endswith('\n'), 'a whole line')
        events = [json.loads(line) for line in lines().splitlines()]
        t.ok(all({'number', 'at', 'event', 'surveillance', 'message', 'priority'} <= set(e) for e in events), '--json: a line each', events)
        own = [e for e in events if e['event'] == 'DEVICE_LOCKED'][-1]
        t.ok(own['enrollment'] == '00008110-A' and own['surveillance'] and own['actor'], 'with enrollment and actor', own)
        numbers = [e['number'] for e in events]
        t.equal(numbers, list(range(numbers[0], numbers[0] + len(numbers))), 'none is missing and none comes twice')
        for query, words in (('after=x', 'after'), ('after=-1', 'after'), ('wait=51', 'wait'), ('after=1&after=2', 'after')):
            t.has(bed.ask(f'/v1/events?{query}').get('error'), words, f'{query} is refused')
        t.equal(bed.ask('/v1/events?after=999999999')['events'][0]['number'], 1, 'a number from before a restart starts anew')
        began = time.monotonic()
        t.equal(bed.ask(f'/v1/events?after={bed.ask("/v1/events")["next"]}&wait=1')['events'], [], 'nothing new: an empty answer')
        t.ok(time.monotonic() - began >= 0.9, 'after the time that was asked for')
        began = time.monotonic()
        bed.stop()
        t.ok(time.monotonic() - began < 5 * SLOW, 'followers do not keep the daemon from stopping')
        await_(lambda: all(p.poll() is not None for n, p in bed.processes.items() if n in ('plain', 'lines')), 'the end of the followers')
        t.equal(bed.end('plain', signal.SIGTERM), 2, 'and say that it is gone')


def export(t):
    with Bed() as bed:
        bed.everything()
        bed.start()
        bed.connected()
        bed.enroll('A')
        bed.device('A', 'set-bootstrap', '0123456789abcdef')
        bed.enroll('B')
        bed.ctl('send', '00008110-B', 'SecurityInfo', '--no-push')
        done = bed.ctl('export')
        rows = [json.loads(line) for line in done.stdout.splitlines()]
        kinds = {r['kind'] for r in rows}
        t.equal(kinds, {'link', 'enrollment', 'queue', 'results'}, 'every kind is there, and no secrets')
        t.equal({r['id'] for r in rows if r['kind'] == 'enrollment'}, {'00008110-A', '00008110-B'}, 'every enrollment too')
        t.ok(any(q['type'] == 'SecurityInfo' for r in rows if r['kind'] == 'queue' and r['id'] == '00008110-B' for q in r['queue']),
             'and what waits')
        t.ok('ASNFZ4mrze8=' not in done.stdout and '0123456789abcdef' not in done.stdout, 'the bootstrap token is not')
        done = bed.ctl('export', '--with-secrets')
        t.has(done.stderr, 'plain text', '--with-secrets warns')
        t.ok(any(r['kind'] == 'secrets' and r['id'] == '00008110-A' and r['secrets'] for r in map(json.loads, done.stdout.splitlines())),
             'and has them')
        t.ok(' read ' in bed.journal(), 'the surveillance log says so')
        t.equal(bed.ctl('export', '--all', check=False).returncode, 64, 'an unknown option is a fault')


Tap().run(watch, export)
