#!/usr/bin/env python3
"""The fake device against a stand-in server: what it sends is judged by openssl, and what it must
refuse is offered to it. Prints TAP."""
import json
import os
import plistlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import traceback

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
import standin  # noqa: E402

DEVICE = os.environ.get("FAKE_DEVICE") or os.path.join(
    os.environ.get("CORDON_BUILD", "."), "tests/device/fake-device")
OK, LOCAL, UNREACHABLE, TLS, PROFILE, SCEP, REFUSED, UNENROLLED, NOT_ENROLLED, MALFORMED = (
    0, 1, 10, 11, 12, 13, 14, 15, 16, 17)
UNFINISHED, FLEET, STOPPED = 18, 19, 20

work = tempfile.mkdtemp(prefix="fake-device-")
tests = []


def test(f):
    tests.append(f)
    return f


class Device:
    """One state directory and the runs on it."""

    def __init__(self, server, name, *options):
        self.server = server
        self.state = os.path.join(work, name)
        shutil.rmtree(self.state, ignore_errors=True)
        self.options = list(options)
        self.steps = []

    def command(self, verb, *more, roots=True):
        c = [DEVICE, verb, "--state", self.state,
             "--link", "https://mdm.example.org:%d/enroll" % self.server.port,
             "--connect", "127.0.0.1:%d" % self.server.port]
        if roots:
            c += ["--public-roots", self.server.pki.path("root.crt")]
        return c + self.options + list(more)

    def run(self, verb, *more, want=OK, roots=True):
        r = subprocess.run(self.command(verb, *more, roots=roots), capture_output=True, timeout=60)
        self.stderr = r.stderr.decode(errors="replace")
        self.steps = [json.loads(line) for line in r.stdout.decode().splitlines()]
        assert r.returncode == want, "%s %s: exit %d instead of %d\n%s\n%s" % (
            verb, " ".join(more), r.returncode, want, self.stderr, r.stdout.decode())
        return self.steps

    def step(self, what):
        found = [s for s in self.steps if s["step"] == what]
        assert found, "no step %s in %s" % (what, self.steps)
        return found[-1]

    def show(self):
        self.run("show")
        return self.step("show")

    def udid(self):
        return self.show()["udid"]

    def one(self, *options, want=OK, **command):
        """Queue a command, poll, return the report."""
        udid = self.udid()
        uid = self.server.enqueue(udid, **command)
        self.run("poll", *options, want=want)
        return self.server.result(udid, uid)


@test
def enrolls(s):
    d = Device(s, "enrolls", "--serial", "F2LXTEST0001", "--os", "18.1")
    d.run("enroll")
    assert [x["step"] for x in d.steps] == ["profile", "scep", "authenticate", "token-update",
                                            "enrolled"], d.steps
    assert d.step("profile")["signer"].startswith("/CN=Example & S")
    auth, token = s.seen
    assert auth["SerialNumber"] == "F2LXTEST0001" and auth["OSVersion"] == "18.1"
    assert auth["Topic"] == standin.TOPIC and auth["UDID"] == token["UDID"] == d.udid()
    assert len(token["Token"]) == 32 and len(token["UnlockToken"]) == 2048
    assert re.fullmatch("[0-9A-F-]{36}", token["PushMagic"])
    assert auth["_type"] == "application/x-apple-aspen-mdm-checkin"
    log = s.scep_log[-1]
    assert log["kind"] == "19" and log["self_signed"] and log["tid_is_key_hash"], log
    assert log["usage"] and log["san"] and log["cipher"] == "aes-128-cbc", log
    assert "Example & Söhne" in log["subject"], log
    for f in os.listdir(d.state):
        assert os.stat(os.path.join(d.state, f)).st_mode & 0o077 == 0, f


@test
def state_continues(s):
    d = Device(s, "continues")
    d.run("poll", want=NOT_ENROLLED)
    d.run("enroll")
    d.run("poll")
    d.run("token-update")
    assert s.seen[-1]["Token"] == s.seen[-2]["Token"]
    d.run("token-update", "--new-token", "--no-unlock-token")
    assert s.seen[-1]["Token"] != s.seen[-2]["Token"] and "UnlockToken" not in s.seen[-1]
    d.run("authenticate")
    assert len({m["_who"] for m in s.seen}) == 1


