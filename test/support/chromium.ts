/** Tests that need a browser: skipped by name where there is none. */
import { existsSync } from 'node:fs';
import test from 'ava';
import { type Browser, chromium } from 'playwright-core';

const PLACES = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];
const executablePath = process.env.PADEZOO_CHROMIUM ?? PLACES.find(path => existsSync(path));

/** `test.serial`, or its `skip` without a browser. */
export const browserTest = (executablePath ? test.serial : test.serial.skip) as typeof test.serial;

/** A name of this machine whose pages browsers do not trust, as they do localhost's. */
export const UNTRUSTED_HOST = 'padezoo.test';

/** WebGL is drawn in software where there is no GPU. */
export function launch(): Promise<Browser> {
  const args = [
    '--no-sandbox',
    '--use-angle=swiftshader',
    '--enable-unsafe-swiftshader',
    '--ignore-gpu-blocklist',
    `--host-resolver-rules=MAP ${UNTRUSTED_HOST} 127.0.0.1`,
  ];
  return chromium.launch({ executablePath: executablePath!, args });
}
