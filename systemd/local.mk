# Units carry the installed paths; the rest goes as it is.
systemdsystemunit_DATA = systemd/cordond.service
dist_systemdsystemunit_DATA = systemd/cordond.socket systemd/cordond-control.socket systemd/cordond-gate.socket \
	systemd/cordond-metrics.socket
catalog_DATA = systemd/cordon.catalog
sysusersdir = $(prefix)/lib/sysusers.d
tmpfilesdir = $(prefix)/lib/tmpfiles.d

systemd/cordond.service: $(srcdir)/systemd/cordond.service.in Makefile
	$(AM_V_GEN)$(MKDIR_P) systemd && $(SED) -e 's,[@]sbindir[@],$(sbindir),g' $(srcdir)/systemd/cordond.service.in >$@
CLEANFILES += systemd/cordond.service

install-data-local:
	$(MKDIR_P) $(DESTDIR)$(sysusersdir) $(DESTDIR)$(tmpfilesdir)
	$(INSTALL_DATA) $(srcdir)/systemd/cordon.sysusers $(DESTDIR)$(sysusersdir)/cordon.conf
	$(INSTALL_DATA) $(srcdir)/systemd/cordon.tmpfiles $(DESTDIR)$(tmpfilesdir)/cordon.conf
uninstall-local:
	rm -f $(DESTDIR)$(sysusersdir)/cordon.conf $(DESTDIR)$(tmpfilesdir)/cordon.conf

EXTRA_DIST += systemd/cordond.service.in systemd/cordon.catalog systemd/cordon.sysusers systemd/cordon.tmpfiles

nodist_systemdsystemunit_DATA = systemd/cordon-tls-renew.service systemd/cordon-tls-renew.timer
systemd/cordon-tls-renew.service: $(srcdir)/systemd/cordon-tls-renew.service.in Makefile
	$(AM_V_GEN)$(MKDIR_P) systemd && $(SED) -e 's,[@]bindir[@],$(bindir),g' $(srcdir)/systemd/cordon-tls-renew.service.in >$@
CLEANFILES += systemd/cordon-tls-renew.service
EXTRA_DIST += systemd/cordon-tls-renew.service.in systemd/cordon-tls-renew.timer
