"""dropin.py - what people drop into the certificate directory, and how, against a live daemon that runs as the user cordon

Each case begins with the same directory: SSC, TLS pair, and a signing request with its key.  A case writes something; then
status and journal must have certain words (or none), and push a certain certificate (or none).  Run as root it uses a user
`cordon` of its own; else the daemon runs as whoever runs the test, and what only permissions can show is left out.
"""
import glob
import os
import pwd
import shutil
import socket

from bed import BUILD, Bed, Tap, await_, run

ROOT = os.geteuid() == 0
UNUSED = 'com.apple.mgmt.External.00000000-0000-4000-8000-000000000000'


class Place:
    """The directory and what to put there; paths of finished files are in `made`."""

    def __init__(self, bed):
        self.bed, self.certs, self.made = bed, bed.certs, f'{bed.dir}/made'
        os.mkdir(self.made)
        self.csr = glob.glob(f'{bed.certs}/push-*.csr')[0]
        self.key = self.csr[:-4] + '.key'
        self.good = bed.signed(self.csr, out=f'{self.made}/good.pem')
        self.longer = bed.signed(self.csr, days=500, out=f'{self.made}/longer.pem')
        self.text = open(self.good).read()
        self.keep = set(os.listdir(self.certs))

    def path(self, name):
        return f'{self.certs}/{name}'

    def write(self, name, content, mode=0o644):
        """As `cp` of a small file: one open, one write."""
        with open(self.path(name), 'wb') as f:
            f.write(content.encode() if isinstance(content, str) else content)
        os.chmod(self.path(name), mode)

    def out(self, name, *command):
        """A file made by openssl, outside the directory."""
        run('openssl', *command, '-out', f'{self.made}/{name}')
        return f'{self.made}/{name}'

    def der(self):
        return self.out('good.der', 'x509', '-in', self.good, '-outform', 'DER')

    def key_of(self, name, *how):
        return self.out(name, 'genpkey', '-algorithm', 'RSA', '-pkeyopt', f'rsa_keygen_bits:{how[0] if how else 2048}')

    def cert(self, name, key, subject=f'/UID={UNUSED}/CN=APSP'):
        return self.out(name, 'req', '-x509', '-new', '-key', key, '-subj', subject, '-days', '365', '-sha256', '-addext',
                        'basicConstraints=critical,CA:FALSE')

    def at(self, name, start, end):
        """A certificate of the waiting request for any time, as `openssl ca` makes it."""
        d = f'{self.made}/ca-{name}'
        os.mkdir(d)
        open(f'{d}/index', 'w').close()
        with open(f'{d}/conf', 'w') as f:
            f.write(f'[ca]\ndefault_ca=a\n[a]\ndatabase={d}/index\nnew_certs_dir={d}\nserial={d}/serial\ndefault_md=sha256\npolicy=p\n'
                    '[p]\nuserId=optional\ncommonName=optional\n')
        open(f'{d}/serial', 'w').write('1001\n')
        a = f'{self.bed.dir}/apple'
        run('openssl', 'ca', '-batch', '-config', f'{d}/conf', '-in', self.csr, '-cert', f'{a}/ca.pem', '-keyfile', f'{a}/ca.key', '-subj',
            f'/UID={self.bed.topic}/CN=APSP', '-startdate', start, '-enddate', end, '-notext', '-out', f'{d}/cert.pem')
        return f'{d}/cert.pem'

    def clear(self):
        for name in os.listdir(self.certs):
            path = self.path(name)
            if name in self.keep:
                continue
            shutil.rmtree(path) if os.path.isdir(path) and not os.path.islink(path) else os.unlink(path)


# ---- how files are written ----

def cp(p):
    shutil.copy(p.good, p.path('MDM_Example_Certificate.pem'))


def two_writes(p):
    half = len(p.text) // 2
    with open(p.path('MDM_slow.pem'), 'w') as f:
        f.write(p.text[:half])
        f.flush()
        await_(lambda: 'MDM_slow.pem' in remarks(p.bed), 'half of it is seen')
        f.write(p.text[half:])


