noinst_LIBRARIES += daemon/pki/libpki.a
daemon_pki_libpki_a_SOURCES = \
	daemon/pki/ca.c \
	daemon/pki/ca.h \
	daemon/pki/cert.c \
	daemon/pki/cert.h \
	daemon/pki/certdir.c \
	daemon/pki/certdir.h \
	daemon/pki/certfile.c \
	daemon/pki/certfile.h \
	daemon/pki/certpair.c \
	daemon/pki/certpair.h \
	daemon/pki/certpush.c \
	daemon/pki/certrole.c \
	daemon/pki/certrole.h \
	daemon/pki/certscan.c \
	daemon/pki/certscan.h \
	daemon/pki/cms.c \
	daemon/pki/cms.h \
	daemon/pki/cmsfast.c \
	daemon/pki/cmsfast.h \
	daemon/pki/coding.c \
	daemon/pki/coding.h \
	daemon/pki/crl.c \
	daemon/pki/crl.h \
	daemon/pki/csr.c \
	daemon/pki/csr.h \
	daemon/pki/key.c \
	daemon/pki/key.h \
	daemon/pki/scep.c \
	daemon/pki/scep.h \
	daemon/pki/tlscheck.c \
	daemon/pki/tlscheck.h
