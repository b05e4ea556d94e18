/* What is told: problems, loudly, with what to do next; and what a screen reader says. */
import {make} from './elements.js';
import {next} from './words.js';

const place = (id) => document.getElementById(id);

export function quiet() {
	place('alert').replaceChildren();
}

/* An action that was broken off by leaving its view is no problem. */
export function complain(problem) {
	if (problem.name === 'AbortError') return;
	if (!('title' in problem)) console.error(problem);
	place('alert').replaceChildren(make('div', {class: 'problem'},
		make('p', {}, make('strong', {}, problem.title ?? 'The page failed'), ' ',
			problem.detail ?? problem.message),
		make('p', {class: 'hint'}, next(problem)),
		make('button', {type: 'button', class: 'plain', onclick: quiet}, 'Close')));
	place('alert').scrollIntoView({block: 'nearest'});
}

export function say(text) {
	place('spoken').textContent = text;
}

/* A button; while ${run} works it does nothing more, and what goes wrong is told. */
export function action(text, run, attributes = {}) {
	const button = make('button', {type: 'button', ...attributes}, text);

	button.addEventListener('click', async () => {
		if (button.getAttribute('aria-disabled') === 'true') return;
		button.setAttribute('aria-disabled', 'true');
		quiet();
		try {
			await run(button);
		} catch (problem) {
			complain(problem);
		} finally {
			if (!button.dataset.off) button.removeAttribute('aria-disabled');
		}
	});
	return button;
}

/* Switch it off, which ${why} tells, or on again (undefined).  It keeps the focus. */
export function switchOff(button, why) {
	if (why) button.setAttribute('aria-disabled', 'true');
	else button.removeAttribute('aria-disabled');
	button.dataset.off = why ?? '';
	button.title = why ?? '';
}
