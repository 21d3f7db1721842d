"""scep-foreign.py - SCEP clients that others wrote get their certificates: strongSwan's pki and the whole of certmonger

They speak plain HTTP here: strongSwan trusts the system's roots alone, and certmonger forgets its own --cacert when it sends
the request itself.  What they say is recorded by a relay, and said again over TLS, by POST and by GET.
"""
import base64
import http.server
import os
import plistlib
import shutil
import threading
import time
import urllib.parse
import urllib.request
from email.utils import parsedate_to_datetime

from bed import SLOW, Bed, Tap, free_port, run

SCEP_SUBMIT = '/usr/lib/certmonger/scep-submit'
YEAR = 365 * 86400

# Makes CA and request in a session of its own; the daemon is started by the bus and ends with it.
CERTMONGER = '''
getcert add-scep-ca -s -c Cordon -u "$1" -N "$2" || exit 1
for try in $(seq 200); do
	grep -qs ^ca_encryption_issuer_cert= "$HOME"/.config/certmonger/cas/* && break
	sleep 0.1
done
getcert request -s -c Cordon -I device -f "$4/device.crt" -k "$4/device.key" -G rsa -g 2048 -N CN=device -L "$3" \\
	-w --wait-timeout "$5"
status=$?
getcert list -s -i device
if [ $status = 0 ] && [ "$6" ]; then
	cp "$4/device.crt" "$4/first.crt"
	$6 -s -i device -w --wait-timeout "$5" || status=$?
	getcert list -s -i device
fi
exit $status
'''


class Relay:
    """Passes requests on to the plain listener and keeps what went by."""

    def __init__(self, to):
        relay, self.seen = self, []

        class Handler(http.server.BaseHTTPRequestHandler):
            def pass_on(self):
                body = self.rfile.read(int(self.headers.get('Content-Length') or 0)) or None
                relay.seen.append((self.command, self.path, body))
                ask = urllib.request.Request(f'http://localhost:{to}{self.path}', data=body, method=self.command)
                with urllib.request.urlopen(ask) as answer:
                    text, kind = answer.read(), answer.headers['Content-Type']
                self.send_response(200)
                self.send_header('Content-Type', kind)
                self.send_header('Content-Length', str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            do_GET = do_POST = pass_on

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Handler)
        self.url = f'http://localhost:{self.server.server_port}/scep'
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def operations(self):
        """The PKIOperations since the last question."""
        seen = [s for s in self.seen if 'operation=PKIOperation' in s[1]]
        self.seen.clear()
        return seen


class Place(Bed):
    """A bed with a plain listener beside the other, and a relay before it."""

    def __init__(self):
        super().__init__()
        self.plain = free_port()
        self.drop_in('50-plain.conf', f'listen = ( {{ address = "127.0.0.1"; port = {self.port}; }}, '
                                      f'{{ address = "127.0.0.1"; port = {self.plain}; tls = false; }} );\n')
        self.relay = Relay(self.plain)

    def challenge(self):
        """Out of a profile that is downloaded as a device does."""
        status, body = self.curl('/enroll?' + self.link().split('?')[1])
        assert status == 200, (status, body)
        signed, plain = f'{self.dir}/profile.der', f'{self.dir}/profile.xml'
        with open(signed, 'wb') as f:
            f.write(body)
        run('openssl', 'cms', '-verify', '-inform', 'DER', '-in', signed, '-CAfile', f'{self.certs}/ssc.crt', '-purpose', 'any',
            '-out', plain)
        with open(plain, 'rb') as f:
            payloads = plistlib.load(f)['PayloadContent']
        return next(p for p in payloads if p['PayloadType'] == 'com.apple.security.scep')['PayloadContent']['Challenge']

    def ssc_der(self):
        path = f'{self.dir}/ssc.der'
        run('openssl', 'x509', '-in', f'{self.certs}/ssc.crt', '-outform', 'DER', '-out', path)
        return path

    def rsa(self, name):
        key = f'{self.dir}/{name}.key'
        run('openssl', 'genrsa', '-out', key, '2048')
        run('openssl', 'rsa', '-in', key, '-traditional', '-outform', 'DER', '-out', key + '.der')
        return key

    def strongswan(self, key, *more):
        """pki --scep: its result, and where it left the certificate."""
        ssc, out = self.ssc_der(), key.replace('.key', '.crt')
        done = run('pki', '--scep', '--url', self.relay.url, '--in', key + '.der', '--dn', 'C=DE, CN=device', '--cacert-enc', ssc,
                   '--cacert-sig', ssc, '--cipher', 'des3', '--digest', 'sha1', '--outform', 'pem', *more, check=False)
        with open(out, 'w') as f:
            f.write(done.stdout)
        return done, out

    def certmonger(self, name, challenge, again=''):
        """Whole certmonger with a home and a bus of its own; `again` is what it is told once it has a certificate."""
        home = f'{self.dir}/{name}'
        os.makedirs(f'{home}/run', mode=0o700)
        env = {**os.environ, 'HOME': home, 'XDG_RUNTIME_DIR': f'{home}/run'}
        env.pop('DBUS_SESSION_BUS_ADDRESS', None)
        done = run('dbus-run-session', '--', 'bash', '-c', CERTMONGER, 'bash', self.relay.url, f'{self.certs}/ssc.crt', challenge,
                   home, 30 * SLOW, again, check=False, env=env)
        return done, f'{home}/device.crt', f'{home}/device.key'