def mv(p):
    shutil.copy(p.good, f'{p.bed.dir}/etc/coming.pem')
    os.rename(f'{p.bed.dir}/etc/coming.pem', p.path('MDM_moved.pem'))


def ansible(p):
    p.write('.ansible_tmpq1w2e3MDM.pem', p.text)
    os.rename(p.path('.ansible_tmpq1w2e3MDM.pem'), p.path('MDM_ansible.pem'))


def rsync(p):
    p.write('.MDM_rsync.pem.Xy12aB', p.text)
    os.rename(p.path('.MDM_rsync.pem.Xy12aB'), p.path('MDM_rsync.pem'))


def install(p):
    who = ['-o', 'root', '-g', 'cordon'] if ROOT else []
    run('install', '-m', '640', *who, p.good, p.path('MDM_installed.pem'))


def hard_link(p):
    shutil.copy(p.good, f'{p.bed.dir}/etc/first-name.pem')
    os.link(f'{p.bed.dir}/etc/first-name.pem', p.path('MDM_linked.pem'))


def symlink(p):
    os.chmod(p.made, 0o755)
    os.symlink(p.good, p.path('MDM_link.pem'))


def symlink_swap(p):
    """A link to a directory is pointed at another one, as deployments of several files do."""
    d = f'{p.bed.dir}/etc/releases'
    shutil.rmtree(d, ignore_errors=True)
    for version, text in (('1', '-----BEGIN CERTIFICATE-----\nnonsense\n'), ('2', p.text)):
        os.makedirs(f'{d}/{version}')
        open(f'{d}/{version}/push.pem', 'w').write(text)
    os.symlink('1', f'{d}/current')
    os.symlink(f'{d}/current/push.pem', p.path('MDM_swapped.pem'))
    await_(lambda: 'MDM_swapped.pem' in remarks(p.bed), 'the first release is seen')
    os.symlink('2', f'{d}/next')
    os.rename(f'{d}/next', f'{d}/current')


def vim(p):
    p.write('MDM_vim.pem', '-----BEGIN CERTIFICATE-----\nnonsense\n')
    await_(lambda: 'MDM_vim.pem' in remarks(p.bed), 'the file before the edit is seen')
    p.write('4913', '')
    os.unlink(p.path('4913'))
    os.rename(p.path('MDM_vim.pem'), p.path('MDM_vim.pem~'))
    p.write('.MDM_vim.pem.swp', 'b0VIM 9.0')
    p.write('MDM_vim.pem', p.text)


def emacs(p):
    os.symlink('root@host.1234:1700000000', p.path('.#MDM_emacs.pem'))
    p.write('#MDM_emacs.pem#', p.text[:300])
    p.write('MDM_emacs.pem~', p.text[:200])
    p.write('MDM_emacs.pem', p.text)


def package(p):
    p.write('MDM_package.pem.dpkg-new', p.text)
    p.write('MDM_package.pem.dpkg-old', p.text[:100])
    p.write('MDM_package.pem.rpmsave', p.text[:100])
    os.rename(p.path('MDM_package.pem.dpkg-new'), p.path('MDM_package.pem'))


def replaced(p):
    """A broken file is replaced by a good one under its name."""
    p.write('MDM_again.pem', p.text.replace('A', 'B'))
    await_(lambda: 'MDM_again.pem' in remarks(p.bed), 'the broken one is seen')
    p.bed.replace(p.path('MDM_again.pem'), p.text)


# ---- what is in them ----

def with_chain(p):
    p.write('MDM_chain.pem', p.text + open(f'{p.bed.dir}/apple/ca.pem').read())


def chain_first(p):
    p.write('MDM_upside.pem', open(f'{p.bed.dir}/apple/ca.pem').read() + p.text)


def with_text(p):
    p.write('MDM_text.pem', run('openssl', 'x509', '-in', p.good, '-text').stdout)


def other_key(p):
    p.write('MDM_stranger.pem', open(p.cert('stranger.pem', p.key_of('stranger.key'))).read())


