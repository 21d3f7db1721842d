"""bed.py - a whole Cordon in a temporary directory for one system test, and TAP to say what came of it

Programs come from $CORDON_BUILD, scripts from $CORDON_SOURCE.  Nothing here reads or writes a message of the protocol: that is
done by the fake device, the fake APNs, openssl and curl.
"""
import glob
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import traceback

BUILD = os.environ.get('CORDON_BUILD', '.')
SOURCE = os.environ.get('CORDON_SOURCE', '.')
SLOW = 4 if 'asan' in os.environ.get('CORDON_SLOW', 'asan') else 1  # sanitizers and a busy machine


class Tap:
    """Counts checks; tests are functions that are run in order, an exception fails the one it left."""

    def __init__(self):
        self.count = self.failed = 0

    def ok(self, condition, name, detail=''):
        self.count += 1
        if not condition:
            self.failed += 1
            for line in str(detail).splitlines()[-40:]:
                print('#', line)
        print(('ok' if condition else 'not ok'), self.count, '-', name.replace('#', ''), flush=True)
        return condition

    def equal(self, got, wanted, name):
        return self.ok(got == wanted, name, f'got    {got!r}\nwanted {wanted!r}')

    def has(self, text, part, name):
        return self.ok(part in (text or ''), name, f'wanted {part!r} in:\n{text}')

    def run(self, *tests):
        for test in tests:
            try:
                test(self)
            except Exception:  # noqa: the report is the point
                self.ok(False, f'{test.__name__} ran to its end', traceback.format_exc())
        print(f'1..{self.count}', flush=True)
        sys.exit(1 if self.failed else 0)


def await_(condition, what, seconds=15):
    """Returns the condition's first true value; raises after `seconds`, which is patience and not a measure."""
    end = time.monotonic() + seconds * SLOW
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise TimeoutError(f'{what} did not happen within {seconds * SLOW} s')
        time.sleep(0.02)


def free_port():
    with socket.socket() as s:
        s.bind(('127.0.0.1', 0))
        return s.getsockname()[1]


def run(*command, check=True, **more):
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True, **more)
    if check and done.returncode:
        raise RuntimeError(f'{command} exited {done.returncode}\n{done.stdout}{done.stderr}')
    return done


