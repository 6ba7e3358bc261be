/** Progress on standard error: a bar on a terminal, a line per epoch elsewhere. */
import { clearLine, cursorTo } from 'node:readline';
import { SingleBar } from 'cli-progress';
import type { PlannedStep } from '../../pruning/plan.js';
import type { PruneEvent, PruneResult } from '../../pruning/prune.js';
import type { Task } from '../task.js';
import type { TrainEvent, TrainResult } from '../training/train.js';
import { count, note, percentage, table } from './output.js';

/** Shows the events of one training. */
class TrainProgress {
  readonly #label: string;
  #bar: SingleBar | undefined;
  #epochs = 0;
  #testAccuracy: number | undefined;

  constructor(label: string) {
    this.#label = label;
  }

  show(event: TrainEvent): void {
    if (event.type === 'start') this.#start(event);
    else if (event.type === 'step') this.#step(event);
    else if (event.type === 'epoch') this.#epoch(event);
    else if (event.type === 'warning') this.#warning(event);
  }

  #start({ epochs, stepsPerEpoch }: Extract<TrainEvent, { type: 'start' }>): void {
    this.#epochs = epochs;
    if (!process.stderr.isTTY) {
      note(`${this.#label}: ${epochs} epochs of ${stepsPerEpoch} steps`);
      return;
    }
    this.#bar = new SingleBar({
      format: `${this.#label}  {bar} {percentage} %  epoch {epoch}/${epochs}  loss {loss}  test {accuracy}  {eta_formatted} left`,
      stream: process.stderr,
      hideCursor: true,
      clearOnComplete: false,
    });
    this.#bar.start(epochs * stepsPerEpoch, 0, { epoch: 1, loss: '-', accuracy: '-' });
  }

  #step({ epoch, step, stepsPerEpoch, loss }: Extract<TrainEvent, { type: 'step' }>): void {
    this.#bar?.update((epoch - 1) * stepsPerEpoch + step, {
      epoch,
      loss: loss.toFixed(3),
      accuracy: percentage(this.#testAccuracy),
    });
  }

  #epoch({ epoch, trainLoss, testAccuracy, seconds }: Extract<TrainEvent, { type: 'epoch' }>): void {
    this.#testAccuracy = testAccuracy;
    this.#bar?.update({ accuracy: percentage(testAccuracy) });
    if (this.#bar) return;
    note(
      `${this.#label}: epoch ${epoch}/${this.#epochs}  loss ${trainLoss.toFixed(3)}  test ${percentage(testAccuracy)}  ${seconds.toFixed(1)} s`,
    );
  }

  #warning({ message }: Extract<TrainEvent, { type: 'warning' }>): void {
    if (this.#bar) {
      // The bar is drawn anew below the message.
      cursorTo(process.stderr, 0);
      clearLine(process.stderr, 0);
    }
    note(`${this.#label}: warning: ${message}`);
  }

  stop(): void {
    this.#bar?.stop();
  }
}

/** Runs a training and shows it. */
export async function followTraining(
  task: Task<TrainEvent, TrainResult>,
  label = 'train',
): Promise<TrainResult> {
  const progress = new TrainProgress(label);
  try {
    for await (const event of task) progress.show(event);
  } finally {
    progress.stop();
  }
  return task;
}

interface ByteCount {
  readonly what: string;
  readonly done: number;
  /** null where it is not known. */
  readonly total: number | null;
}

/**
 * Runs work on files and shows how far it is.
 * @param describe what an event says: a count for the bar (nothing elsewhere than on a terminal), a line, or nothing
 */
export async function followBytes<Event, Result>(
  task: Task<Event, Result>,
  describe: (event: Event) => ByteCount | string | undefined,
): Promise<Result> {
  const format = '{what}  {bar} {percentage} %';
  const bar = process.stderr.isTTY
    ? new SingleBar({ format, stream: process.stderr, hideCursor: true })
    : undefined;
  let what: string | undefined;
  try {
    for await (const event of task) {
      const said = describe(event);
      if (typeof said === 'string') note(said);
      if (typeof said !== 'object') continue;
      if (said.what !== what) bar?.start(said.total ?? 0, 0, { what: said.what });
      what = said.what;
      bar?.update(said.done);
    }
  } finally {
    bar?.stop();
  }
  return task;
}

/** Runs a pruning and shows it. */
export async function followPruning(task: Task<PruneEvent, PruneResult>): Promise<PruneResult> {
  let progress: TrainProgress | undefined;
  try {
    for await (const event of task) {
      if (event.type === 'cut') {
        const what = event.ablation ? `${event.ablation}, ${event.percent} %` : `prune ${event.percent} %`;
        note(`${what}: ${count(event.parameters)} parameters, ${count(event.macs)} MACs are left`);
      } else if (event.type === 'train') {
        if (event.event.type === 'start') {
          progress?.stop();
          progress = new TrainProgress(event.percent === 0 ? 'train' : `retrain at ${event.percent} %`);
        }
        progress?.show(event.event);
      } else {
        progress?.stop();
        progress = undefined;
        if (event.type === 'plan') for (const step of event.steps) note(planned(step));
        if (event.type === 'resumed') note(`prune ${event.percent} %: finished by an earlier call`);
      }
    }
  } finally {
    progress?.stop();
  }
  return task;
}

/** What a step will leave of every convolution, before anything is trained. */
export function planned({ percent, parameters, macs, layers, notes }: PlannedStep): string {
  const rows = layers.map(layer => [
    layer.layer,
    `${layer.filters} of ${layer.original}`,
    `${percent} %`,
    `${layer.removedPercent.toFixed(1)} %`,
    count(layer.parameters),
    count(layer.macs),
  ]);
  return [
    `step ${percent} %: ${count(parameters)} parameters, ${count(macs)} MACs`,
    table(['convolution', 'filters', 'asked', 'removed', 'parameters', 'MACs'], rows),
    ...notes.map(text => `note: ${text}`),
    '',
  ].join('\n');
}