def no_topic(p):
    p.write('web.pem', open(p.cert('web.pem', p.key_of('web.key'), '/CN=www.example.org')).read())


def two_topics(p):
    key = p.key_of('two.key')
    p.write('two.key', open(key).read(), 0o600)
    p.write('MDM_two.pem', open(p.cert('two.pem', key, f'/UID={UNUSED}/UID={UNUSED[:-1]}1/CN=APSP')).read())


def weak(p):
    key = p.key_of('weak.key', 1024)
    p.write('weak.key', open(key).read(), 0o640 if not ROOT else 0o600)
    own(p, 'weak.key')
    p.write('MDM_weak.pem', open(p.cert('weak.pem', key)).read())


def sha1_push(p):
    run('bash', '-c', f'openssl req -in {p.csr} -noout -pubkey >{p.made}/pub.pem')
    p.write('MDM_sha1.pem', open(p.out('sha1.pem', 'x509', '-new', '-force_pubkey', f'{p.made}/pub.pem', '-subj',
                                       f'/UID={p.bed.topic}/CN=APSP', '-CA', f'{p.bed.dir}/apple/ca.pem', '-CAkey',
                                       f'{p.bed.dir}/apple/ca.key', '-set_serial', '99', '-sha1', '-days', '30')).read())


def own(p, name):
    if ROOT:
        os.chown(p.path(name), 0, pwd.getpwnam('cordon').pw_gid)
        os.chmod(p.path(name), 0o640)


def encrypted_key(p):
    p.write('secret.key', open(p.out('secret.key', 'pkey', '-in', p.key, '-aes256', '-passout', 'pass:orchard')).read(), 0o640)
    own(p, 'secret.key')


def pkcs12(p):
    out = p.out('push.p12', 'pkcs12', '-export', '-in', p.good, '-inkey', p.key, '-passout', 'pass:orchard')
    p.write('push.p12', open(out, 'rb').read())


def pkcs7(p):
    p.write('MDM.p7b', open(p.out('good.p7b', 'crl2pkcs7', '-nocrl', '-certfile', p.good)).read())


def lonely_key(p):
    p.write('lonely.key', open(p.key_of('lonely.key')).read(), 0o640)
    own(p, 'lonely.key')


def open_key(p):
    os.chmod(p.key, 0o644)
    cp(p)


def foreign_key(p):
    os.chown(p.key, pwd.getpwnam('nobody').pw_uid, pwd.getpwnam('cordon').pw_gid)
    cp(p)


def unreadable(p):
    p.write('MDM_mine.pem', p.text, 0o600)


def certbot(p):
    d = f'{p.bed.dir}/letsencrypt/live'
    os.makedirs(d, exist_ok=True)
    shutil.copy(p.good, f'{d}/cert.pem')
    os.chmod(d, 0o700)
    os.symlink(f'{d}/cert.pem', p.path('MDM_certbot.pem'))


def dangling(p):
    os.symlink('/nowhere/push.pem', p.path('MDM_dangling.pem'))


def loop(p):
    os.symlink('b.pem', p.path('a.pem'))
    os.symlink('a.pem', p.path('b.pem'))


def unix_socket(p):
    with socket.socket(socket.AF_UNIX) as s:
        here = os.getcwd()
        os.chdir(p.certs)
        s.bind('push.pem')
        os.chdir(here)


def junk(p):
    for i in range(10000):
        open(p.path(f'junk-{i:05}.txt'), 'w').write('nothing of interest\n')


def junk_and_good(p):
    junk(p)
    cp(p)


def directory_swapped(p):
    away = p.certs + '.away'
    os.rename(p.certs, away)
    await_(lambda: 'does not exist' in remarks(p.bed), 'the missing directory is noticed', 75)
    cp_into = f'{away}/MDM_back.pem'
    shutil.copy(p.good, cp_into)
    os.rename(away, p.certs)


def removed_again(p):
    cp(p)
    await_(lambda: p.bed.push_state() == 'Connected', 'it is in use')
    os.unlink(p.path('MDM_Example_Certificate.pem'))


