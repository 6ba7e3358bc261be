/** A script of the tests as one file for a page. */
import { build } from 'esbuild';

/** esbuild fails when something that is bundled asks for a module of Node. */
export async function bundled(entry: string): Promise<string> {
  const { outputFiles } = await build({
    entryPoints: [entry],
    bundle: true,
    platform: 'browser',
    format: 'iife',
    write: false,
    logLevel: 'silent',
  });
  return outputFiles[0]!.text;
}
