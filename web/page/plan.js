/* What a backup would contain now, when the next ones are made, and which are kept. */
import {confirm} from './dialog.js';
import {facts, make, section, table} from './elements.js';
import {action} from './notice.js';
import {reload} from './catalogue.js';
import {call} from './service.js';
import {bytes, count, duration, longTime, relative, some, time} from './words.js';

const KEEP = ['last', 'hourly', 'daily', 'weekly', 'monthly', 'yearly'];
const KINDS = {volume: 'volume', bind: 'bind', host: 'folder of the host', layer: 'layer', tmpfs: 'tmpfs'};

function runs(title, rule, times) {
	if (!times) return null;
	return facts([[title, [rule?.cron && make('code', {}, rule.cron), rule?.every && `every ${rule.every}`,
		rule?.cron && ` (${times.timezone ?? 'UTC'})`, rule?.jitter && `, up to ${rule.jitter} later`]],
	['Last', times.last_at ? `${longTime(times.last_at)} (${relative(times.last_at)})` : 'never yet'],
	['Next', `${longTime(times.next_at)} (${relative(times.next_at)})`]]);
}

/* What a prune would do, and then the prune. */
async function prune(keep, place, signal) {
	const body = keep ? {keep} : {};
	const {removed, kept} = await call('POST', '/prune', {body: {...body, dry_run: true}, signal});
	const carry = async () => {
		const sure = await confirm(`Remove ${some(removed.length, 'backup')}?`,
			`${some(kept.length, 'backup')} would be kept.`, 'Remove them');
		if (!sure) return;
		const done = await call('POST', '/prune', {body, signal});
		place.replaceChildren(make('p', {role: 'status'},
			`${some(done.removed.length, 'backup')} removed; a sweep gives their space back.`));
		await reload(() => {}, signal);
	};

	place.replaceChildren(
		make('p', {role: 'status'},
			`${some(removed.length, 'backup')} would be removed, ${count(kept.length)} kept. Nothing was changed.`),
		...[removed.length > 0 && action('Remove them …', carry, {class: 'danger'}),
			table('What a prune would do', ['Backup', 'Would be', 'Why'], [
				...removed.map((one) => [time(one.created_at), make('strong', {}, 'removed'), '']),
				...kept.map((one) => [time(one.created_at), 'kept', one.reasons.join(', ')])])].filter(Boolean));
}

function retention(keep, signal) {
	const inputs = KEEP.map((name) => make('input', {id: `keep-${name}`, type: 'number', min: 0, max: 100000,
		inputmode: 'numeric', value: keep?.[name] ?? ''}));
	const place = make('div');
	const manual = make('input', {id: 'keep-manual', type: 'checkbox', checked: keep?.manual === true});
	const wanted = () => ({...Object.fromEntries(KEEP.map((name, i) => [name, inputs[i].valueAsNumber])
		.filter(([, value]) => !Number.isNaN(value))), ...manual.checked && {manual: true}});

	return section('Retention',
		make('p', {class: 'hint'}, keep ? 'After each backup of the plan those are removed that this does not keep.'
			: 'The plan has no “keep”: nothing is removed by itself. Try here which backups a rule would keep.'),
		make('div', {class: 'keep'}, KEEP.map((name, i) =>
			make('span', {}, make('label', {for: `keep-${name}`}, name), inputs[i]))),
		make('label', {class: 'choice'}, manual, ' Also what somebody asked for, not only what the schedule made'),
		make('p', {class: 'actions'}, action('Show what would go', () => prune(wanted(), place, signal))), place);
}

export async function show(place, _, signal) {
	place.append(make('p', {role: 'status', class: 'hint'}, 'Looking at the host …'));
	const preview = await call('GET', '/plan', {signal});
	const {plan, containers, sources, images, freeze} = preview;
	const all = sources.reduce((sum, one) => sum + (one.bytes ?? 0), 0);

	place.replaceChildren(
		make('h1', {tabindex: -1}, 'Plan'),
		...[
			facts([['A backup now', `${some(containers.length, 'container')}, ${bytes(all)} of data`],
				['Would stand still', `some ${duration(freeze.predicted_ms)}, ${freeze.from === 'backups'
					? 'as the last backups did' : 'an estimate, for there is no backup yet'}`]]),
			section('Warnings', preview.warnings.length > 0 &&
				make('ul', {}, preview.warnings.map((text) => make('li', {}, text)))),
			section('Schedule', runs('Backups', plan.schedule, preview.schedule) ||
				make('p', {class: 'hint'},
					'None: backups are made on request. “schedule” in the plan’s file (FUEL_BACKUP_PLAN) changes that.'),
			runs('Rehearsals', plan.rehearse, preview.rehearsals)),
			retention(plan.keep, signal),
			section('Containers', containers.length > 0 && table('Containers of the plan', ['Name', 'Image', 'Is'],
				containers.map((one) => [one.name, one.image ?? '', one.state ?? '']))),
			section('Services of the Swarm', preview.services?.length > 0 && make('p', {}, preview.services.join(', '))),
			section('Data', sources.length > 0 && table('Sources of the plan', ['Name', 'Kind', 'Size', 'Files'],
				sources.map((one) => [one.name, KINDS[one.kind] ?? one.kind, bytes(one.bytes),
					one.files === undefined || one.files === null ? '' : count(one.files)]))),
			section('Images', images.length > 0 && make('p', {}, `${some(images.length, 'image')}, each stored once.`)),
			make('details', {}, make('summary', {}, 'The plan as it stands'), make('pre', {}, JSON.stringify(plan, null, 2))),
		].filter(Boolean));
}
