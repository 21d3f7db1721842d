/* outcome.h - how a step of the fake device ended; also the exit codes of the program */
#ifndef FAKE_OUTCOME_H
#define FAKE_OUTCOME_H

enum outcome {
	OUTCOME_OK = 0,
	OUTCOME_LOCAL = 1,	   /* our own files, keys or arguments */
	OUTCOME_UNREACHABLE = 10,  /* no connection, or it broke, for as long as patience lasts */
	OUTCOME_TLS = 11,	   /* the server's certificate is not one that a device accepts */
	OUTCOME_PROFILE = 12,	   /* the profile is not one that a device installs */
	OUTCOME_SCEP = 13,	   /* no identity: the server refused, or its reply fails a check */
	OUTCOME_REFUSED = 14,	   /* the server refused a message; the answer is kept for later */
	OUTCOME_UNENROLLED = 15,   /* the server told the device to unenroll; it did */
	OUTCOME_NOT_ENROLLED = 16, /* this verb needs an enrolled device */
	OUTCOME_MALFORMED = 17,	   /* the server's answer is not what the protocol allows */
	OUTCOME_UNFINISHED = 18,   /* the time given ran out first */
	OUTCOME_FLEET = 19,	   /* a device of the fleet failed: see the summary */
	OUTCOME_STOPPED = 20,	   /* --stop-after, --fail-renewal: ended as told to */
};

/* Lower-case words for an outcome; a static string. */
const char *outcome_words(enum outcome o);

#endif
