# tests/system
TESTS += tests/system/layers.sh tests/system/catalog.sh
EXTRA_DIST += tests/system/layers.sh tests/system/catalog.sh tests/apple.sh
TESTS += tests/system/tools.py
EXTRA_DIST += tests/system/tools.py
TESTS += tests/system/scep-foreign.py tests/system/http-smuggling.py
EXTRA_DIST += tests/system/bed.py tests/system/scep-foreign.py tests/system/http-smuggling.py
