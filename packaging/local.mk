# make deb: a Debian package from the tarball of "make dist", so that what is packaged is what is released
DEB_BUILD_FLAGS = -us -uc -b

deb: dist
	rm -rf packaging/deb cordon_*.deb && $(MKDIR_P) packaging/deb
	tar -xJf $(distdir).tar.xz -C packaging/deb
	mv $(distdir).tar.xz packaging/deb/cordon_$(VERSION).orig.tar.xz
	cp -R packaging/deb/$(distdir)/packaging/debian packaging/deb/$(distdir)/debian
	cd packaging/deb/$(distdir) && dpkg-buildpackage $(DEB_BUILD_FLAGS)
	mv packaging/deb/cordon_*.deb .
	@ls -l cordon_*.deb

# make rpm: the same for Fedora and its kin.  Where rpm knows nothing of what is installed (Debian): RPM_FLAGS=--nodeps
RPM_FLAGS =

rpm: dist
	rm -rf packaging/rpm cordon-*.rpm && $(MKDIR_P) packaging/rpm/SOURCES packaging/rpm/SPECS
	mv $(distdir).tar.xz packaging/rpm/SOURCES/
	$(SED) 's,[@]VERSION[@],$(VERSION),g' $(srcdir)/packaging/cordon.spec.in >packaging/rpm/SPECS/cordon.spec
	rpmbuild -bb --define "_topdir $(abs_builddir)/packaging/rpm" $(RPM_FLAGS) packaging/rpm/SPECS/cordon.spec
	mv packaging/rpm/RPMS/*/cordon-$(VERSION)-*.rpm .
	@ls -l cordon-*.rpm

.PHONY: deb rpm
clean-local:
	rm -rf packaging/deb cordon_*.deb packaging/rpm cordon-*.rpm

EXTRA_DIST += packaging/cordon.spec.in \
	packaging/debian/changelog \
	packaging/debian/control \
	packaging/debian/copyright \
	packaging/debian/cordon.examples \
	packaging/debian/cordon.docs \
	packaging/debian/cordon.install \
	packaging/debian/cordon.lintian-overrides \
	packaging/debian/cordon.postrm \
	packaging/debian/cordond.conf \
	packaging/debian/rules \
	packaging/debian/source/format
