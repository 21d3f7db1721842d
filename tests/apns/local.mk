# tests/apns
