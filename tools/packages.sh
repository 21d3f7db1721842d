# packages.sh - sourced: the Debian packages that building, playing and testing need, and their installation
# shellcheck shell=bash disable=SC2034 # the names are for those who source it

packages_build=(build-essential autoconf automake pkg-config libssl-dev libconfig-dev libplist-dev
	libgdbm-dev libsystemd-dev libevent-dev libnghttp2-dev libjansson-dev
	libcurl4-openssl-dev zlib1g-dev libqrencode-dev)
packages_play=(openssl curl ca-certificates libcmocka-dev)
packages_test=(clang clang-format python3 python3-yaml libplist-utils nghttp2-server nghttp2-client certmonger dbus-daemon
	libjson-validator-perl strongswan-pki libstrongswan-extra-plugins libxml2-utils mandoc xz-utils nginx-light
	shellcheck debhelper lintian rpm systemd-container dbus e2fsprogs ansible-core prometheus)

# Installs what is missing of the packages named, as root or with sudo, and says so.
packages_need() {
	local missing=() p sudo=()
	for p in "$@"; do
		[ "$(dpkg-query -W -f '${db:Status-Status}' "$p" 2>/dev/null)" = installed ] || missing+=("$p")
	done
	[ ${#missing[@]} -eq 0 ] && return 0
	if [ "$(id -u)" -ne 0 ]; then
		command -v sudo >/dev/null || {
			echo "These Debian packages are missing: ${missing[*]}. Run this as root, or install sudo." >&2
			return 1
		}
		sudo=(sudo)
	fi
	echo "Installing from Debian: ${missing[*]}"
	"${sudo[@]}" apt-get update -qq || true
	DEBIAN_FRONTEND=noninteractive "${sudo[@]}" apt-get install -y -qq --no-install-recommends \
		"${missing[@]}" >/dev/null || {
		echo "apt-get could not install: ${missing[*]}" >&2
		return 1
	}
}
