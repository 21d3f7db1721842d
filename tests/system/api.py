"""api.py - the control API over TCP: NanoMDM's requests and answers line by line, keys, roles, and callers that are refused"""
import base64
import http.client
import json
import os
import plistlib
import socket
import ssl
import subprocess
import threading
import time
import urllib.parse
import uuid

from bed import Bed, Tap, await_, free_port, run

KEYS = {'reader': 'read', 'helpdesk': 'operate', 'boss': 'admin'}


class Api:
    """Requests to the API as a client makes them: (status, headers, JSON or text)."""

    def __init__(self, port):
        self.port = port

    def __call__(self, method, path, body=None, user='nanomdm', key='boss', headers=None):
        headers = dict(headers or {})
        if key:
            secret = KEY_TEXT.get(key, key)
            headers['Authorization'] = 'Basic ' + base64.b64encode(f'{user}:{secret}'.encode()).decode()
        c = http.client.HTTPConnection('127.0.0.1', self.port, timeout=60)
        try:
            c.request(method, path, body, headers)
            r = c.getresponse()
            text = r.read().decode()
            try:
                return r.status, r.headers, json.loads(text)
            except json.JSONDecodeError:
                return r.status, r.headers, text
        finally:
            c.close()


KEY_TEXT = {name: f'{name}-0123456789abcdef' for name in KEYS}


def settings(bed_dir, port):
    keys = ', '.join(f'{{ name = "{n}"; role = "{r}"; file = "{bed_dir}/etc/{n}.key"; }}' for n, r in KEYS.items())
    return f'api: {{ listen = "127.0.0.1:{port}"; keys = ( {keys} ); }};'


def prepare(bed):
    port = free_port()
    for name in KEYS:
        path = f'{bed.dir}/etc/{name}.key'
        with open(os.open(path, os.O_WRONLY | os.O_CREAT, 0o640), 'w') as f:
            f.write(KEY_TEXT[name] + '\n')
    bed.write_conf(settings(bed.dir, port))
    return Api(port)


def command(request_type='ProfileList', number=None):
    return plistlib.dumps({'Command': {'RequestType': request_type}, 'CommandUUID': number or str(uuid.uuid4())})


def message(kind, udid, topic, **more):
    """What a device once told another server."""
    return plistlib.dumps({'MessageType': kind, 'UDID': udid, 'Topic': topic, **more})


RESULT_KEYS = {'status', 'no_push', 'push_error', 'command_error', 'command_uuid', 'request_type'}
STATUS_KEYS = {'push_error', 'push_result', 'command_error'}


def shape(answer):
    """True when an answer has NanoMDM's keys and no others."""
    return set(answer) <= RESULT_KEYS and all(set(s) <= STATUS_KEYS and s for s in answer.get('status', {}).values())


