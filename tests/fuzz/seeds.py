"""seeds.py DIR - inputs to begin with: from Apple's schema, the shipped configuration, and artefacts that openssl makes"""
import base64
import csv
import json
import os
import re
import struct
import subprocess
import sys

SOURCE = os.environ.get('CORDON_SOURCE', '.')
HEAD = ('<?xml version="1.0" encoding="UTF-8"?><!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" '
        '"http://www.apple.com/DTDs/PropertyList-1.0.dtd"><plist version="1.0">')
VALUES = {'boolean': '<true/>', 'integer': '<integer>-1</integer>', 'real': '<real>1.5</real>', 'data': '<data>AAEC</data>',
          'date': '<date>2030-01-01T00:00:00Z</date>', 'array': '<array><dict/></array>', 'dictionary': '<dict/>'}
# in DER: signedData, envelopedData, data, contentType, messageDigest, RSA, challengePassword; SHA-256, AES-128-CBC; those of SCEP
OIDS = ['\x06\x09*\x86H\x86\xf7\r\x01' + end
        for end in ('\x07\x02', '\x07\x03', '\x07\x01', '\x09\x03', '\x09\x04', '\x01\x01', '\x09\x07')]
OIDS += ['\x06\x09`\x86H\x01e\x03\x04' + end for end in ('\x02\x01', '\x01\x02')]
OIDS += ['\x06\x0a`\x86H\x01\x86\xf8E\x01\x09' + chr(n) for n in range(2, 8)]
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
    for endpoint in ('tokens', 'declaration/asset/a/b c', 'declaration/asset/../x'):
        yield plist([('MessageType', text('DeclarativeManagement')), ('Endpoint', text(endpoint)), ('Data', '<data>e30=</data>')] + who)
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


def scep(directory):
    """requests as certmonger and strongSwan shape them; the names are those of fuzz_scep.c's own certificates"""
    key, cert, request = (f'{directory}/{n}' for n in ('scep.key', 'scep.crt', 'scep.csr'))
    openssl('req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-keyout', key, '-out', cert, '-days', '30', '-set_serial', '1',
            '-subj', '/CN=cordon-fuzz')
    with open(f'{directory}/scep.cnf', 'w') as f:
        f.write('[req]\nprompt = no\ndistinguished_name = dn\nattributes = a\n'
                '[dn]\nCN = phone\n[a]\nchallengePassword = secret\n')
    for more in (['-config', f'{directory}/scep.cnf'], ['-subj', '/CN=phone/O=x']):
        openssl('req', '-new', '-key', key, '-outform', 'DER', '-out', request, *more)
        asked = open(request, 'rb').read()
        envelope = openssl('cms', '-encrypt', '-binary', '-aes-128-cbc', '-outform', 'DER', cert, given=asked)
        whole = openssl('cms', '-sign', '-binary', '-nodetach', '-outform', 'DER', '-signer', cert, '-inkey', key, given=envelope)
        yield from (b'r' + asked, b'e' + envelope, b'm' + whole, b'g' + base64.b64encode(whole))
    yield b'e' + openssl('cms', '-encrypt', '-binary', '-des3', '-keyid', '-outform', 'DER', '-recip', cert, given=b'x')
    for path in (key, cert, request, f'{directory}/scep.cnf'):
        os.unlink(path)


def words():
    """what libFuzzer may put in: target, then its words"""
    paths = ' '.join(path for kind in ('req', 'resp') for _, path, _ in rows(kind))
    keys = sorted(set(re.findall(r'\w+', paths)))
    tags = [f'<{t}>' for v in VALUES.values() for t in re.findall(r'/?[a-z]+', re.sub('>[^<]+<', '><', v))]
    tags += ['<string>', '</string>', '<!DOCTYPE', '<![CDATA[', '&#x0;', 'bplist00']
    yield 'message', [f'<key>{k}</key>' for k in keys] + tags
    keys += ['request_type', 'arguments', 'key', 'content', 'strict']
    yield 'json', [f'"{k}"' for k in keys] + ['\\u0000', '\\ud800', '1e9']
    sample = open(f'{SOURCE}/etc/cordond.conf').read()
    settings = re.findall(r'^#?\s*([a-z][a-z0-9-]*)\s*[=:]', sample, re.M)
    yield 'conf', sorted(set(settings)) + ['@include', '/*', '*/', '0x', 'true', '"']
    yield 'http', ['Content-Length: ', 'Transfer-Encoding: chunked', 'Expect: 100-continue', 'Connection: close', 'HTTP/1.1',
                   '\r\n', 'Host: ', '%00', '%2e%2e/', '0\r\n\r\n', 'Upgrade: h2c', 'Mdm-Signature: ', 'PRI * HTTP/2.0']
    for target in ('signature', 'scep', 'certfile'):
        yield target, OIDS + ['0\x80', '\x04\x80', '\xa0\x80', '\0\0', '\x30\x84\xff\xff\xff\xff']


def dictionaries(directory):
    for target, listed in words():
        with open(f'{directory}/{target}.dict', 'w') as f:
            for word in listed:
                f.write('"%s"\n' % ''.join(c if c.isascii() and c.isalnum() else f'\\x{ord(c):02x}' for c in word))


def main(directory):
    os.makedirs(directory, exist_ok=True)
    dictionaries(directory)
    signatures, files = signed(directory)
    for target, inputs in (('message', messages()), ('json', controls()), ('http', requests()), ('conf', confs()),
                           ('apns', pushes()), ('log', logs()), ('signature', signatures), ('certfile', files),
                           ('scep', scep(directory))):
        os.makedirs(f'{directory}/{target}', exist_ok=True)
        for n, content in enumerate(inputs):
            with open(f'{directory}/{target}/seed-{n:03}', 'wb') as f:
                f.write(content)


if __name__ == '__main__':
    main(sys.argv[1])
