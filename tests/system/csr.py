#!/usr/bin/env python3
"""csr.py - cordon-csr in each of its situations: mdmcert.download, import, delete and replace on a terminal, a full disk"""
import base64
import calendar
import glob
import http.server
import json
import os
import plistlib
import re
import shutil
import ssl
import subprocess
import sys
import tempfile
import threading
import time

from bed import BUILD, SOURCE, Bed, Tap
from terminal import bold, talk

CSR = os.path.join(BUILD, 'cordon-csr')
APPLE = os.path.join(SOURCE, 'tests', 'apple.sh')
USAGE, DATAERR, NOINPUT, UNAVAILABLE, CANTCREAT, IOERR, NOPERM = 64, 65, 66, 69, 73, 74, 77
TOPIC = 'com.apple.mgmt.External.aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee'
PORTAL = 'https://identity.apple.com/pushcert'
ROW = 'use Renew on the row with this topic; never Create, never Revoke'

top = tempfile.mkdtemp(prefix='cordon-csr.')


class Result:
    def __init__(self, args, **kw):
        kw.setdefault('stdin', subprocess.DEVNULL)
        p = subprocess.run(args, capture_output=True, timeout=120, **kw)
        self.status, self.out, self.err = p.returncode, p.stdout.decode(), p.stderr.decode()
        self.all = f'exit {self.status}\n{self.out}{self.err}'


def csr(certs, *args, **kw):
    return Result([CSR, *args, '--certs', certs], **kw)


def openssl(*args, check=True, **kw):
    return subprocess.run(['openssl', *args], check=check, capture_output=True, **kw).stdout


def fresh(name):
    path = os.path.join(top, name)
    os.mkdir(path, 0o750)
    return path


def names(certs):
    return sorted(os.listdir(certs))


def contents(certs):
    return {n: open(os.path.join(certs, n), 'rb').read() for n in names(certs)}


def apple():
    path = os.path.join(top, 'apple')
    if not os.path.exists(path):
        subprocess.run(['bash', APPLE, 'init', path], check=True)
    return path


def signed(request, out, days=365, topic=TOPIC):
    subprocess.run(['bash', APPLE, 'sign', apple(), request, out, topic, str(days)], check=True)
    return out


def newest_csr(certs):
    return max(glob.glob(f'{certs}/push-*.csr'), key=lambda p: os.stat(p).st_mtime_ns)


def site(name, days=None):
    """A directory with key and CSR, and with `days` the certificate for them."""
    certs = fresh(name)
    r = csr(certs, 'new', '--common-name', 'Push')
    if r.status:
        raise RuntimeError(r.all)
    if days is not None:
        signed(newest_csr(certs), f'{certs}/MDM_Example_Certificate.pem', days)
    return certs


# --- situations --------------------------------------------------------------------------------

def vendor_files(certs):
    """A vendor certificate that is its own root."""
    openssl('req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-keyout', f'{certs}/vendor.key', '-out', f'{certs}/vendor.crt', '-days', '30',
            '-subj', '/CN=Vendor')
    os.chmod(f'{certs}/vendor.key', 0o600)


def situation(t, certs, what, words, next_):
    status, seen = talk([CSR, '--certs', certs])
    t.equal(status, 0, f'{what}: exit 0')
    t.has(seen, words, f'{what}: it says so')
    t.equal([b[:len(next_)] for b in bold(seen)], [next_], f'{what}: one bold next step, {next_}')
    return seen


