"""backup.py - a backup made while devices work, restored on another machine without and with store.key, and what differs; files that
are no backup are refused, and a restore that fails half-way leaves nothing

CORDON_BACKUP_DEVICES (default 20) is the size of the fleet.
"""
import json
import os
import resource
import shutil
import signal
import time

from bed import BUILD, Bed, Tap, await_, run

DEVICES = int(os.environ.get('CORDON_BACKUP_DEVICES', '20'))


def restore(bed, file, **more):
    return run(f'{BUILD}/cordond', '-c', bed.conf, '--restore', file, check=False, **more)


def empty_state(bed):
    shutil.rmtree(bed.state)
    os.mkdir(bed.state)


def fleet(bed, *more):
    """The devices, as one process for all of them."""
    return [f'{BUILD}/tests/device/fake-device', 'fleet', '--state', f'{bed.dir}/fleet', '--count', DEVICES, '--keys', 4,
            '--public-roots', bed.roots(), *more]


def export(bed):
    """Each line by what it is about; silent_for is left out: it is the clock, and no record."""
    lines = [json.loads(line) for line in bed.ctl('export').stdout.splitlines()]
    return {(line['kind'], line['id']): {k: v for k, v in line.items() if k != 'silent_for'} for line in lines}


def active(journal, since):
    """The devices whose messages were acknowledged after `since`."""
    steps = [json.loads(line) for line in open(journal)] if os.path.exists(journal) else []
    return {step['udid'] for step in steps if step['time'] >= since}


def differing(a, b):
    return {what for what in set(a) | set(b) if a.get(what) != b.get(what)}


def elsewhere(bed, other):
    """What an administrator carries to a new machine: /etc/cordon, and store.key by another way (not yet)."""
    for name in os.listdir(bed.certs):
        if name != 'store.key':
            shutil.copy2(f'{bed.certs}/{name}', other.certs)
    shutil.copytree(f'{bed.dir}/apple', f'{other.dir}/apple')
    other.port, other.apns_port = bed.port, bed.apns_port
    other.write_conf()


