"""A stand-in MDM server for the tests of the fake device.

Python's standard library and the openssl program only, so that what the fake device sends is
judged by code that it shares nothing with. Not a server for anything else: the CA, the checks
and the queue are the least that makes a device do its part.
"""
import base64
import hashlib
import http.server
import json
import os
import plistlib
import re
import ssl
import subprocess
import threading
import urllib.parse
import uuid

OID = {"type": "2.16.840.1.113733.1.9.2", "status": "2.16.840.1.113733.1.9.3",
       "info": "2.16.840.1.113733.1.9.4", "sender": "2.16.840.1.113733.1.9.5",
       "recipient": "2.16.840.1.113733.1.9.6", "tid": "2.16.840.1.113733.1.9.7",
       "content": "1.2.840.113549.1.9.3", "digest": "1.2.840.113549.1.9.4",
       "data": "1.2.840.113549.1.7.1", "signed": "1.2.840.113549.1.7.2",
       "sha256": "2.16.840.1.101.3.4.2.1", "rsa": "1.2.840.113549.1.1.1"}
TOPIC = "com.apple.mgmt.External.11111111-2222-3333-4444-555555555555"


def openssl(*args, data=None):
    """Run openssl; its stdout, or RuntimeError with its stderr."""
    r = subprocess.run(("openssl",) + args, input=data, capture_output=True)
    if r.returncode != 0:
        raise RuntimeError("openssl %s: %s" % (args[0], r.stderr.decode(errors="replace")))
    return r.stdout


# --- the little DER that openssl's command line cannot write or read for us

def der(tag, *parts):
    body = b"".join(parts)
    n = len(body)
    if n < 128:
        return bytes([tag, n]) + body
    size = (n.bit_length() + 7) // 8
    return bytes([tag, 0x80 | size]) + n.to_bytes(size, "big") + body


def oid(text):
    parts = [int(x) for x in text.split(".")]
    out = bytes([parts[0] * 40 + parts[1]])
    for p in parts[2:]:
        chunk = [p & 0x7F]
        p >>= 7
        while p:
            chunk.insert(0, 0x80 | (p & 0x7F))
            p >>= 7
        out += bytes(chunk)
    return der(6, out)


def walk(data):
    """(tag, body, whole) of the elements in `data`."""
    at = 0
    while at < len(data):
        tag, n, head = data[at], data[at + 1], 2
        if n & 0x80:
            head += n & 0x7F
            n = int.from_bytes(data[at + 2:at + head], "big")
        yield tag, data[at + head:at + head + n], data[at:at + head + n]
        at += head + n


def attributes_of(cms_der):
    """Signed attributes of the only signer: {oid DER: (tag, value)}; and the issuer/serial DER."""
    content = list(walk(next(walk(cms_der))[1]))[1][1]
    signed = list(walk(next(walk(content))[1]))
    infos = list(walk(signed[-1][1]))
    assert len(infos) == 1, "one signer"
    attrs = {}
    for tag, body, _ in walk(infos[0][1]):
        if tag != 0xA0:
            continue
        for _, attr, _ in walk(body):
            parts = list(walk(attr))
            values = list(walk(parts[1][1]))
            assert len(values) == 1, "one value"
            attrs[parts[0][2]] = (values[0][0], values[0][1])
    return attrs


def attribute(name, tag, value):
    return der(0x30, oid(OID[name]), der(0x31, der(tag, value)))


def issuer_and_serial(cert_der):
    tbs = list(walk(next(walk(next(walk(cert_der))[1]))[1]))
    at = 1 if tbs[0][0] == 0xA0 else 0
    return der(0x30, tbs[at + 2][2], tbs[at][2])


