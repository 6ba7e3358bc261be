/** A pruning run on disk: a checkpoint for every finished step, and what it takes to go on after the process was killed. */
import { mkdir, open, readdir, readFile, rm } from 'node:fs/promises';
import { hostname } from 'node:os';
import { dirname, join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import type { LayersModel } from '@tensorflow/tfjs-layers';
import writeFileAtomic from 'write-file-atomic';
import { OptionsError, PadezooError } from '../errors.js';
import { isRunning } from '../isRunning.js';
import { eventFile } from '../report/tensorboard.js';
import type { EpochRecord } from '../training/epochRecord.js';
import {
  decodeState,
  decodeWeights,
  encodeState,
  encodeWeights,
  type TrainingState,
  type Values,
} from '../training/state.js';
import { load } from './load.js';
import { MANIFEST_FILE } from './manifest.js';
import { saveCheckpoint } from './saveCheckpoint.js';

/** Two processes must not write one run. */
export class RunInUseError extends PadezooError {
  override readonly name = 'RunInUseError';
  constructor(
    readonly directory: string,
    readonly pid: number,
  ) {
    super(
      `prune: ${directory} is in use by process ${pid}; wait for it, or choose another folder (if there is no such process, delete ${join(directory, LOCK)})`,
    );
  }
}

const SETTINGS = 'run.json';
const LOCK = 'run.lock';
/** What a finished step says that its checkpoint does not. */
export interface StepNotes {
  readonly epochs: readonly EpochRecord[];
  readonly seconds: number;
}

/**
 * ```
 * run.json             the settings: calling with others is refused
 * step-0/, step-10/    finished networks: checkpoints that `load` reads, with metrics and kept channels in padezoo.json
 * step-10.json         the step's epochs and seconds
 * step-20.safetensors  the training that is under way: weights, moments, epochs so far
 * initial.safetensors  weights to go back to
 * tensorboard/         scalars, a run for every step
 * ```
 * A file is written beside, synced and renamed; a step is finished once both its `.json` and its folder are there.
 */
export class RunDirectory {
  readonly path: string;

  private constructor(path: string) {
    this.path = path;
  }

  /**
   * @param settings JSON; what the run depends on
   * @throws OptionsError when the folder holds a run with other settings, or other files; RunInUseError
   */
  static async open(path: string, settings: Readonly<Record<string, unknown>>): Promise<RunDirectory> {
    await mkdir(path, { recursive: true });
    await lock(path);
    const run = new RunDirectory(path);
    try {
      await run.#check(JSON.parse(JSON.stringify(settings)));
    } catch (error) {
      await run.close();
      throw error;
    }
    return run;
  }

  async #check(settings: Record<string, unknown>): Promise<void> {
    const entries = await readdir(this.path);
    const text = await read(join(this.path, SETTINGS));
    if (!text) {
      const others = entries.filter(name => name !== LOCK && !isLeftover(name));
      if (others.length > 0) {
        throw new OptionsError(
          `prune: ${this.path} holds ${others[0]} but no ${SETTINGS}, so it is not a run; choose an empty folder`,
        );
      }
      await writeJson(join(this.path, SETTINGS), settings);
      return;
    }
    const before = JSON.parse(text.toString()) as Record<string, unknown>;
    const names = [...new Set([...Object.keys(before), ...Object.keys(settings)])];
    const different = names.filter(name => !isDeepStrictEqual(before[name], settings[name]));
    if (different.length > 0) {
      const [name] = different as [string];
      const shown = (value: unknown) => JSON.stringify(value) ?? 'nothing';
      throw new OptionsError(
        `prune: ${this.path} holds a run with another ${different.join(', ')} (${name}: ${shown(before[name])}, now ${shown(settings[name])}); give the same options to go on, or choose another folder`,
      );
    }
    for (const name of entries.filter(isLeftover))
      await rm(join(this.path, name), { force: true, recursive: true });
  }

  /** A finished step's network and notes. The caller disposes the network. */
  async finished(step: string): Promise<{ model: LayersModel; notes: StepNotes } | undefined> {
    const notes = await read(join(this.path, `${step}.json`));
    const manifest = await read(join(this.path, step, MANIFEST_FILE));
    if (!notes || !manifest) return undefined;
    return { model: await load(join(this.path, step)), notes: JSON.parse(notes.toString()) as StepNotes };
  }

  /** Writes a finished step and forgets its training. */
  async finish(step: string, model: LayersModel, notes: StepNotes): Promise<void> {
    await writeJson(join(this.path, `${step}.json`), notes);
    await saveCheckpoint(model, join(this.path, step));
    await rm(join(this.path, `${step}.safetensors`), { force: true });
  }

  async training(step: string): Promise<TrainingState | undefined> {
    const bytes = await read(join(this.path, `${step}.safetensors`));
    return bytes && decodeState(bytes);
  }

  async keepTraining(step: string, state: TrainingState): Promise<void> {
    await write(join(this.path, `${step}.safetensors`), encodeState(state));
    await this.#scalars(step, state.epochs);
  }

  /** Weights to go back to, in the order of `model.getWeights()`. */
  async weights(name: string): Promise<Values[] | undefined> {
    const bytes = await read(join(this.path, `${name}.safetensors`));
    return bytes && decodeWeights(bytes);
  }

  async keepWeights(name: string, weights: readonly Values[]): Promise<void> {
    await write(join(this.path, `${name}.safetensors`), encodeWeights(weights));
  }

  async #scalars(step: string, epochs: readonly EpochRecord[]): Promise<void> {
    const tags = ['trainLoss', 'trainAccuracy', 'testLoss', 'testAccuracy', 'learningRate'] as const;
    let time = 0;
    const scalars = epochs.flatMap(record => {
      time += record.seconds;
      return tags.map(tag => ({ tag, step: record.epoch, value: record[tag], time }));
    });
    await write(join(this.path, 'tensorboard', step, 'events.out.tfevents.0.padezoo'), eventFile(scalars));
  }

  /** Lets others have the folder. */
  async close(): Promise<void> {
    await rm(join(this.path, LOCK), { force: true });
  }
}

