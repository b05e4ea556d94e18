#ifndef STORE_OPEN_RECOVERY_H
#define STORE_OPEN_RECOVERY_H

#include "store/catalogue/state.h"

/*
 * What a start does about the last end of the service, whichever it was.
 *
 * 1. An open pack is scanned from its durable bytes.  Chunk records that are valid (header, frame,
 *    id) get their rows; at the first record that is not one the file is cut off.  A recipe in
 *    there belongs to a backup that was never committed, and ends the scan as well.
 * 2. The file is cut and synced before the transaction with the rows and the state `sealed`.
 * 3. A file without a row is a pack whose row was not yet written (it is unlinked if it holds
 *    nothing but its header), or the catalogue is an older copy (its chunks are adopted up to the
 *    first bad record; of the file nothing is cut).  In the latter case there may be backups in the
 *    packs that are not on the list, so it is noted, and nothing is swept before a rebuild.
 * 4. A row without a file is damaged: its chunks are bad (so the next backup stores them again),
 * the backups that need them are marked.  Nothing is deleted; if the file is there again at a later
 *    start, all of this is taken back.
 *
 * 5. A doomed pack is removed (unlink_later.h): nobody reads it any more.
 *
 * Each step may be cut off and is done again at the next start.
 */
int recovery_run(struct store *s, struct err *e);

#endif
