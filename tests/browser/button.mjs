/* The browser's half of button_test.py, which does what is asked of it by world(). */
import assert from 'node:assert/strict';
import {createServer} from 'node:http';
import {browser, direct, downloaded, facts, run, sha256, watched, world} from './harness.mjs';

const TAG = 'fuel-backup-button';

/* Servers of pages of other origins; the service knows the first of them. An address of their own they must have, for
 * Chromium lets no page of an unknown one reach into this host. */
let given;
const others = [facts.other, 0].map((port) => createServer((_, reply) => {
	reply.writeHead(200, given.headers).end(given.body);
}).listen(port, 'localhost'));
const address = (server) => `http://localhost:${server.address().port}`;

/* A page of ${origin} with a strict policy, which has a button with these attributes. */
async function visit(origin, attributes, {cookie, base = `${facts.nginx}/backup`} = {}) {
	const page = watched(await browser.newPage());
	given = {
		headers: {'Content-Type': 'text/html; charset=utf-8', 'Content-Security-Policy':
			`default-src 'none'; script-src ${facts.nginx}; connect-src ${facts.nginx}; ` +
			"require-trusted-types-for 'script'"},
		body: `<!doctype html><html lang="en"><title>Fuel</title><main><h1>Support</h1>
			<script src="${facts.nginx}/backup/fuel-backup-button.js" defer></script>
			<${TAG} base="${base}" ${attributes}></${TAG}></main></html>`,
	};
	if (origin === facts.nginx) await page.route(`${origin}/page.html`, (route) => route.fulfill(given));
	if (cookie) await page.context().addCookies([{...cookie, url: origin}]);
	await page.goto(`${origin}/page.html`);
	return page;
}

const state = (page, wanted) => page.waitForSelector(`${TAG}[state=${wanted}]`, {timeout: 60000});
const click = (page, text) => page.locator(TAG).getByRole('button', {name: text}).click();
const alerted = (page, text) => page.locator(TAG).getByRole('alert').filter({hasText: text})
	.waitFor({timeout: 60000});
const told = (page, text) => page.locator(TAG).getByRole('status').filter({hasText: text})
	.waitFor({state: 'attached', timeout: 60000});

