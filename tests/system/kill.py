"""kill.py - SIGKILL again and again while devices enroll and answer: what was acknowledged is there, and nothing twice"""
import collections
import json
import os
import random
import signal
import time

from bed import BUILD, Bed, Tap, await_

KILLS = int(os.environ.get('CORDON_KILLS', '200'))
DEVICES = int(os.environ.get('CORDON_KILL_DEVICES', '400'))


def acknowledged(path):
    """What the devices know: the journal's lines were written after the server's 200 had arrived."""
    seen = collections.defaultdict(list)
    for line in open(path):
        try:
            step = json.loads(line)
        except json.JSONDecodeError:
            continue
        seen[step['udid']].append(step)
    return seen


def torture(t):
    with Bed(settings='queue: { keep-results = 1000; };') as bed:
        bed.everything()
        bed.start()
        bed.connected()
        link, journal = bed.link('--uses', 'any'), f'{bed.dir}/acked.jsonl'
        fleet = bed.begin('fleet', f'{BUILD}/tests/device/fake-device', 'fleet', '--count', DEVICES, '--concurrency', 8,
                          '--keys', 8, '--link', link, '--public-roots', bed.roots(), '--commands', 4, '--patience', 120,
                          '--journal', journal)
        random.seed(1)
        kills, queued = 0, {}
        while kills < KILLS:
            time.sleep(random.uniform(0.02, 0.15))  # when it dies is what is tried, and no wait for anything
            # an administrator's command whose acknowledgement counts as well
            for udid in [d['id'] for d in bed.ask('/v1/enrollments?state=Enrolled&limit=1000')['enrollments']][-3:]:
                answer = bed.ask(f'/v1/enrollments/{udid}/queue', '{"request_type": "SecurityInfo"}')
                if answer.get('command_uuid') and not answer.get('error'):
                    queued[answer['command_uuid']] = udid
            bed.kill()
            kills += 1
            bed.start()
            if fleet.poll() is not None:
                fleet = bed.begin('fleet', f'{BUILD}/tests/device/fake-device', 'fleet', '--count', DEVICES, '--concurrency', 8,
                                  '--keys', 8, '--link', link, '--public-roots', bed.roots(), '--commands', 4, '--patience',
                                  120, '--journal', journal)
        t.ok(True, f'{kills} kills, each followed by a start that opened the store by itself')
        bed.connected()
        try:
            fleet.wait(300)
        except Exception:
            fleet.send_signal(signal.SIGTERM)
            fleet.wait(30)
        seen = acknowledged(journal)
        enrolled = {u for u, steps in seen.items() if any(s['step'] == 'token-update' for s in steps)}
        reports = {(u, s['uuid']) for u, steps in seen.items() for s in steps if s['step'] == 'report'}
        t.ok(len(enrolled) > 20 and len(reports) > 20 and len(queued) > 20,
             f'there is something to lose: {len(enrolled)} enrollments, {len(reports)} reports, {len(queued)} commands')

        for _ in range(2):  # as it is, and once more after a clean stop and start
            states = {d['id']: d['state'] for d in bed.ask('/v1/enrollments?limit=1000')['enrollments']}
            t.ok(all(states.get(u) == 'Enrolled' for u in enrolled), 'every acknowledged enrollment is there',
                 [u for u in enrolled if states.get(u) != 'Enrolled'])
            kept, twice = set(), []
            for u in states:
                uuids = [r['uuid'] for r in bed.ask(f'/v1/enrollments/{u}/results')['results']]
                kept |= {(u, x) for x in uuids}
                twice += [x for x, n in collections.Counter(uuids).items() if n > 1]
                waiting = [e['uuid'] for e in bed.ask(f'/v1/enrollments/{u}/queue')['queue']]
                kept |= {(u, 'queued ' + x) for x in waiting}
                twice += [x for x, n in collections.Counter(waiting).items() if n > 1] + sorted(set(uuids) & set(waiting))
            t.ok(reports <= kept, 'every acknowledged answer is there', sorted(reports - kept)[:20])
            lost = [x for x, u in queued.items() if (u, x) not in kept and (u, 'queued ' + x) not in kept]
            t.ok(not lost, 'every acknowledged command waits or is answered', lost[:20])
            t.ok(not twice, 'nothing is there twice', twice[:20])
            bed.stop()
            bed.start()


Tap().run(torture)
