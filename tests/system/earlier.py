"""earlier.py - the server that devices come from: a NanoMDM with its CA and its profile, and what it kept of each device

The devices have what they had there: an unsigned profile, and identities of a CA that is none of ours (made by openssl).  The
messages are what NanoMDM keeps of each.
"""
import base64
import concurrent.futures
import http.client
import json
import os
import plistlib
import secrets
import shutil
import uuid

from bed import BUILD, SLOW, Bed, await_, free_port, run

QUIET = '''refresh: { device-information = "never"; security-info = "never"; profile-list = "never"; certificate-list = "never"; };
'''
KEY = 'migrate-0123456789abcdef'


def make_ca(directory, name):
    os.makedirs(directory, exist_ok=True)
    run('openssl', 'req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-subj', f'/O=Example/CN={name}', '-keyout', f'{directory}/{name}.key',
        '-out', f'{directory}/{name}.pem', '-days', '3650', '-addext', 'basicConstraints=critical,CA:TRUE')
    return f'{directory}/{name}.pem'


def issue(ca, key, out, name, days=200):
    """A certificate as an SCEP server of others makes it, with its key behind it: the identity of a fake device."""
    run('openssl', 'req', '-x509', '-CA', ca, '-CAkey', ca.replace('.pem', '.key'), '-key', key, '-subj', f'/O=Example/CN={name}', '-days',
        days, '-addext', 'keyUsage=digitalSignature,keyEncipherment', '-addext', 'extendedKeyUsage=clientAuth', '-addext',
        'basicConstraints=CA:FALSE', '-out', out)
    with open(out, 'a') as f:
        f.write(open(key).read())
    os.chmod(out, 0o600)


class Old:
    """The server that the devices come from, as far as they remember it: profile, CA, and what it kept of each."""

    def __init__(self, bed, name='old'):
        self.bed, self.dir = bed, f'{bed.dir}/{name}'
        self.ca = make_ca(self.dir, 'scep-ca')
        self.key = f'{self.dir}/device.key'
        run('openssl', 'genrsa', '-out', self.key, '2048')
        self.profile = f'{self.dir}/enroll.mobileconfig'
        with open(self.profile, 'wb') as f:
            f.write(self.profile_text())
        self.devices = []

    def profile_text(self):
        scep = str(uuid.uuid4()).upper()
        root = base64.b64decode(''.join(open(self.bed.roots()).read().split('-----')[2].split()))

        def payload(kind, identifier, number, **more):
            return {'PayloadType': kind, 'PayloadVersion': 1, 'PayloadIdentifier': identifier, 'PayloadUUID': number, **more}

        return plistlib.dumps(payload(
            'Configuration', 'com.github.micromdm.nanomdm', str(uuid.uuid4()).upper(), PayloadDisplayName='Enrollment Profile',
            PayloadScope='System', PayloadContent=[
                payload('com.apple.security.root', 'com.github.micromdm.tls', str(uuid.uuid4()).upper(), PayloadContent=root,
                        PayloadCertificateFileName='tls.cer'),
                payload('com.apple.security.scep', 'com.github.micromdm.scep', scep, PayloadContent={
                    'URL': 'https://scep.example.org/scep', 'Name': 'old', 'Challenge': 'nanomdm', 'Keysize': 2048, 'Key Type': 'RSA',
                    'Key Usage': 5, 'KeyIsExtractable': False}),
                payload('com.apple.mdm', 'com.github.micromdm.nanomdm.mdm', str(uuid.uuid4()).upper(), IdentityCertificateUUID=scep,
                        Topic=self.bed.topic, ServerURL=f'https://localhost:{self.bed.port}/mdm', SignMessage=True,
                        CheckOutWhenRemoved=True, AccessRights=8191,
                        ServerCapabilities=['com.apple.mdm.per-user-connections', 'com.apple.mdm.bootstraptoken'])]))

    def enroll(self, count):
        """So many fake devices that were enrolled there long ago."""
        def one(number):
            directory = f'{self.dir}/fleet/{number:06d}'
            os.makedirs(directory)
            d = {'state': 'enrolled', 'then': 0, 'mac': False, 'awaiting': False, 'installed': [], 'declarations': {},
                 'udid': f'00008110-{0xA1C2E3F400000 + number:016X}', 'serial': f'C39X{number:08d}', 'product': 'iPhone15,2', 'os': '17.5',
                 'build': '21F79', 'name': f'iPhone {number}', 'imei': '35 000000 000000 0', 'token': secrets.token_hex(32),
                 'magic': str(uuid.uuid4()).upper(), 'unlock': secrets.token_hex(64)}
            issue(self.ca, self.key, f'{directory}/identity.pem', d['udid'])
            shutil.copy(self.profile, f'{directory}/profile')
            with open(f'{directory}/device.json', 'w') as f:
                json.dump(d, f)
            return {**d, 'dir': directory}

        first = len(self.devices) + 1
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            self.devices += pool.map(one, range(first, first + count))
        return self.devices[first - 1:]

    def authenticate(self, d, **more):
        return plistlib.dumps({'MessageType': 'Authenticate', 'UDID': d['udid'], 'Topic': self.bed.topic, 'SerialNumber': d['serial'],
                               'DeviceName': d['name'], 'Model': 'MQ0E3LL', 'ModelName': 'iPhone', 'ProductName': d['product'],
                               'OSVersion': d['os'], 'BuildVersion': d['build'], 'IMEI': d['imei'], **more})

    def token_update(self, d, **more):
        return plistlib.dumps({'MessageType': 'TokenUpdate', 'UDID': d['udid'], 'Topic': self.bed.topic, 'AwaitingConfiguration': False,
                               'Token': bytes.fromhex(d['token']), 'PushMagic': d['magic'], 'UnlockToken': bytes.fromhex(d['unlock']),
                               **more})

    def user(self, d):
        return self.token_update(d, UserID='4A3D0E4B-0000-4000-8000-000000000501', UserShortName='ann', UserLongName='Ann Example',
                                 Token=secrets.token_bytes(32), NotOnConsole=False)

    def poll(self, d, *verb, check=False, directory=None):
        done = run(f'{BUILD}/tests/device/fake-device', '--state', directory or d['dir'], '--public-roots', self.bed.roots(),
                   *(verb or ['poll']), check=check)
        done.steps = [json.loads(line) for line in done.stdout.splitlines() if line.startswith('{')]
        return done

    def impostor(self, d, name, pem):
        """Another machine that has the device's id, and another certificate."""
        directory = f'{self.dir}/{name}'
        shutil.copytree(d['dir'], directory)
        shutil.copy(pem, f'{directory}/identity.pem')
        return directory

    def fleet(self, *more):
        """All poll once, with the identities that they have."""
        done = run(f'{BUILD}/tests/device/fake-device', 'fleet', '--count', len(self.devices), '--concurrency', 4, '--public-roots',
                   self.bed.roots(), '--state', f'{self.dir}/fleet', '--link', 'https://none.invalid/', '--patience', 0, *more, check=False)
        return json.loads(done.stdout[done.stdout.index('{\n'):])


