"""plant.py - what is measured and what measures it: a daemon pinned to one core, load pinned to another

Everything that is timed by a clock runs as: server on SERVER_CORE, load (and the fake APNs) on LOAD_CORE.
"""
import atexit
import json
import os
import re
import resource
import statistics
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'system'))
from bed import BUILD, SOURCE, Bed, await_, free_port, run  # noqa: E402

SERVER_CORE, LOAD_CORE = '0', '1'
CORES = os.cpu_count() or 1
if CORES < 2:
    LOAD_CORE = '0'
SHARED = tempfile.mkdtemp(prefix='cordon-bench-')  # the devices' keys, which all fleets of a run share
atexit.register(shutil.rmtree, SHARED, True)


def pinned(core, *command):
    return ['taskset', '-c', core, *[str(c) for c in command]]


def many_files():
    """As many descriptors as we may have: each connection is one, on both sides."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def cpu_of(pid):
    """Seconds that all threads of a process had of a core so far; 0.0 when the kernel does not count."""
    total = 0
    for task in os.listdir(f'/proc/{pid}/task'):
        try:
            with open(f'/proc/{pid}/task/{task}/schedstat') as f:
                total += int(f.read().split()[0])
        except OSError:
            pass
    return total / 1e9


def memory_of(pid):
    """Resident now and at its highest (KiB)."""
    with open(f'/proc/{pid}/status') as f:
        text = f.read()
    return {key: int(re.search(rf'{name}:\s*(\d+)', text).group(1)) for key, name in (('resident', 'VmRSS'), ('peak', 'VmHWM'))}


def disk_of(directory):
    return sum(os.lstat(os.path.join(d, f)).st_blocks * 512 for d, _, files in os.walk(directory) for f in files)


def speed(algorithm, seconds):
    """What `openssl speed` says of an algorithm on the server's core: (private, public) operations a second."""
    out = run(*pinned(SERVER_CORE, 'openssl', 'speed', '-seconds', seconds, '-mr', algorithm)).stdout
    fields = next(line for line in out.splitlines() if line.startswith('+F2:')).split(':')
    return float(fields[3]), float(fields[4])


def median(values):
    return statistics.median(values)


class Plant(Bed):
    """A Bed whose daemon is pinned, with a fleet that was written into its store."""

    def __init__(self, settings='', bits=2048):
        self.metrics_port = free_port()
        super().__init__(settings=f'metrics: {{ listen = "127.0.0.1:{self.metrics_port}"; }};\n{settings}')
        self.bits = bits
        self.speakers, self.keys = f'{self.dir}/speakers', f'{SHARED}/keys.pem'

    def ready(self, apns=True):
        self.ssc('Example MDM', '--bits', str(self.bits))
        self.tls()
        self.apple()
        if apns:
            self.apns()
            run('taskset', '-a', '-p', '-c', LOAD_CORE, self.processes['apns'].pid)
        self.csr()
        self.drop_push()
        return self

    def fleet(self, count, speakers=0, answers=False):
        """Seconds that it took to write it."""
        began = time.monotonic()
        run(f'{BUILD}/tests/bench/bench-store', '--state', self.state, '--store-key', f'{self.certs}/store.key', '--topic',
            self.topic, '--count', count, '--speakers', min(count, speakers), '--ssc', f'{self.certs}/ssc.crt', '--ssc-key',
            f'{self.certs}/ssc.key', '--keys', self.keys, '--out', self.speakers, *(['--answers'] if answers else []))
        return time.monotonic() - began

    def begin_daemon(self, *wrapper):
        return self.begin('cordond', *pinned(SERVER_CORE, *wrapper, self.cordond, '-c', self.conf), log=self.log,
                          env={**os.environ, 'RUNTIME_DIRECTORY': self.rundir,
                               'CORDON_SCHEMA': f'{SOURCE}/etc/apple-schema/commands.tsv'})

    def start(self, *wrapper, patience=150):
        """Starts it and returns the seconds until it answers."""
        began = time.monotonic()
        p = self.begin_daemon(*wrapper)

        def up():
            if p.poll() is not None:
                raise RuntimeError(f'cordond exited {p.returncode}\n{self.read(self.log)[-3000:]}')
            try:
                return self.ask('/v1/status')
            except (OSError, ValueError):
                return None
        await_(up, 'the start of cordond', patience)
        return time.monotonic() - began

    def pid(self):
        return self.processes['cordond'].pid

    def load_command(self, way, *more, speakers=True):
        command = pinned(LOAD_CORE, f'{BUILD}/tests/bench/bench-load', way, '--connect', f'127.0.0.1:{self.port}', *more)
        return command + (['--speakers', self.speakers, '--keys', self.keys] if speakers else [])

    def load(self, way, *more, speakers=True):
        """One run of the load generator, and the processor time that the daemon had meanwhile."""
        cpu = cpu_of(self.pid())
        result = finish(subprocess.Popen(self.load_command(way, *more, speakers=speakers), stdout=subprocess.PIPE,
                                         stderr=subprocess.PIPE, text=True))
        result['server_cpu_seconds'] = cpu_of(self.pid()) - cpu
        return result

    def metrics(self):
        """Every line of the metrics by its name with labels."""
        with urllib.request.urlopen(f'http://127.0.0.1:{self.metrics_port}/metrics', timeout=60) as answer:
            lines = answer.read().decode().splitlines()
        return {name: float(value) for name, _, value in (line.rpartition(' ') for line in lines) if not name.startswith('#')}


def finish(process):
    """The JSON object that a load generator prints at its end."""
    out, err = process.communicate()
    lines = [line for line in out.splitlines() if line.startswith('{')]
    if not lines:
        raise RuntimeError(f'the load generator exited {process.returncode}: {err}')
    return json.loads(lines[-1])


def clean(result, what):
    """A figure of a run in which something failed is none."""
    if result['failed']:
        raise RuntimeError(f"{what}: {result['failed']} of {result['done'] + result['failed']} failed, first: "
                           f"{result['first_failure']}")
    return result