def two_valid(p):
    shutil.copy(p.good, p.path('MDM_2026.pem'))
    shutil.copy(p.longer, p.path('MDM_2027.pem'))


def twice(p):
    shutil.copy(p.good, p.path('MDM_a.pem'))
    shutil.copy(p.good, p.path('MDM_b.pem'))


QUIET = ()  # nothing may be said
N = None    # no certificate is in use

# name, how it is written, words in status and journal, the file that push uses then
CASES = [
    ('cp of a PEM file', cp, QUIET, 'MDM_Example_Certificate.pem'),
    ('cp in two writes', two_writes, QUIET, 'MDM_slow.pem'),
    ('mv from elsewhere', mv, QUIET, 'MDM_moved.pem'),
    ("Ansible's atomic replace", ansible, QUIET, 'MDM_ansible.pem'),
    ('rsync', rsync, QUIET, 'MDM_rsync.pem'),
    ('install -m 640 -g cordon', install, QUIET, 'MDM_installed.pem'),
    ('hard link', hard_link, QUIET, 'MDM_linked.pem'),
    ('symbolic link', symlink, QUIET, 'MDM_link.pem'),
    ('a link to a directory is swapped', symlink_swap, QUIET, 'MDM_swapped.pem'),
    ("vim's backup and swap files", vim, QUIET, 'MDM_vim.pem'),
    ("emacs' lock, autosave and backup", emacs, QUIET, 'MDM_emacs.pem'),
    ("dpkg's and rpm's leftovers", package, QUIET, 'MDM_package.pem'),
    ('a broken file is replaced', replaced, QUIET, 'MDM_again.pem'),
    ('DER as .cer', lambda p: p.write('aps.cer', open(p.der(), 'rb').read()), QUIET, 'aps.cer'),
    ('DER as .der', lambda p: p.write('aps.der', open(p.der(), 'rb').read()), QUIET, 'aps.der'),
    ('DER with the ending .pem', lambda p: p.write('aps.pem', open(p.der(), 'rb').read()), QUIET, 'aps.pem'),
    ('no ending at all', lambda p: p.write('pushcert', p.text), QUIET, 'pushcert'),
    ('with its chain', with_chain, QUIET, 'MDM_chain.pem'),
    ('chain upside down', chain_first, QUIET, 'MDM_upside.pem'),
    ('CRLF line ends', lambda p: p.write('MDM_crlf.pem', p.text.replace('\n', '\r\n')), QUIET, 'MDM_crlf.pem'),
    ('text before it', with_text, QUIET, 'MDM_text.pem'),
    ('byte order mark', lambda p: p.write('MDM_bom.pem', '\ufeff' + p.text), QUIET, 'MDM_bom.pem'),
    ('a name with blanks and umlauts', lambda p: p.write('MDM_ Müller & Söhne (1).pem', p.text), QUIET, 'MDM_ Müller & Söhne (1).pem'),
    ('two valid ones', two_valid, ['MDM_2026.pem: superseded by MDM_2027.pem'], 'MDM_2027.pem'),
    ('the same twice', twice, ['is the same certificate as MDM_a.pem: it can be removed'], 'MDM_a.pem'),
    ('taken away again', removed_again, QUIET, N),
    ('cut off', lambda p: p.write('MDM_cut.pem', p.text[:700]), ['MDM_cut.pem: is cut off: copy the whole file again'], N),
    ('DER cut off', lambda p: p.write('cut.cer', open(p.der(), 'rb').read()[:500]), ['cut.cer: is cut off: copy the whole file again'], N),
    ('bytes behind DER', lambda p: p.write('behind.cer', open(p.der(), 'rb').read() + b'\n\n'), ['behind.cer: has 2 bytes of something else'], N),
    ('damaged', lambda p: p.write('MDM_bad.pem', '-----BEGIN CERTIFICATE-----\nnonsense\n-----END CERTIFICATE-----\n'), ['MDM_bad.pem: is damaged'], N),
    ('UTF-16', lambda p: p.write('MDM_utf16.pem', p.text.encode('utf-16')), ['MDM_utf16.pem: holds no certificate and no key: copy it again'], N),
    ('indented', lambda p: p.write('MDM_mail.pem', ''.join('  ' + x + '\n' for x in p.text.splitlines())),
     ['MDM_mail.pem: is indented or quoted'], N),
    ('CR line ends', lambda p: p.write('MDM_mac.pem', p.text.replace('\n', '\r')), ['MDM_mac.pem: has old Macintosh line ends'], N),
    ('a web page', lambda p: p.write('MDM_page.pem', '<!DOCTYPE html><title>Sign in</title>'), ['MDM_page.pem: holds no certificate and no key'], N),
    ('empty', lambda p: p.write('MDM_empty.pem', ''), ['MDM_empty.pem: is empty: copy it again or remove it'], N),
    ('huge', lambda p: p.write('MDM_huge.pem', p.text + '#' * 2000000), ['MDM_huge.pem: is larger than 1 MiB'], N),
    ('of another key', other_key, ['MDM_stranger.pem: this push certificate has no private key here', '(cordon-csr calls it push-'], N),
    ('no push certificate', no_topic, ['web.pem: is no push certificate: its subject has no UID'], N),
    ('two topics', two_topics, ['MDM_two.pem: its subject has two UIDs'], N),
    ('RSA 1024', weak, ['MDM_weak.pem: this push certificate cannot be used: its RSA key has fewer than 2048 bits'], N),
    ('SHA-1', sha1_push, ['MDM_sha1.pem: this push certificate cannot be used: it is signed with SHA-1'], N),
    ('expired', lambda p: shutil.copy(p.at('old', '20240101000000Z', '20250101000000Z'), p.path('MDM_old.pem')),
     ['MDM_old.pem: push certificate expired on 2025-01-01: renew it'], N),
    ('from the future', lambda p: shutil.copy(p.at('new', '20450101000000Z', '20460101000000Z'), p.path('MDM_new.pem')),
     ['MDM_new.pem: push certificate is not valid before 2045-01-01: is the clock right?'], N),
    ('encrypted private key', encrypted_key, ['secret.key: holds a private key that cannot be read: it is encrypted'], N),
    ('PKCS#12', pkcs12, ['push.p12: is a PKCS#12 file: take it in with "cordon-csr import"'], N),
    ('PKCS#7', pkcs7, ['MDM.p7b: is a PKCS#7 bundle: convert it'], N),
    ('a key without certificate', lonely_key, ['lonely.key: is a private key, and no certificate here belongs to it'], N),
    ('a CA certificate', lambda p: shutil.copy(f'{p.bed.dir}/apple/ca.pem', p.path('AppleCA.pem')),
     ['AppleCA.pem: is a CA certificate, which is not needed here'], N),
    ('a key open to everybody', open_key, ['.key: is refused: the private key is open to every user (mode 0644)', 'chmod 640'], N),
    ('a dangling link', dangling, ['MDM_dangling.pem: is a link to /nowhere/push.pem, which does not exist'], N),
    ('a circle of links', loop, ['a.pem: is a link that leads round in a circle', 'b.pem: is a link that leads'], N),
    ('a FIFO', lambda p: os.mkfifo(p.path('push.pem')), QUIET, N),
    ('a socket', unix_socket, QUIET, N),
    ('a directory', lambda p: os.mkdir(p.path('push.pem')), QUIET, N),
    ('a README', lambda p: p.write('README', 'Put certificates here.\nThey begin with -----BEGIN CERTIFICATE-----.\n'), QUIET, N),
    ('10,000 junk files', junk, QUIET, N),
    ('a good one among 10,000 junk files', junk_and_good, QUIET, 'MDM_Example_Certificate.pem'),
    ('the directory is removed and put back', directory_swapped, QUIET, 'MDM_back.pem'),
]
AS_ROOT = [
    ("a key of another user's", foreign_key, ['.key: is refused: the private key belongs to user'], N),
    ('unreadable for the daemon', unreadable, ['MDM_mine.pem: the daemon may not read it: chgrp cordon'], N),
    ("a link into certbot's closed directory", certbot,
     ['MDM_certbot.pem: is a link to', 'the daemon may not enter the directory', 'or put a copy into'], N),
]