def table(t):
    with Bed() as bed:
        api = prepare(bed)
        bed.everything()
        bed.start()
        bed.connected()
        bed.enroll('A')
        bed.enroll('B')
        a, b = '00008110-A', '00008110-B'
        # path, method, body -> status, keys: every line of the list of NanoMDM's requests
        number = str(uuid.uuid4())
        some = 'com.apple.mgmt.External.00000000-0000-0000-0000-000000000000'
        rows = [
            ('GET', '/version', None, 200, {'version'}),
            ('GET', f'/v1/pushcert?topic={bed.topic}', None, 200, {'topic', 'not_after'}),
            ('GET', f'/v1/pushcert?topic={some}', None, 500, {'error'}),
            ('GET', '/v1/pushcert', None, 400, {'error'}),
            ('PUT', '/v1/pushcert', '-----BEGIN CERTIFICATE-----\n', 405, {'error'}),
            ('GET', f'/v1/push/{a}', None, 200, {'status'}),
            ('GET', f'/v1/push/{a},{b}', None, 200, {'status'}),
            ('GET', f'/v1/push/{a},nobody', None, 207, {'status'}),
            ('GET', '/v1/push/nobody', None, 500, {'status'}),
            ('GET', '/v1/push/nobody,noone', None, 500, {'status'}),
            ('PUT', f'/v1/enqueue/{a}', command(number=number), 200, {'status', 'command_uuid', 'request_type'}),
            ('POST', f'/v1/enqueue/{b}', command(), 200, {'status', 'command_uuid', 'request_type'}),
            ('PUT', f'/v1/enqueue/{a},{b}', command(), 200, {'status', 'command_uuid', 'request_type'}),
            ('PUT', f'/v1/enqueue/{a}?nopush=1', command(), 200, {'no_push', 'command_uuid', 'request_type'}),
            ('PUT', f'/v1/enqueue/{a}?nopush=x', command('SecurityInfo'), 200, {'no_push', 'command_uuid', 'request_type'}),
            ('PUT', f'/v1/enqueue/{a},nobody', command(), 207, {'status', 'command_uuid', 'request_type'}),
            ('PUT', '/v1/enqueue/nobody', command(), 500, {'status', 'command_uuid', 'request_type'}),
            ('PUT', f'/v1/enqueue/{a}', b'no property list', 400, {'error'}),
            ('PUT', '/migration', message('Authenticate', 'M', bed.topic, SerialNumber='C39M'), 200, None),
            ('PUT', '/migration', message('TokenUpdate', 'M', bed.topic, Token=b't' * 32, PushMagic='m'), 200, None),
            ('PUT', '/migration', message('Authenticate', 'N', some), 400, {'error'}),
            ('PUT', '/migration', message('CheckOut', 'M', bed.topic), 400, {'error'}),
            ('PUT', '/migration', b'no property list', 400, {'error'}),
            ('PUT', '/migration', message('TokenUpdate', a, bed.topic, Token=b't' * 32, PushMagic='m'), 409, {'error'}),
            ('POST', '/v1/escrowkeyunlock', 'topic=x', 400, {'error'}),
            ('POST', '/v1/escrowkeyunlock', 'topic=x&serial=C39A&productType=iPhone14,5&escrowKey=k&orgName=o&guid=g', 500,
             {'error'}),
        ]
        for method, path, body, status, keys in rows:
            got, headers, answer = api(method, path, body)
            name = f'{method} {path.replace(bed.topic, "TOPIC")[:60]} answers {status} with {sorted(keys or [])}'
            if keys is None:
                t.equal((got, answer), (status, ''), name.partition(' with ')[0] + ' with nothing')
                continue
            t.ok(got == status and isinstance(answer, dict) and set(answer) == keys, name, (got, answer))
            if status in (200, 207, 500) and path.startswith(('/v1/push/', '/v1/enqueue/')):
                t.ok(shape(answer), '... in its shape', answer)
        _, _, answer = api('PUT', '/v1/pushcert', 'x')
        t.has(answer['error'], 'come by the directory', 'PUT pushcert says how certificates come here')
        _, _, answer = api('GET', f'/v1/push/{a},nobody')
        t.ok('push_result' in answer['status'][a] and 'push_error' in answer['status']['nobody'], 'each id has its own result', answer)
        _, _, answer = api('PUT', f'/v1/enqueue/{a}?nopush=1', command('DeviceInformation', '0b0c3c0d-0000-4000-8000-000000000001'))
        t.equal(answer, {'no_push': True, 'command_uuid': '0b0c3c0d-0000-4000-8000-000000000001',
                         'request_type': 'DeviceInformation'}, 'nopush answers exactly as NanoMDM does')
        queued = bed.ask(f'/v1/enrollments/{a}/queue')['queue']
        t.ok(any(e['uuid'] == number and e['actor'] == 'api:boss' for e in queued), 'the command waits under its own UUID and names its actor',
             queued)
        # curl, as NanoMDM's documents show it: -T sends Expect: 100-continue
        path = f'{bed.dir}/command.plist'
        with open(path, 'wb') as f:
            f.write(command('CertificateList'))
        done = run('curl', '-s', '-u', f'nanomdm:{KEY_TEXT["boss"]}', '-T', path, f'http://127.0.0.1:{api.port}/v1/enqueue/{a}')
        t.equal(json.loads(done.stdout)['request_type'], 'CertificateList', 'curl -T queues a command')
        status = run('curl', '-s', '-o', '/dev/null', '-w', '%{http_code}', '-T', path,
                     f'http://127.0.0.1:{api.port}/v1/enqueue/{a}').stdout
        t.equal(status, '401', 'curl -T without a key gets its 401')


