/* One backup: what is known of it, and all that can be done with it. */
import {badges} from './badges.js';
import {replace, title} from './catalogue.js';
import {confirm, open, prompt} from './dialog.js';
import {facts, make, section, table} from './elements.js';
import {entitle} from './host.js';
import {action} from './notice.js';
import {restore} from './restore.js';
import {begin, operations} from './running.js';
import {call, download, ticket} from './service.js';
import {bytes, count, duration, longTime, readable, relative, some, time} from './words.js';

async function remove(backup) {
	const sure = await confirm(`Delete “${title(backup)}”?`,
		[`The backup of ${longTime(backup.created_at)} is gone then. What other backups need of it stays.`],
		'Delete it');

	if (!sure) return;
	await call('DELETE', `/backups/${backup.id}`);
	replace(backup.id, null);
	location.hash = '#/';
}

async function change(backup, body, redraw) {
	const changed = await call('PATCH', `/backups/${backup.id}`, {body});

	replace(backup.id, changed);
	redraw(changed);
}

async function rename(backup, redraw) {
	const name = await prompt('Name this backup', 'Name, or nothing for none', backup.name ?? '', 'Set the name');

	if (name !== undefined) await change(backup, {name: name || null}, redraw);
}

const field = (id, label, attributes) => [make('label', {for: id}, label), make('input', {id, ...attributes})];

/* Limits of a rehearsal, which are empty where the service's defaults will do. */
function rehearse(backup) {
	const number = {type: 'number', min: 1, inputmode: 'numeric'};

	return open(`Rehearse “${title(backup)}”`, (close, dialog) => make('form', {
		onsubmit: (event) => event.preventDefault(),
	},
	make('p', {}, 'The backup is restored into clones that reach neither the host nor its containers, they are ' +
		'started, and removed again. What runs goes on untouched.'),
	make('details', {}, make('summary', {}, 'Limits'),
		field('memory', 'Memory of all clones together, MiB (half of the host’s)', {...number, min: 16}),
		field('cpus', 'Processors that they share (half of the host’s)', number),
		field('stay', 'Seconds that one without a health check has to stay up (3)', {...number, max: 600}),
		field('health', 'Seconds in which one has to become healthy (120)', {...number, max: 3600})),
	make('p', {class: 'actions'}, action('Cancel', () => close()),
		action('Rehearse', async () => {
			const given = (id) => dialog.querySelector(`#${id}`).valueAsNumber || undefined;
			const memory = given('memory');
			await begin(`/backups/${backup.id}/rehearse`, {memory_bytes: memory && memory * 1048576,
				cpus: given('cpus'), stay_seconds: given('stay'), health_seconds: given('health')});
			close();
		}, {class: 'main'}))));
}

function actions(backup, redraw) {
	const whole = readable(backup);
	const locked = backup.locked;

	return make('p', {class: 'actions'},
		whole && action(`Download (${bytes(backup.archive_bytes)})`,
			async () => download(await ticket(backup.id)), {class: 'main'}),
		whole && make('a', {class: 'button', href: `#/backups/${backup.id}/files/`}, 'Browse'),
		whole && action('Restore …', () => restore(backup)),
		whole && action('Verify', () => begin(`/backups/${backup.id}/verify`),
			{title: 'Read it back and check every byte'}),
		whole && action('Rehearse …', () => rehearse(backup), {title: 'Prove that it can be restored'}),
		whole && action(locked ? 'Unlock' : 'Lock', () => change(backup, {locked: !locked}, redraw),
			{title: locked ? 'It may be deleted again' : 'Neither people nor a prune delete it'}),
		whole && action('Rename …', () => rename(backup, redraw)),
		backup.state !== 'running' && !locked && action('Delete …', () => remove(backup), {class: 'danger'}));
}

function containers(backup) {
	return backup.containers?.length > 0 && section('Containers',
		table('Containers of this backup', ['Name', 'Image', 'Was', 'Stood still'],
			backup.containers.map((one) => [one.name, one.image ?? '', one.state ?? '',
				one.freeze_ms === null ? 'not' : duration(one.freeze_ms)])));
}

function services(backup) {
	return backup.services?.length > 0 && section('Services of the Swarm', make('p', {}, backup.services.join(', ')));
}

