"""commands.py - commands from the command line to a device and back: typed, filled in, cancelled, for many, and what devices leave"""
import json
import os
import plistlib

from bed import Bed, SOURCE, Tap, await_, run

PHONE, MAC, OTHER = '000C00000000000A', '000C00000000000B', '000C00000000000C'
ID = '00008110-'
PROFILE = {'PayloadType': 'Configuration', 'PayloadVersion': 1, 'PayloadIdentifier': 'org.example.wifi', 'PayloadUUID':
           '11111111-2222-3333-4444-555555555555', 'PayloadDisplayName': 'Wi-Fi', 'PayloadContent': []}
QUIET = 'refresh: { security-info = "never"; profile-list = "never"; certificate-list = "never"; };'


def types():
    rows = [line.split('\t') for line in open(f'{SOURCE}/etc/apple-schema/commands.tsv') if not line.startswith('#')]
    return sorted({r[0] for r in rows})


def schema(bed):
    return ['--schema', f'{SOURCE}/etc/apple-schema/commands.tsv']


def results(bed, name):
    return {r['uuid']: r for r in bed.ctl_json('results', ID + name)}


def refused(t, bed, words, has, name):
    done = bed.ctl('send', ID + PHONE, *words, check=False)
    t.equal(done.returncode, 65, name)
    t.has(done.stderr, has, f'{name}: it says why')


def every_command(t):
    """Each command of the table is built from its example, accepted by a device that checks, answered, stored and shown."""
    with Bed(settings=QUIET + 'queue: { keep-results = 100; };') as bed:
        bed.everything()
        bed.start()
        bed.connected()
        bed.enroll(PHONE, *schema(bed))
        bed.device(PHONE, *schema(bed), 'poll')
        sent = {}
        for name in types():
            if name == 'EraseDevice':
                continue
            words = bed.ask(f'/v1/commands/{name}')['example']
            done = bed.ctl('send', ID + PHONE, name, *words, '--no-push', '--strict', check=False)
            if not t.equal(done.returncode, 0, f'{name} is built from its example'):
                print('#', done.stderr)
                continue
            sent[done.stdout.split()[0]] = name
        bed.device(PHONE, *schema(bed), '--ignore-rights', 'poll')
        kept = results(bed, PHONE)
        for uuid, name in sent.items():
            t.ok(kept.get(uuid, {}).get('status') in ('Acknowledged', 'Error'), f'{name} is answered and its answer is kept', kept.get(uuid))
            t.ok(kept.get(uuid, {}).get('status') != 'CommandFormatError', f'{name} fits the schema')
            shown = bed.ctl('results', ID + PHONE, uuid, check=False)
            t.has(shown.stdout, name, f'the answer to {name} is shown')
        t.equal(bed.ctl_json('queue', ID + PHONE), [], 'the queue is empty')
        done = bed.ctl('send', ID + PHONE, 'EraseDevice', '--no-push', '--yes', check=False)
        t.equal(done.returncode, 0, 'EraseDevice is built')
        bed.device(PHONE, *schema(bed), '--ignore-rights', 'poll')
        t.equal(bed.ctl_json('show', ID + PHONE)['removal'], 'erased', 'an erased device is Removed(erased)')
        t.equal(bed.stop(), 0, 'the daemon stops cleanly')


