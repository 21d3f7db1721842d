"""seeds.py DIR - inputs to begin with: from Apple's schema, the shipped configuration, and artefacts that openssl makes"""
import csv
import json
import os
import struct
import subprocess
import sys

SOURCE = os.environ.get('CORDON_SOURCE', '.')
HEAD = ('<?xml version="1.0" encoding="UTF-8"?><!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" '
        '"http://www.apple.com/DTDs/PropertyList-1.0.dtd"><plist version="1.0">')
VALUES = {'boolean': '<true/>', 'integer': '<integer>-1</integer>', 'real': '<real>1.5</real>', 'data': '<data>AAEC</data>',
          'date': '<date>2030-01-01T00:00:00Z</date>', 'array': '<array><dict/></array>', 'dictionary': '<dict/>'}
WORDS = {'boolean': 'true', 'integer': '1', 'real': '1.5'}


def rows(kind):
    with open(f'{SOURCE}/etc/apple-schema/commands.tsv', newline='') as f:
        for row in csv.reader(f, delimiter='\t', quoting=csv.QUOTE_NONE):
            if len(row) > 3 and row[1] == kind:
                yield row[0], row[2], row[3]


def dictionary(pairs):
    return '<dict>' + ''.join(f'<key>{k}</key>{v}' for k, v in pairs) + '</dict>'


def plist(pairs):
    return f'{HEAD}{dictionary(pairs)}</plist>'.encode()


def messages():
    text = '<string>{}</string>'.format
    who = [('UDID', text('00008110-000A00000000000A'))]
    topic = ('Topic', text('com.apple.mgmt.External.11111111-2222-3333-4444-555555555555'))
    yield plist([('MessageType', text('Authenticate')), topic, ('SerialNumber', text('C39')), ('Model', text('x'))] + who)
    yield plist([('MessageType', text('TokenUpdate')), topic, ('PushMagic', text('m')), ('Token', '<data>AAEC</data>'),
                 ('UserID', text('U')), ('UnlockToken', '<data>AAEC</data>'), ('NotOnConsole', '<false/>')] + who)
    for kind in ('CheckOut', 'GetBootstrapToken', 'UserAuthenticate', 'DeclarativeManagement', 'GetToken'):
        yield plist([('MessageType', text(kind)), topic, ('Endpoint', text('status'))] + who)
    yield plist([('Status', text('Error')), ('CommandUUID', text('1')), ('ErrorChain', '<array>' + dictionary(
        [('ErrorCode', '<integer>1</integer>'), ('ErrorDomain', text('d'))]) + '</array>')] + who)
    answers = {}
    for command, path, kind in rows('resp'):
        if '/' not in path and '.' not in path and '[' not in path:
            answers.setdefault(command, []).append((path, VALUES.get(kind, text('x'))))
    for pairs in answers.values():
        yield plist([('Status', text('Acknowledged')), ('CommandUUID', text('1'))] + who + pairs)


def controls():
    commands = {}
    for command, path, kind in rows('req'):
        commands.setdefault(command, []).append(f'{path}={WORDS.get(kind, "x")}')
    for command, words in commands.items():
        yield json.dumps({'request_type': command, 'arguments': words[:16]}).encode()
    yield b'{"request_type": "Settings", "arguments": [{"key": "Settings", "content": "W10="}], "strict": true}'


def requests():
    yield b'GET /version HTTP/1.1\r\nHost: x\r\n\r\n'
    yield b'PUT /mdm?a=%41 HTTP/1.0\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\nabc'
    yield b'PUT /mdm HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3;a=b\r\nabc\r\n0\r\nA: b\r\n\r\n'
    yield b'3\r\nabc\r\nA;x="y"\r\n0123456789\r\n0\r\n\r\n'
    yield b'GET http://x/mdm HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n'