@test
def answers_of_real_size(s):
    d = Device(s, "answers")
    d.run("enroll")
    r = d.one(RequestType="DeviceInformation",
              Queries=["OSVersion", "SerialNumber", "BatteryLevel", "NoSuchQuery", "IsSupervised"])
    assert r["Status"] == "Acknowledged"
    assert set(r["QueryResponses"]) == {"OSVersion", "SerialNumber", "BatteryLevel", "IsSupervised"}
    assert isinstance(r["QueryResponses"]["BatteryLevel"], float)
    assert r["_type"] == "application/x-apple-aspen-mdm; charset=UTF-8"
    r = d.one(RequestType="SecurityInfo")
    assert r["SecurityInfo"]["HardwareEncryptionCaps"] == 3
    assert len(d.one(RequestType="ProfileList")["ProfileList"]) == 40
    assert len(d.one(RequestType="ProfileList", ManagedOnly=True)["ProfileList"]) == 1
    certs = d.one(RequestType="CertificateList")["CertificateList"]
    assert len(certs) == 80 and sum(c["IsIdentity"] for c in certs) == 1
    r = d.one(RequestType="InstalledApplicationList")
    assert len(r["InstalledApplicationList"]) == 150 and len(plistlib.dumps(r)) > 80000
    r = d.one("--apps", "7", RequestType="InstalledApplicationList", Items=["Name"])
    assert [set(a) for a in r["InstalledApplicationList"]] == [{"Name"}] * 7


@test
def not_now_error_unknown(s):
    d = Device(s, "unwilling")
    d.run("enroll")
    udid = d.udid()
    first = s.enqueue(udid, RequestType="SecurityInfo")
    second = s.enqueue(udid, RequestType="ProfileList")
    d.run("poll", "--not-now", "SecurityInfo:1")
    assert [x["status"] for x in d.steps if x["step"] == "report"] == ["NotNow", "Acknowledged"]
    assert s.result(udid, second)["Status"] == "Acknowledged"
    d.run("poll")
    assert s.result(udid, first)["Status"] == "Acknowledged"
    r = d.one("--error", "SecurityInfo", RequestType="SecurityInfo")
    assert r["Status"] == "Error" and r["ErrorChain"][0]["ErrorDomain"] == "MCMDMErrorDomain"
    assert d.one(RequestType="Nonsense")["Status"] == "Acknowledged"
    r = d.one("--unknown", "error", RequestType="Nonsense")
    assert r["Status"] == "Error" and r["ErrorChain"][0]["ErrorCode"] == 12021
    assert d.one(Queries=["UDID"])["Status"] == "CommandFormatError"
    d.run("idle-once")
    assert d.step("offered")["type"] is None


@test
def schema_judges_and_fills(s):
    schema = os.path.join(work, "commands.tsv")
    with open(schema, "w") as f:
        f.write("UserList\treq\tlimit\tinteger\trequired\t\t\t\t\n"
                "UserList\tresp\tUsers\tarray\trequired\t\t\t\t\n"
                "UserList\tresp\tUsers[]\tdictionary\toptional\t\t\t\t\n"
                "UserList\tresp\tUsers[].UserName\tstring\trequired\tann|bob\t\t\t\n"
                "UserList\tresp\tMore.*\tany\toptional\t\t\t\t\n"
                "ShutDownDevice\treq\t-\tnone\toptional\t\t\t\t\n")
    d = Device(s, "schema", "--schema", schema)
    d.run("enroll")
    assert d.one(RequestType="UserList")["Status"] == "CommandFormatError"
    assert d.one(RequestType="UserList", limit="x")["Status"] == "CommandFormatError"
    r = d.one(RequestType="UserList", limit=3)
    assert r["Users"] == [{"UserName": "ann"}], r
    assert d.one(RequestType="ShutDownDevice")["Status"] == "Acknowledged"


@test
def tls_as_apple(s):
    d = Device(s, "tls")
    d.run("enroll", want=TLS, roots=False)
    other = Device(s, "tls-name", "--public-roots", s.pki.path("private.crt"))
    other.run("enroll", want=TLS, roots=False)
    try:
        s.stop()
        s.certificate = "longserver"
        s.start()
        d.run("enroll", want=TLS)
        s.stop()
        s.certificate = "privateserver"
        s.start()
        d.run("enroll", want=TLS)
        d.run("enroll", "--insecure-download", want=TLS)  # the flag is of the download alone
        assert "scep" not in [x["step"] for x in d.steps]
        s.root_in_profile = "private"
        d.run("enroll", "--insecure-download")
        d.run("poll")
    finally:
        s.stop()
        s.certificate = "server"
        s.start()


