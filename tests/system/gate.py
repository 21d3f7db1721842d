"""gate.py - the gate's truth table over its socket, and nginx that asks it, with the configurations of etc/examples"""
import base64
import hashlib
import http.client
import os
import pwd
import re
import shutil
import socket
import subprocess
import sys
import textwrap
import time
import urllib.parse

from bed import BUILD, SLOW, SOURCE, Bed, Tap, await_, free_port, run

EXAMPLES = f'{SOURCE}/etc/examples'
NGINX = shutil.which('nginx', path=os.environ.get('PATH', '') + ':/usr/sbin')
# What it is worth to a service whether a device is on this side of the line: (name, by id, by certificate) for each setting
# of allow-unenrolled.  A device has answered, was locked by hand, was silent for lock-after, or left; some only began.
ENROLLED, LOCKED, INACTIVE, INACTIVE_LOCKED, REMOVED, REMOVED_LOCKED, PENDING, PENDING_LOCKED, RETURNED = (
    f'000A1C2E3F4000{i:02X}' for i in range(1, 10))
UNKNOWN = '000A1C2E3F4000FF'
STATES = {ENROLLED: 'Enrolled', LOCKED: 'Enrolled', INACTIVE: 'Inactive', INACTIVE_LOCKED: 'Inactive', REMOVED: 'Removed',
          REMOVED_LOCKED: 'Removed', PENDING: 'Pending', PENDING_LOCKED: 'Pending', RETURNED: 'Pending'}
# Each needs a key of its own, which takes a second: all of them with CORDON_GATE=full.
WITH_CANDIDATE = [n for n, s in STATES.items() if s != 'Pending'] if os.environ.get('CORDON_GATE') == 'full' else [ENROLLED, REMOVED_LOCKED]
ALLOWED, DENIED = 204, 403
# key: id, serial, EAS id -> (answer with allow-unenrolled false, true, reason when denied); its certificate -> the same
TABLE = {
    ENROLLED: ((ALLOWED, ALLOWED, None), (ALLOWED, ALLOWED, None)),
    LOCKED: ((DENIED, DENIED, 'locked'), (DENIED, DENIED, 'locked')),
    INACTIVE: ((DENIED, DENIED, 'inactive'), (DENIED, DENIED, 'inactive')),
    INACTIVE_LOCKED: ((DENIED, DENIED, 'locked'), (DENIED, DENIED, 'locked')),
    REMOVED: ((DENIED, DENIED, 'removed'), (DENIED, DENIED, 'revoked')),
    REMOVED_LOCKED: ((DENIED, DENIED, 'locked'), (DENIED, DENIED, 'revoked')),
    PENDING: ((DENIED, ALLOWED, 'not enrolled'), (DENIED, DENIED, 'not enrolled')),
    PENDING_LOCKED: ((DENIED, DENIED, 'locked'), (DENIED, DENIED, 'locked')),
    # a new id of a device that left and was locked: its serial number tells
    RETURNED: ((DENIED, DENIED, 'locked'), (DENIED, DENIED, 'not enrolled')),
    UNKNOWN: ((DENIED, ALLOWED, 'not enrolled'), (DENIED, ALLOWED, 'not enrolled')),
}


def udid(name):
    return f'00008110-{name}'


class GateConnection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__('gate')
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(self.path)


def ask(bed, query, headers=None):
    """(status, body, Cache-Control) of one question over the gate socket."""
    c = GateConnection(f'{bed.rundir}/gate.sock')
    try:
        c.request('GET', f'/access?{query}', headers=headers or {})
        r = c.getresponse()
        return r.status, r.read().decode(), r.getheader('Cache-Control')
    finally:
        c.close()


def eas_of(bed, name):
    """What the device said of itself to DeviceInformation."""
    return bed.ctl_json('show', udid(name)).get('device_information', {}).get('EASDeviceIdentifier')


def answer_information(bed, name):
    bed.ctl('send', udid(name), 'DeviceInformation', '--no-push')
    bed.device(name, 'poll')
    return await_(lambda: eas_of(bed, name), 'the answer with the id for ActiveSync')


def serial(name):
    return f'C39{REMOVED_LOCKED if name == RETURNED else name}'


