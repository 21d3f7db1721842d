"""reload.py - certificates and configuration change under a running daemon: no restart, nothing dropped"""
import os
import re
import shutil
import threading
import time

from bed import Bed, Tap, await_, run


class Load(threading.Thread):
    """Requests one after the other over kept connections; counts those that do not get 200."""

    def __init__(self, bed):
        super().__init__()
        self.bed, self.stop, self.bad, self.count = bed, False, [], 0

    def run(self):
        url = f'https://localhost:{self.bed.port}/version'
        while not self.stop:
            done = run('curl', '-s', '--cacert', self.bed.roots(), '-w', '%{http_code}\n', *['-o', '/dev/null', url] * 20,
                       check=False)
            codes = done.stdout.split()
            self.count += len(codes)
            self.bad += [c for c in codes if c != '200'] + ([done.returncode] if done.returncode else [])

    def finish(self):
        self.stop = True
        self.join()
        return self


def push_certificate(t):
    with Bed() as bed:
        bed.ssc()
        bed.tls()
        bed.apple()
        bed.apns()
        csr = bed.csr()
        good = bed.signed(csr)
        bed.start()
        pid = bed.processes['cordond'].pid
        t.equal(bed.push_state(), 'Disconnected', 'without a push certificate: Disconnected')
        load = Load(bed)
        load.start()
        await_(lambda: load.count > 20, 'requests run')

        with open(f'{bed.certs}/MDM_broken.pem', 'w') as f:
            f.write(open(good).read()[:600])
        await_(lambda: 'MDM_broken.pem' in bed.journal(), 'the broken file is named in the journal')
        t.has(bed.ctl('status', check=False).stdout, 'MDM_broken.pem', 'and in status')
        t.equal(bed.push_state(), 'Disconnected', 'it changes nothing')

        shutil.copy(good, bed.certs)
        began = time.monotonic()
        await_(lambda: bed.push_state() == 'Connected', 'Connected')
        took = time.monotonic() - began
        t.ok(took < 1 or os.environ.get('CORDON_BUSY'), f'Disconnected to Connected in {took:.2f} s', 'one second is allowed')
        t.equal(bed.processes['cordond'].pid, pid, 'without a restart')
        broken = f'{bed.certs}/MDM_Example_Certificate.pem'
        shutil.copy(broken, f'{bed.dir}/kept.pem')
        open(f'{bed.certs}/other_broken.cer', 'w').write('-----BEGIN CERTIFICATE-----\nnonsense\n-----END CERTIFICATE-----\n')
        await_(lambda: 'other_broken.cer' in bed.journal(), 'a second broken file is named')
        t.equal(bed.push_state(), 'Connected', 'push stays Connected beside a broken file')
        load.finish()
        t.ok(load.count > 20 and not load.bad, f'{load.count} requests meanwhile, none dropped', load.bad)


def configuration(t):
    with Bed(settings='lock-after = "7d";') as bed:
        bed.everything()
        bed.start()
        bed.connected()
        bed.drop_in('10-lock.conf', 'lock-after = "24h";\n')
        await_(lambda: re.search(r'configuration loaded; changed: .*lock-after', bed.journal()), 'lock-after is reloaded')
        t.ok(True, 'lock-after changes by a drop-in, without a restart')

        bed.drop_in('20-bad.conf', 'lock-after = "soon";\nqueue: { limit = "many"; };\nnonsense = 1;\n')
        await_(lambda: 'nonsense' in bed.journal(), 'the faults are in the journal')
        said = bed.journal()
        for line, key in ((1, 'lock-after'), (2, 'queue.limit'), (3, 'nonsense')):
            t.ok(re.search(rf'20-bad\.conf:{line}: {re.escape(key)}: ', said), f'fault in line {line} is listed: {key}', said)
        text = bed.ctl('status', check=False).stdout
        t.ok(text.startswith('Configuration faults'), 'status begins with the faults', text)
        t.equal(bed.push_state(), 'Connected', 'the old snapshot goes on')
        done = bed.tool('cordond', '-c', bed.conf, '-t', check=False)
        t.ok(done.returncode == 1 and done.stderr.count('20-bad.conf:') == 3, 'cordond -t lists all three, exit 1', done.stderr)
        open(f'{bed.dir}/candidate', 'w').write('lock-after = "14d";\n')
        done = bed.tool('cordond', '-c', bed.conf, '-t', '--as', f'{bed.dir}/etc/conf.d/20-bad.conf', f'{bed.dir}/candidate',
                        check=False)
        t.ok(done.returncode == 0, 'cordond -t --as judges a file in the place of the faulty one', done.stderr)

        bed.stop()
        bed.start()
        text = bed.ctl('status', check=False).stdout
        t.has(text, 'the last good one is in use', 'a restart with the faulty file runs on the last good one and says so')
        t.has(bed.journal(), 'last good configuration', '... in the journal too')
        bed.connected()
        os.unlink(f'{bed.dir}/etc/conf.d/20-bad.conf')
        await_(lambda: not bed.status()['configuration']['faults'], 'mended')
        t.ok(not bed.status()['configuration']['last_good'], 'mended: the files are in use again')

        bed.write_conf(bed.settings + '\npush-typo = 1;')
        await_(lambda: 'push-typo' in bed.journal(), 'a fault in the main file')
        bed.write_conf('lock-after = "7d"; ')
        await_(lambda: not bed.status()['configuration']['faults'], 'mended again')
        t.equal(bed.stop(), 0, 'it stops with status 0')


Tap().run(push_certificate, configuration)
