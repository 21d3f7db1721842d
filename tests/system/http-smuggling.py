"""http-smuggling.py - requests that two parsers could read differently: one answer, and the connection ends

Each goes over a TLS connection of its own.  Where one could hide a second request in it, it does: GET /version, whose answer
must never be seen.
"""
import re
import socket
import ssl
import threading
import time

from bed import SLOW, Bed, Tap

HEAD_SECONDS = 10  # a head that is not whole after so long is given up; handshakes too
PATIENCE = 5 * SLOW


class Client:
    def __init__(self, bed):
        self.context = ssl.create_default_context(cafile=bed.roots())
        self.port = bed.port
        self.host = f'localhost:{bed.port}'.encode()

    def connect(self):
        plain = socket.create_connection(('127.0.0.1', self.port), PATIENCE)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return self.context.wrap_socket(plain, server_hostname='localhost')

    def say(self, *pieces):
        """Sends; everything that comes back, and whether the server ended it ('closed') or waits for more ('open')."""
        got = b''
        with self.connect() as s:
            try:
                for piece in pieces:
                    s.sendall(piece)
                while True:
                    part = s.recv(65536)
                    if not part:
                        return got, 'closed'
                    got += part
                    if answers(got)[1] == b'' and b'onnection: close' not in got:
                        s.settimeout(0.3)
            except socket.timeout:
                return got, 'open'
            except OSError:
                return got, 'closed'


def answers(raw, head_only=False):
    """The responses in the bytes: [(status, body)], and what is left of them."""
    found = []
    while True:
        head, blank, rest = raw.partition(b'\r\n\r\n')
        line = re.fullmatch(rb'HTTP/1\.1 (\d{3}) [^\r\n]*', head.split(b'\r\n')[0])
        if not blank or not line:
            return found, raw
        length = re.search(rb'(?im)^content-length: (\d+)\r?$', head)
        size = int(length[1]) if length and not head_only else 0
        if len(rest) < size:
            return found, raw
        found.append((int(line[1]), rest[:size]))
        raw = rest[size:]


def lines(*all_lines):
    return b'\r\n'.join(all_lines) + b'\r\n\r\n'


