"""topic.py - a wrong topic and a wrong server-name wait for a person's word; a refused certificate gives way to the next"""
import json
import os
import re
import shutil
import socket

from bed import BUILD, Bed, Tap, await_, free_port, run

COUNT = 50
OTHER = 'com.apple.mgmt.External.99999999-8888-7777-6666-555555555555'


def fleet(bed, count, first=1, name='fleet', check=True, *more):
    """Devices that enroll, answer one session and are done; their memory stays for another round."""
    return run(f'{BUILD}/tests/device/fake-device', 'fleet', '--count', count, '--first', first, '--concurrency', 4, '--keys', 4, '--state',
               f'{bed.dir}/{name}', '--link', bed.link('--uses', 'any'), '--public-roots', bed.roots(), '--patience', 60, *more,
               check=check)


def pushes(bed):
    return [json.loads(line) for line in bed.read(bed.pushes).splitlines()]


def topic_of(status, topic):
    return next((p for p in status['push'] if p.get('topic') == topic), {})


def serial(path):
    return run('openssl', 'x509', '-in', path, '-noout', '-serial').stdout.strip().partition('=')[2].lower().lstrip('0')


def ids(bed):
    return [d['id'] for d in bed.ctl_json('devices')]


def order(bed, words):
    """A command for the fake APNs."""
    with socket.socket(socket.AF_UNIX) as s:
        s.connect(f'{bed.rundir}/apns')
        s.sendall(words.encode() + b'\n')
        return s.recv(4096).decode().strip()


def other_certificate(bed, topic=OTHER, **more):
    """A certificate of another topic, with a key of its own, as somebody makes who chose Create in the portal."""
    key, csr = f'{bed.dir}/other.key', f'{bed.dir}/other.csr'
    run('openssl', 'req', '-newkey', 'rsa:2048', '-nodes', '-keyout', key, '-out', csr, '-subj', '/CN=other')
    out = bed.signed(csr=csr, topic=topic, out=f'{bed.dir}/MDM_Other_Certificate.pem', **more)
    shutil.copy(key, f'{bed.certs}/other.key')
    os.chmod(f'{bed.certs}/other.key', 0o640)
    shutil.copy(out, bed.certs)
    return out


