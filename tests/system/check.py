"""check.py - cordonctl check against stand-ins for Apple: good, closed, wrong name, intercepted, expired; and the firewall's letter"""
import os
import re
import socket
import ssl
import threading
import time

from bed import Bed, Tap, free_port, run

SOURCE = os.environ.get('CORDON_SOURCE', '.')


class StandIn(threading.Thread):
    """A TLS server that shows a certificate and answers any request; the clock it tells is `skew` seconds off."""

    def __init__(self, cert, key, alpn=('h2',), skew=0, port=0, body=b'cordon'):
        super().__init__(daemon=True)
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(cert, key)
        if alpn:
            self.context.set_alpn_protocols(list(alpn))
        self.socket = socket.create_server(('127.0.0.1', port))
        self.port = self.socket.getsockname()[1]
        self.skew, self.body = skew, body
        self.start()

    def run(self):
        while True:
            try:
                raw, _ = self.socket.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(raw,), daemon=True).start()

    def serve(self, raw):
        try:
            with self.context.wrap_socket(raw, server_side=True) as s:
                s.settimeout(5)
                if s.recv(4096) and s.selected_alpn_protocol() != 'h2':
                    date = time.strftime('%a, %d %b %Y %H:%M:%S GMT', time.gmtime(time.time() + self.skew))
                    s.sendall(f'HTTP/1.1 200 OK\r\nDate: {date}\r\nContent-Length: {len(self.body)}\r\n'
                              'Connection: close\r\n\r\n'.encode() + self.body)
        except OSError:
            pass

    def close(self):
        self.socket.shutdown(socket.SHUT_RDWR)  # wakes the thread that accepts
        self.socket.close()
        self.join(5)


def make(bed, name, days=365, ca='apple', host='localhost'):
    """A server certificate from one of two authorities; days < 0: expired."""
    d = f'{bed.dir}/{ca}'
    out = f'{bed.dir}/{name}'
    run('openssl', 'req', '-newkey', 'rsa:2048', '-nodes', '-keyout', f'{out}.key', '-out', f'{out}.csr', '-subj', f'/CN={host}')
    with open(f'{out}.ext', 'w') as f:
        f.write(f'subjectAltName=DNS:{host}\nextendedKeyUsage=serverAuth\n')
    begin = ['-days', str(days)]
    run('openssl', 'x509', '-req', '-in', f'{out}.csr', '-CA', f'{d}/ca.pem', '-CAkey', f'{d}/ca.key', '-set_serial', '77', *begin,
        '-sha256', '-extfile', f'{out}.ext', '-out', f'{out}.pem')
    return f'{out}.pem', f'{out}.key'


def check(bed, *more):
    return bed.tool('cordonctl', 'check', '--config', bed.conf, *more, check=False)


def push_line(done):
    return next((line for line in done.stdout.splitlines() if re.match(r'(good|fault) +push ', line)), '')


def ends(t):
    with Bed() as bed:
        bed.apple()
        run('bash', f'{SOURCE}/tests/apple.sh', 'init', f'{bed.dir}/middlebox')
        said = {}

        def with_stand_in(name, wanted, *pair, **more):
            s = StandIn(*pair, **more)
            bed.apns_port = s.port
            bed.write_conf()
            done = check(bed)
            s.close()
            said[name] = push_line(done)
            t.has(said[name], wanted, f'{name}: {wanted}')
            t.equal(done.returncode, 1, f'{name}: exit 1 (there are no certificates of our own yet)')

        with_stand_in('good', 'answers (127.0.0.1), its certificate comes from', *make(bed, 'good'))
        t.has(said['good'], 'Throw-away Apple', 'good: the issuer is shown')
        bed.apns_port = free_port()
        bed.write_conf()
        said['closed'] = push_line(check(bed))
        t.has(said['closed'], 'refuses connections to TCP port', 'closed port: said so')
        bed.drop_in('10-push.conf', 'push: { host = "push.cordon.invalid"; };\n')
        said['dns'] = push_line(check(bed))
        os.unlink(f'{bed.dir}/etc/conf.d/10-push.conf')
        t.has(said['dns'], 'push.cordon.invalid is not found in DNS', 'wrong DNS: said so')
        with_stand_in('intercepted', 'intercepts TLS: the certificate it shows comes from', *make(bed, 'bad', ca='middlebox'))
        with_stand_in('expired', 'expired on ', *make(bed, 'old', days=-1))
        t.equal(len(set(re.sub(r'\d+', '', line) for line in said.values())), 5, 'five different sentences')
        t.equal([name for name, line in said.items() if line.startswith('good')], ['good'], 'and only the good one is good')
        with_stand_in('another name', 'certificate for another name', *make(bed, 'other', host='elsewhere.example.org'))
        with_stand_in('no HTTP/2', 'no HTTP/2, which pushes need', *make(bed, 'plain'), alpn=('http/1.1',))
        plain = socket.create_server(('127.0.0.1', 0))
        threading.Thread(target=lambda: [plain.accept()[0].sendall(b'HTTP/1.1 403 No\r\n\r\n') for _ in range(9)], daemon=True).start()
        bed.apns_port = plain.getsockname()[1]
        bed.write_conf()
        t.has(push_line(check(bed)), 'speaks no TLS', 'a captive portal that speaks no TLS is named')
        bed.write_conf('nonsense = 1;')
        done = check(bed)
        t.ok(done.returncode == 78 and 'nonsense' in done.stdout, 'a faulty configuration: exit 78', done.stdout)
        t.equal(check(bed, '--nonsense').returncode, 64, 'wrong usage: exit 64')