@test
def refuses_bad_profiles(s):
    def mdm(p):
        return p["PayloadContent"][-1]

    def scep(p):
        return p["PayloadContent"][0]["PayloadContent"]

    def nest(p):
        deep = []
        for _ in range(200):
            deep = [deep]
        p["Deep"] = deep

    changes = {
        "no topic": lambda p: mdm(p).pop("Topic"),
        "topic of another kind": lambda p: mdm(p).update(Topic="com.example"),
        "http server": lambda p: mdm(p).update(ServerURL="http://mdm.example.org/mdm"),
        "rights 0": lambda p: mdm(p).update(AccessRights=0),
        "rights 2 alone": lambda p: mdm(p).update(AccessRights=2),
        "rights 8192": lambda p: mdm(p).update(AccessRights=8192),
        "no rights": lambda p: mdm(p).pop("AccessRights"),
        "rights of type string": lambda p: mdm(p).update(AccessRights="8191"),
        "unknown capability": lambda p: mdm(p).update(ServerCapabilities=["com.example"]),
        "identity unresolved": lambda p: mdm(p).update(
            IdentityCertificateUUID="00000000-0000-4000-8000-000000000000"),
        "identity is the mdm payload": lambda p: mdm(p).update(
            IdentityCertificateUUID=mdm(p)["PayloadUUID"]),
        "extractable": lambda p: scep(p).update(KeyIsExtractable=True),
        "extractable by default": lambda p: scep(p).pop("KeyIsExtractable"),
        "1024 bits": lambda p: scep(p).update(Keysize=1024),
        "key usage": lambda p: scep(p).update({"Key Usage": 1}),
        "no scep url": lambda p: scep(p).pop("URL"),
        "subject of strings": lambda p: scep(p).update(Subject=["CN=x"]),
        "two mdm payloads": lambda p: p["PayloadContent"].append(
            dict(mdm(p), PayloadUUID="00000000-0000-4000-8000-000000000001")),
        "a uuid twice": lambda p: mdm(p).update(PayloadUUID=p["PayloadUUID"]),
        "no uuid": lambda p: p.update(PayloadUUID="x"),
        "no version": lambda p: p.pop("PayloadVersion"),
        "version 2": lambda p: p.update(PayloadVersion=2),
        "payload without identifier": lambda p: mdm(p).pop("PayloadIdentifier"),
        "root that is none": lambda p: p["PayloadContent"].insert(0, {
            "PayloadType": "com.apple.security.root", "PayloadVersion": 1,
            "PayloadIdentifier": "x", "PayloadUUID": "00000000-0000-4000-8000-000000000002",
            "PayloadContent": b"junk"}),
        "encrypted": lambda p: p.update(IsEncrypted=True),
        "too deep": nest,
    }
    d = Device(s, "profiles")
    for name, change in changes.items():
        s.profile_change = change
        d.run("enroll", want=PROFILE)
        assert d.step("failed")["why"], name
        assert not s.seen and not s.scep_log, name
    s.profile_change = None
    s.profile_type = "text/html"
    d.run("enroll", want=PROFILE)
    s.profile_type = "application/x-apple-aspen-config"
    good = s.profile

    def broken(**changes):
        data = bytearray(good(**changes))
        at = data.find(b"Configuration")
        data[at] ^= 1
        return bytes(data)

    s.profile = broken
    d.run("enroll", want=PROFILE)
    assert "signature" in d.step("failed")["why"]
    del s.profile
    s.sign_profile_with = None
    d.run("enroll")
    assert d.step("profile")["signer"] is None


@test
def scep_variants(s):
    variants = [(["--cipher", "3des", "--digest", "sha1"], "des-ede3-cbc"),
                (["--cipher", "aes256", "--ber"], "aes-256-cbc"),
                (["--scep-get"], "aes-128-cbc"), (["--scep-get", "--ber"], "aes-128-cbc"),
                (["--ber", "--digest", "sha1"], "aes-128-cbc")]
    for i, (options, cipher) in enumerate(variants):
        d = Device(s, "scep%d" % i, *options)
        d.run("enroll")
        log = s.scep_log[-1]
        assert log["cipher"] == cipher and log["ber"] == ("--ber" in options), log
        d.run("poll")  # signatures in the same digest and encoding
    s.caps = "DES3\nSHA-1\n"
    d = Device(s, "scep-old")
    d.run("enroll")
    assert s.scep_log[-1]["cipher"] == "des-ede3-cbc"


