/* The browser's half of page_test.py and of tests/engine/page_test.py: each task that people have, on the real service. */
import assert from 'node:assert/strict';
import {readFileSync} from 'node:fs';
import {browser, direct, downloaded, facts, require, run, sha256, watched, world} from './harness.mjs';

const AXE = readFileSync(require.resolve('axe-core/axe.min.js'), 'utf8');
const LONG = {timeout: 120000};
const SIZES = [[360, 740, 'dark'], [1280, 800, 'light'], [3840, 2160, 'dark']];

const latest = async () => JSON.parse(await direct('/backups?limit=100')).backups.find(({state}) => state === 'complete');
const button = (place, name) => place.getByRole('button', {name, exact: true});
const dialog = (page) => page.getByRole('dialog');
const card = (page, kind, end) => page.locator(`#running > li.${end}[data-kind=${kind}]`).last();
const bytesOf = async (page, act) => downloaded((await Promise.all([page.waitForEvent('download'), act()]))[0]);

/* A page of its own, signed in, at ${view}. */
async function visit(view = '', {url = facts.service, ...options} = {}) {
	const context = await browser.newContext({viewport: {width: 1280, height: 800}, ...options});
	const page = watched(await context.newPage());

	page.setDefaultTimeout(facts.patience);
	await page.goto(`${url}/#/${view}`);
	await page.getByLabel('Token').fill(facts.token);
	await button(page, 'Sign in').click();
	await page.locator('#view h1').waitFor();
	return page;
}

const go = (page, view) => page.evaluate((hash) => { location.hash = hash; }, `#/${view}`);

/* The view of the newest backup, which is made if there is none. */
async function backup(options) {
	const found = await latest() ?? (await world('backup'), await latest());
	const page = await visit(`backups/${found.id}`, options);

	await page.getByRole('button', {name: /^Download/}).waitFor();
	return {page, found};
}

/* By its links to the folder in which the file of the world is. */
async function walk(page) {
	await page.getByRole('link', {name: 'Browse'}).click();
	for (const part of facts.folder.split('/'))
		await page.getByRole('table', {name: 'Contents'}).getByRole('link', {name: `${part}/`, exact: true}).click();
	await page.getByRole('heading', {name: facts.folder.split('/').at(-1)}).waitFor();
}

async function axe(page, what) {
	await page.evaluate(AXE);
	const {violations} = await page.evaluate(() => globalThis.axe.run());
	assert.deepEqual(violations.map((one) => [one.id, one.nodes[0].html]), [], what);
	const beyond = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
	assert.ok(beyond <= 0, `${what}: ${beyond} pixels beyond the window`);
}

