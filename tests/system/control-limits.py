"""control-limits.py - clients of the control socket that behave badly: idle ones by the thousand, ones that never read, ones that send nonsense

Devices and other control clients are served meanwhile, and memory stays bounded.  CORDON_LIMITS_CUT=1 also awaits the end of a client that
never reads, which is two minutes away: one for what the socket took, one for nothing (the unit test has shorter deadlines).
"""
import json
import os
import socket
import time

from bed import BUILD, SLOW, Bed, Tap, await_, run

COUNT = 1000
RECORDS = 1000
DEAF = 30
ASAN = os.environ.get('ASAN_OPTIONS', '') + ':quarantine_size_mb=8'  # what is freed is not to be counted
CUT = os.environ.get('CORDON_LIMITS_CUT') == '1'


def connect(bed, name='control'):
    s = socket.socket(socket.AF_UNIX)
    s.settimeout(30 * SLOW)
    s.connect(f'{bed.rundir}/{name}.sock')
    return s


def memory(bed):
    return next(int(line.split()[1]) for line in open(f'/proc/{bed.processes["cordond"].pid}/status') if line.startswith('VmRSS'))


def files(bed):
    return len(os.listdir(f'/proc/{bed.processes["cordond"].pid}/fd'))


def answer(s):
    """Status and body of one answer, by its Content-Length; None where the connection was closed instead."""
    text = b''
    while b'\r\n\r\n' not in text:
        piece = s.recv(65536)
        if not piece:
            return None, b''
        text += piece
    head, _, body = text.partition(b'\r\n\r\n')
    length = next((int(line.split(b':')[1]) for line in head.split(b'\r\n') if line.lower().startswith(b'content-length:')), 0)
    while len(body) < length:
        piece = s.recv(65536)
        if not piece:
            break
        body += piece
    return int(head.split()[1]), body


def timed(do):
    begun = time.monotonic()
    do()
    return time.monotonic() - begun


def served(t, bed, what):
    """A device and a new administrator, while others are in the way."""
    took = timed(lambda: bed.device('A', 'poll'))
    t.ok(took < 5 * SLOW, f'{what}: a device polls in {took:.2f} s', took)
    took = timed(lambda: t.equal(gate(bed), 204, f'{what}: the gate answers'))
    t.ok(took < 4 * SLOW, f'{what}: in {took:.2f} s', took)
    took = timed(bed.status)
    t.ok(took < 4 * SLOW, f'{what}: a new control client is answered in {took:.2f} s', took)
    t.equal(bed.ctl('devices', check=False).returncode, 0, f'{what}: and so is cordonctl')


def gate(bed):
    s = connect(bed, 'gate')
    s.sendall(b'GET /access?id=00008110-A HTTP/1.1\r\nHost: x\r\n\r\n')
    status, _ = answer(s)
    s.close()
    return status


def gone(connections):
    """How many of them the server has closed."""
    n = 0
    for s in connections:
        s.setblocking(False)
        try:
            n += s.recv(1) == b''
        except BlockingIOError:
            pass
        except OSError:
            n += 1
    return n