def wrong_topic(t):
    with Bed(settings='refresh: { device-information = "never"; security-info = "never"; profile-list = "never"; '
                      'certificate-list = "never"; };') as bed:
        bed.everything()
        bed.start()
        bed.connected()
        fleet(bed, COUNT)
        await_(lambda: bed.status()['devices']['enrolled'] == COUNT, 'the fleet enrolls')
        ours = bed.status()['push'][0]['certificate']['serial']

        other_certificate(bed)
        await_(lambda: 'MDM_Other_Certificate.pem: this push certificate is refused' in bed.journal(), 'the refusal in the journal')
        said = [line for line in bed.journal().splitlines() if 'this push certificate is refused' in line]
        t.has(said[0], f'{COUNT} devices are enrolled under another', 'the journal has the count')
        t.has(said[0], f'cordonctl accept-topic {OTHER}', 'and the way to mean it')
        status = bed.status()
        t.equal([p['topic'] for p in status['push']], [bed.topic], 'nothing changes: one topic')
        t.equal((status['push'][0]['state'], status['push'][0]['certificate']['serial']), ('Connected', ours), 'nothing changes: its connection')
        t.ok(any(OTHER in p and f'{COUNT} devices' in p for p in status['problems']), 'status has the count', status['problems'])
        t.equal(bed.ctl('status', check=False).returncode, 1, 'cordonctl status exits 1')
        steps = bed.ctl_json('steps')['steps']
        t.ok([s['state'] for s in steps].count('next') == 1 and OTHER in steps[0]['title'], 'steps: the one next step is to settle it', steps)
        bed.ctl('reload')
        await_(lambda: bed.status() and not bed.journal().count('is refused') > 1, 'looked again')
        t.equal(bed.journal().count('this push certificate is refused'), 1, 'it is said once')

        done = bed.ctl('accept-topic', OTHER, check=False, stdin=-3)
        t.ok(done.returncode == 65 and f'{COUNT} devices' in done.stdout, 'accept-topic tells the number, and without a terminal wants --yes',
             done.stdout + done.stderr)
        t.equal(bed.ctl('accept-topic', 'com.apple.mgmt.External.nobody', '--yes', check=False).returncode, 65, 'an unknown topic is refused')
        bed.ctl('accept-topic', OTHER, '--yes')
        await_(lambda: topic_of(bed.status(), OTHER).get('state') == 'Connected', 'the new topic is connected')
        status = bed.status()
        t.equal({p['topic']: (p['devices'], p['current'], p['state']) for p in status['push']},
                {bed.topic: (COUNT, False, 'Connected'), OTHER: (0, True, 'Connected')}, 'two topics side by side')
        t.has(bed.journal(), f'accepted topic {OTHER}', 'the surveillance log has who accepted it')
        t.ok(not status['problems'], 'nothing needs a person', status['problems'])

        fleet(bed, 3, first=1001, name='new')
        await_(lambda: topic_of(bed.status(), OTHER)['devices'] == 3, 'new devices enroll under the new topic')
        t.equal(topic_of(bed.status(), bed.topic)['devices'], COUNT, 'the others keep theirs')
        before = len(pushes(bed))
        bed.ctl('push', *ids(bed))
        await_(lambda: len(pushes(bed)) >= before + COUNT + 3, 'all are pushed', 30)
        by_topic = {}
        for p in pushes(bed)[before:]:
            by_topic.setdefault(p['topic'], []).append((p['serial'].lower().lstrip('0'), p['status']))
        old = serial(f'{bed.certs}/MDM_Example_Certificate.pem')
        new = serial(f'{bed.certs}/MDM_Other_Certificate.pem')
        t.equal((len(by_topic[bed.topic]), set(by_topic[bed.topic])), (COUNT, {(old, 200)}), 'the 50 are pushed with the old certificate')
        t.equal((len(by_topic[OTHER]), set(by_topic[OTHER])), (3, {(new, 200)}), 'the new ones with the new certificate')

        os.unlink(f'{bed.certs}/MDM_Example_Certificate.pem')
        await_(lambda: topic_of(bed.status(), bed.topic).get('certificate') is None, 'the old certificate is gone')
        wanted = f'Topic {bed.topic} has no push certificate: its {COUNT} devices can only be met when they poll, and must be enrolled again'
        t.ok(any(p.startswith(wanted) for p in bed.status()['problems']), 'status says what becomes of the 50', bed.status()['problems'])
        t.has(bed.ctl('status', check=False).stdout, 'these devices can only be met when they poll', 'in its table too')
        t.equal(topic_of(bed.status(), OTHER)['state'], 'Connected', 'the other topic goes on')
        bed.stop()
        bed.start()
        await_(lambda: topic_of(bed.status(), OTHER).get('state') == 'Connected', 'after a restart')
        t.ok(any(p.startswith(wanted) for p in bed.status()['problems']), 'the same after a restart', bed.status()['problems'])
        steps = bed.ctl_json('steps')['steps']
        t.equal([s['state'] for s in steps].count('next'), 1, 'steps: one next')
        done = fleet(bed, COUNT, name='fleet', check=False)
        t.equal(done.returncode, 0, 'the 50 still poll and are answered')
        t.equal(bed.stop(), 0, 'it stops cleanly')