@test
def scep_hostile(s):
    d = Device(s, "scep-hostile")
    d.run("enroll", "--scep-des", want=SCEP)
    assert "badAlg" in d.step("failed")["why"]
    d.run("enroll", "--bad-challenge", want=SCEP)
    assert "badRequest" in d.step("failed")["why"]
    d.run("enroll", "--scep-bad-cms", want=SCEP)
    assert "badMessageCheck" in d.step("failed")["why"]
    assert not s.seen
    d.run("enroll", "--scep-bad-cms", "--ber", want=SCEP)
    assert "badMessageCheck" in d.step("failed")["why"]


@test
def scep_checks_the_reply(s):
    d = Device(s, "scep-reply")
    for fault in ("tid", "nonce", "type", "string", "signer", "issuer"):
        s.scep_break = fault
        d.run("enroll", want=SCEP)
        assert "SCEP" in d.step("failed")["why"], fault
    s.scep_break = None
    s.ca_type = "application/x-x509-ca-ra-cert"
    d.run("enroll", want=SCEP)
    s.ca_type = "application/x-x509-ca-cert"
    s.caps = "POSTPKIOperation\nAES\n"
    d.run("enroll", want=SCEP)
    assert "required capability" in d.step("failed")["why"]
    s.caps = "SCEPStandard\n"
    s.ca_offered = "plainca"
    d.run("enroll", want=SCEP)
    assert "key usage" in d.step("failed")["why"]
    s.ca_offered = "ca"
    s.pending = 5
    d.run("enroll", want=SCEP)
    assert "PENDING" in d.step("failed")["why"]
    s.pending = 2
    d.run("enroll")
    assert [x["kind"] for x in s.scep_log[-3:]] == ["19", "20", "20"]


@test
def bad_signatures(s):
    d, other = Device(s, "badsig"), Device(s, "badsig-other")
    d.run("enroll")
    other.run("enroll")
    for options in (["--body-flip"], ["--no-signature"], ["--attached-signature"],
                    ["--signature", "!!!"], ["--long-signature", "20000"],
                    ["--sign-with", other.state]):
        d.run("poll", *options, want=REFUSED)
        assert "HTTP 400" in d.step("failed")["why"], options
    d.run("poll")
    raw = os.path.join(work, "raw")
    with open(raw, "wb") as f:
        f.write(b"<plist>garbage")
    d.run("raw", "--raw", raw, "--raw-type", "text/plain", want=REFUSED)
    assert d.step("raw")["status"] == 400
    with open(raw, "wb") as f:
        f.write(plistlib.dumps({"UDID": d.udid(), "Status": "Idle"}))
    d.run("raw", "--raw", raw)
    assert d.step("raw")["status"] == 200 and d.step("raw")["length"] == 0


@test
def refusals_and_unenrollment(s):
    gone = json.dumps({"code": "com.apple.unrecognized.device"}).encode()
    xml = plistlib.dumps({"code": "com.apple.unrecognized.device"})
    for i, (status, kind, body) in enumerate([(401, "text/plain", b""),
                                              (403, "application/json", gone),
                                              (403, "application/xml", xml)]):
        d = Device(s, "leaves%d" % i)
        d.run("enroll")
        s.answer = lambda k, m: (status, kind, body)
        d.run("poll", want=UNENROLLED)
        assert "UNENROLLED" in d.stderr
        s.answer = None
        assert d.show()["state"] == "unenrolled"
        d.run("poll", want=NOT_ENROLLED)
        d.run("enroll")
    for status in (400, 403, 404, 410, 500, 503):
        s.answer = lambda k, m: (status, "application/json", b'{"code":"com.example.other"}')
        d.run("poll", want=REFUSED)
    s.answer = None
    d.run("poll")
    assert d.show()["state"] == "enrolled"


@test
def report_is_kept_and_repeated(s):
    d = Device(s, "kept")
    d.run("enroll")
    udid = d.udid()
    uid = s.enqueue(udid, RequestType="SecurityInfo")
    s.answer = lambda k, m: (500, "", b"") if k == "Acknowledged" else None
    d.run("poll", want=REFUSED)
    assert d.show()["pending"] and udid not in s.results
    s.answer = None
    d.run("poll")
    assert d.steps[0]["step"] == "report" and d.steps[0]["repeated"]
    assert s.result(udid, uid)["SecurityInfo"] and not d.show()["pending"]
    s.answer = lambda k, m: (200, "text/plain", b"junk") if k == "Idle" else None
    d.run("poll", want=MALFORMED)
    s.answer = lambda k, m: (200, "application/xml", b"junk") if k == "Idle" else None
    d.run("poll", want=MALFORMED)
    s.answer = lambda k, m: (200, "application/xml", b"<plist/>") if k == "TokenUpdate" else None
    d.run("token-update", want=MALFORMED)