def idle(t):
    with Bed() as bed:
        bed.everything()
        bed.start(ASAN_OPTIONS=ASAN)
        bed.connected()
        bed.enroll('A')
        before = memory(bed)
        silent = [connect(bed) for _ in range(COUNT)]
        served(t, bed, f'{COUNT} connections that say nothing')
        t.ok(files(bed) < 200, 'they do not take the files of the process', files(bed))
        await_(lambda: gone(silent) > COUNT // 2, 'the oldest of them to be closed')
        used = [connect(bed) for _ in range(COUNT // 4)]
        for s in used:
            try:
                s.sendall(b'GET /version HTTP/1.1\r\nHost: x\r\n\r\n')
                answer(s)
            except OSError:
                pass
        served(t, bed, 'connections that stay open after a request')
        half = [connect(bed) for _ in range(COUNT)]
        for s in half:
            try:
                s.sendall(b'GET /v1/status HTTP/1.1\r\nHo')
            except OSError:
                pass
        served(t, bed, f'{COUNT} connections with half a request')
        body = [connect(bed) for _ in range(COUNT // 4)]
        for s in body:
            try:
                s.sendall(b'POST /v1/bulk HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n{')
            except OSError:
                pass
        served(t, bed, f'{COUNT // 4} connections with half a body')
        follow = [connect(bed) for _ in range(100)]
        for s in follow:
            try:
                s.sendall(b'GET /v1/events?after=1000000&wait=50 HTTP/1.1\r\nHost: x\r\n\r\n')
            except OSError:
                pass
        served(t, bed, '100 that follow the events')
        grown = memory(bed) - before
        t.ok(grown < 16384 * SLOW, f'memory grew by {grown} kB', grown)
        for s in silent + used + half + body + follow:
            s.close()
        served(t, bed, 'afterwards')
        t.equal(bed.stop(), 0, 'the daemon stops cleanly')


def never_reads(t):
    with Bed() as bed:
        bed.everything()
        bed.start().stop()
        run(f'{BUILD}/tests/system/old-fleet', bed.state, f'{bed.certs}/store.key', bed.topic, RECORDS, 0, 1)
        bed.start(ASAN_OPTIONS=ASAN)
        bed.connected()
        bed.enroll('A')
        ask = b'GET /v1/enrollments?limit=1000 HTTP/1.1\r\nHost: x\r\n\r\n'
        s = connect(bed)
        s.sendall(ask)
        status, body = answer(s)
        t.ok(status == 200 and len(body) > 300000, f'a page of the list has {len(body)} bytes', status)
        s.close()
        served(t, bed, 'before')
        before = memory(bed)
        deaf, begun = [connect(bed) for _ in range(DEAF)], time.monotonic()
        for s in deaf:
            s.sendall(ask * 20)  # as much as one socket takes: all but the first wait unread
        served(t, bed, f'{DEAF} clients that never read')
        grown = memory(bed) - before
        # one answer each, and none of those that were asked for behind it
        t.ok(grown < (DEAF * len(body) // 1024) * 2 * SLOW + 8192, f'they hold {grown} kB: an answer each', grown)
        slow = deaf.pop()
        slow.settimeout(30 * SLOW)
        t.equal(answer(slow)[0], 200, 'one that reads after all gets its answer')
        if CUT:
            await_(lambda: bed.ask('/v1/status') and files(bed) < 40, 'the end of those that do not read', 180)
            took = time.monotonic() - begun
            t.ok(50 < took < 150 * SLOW, f'they are cut off after {took:.0f} s', took)
            t.ok(memory(bed) - before < 16384 * SLOW, 'and their memory is given back', memory(bed) - before)
        for s in deaf + [slow]:
            s.close()
        t.equal(bed.stop(), 0, 'the daemon stops cleanly')


def nonsense(t):
    with Bed() as bed:
        bed.everything()
        bed.start()
        bed.enroll('A')
        a = '00008110-A'

        def request(method, path, body=b'', more=b'', version=b'HTTP/1.1'):
            s = connect(bed)
            length = b'' if b'Content-Length' in more or b'Transfer' in more else b'Content-Length: %d\r\n' % len(body)
            s.sendall(b'%s %s %s\r\nHost: x\r\n%s%sConnection: close\r\n\r\n' % (method.encode(), path.encode(), version, length, more))
            try:
                s.sendall(body)
            except OSError:
                pass  # refused before it was read
            text = b''
            while True:
                try:
                    piece = s.recv(65536)
                except OSError:
                    break
                if not piece:
                    break
                text += piece
            s.close()
            head, _, rest = text.partition(b'\r\n\r\n')
            return (int(head.split()[1]) if head else None), head.decode(), rest.decode()

        deep = b'[' * 100 + b']' * 100
        for what, body in (('nothing', b''), ('half an object', b'{"filter":'), ('a list', b'[]'), ('a number', b'1'), ('words', b'lock them all'),
                           ('deep nesting', b'{"filter":' + deep + b'}'), ('broken UTF-8', b'{"action":"\xff\xfe"}'), ('a NUL', b'{"action":"a\0b"}'),
                           ('two objects', b'{}{}'), ('a key twice', b'{"action":"push","action":"lock"}'), ('a huge number', b'{"action":1e999}'),
                           ('unknown keys', b'{"action":"push","all":true,"tail":1}'), ('a wrong type', b'{"action":["push"]}')):
            status, _, text = request('POST', '/v1/bulk', body)
            t.ok(status == 400 and 'error' in json.loads(text), f'bulk with {what} is refused in words', (status, text[:200]))
        for method, path, allow in (('POST', '/v1/status', 'GET, HEAD'), ('DELETE', '/v1/enrollments', 'GET, HEAD'), ('GET', '/v1/reload', 'POST'),
                                    ('PATCH', '/v1/bulk', 'POST'), ('PUT', '/v1/enroll-links', 'GET, HEAD, POST')):
            status, head, _ = request(method, path)
            t.ok(status == 405 and f'Allow: {allow}' in head, f'{method} {path} is not allowed, and it says what is', head)
        t.equal(request('FROB', '/v1/status')[0], 501, 'a method of nobody')
        t.equal(request('GET', '/v1/nothing')[0], 404, 'a path of nobody')
        t.equal(request('POST', '/v1/reload', b'x' * 65537)[0], 413, 'a body past the limit')
        t.equal(request('PUT', f'/v1/enqueue/{a}', b'', b'Content-Length: 99999999999\r\n')[0], 413, 'a length past the limit, before it is sent')
        t.equal(request('POST', '/v1/reload', b'10001\r\n' + b'x' * 65537 + b'\r\n0\r\n\r\n', b'Transfer-Encoding: chunked\r\n')[0], 413,
                'chunks past the limit')
        t.equal(request('GET', '/v1/status', b'x')[0], 413, 'a body where there is none')
        t.equal(request('GET', '/v1/status', more=b'X: ' + b'y' * 40000 + b'\r\n')[0], 431, 'a head past the limit')
        t.equal(request('GET', '/v1/enrollments?limit=1000000')[0], 400, 'a page past the limit')
        t.equal(request('GET', '/v1/enrollments?cursor=-1')[0], 400, 'a cursor of nobody')
        t.equal(request('GET', f'/v1/enrollments/{"x" * 300}')[0] in (400, 404), True, 'an id past the limit')
        status, _, text = request('PUT', f'/v1/enqueue/{a},nobody', open(f'{bed.dir}/command', 'rb').read() if command(bed) else b'')
        t.ok(status == 207 and list(json.loads(text)['status']) and 'command_error' in json.loads(text)['status']['nobody'],
             'an unknown id among good ones', (status, text))
        t.equal(bed.status()['devices']['enrolled'], 1, 'the daemon goes on')
        t.equal(bed.stop(), 0, 'and stops cleanly')


def command(bed):
    with open(f'{bed.dir}/command', 'w') as f:
        f.write('<?xml version="1.0"?><plist version="1.0"><dict><key>Command</key><dict><key>RequestType</key><string>ProfileList</string></dict>'
                '<key>CommandUUID</key><string>0b0c3c0d-0000-4000-8000-000000000009</string></dict></plist>')
    return True


Tap().run(idle, never_reads, nonsense)
