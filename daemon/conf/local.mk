noinst_LIBRARIES += daemon/conf/libconf.a
daemon_conf_libconf_a_SOURCES = \
	daemon/conf/conf.c \
	daemon/conf/conf.h
