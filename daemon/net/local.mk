noinst_LIBRARIES += daemon/net/libnet.a
daemon_net_libnet_a_SOURCES = \
	daemon/net/apns.c \
	daemon/net/apns.h \
	daemon/net/http.c \
	daemon/net/http.h \
	daemon/net/http_parse.c \
	daemon/net/http_parse.h \
	daemon/net/listen.c \
	daemon/net/listen.h \
	daemon/net/loop.c \
	daemon/net/loop.h \
	daemon/net/tls.c \
	daemon/net/tls.h \
	daemon/net/watch.c \
	daemon/net/watch.h \
	daemon/net/worker.c \
	daemon/net/worker.h
