"""declarative.py - declarations of an external server: each endpoint there and back, each way in which that server can fail

CORDON_DECLARATIVE_DEVICES (default 20, more than are under way at once) is how many devices ask at once while the server hangs.
"""
import base64
import hashlib
import hmac
import http.server
import json
import os
import plistlib
import subprocess
import threading
import time

from signer import mdm_signature

from bed import BUILD, SLOW, Bed, Tap, await_, free_port, run

DEVICES = int(os.environ.get('CORDON_DECLARATIVE_DEVICES', '20'))
KEY = b'a key of the hook'
USER = ('--user-id', '9F1D0C5F-0000-4000-8000-000000000001', '--user-name', 'anna', '--product', 'Mac15,3')
CHECKIN = 'application/x-apple-aspen-mdm-checkin'

TEST = {'Type': 'com.apple.configuration.management.test', 'Identifier': 'org.example.test', 'ServerToken': 'c1', 'Payload': {'Echo': 'hello'}}
ACT = {'Type': 'com.apple.activation.simple', 'Identifier': 'org.example.act', 'ServerToken': 'a1',
       'Payload': {'StandardConfigurations': ['org.example.test']}}


def documents(token='t1'):
    return {
        'tokens': {'SyncTokens': {'Timestamp': '2026-10-01T12:00:00Z', 'DeclarationsToken': token}},
        'declaration-items': {'Declarations': {'Activations': [{'Identifier': 'org.example.act', 'ServerToken': 'a1'}],
                                               'Configurations': [{'Identifier': 'org.example.test', 'ServerToken': 'c1'},
                                                                  {'Identifier': 'org.example.gone', 'ServerToken': 'g1'}],
                                               'Assets': [], 'Management': []}, 'DeclarationsToken': token},
        'declaration/activation/org.example.act': ACT,
        'declaration/configuration/org.example.test': TEST,
    }


