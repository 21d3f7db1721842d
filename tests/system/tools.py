#!/usr/bin/env python3
"""tools.py - cordon-ssc and cordon-csr from the command line: files, modes, refusals, questions; openssl judges what they made"""
import glob
import grp
import json
import os
import shutil
import stat
import subprocess
import tempfile
import time

from bed import BUILD, SOURCE, Tap
from terminal import talk

SSC = os.path.join(BUILD, 'cordon-ssc')
CSR = os.path.join(BUILD, 'cordon-csr')
APPLE = os.path.join(SOURCE, 'tests', 'apple.sh')
USAGE, DATAERR, NOINPUT, NOUSER, CANTCREAT, NOPERM, CONFIG = 64, 65, 66, 67, 73, 77, 78
ROOT = os.geteuid() == 0
NAME = 'Gemüse & Söhne <MDM>'
LONG = 'Größe & <' + 55 * 'ü'  # 64 characters, 122 bytes

top = tempfile.mkdtemp(prefix='cordon-tools.')


class Result:
    def __init__(self, args, **kw):
        p = subprocess.run(args, stdin=subprocess.DEVNULL, capture_output=True, timeout=120, **kw)
        self.status = p.returncode
        self.out = p.stdout.decode()
        self.err = p.stderr.decode()
        self.all = f'exit {self.status}\n{self.out}{self.err}'


def fresh(name):
    path = os.path.join(top, name)
    os.mkdir(path, 0o750)
    return path


def ssc(certs, *args, **kw):
    return Result([SSC, *args, '--certs', certs], **kw)


def csr(certs, *args, **kw):
    return Result([CSR, *args, '--certs', certs], **kw)


def openssl(*args):
    return Result(['openssl', *args])


def mode(*path):
    return oct(stat.S_IMODE(os.lstat(os.path.join(*path)).st_mode))


def content(*path):
    with open(os.path.join(*path), 'rb') as f:
        return f.read()


def names(certs):
    return sorted(os.listdir(certs))


def common_name(path, kind='x509'):
    r = openssl(kind, '-in', path, '-noout', '-subject', '-nameopt', 'utf8,sep_multiline,lname,-esc_msb,-show_type')
    for line in r.out.splitlines():
        key, _, value = line.strip().partition('=')
        if key.strip() == 'commonName':
            return value.strip()
    return r.all


def push_certificate(certs, name='MDM_Example_Certificate.pem', **kw):
    apple = os.path.join(top, 'apple')
    if not os.path.exists(apple):
        subprocess.run(['bash', APPLE, 'init', apple], check=True)
    request = glob.glob(os.path.join(certs, 'push-*.csr'))[0]
    subprocess.run(['bash', APPLE, 'sign', apple, request, os.path.join(certs, name),
                    *kw.get('more', [])], check=True)


# --- on a terminal -----------------------------------------------------------------------------

def test_asks(t):
    certs = fresh('asks')
    status, seen = talk([SSC, 'new', '--certs', certs], b'\n', 65 * b'x' + b'\n', f'  {NAME} \n'.encode())
    t.equal(status, 0, 'cordon-ssc new asks on a terminal')
    t.has(seen, 'MDM profile', 'and says what the name is for')
    t.has(seen, 'It is needed', 'an empty answer is asked again')
    t.equal(common_name(f'{certs}/ssc.crt'), NAME, 'the answer is the common name, a faulty one before it is not')

    certs = fresh('asks-csr')
    status, seen = talk([CSR, 'new', '--certs', certs], b'Push\n', b'Switzerland\n', b'CH\n', b'\n')
    t.equal(status, 0, 'cordon-csr new asks on a terminal')
    request = glob.glob(f'{certs}/push-*.csr')[0]
    r = openssl('req', '-in', request, '-noout', '-verify', '-subject')
    t.ok('C = CH' in r.out and 'CN = Push' in r.out and 'email' not in r.out, 'country is asked until it is well, Enter leaves out', r.all)
    t.has(seen, '\x1b[1m', 'the important sentence is bold on a terminal')

    certs = fresh('asks-eof')
    status, seen = talk([SSC, 'new', '--certs', certs], b'\x04')
    t.equal((status, names(certs)), (USAGE, []), 'the end of input makes nothing')