@test
def renews(s):
    d = Device(s, "renews")
    d.run("enroll")
    udid, before = d.udid(), d.show()
    r = d.one(RequestType="InstallProfile", Payload=s.profile())
    assert r["Status"] == "Acknowledged", r
    after = d.show()
    assert after["certificate"] != before["certificate"] and after["token"] == before["token"]
    log = s.scep_log[-1]
    assert log["kind"] == "19" and not log["self_signed"] and log["tid_is_key_hash"], log
    assert [m["MessageType"] for m in s.seen] == ["Authenticate", "TokenUpdate"] * 2
    assert r["_who"] == s.bound[udid] == s.seen[-1]["_who"] != s.seen[0]["_who"]
    d.run("poll")
    d.one("--renewal-self-signed", RequestType="InstallProfile", Payload=s.profile())
    assert s.scep_log[-1]["self_signed"]
    s.answer = lambda k, m: s.bound.update({m["UDID"]: m["_who"]})  # takes any identity
    d.run("renew-scep")
    assert not s.scep_log[-1]["self_signed"] and len(s.seen) == 6
    d.run("poll")


@test
def refuses_what_apple_refuses(s):
    d = Device(s, "refuses")
    s.profile_change = lambda p: p["PayloadContent"][-1].update(AccessRights=8191 - 4096)
    d.run("enroll")
    s.profile_change = None

    def mdm(**keys):
        def change(p):
            p["PayloadContent"][-1].update(AccessRights=8191 - 4096)
            p["PayloadContent"][-1].update(keys)
        return change

    before = d.show()
    for name, change, signer in [
            ("topic", mdm(Topic=standin.TOPIC + "x"), "ca"),
            ("server", mdm(ServerURL="https://mdm.example.org/other"), "ca"),
            ("checkin", mdm(CheckInURL="https://mdm.example.org/other"), "ca"),
            ("rights", mdm(AccessRights=8191), "ca"),
            ("per-user", mdm(ServerCapabilities=["com.apple.mdm.bootstraptoken"]), "ca"),
            ("identifier", lambda p: p.update(PayloadIdentifier="org.example.second"), "ca"),
            ("signer", mdm(), "otherca"), ("unsigned", mdm(), None)]:
        r = d.one(RequestType="InstallProfile", Payload=s.profile(change=change, signer=signer))
        assert r["Status"] == "Error" and r["ErrorChain"], name
        assert d.show()["certificate"] == before["certificate"], name
    r = d.one(RequestType="InstallProfile",
              Payload=s.profile(change=mdm(AccessRights=3), signer="ca"))
    assert r["Status"] == "Acknowledged"
    assert d.one(RequestType="DeviceLock")["Status"] == "Error"
    r = d.one(RequestType="InstallProfile", Payload=b"junk")
    assert r["Status"] == "Error"
    s.sign_profile_with = "otherca"
    d.run("enroll", want=PROFILE)  # by hand, the same rules


@test
def failed_renewals(s):
    for stage in ("profile", "scep", "authenticate"):
        d = Device(s, "failed-" + stage)
        d.run("enroll")
        before = d.show()
        # The server goes on with the old identity until TokenUpdate; the stand-in rebinds at once.
        old = dict(s.bound)
        s.answer = lambda k, m: s.bound.update(old) if k not in ("Authenticate", "TokenUpdate") \
            else None
        r = d.one("--fail-renewal", stage, RequestType="InstallProfile", Payload=s.profile())
        assert r["Status"] == "Error" and r["_who"] == old[before["udid"]], stage
        d.step("rolled-back")
        after = d.show()
        assert after["certificate"] == before["certificate"] and after["state"] == "enrolled"
        d.run("poll")
        s.answer = None
    d = Device(s, "failed-hard")
    d.run("enroll")
    s.enqueue(d.udid(), RequestType="InstallProfile", Payload=s.profile())
    d.run("poll", "--fail-renewal", "scep", "--renewal-failure", "unenroll", want=UNENROLLED)
    assert d.show()["state"] == "unenrolled" and d.show()["cause"] == "renewal failed"
    assert s.seen[-1]["MessageType"] == "CheckOut"


@test
def stopped_enrollments(s):
    d = Device(s, "stopped")
    for stage, n in (("profile", 0), ("scep", 0), ("authenticate", 1)):
        d.run("enroll", "--stop-after", stage, want=STOPPED)
        assert d.show()["state"] == "new" and len(s.seen) == n
    d.run("enroll")
    token = d.show()
    d.run("enroll", "--stop-after", "authenticate", want=STOPPED)
    d.step("rolled-back")
    assert d.show()["certificate"] == token["certificate"]
    s.answer = lambda k, m: (400, "", b"") if k == "TokenUpdate" else None
    d.run("enroll", want=REFUSED)
    s.answer = None
    d.run("enroll")
    assert d.show()["certificate"] != token["certificate"]


