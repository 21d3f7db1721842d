#!/usr/bin/python3
"""Who was inactive when, in a year of a fleet of many habits: an oracle of its own against the daemon's code.

tests/unit/year drives the daemon's code in fake time and writes down what happened and what the daemon made of it.
The oracle below reads only what happened, and decides by these rules (DESIGN "States, lock, inactivity", and what
cordond.conf(5) says of lock-after); it shares nothing with the code that it judges, and its numbers are its own.

 1. A device is asked when APNs takes a push for it, or refuses it for a reason of that device alone: BadDeviceToken
    while other tokens of the topic were accepted within a day, or 410 that says nothing of the time after its last
    TokenUpdate. Its silence begins when the first unanswered ask was sent.
 2. Whatever it says ends its silence, also what could not be written down.
 3. Silence is measured in service time: while the daemon runs, its store takes changes, it is connected to APNs and
    its TLS certificate is valid. Times between two proofs that devices can reach the server count if they are no
    further apart than a device's asks are: min(24 h, lock-after / 4). A device that is served is a proof; the
    daemon's own request to its name is one where fewer than ten devices are enrolled.
 4. After an outage of an hour or longer everybody is asked again before anybody is judged: for the time between two
    asks and 15 minutes of service time nobody becomes inactive.
 5. Silent for lock-after: Inactive and locked. Answers bring back, only a person unlocks.
 6. 410 dated more than 5 minutes after the last TokenUpdate: Removed, until it speaks again. CheckOut: for good.

Never early is judged by service time to the moment. Not late is judged by the moments at which the daemon looked
("tick"): it may count only steps between two looks that were in order at both ends. An answer between the two may
find the device locked or not; such answers are counted, and must be few.

CORDON_YEAR="2000 365" is the whole thing; the default is small enough for every run.
"""
import bisect
import os
import subprocess
import sys
import time

BUILD = os.environ.get("CORDON_BUILD", os.getcwd())
SIZE = os.environ.get("CORDON_YEAR", "65 60").split()
ONLY = os.environ.get("CORDON_YEAR_LOCK_AFTER", "24h 7d 14d 30d never").split()
SEED = os.environ.get("CORDON_YEAR_SEED", "20261124")

SECOND = 1000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR
UNIT = {"s": SECOND, "m": MINUTE, "h": HOUR, "d": DAY}
ROUNDING = 2 * SECOND      # clocks are kept in seconds
LONGEST_STEP = 5 * MINUTE  # between two looks: else the daemon slept
SPEAKS = DAY               # an accepted token speaks for its topic this long
GONE_MARGIN = 5 * MINUTE
LONG_OUTAGE = HOUR
ANSWER_TIME = 15 * MINUTE
FEW = 10                   # devices: of so many not all are silent by themselves


class Service:
    """What of time counts. `exact` to the moment; `looked` as the daemon's looks at it must have seen it."""

    def __init__(self, window, on_cut):
        self.window, self.on_cut = window, on_cut
        self.running = self.push = False
        self.tls = self.disk = True
        self.mending = False
        self.bad_since = 0             # since when it is not in order; None: it is
        # to the moment
        self.exact, self.since = 0, None
        self.proof = None              # the last one
        self.unproven = 0              # counted since then
        self.resumed = None            # `exact` at the end of the last long outage
        # by looks
        self.looked, self.pending, self.last_look, self.last_good = 0, 0, None, False
        self.look_proof, self.new_proof = None, None
        self.look_resumed = None
        self.times, self.values, self.settled = [], [], []

    def good(self):
        return self.running and self.push and self.tls and self.disk

    def count(self, t):
        if self.since is not None:
            self.exact += t - self.since
            self.unproven += t - self.since
            self.since = t

    def change(self, t, **what):
        self.count(t)
        for name, value in what.items():
            setattr(self, name, value)
        if not self.good():
            self.since = None
            self.last_good = False     # the step that runs is broken
            if self.bad_since is None:
                self.bad_since = t
        elif self.bad_since is not None:
            self.since = t
            if t - self.bad_since >= LONG_OUTAGE:
                self.resumed, self.look_resumed = self.exact, "next"
            self.bad_since = None
        if "running" in what:
            self.proof, self.unproven = t, 0
            self.last_look, self.pending = None, 0
            self.look_proof = self.new_proof = None

    def heard(self, t):
        self.count(t)
        if self.proof is not None and t - self.proof > self.window:
            self.exact -= self.unproven
            self.resumed, self.unproven = self.exact, 0
            self.on_cut(self.exact)
        self.proof = self.new_proof = t

    def look(self, t, interval):
        if self.last_look is not None and self.last_good and self.good() and t - self.last_look <= LONGEST_STEP:
            self.pending += t - self.last_look
        if self.look_proof is None:
            self.look_proof = t
        elif self.new_proof is not None and self.new_proof > self.look_proof:
            self.count(t)
            self.unproven = 0          # a proof speaks for the whole step in which it came
            if self.new_proof - self.look_proof > self.window:
                self.look_resumed = "next"
            else:
                self.looked += self.pending
            self.pending, self.look_proof = 0, self.new_proof
        if self.look_resumed == "next":
            self.look_resumed = self.looked + self.pending
        self.last_look, self.last_good = t, self.good()
        self.times.append(t)
        self.values.append(self.looked)
        self.settled.append(self.look_resumed is None
                            or self.looked - self.look_resumed >= interval + ANSWER_TIME + ROUNDING)
        if self.mending:               # it tries at each look whether changes are taken again
            self.mending = False
            self.change(t, disk=True)

    def ahead(self, t):
        """What the next look may make of this moment."""
        since = t - self.last_look if self.last_look is not None else 0
        return self.looked + self.pending + (since if 0 <= since <= LONGEST_STEP else 0)

    def judged(self, interval):
        return self.resumed is None or self.exact - self.resumed >= interval + ANSWER_TIME - ROUNDING

    def due(self, value):
        """The look at which this value has passed and people are judged; None: not yet."""
        i = bisect.bisect_left(self.values, value)
        while i < len(self.values) and not self.settled[i]:
            i += 1
        return self.times[i] if i < len(self.values) else None