SIMPLE = ('ProfileList', 'ProvisioningProfileList', 'CertificateList', 'SecurityInfo', 'RestartDevice', 'ShutDownDevice', 'StopMirroring',
          'ClearRestrictionsPassword', 'UserList', 'LogOutUser', 'PlayLostModeSound', 'DisableLostMode', 'DeviceLocation', 'ManagedMediaList',
          'DeviceConfigured', 'AvailableOSUpdates', 'NSExtensionMappings', 'OSUpdateStatus', 'EnableRemoteDesktop', 'DisableRemoteDesktop',
          'ActivationLockBypassCode', 'DeviceInformation')
PROFILE = plistlib.dumps({'PayloadType': 'Configuration', 'PayloadVersion': 1, 'PayloadIdentifier': 'org.example.piped', 'PayloadUUID':
                          '0B0C3C0D-0000-4000-8000-00000000000A', 'PayloadContent': []})


def by_hand():
    """Commands as NanoMDM's generator prints them, each with its own UUID."""
    for kind in SIMPLE:
        yield {'RequestType': kind}
    yield {'RequestType': 'DeviceInformation', 'Queries': ['Model', 'OSVersion']}
    yield {'RequestType': 'DeviceLock', 'Message': 'Lock Message', 'PhoneNumber': '954-555-5555'}
    yield {'RequestType': 'InstallProfile', 'Payload': PROFILE}
    yield {'RequestType': 'RemoveProfile', 'Identifier': 'org.example.piped'}
    yield {'RequestType': 'ScheduleOSUpdate', 'Updates': [{'InstallAction': 'InstallASAP', 'ProductVersion': '18.2'}]}


def piped(t):
    """Pipelines of a shell, as NanoMDM's documents show them."""
    with Bed('refresh: { device-information = "never"; security-info = "never"; profile-list = "never"; certificate-list = "never"; };') as bed:
        before = bed.settings
        api = prepare(bed)
        bed.write_conf(before + bed.settings)
        bed.everything()
        bed.start()
        bed.connected()
        bed.enroll('A')
        a = '00008110-A'

        def shell(producer, path):
            done = run('sh', '-c', f"{producer} | curl -sS -T - -u nanomdm:{KEY_TEXT['boss']} 'http://127.0.0.1:{api.port}{path}'", check=False)
            return done.returncode, json.loads(done.stdout or 'null'), done.stderr

        sent, faults = {}, []
        for inner in by_hand():
            number = str(uuid.uuid4())
            with open(f'{bed.dir}/command', 'wb') as f:
                plistlib.dump({'CommandUUID': number, 'Command': inner}, f)
            status, answer, words = shell(f'cat {bed.dir}/command', f'/v1/enqueue/{a}')
            sent[number] = inner['RequestType']
            if status or (answer.get('command_uuid'), answer.get('request_type')) != (number, inner['RequestType']) or \
                    set(answer['status'][a]) != {'push_result'}:
                faults.append((inner['RequestType'], status, answer, words))
        t.ok(not faults, f'{len(sent)} commands made by hand are taken from a pipe', faults)
        bed.device('A', 'poll')
        results = {r['uuid']: r['status'] for r in bed.ask(f'/v1/enrollments/{a}/results')['results']}
        queued = [q['uuid'] for q in bed.ask(f'/v1/enrollments/{a}/queue')['queue']]
        t.ok(not queued and len(results) >= 20, 'and each reaches the device', (queued, results))
        with open(f'{bed.dir}/command', 'wb') as f:
            f.write(command('SecurityInfo'))
        status, answer, _ = shell(f'cat {bed.dir}/command', f'/v1/enqueue/{a}?nopush=1')
        t.ok(status == 0 and answer.get('no_push') is True and 'status' not in answer, 'nopush by a pipe', answer)
        status, answer, _ = shell(f'cat {bed.certs}/MDM_Example_Certificate.pem {bed.certs}/push-*.key', '/v1/pushcert')
        t.ok(status == 0 and 'directory' in answer['error'], 'a push certificate by a pipe is refused with its reason', answer)
        done = run('sh', '-c', f"curl -sS -u nanomdm:{KEY_TEXT['boss']} 'http://127.0.0.1:{api.port}/v1/push/{a}'")
        t.ok('push_result' in json.loads(done.stdout)['status'][a], 'a push by curl', done.stdout)
        # without a certificate there is nobody to push by
        os.unlink(f'{bed.certs}/MDM_Example_Certificate.pem')
        bed.ctl('reload')
        await_(lambda: not bed.status()['configured'], 'the loss of the certificate')
        status, _, answer = api('GET', f'/v1/push/{a}')
        t.ok(status == 500 and 'push_error' in answer['status'][a], 'a push without a certificate answers 500 with a push_error', (status, answer))
        status, _, answer = api('PUT', f'/v1/enqueue/{a}', command('SecurityInfo'))
        t.ok(shape(answer) and 'push_error' in answer['status'][a] and 'command_error' not in answer['status'][a],
             'and a command waits all the same', (status, answer))