def test_bold(t):
    certs = fresh('bold')
    _, seen = talk([CSR, '--certs', certs])
    t.has(seen, '\x1b[1mnew', 'without a verb the next one is bold')
    _, seen = talk([CSR, '--certs', certs], env={'NO_COLOR': '1'})
    t.ok('\x1b' not in seen and '  new' in seen, 'NO_COLOR is honoured', seen)
    r = csr(certs)
    t.ok(r.status == 0 and '\x1b' not in r.out, 'nothing is bold in a pipe', r.all)
    os.environ.pop('NO_COLOR', None)


# --- cordon-ssc new ----------------------------------------------------------------------------

def test_new(t):
    certs = fresh('new')
    r = ssc(certs, 'new', '--common-name', NAME, '--country', 'CH', '--organization', 'Äpfel AG',
            preexec_fn=lambda: os.umask(0o077))
    t.ok(r.status == 0, 'cordon-ssc new', r.all)
    t.equal(names(certs), ['ssc.crt', 'ssc.key', 'store.key'], 'it makes the SSC and store.key, and leaves nothing else')
    t.equal([mode(certs, n) for n in names(certs)], ['0o644', '0o640', '0o640'], 'with their modes, whatever the umask')
    t.equal(common_name(f'{certs}/ssc.crt'), NAME, 'the common name carries & < and umlauts')
    r = openssl('x509', '-in', f'{certs}/ssc.crt', '-noout', '-text')
    t.has(r.out, 'Public-Key: (3072 bit)', 'RSA 3072')
    t.ok('CA:TRUE' in r.out and 'Certificate Sign' in r.out, 'a CA', r.out)
    t.ok(openssl('x509', '-in', f'{certs}/ssc.crt', '-noout', '-checkend', str(3650 * 86400)).status == 0 and
         openssl('x509', '-in', f'{certs}/ssc.crt', '-noout', '-checkend', str(3660 * 86400)).status == 1, 'for ten years')
    r = openssl('verify', '-x509_strict', '-CAfile', f'{certs}/ssc.crt', f'{certs}/ssc.crt')
    t.ok(r.status == 0, 'openssl verifies it strictly', r.all)
    public = [openssl('x509', '-in', f'{certs}/ssc.crt', '-noout', '-pubkey').out, openssl('pkey', '-in', f'{certs}/ssc.key', '-pubout').out]
    t.ok(public[0] == public[1] and 'BEGIN PUBLIC KEY' in public[0], 'the key belongs to it', public)
    t.ok(len(content(certs, 'store.key').strip()) == 64 and bytes.fromhex(content(certs, 'store.key').decode()), 'store.key is 64 hex digits')


def test_names(t):
    for text in (LONG, '"quoted" \\ back, slash; + =#'):
        certs = fresh(f'name{len(text)}')
        r = ssc(certs, 'new', '--bits', '2048', '--common-name', text)
        shown = json.loads(ssc(certs, 'show', '--json').out)
        t.equal((r.status, shown['ssc']['common_name']), (0, text), f'a common name of {len(text)} characters comes back')
    certs = fresh('bad-names')
    for text, why in ((LONG + 'x', '65 characters'), ('a\nb', 'a control character'), (b'\xff\xfe', 'no UTF-8')):
        r = ssc(certs, 'new', '--common-name', text)
        t.ok(r.status == DATAERR and r.err, f'{why}: refused', r.all)
    r = ssc(certs, 'new', '--common-name', 'x', '--country', 'Switzerland')
    t.ok(r.status == DATAERR and 'country' in r.err.lower(), 'a country of more than two letters: refused', r.all)
    t.equal(names(certs), [], 'and nothing was made')


def test_refusals(t):
    certs = fresh('refusals')
    r = ssc(certs, 'new')
    t.ok(r.status == USAGE and '--common-name' in r.err and 'subject.common-name' in r.err,
         'without a name and a terminal it says how to give one', r.all)
    t.equal(names(certs), [], 'and makes nothing')
    ssc(certs, 'new', '--bits', '2048', '--common-name', 'One')
    before = {n: content(certs, n) for n in names(certs)}
    r = ssc(certs, 'new', '--common-name', 'Two')
    t.ok(r.status == CANTCREAT and 'ssc.crt' in r.err and 'rollover' in r.err, 'it does not overwrite an SSC, and says what a rollover is', r.all)
    t.equal({n: content(certs, n) for n in names(certs)}, before, 'every file is as it was')
    os.unlink(f'{certs}/ssc.crt')
    r = ssc(certs, 'new', '--common-name', 'Two')
    t.ok(r.status == CANTCREAT and content(certs, 'ssc.key') == before['ssc.key'], 'a key alone is not overwritten either', r.all)
    os.unlink(f'{certs}/ssc.key')
    r = ssc(certs, 'new', '--bits', '2048', '--common-name', 'Two')
    t.ok(r.status == 0 and content(certs, 'store.key') == before['store.key'], 'a new SSC keeps the store.key', r.all)


