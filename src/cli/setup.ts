/** `padezoo setup`: finds or fetches libtorch and builds the native engine. */

import type { Command } from 'commander';
import { buildAddonNow, findAddon } from '#setup';
import { command } from './options.js';
import { printResult } from './output.js';

export function setupCommand(): Command {
  return command('setup', 'find or fetch libtorch and build the native engine')
    .addHelpText(
      'after',
      '\nPADEZOO_LIBTORCH names a libtorch to use, PADEZOO_CACHE where things are kept.\n\nExample:\n  npx padezoo setup',
    )
    .action((flags: { json?: boolean }) => {
      const record = findAddon() ?? buildAddonNow();
      const { version, from } = record.libtorch;
      printResult(record, flags, () => `engine: torch ${version} (${from})\naddon:  ${record.addon}`);
    });
}
