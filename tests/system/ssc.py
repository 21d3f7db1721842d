#!/usr/bin/env python3
"""ssc.py - cordon-ssc: rollover, the drop of a stolen CA, delete on a terminal, the timer's renewal of the TLS certificate"""
import glob
import json
import os
import shutil
import subprocess
import tempfile
import time

from bed import BUILD, Bed, Tap
from terminal import bold, talk

SSC = os.path.join(BUILD, 'cordon-ssc')
USAGE, DATAERR, NOINPUT, CANTCREAT = 64, 65, 66, 73

top = tempfile.mkdtemp(prefix='cordon-ssc.')


class Result:
    def __init__(self, args):
        p = subprocess.run(args, capture_output=True, timeout=120, stdin=subprocess.DEVNULL, check=False)
        self.status, self.out, self.err = p.returncode, p.stdout.decode(), p.stderr.decode()
        self.all = f'exit {self.status}\n{self.out}{self.err}'


def ssc(certs, *args):
    return Result([SSC, *args, '--certs', certs])


def fresh(name):
    path = os.path.join(top, name)
    os.mkdir(path, 0o750)
    return path


def contents(certs):
    return {n: open(os.path.join(certs, n), 'rb').read() for n in sorted(os.listdir(certs))}


def openssl(*args):
    return subprocess.run(['openssl', *args], check=True, capture_output=True).stdout.decode()


def next_verbs(certs):
    _, seen = talk([SSC, '--certs', certs])
    return [part.partition(' ')[0] for part in bold(seen)], seen


# --- rollover ----------------------------------------------------------------------------------

def test_rollover(t):
    certs = fresh('roll')
    t.equal(ssc(certs, 'new', '--bits', '2048', '--common-name', 'Example & Söhne').status, 0, 'new')
    before = contents(certs)
    r = ssc(certs, 'new', '--replace', '--bits', '2048')
    after = contents(certs)
    kept = sorted(set(after) - set(before))
    t.ok(r.status == 0 and 'no device must enroll again' in r.out, 'new --replace is a rollover, and says what it means', r.all)
    t.equal([len(kept), kept[0][-4:], kept[1]], [2, '.crt', kept[0][:-4] + '.key'], 'the old pair is kept')
    t.ok(kept[0].startswith('ssc-old-'), 'as ssc-old-XXXXXXXX', kept)
    same = [openssl('x509', '-in', f'{certs}/{kept[0]}', '-noout', '-fingerprint'),
            subprocess.run(['openssl', 'x509', '-noout', '-fingerprint'], input=before['ssc.crt'], check=True, capture_output=True).stdout.decode()]
    t.equal(same[0], same[1], 'it is the same certificate')
    t.equal(openssl('x509', '-in', f'{certs}/{kept[0]}', '-noout', '-pubkey'), openssl('pkey', '-in', f'{certs}/{kept[1]}', '-pubout'),
            'with its key')
    t.ok(after['ssc.crt'] != before['ssc.crt'] and after['ssc.key'] != before['ssc.key'], 'certificate and key are new')
    t.equal(after['store.key'], before['store.key'], 'store.key is not')
    t.equal([oct(os.stat(f'{certs}/{n}').st_mode & 0o777) for n in ('ssc.key', kept[1], 'ssc.crt', kept[0])], ['0o640', '0o640', '0o644', '0o644'], 'modes')
    shown = json.loads(ssc(certs, 'show', '--json').out)
    t.equal((shown['ssc']['common_name'], len(shown['ssc_old'])), ('Example & Söhne', 1), 'the name stays; show tells of the old one')
    ssc(certs, 'new', '--replace', '--bits', '2048', '--common-name', 'Another')
    shown = json.loads(ssc(certs, 'show', '--json').out)
    t.equal((shown['ssc']['common_name'], len(shown['ssc_old'])), ('Another', 2), 'a second rollover keeps both')

    before = contents(certs)
    os.rename(f'{certs}/ssc.key', f'{top}/ssc.key')
    r = ssc(certs, 'new', '--replace', '--bits', '2048')
    t.ok(r.status == NOINPUT and 'no usable pair' in r.err, 'without its key there is nothing to keep: refused', r.all)
    os.rename(f'{top}/ssc.key', f'{certs}/ssc.key')
    t.equal(contents(certs), before, 'nothing changed')
    r = ssc(fresh('roll-none'), 'new', '--replace', '--bits', '2048', '--common-name', 'x')
    t.equal(r.status, 0, 'where there is none, --replace makes the first')


