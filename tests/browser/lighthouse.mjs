/* node lighthouse.mjs URL: how Lighthouse scores a page in the local chromium, which may reach nothing else:
 * {"performance": 99, "accessibility": 100}, of 100 each, and on stderr what cost points.
 *
 * Needs chromium, and `lighthouse` in FB_NODE_MODULES or in node_modules beside this file; ends with 77 without them.
 * CHROMIUM: another browser. */
import {existsSync, mkdtempSync, rmSync} from 'node:fs';
import {createRequire} from 'node:module';
import {tmpdir} from 'node:os';
import {dirname, join} from 'node:path';
import {fileURLToPath, pathToFileURL} from 'node:url';

const modules = process.env.FB_NODE_MODULES ?? join(dirname(fileURLToPath(import.meta.url)), 'node_modules');
const chromePath = process.env.CHROMIUM ?? '/usr/bin/chromium';
const [url] = process.argv.slice(2);
const CATEGORIES = ['performance', 'accessibility'];

for (const needed of [chromePath, join(modules, 'lighthouse')])
	if (!existsSync(needed)) {
		console.error(`lighthouse.mjs: no ${needed}`);
		process.exit(77);
	}
if (!url) {
	console.error('usage: node lighthouse.mjs URL');
	process.exit(2);
}

const require = createRequire(`${modules}/`);
const load = (name) => import(pathToFileURL(require.resolve(name, {paths: [join(modules, 'lighthouse'), modules]})));
const {default: lighthouse} = await load('lighthouse');
const {launch} = await load('chrome-launcher');
const profile = mkdtempSync(join(tmpdir(), 'fb-lighthouse-'));
const chrome = await launch({chromePath, userDataDir: profile, logLevel: 'silent',
	chromeFlags: ['--headless=new', '--no-sandbox', '--disable-dev-shm-usage', '--no-proxy-server',
		'--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE localhost , EXCLUDE 127.0.0.1']});
try {
	const {lhr} = await lighthouse(url, {port: chrome.port, output: 'json', logLevel: 'silent',
		onlyCategories: CATEGORIES, formFactor: 'desktop',
		screenEmulation: {mobile: false, width: 1350, height: 940, deviceScaleFactor: 1},
		throttlingMethod: 'provided'}); // the page is served where it is looked at

	if (lhr.runtimeError)
		throw new Error(`${lhr.runtimeError.code}: ${lhr.runtimeError.message}`);
	console.log(JSON.stringify(Object.fromEntries(CATEGORIES.map((name) =>
		[name, Math.round(lhr.categories[name].score * 100)]))));
	for (const name of CATEGORIES)
		for (const {id, weight} of lhr.categories[name].auditRefs) {
			const audit = lhr.audits[id];

			if (weight > 0 && audit.score !== null && audit.score < 1)
				console.error(`${name}: ${audit.title}: ${audit.displayValue ?? audit.score}`);
		}
} finally {
	chrome.kill();
	rmSync(profile, {recursive: true, force: true, maxRetries: 5, retryDelay: 200});
}
