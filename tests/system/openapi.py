"""openapi.py - etc/openapi.yaml against the route table, and every operation in it against a real answer"""
import base64
import http.client
import json
import os
import re
import socket
import sys
import tempfile

from bed import SOURCE, Bed, Tap, free_port, run

try:
    import yaml
except ImportError:
    print('1..0 # SKIP python3-yaml is missing')
    sys.exit(0)

DOC = yaml.safe_load(open(f'{SOURCE}/etc/openapi.yaml'))
METHODS = ('get', 'put', 'post', 'delete')


class Connection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__('localhost', timeout=60)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(self.path)


def operations():
    return [(path, method, item[method]) for path, item in DOC['paths'].items() for method in METHODS if method in item]


def routes(t):
    """Every route of administrators is described, every described one is a route, with the same methods."""
    text = open(f'{SOURCE}/daemon/routes.c').read()
    table = [(path, prefix == 'true', {m.lower() for m in re.findall(r'HTTP_(GET|PUT|POST|DELETE)\b', methods)})
             for path, prefix, methods, sides in re.findall(
                 r'\{\s*"([^"]+)",\s*(true|false),\s*((?:HTTP_\w+[\s|]*)+),\s*((?:HTTP_\w+[\s|]*)+),', text) if 'HTTP_CONTROL' in sides]
    t.ok(len(table) > 20, f'the route table was read: {len(table)} routes')
    described = {}
    for path, method, _ in operations():
        described.setdefault(path, set()).add(method)
    for path, prefix, methods in table:
        found = set().union(*[m for p, m in described.items() if (p.startswith(path) and p != path if prefix else p == path)] or [set()])
        # NanoMDM's three take more methods than its documents name
        t.ok(found and found <= methods and (found == methods or 'enqueue' in path or 'push/' in path or path == '/migration'),
             f'route {path} is described', (found, methods))
    for path in described:
        t.ok(any(path.startswith(r) and path != r if prefix else path == r for r, prefix, _ in table), f'{path} is a route')
    verbs = re.findall(r'\{ "(\w*)", HTTP_(\w+), (true|false), \w+ \}', open(f'{SOURCE}/daemon/admin/enrollments.c').read())
    t.ok(len(verbs) > 10, 'the verbs of an enrollment were read')
    for name, method, _ in verbs:
        base = '/v1/enrollments/{id}' + (f'/{name}' if name else '')
        t.ok(method.lower() in described.get(base, set()) | described.get(base + '/{uuid}', set()), f'{method} {base} is described')


def whole(t):
    """What a validator would ask for, as far as it concerns us."""
    ids = [op['operationId'] for _, _, op in operations()]
    t.equal(len(ids), len(set(ids)), 'operation ids are unique')
    for path, method, op in operations():
        names = {p['name'] for p in op.get('parameters', []) if p['in'] == 'path'}
        t.ok(names == set(re.findall(r'\{(\w+)\}', path)) and all(p['schema'] and p['description'] for p in op.get('parameters', [])) and
             all(p.get('required') for p in op.get('parameters', []) if p['in'] == 'path') and
             op['responses'] and all('description' in r for r in op['responses'].values()) and
             op['x-role'] in ('nobody', 'read', 'operate', 'admin') and
             all('example' in c for c in op.get('requestBody', {}).get('content', {}).values()), f'{method} {path} is whole', op)


VALIDATOR = 'use JSON::Validator; my $s = JSON::Validator->new->schema($ARGV[0])->schema; print "$_\\n" for @{$s->errors};' \
    'die "no OpenAPI 3\\n" if ref($s) !~ /OpenAPIv3$/; exit(@{$s->errors} ? 1 : 0)'


def validated(t):
    """By Debian's JSON::Validator, which has the schema of OpenAPI itself."""
    if run('perl', '-MJSON::Validator', '-e1', check=False).returncode:
        print('# libjson-validator-perl is missing: the description is not validated')
        return

    def judge(text):
        with tempfile.NamedTemporaryFile('w', suffix='.yaml') as f:
            f.write(text)
            f.flush()
            done = run('perl', '-e', VALIDATOR, f.name, check=False)
        return done.returncode, done.stdout + done.stderr

    text = open(f'{SOURCE}/etc/openapi.yaml').read()
    status, words = judge(text)
    t.ok(status == 0, 'openapi.yaml passes a validator', words)
    for what, here, instead in (('an answer without description', 'description: refused', 'text: refused'),
                                ('a parameter in no place', 'in: query', 'in: attic'), ('a file of no OpenAPI', 'openapi: 3', 'openapi: 9')):
        status, words = judge(text.replace(here, instead, 1))
        t.ok(status != 0, f'which finds {what}', words)


