/** `padezoo setup`: finds or fetches libtorch and builds the native engine, and the addon that decodes images. */

import type { Command } from 'commander';
import { buildAddonNow, findAddon, findImageAddon, setup } from '#setup';
import { command } from './options.js';
import { printResult } from './output.js';

export function setupCommand(): Command {
  return command('setup', 'find or fetch libtorch and build the native engine')
    .addHelpText(
      'after',
      '\nPADEZOO_LIBTORCH names a libtorch to use, PADEZOO_CACHE where things are kept.\n\nExample:\n  npx padezoo setup',
    )
    .action(async (flags: { json?: boolean }) => {
      const present = findAddon();
      if (present) await setup({ steps: ['images'] });
      const record = present ?? buildAddonNow(); // with the other
      const { version, from } = record.libtorch;
      const jpeg = findImageAddon()?.jpeg;
      const decoder = jpeg ? `libjpeg-turbo ${jpeg}` : 'sharp';
      printResult(record, flags, () =>
        [`engine: torch ${version} (${from})`, `addon:  ${record.addon}`, `JPEGs:  ${decoder}`].join('\n'),
      );
    });
}