class Server:
    """Has declarations; `fail(path)` may answer in another way: (status, headers, body), or 'hang'."""

    def __init__(self, prefix='/dm/'):
        self.seen, self.lock, self.hung = [], threading.Lock(), threading.Event()
        self.documents, self.fail, self.prefix, self.hanging = documents(), lambda path: None, prefix, 0
        server = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = 'HTTP/1.1'

            def do_GET(self):
                body = self.rfile.read(int(self.headers.get('Content-Length', '0')))
                with server.lock:
                    server.seen.append((self.command, self.path, dict(self.headers), body))
                self.answer(server.fail(self.path) or server.answer(self.command, self.path))

            do_PUT = do_POST = do_GET

            def answer(self, what):
                if what == 'hang':
                    with server.lock:
                        server.hanging += 1
                    server.hung.wait(120)
                    self.close_connection = True
                    return
                status, headers, body = what
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header('Content-Length', str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        class Listener(http.server.ThreadingHTTPServer):
            daemon_threads, request_queue_size = True, 128

            def handle_error(self, *_):
                pass

        self.server = Listener(('127.0.0.1', 0), Handler)
        self.port = self.server.server_address[1]
        self.url = f'http://127.0.0.1:{self.port}{prefix}'
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def answer(self, method, path):
        name = path[len(self.prefix):] if path.startswith(self.prefix) else None
        if method == 'PUT' and name == 'status':
            return 200, {}, b''
        if method == 'GET' and name in self.documents:
            return 200, {'Content-Type': 'application/json'}, json.dumps(self.documents[name]).encode()
        return 404, {'Content-Type': 'text/plain'}, b'no such thing here'

    def requests(self):
        with self.lock:
            return list(self.seen)

    def forget(self):
        with self.lock:
            self.seen.clear()

    def close(self):
        self.hung.set()
        self.server.shutdown()
        self.server.server_close()


def settings(url, more=''):
    return f'declarative: {{ url = "{url}"; {more} }};'


def state(bed):
    return bed.status()['declarative']


def ask(bed, name, endpoint, *more):
    """What the device got for one endpoint: the status, and the JSON if there is some."""
    done = bed.device(name, *more, 'declarative', endpoint, check=False)
    steps = {s['step']: s for s in done.steps if 'step' in s}
    return steps.get('declarative', {}).get('status'), steps.get('declarative-answer', {}).get('body')


def raw(bed, name, message, *more):
    """A check-in message made by hand and signed by the device: (status, type, body)."""
    path = f'{bed.dir}/raw-{name}'
    with open(path, 'wb') as f:
        plistlib.dump(message, f)
    done = bed.device(name, *more, '--raw', path, '--raw-type', CHECKIN, 'raw', check=False)
    step = next((s for s in done.steps if s.get('step') == 'raw'), {})
    return step.get('status'), step.get('type'), step.get('body')


def message(name, endpoint, **more):
    return {'MessageType': 'DeclarativeManagement', 'UDID': f'00008110-{name}', 'Endpoint': endpoint, **more}


def hasty(bed, name, count):
    """A device that asks several times at once; the heads of the answers."""
    body = f'{bed.dir}/hasty'
    with open(body, 'wb') as f:
        plistlib.dump(message(name, 'tokens'), f)
    sign = mdm_signature(f'{bed.dir}/dev-{name}/identity.pem', body)
    children = [subprocess.Popen(['curl', '-s', '-o', '/dev/null', '-D', '-', '--cacert', bed.roots(), '-T', body, '-H', f'Content-Type: {CHECKIN}',
                                  '-H', f'Mdm-Signature: {sign}', f'https://localhost:{bed.port}/checkin'], stdout=subprocess.PIPE, text=True)
                for _ in range(count)]
    return [child.communicate()[0].replace('HTTP/1.1 100 Continue\n\n', '') for child in children]


def signed(headers, body):
    return headers.get('X-Hmac-Signature') == base64.b64encode(hmac.new(KEY, body, hashlib.sha256).digest()).decode()


def endpoints(t):
    """The whole exchange, by a command and by hand, of a device and of a user; what arrives at the server is as NanoMDM sends it."""
    server = Server()
    with Bed() as bed:
        key = f'{bed.dir}/etc/hook.key'
        with open(os.open(key, os.O_WRONLY | os.O_CREAT, 0o640), 'wb') as f:
            f.write(KEY + b'\n')
        bed.write_conf(settings(server.url, f'hmac-key-file = "{key}";'))
        bed.everything()
        bed.start()
        bed.connected()
        bed.enroll('A', *USER)
        t.equal(bed.ctl('send', '00008110-A', 'DeclarativeManagement', check=False).returncode, 0, 'the command is taken without Data')
        bed.device('A', *USER, 'poll')
        await_(lambda: any(r[1] == '/dm/status' for r in server.requests()) or bed.device('A', *USER, 'declarative', check=False) and None,
               'the exchange of declarations')
        seen = server.requests()
        paths = [(m, p) for m, p, _, _ in seen]
        for wanted in (('GET', '/dm/tokens'), ('GET', '/dm/declaration-items'), ('GET', '/dm/declaration/activation/org.example.act'),
                       ('GET', '/dm/declaration/configuration/org.example.test'),
                       ('GET', '/dm/declaration/configuration/org.example.gone'), ('PUT', '/dm/status')):
            t.ok(wanted in paths, f'{" ".join(wanted)} arrives', paths)
        t.ok(all(h.get('X-Enrollment-ID') == '00008110-A' and h.get('X-Enrollment-Type') == 'Device' and 'X-Enrollment-ParentID' not in h
                 for _, _, h, _ in seen), 'each names the enrollment and its type', seen)
        t.ok(all(signed(h, b) for _, _, h, b in seen), 'each is signed', seen)
        t.ok(all((h.get('Content-Type') == 'application/json') == (m == 'PUT') and bool(b) == (m == 'PUT') for m, _, h, b in seen),
             'a report has a body, as JSON; a question has none', seen)
        report = json.loads(next(b for m, _, _, b in seen if m == 'PUT'))
        t.equal([d['identifier'] for d in report['StatusItems']['management']['declarations']['configurations']], ['org.example.test'],
                'the report arrives as the device wrote it, without what is gone')
        server.documents = documents('t2')
        with open(f'{bed.dir}/tokens.json', 'w') as f:
            json.dump(server.documents['tokens'], f)
        server.forget()
        number = bed.ctl('send', '00008110-A', 'DeclarativeManagement', f'Data=@{bed.dir}/tokens.json').stdout.split()[0]
        bed.device('A', *USER, 'poll')
        results = bed.ask('/v1/enrollments/00008110-A/results')['results']
        t.ok(any(r['uuid'] == number and r['status'] == 'Acknowledged' for r in results), 'the command is taken with Data', (number, results))
        await_(lambda: any(r[1] == '/dm/status' for r in server.requests()) or bed.device('A', *USER, 'declarative', check=False) and None,
               'the exchange of the new set')
        t.equal(ask(bed, 'A', 'tokens', *USER), (200, server.documents['tokens']), 'the answer is the server\'s, as JSON')
        t.equal(ask(bed, 'A', 'declaration/asset/none', *USER)[0], 404, 'a 404 passes')

        bed.device('A', *USER, 'user-token-update')
        server.forget()
        user = {'UserID': USER[1], 'UserShortName': 'anna', 'UserLongName': 'anna'}
        t.equal(raw(bed, 'A', message('A', 'tokens', **user), *USER)[:2], (200, 'application/json'), 'a user channel is answered')
        _, path, headers, _ = server.requests()[0]
        t.equal((path, headers.get('X-Enrollment-ID'), headers.get('X-Enrollment-Type'), headers.get('X-Enrollment-ParentID')),
                ('/dm/tokens', f'00008110-A:{USER[1]}', 'User', '00008110-A'), 'and named with its device')

        shared = ('--user-id', 'FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF', '--user-name', 'eva', '--product', 'iPad13,1')
        bed.enroll('S', *shared)
        bed.device('S', *shared, 'user-token-update')
        user = {'UserID': shared[1], 'UserShortName': 'eva', 'UserLongName': 'eva'}
        t.equal(raw(bed, 'S', message('S', 'status', Data=b'{"StatusItems": {}, "Errors": []}', **user), *shared)[0], 200,
                'the user of a Shared iPad reports')
        _, path, headers, _ = server.requests()[-1]
        t.equal((path, headers.get('X-Enrollment-ID'), headers.get('X-Enrollment-Type'), headers.get('X-Enrollment-ParentID')),
                ('/dm/status', '00008110-S:eva', 'Shared iPad', '00008110-S'), 'and is named as one')

        server.forget()
        odd = message('A', 'declaration/asset/a b?c#\u00e9/d')
        t.equal(raw(bed, 'A', odd, *USER)[0], 404, 'an identifier with odd characters is asked for')
        t.equal(server.requests()[0][1], '/dm/declaration/asset/a%20b%3Fc%23%C3%A9/d', 'and escaped')
        server.forget()
        for bad in ('../admin', 'declaration/asset/../../x', 'http://127.0.0.1:1/x', '//127.0.0.1/x', 'declaration/asset/a\\b',
                    'declaration/asset/%2e%2e', 'declaration/asset/' + 'x' * 65, 'x' * 300, 'declaration/other/x', 'tokens/', 'declaration/asset/a\nb', ''):
            t.equal(raw(bed, 'A', message('A', bad), *USER)[0], 400, f'{bad[:40]!r} is refused')
        t.equal(raw(bed, 'A', message('A', 'status'), *USER)[0], 400, 'a report without Data is refused')
        t.equal(server.requests(), [], 'and the server hears of none of it')
        big = json.dumps({'StatusItems': {}, 'Errors': ['x' * (1 << 20)]}).encode()
        t.equal(raw(bed, 'A', message('A', 'status', Data=big), *USER)[0], 200, 'a report of 1 MiB is taken')
        t.ok(server.requests()[-1][3] == big, 'and arrives byte by byte')
        t.equal(raw(bed, 'A', message('A', 'status', Data=b'x' * (5 << 20)), *USER)[0], 413, 'one past the limit is not')

        bed.enroll('B')
        server.forget()
        t.equal(raw(bed, 'B', message('A', 'tokens'))[0], 400, 'another device\'s identity gets nothing')
        t.equal(server.requests(), [], 'and asks nothing')
        bed.ctl('lock', '00008110-B')
        t.equal(ask(bed, 'B', 'tokens')[0], 200, 'a locked device is answered: the lock is the gate\'s')
        bed.device('B', 'checkout')
        t.equal(raw(bed, 'B', message('B', 'tokens'))[0] in (None, 400), True, 'one that left is not')
        os.unlink(key)
        bed.ctl('reload')
        await_(lambda: (state(bed)['fault'] or '').startswith(key), 'the loss of the key to be seen')
        server.forget()
        t.equal((ask(bed, 'A', 'tokens', *USER)[0], server.requests()), (502, []), 'nothing is sent unsigned')
        t.has(' '.join(p for p in bed.status()['problems']), 'declarative.hmac-key-file', 'status tells what to mend')
    server.close()


def faults(t):
    """Whatever the server does but 200 and 404, the device hears 502 and comes again; one line says so."""
    server, other = Server(), Server('/other/')
    with Bed() as bed:
        bed.write_conf(settings(server.url, 'timeout = "2s";'))
        bed.everything()
        bed.start()
        bed.connected()
        bed.enroll('A')
        plain = {'Content-Type': 'text/html'}
        for status in (204, 301, 302, 400, 401, 403, 410, 429, 500, 503):
            server.fail = lambda path, status=status: (status, {'Location': other.url + 'tokens', 'WWW-Authenticate': 'Basic'}, b'')
            t.equal(ask(bed, 'A', 'tokens')[0], 502, f'{status} becomes 502')
        t.equal(other.requests(), [], 'a redirect is not followed')
        for what, body in (('a page', b'<html>log in</html>'), ('nothing', b''), ('a list', b'[]')):
            server.fail = lambda path, body=body: (200, plain, body)
            t.equal(ask(bed, 'A', 'tokens')[0], 502, f'{what} with status 200 becomes 502')
        server.fail = lambda path: (200, plain, b'{' + b' ' * (1 << 20) + b'}')
        t.equal(ask(bed, 'A', 'tokens')[0], 502, 'an answer past the limit becomes 502')
        t.has(state(bed)['fault'], 'longer than', 'and status says why')
        server.fail = lambda path: (200, plain, b' {"a": "' + b'x' * ((1 << 20) - 20) + b'"}')
        t.equal(ask(bed, 'A', 'tokens')[0], 200, 'one within the limit passes')
        server.fail = lambda path: (204, {}, b'')
        t.equal(raw(bed, 'A', message('A', 'status', Data=b'{}'))[0], 200, 'a report may be taken with 204')
        server.fail = lambda path: 'hang'
        begun = time.monotonic()
        t.equal(ask(bed, 'A', 'tokens')[0], 502, 'a server that hangs becomes 502')
        t.ok(1.5 < time.monotonic() - begun < 2 + 8 * SLOW, 'after declarative.timeout', time.monotonic() - begun)
        answers = hasty(bed, 'A', 6)
        t.equal(sorted(a.split()[1] for a in answers), ['502'] * 4 + ['503'] * 2, 'one device has four questions under way and no more')
        t.ok(all(('Retry-After: 30' in a) == (a.split()[1] == '503') for a in answers), 'beyond it is told when to come again', answers)
        t.equal(bed.journal().count('The server for declarations failed'), 1, 'the journal has one line of it')
        said = next(line for line in bed.journal().splitlines() if 'The server for declarations failed' in line)
        t.ok('/dm/' not in said, 'without the address', said)
        t.equal(bed.device('A', 'poll', check=False).returncode, 0, 'the device is still enrolled')
        server.fail = lambda path: None
        t.equal(ask(bed, 'A', 'tokens')[0], 200, 'it answers again')
        t.equal((state(bed)['failing_since'], state(bed)['fault']), (None, None), 'status has no fault any more')
        t.has(bed.journal(), 'answers again', 'and the journal says so')

        bed.write_conf(settings(other.url[:-1]))
        await_(lambda: f':{other.port}' in state(bed)['url'], 'the reload of the address')
        t.equal((ask(bed, 'A', 'tokens')[0], [r[1] for r in other.requests()]), (200, ['/other/tokens']), 'another address is used at once')
        t.ok('other' not in state(bed)['url'], 'its path stays hidden', state(bed))
        bed.write_conf(settings(f'http://127.0.0.1:{free_port()}/'))
        await_(lambda: f':{other.port}' not in state(bed)['url'], 'the reload of the address')
        t.equal(ask(bed, 'A', 'tokens')[0], 502, 'a connection that is refused becomes 502')
        bed.write_conf(settings('https://me:geheim@ddm.example.com/'))
        await_(lambda: bed.status()['configuration']['faults'], 'the refusal of the address')
        t.ok('geheim' not in bed.journal() and 'geheim' not in json.dumps(bed.status()), 'a password in the address is refused, and told to nobody')
        checked = run(bed.cordond, '-t', '-c', bed.conf, check=False)
        t.ok(checked.returncode == 1 and 'declarative.url' in checked.stdout + checked.stderr and 'geheim' not in checked.stdout + checked.stderr,
             'cordond -t says so', checked)
        bed.write_conf('')
        await_(lambda: state(bed) is None, 'the end of the hook')
        t.equal((ask(bed, 'A', 'tokens')[0], raw(bed, 'A', message('A', 'status', Data=b'{}'))[0]), (404, 200), 'without an address it is as before')
        t.equal(bed.end('cordond'), 0, 'the daemon ends well')
    server.close()
    other.close()


def crowd(t):
    """Many devices ask while the server hangs: others are served at once, and each is told to come again."""
    server = Server()
    with Bed(settings(server.url, f'timeout = "{4 * SLOW}s";') + f' metrics: {{ listen = "127.0.0.1:{free_port()}"; }};') as bed:
        bed.everything()
        bed.start()
        bed.connected()
        run(f'{BUILD}/tests/device/fake-device', 'fleet', '--count', DEVICES, '--concurrency', 8, '--keys', 4, '--state', f'{bed.dir}/fleet',
            '--public-roots', bed.roots(), '--link', bed.link('--uses', 'any'), '--idle-rounds', 0)
        bed.enroll('A')
        server.fail = lambda path: 'hang'
        out = f'{bed.dir}/crowd'
        children = []
        for n in range(1, DEVICES + 1):
            with open(f'{out}-{n}', 'w') as f:
                children.append(subprocess.Popen([f'{BUILD}/tests/device/fake-device', '--state', f'{bed.dir}/fleet/{n:06}', '--public-roots',
                                                  bed.roots(), 'declarative', 'tokens'], stdout=f, stderr=f, stdin=subprocess.DEVNULL))
        await_(lambda: server.hanging >= min(DEVICES, 16), 'the requests that hang')
        await_(lambda: state(bed)['waiting'] >= min(DEVICES, 17), 'those that wait behind them')
        t.equal(server.hanging, min(DEVICES, 16), 'no more than the bound are under way at once')
        begun = time.monotonic()
        t.equal(bed.device('A', 'poll', check=False).returncode, 0, 'another device polls meanwhile')
        took = time.monotonic() - begun
        t.ok(took < 1 * SLOW, f'and is served at once: {took:.2f} s', took)
        t.ok(state(bed)['waiting'] > 0, 'while they still wait', state(bed))
        for child in children:
            child.wait(60 * SLOW)
        got = [json.loads(line) for n in range(1, DEVICES + 1) for line in open(f'{out}-{n}') if line.startswith('{') and '"status"' in line]
        statuses = sorted(g['status'] for g in got)
        t.ok(len(got) == DEVICES and set(statuses) <= {502, 503}, 'each is told to come again', statuses)
        server.fail = lambda path: None
        t.equal(ask(bed, 'A', 'tokens')[0], 200, 'the next question is answered')
        s = state(bed)
        t.equal((s['waiting'], s['failed'] + s['refused'], s['answered']), (0, DEVICES, 1), 'all are counted')
        server.fail = lambda path: 'hang'
        bed.begin('last', f'{BUILD}/tests/device/fake-device', '--state', f'{bed.dir}/fleet/000001', '--public-roots', bed.roots(),
                  'declarative', 'tokens')
        await_(lambda: state(bed)['waiting'] == 1, 'one more')
        t.equal(bed.end('cordond'), 0, 'the daemon ends while one hangs')
    server.close()


Tap().run(endpoints, faults, crowd)
