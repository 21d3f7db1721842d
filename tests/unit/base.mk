# unit tests of daemon/base