function passes(backup) {
	const heads = ['Pass', 'Read', 'Files read', 'Known already', 'Took'];

	return backup.passes?.length > 0 && section('Passes', table('Copying passes', heads,
		backup.passes.map((pass) => [pass.kind + (pass.given_up ? ', given up' : ''), bytes(pass.bytes_read),
			count(pass.files_read), some(pass.files_reused, 'file'), duration(pass.duration_ms)])),
	backup.freeze?.marked?.length > 0 && [make('p', {}, 'Changed while they were read, by a writer outside the plan:'),
		make('ul', {}, backup.freeze.marked.map((path) => make('li', {}, make('code', {}, path))))]);
}

function hooks(backup) {
	const heads = ['Container', 'When', 'Command', 'Ended', 'Output'];

	return backup.hooks?.length > 0 && section('Commands of labels', table('Hooks', heads,
		backup.hooks.map((hook) => [hook.container, hook.when, make('code', {}, hook.command.join(' ')),
			hook.error ?? `${hook.exit_code}, ${duration(hook.duration_ms)}`, make('pre', {}, hook.output)])));
}

function verdict({rehearsal, damaged}) {
	if (!rehearsal) return null;
	return section('Rehearsal',
		make('p', {}, rehearsal.verdict === 'proven' ? damaged ? 'It came up, before it was damaged, ' : 'Proven restorable ' : 'It did not come up ',
			relative(rehearsal.at), ', ', longTime(rehearsal.at),
			rehearsal.timings && `; it took ${duration(rehearsal.timings.total_ms)}`, '.'),
		rehearsal.error && make('p', {}, rehearsal.error),
		rehearsal.containers?.length > 0 && table('Rehearsed containers',
			['Container', 'Verdict', 'State', 'Health', 'Up after', 'Check'],
			rehearsal.containers.map((one) => [one.name, one.ok ? 'came up' : make('strong', {}, 'did not come up'),
				one.state, one.health ?? '', duration(one.started_ms),
				one.check ? one.check.error ?? `${one.check.command.join(' ')}: ${one.check.exit_code}` : ''])),
		(rehearsal.containers ?? []).filter((one) => !one.ok).map((one) => [
			make('p', {}, `${one.name}: ${one.error ?? ''}`), one.logs && make('pre', {}, one.logs)]),
		rehearsal.unproven?.length > 0 && make('details', {},
			make('summary', {}, `What it could not prove (${rehearsal.unproven.length})`),
			make('ul', {}, rehearsal.unproven.map((one) =>
				make('li', {}, one.container ? `${one.container}: ` : '', one.what)))));
}

function overview(backup) {
	const {imported} = backup;

	return facts([
		['Made', `${longTime(backup.created_at)} (${relative(backup.created_at)})`],
		['Id', make('code', {}, backup.id)],
		['Stood still', backup.containers?.length > 0 && duration(backup.freeze_ms)],
		['Took', duration(backup.duration_ms)],
		['Size, plain', bytes(backup.size_bytes)],
		['New in the store', bytes(backup.stored_bytes)],
		['Download', bytes(backup.archive_bytes)],
		['Verified', !backup.damaged && backup.verified_at && longTime(backup.verified_at)],
		['Made by', {schedule: 'the schedule', manual: 'hand: retention leaves it alone'}[backup.origin]],
		['Imported', imported && `${longTime(imported.at)}, from the host ${imported.host}`],
		['Digest', backup.digest && make('code', {class: 'long'}, backup.digest)],
	]);
}

export async function show(place, [id], signal) {
	const redraw = (backup) => {
		entitle(title(backup));
		place.replaceChildren(
			make('p', {class: 'trail'}, make('a', {href: '#/'}, 'Backups')),
			make('h1', {tabindex: -1}, backup.name ?? `Backup of ${time(backup.created_at)}`, ' ', badges(backup)),
			...[backup.error && make('p', {class: 'problem'}, make('strong', {}, backup.error.title), ': ', backup.error.detail),
				actions(backup, redraw), overview(backup),
				section('Warnings', backup.warnings?.length > 0 &&
					make('ul', {}, backup.warnings.map((text) => make('li', {}, text)))),
				verdict(backup), containers(backup), services(backup), passes(backup), hooks(backup)].filter(Boolean));
	};
	const refresh = async () => redraw(await call('GET', `/backups/${id}`, {signal}));

	operations.addEventListener('ended', ({detail}) => {
		if (detail.backup === id) refresh().catch(() => {});
	}, {signal});
	await refresh();
}
