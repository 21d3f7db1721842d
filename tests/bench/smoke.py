"""smoke.py - the bench gives a figure for each row; what the figures are worth at this size is nothing

The other half of the rows is smoke_more.py, so that the two can run side by side.
"""
import json
import os
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, '..', 'system'))
from bed import Tap  # noqa: E402

ROWS = ('1', '2', '3', '5', '8')


def bench(environment):
    return subprocess.run([sys.executable, f'{HERE}/bench.py'], capture_output=True, text=True, env={**os.environ, **environment})


def refusals(t):
    for flags, sanitize, words in (('-O0 -g', '', 'not optimised'), ('-O2', '-fsanitize=address', 'has sanitizers')):
        done = bench({'BENCH_SCALE': 'normal', 'BENCH_CFLAGS': flags, 'BENCH_SANITIZE': sanitize})
        t.ok(done.returncode == 1 and words in done.stderr, f'a build with {flags} {sanitize} is refused with a word', done.stderr)


def figures(t, rows=ROWS):
    with tempfile.TemporaryDirectory() as directory:
        out = f'{directory}/bench.json'
        done = bench({'BENCH_SCALE': 'small', 'BENCH_JSON': out, 'BENCH_ROWS': ' '.join(rows)})
        t.equal(done.returncode, 0, 'the bench ends well')
        if done.returncode:
            print('#', '\n# '.join((done.stdout + done.stderr).splitlines()[-40:]))
        result = json.load(open(out))
    for row in rows:
        lines = [line for line in result['lines'] if line['row'] == row]
        t.ok(lines and all(line['value'] is not None for line in lines), f'row {row} has figures', lines)
        for line in lines:
            t.has(done.stdout, f"| {line['what']}", f"the table has {line['what']}")
    t.ok(all(result['machine'].get(key) for key in ('processor', 'cores', 'kernel', 'date', 'memory_mib')),
         'the result says on which machine', result['machine'])


if __name__ == '__main__':
    Tap().run(refusals, figures)