class Bed:
    """A playground: directories, configuration, programs.  Use it with `with`."""

    def __init__(self, settings='', topic=None):
        self.dir = tempfile.mkdtemp(prefix='cordon-')
        self.certs = f'{self.dir}/etc/certs'
        self.state = f'{self.dir}/state'
        self.rundir = f'{self.dir}/run'
        self.conf = f'{self.dir}/etc/cordond.conf'
        self.log = f'{self.dir}/cordond.log'
        self.pushes = f'{self.dir}/pushes.jsonl'
        self.topic = topic or 'com.apple.mgmt.External.11111111-2222-3333-4444-555555555555'
        self.port, self.apns_port = free_port(), free_port()
        self.settings = settings
        self.cordond = f'{BUILD}/cordond'
        self.processes = {}
        for d in (f'{self.dir}/etc/conf.d', self.certs, self.state, self.rundir):
            os.makedirs(d)
        os.chmod(self.certs, 0o750)
        self.write_conf()

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        if kind and os.path.exists(self.log):
            sys.stdout.write(''.join('# ' + line for line in open(self.log, errors='replace').readlines()[-30:]))
        for name in list(self.processes):
            self.end(name, signal.SIGKILL)
        shutil.rmtree(self.dir, ignore_errors=True)

    # ---- files ----

    def write_conf(self, settings=None):
        """The main file, replaced as Ansible does."""
        if settings is not None:
            self.settings = settings
        text = f'''organization = "Example";
server-name = "localhost:{self.port}";
listen = ( {{ address = "127.0.0.1"; port = {self.port}; }} );
certificates = "{self.certs}";
state = "{self.state}";
push: {{ host = "localhost"; port = {self.apns_port}; trust = "{self.dir}/apple/ca.pem"; }};
{self.settings}
'''
        self.replace(self.conf, text)

    def replace(self, path, text):
        with open(path + '.part', 'w') as f:
            f.write(text)
        os.rename(path + '.part', path)

    def drop_in(self, name, text):
        self.replace(f'{self.dir}/etc/conf.d/{name}', text)

    # ---- programs ----

    def tool(self, name, *arguments, **more):
        return run(f'{BUILD}/{name}', *arguments, **more)

    def ssc(self, name='Example MDM', *more):
        self.tool('cordon-ssc', 'new', '--config', self.conf, '--common-name', name, *more)

    def tls(self, name='localhost'):
        self.tool('cordon-ssc', 'tls', name, '--config', self.conf)

    def apple(self):
        run('bash', f'{SOURCE}/tests/apple.sh', 'init', f'{self.dir}/apple')

    def csr(self):
        self.tool('cordon-csr', 'new', '--config', self.conf, '--common-name', 'push')
        return glob.glob(f'{self.certs}/push-*.csr')[0]

    def signed(self, csr=None, topic=None, days=365, out=None):
        """The certificate that "Apple" gives for a CSR, not yet in the directory."""
        out = out or f'{self.dir}/MDM_Example_Certificate.pem'
        csr = csr or glob.glob(f'{self.certs}/push-*.csr')[0]
        run('bash', f'{SOURCE}/tests/apple.sh', 'sign', f'{self.dir}/apple', csr, out, topic or self.topic, days)
        return out

    def drop_push(self, **more):
        path = self.signed(**more)
        shutil.copy(path, self.certs)
        return path

    def everything(self):
        """SSC, TLS, "Apple", fake APNs, CSR and push certificate: a server that is ready to start."""
        self.ssc()
        self.tls()
        self.apple()
        self.apns()
        self.csr()
        self.drop_push()
        return self

    def begin(self, name, *command, log=None, **more):
        out = open(log or f'{self.dir}/{name}.log', 'a')
        self.processes[name] = subprocess.Popen([str(c) for c in command], stdout=out, stderr=out,
                                                stdin=subprocess.DEVNULL, **more)
        out.close()
        return self.processes[name]

    def end(self, name, signo=signal.SIGTERM, patience=20):
        """Ends a program; its exit status."""
        p = self.processes.pop(name, None)
        if not p:
            return None
        if p.poll() is None:
            p.send_signal(signo)
        try:
            return p.wait(patience * SLOW)
        except subprocess.TimeoutExpired:
            p.kill()
            p.wait()
            raise

    def apns(self, *more):
        self.begin('apns', f'{BUILD}/tests/apns/fake-apns', '--port', self.apns_port, '--cert', f'{self.dir}/apple/apns.pem',
                   '--key', f'{self.dir}/apple/apns.key', '--client-ca', f'{self.dir}/apple/ca.pem', '--control',
                   f'{self.rundir}/apns', '--wake', f'{self.rundir}/wake', '--log', self.pushes, *more)
        await_(lambda: 'listening on' in self.read(f'{self.dir}/apns.log'), 'the start of the fake APNs')

    def start(self, wait=True, **environment):
        p = self.begin('cordond', self.cordond, '-c', self.conf, log=self.log,
                       env={**os.environ, 'RUNTIME_DIRECTORY': self.rundir,
                            'CORDON_SCHEMA': f'{SOURCE}/etc/apple-schema/commands.tsv', **environment})
        if wait:
            def up():
                if p.poll() is not None:
                    raise RuntimeError(f'cordond exited {p.returncode}\n{self.read(self.log)}')
                try:
                    return self.status() is not None
                except OSError:
                    return False
            await_(up, 'the start of cordond')
        return self

    def stop(self):
        return self.end('cordond')

    def kill(self):
        return self.end('cordond', signal.SIGKILL)

    def ctl(self, *arguments, check=True, **more):
        return self.tool('cordonctl', '--socket', f'{self.rundir}/control.sock', *arguments, check=check, **more)

    def ctl_json(self, *arguments):
        done = self.ctl(*arguments, '--json', check=False)
        return json.loads(done.stdout) if done.stdout.strip() else None

    def ask(self, path, body=None):
        """GET, or POST of a JSON body, over the control socket without starting a program: for what is measured or asked often."""
        return self.answer(path, body)[1]

    def answer(self, path, body=None):
        """As ask; (status, JSON)."""
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(10 * SLOW)
            s.connect(f'{self.rundir}/control.sock')
            if body is None:
                s.sendall(f'GET {path} HTTP/1.0\r\n\r\n'.encode())
            else:
                s.sendall(f'POST {path} HTTP/1.0\r\nContent-Length: {len(body.encode())}\r\n\r\n{body}'.encode())
            answer = b''
            while True:
                piece = s.recv(65536)
                if not piece:
                    break
                answer += piece
        return int(answer.split(None, 2)[1]), json.loads(answer.partition(b'\r\n\r\n')[2] or b'null')

    def status(self):
        return self.ask('/v1/status')

    def push_state(self):
        return self.status()['push'][0]['state']

    def connected(self):
        await_(lambda: self.push_state() == 'Connected', 'push to become Connected')
        return self

    def link(self, *more):
        return self.ctl('enroll-link', *more).stdout.strip()

    # ---- devices ----

    def roots(self):
        return f'{self.certs}/tls-ca.crt'

    def device(self, name, *arguments, link=None, check=True, **more):
        """One invocation of a fake device with its own state; JSON lines of what it did."""
        command = [f'{BUILD}/tests/device/fake-device', '--state', f'{self.dir}/dev-{name}', '--udid',
                   f'00008110-{name}', '--serial', f'C39{name}', '--public-roots', self.roots()]
        if link:
            command += ['--link', link]
        done = run(*command, *arguments, check=check, **more)
        done.steps = [json.loads(line) for line in done.stdout.splitlines() if line.startswith('{')]
        return done

    def enroll(self, name, *more):
        return self.device(name, *more, 'enroll', link=self.link())

    # ---- HTTP ----

    def curl(self, path, *more, check=False):
        """An HTTP request to the device listener: (status, body as bytes)."""
        out = f'{self.dir}/body'
        if os.path.exists(out):
            os.unlink(out)
        done = run('curl', '-s', '--cacert', self.roots(), '-o', out, '-w', '%{http_code}', *more,
                   f'https://localhost:{self.port}{path}', check=check)
        body = open(out, 'rb').read() if os.path.exists(out) else b''
        return int(done.stdout or 0), body

    @staticmethod
    def read(path):
        try:
            return open(path, errors='replace').read()
        except FileNotFoundError:
            return ''

    def journal(self):
        return self.read(self.log)
