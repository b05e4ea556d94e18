/* The page: signing in, and which view is shown. */
import {make} from './elements.js';
import {entitle, learn} from './host.js';
import {complain, quiet} from './notice.js';
import {start} from './running.js';
import {call, session, signIn, signOut, signedIn} from './service.js';
import * as backups from './backups.js';

/* Addresses behind the “#”, the view of each, which comes when it is wanted, and its name in the navigation. */
const VIEWS = [
	[/^#\/backups\/([^/]+)\/files(?:\/(.*))?$/, () => import('./browse.js')],
	[/^#\/backups\/([^/]+)$/, () => import('./backup.js')],
	[/^#\/plan$/, () => import('./plan.js'), 'Plan'],
	[/^#\/store$/, () => import('./store.js'), 'Store'],
	[/^#\/history$/, () => import('./history.js'), 'History'],
	[/^/, () => backups, 'Backups'],
];

const $ = (id) => document.getElementById(id);
let life = new AbortController(); // of the view that is shown

async function show() {
	const [found, bring, name] = VIEWS.map(([pattern, ...more]) => [location.hash.match(pattern), ...more])
		.find(([match]) => match);

	life.abort();
	if (!signedIn()) return;
	life = new AbortController();
	quiet();
	entitle(name);
	for (const link of document.querySelectorAll('#views a'))
		link.toggleAttribute('aria-current', link.textContent === name);
	$('view').replaceChildren();
	try {
		const {signal} = life;
		const view = await bring();
		if (!signal.aborted) await view.show($('view'), found.slice(1), signal);
	} catch (problem) {
		if (!signedIn() || problem.name === 'AbortError') return;
		complain(problem instanceof TypeError && /module/.test(problem.message) ? Object.assign(problem,
			{title: 'A part of this page did not come from the service', detail: 'It may be stopped, or be another version now.'})
			: problem);
		if (!$('view').hasChildNodes() || !$('view').querySelector('h1')) $('view').replaceChildren(stuck(name));
	}
}

/* Instead of a view that could not be had: what one can do. */
function stuck(name) {
	return make('div', {}, make('h1', {tabindex: -1}, `${name ?? 'This view'} cannot be shown`),
		make('p', {}, 'What it needs did not come from the service. The reason stands above.'),
		make('p', {class: 'actions'},
			make('button', {type: 'button', class: 'main', onclick: () => location.reload()}, 'Load the page again'),
			make('a', {class: 'button', href: '#/'}, 'To the backups')));
}

/* After a way by a link, a screen reader goes on at the new view. */
async function turn() {
	window.scrollTo(0, 0);
	await show();
	$('view').querySelector('h1')?.focus();
}

function enter() {
	$('login').hidden = true;
	$('views').hidden = $('out').hidden = false;
	start();
	show();
	learn().catch(() => {}); // the page does without
}

session.addEventListener('signed-out', () => {
	life.abort();
	$('view').replaceChildren();
	$('views').hidden = $('out').hidden = true;
	$('login').hidden = false;
	$('token').focus();
});

$('login').addEventListener('submit', async (event) => {
	event.preventDefault();
	signIn($('token').value.trim());
	$('token').value = '';
	quiet();
	try {
		await call('GET', '/backups?limit=1');
		enter();
	} catch (problem) {
		signOut();
		complain(problem);
	}
});
$('out').addEventListener('click', signOut);
window.addEventListener('hashchange', turn);

/* Nothing fails without a word. */
window.addEventListener('error', (event) => complain(event.error ?? new Error(event.message)));
window.addEventListener('unhandledrejection', (event) => complain(event.reason));

$('loading').remove();
if (signedIn()) {
	enter();
} else {
	$('login').hidden = false;
	$('token').focus();
}
