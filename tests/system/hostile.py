"""hostile.py - bad messages are answered 400 or so, never 401, and the daemon lives on"""
import os

from bed import Bed, Tap, run

A, B = '000A00000000000A', '000A00000000000B'
CHECKIN = 'application/x-apple-aspen-mdm-checkin'
REPORT = 'application/x-apple-aspen-mdm'
HEAD = ('<?xml version="1.0" encoding="UTF-8"?><!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" '
        '"http://www.apple.com/DTDs/PropertyList-1.0.dtd"><plist version="1.0">')


def bodies(udid):
    idle = f'{HEAD}<dict><key>Status</key><string>Idle</string><key>UDID</key><string>{udid}</string></dict></plist>'.encode()
    return {
        'garbage': os.urandom(500),
        'nothing': b'',
        'a truncated property list': idle[:len(idle) // 2],
        'a property list of 70 levels': (HEAD + '<dict><key>a</key>' + '<array>' * 70 + '</array>' * 70 + '</dict></plist>').encode(),
        'a bomb of 200,000 levels': (HEAD + '<array>' * 200000).encode(),
        'a list where a dictionary is wanted': (HEAD + '<array><string>Idle</string></array></plist>').encode(),
        'no UTF-8': idle.replace(udid.encode(), b'\xff\xfe' + udid.encode()),
        'no id': (HEAD + '<dict><key>Status</key><string>Idle</string></dict></plist>').encode(),
        'an id with a slash': idle.replace(udid.encode(), b'../../etc'),
        'an unknown status': idle.replace(b'Idle', b'Idling'),
    }


def http(t):
    with Bed() as bed:
        bed.everything()
        bed.start()
        codes = set()

        def expect(status, name, path, *more):
            got, body = bed.curl(path, *more)
            codes.add(got)
            t.equal(got, status, name)
            return body

        for method in ('GET', 'POST', 'DELETE'):
            expect(405, f'{method} /mdm is 405', '/mdm', '-X', method)
        allow = run('curl', '-s', '--cacert', bed.roots(), '-D', '-', '-X', 'DELETE', f'https://localhost:{bed.port}/mdm').stdout
        t.has(allow, 'Allow: PUT', '405 carries Allow')
        expect(404, 'an unknown path is 404', '/nothing')
        expect(404, 'administrators\' paths are not on the device listener', '/v1/status')
        big = f'{bed.dir}/big'
        with open(big, 'wb') as f:
            f.truncate(5 << 20)
        expect(413, 'a check-in of 5 MiB is 413', '/checkin', '-T', big, '-H', f'Content-Type: {CHECKIN}')
        with open(big, 'wb') as f:
            f.truncate(17 << 20)
        expect(413, 'a report of 17 MiB is 413', '/mdm', '-T', big, '-H', f'Content-Type: {REPORT}')
        with open(big, 'wb') as f:
            f.truncate((2 << 20) + 1)
        expect(413, 'SCEP of 2 MiB and a byte is 413', '/scep?operation=PKIOperation', '--data-binary', f'@{big}')
        expect(431, 'a head of 40 KB is 431', '/version', '-H', 'X: ' + 'x' * 40000)
        for name, body in bodies(f'00008110-{A}').items():
            with open(big, 'wb') as f:
                f.write(body)
            for path, kind in (('/checkin', CHECKIN), ('/mdm', REPORT), ('/mdm', 'text/html')):
                expect(400, f'{name} without a signature: 400 ({path}, {kind})', path, '-X', 'PUT', '--data-binary', f'@{big}', '-H',
                       f'Content-Type: {kind}')
            expect(400, f'{name} as SCEP message: 400', '/scep?operation=PKIOperation', '--data-binary', f'@{big}')
        expect(400, 'an unknown SCEP operation: 400', '/scep?operation=Nothing')
        expect(400, 'a signature that is no base64: 400', '/mdm', '-X', 'PUT', '-d', 'x', '-H', 'Mdm-Signature: *')
        expect(400, 'a signature twice: 400', '/mdm', '-X', 'PUT', '-d', 'x', '-H', 'Mdm-Signature: AAAA', '-H', 'Mdm-Signature: AAAA')
        expect(400, 'a signature of 20 KB: 400', '/mdm', '-X', 'PUT', '-d', 'x', '-H', 'Mdm-Signature: ' + 'A' * 20000)
        t.ok(401 not in codes, 'never 401', codes)
        t.equal(bed.curl('/version')[0], 200, 'the daemon lives on')


def devices(t):
    with Bed() as bed:
        bed.everything()
        bed.start()
        bed.connected()
        for switch, name in ((['--bad-challenge'], 'a wrong challenge'), (['--scep-bad-cms'], 'a damaged CMS'),
                             (['--cipher', 'des'], 'single DES')):
            done = bed.device('BAD', *switch, 'enroll', link=bed.link(), check=False)
            t.equal(done.returncode, 13, f'SCEP refuses {name}')
        bed.enroll(A)
        bed.enroll(B)
        before = bed.ctl_json('show', f'00008110-{A}')
        for switch, name in ((['--no-signature'], 'no signature'), (['--body-flip'], 'a signature of another message'),
                             (['--attached-signature'], 'an attached signature'),
                             (['--sign-with', f'{bed.dir}/dev-{B}'], 'another device\'s certificate'),
                             (['--long-signature', '20000'], 'an over-long signature')):
            done = bed.device(A, *switch, 'idle-once', check=False)
            t.equal(done.returncode, 14, f'{name} is refused, and the device stays enrolled')
        for name, body in bodies(f'00008110-{A}').items():
            raw = f'{bed.dir}/raw'
            open(raw, 'wb').write(body)
            for kind in (CHECKIN, REPORT):
                done = bed.device(A, '--raw', raw, '--raw-type', kind, 'raw', check=False)
                t.equal(done.returncode, 14, f'{name}, rightly signed, is refused ({kind.rsplit("-", 1)[1]})')
        now = bed.ctl_json('show', f'00008110-{A}')
        t.equal((now['state'], now['locked'], now['identity']), (before['state'], before['locked'], before['identity']),
                'the enrollment is as it was')
        t.ok(now['refused'] > 0, 'the refusals are counted and shown', now['refused'])
        t.equal(bed.device(A, 'idle-once', check=False).returncode, 0, 'the device goes on')
        t.equal(bed.stop(), 0, 'the daemon stops cleanly')


Tap().run(http, devices)