def words(t):
    with Bed(settings=QUIET) as bed:
        bed.everything()
        bed.start()
        bed.connected()
        bed.enroll(PHONE)
        bed.device(PHONE, 'poll')
        refused(t, bed, ['EraseDevice', 'PreserveDataPlan=yes', '--yes'], 'true or false', 'a word for a boolean')
        refused(t, bed, ['InstallApplication', 'iTunesStoreID=12a'], 'whole number', 'letters in a number')
        refused(t, bed, ['DeviceLock', 'PIN=12345'], 'six digits', 'a PIN of five digits')
        refused(t, bed, ['RemoveProfile'], 'Identifier is missing', 'a missing key')
        refused(t, bed, ['RotateFileVaultKey', 'KeyType=other', 'FileVaultUnlock.Password=x'], 'personal|institutional', 'a value of no list')
        refused(t, bed, ['InstallApplication', 'Identifier=a', 'ManifestURL=https://x'], 'exactly one', 'two where one is wanted')
        refused(t, bed, ['Settings', 'Settings=[{"Item":"Bluetooth","Enabled":"no"}]'], 'Settings', 'a text for a boolean in JSON')
        refused(t, bed, ['DeviceLock', 'Shout=x', '--strict'], '2024-10-21', 'an unknown key with --strict')
        t.equal(bed.ctl_json('queue', ID + PHONE), [], 'nothing of that is queued')

        path = f'{bed.dir}/wifi.mobileconfig'
        plistlib.dump(PROFILE, open(path, 'wb'))
        one = bed.ctl('send', ID + PHONE, 'InstallProfile', f'Payload=@{path}', '--no-push').stdout.split()[0]
        done = bed.ctl('send', ID + PHONE, 'InstallProfile', f'Payload=@{path}', '--no-push')
        two = done.stdout.split()[0]
        t.equal([e['uuid'] for e in bed.ctl_json('queue', ID + PHONE)], [two], 'the later profile supersedes the waiting one')
        t.equal(results(bed, PHONE)[one]['status'], 'Superseded', 'which is recorded')
        done = bed.ctl('send', ID + PHONE, 'DeviceLock', 'Shout=x', '--no-push')
        t.has(done.stderr, 'Shout is not in the schema of 2024-10-21', 'an unknown key is a warning with the day of the schema')
        lock = done.stdout.split()[0]
        done = bed.ctl('send', ID + PHONE, 'UnlockUserAccount', 'UserName=ann', '--no-push')
        t.has(done.stderr, 'no UnlockUserAccount on iOS', 'a command of another system is a warning')
        mac_only = done.stdout.split()[0]
        done = bed.ctl('cancel', ID + PHONE, mac_only)
        t.has(done.stdout, 'cancelled', 'a command is cancelled')
        t.equal(bed.ctl('cancel', ID + PHONE, mac_only, check=False).returncode, 65, 'but once')
        t.equal(results(bed, PHONE)[mac_only]['status'], 'Cancelled', 'and recorded')
        t.has(bed.journal(), 'is cancelled by', 'with its actor in the surveillance log')
        bed.device(PHONE, 'poll')
        kept = results(bed, PHONE)
        t.equal((kept[two]['status'], kept[lock]['status']), ('Acknowledged', 'Acknowledged'), 'the others reach the device')

        said = bed.ctl('send', '--help', 'DeviceLock').stdout
        for part in ('Message', 'PhoneNumber', 'PIN', 'string', 'cordonctl send'):
            t.has(said, part, f'send --help DeviceLock explains the keys: {part}')
        t.equal(bed.ctl('send', '--help', 'NoSuch', check=False).returncode, 65, 'and says when there is no such command')
        out = bed.ctl('send', ID + PHONE, 'Settings', 'Settings[0].Item=DeviceName', 'Settings[0].DeviceName=A', 'Settings={"Item":"Bluetooth","Enabled":true}', '--no-push')
        t.has(out.stdout, 'Settings queued', 'nested keys and JSON together')
        t.equal(bed.ctl('send', ID + PHONE, 'InstallProfile', 'Payload=@/nonexistent', check=False).returncode, 66, 'a file that is not there')
        t.equal(bed.stop(), 0, 'the daemon stops cleanly')


