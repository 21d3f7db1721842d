# unit tests of daemon/net