def callers(t):
    with Bed() as bed:
        api = prepare(bed)
        bed.everything()
        bed.start()
        bed.enroll('A')
        status, headers, _ = api('GET', '/v1/status', key=None)
        t.equal((status, headers['WWW-Authenticate']), (401, 'Basic realm="nanomdm"'), 'no key: 401 and the realm')
        t.equal(api('GET', '/version', key=None)[0], 200, 'the version is told to everybody')
        t.equal(bed.curl('/v1/status')[0], 404, 'the device listener knows nothing of the API')
        t.ok(b'WWW-Authenticate' not in socket_text(bed.port, bed), 'and never says 401')
        for user, key, wanted in [('nanomdm', 'reader', 200), ('reader', 'reader', 200), ('boss', 'reader', 401),
                                  ('nobody', 'boss', 401), ('reader', 'wrong-wrong-wrong-wrong', 401), ('READER', 'reader', 401)]:
            t.equal(api('GET', '/v1/status', user=user, key=key)[0], wanted, f'user {user} with the key of {key[:6]}: {wanted}')
        for header in ['Basic', 'Basic !!!!', 'Basic ' + base64.b64encode(b'nocolon').decode(), 'Bearer x',
                       'Basic ' + base64.b64encode(b'nanomdm:').decode(), 'Basic ' + base64.b64encode(b'a\0b:c').decode()]:
            t.equal(api('GET', '/v1/status', key=None, headers={'Authorization': header})[0], 401, f'{header!r} is no login')
        big = http.client.HTTPConnection('127.0.0.1', api.port, timeout=60)
        big.putrequest('PUT', '/v1/enqueue/00008110-A')
        big.putheader('Content-Length', str(15 << 20))
        big.endheaders()
        t.equal(big.getresponse().status, 401, 'a large body of nobody is refused before it is read')
        big.close()
        # roles: each key against each kind of request
        a = '00008110-A'
        for method, path, body, needs in [
                ('GET', '/v1/status', None, 'read'), ('GET', '/v1/steps', None, 'read'), ('GET', '/v1/enrollments', None, 'read'),
                ('GET', f'/v1/enrollments/{a}', None, 'read'), ('GET', f'/v1/enrollments/{a}/queue', None, 'read'),
                ('GET', f'/v1/enrollments/{a}/results', None, 'read'), ('GET', f'/access?id={a}', None, 'read'),
                ('GET', f'/v1/pushcert?topic={bed.topic}', None, 'read'),
                ('GET', f'/v1/push/{a}', None, 'operate'), ('PUT', f'/v1/enqueue/{a}?nopush=1', command('SecurityInfo'), 'operate'),
                ('POST', f'/v1/enrollments/{a}/queue', b'{"request_type":"ProfileList"}', 'operate'),
                ('POST', f'/v1/enrollments/{a}/lock', None, 'operate'), ('POST', f'/v1/enrollments/{a}/unlock', None, 'operate'),
                ('PUT', f'/v1/enqueue/{a}?nopush=1', command('EraseDevice'), 'admin'),
                ('PUT', f'/v1/enqueue/{a}?nopush=1', command('DeviceLock'), 'admin'),
                ('PUT', f'/v1/enqueue/{a}?nopush=1', command('ClearPasscode'), 'admin'),
                ('PUT', f'/v1/enqueue/{a}?nopush=1', plistlib.dumps({'Command': {'RequestType': 'RemoveProfile', 'Identifier': 'x'},
                                                                    'CommandUUID': 'rm'}), 'admin'),
                ('POST', f'/v1/enrollments/{a}/queue', b'{"request_type":"EraseDevice"}', 'admin'),
                ('POST', '/v1/enroll-links', b'{}', 'admin'), ('POST', '/v1/reload', None, 'admin'),
                ('PUT', '/v1/pushcert', None, 'admin'), ('POST', '/v1/escrowkeyunlock', None, 'admin'),
                ('POST', '/v1/accept-topic', b'{}', 'admin'), ('DELETE', f'/v1/enrollments/{a}', None, 'admin'),
                ('GET', f'/v1/enrollments/{a}/secrets', None, 'admin')]:
            order = ['read', 'operate', 'admin']
            for name, role in KEYS.items():
                got = api(method, path, body, key=name)[0]
                allowed = order.index(role) >= order.index(needs)
                if allowed and method == 'DELETE':
                    continue  # it would be gone for the rest
                t.ok((got != 403) == allowed and got != 401, f'{role} {"may" if allowed else "may not"} {method} {path[:50]}', got)
        journal = bed.journal()
        t.has(journal, 'locked by api:helpdesk', 'a lock names the key that made it')
        t.has(journal, 'this needs the role admin, the key has operate', 'a refused role is in the log')
        t.ok(not any(KEY_TEXT[k] in journal for k in KEYS), 'no key is in the log')
        # wrong keys in a row
        codes = [api('GET', '/v1/status', user='helpdesk', key='wrong-wrong-wrong-wrong')[0] for _ in range(12)]
        t.ok(codes[:10] == [401] * 10 and codes[10:] == [429] * 2, 'ten wrong keys in a row close the user for a while', codes)
        t.equal(api('GET', '/v1/status', user='helpdesk', key='helpdesk')[0], 429, '... also for the right one')
        t.equal(api('GET', '/v1/status', user='reader', key='reader')[0], 200, '... and nobody else')
        t.ok(await_(lambda: 'API: refused helpdesk from 127.0.0.1: wrong key' in bed.journal(), 'the refusal'), 'failed logins are in the log')
        # a key that changes, and one that everybody can read
        path = f'{bed.dir}/etc/reader.key'
        bed.replace(path, 'another-0123456789abcdef\n')
        os.chmod(path, 0o640)
        t.equal(api('GET', '/v1/status', user='reader', key='reader')[0], 401, 'a key that was replaced is none any more')
        t.equal(api('GET', '/v1/status', user='reader', key='another-0123456789abcdef')[0], 200, 'and the new one is')
        os.chmod(path, 0o644)
        t.equal(api('GET', '/v1/status', user='reader', key='another-0123456789abcdef')[0], 401, 'a key that is open to all is not used')
        t.ok(await_(lambda: 'reader.key: this API key cannot be used' in bed.journal(), 'the reason'), 'and the log says why')
        t.equal(bed.stop(), 0, 'the daemon stops cleanly')


