/* Elements as values: make('p', {class: 'hint'}, 'text', child).  What is null or false is left out. */

const SVG = 'http://www.w3.org/2000/svg';
const none = (value) => value === undefined || value === null || value === false;

function fill(element, attributes, children) {
	for (const [key, value] of Object.entries(attributes)) {
		if (none(value)) continue;
		if (key.startsWith('on')) element.addEventListener(key.slice(2), value);
		else element.setAttribute(key, value === true ? '' : value);
	}
	element.append(...children.flat(Infinity).filter((child) => !none(child)));
	return element;
}

export function make(name, attributes = {}, ...children) {
	return fill(document.createElement(name), attributes, children);
}

/* The same for pictures. */
export function draw(name, attributes = {}, ...children) {
	return fill(document.createElementNS(SVG, name), attributes, children);
}

/* A list of facts; those without a value are left out. */
export function facts(pairs) {
	return make('dl', {class: 'facts'}, pairs.filter(([, value]) => !none(value) && value !== '')
		.map(([name, value]) => make('div', {}, make('dt', {}, name), make('dd', {}, value))));
}

/* A small table: ${rows} are lists of cells, of which the first names its row. */
export function table(caption, heads, rows) {
	const cell = (content, i) => make(i === 0 ? 'th' : 'td', i === 0 ? {scope: 'row'} : {}, content);

	return make('div', {class: 'wide', role: 'region', 'aria-label': caption, tabindex: 0},
		make('table', {},
			make('caption', {class: 'spoken'}, caption),
			make('thead', {}, make('tr', {}, heads.map((head) => make('th', {scope: 'col'}, head)))),
			make('tbody', {}, rows.map((row) => make('tr', {}, row.map(cell))))));
}

/* A section with a heading, or nothing if there is nothing in it. */
export function section(title, ...children) {
	const inside = children.flat(Infinity).filter((child) => !none(child));

	return inside.length > 0 && make('section', {}, make('h2', {}, title), inside);
}
