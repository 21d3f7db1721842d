#!/usr/bin/env python3
"""inactivity.py - silence on a live daemon: lock-after by file replace, lock-limit, pause, refresh, what is shown and counted

The past comes from old-fleet, which writes it into the store of a daemon that does not run.
"""
import csv
import io
import json
import os
import re
import shutil
import subprocess
import time
import urllib.request

from bed import BUILD, SLOW, Bed, Tap, await_, free_port, run

COUNT, SILENT = 1000, 100


def old_fleet(bed, count, silent, days):
    run(f'{BUILD}/tests/system/old-fleet', bed.state, f'{bed.certs}/store.key', bed.topic, count, silent, days)


def devices(bed, *more):
    return json.loads(bed.ctl('devices', '--json', *more).stdout)


def inactive(bed):
    return bed.status()['devices']['inactive']


def scrape(port):
    return urllib.request.urlopen(f'http://127.0.0.1:{port}/metrics', timeout=10 * SLOW).read().decode()


def value(text, name):
    found = re.search('^' + re.escape(name) + r' (\S+)$', text, re.M)
    return float(found.group(1)) if found else None


def lock_after_by_file_replace(t):
    port = free_port()
    settings = f'lock-after = "30d"; lock-limit = "20%"; metrics: {{ listen = "127.0.0.1:{port}"; }};'
    with Bed(settings) as bed:
        bed.everything()
        bed.start().stop()
        old_fleet(bed, COUNT, SILENT, 2)
        bed.start().connected()
        rounds = lambda: bed.status()['inactivity']['rounds']  # noqa
        await_(lambda: rounds() > 0, 'the first round')
        t.equal(inactive(bed), 0, 'with 30 days nobody is inactive')
        t.equal(bed.status()['inactivity']['clocks'][0]['runs'], True, 'the service clock runs')

        began = time.monotonic()
        bed.write_conf(settings.replace('30d', '24h'))
        await_(lambda: inactive(bed) == SILENT, 'all silent devices to become Inactive', 60)
        took = time.monotonic() - began
        t.ok(took < 60 * SLOW, f'within a minute of the change ({took:.1f} s)')
        ids = sorted(d['id'] for d in devices(bed, '--state', 'inactive'))
        t.equal(ids, sorted(f'OLD-{i}' for i in range(COUNT - SILENT, COUNT)), 'exactly the silent ones are Inactive')
        t.equal(len(devices(bed, '--locked')), SILENT, 'and locked')
        at = rounds()
        bed.ctl('reload')
        await_(lambda: rounds() > at, 'another round', 60)
        lines = [x for x in bed.journal().splitlines() if 'is inactive and its access is locked' in x]
        t.equal(len(lines), SILENT, 'one surveillance line each')
        t.has(lines[0], '2 asks unanswered', 'the line has the asks')
        t.has(lines[0], 'lock-after 1d', 'the line has lock-after')
        t.equal(bed.ctl('access', 'OLD-999', check=False).stdout.strip(), 'denied: locked', 'the gate denies a silent one')
        t.equal(bed.ctl('access', 'OLD-0').stdout.strip(), 'allowed', 'and allows one that answers')

        bed.write_conf(settings)
        at = rounds()
        await_(lambda: rounds() > at and bed.status()['inactivity']['lock_after'] == '30d', 'the way back', 60)
        t.equal(inactive(bed), SILENT, 'back to 30 days brings nobody back')
        t.equal(sorted(d['id'] for d in devices(bed, '--locked')), ids, 'and unlocks nobody')
        t.equal(bed.ctl('access', 'OLD-900', check=False).stdout.strip(), 'denied: locked', 'the gate denies as before')
        t.equal(bed.journal().count('is inactive and its access is locked'), SILENT, 'and no further line is written')

        listed = devices(bed, '--inactive-for', '1d')
        t.equal(len(listed), SILENT, 'devices --inactive-for 1d lists those')
        t.equal(len(devices(bed, '--inactive-for', '3d')), 0, 'and 3d none')
        t.ok(bed.ctl('devices', '--inactive-for', 'soon', check=False).returncode == 65, 'a faulty time is refused')
        rows = list(csv.reader(io.StringIO(bed.ctl('devices', '--csv', '--sort', 'os').stdout)))
        t.equal(rows[0][:3], ['id', 'serial', 'name'], 'CSV has a head')
        t.equal(len(rows), COUNT + 1, 'and a row each')
        t.equal([rows[1][5], rows[-1][5]], ['9.1', '18.2'], 'sorted by version, not by letter')
        t.ok(all(not r[2].startswith('=') for r in rows), 'no cell is a formula')
        t.ok(bed.ctl('devices', '--sort', 'beauty', check=False).returncode == 64, 'an unknown column is refused')

        metrics(t, bed, port)
        state = bed.status()['inactivity']
        t.ok(state['slice_us_max'] < 20000 * SLOW, f'a slice of the round is short ({state["slice_us_max"]} us)')
        t.equal(bed.stop(), 0, 'the daemon stops')


