#ifndef SERVER_MAIN_KEYS_H
#define SERVER_MAIN_KEYS_H

#include "server/config.h"
#include "store/keys/secret.h"

/* The secret that the configuration names: 1, 0 if it names none, -1. */
int main_secret(const struct config *c, struct secret *ret_secret, struct err *e);

/* `fuel-backupd keys …`: the ${argc} arguments behind that.  Returns an exit code. */
int main_keys(const struct config *c, int argc, char **argv);

#endif
