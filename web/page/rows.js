/*
 * A long table of which only the rows in sight exist, so that a hundred thousand are as fast as ten.
 * All rows have the height that the style sheet gives them.  The arrow keys, Page Up and Down, Home
 * and End go from row to row; Tab goes through all that is in a row.
 */
import {make} from './elements.js';

const BEYOND = 12; // rows above and below the window
const KEYS = {ArrowDown: 1, ArrowUp: -1, PageDown: 15, PageUp: -15, Home: -Infinity, End: Infinity};

export class Rows {
	#columns;
	#items = [];
	#shown = new Map(); // index → {item, row}
	#height = 0;
	#body;
	#waiting = false;

	/* ${columns}: {name, class, cell(item)}, of which the first names the row. */
	constructor(label, columns, {signal}) {
		this.#columns = columns;
		this.#body = make('div', {role: 'rowgroup', class: 'body'});
		this.element = make('div', {role: 'table', class: 'rows', 'aria-label': label},
			make('div', {role: 'rowgroup', class: 'head'}, make('div', {role: 'row', 'aria-rowindex': 1},
				columns.map(({name, class: kind}) =>
					make('span', {role: 'columnheader', class: kind}, name)))),
			this.#body);
		this.#body.addEventListener('keydown', (event) => this.#key(event));
		for (const [target, kind] of [[window, 'scroll'], [window, 'resize']])
			target.addEventListener(kind, () => this.#soon(), {passive: true, signal});
	}

	/* The list, which may have grown or changed. */
	set items(list) {
		this.#items = list;
		this.element.setAttribute('aria-rowcount', list.length + 1);
		this.#soon();
	}

	#soon() {
		if (this.#waiting) return;
		this.#waiting = true;
		requestAnimationFrame(() => {
			this.#waiting = false;
			this.#show();
		});
	}

	#row(item, index) {
		return make('div', {role: 'row', 'aria-rowindex': index + 2, 'data-index': index},
			this.#columns.map(({name, cell, class: kind}, i) =>
				make('span', {role: i === 0 ? 'rowheader' : 'cell', class: kind, 'data-name': name}, cell(item))));
	}

	/* The height of a row, by one that is made for it. */
	#measure() {
		const probe = this.#row(this.#items[0], 0);

		this.#body.append(probe);
		this.#height = probe.getBoundingClientRect().height;
		probe.remove();
	}

	#show() {
		const list = this.#items;

		if (!this.element.isConnected) return;
		if (list.length > 0) this.#measure();
		const above = -this.#body.getBoundingClientRect().top;
		const height = this.#height || 1;
		const held = this.#body.contains(document.activeElement)
			? Number(document.activeElement.closest('[role=row]').dataset.index) : -1;
		const first = Math.min(Math.max(0, Math.floor(above / height) - BEYOND), list.length);
		const end = Math.max(first,
			Math.min(list.length, Math.ceil((above + window.innerHeight) / height) + BEYOND));

		for (const [index, {item, row}] of this.#shown) {
			const here = index >= first && index < end;
			if (list[index] === item && (here || index === held)) continue;
			row.remove();
			this.#shown.delete(index);
		}
		for (let index = first; index < end; index++) {
			if (this.#shown.has(index)) continue;
			const row = this.#row(list[index], index);
			this.#shown.set(index, {item: list[index], row});
			this.#body.append(row);
		}
		this.#body.style.height = `${list.length * height}px`;
		for (const [index, {row}] of this.#shown)
			row.style.transform = `translateY(${index * height}px)`;
		this.#order();
	}

	/* In the document as on the screen, for Tab and for screen readers; what has the focus stays. */
	#order() {
		const sorted = [...this.#shown].sort(([a], [b]) => a - b).map(([, {row}]) => row);
		let at = this.#body.firstElementChild;

		for (const row of sorted) {
			if (row === at) {
				at = at.nextElementSibling;
				continue;
			}
			if (row.contains(document.activeElement)) {
				while (at !== row) {
					const passed = at;
					at = at.nextElementSibling;
					row.after(passed);
				}
				at = row.nextElementSibling;
				continue;
			}
			this.#body.insertBefore(row, at);
		}
	}

	#key(event) {
		const row = event.target.closest('[role=row]');

		if (!row || !(event.key in KEYS) || event.altKey || event.ctrlKey || event.metaKey) return;
		const wanted = Number(row.dataset.index) + KEYS[event.key];
		const index = Math.max(0, Math.min(this.#items.length - 1, wanted));
		event.preventDefault();
		this.#reveal(index);
		this.#shown.get(index)?.row.querySelector('a, button')?.focus({preventScroll: true});
	}

	#reveal(index) {
		const top = this.#body.getBoundingClientRect().top + index * this.#height;
		const margin = 2 * this.#height;

		if (top < margin) window.scrollBy(0, top - margin);
		else if (top + margin > window.innerHeight)
			window.scrollBy(0, top + margin - window.innerHeight);
		this.#show();
	}
}