class Pki:
    """Everything with a key: public root and server certificate, the device CA."""

    def __init__(self, directory):
        self.dir = directory
        self.make_root("root", "Public Test Root")
        self.make_root("private", "Private Root")
        self.make_ca("ca", "Example & Söhne MDM")
        self.make_ca("otherca", "Another CA")
        self.make_ca("plainca", "CA without the usages that SCEP needs", "")
        self.make_server("server", "root", 300)
        self.make_server("longserver", "root", 900)
        self.make_server("privateserver", "private", 300)

    def path(self, name):
        return os.path.join(self.dir, name)

    def make_root(self, name, cn):
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                "-sha256", "-days", "3650", "-keyout", self.path(name + ".key"), "-out", self.path(name + ".crt"),
                "-subj", "/CN=" + cn, "-addext", "keyUsage=critical,keyCertSign,cRLSign")

    def make_ca(self, name, cn, more=",digitalSignature,keyEncipherment"):
        openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-sha256", "-days", "3650",
                "-utf8", "-keyout", self.path(name + ".key"), "-out", self.path(name + ".crt"),
                "-subj", "/CN=" + cn, "-addext",
                "keyUsage=critical,keyCertSign,cRLSign" + more)

    def make_server(self, name, root, days):
        with open(self.path(name + ".ext"), "w") as f:
            f.write("subjectAltName=DNS:mdm.example.org\nextendedKeyUsage=serverAuth\n"
                    "keyUsage=critical,digitalSignature\n")
        openssl("req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                "-keyout", self.path(name + ".key"), "-out", self.path(name + ".csr"),
                "-subj", "/CN=mdm.example.org")
        openssl("x509", "-req", "-sha256", "-in", self.path(name + ".csr"), "-days", str(days),
                "-CA", self.path(root + ".crt"), "-CAkey", self.path(root + ".key"),
                "-set_serial", str(int.from_bytes(os.urandom(8), "big") >> 1),
                "-extfile", self.path(name + ".ext"), "-out", self.path(name + ".crt"))