@test
def profiles_come_and_go(s):
    d = Device(s, "profiles-cmd")
    d.run("enroll")
    wifi = plistlib.dumps({
        "PayloadType": "Configuration", "PayloadVersion": 1, "PayloadIdentifier": "org.example.wifi",
        "PayloadUUID": "00000000-0000-4000-8000-0000000000AA", "PayloadDisplayName": "Wi-Fi",
        "PayloadContent": []})
    assert d.one(RequestType="InstallProfile", Payload=wifi)["Status"] == "Acknowledged"
    managed = d.one(RequestType="ProfileList", ManagedOnly=True)["ProfileList"]
    assert {p["PayloadIdentifier"] for p in managed} == {"org.example.mdm", "org.example.wifi"}
    assert d.one(RequestType="RemoveProfile", Identifier="no.such")["Status"] == "Error"
    r = d.one(RequestType="RemoveProfile", Identifier="org.example.wifi")
    assert r["Status"] == "Acknowledged"
    r = d.one(RequestType="RemoveProfile", Identifier="org.example.mdm")
    assert r["Status"] == "Acknowledged" and s.seen[-1]["MessageType"] == "CheckOut"
    assert d.show()["state"] == "unenrolled"


@test
def erase_lock_checkout(s):
    d = Device(s, "erase")
    d.run("enroll")
    assert d.one(RequestType="DeviceLock")["MessageResult"] == "Success"
    # The acknowledgement is lost: it is repeated, and only then the device erases itself.
    udid = d.udid()
    uid = s.enqueue(udid, RequestType="EraseDevice")
    s.answer = lambda k, m: (500, "", b"") if k == "Acknowledged" else None
    d.run("poll", want=REFUSED)
    assert d.show()["state"] == "enrolled"
    s.answer = None
    d.run("poll")
    assert s.result(udid, uid)["Status"] == "Acknowledged"
    assert d.show()["cause"] == "erased" and d.udid() == udid
    d.run("enroll")
    d.run("checkout")
    assert d.show()["cause"] == "checkout" and s.seen[-1]["MessageType"] == "CheckOut"
    mac = Device(s, "mac", "--product", "Mac15,3")
    mac.run("enroll")
    assert "UnlockToken" not in s.seen[-1] and s.seen[-2]["ModelName"] == "MacBook Pro"
    assert mac.one(RequestType="DeviceLock")["Status"] == "Error"
    assert mac.one(RequestType="DeviceLock", PIN="123456")["Status"] == "Acknowledged"


@test
def setup_assistant(s):
    d = Device(s, "awaiting", "--awaiting")
    d.run("enroll")
    assert s.seen[-1]["AwaitingConfiguration"] is True
    assert d.one(RequestType="DeviceConfigured")["Status"] == "Acknowledged"
    assert d.one(RequestType="DeviceConfigured")["Status"] == "Error"
    d.run("token-update")
    assert "AwaitingConfiguration" not in s.seen[-1]


@test
def bootstrap_and_users(s):
    d = Device(s, "users", "--product", "Mac15,3")
    d.run("enroll")
    d.run("get-bootstrap")
    assert d.step("get-bootstrap")["length"] == 0
    d.run("set-bootstrap", "00ff10")
    d.run("get-bootstrap")
    assert d.step("get-bootstrap") == dict(d.step("get-bootstrap"), length=3, same=True)
    d.run("set-bootstrap", "")
    assert "BootstrapToken" not in s.seen[-1]
    d.run("user-poll", want=LOCAL)
    user = ["--user-id", "9A2F1C1E-0000-4000-8000-000000000001", "--user-name", "ann"]
    d.run("user-authenticate", *user)
    assert d.step("user-authenticate")["challenge"] == ""
    d.run("user-token-update", *user)
    assert s.seen[-1]["UserShortName"] == "ann" and s.seen[-1]["NotOnConsole"] is False
    key = d.udid() + ":" + user[1]
    uid = s.enqueue(key, RequestType="ProfileList")
    d.run("poll")
    assert key not in s.results
    d.run("user-poll", *user)
    assert s.result(key, uid)["UserID"] == user[1]


