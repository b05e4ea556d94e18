/* What is known of a backup, in a word each; colour is never all that tells it. */
import {make} from './elements.js';
import {longTime, relative} from './words.js';

const badge = (kind, text, title) => make('span', {class: `badge ${kind}`, title}, text);

/* All of it is there, and nothing speaks against it. */
const well = ({state, rehearsal}) => state === 'complete' && rehearsal?.verdict !== 'failed';

export function badges(backup) {
	const {state, rehearsal, proven_at: proven} = backup;
	const sound = !backup.damaged;

	return [
		state === 'partial' && badge('warn', 'partial',
			`Left out: ${backup.omitted?.map((one) => `${one.kind} ${one.name}`).join(', ') || 'what could not be read'}`),
		state !== 'complete' && state !== 'partial' && badge(state === 'failed' ? 'bad' : 'busy', state),
		// What is damaged is neither proven nor whole, whatever was found before.
		backup.damaged && badge('bad', 'damaged', 'A chunk that it needs is damaged or lost'),
		sound && well(backup) && badge('good', 'ok', 'It is whole as far as is known'),
		sound && proven && badge('good', 'proven', `Proven restorable ${relative(proven)}, ${longTime(proven)}`),
		rehearsal?.verdict === 'failed' &&
			badge('bad', 'rehearsal failed', `It did not come up, ${longTime(rehearsal.at)}`),
		sound && backup.verified_at &&
			badge('good', 'verified', `Read back and found whole, ${longTime(backup.verified_at)}`),
		backup.future && badge('warn', 'clock was wrong', 'Its time is still to come: the clock was ahead when it was made'),
		backup.locked && badge('', 'locked', 'It is not deleted'),
		backup.imported && badge('', 'imported', `From the host ${backup.imported.host}`),
	];
}