def x509(cert, *what):
    return run('openssl', 'x509', '-in', cert, '-noout', *what, check=False).stdout.strip()


def judge(t, bed, cert, key, who):
    """An identity as DESIGN has it, in the eyes of openssl."""
    done = run('openssl', 'verify', '-x509_strict', '-purpose', 'sslclient', '-CAfile', f'{bed.certs}/ssc.crt', cert, check=False)
    t.ok(done.returncode == 0, f'{who}: the SSC issued it, for TLS clients', done.stdout + done.stderr)
    own = run('openssl', 'pkey', '-in', key, '-pubout').stdout.strip()
    t.equal(x509(cert, '-pubkey'), own, f'{who}: ... for the key that asked')
    text = x509(cert, '-ext', 'basicConstraints,keyUsage,extendedKeyUsage,subjectAltName')
    lines = [line.strip() for line in text.splitlines()]
    t.ok('CA:FALSE' in lines, f'{who}: it is no CA', text)
    t.ok('Digital Signature, Key Encipherment' in lines, f'{who}: the key usage is that of the profile', text)
    t.ok('TLS Web Client Authentication' in lines, f'{who}: the extended key usage is clientAuth alone', text)
    names = [line for line in lines if line.startswith('URI:urn:uuid:')]
    t.ok(len(names) == 1 and len(names[0]) == len('URI:urn:uuid:') + 36, f'{who}: one name, a urn:uuid', text)
    end = parsedate_to_datetime(openssl_date(x509(cert, '-enddate'))).timestamp()
    begin = parsedate_to_datetime(openssl_date(x509(cert, '-startdate'))).timestamp()
    t.ok(abs(end - time.time() - YEAR) < 3600 and time.time() - 3600 < begin <= time.time(),
         f'{who}: it is valid from now on, for 365 days', x509(cert, '-dates'))
    return names[0] if names else None


def openssl_date(line):
    """notAfter=Nov  3 10:00:00 2026 GMT in the form that the library reads"""
    month, day, clock, year, _ = line.split('=', 1)[1].split()
    return f'{day} {month} {year} {clock} +0000'


def certificate_in(bed, reply, key):
    """What a CertRep holds: openssl verifies, decrypts with the key that asked, and prints the certificate."""
    raw, env, certs = (f'{bed.dir}/reply.{part}' for part in ('p7', 'env', 'certs'))
    with open(raw, 'wb') as f:
        f.write(reply)
    run('openssl', 'cms', '-verify', '-binary', '-inform', 'DER', '-in', raw, '-CAfile', f'{bed.certs}/ssc.crt', '-purpose', 'any',
        '-out', env)
    run('openssl', 'cms', '-decrypt', '-binary', '-inform', 'DER', '-in', env, '-inkey', key, '-out', certs)
    text = run('openssl', 'pkcs7', '-inform', 'DER', '-in', certs, '-print_certs').stdout
    return text[text.index('-----BEGIN'):].strip()


def pem(path):
    text = Bed.read(path)
    return text[text.index('-----BEGIN'):].strip()