def pem(der):
    text = base64.b64encode(der).decode()
    return '-----BEGIN CERTIFICATE-----\n' + '\n'.join(textwrap.wrap(text, 64)) + '\n-----END CERTIFICATE-----\n'


def issued(done):
    """The certificate that SCEP gave in this run of the fake device, as PEM."""
    return pem(base64.b64decode([s for s in done.steps if s['step'] == 'scep'][-1]['certificate']))


def begin(bed, name):
    """A device that sends Authenticate with a new identity, and no TokenUpdate: the certificate."""
    done = bed.device(f'{name}-new', '--udid', udid(name), '--serial', serial(name), '--stop-after', 'authenticate', 'enroll',
                      link=bed.link(), check=False)
    return issued(done)


def fall_silent(bed, *names, days=2):
    """A past for these devices: asked two days ago, and no answer since."""
    bed.stop()
    run(f'{BUILD}/tests/system/old-fleet', bed.state, f'{bed.certs}/store.key', bed.topic, '--silent', days, *[udid(n) for n in names])
    bed.start().connected()


def state(bed, name):
    return bed.ctl_json('show', udid(name))['state']


def populate(bed):
    """One device in each state, by what devices and administrators do: ids for ActiveSync and certificates of each."""
    eas, certificates = {}, {}
    for name, wanted in STATES.items():
        if wanted != 'Pending':
            certificates[name] = issued(bed.enroll(name))
            eas[name] = answer_information(bed, name)
    fall_silent(bed, INACTIVE, INACTIVE_LOCKED)
    for name in (INACTIVE, INACTIVE_LOCKED):
        await_(lambda: state(bed, name) == 'Inactive', f'{name} to become Inactive', 60)
    bed.ctl('unlock', udid(INACTIVE))
    bed.ctl('lock', udid(LOCKED), udid(REMOVED_LOCKED))
    for name in (REMOVED, REMOVED_LOCKED):
        bed.device(name, 'checkout')
    for name in (PENDING, PENDING_LOCKED, RETURNED):
        certificates[name] = begin(bed, name)
    bed.ctl('lock', udid(PENDING_LOCKED))
    return eas, certificates


def certificate_keys(text):
    """The ways to name a certificate: as nginx escapes it, as RFC 9440 writes it, and its SHA-256."""
    der = base64.b64decode(''.join(text.splitlines()[1:-1]))
    digest = hashlib.sha256(der).hexdigest()
    return [f'certificate={urllib.parse.quote(text, safe="")}', f'certificate=:{base64.b64encode(der).decode()}:',
            f'certificate={digest}', 'certificate=' + ':'.join(textwrap.wrap(digest.upper(), 2))]


class Verifier:
    """openssl, with the SSC and the list that the daemon publishes."""

    def __init__(self, bed):
        self.bed, self.ca, self.crl, self.cert = bed, f'{bed.certs}/ssc.crt', f'{bed.dir}/crl.pem', f'{bed.dir}/cert.pem'

    def allows(self, text):
        with open(self.cert, 'w') as f:
            f.write(text)
        return run('openssl', 'verify', '-crl_check', '-purpose', 'sslclient', '-CAfile', self.ca, '-CRLfile', self.crl, self.cert,
                   check=False).returncode == 0

    def differs(self, certificates):
        """Names of certificates of which openssl says something else than the gate; the list may lag by seconds."""
        der = self.bed.curl('/crl')[1]
        open(f'{self.crl}.der', 'wb').write(der)
        run('openssl', 'crl', '-inform', 'DER', '-in', f'{self.crl}.der', '-out', self.crl)
        return [name for name, text in certificates.items()
                if self.allows(text) != (ask(self.bed, certificate_keys(text)[0])[0] == ALLOWED)]

    def agrees(self, t, certificates, when):
        good = []
        try:
            await_(lambda: good.append(self.differs(certificates)) or not good[-1], 'openssl and the gate to agree', 30)
        except TimeoutError:
            pass
        t.equal(good[-1], [], f'openssl verify -crl_check agrees with the gate, {when}')


