"""profile.py - "MDM not configured" until it is, the profile as others read it, the names on it"""
import os
import plistlib
import pty
import select
import subprocess

from bed import BUILD, Bed, Tap, await_, run


def profile_of(bed, tap=None, link=None):
    """Downloads a profile, lets openssl verify it, and reads it."""
    status, body = bed.curl('/enroll?' + (link or bed.link()).split('?')[1])
    assert status == 200, (status, body)
    signed = f'{bed.dir}/profile.der'
    open(signed, 'wb').write(body)
    done = run('openssl', 'cms', '-verify', '-inform', 'DER', '-noverify', '-in', signed, '-out',
               f'{bed.dir}/profile.xml', check=False)
    if tap:
        tap.equal(done.returncode, 0, 'openssl cms -verify -noverify takes the profile')
        done = run('openssl', 'cms', '-verify', '-inform', 'DER', '-CAfile', f'{bed.certs}/ssc.crt', '-purpose', 'any',
                   '-in', signed, '-out', '/dev/null', check=False)
        tap.ok(done.returncode == 0, 'the SSC signed it', done.stderr)
        done = run('plistutil', '-i', f'{bed.dir}/profile.xml', '-o', f'{bed.dir}/profile.bin', '-f', 'bin', check=False)
        tap.ok(done.returncode == 0 and os.path.getsize(f'{bed.dir}/profile.bin') > 500, 'plistutil reads the profile',
               done.stderr)
    return plistlib.load(open(f'{bed.dir}/profile.xml', 'rb'))


def payload(profile, kind):
    return next(p for p in profile['PayloadContent'] if p['PayloadType'] == kind)


def not_configured(t):
    with Bed() as bed:
        bed.apple()
        bed.apns()
        bed.start()
        text = bed.ctl('status', check=False).stdout
        t.has(text, 'MDM not configured', 'without SSC and push certificate status says so')
        t.equal(bed.ctl('status', check=False).returncode, 1, '... with exit status 1')
        t.ok(not os.path.exists(f'{bed.certs}/ssc.crt'), 'the daemon never makes an SSC')
        bed.tls()
        await_(lambda: bed.curl('/version')[0] == 200, 'the device listener opens with the TLS pair, without a restart')
        status, body = bed.curl('/enroll')
        t.equal(status, 503, 'without both /enroll is 503')
        t.has(body.decode(), 'MDM not configured', '... and says why')
        bed.csr()
        bed.drop_push()
        await_(lambda: bed.push_state() == 'Connected', 'Connected without an SSC')
        status, body = bed.curl('/enroll')
        t.equal(status, 503, 'without SSC /enroll is 503')
        t.has(body.decode().lower(), 'ssc', '... and the SSC is named')
        t.has(bed.status()['not_configured'].lower(), 'ssc', 'status names the SSC')
        for f in os.listdir(bed.certs):
            if f.startswith('MDM_'):
                os.unlink(f'{bed.certs}/{f}')
        bed.ssc()
        await_(lambda: 'push certificate' in (bed.status()['not_configured'] or ''), 'status names the push certificate')
        status, body = bed.curl('/enroll')
        t.equal(status, 503, 'without push certificate /enroll is 503')
        t.has(body.decode(), 'push certificate', '... and the push certificate is named')
        bed.drop_push()
        await_(lambda: bed.status()['configured'], 'configured')
        t.equal(bed.curl('/enroll')[0], 403, 'with both, but without a link, /enroll is 403')
        t.equal(bed.curl('/enroll?link=wrong')[0], 403, 'a wrong link is 403')
        profile = profile_of(bed, t)
        mdm, scep = payload(profile, 'com.apple.mdm'), payload(profile, 'com.apple.security.scep')
        t.equal(mdm['Topic'], bed.topic, 'the Topic is the push certificate\'s')
        t.equal(mdm['IdentityCertificateUUID'], scep['PayloadUUID'], 'the identity is the SCEP payload')
        t.ok(mdm['SignMessage'] and mdm['CheckOutWhenRemoved'], 'messages are signed, removal is told')
        t.equal(scep['PayloadContent']['KeyIsExtractable'], False, 'the identity\'s key cannot be taken out')
        other = profile_of(bed)
        t.ok(payload(other, 'com.apple.security.scep')['PayloadContent']['Challenge'] != scep['PayloadContent']['Challenge']
             and other['PayloadUUID'] != profile['PayloadUUID'], 'two downloads differ in challenge and UUIDs')
        t.equal(other['PayloadIdentifier'], profile['PayloadIdentifier'], '... and not in the identifier')
        headers = run('curl', '-s', '--cacert', bed.roots(), '-D', '-', '-o', '/dev/null', bed.link()).stdout.lower()
        t.has(headers, 'content-type: application/x-apple-aspen-config', 'its content type')
        t.has(headers, 'cache-control: no-store', 'it is not to be kept')


def names(t):
    for name in ('A & B <Geräte> "Zürich"', 'Ü' * 64, 'x' * 64):
        with Bed() as bed:
            bed.ssc(name)
            bed.tls()
            bed.apple()
            bed.csr()
            bed.drop_push()
            bed.start()
            profile = profile_of(bed)
            t.equal(profile['PayloadDisplayName'], name, f'the profile is named after the SSC: {name[:24]}')


def asking(t):
    with Bed() as bed:
        done = bed.tool('cordon-ssc', 'new', '--config', bed.conf, check=False, stdin=subprocess.DEVNULL)
        t.ok(done.returncode != 0 and 'common' in done.stderr.lower(), 'without a common name cordon-ssc new fails',
             done.stderr)
        t.ok(not os.path.exists(f'{bed.certs}/ssc.key'), '... and leaves nothing behind')
        pid, fd = pty.fork()
        if pid == 0:
            os.execv(f'{BUILD}/cordon-ssc', ['cordon-ssc', 'new', '--config', bed.conf])
        said, answered = b'', False
        while select.select([fd], [], [], 60)[0]:
            try:
                piece = os.read(fd, 4096)
            except OSError:
                break
            if not piece:
                break
            said += piece
            if not answered and b'ommon' in said and (b':' in said or b'?' in said):
                os.write(fd, 'Müller & Söhne\n'.encode())
                answered = True
        status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        t.ok(status == 0 and answered, 'on a terminal it asks', said.decode(errors='replace'))
        subject = run('openssl', 'x509', '-in', f'{bed.certs}/ssc.crt', '-noout', '-subject', '-nameopt', 'utf8').stdout
        t.has(subject, 'Müller & Söhne', '... and takes the answer')


Tap().run(not_configured, names, asking)
