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

.PHONY: deb
clean-local:
	rm -rf packaging/deb cordon_*.deb

EXTRA_DIST += \
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