class Judge:
    def __init__(self, t, bed, eas, certificates, stranger):
        self.t, self.bed, self.eas, self.certificates, self.stranger = t, bed, eas, certificates, stranger

    def one(self, key, row, column, what):
        status, body, cache = ask(self.bed, key)
        good = status == row[column] and 'no-store' in (cache or '')
        if status == DENIED:
            good = good and f'"{row[2]}"' in body and '"allowed"' in body
        self.t.ok(good, f'{what} is answered {row[column]} {row[2] or ""}', f'{key}\n{status} {cache} {body}\nwanted {row}')

    def whole(self, column, when):
        """Every row by every key, with one setting of allow-unenrolled."""
        for name, (device, certificate) in TABLE.items():
            keys = [f'id={udid(name)}']
            if name != RETURNED:  # the serial number is that of another row
                keys.append(f'serial={serial(name)}')
            if name in self.eas:
                keys.append(f'eas={self.eas[name]}')
            for key in keys:
                self.one(key, device, column, f'{when}: {STATES.get(name, "Unknown")} {key}')
            for key in certificate_keys(self.certificates.get(name, self.stranger)):
                self.one(key, certificate, column, f'{when}: {STATES.get(name, "Unknown")} {name} by {key[:18]}')
        self.t.equal(ask(self.bed, 'eas=ApplNOBODY')[0], TABLE[UNKNOWN][0][column], f'{when}: an ActiveSync id that nobody has')


def both_settings(t, bed, judge, verifier, certificates, when):
    judge.whole(0, f'{when}, allow-unenrolled false')
    verifier.agrees(t, certificates, when)
    bed.drop_in('50-open.conf', 'allow-unenrolled = true;')
    await_(lambda: ask(bed, f'id={udid(UNKNOWN)}')[0] == ALLOWED, 'allow-unenrolled to be taken')
    judge.whole(1, f'{when}, allow-unenrolled true')
    verifier.agrees(t, certificates, f'{when}, and allow-unenrolled does not matter')
    os.unlink(f'{bed.dir}/etc/conf.d/50-open.conf')
    await_(lambda: ask(bed, f'id={udid(UNKNOWN)}')[0] == DENIED, 'allow-unenrolled to be taken back')


def candidates(t, bed, judge, verifier, certificates):
    """The same devices, each of them in the middle of a new installation: nothing changes until it is complete."""
    waiting = {name: begin(bed, name) for name in WITH_CANDIDATE}
    for name, text in waiting.items():
        t.equal(state(bed, name), STATES[name], f'{name} with a candidate is still {STATES[name]}')
        reason = 'locked' if TABLE[name][0][2] == 'locked' else 'not enrolled'
        for key in certificate_keys(text):
            for column in (0, 1):
                judge.one(key, (DENIED, DENIED, reason), column, f'the certificate that waits beside {STATES[name]} by {key[:18]}')
    both_settings(t, bed, judge, verifier, {**certificates, **{f'{n} waiting': c for n, c in waiting.items()}}, 'with candidates')


def locked_and_managed(t, bed, verifier, certificates):
    """A lock changes nothing between the device and us: it polls, reports, and renews its identity."""
    before = bed.ctl_json('show', udid(LOCKED))['last_seen']
    bed.ctl('send', udid(LOCKED), 'DeviceInformation', '--no-push')
    t.equal(bed.device(LOCKED, 'poll').returncode, 0, 'a locked device polls')
    t.ok(bed.ctl_json('show', udid(LOCKED))['last_seen'] >= before, '... and is seen')
    t.equal([r['status'] for r in bed.ctl_json('results', udid(LOCKED)) if r['type'] == 'DeviceInformation'][-1], 'Acknowledged',
            '... and reports')
    bed.ctl('renew', udid(LOCKED))
    done = bed.device(LOCKED, 'poll')
    await_(lambda: bed.ctl_json('show', udid(LOCKED))['identity']['renewal_begun'] is None, 'the end of the renewal')
    renewed = issued(done)
    t.ok(renewed != certificates[LOCKED], '... and renews its identity')
    t.equal(bed.ctl_json('show', udid(LOCKED))['locked'], True, '... and is locked')
    both = {'old': certificates[LOCKED], 'renewed': renewed}
    for which, text in both.items():
        t.equal(ask(bed, certificate_keys(text)[0])[:2], (DENIED, '{"allowed":false,"reason":"locked"}'), f'... by the {which} one too')
    verifier.agrees(t, both, 'of a locked device that renewed')
    bed.ctl('unlock', udid(LOCKED))
    t.equal({ask(bed, certificate_keys(text)[0])[0] for text in both.values()}, {ALLOWED}, 'unlocked, both are allowed')
    verifier.agrees(t, both, 'of a device that renewed')
    bed.ctl('lock', udid(LOCKED))