def test_usage(t):
    certs = fresh('usage')
    for args, status, words in (
            (['new', '--bits', '1024'], USAGE, '2048'),
            (['new', '--bits', '2048x'], USAGE, '2048'),
            (['new', '--years', '0'], USAGE, '1 to 30'),
            (['new', '--json'], USAGE, '--json'),
            (['new', 'extra'], USAGE, 'usage'),
            (['show', '--replace'], USAGE, '--replace'),
            (['renew'], USAGE, 'renew'),
            (['delete'], NOINPUT, 'there is no SSC'),
            (['new', '--nonsense'], USAGE, '--nonsense'),
            (['tls'], USAGE, 'NAME'),
            (['new', '--common-name', 'x', '--owner', 'nobody-has-this-name'], NOUSER, 'no such user'),
            (['new', '--common-name', 'x', '--group', 'nobody-has-this-name'], NOUSER, 'no such group'),
            (['show'], NOINPUT, 'cordon-ssc new')):
        r = ssc(certs, *args)
        t.ok(r.status == status and words in r.err, f'cordon-ssc {" ".join(args)}: exit {status}', r.all)
    r = Result([SSC, 'show', '--certs', f'{top}/nowhere'])
    t.ok(r.status == NOINPUT and 'install -d' in r.err, 'a directory that is not there, with the remedy', r.all)
    r = Result([SSC, 'show', '--config', f'{top}/nowhere.conf'])
    t.ok(r.status == NOINPUT and 'nowhere.conf' in r.err, 'a configuration that is not there', r.all)
    for tool, name in ((SSC, 'cordon-ssc'), (CSR, 'cordon-csr')):
        r = Result([tool, '--version'])
        t.ok(r.status == 0 and r.out.startswith(name + ' '), f'{name} --version', r.all)
        r = Result([tool, '--help'])
        t.ok(r.status == 0 and '--common-name' in r.out and ' show ' in r.out, f'{name} --help', r.all)
        r = Result([tool, 'new', '--help'])
        t.ok(r.status == 0 and '--bits' in r.out and '--json' not in r.out, f'{name} new --help tells of that verb', r.all)
    with open('/dev/full', 'wb') as full:
        p = subprocess.run([SSC, '--help'], stdout=full, stderr=subprocess.PIPE, check=False)
    t.ok(p.returncode == 74, 'output that cannot be written is an error', p.stderr)


def test_owner(t):
    certs = fresh('owner')
    uid, gid = (12345, 23456) if ROOT else (os.geteuid(), os.getegid())
    r = ssc(certs, 'new', '--bits', '2048', '--common-name', 'x', '--owner', str(uid), '--group', str(gid))
    r2 = ssc(certs, 'tls', 'mdm.example.org', '--owner', str(uid), '--group', str(gid))
    t.ok(r.status == 0 and r2.status == 0, 'owner and group can be given as numbers', r.all + r2.all)
    for name in ('ssc.key', 'ssc.crt', 'store.key', 'server.key'):
        st = os.stat(f'{certs}/{name}')
        t.equal((st.st_uid, st.st_gid), (uid, gid), f'{name} belongs to them')
    t.equal(os.stat(f'{certs}/tls-ca.key').st_gid, 0 if ROOT else os.getegid(), 'tls-ca.key does not belong to the group')
    certs = fresh('owner-default')
    ssc(certs, 'new', '--bits', '2048', '--common-name', 'x')
    try:
        wanted = grp.getgrnam('cordon').gr_gid if ROOT else os.getegid()
    except KeyError:
        wanted = os.getegid()
    st = os.stat(f'{certs}/ssc.key')
    t.equal((st.st_uid, st.st_gid), (os.geteuid(), wanted), 'by default: root and, where it exists, cordon')


def test_not_allowed(t):
    certs = fresh('not-allowed')
    if ROOT:
        os.chmod(top, 0o755)
        os.chmod(certs, 0o755)
        drop = {'user': 65534, 'group': 65534, 'extra_groups': []}
    else:
        os.chmod(certs, 0o555)
        drop = {}
    r = ssc(certs, 'new', '--bits', '2048', '--common-name', 'x', **drop)
    t.ok(r.status == NOPERM and certs in r.err and 'root' in r.err, 'a directory that may not be written: exit 77, and what to do', r.all)
    os.chmod(certs, 0o750)
    t.equal(names(certs), [], 'nothing was left behind')


