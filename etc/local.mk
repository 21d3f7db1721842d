EXTRA_DIST +=
# the commented sample of the configuration; packages put it where they keep theirs
sampledir = $(docdir)
dist_sample_DATA = etc/cordond.conf
