# unit tests of daemon/pki
PKI_HELP = tests/unit/pki_help.c tests/unit/pki_help.h
PKI_TEST_LIBS = daemon/pki/libpki.a daemon/base/libbase.a $(CMOCKA_LIBS) $(SYSTEM_LIBS)

check_PROGRAMS += tests/unit/test_key
tests_unit_test_key_SOURCES = tests/unit/test_key.c $(PKI_HELP)
tests_unit_test_key_LDADD = $(PKI_TEST_LIBS)
TESTS += tests/unit/test_key

check_PROGRAMS += tests/unit/test_cert
tests_unit_test_cert_SOURCES = tests/unit/test_cert.c $(PKI_HELP)
tests_unit_test_cert_LDADD = $(PKI_TEST_LIBS)
TESTS += tests/unit/test_cert

check_PROGRAMS += tests/unit/test_csr
tests_unit_test_csr_SOURCES = tests/unit/test_csr.c $(PKI_HELP)
tests_unit_test_csr_LDADD = $(PKI_TEST_LIBS)
TESTS += tests/unit/test_csr

check_PROGRAMS += tests/unit/test_ca
tests_unit_test_ca_SOURCES = tests/unit/test_ca.c $(PKI_HELP)
tests_unit_test_ca_LDADD = $(PKI_TEST_LIBS)
TESTS += tests/unit/test_ca

check_PROGRAMS += tests/unit/test_cms
tests_unit_test_cms_SOURCES = tests/unit/test_cms.c $(PKI_HELP)
tests_unit_test_cms_LDADD = $(PKI_TEST_LIBS)
TESTS += tests/unit/test_cms

check_PROGRAMS += tests/unit/test_cmsfast
tests_unit_test_cmsfast_SOURCES = tests/unit/test_cmsfast.c $(PKI_HELP)
tests_unit_test_cmsfast_LDADD = $(PKI_TEST_LIBS)
TESTS += tests/unit/test_cmsfast

check_PROGRAMS += tests/unit/test_scep
tests_unit_test_scep_SOURCES = tests/unit/test_scep.c $(PKI_HELP)
tests_unit_test_scep_LDADD = $(PKI_TEST_LIBS)
TESTS += tests/unit/test_scep

check_PROGRAMS += tests/unit/test_certdir
tests_unit_test_certdir_SOURCES = tests/unit/test_certdir.c
tests_unit_test_certdir_LDADD = daemon/pki/libpki.a daemon/base/libbase.a $(CMOCKA_LIBS) $(SYSTEM_LIBS)
TESTS += tests/unit/test_certdir

check_PROGRAMS += tests/unit/test_tlscheck
tests_unit_test_tlscheck_SOURCES = tests/unit/test_tlscheck.c $(PKI_HELP)
tests_unit_test_tlscheck_LDADD = $(PKI_TEST_LIBS)
TESTS += tests/unit/test_tlscheck