const tests = {
	async 'signing in: a wrong token, the right one, kept for the tab and no other'() {
		const context = await browser.newContext();
		const page = watched(await context.newPage());
		await page.goto(`${facts.service}/`);
		await page.getByLabel('Token').fill('f'.repeat(64));
		await page.keyboard.press('Enter');
		await page.getByRole('alert').filter({hasText: 'Sign in again'}).waitFor();
		await page.getByLabel('Token').fill(facts.token);
		await page.keyboard.press('Enter');
		await button(page, 'Back up now').waitFor();
		assert.equal(await page.getByRole('alert').innerText(), '');
		await page.reload();
		await button(page, 'Back up now').waitFor();
		const other = await context.newPage();
		await other.goto(`${facts.service}/`);
		await other.getByLabel('Token').waitFor();
		await button(page, 'Sign out').click();
		await page.getByLabel('Token').waitFor();
		await page.reload();
		await page.getByLabel('Token').waitFor();
		assert.ok(!(await page.content()).includes(facts.token));
		return page;
	},

	async 'a first backup, watched to its end'() {
		const page = await visit();
		await page.getByText('There is no backup yet').waitFor();
		await button(page, 'Back up now').click();
		await page.locator('#running > li').waitFor();
		await card(page, 'backup', 'good').waitFor(LONG);
		const told = await card(page, 'backup', 'good').innerText();
		assert.match(told, /Backup done after .*s/);
		assert.match(told, /Backup of .*iB, .* of it new/);
		if (facts.containers) assert.match(told, /the containers stood still for \d/);
		await page.locator('.rows .body [role=row]').waitFor();
		assert.equal(await page.locator('.rows .body [role=row]').count(), 1);
		return page;
	},

	...facts.scripted && {
		async 'progress, a click that joins it, and cancelling'() {
			const page = await visit();
			await world('stall');
			await button(page, 'Back up now').click();
			await world('stalled');
			await page.getByText('Backup: ').first().waitFor();
			assert.equal(await page.getByRole('progressbar').count(), 1);
			const start = button(page, 'Back up now');
			assert.equal(await start.getAttribute('aria-disabled'), 'true');
			assert.match(await start.getAttribute('title'), /Not while a backup runs/);
			await start.click({force: true});
			assert.equal(await page.getByRole('alert').innerText(), '');
			assert.equal(await page.getByRole('progressbar').count(), 1);
			const second = await visit('history', {});
			await second.getByRole('progressbar').waitFor(); // begun elsewhere, seen here
			await button(page, 'Cancel the backup').click();
			await world('release');
			await card(page, 'backup', 'bad').filter({hasText: 'cancelled'}).waitFor(LONG);
			await button(page, 'Close this message').click();
			assert.equal(await page.locator('#running > li').count(), 0);
			await page.locator('#start:not([aria-disabled])').waitFor();
			return page;
		},

		async 'whether all containers are in a backup of the last day, in one sentence'() {
			await world('containers', [], []);
			const page = await visit();
			const told = page.locator('.coverage');
			await told.filter({hasText: 'There are no containers on this host.'}).waitFor();
			await world('backup');
			for (const [there, backed, text, kind] of [
				[['web', 'db', 'mail'], ['web', 'db'], 'Not in any backup of the last day: mail (1 of 3 containers)', 'bad'],
				[['web', 'db'], ['web', 'db'], 'All 2 containers are in a backup of the last day', 'good'],
				[['web'], ['web'], 'The one container is in a backup of the last day', 'good']]) {
				await world('containers', there, backed);
				await page.reload();
				await told.filter({hasText: text}).waitFor();
				assert.match(await told.getAttribute('class'), new RegExp(kind));
			}
			await world('fail', true);
			await page.reload();
			await told.filter({hasText: 'cannot be told now'}).waitFor();
			await world('fail', false);
			await world('containers', [], []);
			return page;
		},

		async 'what the list says of each: ok, and never damaged beside proven or verified'() {
			await world('marks');
			const page = await visit('', {viewport: {width: 360, height: 740}});
			await page.locator('.rows .badge', {hasText: 'damaged'}).waitFor();
			const rows = await page.locator('.rows .body [role=row]').evaluateAll((all) => all.map((row) =>
				[...row.querySelectorAll('.badge')].map((one) => one.textContent)));
			assert.ok(rows.some((badges) => badges.length === 1 && badges[0] === 'ok'), JSON.stringify(rows));
			for (const badges of rows.filter((one) => one.includes('damaged')))
				assert.ok(!badges.includes('proven') && !badges.includes('verified') && !badges.includes('ok'), badges.join());
			assert.ok(rows.some((badges) => ['ok', 'proven', 'verified', 'locked'].every((one) => badges.includes(one))));
			const cut = await page.locator('.rows .body [role=row] .badge, .rows .body [role=row] button').evaluateAll((all) =>
				all.filter((one) => {
					const a = one.getBoundingClientRect(), b = one.closest('[role=row]').getBoundingClientRect();
					const c = one.parentElement.getBoundingClientRect();
					return a.right > Math.min(b.right, c.right) + 1 || a.bottom > Math.min(b.bottom, c.bottom) + 1;
				}).map((one) => one.textContent));
			assert.deepEqual(cut, [], 'cut off at 360 pixels');
			await world('clear');
			return page;
		},

		async 'a module or an answer that does not come: a message, and a way to go on'() {
			const page = await visit();
			await page.route('**/page/plan.js', (route) => route.abort());
			await go(page, 'plan');
			await page.getByRole('alert').filter({hasText: 'did not come from the service'}).waitFor();
			await page.getByRole('heading', {name: 'Plan cannot be shown'}).waitFor();
			await page.unroute('**/page/plan.js');
			await button(page, 'Load the page again').click();
			await page.getByText('Would stand still').waitFor();
			await page.route('**/operations?*', (route) => route.fulfill({status: 500, body: 'no'}));
			await go(page, 'history');
			await page.getByRole('heading', {name: 'History cannot be shown'}).waitFor();
			await page.getByRole('link', {name: 'To the backups'}).click();
			await page.getByRole('heading', {name: 'Backups'}).waitFor();
			const broken = await (await browser.newContext()).newPage();
			await broken.route('**/page/words.js', (route) => route.abort());
			await broken.goto(`${facts.service}/`);
			await broken.getByText('This page has not come whole').waitFor();
			await broken.unroute('**/page/words.js');
			await broken.getByRole('link', {name: 'Load it again'}).click();
			await broken.getByLabel('Token').waitFor();
			return page;
		},
	},

	async 'the host’s name in the header and the title'() {
		const {host} = JSON.parse(await direct('/health'));
		const page = await visit('plan');
		await page.locator('header').getByText(host).waitFor();
		assert.equal(await page.title(), `Plan – ${host} – fuel-backup`);
		await go(page, 'store');
		await page.getByRole('heading', {name: 'Store', exact: true}).waitFor();
		assert.equal(await page.title(), `Store – ${host} – fuel-backup`);
		return page;
	},

	async 'an error, with what to do next'() {
		const page = await visit();
		await world('fail', true);
		await button(page, 'Back up now').click();
		const end = card(page, 'backup', 'bad');
		await end.waitFor(LONG);
		assert.match(await end.innerText(), /told to fail|before-freeze/);
		await world('fail', false);
		await go(page, 'history');
		await page.getByRole('cell', {name: /^failed/}).first().waitFor();
		await go(page, 'backups/20200101-000000-00000000');
		await page.getByRole('alert').filter({hasText: 'no such'}).waitFor();
		return page;
	},

	async 'a download is the archive, byte by byte'() {
		const {page, found} = await backup();
		const bytes = await bytesOf(page, () => page.getByRole('button', {name: /^Download/}).click());
		assert.equal(sha256(bytes), sha256(await direct(`/backups/${found.id}/archive`)));
		return page;
	},

	async 'browsing, a file and a folder fetched'() {
		const {page} = await backup();
		await walk(page);
		const name = facts.file;
		const bytes = await bytesOf(page, () => button(page, `Fetch ${name}`).click());
		assert.equal(sha256(bytes), await world('hash'));
		await page.getByRole('navigation', {name: 'Folder'}).getByRole('link', {name: facts.folder.split('/').at(-2) ?? 'contents'}).click();
		const tar = await bytesOf(page, () => button(page, `Fetch ${facts.folder.split('/').at(-1)}`).click());
		assert.ok(tar.includes(`${facts.folder}/${name}`));
		return page;
	},

	async 'a restore: first what it would change, then the name, then it is done'() {
		const {page, found} = await backup();
		await world('change');
		await page.getByRole('button', {name: 'Restore …', exact: true}).click();
		await button(dialog(page), 'Show what would change').click();
		const typed = dialog(page).getByLabel('To go on, type');
		await typed.waitFor(LONG);
		await axe(page, 'what a restore would change');
		assert.match(await dialog(page).innerText(), new RegExp(`Would write[^]*${facts.folder.split('/')[0]}`));
		await dialog(page).getByText(/^Files and folders/).click();
		await dialog(page).getByText(`${facts.folder}/${facts.file}`).waitFor();
		assert.equal(await world('same'), false);
		const go = button(dialog(page), 'Restore now');
		assert.ok(await go.isDisabled());
		await typed.fill('yes');
		assert.ok(await go.isDisabled());
		await page.keyboard.press('Enter');
		assert.ok(await dialog(page).isVisible());
		await typed.fill(found.name ?? found.id); // it is the host that is asked for
		assert.ok(await go.isDisabled());
		await typed.fill(JSON.parse(await direct('/health')).host);
		await go.click();
		await card(page, 'restore', 'good').waitFor(LONG);
		assert.equal(await world('same'), true);
		return page;
	},

	async 'one file restored beside what is there'() {
		const {page} = await backup();
		const place = await world('beside');
		await walk(page);
		await button(page, `Restore ${facts.file}`).click();
		await dialog(page).getByLabel(/^Leave this empty/).fill(place);
		await button(dialog(page), 'Show what would change').click();
		await button(dialog(page), 'Restore now').waitFor(LONG);
		assert.equal(await dialog(page).getByLabel('To go on, type').count(), 0); // nothing is overwritten
		await button(dialog(page), 'Restore now').click();
		await card(page, 'restore', 'good').waitFor(LONG);
		assert.equal(await world('hash', place), await world('hash'));
		await button(page, `Restore ${facts.file}`).click();
		await dialog(page).getByLabel(/^Leave this empty/).fill(place);
		await button(dialog(page), 'Show what would change').click();
		await dialog(page).getByRole('alert').waitFor(LONG); // it is there now
		await button(dialog(page), 'Back').click();
		await button(dialog(page), 'Cancel').click();
		return page;
	},

	async 'verified and rehearsed, which the list then shows'() {
		const {page} = await backup();
		await button(page, 'Verify').click();
		await card(page, 'verify', 'good').waitFor(LONG);
		await page.locator('.badge', {hasText: 'verified'}).waitFor();
		await page.getByRole('button', {name: 'Rehearse …', exact: true}).click();
		await button(dialog(page), 'Rehearse').click();
		await card(page, 'rehearse', 'good').waitFor(LONG);
		await page.locator('.badge', {hasText: 'proven'}).waitFor();
		await page.getByText('Proven restorable').first().waitFor();
		await go(page, '');
		await page.locator('.rows .badge', {hasText: 'proven'}).waitFor();
		return page;
	},

	async 'a name, a lock, and deleting'() {
		await world('backup');
		const {page, found} = await backup();
		await page.getByRole('button', {name: 'Rename …', exact: true}).click();
		await dialog(page).getByRole('textbox').fill('before the <b>upgrade</b>');
		await page.keyboard.press('Enter');
		await page.getByRole('heading', {name: 'before the <b>upgrade</b>'}).waitFor();
		await button(page, 'Lock').click();
		await page.locator('.badge', {hasText: 'locked'}).waitFor();
		assert.equal(await page.getByRole('button', {name: /^Delete/}).count(), 0);
		await button(page, 'Unlock').click();
		await page.getByRole('button', {name: /^Delete/}).click();
		await button(dialog(page), 'Not now').click();
		await page.getByRole('button', {name: /^Delete/}).click();
		await button(dialog(page), 'Delete it').click();
		await button(page, 'Back up now').waitFor();
		assert.equal(await page.getByText('before the').count(), 0);
		assert.notEqual((await latest())?.id, found.id);
		return page;
	},

	async 'an archive imported again'() {
		await world('backup');
		const found = await latest();
		const archive = await direct(`/backups/${found.id}/archive`);
		const page = await visit('store');
		await button(page, 'Import').click();
		await page.getByRole('alert').filter({hasText: 'Choose the archive first'}).waitFor();
		const give = async (buffer) => {
			await page.getByLabel(/^An archive/).setInputFiles({name: 'b.tar.zst', mimeType: 'application/zstd', buffer});
			await button(page, 'Import').click();
		};
		await give(Buffer.from('no archive'));
		await page.getByRole('alert').filter({hasText: /archive/i}).waitFor();
		await world('delete', found.id);
		await give(archive);
		await page.locator('.badge', {hasText: 'imported'}).waitFor(LONG);
		assert.equal((await latest()).id, found.id);
		return page;
	},

	async 'the plan, and a prune that is shown before it is done'() {
		await world('backup');
		await world('backup');
		const page = await visit('plan');
		await page.getByText('Would stand still').waitFor();
		await page.getByLabel('last', {exact: true}).fill('1');
		await page.getByRole('button', {name: 'Show what would go'}).click();
		await page.getByText(/^0 backups would be removed/).waitFor(); // they were made by hand
		await page.getByLabel('Also what somebody asked for').check();
		await page.getByRole('button', {name: 'Show what would go'}).click();
		await page.getByText(/would be removed, .* kept\. Nothing was changed/).waitFor();
		const before = JSON.parse(await direct('/backups')).backups.length;
		await page.getByRole('button', {name: 'Remove them …'}).click();
		await button(dialog(page), 'Remove them').click();
		await page.getByText(/removed; a sweep gives/).waitFor();
		assert.ok(JSON.parse(await direct('/backups')).backups.length < before);
		return page;
	},

	async 'sweep, scrub and thaw'() {
		const page = await visit('store');
		await button(page, 'Sweep').click();
		await card(page, 'sweep', 'good').waitFor(LONG);
		await button(page, 'Scrub').click();
		await card(page, 'scrub', 'good').waitFor(LONG);
		await page.getByRole('button', {name: 'Thaw …'}).click();
		await button(dialog(page), 'Thaw').click();
		await page.getByText('Nothing was frozen by this service.').waitFor();
		return page;
	},

	async 'by the keyboard alone'() {
		for (let i = 0; i < 3; i++) await world('backup');
		const page = await visit();
		const focus = () => page.evaluate(() => document.activeElement.textContent || document.activeElement.id);
		await page.keyboard.press('Tab');
		for (let i = 0; i < 30 && !(await focus()).startsWith('Back up now'); i++) await page.keyboard.press('Tab');
		await page.keyboard.press('Enter');
		await card(page, 'backup', 'good').waitFor(LONG);
		const row = () => page.evaluate(() => document.activeElement.closest('[role=row]')?.dataset.index);
		for (let i = 0; i < 30 && await row() === undefined; i++) await page.keyboard.press('Tab');
		assert.equal(await row(), '0');
		await page.keyboard.press('ArrowDown');
		assert.equal(await row(), '1');
		await page.keyboard.press('End');
		assert.ok(Number(await row()) >= 3);
		await page.keyboard.press('Home');
		await page.keyboard.press('Enter');
		await page.getByRole('button', {name: /^Delete/}).waitFor();
		assert.equal(await page.evaluate(() => document.activeElement.tagName), 'H1');
		for (let i = 0; i < 30 && !(await focus()).startsWith('Delete'); i++) await page.keyboard.press('Tab');
		await page.keyboard.press('Enter');
		await dialog(page).waitFor();
		await page.keyboard.press('Escape');
		assert.equal(await dialog(page).count(), 0);
		assert.match(await focus(), /^Delete/);
		return page;
	},

	async 'every view, light and dark, from 360 pixels to 4K: nothing for axe, nothing beyond the window'() {
		await world('backup');
		const {id} = await latest();
		let last;
		for (const [width, height, colorScheme] of SIZES) {
			const page = await visit('', {viewport: {width, height}, colorScheme});
			for (const view of ['', 'plan', 'store', 'history', `backups/${id}`, `backups/${id}/files/`]) {
				await go(page, view);
				await page.waitForLoadState('networkidle').catch(() => {});
				await page.locator('#view h1').waitFor();
				await axe(page, `#/${view} at ${width}`);
				if (facts.pictures)
					await page.screenshot({path: `${facts.pictures}/view-${view.split('/').slice(0, 1)}${view.includes('files') ? '-files' : ''}-${width}.png`});
			}
			last = page;
		}
		return last;
	},

	...facts.nginx && {
		async 'below a proxy’s prefix'() {
			const page = await visit('', {url: `${facts.nginx}/backup`});
			await button(page, 'Back up now').click();
			await card(page, 'backup', 'good').waitFor(LONG);
			const found = await latest();
			await go(page, `backups/${found.id}`);
			const bytes = await bytesOf(page, () => page.getByRole('button', {name: /^Download/}).click());
			assert.equal(sha256(bytes), sha256(await direct(`/backups/${found.id}/archive`)));
			return page;
		},
	},

	...facts.scripted && {
		async 'the service ends in the middle, and comes back'() {
			const page = await visit();
			await world('stall');
			await button(page, 'Back up now').click();
			await world('stalled');
			await page.getByRole('progressbar').waitFor();
			await world('die');
			await page.getByText('does not answer').first().waitFor(LONG);
			await world('live');
			await card(page, 'backup', 'bad').filter({hasText: 'interrupted'}).waitFor(LONG);
			return page;
		},
	},
};

await run('page', tests, async () => {
	await world('release');
	await world('fail', false);
	await world('idle');
});