def odd_questions(t, bed, certificates):
    good = certificate_keys(certificates[ENROLLED])[0]
    for query in ('', 'id=', f'id={udid(ENROLLED)}&serial={serial(ENROLLED)}', f'id={udid(ENROLLED)}&id={udid(LOCKED)}', 'name=x',
                  'id=%00', 'id=%zz', 'certificate=', 'certificate=x', 'certificate=' + 'a' * 63, 'certificate=' + 'a' * 66,
                  'certificate=:AAAA:', 'certificate=::', good[:-300], f'{good}&id={udid(ENROLLED)}', f'{good}&{good}',
                  'certificate=' + 'A' * 20000):
        status = ask(bed, query)[0]
        t.ok(status in (400, 403), f'"{query[:60]}" lets nobody in', status)
    # the header counts where it is configured, and only where nothing else is asked
    text = urllib.parse.quote(certificates[ENROLLED], safe='')
    t.equal(ask(bed, '', {'X-Client-Cert': text})[0], 400, 'a header that nobody configured is no question')
    bed.drop_in('50-header.conf', 'proxy: { client-certificate-header = "X-Client-Cert"; };')
    await_(lambda: ask(bed, '', {'X-Client-Cert': text})[0] == ALLOWED, 'the header to be taken')
    t.equal(ask(bed, '', {'X-Client-Cert': urllib.parse.quote(certificates[LOCKED], safe='')})[0], DENIED, 'the header is a question')
    t.equal(ask(bed, f'id={udid(LOCKED)}', {'X-Client-Cert': text})[0], DENIED, '... and opens nothing beside another one')
    t.equal(ask(bed, '', {'X-Client-Cert': 'x'})[0], 400, '... when it is a certificate')
    os.unlink(f'{bed.dir}/etc/conf.d/50-header.conf')


def table(t):
    with Bed('lock-after = "24h";') as bed:
        bed.everything()
        bed.start()
        bed.connected()
        eas, certificates = populate(bed)
        for name, wanted in STATES.items():
            t.equal(state(bed, name), wanted, f'{name} is {wanted}')
        t.equal(len(set(eas.values())), 6, 'each device has an ActiveSync id of its own')
        run('openssl', 'req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-keyout', f'{bed.dir}/other.key', '-out', f'{bed.dir}/other.pem',
            '-subj', '/CN=issued elsewhere')
        verifier = Verifier(bed)
        judge = Judge(t, bed, eas, certificates, open(f'{bed.dir}/other.pem').read())
        both_settings(t, bed, judge, verifier, certificates, 'as they are')
        candidates(t, bed, judge, verifier, certificates)
        locked_and_managed(t, bed, verifier, certificates)

        # a new installation of a locked device stays denied; only a person's unlock opens
        certificate = issued(bed.device(REMOVED_LOCKED, 'enroll', link=bed.link()))
        t.equal(state(bed, REMOVED_LOCKED), 'Enrolled', 'a locked device that was removed enrolls again')
        t.equal(ask(bed, f'serial={serial(REMOVED_LOCKED)}')[0], DENIED, '... and stays denied')
        t.equal(ask(bed, certificate_keys(certificate)[0])[0], DENIED, '... also by its new certificate')
        bed.ctl('unlock', udid(REMOVED_LOCKED))
        t.equal(ask(bed, f'serial={serial(REMOVED_LOCKED)}')[0], ALLOWED, '... until it is unlocked')
        t.equal(ask(bed, certificate_keys(certificate)[0])[0], ALLOWED, '... also by its new certificate')
        odd_questions(t, bed, certificates)
        bed.stop()
        bed.start()
        t.equal([ask(bed, f'id={udid(n)}')[0] for n in (ENROLLED, LOCKED, REMOVED)], [ALLOWED, DENIED, DENIED],
                'a restart changes no answer')