def remarks(bed):
    return '\n'.join(f"{r['file']}: {r['text']}" for r in bed.status()['certificates']['remarks'])


def in_use(bed):
    """The file that push uses; only a connection counts."""
    push = bed.status()['push'][0]
    return push['certificate']['file'] if push['state'] == 'Connected' else None


def looked(place):
    """Waits until the directory was looked at after now: a broken file is named."""
    place.write('zz-marker.pem', '-----BEGIN CERTIFICATE-----\nnonsense\n-----END CERTIFICATE-----\n')
    await_(lambda: 'zz-marker.pem' in remarks(place.bed), 'the directory is looked at', 75)
    os.unlink(place.path('zz-marker.pem'))
    await_(lambda: 'zz-marker.pem' not in remarks(place.bed), 'the directory is looked at again', 75)


def one(t, place, name, write, words, uses):
    bed, start = place.bed, len(place.bed.journal())
    mode, owner = os.stat(place.key).st_mode, os.stat(place.key)
    try:
        write(place)
        if words:
            await_(lambda: all(w in remarks(bed) for w in words), f'{name}: {words}')
        looked(place)
        await_(lambda: in_use(bed) == uses, f'{name}: {uses} is in use')
        said, journal = remarks(bed), bed.journal()[start:]
        fine = all(w in said and w in journal for w in words) if words else said == place.quiet
        t.ok(fine, f'{name}: {uses or "push stays off"}; {words[0] if words else "quiet"}', f'{said}\n--\n{journal}')
    except TimeoutError as e:
        t.ok(False, f'{name}: {e}', f'{remarks(bed)}\n{bed.status()["push"]}\n--\n{bed.journal()[start:]}')
    os.chmod(place.key, mode)
    os.chown(place.key, owner.st_uid, owner.st_gid)
    place.clear()
    looked(place)
    await_(lambda: in_use(bed) is None and remarks(bed) == place.quiet, f'{name}: cleared away')


