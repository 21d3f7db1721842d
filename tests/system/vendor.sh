#!/usr/bin/env bash
# vendor.sh - the signed request for Apple's portal, taken apart and verified with openssl alone
set -u -o pipefail

bin=${CORDON_BUILD:-.}
top=$(mktemp -d)
trap 'rm -rf "$top"' EXIT
# shellcheck source=tests/tap.sh
. "${CORDON_SOURCE:-.}/tests/tap.sh"
has() { grep -qF -- "$1" "$2" || { echo "wanted: $1"; cat "$2"; return 1; }; }
quiet() { openssl "$@" >>"$top/openssl.log" 2>&1; }

# A vendor's chain as Apple's: root, intermediate, vendor.
authority() { # authority DIR [DAYS]
	local d=$1 days=${2:-365}
	mkdir -p "$d"
	quiet req -x509 -newkey rsa:2048 -nodes -keyout "$d/root.key" -out "$d/root.pem" -days 3650 -subj "/CN=Test Root CA"
	quiet req -newkey rsa:2048 -nodes -keyout "$d/mid.key" -out "$d/mid.csr" -subj "/CN=Test WWDR G3"
	quiet x509 -req -in "$d/mid.csr" -CA "$d/root.pem" -CAkey "$d/root.key" -CAcreateserial -days 3000 -sha256 \
		-extfile <(printf 'basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign,cRLSign\n') -out "$d/mid.pem"
	quiet req -newkey rsa:2048 -nodes -keyout "$d/vendor.key" -out "$d/vendor.csr" -subj "/CN=MDM Vendor: Example"
	quiet x509 -req -in "$d/vendor.csr" -CA "$d/mid.pem" -CAkey "$d/mid.key" -CAcreateserial -days "$days" -sha256 \
		-extfile <(echo 'basicConstraints=critical,CA:FALSE') -out "$d/vendor.pem"
}
install_vendor() { # install_vendor CERTS PEM...: the chain in the order given
	local certs=$1
	shift
	cat "$@" >"$certs/vendor.crt"
	install -m 600 "$top/apple/vendor.key" "$certs/vendor.key"
}
fresh() { mkdir -m 750 "$top/$1"; }

# The string of one key of a property list, entities and all.
value() { # value KEY FILE
	tr '\n' '\001' <"$2" | sed -n "s|.*<key>$1</key>[[:space:]\x01]*<string>\([^<]*\)</string>.*|\1|p" | tr '\001' '\n'
}
take_apart() { # take_apart SIGNED OUT: what the portal sees, in files
	mkdir -p "$2"
	openssl base64 -d -A -in "$1" -out "$2/plist" || return
	value PushCertRequestCSR "$2/plist" >"$2/csr.b64"
	value PushCertSignature "$2/plist" >"$2/sig.b64"
	value PushCertCertificateChain "$2/plist" >"$2/chain.pem"
	openssl base64 -d -A -in "$2/csr.b64" -out "$2/csr.der" && openssl base64 -d -A -in "$2/sig.b64" -out "$2/sig"
	awk -v dir="$2" '/BEGIN CERTIFICATE/ { n++ } { print >(dir "/chain" n ".pem") }' "$2/chain.pem"
}
signature_verifies() { # signature_verifies DIR
	openssl x509 -in "$1/chain1.pem" -noout -pubkey >"$1/pub.pem" &&
		openssl dgst -sha256 -verify "$1/pub.pem" -signature "$1/sig" "$1/csr.der"
}
same_csr() { # same_csr DIR PEM
	cmp <(openssl req -in "$2" -outform DER) "$1/csr.der"
}
chain_is() { # chain_is DIR NAME...: subjects in order, and nothing more
	local d=$1 n=0 name
	shift
	for name in "$@"; do
		n=$((n + 1))
		openssl x509 -in "$d/chain$n.pem" -noout -subject | grep -qF "$name" || return
	done
	[ ! -e "$d/chain$((n + 1)).pem" ]
}
lines_of_64() { # every PEM line but the last of a block has 64 characters
	awk '/^-----BEGIN/ { full = 1; next } /^-----END/ { next } NF == 0 { next }
		length($0) > 64 || !full { bad = 1 } { full = length($0) == 64 } END { exit bad }' "$1"
}
one_line() { [ "$(wc -l <"$1")" -le 1 ] && ! tr -d '\n' <"$1" | grep -q '[[:space:]]'; }
strings_only() { [ "$(grep -c '<key>' "$1")" = 3 ] && [ "$(grep -c '<string>' "$1")" = 3 ] && ! grep -qE '<(data|integer|array)>' "$1"; }
refuses() { # refuses STATUS WORDS COMMAND...
	local wanted=$1 words=$2 status
	shift 2
	"$@" >"$top/out" 2>&1
	status=$?
	[ "$status" = "$wanted" ] || { echo "exit $status"; cat "$top/out"; return 1; }
	has "$words" "$top/out"
}