def surveillance(bed, after, name):
    """Entries of the surveillance log about a device since the event with this number, and the number of the last one."""
    found = bed.ask(f'/v1/events?after={after}')
    return [e for e in found['events'] if e['surveillance'] and e.get('enrollment') == udid(name)], found['next']


def the_long_way_back(t):
    """Silent, back, removed, enrolled again: only a person's word opens.  Each step is told once, with who and why."""
    me = pwd.getpwuid(os.geteuid()).pw_name
    key = f'id={udid(ENROLLED)}'
    with Bed('lock-after = "24h";') as bed:
        bed.everything()
        bed.start().connected()
        bed.enroll(ENROLLED)
        bed.device(ENROLLED, 'poll')
        t.equal(ask(bed, key)[0], ALLOWED, 'an enrolled device is allowed')
        fall_silent(bed, ENROLLED)
        at = 0

        def step(what, wanted_state, wanted_answer, event, actor, reason):
            nonlocal at
            t.equal((state(bed, ENROLLED), bed.ctl_json('show', udid(ENROLLED))['locked']), wanted_state, f'{what}: {wanted_state}')
            t.equal(ask(bed, key)[0], wanted_answer, f'{what}: the gate answers {wanted_answer}')
            entries, at = surveillance(bed, at, ENROLLED)
            t.equal([e['event'] for e in entries], [event], f'{what}: one entry, {event}')
            good = entries and entries[0].get('actor') == actor and re.search(reason, f'{entries[0].get("reason")}; {entries[0]["message"]}')
            t.ok(good, f'{what}: by {actor}, because of {reason}', entries)

        await_(lambda: state(bed, ENROLLED) == 'Inactive', 'the device to become Inactive', 60)
        step('silent for lock-after', ('Inactive', True), DENIED, 'DEVICE_INACTIVE', 'cordond', r'inactiv.*2 asks?.*unanswered')
        bed.device(ENROLLED, 'poll')
        step('it answers', ('Enrolled', True), DENIED, 'DEVICE_BACK', 'device', 'answered.*still locked')
        bed.device(ENROLLED, 'checkout')
        step('its profile is removed', ('Removed', True), DENIED, 'DEVICE_REMOVED', 'device', 'checkout')
        link = bed.link()
        bed.device(ENROLLED, 'enroll', link=link)
        step('it enrolls again', ('Enrolled', True), DENIED, 'DEVICE_REENROLLED', 'device', f'link [0-9a-f]{{12}} of {me}.*locked')
        bed.ctl('unlock', udid(ENROLLED))
        begun = time.monotonic()
        await_(lambda: ask(bed, key)[0] == ALLOWED, 'the gate to allow')
        t.ok(time.monotonic() - begun < 1, 'unlocked: allowed within a second', time.monotonic() - begun)
        step('unlocked', ('Enrolled', False), ALLOWED, 'DEVICE_UNLOCKED', me, f'unlocked by {me}')