def test_bare(t):
    certs = fresh('bare')
    t.equal(next_verbs(certs)[0], ['new'], 'none: new is next')
    ssc(certs, 'new', '--bits', '2048', '--common-name', 'x')
    which, seen = next_verbs(certs)
    t.ok(which == ['tls'] and 'is installed' in seen, 'installed: tls is next', seen)
    ssc(certs, 'tls', 'mdm.example.org')
    which, seen = next_verbs(certs)
    t.ok(which == ['show'] and 'from the TLS root here' in seen, 'both: show', seen)
    for days, words in ((20, 'is expiring'), (0, 'has expired')):
        for name in glob.glob(f'{certs}/ssc.*'):
            os.unlink(name)
        openssl('req', '-new', '-newkey', 'rsa:2048', '-nodes', '-keyout', f'{certs}/ssc.key', '-out', f'{top}/ssc.csr', '-subj', '/CN=Old')
        with open(f'{top}/ext', 'w') as f:
            f.write('basicConstraints=critical,CA:TRUE\n')
        openssl('x509', '-req', '-in', f'{top}/ssc.csr', '-signkey', f'{certs}/ssc.key', '-days', str(days), '-extfile', f'{top}/ext',
                '-out', f'{certs}/ssc.crt')
        os.chmod(f'{certs}/ssc.key', 0o640)
        time.sleep(1.5)
        which, seen = next_verbs(certs)
        t.ok(which == ['new'] and words in seen and '--replace' in seen, f'{words}: new --replace is next', seen)
    os.unlink(f'{certs}/ssc.key')
    which, seen = next_verbs(certs)
    t.ok('ssc.key is missing' in seen, 'its key missing: said', seen)


# --- with devices ------------------------------------------------------------------------------

def test_devices(t):
    with Bed() as bed:
        bed.everything().start().connected()
        bed.enroll('0001')
        here = ['--config', bed.conf, '--socket', f'{bed.rundir}/control.sock']
        before = contents(bed.certs)
        for args in (['delete'], ['new', '--compromised', '--bits', '2048']):
            for answer in (b'y\n', b'no\n', b'\n', b'\x04'):
                status, seen = talk([SSC, *args, *here], answer)
                t.equal((status, contents(bed.certs) == before), (CANTCREAT, True), f'{args[0]}, answered {answer!r}: nothing changes')
            t.ok('1 device is enrolled' in seen and 'must' in seen and 're-enroll' in seen, f'{args[0]}: the number and the cost', seen)
            r = Result([SSC, *args, *here])
            t.ok(r.status == USAGE and '--yes' in r.err and contents(bed.certs) == before, f'{args[0]}: without terminal and --yes it refuses', r.all)
        r = Result([SSC, 'delete', '--config', bed.conf, '--socket', f'{top}/nothing'])
        t.has(r.err, 'is not known: no daemon answers', 'no daemon, no number')
        r = Result([SSC, 'delete', '--certs', fresh('elsewhere'), '--socket', f'{bed.rundir}/control.sock'])
        t.equal(r.status, NOINPUT, 'nothing to delete elsewhere')
        ssc(f'{top}/elsewhere', 'new', '--bits', '2048', '--common-name', 'x')
        r = Result([SSC, 'delete', '--certs', f'{top}/elsewhere', '--socket', f'{bed.rundir}/control.sock'])
        t.has(r.err, 'works on another directory', "another server's devices are not counted")

        Result([SSC, 'new', '--replace', '--bits', '2048', *here])
        t.equal(len(glob.glob(f'{bed.certs}/ssc-old-*')), 2, 'a rollover before the theft')
        status, seen = talk([SSC, 'new', '--compromised', '--bits', '2048', *here], b'yes\n')
        t.ok(status == 0 and not glob.glob(f'{bed.certs}/ssc-old-*'), 'new --compromised drops earlier ones too', seen)
        t.ok(seen.count('deleted ') == 2 and contents(bed.certs)['ssc.crt'] != before['ssc.crt'], 'each is named, and the SSC is new', seen)
        status, seen = talk([SSC, 'delete', *here], b'yes\n')
        t.ok(status == 0 and not glob.glob(f'{bed.certs}/ssc*') and os.path.exists(f'{bed.certs}/store.key'), 'delete: gone, store.key stays', seen)


# --- renewal by the timer ----------------------------------------------------------------------

