EXTRA_DIST += tools/quickstart tools/packages.sh

bin_PROGRAMS += cordonctl
cordonctl_SOURCES = \
	tools/cordonctl.c \
	tools/ctl/accept.c \
	tools/ctl/backup.c \
	tools/ctl/bulk.c \
	tools/ctl/bulk.h \
	tools/ctl/check.c \
	tools/ctl/check.h \
	tools/ctl/check_host.c \
	tools/ctl/check_network.c \
	tools/ctl/client.c \
	tools/ctl/client.h \
	tools/ctl/commands.c \
	tools/ctl/commands.h \
	tools/ctl/import.c \
	tools/ctl/import.h \
	tools/ctl/import_find.c \
	tools/ctl/leave.c \
	tools/ctl/send.c \
	tools/ctl/send.h \
	tools/ctl/send_help.c \
	tools/ctl/send_table.c \
	tools/ctl/devices.c \
	tools/ctl/firewall.c \
	tools/ctl/links.c \
	tools/ctl/lock.c \
	tools/ctl/many.c \
	tools/ctl/many.h \
	tools/ctl/page.c \
	tools/ctl/page.h \
	tools/ctl/qr.c \
	tools/ctl/qr.h \
	tools/ctl/silence.c \
	tools/ctl/silence.h \
	tools/ctl/probe.c \
	tools/ctl/probe.h \
	tools/ctl/status.c \
	tools/ctl/watch.c \
	tools/ctl/table.c \
	tools/ctl/table.h \
	tools/ctl/verbs.h \
	tools/ctl/wrap.c \
	tools/ctl/wrap.h
cordonctl_LDADD = $(LIBS_OF_TOOLS) $(QRENCODE_LIBS) $(JANSSON_LIBS) $(LIBCURL_LIBS) $(SYSTEM_LIBS_OF_TOOLS)

SOURCES_OF_PKI_TOOLS = \
	tools/ask.c \
	tools/ask.h \
	tools/consent.c \
	tools/consent.h \
	tools/ctl/table.c \
	tools/ctl/table.h \
	tools/fields.c \
	tools/fields.h \
	tools/fleet.c \
	tools/fleet.h \
	tools/show.c \
	tools/show.h \
	tools/site.c \
	tools/site.h \
	tools/tool.c \
	tools/tool.h

bin_PROGRAMS += cordon-ssc cordon-csr
cordon_ssc_SOURCES = \
	tools/cordon-ssc.c \
	tools/cordon-ssc.h \
	tools/cordon-ssc-delete.c \
	tools/cordon-ssc-new.c \
	tools/cordon-ssc-show.c \
	tools/cordon-ssc-tls.c \
	$(SOURCES_OF_PKI_TOOLS)
cordon_ssc_LDADD = $(LIBS_OF_TOOLS) $(JANSSON_LIBS) $(SYSTEM_LIBS_OF_TOOLS)
cordon_csr_SOURCES = \
	tools/cordon-csr.c \
	tools/cordon-csr.h \
	tools/cordon-csr-decrypt.c \
	tools/cordon-csr-delete.c \
	tools/cordon-csr-import.c \
	tools/cordon-csr-mdmcert.c \
	tools/cordon-csr-new.c \
	tools/cordon-csr-show.c \
	tools/cordon-csr-sign.c \
	tools/cordon-csr-signed.c \
	tools/cordon-csr-situation.c \
	tools/cordon-csr-vendor.c \
	tools/cordon-csr-words.c \
	$(SOURCES_OF_PKI_TOOLS)
cordon_csr_LDADD = $(LIBS_OF_TOOLS) $(JANSSON_LIBS) $(LIBCURL_LIBS) $(SYSTEM_LIBS_OF_TOOLS)
dist_man_MANS += tools/cordon-csr.1 tools/cordon-ssc.1