def own_name(t):
    with Bed() as bed:
        bed.everything()
        bed.start()
        bed.connected()
        os.chmod(bed.state, 0o700)
        try:
            import pwd
            os.chown(bed.state, pwd.getpwnam('cordon').pw_uid, -1)
        except (KeyError, PermissionError):
            pass
        import grp
        try:
            os.chown(bed.certs, -1, grp.getgrnam('cordon').gr_gid)
        except (KeyError, PermissionError):
            pass
        done = check(bed)
        t.has(done.stdout, f'https://localhost:{bed.port}/version answers from here', 'the own name is tried')
        t.has(done.stdout, 'its certificate comes from', 'the way to Apple is good')
        t.has(done.stdout, 'TLS certificate: server.crt, valid until', 'certificates are listed')
        t.has(done.stdout, '2195 and feedback.push.apple.com:2196 are gone since March 2021', 'the old gateway is named as gone')
        t.has(done.stdout, 'max_user_watches', 'inotify limits are looked at')
        t.has(done.stdout, 'MiB are free', 'so is the disk')
        t.ok(done.returncode == 0 and not re.search('(?m)^fault', done.stdout), 'all is well: exit 0', done.stdout)
        lines = bed.tool('cordonctl', 'check', '--config', bed.conf, '--json', check=False).stdout
        import json
        t.ok(all(set(line) == {'check', 'result', 'text'} for line in json.loads(lines)), '--json has the same lines', lines)

        os.chmod(bed.certs, 0o757)
        done = check(bed)
        t.ok(done.returncode == 1 and 'open to everybody (mode 757)' in done.stdout, 'a directory that everybody may change: exit 1',
             done.stdout)
        os.chmod(bed.certs, 0o750)
        os.chmod(bed.state, 0o755)
        t.has(check(bed).stdout, 'is open to others than the daemon', 'a state directory that others may read is named')
        os.chmod(bed.state, 0o700)
        bed.stop()
        done = check(bed)
        t.has(done.stdout, 'is cordond running, with a TLS certificate, and does the name lead here?',
              'the daemon does not run: the own name says so')

        tls = (f'{bed.certs}/server.crt', f'{bed.certs}/server.key')
        s = StandIn(*tls, alpn=('http/1.1',), port=bed.port, body=b'Welcome to nginx')
        t.has(check(bed).stdout, 'is answered by another program', 'another program behind the name is named')
        s.close()
        s = StandIn(*tls, alpn=('http/1.1',), port=bed.port, skew=3600)
        t.ok(re.search(r'clock of this machine is 3[56]\d\d s behind that of localhost', check(bed).stdout), 'a clock that is off is named')
        s.close()


def firewall(t):
    with Bed() as bed:
        bed.replace(bed.conf, 'organization = "Example";\nserver-name = "mdm.example.org:8443";\n')
        done = check(bed, '--firewall')
        with open(f'{SOURCE}/tests/system/firewall.txt') as f:
            golden = f.read()
        t.ok(done.stdout == golden and done.returncode == 0, 'the letter is the golden one', done.stdout)
        bed.replace(bed.conf, 'organization = "Example";\nserver-name = "[2001:db8::1]";\npush: { port = 2197; };\n')
        text = check(bed, '--firewall').stdout
        t.ok('TCP 443 to 2001:db8::1' in text and 'TCP 2197 to api.push.apple.com' in text and 'where 443 is kept closed' not in text,
             'an address as server-name, and the other port', text)


Tap().run(ends, own_name, firewall)