def whole(t):
    with Bed() as bed, Bed() as other:
        bed.everything()
        bed.start()
        bed.connected()
        link, journal, file = bed.link('--uses', 'any'), f'{bed.dir}/acked.jsonl', f'{other.dir}/backup'
        run(*fleet(bed, '--link', link, '--concurrency', 8, '--idle-rounds', 1))
        ids = sorted(d['id'] for d in bed.ask('/v1/enrollments?limit=500')['enrollments'])
        t.equal(len(ids), DEVICES, f'{DEVICES} devices are enrolled')
        bed.device('quiet', 'enroll', link=link)
        bed.ctl('lock', ids[0], '00008110-quiet')
        bed.ctl('send', '00008110-quiet', 'DeviceInformation', 'Queries=["OSVersion"]', '--no-push')
        for device in ids[1:6]:
            bed.ctl('send', device, 'SecurityInfo', '--no-push')
        bed.begin('work', *fleet(bed, '--concurrency', 4, '--idle-rounds', 1000000, '--poll-every', 500, '--journal', journal))
        await_(lambda: len(active(journal, 0)) >= DEVICES // 2, 'the first sessions', 60)
        began = time.time()
        before = export(bed)
        backup_began = time.time()
        done = bed.ctl('backup', file, check=False)
        backup_done = time.time()
        t.equal(done.returncode, 0, f'a backup is made while {DEVICES} devices work')
        bed.ctl('send', ids[7], 'SecurityInfo', '--no-push')
        bed.ctl('lock', ids[8])
        bed.device('later', 'enroll', link=link)
        await_(lambda: len(active(journal, backup_done)) >= DEVICES // 2, 'sessions after the backup', 60)
        bed.end('work')
        report = bed.read(f'{bed.dir}/work.log')
        t.ok('"failed"' in report and not [line for line in report.splitlines() if line.startswith('{"') and '"failed"' in line],
             f'and none of {len(active(journal, 0))} devices noticed', report)
        after = export(bed)
        t.equal(os.stat(file).st_mode & 0o777, 0o600, 'its file is for its owner only')
        t.has(bed.journal(), 'made a backup of', 'the surveillance log says who made it')
        content = open(file, 'rb').read()
        t.ok(b'PushMagic' not in content and bytes.fromhex(open(f'{bed.certs}/store.key').read().strip()) not in content,
             'it holds neither the key nor plain secrets')
        secrets, tokens = DEVICES + 2, DEVICES + 2  # each brought an UnlockToken and a push token; one came after the backup
        bed.stop()
        elsewhere(bed, other)
        refused(t, bed, file, content)
        half_way(t, other, file)
        empty_state(other)
        without_key(t, bed, other, file, secrets - 1, tokens - 1)
        restored = export(other)
        events = {ids[7], ids[8], '00008110-later'}  # what the journal has after the backup began
        t.ok(all(f'CORDON_ENROLLMENT={i}' in bed.journal() or i in bed.journal() for i in events), 'the journal has what came after it')
        compare(t, (before, restored, after), active(journal, began), active(journal, backup_began) | events)
        with_key(t, bed, other, ids)


def compare(t, exports, during, later):
    """`during`: devices heard since the first export began, `later`: heard or touched since the backup began."""
    before, restored, after = exports
    a, b = differing(before, restored), differing(restored, after)
    t.ok({i for kind, i in a if kind != 'link'} <= during, f'{len(a)} lines of {len(before)} differ from the export before it: '
         'each is of a device that was heard since', sorted(a)[:5])
    t.ok(all(before[x].get('last_seen', '') <= restored[x].get('last_seen', '') for x in a if x[0] == 'enrollment'),
         'and later than that export, never earlier')
    t.ok({i for kind, i in b if kind != 'link'} <= later, f'{len(b)} lines differ from the export at the end: '
         'each is of a device that was heard or touched after the backup began', sorted(b)[:5])
    keys = {key for x in (a | b) & set(before) & set(restored) & set(after) for key in after[x]
            if len({json.dumps(e[x].get(key), sort_keys=True) for e in exports}) > 1}
    t.ok(keys <= {'last_seen', 'queue', 'results', 'device_information', 'device_information_at', 'security_info', 'security_info_at',
                  'access', 'lock', 'locked', 'used'}, f'and only in what sessions and commands change: {sorted(keys)}')
    t.ok(('enrollment', '00008110-later') not in restored and ('enrollment', '00008110-later') in after,
         'the device that enrolled after the backup is not in it')
    t.ok(before[('enrollment', '00008110-quiet')] == restored[('enrollment', '00008110-quiet')] == after[('enrollment', '00008110-quiet')] and
         before[('queue', '00008110-quiet')] == restored[('queue', '00008110-quiet')], 'one that was not heard is the same in all three')


def refused(t, bed, file, content):
    """Each leaves the state directory as it was."""
    bad = f'{bed.dir}/bad'
    held = sorted(os.listdir(bed.state))
    middle = len(content) // 2
    cases = [(b'', 'no backup of Cordon'), (b'hello, I am a foreign file, and long enough for a head', 'no backup of Cordon'),
             (b'\x1f\x8b' + content[2:], 'no backup of Cordon'), (content[:20], 'no backup of Cordon'),
             (content[:middle], 'cut off'), (content[:-1], 'cut off'), (content + b'x', 'checksum'),
             (content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1:], 'checksum'),
             (content[:8] + b'\0\0\0\2' + content[12:], 'newer'),
             (content[:24] + b'\1\x0d../state.gdbm' + content[36:], 'holds what no backup')]
    for data, words in cases:
        with open(bad, 'wb') as f:
            f.write(data)
        done = restore(bed, bad)
        t.ok(done.returncode == 65 and words in done.stderr and bad in done.stderr, f'refused: {words} ({len(data)} bytes)',
             (done.returncode, done.stderr))
    t.has(restore(bed, '/dev/zero').stderr, 'no backup', 'a device file is none either')
    t.has(restore(bed, f'{bed.dir}/nothing').stderr, 'No such file', 'a missing file is named')
    done = restore(bed, file)
    t.ok(done.returncode == 65 and 'holds a store already' in done.stderr, 'a directory with a store is not overwritten', done.stderr)
    t.equal(sorted(os.listdir(bed.state)), held, 'nothing of them was left there')
    empty_state(bed)
    with open(bad, 'wb') as f:
        f.write(content[:-1])
    restore(bed, bad)
    t.equal(os.listdir(bed.state), [], 'nor in an empty one')


def half_way(t, bed, file):
    """Files that may not grow, as on a full disk: whatever a restore wrote goes, and the same command works afterwards."""
    head = open(file, 'rb').read(64)
    database = int.from_bytes(head[26 + head[25]:34 + head[25]], 'big')
    for limit, where in ((4096, 'at its beginning'), (database - 4096, 'at the end of its database')):
        def limited():
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

        # Python ignores SIGXFSZ, and so does what it starts with restore_signals=False: the write fails
        done = restore(bed, file, preexec_fn=limited, restore_signals=False)
        t.ok(done.returncode == 65 and 'nothing is restored' in done.stderr, f'a restore that fails {where} says so', done.stderr)
        t.equal(os.listdir(bed.state), [], 'and leaves nothing')
        done = restore(bed, file, preexec_fn=limited)
        t.ok(done.returncode == -signal.SIGXFSZ and os.listdir(bed.state), f'one that dies {where} leaves something',
             (done.returncode, os.listdir(bed.state)))
        done = run(bed.cordond, '-c', bed.conf, check=False, timeout=60, env={**os.environ, 'RUNTIME_DIRECTORY': bed.rundir})
        t.ok(done.returncode == 74 and 'cordond --restore' in done.stderr, 'which no daemon takes for a store', (done.returncode, done.stderr))
    done = restore(bed, file)
    t.equal(done.returncode, 0, 'and the same command, said again, restores it all')
    t.ok('restoring' not in os.listdir(bed.state), 'with nothing left over', os.listdir(bed.state))
    t.has(restore(bed, file).stderr, 'holds a store already', 'once: a whole store is not overwritten')


def without_key(t, bed, other, file, secrets, tokens):
    done = restore(other, file)
    t.equal(done.returncode, 0, 'it is restored on another machine, without store.key')
    t.has(done.stdout, f'{secrets} of {secrets} secrets and the push tokens of {tokens} of {tokens} enrollments do not open',
          'which says how many secrets do not open')
    t.has(done.stdout, 'store.key is missing', 'and why')
    other.start()
    t.has(other.journal(), f'{secrets} secrets and the push tokens of {tokens} enrollments do not open', 'so does the journal at start')
    status = other.status()
    t.ok(any(f'{secrets} secrets' in p and 'store.key' in p for p in status['problems']), 'and status', status['problems'])
    t.equal([status['store'][k] for k in ('key', 'secrets_shut', 'push_tokens_shut')], [False, secrets, tokens], 'in numbers too')


def with_key(t, bed, other, ids):
    """What devices and administrators do goes on; secrets as soon as the key is there, and not with another one."""
    begun = other.journal().count('begins to enroll')
    done = run(*fleet(bed, '--concurrency', 4, '--idle-rounds', 1), check=False)
    t.equal(done.returncode, 0, 'without the key every device is served')
    t.equal(other.journal().count('begins to enroll'), begun, 'with no new Authenticate')
    other.stop()
    with open(os.open(f'{other.certs}/store.key', os.O_WRONLY | os.O_CREAT, 0o640), 'w') as f:
        f.write('ab' * 32 + '\n')
    other.start()
    status = other.status()
    t.ok(any('is not the one that sealed' in p for p in status['problems']) and status['store']['secrets_shut'] > 0,
         'with another key status says that it is the wrong one', status['problems'])
    other.stop()
    shutil.copy2(f'{bed.certs}/store.key', other.certs)
    other.start()
    other.connected()
    status = other.status()
    t.equal([status['store'][k] for k in ('key', 'secrets_shut', 'push_tokens_shut')], [True, 0, 0], 'with its own key all secrets open')
    pushed = len(bed.read(bed.pushes).splitlines())
    other.ctl('push', ids[9])
    await_(lambda: len(bed.read(bed.pushes).splitlines()) > pushed, 'a push with the token of the backup')
    t.ok(True, 'and a device is pushed by the token of the backup')
    t.has(other.ctl('secrets', ids[9]).stdout, 'unlock token', 'whose secrets are there')


def api(t):
    with Bed() as bed:
        bed.start()
        made = bed.ask('/v1/backup', '{}')
        t.ok(set(made) == {'id', 'made_at', 'bytes', 'sha256'}, 'POST /v1/backup tells of it', made)
        for query, words in ((f'id={made["id"]}', 'offset'), (f'id={made["id"]}&offset=-1', 'offset'),
                             (f'id={made["id"]}&offset={made["bytes"] + 1}', 'offset'), ('id=x&offset=0', 'no such'), ('', 'no such')):
            t.has(bed.ask(f'/v1/backup?{query}').get('error'), words, f'GET with "{query[:3]}...{query[-12:]}" is refused: {words}')
        done = bed.ctl('backup', f'{bed.dir}/no/such/directory', check=False)
        t.ok(done.returncode == 73 and 'No such file' in done.stderr, 'a file that cannot be written is named', done.stderr)
        t.equal(bed.ctl('backup', check=False).returncode, 64, 'and a missing name')
        t.equal(sorted(f for f in os.listdir(bed.state) if 'backup' in f or 'tmp' in f), [], 'nothing is left in the state directory')


Tap().run(whole, api)
