"""proxy.py - the same device by signature, by TLS certificate, and through a real nginx; forged headers do nothing"""
import base64
import http.client
import os
import shutil
import subprocess
import sys
import urllib.parse

from bed import Bed, Tap, await_, free_port, run
from signer import mdm_signature

NAME = '000A1C2E3F40000B'
OTHER = '000A1C2E3F40000C'
NGINX = shutil.which('nginx') or '/usr/sbin/nginx'
IDLE = ('<?xml version="1.0" encoding="UTF-8"?>\n<plist version="1.0"><dict><key>Status</key><string>Idle</string>'
        f'<key>UDID</key><string>00008110-{NAME}</string></dict></plist>\n')
TYPE = 'Content-Type: application/x-apple-aspen-mdm; charset=UTF-8'


class Site:
    """Cordon with a listener of its own and one for the proxy, and nginx before that one."""

    def __init__(self, bed):
        self.bed = bed
        self.plain, self.front = free_port(), free_port()
        bed.drop_in('10-proxy.conf', f'''
listen = ( {{ address = "127.0.0.1"; port = {bed.port}; }},
           {{ address = "127.0.0.1"; port = {self.plain}; tls = false; behind-proxy = true; }} );
tls: {{ request-client-certificate = true; }};
proxy: {{ trusted = [ "127.0.0.1" ]; client-certificate-header = "X-Client-Cert"; forwarded-header = "X-Forwarded-For"; }};
enrollment: {{ access = "link"; }};
''')
        self.mode('either')
        bed.everything()
        bed.start()
        bed.connected()
        for name in (NAME, OTHER):
            bed.enroll(name)
            bed.device(name, 'poll')
        bed.ctl('send', f'00008110-{NAME}', 'SecurityInfo', '--no-push')
        self.command = bed.ctl_json('queue', f'00008110-{NAME}')[0]['uuid']
        self.nginx()
        self.body = f'{bed.dir}/idle.plist'
        bed.replace(self.body, IDLE)

    def mode(self, word):
        self.bed.drop_in('20-mode.conf', f'device-authentication = "{word}";\n')
        if 'cordond' in self.bed.processes:
            self.bed.ctl('reload')

    def nginx(self):
        d = f'{self.bed.dir}/nginx'
        os.mkdir(d)
        self.bed.replace(f'{d}/nginx.conf', f'''
daemon off; master_process off; pid {d}/pid; error_log {d}/error.log;
events {{ }}
http {{
    access_log off; client_body_temp_path {d}/body; proxy_temp_path {d}/proxy; fastcgi_temp_path {d}/f;
    uwsgi_temp_path {d}/u; scgi_temp_path {d}/s;
    server {{
        listen 127.0.0.1:{self.front} ssl;
        ssl_certificate {self.bed.certs}/server.crt; ssl_certificate_key {self.bed.certs}/server.key;
        ssl_verify_client optional_no_ca;
        location / {{
            proxy_pass http://127.0.0.1:{self.plain};
            proxy_set_header Host $host;
            proxy_set_header X-Client-Cert $ssl_client_escaped_cert;
            proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
        }}
    }}
}}
''')
        self.bed.begin('nginx', NGINX, '-c', f'{d}/nginx.conf', '-p', d)
        await_(lambda: run('curl', '-s', '--cacert', self.bed.roots(), f'https://localhost:{self.front}/version',
                           check=False).stdout.strip() == 'cordon', 'the start of nginx')

    def identity(self, name=NAME):
        return f'{self.bed.dir}/dev-{name}/identity.pem'

    def signature(self, name=NAME, body=None):
        return 'Mdm-Signature: ' + mdm_signature(self.identity(name), body or self.body)

    def pem(self, name=NAME):
        return run('openssl', 'x509', '-in', self.identity(name)).stdout

    def escaped(self, name=NAME):
        return 'X-Client-Cert: ' + urllib.parse.quote(self.pem(name))

    def rfc9440(self, name=NAME):
        der = subprocess.run(['openssl', 'x509', '-in', self.identity(name), '-outform', 'DER'], capture_output=True,
                             check=True).stdout
        return f'X-Client-Cert: :{base64.b64encode(der).decode()}:'

    def put(self, url, *more, cert=None):
        """PUTs the Idle: (status, is it the command that waits)."""
        out = f'{self.bed.dir}/answer'
        if os.path.exists(out):
            os.unlink(out)
        command = ['curl', '-s', '-o', out, '-w', '%{http_code}', '--cacert', self.bed.roots(), '-T', self.body, '-H', TYPE]
        for header in more:
            command += header if isinstance(header, list) else ['-H', header]
        if cert:
            command += ['--cert', cert, '--key', cert]
        status = int(run(*command, url, check=False).stdout or 0)
        body = open(out, errors='replace').read() if os.path.exists(out) else ''
        return status, self.command in body

    @property
    def direct(self):
        return f'https://localhost:{self.bed.port}/mdm'

    @property
    def through(self):
        return f'https://localhost:{self.front}/mdm'

    @property
    def behind(self):
        return f'http://127.0.0.1:{self.plain}/mdm'


BED = Bed()
SITE = None


