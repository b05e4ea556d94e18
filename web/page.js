'use strict';

const $ = (id) => document.getElementById(id);
const SETTLE_MS = 2000;
let token = sessionStorage.getItem('token') || '';
let watching = null;

function say(text) {
	$('message').textContent = text || '';
}

function size(bytes) {
	if (bytes === undefined || bytes === null) return '';
	const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
	let i = 0;
	while (bytes >= 1024 && i < units.length - 1) {
		bytes /= 1024;
		i++;
	}
	return bytes.toFixed(i === 0 || bytes >= 100 ? 0 : 1) + ' ' + units[i];
}

/* One call of the API; its JSON, or an Error with what the service said. */
async function call(method, path) {
	const response = await fetch(path, {method, headers: {Authorization: 'Bearer ' + token}});
	if (response.status === 204) return null;
	const body = await response.json();
	if (response.ok) return body;
	const error = new Error(body.title + ': ' + body.detail);
	error.status = response.status;
	error.operation = body.operation;
	throw error;
}

/* Run ${work}; what goes wrong is told. */
async function attempt(work) {
	try {
		say('');
		await work();
	} catch (error) {
		if (error.status === 401) signOut();
		say(error.message);
	}
}

function signOut() {
	token = '';
	sessionStorage.removeItem('token');
	$('login').hidden = false;
	$('work').hidden = true;
	$('token').focus();
}

function button(text, label, action) {
	const b = document.createElement('button');
	b.type = 'button';
	b.textContent = text;
	b.setAttribute('aria-label', label);
	b.addEventListener('click', () => attempt(action));
	return b;
}

async function download(backup) {
	const ticket = await call('POST', '/backups/' + backup.id + '/tickets');
	location.assign(ticket.url);
}

async function remove(backup) {
	if (!confirm('Delete the backup of ' + backup.created_at + '?')) return;
	await call('DELETE', '/backups/' + backup.id);
	await list();
}

function row(backup) {
	const tr = document.createElement('tr');
	const cells = [new Date(backup.created_at).toLocaleString(), backup.state,
		String((backup.containers || []).length),
		backup.freeze_ms === undefined || backup.freeze_ms === null ? '' : backup.freeze_ms + ' ms',
		size(backup.size_bytes)];
	for (const text of cells) {
		const td = document.createElement('td');
		td.textContent = text;
		tr.append(td);
	}
	const get = document.createElement('td');
	const actions = document.createElement('td');
	if (backup.state === 'complete')
		get.append(button('Download ' + size(backup.archive_bytes),
			'Download the backup of ' + backup.created_at, () => download(backup)));
	else if (backup.error)
		get.textContent = backup.error.detail;
	if (backup.state !== 'running')
		actions.append(button('Delete', 'Delete the backup of ' + backup.created_at,
			() => remove(backup)));
	tr.append(get, actions);
	return tr;
}

async function list() {
	const page = await call('GET', '/backups?limit=100');
	$('list').replaceChildren(...page.backups.map(row));
	$('empty').hidden = page.backups.length > 0;
}

function show(operation) {
	const left = operation.remaining_ms === null ? '' :
		', ' + Math.ceil(operation.remaining_ms / 1000) + ' s left';
	$('phase').textContent = operation.kind + ': ' + operation.phase + ', ' +
		size(operation.bytes_done) + ' of ' + size(operation.bytes_total) + ', ' +
		size(operation.bytes_per_second) + '/s' + left;
	$('bar').value = operation.progress;
}

/* Follow the server-sent events of ${path} to their end. */
async function follow(path) {
	const response = await fetch(path + '/events', {headers: {Authorization: 'Bearer ' + token}});
	const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
	let text = '', last = null;
	for (;;) {
		const {value, done} = await reader.read();
		if (done) return last;
		text += value;
		const events = text.split('\n\n');
		text = events.pop();
		for (const event of events)
			for (const line of event.split('\n'))
				if (line.startsWith('data: ')) show(last = JSON.parse(line.slice(6)));
	}
}

async function watch(path) {
	if (watching) return;
	watching = path;
	$('progress').hidden = false;
	$('start').disabled = true;
	try {
		let operation = await follow(path);
		while (!operation || operation.ended_at === null) {
			await new Promise((resolve) => setTimeout(resolve, SETTLE_MS));
			operation = await call('GET', path);
			show(operation);
		}
		if (operation.error) say(operation.error.title + ': ' + operation.error.detail);
	} finally {
		watching = null;
		$('progress').hidden = true;
		$('start').disabled = false;
		await list();
	}
}

async function start() {
	try {
		const operation = await call('POST', '/backups');
		await watch('/operations/' + operation.id);
	} catch (error) {
		if (!error.operation) throw error;
		await watch(error.operation);
	}
}

async function signIn() {
	await list();
	sessionStorage.setItem('token', token);
	$('login').hidden = true;
	$('work').hidden = false;
	const health = await call('GET', '/health');
	$('health').textContent = health.status === 'ok' ? 'version ' + health.version :
		'degraded: ' + (health.engine.error || 'the store is nearly full');
	if (health.operation) await watch('/operations/' + health.operation);
}

$('login').addEventListener('submit', (event) => {
	event.preventDefault();
	token = $('token').value.trim();
	$('token').value = '';
	attempt(signIn);
});
$('start').addEventListener('click', () => attempt(start));
$('cancel').addEventListener('click', () => attempt(() => call('DELETE', watching)));
if (token) attempt(signIn);
else signOut();