authority "$top/apple"

# --- new and renew sign at once

fresh own
install_vendor "$top/own" "$top/apple/root.pem" "$top/apple/vendor.pem" "$top/apple/mid.pem"
ok "cordon-csr new where a vendor certificate is" "$bin/cordon-csr" new --certs "$top/own" --common-name Push
ok "signedCSR decodes" take_apart "$top/own/signedCSR" "$top/parts"
ok "the signature is that of the vendor over the DER of the CSR" signature_verifies "$top/parts"
ok "the CSR is the one that was made" same_csr "$top/parts" "$(ls "$top"/own/push-*.csr)"
ok "chain: vendor, intermediate, root, though the file had another order" chain_is "$top/parts" "MDM Vendor: Example" "Test WWDR G3" "Test Root CA"
ok "openssl verifies the chain" openssl verify -CAfile "$top/apple/root.pem" -untrusted "$top/parts/chain2.pem" "$top/parts/chain1.pem"
ok "PEM lines of 64 characters" lines_of_64 "$top/parts/chain.pem"
ok "the CSR is one line of base64" one_line "$top/parts/csr.b64"
ok "the file is one line of base64" one_line "$top/own/signedCSR"
ok "an XML property list" grep -q '^<!DOCTYPE plist' "$top/parts/plist"
ok "of three strings" strings_only "$top/parts/plist"

bash "${CORDON_SOURCE:-.}/tests/apple.sh" init "$top/portal"
bash "${CORDON_SOURCE:-.}/tests/apple.sh" sign "$top/portal" "$(ls "$top"/own/push-*.csr)" "$top/own/MDM_Example_Certificate.pem"
"$bin/cordon-csr" renew --certs "$top/own" >"$top/renew" 2>&1
renewed=$(ls -t "$top"/own/push-*.csr | head -n 1)
ok "renew signs too" take_apart "$top/own/signedCSR" "$top/parts2"
ok "over the new CSR" signature_verifies "$top/parts2"
ok "which is another one" bash -c "! cmp -s '$top/parts/csr.der' '$top/parts2/csr.der'"
ok "the one that renew wrote" grep -qF "$(basename "$renewed")" "$top/renew"
for words in "https://identity.apple.com/pushcert" "use Renew on the row with this topic; never Create, never Revoke" \
	"$(openssl x509 -in "$top/own/MDM_Example_Certificate.pem" -noout -serial | cut -d= -f2)" "one server"; do
	ok "it says: $words" has "$words" "$top/renew"
done

# --- a CSR from another machine

openssl req -newkey rsa:2048 -nodes -keyout "$top/foreign.key" -out "$top/foreign.csr" -subj "/C=CH/CN=Elsewhere" 2>/dev/null
before=$(cksum "$top/own/signedCSR")
ok "cordon-csr sign FILE" "$bin/cordon-csr" sign "$top/foreign.csr" --certs "$top/own"
ok "it writes beside the CSR" take_apart "$top/foreign.signedCSR" "$top/parts3"
ok "the signature verifies" signature_verifies "$top/parts3"
ok "over that CSR" same_csr "$top/parts3" "$top/foreign.csr"
ok "the own signedCSR is as it was" test "$before" = "$(cksum "$top/own/signedCSR")"
openssl req -in "$top/foreign.csr" -outform DER -out "$top/foreign.der"
"$bin/cordon-csr" sign "$top/foreign.der" --output - --certs "$top/own" >"$top/stdout" 2>"$top/err"
ok "DER in, standard output out" take_apart "$top/stdout" "$top/parts4"
ok "which verifies" signature_verifies "$top/parts4"
ok "and is the same CSR" same_csr "$top/parts4" "$top/foreign.csr"

# --- what no portal would take

