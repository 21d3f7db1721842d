"""rows.py - what is measured: one function for each row, which yields its lines

A line: what, value, unit, peer (words), peer_value, ratio, wanted (words), met (None: nothing is asked of it), and `more`, which
goes to the JSON only.
"""
import glob
import json
import os
import re
import socket
import ssl
import subprocess
import time

from plant import (BUILD, LOAD_CORE, SERVER_CORE, Plant, await_, clean, cpu_of, disk_of, finish, free_port, median, memory_of,
                   pinned, run, speed)

SCALE = os.environ.get('BENCH_SCALE', 'normal')
SIZES = {  # seconds of one run, devices that speak, runs
    'small': (0.5, 20, 1),
    'normal': (5, 1000, 5),
    'full': (10, 1000, 5),
}
if SCALE not in SIZES:
    raise SystemExit(f'bench: BENCH_SCALE is one of {", ".join(SIZES)}')
SECONDS, SPEAKERS, RUNS = SIZES[SCALE]
RUNS = int(os.environ.get('BENCH_RUNS', RUNS))
SMALL, FULL = SCALE == 'small', SCALE == 'full'
CONNECTIONS = 64
LENGTH = ('--requests', 100) if SMALL else ('--seconds', SECONDS)
ROWS = {}


def row(name):
    def add(function):
        ROWS[name] = function
        return function
    return add


def line(what, value, unit, peer='', peer_value=None, ratio=None, wanted='', met=None, **more):
    return {'what': what, 'value': value, 'unit': unit, 'peer': peer, 'peer_value': peer_value, 'ratio': ratio,
            'wanted': wanted, 'met': met, 'more': more}


def times(function):
    """The same several times over."""
    return [function() for _ in range(RUNS)]


def rates(results):
    return median([r['rate'] for r in results])


def p99(results):
    return median([r['p99_ms'] for r in results])


def cost(results):
    """Microseconds of the daemon's processor time for one request."""
    return median([r['server_cpu_seconds'] / r['done'] * 1e6 for r in results])


# ---- polls ----

def polls(plant, *more):
    return clean(plant.load('poll', '--connections', CONNECTIONS, *LENGTH, '--warm', *more), 'polls')


def shares(plant, function):
    """What function() gives, and the share of signatures that took the short way meanwhile."""
    before = plant.metrics()
    result = function()
    after = plant.metrics()
    counts = {path: after[f'cordon_signatures_total{{path="{path}"}}'] - before[f'cordon_signatures_total{{path="{path}"}}']
              for path in ('fast', 'whole')}
    return result, counts['fast'] / max(1, sum(counts.values()))


@row('1')
def signed_polls():
    """polls over kept connections with Mdm-Signature"""
    _, verify = speed('rsa2048', 1 if SMALL else 3)
    floor = min(10000, verify / 4)
    with Plant() as plant:
        plant.ready().fleet(SPEAKERS, SPEAKERS)
        plant.start()
        plant.load('poll', '--connections', CONNECTIONS, '--requests', SPEAKERS)  # each form is noted
        results, share = shares(plant, lambda: times(lambda: polls(plant)))
        rate = rates(results)
        yield line('signed polls, known certificates', rate, '/s', 'RSA-2048 verifications/s', verify, rate / verify,
                   'min(10,000, 1/4 of them)', rate >= floor, p99_ms=p99(results), fast_share=share, cpu_us=cost(results))
        results, share = shares(plant, lambda: times(lambda: polls(plant, '--odd')))
        rate = rates(results)
        yield line("signed polls, OpenSSL's whole path", rate, '/s', 'RSA-2048 verifications/s', verify, rate / verify,
                   p99_ms=p99(results), fast_share=share, cpu_us=cost(results))


TLS_ONLY = 'device-authentication = "tls";\ntls: { request-client-certificate = true; };\n'


@row('2')
def certificate_polls():
    """polls with a TLS client certificate and no signature"""
    with Plant(TLS_ONLY) as plant:
        plant.ready().fleet(SPEAKERS, SPEAKERS)
        plant.start()
        plant.load('poll', '--connections', CONNECTIONS, '--requests', SPEAKERS, '--certificate', '--no-signature')
        for what, more in (('mTLS polls, kept connections', ()), ('mTLS polls, each a new connection, full handshake', ('--fresh',)),
                           ('mTLS polls, each a new connection, resumed', ('--fresh', '--resume'))):
            results = times(lambda: polls(plant, '--certificate', '--no-signature', *more))
            yield line(what, rates(results), '/s', p99_ms=p99(results), cpu_us=cost(results),
                       resumed=median([r['resumed'] / max(1, r['opened']) for r in results]))