/* The bytes of the link are those of the newest backup, asked for directly. */
async function downloads(page) {
	const {id} = await world('newest');
	const [download] = await Promise.all([page.waitForEvent('download'),
		page.locator(TAG).getByRole('link', {name: /^Download \(/}).click()]);
	assert.equal(download.suggestedFilename(), `fuel_backup_${id}.tar.zst`);
	assert.equal(sha256(await downloaded(download)), sha256(await direct(`/backups/${id}/archive`)));
}

const token = `token="${facts.token}"`;
const tests = {
	async 'behind nginx below /backup/: a backup and its download'() {
		const page = await visit(facts.nginx, token, {base: '/backup'});
		await click(page, 'Back up now');
		await state(page, 'done');
		await downloads(page);
		return page;
	},

	async 'from another origin'() {
		const page = await visit(address(others[0]), token);
		await click(page, 'Back up now');
		await state(page, 'done');
		await downloads(page);
		return page;
	},

	async 'from an origin that the service does not know'() {
		const page = await visit(address(others[1]), token);
		await click(page, 'Back up now');
		await alerted(page, 'FUEL_BACKUP_ORIGINS');
		await state(page, 'failed');
		return page;
	},

	async 'progress, by keyboard, told once a phase; moving the element does no harm'() {
		const page = await visit(facts.nginx, token);
		await world('stall');
		await page.keyboard.press('Tab');
		await page.keyboard.press('Enter');
		await state(page, 'running');
		await world('stalled');
		await told(page, 'Backup: beginning');
		assert.equal(await page.locator(TAG).getByRole('progressbar', {name: 'Progress'}).isVisible(), true);
		const button = page.locator(TAG).getByRole('button', {name: 'Back up now'});
		assert.equal(await button.getAttribute('aria-disabled'), 'true');
		assert.equal(await button.evaluate((b) => b.getRootNode().activeElement === b), true, 'the focus stays');
		await page.evaluate((tag) => document.querySelector('h1').after(document.querySelector(tag)), TAG);
		await world('release');
		await state(page, 'done');
		await told(page, /^Backup of .*MiB/);
		return page;
	},

	async 'it joins what runs already, and a click does so too'() {
		await world('stall');
		const early = await visit(facts.nginx, '');
		await world('begin');
		await world('stalled');
		const page = await visit(facts.nginx, token);
		await state(page, 'running');
		await early.evaluate(([tag, text]) => { document.querySelector(tag).token = text; }, [TAG, facts.token]);
		await click(early, 'Back up now');
		await state(early, 'running');
		await world('release');
		await Promise.all([state(page, 'done'), state(early, 'done')]);
		await downloads(early);
		await early.close();
		return page;
	},

	async 'without server-sent events it asks'() {
		const page = await visit(facts.nginx, token);
		let asked = 0;
		await page.route('**/events', (route) => route.abort());
		page.on('request', (request) => { asked += /\/operations\/[^/]+$/.test(request.url()); });
		await world('stall');
		await click(page, 'Back up now');
		await world('stalled');
		while (asked < 3) await page.waitForTimeout(100);
		await world('release');
		await state(page, 'done');
		return page;
	},

	async 'a proxy that answers 502 for a while only delays'() {
		const page = await visit(facts.nginx, token);
		await world('stall');
		await page.route('**/operations/**', (route) => route.fulfill(
			{status: 502, contentType: 'text/html', body: '<h1>502 Bad Gateway</h1>'}));
		await click(page, 'Back up now');
		await told(page, 'does not answer');
		await page.unroute('**/operations/**');
		await world('release');
		await state(page, 'done');
		return page;
	},

	async 'a failure says why'() {
		const page = await visit(facts.nginx, token);
		await world('fail', true);
		await click(page, 'Back up now');
		await alerted(page, 'told to fail');
		await state(page, 'failed');
		await world('fail', false);
		await click(page, 'Back up now');
		await state(page, 'done');
		assert.equal(await page.locator(TAG).getByRole('alert').textContent(), '');
		return page;
	},

	async 'without a token it asks for one'() {
		const page = await visit(facts.nginx, '');
		await click(page, 'Back up now');
		await alerted(page, 'wants its token');
		for (const text of ['wrong', facts.token]) {
			await page.locator(TAG).getByLabel('Token').fill(text);
			await page.keyboard.press('Enter');
			if (text === 'wrong') await alerted(page, 'the token is wrong');
		}
		await state(page, 'done');
		await downloads(page);
		assert.equal((await page.content()).includes(facts.token), false);
		return page;
	},

	async 'with the cookie of Fuel'() {
		const cookie = {name: 'token', value: 'fuel-user'};
		const page = await visit(facts.nginx, 'x-auth-cookie="token"', {cookie});
		await click(page, 'Back up now');
		await alerted(page, 'admin');
		assert.equal(await page.locator(TAG).getByLabel('Token').isVisible(), false);
		await page.context().addCookies([{name: 'token', value: 'fuel-admin', url: facts.nginx}]);
		await click(page, 'Back up now');
		await state(page, 'done');
		await downloads(page);
		return page;
	},

	async 'while Fuel is at work, and all the same'() {
		const page = await visit(facts.nginx, token);
		await world('tasks', [{id: 7, name: 'provision', status: 'running'}]);
		await click(page, 'Back up now');
		await alerted(page, '7 (provision)');
		await click(page, 'Back up all the same');
		await state(page, 'done');
		await world('tasks', []);
		return page;
	},

	async 'nothing answers at all'() {
		const page = await visit(facts.nginx, token, {base: `${facts.nginx}/elsewhere`});
		await click(page, 'Back up now');
		await alerted(page, 'There is no fuel-backup');
		return page;
	},
};

await run('button', tests, async () => {
	await world('release');
	await world('fail', false);
	await world('idle');
});