def start_as_cordon(bed):
    """The daemon, as root starts it for the user cordon; a copy of the program, whatever the build directory's modes."""
    prefix = []
    if ROOT:
        user = pwd.getpwnam('cordon')
        os.chmod(bed.dir, 0o755)
        for d in (bed.state, bed.rundir):
            os.chown(d, user.pw_uid, user.pw_gid)
        os.chown(bed.certs, 0, user.pw_gid)
        for name in os.listdir(bed.certs):
            os.chown(f'{bed.certs}/{name}', 0, user.pw_gid)
        prefix = ['setpriv', '--reuid', 'cordon', '--regid', 'cordon', '--clear-groups']
        os.chmod(f'{bed.dir}/apple', 0o755)
    shutil.copy(f'{BUILD}/cordond', f'{bed.dir}/cordond')
    bed.begin('cordond', *prefix, f'{bed.dir}/cordond', '-c', bed.conf, log=bed.log, env={**os.environ, 'RUNTIME_DIRECTORY': bed.rundir})
    await_(lambda: bed.ctl('status', check=False).returncode in (0, 1), 'the start of cordond')


def table(t):
    if ROOT and run('getent', 'passwd', 'cordon', check=False).returncode:
        run('useradd', '-r', '-U', '-s', '/usr/sbin/nologin', 'cordon')
    with Bed() as bed:
        bed.ssc()
        bed.tls()
        bed.apple()
        bed.apns()
        bed.csr()
        place = Place(bed)
        start_as_cordon(bed)
        if ROOT:
            owner = os.stat(f"/proc/{bed.processes['cordond'].pid}").st_uid
            t.equal(pwd.getpwuid(owner).pw_name, 'cordon', 'the daemon runs as the user cordon')
        place.quiet = remarks(bed)
        t.equal(place.quiet, '', 'nothing is said of the directory that each case begins with')
        for case in CASES + (AS_ROOT if ROOT else []):
            one(t, place, *case)
        t.equal(bed.stop(), 0, 'it stops cleanly')


Tap().run(table)