class Front:
    """nginx with configurations of etc/examples, ports and paths replaced by the bed's."""

    def __init__(self, bed):
        self.bed, self.dir = bed, f'{bed.dir}/nginx'
        os.makedirs(f'{self.dir}/www')
        open(f'{self.dir}/www/index.html', 'w').write('the application\n')
        self.app, self.web, self.mail, self.mdm, self.own = (free_port() for _ in range(5))
        self.certificates()

    def certificates(self):
        """A CA for the services' own names, and client certificates with serial numbers."""
        d = self.dir
        run('openssl', 'req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-keyout', f'{d}/ca.key', '-out', f'{d}/ca.pem', '-days', '2',
            '-subj', '/CN=Services CA')
        open(f'{d}/server.ext', 'w').write('subjectAltName=DNS:localhost\nextendedKeyUsage=serverAuth\n')
        open(f'{d}/client.ext', 'w').write('extendedKeyUsage=clientAuth\n')
        for name, subject, kind in (('server', '/CN=localhost', 'server'), ('enrolled', f'/O=Example/CN=C39{ENROLLED[-8:]}', 'client'),
                                    ('stranger', '/CN=no serial at all', 'client')):
            run('openssl', 'req', '-newkey', 'rsa:2048', '-nodes', '-keyout', f'{d}/{name}.key', '-out', f'{d}/{name}.csr',
                '-subj', subject)
            run('openssl', 'x509', '-req', '-in', f'{d}/{name}.csr', '-CA', f'{d}/ca.pem', '-CAkey', f'{d}/ca.key', '-days', '2',
                '-set_serial', str(time.time_ns()), '-extfile', f'{d}/{kind}.ext', '-out', f'{d}/{name}.pem')

    def adapt(self, name):
        text = open(f'{EXAMPLES}/{name}').read()
        for old, new in (('/run/cordon/gate.sock', f'{self.bed.rundir}/gate.sock'),
                         ('/etc/nginx/cordon-gate-request.conf', f'{EXAMPLES}/cordon-gate-request.conf'),
                         ('/etc/ssl/devices-ca.pem', f'{self.dir}/ca.pem'),
                         ('/etc/cordon/certs/ssc.crt', f'{self.bed.certs}/ssc.crt'),
                         ('/var/log/nginx', self.dir),
                         ('http://127.0.0.1:8000;', f'http://127.0.0.1:{self.app};'),
                         ('http://127.0.0.1:8001;', f'http://127.0.0.1:{self.app}/;'),
                         ('127.0.0.1:8080', f'127.0.0.1:{self.bed.port}')):
            text = text.replace(old, new)
        text = re.sub(r'/etc/ssl/\S+/fullchain.pem', f'{self.dir}/server.pem', text)
        text = re.sub(r'/etc/ssl/\S+/privkey.pem', f'{self.dir}/server.key', text)
        return text

    def gate_text(self, open_variant=False):
        text = self.adapt('nginx-gate.conf')
        if open_variant:
            found = re.search(r'\tlocation = /cordon-gate \{[^}]*serial[^}]*\}\n', text)
            text = text.replace(found.group(0), self.adapt('nginx-gate-open.conf'))
        text += self.adapt('nginx-gate-certificate.conf')
        for port in (self.web, self.mail, self.own):
            text = text.replace('listen 443', f'listen 127.0.0.1:{port}', 1)
        return text

    def start(self, text):
        user = 'user root;' if os.geteuid() == 0 else ''
        temp = ' '.join(f'{kind}_temp_path {self.dir}/{kind};' for kind in ('client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'))
        conf = f'''{user} daemon off; pid {self.dir}/pid; error_log {self.dir}/error.log; worker_processes 1;
events {{}}
http {{
{temp}
access_log off;
server {{ listen 127.0.0.1:{self.app}; root {self.dir}/www; location / {{ try_files /index.html =404; }} }}
{text}
}}
'''
        with open(f'{self.dir}/nginx.conf', 'w') as f:
            f.write(conf)
        run(NGINX, '-t', '-c', f'{self.dir}/nginx.conf', '-e', f'{self.dir}/error.log')
        self.bed.begin('nginx', NGINX, '-c', f'{self.dir}/nginx.conf', '-e', f'{self.dir}/error.log')
        await_(lambda: self.answers(self.app), 'the start of nginx')

    @staticmethod
    def answers(port):
        with socket.socket() as s:
            return s.connect_ex(('127.0.0.1', port)) == 0

    def get(self, port, path='/', client=None):
        more = ['--cert', f'{self.dir}/{client}.pem', '--key', f'{self.dir}/{client}.key'] if client else []
        if client == 'identity':  # of the device itself
            more = ['--cert', f'{self.bed.dir}/dev-{ENROLLED}/identity.pem']
        done = subprocess.run(['curl', '-s', '-m', '20', '-o', f'{self.dir}/body', '-w', '%{http_code}', '--cacert', f'{self.dir}/ca.pem', *more,
                               f'https://localhost:{port}{path}'], capture_output=True, text=True)
        return int(done.stdout or 0)