class Server:
    """The state of the stand-in, which tests turn knobs on; and the HTTP server around it."""

    def __init__(self, pki):
        self.pki = pki
        self.lock = threading.Lock()
        self.httpd = None
        self.port = 0
        self.known = set()             # certificates that openssl verify took
        self.certificate = "server"
        self.reset()

    def reset(self):
        self.profile_change = None     # function(profile dict) -> None
        self.sign_profile_with = "ca"  # None: unsigned
        self.profile_type = "application/x-apple-aspen-config"
        self.root_in_profile = None
        self.caps = "POSTPKIOperation\nRenewal\nSHA-256\nSHA-1\nAES\nDES3\nSCEPStandard\n"
        self.ca_offered = "ca"
        self.ca_type = "application/x-x509-ca-cert"
        self.scep_break = None
        self.pending = 0
        self.answer = None             # function(kind, message) -> (status, type, body) or None
        self.drop = None               # function() -> bool: break the connection after the work
        self.commands = {}             # udid -> list of (uuid, command)
        self.results = {}              # udid -> {uuid: [message]}
        self.seen = []                 # check-ins in order
        self.scep_log = []
        self.issued = {}               # transaction id -> certificate DER
        self.bound = {}                # udid -> digest of the certificate
        self.profiles = 0
        self.bootstrap = {}
        self.declarations = {}

    # --- profile

    def profile(self, **changes):
        self.profiles += 1
        ids = [str(uuid.uuid4()).upper() for _ in range(4)]
        base = "https://mdm.example.org:%d" % self.port
        scep = {"PayloadType": "com.apple.security.scep", "PayloadVersion": 1,
                "PayloadIdentifier": "org.example.mdm.scep", "PayloadUUID": ids[1],
                "PayloadContent": {
                    "URL": base + "/scep", "Name": "mdm", "Keysize": 2048, "Key Type": "RSA",
                    "Key Usage": 5, "Challenge": "challenge-%d" % self.profiles,
                    "KeyIsExtractable": False, "Retries": 2, "RetryDelay": 0,
                    "Subject": [[["O", "Example & Söhne"]], [["CN", "mdm-" + ids[1]]]],
                    "SubjectAltName": {"uniformResourceIdentifier": "urn:uuid:" + ids[1]}}}
        mdm = {"PayloadType": "com.apple.mdm", "PayloadVersion": 1,
               "PayloadIdentifier": "org.example.mdm.mdm", "PayloadUUID": ids[2],
               "IdentityCertificateUUID": ids[1], "Topic": TOPIC, "ServerURL": base + "/mdm",
               "CheckInURL": base + "/checkin", "SignMessage": True, "AccessRights": 8191,
               "CheckOutWhenRemoved": True,
               "ServerCapabilities": ["com.apple.mdm.per-user-connections",
                                      "com.apple.mdm.bootstraptoken", "com.apple.mdm.token"]}
        p = {"PayloadType": "Configuration", "PayloadVersion": 1,
             "PayloadIdentifier": "org.example.mdm", "PayloadUUID": ids[0],
             "PayloadDisplayName": "Example & Söhne MDM", "PayloadScope": "System",
             "PayloadContent": [scep, mdm]}
        if self.root_in_profile:
            root = openssl("x509", "-in", self.pki.path(self.root_in_profile + ".crt"),
                           "-outform", "DER")
            p["PayloadContent"].insert(0, {
                "PayloadType": "com.apple.security.root", "PayloadVersion": 1,
                "PayloadIdentifier": "org.example.mdm.root", "PayloadUUID": ids[3],
                "PayloadContent": root})
        change = changes.get("change", self.profile_change)
        if change:
            change(p)
        return self.sign_profile(plistlib.dumps(p), changes.get("signer", self.sign_profile_with))

    def sign_profile(self, data, signer):
        if signer is None:
            return data
        return openssl("cms", "-sign", "-nodetach", "-binary", "-md", "sha256",
                       "-signer", self.pki.path(signer + ".crt"),
                       "-inkey", self.pki.path(signer + ".key"), "-outform", "DER", data=data)

    # --- SCEP

    def pki_operation(self, data):
        """The CertRep for a request."""
        with self.lock:
            return self.pki_operation_locked(data)

    def pki_operation_locked(self, data):
        p = self.pki.path
        with open(p("req.der"), "wb") as f:
            f.write(data)
        attrs = attributes_of(self.as_der(p("req.der")))
        tid = attrs[oid(OID["tid"])]
        kind = attrs[oid(OID["type"])]
        nonce = attrs[oid(OID["sender"])]
        assert tid[0] == kind[0] == 0x13, "PrintableString"
        assert nonce[0] == 4 and len(nonce[1]) == 16
        reply = {"tid": tid[1], "nonce": nonce[1], "kind": kind[1].decode()}
        try:
            openssl("cms", "-verify", "-binary", "-noverify", "-inform", "DER", "-in",
                    p("req.der"), "-signer", p("signer.pem"), "-out", p("env.der"))
        except RuntimeError:
            return self.cert_rep(reply, status=b"2", info=b"1")
        text = openssl("cms", "-cmsout", "-print", "-noout", "-inform", "DER", "-in",
                       p("env.der")).decode(errors="replace")
        cipher = re.search(r"contentEncryptionAlgorithm:\s*algorithm: (\S+)", text).group(1)
        log = {"kind": reply["kind"], "cipher": cipher, "ber": data[1] == 0x80,
               "tid": tid[1].decode(), "outcome": "?"}
        self.scep_log.append(log)
        if cipher == "des-cbc":
            log["outcome"] = "badAlg"
            return self.cert_rep(reply, status=b"2", info=b"0")
        openssl("cms", "-decrypt", "-binary", "-inform", "DER", "-in", p("env.der"), "-recip",
                p("ca.crt"), "-inkey", p("ca.key"), "-out", p("content.der"))
        if reply["kind"] == "20":
            log["outcome"] = "poll"
            if self.pending > 0:
                self.pending -= 1
                return self.cert_rep(reply, status=b"3")
            return self.cert_rep(reply, status=b"0", cert=self.issued[tid[1]])
        return self.issue(reply, log)

    def issue(self, reply, log):
        p = self.pki.path
        csr = openssl("req", "-inform", "DER", "-in", p("content.der"), "-noout", "-text",
                      "-verify", "-nameopt", "utf8").decode()
        signer = openssl("x509", "-in", p("signer.pem"), "-noout", "-issuer", "-subject",
                         "-pubkey").decode()
        key = openssl("req", "-inform", "DER", "-in", p("content.der"), "-noout", "-pubkey")
        spki = base64.b64decode(b"".join(key.splitlines()[1:-1]))
        log["self_signed"] = key.decode() in signer
        log["tid_is_key_hash"] = log["tid"] in (hashlib.sha256(spki).hexdigest(),
                                                hashlib.sha1(spki).hexdigest())
        log["challenge"] = re.search(r"challengePassword\s*:(.*)", csr).group(1).strip()
        log["san"] = "urn:uuid:" in csr
        log["usage"] = "Digital Signature, Key Encipherment" in csr
        log["subject"] = re.search(r"Subject: (.*)", csr).group(1)
        if not log["self_signed"]:
            openssl("verify", "-CAfile", p("ca.crt"), "-purpose", "any", p("signer.pem"))
        elif not re.fullmatch(r"challenge-\d+", log["challenge"]):
            log["outcome"] = "badChallenge"
            return self.cert_rep(reply, status=b"2", info=b"2")
        cert = self.issued.get(reply["tid"])
        if cert is None:
            cert = self.sign_csr()
            self.issued[reply["tid"]] = cert
        log["outcome"] = "issued"
        if self.pending > 0:
            self.pending -= 1
            return self.cert_rep(reply, status=b"3")
        return self.cert_rep(reply, status=b"0", cert=cert)

    def sign_csr(self):
        p = self.pki.path
        ca = "otherca" if self.scep_break == "issuer" else "ca"
        with open(p("leaf.ext"), "w") as f:
            f.write("basicConstraints=critical,CA:FALSE\nextendedKeyUsage=clientAuth\n"
                    "keyUsage=critical,digitalSignature,keyEncipherment\n")
        return openssl("x509", "-req", "-sha256", "-inform", "DER", "-in", p("content.der"),
                       "-CA", p(ca + ".crt"), "-CAkey", p(ca + ".key"), "-days", "365",
                       "-set_serial", str(int.from_bytes(os.urandom(8), "big") >> 1),
                       "-extfile", p("leaf.ext"), "-outform", "DER")

    def envelope(self, cert):
        p = self.pki.path
        with open(p("issued.pem"), "wb") as f:
            f.write(openssl("x509", "-inform", "DER", data=cert))
        certs_only = openssl("crl2pkcs7", "-nocrl", "-certfile", p("issued.pem"), "-outform", "DER")
        return openssl("cms", "-encrypt", "-binary", "-aes128", "-outform", "DER",
                       p("signer.pem"), data=certs_only)

    def cert_rep(self, request, status, info=None, cert=None):
        broken = self.scep_break
        content = self.envelope(cert) if cert is not None else None
        tid = b"0000" if broken == "tid" else request["tid"]
        nonce = b"0" * 16 if broken == "nonce" else request["nonce"]
        attrs = [attribute("content", 6, oid(OID["data"])[2:]),
                 attribute("digest", 4, hashlib.sha256(content or b"").digest()),
                 attribute("type", 0x0C if broken == "string" else 0x13,
                           b"19" if broken == "type" else b"3"),
                 attribute("status", 0x13, status), attribute("tid", 0x13, tid),
                 attribute("recipient", 4, nonce), attribute("sender", 4, os.urandom(16))]
        if info is not None:
            attrs.append(attribute("info", 0x13, info))
        attrs.sort()
        signer = "otherca" if broken == "signer" else "ca"
        cert_der = openssl("x509", "-in", self.pki.path(signer + ".crt"), "-outform", "DER")
        signature = openssl("dgst", "-sha256", "-sign", self.pki.path(signer + ".key"),
                            data=der(0x31, *attrs))
        null = der(5)
        sha256 = der(0x30, oid(OID["sha256"]), null)
        signer_info = der(0x30, der(2, b"\x01"), issuer_and_serial(cert_der), sha256,
                          der(0xA0, *attrs), der(0x30, oid(OID["rsa"]), null), der(4, signature))
        inner = der(0x30, oid(OID["data"]), *([der(0xA0, der(4, content))] if content else []))
        signed = der(0x30, der(2, b"\x01"), der(0x31, sha256), inner, der(0xA0, cert_der),
                     der(0x31, signer_info))
        return der(0x30, oid(OID["signed"]), der(0xA0, signed))

    # --- messages

    def verify(self, header, body):
        """Digest of the signer's certificate; RuntimeError or ValueError when it is not good."""
        if not header or not re.fullmatch(r"[A-Za-z0-9+/]+={0,2}", header) or len(header) > 16384:
            raise ValueError("Mdm-Signature")
        with self.lock:
            p = self.pki.path
            with open(p("sig.der"), "wb") as f:
                f.write(base64.b64decode(header, validate=True))
            with open(p("body"), "wb") as f:
                f.write(body)
            normal = self.as_der(p("sig.der"))
            content = list(walk(next(walk(list(walk(next(walk(normal))[1]))[1][1]))[1]))[2][1]
            if len(list(walk(content))) != 1:
                raise ValueError("attached")
            openssl("cms", "-verify", "-binary", "-noverify", "-inform", "DER", "-in",
                    p("sig.der"), "-content", p("body"), "-signer", p("who.pem"), "-out",
                    os.devnull)
            with open(p("who.pem")) as f:
                pem = f.read().strip()
            who = hashlib.sha256(ssl.PEM_cert_to_DER_cert(pem)).hexdigest()
            if who not in self.known:
                openssl("verify", "-CAfile", p("ca.crt"), "-purpose", "any", p("who.pem"))
                self.known.add(who)
            return who

    def as_der(self, path):
        """The CMS message in a file, in DER also where it came in BER."""
        with open(path, "rb") as f:
            data = f.read()
        if data[1:2] != b"\x80":
            return data
        return openssl("cms", "-cmsout", "-inform", "DER", "-in", path, "-outform", "DER")

    def message(self, headers, body):
        """(status, type, body) for a PUT."""
        try:
            m = plistlib.loads(body)
            who = self.verify(headers.get("Mdm-Signature"), body)
        except Exception as e:  # whatever is wrong with it, it is the sender's fault
            return 400, "text/plain", str(e).encode()[:100]
        kind = m.get("MessageType") or m.get("Status")
        m["_who"] = who
        m["_type"] = headers.get("Content-Type")
        if self.answer:
            a = self.answer(kind, m)
            if a:
                return a
        with self.lock:
            udid = m["UDID"]
            if kind == "Authenticate":
                self.bound[udid] = who
            if self.bound.get(udid) != who:
                return 400, "text/plain", b"another certificate"
            if "MessageType" in m:
                self.seen.append(m)
                return self.checkin(kind, m)
            return self.connect(kind, m)

    def checkin(self, kind, m):
        if kind == "SetBootstrapToken":
            self.bootstrap[m["UDID"]] = m.get("BootstrapToken", b"")
        elif kind == "GetBootstrapToken":
            token = self.bootstrap.get(m["UDID"])
            if token:
                return 200, "application/xml", plistlib.dumps({"BootstrapToken": token})
        elif kind == "UserAuthenticate":
            return 200, "application/xml", plistlib.dumps({"DigestChallenge": ""})
        elif kind == "DeclarativeManagement":
            answer = self.declarations.get(m["Endpoint"])
            if answer is None:
                return 404, "text/plain", b""
            return 200, "application/json", answer
        return 200, "text/plain", b""

    def connect(self, kind, m):
        key = m["UDID"] + (":" + m["UserID"] if "UserID" in m else "")
        queue = self.commands.setdefault(key, [])
        if kind == "Idle":
            self.refused = set()
        else:
            self.results.setdefault(key, {}).setdefault(m["CommandUUID"], []).append(m)
            if kind == "NotNow":
                self.refused.add(m["CommandUUID"])
            else:
                queue[:] = [c for c in queue if c[0] != m["CommandUUID"]]
        for uid, command in queue:
            if uid not in self.refused:
                return 200, "application/xml; charset=UTF-8", plistlib.dumps(
                    {"CommandUUID": uid, "Command": command})
        return 200, "text/plain", b""

    # --- HTTP

    def start(self):
        server = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *args):
                pass

            def give(self, status, kind, body):
                if server.drop and server.drop():
                    self.close_connection = True
                    self.connection.close()
                    return
                self.send_response(status)
                if kind:
                    self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def body(self):
                return self.rfile.read(int(self.headers.get("Content-Length", 0)))

            def query(self):
                raw = urllib.parse.urlsplit(self.path).query
                return dict(q.split("=", 1) for q in raw.split("&") if "=" in q)

            def do_GET(self):
                q = self.query()
                path = urllib.parse.urlsplit(self.path).path
                if path == "/enroll":
                    return self.give(200, server.profile_type, server.profile())
                if q.get("operation") == "GetCACaps":
                    return self.give(200, "text/plain", server.caps.encode())
                if q.get("operation") == "GetCACert":
                    ca = openssl("x509", "-outform", "DER", "-in",
                                 server.pki.path(server.ca_offered + ".crt"))
                    return self.give(200, server.ca_type, ca)
                if q.get("operation") == "PKIOperation":
                    data = base64.b64decode(q["message"].replace("%3D", "="), validate=True)
                    return self.give(200, "application/x-pki-message", server.pki_operation(data))
                return self.give(404, "text/plain", b"")

            def do_POST(self):
                data = server.pki_operation(self.body())
                return self.give(200, "application/x-pki-message", data)

            def do_PUT(self):
                self.give(*server.message(self.headers, self.body()))

        ctx = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        ctx.load_cert_chain(self.pki.path(self.certificate + ".crt"),
                            self.pki.path(self.certificate + ".key"))

        class Listener(http.server.ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 128

            def handle_error(self, request, address):
                pass  # a broken connection is what some tests are about

            def finish_request(self, request, address):
                request.settimeout(30)
                with ctx.wrap_socket(request, server_side=True) as tls:
                    self.RequestHandlerClass(tls, address, self)

        self.httpd = Listener(("127.0.0.1", self.port), Handler)
        self.port = self.httpd.server_address[1]
        threading.Thread(target=self.httpd.serve_forever, args=(0.05,), daemon=True).start()

    def stop(self):
        self.httpd.shutdown()
        self.httpd.server_close()

    def enqueue(self, udid, **command):
        uid = str(uuid.uuid4())
        with self.lock:
            self.commands.setdefault(udid, []).append((uid, command))
        return uid

    def result(self, udid, uid):
        return self.results[udid][uid][-1]

    def declare(self):
        """One activation and one configuration."""
        def put(endpoint, doc):
            self.declarations[endpoint] = json.dumps(doc).encode()
        put("tokens", {"SyncTokens": {"Timestamp": "2026-10-01T12:00:00Z",
                                      "DeclarationsToken": "t1"}})
        put("declaration-items", {"Declarations": {
            "Activations": [{"Identifier": "org.example.act", "ServerToken": "a1"}],
            "Configurations": [{"Identifier": "org.example.test", "ServerToken": "c1"}],
            "Assets": [], "Management": []}, "DeclarationsToken": "t1"})
        put("declaration/activation/org.example.act",
            {"Type": "com.apple.activation.simple", "Identifier": "org.example.act",
             "ServerToken": "a1", "Payload": {"StandardConfigurations": ["org.example.test"]}})
        put("declaration/configuration/org.example.test",
            {"Type": "com.apple.configuration.management.test", "Identifier": "org.example.test",
             "ServerToken": "c1", "Payload": {"Echo": "hello"}})
        self.declarations["status"] = b""