def test_situations(t):
    certs = fresh('s')
    situation(t, certs, 'none', 'There is no push certificate, and no CSR', 'new')
    t.equal(csr(certs, 'new', '--common-name', 'Push').status, 0, 'new')
    today = time.strftime('%Y-%m-%d', time.gmtime(os.stat(newest_csr(certs)).st_mtime))
    seen = situation(t, certs, 'waiting', f"waiting for Apple's certificate since {today}", 'This CSR is not ready')
    t.has(seen, 'no vendor has signed it yet', 'waiting: unsigned')
    vendor_files(certs)
    situation(t, certs, 'waiting with a vendor certificate', 'no vendor has signed it yet', 'sign')
    conf = f'{top}/account.conf'
    with open(conf, 'w') as f:
        f.write(f'organization = "Example";\nserver-name = "mdm.example.org";\ncertificates = "{certs}";\n'
                'push: { apple-account = "mdm@example.org"; };\n')
    r = Result([CSR, 'sign', '--config', conf])
    t.ok(r.status == 0 and 'with the Apple account mdm@example.org' in r.out, 'sign names the Apple account', r.all)
    os.unlink(f'{certs}/signedCSR')
    named = Result([CSR, 'sign', '--config', conf, newest_csr(certs)])
    t.equal((named.status, named.out), (r.status, r.out), 'the CSR that waits here, named by its path, is the own one all the same')
    t.ok(os.path.exists(f'{certs}/signedCSR') and not glob.glob(f'{certs}/push-*.signedCSR'), '... signed where it is looked for', os.listdir(certs))
    seen = situation(t, certs, 'signed', 'it is signed, as signedCSR', "Next: Apple's portal")
    t.ok(PORTAL in seen and 'Create a Certificate' in seen and ROW not in seen, 'signed: the portal, for the first time', seen)
    os.unlink(f'{certs}/vendor.key')
    os.unlink(f'{certs}/vendor.crt')

    signed(newest_csr(certs), f'{certs}/MDM.pem')
    seen = situation(t, certs, 'installed', 'is installed: renew by', 'Next: nothing')
    t.ok(TOPIC in seen and re.search(r'\(36[45] days left\)', seen), 'installed: topic and days left', seen)
    r = csr(certs, 'renew')
    t.ok(r.status == 0 and ROW in r.out and TOPIC in r.out and PORTAL in r.out, 'renew needs no name again, and names the row', r.all)
    t.ok(not os.path.exists(f'{certs}/signedCSR') and 'removed' in r.out, 'the signedCSR of the earlier CSR is gone', r.all)
    seen = situation(t, certs, 'renewal waiting', "A CSR for the renewal is waiting for Apple's certificate", 'This CSR is not ready')
    t.has(seen, 'is installed', 'renewal waiting: the one in use is told too')
    t.equal(csr(certs, 'renew').status, CANTCREAT, 'a second renewal is refused while one waits')
    old_key = [k for k in glob.glob(f'{certs}/push-*.key') if k[:-3] != newest_csr(certs)[:-3]][0]
    time.sleep(1.1)  # the renewed one expires later
    signed(newest_csr(certs), f'{certs}/MDM_renewed.pem')
    seen = situation(t, certs, 'renewed', 'is installed', 'Next: nothing')
    t.ok('MDM.pem: superseded by MDM_renewed.pem' in seen and f'can be removed, with {os.path.basename(old_key)}' in seen,
         'renewed: the old pair is named as removable', seen)

    certs = site('s-expiring', 30)
    situation(t, certs, 'expiring', 'is expiring: renew by', 'renew')
    certs = site('s-expired', 0)
    time.sleep(1.5)
    seen = situation(t, certs, 'expired', 'has expired', 'renew')
    r = csr(certs, 'renew')
    t.ok(r.status == 0 and ROW in r.out, 'an expired one can be renewed', r.all)
    certs = site('s-key', 365)
    os.unlink(glob.glob(f'{certs}/push-*.key')[0])
    seen = situation(t, certs, 'key missing', 'Key missing', 'Next: put push-')
    t.has(seen, '  renew', 'key missing: renew applies, with a new key')
    r = csr(certs, 'renew')
    t.ok(r.status == 0 and ROW in r.out and TOPIC in r.out, 'and does it', r.all)
    r = csr(fresh('s-nothing'), 'renew', '--common-name', 'x')
    t.ok(r.status == NOINPUT and 'cordon-csr new' in r.err, 'nothing to renew', r.all)


