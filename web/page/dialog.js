/* Dialogs: of the browser, so that focus, Escape and the page behind are its business. */
import {make} from './elements.js';
import {action} from './notice.js';

/* Show a dialog with ${title}; ${fill} gets the function that closes it with a value, and gives what
 * is inside.  Resolves with that value, or undefined. */
export function open(title, fill) {
	return new Promise((done) => {
		const dialog = make('dialog', {'aria-labelledby': 'dialog-title'});
		let value;
		const close = (given) => {
			value = given;
			dialog.close();
		};

		dialog.append(make('h2', {id: 'dialog-title'}, title), ...[fill(close, dialog)].flat(Infinity));
		dialog.addEventListener('close', () => {
			dialog.remove();
			done(value);
		});
		document.body.append(dialog);
		dialog.showModal();
	});
}

/* Whether people want it: ${yes} is the button's text. */
export function confirm(title, text, yes, {danger = true} = {}) {
	return open(title, (close) => [
		[text].flat().map((line) => make('p', {}, line)),
		make('p', {class: 'actions'},
			action('Not now', () => close(false), {autofocus: true}),
			action(yes, () => close(true), {class: danger ? 'danger' : 'main'}))]);
}

/* A line of text, or undefined. */
export function prompt(title, label, value, yes) {
	return open(title, (close) => {
		const input = make('input', {id: 'answer', value, maxlength: 200, autocomplete: 'off'});

		return make('form', {onsubmit: (event) => {
			event.preventDefault();
			close(input.value.trim());
		}}, make('label', {for: 'answer'}, label), input,
		make('p', {class: 'actions'}, action('Cancel', () => close()),
			make('button', {class: 'main'}, yes)));
	});
}
