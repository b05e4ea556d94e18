/*
 * A restore: what is wanted, then what it would change (a dry run), then the backup's name typed, and
 * only then the restore itself.
 */
import {title} from './catalogue.js';
import {open} from './dialog.js';
import {make, section, table} from './elements.js';
import {hostName} from './host.js';
import {action} from './notice.js';
import {begin, watch} from './running.js';
import {call, follow} from './service.js';
import {WAYS, bytes, count, duration, fault, longTime, next, phase, some} from './words.js';

const choice = (attributes, text) => make('label', {class: 'choice'}, make('input', attributes), ' ', text);

/* What of the backup: all, or containers. Gives the function that tells the request's fields. */
function scope(backup) {
	const names = (backup.containers ?? []).map(({name}) => name);
	const picks = names.map((name) => choice({type: 'checkbox', value: name}, name));
	const list = make('fieldset', {hidden: true}, make('legend', {}, 'Containers'), picks);
	const turn = ({target}) => { list.hidden = target.value !== 'some'; };
	const paths = choice({type: 'checkbox', checked: true}, 'Also the plan’s folders of the host');
	const astute = choice({type: 'checkbox'}, 'Also a Fuel master’s settings, /etc/fuel/astute.yaml');

	return {
		element: [make('fieldset', {}, make('legend', {}, 'What'),
			choice({type: 'radio', name: 'what', value: 'all', checked: true, onchange: turn}, 'Everything'),
			names.length > 0 && choice({type: 'radio', name: 'what', value: 'some', onchange: turn},
				'Chosen containers, with their data')),
		list, paths, astute],
		request: () => {
			const chosen = picks.map((pick) => pick.firstChild).filter((box) => box.checked);
			if (list.hidden)
				return {host_paths: paths.firstChild.checked, astute: astute.firstChild.checked};
			if (chosen.length === 0) throw Object.assign(new Error('Choose at least one container.'), {title: ''});
			return {only: {containers: chosen.map((box) => box.value)}, astute: astute.firstChild.checked};
		},
	};
}

/* A file or a folder: in its place, or beside. */
function part(path) {
	const beside = make('input', {id: 'beside', autocomplete: 'off', placeholder: '/srv/rescued'});

	return {
		element: [make('p', {}, 'From the backup: ', make('code', {}, path)),
			make('label', {for: 'beside'}, 'Leave this empty to put it back in its place; or name a path of the host ' +
				'that does not exist yet, to have it there'), beside],
		request: () => ({only: {files: [path]}, as: beside.value.trim() || undefined}),
	};
}

const counts = (one) => one?.entries > 0 ? `${count(one.entries)} (${bytes(one.bytes)})` : '';
const lines = (title, list) => section(title, list?.length > 0 &&
	make('ul', {}, list.map((text) => make('li', {}, text))));

/* What a dry run found. */
function outlook(result, more) {
	const entries = result.entries ?? [];
	const listed = typeof result.entries === 'number' ? [] : entries;
	const conflicts = [
		...(result.ports ?? []).map((one) => `Port ${one.port} of ${one.container} is taken by ${one.taken_by}`),
		...(result.addresses ?? []).map((one) =>
			`Address ${one.address} of ${one.container} on ${one.network} is taken by ${one.taken_by}`),
	];

	if (typeof result.entries === 'number')
		return [make('p', {}, `${some(result.entries, 'entry', 'entries')}, ${bytes(result.bytes)}, would be written at `,
			make('code', {}, result.as), '. Nothing else is touched.'), lines('Warnings', result.warnings)];
	return [
		make('p', {}, `Would write ${bytes(result.space_bytes ?? 0)}; `,
			result.downtime_ms > 0 ? `containers would be down for some ${duration(result.downtime_ms)}.`
				: 'no container would be down.'),
		lines('In the way', conflicts),
		lines('Warnings', result.warnings),
		section('Containers', result.containers?.length > 0 && table('What happens to containers', ['Container', 'It is'],
			result.containers.map((one) => [one.name, WAYS[one.way] ?? one.way]))),
		section('Services', result.services?.length > 0 && table('What happens to services of the Swarm', ['Service', 'It is'],
			result.services.map((one) => [one.name, WAYS[one.way] ?? one.way]))),
		lines('Would be made', [...(result.images ?? []).map((name) => `image ${name}`),
			...(result.volumes ?? []).map((name) => `volume ${name}`),
			...(result.networks ?? []).map((one) => `network ${one.name}: ${one.change.replace('_', ' ')}`)]),
		section('Data', result.sources?.length > 0
			? table('What happens to data', ['Where', 'Added', 'Changed', 'Deleted'], result.sources.map((one) =>
				[one.prefix, counts(one.added), counts(one.changed), counts(one.deleted)]))
			: make('p', {}, 'All data are equal to the backup’s already.')),
		listed.length > 0 && make('details', {},
			make('summary', {}, `Files and folders (${count(listed.length + (result.entries_left_out ?? 0))})`),
			make('ul', {class: 'paths'}, listed.map((one) => make('li', {}, `${one.change}: `, make('code', {}, one.path)))),
			result.entries_left_out > 0 && more),
	];
}