def macs(t):
    """PINs, many at once, and the ways to go."""
    with Bed(settings=QUIET) as bed:
        bed.everything()
        bed.start()
        bed.connected()
        bed.enroll(PHONE)
        bed.enroll(MAC, '--product', 'MacBookPro16,1', '--os', '15.1')
        bed.device(MAC, 'poll')
        done = bed.ctl('send', ID + MAC, 'DeviceLock', 'Message=Found? Please call', '--no-push')
        uuid = done.stdout.split()[0]
        pins = bed.ctl_json('secrets', ID + MAC)[0]['pins']
        t.equal([(p['command_uuid'], len(p['pin'])) for p in pins], [(uuid, 6)], 'the PIN is there before the command is delivered')
        t.has(bed.journal(), f'Secrets of device {ID}{MAC} were read by', 'who reads secrets is in the surveillance log')
        bed.kill()
        bed.start()
        t.equal(bed.ctl_json('secrets', ID + MAC)[0]['pins'], pins, 'it survives a kill')
        bed.device(MAC, 'poll')
        t.equal(results(bed, MAC)[uuid]['status'], 'Acknowledged', 'the Mac, which insists on a PIN, is locked')
        t.ok(pins[0]['pin'] not in bed.journal(), 'no PIN is in the journal')
        bed.ctl('send', ID + MAC, 'EraseDevice', 'PIN=112233', '--no-push', '--yes')
        t.equal([p['pin'] for p in bed.ctl_json('secrets', ID + MAC)[0]['pins']], [pins[0]['pin'], '112233'], 'a given PIN is kept as well, beside the earlier')

        t.equal(bed.ctl('send', '--all', 'RestartDevice', check=False).returncode, 65, 'what cannot be taken back is not sent to all without --yes')
        done = bed.ctl('send', '--all', '--system', 'iOS', 'ProfileList', '--no-push')
        t.has(done.stdout, 'queued for 1 of 1', 'send --all --system iOS means the phone alone')
        done = bed.ctl('send', '--all', '--state', 'Enrolled', 'ProfileList', '--no-push')
        t.has(done.stdout, 'queued for 2 of 2', 'send --all --state Enrolled means both')
        uuids = [[e['uuid'] for e in bed.ctl_json('queue', ID + d)][-1] for d in (PHONE, MAC)]
        t.equal(uuids[0], uuids[1], 'one command is stored for both')

        bed.device(MAC, 'poll')
        done = bed.ctl('send', ID + MAC, 'ProfileList', check=False)
        t.has(done.stderr, 'it must be enrolled again', 'an erased device is sent nothing')
        t.has(done.stderr, 'removed on 20', 'and one learns since when')

        done = bed.ctl('release', ID + PHONE, check=False)
        t.has(done.stderr, 'is enrolled here', 'an enrolled device is not released')
        bed.ctl('remove', '--yes', ID + PHONE)
        bed.device(PHONE, 'poll', check=False)
        shown = bed.ctl_json('show', ID + PHONE)
        t.equal((shown['state'], shown['removal']), ('Removed', 'checkout'), 'remove makes the device drop its profile and check out')
        t.has(bed.ctl('push', ID + PHONE, check=False).stderr, 'enrolled again', 'a removed device is not pushed')

        bed.enroll(OTHER)
        done = bed.ctl('forget', ID + OTHER, check=False)
        t.equal(done.returncode, 65, 'an enrolled device is not forgotten by a slip')
        bed.ctl('forget', '--force', ID + OTHER)
        t.equal(bed.ctl('show', ID + OTHER, check=False).returncode, 65, 'forget deletes the record')
        done = bed.device(OTHER, 'idle-once', check=False)
        t.equal(done.returncode, 14, 'the forgotten device is refused, and stays enrolled')
        bed.ctl('release', ID + OTHER)
        done = bed.device(OTHER, 'idle-once', check=False)
        t.ok('com.apple.unrecognized.device' in done.stdout or any('403' in json.dumps(s) for s in done.steps), 'released, it is told to unenroll', done.stdout)
        t.equal(bed.curl('/mdm', '-X', 'PUT', '-d', 'x')[0], 400, 'nobody else is')
        t.equal(bed.stop(), 0, 'the daemon stops cleanly')


def setup(t):
    """enrollment.install and the setup assistant."""
    with Bed(settings=QUIET) as bed:
        good, bad = f'{bed.dir}/good.mobileconfig', f'{bed.dir}/bad.mobileconfig'
        plistlib.dump(PROFILE, open(good, 'wb'))
        open(bad, 'w').write('this is no profile')
        bed.write_conf(QUIET + f'enrollment: {{ install = [ "{good}", "{bad}", "{bed.dir}/none" ]; }};')
        bed.everything()
        bed.start()
        bed.connected()
        problems = '\n'.join(bed.status()['problems'])
        t.has(problems, f'{bad} is not installed on devices that enroll: this is no configuration profile', 'a faulty file is named in status')
        t.has(problems, f'{bed.dir}/none is not installed on devices that enroll: No such file', 'a missing one as well')
        t.ok(good not in problems, 'the good one is not')
        bed.enroll(PHONE, '--awaiting')
        t.has([e['type'] for e in bed.ctl_json('queue', ID + PHONE)], 'InstallProfile', 'the profile is queued after enrollment')
        bed.device(PHONE, 'poll')
        kept = [(r['type'], r['status']) for r in bed.ctl_json('results', ID + PHONE)]
        t.has(kept, ('InstallProfile', 'Acknowledged'), 'and installed')
        t.equal(kept[-1], ('DeviceConfigured', 'Acknowledged'), 'then the setup assistant may go on')
        bed.device(PHONE, 'poll')
        t.equal(len(bed.ctl_json('results', ID + PHONE)), len(kept), 'once')
        bed.write_conf(QUIET + 'enrollment: { hold-setup = true; };')
        bed.ctl('reload')
        await_(lambda: not bed.status()['problems'], 'the new configuration')
        bed.enroll(OTHER, '--awaiting')
        bed.device(OTHER, 'poll')
        t.ok('DeviceConfigured' not in [r['type'] for r in bed.ctl_json('results', ID + OTHER)], 'hold-setup holds it')
        t.equal(bed.stop(), 0, 'the daemon stops cleanly')