# --- the configuration -------------------------------------------------------------------------

def test_configuration(t):
    certs = fresh('configured')
    path = f'{top}/cordond.conf'
    with open(path, 'w', encoding='utf-8') as f:
        f.write(f'organization = "Example";\nserver-name = "mdm.example.org";\ncertificates = "{certs}";\n'
                f'subject: {{ country = "CH"; common-name = "{NAME}"; }};\npush: {{ apple-account = "mdm@example.org"; }};\n')
    r = Result([SSC, 'new', '--config', path, '--bits', '2048'])
    t.ok(r.status == 0, 'directory and subject come from the configuration', r.all)
    subject = json.loads(Result([SSC, 'show', '--json', '-c', path]).out)['ssc']['subject']
    t.ok('C=CH' in subject and 'O=Example' in subject and f'CN={NAME}' in subject, 'the whole subject', subject)
    r = Result([CSR, 'new', '-c', path, '--common-name', 'Push'])
    request = glob.glob(f'{certs}/push-*.csr')
    t.ok(r.status == 0 and len(request) == 1 and common_name(request[0], 'req') == 'Push', 'a flag goes before the configuration', r.all)
    push_certificate(certs)
    t.has(Result([CSR, 'show', '-c', path]).out, 'mdm@example.org', 'show names the Apple account')
    with open(path, 'a', encoding='utf-8') as f:
        f.write('nonsense = 1;\n')
    r = Result([CSR, 'show', '-c', path])
    t.ok(r.status == CONFIG and f'{path}:6: ' in r.err and '--certs' in r.err, 'a faulty configuration: file, line and the way round it', r.all)
    r = Result([CSR, 'show', '-c', path, '--certs', certs])
    t.ok(r.status == 0 and 'is faulty' in r.err, 'with --certs it is no obstacle', r.all)


# --- cordon-ssc tls ----------------------------------------------------------------------------

def accepted(certs, *how):
    return openssl('verify', '-x509_strict', '-purpose', 'sslserver', '-CAfile', f'{certs}/tls-ca.crt', *how, f'{certs}/server.crt')


def test_tls(t):
    certs = fresh('tls')
    r = ssc(certs, 'tls', 'MDM.Example.org.')
    t.ok(r.status == 0, 'cordon-ssc tls NAME', r.all)
    t.equal({n: mode(certs, n) for n in names(certs)},
            {'server.crt': '0o644', 'server.key': '0o640', 'tls-ca.crt': '0o644', 'tls-ca.key': '0o600'}, 'four files with their modes')
    r = accepted(certs, '-verify_hostname', 'mdm.example.org')
    t.ok(r.status == 0, 'openssl verifies the server for its name', r.all)
    t.ok(accepted(certs, '-verify_hostname', 'other.example.org').status != 0, 'and not for another')
    t.equal(content(certs, 'server.crt').count(b'BEGIN CERTIFICATE'), 2, 'server.crt is a chain')
    text = openssl('x509', '-in', f'{certs}/tls-ca.crt', '-noout', '-text').out
    t.ok('Name Constraints: critical' in text and 'DNS:mdm.example.org' in text, 'the root is constrained to the name', text)
    t.ok(openssl('x509', '-in', f'{certs}/server.crt', '-noout', '-checkend', str(826 * 86400)).status == 1, 'for no more than 825 days')

    before = {n: content(certs, n) for n in names(certs)}
    r = ssc(certs, 'tls', 'mdm.example.org')
    after = {n: content(certs, n) for n in names(certs)}
    t.ok(r.status == 0 and 'renewed' in r.out, 'the same name again renews', r.all)
    t.equal([n for n in after if after[n] != before[n]], ['server.crt'], 'server.crt alone changes')
    t.ok(accepted(certs, '-verify_hostname', 'mdm.example.org').status == 0, 'and verifies')

    r = ssc(certs, 'tls', 'mdm.other.org')
    t.ok(r.status == CANTCREAT and '--replace' in r.err, 'another name: refused', r.all)
    t.equal({n: content(certs, n) for n in names(certs)}, after, 'and nothing changed')
    r = ssc(certs, 'tls', 'mdm.other.org', '--replace')
    t.ok(r.status == 0 and accepted(certs, '-verify_hostname', 'mdm.other.org').status == 0, '--replace makes a root for it', r.all)
    t.equal({n: mode(certs, n) for n in names(certs)},
            {'server.crt': '0o644', 'server.key': '0o640', 'tls-ca.crt': '0o644', 'tls-ca.key': '0o600'}, 'modes are as before')
    shown = json.loads(ssc(certs, 'show', '--json').out)
    t.ok(shown['tls_root'] is True and shown['remarks'] == [], 'show finds nothing wrong', shown)


