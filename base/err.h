#ifndef BASE_ERR_H
#define BASE_ERR_H

/*
 * Errors are values: a call that can fail returns -1 (or NULL) and fills the struct err that its
 * caller passed last.  An error is filled once, where it is first seen; callers may only put words
 * in front of it.  The text is one line, names the thing concerned and says what can be done.
 */

enum err_code {
	ERR_NONE,
	ERR_INVALID,	 /* the request or a file given to us is wrong */
	ERR_DENIED,	 /* no or wrong credentials */
	ERR_NOT_FOUND,	 /* no such backup, operation, container, … */
	ERR_CONFLICT,	 /* not in the present state */
	ERR_BUSY,	 /* another operation runs */
	ERR_TOO_LARGE,	 /* over a stated limit */
	ERR_RANGE,	 /* a byte range that cannot be satisfied */
	ERR_NO_SPACE,	 /* a file system or quota is full */
	ERR_IO,		 /* a system call failed */
	ERR_CORRUPT,	 /* stored bytes are not what was stored */
	ERR_CHANGED,	 /* something changed under us; the result would not be consistent */
	ERR_UNREADABLE,	 /* a source could not be read */
	ERR_UNREACHABLE, /* the engine does not answer */
	ERR_ENGINE,	 /* the engine refused or failed */
	ERR_TIMEOUT,	 /* a stall limit passed */
	ERR_REFUSED,	 /* an archive from elsewhere is not what it should be */
	ERR_HOOK,	 /* a command that a container's label names failed */
	ERR_UNPROVEN,	 /* a rehearsal did not come up */
	ERR_CANCELLED,	 /* by request, or because the service stops */
	ERR_FORBIDDEN,	 /* known who it is, and that this is not allowed */
	ERR_LOGIN,	 /* who it is could not be found out */
	ERR_OCCUPIED,	 /* Fuel has tasks running */
	ERR_PREFLIGHT,	 /* whether it has could not be found out */
	ERR_UNSUPPORTED, /* known, and not done by this version */
	ERR_AWAY,	 /* a destination does not answer, or is busy: later */
	ERR_BARRED,	 /* a destination is not who it should be, or does not let us in */
	ERR_FULL,	 /* a destination has no room */
	ERR_REMOTE,	 /* a destination refused */
	ERR_INTERNAL,	 /* a fault of ours */
	ERR_COUNT
};

enum { ERR_TEXT_MAX = 768 };

struct err {
	enum err_code code;
	int number; /* errno where a system call failed, an HTTP status where the engine refused */
	char text[ERR_TEXT_MAX];
};

/**
 * err_set(e, code, format, ...):
 * Fill ${e} with ${code} and the formatted text (cut at ERR_TEXT_MAX - 1 bytes).  Always returns
 * -1, so that `return err_set(…)` reads well.
 */
int err_set(struct err *e, enum err_code code, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/**
 * err_errno(e, format, ...):
 * As err_set, with the present errno: ENOSPC and EDQUOT give ERR_NO_SPACE, all others ERR_IO; the
 * system's message is appended.  Always returns -1; keeps errno.
 */
int err_errno(struct err *e, const char *format, ...) __attribute__((format(printf, 2, 3)));

/**
 * err_prefix(e, format, ...):
 * Put the formatted text and ": " in front of the text of ${e}.  Always returns -1.
 */
int err_prefix(struct err *e, const char *format, ...) __attribute__((format(printf, 2, 3)));

/**
 * err_name(code):
 * Return the stable lower-case name of ${code} with hyphens, as it stands in a problem's type.
 */
const char *err_name(enum err_code code);

#endif
