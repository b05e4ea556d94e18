/* What was done in the last seven days, and what became of it. */
import {make, table} from './elements.js';
import {operations} from './running.js';
import {call} from './service.js';
import {capital, duration, fault, kindOf, time} from './words.js';

function row(operation) {
	const {state, created_at: from, ended_at: to, backup} = operation;
	const failed = to && state !== 'succeeded';

	return [time(from), capital(kindOf(operation)),
		failed ? [make('strong', {}, state), ': ', fault(operation).detail] : state,
		to ? duration(new Date(to) - new Date(from)) : '',
		backup ? make('a', {href: `#/backups/${backup}`}, backup) : ''];
}

export async function show(place, _, signal) {
	const refresh = async () => {
		const {operations: list} = await call('GET', '/operations?limit=200', {signal});
		place.replaceChildren(make('h1', {tabindex: -1}, 'History'),
			list.length === 0 ? make('p', {class: 'hint'}, 'Nothing was done in the last seven days.')
				: table('Operations of the last seven days', ['Begun', 'What', 'Result', 'Took', 'Backup'], list.map(row)));
	};

	operations.addEventListener('ended', () => refresh().catch(() => {}), {signal});
	await refresh();
}