# ---- handshakes ----

class Peer:
    """openssl s_server with the daemon's certificate, pinned as the daemon is."""

    def __init__(self, plant):
        self.port, self.plant = free_port(), plant
        self.process = plant.begin('s_server', *pinned(
            SERVER_CORE, 'openssl', 's_server', '-accept', f'127.0.0.1:{self.port}', '-cert', f'{plant.certs}/server.crt', '-key',
            f'{plant.certs}/server.key', '-www', '-quiet', '-num_tickets', '1'))
        await_(lambda: run('openssl', 's_client', '-connect', f'127.0.0.1:{self.port}', check=False, input='').returncode == 0,
               'the start of s_server')

    def load(self):
        return fresh(f'127.0.0.1:{self.port}', '/', self.process.pid)


def fresh(where, path, pid):
    """GETs with a handshake each; handshakes a second of a whole core of the server beside those of the clock."""
    cpu = cpu_of(pid)
    result = clean(finish(subprocess.Popen(pinned(LOAD_CORE, f'{BUILD}/tests/bench/bench-load', 'poll', '--connect', where, '--get',
                                                  path, '--fresh', '--connections', 16, *LENGTH),
                                           stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)), f'handshakes with {where}')
    cpu = cpu_of(pid) - cpu
    return {**result, 'busy': cpu / result['seconds'], 'per_core': result['done'] / cpu}


@row('3')
def handshakes():
    """a new TLS connection for each request, beside openssl s_server"""
    with Plant() as plant:
        plant.ready().fleet(SPEAKERS, SPEAKERS)
        plant.start()
        peer = Peer(plant)
        ours, theirs = [], []
        for _ in range(RUNS):  # in turns, so that both see the same machine
            ours.append(fresh(f'127.0.0.1:{plant.port}', '/version', plant.pid()))
            theirs.append(peer.load())
        plant.end('s_server')
        by_clock = rates(ours) / rates(theirs)
        per_core = [median([r['per_core'] for r in side]) for side in (ours, theirs)]
        busy = [median([r['busy'] for r in side]) for side in (ours, theirs)]
        # Where the client is the limit the clock says nothing: then the processor's time does.
        ratio = by_clock if min(busy) > 0.9 else per_core[0] / per_core[1]
        yield line('TLS handshakes, one GET each', rates(ours), '/s', 's_server/s', rates(theirs), ratio, 'at least 0.85',
                   ratio >= 0.85, ratio_by_clock=by_clock, per_core_second=per_core, server_busy=busy, p99_ms=p99(ours))
        plant.load('poll', '--connections', CONNECTIONS, '--requests', SPEAKERS)
        results = times(lambda: polls(plant, '--fresh'))
        yield line('signed polls, each a new connection', rates(results), '/s', 's_server handshakes/s', rates(theirs),
                   rates(results) / rates(theirs), p99_ms=p99(results), cpu_us=cost(results))


# ---- enrollment ----