class Device:
    def __init__(self):
        self.state, self.lock = "Pending", False
        self.told = None           # what the daemon said last
        self.token_time = None
        self.unanswered = None     # (exact, by looks, moment) of the first unanswered ask
        self.flights = {}          # number -> [those three, heard since]
        self.gone_for_good = False


class Oracle:
    def __init__(self, lock_after):
        self.lock_after = None if lock_after == "never" else int(lock_after[:-1]) * UNIT[lock_after[-1]]
        self.interval = DAY if self.lock_after is None else min(DAY, self.lock_after // 4)
        self.service, self.devices, self.accepted = Service(self.interval, self.cut), {}, None
        self.wall = 0              # by how much the daemon's wall clock is wrong
        self.faults, self.inactive, self.close, self.states, self.enrolled = [], 0, 0, 0, 0

    def fault(self, t, name, text):
        if len(self.faults) < 20:
            self.faults.append("day %.4f %s: %s" % (t / DAY, name, text))

    def cut(self, exact):
        """Time does not count after all: who was asked in it was asked where it begins."""
        for d in self.devices.values():
            if d.unanswered is not None:
                d.unanswered = (min(d.unanswered[0], exact), *d.unanswered[1:])
            for f in d.flights.values():
                f[0] = (min(f[0][0], exact), *f[0][1:])

    def set_state(self, d, state):
        self.enrolled += (state == "Enrolled") - (d.state == "Enrolled")
        d.state = state

    def may_be(self, d, t):
        """Silent for lock-after, to the moment."""
        s = self.service
        s.count(t)
        return (self.lock_after is not None and d.state == "Enrolled" and d.unanswered is not None
                and s.exact - d.unanswered[0] >= self.lock_after - ROUNDING and s.judged(self.interval))

    def must_be(self, d):
        """The look at which nobody can be of another opinion."""
        if self.lock_after is None or d.state != "Enrolled" or d.unanswered is None:
            return None
        return self.service.due(d.unanswered[1] + self.lock_after + ROUNDING)

    def before(self, t, name, d):
        """Something is about to happen to it: is it what it should be?"""
        look = self.must_be(d)
        if look is not None and t > look:
            self.fault(t, name, "silent since day %.4f and not inactive on day %.4f" % (d.unanswered[2] / DAY, look / DAY))
            d.unanswered = None    # said once
        if d.told is not None and d.told != (d.state, d.lock):
            self.fault(t, name, "is %s, should be %s" % (d.told, (d.state, d.lock)))
            d.told = None

    def end_silence(self, d, t):
        if self.may_be(d, t):
            self.close += 1        # its answer came between the moment and the look: either is right
        d.unanswered = None

    def heard(self, d, t):
        self.service.heard(t)
        self.end_silence(d, t)
        for f in d.flights.values():
            f[1] = True
        if d.state in ("Inactive", "Removed") and not d.gone_for_good and self.service.disk:
            self.set_state(d, "Enrolled")

    def ask(self, d, number):
        sent, answered = d.flights.pop(number)
        if not answered and d.unanswered is None and self.service.disk:
            d.unanswered = sent

    def surroundings(self, t, what, rest):
        s = self.service
        if what == "tick":
            s.look(t, self.interval)
        elif what == "proof":
            if self.enrolled < FEW:
                s.heard(t)
        elif what in ("up", "down"):
            s.change(t, push=what == "up")
        elif what in ("start", "stop"):
            s.change(t, running=what == "start", push=False)
            for d in self.devices.values():
                d.flights = {}     # nobody is there to hear what Apple says
        elif what in ("expired", "renewed"):
            s.change(t, tls=what == "renewed")
        elif what == "disk-full":
            s.change(t, disk=False)
        elif what == "disk-mended":
            s.mending = True
        elif what == "wall":
            self.wall = int(rest[0])
        else:
            raise ValueError(what)

    def happen(self, t, what, name, rest):
        if name == "-":
            self.surroundings(t, what, rest)
            return
        if what == "enroll":
            self.devices[name] = Device()
            self.service.heard(t)
            return
        d = self.devices[name]
        if what == "state":
            self.judge(t, name, d, (rest[0], rest[1] == "locked"))
            return
        self.before(t, name, d)
        if what == "sent":
            self.service.count(t)
            d.flights[rest[0]] = [(self.service.exact, self.service.ahead(t), t), False]
        elif what == "taken":
            self.accepted = t
            self.ask(d, rest[0])
        elif what == "bad":
            if self.accepted is not None and t - self.accepted <= SPEAKS:
                self.ask(d, rest[0])
            else:
                d.flights.pop(rest[0])
        elif what in ("refused", "unsent"):
            d.flights.pop(rest[0])
        elif what == "gone":
            self.gone(t, d, rest[0], int(rest[1]))
        elif what == "token":
            self.heard(d, t)
            if self.service.disk:
                d.token_time = t + self.wall
                if d.state == "Pending":
                    self.set_state(d, "Enrolled")
        elif what == "heard":
            self.heard(d, t)
        elif what == "checkout":
            self.service.heard(t)
            self.end_silence(d, t)
            self.set_state(d, "Removed")
            d.gone_for_good = True
        elif what == "unlock":
            d.lock = False
        else:
            raise ValueError(what)

    def gone(self, t, d, number, since):
        if since <= d.token_time + GONE_MARGIN:
            self.ask(d, number)
            return
        d.flights.pop(number)
        if d.state in ("Enrolled", "Inactive") and self.service.disk:
            self.end_silence(d, t)
            self.set_state(d, "Removed")

    def judge(self, t, name, d, said):
        self.states += 1
        if said == ("Inactive", True) and d.state == "Enrolled":
            if not self.may_be(d, t):
                self.fault(t, name, "inactive too early, or without reason")
            look = self.must_be(d)
            if look is not None and t > look:
                self.fault(t, name, "inactive %.0f s too late" % ((t - look) / SECOND))
            self.set_state(d, "Inactive")
            d.lock = True
            self.inactive += 1
        d.told = said

    def end(self, t):
        for name, d in self.devices.items():
            self.before(t, name, d)


def run(lock_after):
    oracle = Oracle(lock_after)
    lines = 0
    p = subprocess.Popen([os.path.join(BUILD, "tests/unit/year"), *SIZE, lock_after, SEED],
                         stdout=subprocess.PIPE, text=True)
    for line in p.stdout:
        words = line.split()
        lines += 1
        if words[1] == "end":
            oracle.end(int(words[0]))
            break
        oracle.happen(int(words[0]), words[1], words[2], words[3:])
    p.stdout.read()
    return p.wait(), lines, oracle


def main():
    failed = 0
    print("1..%d" % len(ONLY))
    for n, lock_after in enumerate(ONLY, 1):
        begin = time.monotonic()
        status, lines, o = run(lock_after)
        good = status == 0 and not o.faults and len(o.devices) == int(SIZE[0])
        # a comparison of nothing with nothing is no test, nor is one that lets everything pass
        good = good and (o.inactive == 0 if lock_after == "never" else o.inactive > 0)
        good = good and o.close <= max(1, o.inactive // 20)
        for f in o.faults:
            print("# " + f)
        print("%s %d - lock-after %s, %s devices, %s days: %d events, %d changes of state, %d times inactive, "
              "%s (%d answers just at the moment), %.0f s"
              % ("ok" if good else "not ok", n, lock_after, SIZE[0], SIZE[1], lines, o.states, o.inactive,
                 "differences" if o.faults else "no difference", o.close, time.monotonic() - begin), flush=True)
        failed += not good
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
