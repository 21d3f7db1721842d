# What is installed and run as administrators run it: nginx, a real systemd, the package.
TESTS += tests/system/examples.sh
if SYSTEM_TESTS
TESTS += tests/system/gate.py
# On machines of their own, as root where systemd-nspawn is; elsewhere they say that they were left out.
TESTS += tests/bed/appliance.sh tests/bed/rpm.sh
endif
EXTRA_DIST += tests/system/examples.sh tests/system/gate.py
EXTRA_DIST += tests/bed/appliance.sh tests/bed/ansible.sh tests/bed/inside.sh tests/bed/machine.sh tests/bed/bed.sh \
	tests/bed/pristine.sh tests/bed/rpm.sh

# The package and the role on a machine of their own: minutes, as root, with systemd-nspawn.
check-bed: all
	$(MAKE) $(AM_MAKEFLAGS) check TESTS=
	$(MAKE) $(AM_MAKEFLAGS) check TESTS="tests/bed/appliance.sh tests/bed/ansible.sh"

# From a Debian with nothing on it to an enrolled device: a quarter of an hour, and a mirror.
check-pristine: all
	$(MAKE) $(AM_MAKEFLAGS) check TESTS=
	CORDON_BUILD='$(abs_top_builddir)' CORDON_SOURCE='$(abs_top_srcdir)' bash $(top_srcdir)/tests/bed/pristine.sh
.PHONY: check-bed check-pristine
