"""webhook.py - events reach their receiver: key by key, signed, in order, through failures of either side

CORDON_WEBHOOK_EVENTS (default 48) and CORDON_WEBHOOK_KILLS (default 3) are the size of the last test.
"""
import base64
import hashlib
import hmac
import http.server
import json
import os
import plistlib
import random
import threading
import time

from bed import SLOW, Bed, Tap, await_, free_port

EVENTS = int(os.environ.get('CORDON_WEBHOOK_EVENTS', '48'))
KILLS = int(os.environ.get('CORDON_WEBHOOK_KILLS', '3'))
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
                     ('declarative',), ('get-token', 'com.apple.maid'), ('poll',), ('token-update',), ('checkout',)):
            bed.device('A', *user, *verb, check=False)
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
        for name in ('cordon.DEVICE_PENDING', 'cordon.DEVICE_ENROLLED', 'cordon.DEVICE_REMOVED'):
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


def killed(t):
    """The daemon dies at random while the receiver fails half the time: every event arrives, and the first times are in order."""
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
        names = [f'K{i}' for i in range(min(16, max(4, EVENTS // 30)))]
        for name in names:
            bed.enroll(name)
        sent, kills = {name: 0 for name in names}, 0
        at = sorted(random.sample(range(EVENTS), min(KILLS, EVENTS)))
        polls = threading.Lock()
        started = time.monotonic()
        for i in range(EVENTS):
            if at and i == at[0]:
                at.pop(0)
                time.sleep(random.random() * 0.2)  # where in its work it dies is left to chance
                bed.kill()
                bed.start()
                kills += 1
            name = names[i % len(names)]
            with polls:
                bed.device(name, 'poll')
            sent[name] += 1
        await_(lambda: state(bed)['waiting'] == 0, 'the delivery of everything', 60 + EVENTS // 20)
        bed.kill()
        bed.start()
        drained(bed)
        for name in names:
            seen, order = set(), []
            for e in receiver.events:
                inner = e.get('acknowledge_event') or e.get('checkin_event') or {}
                if inner.get('ids', {}).get('id') == f'00008110-{name}' and e['event_id'] not in seen:
                    seen.add(e['event_id'])
                    order.append((e['created_at'], e['topic']))
            idle = sum(1 for _, topic in order if topic == 'mdm.Connect')
            if not (idle >= sent[name] and order == sorted(order, key=lambda o: o[0]) and
                    [o[1] for o in order[:2]] == ['mdm.Authenticate', 'mdm.TokenUpdate']):
                t.ok(False, f'{name}: all of {sent[name]} sessions in order', order)
        unique = len({e['event_id'] for e in receiver.events})
        failures = sum(1 for status, _, _ in receiver.raw if status != 200)
        t.ok(unique >= EVENTS, f'{EVENTS} sessions, {kills} kills: {unique} events, each at least once and in order of its device')
        t.ok(failures > unique // 4, f'though {failures} of {len(receiver.raw)} posts were answered 500')
        print(f'# {time.monotonic() - started:.0f} s')
        t.equal(state(bed)['dropped'], 0, 'nothing was dropped')
    receiver.close()


Tap().run(messages, bad_receivers, killed)
