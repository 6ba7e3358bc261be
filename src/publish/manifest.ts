/** `padezoo.json`: what a checkpoint is, where it came from, and the size and digest of each of its files. */
import { z } from 'zod';
import { ManifestError, NewerFormatError } from './errors.js';
import { checkJson, parseJson } from './json.js';

/** Bytes with memory of their own kind, as WebCrypto takes them. */
export type Bytes = Uint8Array<ArrayBuffer>;

export const FORMAT_VERSION = 1;
export const MANIFEST_FILE = 'padezoo.json';
export const SUMS_FILE = 'SHA256SUMS';
export const CARD_FILE = 'README.md';
/** Accuracy against parameters, of the steps of a pruning. */
export const ACCURACY_FIGURE = 'figures/accuracy.svg';
export const TOPOLOGY_FILE = 'layers/model.json';

/** Weights in one file, or in shards. */
const isWeightsFile = (path: string): boolean => /^layers\/(weights|group1-shard\d+of\d+)\.bin$/.test(path);
/** Whether loading needs a file. */
export const isLayersFile = (path: string): boolean => path === TOPOLOGY_FILE || isWeightsFile(path);

/** Ten times the largest bundle planned (ResNet101 in four formats), and what one buffer holds everywhere. */
export const MAX_BUNDLE_BYTES = 2 * 2 ** 30;
/** Files and folders; a bundle with figures and shards has tens. Stops an archive of a million empty files. */
export const MAX_ENTRIES = 1024;
/** Characters: what a tar header holds without extensions. */
export const MAX_PATH_LENGTH = 99;

const SAFE_PATH = /^\w[\w.-]*(\/\w[\w.-]*)*$/;

/** A relative path of plain names: no `..`, nothing hidden, nothing that any file system reads differently. */
export const isSafePath = (path: string): boolean => path.length <= MAX_PATH_LENGTH && SAFE_PATH.test(path);

const count = z.int().nonnegative();
const json = z.json();
const record = z.record(z.string(), json);

const FileEntry = z.strictObject({
  path: z
    .string()
    .refine(isSafePath, 'expected a relative path of plain names (letters, digits, "_", ".", "-")'),
  bytes: count.max(MAX_BUNDLE_BYTES),
  sha256: z.string().regex(/^[0-9a-f]{64}$/, 'expected 64 hexadecimal digits'),
});

const PruningStep = z
  .strictObject({
    /** Filters removed from each layer's original width, percent. */
    percent: z.number().min(0).max(100),
    criterion: z.string(),
    aggregation: z.string().optional(),
    scope: z.string().optional(),
    percentOf: z.string().optional(),
    /** What the kept weights start the retraining from, e.g. `'fresh'`. */
    restart: z.string(),
    /** Layer name -> filters before any pruning. */
    widths: z.record(z.string(), z.int().positive()),
    /** Layer name -> kept filters, as indices into that ORIGINAL width. */
    kept: z.record(
      z.string(),
      z.array(count).refine(kept => new Set(kept).size === kept.length, 'expected every index once'),
    ),
  })
  .superRefine(({ widths, kept }, context) => {
    for (const [layer, indices] of Object.entries(kept)) {
      const width = Object.hasOwn(widths, layer) ? widths[layer]! : 0;
      if (indices.every(index => index < width)) continue;
      context.addIssue({
        code: 'custom',
        path: ['kept', layer],
        message: `expected indices below its width, ${width}`,
      });
    }
  });

export const FORMATS = ['layers', 'graph', 'onnx', 'safetensors'] as const;
/** A folder of the bundle, each of which holds the whole network. */
export type Format = (typeof FORMATS)[number];

const fraction = z.number().min(0).max(1);
const error = z.number().nonnegative();

/** How near one format came to its source when it was published. */
const ParityRecord = z.strictObject({
  format: z.enum(FORMATS),
  /** What ran it. */
  runtime: z.string(),
  /** Largest difference of a logit, over the image's largest logit. */
  maxRelativeError: error,
  topOneAgreement: fraction,
  /** Images of the rest, between whose two best classes there was no difference. */
  ties: count,
});
export type ParityRecord = z.output<typeof ParityRecord>;

/** A smaller copy of the network, beside the exact ones. */
const Variant = z.strictObject({
  /** `'graph-uint8'`: its folder. */
  folder: z.string(),
  storage: z.enum(['float16', 'bfloat16', 'uint8']),
  bytes: count,
  maxRelativeError: error,
  topOneAgreement: fraction,
  /** On the same images, as the float32 network has `testAccuracyFloat32`. */
  testAccuracy: fraction.optional(),
  testAccuracyFloat32: fraction.optional(),
  images: count,
});
export type Variant = z.output<typeof Variant>;

/** A step of the pruning that this network is one of. */
const Rung = z.strictObject({
  percent: z.number().min(0).max(100),
  parameters: count,
  macs: count,
  testAccuracy: fraction.optional(),
  testLoss: z.number().optional(),
  published: z.boolean(),
});
export type Rung = z.output<typeof Rung>;

const Ranges = z.array(z.strictObject({ layer: z.string(), min: z.number(), max: z.number() }));

