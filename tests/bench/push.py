#!/usr/bin/env python3
"""push.py - how fast Cordon pushes, beside h2load, against the same nghttpd on the same core

  push.py                prints one line of JSON: our rate, h2load's, their ratio (medians of the pairs); what a push and a request
                         cost each client of its processor, in microseconds; and the streams that the server saw at once
  BENCH_PUSH_RUNS=N      pairs of runs, taken in turn (5)
  BENCH_PUSH_COUNT=N     pushes of one run (50000)
  BENCH_PUSH_STREAMS=N   what the server allows at once (100)

The server has the last processor to itself, the clients take turns on the first one.  Both send the same request, to the same
tokens, over one connection with as many streams as the server allows.  Exit status 1: a push or a request was not answered 200.
"""
import json
import os
import re
import resource
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time

BUILD = os.environ['CORDON_BUILD']
TOKENS = 500
MAGIC = '01234567-89AB-CDEF-0123-456789ABCDEF'
TOPIC = 'com.apple.mgmt.External.11111111-2222-3333-4444-555555555555'


def run(*command, **more):
    return subprocess.run(command, capture_output=True, text=True, **more)


def processor_us(function, count):
    """What function() gives, and the processor time of the programs that it ran, for each of `count`."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    result = function()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return result, (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime) / count * 1e6


def pinned(core, *command):
    return ('taskset', '-c', str(core), *command)


def free_port():
    with socket.socket() as s:
        s.bind(('127.0.0.1', 0))
        return s.getsockname()[1]


class Place:
    """A directory with a certificate, a file for each token, and the server that gives them out."""

    def __init__(self):
        self.dir = tempfile.mkdtemp(prefix='bench-push.')
        self.cores = sorted(os.sched_getaffinity(0))
        self.cert, self.key = f'{self.dir}/c.pem', f'{self.dir}/k.pem'
        run('openssl', 'req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2', '-keyout', self.key,
            '-out', self.cert, '-subj', f'/UID={TOPIC}/CN=bench', '-addext', 'subjectAltName=IP:127.0.0.1', check=True)
        os.makedirs(f'{self.dir}/htdocs/3/device')
        self.paths = [f'/3/device/{i:04x}{0:060x}' for i in range(TOKENS)]
        for path in self.paths:
            open(f'{self.dir}/htdocs{path}', 'w').close()
        with open(f'{self.dir}/body', 'w') as f:
            f.write('{"mdm":"%s"}' % MAGIC)

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        shutil.rmtree(self.dir, ignore_errors=True)

    def serve(self, streams, *more, output=subprocess.DEVNULL):
        port = free_port()
        server = subprocess.Popen(pinned(self.cores[-1], 'nghttpd', '-a', '127.0.0.1', '-d', f'{self.dir}/htdocs', '-m', str(streams), *more,
                                         str(port), self.key, self.cert), stdout=output, stderr=subprocess.DEVNULL)
        end = time.monotonic() + 30
        while True:
            try:
                socket.create_connection(('127.0.0.1', port), 1).close()
                return server, port
            except OSError:
                if time.monotonic() > end or server.poll() is not None:
                    raise SystemExit('push.py: nghttpd does not start')
                time.sleep(0.02)

    def ours(self, port, count, tokens=TOKENS):
        done = run(*pinned(self.cores[0], f'{BUILD}/tests/bench/bench-push', str(port), self.cert, self.cert, self.key, str(tokens), str(count)))
        if done.returncode:
            raise SystemExit(f'push.py: bench-push: {done.stdout} {done.stderr}')
        return json.loads(done.stdout)

    def theirs(self, port, count, streams):
        """h2load with our request, headers and body."""
        uris = f'{self.dir}/uris'
        with open(uris, 'w') as f:
            f.writelines(f'https://127.0.0.1:{port}{path}\n' for path in self.paths)
        fields = {'apns-topic': TOPIC, 'apns-push-type': 'mdm', 'apns-priority': '10', 'apns-expiration': '1800000000',
                  'apns-id': '01234567-89ab-cdef-0123-456789abcdef', 'content-type': 'application/json'}
        done = run(*pinned(self.cores[0], 'h2load', '-n', str(count), '-c', '1', '-t', '1', '-m', str(streams), '-i', uris, '-d', f'{self.dir}/body',
                           *(x for name, value in fields.items() for x in ('-H', f'{name}: {value}'))))
        rate = re.search(r'finished in .*, ([\d.]+) req/s', done.stdout)
        if not rate or f'status codes: {count} 2xx' not in done.stdout:
            raise SystemExit(f'push.py: h2load: {done.stdout} {done.stderr}')
        return float(rate[1])


def most_at_once(log):
    """The most streams that were open at a time, by nghttpd's own log: from HEADERS in to END_STREAM out."""
    opened, most, seen = set(), 0, None
    for line in log:
        frame = re.search(r'(recv|send) (\w+) frame <length=\d+, flags=0x([0-9a-f]+), stream_id=(\d+)>', line)
        if not frame:
            continue
        way, kind, flags, stream = frame[1], frame[2], int(frame[3], 16), int(frame[4])
        if way == 'recv' and kind == 'HEADERS':
            opened.add(stream)
            most = max(most, len(opened))
        elif way == 'send' and kind in ('HEADERS', 'DATA') and flags & 1:
            opened.discard(stream)
    return most


def limit_kept(place, streams, count=2000):
    """What nghttpd saw of a burst, when it allows `streams`."""
    path = f'{place.dir}/log'
    with open(path, 'w') as f:
        server, port = place.serve(streams, '-v', output=f)
        try:
            place.ours(port, count, 50)
        finally:
            server.terminate()
            server.wait()
    with open(path, errors='replace') as f:
        return most_at_once(f)


def measure(runs, count, streams):
    ours, theirs, our_cost, their_cost = [], [], [], []
    with Place() as place:
        server, port = place.serve(streams)
        try:
            place.ours(port, count // 10)  # files are open, caches are warm
            for i in range(runs):
                for mine in ((True, False) if i % 2 == 0 else (False, True)):
                    if mine:
                        one, cost = processor_us(lambda: place.ours(port, count), count)
                        ours.append(one['rate'])
                        our_cost.append(cost)
                    else:
                        one, cost = processor_us(lambda: place.theirs(port, count, streams), count)
                        theirs.append(one)
                        their_cost.append(cost)
        finally:
            server.terminate()
            server.wait()
        seen = {limit: limit_kept(place, limit) for limit in (1, 7, 100)}
    return {'ours': statistics.median(ours), 'h2load': statistics.median(theirs),
            'ratio': round(statistics.median(a / b for a, b in zip(ours, theirs)), 3),
            'ratios': [round(a / b, 3) for a, b in zip(ours, theirs)], 'cpu_us': round(statistics.median(our_cost), 2),
            'h2load_cpu_us': round(statistics.median(their_cost), 2), 'runs': runs, 'count': count, 'streams_allowed': streams,
            'streams_seen': {str(k): v for k, v in seen.items()}}


def main():
    missing = [p for p in ('nghttpd', 'h2load', 'taskset', 'openssl') if not shutil.which(p)]
    if missing:
        raise SystemExit(f'push.py: {", ".join(missing)}: not on this machine')
    result = measure(int(os.environ.get('BENCH_PUSH_RUNS', 5)), int(os.environ.get('BENCH_PUSH_COUNT', 50000)),
                     int(os.environ.get('BENCH_PUSH_STREAMS', 100)))
    print(json.dumps(result))
    return 0


if __name__ == '__main__':
    sys.exit(main())