def behind_nginx(t):
    with Bed() as bed:
        bed.everything()
        bed.start()
        bed.connected()
        serial = f'C39{ENROLLED[-8:]}'
        bed.device(ENROLLED, '--serial', serial, 'enroll', link=bed.link())
        eas = answer_information(bed, ENROLLED)
        front = Front(bed)
        front.start(front.gate_text())

        mail = f'/Microsoft-Server-ActiveSync?User=a&DeviceId={eas}&DeviceType=iPhone&Cmd=Sync'
        t.equal(front.get(front.web, client='enrolled'), 200, 'nginx lets an enrolled device in to a web application')
        t.equal(front.get(front.mail, mail), 200, '... and to ActiveSync')
        t.equal(front.get(front.web, client='stranger'), 403, 'a certificate without a serial number is kept out')
        t.equal(front.get(front.web), 400, 'no certificate: nginx itself refuses')
        t.equal(front.get(front.mail, mail.replace(eas, 'ApplSTRANGER')), 403, 'an ActiveSync id that nobody has is kept out')
        t.equal(front.get(front.mail, '/Microsoft-Server-ActiveSync'), 403, '... and a request without any')
        t.equal(front.get(front.mail, mail.replace(eas, f'x%26id%3d{udid(ENROLLED)}')), 403, '... and one that would ask another question')
        t.equal(front.get(front.web, '/cordon-gate', client='enrolled'), 404, 'nobody can ask through nginx')
        t.equal(front.get(front.own, client='identity'), 200, 'an identity that Cordon issued opens by itself')
        t.equal(front.get(front.own, client='enrolled'), 400, '... and a certificate of another CA does not')

        for verb, wanted in (('lock', 403), ('unlock', 200)):
            bed.ctl(verb, udid(ENROLLED))
            begun = time.monotonic()
            got = front.get(front.web, client='enrolled'), front.get(front.mail, mail), front.get(front.own, client='identity')
            took = time.monotonic() - begun
            t.equal(got, (wanted, wanted, wanted), f'{verb} acts on the next request')
            t.ok(took < SLOW, '... within a second (four, with sanitizers)', took)

        bed.stop()
        t.equal(front.get(front.web, client='enrolled'), 500, 'without Cordon nobody passes')
        bed.end('nginx')
        front.start(front.gate_text(open_variant=True))
        t.equal(front.get(front.web, client='enrolled'), 200, '... or everybody, by the other example')
        t.equal(front.get(front.mail, mail), 500, '... where it was chosen, and only there')
        bed.start()
        t.equal(front.get(front.web, client='enrolled'), 200, 'with Cordon back an enrolled device passes')
        bed.ctl('lock', udid(ENROLLED))
        t.equal(front.get(front.web, client='enrolled'), 403, '... and its no is a no, also there')


def in_front(t):
    """nginx holds port and certificate; the daemon listens without TLS and has no certificate at all."""
    with Bed() as bed:
        front = Front(bed)
        bed.write_conf(f'''proxy: {{ trusted = [ "127.0.0.1" ]; forwarded-header = "X-Forwarded-For"; }};''')
        text = open(bed.conf).read().replace(f'localhost:{bed.port}', f'localhost:{front.mdm}')
        bed.replace(bed.conf, text.replace(f'port = {bed.port};', f'port = {bed.port}; tls = false; behind-proxy = true;'))
        bed.ssc()
        bed.apple()
        bed.apns()
        bed.csr()
        bed.drop_push()
        bed.start()
        bed.connected()
        shutil.copy(f'{front.dir}/ca.pem', bed.roots())
        text = front.adapt('nginx-in-front.conf').replace('listen 443', f'listen 127.0.0.1:{front.mdm}').replace('\tlisten [::]:443 ssl;\n', '')
        front.start(text)
        t.equal(front.get(front.mdm, '/version'), 200, 'nginx passes requests on to a daemon without TLS')
        bed.enroll(ENROLLED)
        t.equal(bed.ctl_json('show', udid(ENROLLED))['state'], 'Enrolled', 'a device enrolls through nginx')
        bed.ctl('send', udid(ENROLLED), 'InstalledApplicationList', '--no-push')
        bed.device(ENROLLED, '--apps', '4000', 'poll')
        t.equal([r['status'] for r in bed.ctl_json('results', udid(ENROLLED)) if r['type'] == 'InstalledApplicationList'], ['Acknowledged'],
                '... and a large answer arrives')


tests = [table, the_long_way_back]
if NGINX:
    tests += [behind_nginx, in_front]
else:
    print('# nginx is not on this machine: what is behind it was left out', file=sys.stderr)
Tap().run(*tests)
