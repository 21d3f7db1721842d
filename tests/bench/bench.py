#!/usr/bin/env python3
"""bench.py - every figure of Cordon beside its limit or peer, measured in the same run on the same machine

  BENCH_ROWS="1 3"      only these rows
  BENCH_SCALE=small     seconds: shows that each row gives a figure, and that is all that its figures show
  BENCH_SCALE=full      with the sizes that take long: answers of 100,000 devices, 1,000,000 enrollments
  BENCH_RUNS=N          medians of N runs (5)
  BENCH_JSON=FILE       where the result goes besides the table (bench.json)

A build with sanitizers or without -O2 is refused, except at the scale "small".
"""
import datetime
import json
import os
import platform
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import plant  # noqa: E402
import rows  # noqa: E402


def refuse_build(scale):
    flags, sanitize = os.environ.get('BENCH_CFLAGS', ''), os.environ.get('BENCH_SANITIZE', '')
    if scale == 'small':
        return
    if sanitize.strip() or '-fsanitize' in flags:
        sys.exit('bench: this build has sanitizers; configure another without --enable-sanitizers to measure it')
    if not any(o in flags.split() for o in ('-O2', '-O3')):
        sys.exit(f'bench: this build is not optimised (CFLAGS "{flags}"); configure another with CFLAGS="-O2 -g" to measure it')


def first(path, key, otherwise=''):
    try:
        with open(path) as f:
            return next((line.split(':', 1)[1].strip() for line in f if line.startswith(key)), otherwise)
    except OSError:
        return otherwise


def output(*command):
    try:
        return subprocess.run(command, capture_output=True, text=True, cwd=plant.SOURCE).stdout.strip()
    except OSError:
        return ''


def machine():
    """Which machine, which build: without it a figure says nothing."""
    changed = output('git', 'status', '--porcelain', '--untracked-files=no')
    return {
        'date': datetime.datetime.now(datetime.timezone.utc).strftime('%Y-%m-%d %H:%M UTC'),
        'processor': first('/proc/cpuinfo', 'model name', platform.machine()), 'cores': plant.CORES,
        'memory_mib': int(first('/proc/meminfo', 'MemTotal', '0 kB').split()[0]) // 1024,
        'kernel': platform.release(), 'file_system': output('stat', '-f', '-c', '%T', '/tmp'),
        'disk': output('df', '--output=source', '/tmp').splitlines()[-1:], 'virtual': output('systemd-detect-virt'),
        'openssl': output('openssl', 'version'), 'compiler': os.environ.get('BENCH_CC', ''),
        'cflags': os.environ.get('BENCH_CFLAGS', ''), 'commit': output('git', 'rev-parse', '--short=12', 'HEAD') +
        ('+changes' if changed else ''), 'load_average': os.getloadavg()[0], 'scale': rows.SCALE, 'runs': rows.RUNS,
    }


def number(value):
    if value is None:
        return ''
    if isinstance(value, str):
        return value
    return f'{value:,.0f}' if abs(value) >= 100 else f'{value:.3g}'


def table(lines):
    head = ['row', 'what', 'figure', 'unit', 'beside', 'ratio', 'wanted', '']
    cells = [[str(line['row']), line['what'], number(line['value']), line['unit'],
              f"{number(line['peer_value'])} {line['peer']}".strip(), number(line['ratio']), line['wanted'],
              {True: 'yes', False: 'NO', None: ''}[line['met']]] for line in lines]
    widths = [max(len(r[i]) for r in [head, *cells]) for i in range(len(head))]
    return '\n'.join('| ' + ' | '.join(c.ljust(w) for c, w in zip(r, widths)) + ' |'
                     for r in [head, ['-' * w for w in widths], *cells])


def main():
    refuse_build(rows.SCALE)
    plant.many_files()
    described = machine()
    wanted = os.environ.get('BENCH_ROWS', '').split() or sorted(rows.ROWS, key=int)
    lines, failures = [], []
    for name in wanted:
        if name not in rows.ROWS:
            sys.exit(f'bench: there is no row {name}; there are {" ".join(rows.ROWS)}')
        print(f'# row {name}: {rows.ROWS[name].__doc__}', file=sys.stderr, flush=True)
        try:
            for line in rows.ROWS[name]():
                lines.append({'row': name, **line})
                print('#  ', json.dumps(line), file=sys.stderr, flush=True)
        except Exception as fault:  # noqa: the other rows are still worth measuring
            failures.append(f'row {name}: {type(fault).__name__}: {fault}')
            print('#', failures[-1], file=sys.stderr, flush=True)
    described['load_average_after'] = os.getloadavg()[0]
    print(f"{described['date']}, {described['processor']}, {described['cores']} cores, {described['memory_mib']} MiB, Linux "
          f"{described['kernel']}, {described['file_system']}, {described['openssl']}, commit {described['commit']}, "
          f"{described['compiler']} {described['cflags']}, load average {described['load_average']:.2f} before")
    print(table(lines))
    for failure in failures:
        print('FAILED:', failure)
    with open(os.environ.get('BENCH_JSON', 'bench.json'), 'w') as f:
        json.dump({'machine': described, 'lines': lines, 'failures': failures}, f, indent=1)
        f.write('\n')
    sys.exit(1 if failures else 0)


if __name__ == '__main__':
    main()