def cases(host):
    """(name, bytes, the statuses that may come, one for each response)"""
    h = b'Host: ' + host
    hidden = lines(b'GET /version HTTP/1.1', h)
    size = b'Content-Length: %d' % len(hidden)
    chunked = b'Transfer-Encoding: chunked'
    put, scep = b'PUT /mdm HTTP/1.1', b'POST /scep?operation=PKIOperation HTTP/1.1'

    def body(name, *fields, status=400, after=hidden, line=put):
        return name, lines(line, h, *fields) + after, [status]

    def target(name, path, status, method=b'GET'):
        return name, lines(method + b' ' + path + b' HTTP/1.1', h), [status]

    def chunks(name, after, status=400):
        return name, lines(scep, h, chunked) + after + hidden, [status]

    yield body('a blank before the colon of Content-Length', b'Content-Length : %d' % len(hidden))
    yield body('a tab before the colon of Transfer-Encoding', b'Transfer-Encoding\t: chunked')
    yield body('Transfer-Encoding: gzip', b'Transfer-Encoding: gzip', status=501)
    yield body('Transfer-Encoding: xchunked', b'Transfer-Encoding: xchunked', status=501)
    yield body('Transfer-Encoding: gzip, chunked', b'Transfer-Encoding: gzip, chunked', status=501)
    yield body('Transfer-Encoding: chunked, identity', b'Transfer-Encoding: chunked, identity', status=501)
    yield body('Transfer-Encoding: identity beside a length', b'Transfer-Encoding: identity', size)
    yield body('two Transfer-Encoding', chunked, b'Transfer-Encoding: identity')
    yield body('Content-Length with chunked', size, chunked, after=b'0\r\n\r\n' + hidden)
    yield body('chunked with Content-Length', chunked, size, after=b'0\r\n\r\n' + hidden)
    yield ('chunked in HTTP/1.0', lines(b'PUT /mdm HTTP/1.0', h, chunked) + b'0\r\n\r\n' + hidden, [400])
    yield body('two Content-Length that agree', size, size)
    yield body('two Content-Length that differ', b'Content-Length: 0', size)
    for value in (b'+2', b'-1', b'2,2', b'2 2', b'0x5', b'', b'2.0', b'02'):
        yield body(f'Content-Length: {value.decode() or "nothing"}', b'Content-Length: ' + value)
    yield body('a length that no number holds', b'Content-Length: 18446744073709551617', status=413)
    yield body('no length at all', status=411)
    yield body('HEAD with a body', size, status=413, line=b'HEAD /version HTTP/1.1')
    yield body('GET with a body', size, status=413, line=b'GET /version HTTP/1.1')
    yield body('a body where there is nothing', size, status=404, line=b'PUT /nothing HTTP/1.1')
    yield body('a body by a method that is not taken here', size, status=405, line=b'DELETE /mdm HTTP/1.1')
    yield body('another Expect', b'Expect: 200-ok', size, status=417)

    yield body('a field that begins with NUL', b'\0X: y', b'Content-Length: 0')
    yield body('NUL in a value', b'X: ab\0cd', b'Content-Length: 0')
    yield body('a bare CR in a value', b'X: ab\rContent-Length: 5', b'Content-Length: 0')
    yield body('a bare LF after a field', b'X: a\nContent-Length: 5', b'Content-Length: 0')
    yield body('a folded field', b'X: a', b' Content-Length: 5', b'Content-Length: 0')
    yield body('a folded Transfer-Encoding', b'Transfer-Encoding:', b' chunked', after=b'0\r\n\r\n' + hidden)
    yield body('a field without a name', b': x', b'Content-Length: 0')
    yield body('a field without a colon', b'chunked', b'Content-Length: 0')
    yield body('a second Host', b'Host: evil.example', b'Content-Length: 0')
    yield body('65 fields', *[b'X: y'] * 65, status=431)
    yield 'no Host', lines(b'GET /version HTTP/1.1') + hidden, [400]
    yield 'bare LF line ends', b'GET /version HTTP/1.1\n' + h + b'\n\n' + hidden, [400]
    yield 'a blank before the first field', b'GET /version HTTP/1.1\r\n ' + h + b'\r\n\r\n' + hidden, [400]
    yield 'HTTP/1.9', lines(b'GET /version HTTP/1.9', h) + hidden, [505]
    yield 'HTTP/2.0', lines(b'GET /version HTTP/2.0', h) + hidden, [505]
    yield 'the preface of HTTP/2', b'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', [505]
    yield 'http/1.1 in small letters', lines(b'GET /version http/1.1', h) + hidden, [400]
    yield 'HTTP/0.9', b'GET /version\r\n\r\n' + hidden, [400]
    yield 'two blanks in the request line', lines(b'GET  /version HTTP/1.1', h) + hidden, [400]

    yield target('another host by //', b'//x/version', 400)
    yield target('another host by an absolute form', b'http://evil.example/version', 400)
    yield target('our host by an absolute form', b'https://' + host + b'/version', 200)
    yield target('an escaped NUL', b'/version%00x', 400)
    yield target('an escaped slash', b'/x%2fversion', 400)
    yield target('a step up', b'/x/../version', 400)
    yield target('an escaped step up', b'/x/%2e%2e/version', 400)
    yield target('an escaped letter', b'/%76ersion', 200)
    yield target('half an escape', b'/version%7', 400)
    yield target('8 bits', b'/versi\xc3\xb6n', 400)
    yield target('a fragment', b'/version#x', 400)
    yield target('no path but a query', b'?operation=GetCACaps', 400)
    yield target('CONNECT', host, 501, b'CONNECT')
    yield target('an unknown method', b'/version', 501, b'BREW')
    yield target('a method in small letters', b'/version', 501, b'get')
    yield target('* with GET', b'*', 400)

    for name, size_line in (('0x', b'0x5'), ('a sign', b'+5'), ('a blank before', b' 5'), ('a blank after', b'5 '),
                            ('no digit', b'G'), ('nothing', b''), ('more than 64 bits', b'10000000000000005')):
        status = 413 if 'bits' in name else 400
        yield chunks(f'a chunk size with {name}', size_line + b'\r\nhello\r\n0\r\n\r\n', status)
    yield chunks('a chunk size with a bare LF', b'5\nhello\r\n0\r\n\r\n')
    yield chunks('a chunk longer than its size', b'5\r\nhello!\r\n0\r\n\r\n')
    yield chunks('a chunk size of 300 zeros', b'0' * 300 + b'\r\n\r\n')
    yield chunks('a chunk extension with a control', b'5;a=\0\r\nhello\r\n0\r\n\r\n')
    yield chunks('a trailer that begins with a blank', b'5\r\nhello\r\n0\r\nX: y\r\n z\r\n\r\n')
    yield chunks('a trailer with NUL', b'5\r\nhello\r\n0\r\nX: \0\r\n\r\n')


def refused(t, client):
    hidden = lines(b'GET /version HTTP/1.1', b'Host: ' + client.host)
    for name, request, statuses in cases(client.host):
        got, state = client.say(request)
        found, rest = answers(got, head_only=name.startswith('HEAD'))
        good = [status for status, _ in found] == statuses and rest == b''
        if statuses != [200]:
            good = good and (state == 'closed' or hidden not in request)
        t.ok(good, f'{name}: {statuses[0]}, and nothing else', f'{state}: {got!r}')