def newer_table(t):
    """Apple's next schema is a file put in the place of the one before."""
    with Bed(settings=QUIET) as bed:
        table = f'{bed.dir}/commands.tsv'
        text = open(f'{SOURCE}/etc/apple-schema/commands.tsv').read()
        bed.replace(table, text)
        bed.everything()
        bed.start(CORDON_SCHEMA=table)
        bed.connected()
        bed.enroll(PHONE)
        send = ('send', ID + PHONE, 'FoldDevice', 'Angle=90', '--strict', '--no-push')
        t.equal(bed.ctl(*send, check=False).returncode, 65, 'a command of next year is unknown')
        fold = 'FoldDevice\tfit\t\t\t\t\t\t\t\t9.3|n/a|n/a|n/a|n/a\nFoldDevice\treq\tAngle\tinteger\trequired\t\t\t\t\t9.3|n/a|n/a|n/a|n/a\n'
        bed.replace(table, text.replace('2024-10-21', '2027-10-21') + fold)
        bed.ctl('reload')
        await_(lambda: 'schema of 2027-10-21' in bed.journal(), 'the newer table')
        t.equal(bed.ctl(*send, check=False).returncode, 0, 'after a reload with a newer table it is known')
        done = bed.ctl('send', ID + PHONE, 'FoldDevice', 'Angle=much', check=False)
        t.has(done.stderr, 'whole number', '... with the types of its keys')
        bed.replace(table, 'no table\n')
        bed.ctl('reload')
        await_(lambda: 'checked by the one before' in bed.journal(), 'the refusal')
        t.equal(bed.ctl(*send, check=False).returncode, 0, 'a faulty table changes nothing')
        t.has('\n'.join(bed.status()['problems']), 'commands.tsv', '... and stands in the status')
        t.equal(bed.stop(), 0, 'the daemon stops cleanly')


def completion(t):
    script = f'{os.environ["CORDON_BUILD"]}/etc/completion/cordonctl'
    text = open(f'{SOURCE}/etc/completion/cordonctl.in').read().replace('@sysconfdir@', '/nonexistent').replace(
        '@pkgdatadir@', f'{SOURCE}/etc/apple-schema')

    def complete(*line):
        ask = f'{text}\nCOMP_WORDS=({" ".join(line)} "")\nCOMP_CWORD={len(line)}\n_cordonctl\necho "${{COMPREPLY[@]}}"'
        if line[-1].endswith('^'):
            line = line[:-1] + (line[-1][:-1],)
            ask = f'{text}\nCOMP_WORDS=({" ".join(line)})\nCOMP_CWORD={len(line) - 1}\n_cordonctl\necho "${{COMPREPLY[@]}}"'
        return run('bash', '-c', ask).stdout.split()

    t.equal(complete('cordonctl', 'send', 'X', 'DeviceL^'), ['DeviceLocation', 'DeviceLock'], 'names of commands are completed')
    t.equal(sorted(complete('cordonctl', 'send', 'X', 'DeviceLock')), ['Message=', 'PIN=', 'PhoneNumber='], 'and their keys')
    t.equal(complete('cordonctl', 'send', '--all', '--state', 'Enrolled', 'UserL^'), ['UserList'], 'also with --all')
    t.equal(sorted(complete('cordonctl', 'send', 'X')), types(), 'all of the table')
    text += '\ncordonctl() { [ "$*" = "devices --json" ] && printf \'{\\n    "id": "%s",\\n    "serial": "x"\\n}\\n\' AA-1 AB-2; }'
    t.equal(complete('cordonctl', 'show'), ['AA-1', 'AB-2'], 'ids are completed')
    t.equal(complete('cordonctl', 'lock', '--group-by', 'mo^'), ['model'], '... and columns to group by')
    t.equal(complete('cordonctl', 'lock', 'AB^'), ['AB-2'], '... from what is typed')
    t.equal(complete('cordonctl', 'send', 'AA^'), ['AA-1'], '... for send too')
    t.ok(os.path.exists(script), 'the script is made for the place where things are installed')


Tap().run(every_command, words, macs, setup, newer_table, completion)
