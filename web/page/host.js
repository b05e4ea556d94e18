/* The host: its name, as its engine has it, and whether all its containers are in a backup. */
import {make} from './elements.js';
import {call, health} from './service.js';
import {some, time} from './words.js';

const NAMED = 12; // containers; of more it says how many

let name = null;

/* Null before it is known. */
export const hostName = () => name;

/* What a view is called in the browser's tabs. */
export function entitle(view) {
	document.title = [view, name, 'fuel-backup'].filter(Boolean).join(' – ');
}

/* Ask for the name, and show it in the header. */
export async function learn() {
	const before = document.title;
	const known = name;

	name = (await health()).host ?? name;
	if (name === null || name === known) return;
	document.getElementById('host').textContent = name;
	if (before.endsWith('fuel-backup') && !before.includes(name))
		document.title = before.replace(/(^| – )fuel-backup$/, `$1${name} – fuel-backup`);
}

const few = (names) => names.slice(0, NAMED).join(', ') + (names.length > NAMED ? ` and ${names.length - NAMED} more` : '');

/* The one sentence that matters most. */
export async function coverage(place, signal) {
	const told = (kind, ...text) => place.replaceChildren(make('p', {class: `coverage ${kind}`}, text));

	try {
		const {containers, missing, left_out: out, oldest_at: oldest} = await call('GET', '/coverage', {signal});
		const besides = out.length > 0 && ` Left out by their labels: ${few(out)}.`;

		if (containers === 0) told('', 'There are no containers on this host.', besides);
		else if (missing.length > 0)
			told('bad', make('strong', {}, `Not in any backup of the last day: ${few(missing)}`),
				` (${missing.length} of ${some(containers, 'container')}).`, besides);
		else
			told('good', make('strong', {}, containers === 1 ? 'The one container is in a backup of the last day'
				: `All ${containers} containers are in a backup of the last day`), `, the oldest of ${time(oldest)}.`, besides);
	} catch (problem) {
		if (!signal.aborted)
			told('bad', 'Whether all containers are in a backup of the last day cannot be told now: ',
				problem.detail ?? problem.message);
	}
}
