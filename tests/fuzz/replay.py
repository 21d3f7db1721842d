"""replay.py - every fuzz target takes its seeds, whole and cut short, without a fault"""
import glob
import os
import subprocess
import sys
import tempfile

SOURCE, BUILD = os.environ.get('CORDON_SOURCE', '.'), os.environ.get('CORDON_BUILD', '.')
TARGETS = sorted(os.path.basename(p)[5:-2] for p in glob.glob(f'{SOURCE}/tests/fuzz/fuzz_*.c'))
failed = 0
print(f'1..{len(TARGETS)}')
with tempfile.TemporaryDirectory(prefix='cordon-fuzz-') as where:
    subprocess.run([sys.executable, f'{SOURCE}/tests/fuzz/seeds.py', where], check=True)
    for n, target in enumerate(TARGETS, 1):
        seeds = sorted(glob.glob(f'{where}/{target}/*'))
        done = subprocess.run([f'{BUILD}/tests/fuzz/fuzz_{target}', *seeds], capture_output=True, text=True, errors='replace',
                              env={**os.environ, 'CORDON_SCHEMA': f'{SOURCE}/etc/apple-schema/commands.tsv'})
        good = done.returncode == 0 and len(seeds) > 2
        failed += not good
        for line in [] if good else (done.stdout + done.stderr).splitlines()[-40:]:
            print('#', line)
        print('ok' if good else 'not ok', n, '-', f'{target}: {len(seeds)} seeds', flush=True)
sys.exit(1 if failed else 0)
