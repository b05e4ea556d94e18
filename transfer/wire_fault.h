#ifndef TRANSFER_WIRE_FAULT_H
#define TRANSFER_WIRE_FAULT_H

#include "base/err.h"

/**
 * wire_fault(code, text, said, e):
 * What a CURLcode means, and what to do about it.  ${text}: libcurl's words; ${said}: the server's
 * last line.  Returns 0 for CURLE_OK, else -1.
 */
int wire_fault(int code, const char *text, const char *said, struct err *e);

#endif