def refused_certificate(t):
    """Two usable certificates of one topic: after Apple's 403 the next one has its turn."""
    with Bed() as bed:
        bed.ssc()
        bed.tls()
        bed.apple()
        bed.apns()
        csr = bed.csr()
        last = bed.signed(csr, days=400, out=f'{bed.dir}/MDM_last.pem')
        next_ = bed.signed(csr, days=300, out=f'{bed.dir}/MDM_next.pem')
        shutil.copy(last, bed.certs)
        shutil.copy(next_, bed.certs)
        bed.start()
        bed.connected()
        bed.enroll('0001')
        t.equal(bed.status()['push'][0]['certificate']['file'], 'MDM_last.pem', 'of two, the one that expires last')
        t.equal(order(bed, f'refuse 403 BadCertificate {serial(last)}'), 'ok', 'Apple refuses it')
        before = len(pushes(bed))
        bed.ctl('push', '00008110-0001')
        accepted = await_(lambda: [p for p in pushes(bed)[before:] if p['status'] == 200], 'the push goes out with the next')
        t.equal(accepted[0]['serial'].lower().lstrip('0'), serial(next_), 'with the next certificate')
        t.has(bed.journal(), 'Refused: localhost refuses pushes (BadCertificate)', 'the journal has the refusal')
        t.has(bed.journal(), 'MDM_next.pem: this push certificate for topic', 'and the next one')
        t.equal(bed.status()['push'][0]['certificate']['file'], 'MDM_next.pem', 'status shows the one that is in use')
        bed.stop()


def server_name(t):
    with Bed() as bed:
        bed.everything()
        bed.start()
        bed.connected()
        fleet(bed, COUNT)
        await_(lambda: bed.status()['devices']['enrolled'] == COUNT, 'the fleet enrolls')
        name, new = f'localhost:{bed.port}', f'mdm.example.org:{bed.port}'
        bed.drop_in('50-name.conf', f'server-name = "{new}";\nlock-after = "7d";\n')
        await_(lambda: 'server-name: "mdm.example.org' in bed.journal(), 'the refusal in the journal')
        line = next(x for x in bed.journal().splitlines() if 'server-name: "mdm.example.org' in x)
        t.ok(re.search(rf'50-name\.conf:1: server-name: "{new}" is refused: {COUNT} devices', line), 'the journal has file, line and count', line)
        status = bed.status()
        t.equal(status['server_name'], name, 'the old name stays')
        t.ok(any(f'{COUNT} devices are enrolled under another name' in p for p in status['problems']), 'status has the count', status['problems'])
        t.ok(bed.ctl('status', check=False).stdout.startswith('Configuration faults'), 'status begins with it')
        t.ok('configuration loaded; changed: lock-after' not in bed.journal(), 'nothing of that configuration is in use')
        bed.ctl('reload')
        bed.stop()
        bed.start()
        t.equal(bed.status()['server_name'], name, 'a restart keeps the old name')
        t.ok(bed.status()['configuration']['faults'], '... and the fault')
        t.has(bed.link(), f'https://{name}/', 'links have the old name')
        t.equal(bed.ctl('accept-server-name', 'typo.example.org', '--yes', check=False).returncode, 65, 'a name that nobody asks for is refused')
        done = bed.ctl('accept-server-name', new, check=False, stdin=-3)
        t.ok(done.returncode == 65 and f'{COUNT} devices' in done.stdout, 'accept-server-name tells the number and wants --yes', done.stdout)
        t.equal(bed.status()['server_name'], name, 'nothing changed')
        bed.ctl('accept-server-name', new, '--yes')
        await_(lambda: bed.status()['server_name'] == new, 'the new name is in use')
        t.ok(not bed.status()['configuration']['faults'], 'the fault is gone')
        t.has(bed.link(), f'https://{new}/', 'new links have the new name')
        t.ok(any('is not for server-name mdm.example.org' in p for p in bed.status()['problems']), 'a TLS certificate without that name is a problem',
             bed.status()['problems'])
        done = run(f'{BUILD}/tests/device/fake-device', 'fleet', '--count', COUNT, '--concurrency', 4, '--state', f'{bed.dir}/fleet',
                   '--link', 'https://none.invalid/', '--public-roots', bed.roots(), check=False)
        t.equal(done.returncode, 0, 'enrolled devices go on under the old name')
        bed.stop()
        bed.start()
        t.equal(bed.status()['server_name'], new, 'a restart keeps the accepted name')
        os.unlink(f'{bed.dir}/etc/conf.d/50-name.conf')
        await_(lambda: bed.status()['server_name'] == name, 'the way back needs no word: devices know the old name')
        t.ok(True, 'the way back needs no word')
        t.equal(bed.stop(), 0, 'it stops cleanly')


Tap().run(wrong_topic, refused_certificate, server_name)
