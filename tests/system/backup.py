"""backup.py - a backup made while devices work, restored elsewhere with and without store.key; files that are no backup are refused

CORDON_BACKUP_DEVICES (default 20) is the size of the fleet.
"""
import json
import os
import shutil
import subprocess
import threading

from bed import BUILD, Bed, Tap, await_, run

DEVICES = int(os.environ.get('CORDON_BACKUP_DEVICES', '20'))


def restore(bed, file, check=False):
    return run(f'{BUILD}/cordond', '-c', bed.conf, '--restore', file, check=check)


def listing(bed):
    """What is known of every enrollment, without what a poll changes."""
    rows, cursor = {}, ''
    while True:
        page = bed.ask('/v1/enrollments?limit=100' + (f'&cursor={cursor}' if cursor else ''))
        for e in page['enrollments']:
            rows[e['id']] = {k: e[k] for k in ('id', 'state', 'serial', 'locked', 'topic') if k in e}
        cursor = page.get('cursor') or page.get('next')
        if not cursor:
            return rows


def empty_state(bed):
    shutil.rmtree(bed.state)
    os.mkdir(bed.state)


def whole(t):
    with Bed() as bed:
        bed.everything()
        bed.start()
        bed.connected()
        names = [f'D{i}' for i in range(DEVICES)]
        for name in names:
            bed.enroll(name)
        bed.ctl('lock', '00008110-D1')
        bed.ctl('send', '00008110-D2', 'DeviceInformation', '--no-push', check=False)
        before = listing(bed)
        stop, polls = threading.Event(), []

        def work(part):
            while not stop.is_set():
                for name in part:
                    polls.append(bed.device(name, 'poll', check=False).returncode)
                    if stop.is_set():
                        return

        threads = [threading.Thread(target=work, args=(names[i::2],)) for i in range(2)]
        for thread in threads:
            thread.start()
        await_(lambda: len(polls) > 4, 'the first sessions')
        file = f'{bed.dir}/backup'
        done = bed.ctl('backup', file, check=False)
        at = len(polls)
        await_(lambda: len(polls) > at + 4, 'sessions after the backup')
        stop.set()
        for thread in threads:
            thread.join()
        t.equal(done.returncode, 0, 'a backup is made while devices work')
        t.ok(not any(polls), f'and none of {len(polls)} sessions noticed', polls)
        t.equal(os.stat(file).st_mode & 0o777, 0o600, 'its file is for its owner only')
        t.has(bed.journal(), 'made a backup of', 'the surveillance log says who made it')
        bed.enroll('later')
        content = open(file, 'rb').read()
        t.ok(b'PushMagic' not in content and bytes.fromhex(open(f'{bed.certs}/store.key').read().strip()) not in content,
             'it holds neither the key nor plain secrets')
        bed.stop()
        refused(t, bed, file, content)
        empty_state(bed)
        done = restore(bed, file)
        t.equal(done.returncode, 0, 'it is restored')
        t.has(done.stdout, 'store.key', 'and says what its secrets need')
        bed.start()
        t.equal(listing(bed), before, 'what it holds is what was there when it began: only what came later is missing')
        t.equal(len(bed.ask('/v1/enrollments/00008110-D2/queue')['queue']) > 0 or
                len(bed.ask('/v1/enrollments/00008110-D2/results')['results']) > 0, True, 'commands or their answers are there')
        begun = bed.journal().count('begins to enroll')
        for name in names[:5]:
            t.equal(bed.device(name, 'poll', check=False).returncode, 0, f'{name} is served')
        t.equal(bed.journal().count('begins to enroll'), begun, 'with no new Authenticate')
        bed.stop()
        without_key(t, bed, file, before)


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


def without_key(t, bed, file, before):
    empty_state(bed)
    key = f'{bed.certs}/store.key'
    os.rename(key, f'{bed.dir}/kept.key')
    t.equal(restore(bed, file).returncode, 0, 'it is restored without store.key')
    bed.start()
    t.equal(listing(bed), before, 'and everything but the secrets is there')
    t.ok(any('store.key' in p for p in bed.status()['problems']), 'status says that the key is missing', bed.status()['problems'])
    t.equal(bed.device('D3', 'poll', check=False).returncode, 0, 'a device is served')
    bed.stop()
    os.rename(f'{bed.dir}/kept.key', key)
    bed.start()
    bed.connected()
    pushed = len(bed.read(bed.pushes).splitlines())
    bed.ctl('push', '00008110-D4')
    await_(lambda: len(bed.read(bed.pushes).splitlines()) > pushed, 'a push with the token of the backup')
    t.ok(True, 'with store.key put back tokens are there again')


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