def test_tls_addresses(t):
    for name, verify in (('127.0.0.1', ['-verify_ip', '127.0.0.1']), ('[2001:DB8::1]', ['-verify_ip', '2001:db8::1']),
                         ('localhost', ['-verify_hostname', 'localhost'])):
        certs = fresh('tls-' + name.strip('[]').replace(':', '-'))
        r = ssc(certs, 'tls', name)
        v = accepted(certs, *verify)
        t.ok(r.status == 0 and v.status == 0, f'cordon-ssc tls {name}', r.all + v.all)
    certs = fresh('tls-bad')
    for name in ('mdm.example.org:8443', 'https://mdm.example.org', '*.example.org', 'a b', '', '300.1.1.1', 'müller.ch', '-x.org',
                 'a..b', 'x' * 64 + '.org'):
        r = Result([SSC, 'tls', '--certs', certs, '--', name])
        t.ok(r.status == USAGE and 'neither a host name' in r.err, f'"{name[:30]}" is refused', r.all)
    t.equal(names(certs), [], 'and nothing was made')


def test_tls_foreign(t):
    certs = fresh('tls-foreign')
    subprocess.run(['openssl', 'req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-keyout', f'{certs}/server.key', '-out', f'{certs}/server.crt',
                    '-days', '90', '-subj', '/CN=mdm.example.org'], check=True, capture_output=True)
    before = {n: content(certs, n) for n in names(certs)}
    r = ssc(certs, 'tls', 'mdm.example.org')
    t.ok(r.status == CANTCREAT and 'server.crt' in r.err and '--replace' in r.err, 'a server.crt from elsewhere is not overwritten', r.all)
    t.equal({n: content(certs, n) for n in names(certs)}, before, 'nothing changed')
    os.unlink(f'{certs}/server.crt')
    r = ssc(certs, 'tls', 'mdm.example.org')
    t.ok(r.status == CANTCREAT and content(certs, 'server.key') == before['server.key'], 'nor is a key alone', r.all)

    # A link, as ACME clients want it: the link is replaced, never what it points to.
    outside = fresh('tls-outside')
    for name in before:
        with open(f'{outside}/{name}', 'wb') as f:
            f.write(before[name])
    os.unlink(f'{certs}/server.key')
    for name in before:
        os.symlink(f'{outside}/{name}', f'{certs}/{name}')
    r = ssc(certs, 'tls', 'mdm.example.org', '--replace')
    t.ok(r.status == 0 and accepted(certs, '-verify_hostname', 'mdm.example.org').status == 0, '--replace replaces links', r.all)
    t.equal({n: content(outside, n) for n in before}, before, 'and not what they point to')

    os.unlink(f'{certs}/tls-ca.key')
    r = ssc(certs, 'tls', 'mdm.example.org')
    t.ok(r.status == CANTCREAT and 'tls-ca.key is missing' in r.err, 'a root without its key: said', r.all)
    with open(f'{certs}/tls-ca.crt', 'r+b') as f:
        f.truncate(200)
    r = ssc(certs, 'tls', 'mdm.example.org')
    t.ok(r.status == DATAERR and 'tls-ca.crt' in r.err and 'cut off' in r.err, 'a damaged root: said', r.all)


# --- cordon-csr --------------------------------------------------------------------------------

