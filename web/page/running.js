/* What runs now, above every view: phase, bytes, rate, remaining time, the freeze when it happens. */
import {make} from './elements.js';
import {action, complain, say} from './notice.js';
import {call, follow, session, signedIn} from './service.js';
import {bytes, capital, duration, fault, kindOf, next, phase, some, time} from './words.js';

const LOOK_MS = 4000; // for operations that others begin
const TICK_MS = 100;

/* Dispatches `ended`, whose detail is the operation, and `busy` when what busy() tells has changed. */
export const operations = new EventTarget();

const cards = new Map(); // by id of the operation
const FRONT = ['backup', 'restore', 'import', 'verify']; // of these one runs at a time
const front = new Map(); // those of them that run now, by id

/* What keeps a backup from beginning, in a word; undefined if nothing does. */
export const busy = () => front.values().next().value;

function note(operation, runs) {
	if (!FRONT.includes(operation.kind)) return;
	if (runs) front.set(operation.id, kindOf(operation));
	else front.delete(operation.id);
	operations.dispatchEvent(new Event('busy'));
}

class Card {
	constructor(operation) {
		this.head = make('strong');
		this.facts = make('span', {class: 'numbers'});
		this.still = make('strong', {class: 'still', hidden: true});
		this.bar = make('progress', {max: 1, 'aria-label': `Progress of the ${kindOf(operation)}`});
		this.cancel = action('Cancel', () => call('DELETE', `/operations/${operation.id}`),
			{'aria-label': `Cancel the ${kindOf(operation)}`});
		this.end = make('div', {class: 'end', hidden: true});
		this.element = make('li', {'data-kind': operation.kind, 'data-id': operation.id},
			make('p', {}, this.head, ' ', this.still, ' ', this.facts), this.bar, this.cancel, this.end);
		document.getElementById('running').append(this.element);
	}

	show(operation) {
		const {bytes_total: total, bytes_done: done, bytes_per_second: rate, remaining_ms: left} = operation;
		const head = `${capital(kindOf(operation))}: ${phase(operation)}`;

		if (this.head.textContent !== head) say(head);
		this.head.textContent = head;
		this.facts.textContent = [total > 0 && `${bytes(done)} of ${bytes(total)}`,
			rate > 0 && `${bytes(rate)}/s`, left && `${duration(left)} left`].filter(Boolean).join(', ');
		if (total > 0 || operation.progress > 0) this.bar.value = operation.progress;
		this.#freeze(operation.kind === 'backup' && operation.phase === 'freeze' && !operation.ended_at);
	}

	/* While the containers stand still a clock runs. */
	#freeze(now) {
		if (now === Boolean(this.clock)) return;
		clearInterval(this.clock);
		this.clock = null;
		this.still.hidden = !now;
		if (!now) return;
		const from = performance.now();
		const tick = () => {
			this.still.textContent = `still for ${duration(performance.now() - from)}`;
		};
		this.clock = setInterval(tick, TICK_MS);
		tick();
	}

	away() {
		this.facts.textContent = 'The service does not answer; asking again …';
	}

	/* The last word on it, until people close it. */
	finish(good, ...content) {
		this.#freeze(false);
		this.bar.remove();
		this.cancel.remove();
		this.facts.remove();
		this.element.classList.add(good ? 'good' : 'bad');
		this.end.replaceChildren(...content.flat(Infinity).filter(Boolean),
			action('Close', () => this.element.remove(), {class: 'plain', 'aria-label': 'Close this message'}));
		this.end.hidden = false;
	}
}

const link = (id, text) => make('a', {href: `#/backups/${id}`}, text);

/* What the plan's retention took away. */
const removed = (gone) => gone?.length > 0 && ` The plan’s retention removed ${some(gone.length, 'older backup')}: ` +
	`${gone.map((one) => time(one.created_at)).join('; ')}.`;

