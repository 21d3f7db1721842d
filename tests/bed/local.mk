# What is installed and run as administrators run it: nginx, a real systemd, the package.
TESTS += tests/system/examples.sh
if SYSTEM_TESTS
TESTS += tests/system/gate.py
endif
EXTRA_DIST += tests/system/examples.sh tests/system/gate.py
