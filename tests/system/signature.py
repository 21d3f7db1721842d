"""signature.py - Mdm-Signature as openssl makes it, right and wrong in every way, against a daemon on the network"""
import re

from bed import Bed, Tap, run
from signer import mdm_signature

A, B = '000A1C2E3F4A0001', '000A1C2E3F4A0002'
IDLE = '''<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<plist version="1.0"><dict><key>Status</key><string>Idle</string><key>UDID</key><string>00008110-%s</string></dict></plist>
'''
TYPE = 'Content-Type: application/x-apple-aspen-mdm; charset=UTF-8'


class Signer:
    """Bodies, certificates, and what the daemon says to them."""

    def __init__(self, bed):
        self.bed, self.dir = bed, bed.dir
        self.body = self.file('idle', IDLE % A)

    def file(self, name, text):
        path = f'{self.dir}/{name}'
        with open(path, 'wb') as f:
            f.write(text if isinstance(text, bytes) else text.encode())
        return path

    def pem(self, name=A):
        return f'{self.dir}/dev-{name}/identity.pem'

    def made(self, name, key, ca=None, subject='/CN=device', uri=None, days=100):
        """A certificate for `key` (options of openssl genpkey), signed by `ca` or by itself."""
        path = f'{self.dir}/{name}.pem'
        run('openssl', 'genpkey', *key, '-out', f'{path}.key')
        ext = self.file(f'{name}.ext', f'subjectAltName=URI:{uri}\n' if uri else '')
        run('openssl', 'req', '-new', '-key', f'{path}.key', '-subj', subject, '-out', f'{path}.csr')
        by = ['-CA', f'{ca}.crt', '-CAkey', f'{ca}.key', '-CAcreateserial'] if ca else ['-signkey', f'{path}.key']
        run('openssl', 'x509', '-req', '-in', f'{path}.csr', *by, '-days', days, '-extfile', ext, '-out', f'{path}.crt')
        with open(path, 'w') as f:
            f.write(open(f'{path}.crt').read() + open(f'{path}.key').read())
        return path

    def sign(self, pem=None, body=None, md='sha256', *more):
        return mdm_signature(pem or self.pem(), body or self.body, md, *more)

    def put(self, *signatures, body=None, kind=TYPE, **_):
        """The status of a PUT with these signatures; curl reads long headers from a file."""
        headers = self.file('headers', '\n'.join([kind, 'Expect:'] + [f'Mdm-Signature: {s}' if s else 'Mdm-Signature;' for s in signatures]))
        return self.bed.curl('/mdm', '-T', body or self.body, '-H', f'@{headers}')[0]


def own(t, s):
    t.equal(s.put(s.sign()), 200, 'a right signature')
    t.equal(s.put(s.sign(md='sha384')), 200, '... with SHA-384')
    t.equal(s.put(s.sign(md='sha1')), 200, '... with SHA-1, where digests are "any"')
    t.equal(s.put(s.sign(md='md5')), 400, '... not with MD5')
    for kind, words in (('Content-Type: APPLICATION/X-Apple-Aspen-MDM', 'in mixed case'), ('Content-Type;', 'empty'),
                        ('Content-Type:', 'missing'), ('Content-Type: text/xml; charset=utf-8', 'of another kind')):
        t.equal(s.put(s.sign(), kind=kind), 200, f'Content-Type {words}: a message of the command channel')
    text = open(s.body, 'rb').read()
    t.equal(s.put(s.sign(), body=s.file('byte', text.replace(b'Idle', b'idle'))), 400, 'the body changed by a byte')
    t.equal(s.put(s.sign(), body=s.file('crlf', text.replace(b'\n', b'\r\n'))), 400, 'LF made CRLF on the way')
    t.equal(s.put(), 400, 'no signature')
    t.equal(s.put(''), 400, 'an empty one')
    t.equal(s.put(s.sign(), s.sign()), 400, 'the header twice')
    t.ok(s.put('A' * (1 << 20)) in (431, 0), 'a header of 1 MB is refused before it is read: 431, which may not reach who still writes')
    t.equal(s.put('A' * 20000), 400, 'one of 20 KB as no signature')
    t.equal(s.put(s.sign(None, None, 'sha256', '-nodetach')), 400, 'the content inside the signature')
    t.equal(s.put(s.sign(None, None, 'sha256', '-stream', '-indef', '-nodetach')), 400, '... in indefinite lengths')
    t.equal(s.put(s.sign(None, None, 'sha256', '-signer', s.pem(B), '-inkey', s.pem(B))), 400, 'two signers')
    t.equal(s.put(s.sign(None, None, 'sha256', '-nocerts')), 400, 'no certificate in it')
    t.equal(s.put(s.sign(s.pem(B))), 400, "the certificate of device B with the UDID of device A")
    t.equal(s.put(s.sign(s.pem(B), s.file('b', IDLE % B)), body=f'{s.dir}/b'), 200, '... which is good for B')


