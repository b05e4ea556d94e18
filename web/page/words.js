/* What people read: sizes, times, and the names of kinds, phases and outcomes. */

const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'];
const when = new Intl.DateTimeFormat(undefined,
	{dateStyle: 'medium', timeStyle: 'medium'});
const exact = new Intl.DateTimeFormat(undefined, {dateStyle: 'full', timeStyle: 'long'});
const day = new Intl.DateTimeFormat(undefined, {month: 'short', day: 'numeric'});
const ago = new Intl.RelativeTimeFormat('en', {numeric: 'auto'});
const numbers = new Intl.NumberFormat('en');
const STEPS = [['second', 60], ['minute', 60], ['hour', 24], ['day', 7], ['week', 5], ['month', 12], ['year', Infinity]];

export function bytes(count) {
	let unit = 0;

	if (count === undefined || count === null) return '';
	for (; count >= 1024 && unit < UNITS.length - 1; unit++)
		count /= 1024;
	return `${count.toFixed(unit === 0 || count >= 100 ? 0 : 1)} ${UNITS[unit]}`;
}

export function duration(ms) {
	if (ms === undefined || ms === null) return '';
	if (ms < 1000) return `${Math.round(ms)} ms`;
	if (ms < 100000) return `${(ms / 1000).toFixed(1)} s`;
	return ms < 7200000 ? `${Math.round(ms / 60000)} min` : `${(ms / 3600000).toFixed(1)} h`;
}

export const count = (number) => numbers.format(number);
export const some = (number, one, more = `${one}s`) => `${count(number)} ${number === 1 ? one : more}`;

/* In the reader's zone. */
export const time = (text) => when.format(new Date(text));
export const longTime = (text) => exact.format(new Date(text));
export const date = (text) => day.format(new Date(text));

/* “3 hours ago”, “tomorrow”. */
export function relative(text) {
	let span = (new Date(text) - Date.now()) / 1000;

	for (const [unit, most] of STEPS) {
		if (Math.abs(span) < most) return ago.format(Math.round(span), unit);
		span /= most;
	}
	return '';
}

export const capital = (text) => text.replace(/^./, (letter) => letter.toUpperCase());

export const KINDS = {
	backup: 'backup', restore: 'restore', import: 'import', verify: 'verification',
	rehearse: 'rehearsal', sweep: 'sweep', scrub: 'scrub',
};

/* What an operation is called. */
export const kindOf = (operation) => operation.dry_run ? 'dry run of a restore' : KINDS[operation.kind] ?? operation.kind;

const PHASES = {
	start: 'beginning',
	wait: 'waiting',
	measure: 'looking at what there is',
	images: 'copying images',
	live: 'copying while everything runs',
	hooks: 'running the containers’ commands',
	freeze: 'copying what changed, the containers stand still',
	store: 'storing what was copied',
	commit: 'finishing',
	verify: 'verifying the backup',
	name: 'naming what is damaged',
	read: 'reading the store',
	import: 'reading the archive',
	lend: 'mounting what is there',
	compare: 'comparing with what is there',
	supply: 'making images, networks and volumes',
	stage: 'putting the new beside the old, while everything runs',
	stop: 'stopping containers',
	create: 'making containers',
	extract: 'writing data',
	fill: 'filling the clones',
	swap: 'swapping new for old',
	check: 'waiting for health',
	remove: 'removing the clones',
	finish: 'removing what is old',
	undo: 'putting everything back as it was',
	recover: 'waiting until a restore that was cut off is put right',
};

/* Those that mean something else in one kind of operation. */
const OF_KIND = {
	'restore start': 'starting containers',
	'rehearse start': 'starting the clones',
	'rehearse create': 'making the clones',
};

export const phase = (operation) => operation.state === 'queued' ? 'waiting'
	: OF_KIND[`${operation.kind} ${operation.phase}`] ?? PHASES[operation.phase] ?? operation.phase;

const ENDS = {
	failed: 'It failed, and the reason is not known: see the service’s log.',
	cancelled: 'It was cancelled. Begin it again when you like.',
	interrupted: 'The service was stopped meanwhile. Begin it again.',
};

/* Whether a backup can be read. */
export const readable = (backup) => backup.state === 'complete' || backup.state === 'partial';

/* The problem with which an operation ended. */
export const fault = (operation) => operation.error ??
	{title: `The ${kindOf(operation)} did not succeed`, detail: ENDS[operation.state]};

/* What one can do about a problem, by its type. */
const NEXT = {
	denied: 'The token stands in the file “token” of the store. Sign in again.',
	forbidden: 'Log in to Fuel as an administrator.',
	busy: 'Wait for it to end, or cancel it above.',
	changed: 'Try again, and do not restart containers meanwhile.',
	corrupt: 'The next backup of the same data heals what still exists. Check the disk.',
	unreadable: 'Leave it out with “exclude” in the plan, or go on without it: "on_error": "continue".',
	hook: 'The command’s output is shown with the backup.',
	unproven: 'The verdict says which container, with its last lines.',
	engine: 'These are the words of the container engine.',
	'engine-unreachable': 'See that the engine runs and that DOCKER_HOST is right.',
	'login-unavailable': 'The service’s own token works all the same.',
	timeout: 'Look at the engine and the disk, and try again.',
	'no-space': 'Delete backups, or make room on the disk.',
	internal: 'The service’s log says more. Please report it.',
	io: 'Look at the disk and the kernel’s log.',
};

export const next = (problem) => NEXT[(problem.type ?? '').replace('urn:fuel-backup:', '')] ?? '';

export const WAYS = {
	created: 'made new', replaced: 'replaced', in_place: 'stopped, data changed in place',
	unchanged: 'left running, equal', updated: 'given the backup’s settings', restarted: 'stopped and started again',
};