def fits(schema, value, where=''):
    """Where a value is not what the schema says: '' when it is."""
    if '$ref' in schema:
        schema = DOC['components']['schemas'][schema['$ref'].split('/')[-1]]
    kinds = {'object': dict, 'array': list, 'string': str, 'integer': int, 'boolean': bool, 'number': (int, float)}
    if value is None or 'type' not in schema:
        return ''
    if not isinstance(value, kinds[schema['type']]):
        return f'{where}: {value!r} is no {schema["type"]}'
    if schema['type'] == 'object' and 'properties' in schema and where.count('/') < 2:
        for name, inner in value.items():
            if name not in schema['properties']:
                if where.endswith(('/status', '/fits', '/information', '/security')):
                    continue  # keyed by id, platform, or what the device says
                return f'{where}/{name} is not described'
            fault = fits(schema['properties'][name], inner, f'{where}/{name}')
            if fault:
                return fault
    return ''


def plist(kind, number):
    return (f'<?xml version="1.0"?><plist version="1.0"><dict><key>Command</key><dict><key>RequestType</key><string>{kind}</string></dict>'
            f'<key>CommandUUID</key><string>{number}</string></dict></plist>')


def driven(t):
    with Bed() as bed:
        bed.everything()
        bed.start()
        bed.connected()
        bed.enroll('A')

        def call(method, path, body=None, kind=None):
            c = Connection(f'{bed.rundir}/control.sock')
            c.request(method.upper(), path, body, {'Content-Type': kind} if kind else {})
            r = c.getresponse()
            text = r.read()
            c.close()
            return r.status, r.headers.get('Content-Type'), text

        a, done, waits = '00008110-A', '0b0c3c0d-0000-4000-8000-000000000003', '0b0c3c0d-0000-4000-8000-000000000002'
        call('put', f'/v1/enqueue/{a}?nopush=1', plist('DeviceInformation', done))
        bed.device('A', 'poll')
        call('put', f'/v1/enqueue/{a}?nopush=1', plist('SecurityInfo', waits))
        made = {}
        # what makes something comes before what needs it, and what ends it last
        rank = {'post': 0, 'put': 1, 'get': 2, 'delete': 3}
        order = sorted(operations(), key=lambda o: (rank[o[1]], len(o[0]) if o[1] != 'delete' else -len(o[0])))
        for path, method, op in order:
            url, query = path, []
            for p in op.get('parameters', []):
                value = made.get((path.split('{')[0].rstrip('/'), p['name']), p.get('example'))
                if p['in'] == 'path':
                    url = url.replace('{' + p['name'] + '}', str(value))
                elif value is not None:
                    query.append(f'{p["name"]}={value}')
            (kind, content), = op.get('requestBody', {}).get('content', {None: {}}).items()
            body = content.get('example')
            status, got, text = call(method, url + ('?' + '&'.join(query) if query else ''),
                                     body if body is None or isinstance(body, str) else json.dumps(body), kind)
            answer = op['responses'].get(str(status))
            name = f'{method.upper()} {path} answers {status}'
            if not t.ok(answer is not None, f'{name}, which is described', text[:300]):
                continue
            wanted = [s for s, r in op['responses'].items() if s[0] == '2' and s != '207']
            t.ok(not wanted or str(status) in wanted or path in ('/v1/accept-server-name', '/v1/escrowkeyunlock'), '... and is what the example asks for', text[:300])
            if got == 'application/json':
                value = json.loads(text)
                fault = fits(answer['content'][got]['schema'], value)
                t.ok(not fault, '... with the keys that are described', fault)
                if method == 'post':
                    made[(path, 'id')] = value.get('id') or value.get('bulk')
        print('#', len(order), 'operations')


def roles(t):
    """Each key against each operation: 403 exactly where the role is below the one that is described, 401 without a key."""
    ranks = ['nobody', 'read', 'operate', 'admin']
    keys = {role: f'{role}-0123456789abcdef' for role in ranks[1:]}
    with Bed() as bed:
        port, entries = free_port(), []
        for role, key in keys.items():
            file = f'{bed.dir}/etc/{role}.key'
            with open(os.open(file, os.O_WRONLY | os.O_CREAT, 0o640), 'w') as f:
                f.write(key + '\n')
            entries.append(f'{{ name = "{role}"; role = "{role}"; file = "{file}"; }}')
        bed.write_conf(f'api: {{ listen = "127.0.0.1:{port}"; keys = ( {", ".join(entries)} ); }};')
        bed.start()
        for path, method, op in operations():
            url = re.sub(r'\{\w+\}', 'nobody', path)
            got = {}
            for role in [None, *keys]:
                c = http.client.HTTPConnection('127.0.0.1', port, timeout=60)
                basic = base64.b64encode(f'{role}:{keys.get(role)}'.encode()).decode()
                c.request(method.upper(), url, headers={'Authorization': f'Basic {basic}'} if role else {})
                got[role] = c.getresponse().status
                c.close()
            needed = ranks.index(op['x-role'])
            fine = (got[None] == 401) == (needed > 0) and all((got[r] == 403) == (ranks.index(r) < needed) and got[r] != 401 for r in keys)
            if path == '/access':  # 403 is its answer too
                fine = got[None] == 401 and got['read'] in (204, 400, 403)
            t.ok(fine, f'{method.upper()} {path} is for {op["x-role"]}', got)


Tap().run(routes, whole, validated, driven, roles)
