#ifndef JOBS_RESTORE_STATE_ASTUTE_H
#define JOBS_RESTORE_STATE_ASTUTE_H

#include <jansson.h>
#include <stddef.h>

#include "archive/tar/reader.h"
#include "base/buf.h"
#include "base/err.h"

/*
 * A Fuel master's settings: IP, DHCP, DNS and NTP.  A restore brings them back only when asked to,
 * and always tells how the backup's differ from the host's (docs/fuel.md).
 */
#define ASTUTE_PATH "/etc/fuel/astute.yaml"

/* Real ones have some kilobytes. */
enum { ASTUTE_MAX = 1024 * 1024 };

/**
 * astute_settings(text, len):
 * The network's settings in ${text}, as a new object: {"ADMIN_NETWORK.ipaddress": "10.20.0.2",
 * "DNS_UPSTREAM": "8.8.8.8"}.  Reads block maps and lists, as fuelmenu writes them, and nothing of
 * YAML besides; other keys (there are passwords) are passed over.
 */
json_t *astute_settings(const char *text, size_t len);

/* Where they differ: a new array of {"key", "backup", "host"}; a missing value is null. */
json_t *astute_differences(const json_t *backup, const json_t *host);

/* ${to}: BUF_INIT(ASTUTE_MAX).  The content of the present member of ${r}, or of ${path} below
 * ${root_fd} ("": that itself): 1, or 0 if there is no such file; ERR_TOO_LARGE, ERR_IO. */
int astute_member(struct reader *r, struct buf *to, struct err *e);
int astute_file(int root_fd, const char *path, struct buf *to, struct err *e);

#endif
