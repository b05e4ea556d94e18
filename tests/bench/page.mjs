/* The browser's half of bench/page: how fast the page is. Prints name, median and worst of five in milliseconds. */
import {browser, facts, world} from '../browser/harness.mjs';

const ROUNDS = 5;

function line(name, values) {
	const sorted = [...values].sort((a, b) => a - b);
	console.log(`${name.padEnd(52)} ${sorted[sorted.length >> 1].toFixed(0).padStart(8)} ${sorted.at(-1).toFixed(0).padStart(8)}`);
}

/* A context that is signed in. */
async function signedIn() {
	const context = await browser.newContext({viewport: {width: 1280, height: 800}});
	await context.addInitScript((token) => {
		sessionStorage.setItem('fuel-backup-token', token);
		new PerformanceObserver((list) => { (globalThis.tasks ??= []).push(...list.getEntries().map((e) => e.duration)); })
			.observe({type: 'longtask', buffered: true});
	}, facts.token);
	return context;
}

/* From the navigation's start until ${ready}, a test in the page, holds. */
async function opened(hash, ready, argument) {
	const context = await signedIn();
	const page = await context.newPage();

	await page.goto(`${facts.service}/${hash}`, {waitUntil: 'commit'});
	await page.waitForFunction(ready, argument, {polling: 'raf', timeout: 120000});
	return {page, context, ms: await page.evaluate(() => performance.now())};
}

async function rounds(name, hash, ready, {argument, inspect} = {}) {
	const times = [], more = [];

	for (let i = 0; i < ROUNDS; i++) {
		const {page, context, ms} = await opened(hash, ready, argument);
		times.push(ms);
		if (inspect) more.push(await inspect(page));
		await context.close();
	}
	line(name, times);
	return more;
}

/* Scroll through everything as fast as frames go; the longest between two of them. */
const scroll = (page) => page.evaluate(() => new Promise((done) => {
	const step = Math.max(400, document.documentElement.scrollHeight / 120);
	let last = performance.now(), worst = 0;
	const frame = (now) => {
		worst = Math.max(worst, now - last);
		last = now;
		window.scrollBy(0, step);
		if (window.scrollY + window.innerHeight >= document.documentElement.scrollHeight - 1) done(worst);
		else requestAnimationFrame(frame);
	};
	requestAnimationFrame(frame);
}));

const usable = () => document.querySelector('#start') !== null;
const rows = () => document.querySelectorAll('.rows .body [role=row]').length > 0;
const all = (count) => Number(document.querySelector('.rows')?.ariaRowCount) > count;

console.log(`${''.padEnd(52)}   median    worst`);
await rounds('one backup: interactive', '', usable);
await rounds('   its row', '', rows);
await world('many');
await rounds(`${facts.backups} backups: interactive`, '', usable);
await rounds('   the first rows', '', rows);
line('   longest frame while scrolling through all',
	await rounds('   all of them in the list', '', all, {argument: facts.backups, inspect: scroll}));
await rounds('   pictures of all of them', '#/store', () => document.querySelectorAll('.pictures polyline').length > 0);
await rounds(`folder of ${facts.files} files: its first rows`, `#/backups/${await world('big')}/files/${facts.folder}`, rows);
line('   longest frame while scrolling through all',
	await rounds('   all of its rows', `#/backups/${await world('big')}/files/${facts.folder}`, all,
		{argument: facts.files, inspect: scroll}));
await browser.close();