/** Takes the folder; a lock of a process that has ended is taken over. */
async function lock(directory: string): Promise<void> {
  const path = join(directory, LOCK);
  const mine = JSON.stringify({ pid: process.pid, host: hostname() });
  for (let attempt = 0; ; attempt++) {
    try {
      const file = await open(path, 'wx');
      await file.writeFile(mine);
      await file.close();
      return;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    }
    const holder = holderOf(await read(path));
    if (attempt > 0 || isHeld(holder)) throw new RunInUseError(directory, holder.pid);
    await rm(path, { force: true });
  }
}

/** A process that was killed while it wrote the lock has left it empty. */
function holderOf(lock: Buffer | undefined): { pid: number; host: string } {
  try {
    return JSON.parse(String(lock));
  } catch {
    return { pid: 0, host: hostname() };
  }
}

/** Of another machine nothing is known, so its lock is believed. */
function isHeld({ pid, host }: { pid: number; host: string }): boolean {
  return host !== hostname() || (pid !== 0 && isRunning(pid));
}

/** What write-file-atomic and `publish` leave when the process dies: a number behind the name, a dot before it. */
function isLeftover(name: string): boolean {
  return /\.(json|safetensors)\.\d+$/.test(name) || /^\.step-.*\.(new|old)$/.test(name);
}

async function read(path: string): Promise<Buffer | undefined> {
  return readFile(path).catch(error => {
    if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return undefined;
    throw error;
  });
}

async function write(path: string, bytes: Uint8Array): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  await writeFileAtomic(path, Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength));
}

async function writeJson(path: string, value: unknown): Promise<void> {
  await write(path, new TextEncoder().encode(`${JSON.stringify(value, null, 2)}\n`));
}
