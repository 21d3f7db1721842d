#!/usr/bin/python3
"""dashboard.py - every query of the Grafana dashboard, against what a daemon exports and what promtool understands"""
import json
import os
import re
import shutil
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from bed import SOURCE, Bed, Tap, free_port, run  # noqa: E402

DASHBOARD = f'{SOURCE}/etc/examples/grafana-dashboard.json'
OWN_LABELS = {'instance', 'job'}   # Prometheus adds these


def queries(dashboard):
    for panel in dashboard['panels']:
        for target in panel.get('targets', []):
            yield panel['title'], target['expr'], target['legendFormat']
    for variable in dashboard['templating']['list']:
        if variable['type'] == 'query':
            name = re.fullmatch(r'label_values\((\w+), \w+\)', variable['query']['query'])
            yield variable['label'], name.group(1), ''


def exported(text):
    """Name -> its labels; what has no sample yet is known by its TYPE, and may have any label."""
    names = {}
    for kind in re.findall(r'^# TYPE (\w+) (\w+)', text, re.M):
        for suffix in ('_bucket', '_sum', '_count') if kind[1] == 'histogram' else ('',):
            names[kind[0] + suffix] = None
    for name, _, labels in re.findall(r'^(\w+)(\{(.*?)\})? ', text, re.M):
        names[name] = (names.get(name) or set()) | set(re.findall(r'(\w+)="', labels))
    return names


def labels_of(expr, legend):
    return (set(re.findall(r'(\w+)\s*=~?"', expr)) | set(re.findall(r'\{\{(\w+)\}\}', legend))
            | {l for by in re.findall(r'by \(([^)]*)\)', expr) for l in re.split(r',\s*', by)})


def dashboard(t):
    board = json.load(open(DASHBOARD))
    port = free_port()
    with Bed(f'metrics: {{ listen = "127.0.0.1:{port}"; }};') as bed:
        bed.everything().start().connected()
        names = exported(run('curl', '-sf', f'http://127.0.0.1:{port}/metrics').stdout)
        rules = []
        for title, expr, legend in queries(board):
            used = set(re.findall(r'\bcordon_\w+', expr))
            t.ok(used and used <= set(names), f'{title}: {", ".join(sorted(used))} is exported', used - set(names))
            known = [names[n] for n in used if n in names]
            if None not in known:
                t.equal(labels_of(expr, legend) - set().union(*known) - OWN_LABELS, set(), f'{title}: and has the labels')
            rules.append(expr.replace('$__rate_interval', '5m').replace('$instance', '.*'))
        path = f'{bed.dir}/rules.yml'
        json.dump({'groups': [{'name': 'dashboard', 'rules': [{'record': f'q{i}', 'expr': e} for i, e in enumerate(rules)]}]}, open(path, 'w'))
        if shutil.which('promtool'):
            done = run('promtool', 'check', 'rules', path, check=False)
            t.equal(done.returncode, 0, f'promtool reads all {len(rules)} queries')
        else:
            t.ok(True, 'promtool is not on this machine')
        t.equal(bed.stop(), 0, 'the daemon stops')
    cells = [(p['gridPos']['x'] + dx, p['gridPos']['y'] + dy) for p in board['panels'] for dx in range(p['gridPos']['w'])
             for dy in range(p['gridPos']['h'])]
    t.equal(len(cells), len(set(cells)), 'no panel lies upon another')
    t.ok(all(x < 24 for x, _ in cells), '... nor beyond the page')
    ids = [p['id'] for p in board['panels']]
    t.equal(len(ids), len(set(ids)), 'each has its own id')


Tap().run(dashboard)
