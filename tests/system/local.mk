# tests/system
TESTS += tests/system/layers.sh
EXTRA_DIST += tests/system/layers.sh tests/apple.sh