def socket_text(port, bed):
    context = ssl.create_default_context(cafile=bed.roots())
    with socket.create_connection(('127.0.0.1', port)) as s, context.wrap_socket(s, server_hostname='localhost') as tls:
        tls.sendall(b'GET /v1/status HTTP/1.0\r\nAuthorization: Basic eDp5\r\n\r\n')
        text = b''
        while piece := tls.recv(4096):
            text += piece
        return text


class FakeApple(threading.Thread):
    """A CONNECT proxy that leads every name to a TLS server of ours, which notes requests and the client's certificate."""

    def __init__(self, bed):
        super().__init__(daemon=True)
        d = f'{bed.dir}/apple'
        run('openssl', 'req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-subj', '/CN=deviceservices-external.apple.com', '-addext',
            'subjectAltName=DNS:deviceservices-external.apple.com', '-keyout', f'{d}/ds.key', '-out', f'{d}/ds.pem', '-days', '2')
        with open(f'{d}/ca.pem', 'a') as f:
            f.write(open(f'{d}/ds.pem').read())
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(f'{d}/ds.pem', f'{d}/ds.key')
        self.context.verify_mode = ssl.CERT_REQUIRED
        self.context.load_verify_locations(f'{d}/ca.pem')
        self.socket = socket.create_server(('127.0.0.1', 0))
        self.port = self.socket.getsockname()[1]
        self.seen = []

    def run(self):
        while True:
            c, _ = self.socket.accept()
            try:
                self.serve(c)
            except OSError as e:
                self.seen.append(('error', str(e)))

    def serve(self, c):
        head = b''
        while b'\r\n\r\n' not in head:
            head += c.recv(4096)
        target = head.split()[1].decode()
        c.sendall(b'HTTP/1.1 200 OK\r\n\r\n')
        with self.context.wrap_socket(c, server_side=True) as tls:
            text = b''
            while b'\r\n\r\n' not in text:
                text += tls.recv(4096)
            head, _, body = text.partition(b'\r\n\r\n')
            length = next((int(line.split(b':')[1]) for line in head.split(b'\r\n') if line.lower().startswith(b'content-length')), 0)
            while len(body) < length:
                body += tls.recv(4096)
            self.seen.append((target, head.split(b'\r\n')[0].decode(), body.decode(), tls.getpeercert(True)))
            answer = b'<plist>unlocked</plist>'
            tls.sendall(b'HTTP/1.1 202 Accepted\r\nContent-Type: application/xml\r\nContent-Length: %d\r\n\r\n' % len(answer) + answer)


