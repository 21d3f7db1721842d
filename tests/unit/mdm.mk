# unit tests of daemon/mdm
