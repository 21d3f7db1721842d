"""webhook.py - events reach their receiver: key by key, signed, in order, through failures of either side

CORDON_WEBHOOK_EVENTS (default 100: messages that devices send) and CORDON_WEBHOOK_KILLS (default 4) are the size of the last test.
"""
import base64
import collections
import hashlib
import hmac
import http.server
import json
import os
import plistlib
import random
import threading
import time

from bed import BUILD, SLOW, Bed, Tap, await_, free_port

EVENTS = int(os.environ.get('CORDON_WEBHOOK_EVENTS', '100'))
KILLS = int(os.environ.get('CORDON_WEBHOOK_KILLS', '4'))
WAVE, THREADS = max(8, min(100, EVENTS // 16)), 8  # devices at a time, requests at a time
KEY = b'a key of the webhook'


class Receiver:
    """Takes events; `answer(event)` says with which status, None: never."""

    def __init__(self, answer=lambda event: 200, port=0):
        self.events, self.raw, self.answer, self.lock = [], [], answer, threading.Lock()
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = 'HTTP/1.1'

            def do_POST(self):
                body = self.rfile.read(int(self.headers['Content-Length']))
                event = json.loads(body)
                status = receiver.answer(event)
                with receiver.lock:
                    receiver.raw.append((status, dict(self.headers), body))
                    if status == 200:
                        receiver.events.append(event)
                if status is None:
                    receiver.hung.wait(60)
                    self.close_connection = True
                    return
                self.send_response(status)
                if status == 302:
                    self.send_header('Location', receiver.elsewhere)
                self.send_header('Content-Length', '0')
                self.end_headers()

            def log_message(self, *_):
                pass

        self.hung = threading.Event()
        self.elsewhere = ''
        self.server = http.server.ThreadingHTTPServer(('127.0.0.1', port), Handler)
        self.server.daemon_threads = True
        self.server.handle_error = lambda *_: None  # a killed daemon leaves connections
        self.port = self.server.server_address[1]
        self.url = f'http://127.0.0.1:{self.port}/hook'
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def topics(self):
        with self.lock:
            return [e['topic'] for e in self.events]

    def of(self, topic):
        with self.lock:
            return [e for e in self.events if e['topic'] == topic]

    def close(self):
        self.hung.set()
        self.server.shutdown()
        self.server.server_close()


def settings(url, more=''):
    return f'webhook: {{ url = "{url}"; {more} }};'


def state(bed):
    return bed.status()['webhook']


def drained(bed):
    await_(lambda: state(bed)['waiting'] == 0, 'the delivery of what waits', 60)


# NanoMDM's keys: needed, allowed
OUTER = ({'topic', 'created_at'}, {'event_id'})
CHECKIN = ({'raw_payload', 'ids'}, {'udid', 'enrollment_id', 'url_params', 'token_update_tally'})
CONNECT = ({'status', 'raw_payload', 'ids'}, {'udid', 'enrollment_id', 'command_uuid', 'url_params'})
IDS = ({'id', 'type'}, {'parent_id'})
SECRETS = ('Token', 'PushMagic', 'UnlockToken', 'BootstrapToken')


def fits(d, keys):
    return keys[0] <= set(d) <= keys[0] | keys[1]


def key_by_key(t, event):
    topic = event['topic']
    inner = 'acknowledge_event' if topic == 'mdm.Connect' else 'checkin_event'
    keys = CONNECT if topic == 'mdm.Connect' else CHECKIN
    body = event.get(inner, {})
    payload = plistlib.loads(base64.b64decode(body.get('raw_payload', '')))
    return fits(event, ({*OUTER[0], inner}, OUTER[1])) and fits(body, keys) and fits(body['ids'], IDS) and \
        (('token_update_tally' in body) == (topic == 'mdm.TokenUpdate')) and \
        event['created_at'].endswith('Z') and (topic == 'mdm.Connect' or payload['MessageType'] == topic[4:]) and \
        all(body.get(k) == payload.get(p) for k, p in (('udid', 'UDID'), ('status', 'Status'), ('command_uuid', 'CommandUUID')))


def messages(t):
    receiver = Receiver()
    with Bed() as bed:
        key = f'{bed.dir}/etc/hook.key'
        with open(os.open(key, os.O_WRONLY | os.O_CREAT, 0o640), 'wb') as f:
            f.write(KEY + b'\n')
        bed.write_conf(settings(receiver.url, f'hmac-key-file = "{key}";'))
        bed.everything()
        bed.start()
        bed.connected()
        user = ('--user-id', '9F1D0C5F-0000-4000-8000-000000000001', '--user-name', 'anna', '--product', 'Mac15,3')
        bed.enroll('A', *user)
        for verb in (('user-authenticate',), ('user-token-update',), ('user-poll',), ('set-bootstrap',), ('get-bootstrap',),
                     ('declarative',), ('get-token', 'com.apple.maid'), ('poll',), ('token-update',)):
            bed.device('A', *user, *verb, check=False)
        bed.ctl('refresh', '00008110-A')
        bed.device('A', *user, '--os', '99.1', 'poll')
        bed.device('A', *user, 'checkout')
        drained(bed)
        topics = set(receiver.topics())
        for topic in ('Authenticate', 'TokenUpdate', 'CheckOut', 'UserAuthenticate', 'SetBootstrapToken', 'GetBootstrapToken', 'Connect',
                      'DeclarativeManagement', 'GetToken'):
            t.ok(f'mdm.{topic}' in topics, f'mdm.{topic} is told', topics)
        for event in receiver.events:
            if event['topic'].startswith('mdm.') and not key_by_key(t, event):
                t.ok(False, f'{event["topic"]} has the keys of NanoMDM', event)
        t.ok(True, 'every event of a message was compared key by key')
        t.equal([e['checkin_event']['token_update_tally'] for e in receiver.of('mdm.TokenUpdate')
                 if 'parent_id' not in e['checkin_event']['ids']], [1, 2], 'TokenUpdates are counted')
        t.equal(receiver.of('mdm.Authenticate')[0]['checkin_event']['ids'], {'id': '00008110-A', 'type': 'Device'}, 'ids of a device')
        for name in ('cordon.DEVICE_PENDING', 'cordon.DEVICE_ENROLLED', 'cordon.OS_CHANGED', 'cordon.DEVICE_REMOVED'):
            own = receiver.of(name)
            t.ok(len(own) == 1 and own[0]['cordon_event']['enrollment'] == '00008110-A', f'{name} is told beside them', own)
        payloads = [plistlib.loads(base64.b64decode((e.get('checkin_event') or e['acknowledge_event'])['raw_payload']))
                    for e in receiver.events if e['topic'].startswith('mdm.')]
        t.ok(all(not p.get(k) for p in payloads for k in SECRETS) and any('Token' in p for p in payloads), 'tokens are blank')
        right = [h['X-Hmac-Signature'] == base64.b64encode(hmac.new(KEY, b, hashlib.sha256).digest()).decode() and
                 h['Content-Type'] == 'application/json; charset=utf-8' for _, h, b in receiver.raw]
        t.ok(right and all(right), 'every body is signed')
        os.unlink(key)
        bed.write_conf(settings(receiver.url, f'hmac-key-file = "{key}"; raw = "full";'))
        await_(lambda: any('hook.key' in p for p in bed.status()['problems']), 'the word about the missing key')
        count = len(receiver.events)
        bed.enroll('B')
        t.ok(state(bed)['waiting'] > 0 and len(receiver.events) == count, 'without its key nothing is posted unsigned')
        bed.write_conf(settings(receiver.url, 'raw = "full";'))
        drained(bed)
        full = [plistlib.loads(base64.b64decode(e['checkin_event']['raw_payload'])) for e in receiver.of('mdm.TokenUpdate')]
        t.ok(any(p.get('Token') for p in full), 'raw = "full" posts what the device sent')
    receiver.close()


def bad_receivers(t):
    """One that answers 500, redirects, hangs, is not there, has a name that resolves to nothing: devices never wait for it."""
    modes = {'status': 500}
    other = Receiver()
    receiver = Receiver(lambda event: modes['status'])
    receiver.elsewhere = other.url
    with Bed(settings(receiver.url, 'timeout = "1s"; limit = 40;')) as bed:
        bed.everything()
        bed.start()
        bed.connected()
        bed.enroll('A')
        for mode, words in ((500, 'answered 500'), (302, 'answered 302'), (None, 'timed out')):
            modes['status'] = mode
            began = len(receiver.raw)
            bed.device('A', 'poll')
            await_(lambda: len(receiver.raw) > began and words.lower() in (state(bed)['fault'] or '').lower(), f'fault "{words}"', 60)
            t.ok(True, f'a receiver that does this is named: {words}')
        t.equal(other.raw, [], 'redirects are not followed')
        dead = free_port()
        for url, words in ((f'http://127.0.0.1:{dead}/', 'connect'), ('https://nobody.invalid/x', 'resolve')):
            bed.write_conf(settings(url, 'timeout = "1s"; limit = 40;'))
            await_(lambda: words in (state(bed)['fault'] or ''), f'fault of {url}', 60)
            t.ok(True, f'one that cannot be reached is named: {words}')
            began = time.monotonic()
            bed.device('A', 'poll')
            t.ok(time.monotonic() - began < 10 * SLOW, 'and the device does not notice')
        while state(bed)['dropped'] == 0:
            bed.device('A', 'poll')
        t.ok(state(bed)['waiting'] <= 41, 'a full spool takes no more', state(bed))
        t.has(bed.journal(), 'was dropped: too many wait', 'and the drop is counted and said')
        modes['status'] = 200
        receiver.hung.set()
        secret = f'http://127.0.0.1:{dead}/t0ken?key=k3y'
        bed.write_conf(settings(secret, 'timeout = "1s"; limit = 40;'))
        await_(lambda: state(bed)['url'] == f'http://127.0.0.1:{dead}/...', 'the status of an address with secrets', 60)
        bed.enroll('SECRET')
        await_(lambda: 'connect' in (state(bed)['fault'] or ''), 'the fault of an address with secrets', 60)
        said = json.dumps(bed.status()) + bed.ctl('status', check=False).stdout + bed.journal()
        t.equal([word for word in ('t0ken', 'k3y') if word in said], [], 'path and query of the address are shown nowhere')
        bed.write_conf(settings(receiver.url, 'limit = 40;'))
        drained(bed)
        t.ok(receiver.events, 'what was kept is delivered when the receiver is back')
    receiver.close()
    other.close()


def keyless(t):
    """Events are sealed: without store.key they wait for it, and none is lost."""
    receiver = Receiver(lambda event: 500)
    with Bed(settings(receiver.url)) as bed:
        bed.everything()
        bed.start()
        bed.connected()
        bed.enroll('A')
        await_(lambda: receiver.raw, 'a first attempt', 60)
        waiting = state(bed)['waiting']
        bed.stop()
        os.rename(f'{bed.certs}/store.key', f'{bed.dir}/store.key')
        receiver.answer = lambda event: 200
        bed.start()
        bed.device('A', 'poll', check=False)
        t.ok(state(bed)['waiting'] >= waiting > 0, 'without store.key what waited goes on waiting', state(bed))
        os.rename(f'{bed.dir}/store.key', f'{bed.certs}/store.key')
        bed.ctl('reload')
        drained(bed)
        topics = receiver.topics()
        t.ok(len(receiver.events) >= waiting and {'mdm.Authenticate', 'mdm.TokenUpdate'} <= set(topics), 'and is delivered with it', topics)
    receiver.close()


def sent_by(path):
    """What each device sent and the server acknowledged, in its order: (topic, status, UUID)."""
    sent = collections.defaultdict(list)
    for line in open(path):
        step = json.loads(line) if line.endswith('\n') else {}
        kind = {'authenticate': ('mdm.Authenticate', None, None), 'token-update': ('mdm.TokenUpdate', None, None),
                'idle': ('mdm.Connect', 'Idle', None),
                'report': ('mdm.Connect', step.get('status'), step.get('uuid'))}.get(step.get('step'))
        if kind:
            sent[step['udid']].append(kind)
    return sent


def delivered_to(receiver):
    """The first delivery of each event of a device, in the order in which they came."""
    first, seen = collections.defaultdict(list), set()
    for e in receiver.events:
        inner = e.get('acknowledge_event') or e.get('checkin_event')
        if inner and e['event_id'] not in seen:
            first[inner['ids']['id']].append((e['topic'], inner.get('status'), inner.get('command_uuid')))
        seen.add(e['event_id'])
    return first, len(seen)


def beside(sent, delivered):
    """How many events of a device came beside those of acknowledged messages; None when one of these is missing or out of place."""
    rest = iter(delivered)
    return len(delivered) - len(sent) if all(any(e == kind for e in rest) for kind in sent) else None


def fleet(bed, wave, journal, link):
    return bed.begin('fleet', f'{BUILD}/tests/device/fake-device', 'fleet', '--first', 1 + wave * WAVE, '--count', WAVE, '--link', link,
                     '--concurrency', THREADS, '--keys', 4, '--public-roots', bed.roots(), '--commands', 4, '--patience', 120,
                     '--journal', journal)


def count(path):
    return sum(map(len, sent_by(path).values())) if os.path.exists(path) else 0


def killed(t):
    """The daemon dies at random while devices enroll and answer and the receiver fails half the time: every event arrives, in order."""
    random.seed(6)
    dice, failures_of = random.Random(7), {}

    def half(event):
        """Half of all fail, and none more than four times: the back-off doubles each time."""
        n = failures_of.get(event['event_id'], 0)
        if n < 4 and dice.random() < 0.5:
            failures_of[event['event_id']] = n + 1
            return 500
        return 200

    receiver = Receiver(half)
    with Bed(settings(receiver.url)) as bed:
        bed.everything()
        bed.start()
        bed.connected()
        journal, link = f'{bed.dir}/acked.jsonl', bed.link('--uses', 'any')
        at, kills, wave, during, failed, sent = sorted(random.sample(range(EVENTS), min(KILLS, EVENTS))), 0, 0, 0, 0, 0
        started = time.monotonic()
        devices = fleet(bed, wave, journal, link)
        while at or sent < EVENTS:
            sent = count(journal)
            if devices.poll() is not None:
                failed += devices.returncode != 0
                wave += 1
                devices = fleet(bed, wave, journal, link)
            if not at or sent < at[0]:
                time.sleep(0.02)
                continue
            at.pop(0)
            time.sleep(random.random() * 0.1)  # where in its work it dies is left to chance
            during += devices.poll() is None
            bed.kill()
            bed.start()
            kills += 1
        failed += devices.wait(240) != 0
        t.equal(failed, 0, f'{(wave + 1) * WAVE} devices enrolled and answered, though {during} of {kills} kills met them at it')
        await_(lambda: state(bed)['waiting'] == 0, 'the delivery of everything', 60 + EVENTS // 20)
        bed.kill()
        bed.start()
        drained(bed)
        sent, (delivered, unique) = sent_by(journal), delivered_to(receiver)
        more = {udid: beside(list_, delivered[udid]) for udid, list_ in sent.items()}
        for udid in [u for u, n in more.items() if n is None]:
            t.ok(False, f'{udid}: what it sent arrived in its order', f'sent      {sent[udid]}\ndelivered {delivered[udid]}')
        acked, unanswered = sum(map(len, sent.values())), sum(n for n in more.values() if n)
        t.ok(acked >= EVENTS and None not in more.values() and set(sent) == set(delivered),
             f'{kills} kills: all of {acked} acknowledged messages of {len(sent)} devices arrived, in order of each device')
        t.ok(unanswered <= THREADS * (kills + 1), f'{unanswered} events beside them: a kill leaves at most {THREADS} requests unanswered')
        failures = sum(1 for status, _, _ in receiver.raw if status != 200)
        t.ok(failures > unique // 4, f'{unique} events in all, though {failures} of {len(receiver.raw)} posts were answered 500')
        print(f'# {time.monotonic() - started:.0f} s')
        t.equal(state(bed)['dropped'], 0, 'nothing was dropped')
    receiver.close()


Tap().run(messages, bad_receivers, keyless, killed)