def metrics(t, bed, port):
    text = scrape(port)
    t.equal(value(text, 'cordon_devices{state="inactive"}'), SILENT, 'metrics count the inactive')
    t.equal(value(text, 'cordon_device_last_response_age_seconds_bucket{le="86400"}'), COUNT - SILENT,
            'and devices by days since they answered')
    t.equal(value(text, 'cordon_device_last_response_age_seconds_bucket{le="604800"}'), COUNT, 'in every bucket')
    t.equal(value(text, f'cordon_push_connected{{topic="{bed.topic}"}}'), 1, 'and connections')
    t.equal(value(text, f'cordon_service_clock_standing{{topic="{bed.topic}",cause="push"}}'), 0, 'and clocks')
    t.ok((value(text, 'cordon_gate_answers_total{answer="denied",reason="locked"}') or 0) >= 1, 'and answers of the gate')
    t.ok(value(text, 'cordon_store_commit_duration_seconds_count') > 0, 'and commits')
    t.ok(300 * 86400 < value(text, 'cordon_certificate_remaining_seconds{kind="push",file="MDM_Example_Certificate.pem"}'),
         'and what is left of certificates')
    if shutil.which('promtool'):
        done = subprocess.run(['promtool', 'check', 'metrics'], input=text, capture_output=True, text=True)
        t.ok(done.returncode == 0 and not done.stdout + done.stderr, 'promtool has nothing to say', done.stdout + done.stderr)
    else:
        t.ok(True, 'promtool has nothing to say (it is not on this machine)')
    done = run('curl', '-s', '-o', os.devnull, '-w', '%{http_code}', f'http://127.0.0.1:{port}/v1/status')
    t.equal(done.stdout, '404', 'nothing else is on that port')


def the_limit_asks_a_person(t):
    with Bed('lock-after = "24h"; lock-limit = "20%";') as bed:
        bed.everything()
        bed.start().stop()
        old_fleet(bed, 100, 60, 2)
        bed.start().connected()
        await_(lambda: inactive(bed) == 20, 'the limit to be reached', 60)
        await_(lambda: bed.status()['inactivity']['over_limit'] == 40, 'the rest to be counted', 60)
        t.has('\n'.join(bed.status()['problems']), '40 devices are silent', 'status says so')
        t.equal(bed.journal().count('(lock-limit)'), 1, 'there is one alarm')
        t.has(bed.ctl('lock', '--silent').stdout, '40 devices', 'a person locks the rest')
        await_(lambda: inactive(bed) == 60, 'all silent devices to be Inactive', 60)
        t.ok(re.search(r'access is locked by \w+', bed.journal()), 'in that person\'s name')


def there_and_back(t):
    """A real device: silent, Inactive, answers, still locked, unlocked by hand."""
    with Bed('lock-after = "never";') as bed:
        bed.everything()
        bed.start().connected()
        bed.enroll('A')
        bed.device('A', 'poll')
        udid = '00008110-A'
        t.equal(bed.ctl('pause', udid).returncode, 0, 'pause')
        t.ok(bed.ctl_json('show', udid)['paused_since'], 'is shown')
        t.equal(bed.ctl('pause', '--end', udid).returncode, 0, 'and ends')
        t.ok(not bed.ctl_json('show', udid)['paused_since'], 'which is shown too')
        t.equal(bed.journal().count('silence does not count'), 1, 'both are told of')

        t.has(bed.ctl('refresh', udid).stdout, 'asked', 'refresh asks')
        waiting = [c['type'] for c in bed.ask(f'/v1/enrollments/{udid}/queue')['queue']]
        t.equal(sorted(waiting), ['CertificateList', 'DeviceInformation', 'ProfileList', 'SecurityInfo'], 'every kind once')
        t.has(bed.ctl('refresh', udid).stdout, 'wait already', 'never twice')
        t.has(bed.ctl('refresh', '--all').stdout, '1 devices', 'all can be asked')
        bed.device('A', 'poll')
        done = bed.ctl('refresh', '--state', 'Enrolled', '--group-by', 'state')
        t.has(done.stdout, 'asked for 1 of 1', 'those of a state can be asked')
        t.has(done.stderr, '1  Enrolled', '... counted by a column')
        t.equal(len(bed.ask(f'/v1/enrollments/{udid}/queue')['queue']), 4, 'every kind once, again')
        t.has(bed.ctl('refresh', '--state', 'Inactive', '--locked').stdout, 'asked for 0 of 0', 'and none of another')
        t.equal(bed.ctl('refresh', '--state', 'Enrolled', udid, check=False).returncode, 64, 'ids and a state are one too many')
        t.equal(bed.ctl('refresh', check=False).returncode, 64, 'and neither is too little')


