# Lower folders stand behind those that use them.
LIBS_OF_TOOLS = daemon/conf/libconf.a daemon/pki/libpki.a daemon/base/libbase.a
LIBS_OF_DAEMON = daemon/libdaemon.a daemon/admin/libadmin.a daemon/mdm/libmdm.a daemon/net/libnet.a \
	daemon/store/libstore.a daemon/policy/libpolicy.a $(LIBS_OF_TOOLS)
SYSTEM_LIBS_OF_TOOLS = $(LIBCONFIG_LIBS) $(LIBPLIST_LIBS) $(OPENSSL_LIBS)
SYSTEM_LIBS = $(LIBEVENT_LIBS) $(NGHTTP2_LIBS) $(JANSSON_LIBS) $(LIBCURL_LIBS) $(LIBSYSTEMD_LIBS) \
	$(GDBM_LIBS) $(ZLIB_LIBS) $(SYSTEM_LIBS_OF_TOOLS) -lpthread

noinst_LIBRARIES += daemon/libdaemon.a
daemon_libdaemon_a_SOURCES = \
	daemon/check.c \
	daemon/check.h \
	daemon/daemon.c \
	daemon/daemon.h \
	daemon/graph.h \
	daemon/guard.c \
	daemon/guard.h \
	daemon/reload.c \
	daemon/restore.c \
	daemon/restore.h \
	daemon/routes.c \
	daemon/start.c \
	daemon/storekey.c \
	daemon/storekey.h

sbin_PROGRAMS += cordond
cordond_SOURCES = daemon/main.c
cordond_LDADD = $(LIBS_OF_DAEMON) $(SYSTEM_LIBS)
EXTRA_DIST += daemon/LAYERS
