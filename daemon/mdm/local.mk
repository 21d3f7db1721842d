noinst_LIBRARIES += daemon/mdm/libmdm.a
daemon_mdm_libmdm_a_SOURCES = \
	daemon/mdm/mdm.h
