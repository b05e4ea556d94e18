/* Pictures of the list, each with its figures as a table besides, for those who read rather than look. */
import {title} from './catalogue.js';
import {draw, make, table} from './elements.js';
import {bytes, date, duration, readable, time} from './words.js';

const HEIGHT = 200;
const LEFT = 76, RIGHT = 12, TOP = 12, BOTTOM = 26;
const POINTS = 300;  // of a line; a screen shows no more
const BARS = 100;
const COLUMNS = 40;  // of the grid
const TABLE = 50;

/* Round numbers up to ${most}, some four of them. */
function steps(most, base) {
	let step = base ** Math.floor(Math.log(most || 1) / Math.log(base));

	while (most / step < 3) step /= 2;
	while (most / step > 6) step *= 2;
	return Array.from({length: Math.floor(most / step) + 1}, (_, i) => i * step);
}

/* A picture that is drawn anew when its width changes: ${paint} gets that and gives what is inside. */
function picture(name, paint) {
	const svg = draw('svg', {role: 'img', 'aria-label': name, height: HEIGHT});
	let drawn = 0;

	new ResizeObserver(([{contentRect: {width}}]) => {
		if (width === 0 || width === drawn) return;
		drawn = width;
		svg.setAttribute('viewBox', `0 0 ${width} ${HEIGHT}`);
		svg.replaceChildren(...paint(width).flat(Infinity));
	}).observe(svg);
	return svg;
}

function axis(width, most, base, text) {
	const y = (value) => HEIGHT - BOTTOM - (value / (most || 1)) * (HEIGHT - TOP - BOTTOM);

	return {y, lines: steps(most, base).map((value) => [
		draw('line', {class: 'grid', x1: LEFT, x2: width - RIGHT, y1: y(value), y2: y(value)}),
		draw('text', {class: 'y', x: LEFT - 6, y: y(value) + 4}, text(value))])};
}

const ends = (width, from, to) => [
	draw('text', {x: LEFT, y: HEIGHT - 6}, date(from)),
	draw('text', {class: 'end', x: width - RIGHT, y: HEIGHT - 6}, date(to))];

const figure = (caption, svg, data) => make('figure', {}, make('figcaption', {}, caption), svg,
	make('details', {}, make('summary', {}, 'The figures'), data));

/* What all backups up to each hold, and what the store took for them. */
function growth(list, taken) {
	const own = list.reduce((sum, backup) => sum + (backup.stored_bytes ?? 0), 0);
	let plain = 0, stored = Math.max(0, taken - own); // what deleted ones brought, and others need
	const all = list.map((backup) => ({at: backup.created_at,
		plain: plain += backup.size_bytes ?? 0, stored: stored += backup.stored_bytes ?? 0}));
	const points = all.filter((_, i) => i % Math.ceil(all.length / POINTS) === 0 || i === all.length - 1);
	const from = Date.parse(all[0].at), span = Date.parse(all.at(-1).at) - from || 1;
	const words = `Archives of ${bytes(plain)} take ${bytes(stored)} in the store, ` +
		`${(plain / (stored || 1)).toFixed(1)} times less.`;
	const paint = (width) => {
		const {y, lines} = axis(width, Math.max(plain, stored), 2, bytes);
		const x = (at) => LEFT + (Date.parse(at) - from) / span * (width - LEFT - RIGHT);
		const line = (field) => points.map((one) => `${x(one.at).toFixed(1)},${y(one[field]).toFixed(1)}`).join(' ');
		return [lines, draw('polyline', {class: 'plain', points: line('plain')}),
			draw('polyline', {class: 'stored', points: line('stored')}),
			ends(width, all[0].at, all.at(-1).at)];
	};

	return figure([make('strong', {}, 'Size and deduplication. '), words, ' ',
		make('span', {class: 'key'}, make('span', {class: 'swatch plain'}), 'as plain archives ',
			make('span', {class: 'swatch stored'}), 'in the store')],
	picture(words, paint), table('Growth of the store', ['Made', 'As plain archives', 'In the store'],
		points.slice(-TABLE).map((one) => [time(one.at), bytes(one.plain), bytes(one.stored)])));
}

function windows(list) {
	const shown = list.filter((one) => one.containers?.length > 0 && typeof one.freeze_ms === 'number').slice(-BARS);

	if (shown.length === 0) return null;
	const most = Math.max(...shown.map((one) => one.freeze_ms));
	const sorted = shown.map((one) => one.freeze_ms).sort((a, b) => a - b);
	const words = `Containers stood still for ${duration(sorted[sorted.length >> 1])} in the median, at most ${duration(most)}.`;
	const paint = (width) => {
		const {y, lines} = axis(width, most, 10, duration);
		const wide = (width - LEFT - RIGHT) / shown.length;
		return [lines, shown.map((one, i) => draw('rect', {class: 'bar', x: LEFT + i * wide + wide * .1,
			width: Math.min(24, wide * .8), y: y(one.freeze_ms), height: HEIGHT - BOTTOM - y(one.freeze_ms)},
		draw('title', {}, `${time(one.created_at)}: ${duration(one.freeze_ms)}`))),
		ends(width, shown[0].created_at, shown.at(-1).created_at)];
	};

	return figure([make('strong', {}, 'Freeze windows. '), words], picture(words, paint),
		table('Freeze windows', ['Made', 'Stood still'],
			shown.slice(-TABLE).map((one) => [time(one.created_at), duration(one.freeze_ms)])));
}

const MARKS = {yes: ['●', 'in it'], failed: ['×', 'the backup failed'], no: ['·', 'not in it']};

/* Which container is in which backup. */
function grid(list) {
	const shown = list.slice(-COLUMNS);
	const names = [...new Set(shown.flatMap((one) => (one.containers ?? []).map(({name}) => name)))].sort();
	const mark = (backup, name) => !backup.containers?.some((one) => one.name === name) ? 'no'
		: readable(backup) ? 'yes' : 'failed';

	if (names.length === 0) return null;
	return make('figure', {}, make('figcaption', {}, make('strong', {}, 'Containers and backups. '),
		`The last ${shown.length}, the newest at the right: ● in it, · not in it, × the backup failed.`),
	make('div', {class: 'wide', role: 'region', 'aria-label': 'Containers and backups', tabindex: 0},
		make('table', {class: 'matrix'},
			make('thead', {}, make('tr', {}, make('th', {scope: 'col'}, 'Container'), shown.map((one) =>
				make('th', {scope: 'col'}, make('a', {href: `#/backups/${one.id}`, title: `${title(one)}, ${time(one.created_at)}`,
					'aria-label': time(one.created_at)}, date(one.created_at)))))),
			make('tbody', {}, names.map((name) => make('tr', {}, make('th', {scope: 'row'}, name), shown.map((one) => {
				const kind = mark(one, name);
				return make('td', {class: kind}, make('span', {'aria-hidden': 'true'}, MARKS[kind][0]),
					make('span', {class: 'spoken'}, MARKS[kind][1]));
			})))))));
}

/* All pictures of ${newest}, a list of backups with the newest first, in a store that takes ${taken} bytes. */
export function pictures(newest, taken) {
	const list = [...newest].reverse();
	const whole = list.filter(readable);

	return whole.length === 0 ? [] : [growth(whole, taken), windows(whole), grid(list)].filter(Boolean);
}