def escrow(t):
    with Bed() as bed:
        api = prepare(bed)
        bed.everything()
        apple = FakeApple(bed)
        apple.start()
        bed.start(https_proxy=f'http://127.0.0.1:{apple.port}')
        form = {'topic': bed.topic, 'serial': 'C39A', 'productType': 'iPhone14,5', 'imei': '35 1', 'escrowKey': 'AB-CD',
                'orgName': 'Ex & Co', 'guid': 'g1'}
        status, headers, text = api('POST', '/v1/escrowkeyunlock', urllib.parse.urlencode(form))
        t.equal((status, headers['Content-Type'], text), (202, 'application/xml', '<plist>unlocked</plist>'), 'Apple\'s answer is passed on')
        target, line, body, cert = apple.seen[-1]
        t.equal(target, 'deviceservices-external.apple.com:443', 'it went to Apple\'s host')
        url = urllib.parse.urlsplit(line.split()[1])
        t.equal((line.split()[0], url.path), ('POST', '/deviceservicesworkers/escrowKeyUnlock'), 'by POST to its path')
        t.equal(dict(urllib.parse.parse_qsl(url.query)), {'serial': 'C39A', 'productType': 'iPhone14,5', 'imei': '35 1'},
                'facts of the device in the query')
        t.equal(dict(urllib.parse.parse_qsl(body)), {'escrowKey': 'AB-CD', 'orgName': 'Ex & Co', 'guid': 'g1'}, 'the key in the form')
        subject = subprocess.run(['openssl', 'x509', '-inform', 'DER', '-noout', '-subject', '-nameopt', 'RFC2253'], input=cert,
                                 capture_output=True).stdout.decode()
        t.has(subject, bed.topic, 'the push certificate was shown as the client\'s')
        t.has(bed.journal(), 'api:boss asked Apple to unlock C39A', 'the log names who asked')
        t.ok('AB-CD' not in bed.journal(), 'and not the key')


Tap().run(table, piped, callers, escrow)
