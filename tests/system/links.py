"""links.py - who gets a profile: links, challenges, the page for other browsers, MachineInfo; and the revocation list"""
import glob
import os
import plistlib
import re

from bed import Bed, Tap, await_, run

NAME = '000A1C2E3F40000F'
SAFARI = 'Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 Version/18.1 Mobile Safari/604.1'
FIREFOX = 'Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0'


def udid(name=NAME):
    return f'00008110-{name}'


def path_of(link):
    return link[link.index('/enroll'):]


def links(t):
    with Bed() as bed:
        bed.everything()
        bed.start()
        bed.connected()
        t.equal(bed.ctl('links').stdout, 'No enrollment links.\n', 'there are none at first')
        link = bed.link('--serial', f'C39{NAME}', '--note', 'for Eva')
        listed = bed.ctl_json('links')
        t.equal([(e['state'], e['serial'], e['note'], e['uses'], e['used'], e['by']) for e in listed],
                [('valid', f'C39{NAME}', 'for Eva', 1, 0, listed[0]['by'])], 'a link is listed')
        t.ok(link.split('=')[1] not in bed.ctl('links', '--json').stdout, '... without its token')
        t.equal(bed.curl(path_of(link), '-A', SAFARI)[0], 200, 'Safari gets a profile')
        t.equal(bed.ctl_json('links')[0]['used'], 0, '... which is no use yet')
        bed.device(NAME, 'enroll', link=link)
        t.equal((bed.ctl_json('links')[0]['used'], bed.ctl_json('links')[0]['state']), (1, 'used'), 'an enrollment is')
        t.equal(bed.curl(path_of(link), '-A', SAFARI)[0], 403, '... and there is no second')

        other = bed.link('--uses', 'any')
        ident = [e['id'] for e in bed.ctl_json('links') if e['state'] == 'valid'][0]
        profile = bed.curl(path_of(other))[1]
        text = run('openssl', 'smime', '-verify', '-noverify', '-inform', 'DER', '-in', f'{bed.dir}/body').stdout
        t.ok(profile and 'Challenge' in text, 'a profile is fetched by a link of any number of uses')
        done = bed.ctl('enroll-link', '--revoke', ident[:8])
        t.has(done.stdout, 'revoked', 'a link is revoked by the beginning of its id')
        t.equal(bed.curl(path_of(other))[0], 403, '... and gives no profile any more')
        done = bed.device('000A1C2E3F4000AA', 'enroll', link=other, check=False)
        t.ok(done.returncode != 0, '... and enrolls nobody')
        t.equal(bed.ctl('enroll-link', '--revoke', '00000000', check=False).returncode, 65, 'an unknown one is told of')
        t.has(bed.journal(), f'The enrollment link {ident[:8]} is revoked by', 'the journal has it')

        mail = bed.ctl('enroll-link', '--mail').stdout
        t.ok(re.search(r'^Subject: ', mail) and 'https://localhost' in mail and 'Safari' in mail, 'a text to mail', mail)
        qr = bed.ctl('enroll-link', '--qr')
        t.ok('\u2588' in qr.stdout or 'without libqrencode' in qr.stderr, 'a QR code, or why there is none')

        # other browsers
        good = bed.link('--uses', 'any')
        status, page = bed.curl(path_of(good), '-A', FIREFOX)
        t.ok(status == 200 and b'<h1>Device management of Example</h1>' in page and b'Safari' in page,
             'a browser that cannot install it gets a page', page)
        status, page = bed.curl('/enroll?link=guess', '-A', FIREFOX)
        t.ok(status == 403 and b'<h1>' in page and b'Example' not in page, '... that tells no name without a valid link', page)
        t.ok(b'<html' not in bed.curl(path_of(good), '-A', SAFARI)[1], 'Safari gets the profile')
        status, _ = bed.curl('/enroll', '-X', 'POST', '-d', 'x')
        t.equal(status, 405, 'MachineInfo is not taken where it is not configured')


def machines(t):
    with Bed() as bed:
        d = bed.dir
        for ca, cn in (('apple', 'Apple iPhone Device CA'), ('fake', 'Apple iPhone Device CA')):
            run('openssl', 'req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-subj', f'/CN={cn}', '-keyout', f'{d}/{ca}.key',
                '-out', f'{d}/{ca}.pem', '-days', '1')
            run('openssl', 'req', '-newkey', 'rsa:2048', '-nodes', '-subj', '/CN=device', '-keyout', f'{d}/{ca}-dev.key',
                '-out', f'{d}/{ca}-dev.csr')
            run('openssl', 'x509', '-req', '-in', f'{d}/{ca}-dev.csr', '-CA', f'{d}/{ca}.pem', '-CAkey', f'{d}/{ca}.key',
                '-CAcreateserial', '-out', f'{d}/{ca}-dev.pem', '-days', '1')

        def post(serial, ca='apple', flip=False):
            info = {'UDID': udid(), 'SERIAL': serial, 'PRODUCT': 'iPhone12,1', 'VERSION': '22B83'}
            plist = f'{d}/info.plist'
            open(plist, 'wb').write(plistlib.dumps(info))
            run('openssl', 'smime', '-sign', '-binary', '-nodetach', '-in', plist, '-signer', f'{d}/{ca}-dev.pem', '-inkey',
                f'{d}/{ca}-dev.key', '-outform', 'DER', '-out', f'{d}/info.der')
            if flip:
                der = open(f'{d}/info.der', 'rb').read().replace(b'iPhone12,1', b'iPhone12,2')
                open(f'{d}/info.der', 'wb').write(der)
            return bed.curl('/enroll', '-H', 'Content-Type: application/pkcs7-signature', '--data-binary', f'@{d}/info.der')

        bed.drop_in('10-ade.conf', f'enrollment: {{ ade = "listed"; apple-ca = "{d}/apple.pem"; }};\n')
        bed.everything()
        bed.start()
        t.equal(post('C39LISTED0001')[0], 403, 'a serial number that is not listed gets nothing')
        bed.link('--serial', 'C39LISTED0001')
        status, body = post('C39LISTED0001')
        t.equal(status, 200, 'one that is gets its profile')
        t.ok(b'com.apple.mdm' in body, '... which is one', body[:80])
        t.equal(post('C39LISTED0001', ca='fake')[0], 403, "a signature of another CA of the same name is refused")
        t.equal(post('C39LISTED0001', flip=True)[0], 403, 'and a broken one')
        t.equal(bed.curl('/enroll', '--data-binary', 'rubbish')[0], 403, 'and what is none')
        t.equal(bed.curl('/enroll', '--data-binary', 'x' * 70000)[0], 413, 'and what is too long')


