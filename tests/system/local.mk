# tests/system
TESTS += tests/system/layers.sh tests/system/catalog.sh
EXTRA_DIST += tests/system/layers.sh tests/system/catalog.sh tests/apple.sh
TESTS += tests/system/tools.py
EXTRA_DIST += tests/system/tools.py
