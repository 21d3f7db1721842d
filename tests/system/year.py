#!/usr/bin/python3
"""Who was inactive when, in a year of a fleet of many habits: an oracle of its own against the daemon's code.

tests/unit/year drives the daemon's code in fake time and writes down what happened and what the daemon made of it.
The oracle below reads only what happened, and decides by DESIGN "States, lock, inactivity". It shares nothing with
the code that it judges.

CORDON_YEAR="2000 365" is the whole thing (an hour of one core); the default is small enough for every run.
"""
import os
import subprocess
import sys

BUILD = os.environ.get("CORDON_BUILD", os.getcwd())
SIZE = os.environ.get("CORDON_YEAR", "65 60").split()
ONLY = os.environ.get("CORDON_YEAR_LOCK_AFTER", "24h 7d 14d 30d never").split()
SEED = os.environ.get("CORDON_YEAR_SEED", "20261124")

SECOND = 1000
HOUR = 3600 * SECOND
DAY = 24 * HOUR
UNIT = {"s": SECOND, "m": 60 * SECOND, "h": HOUR, "d": DAY}
ROUND = 300 * SECOND      # the simulation looks this often; the daemon more often
SPEAKS = DAY              # an accepted token speaks for its topic this long
GONE_MARGIN = 300 * SECOND
OUTAGE = HOUR             # after one of this length everybody is asked again before anybody is judged
ANSWER_TIME = 900 * SECOND


class Clock:
    """The service clock: time during which an answer could have been heard."""

    def __init__(self):
        self.total, self.since, self.down_at = 0, None, None
        self.outages = []          # (wall when over)
        self.resumed = None        # wall time of the end of the last long outage

    def up(self, t):
        self.since = t
        if self.down_at is not None:
            self.outages.append(t)
            if t - self.down_at >= OUTAGE:
                self.resumed = t
        self.down_at = None

    def down(self, t):
        self.total += t - self.since
        self.since, self.down_at = None, t

    def at(self, t):
        return self.total + (t - self.since if self.since is not None else 0)

    def wall(self, value):
        """When it showed this, as long as it runs; None: not yet."""
        if self.since is None or value < self.total:
            return self.since if self.since is not None else None
        return self.since + value - self.total


class Device:
    def __init__(self):
        self.state, self.lock = "Pending", False
        self.told = None           # what the daemon said last
        self.token_time = None
        self.unanswered = None     # service clock of the first unanswered ask
        self.unanswered_wall = None
        self.flights = {}          # number -> [sent by the clock, heard since]
        self.silent_by = None


class Oracle:
    def __init__(self, lock_after):
        self.lock_after = None if lock_after == "never" else int(lock_after[:-1]) * UNIT[lock_after[-1]]
        self.clock, self.devices, self.accepted = Clock(), {}, None
        self.faults, self.inactive, self.close, self.states = [], 0, 0, 0

    def fault(self, t, name, text):
        if len(self.faults) < 20:
            self.faults.append("day %.4f %s: %s" % (t / DAY, name, text))

    def interval(self):
        return min(DAY, self.lock_after // 4)

    def due(self, d):
        """Wall time at which it has been silent for lock-after; None: it is not, or not yet known."""
        if self.lock_after is None or d.unanswered is None or d.state != "Enrolled":
            return None
        wall = self.clock.wall(d.unanswered + self.lock_after)
        if wall is not None and self.clock.resumed is not None:
            wall = max(wall, self.clock.resumed + self.interval() + ANSWER_TIME)
        return wall

    def slack(self, d, t):
        """The clock may only lag: an hour for the next proof of being heard, and a round at each end of an outage."""
        passed = sum(1 for end in self.clock.outages if end >= d.unanswered_wall)
        return HOUR + 2 * ROUND + passed * 2 * ROUND

    def before(self, t, name, d):
        """Something is about to happen to it: was it overdue?"""
        wall = self.due(d)
        if wall is not None and t > wall:
            if t > wall + self.slack(d, t):
                self.fault(t, name, "silent since day %.4f and not inactive" % (d.unanswered_wall / DAY))
            else:
                self.close += 1    # its answer came between the moment and the look: either is right
        if d.told is not None and d.told != (d.state, d.lock):
            self.fault(t, name, "is %s, should be %s" % (d.told, (d.state, d.lock)))

    def heard(self, d):
        d.unanswered = d.unanswered_wall = None
        for f in d.flights.values():
            f[1] = True
        if d.state in ("Inactive", "Removed") and not d.silent_by:
            d.state = "Enrolled"

    def ask(self, d, number, t):
        sent, answered, wall = d.flights.pop(number)
        if not answered and d.unanswered is None:
            d.unanswered, d.unanswered_wall = sent, wall

    def happen(self, t, what, name, rest):
        if what in ("up", "down"):
            for n, d in self.devices.items():
                self.before(t, n, d)
            getattr(self.clock, what)(t)
            return
        if what == "enroll":
            self.devices[name] = Device()
            return
        d = self.devices[name]
        if what == "state":
            self.judge(t, name, d, (rest[0], rest[1] == "locked"))
            return
        self.before(t, name, d)
        if what == "sent":
            d.flights[rest[0]] = [self.clock.at(t), False, t]
        elif what == "taken":
            self.accepted = t
            self.ask(d, rest[0], t)
        elif what == "bad":
            if self.accepted is not None and t - self.accepted <= SPEAKS:
                self.ask(d, rest[0], t)
            else:
                d.flights.pop(rest[0])
        elif what == "refused":
            d.flights.pop(rest[0])
        elif what == "gone":
            d.flights.pop(rest[0])
            if int(rest[1]) > d.token_time + GONE_MARGIN and d.state in ("Enrolled", "Inactive"):
                d.state = "Removed"
        elif what == "token":
            self.heard(d)
            d.token_time = t
            if d.state == "Pending":
                d.state = "Enrolled"
        elif what == "heard":
            self.heard(d)
        elif what == "checkout":
            d.state, d.silent_by = "Removed", "checkout"
        elif what == "unlock":
            d.lock = False

    def judge(self, t, name, d, said):
        self.states += 1
        wall = self.due(d)
        if said == ("Inactive", True) and d.state == "Enrolled":
            if wall is None or t < wall - 2 * SECOND:
                self.fault(t, name, "inactive too early, or without reason")
            elif t > wall + self.slack(d, t):
                self.fault(t, name, "inactive %.0f s too late" % ((t - wall) / SECOND))
            d.state, d.lock = said
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
        else:
            oracle.happen(int(words[0]), words[1], words[2], words[3:])
    return p.wait(), lines, oracle


def main():
    failed = 0
    print("1..%d" % len(ONLY))
    for n, lock_after in enumerate(ONLY, 1):
        status, lines, o = run(lock_after)
        good = status == 0 and not o.faults and len(o.devices) == int(SIZE[0])
        # a comparison of nothing with nothing is no test
        good = good and (o.inactive == 0 if lock_after == "never" else o.inactive > 0)
        for f in o.faults:
            print("# " + f)
        print("%s %d - lock-after %s, %s devices, %s days: %d events, %d changes of state, %d times inactive, "
              "no difference (%d answers within the tolerance)"
              % ("ok" if good else "not ok", n, lock_after, SIZE[0], SIZE[1], lines, o.states, o.inactive, o.close),
              flush=True)
        failed += not good
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