/* Carry out a dry run, with its progress inside of ${place}; its result. */
async function dryRun(backup, request, place, signal) {
	const state = make('p', {role: 'status'}, 'Beginning …');
	const bar = make('progress', {max: 1, 'aria-label': 'Progress of the dry run'});
	let operation;

	place.replaceChildren(state, bar);
	operation = await call('POST', `/backups/${backup.id}/restore`, {body: {...request, dry_run: true}});
	const leave = () => call('DELETE', `/operations/${operation.id}`).catch(() => {});
	signal.addEventListener('abort', leave);
	operation = await follow(operation.id, (now) => {
		state.textContent = `Nothing is changed yet: ${phase(now)}`;
		if (now.progress > 0) bar.value = now.progress;
	}, {signal});
	signal.removeEventListener('abort', leave);
	if (operation.state !== 'succeeded') throw fault(operation);
	return operation.result;
}

/* The second half of the dialog: the outlook, and the name to be typed. */
function decide(backup, request, result, close, page) {
	const wanted = hostName() ?? title(backup);
	const free = request.as !== undefined; // beside what is there nothing is overwritten
	const typed = make('input', {id: 'typed', autocomplete: 'off', spellcheck: 'false'});
	const go = action('Restore now', async () => {
		if (!free && typed.value.trim() !== wanted) return;
		await begin(`/backups/${backup.id}/restore`, {...request, confirm: backup.id});
		close(true);
	}, {class: free ? 'main' : 'danger', disabled: !free});
	const more = action('Show the next ones', page);

	typed.addEventListener('input', () => { go.disabled = typed.value.trim() !== wanted; });
	return [
		make('div', {class: 'outlook', tabindex: 0, role: 'region', 'aria-label': 'What would change'},
			outlook(result, more)),
		make('form', {onsubmit: (event) => {
			event.preventDefault();
			if (!go.disabled) go.click();
		}},
		!free && [make('label', {for: 'typed'}, 'What was made since is gone then. To go on, type the name of ',
			hostName() ? 'this host, ' : 'the backup, ', make('code', {}, wanted)), typed],
		make('p', {class: 'actions'}, action('Cancel', () => close()), go))];
}

function failure(place, problem, again) {
	place.replaceChildren(make('div', {class: 'problem', role: 'alert'},
		make('p', {}, make('strong', {}, problem.title ?? ''), ' ', problem.detail ?? problem.message),
		make('p', {class: 'hint'}, next(problem)), action('Back', again)));
}

/* Ask for all that, and begin.  ${path}: of a file or folder in the archive; left out, the whole. */
export function restore(backup, path) {
	return open(`Restore “${title(backup)}”`, (close, dialog) => {
		const life = new AbortController();
		const place = make('div');
		const what = path === undefined ? scope(backup) : part(path);
		const first = () => place.replaceChildren(
			make('p', {}, `The backup of ${longTime(backup.created_at)} takes the place of what is there. ` +
				'First see what that would change.'),
			...[what.element].flat(Infinity).filter(Boolean),
			make('p', {class: 'actions'}, action('Cancel', () => close()),
				action('Show what would change', look, {class: 'main'})));
		const look = async () => {
			let request, pages = 0;
			try {
				request = what.request();
				const result = await dryRun(backup, request, place, life.signal);
				const page = async () => {
					pages += result.entries.length;
					const further = await dryRun(backup, {...request, entries_from: pages}, make('div'), life.signal);
					further.entries = [...result.entries, ...further.entries];
					show({...result, entries: further.entries, entries_left_out: further.entries_left_out});
				};
				const show = (all) => {
					Object.assign(result, all);
					place.replaceChildren(...decide(backup, request, result, close, page));
				};
				show(result);
				place.querySelector('#typed, .actions button:last-child').focus();
			} catch (problem) {
				if (!life.signal.aborted) failure(place, problem, first);
				if (problem.operation) watch(await call('GET', problem.operation));
			}
		};

		dialog.addEventListener('close', () => life.abort());
		first();
		return place;
	});
}
