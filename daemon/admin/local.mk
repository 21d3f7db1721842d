noinst_LIBRARIES += daemon/admin/libadmin.a
daemon_admin_libadmin_a_SOURCES =