def endless(t, client):
    """A chunk size line and an extension without an end: refused long before they are all there."""
    head = lines(b'POST /scep?operation=PKIOperation HTTP/1.1', b'Host: ' + client.host, b'Transfer-Encoding: chunked')
    for name, start in (('chunk size', b'0'), ('chunk extension', b'5;a=')):
        got, state = client.say(head + start, *[b'0' * 16384] * 64)
        t.ok(state == 'closed' and len(answers(got)[0]) <= 1 and (not got or got.startswith(b'HTTP/1.1 4')),
             f'a {name} without an end is cut', f'{state}: {got!r}')


def served(t, client):
    """What is unusual but means one thing is served, and what follows it is the next request."""
    h = b'Host: ' + client.host
    ask = lines(b'GET /version HTTP/1.1', h)
    scep = lines(b'POST /scep?operation=PKIOperation HTTP/1.1', h, b'Transfer-Encoding: chunked')

    def expect(name, request, *statuses):
        got, state = client.say(request)
        found, rest = answers(got)
        t.ok([s for s, _ in found] == list(statuses) and rest == b'' and state == 'open', f'{name}: {statuses}', f'{state}: {got!r}')
        return found

    found = expect('three requests at once', ask + ask.replace(b'/version', b'/nothing') + ask, 200, 404, 200)
    t.ok(len(found) == 3 and found[0][1] == found[2][1] != found[1][1], '... are answered in order', found)
    expect('a chunk extension', scep + b'5;a=b\r\nhello\r\n0\r\n\r\n' + ask, 400, 200)
    expect('trailers', scep + b'5\r\nhello\r\n0\r\nContent-Length: 500\r\nX: y\r\n\r\n' + ask, 400, 200)
    expect('Expect: 100-continue with its body already there', lines(
        b'POST /scep?operation=PKIOperation HTTP/1.1', h, b'Expect: 100-continue', b'Content-Length: 5') + b'hello' + ask, 400, 200)
    expect('a body that looks like a request', lines(b'PUT /mdm HTTP/1.1', h, b'Content-Length: %d' % len(ask)) + ask + ask, 400, 200)
    got, state = client.say(ask + ask.replace(b'\r\n\r\n', b'\r\nX : y\r\n\r\n') + ask)
    t.ok([s for s, _ in answers(got)[0]] == [200, 400] and state == 'closed', 'after a refused one no other is answered', got)
    got, state = client.say(lines(b'GET /version HTTP/1.0') + ask)
    t.ok([s for s, _ in answers(got)[0]] == [200] and state == 'closed', 'after HTTP/1.0 without keep-alive neither', got)
    got, state = client.say(lines(b'GET /version HTTP/1.1', h, b'Connection: close') + ask)
    t.ok([s for s, _ in answers(got)[0]] == [200] and state == 'closed', 'after Connection: close neither', got)


class Slow(threading.Thread):
    """Sends a byte a half second and notes when the server had enough."""

    def __init__(self, connect, text):
        super().__init__(daemon=True)
        self.connect, self.text, self.took, self.got = connect, text, None, b''
        self.start()

    def run(self):
        with self.connect() as s:
            begin = time.monotonic()
            s.settimeout(0.5)
            for at in range(len(self.text)):
                try:
                    s.sendall(self.text[at:at + 1])
                    part = s.recv(65536)
                except (socket.timeout, ssl.SSLWantReadError):
                    continue
                except OSError:
                    part = b''
                self.got += part
                if not part:
                    self.took = time.monotonic() - begin
                    return


def slow_ones(client):
    head = lines(b'GET /version HTTP/1.1', b'Host: ' + client.host, b'X: ' + b'y' * 200)
    hello = b'\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03' + b'r' * 200

    def plain():
        return socket.create_connection(('127.0.0.1', client.port), PATIENCE)

    return {'the request line': (Slow(client.connect, b'GET /' + b'x' * 200), b'HTTP/1.1 408'),
            'a field': (Slow(client.connect, head), b'HTTP/1.1 408'),
            'the greeting of TLS': (Slow(plain, hello), b'')}


def smuggling(t):
    with Bed() as bed:
        bed.everything()
        bed.start()
        client = Client(bed)
        slow = slow_ones(client)
        refused(t, client)
        endless(t, client)
        served(t, client)
        for what, (thread, start) in slow.items():
            thread.join(HEAD_SECONDS * SLOW)
            t.ok(thread.took is not None and HEAD_SECONDS - 1 < thread.took < HEAD_SECONDS + 2 and thread.got.startswith(start)
                 and len(answers(thread.got)[0]) <= 1, f'{what}, a byte at a time, is cut after {HEAD_SECONDS} s',
                 f'{thread.took} s: {thread.got!r}')
        t.ok(client.say(lines(b'GET /version HTTP/1.1', b'Host: ' + client.host))[0].startswith(b'HTTP/1.1 200'),
             'after all that it serves')
        t.ok(bed.status() is not None, '... and answers administrators')
        t.equal(bed.stop(), 0, 'the daemon ends well')
        t.ok('ERROR: ' not in bed.journal() and 'runtime error' not in bed.journal(), 'no sanitizer spoke', bed.journal())


Tap().run(smuggling)