def good(t):
    global SITE
    SITE = s = Site(BED)
    t.equal(s.put(s.direct, s.signature()), (200, True), 'the queue is reached by Mdm-Signature (openssl cms)')
    t.equal(s.put(s.direct, cert=s.identity()), (200, True), '... by a TLS client certificate (curl --cert)')
    t.equal(s.put(s.through, cert=s.identity()), (200, True), '... by one that nginx passes on')
    t.equal(s.put(s.through, s.signature()), (200, True), '... by Mdm-Signature through nginx')
    t.equal(s.put(s.behind, s.rfc9440()), (200, True), "... by RFC 9440's form from a trusted proxy")
    t.equal(s.put(s.direct)[0], 400, 'without either it is refused')
    t.equal(s.put(s.direct, cert=s.identity(OTHER))[0], 400, "another device's certificate is refused")
    t.equal(s.put(s.direct, s.signature(OTHER))[0], 400, "... and another device's signature")


def forged(t):
    s = SITE
    for words, header in (('escaped PEM', s.escaped()), ('RFC 9440', s.rfc9440())):
        t.equal(s.put(s.direct, header)[0], 400, f'{words}: nothing on another listener')
        t.equal(s.put(s.behind, header, ['--interface', '127.0.0.2'])[0], 400, f'{words}: nothing from an untrusted address')
        t.equal(s.put(s.through, header)[0], 400, f'{words}: nginx writes its own over it')
        t.equal(s.put(s.behind, header, header)[0], 400, f'{words}: nothing when it is there twice')
        t.equal(s.put(s.through, header, cert=s.identity(OTHER))[0], 400, f'{words}: nothing beside another certificate')
    t.equal(s.put(s.behind, 'X-Client-Cert: rubbish')[0], 400, 'rubbish in the header is no certificate')
    t.equal(s.put(s.behind, 'Client-Cert' + s.rfc9440()[13:])[0], 400, 'a header of another name is none')
    self_signed = f'{s.bed.dir}/self.pem'
    run('openssl', 'req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-subj', '/CN=Cordon', '-keyout', self_signed, '-out',
        f'{self_signed}.crt')
    open(self_signed, 'a').write(open(f'{self_signed}.crt').read())
    t.equal(s.put(s.direct, cert=self_signed)[0], 400, 'a certificate that we did not issue is refused, not cut off')
    t.equal(run('curl', '-s', '--cacert', s.bed.roots(), '--cert', self_signed, f'https://localhost:{s.bed.port}/version')
            .stdout.strip(), 'cordon', '... and hinders nobody elsewhere')


def modes(t):
    s = SITE

    def check(mode, signature, cert, both, strangers):
        s.mode(mode)
        await_(lambda: s.put(s.direct, s.signature())[0] == signature and
               s.put(s.direct, cert=s.identity())[0] == cert, f'the mode {mode}', 10)
        t.equal(s.put(s.direct, s.signature())[0], signature, f'"{mode}": a signature alone')
        t.equal(s.put(s.direct, cert=s.identity())[0], cert, f'"{mode}": a certificate alone')
        t.equal(s.put(s.direct, s.signature(), cert=s.identity())[0], both, f'"{mode}": both')
        t.equal(s.put(s.direct, s.signature(), cert=s.identity(OTHER))[0], strangers, f'"{mode}": both, of two devices')

    check('both', 400, 400, 200, 400)
    check('tls', 400, 200, 200, 400)
    check('signature', 200, 400, 200, 200)
    check('either', 200, 200, 200, 400)
    other = f'{s.bed.dir}/other.plist'
    s.bed.replace(other, IDLE + ' ')
    t.equal(s.put(s.direct, s.signature(body=other), cert=s.identity())[0], 400,
            'a signature that is present is always checked')


def rates(t):
    s = SITE
    conn = http.client.HTTPConnection('127.0.0.1', s.plain)

    def ask(link, client):
        conn.request('GET', f'/enroll?link={link}', headers={'X-Forwarded-For': client})
        answer = conn.getresponse()
        answer.read()
        return answer.status

    seen = [ask('guess', '203.0.113.9') for _ in range(1500)]
    t.equal(seen[0], 403, 'a link that is not known is refused')
    t.ok(set(seen[:500]) == {403} and 429 in seen, '... and beyond 500 at once, by rate', sorted(set(seen)))
    t.equal(ask('guess', '203.0.113.10'), 403, 'another client of the same proxy is not')
    forged = [ask('guess', f'192.0.2.{n % 250}, 203.0.113.11') for n in range(1500)]
    t.ok(429 in forged, 'what the client itself wrote before its address changes nothing')
    link = urllib.parse.urlparse(s.bed.link()).query[5:]
    answers = []
    while len(answers) < 600 and 429 not in answers:
        answers.append(ask('guess', '203.0.113.9'))
    t.equal((answers[-1], ask(link, '203.0.113.9')), (429, 200), 'a valid link is never refused by rate')


if not os.access(NGINX, os.X_OK):
    print('1..0 # SKIP nginx is not on this machine: apt-get install nginx-light')
    sys.exit(0)
with BED:
    Tap().run(good, forged, modes, rates)
