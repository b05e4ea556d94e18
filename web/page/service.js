/* The way to the service: its token, calls, problems and events. */

const ROOT = new URL('.', document.baseURI).href.replace(/\/$/, ''); // also below a proxy's prefix
const ASK_MS = 60000;     // for one answer
const POLL_MS = 2000;
const FIRST_MS = 5000;    // events begin with the present state: if not, something buffers them
const SILENCE_MS = 60000; // and have a comment each 25 s
const KEY = 'fuel-backup-token';

/* Dispatches `signed-out`. */
export const session = new EventTarget();

let token = sessionStorage.getItem(KEY) ?? '';

export const signedIn = () => token !== '';

export function signIn(given) {
	token = given;
	sessionStorage.setItem(KEY, token);
}

export function signOut() {
	token = '';
	sessionStorage.removeItem(KEY);
	session.dispatchEvent(new Event('signed-out'));
}

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

	is(name) {
		return this.type === `urn:fuel-backup:${name}`;
	}

	static async of(response) {
		if (response.headers.get('Content-Type') === 'application/problem+json')
			return new Problem(await response.json(), response.status);
		return new Problem({title: 'Something between here and the service answered',
			detail: `The answer was ${response.status}.`}, response.status);
	}
}

/* The service is not well, and its answer says why: that is no problem of the request. */
function tellsHealth(response) {
	return response.status === 503 && response.headers.get('Content-Type') === 'application/json';
}

/* The response, if it is a good one; else a Problem is thrown. */
export async function ask(method, path, {body, signal, headers = {}} = {}) {
	const given = {Authorization: `Bearer ${token}`, ...headers};
	const json = body !== undefined && !(body instanceof Blob);
	let response;

	if (json) given['Content-Type'] = 'application/json';
	try {
		response = await fetch(ROOT + path,
			{method, signal, headers: given, body: json ? JSON.stringify(body) : body});
	} catch (error) {
		if (signal?.aborted && error.name === 'AbortError') throw error;
		throw new Problem({title: 'The service cannot be reached',
			detail: 'It does not answer. See that it runs, and try again.'});
	}
	if (response.ok || tellsHealth(response)) return response;
	if (response.status === 401) signOut();
	throw await Problem.of(response);
}

/* Its JSON; null if there is none. */
export async function call(method, path, {body, signal} = {}) {
	const late = AbortSignal.timeout(ASK_MS);
	const response = await ask(method, path,
		{body, signal: signal ? AbortSignal.any([signal, late]) : late});

	return response.status === 204 ? null : response.json();
}

/* What GET /health says, whether the service is well or not. */
export async function health(signal) {
	try {
		return await (await fetch(`${ROOT}/health`, {signal})).json();
	} catch (error) {
		if (signal?.aborted) throw error;
		throw new Problem({title: 'The service cannot be reached',
			detail: 'It does not answer. See that it runs, and try again.'});
	}
}

/* An address of ${path} below a backup that needs no token for a minute, for a link cannot carry one. */
export async function ticket(id, path = 'archive') {
	const {url} = await call('POST', `/backups/${id}/tickets`);
	const made = new URL(ROOT + url);
	const wanted = new URL(`${ROOT}/backups/${id}/${path}`);

	wanted.searchParams.set('ticket', made.searchParams.get('ticket'));
	return wanted.href;
}

export function download(url) {
	const link = document.createElement('a');

	link.href = url;
	link.download = '';
	link.click();
}

/* Nothing for ${ms}; rejects when ${signal} aborts. */
function pause(ms, signal) {
	return new Promise((done, fail) => {
		signal.throwIfAborted();
		setTimeout(done, ms);
		signal.addEventListener('abort', () => fail(signal.reason), {once: true});
	});
}

/* Give ${show} the states that server-sent events bring; whether there were any. */
async function events(path, show, signal) {
	const silent = new AbortController();
	let heard = false, text = '', timer;
	const feed = (ms) => {
		clearTimeout(timer);
		timer = setTimeout(() => silent.abort(), ms);
	};

	feed(FIRST_MS);
	try {
		const response = await ask('GET', path, {signal: AbortSignal.any([signal, silent.signal])});
		const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
		for (;;) {
			const {value, done} = await reader.read();
			if (done) return heard;
			feed(SILENCE_MS);
			const parts = (text + value).split('\n\n');
			text = parts.pop();
			for (const line of parts.flatMap((part) => part.split('\n'))) {
				if (!line.startsWith('data: ')) continue;
				show(JSON.parse(line.slice(6)));
				heard = true;
			}
		}
	} catch {
		return heard;
	} finally {
		clearTimeout(timer);
		silent.abort();
	}
}

/* Give ${show} each state of an operation up to its last, which is returned.  What passes is waited
 * for; meanwhile ${away} is called. */
export async function follow(id, show, {signal, away = () => {}}) {
	for (let streams = true;; await pause(POLL_MS, signal)) {
		if (streams) streams = await events(`/operations/${id}/events`, show, signal);
		try {
			const operation = await call('GET', `/operations/${id}`, {signal});
			show(operation);
			if (operation.ended_at) return operation;
		} catch (problem) {
			if (!problem.passes || signal.aborted) throw problem;
			away();
		}
	}
}
