/* The list of backups, as it was last read. */
import {call} from './service.js';

const FIRST = 100;  // so that something is there at once
const PAGE = 1000;

let known = [];

export const backups = () => known;

/* Read the list anew; ${show} is called with what there is so far, more and more of it. */
export async function reload(show, signal) {
	const before = new Map(known.map((backup) => [backup.id, backup]));
	const list = [];
	let after = null;

	do {
		const page = await call('GET', `/backups?limit=${after ? PAGE : FIRST}` +
			(after ? `&after=${after}` : ''), {signal});
		for (const backup of page.backups) {
			const old = before.get(backup.id);
			list.push(JSON.stringify(old) === JSON.stringify(backup) ? old : backup);
		}
		after = page.next;
		if (list.length >= known.length || !after) show(list);
	} while (after);
	known = list;
}

/* The same with one backup changed, or gone. */
export function replace(id, backup) {
	known = known.flatMap((one) => one.id !== id ? one : backup ?? []);
}

/* How people call it. */
export const title = (backup) => backup.name ?? backup.id;