def foreign(t, s):
    certs, rsa = s.bed.certs, ('-algorithm', 'RSA', '-pkeyopt', 'rsa_keygen_bits:2048')
    ca = run('openssl', 'x509', '-in', f'{certs}/ssc.crt', '-noout', '-subject', '-nameopt', 'compat').stdout.strip()
    name = '/' + ca.split('subject=')[1].strip().lstrip('/')
    uri = re.search(r'urn:uuid:\S+', run('openssl', 'x509', '-in', s.pem(), '-noout', '-ext', 'subjectAltName').stdout).group()
    t.equal(s.put(s.sign(s.made('self', rsa, subject=name, uri=uri))), 400, "self-signed, in our CA's name")
    run('openssl', 'req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-subj', name, '-keyout', f'{s.dir}/other.key', '-out',
        f'{s.dir}/other.crt', '-days', '9')
    t.equal(s.put(s.sign(s.made('byother', rsa, f'{s.dir}/other', uri=uri))), 400, 'of another CA of the same name')
    t.equal(s.put(s.sign(s.made('noname', rsa, f'{certs}/ssc'))), 400, 'of our CA, but of no enrollment')
    t.equal(s.put(s.sign()), 200, 'the device itself goes on')
    ec = s.made('ec', ('-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:P-256'), f'{certs}/ssc', uri=uri)
    t.equal(s.put(s.sign(ec)), 200, 'an ECDSA key, certified by our CA for this enrollment later than the bound one')
    t.equal(s.put(s.sign(ec), body=s.file('bad', IDLE % B)), 400, '... signs what it says')


def digests(t, bed, s):
    bed.drop_in('20-digests.conf', 'digests = "sha256";\n')
    bed.ctl('reload')
    t.equal(s.put(s.sign(s.pem(B), s.file('b', IDLE % B), 'sha1'), body=f'{s.dir}/b'), 400, 'SHA-1 is refused where digests are "sha256"')
    t.equal(s.put(s.sign(s.pem(B), f'{s.dir}/b'), body=f'{s.dir}/b'), 200, '... and SHA-256 is not')


def signatures(t):
    with Bed() as bed:
        bed.everything()
        bed.start()
        bed.connected()
        for name in (A, B):
            bed.enroll(name)
            bed.device(name, 'poll')
        s = Signer(bed)
        own(t, s)
        foreign(t, s)
        digests(t, bed, s)
        for method in ('GET', 'HEAD', 'POST'):
            for path in ('/mdm', '/checkin'):
                more = ['-I'] if method == 'HEAD' else ['-X', method]
                t.equal(bed.curl(path, *more)[0], 405, f'{method} {path} is 405')
        for name in (A, B):
            shown = bed.ctl_json('show', f'00008110-{name}')
            t.equal((shown['state'], shown['locked']), ('Enrolled', False), 'the devices are as they were')
        t.equal(bed.stop(), 0, 'the daemon stops cleanly')


Tap().run(signatures)
