#!/usr/bin/python3
"""fields.py - cordon-csr show, cordon-ssc show and cordonctl status against openssl x509, field by field

The same directory in four situations: none, installed, expired, key missing.
"""
import datetime
import glob
import json
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from bed import Bed, Tap, await_, run  # noqa: E402


def moment(text):
    """openssl's 'Nov 24 11:57:24 2026 GMT' as the programs write it."""
    return datetime.datetime.strptime(text, '%b %d %H:%M:%S %Y GMT').strftime('%Y-%m-%dT%H:%M:%SZ')


def x509(path):
    """What openssl says of a certificate, under the names of our fields."""
    out = run('openssl', 'x509', '-in', path, '-noout', '-serial', '-dates', '-fingerprint', '-sha256', '-subject', '-issuer',
              '-nameopt', 'utf8,sep_comma_plus_space').stdout
    said = dict(line.split('=', 1) for line in out.splitlines())
    key = run('openssl', 'x509', '-in', path, '-noout', '-pubkey').stdout
    return {'serial': said['serial'], 'not_before': moment(said['notBefore']), 'not_after': moment(said['notAfter']),
            'sha256': said['sha256 Fingerprint'].replace(':', '').lower(), 'subject': said['subject'].strip(),
            'issuer': said['issuer'].strip(), 'public': key}


def expected(certs, cert_file, key_file):
    want = x509(f'{certs}/{cert_file}')
    public = run('openssl', 'pkey', '-in', f'{certs}/{key_file}', '-pubout').stdout if key_file else ''
    want['key_matches'] = public == want.pop('public')
    return want


def days(not_after):
    end = datetime.datetime.strptime(not_after, '%Y-%m-%dT%H:%M:%SZ')
    return (end - datetime.datetime.utcnow()).days


def agree(t, what, shown, want):
    t.equal({k: shown.get(k) for k in want}, want, f'{what}: as openssl has it')
    # Rounded towards zero; the day may end between two looks.
    t.ok(abs(shown['days_left'] - days(shown['not_after'])) <= 1, f'{what}: the days that are left', shown)


def show(bed, tool):
    done = bed.tool(tool, 'show', '--json', '--config', bed.conf, check=False)
    return json.loads(done.stdout)


def compare(t, bed, situation, cert, key):
    """One situation of the push certificate; SSC and TLS are compared along with it."""
    status, csr, ssc = bed.status(), show(bed, 'cordon-csr'), show(bed, 'cordon-ssc')
    if cert:
        want = {**expected(bed.certs, cert, key), 'key_file': key}
        topic = next(part[4:] for part in want['subject'].split(', ') if part.startswith('UID='))
        t.equal([(p['topic'], p['certificate_file']) for p in csr['push']], [(topic, cert)], f'{situation}: cordon-csr names topic and file')
        t.equal([(p['topic'], p['certificate']['file']) for p in status['push']], [(topic, cert)], f'{situation}: and so does the status')
        agree(t, f'{situation}: cordon-csr show', csr['push'][0], want)
        agree(t, f'{situation}: the status', status['push'][0]['certificate'], want)
    else:
        t.equal(csr['push'], [], f'{situation}: cordon-csr shows none')
        t.ok('certificate' not in status['push'][0], f'{situation}: nor does the status', status['push'])
    for name, file in (('ssc', 'ssc'), ('tls', 'server')):
        want = expected(bed.certs, f'{file}.crt', f'{file}.key')
        agree(t, f'{situation}: cordon-ssc show, {name}', ssc[name], want)
        agree(t, f'{situation}: the status, {name}', status['certificates'][name], want)


def look_again(bed, condition, what):
    bed.ctl('reload', check=False)
    await_(condition, what)


def fields(t):
    with Bed() as bed:
        bed.ssc('Exämple & "MDM"')
        bed.tls()
        bed.apple()
        bed.apns()
        bed.start()
        compare(t, bed, 'none', None, None)
        bed.csr()
        key = os.path.basename(glob.glob(f'{bed.certs}/push-*.key')[0])
        bed.drop_push()
        cert = 'MDM_Example_Certificate.pem'
        bed.connected()
        t.equal(show(bed, 'cordon-csr')['situation'], 'installed', 'installed: named so')
        compare(t, bed, 'installed', cert, key)

        os.rename(f'{bed.certs}/{key}', f'{bed.dir}/{key}')
        look_again(bed, lambda: not bed.status()['push'][0].get('certificate', {'key_matches': True})['key_matches'], 'the key to be missed')
        t.equal(show(bed, 'cordon-csr')['situation'], 'key missing', 'key missing: named so')
        compare(t, bed, 'key missing', cert, None)
        page = bed.ctl('status', check=False).stdout
        t.ok('none that can be used' in page and 'has no private key here' in page, 'key missing: the page for people says so', page)
        # There, and refused: it is not called missing.
        os.chmod(f'{bed.dir}/{key}', 0o644)
        os.rename(f'{bed.dir}/{key}', f'{bed.certs}/{key}')
        look_again(bed, lambda: 'is open to every user' in bed.ctl('status', check=False).stdout, 'the key to be refused')
        page = bed.ctl('status', check=False).stdout
        t.ok('none that can be used' in page and 'missing' not in page, 'key refused: the page says why', page)
        os.chmod(f'{bed.certs}/{key}', 0o640)
        bed.connected()

        bed.drop_push(days=-1)
        look_again(bed, lambda: bed.status()['push'][0].get('certificate', {}).get('expired'), 'the expiry to be seen')
        t.equal(show(bed, 'cordon-csr')['situation'], 'expired', 'expired: named so')
        compare(t, bed, 'expired', cert, key)
        t.equal(bed.stop(), 0, 'the daemon stops')


Tap().run(fields)
