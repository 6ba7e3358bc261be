/** The finished steps of a pruning run in its folder, as `publish` takes them. */
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { summary } from '../../zoo/summary.js';
import { OptionsError } from '../errors.js';
import { provenanceOf } from '../training/provenance.js';
import type { Step } from './ladder.js';
import { load } from './load.js';

/**
 * @param directory as `prune(model, { to })` leaves it; its steps `step-10`, `step-20`, ..., but not the unpruned `step-0`
 * @returns steps whose networks the caller disposes
 * @throws OptionsError when no step is finished
 */
export async function readRun(directory: string): Promise<{ steps: Step[] }> {
  const entries = await readdir(directory, { withFileTypes: true });
  const percents = entries
    .filter(entry => entry.isDirectory() && /^step-[\d.]+$/.test(entry.name))
    .map(entry => Number(entry.name.slice('step-'.length)))
    .filter(percent => percent > 0)
    .sort((a, b) => a - b);
  if (percents.length === 0)
    throw new OptionsError(
      `publish: ${directory} is a run without a finished step; let it run on, or give a checkpoint`,
    );
  const steps: Step[] = [];
  for (const percent of percents) {
    const model = await load(join(directory, `step-${percent}`));
    const { parameters, macs } = summary(model);
    const { metrics } = provenanceOf(model);
    steps.push({ percent, model, parameters, macs, ...(metrics && { metrics }) });
  }
  return { steps };
}
