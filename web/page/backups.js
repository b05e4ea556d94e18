/* The first view: “Back up now”, and the list. */
import {badges} from './badges.js';
import {backups, reload} from './catalogue.js';
import {make} from './elements.js';
import {coverage} from './host.js';
import {action, switchOff} from './notice.js';
import {Rows} from './rows.js';
import {begin, busy, operations} from './running.js';
import {download, ticket} from './service.js';
import {bytes, duration, longTime, readable, relative, some, time} from './words.js';

/* Fuel's own work is in the way: people may know better. */
async function start() {
	try {
		await begin('/backups', {});
	} catch (problem) {
		if (!problem.is?.('fuel-busy') && !problem.is?.('preflight-failed')) throw problem;
		const {confirm} = await import('./dialog.js');
		if (await confirm(problem.title, [problem.detail], 'Back up all the same'))
			await begin('/backups', {force: true});
	}
}

const named = (text, backup) => ({'aria-label': `${text} ${backup.name ?? time(backup.created_at)}`});

const COLUMNS = [
	{name: 'Made', class: 'made', cell: (backup) => [
		make('a', {href: `#/backups/${backup.id}`}, backup.name ?? time(backup.created_at)),
		make('small', {title: longTime(backup.created_at)},
			backup.name ? `${time(backup.created_at)}, ` : '', relative(backup.created_at))]},
	{name: 'State', class: 'state', cell: (backup) => readable(backup) || badges(backup)[0]
		? badges(backup) : backup.state},
	{name: 'Containers', class: 'number few', cell: (backup) => String(backup.containers?.length ?? '')},
	{name: 'Stood still', class: 'number', cell: (backup) =>
		backup.containers?.length > 0 ? duration(backup.freeze_ms) : ''},
	{name: 'Size', class: 'number', cell: (backup) => bytes(backup.size_bytes)},
	{name: 'New in store', class: 'number few', cell: (backup) => bytes(backup.stored_bytes)},
	{name: 'Actions', class: 'do', cell: (backup) => readable(backup) ? [
		action('Download', async () => download(await ticket(backup.id)), named('Download', backup)),
		action('Restore …', async () => (await import('./restore.js')).restore(backup), named('Restore', backup)),
	] : backup.error && make('small', {title: backup.error.detail}, backup.error.detail)},
];

export function show(place, _, signal) {
	const rows = new Rows('Backups', COLUMNS, {signal});
	const total = make('p', {class: 'hint'});
	const fill = (list) => {
		rows.items = list;
		rows.element.hidden = list.length === 0;
		total.textContent = list.length === 0
			? 'There is no backup yet. “Back up now” makes one of all containers and the plan’s folders.'
			: `${some(list.length, 'backup')}, which would be ` +
				`${bytes(list.reduce((all, one) => all + (one.size_bytes ?? 0), 0))} as plain archives.`;
	};
	const covered = make('div', {role: 'status'});
	const refresh = () => Promise.all([reload(fill, signal), coverage(covered, signal)]);
	const button = action('Back up now', start, {class: 'main', id: 'start'});
	const turn = () => switchOff(button, busy() && `Not while a ${busy()} runs`);

	place.append(
		make('div', {class: 'bar-above'}, make('h1', {tabindex: -1}, 'Backups'), button),
		covered, total, rows.element);
	if (backups().length > 0) fill(backups());
	operations.addEventListener('ended', () => refresh().catch(() => {}), {signal});
	operations.addEventListener('busy', turn, {signal});
	turn();
	return refresh();
}