def crl(t):
    with Bed() as bed:
        bed.everything()
        bed.start()
        bed.connected()
        d = bed.dir
        for name in (NAME, '000A1C2E3F4000AB'):
            bed.enroll(name)

        def serial(name):
            return run('openssl', 'x509', '-in', f'{d}/dev-{name}/identity.pem', '-noout', '-serial').stdout.strip()[7:]

        def look(path='/crl'):
            status, der = bed.curl(path)
            open(f'{d}/crl.der', 'wb').write(der)
            done = run('openssl', 'crl', '-inform', 'DER', '-in', f'{d}/crl.der', '-CAfile', f'{bed.certs}/ssc.crt', '-noout',
                       '-text', check=False)
            entries = {}
            for part in done.stdout.split('Serial Number: ')[1:]:
                entries[part.split()[0]] = 'hold' if 'Certificate Hold' in part else 'revoked'
            return status, 'verify OK' in done.stderr, entries

        def awaited(name, what):
            return await_(lambda: look()[2].get(serial(name)) == what or None, f'{name} being {what}', 10)

        t.equal(look(), (200, True, {}), 'the list is signed by the SSC, and empty at first')
        ski = run('openssl', 'x509', '-in', f'{bed.certs}/ssc.crt', '-noout', '-ext', 'subjectKeyIdentifier').stdout
        ski = ski.strip().splitlines()[-1].strip().replace(':', '').lower()
        t.equal(look(f'/crl/{ski}')[:2], (200, True), 'it is there under its key id too')
        t.equal(bed.curl('/crl/00')[0], 404, 'and under no other')
        bed.ctl('lock', udid())
        t.ok(awaited(NAME, 'hold'), 'a locked device is on hold')
        t.equal(bed.device(NAME, 'idle-once').returncode, 0, '... and still speaks to us')
        bed.ctl('unlock', udid())
        t.ok(await_(lambda: serial(NAME) not in look()[2], 'the end of the hold', 10), 'an unlocked one is not listed')
        bed.device(NAME, 'checkout')
        run('cp', f'{d}/dev-{NAME}/identity.pem', f'{d}/gone.pem', check=False)
        t.ok(await_(lambda: 'revoked' in look()[2].values(), 'the revocation', 10), 'a device that left is revoked')
        t.equal(len(look()[2]), 1, '... and nobody else')
        done = run('openssl', 'verify', '-crl_check', '-CAfile', f'{bed.certs}/ssc.crt', '-CRLfile', f'{d}/crl.pem', '-purpose',
                   'any', f'{d}/dev-000A1C2E3F4000AB/identity.pem', check=False) if run(
                       'openssl', 'crl', '-inform', 'DER', '-in', f'{d}/crl.der', '-out', f'{d}/crl.pem') else None
        t.equal(done.returncode, 0, 'openssl verifies an identity against it')


def challenge(t):
    """A stranger's client: openssl makes the request that the fake device would make."""
    with Bed() as bed:
        bed.everything()
        bed.start()
        secret = bed.ctl('enroll-link', '--challenge', '--note', 'certmonger').stdout.strip()
        t.ok(len(secret) >= 32, 'a challenge is given', secret)
        bed.stop()
        kept = [f for f in glob.glob(f'{bed.state}/**', recursive=True) if os.path.isfile(f) and
                secret.encode() in open(f, 'rb').read()]
        t.ok(not kept and secret not in bed.journal(), '... and kept nowhere', kept)
        bed.start()
        listed = bed.ctl_json('links')
        t.equal([(e['state'], e['note']) for e in listed], [('valid', 'certmonger')], '... and can be revoked as a link')
        caps = bed.curl('/scep?operation=GetCACaps')
        t.ok(caps[0] == 200 and b'Renewal' in caps[1], 'the capabilities', caps)
        for verb, words in (('GetCRL', 'an operation that is none'), ('', 'none at all')):
            t.equal(bed.curl(f'/scep?operation={verb}')[0], 400, f'{words}: 400')


Tap().run(links, machines, crl, challenge)