def meanwhile(plant, way, *more):
    """A load that has begun, and goes on until end_of() it."""
    load = subprocess.Popen(plant.load_command(way, *more), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    load.stdout.readline()
    return load


def end_of(process):
    process.terminate()
    return finish(process)


def enroll(plant, count, at_once, first):
    """Whole enrollments by the fake device; it gives way to whoever else is on the load's core."""
    done = run('nice', '-n', '19', *pinned(LOAD_CORE, f'{BUILD}/tests/device/fake-device', 'fleet', '--count', count, '--first',
                                           first, '--concurrency', at_once, '--keys', 2 if SMALL else 8, '--idle-rounds', 0, '--patience', 120,
                                           '--timeout', 120, '--link', plant.link('--uses', 'any'), '--public-roots',
                                           plant.roots()), check=False)
    result = json.loads(done.stdout)
    if done.returncode or result['failed'] or result['enrolled'] != count:
        raise RuntimeError(f"{result['failed']} of {count} enrollments failed: {result['fault_notes'][:3]} {done.stderr[-300:]}")
    return {**result, 'rate': count / result['seconds']}


def enrolled_beside_polls(plant, count, first):
    """Enrollments, and polls of others at a steady rate; devices number `first` and up."""
    others = meanwhile(plant, 'poll', '--connections', 16, '--rate', 50 if SMALL else 200, '--requests', 10**9)
    try:
        result = enroll(plant, count, 16, first)
    finally:
        polled = end_of(others)
    return {**result, 'polls': clean(polled, 'polls of others')}


@row('4')
def enrollments():
    """whole enrollments, durable, beside the CA's private operations"""
    count = 3 if SMALL else 300
    private, _ = speed('rsa3072', 1 if SMALL else 3)
    with Plant(bits=3072) as plant:
        plant.ready().fleet(SPEAKERS, SPEAKERS)
        plant.start()
        results = [enrolled_beside_polls(plant, count, 1 + i * count) for i in range(RUNS)]
        few = rates(results)
        yield line('whole enrollments, SSC of RSA-3072', few, '/s', '1/3 of RSA-3072 private operations/s', private / 3,
                   few / (private / 3), 'at least 0.6', few >= 0.2 * private, latency=results[0]['latency'])
        worst = median([r['polls']['p99_ms'] for r in results])
        yield line('polls of others meanwhile, p99', worst, 'ms', wanted='below 50 ms', met=worst < 50)
        pairs = times(lambda: clean(plant.load('checkin', '--topic', plant.topic, '--connections', 16, *LENGTH), 'check-ins'))
        yield line('Authenticate and TokenUpdate alone', rates(pairs), '/s', p99_ms=p99(pairs), cpu_us=cost(pairs))
        at_once = 10 if SMALL else 5000
        crowd = enroll(plant, at_once, at_once, 100001)
        yield line(f'{at_once:,} devices enroll at once: failures', crowd['failed'], '', wanted='none', met=crowd['failed'] == 0,
                   seconds=crowd['seconds'], rate=crowd['rate'], retries=crowd['retries'], status=crowd['status'])
    many = int(os.environ.get('BENCH_MILLION', {'small': 500, 'normal': 100000, 'full': 1000000}[SCALE]))
    with Plant(bits=3072) as plant:
        plant.ready().fleet(many, SPEAKERS)
        plant.start()
        results = [enrolled_beside_polls(plant, count, 1 + i * count) for i in range(RUNS)]
        rate = rates(results)
        yield line(f'whole enrollments, {many:,} in the store', rate, '/s', f'/s with {SPEAKERS:,}', few, rate / few,
                   'within 20 %', rate >= 0.8 * few, polls_p99_ms=median([r['polls']['p99_ms'] for r in results]))


# ---- commands ----

@row('5')
def cycles():
    """command cycles: enqueue, Idle, report, result stored"""
    count = 200 if SMALL else 20000
    with Plant() as plant:
        plant.ready().fleet(max(64, SPEAKERS), max(64, SPEAKERS))
        plant.start()
        plant.load('poll', '--connections', CONNECTIONS, '--requests', SPEAKERS)
        results = times(lambda: clean(plant.load('cycle', '--connections', 64, '--requests', count, '--control',
                                                 f'{plant.rundir}/control.sock'), 'cycles'))
        rate = rates(results)
        yield line('command cycles, 64 at once', rate, '/s', wanted='at least 3,000', met=rate >= 3000, p99_ms=p99(results),
                   cpu_us=cost(results))


# ---- size ----

def settle(plant):
    """Memory when nothing moves any more."""
    pid, last = plant.pid(), None
    for _ in range(10):
        now = memory_of(pid)
        if last and abs(now['resident'] - last['resident']) < 64:
            break
        last = now
        time.sleep(1)
    return now


def size_of(count, answers, limit):
    """Memory, disk and both starts of one fleet."""
    with Plant() as plant:
        made = plant.ready().fleet(count, min(count, SPEAKERS), answers)
        clean_start = plant.start()
        fresh_memory = settle(plant)
        plant.load('poll', '--connections', CONNECTIONS, '--requests', min(count, SPEAKERS))
        plant.load('cycle', '--connections', 16, '--requests', 100 if SMALL else 5000, '--control',
                   f'{plant.rundir}/control.sock')
        after = settle(plant)
        plant.kill()
        killed_start = plant.start()
        killed = settle(plant)
        disk = disk_of(plant.state)
        began = time.monotonic()
        plant.end('cordond', patience=100)
        stopped = time.monotonic() - began
        again = plant.start()
        what = f'{count:,} enrollments{" with answers" if answers else ""}'
        rest = max(fresh_memory['resident'], memory_of(plant.pid())['resident'])
        yield line(f'{what}: resident at rest', rest / 1024, 'MiB', wanted=f'at most {limit} MiB' if limit else '',
                   met=rest <= limit * 1024 if limit else None, at_start=fresh_memory, made_in_seconds=made)
        yield line(f'{what}: resident after load', after['resident'] / 1024, 'MiB', after_load=after, after_kill=killed)
        yield line(f'{what}: on disk', disk / 2**20, 'MiB', bytes_each=disk / count)
        yield line(f'{what}: stop', stopped, 's')
        yield line(f'{what}: clean start', median([clean_start, again]), 's', wanted='at most 3 s' if count >= 10**6 else '',
                   met=max(clean_start, again) <= 3 if count >= 10**6 else None)
        yield line(f'{what}: start after SIGKILL', killed_start, 's', wanted='at most 10 s' if count >= 10**6 else '',
                   met=killed_start <= 10 if count >= 10**6 else None)


@row('7')
def sizes():
    """memory, disk and start-up"""
    plan = {'small': [(30, True, 16)], 'normal': [(1000, True, 16), (10000, True, None)],
            'full': [(1000, True, 16), (10000, True, None), (100000, True, None)]}[SCALE]
    million = {'small': 500, 'normal': 100000, 'full': 1000000}[SCALE]
    plan.append((int(os.environ.get('BENCH_MILLION', million)), False, 256))
    for count, answers, limit in plan:
        yield from size_of(count, answers, limit)


def instructions(count, polled):
    """User instructions of one poll, counted by callgrind from poll to poll."""
    with Plant() as plant:
        plant.ready().fleet(count, min(count, SPEAKERS))
        out = f'{plant.dir}/callgrind.out'
        plant.start('valgrind', '--tool=callgrind', '--instr-atstart=no', f'--callgrind-out-file={out}', patience=600)
        plant.load('poll', '--connections', 4, '--requests', SPEAKERS)
        pid = plant.pid()
        run('callgrind_control', '-i', 'on', pid)
        result = clean(plant.load('poll', '--connections', 4, '--requests', polled), 'polls under callgrind')
        run('callgrind_control', '-d', pid)
        await_(lambda: sum(totals(out)), 'the figures of callgrind', 60)
        plant.kill()
        return sum(totals(out)) / result['done']


def totals(out):
    found = []
    for path in glob.glob(out + '*'):
        with open(path, errors='replace') as f:
            found += [int(n) for n in re.findall(r'^(?:totals|summary): (\d+)', f.read(), re.M)[:1]]
    return found


@row('8')
def growth():
    """instructions per poll at 1 k and at 1 M enrollments (callgrind)"""
    if '-fsanitize' in os.environ.get('BENCH_SANITIZE', ''):
        yield line('instructions per poll', 'not with sanitizers', '')
        return
    polled = 60 if SMALL else 2000
    few = 1000 if not SMALL else 100
    many = int(os.environ.get('BENCH_MILLION', 500 if SMALL else 1000000))
    small, large = instructions(few, polled), instructions(many, polled)
    yield line(f'instructions per poll at {many:,} enrollments', large, '', f'at {few:,}', small, large / small, 'at most 1.25',
               large / small <= 1.25)


# ---- pushes ----

@row('6')
def pushes():
    """pushes beside h2load against nghttpd"""
    script = os.path.join(os.path.dirname(os.path.abspath(__file__)), 'push.py')
    sizes = {'BENCH_PUSH_RUNS': '1', 'BENCH_PUSH_COUNT': '500'} if SMALL else {'BENCH_PUSH_RUNS': str(RUNS)}
    told = json.loads(run('python3', script, env={**os.environ, **sizes}).stdout)
    yield line('pushes', told['ours'], '/s', 'h2load, /s', told['h2load'], told['ratio'], 'at least 0.8', told['ratio'] >= 0.8,
               measured=told)


# ---- changes under load ----

def until(condition, patience=30):
    """Milliseconds until it is so."""
    began = time.monotonic()
    while not condition():
        if time.monotonic() - began > patience:
            raise TimeoutError('a change had no effect')
        time.sleep(0.002)
    return (time.monotonic() - began) * 1000


def gate_says(plant):
    """The status with which the gate answers about a device that nobody knows."""
    with socket.socket(socket.AF_UNIX) as s:
        s.settimeout(30)
        s.connect(f'{plant.rundir}/control.sock')
        s.sendall(b'GET /access?id=nobody HTTP/1.0\r\n\r\n')
        return int(s.recv(4096).split()[1])


def served_certificate(plant):
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with socket.create_connection(('127.0.0.1', plant.port), 30) as s, context.wrap_socket(s, server_hostname='localhost') as t:
        return t.getpeercert(True)


def renewed_certificate(plant, serial):
    """Another certificate for the same key, as a renewal gives it: (PEM file beside the directory, DER)."""
    csr, out = f'{plant.dir}/renewed.csr', f'{plant.dir}/renewed.pem'
    run('openssl', 'req', '-new', '-key', f'{plant.certs}/server.key', '-subj', '/CN=localhost', '-addext',
        'subjectAltName=DNS:localhost', '-addext', 'extendedKeyUsage=serverAuth', '-out', csr)
    run('openssl', 'x509', '-req', '-in', csr, '-CA', f'{plant.certs}/tls-ca.crt', '-CAkey', f'{plant.certs}/tls-ca.key',
        '-set_serial', serial, '-days', 300, '-copy_extensions', 'copy', '-out', out)
    with open(out) as f:
        return out, ssl.PEM_cert_to_DER_cert(f.read())


def change_setting(plant, i):
    text = f'allow-unenrolled = {"true" if i % 2 == 0 else "false"};\n'
    part = f'{plant.dir}/etc/50-bench.part'
    with open(part, 'w') as f:
        f.write(text)
    os.rename(part, f'{plant.dir}/etc/conf.d/50-bench.conf')
    return until(lambda: gate_says(plant) == (204 if i % 2 == 0 else 403))


def change_certificate(plant, i):
    path, der = renewed_certificate(plant, 1000 + i)
    os.rename(path, f'{plant.certs}/server.crt')
    return until(lambda: served_certificate(plant) == der)


@row('9')
def changes():
    """from rename() of a configuration or certificate to its effect, under load"""
    count = 2 if SMALL else 4 * RUNS
    with Plant() as plant:
        plant.ready().fleet(SPEAKERS, SPEAKERS)
        plant.start()
        plant.load('poll', '--connections', CONNECTIONS, '--requests', SPEAKERS)
        others = meanwhile(plant, 'poll', '--connections', CONNECTIONS, '--rate', 100 if SMALL else 2000, '--requests', 10**9)
        try:
            settings = [change_setting(plant, i) for i in range(count)]
            certificates = [change_certificate(plant, i) for i in range(count)]
        finally:
            polled = end_of(others)
        for what, took in (('configuration', settings), ('TLS certificate', certificates)):
            yield line(f'rename() of a {what} to its effect', median(took), 'ms', 'ms at the longest', max(took),
                       wanted='400 ms', met=max(took) <= 400, all_ms=took)
        yield line('requests refused meanwhile', polled['failed'], f"of {polled['done'] + polled['failed']:,}", wanted='none',
                   met=polled['failed'] == 0, p99_ms=polled['p99_ms'], first_failure=polled['first_failure'])


# ---- one command for all ----

BULK = json.dumps({'filter': {}, 'action': {'send': {'request_type': 'SecurityInfo'}}})


@row('10')
def bulk():
    """one bulk command: time to enqueue, and what it does to the polls of others"""
    count = {'small': 100, 'normal': 20000, 'full': 100000}[SCALE]
    watch = {'small': 1, 'normal': 20, 'full': 60}[SCALE]
    with Plant() as plant:
        plant.ready().fleet(count, count)
        plant.start()
        plant.connected()
        woken = meanwhile(plant, 'wake', '--wake', f'{plant.rundir}/wake', '--requests', 10**9)
        others = meanwhile(plant, 'poll', '--connections', 16, '--rate', 50 if SMALL else 500, '--requests', 10**9, '--take',
                           min(count, SPEAKERS))
        try:
            time.sleep(1)
            began = time.monotonic()
            job = plant.ask('/v1/bulk', BULK)['bulk']
            await_(lambda: plant.ask(f'/v1/bulk/{job}')['done'], 'the end of the bulk', 120)
            took = time.monotonic() - began
            queued = plant.ask(f'/v1/bulk/{job}')['queued']
            time.sleep(watch)
        finally:
            polled, visits = end_of(others), end_of(woken)
        if queued != count:
            raise RuntimeError(f'{queued} of {count} are queued')
        yield line(f'one command queued for {count:,} devices', took, 's', wanted='1 s', met=took <= 1)
        yield line('polls of others throughout, p99', clean(polled, 'polls of others')['p99_ms'], 'ms', 'ms at the longest',
                   polled['max_ms'], wanted='below 50 ms', met=polled['p99_ms'] < 50, rate=polled['rate'])
        yield line('devices that came by push, did it and left', clean(visits, 'visits')['done'] / (took + watch), '/s',
                   'push.rate', 200, p99_ms=visits['p99_ms'])
