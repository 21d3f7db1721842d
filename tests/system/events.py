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


def changes(t):
    """What an administrator wants to know of a device is told when its answers differ, as device and daemon make them."""
    with Bed() as bed:
        bed.everything()
        bed.start().connected()
        me, lines = '00008110-A', follow(bed, 'lines', '--json')
        bed.enroll('A')

        def asked(*more):
            bed.ctl('refresh', me)
            bed.device('A', *more, 'poll')
            return seen()

        def seen():
            return [e for e in bed.ask('/v1/events?after=0')['events'] if e['event'] in ('OS_CHANGED', 'PASSCODE_REMOVED',
                                                                                        'PROFILE_REMOVED', 'APPS_CHANGED')]
        bed.drop_in('50-apps.conf', 'refresh: { installed-applications = "7d"; };')
        await_(lambda: 'installed-applications' in bed.journal(), 'the setting to be taken')
        t.equal(asked('--apps', '20', '--profiles', '5'), [], 'first answers are compared with nothing')
        t.equal(asked('--apps', '20', '--profiles', '5'), [], 'the same answers again change nothing')
        events = asked('--os', '18.7.1', '--apps', '22', '--profiles', '4')
        t.equal(sorted(e['event'] for e in events), ['APPS_CHANGED', 'OS_CHANGED', 'PROFILE_REMOVED'], 'each change is told once')
        by = {e['event']: e for e in events}
        t.ok(by['OS_CHANGED']['to'].startswith('18.7.1') and by['OS_CHANGED']['enrollment'] == me and by['OS_CHANGED']['serial'] == 'C39A',
             'the version, from and to', by)
        t.ok(by['APPS_CHANGED']['added'] and 'removed' not in by['APPS_CHANGED'], 'what was added by name', by)
        t.ok(by['PROFILE_REMOVED']['removed'] and by['PROFILE_REMOVED']['surveillance'], 'what was removed, in the surveillance log', by)
        await_(lambda: 'OS_CHANGED' in lines() and 'APPS_CHANGED' in lines(), 'cordonctl watch to show them')
        t.ok(True, 'cordonctl watch shows them')
        t.equal([e for e in bed.ask('/v1/events?after=0')['events'] if e['event'] == 'COMMAND_DONE' and e.get('actor') is None], [],
                'answers that nobody asked for are no events')


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


Tap().run(watch, changes, export)
