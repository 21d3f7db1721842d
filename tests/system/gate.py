"""gate.py - the gate's truth table over its socket, and nginx that asks it, with the configurations of etc/examples"""
import http.client
import os
import re
import shutil
import socket
import subprocess
import sys
import time

from bed import SLOW, SOURCE, Bed, Tap, await_, free_port, run

EXAMPLES = f'{SOURCE}/etc/examples'
NGINX = shutil.which('nginx', path=os.environ.get('PATH', '') + ':/usr/sbin')
# What it is worth to a service whether a device is on this side of the line.
ENROLLED, LOCKED, REMOVED, REMOVED_LOCKED, PENDING = (f'000A1C2E3F4000{i:02X}' for i in range(1, 6))
UNKNOWN = '000A1C2E3F4000FF'


def udid(name):
    return f'00008110-{name}'


class GateConnection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__('gate')
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(self.path)


def ask(bed, query):
    """(status, body) of one question over the gate socket."""
    c = GateConnection(f'{bed.rundir}/gate.sock')
    try:
        c.request('GET', f'/access?{query}')
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


def populate(bed):
    """One device in each state, by what devices and administrators do."""
    eas = {}
    for name in (ENROLLED, LOCKED, REMOVED, REMOVED_LOCKED):
        bed.enroll(name)
        eas[name] = answer_information(bed, name)
    bed.ctl('lock', udid(LOCKED))
    bed.ctl('lock', udid(REMOVED_LOCKED))
    for name in (REMOVED, REMOVED_LOCKED):
        bed.device(name, 'checkout')
    bed.device(PENDING, '--stop-after', 'authenticate', 'enroll', link=bed.link(), check=False)
    return eas


def table(t):
    with Bed() as bed:
        bed.everything()
        bed.start()
        bed.connected()
        eas = populate(bed)
        t.equal(bed.ctl_json('show', udid(PENDING))['state'], 'Pending', 'a device that only began is Pending')
        t.equal(len(set(eas.values())), 4, 'each device has an ActiveSync id of its own')

        wanted = {ENROLLED: (204, 204, None), LOCKED: (403, 403, 'locked'), REMOVED: (403, 403, 'removed'),
                  REMOVED_LOCKED: (403, 403, 'locked'), PENDING: (403, 204, 'not enrolled'), UNKNOWN: (403, 204, 'not enrolled')}

        def judge(column, setting):
            for name, row in wanted.items():
                keys = [f'id={udid(name)}', f'serial=C39{name}']
                if name in eas:
                    keys.append(f'eas={eas[name]}')
                for key in keys:
                    status, body, cache = ask(bed, key)
                    good = status == row[column] and 'no-store' in (cache or '')
                    if status == 403:
                        good = good and f'"{row[2]}"' in body and '"allowed"' in body
                    t.ok(good, f'allow-unenrolled {setting}: {key} is answered {row[column]} {row[2] or ""}', f'{status} {cache} {body}')
            t.equal(ask(bed, 'eas=ApplNOBODY')[0], row[column], f'allow-unenrolled {setting}: an ActiveSync id that nobody has')

        judge(0, 'false')
        bed.drop_in('50-open.conf', 'allow-unenrolled = true;')
        await_(lambda: ask(bed, f'id={udid(UNKNOWN)}')[0] == 204, 'allow-unenrolled to be taken')
        judge(1, 'true')
        os.unlink(f'{bed.dir}/etc/conf.d/50-open.conf')
        await_(lambda: ask(bed, f'id={udid(UNKNOWN)}')[0] == 403, 'allow-unenrolled to be taken back')

        # a new installation of a locked device stays denied; only a person's unlock opens
        bed.device(REMOVED_LOCKED, 'enroll', link=bed.link())
        t.equal(bed.ctl_json('show', udid(REMOVED_LOCKED))['state'], 'Enrolled', 'a locked device that was removed enrolls again')
        t.equal(ask(bed, f'serial=C39{REMOVED_LOCKED}')[0], 403, '... and stays denied')
        bed.ctl('unlock', udid(REMOVED_LOCKED))
        t.equal(ask(bed, f'serial=C39{REMOVED_LOCKED}')[0], 204, '... until it is unlocked')

        for query in ('', 'id=', f'id={udid(ENROLLED)}&serial=C39{ENROLLED}', f'id={udid(ENROLLED)}&id={udid(LOCKED)}', 'name=x',
                      'id=%00', 'id=%zz'):
            status = ask(bed, query)[0]
            t.ok(status in (400, 403), f'"{query}" lets nobody in', status)
        bed.stop()
        bed.start()
        t.equal([ask(bed, f'id={udid(n)}')[0] for n in (ENROLLED, LOCKED, REMOVED)], [204, 403, 403],
                'a restart changes no answer')


class Front:
    """nginx with configurations of etc/examples, ports and paths replaced by the bed's."""

    def __init__(self, bed):
        self.bed, self.dir = bed, f'{bed.dir}/nginx'
        os.makedirs(f'{self.dir}/www')
        open(f'{self.dir}/www/index.html', 'w').write('the application\n')
        self.app, self.web, self.mail, self.mdm = (free_port() for _ in range(4))
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
        return text.replace('listen 443', f'listen 127.0.0.1:{self.web}', 1).replace('listen 443', f'listen 127.0.0.1:{self.mail}', 1)

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

        for verb, wanted in (('lock', 403), ('unlock', 200)):
            bed.ctl(verb, udid(ENROLLED))
            begun = time.monotonic()
            got = front.get(front.web, client='enrolled'), front.get(front.mail, mail)
            took = time.monotonic() - begun
            t.equal(got, (wanted, wanted), f'{verb} acts on the next request')
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


tests = [table]
if NGINX:
    tests += [behind_nginx, in_front]
else:
    print('# nginx is not on this machine: what is behind it was left out', file=sys.stderr)
Tap().run(*tests)
