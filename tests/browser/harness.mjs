/* What the tests in a browser share: Chromium, the world around (its Python half, which does what is asked of it), and the
 * running of tests. */
import {createHash} from 'node:crypto';
import {readFileSync} from 'node:fs';
import assert from 'node:assert/strict';
import {createRequire} from 'node:module';
import readline from 'node:readline';

/* {service, token, modules, chromium, pictures, ...}: from the Python half. */
export const facts = JSON.parse(process.argv[2]);
export const require = createRequire(`${facts.modules}/`);
export const browser = await require('playwright-core').chromium
	.launch({executablePath: facts.chromium, args: ['--no-sandbox']});
export const sha256 = (bytes) => createHash('sha256').update(bytes).digest('hex');

const answers = readline.createInterface({input: process.stdin})[Symbol.asyncIterator]();

/* Have something done outside of the browser; what it gives. */
export async function world(...order) {
	process.stdout.write(`! ${JSON.stringify(order)}\n`);
	return JSON.parse((await answers.next()).value);
}

/* Note what a page must not do. */
export function watched(page) {
	page.faults = [];
	page.on('pageerror', (error) => page.faults.push(error.stack));
	page.on('console', (m) => /Content Security Policy/.test(m.text()) && page.faults.push(m.text()));
	return page;
}

/* The service's answer, without the page. */
export const direct = async (path) => Buffer.from(await (await fetch(facts.service + path,
	{headers: {Authorization: `Bearer ${facts.token}`}})).arrayBuffer());

/* What a download brought. */
export const downloaded = async (download) => readFileSync(await download.path());

/* Run ${tests}, whose functions give their page, or nothing; ${after} each, all pages are closed. */
export async function run(name, tests, after) {
	let failed = 0, number = 0;

	for (const [title, test] of Object.entries(tests)) {
		let page;
		try {
			page = await test();
			assert.deepEqual(page?.faults ?? [], []);
			console.log(`ok      ${title}`);
		} catch (error) {
			failed++;
			console.log(`FAILED  ${title}\n${error.stack}`);
			page = browser.contexts().at(-1)?.pages().at(-1);
		}
		if (page && facts.pictures)
			await page.screenshot({path: `${facts.pictures}/${name}-${number}.png`}).catch(() => {});
		number++;
		for (const context of browser.contexts()) await context.close();
		await after();
	}
	await browser.close();
	process.exit(failed ? 1 : 0);
}