def questions(t, bed):
    """GetCACaps and GetCACert in themselves, and what is no question at all."""
    def ask(query):
        head = run('curl', '-s', '--cacert', bed.roots(), '-o', '/dev/null', '-w', '%{http_code} %{content_type}',
                   f'https://localhost:{bed.port}/scep?{query}').stdout
        return head, bed.curl(f'/scep?{query}')[1]

    head, body = ask('operation=GetCACaps')
    t.equal(head, '200 text/plain', 'GetCACaps is text/plain')
    words = body.decode().split('\n')
    t.ok({'POSTPKIOperation', 'Renewal', 'SHA-256', 'AES', 'SCEPStandard'} <= set(words), '... and lists what devices need', body)
    t.ok(not {'GetNextCACert', 'Update'} & set(words), '... and nothing that is not there', body)
    head, body = ask('operation=GetCACert&message=Example')
    t.equal(head, '200 application/x-x509-ca-cert', 'GetCACert has the type of a single certificate')
    t.equal(body, open(bed.ssc_der(), 'rb').read(), '... which is the SSC')
    for query in ('', 'operation=GetNextCACert', 'operation=PKIOperation', 'operation=PKIOperation&message=AAAA',
                  'operation=PKIOperation&message=%00', 'operation=GetCACaps&operation=GetCACert'):
        t.equal(ask(query)[0][:3], '400', f'/scep?{query} is 400')
    caps = run(SCEP_SUBMIT, '-u', f'https://localhost:{bed.port}/scep', '-R', bed.roots(), '-c', check=False)
    t.has(caps.stdout, 'POSTPKIOperation', 'scep-submit reads the capabilities over TLS')
    ca = run(SCEP_SUBMIT, '-u', f'https://localhost:{bed.port}/scep', '-R', bed.roots(), '-C', check=False)
    t.has(ca.stdout, pem(f'{bed.certs}/ssc.crt').splitlines()[1], '... and the SSC')


def strongswan(t, bed):
    key, challenge = bed.rsa('strongswan'), bed.challenge()
    done, cert = bed.strongswan(key, '--password', challenge)
    t.ok(done.returncode == 0, 'strongSwan enrolls', done.stderr)
    name = judge(t, bed, cert, key, 'strongSwan')
    said = bed.relay.operations()
    t.equal([method for method, _, _ in said], ['POST'], 'strongSwan asked once, by POST')
    repeat(t, bed, said[0][2], key, cert)

    again = bed.rsa('strongswan-again')
    done, other = bed.strongswan(again, '--password', challenge)
    t.ok(done.returncode == 0, 'the same challenge and another key: another certificate', done.stderr)
    t.equal(judge(t, bed, other, again, 'strongSwan again'), name, '... of the same enrollment-to-be')

    done, _ = bed.strongswan(bed.rsa('stranger'), '--password', challenge[:-1] + ('A' if challenge[-1] != 'A' else 'B'))
    t.ok(done.returncode != 0 and 'badRequest' in done.stderr, 'a challenge that is wrong in one letter: badRequest', done.stderr)
    done, _ = bed.strongswan(bed.rsa('renewed'), '--cert', other, '--key', again + '.der')
    t.ok(done.returncode != 0 and 'badCertId' in done.stderr,
         'an identity that no enrollment speaks by cannot be renewed: badCertId', done.stderr)


def renewal(t, bed):
    """A client that is no device: its challenge from cordonctl, its renewal signed by what it has."""
    key, challenge = bed.rsa('server'), bed.ctl('enroll-link', '--challenge', '--note', 'bare').stdout.strip()
    done, cert = bed.strongswan(key, '--password', challenge)
    t.ok(done.returncode == 0, 'strongSwan enrolls by a challenge of cordonctl enroll-link', done.stderr)
    name = judge(t, bed, cert, key, 'by a bare challenge')
    again = bed.rsa('server-again')
    done, renewed = bed.strongswan(again, '--cert', cert, '--key', key + '.der')
    t.ok(done.returncode == 0, '... and renews', done.stderr)
    t.equal(judge(t, bed, renewed, again, 'renewed'), name, '... under its name')
    bed.ctl('enroll-link', '--revoke', next(e['id'] for e in bed.ctl_json('links') if e['note'] == 'bare'))
    done, _ = bed.strongswan(bed.rsa('server-third'), '--cert', renewed, '--key', again + '.der')
    t.ok(done.returncode != 0 and 'badCertId' in done.stderr, '... until the challenge is withdrawn', done.stderr)