def test_csr(t):
    certs = fresh('csr')
    r = csr(certs, 'show')
    t.ok(r.status == NOINPUT and 'cordon-csr new' in r.err, 'nothing to show yet', r.all)
    r = csr(certs, 'new')
    t.ok(r.status == USAGE and '--common-name' in r.err, 'without a name and a terminal it says how to give one', r.all)
    r = csr(certs, 'new', '--common-name', NAME, '--country', 'CH', '--email', 'it@example.org', preexec_fn=lambda: os.umask(0))
    t.ok(r.status == 0, 'cordon-csr new', r.all)
    files = names(certs)
    t.ok(len(files) == 2 and files[0].endswith('.csr') and files[1] == files[0][:-3] + 'key', 'a CSR and its key', files)
    t.equal([mode(certs, n) for n in files], ['0o644', '0o640'], 'with their modes')
    v = openssl('req', '-in', f'{certs}/{files[0]}', '-noout', '-verify', '-text')
    t.ok(v.status == 0 and '(2048 bit)' in v.out and 'sha256' in v.out, 'openssl verifies it: RSA 2048, SHA-256', v.all)
    t.equal(common_name(f'{certs}/{files[0]}', 'req'), NAME, 'the common name')
    der = subprocess.run(['openssl', 'pkey', '-in', f'{certs}/{files[1]}', '-pubout', '-outform', 'DER'], check=True, capture_output=True).stdout
    digest = subprocess.run(['openssl', 'dgst', '-sha256', '-r'], input=der, check=True, capture_output=True).stdout.decode()
    t.equal(files[1], f'push-{digest[:8]}.key', 'named by the SHA-256 of the public key')
    for words in ('not ready for Apple', 'vendor certificate of your own', 'mdmcert.download', 'a vendor who signs',
                  'one organisation and one server'):
        t.has(r.out, words, f'it says: {words}')

    r = csr(certs, 'new', '--common-name', 'x')
    t.ok(r.status == CANTCREAT and files[0] in r.err and '--again' in r.err, 'a CSR that waits: refused', r.all)
    t.equal(names(certs), files, 'and nothing was made')
    t.equal(json.loads(csr(certs, 'show', '--json').out)['waiting_csr']['file'], files[0], 'show tells of it')
    r = csr(certs, 'new', '--common-name', 'x', '--again')
    t.ok(r.status == 0 and len(names(certs)) == 4, '--again makes another', r.all)


def test_push(t):
    certs = fresh('push')
    csr(certs, 'new', '--common-name', 'Push')
    push_certificate(certs)
    r = csr(certs, 'show', '--json')
    shown = json.loads(r.out)
    push = shown['push'][0] if shown['push'] else {}
    t.ok(r.status == 0 and len(shown['push']) == 1 and shown['waiting_csr'] is None, 'the certificate is recognised and paired', r.all)
    t.has(push.get('topic'), 'com.apple.mgmt.External.', 'its topic')
    x = openssl('x509', '-in', f'{certs}/MDM_Example_Certificate.pem', '-noout', '-serial', '-fingerprint', '-sha256').out.lower()
    t.ok(push['serial'].lower() in x and push['sha256'] in x.replace(':', ''), 'serial and fingerprint as openssl has them', (push, x))
    t.ok(push['days_left'] in (364, 365) and push['valid'] and push['key_matches'], 'days left', push)
    people = csr(certs, 'show').out
    for label in ('Topic', 'Serial', 'Issuer', 'Renew by', 'Days left', 'Key match', 'Files', 'SHA-256'):
        t.has(people, f'  {label}', f'the table has {label}')
    r = csr(certs, 'new', '--common-name', 'x', '--again')
    t.ok(r.status == CANTCREAT and push['topic'] in r.err and 'enroll again' in r.err, 'new is refused while it is there, --again or not', r.all)
    key = glob.glob(f'{certs}/push-*.key')[0]
    os.chmod(key, 0o644)
    r = csr(certs, 'show')
    t.ok('chmod 640' in r.out, 'a key that everybody may read is named with the remedy', r.all)
    r = csr(certs, 'new', '--common-name', 'x')
    t.ok(r.status == CANTCREAT, 'and does not open the way to a new CSR', r.all)
    os.unlink(key)
    r = csr(certs, 'show')
    t.ok(r.status == NOINPUT and 'has no private key here' in r.out and os.path.basename(key) in r.out, 'a certificate without key, by name', r.all)

    certs = fresh('push-expired')
    csr(certs, 'new', '--common-name', 'Push')
    push_certificate(certs, more=['com.apple.mgmt.External.0', '0'])
    time.sleep(1.5)
    shown = json.loads(csr(certs, 'show', '--json').out)
    t.ok(shown['push'][0]['valid'] is False and 'expired' in shown['remarks'][0]['text'], 'an expired one is shown as such', shown)


def main():
    try:
        Tap().run(test_new, test_names, test_refusals, test_usage, test_owner, test_not_allowed, test_configuration, test_tls,
                  test_tls_addresses, test_tls_foreign, test_csr, test_push, test_asks, test_bold)
    finally:
        shutil.rmtree(top, ignore_errors=True)


main()
