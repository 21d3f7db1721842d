# What is installed and run as administrators run it: nginx, a real systemd, the package.
TESTS += tests/system/examples.sh
if SYSTEM_TESTS
TESTS += tests/system/gate.py
endif
EXTRA_DIST += tests/system/examples.sh tests/system/gate.py
EXTRA_DIST += tests/bed/appliance.sh tests/bed/ansible.sh tests/bed/inside.sh tests/bed/machine.sh tests/bed/bed.sh

# The package and the role on a machine of their own: minutes, as root, with systemd-nspawn.
check-bed: all
	$(MAKE) $(AM_MAKEFLAGS) check TESTS=
	$(MAKE) $(AM_MAKEFLAGS) check TESTS="tests/bed/appliance.sh tests/bed/ansible.sh"
.PHONY: check-bed
