#ifndef SERVER_MAIN_REBUILD_H
#define SERVER_MAIN_REBUILD_H

#include "server/config.h"

/* `fuel-backupd rebuild …`: the ${argc} arguments behind that.  Returns an exit code. */
int main_rebuild(const struct config *c, int argc, char **argv);

#endif
