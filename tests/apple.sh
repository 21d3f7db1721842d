#!/usr/bin/env bash
# apple.sh - a throw-away "Apple": signs push certificates and the certificate of the fake APNs
#
#   apple.sh init DIR                      make the authority (DIR/ca.pem) and a server certificate for localhost
#   apple.sh sign DIR CSR OUT [TOPIC [DAYS]]   a push certificate for CSR, as Apple's portal gives it
set -eu -o pipefail

quiet() { # runs openssl and shows what it said only when it fails
	local out
	out=$(openssl "$@" 2>&1) || { printf 'openssl %s\n%s\n' "$1" "$out" >&2; return 1; }
}

init() {
	local dir=$1
	mkdir -p "$dir"
	quiet req -x509 -newkey rsa:2048 -nodes -keyout "$dir/ca.key" -out "$dir/ca.pem" -days 3650 \
		-subj "/O=Throw-away Apple/CN=Throw-away Apple Application Integration CA"
	quiet req -newkey rsa:2048 -nodes -keyout "$dir/apns.key" -out "$dir/apns.csr" -subj "/CN=localhost"
	quiet x509 -req -in "$dir/apns.csr" -CA "$dir/ca.pem" -CAkey "$dir/ca.key" -CAcreateserial -days 365 -sha256 \
		-extfile <(echo "subjectAltName=DNS:localhost,IP:127.0.0.1,IP:::1") -out "$dir/apns.pem"
}

sign() {
	local dir=$1 csr=$2 out=$3 topic=${4:-} days=${5:-365} id
	id=$(openssl rand -hex 16 | sed -E 's/(.{8})(.{4})(.{4})(.{4})(.{12})/\1-\2-\3-\4-\5/')
	topic=${topic:-com.apple.mgmt.External.$id}
	openssl req -in "$csr" -noout -pubkey >"$dir/pub.pem"
	quiet x509 -new -force_pubkey "$dir/pub.pem" -subj "/UID=$topic/CN=APSP:${topic##*.}/C=US" \
		-CA "$dir/ca.pem" -CAkey "$dir/ca.key" -days "$days" -sha256 -set_serial "0x$(openssl rand -hex 8)" \
		-extfile <(printf 'basicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature\nextendedKeyUsage=clientAuth\n') \
		-out "$out.part"
	mv "$out.part" "$out"
}

case ${1:-} in
init) init "$2" ;;
sign) shift; sign "$@" ;;
*) sed -n '2,6s/^# \{0,1\}//p' "$0" >&2; exit 64 ;;
esac
