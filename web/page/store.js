/* The store: its state, its pictures, and what is seldom done. */
import {backups, reload} from './catalogue.js';
import {confirm} from './dialog.js';
import {facts, make, section} from './elements.js';
import {action, say} from './notice.js';
import {pictures} from './pictures.js';
import {begin, operations} from './running.js';
import {ask, call, health} from './service.js';
import {bytes, count, duration} from './words.js';

/* Send a file's bytes, as the browser streams them; meanwhile its operation shows how it goes on. */
async function upload(input) {
	const [file] = input.files;

	if (!file) throw Object.assign(new Error('Choose the archive first, a .tar.zst or a .tar.'), {title: ''});
	const type = file.name.endsWith('.tar') ? 'application/x-tar' : 'application/zstd';
	const response = await ask('PUT', '/archives', {body: file, headers: {'Content-Type': type}});
	input.value = '';
	if (response.status === 200) say('The store has this backup already.');
	location.hash = `#/backups/${(await response.json()).id}`;
}

async function thaw(place) {
	const sure = await confirm('Thaw containers?', ['Whatever this service froze runs on at once; a backup that is being made ' +
		'fails. One that its owner paused stays paused.'], 'Thaw');

	if (!sure) return;
	const {thawed} = await call('POST', '/thaw');
	place.textContent = thawed.length > 0 ? `Thawed: ${thawed.join(', ')}.` : 'Nothing was frozen by this service.';
}

export async function show(place, _, signal) {
	const state = make('div');
	const drawn = make('div', {class: 'pictures'});
	const file = make('input', {id: 'archive', type: 'file', accept: '.zst,.tar'});
	const thawed = make('p', {role: 'status'});
	const look = async () => {
		const {status, version, engine, store, missing, recovery, clock_ahead_ms: ahead} = await health(signal);
		state.replaceChildren(facts([
			['Service', `${status}, version ${version}`],
			['Missing', missing?.length > 0 && make('strong', {}, missing.join('; '))],
			['Engine', engine.reachable ? `Docker ${engine.version}, API ${engine.api}` : make('strong', {}, 'does not answer: ',
				typeof engine.error === 'string' ? engine.error : engine.error?.detail ?? '')],
			['Clock', ahead ? make('strong', {}, `the engine’s is ${duration(Math.abs(ahead))} ${ahead > 0 ? 'ahead of' : 'behind'} the service’s`) : ''],
			['Recovery', recovery && make('strong', {}, `A restore that was cut off is not put right yet${recovery.error ? ': ' : '.'}`,
				recovery.error ?? '')],
			['Store', [make('code', {}, store.path), store.encrypted ? ', encrypted' : '']],
			['Takes', store.packs_bytes !== null && `${bytes(store.packs_bytes)}, ${count(store.chunks ?? 0)} chunks`],
			['Free', bytes(store.free_bytes)]]));
		return store.packs_bytes ?? 0;
	};
	const refresh = async () => {
		const [taken] = await Promise.all([look(), reload(() => {}, signal)]);
		drawn.replaceChildren(...pictures(backups(), taken));
	};

	place.append(make('h1', {tabindex: -1}, 'Store'), state, drawn,
		section('Upkeep', make('p', {class: 'actions'},
			action('Sweep', () => begin('/sweep'), {title: 'Give back the space of deleted backups'}),
			action('Scrub', () => begin('/scrub'), {title: 'Read the whole store back and check every chunk'}),
			action('Thaw …', () => thaw(thawed), {title: 'Emergency: thaw what this service froze'})), thawed),
		section('Import', make('label', {for: 'archive'}, 'An archive that was downloaded here or from another host'),
			make('p', {class: 'actions'}, file, action('Import', () => upload(file)))));
	operations.addEventListener('ended', () => refresh().catch(() => {}), {signal});
	await refresh();
}