def refused(t, done, what):
    t.ok(done.returncode == 65 and re.search(r'removed on \d{4}-\d\d-\d\d: it must be enrolled again', done.stderr),
         f'{what} is refused by name and date', (done.returncode, done.stderr))


def removed_means_nothing_is_sent(t):
    """After CheckOut each verb refuses, and the API says so of that id alone."""
    with Bed() as bed:
        bed.everything()
        bed.start().connected()
        for name in 'AB':
            bed.enroll(name)
            bed.device(name, 'poll')
        good, gone = '00008110-A', '00008110-B'
        bed.device('B', 'checkout')
        t.equal(bed.ctl_json('show', gone)['removal'], 'checkout', 'the device left by CheckOut')
        refused(t, bed.ctl('send', gone, 'ProfileList', check=False), 'send')
        refused(t, bed.ctl('push', gone, check=False), 'push')
        refused(t, bed.ctl('refresh', gone, check=False), 'refresh')
        both = bed.ctl('push', good, gone, check=False)
        refused(t, both, 'push of one among two')
        t.ok(good not in both.stderr, 'and the other is not blamed', both.stderr)
        both = bed.ctl('refresh', good, gone, check=False)
        refused(t, both, 'refresh of one among two')
        t.has(both.stdout, f'{good}: asked', 'and the other is asked')

        words = re.compile(r'removed on \d{4}-\d\d-\d\d: it must be enrolled again$')
        plist = ('<plist version="1.0"><dict><key>Command</key><dict><key>RequestType</key><string>ProfileList</string></dict>'
                 '<key>CommandUUID</key><string>0b0c3c0d-0000-4000-8000-00000000000{}</string></dict></plist>')
        for number, (path, body, error) in enumerate((('/v1/push/', None, 'push_error'), ('/v1/enqueue/', plist, 'command_error'))):
            for ids, wanted in ((f'{good},{gone}', 207), (f'{gone},{good}', 207), (gone, 500), (good, 200)):
                number += 2
                status, answer = bed.answer(path + ids, body and body.format(number))
                t.equal(status, wanted, f'{path} of {ids.replace(good, "GOOD").replace(gone, "REMOVED")} answers {wanted}')
                if gone in ids:
                    t.ok(words.match(answer['status'][gone].get(error, '')), '... with the reason under its id', answer)
                if good in ids:
                    t.equal(answer['status'][good], {'push_result': 'asked'}, '... and the good one is asked')
        t.equal(bed.ask(f'/v1/enrollments/{gone}/queue')['queue'], [], 'nothing waits for the device that left')


def our_own_name(t):
    """Without any device, the daemon's own request tells whether it can be heard."""
    with Bed() as bed:
        bed.everything()
        bed.start().connected()
        await_(lambda: bed.status()['inactivity']['heard_at'], 'our own request')
        t.equal(bed.status()['inactivity']['unreached'], None, 'the own name leads here, by the own root')
        bed.stop()
        bed.write_conf()
        bed.replace(bed.conf, bed.read(bed.conf).replace(f'server-name = "localhost:{bed.port}"', 'server-name = "localhost:1"'))
        bed.start()
        await_(lambda: bed.status()['inactivity']['unreached'], 'our own request to fail')
        t.equal(bed.status()['inactivity']['heard_at'], None, 'a name that leads nowhere is no proof')
        t.equal(bed.stop(), 0, 'the daemon stops')


Tap().run(our_own_name, lock_after_by_file_replace, the_limit_asks_a_person, there_and_back,
          removed_means_nothing_is_sent)