/* What there is to say of one that succeeded. */
async function outcome(operation, signal) {
	const {kind, result} = operation;
	const id = operation.backup ?? result?.backup;

	if (kind === 'backup') {
		const backup = await call('GET', `/backups/${id}`, {signal});
		return [link(id, 'Backup'), ` of ${bytes(backup.size_bytes)}, ${bytes(backup.stored_bytes)} of it new`,
			backup.containers.length > 0 && backup.freeze_ms !== null &&
				`; the containers stood still for ${duration(backup.freeze_ms)}`, '.',
			removed(result?.removed)];
	}
	if (kind === 'import') return [link(id, 'The backup'), ' is on the list.'];
	if (kind === 'verify') return [link(id, 'The backup'), ' was read back and is whole.'];
	if (kind === 'rehearse') return [link(id, 'The backup'), ' was restored into clones, which came up: it is proven.'];
	if (operation.dry_run) return 'Nothing was changed.';
	if (kind === 'restore') return [link(id, 'The backup'), ' is back.'];
	if (kind === 'sweep') return `${bytes(result?.freed_bytes ?? 0)} were given back.`;
	return `${bytes(result?.bytes ?? 0)} were read, all of it whole.`;
}

const list = (texts) => texts?.length > 0 &&
	make('ul', {}, texts.slice(0, 20).map((text) => make('li', {}, text)),
		texts.length > 20 && make('li', {}, `… and ${texts.length - 20} more`));

async function settle(card, operation, signal) {
	const good = operation.state === 'succeeded';
	const took = duration(new Date(operation.ended_at) - new Date(operation.created_at));
	const problem = good ? null : fault(operation);

	card.head.textContent = capital(`${kindOf(operation)} ${good ? 'done' : operation.state} after ${took}`);
	say(good ? card.head.textContent : `${card.head.textContent}. ${problem.detail}`);
	if (good)
		card.finish(true, make('p', {}, await outcome(operation, signal)), list(operation.result?.warnings));
	else
		card.finish(false, make('p', {}, make('strong', {}, problem.title), ': ', problem.detail),
			make('p', {class: 'hint'}, next(problem)),
			operation.backup && make('p', {}, link(operation.backup, 'See the backup')));
}

let life = new AbortController();

/* Show an operation until it has ended, and its end; resolves with that, or undefined if people left. */
export async function watch(operation) {
	const {signal} = life;

	if (cards.has(operation.id)) return cards.get(operation.id).done;
	for (const old of document.querySelectorAll(`#running > .good[data-kind=${operation.kind}]`))
		old.remove();
	const card = new Card(operation);
	const work = async () => {
		try {
			card.show(operation);
			note(operation, true);
			const ended = await follow(operation.id, (now) => card.show(now),
				{signal, away: () => card.away()});
			note(operation, false);
			await settle(card, ended, signal);
			operations.dispatchEvent(new CustomEvent('ended', {detail: ended}));
			return ended;
		} catch (problem) {
			if (signal.aborted) return undefined;
			card.element.remove();
			complain(problem);
			return undefined;
		} finally {
			note(operation, false);
		}
	};

	card.done = work();
	cards.set(operation.id, card);
	return card.done;
}

/* Begin work that answers with an operation; what is running already is shown instead. */
export async function begin(path, body) {
	try {
		const operation = await call('POST', path, {body});
		watch(operation);
		return operation;
	} catch (problem) {
		if (problem.operation) watch(await call('GET', problem.operation));
		throw problem;
	}
}

/* Look for what others begin, as long as people are signed in and the page is seen. */
async function look() {
	const {signal} = life;

	while (!signal.aborted && signedIn()) {
		try {
			if (document.visibilityState === 'visible') {
				const page = await call('GET', '/operations?limit=10', {signal});
				for (const operation of page.operations)
					if (!operation.ended_at) watch(operation);
			}
		} catch (problem) {
			if (signal.aborted) return;
			if (!problem.passes) complain(problem);
		}
		await new Promise((done) => setTimeout(done, LOOK_MS));
	}
}

export function start() {
	life = new AbortController();
	look();
}

session.addEventListener('signed-out', () => {
	life.abort();
	cards.clear();
	front.clear();
	document.getElementById('running').replaceChildren();
});