# --- show and openssl --------------------------------------------------------------------------

def field(certificate, *what):
    return openssl('x509', '-in', certificate, '-noout', *what).decode().strip().partition('=')[2]


def test_show(t):
    certs = site('show', 200)
    cert = f'{certs}/MDM_Example_Certificate.pem'

    def compare(what, situation_, status, matches):
        r = csr(certs, 'show', '--json')
        shown = json.loads(r.out)
        t.equal((r.status, shown['situation']), (status, situation_), f'show, {what}: exit status and situation')
        push = shown['push'][0]
        end = time.strftime('%Y-%m-%dT%H:%M:%SZ', time.strptime(field(cert, '-enddate'), '%b %d %H:%M:%S %Y GMT'))
        begin = time.strftime('%Y-%m-%dT%H:%M:%SZ', time.strptime(field(cert, '-startdate'), '%b %d %H:%M:%S %Y GMT'))
        for key, wanted in (('serial', field(cert, '-serial')), ('not_after', end), ('not_before', begin),
                            ('sha256', field(cert, '-fingerprint', '-sha256').replace(':', '').lower()), ('topic', TOPIC),
                            ('certificate_file', os.path.basename(cert)), ('key_matches', matches)):
            t.equal(push[key], wanted, f'show, {what}: {key} as openssl has it')
        issuer = field(cert, '-issuer', '-nameopt', 'sep_comma_plus_space')
        t.equal(push['issuer'], issuer, f'show, {what}: issuer')
        subject = field(cert, '-subject', '-nameopt', 'sep_comma_plus_space')
        t.equal(push['subject'], subject, f'show, {what}: subject')
        left = int((calendar.timegm(time.strptime(field(cert, '-enddate'), '%b %d %H:%M:%S %Y GMT')) - time.time()) // 86400)
        t.ok(abs(push['days_left'] - left) <= 1, f'show, {what}: days left', (push['days_left'], left))
        people = csr(certs, 'show').out
        for text in (push['serial'], push['topic'], end[:10], push['sha256'], PORTAL):
            t.has(people, text, f'show, {what}: for people too: {text[:30]}')

    compare('installed', 'installed', 0, True)
    key = glob.glob(f'{certs}/push-*.key')[0]
    os.rename(key, f'{top}/kept.key')
    compare('key missing', 'key missing', NOINPUT, False)
    os.rename(f'{top}/kept.key', key)
    signed(newest_csr(certs), cert, 0)
    time.sleep(1.5)
    compare('expired', 'expired', 0, True)
    shown = json.loads(csr(fresh('show-none'), 'show', '--json').out)
    t.equal((shown['situation'], shown['push'], shown['waiting_csr']), ('none', [], None), 'show, none')
    waiting = site('show-waiting')
    shown = json.loads(csr(waiting, 'show', '--json').out)['waiting_csr']
    t.equal((shown['file'], shown['key'], shown['vendor_signature']), (os.path.basename(newest_csr(waiting)), 'RSA 2048', 'unsigned'),
            'show, waiting')


# --- mdmcert.download --------------------------------------------------------------------------

class Service(http.server.BaseHTTPRequestHandler):
    """Answers as mdmcert.download does; keeps what it got."""
    got, reply = [], (200, b'{"result":"success"}')

    def do_POST(self):
        body = self.rfile.read(int(self.headers['Content-Length']))
        Service.got.append((self.path, dict(self.headers), body))
        self.send_response(Service.reply[0])
        self.send_header('Content-Length', str(len(Service.reply[1])))
        self.end_headers()
        self.wfile.write(Service.reply[1])

    def log_message(self, *args):
        pass


def serve():
    openssl('req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-keyout', f'{top}/https.key', '-out', f'{top}/https.pem', '-days', '2',
            '-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost')
    server = http.server.HTTPServer(('127.0.0.1', 0), Service)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(f'{top}/https.pem', f'{top}/https.key')
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


def vendor_signs(request_pem):
    """The service's part: signs the CSR and gives the base64 of the property list, as a mail has it (CRLF)."""
    place = f'{top}/service'
    if not os.path.exists(place):
        os.mkdir(place)
        vendor_files(place)
    der = openssl('req', '-outform', 'DER', input=request_pem)
    sig = openssl('dgst', '-sha256', '-sign', f'{place}/vendor.key', input=der)
    chain = open(f'{place}/vendor.crt').read()
    text = plistlib.dumps({'PushCertRequestCSR': base64.b64encode(der).decode(), 'PushCertSignature': base64.b64encode(sig).decode(),
                           'PushCertCertificateChain': chain})
    return base64.encodebytes(text).replace(b'\n', b'\r\n'), der


def encrypted(plain, recipient_pem):
    path = f'{top}/recipient.pem'
    with open(path, 'wb') as f:
        f.write(recipient_pem)
    return openssl('cms', '-encrypt', '-binary', '-aes256', '-outform', 'DER', path, input=plain)


def test_mdmcert(t):
    server = serve()
    url = f'https://localhost:{server.server_port}/api/v1/signrequest'
    certs = site('mdmcert')
    key = f'{top}/api.key'
    with open(key, 'w') as f:
        f.write('s3cr3t-api-key\r\n')
    os.chmod(key, 0o600)

    def request(*more, **kw):
        return csr(certs, 'request', '--email', 'it@example.org', '--url', url, *more, **kw)

    r = request('--trust', f'{top}/https.pem')
    t.ok(r.status == USAGE and 'mdmcert.key-file' in r.err, 'without an API key: where it comes from', r.all)
    r = csr(certs, 'request', '--api-key-file', key, '--url', url)
    t.ok(r.status == USAGE and 'mdmcert.email' in r.err, 'without an address', r.all)
    os.chmod(key, 0o644)
    r = request('--api-key-file', key, '--trust', f'{top}/https.pem')
    t.ok(r.status == NOPERM and 'chmod 600' in r.err, 'an API key that all may read is refused', r.all)
    os.chmod(key, 0o600)
    before = contents(certs)
    r = request('--api-key-file', key)
    t.ok(r.status == UNAVAILABLE and 'certificate' in r.err, 'a server that is not trusted gets nothing', r.all)
    t.equal((contents(certs), Service.got), (before, []), 'and nothing changed')
    r = csr(certs, 'request', '--email', 'x@y', '--api-key-file', key, '--url', url.replace('https', 'http'))
    t.ok(r.status == UNAVAILABLE and not Service.got, 'never without TLS', r.all)
    Service.reply = (200, b'{"Result":"failure","Reason":"unknown \\u001b[31maddress"}')
    r = request('--api-key-file', key, '--trust', f'{top}/https.pem')
    t.ok(r.status == UNAVAILABLE and 'unknown' in r.err and '\x1b' not in r.err, "the service's reason is told, harmless", r.all)
    Service.reply = (500, b'<html>oops</html>')
    r = request('--api-key-file', key, '--trust', f'{top}/https.pem')
    t.ok(r.status == UNAVAILABLE and '500' in r.err, 'an answer that is no JSON', r.all)
    t.equal(contents(certs), before, 'a refused request leaves nothing')
    t.equal(csr(certs, 'decrypt', f'{top}/api.key').status, NOINPUT, 'decrypt before a request')

    Service.got.clear()
    Service.reply = (200, b'{"RESULT":"success"}')
    r = request('--api-key-file', key, '--trust', f'{top}/https.pem')
    t.ok(r.status == 0 and 'cordon-csr decrypt' in r.out and PORTAL in r.out, 'request says what is next', r.all)
    t.ok('s3cr3t' not in r.all, 'the API key is not shown')
    path, headers, body = Service.got[-1]
    sent = json.loads(body)
    t.equal(sorted(sent), ['csr', 'email', 'encrypt', 'key'], 'four members')
    t.equal((path, headers['Content-Type'], sent['email'], sent['key']), ('/api/v1/signrequest', 'application/json', 'it@example.org', 's3cr3t-api-key'),
            'path, type, address, key')
    pem = base64.b64decode(sent['csr'], validate=True)
    t.equal(pem, open(newest_csr(certs), 'rb').read(), 'the CSR as PEM in base64')
    recipient = base64.b64decode(sent['encrypt'], validate=True)
    text = openssl('x509', '-noout', '-text', input=recipient).decode()
    t.ok('Key Encipherment' in text and '(2048 bit)' in text, 'the transport certificate', text)
    t.equal(oct(os.stat(f'{certs}/mdmcert.key').st_mode & 0o777), '0o600', 'its key is for root alone')
    status, seen = talk([CSR, '--certs', certs])
    t.ok('mdmcert.download was asked' in seen and bold(seen) == ['decrypt FILE'], 'the next step is decrypt', seen)

    plain, der = vendor_signs(pem)
    p7 = encrypted(plain, recipient)
    lower = p7.hex()
    wrapped = '\n'.join(lower[i:i + 64] for i in range(0, len(lower), 64))
    spellings = {'lower case, one line': lower.encode(), 'upper case, CRLF': wrapped.upper().replace('\n', '\r\n').encode() + b'\r\n',
                 'mixed case, LF, blanks': ('  ' + wrapped[:300].upper() + wrapped[300:].replace('\n', ' \n\t') + '\n\n').encode(),
                 'CR only, with a byte order mark': b'\xef\xbb\xbf' + wrapped.replace('\n', '\r').encode(), 'not hex at all but DER': p7}
    for what, attachment in spellings.items():
        path = f'{top}/mdm_signed_request.p7'
        with open(path, 'wb') as f:
            f.write(attachment)
        if os.path.exists(f'{certs}/signedCSR'):
            os.unlink(f'{certs}/signedCSR')
        r = csr(certs, 'decrypt', path)
        t.ok(r.status == 0 and PORTAL in r.out, f'decrypt: {what}', r.all)
        made = plistlib.loads(base64.b64decode(open(f'{certs}/signedCSR', 'rb').read(), validate=True))
        t.equal(base64.b64decode(made['PushCertRequestCSR']), der, f'decrypt: {what}: signedCSR is what the vendor signed')
    os.unlink(f'{certs}/signedCSR')
    r = subprocess.run([CSR, 'decrypt', '-', '--certs', certs], input=lower.encode(), capture_output=True, check=False)
    t.ok(r.returncode == 0 and os.path.exists(f'{certs}/signedCSR'), 'decrypt: from standard input', r.stderr)
    status, seen = talk([CSR, '--certs', certs])
    t.ok(bold(seen) and bold(seen)[0].startswith("Next: Apple's portal"), 'then the portal is next', seen)

    before = contents(certs)
    other = openssl('req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-keyout', f'{top}/other.key', '-subj', '/CN=Other')
    elsewhere = openssl('req', '-new', '-newkey', 'rsa:2048', '-nodes', '-keyout', f'{top}/elsewhere.key', '-subj', '/CN=Elsewhere')
    bent = base64.b64decode(plain).replace(b'PushCertSignature</key>\n\t<string>', b'PushCertSignature</key>\n\t<string>AAAA')
    for what, attachment, words in (('for another key', encrypted(plain, other).hex().encode(), 'another key'),
                                    ('no hex', b'Dear customer', 'save the attachment'), ('empty', b'', 'save the attachment'),
                                    ('cut off', lower[:len(lower) // 2].encode(), 'save the attachment'),
                                    ('of another CSR', encrypted(vendor_signs(elsewhere)[0], recipient).hex().encode(), 'not here'),
                                    ('no request in it', encrypted(b'hello', recipient).hex().encode(), 'no vendor-signed request'),
                                    ('with a wrong signature', encrypted(base64.b64encode(bent), recipient).hex().encode(), 'does not belong')):
        with open(f'{top}/bad.p7', 'wb') as f:
            f.write(attachment)
        r = csr(certs, 'decrypt', f'{top}/bad.p7')
        t.ok(r.status == DATAERR and words in r.err, f'an attachment {what} is refused', r.all)
    t.equal(contents(certs), before, 'and signedCSR is as it was')
    server.shutdown()


# --- import ------------------------------------------------------------------------------------

def pkcs12(name, *more, days=365, request=None, bits='2048', password='päss wörd', topic=TOPIC):
    base = f'{top}/{name}'
    openssl('req', '-newkey', f'rsa:{bits}', '-nodes', '-keyout', base + '.key', '-out', base + '.csr', '-subj', '/CN=x')
    signed(base + '.csr', base + '.pem', days, topic)
    openssl('pkcs12', '-export', '-inkey', base + '.key', '-in', base + '.pem', '-out', base + '.p12', '-passout', f'pass:{password}', *more)
    return base + '.p12'


def test_import(t):
    certs = fresh('import')
    secret = f'{top}/password'
    with open(secret, 'w') as f:
        f.write('päss wörd\n')
    p12 = pkcs12('push')
    r = csr(certs, 'import', p12)
    t.ok(r.status == USAGE and '--password-file' in r.err, 'a password is needed, and there is nobody to ask', r.all)
    with open(f'{top}/wrong', 'w') as f:
        f.write('wrong\n')
    r = csr(certs, 'import', p12, '--password-file', f'{top}/wrong')
    t.ok(r.status == DATAERR and 'password is wrong' in r.err, 'a wrong one', r.all)
    t.equal(names(certs), [], 'nothing was written')
    status, seen = talk([CSR, 'import', p12, '--certs', certs], 'päss wörd\n'.encode())
    t.ok(status == 0 and 'wörd' not in seen, 'asked for on a terminal, and not shown', seen)
    shown = json.loads(csr(certs, 'show', '--json').out)
    t.ok(shown['push'] and shown['push'][0]['topic'] == TOPIC and shown['push'][0]['key_matches'], 'certificate and key are in use', shown)
    t.equal(sorted(oct(os.stat(os.path.join(certs, n)).st_mode & 0o777) for n in names(certs)), ['0o640', '0o644'], 'with their modes')
    before = contents(certs)
    r = csr(certs, 'import', p12, '--password-file', secret)
    t.ok(r.status == CANTCREAT and contents(certs) == before, 'a second time: it is there', r.all)

    for what, name, more, kw, words in (
            ('TLS and not push', 'tls', [], {'topic': 'nobody'}, 'no push certificate'),
            ('RSA 1024', 'short', [], {'bits': '1024'}, '2048')):
        certs = fresh('import-' + name)
        r = csr(certs, 'import', pkcs12(name, *more, **kw), '--password-file', secret)
        t.ok(r.status == DATAERR and words in r.err and names(certs) == [], f'{what}: refused, nothing written', r.all)
    certs = fresh('import-pem')
    r = csr(certs, 'import', f'{top}/push.pem')
    t.ok(r.status == DATAERR and 'copy them' in r.err, 'PEM needs no import', r.all)
    certs = fresh('import-empty')
    r = csr(certs, 'import', pkcs12('empty', password=''))
    t.ok(r.status == 0 and len(names(certs)) == 2, 'an empty password is not asked for', r.all)

    certs = fresh('import-old')
    old = pkcs12('old', '-legacy')
    r = csr(certs, 'import', old, '--password-file', secret, env={**os.environ, 'OPENSSL_MODULES': top})
    t.ok(r.status == UNAVAILABLE and 'legacy provider' in r.err and 'RC2-40' in r.err and names(certs) == [],
         'RC2-40 without the legacy provider: said', r.all)
    r = csr(certs, 'import', old, '--password-file', secret)
    t.ok(r.status == 0 and 'RC2-40' in r.err and len(names(certs)) == 2, 'RC2-40 with it: taken, and said', r.all)


# --- delete and new --replace on a terminal, with a live daemon ---------------------------------

def test_delete(t):
    with Bed() as bed:
        bed.everything().start().connected()
        for name in ('0001', '0002', '0003'):
            bed.enroll(name)
        socket = f'{bed.rundir}/control.sock'
        here = ['--config', bed.conf, '--socket', socket]
        before = contents(bed.certs)
        push_files = sorted([n for n in before if n.startswith('push-')] + ['MDM_Example_Certificate.pem'])
        t.equal(len(push_files), 3, 'certificate, CSR and key are there')
        for answer in (b'y\n', b'YES\n', b'no\n', b'\n', b'yes please\n', b'\x04'):
            status, seen = talk([CSR, 'delete', *here], answer)
            t.equal((status, contents(bed.certs) == before), (CANTCREAT, True), f'delete, answered {answer!r}: nothing changes')
        t.ok('3 devices are enrolled' in seen and 'must then re-enroll' in seen, 'the question has the number and the cost', seen)
        t.ok(all(n in seen for n in push_files), 'and every file', seen)
        r = Result([CSR, 'delete', *here])
        t.ok(r.status == USAGE and '--yes' in r.err and contents(bed.certs) == before, 'without terminal and --yes it refuses', r.all)
        r = Result([CSR, 'new', '--replace', '--common-name', 'Push', *here])
        t.ok(r.status == USAGE and '--yes' in r.err and contents(bed.certs) == before, 'so does new --replace', r.all)
        status, seen = talk([CSR, 'new', '--replace', '--common-name', 'Push', *here], b'no\n')
        t.ok(status == CANTCREAT and contents(bed.certs) == before and '3 devices are enrolled' in seen, 'new --replace, answered no', seen)

        status, seen = talk([CSR, 'new', '--replace', '--common-name', 'Push', *here], b'yes\n')
        after = contents(bed.certs)
        t.equal(status, 0, 'new --replace, answered yes')
        t.ok(all(f'deleted {bed.certs}/{n}' in seen and n not in after for n in push_files), 'every file that is gone is named', seen)
        made = sorted(set(after) - set(before))
        t.ok(len(made) == 2 and made[0].endswith('.csr') and made[1] == made[0][:-3] + 'key', 'and a new CSR and key are there', made)
        t.ok('Renew on the row' not in seen and 'not ready for Apple' in seen, 'it speaks of a new certificate', seen)
        t.ok(bed_says(bed, 'Disconnected'), 'status: Disconnected')
        t.has(bed.status()['not_configured'], 'MDM not configured', 'status: MDM not configured')

        bed.drop_push(topic=TOPIC)
        status, seen = talk([CSR, 'delete', *here], b'yes\n')
        left = [n for n in names(bed.certs) if n.startswith('push-') or n.startswith('MDM') or n == 'signedCSR']
        t.equal((status, left), (0, []), 'delete, answered yes: certificate, CSR and key are gone')
        t.ok('ssc.crt' in names(bed.certs) and 'server.key' in names(bed.certs), 'and nothing else', names(bed.certs))
        t.ok(bed_says(bed, 'Disconnected'), 'status: Disconnected')
        t.has(bed.status()['not_configured'], 'MDM not configured', 'status: MDM not configured')
        r = Result([CSR, 'delete', '--yes', *here])
        t.equal(r.status, NOINPUT, 'a second time there is nothing')


def bed_says(bed, state):
    end = time.monotonic() + 40
    while time.monotonic() < end:
        status = bed.status()
        if status['push'][0]['state'] == state and status['not_configured']:
            return True
        time.sleep(0.2)
    print('#', json.dumps(bed.status()['push'])[:600])
    return False


def test_delete_links(t):
    certs = site('links', 365)
    outside = fresh('outside')
    key = glob.glob(f'{certs}/push-*.key')[0]
    os.rename(key, f'{outside}/real.key')
    os.symlink(f'{outside}/real.key', f'{certs}/Renamed.key')
    for name in ('ssc.key', 'notes.txt'):
        with open(f'{certs}/{name}', 'w') as f:
            f.write('x')
    r = csr(certs, 'delete', '--yes')
    t.ok(r.status == 0 and 'was a link' in r.err and f'{outside}/real.key' in r.err, 'a link is removed, and what it led to is named', r.all)
    t.equal(names(certs), ['notes.txt', 'ssc.key'], 'a key under another name goes with its certificate, and nothing else does')


# --- a full disk -------------------------------------------------------------------------------

FULL = r'''
import os, subprocess, sys
disk, csr, ssc = sys.argv[1:4]
subprocess.run(['mount', '-t', 'tmpfs', '-o', 'size=256k,mode=750', 'tmpfs', disk], check=True)
quiet = {'stdout': subprocess.DEVNULL, 'stderr': subprocess.DEVNULL, 'check': True}
subprocess.run([ssc, 'new', '--bits', '2048', '--common-name', 'x', '--certs', disk], **quiet)
subprocess.run([ssc, 'tls', 'mdm.example.org', '--certs', disk], **quiet)
subprocess.run([csr, 'new', '--common-name', 'x', '--certs', disk], **quiet)
fill = os.open(f'{disk}/.filling', os.O_WRONLY | os.O_CREAT)
try:
    while True:
        os.write(fill, b'x' * 4096)
except OSError:
    pass
os.ftruncate(fill, os.fstat(fill).st_size // 4096 * 4096 - 4096 * int(sys.argv[4]))
def look():
    return {n: open(f'{disk}/{n}', 'rb').read() for n in sorted(os.listdir(disk)) if n != '.filling'}
before = look()
for command in ([csr, 'new', '--again', '--common-name', 'x'], [csr, 'new', '--replace', '--yes', '--common-name', 'x'],
                [ssc, 'new', '--replace', '--bits', '2048'], [ssc, 'new', '--compromised', '--yes', '--bits', '2048'],
                [ssc, 'tls', 'other.example.org', '--replace']):
    p = subprocess.run([*command, '--certs', disk], capture_output=True, stdin=subprocess.DEVNULL, text=True)
    print(p.returncode, 'No space left' in p.stderr and 'as it was' in p.stderr, look() == before, *command[1:3], p.stderr.replace('\n', ' '), sep='|')
'''


def test_full_disk(t):
    disk = fresh('disk')
    if os.geteuid() or subprocess.run(['unshare', '-m', 'true'], check=False).returncode:
        t.ok(True, 'a full disk: not tried, which takes root and a mount namespace')
        return
    for free in (0, 1):  # nothing at all, and room for one file of those that belong together
        p = subprocess.run(['unshare', '-m', '--propagation', 'private', sys.executable, '-c', FULL, disk, CSR, os.path.join(BUILD, 'cordon-ssc'),
                            str(free)], capture_output=True, text=True, check=False)
        lines = [line.split('|') for line in p.stdout.splitlines()]
        t.equal(len(lines), 5, f'a full disk ({free} pages free): five tools tried')
        for status, words, same, verb, more, err in lines:
            t.ok(status == str(IOERR) and words == 'True', f'{verb} {more}: says that the disk is full', err)
            t.ok(same == 'True', f'{verb} {more}: every file is as it was, and no other is left', err)


def main():
    try:
        Tap().run(test_situations, test_show, test_mdmcert, test_import, test_delete_links, test_full_disk, test_delete)
    finally:
        shutil.rmtree(top, ignore_errors=True)


main()
