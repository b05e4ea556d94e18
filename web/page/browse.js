/* What is in a backup: its folders, to look into and to fetch from. */
import {title} from './catalogue.js';
import {make} from './elements.js';
import {action} from './notice.js';
import {restore} from './restore.js';
import {Rows} from './rows.js';
import {call, download, ticket} from './service.js';
import {bytes, longTime, some, time} from './words.js';

const FIRST = 500; // seen at once
const PAGE = 10000;
const DATA = /^(volumes|binds|host)\/./; // what can be put back alone

/* The path of an entry, from its percent-encoded one; null where that is no text. */
function plain(href) {
	try {
		return decodeURIComponent(href);
	} catch {
		return null;
	}
}

function columns(backup) {
	const fetch = async (entry) => {
		const url = await ticket(backup.id, `files/${entry.href}`);
		download(entry.type === 'folder' ? `${url}&format=tar` : url);
	};
	const link = (entry) => entry.type === 'folder'
		? make('a', {href: `#/backups/${backup.id}/files/${entry.href}`}, `${entry.name}/`)
		: entry.name + (entry.link ? ` → ${entry.link}` : '');

	return [
		{name: 'Name', class: 'name', cell: (entry) => [
			link(entry), !['file', 'folder'].includes(entry.type) && make('small', {}, ` ${entry.type}`)]},
		{name: 'Size', class: 'number', cell: (entry) => bytes(entry.size_bytes)},
		{name: 'Modified', class: 'few', cell: (entry) => entry.modified_at &&
			make('span', {title: longTime(entry.modified_at)}, time(entry.modified_at))},
		{name: 'Mode', class: 'few', cell: (entry) => entry.mode && `${entry.mode} ${entry.uid}:${entry.gid}`},
		{name: 'Actions', class: 'do', cell: (entry) => [
			['file', 'hardlink', 'folder'].includes(entry.type) && action('Fetch', () => fetch(entry),
				{'aria-label': `Fetch ${entry.name}`}),
			entry.mode && DATA.test(entry.href) && plain(entry.href) !== null &&
				action('Restore …', () => restore(backup, plain(entry.href)), {'aria-label': `Restore ${entry.name}`}),
		]},
	];
}

function trail(backup, path) {
	const parts = path.split('/').filter(Boolean);
	const steps = [[`#/backups/${backup.id}`, title(backup)], [`#/backups/${backup.id}/files/`, 'contents'],
		...parts.map((part, i) => [`#/backups/${backup.id}/files/${parts.slice(0, i + 1).join('/')}`, plain(part) ?? part])];

	return make('nav', {class: 'trail', 'aria-label': 'Folder'}, make('ol', {},
		steps.map(([href, text], i) => make('li', {},
			i < steps.length - 1 ? make('a', {href}, text) : make('span', {'aria-current': 'page'}, text)))));
}

export async function show(place, [id, path = ''], signal) {
	const backup = await call('GET', `/backups/${id}`, {signal});
	const rows = new Rows('Contents', columns(backup), {signal});
	const total = make('p', {class: 'hint', role: 'status'}, 'Reading …');
	const entries = [];
	let after = null;

	document.title = `${plain(path) || 'Contents'} – ${title(backup)} – fuel-backup`;
	rows.element.hidden = true;
	place.append(trail(backup, path),
		make('h1', {tabindex: -1}, plain(path.split('/').pop()) || 'Contents'), total, rows.element);
	do {
		const query = new URLSearchParams({limit: after === null ? FIRST : PAGE});
		if (after !== null) query.set('after', after);
		const folder = await call('GET', `/backups/${id}/files${path && '/'}${path}?${query}`, {signal});
		if (!folder.entries) throw Object.assign(new Error(`“${plain(path)}” is no folder.`), {title: ''});
		entries.push(...folder.entries);
		after = folder.next;
		rows.element.hidden = entries.length === 0;
		rows.items = entries;
		total.textContent = entries.length === 0 ? 'The folder is empty.'
			: some(entries.length, 'entry', 'entries') + (after === null ? '' : ' so far …');
	} while (after !== null);
}