class Server(Bed):
    def __init__(self, settings=''):
        super().__init__(settings)
        self.api_port, self.metrics = free_port(), free_port()
        path = f'{self.dir}/etc/api.key'
        with open(os.open(path, os.O_WRONLY | os.O_CREAT, 0o640), 'w') as f:
            f.write(KEY + '\n')
        with open(os.open(f'{self.dir}/etc/operate.key', os.O_WRONLY | os.O_CREAT, 0o640), 'w') as f:
            f.write(KEY[::-1] + '\n')
        self.drop_in('40-api.conf', f'''{QUIET} api: {{ listen = "127.0.0.1:{self.api_port}"; keys = (
            {{ name = "boss"; role = "admin"; file = "{path}"; }},
            {{ name = "helpdesk"; role = "operate"; file = "{self.dir}/etc/operate.key"; }} ); }};
            metrics: {{ listen = "127.0.0.1:{self.metrics}"; }};''')

    def put(self, body, user='nanomdm', key=KEY, path='/migration', method='PUT'):
        """As NanoMDM's tools send it: (status, the text)."""
        c = http.client.HTTPConnection('127.0.0.1', self.api_port, timeout=60 * SLOW)
        try:
            c.request(method, path, body, {'Authorization': 'Basic ' + base64.b64encode(f'{user}:{key}'.encode()).decode()})
            r = c.getresponse()
            return r.status, r.read().decode()
        finally:
            c.close()

    def put_all(self, bodies):
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            return list(pool.map(self.put, bodies))

    def migration(self):
        return self.status()['migration']

    def window(self, span):
        self.drop_in('50-migration.conf', f'migration = "{span}";\n')
        await_(lambda: self.migration()['open'] == (span != '0s'), f'the window {span}')

    def authenticates(self):
        text = run('curl', '-s', f'http://127.0.0.1:{self.metrics}/metrics').stdout
        return int(next(line for line in text.splitlines() if 'cordon_checkins_total{kind="Authenticate"}' in line).split()[1])

    def pushed(self, token):
        return any(json.loads(line)['token'] == token for line in self.read(self.pushes).splitlines() if line.endswith('}'))

    def name_origin(self, old, *more, **options):
        return self.ctl('import', '--profile', old.profile, '--identity-ca', old.ca, *more, **options)


def why(bed, d):
    return bed.ctl_json('show', d['udid'])['refused_why']


def payload(profile, kind):
    return next(p for p in profile['PayloadContent'] if p['PayloadType'] == kind)
