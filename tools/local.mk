EXTRA_DIST += tools/quickstart