@test
def declarations(s):
    d = Device(s, "ddm")
    d.run("enroll")
    assert d.one(RequestType="DeclarativeManagement")["Status"] == "Acknowledged"
    assert d.step("declarative")["status"] == 404
    s.declare()
    d.one(RequestType="DeclarativeManagement")
    asked = [m["Endpoint"] for m in s.seen if m["MessageType"] == "DeclarativeManagement"]
    assert asked[1:] == ["tokens", "declaration-items", "declaration/activation/org.example.act",
                         "declaration/configuration/org.example.test", "status"], asked
    status = json.loads(s.seen[-1]["Data"])["StatusItems"]["management"]["declarations"]
    assert status["activations"][0]["server-token"] == "a1" and status["assets"] == []
    d.run("declarative")
    assert s.seen[-1]["Endpoint"] == "tokens"  # nothing changed
    assert d.show()["declarations"] == 2


@test
def patience_with_a_dead_server(s):
    d = Device(s, "patience")
    d.run("enroll")
    s.stop()
    d.run("poll", want=UNREACHABLE)
    p = subprocess.Popen(d.command("poll", "--patience", "20"), stdout=subprocess.PIPE)
    time.sleep(0.7)
    assert p.poll() is None
    s.start()
    out, _ = p.communicate(timeout=30)
    assert p.returncode == OK and b'"idle"' in out


@test
def lives_and_wakes(s):
    d = Device(s, "lives")
    wake = os.path.join(work, "wake")
    p = subprocess.Popen(d.command("run", "--wake", wake), stdout=subprocess.PIPE, text=True)
    try:
        for line in p.stdout:
            if json.loads(line)["step"] == "idle":
                break
        token = s.seen[-1]
        uid = s.enqueue(token["UDID"], RequestType="SecurityInfo")
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        for hexa, magic in (("00" * 32, token["PushMagic"]), (token["Token"].hex(), "WRONG"),
                            (token["Token"].hex(), token["PushMagic"])):
            sock.sendto(("%s %s" % (hexa, magic)).encode(), wake)
        sock.close()
        steps = []
        for line in p.stdout:
            steps.append(json.loads(line)["step"])
            if steps[-1] == "report":
                break
        assert steps[0] == "wake-ignored" and "woken" in steps, steps
        assert s.result(token["UDID"], uid)["Status"] == "Acknowledged"
    finally:
        p.send_signal(signal.SIGTERM)
        p.communicate(timeout=20)
    assert p.returncode == OK
    assert not os.path.exists(wake)


def fleet(s, *options, want=OK):
    c = [DEVICE, "fleet", "--link", "https://mdm.example.org:%d/enroll" % s.port,
         "--connect", "127.0.0.1:%d" % s.port, "--public-roots", s.pki.path("root.crt")]
    r = subprocess.run(c + list(options), capture_output=True, timeout=120)
    assert r.returncode == want, "exit %d: %s %s" % (r.returncode, r.stdout.decode(),
                                                     r.stderr.decode())
    return json.loads(r.stdout)


def feed(s, n):
    """Two commands for each device, as soon as it is enrolled."""
    def answer(kind, m):
        if kind == "TokenUpdate" and m["UDID"] not in s.commands:
            for _ in range(n):
                s.enqueue(m["UDID"], RequestType="DeviceInformation", Queries=["OSVersion"])
    return answer


@test
def fleet_works(s):
    journal = os.path.join(work, "journal")
    s.answer = feed(s, 2)
    out = fleet(s, "--count", "8", "--concurrency", "4", "--keys", "2", "--commands", "2",
                "--journal", journal, "--seconds", "90", "--keep-alive", "--cache-signatures")
    assert out["enrolled"] == out["done"] == 8 and out["answered"] == 16, out
    assert out["reports"]["Acknowledged"] == 16 and out["status"] == {"200": out["requests"]}, out
    assert out["latency"]["authenticate"]["count"] == 8 and out["faults"] == 0
    lines = [json.loads(x) for x in open(journal)]
    told = {(x["udid"], x["uuid"]) for x in lines if x["step"] == "report"}
    have = {(u, uid) for u, r in s.results.items() for uid in r}
    assert told == have and len(told) == 16
    assert len({x["udid"] for x in lines if x["step"] == "token-update"}) == 8
    assert len({x["transaction"] for x in lines if x["step"] == "scep"}) == 8  # keys are shared
    s.answer = lambda k, m: (400, "text/plain", b"no") if k == "Authenticate" else None
    out = fleet(s, "--count", "2", "--keys", "1", "--commands", "1", want=FLEET)
    assert out["failed"] == 2 and out["status"]["400"] > 0 and "HTTP 400" in out["fault_notes"][0]
    s.answer = None
    state = os.path.join(work, "fleet-state")
    fleet(s, "--count", "2", "--keys", "1", "--state", state, "--new-connections", "--no-resume")
    out = fleet(s, "--count", "2", "--state", state, "--idle-rounds", "3")
    assert out["latency"]["idle"]["count"] == 6 and "scep" not in out["latency"], out