def aged(certs, used, left, names='DNS:mdm.example.org'):
    """A server.crt from the root that is there, with the same key, as if it had been made `used` days ago."""
    stamp = [time.strftime('%Y%m%d%H%M%SZ', time.gmtime(time.time() + 86400 * d)) for d in (-used, left)]
    place = f'{top}/ca{len(os.listdir(top))}'
    os.mkdir(place)
    with open(f'{place}/index', 'w'), open(f'{place}/conf', 'w') as conf:
        conf.write(f'[ca]\ndefault_ca=d\n[d]\ndatabase={place}/index\nnew_certs_dir={place}\nrand_serial=yes\ndefault_md=sha256\npolicy=p\n'
                   f'email_in_dn=no\nunique_subject=no\n[p]\ncommonName=optional\n[x]\nbasicConstraints=critical,CA:FALSE\n'
                   f'extendedKeyUsage=serverAuth\nsubjectAltName={names}\n')
    openssl('req', '-new', '-key', f'{certs}/server.key', '-subj', '/CN=mdm.example.org', '-out', f'{place}/csr')
    openssl('ca', '-batch', '-config', f'{place}/conf', '-extensions', 'x', '-in', f'{place}/csr', '-cert', f'{certs}/tls-ca.crt',
            '-keyfile', f'{certs}/tls-ca.key', '-startdate', stamp[0], '-enddate', stamp[1], '-notext', '-out', f'{certs}/server.crt')


def test_renew(t):
    certs = fresh('renew')
    r = ssc(certs, 'tls', '--renew')
    t.ok(r.status == 0 and 'nothing to renew' in r.out and not os.listdir(certs), 'on a site without it: nothing, and well', r.all)
    for args in (['--renew', 'mdm.example.org'], [], ['--renew', '--replace']):
        t.equal(ssc(certs, 'tls', *args).status, USAGE, f'tls {" ".join(args)}: usage')
    ssc(certs, 'tls', 'mdm.example.org')
    before = contents(certs)
    r = ssc(certs, 'tls', '--renew')
    t.ok(r.status == 0 and 'nothing to do yet' in r.out and contents(certs) == before, 'fresh: nothing', r.all)
    aged(certs, 65, 35)
    before = contents(certs)
    r = ssc(certs, 'tls', '--renew')
    t.ok(r.status == 0 and contents(certs) == before, 'more than a third left: nothing', r.all)
    for used, left, names, verify in ((70, 30, 'DNS:mdm.example.org', ['-verify_hostname', 'mdm.example.org']),
                                      (100, -2, 'DNS:mdm.example.org', ['-verify_hostname', 'mdm.example.org'])):
        aged(certs, used, left, names)
        before = contents(certs)
        r = ssc(certs, 'tls', '--renew')
        after = contents(certs)
        t.ok(r.status == 0 and 'renewed' in r.out, f'{left} days of {used + left} left: renewed', r.all)
        t.equal([n for n in after if after[n] != before.get(n)], ['server.crt'], 'server.crt alone changes: key and root stay')
        v = subprocess.run(['openssl', 'verify', '-x509_strict', '-purpose', 'sslserver', '-CAfile', f'{certs}/tls-ca.crt', *verify,
                            f'{certs}/server.crt'], capture_output=True, text=True, check=False)
        t.ok(v.returncode == 0, 'and verifies from the root that devices have', v.stderr)
        t.ok(subprocess.run(['openssl', 'x509', '-in', f'{certs}/server.crt', '-noout', '-checkend', str(800 * 86400)], capture_output=True,
                            check=False).returncode == 0, 'for its full time again')
    certs = fresh('renew-ip')
    ssc(certs, 'tls', '2001:db8::1')
    aged(certs, 90, 10, 'IP:2001:db8::1')
    r = ssc(certs, 'tls', '--renew')
    t.ok(r.status == 0 and '2001:db8::1' in r.out and 'renewed' in r.out, 'an address is renewed too', r.all)
    certs = fresh('renew-foreign')
    ssc(certs, 'tls', 'mdm.example.org')
    openssl('req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-keyout', f'{certs}/server.key', '-out', f'{certs}/server.crt', '-days', '1', '-subj', '/CN=x')
    before = contents(certs)
    r = ssc(certs, 'tls', '--renew')
    t.ok(r.status == 0 and 'nothing to renew' in r.out and contents(certs) == before, 'a certificate from elsewhere is left alone', r.all)


def main():
    try:
        Tap().run(test_rollover, test_bare, test_renew, test_devices)
    finally:
        shutil.rmtree(top, ignore_errors=True)


main()