export const Manifest = z.strictObject({
  format: z.literal('padezoo'),
  formatVersion: z.literal(FORMAT_VERSION),
  created: z.iso.datetime(),
  versions: z.strictObject({ padezoo: z.string(), tfjs: z.string(), engine: z.string() }),
  architecture: z.strictObject({
    /** A name of the zoo, or the model's own. */
    name: z.string().min(1),
    /** One input without the batch, `[h, w, c]` for images. */
    inputShape: z.array(z.int().positive()).min(1),
    classes: z.array(z.string()),
    options: record,
  }),
  activation: json,
  dataset: z
    .strictObject({ name: z.string(), options: record, mean: z.array(z.number()), std: z.array(z.number()) })
    .optional(),
  recipe: record.optional(),
  seed: z.int().optional(),
  licence: z.string().optional(),
  /** The network before pruning; its accuracy where it was trained. */
  parent: z
    .strictObject({
      name: z.string(),
      parameters: count,
      activationParameters: count.optional(),
      macs: count,
      testAccuracy: fraction.optional(),
      testLoss: z.number().optional(),
    })
    .optional(),
  /** Every step of the run that the network is from, and why this one was published. */
  ladder: z.strictObject({ rule: z.string(), steps: z.array(Rung) }).optional(),
  /** Smallest and largest input that each activation saw on the images of the proof, and in training if it was observed. */
  ranges: Ranges.optional(),
  /** The same in training alone, at its end, if it was observed. */
  trainingRanges: Ranges.optional(),
  parity: z
    .strictObject({
      tolerance: z.number(),
      inputs: z.strictObject({
        real: count,
        hard: count,
        source: z.string(),
        /** Activations whose range training recorded, and of those the ones that these inputs drive to both ends. */
        extremes: z.strictObject({ recorded: count, reached: count }).optional(),
      }),
      formats: z.array(ParityRecord),
    })
    .optional(),
  /** Present when batch normalisation was folded into the convolutions of all formats but layers. */
  folding: z.strictObject({ layers: count, maxRelativeError: error }).optional(),
  variants: z.array(Variant).optional(),
  pruning: z.array(PruningStep),
  /** Accuracies are fractions, losses nats; further measurements keep their names. */
  metrics: z
    .object({
      testAccuracy: z.number().min(0).max(1).optional(),
      testLoss: z.number().optional(),
      parameters: count,
      activationParameters: count,
      macs: count,
    })
    .catchall(json),
  /** Every file but `padezoo.json` and `SHA256SUMS`, by path. */
  files: z.array(FileEntry).superRefine((files, context) => {
    const seen = new Set([MANIFEST_FILE, SUMS_FILE].map(path => path.toLowerCase()));
    for (const [i, { path }] of files.entries()) {
      const key = path.toLowerCase(); // one file on a file system that ignores case
      if (seen.has(key))
        context.addIssue({ code: 'custom', path: [i, 'path'], message: `${path} is listed twice` });
      seen.add(key);
    }
    const paths = files.map(({ path }) => path);
    if (!paths.includes(TOPOLOGY_FILE))
      context.addIssue({ code: 'custom', message: `expected an entry for ${TOPOLOGY_FILE}` });
    if (!paths.some(isWeightsFile))
      context.addIssue({
        code: 'custom',
        message: 'expected an entry for layers/weights.bin, or for its shards',
      });
  }),
});
export type Manifest = z.output<typeof Manifest>;

/** What the writer of a checkpoint says about the model; the rest of the manifest is filled in. */
export interface BundleDescription
  extends Omit<z.input<typeof Manifest>, 'format' | 'formatVersion' | 'created' | 'versions' | 'files'> {
  /** Now by default. */
  readonly created?: Date;
  /** The engine that trained it, e.g. `'torch 2.13.0, CPU, 2 threads'`; by default the name of tfjs's backend. */
  readonly engine?: string;
}

/**
 * @param bundle the bundle to name in errors
 * @throws NewerFormatError, ManifestError
 */
export function parseManifest(bundle: string, bytes: Bytes): Manifest {
  const value = parseJson(bundle, MANIFEST_FILE, bytes);
  const newer = newerVersion(value);
  if (newer !== undefined) throw new NewerFormatError(bundle, MANIFEST_FILE, newer, FORMAT_VERSION);
  return checkManifest(bundle, value);
}

/** @throws ManifestError */
export function checkManifest(bundle: string, value: unknown): Manifest {
  if (typeof value !== 'object' || value === null || (value as { format?: unknown }).format !== 'padezoo') {
    throw new ManifestError(
      bundle,
      MANIFEST_FILE,
      'format',
      'expected "padezoo"; this is not a padezoo checkpoint',
    );
  }
  return checkJson(bundle, MANIFEST_FILE, Manifest, value);
}

/** The format version of a manifest that says that it is newer than this padezoo; undefined for any other value. */
export function newerVersion(value: unknown): number | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const { format, formatVersion } = value as { format?: unknown; formatVersion?: unknown };
  const newer = format === 'padezoo' && typeof formatVersion === 'number' && formatVersion > FORMAT_VERSION;
  return newer ? formatVersion : undefined;
}

/** For people too: indented, but lists of numbers on one line. */
export function formatManifest(manifest: Manifest): Bytes {
  const indented = JSON.stringify(manifest, null, 2);
  // A JSON string holds no raw line break, so only lists of numbers match.
  const text = indented.replace(/\[\s+[-+.\deE,\s]+\]/g, list =>
    list.replace(/\s+/g, ' ').replace(/\[ | \]/g, s => s.trim()),
  );
  return new TextEncoder().encode(`${text}\n`);
}
