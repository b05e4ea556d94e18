#ifndef CLI_UNITS_H
#define CLI_UNITS_H

#include <stdint.h>

/* Spans and times for people; sizes are watch_size's.  Each fills ${text} and returns it. */
enum { UNITS_TEXT = 32 };

/* "42 ms", "3.2 s", "4 min 10 s", "2 h 3 min". */
const char *units_duration(int64_t ms, char text[UNITS_TEXT]);

/* RFC 3339 in this terminal's time zone, "2026-11-23 10:12:33 CET", or to the minute and without
 * the zone; as it is if it is no time. */
const char *units_time(const char *rfc3339, char text[UNITS_TEXT]);
const char *units_minute(const char *rfc3339, char text[UNITS_TEXT]);

#endif