def confs():
    sample = open(f'{SOURCE}/etc/cordond.conf', 'rb').read()
    yield sample
    yield (b'organization = "E"; server-name = "mdm.example.com:8443"; lock-after = "7d";'
           b'listen = ( { address = "*"; port = 443; tls = true; } ); push: { rate = 10; warn-days = [ 1, 7 ]; };')
    yield b'\n'.join(line[1:] if line.startswith(b'#') and b'=' in line else line for line in sample.splitlines())


def frame(kind, flags, stream, body):
    return struct.pack('>I', len(body))[1:] + bytes([kind, flags]) + struct.pack('>I', stream) + body


def pushes():
    answer = b'{"reason":"Unregistered","timestamp":1500000000000}'
    yield answer
    yield frame(1, 4, 1, b'\x88') + frame(0, 1, 1, answer) + frame(1, 5, 3, b'\x88')
    yield frame(4, 0, 0, struct.pack('>HI', 3, 2)) + frame(6, 0, 0, b'12345678') + frame(3, 0, 1, struct.pack('>I', 7))
    yield frame(7, 0, 0, struct.pack('>II', 1, 0) + b'{"reason":"Shutdown"}') + frame(8, 0, 0, struct.pack('>I', 1))


def logs():
    def change(kind, key, value):
        return struct.pack('>BHI', kind, len(key), len(value)) + key + value

    def batch(*changes):
        return struct.pack('>H', len(b''.join(changes))) + b''.join(changes)
    yield b'\0' + batch(change(1, b'e00008110', b'\1\1\1\2'), change(1, b'a', b'b')) + batch(change(2, b'a', b''))
    yield b'\0' + batch() + batch(change(1, b'', b'')) + batch(change(3, b'a', b'b'))
    yield b'\1cordlog\n' + bytes(64)


def openssl(*arguments, given=b''):
    return subprocess.run(['openssl', *arguments], input=given, capture_output=True, check=True).stdout


def signed(directory):
    key, cert = f'{directory}/key.pem', f'{directory}/cert.pem'
    openssl('req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-keyout', key, '-out', cert, '-days', '30', '-subj', '/CN=d')
    openssl('req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', f'{directory}/ec.pem',
            '-out', f'{directory}/ec.crt', '-days', '30', '-subj', '/UID=com.apple.mgmt.External.1/CN=APSP:1')
    body = b'<plist version="1.0"><dict/></plist>'
    signatures = []
    for more in (['-md', 'sha256'], ['-md', 'sha1'], ['-md', 'sha512', '-keyid'], ['-noattr'], ['-nodetach'], ['-nocerts']):
        der = openssl('cms', '-sign', '-binary', '-outform', 'DER', '-signer', cert, '-inkey', key, *more, given=body)
        signatures.append(struct.pack('>H', len(der)) + der + body)
    files = [open(f'{directory}/{n}', 'rb').read() for n in ('key.pem', 'cert.pem', 'ec.pem', 'ec.crt')]
    files += [files[1] + files[0], openssl('x509', '-in', cert, '-outform', 'DER'),
              openssl('req', '-new', '-key', key, '-subj', '/CN=r'), openssl('rsa', '-in', key, '-traditional'),
              b'-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n']
    for name in ('key.pem', 'cert.pem', 'ec.pem', 'ec.crt'):
        os.unlink(f'{directory}/{name}')
    return signatures, files


def main(directory):
    os.makedirs(directory, exist_ok=True)
    signatures, files = signed(directory)
    for target, inputs in (('message', messages()), ('json', controls()), ('http', requests()), ('conf', confs()),
                           ('apns', pushes()), ('log', logs()), ('signature', signatures), ('certfile', files)):
        os.makedirs(f'{directory}/{target}', exist_ok=True)
        for n, content in enumerate(inputs):
            with open(f'{directory}/{target}/seed-{n:03}', 'wb') as f:
                f.write(content)


if __name__ == '__main__':
    main(sys.argv[1])