quiet req -newkey rsa:1024 -nodes -keyout "$top/short.key" -out "$top/short.csr" -subj "/CN=Short"
ok "RSA 1024 is refused" refuses 65 "2048" "$bin/cordon-csr" sign "$top/short.csr" --certs "$top/own"
quiet req -newkey rsa:2048 -sha1 -nodes -keyout "$top/sha1.key" -out "$top/sha1.csr" -subj "/CN=SHA-1"
ok "a CSR signed with SHA-1 is refused" refuses 65 "SHA-1" "$bin/cordon-csr" sign "$top/sha1.csr" --certs "$top/own"
quiet ecparam -name prime256v1 -genkey -noout -out "$top/ec.key"
quiet req -new -key "$top/ec.key" -out "$top/ec.csr" -subj "/CN=EC"
ok "an EC key is refused" refuses 65 "RSA" "$bin/cordon-csr" sign "$top/ec.csr" --certs "$top/own"
cp "$top/foreign.der" "$top/bent.der"
printf '\x55' | dd of="$top/bent.der" bs=1 seek=$(($(stat -c %s "$top/bent.der") - 5)) conv=notrunc status=none
ok "a CSR that was changed is refused" refuses 65 "signature is wrong" "$bin/cordon-csr" sign "$top/bent.der" --certs "$top/own"
ok "a certificate is no CSR" refuses 65 "is no CSR" "$bin/cordon-csr" sign "$top/apple/root.pem" --certs "$top/own"
ok "nothing was written for them" bash -c "! ls $top/short.signedCSR $top/sha1.signedCSR $top/ec.signedCSR $top/bent.der.signedCSR 2>/dev/null"

# --- vendor certificates that are of no use

fresh bad
"$bin/cordon-csr" new --certs "$top/bad" --common-name Push >"$top/new" 2>&1
ok "without a vendor certificate: not ready for the portal" has "not ready for Apple's portal" "$top/new"
ok "and no signedCSR" test ! -e "$top/bad/signedCSR"
ok "sign says that the portal will not take it" refuses 66 "Apple's portal will not take it" "$bin/cordon-csr" sign --certs "$top/bad"
ok "and the three ways" has "mdmcert.download" "$top/out"

install_vendor "$top/bad" "$top/apple/vendor.pem"
ok "a chain that is not complete names what is missing" refuses 65 'CN=Test WWDR G3' "$bin/cordon-csr" sign --certs "$top/bad"
install_vendor "$top/bad" "$top/apple/vendor.pem" "$top/apple/mid.pem" "$top/apple/root.pem"
chmod 644 "$top/bad/vendor.key"
ok "a key that all may read is refused" refuses 77 "chmod 600" "$bin/cordon-csr" sign --certs "$top/bad"
chmod 600 "$top/bad/vendor.key"
openssl pkey -in "$top/apple/vendor.key" -aes256 -passout pass:secret -out "$top/bad/vendor.key" 2>/dev/null
ok "an encrypted key is named with the remedy" refuses 65 "openssl pkey" "$bin/cordon-csr" sign --certs "$top/bad" </dev/null
install -m 600 "$top/foreign.key" "$top/bad/vendor.key"
ok "a key of another certificate" refuses 65 "does not belong" "$bin/cordon-csr" sign --certs "$top/bad"
authority "$top/old" 0
sleep 1.5
cat "$top/old/vendor.pem" "$top/old/mid.pem" "$top/old/root.pem" >"$top/bad/vendor.crt"
install -m 600 "$top/old/vendor.key" "$top/bad/vendor.key"
ok "an expired one" refuses 65 "expired on" "$bin/cordon-csr" sign --certs "$top/bad"
ok "none of it left a signedCSR" test ! -e "$top/bad/signedCSR"
"$bin/cordon-csr" new --again --certs "$top/bad" --common-name Push >"$top/new" 2>&1
ok "new makes the CSR all the same" has "not ready for Apple's portal" "$top/new"
ok "and says why it is not signed" has "expired on" "$top/new"

install_vendor "$top/bad" "$top/apple/vendor.pem" "$top/apple/mid.pem" "$top/apple/root.pem"
ok "once mended, sign adds the signature" "$bin/cordon-csr" sign --certs "$top/bad"
ok "to the CSR that waits" take_apart "$top/bad/signedCSR" "$top/parts5"
ok "which verifies" signature_verifies "$top/parts5"
"$bin/cordon-csr" --certs "$top/bad" >"$top/bare" 2>&1
ok "the next step is the portal then" has "Next: Apple's portal" "$top/bare"

tap_end
