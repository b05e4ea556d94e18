/*
 * A button that backs up the host, for any page:
 *
 *	<script src="/backup/fuel-backup-button.js" defer></script>
 *	<fuel-backup-button base="/backup"></fuel-backup-button>
 *
 * docs/button.md has its attributes, properties and events.  Works as a classic script and as a
 * module, needs nothing besides, and keeps to a Content-Security-Policy without 'unsafe-inline'.
 */
(() => {
'use strict';

const POLL_MS = 2000;
const ASK_MS = 30000;     // for one answer; containers that stand still, a proxy too, answer later
const FIRST_MS = 5000;    // the stream begins with the present state: if not, something buffers it
const SILENCE_MS = 60000; // and has a comment each 25 s
const WARNINGS_MAX = 20;  // that are shown
const HOME = new URL('.', document.currentScript?.src ?? document.baseURI).href;

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
};

const ENDS = {
	failed: 'It failed, and the reason is not known: see the service’s log.',
	cancelled: 'It was cancelled: begin it again when you like.',
	interrupted: 'The service was stopped meanwhile: begin it again.',
};

const SHEET = `
:host { display: inline-block; max-width: 36rem; font: inherit; }
:host([state=running]) { width: min(28rem, 100%); }
:host([hidden]), [hidden] { display: none !important; }
button, input { font: inherit; padding: .4em .9em; border-radius: .3em; }
button { border: 1px solid transparent; cursor: pointer;
	background: var(--fuel-backup-accent, #1769aa); color: var(--fuel-backup-on-accent, #fff); }
button[aria-disabled=true] { opacity: .6; cursor: default; }
input { border: 1px solid; background: transparent; color: inherit; }
:focus-visible { outline: 2px solid; outline-offset: 2px; }
progress { display: block; width: 100%; margin: .5em 0 .2em;
	accent-color: var(--fuel-backup-accent, #1769aa); }
p, form, details { margin: .4em 0 0; overflow-wrap: anywhere; }
p:empty { margin: 0; padding: 0; border: 0; }
form { display: flex; flex-wrap: wrap; gap: .5em; align-items: center; }
a { color: inherit; font-weight: 600; text-underline-offset: .2em; }
.error:not(:empty) { padding-left: .6em; border-left: .25em solid #c62828; }
.spoken { position: absolute; width: 1px; height: 1px; margin: -1px; overflow: hidden;
	clip-path: inset(50%); white-space: nowrap; }
`;

/* What went wrong: a problem of the service (RFC 9457), or of the way to it. */
class Problem extends Error {
	constructor({type = '', title = '', detail = '', operation}, status = 0) {
		super(detail);
		Object.assign(this, {type, title, detail, operation, status});
	}

	/* It may be over in a moment: nothing, or a proxy alone, answers. */
	get passes() {
		return this.status === 0 || this.status === 429 || this.status >= 502;
	}

	static async of(response) {
		if (response.headers.get('Content-Type') === 'application/problem+json')
			return new Problem(await response.json(), response.status);
		return new Problem({
			title: `There is no fuel-backup at ${response.url}`,
			detail: `The answer was ${response.status}. See that the service runs, and that ` +
				'“base” and the proxy’s location are right.',
		}, response.status);
	}
}

function bytes(count) {
	const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
	let unit = 0;

	for (; count >= 1024 && unit < units.length - 1; unit++)
		count /= 1024;
	return `${count.toFixed(unit === 0 || count >= 100 ? 0 : 1)} ${units[unit]}`;
}

function duration(ms) {
	const seconds = Math.ceil(ms / 1000);

	return seconds < 100 ? `${seconds} s` : `${Math.ceil(seconds / 60)} min`;
}

function cookie(name) {
	const found = document.cookie.split('; ').find((one) => name && one.startsWith(`${name}=`));

	try {
		return found && decodeURIComponent(found.slice(name.length + 1));
	} catch {
		return ''; // not one that was set by a page
	}
}

function element(name, attributes = {}, ...children) {
	const made = document.createElement(name);

	for (const [key, value] of Object.entries(attributes))
		made.setAttribute(key, value);
	made.append(...children);
	return made;
}

/* Nothing for ${ms}; rejects when ${signal} aborts. */
function pause(ms, signal) {
	return new Promise((done, fail) => {
		signal.throwIfAborted();
		setTimeout(done, ms);
		signal.addEventListener('abort', () => fail(signal.reason), {once: true});
	});
}

/* A signal that aborts with ${life}, and when it was not fed for so long. */
function watchdog(life) {
	const controller = new AbortController();
	const abort = () => controller.abort();
	let timer;

	life.addEventListener('abort', abort, {signal: controller.signal});
	return {
		signal: controller.signal,
		feed(ms) {
			clearTimeout(timer);
			timer = setTimeout(abort, ms);
		},
		end() {
			clearTimeout(timer);
			abort();
		},
	};
}

class FuelBackupButton extends HTMLElement {
	#life = new AbortController(); // aborted when the element leaves the page
	#busy = false;
	#backup = null; // the one that can be downloaded
	#given = {};    // credentials by property
	#typed = '';    // by the form
	#again = null;  // what the form's token is for
	#parts = {};

	constructor() {
		super();
		const sheet = new CSSStyleSheet();
		const root = this.attachShadow({mode: 'open', delegatesFocus: true});

		sheet.replaceSync(SHEET);
		root.adoptedStyleSheets = [sheet];
		root.append(...this.#build());
	}

	#build() {
		const p = this.#parts;

		p.start = element('button', {type: 'button', part: 'button'},
			element('slot', {}, 'Back up now'));
		p.bar = element('progress', {max: 1, part: 'progress', 'aria-label': 'Progress', hidden: ''});
		p.status = element('p', {part: 'status', hidden: ''});
		p.link = element('a', {part: 'link', download: '', hidden: ''});
		p.warnings = element('details', {part: 'warnings', hidden: ''});
		p.error = element('p', {part: 'error', class: 'error', role: 'alert'});
		p.force = element('button', {type: 'button', part: 'force', hidden: ''}, 'Back up all the same');
		p.token = element('input', {type: 'password', autocomplete: 'off', required: ''});
		p.form = element('form', {hidden: ''}, element('label', {}, 'Token ', p.token),
			element('button', {}, 'Go on'));
		p.spoken = element('p', {class: 'spoken', role: 'status'});
		p.start.addEventListener('click', () => this.start());
		p.force.addEventListener('click', () => this.start({force: true}));
		p.link.addEventListener('click', (event) => this.#download(event));
		p.form.addEventListener('submit', (event) => {
			event.preventDefault();
			this.#typed = p.token.value.trim();
			p.token.value = '';
			p.form.hidden = true;
			p.start.focus();
			this.#again();
		});
		return [p.start, p.bar, p.status, p.link, p.warnings, p.error, p.force, p.form, p.spoken];
	}

	connectedCallback() {
		this.#life = new AbortController();
		for (const name of ['token', 'xAuthToken']) { // set before this script was there
			if (!Object.hasOwn(this, name)) continue;
			const value = this[name];
			delete this[name];
			this[name] = value;
		}
		queueMicrotask(() => this.#join());
	}

	disconnectedCallback() {
		this.#life.abort();
	}

	get token() { return this.#given.token ?? this.getAttribute('token') ?? ''; }
	set token(value) { this.#given.token = value; }
	get xAuthToken() { return this.#given.xAuthToken ?? this.getAttribute('x-auth-token') ?? ''; }
	set xAuthToken(value) { this.#given.xAuthToken = value; }

	/* Begin a backup, or follow the one that runs.  Resolves when it has ended, however. */
	async start({force = false} = {}) {
		this.#again = () => this.start({force});
		await this.#work(async () => {
			this.#clear();
			this.#parts.start.setAttribute('aria-disabled', 'true');
			this.#tell('Beginning …');
			try {
				return await this.#json('POST', '/backups', force ? {force} : undefined);
			} catch (problem) {
				if (!problem.operation) throw problem;
				return this.#json('GET', problem.operation);
			}
		});
	}

	/* Follow what runs already.  Without the right to see it, nothing is shown. */
	async #join() {
		if (!this.isConnected || !Object.keys(this.#credentials()).length) return;
		try {
			const {operation} = await this.#json('GET', '/health');
			const running = operation && await this.#json('GET', `/operations/${operation}`);
			if (running) await this.#work(() => running);
		} catch {
			return; // a click will tell what is wrong
		}
	}

	/* Follow the operation that ${begin} gives to its end. */
	async #work(begin) {
		if (this.#busy || !this.isConnected) return;
		const {signal} = this.#life;

		this.#busy = true;
		try {
			const operation = await begin();
			this.#clear();
			this.#show(operation);
			this.#turn('running', {operation});
			await this.#end(await this.#follow(`/operations/${operation.id}`));
		} catch (problem) {
			this.#clear();
			if (!signal.aborted) this.#fail(problem);
		} finally {
			this.#busy = false;
			this.#parts.start.removeAttribute('aria-disabled');
			this.#parts.bar.hidden = true;
		}
	}

	/* The document of an operation that has ended.  What passes is waited for. */
	async #follow(path) {
		for (let streams = true;; await pause(POLL_MS, this.#life.signal)) {
			if (streams) streams = await this.#stream(`${path}/events`);
			try {
				const operation = await this.#json('GET', path);
				this.#show(operation);
				if (operation.ended_at) return operation;
			} catch (problem) {
				if (!problem.passes || this.#life.signal.aborted) throw problem;
				this.#tell('The service does not answer; asking again …');
			}
		}
	}

	/* Show server-sent events while they come; whether there were any. */
	async #stream(path) {
		const dog = watchdog(this.#life.signal);
		let heard = false, text = '';

		dog.feed(FIRST_MS);
		try {
			const response = await this.#fetch('GET', path, undefined, dog.signal);
			const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
			for (;;) {
				const {value, done} = await reader.read();
				if (done) return heard;
				dog.feed(SILENCE_MS);
				const events = (text + value).split('\n\n');
				text = events.pop();
				for (const line of events.flatMap((event) => event.split('\n'))) {
					if (!line.startsWith('data: ')) continue;
					this.#show(JSON.parse(line.slice(6)));
					heard = true;
				}
			}
		} catch {
			return heard;
		} finally {
			dog.end();
		}
	}

	async #end(operation) {
		if (operation.state !== 'succeeded')
			throw new Problem(operation.error ??
				{title: `The ${operation.kind} did not succeed`, detail: ENDS[operation.state]}, 500);
		if (operation.kind !== 'backup') {
			this.#tell(`The ${operation.kind} is done.`);
			return this.#turn('idle', {operation});
		}
		const backup = await this.#json('GET', `/backups/${operation.backup}`);
		const stood = backup.containers?.length && backup.freeze_ms !== null
			? `, the containers stood still for ${backup.freeze_ms} ms` : '';
		this.#backup = backup;
		this.#tell(`Backup of ${new Date(backup.created_at).toLocaleString()}: ` +
			`${bytes(backup.size_bytes)}${stood}.`);
		this.#parts.link.href = this.#url(`/backups/${backup.id}/archive`);
		this.#parts.link.textContent = `Download (${bytes(backup.archive_bytes)})`;
		this.#parts.link.hidden = false;
		this.#warn(backup.warnings);
		this.#turn('done', {operation, backup});
	}

	/* A link carries no header, so each click is given a ticket, which is good for a minute. */
	async #download(event) {
		event.preventDefault();
		try {
			const {url} = await this.#json('POST', `/backups/${this.#backup.id}/tickets`);
			element('a', {href: this.#url(url), download: ''}).click();
		} catch (problem) {
			this.#again = () => this.#download(event);
			this.#complain(problem);
		}
	}

	// What is seen and heard.

	#clear() {
		const {status, link, warnings, error, force, form, spoken} = this.#parts;

		spoken.textContent = error.textContent = '';
		for (const part of [status, link, warnings, force, form])
			part.hidden = true;
	}

	#show(operation) {
		const {start, bar, status, spoken} = this.#parts;
		const waits = operation.state === 'queued';
		const phase = waits ? 'waiting' : PHASES[operation.phase] ?? operation.phase;
		const kind = operation.kind.replace(/^./, (letter) => letter.toUpperCase());
		const facts = [`${kind}: ${phase}`];

		if (operation.bytes_total)
			facts.push(`${bytes(operation.bytes_done)} of ${bytes(operation.bytes_total)}`);
		if (operation.bytes_per_second) facts.push(`${bytes(operation.bytes_per_second)}/s`);
		if (operation.remaining_ms) facts.push(`${duration(operation.remaining_ms)} left`);
		start.setAttribute('aria-disabled', 'true');
		bar.hidden = status.hidden = false;
		bar.value = operation.progress;
		status.textContent = facts.join(', ');
		if (spoken.textContent !== facts[0]) spoken.textContent = facts[0]; // once a phase
	}

	#tell(text) {
		const {status, spoken} = this.#parts;

		status.hidden = false;
		spoken.textContent = status.textContent = text;
	}

	#warn(list = []) {
		const {warnings} = this.#parts;
		const more = list.length - WARNINGS_MAX;
		const shown = list.slice(0, WARNINGS_MAX).concat(more > 0 ? `… and ${more} more` : []);

		warnings.hidden = list.length === 0;
		warnings.replaceChildren(
			element('summary', {}, list.length === 1 ? '1 warning' : `${list.length} warnings`),
			element('ul', {}, ...shown.map((text) => element('li', {}, text))));
	}

	#complain(problem) {
		const {error, force, form} = this.#parts;
		const ask = problem.status === 401 && !this.token && !this.#keystone();

		error.textContent = ask && !this.#typed
			? 'The service wants its token, which stands in the file “token” of its store.'
			: [problem.title, problem.detail || String(problem)].filter(Boolean).join(': ');
		form.hidden = !ask;
		force.hidden = !/:(fuel-busy|preflight-failed)$/.test(problem.type);
	}

	#fail(problem) {
		this.#complain(problem);
		this.#turn('failed', {problem});
	}

	#turn(state, more) {
		this.setAttribute('state', state);
		this.dispatchEvent(new CustomEvent('fuel-backup',
			{bubbles: true, composed: true, detail: {state, ...more}}));
	}

	// The way to the service.

	#url(path) {
		const base = new URL(this.getAttribute('base') ?? HOME, document.baseURI).href;

		return base.replace(/\/+$/, '') + path;
	}

	#keystone() {
		return this.xAuthToken || cookie(this.getAttribute('x-auth-cookie'));
	}

	#credentials() {
		const token = this.token || this.#typed, keystone = this.#keystone();

		return {...(token && {Authorization: `Bearer ${token}`}),
			...(keystone && {'X-Auth-Token': keystone})};
	}

	/* A good answer; else a Problem is thrown. */
	async #fetch(method, path, body, signal) {
		const headers = this.#credentials();
		let response;

		if (body) headers['Content-Type'] = 'application/json';
		try {
			response = await fetch(this.#url(path),
				{method, headers, signal, body: body && JSON.stringify(body)});
		} catch (error) {
			throw new Problem({
				title: 'The service cannot be reached',
				detail: `${this.#url('/')} does not answer (${error.message}). See that it runs, that ` +
					'“base” is right, and from another origin that FUEL_BACKUP_ORIGINS has this one.',
			});
		}
		const tells = response.status === 503 && response.headers.get('Content-Type') === 'application/json'; // health
		if (!response.ok && !tells) throw await Problem.of(response);
		return response;
	}

	async #json(method, path, body) {
		const dog = watchdog(this.#life.signal);

		dog.feed(ASK_MS);
		try {
			const response = await this.#fetch(method, path, body, dog.signal);
			return await response.json();
		} finally {
			dog.end();
		}
	}
}

if (!customElements.get('fuel-backup-button'))
	customElements.define('fuel-backup-button', FuelBackupButton);
})();