def repeat(t, bed, message, key, cert):
    """The message once more, over TLS in every way a message can come: the same certificate, because it may have been lost."""
    path, url = f'{bed.dir}/message', '/scep?operation=PKIOperation'
    with open(path, 'wb') as f:
        f.write(message)
    text = base64.b64encode(message).decode()
    ways = {
        'by POST': (url, '--data-binary', f'@{path}', '-H', 'Content-Type: application/x-pki-message'),
        'by GET': (f'{url}&message={urllib.parse.quote(text, safe="")}',),
        'by GET with + as it is': (f'{url}&message={text}',),
        'by GET in lines': (f'{url}&message={urllib.parse.quote(base64.encodebytes(message).decode(), safe="")}',),
    }
    for way, (where, *more) in ways.items():
        status, reply = bed.curl(where, *more)
        t.equal(status, 200, f'the message {way} is answered')
        t.equal(certificate_in(bed, reply, key), pem(cert), '... with the same certificate')
    status, _ = bed.curl(f'{url}&message={text[:-400]}')
    t.equal(status, 400, 'a message that is cut off is 400')


def certmonger(t, bed):
    bed.relay.operations()
    done, cert, key = bed.certmonger('monger', bed.challenge())
    t.ok(done.returncode == 0 and 'status: MONITORING' in done.stdout, 'certmonger enrolls', done.stdout + done.stderr)
    judge(t, bed, cert, key, 'certmonger')
    t.equal([method for method, _, _ in bed.relay.operations()], ['GET'], 'certmonger asked once, by GET')
    # It cannot read a refusal, which has no content (RFC 8894 3.3.2.2), and says that the signature is wrong.
    refused = bed.journal().count('The challenge is not known')
    done, cert, _ = bed.certmonger('stranger', 'wrong')
    t.ok(done.returncode != 0 and 'status: MONITORING' not in done.stdout and not os.path.exists(cert),
         'certmonger with a wrong challenge gets nothing', done.stdout + done.stderr)
    t.ok(bed.journal().count('The challenge is not known') > refused, '... and the journal says why', bed.journal())


def certmonger_renewal(t, bed):
    """As a server that is no device: certmonger signs its second request with the certificate that it has."""
    secret = bed.ctl('enroll-link', '--challenge', '--note', 'monger').stdout.strip()
    done, cert, key = bed.certmonger('renewing', secret, 'getcert resubmit')
    t.ok(done.returncode == 0 and done.stdout.count('status: MONITORING') == 2, 'certmonger enrolls by a challenge of cordonctl '
         'enroll-link, and renews', done.stdout + done.stderr)
    first = f'{bed.dir}/renewing/first.crt'
    name = judge(t, bed, first, key, 'certmonger, first')
    t.equal(judge(t, bed, cert, key, 'certmonger, renewed'), name, '... under its name')
    t.ok(x509(cert, '-serial') != x509(first, '-serial'), '... with another certificate')
    crl, ca = f'{bed.dir}/crl.pem', f'{bed.certs}/ssc.crt'
    bed.curl('/crl')
    run('openssl', 'crl', '-inform', 'DER', '-in', f'{bed.dir}/body', '-out', crl)
    done = run('openssl', 'crl', '-in', crl, '-CAfile', ca, '-noout', check=False)
    t.has(done.stderr, 'verify OK', 'the SSC signed the revocation list')
    done = run('openssl', 'verify', '-crl_check', '-purpose', 'sslclient', '-CAfile', ca, '-CRLfile', crl, cert, check=False)
    t.has(done.stderr, 'certificate revoked', '... on which a certificate that no enrolled device speaks by is on hold')


def foreign(t):
    missing = [p for p in ('pki', 'getcert', 'dbus-run-session') if not shutil.which(p)]
    t.equal(missing, [], 'the clients are here')
    with Place() as bed:
        bed.everything()
        bed.start()
        questions(t, bed)
        strongswan(t, bed)
        renewal(t, bed)
        certmonger(t, bed)
        certmonger_renewal(t, bed)
        t.ok(bed.stop() == 0, 'the daemon ends well', bed.journal())


Tap().run(foreign)