@test
def fleet_survives_kills(s):
    """Replies are lost and the server goes away again and again: everything is repeated, and what
    the journal says is what the server has, once."""
    journal = os.path.join(work, "journal-kills")
    counter = [0]

    def drop():
        counter[0] += 1
        return counter[0] % 5 == 0

    s.answer = feed(s, 2)
    s.drop = drop
    c = [DEVICE, "fleet", "--link", "https://mdm.example.org:%d/enroll" % s.port,
         "--connect", "127.0.0.1:%d" % s.port, "--public-roots", s.pki.path("root.crt"),
         "--count", "6", "--concurrency", "3", "--keys", "2", "--commands", "2", "--patience", "60",
         "--journal", journal, "--seconds", "100"]
    p = subprocess.Popen(c, stdout=subprocess.PIPE)
    for _ in range(3):
        time.sleep(0.6)
        s.stop()
        time.sleep(0.3)
        s.start()
    out = json.loads(p.communicate(timeout=120)[0])
    assert p.returncode == OK, out
    assert out["done"] == 6 and out["retries"] > 0 and out["no_answer"] > 0, out
    lines = [json.loads(x) for x in open(journal)]
    told = [(x["udid"], x["uuid"]) for x in lines if x["step"] == "report"]
    have = {(u, uid) for u, r in s.results.items() for uid in r}
    assert len(told) == len(set(told)) == 12 and set(told) == have
    assert len(s.issued) == 6  # a repeated request is the same transaction


@test
def fleet_wakes(s):
    wake = os.path.join(work, "fleet-wake")
    c = [DEVICE, "fleet", "--link", "https://mdm.example.org:%d/enroll" % s.port,
         "--connect", "127.0.0.1:%d" % s.port, "--public-roots", s.pki.path("root.crt"),
         "--count", "3", "--keys", "1", "--commands", "1", "--wake", wake, "--seconds", "60"]
    p = subprocess.Popen(c, stdout=subprocess.PIPE)
    idle = [0]

    def answer(kind, m):
        idle[0] += kind == "Idle"
        return None

    s.answer = answer
    end = time.time() + 40
    while idle[0] < 3 and time.time() < end:
        time.sleep(0.05)
    time.sleep(0.5)
    assert idle[0] == 3 and p.poll() is None  # they wait, and do not poll
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    for m in [m for m in s.seen if m["MessageType"] == "TokenUpdate"]:
        s.enqueue(m["UDID"], RequestType="SecurityInfo")
        sock.sendto(("%s %s" % (m["Token"].hex(), m["PushMagic"])).encode(), wake)
    sock.close()
    out = json.loads(p.communicate(timeout=60)[0])
    assert p.returncode == OK and out["answered"] == 3, out


@test
def command_line(s):
    def code(*args):
        r = subprocess.run([DEVICE] + list(args), capture_output=True, timeout=30)
        return r.returncode, r.stdout.decode()

    status, text = code("--help")
    assert status == 0 and "Exit codes" in text and "--renewal-failure HOW" in text
    for args in ([], ["nonsense"], ["poll", "--digest", "md5"], ["poll", "--no-such"],
                 ["raw"], ["poll", "--not-now", "X:0"], ["fleet", "--count", "0"]):
        assert code(*args)[0] == 64, args
    d = Device(s, "corrupt")
    d.run("enroll")
    with open(os.path.join(d.state, "device.json"), "w") as f:
        f.write("{")
    d.run("poll", want=LOCAL)


def main():
    wanted = sys.argv[1:]
    pki = standin.Pki(work)
    server = standin.Server(pki)
    server.start()
    chosen = [t for t in tests if not wanted or t.__name__ in wanted]
    failed = 0
    print("1..%d" % len(chosen), flush=True)
    for i, t in enumerate(chosen, 1):
        server.reset()
        try:
            t(server)
            print("ok %d - %s" % (i, t.__name__), flush=True)
        except Exception:
            failed += 1
            print("not ok %d - %s" % (i, t.__name__), flush=True)
            for line in traceback.format_exc().splitlines():
                print("# " + line, flush=True)
    if failed == 0:
        shutil.rmtree(work, ignore_errors=True)
    return failed > 0


if __name__ == "__main__":
    sys.exit(main())
