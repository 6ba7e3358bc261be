/** Mutated files of every format: accepted, or refused with an error of ours; never a crash, never another kind of error. */
import * as layers from '@tensorflow/tfjs-layers';
import test, { type ExecutionContext } from 'ava';
import fc from 'fast-check';
import { BundleError, maxout, pau, SafetensorsError } from '../../src/index.js';
import { graphOf } from '../../src/publish/graph/fromLayers.js';
import { GraphRunner } from '../../src/publish/graph/run.js';
import { readGraphModel } from '../../src/publish/graphModel/read.js';
import { graphModelFiles } from '../../src/publish/graphModel/write.js';
import type { Bytes } from '../../src/publish/manifest.js';
import { parseManifest } from '../../src/publish/manifest.js';
import { ONNX_FILE, readOnnx } from '../../src/publish/onnx/read.js';
import { onnxFile } from '../../src/publish/onnx/write.js';
import { readSample } from '../../src/publish/parity/sample.js';
import { GRAPH_JSON, readTorchFiles, torchFiles } from '../../src/publish/torchGraph.js';
import { readSafetensors } from '../../src/safetensors/read.js';
import { writeSafetensors } from '../../src/safetensors/write.js';
import '../support/engine.js';
import { smallBundle, textOf, utf8 } from './fixtures.js';
import { imagesFor } from './networks.js';

const model = allOperators();
const graph = graphOf(model);
const images = imagesFor(model);
const onnx = onnxFile(graph, { version: '0', functions: true });
const torch = torchFiles(graph);
const graphFiles = new Map(
  [...graphModelFiles(graph, { version: '0' })].map(([path, bytes]) => [`graph/${path}`, bytes]),
);
const tensors = writeSafetensors(
  new Map([
    ['inputs', { shape: [2, 6, 6, 1], values: new Float32Array(72) }],
    ['logits', { shape: [2, 3], values: new Float32Array(6) }],
  ]),
);

/** Every operator that a format has, on images of 6 x 6. */
function allOperators(): layers.LayersModel {
  const make = layers.layers;
  const image = layers.input({ shape: [6, 6, 1], name: 'image' });
  const apply = (layer: layers.layers.Layer, ...inputs: unknown[]) =>
    layer.apply((inputs.length === 1 ? inputs[0] : inputs) as layers.SymbolicTensor) as layers.SymbolicTensor;
  const same = { padding: 'same' } as const;
  const left = apply(make.conv2d({ filters: 4, kernelSize: 3, name: 'left', ...same }), image);
  const norm = apply(make.batchNormalization({ name: 'norm' }), left);
  const bent = apply(pau().layer('pade'), norm);
  const most = apply(maxout().layer('most'), bent);
  const deep = apply(make.depthwiseConv2d({ kernelSize: 2, activation: 'elu', name: 'deep' }), most);
  const slope = apply(make.leakyReLU({ alpha: 0.1, name: 'slope' }), deep);
  const pool = apply(make.maxPooling2d({ poolSize: 3, strides: 2, name: 'pool', ...same }), slope);
  const mean = apply(make.averagePooling2d({ poolSize: 2, strides: 1, name: 'mean', ...same }), pool);
  const large = apply(make.upSampling2d({ size: [2, 1], name: 'large' }), mean);
  const both = apply(make.concatenate({ name: 'both' }), large, large);
  const flat = apply(make.flatten({ name: 'flat' }), both);
  const one = apply(make.globalAveragePooling2d({ name: 'one' }), both);
  const two = apply(make.globalMaxPooling2d({ name: 'two' }), both);
  const product = apply(make.multiply({ name: 'product' }), one, two);
  const sum = apply(make.concatenate({ name: 'sum' }), flat, product);
  const tanh = apply(make.activation({ activation: 'tanh', name: 'tanh' }), sum);
  const logits = apply(make.dense({ units: 3, activation: 'softmax', name: 'classify' }), tanh);
  return layers.model({ inputs: image, outputs: logits, name: 'all' });
}

/** Bytes written over, cut out, put in or repeated, at one to three places. */
const mutation = fc.array(
  fc.record({
    kind: fc.constantFrom('set', 'cut', 'insert', 'repeat', 'end'),
    at: fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true }),
    bytes: fc.uint8Array({ minLength: 1, maxLength: 12 }),
  }),
  { minLength: 1, maxLength: 3 },
);

function mutated(bytes: Bytes, steps: readonly { kind: string; at: number; bytes: Uint8Array }[]): Bytes {
  let result = bytes;
  for (const { kind, at, bytes: patch } of steps) {
    const i = Math.floor(at * result.length);
    const [before, after] = [result.subarray(0, i), result.subarray(i)];
    const parts =
      kind === 'set'
        ? [before, patch, after.subarray(patch.length)]
        : kind === 'cut'
          ? [before, after.subarray(patch.length)]
          : kind === 'insert'
            ? [before, patch, after]
            : kind === 'repeat'
              ? [before, after.subarray(0, 40), after]
              : [before];
    result = Uint8Array.from(parts.flatMap(part => [...part]));
  }
  return result;
}

/** A value of the JSON replaced, removed or moved, so that the text stays JSON. */
const EDITS: readonly unknown[] = [
  null,
  -1,
  0,
  1e300,
  2 ** 53,
  1.5,
  '',
  '1e-05',
  'x',
  '../../x',
  [],
  {},
  true,
  [[]],
  { __proto__: 1 },
  '__proto__',
];
function edited(bytes: Bytes, at: number, which: number, remove: boolean): Bytes {
  const json = JSON.parse(textOf(bytes));
  const places: [Record<string, unknown>, string][] = [];
  const walk = (node: unknown) => {
    if (typeof node !== 'object' || node === null) return;
    for (const key of Object.keys(node)) {
      places.push([node as Record<string, unknown>, key]);
      walk((node as Record<string, unknown>)[key]);
    }
  };
  walk(json);
  const [parent, key] = places[Math.floor(at * places.length)]!;
  if (remove) delete parent[key];
  else parent[key] = EDITS[which % EDITS.length];
  return utf8(JSON.stringify(json));
}
const edit = fc.tuple(
  fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true }),
  fc.nat(EDITS.length - 1),
  fc.boolean(),
);

const MEMORY = 1024 * 2 ** 20;

/** Runs what is accepted: a graph that passed every check must not make the engine fail. */
function accept(read: () => ReturnType<typeof readOnnx>): boolean {
  let accepted: ReturnType<typeof readOnnx>;
  try {
    accepted = read();
  } catch (error) {
    if (!(error instanceof BundleError)) throw error;
    return true;
  }
  if (accepted.input.shape.length !== 3) return true;
  const runner = new GraphRunner(accepted);
  try {
    const fits = accepted.input.shape.join() === (accepted.layout === 'channels-last' ? '6,6,1' : '1,6,6');
    if (fits) for (const tensor of runner.run(images)) tensor.dispose();
  } finally {
    runner.dispose();
  }
  return true;
}

function hold<Value>(t: ExecutionContext, runs: number, property: fc.IProperty<Value>): void {
  const before = process.memoryUsage().rss;
  t.notThrows(() => fc.assert(property, { numRuns: runs }));
  t.true(process.memoryUsage().rss - before < MEMORY);
}

/** `runs` mutations of the bytes, and as many of what they say. */
function holdJson(t: ExecutionContext, runs: number, json: Bytes, read: (changed: Bytes) => boolean): void {
  hold(
    t,
    runs,
    fc.property(mutation, steps => read(mutated(json, steps))),
  );
  hold(
    t,
    runs,
    fc.property(edit, ([at, which, remove]) => read(edited(json, at, which, remove))),
  );
}

test.serial('4000 mutations of an ONNX model', t => {
  hold(
    t,
    4000,
    fc.property(mutation, steps => accept(() => readOnnx('x', mutated(onnx, steps), ONNX_FILE))),
  );
});

test.serial('6000 mutations of safetensors', t => {
  const read = (steps: Parameters<typeof mutated>[1]) => {
    try {
      for (const tensor of readSafetensors(mutated(tensors, steps)).values()) tensor.values();
    } catch (error) {
      if (!(error instanceof SafetensorsError)) throw error;
    }
    try {
      readSample('x', mutated(tensors, steps), [6, 6, 1]);
    } catch (error) {
      if (!(error instanceof BundleError)) throw error;
    }
    return true;
  };
  hold(t, 6000, fc.property(mutation, read));
});

test.serial('4000 mutations of the graph of safetensors/, as bytes and as JSON', t => {
  const json = torch.get(GRAPH_JSON)!;
  const read = (changed: Bytes) => accept(() => readTorchFiles('x', new Map(torch).set(GRAPH_JSON, changed)));
  holdJson(t, 2000, json, read);
});

test.serial('4000 mutations of a graph-model, as bytes and as JSON', t => {
  const path = 'graph/model.json';
  const json = graphFiles.get(path)!;
  const read = (changed: Bytes) =>
    accept(() => readGraphModel('x', new Map(graphFiles).set(path, changed), 'graph'));
  holdJson(t, 2000, json, read);
});

test.serial('2000 mutations of the manifest', async t => {
  const json = (await smallBundle()).get('padezoo.json')!;
  const read = (changed: Bytes) => {
    try {
      parseManifest('x', changed);
    } catch (error) {
      if (!(error instanceof BundleError)) throw error;
    }
    return true;
  };
  holdJson(t, 1000, json, read);
});

const jsonOf = (path: string, files: ReadonlyMap<string, Bytes>) => JSON.parse(textOf(files.get(path)));
type NodeJson = { name: string; op: string; input?: string[]; attr: Record<string, Record<string, unknown>> };
const TRAPS: [
  string,
  (node: (op: string) => NodeJson, json: { modelTopology: { node: NodeJson[] } }) => void,
  RegExp,
][] = [
  [
    'a float written as a text',
    node => {
      node('FusedBatchNormV3').attr.epsilon = { f: '1e-05' };
    },
    /epsilon\.f: expected a number/,
  ],
  [
    'no epsilon',
    node => {
      delete node('FusedBatchNormV3').attr.epsilon;
    },
    /has no number 'epsilon'/,
  ],
  [
    'no dilations',
    node => {
      delete node('Conv2D').attr.dilations;
    },
    /has no 'dilations'/,
  ],
  [
    'a padding that is not base64',
    node => {
      node('Conv2D').attr.padding = { s: 'VALID' };
    },
    /has 'padding' VALID/,
  ],
  [
    'a dangling input',
    node => {
      node('MatMul').input![0] = 'nothing';
    },
    /reads 'nothing'/,
  ],
  [
    'a sum of nothing',
    node => {
      delete node('AddV2').input;
    },
    /has 0 inputs/,
  ],
  [
    'an operator of its own',
    node => {
      node('AddV2').op = 'Pade';
    },
    /is not an operator that padezoo writes/,
  ],
  [
    'nodes in the wrong order',
    (_, json) => {
      json.modelTopology.node.reverse();
    },
    /does not exist before it/,
  ],
];
for (const [what, break_, message] of TRAPS) {
  test.serial(`a graph-model with ${what} is refused`, t => {
    const json = jsonOf('graph/model.json', graphFiles);
    break_(op => json.modelTopology.node.find((node: NodeJson) => node.op === op), json);
    const files = new Map(graphFiles).set('graph/model.json', utf8(JSON.stringify(json)));
    t.throws(() => readGraphModel('x', files, 'graph'), { instanceOf: BundleError, message });
  });
}

test.serial('shards of which the last is the largest are refused', t => {
  const json = jsonOf('graph/model.json', graphFiles);
  const [name] = json.weightsManifest[0].paths as [string];
  const whole = graphFiles.get(`graph/${name}`)!;
  json.weightsManifest[0].paths = ['a.bin', 'b.bin'];
  const files = new Map(graphFiles).set('graph/model.json', utf8(JSON.stringify(json)));
  files.set('graph/a.bin', whole.slice(0, 100)).set('graph/b.bin', whole.slice(100));
  t.throws(() => readGraphModel('x', files, 'graph'), {
    instanceOf: BundleError,
    message: /b\.bin.*tfjs reads zeros when shards differ/,
  });
  const half = whole.length / 2;
  files.set('graph/a.bin', whole.slice(0, half)).set('graph/b.bin', whole.slice(half));
  t.notThrows(() => readGraphModel('x', files, 'graph'));
});

test('a graph that grows without end is refused before it is run', t => {
  const json = jsonOf(GRAPH_JSON, torch);
  const [first] = json.nodes;
  let before = first.name as string;
  let channels = first.shape[0] as number;
  const grown = Array.from({ length: 40 }, (_, i) => {
    channels *= 2;
    const node = {
      name: `grow${i}`,
      op: 'concat',
      inputs: [before, before],
      shape: [channels, ...first.shape.slice(1)],
    };
    before = node.name;
    return node;
  });
  json.nodes.splice(1, 0, ...grown);
  const files = new Map(torch).set(GRAPH_JSON, utf8(JSON.stringify(json)));
  t.throws(() => readTorchFiles('x', files), { instanceOf: BundleError, message: /more than \d+ values/ });
});

const header = (text: string, data = 0) => {
  const json = utf8(text);
  const file = new Uint8Array(8 + json.length + data);
  new DataView(file.buffer).setBigUint64(0, BigInt(json.length), true);
  file.set(json, 8);
  return file;
};
const f32 = (begin: number, end: number, shape = '[1]') =>
  `{"dtype":"F32","shape":${shape},"data_offsets":[${begin},${end}]}`;
const HOSTILE: [string, Bytes, RegExp][] = [
  ['a hole', header(`{"a":${f32(0, 4)},"b":${f32(8, 12)}}`, 12), /'b' starts at byte 8/],
  ['an overlap', header(`{"a":${f32(0, 4)},"b":${f32(0, 4)}}`, 4), /'b' starts at byte 0/],
  ['bytes behind the last tensor', header(`{"a":${f32(0, 4)}}`, 8), /end at byte 4 of the data, expected 8/],
  ['a size that overflows', header(`{"a":${f32(0, 4, '[4294967296,4294967296,4294967296]')}}`, 4), /takes/],
  ['a name twice', header(`{"a":${f32(0, 4)},"\\u0061":${f32(4, 8)}}`, 8), /has 'a' twice/],
  ['a tensor named __proto__', header(`{"__proto__":${f32(0, 4)}}`, 4), /named '__proto__'/],
  [
    'an offset beyond 2^53',
    header('{"a":{"dtype":"F32","shape":[1],"data_offsets":[9007199254740992,9007199254740996]}}', 4),
    /malformed/,
  ],
  [
    'a header longer than the file',
    (() => {
      const file = header('{}');
      file[0] = 200;
      return file;
    })(),
    /do not start/,
  ],
  [
    'a header that is not UTF-8',
    (() => {
      const file = header('{"a":1}');
      file[10] = 0xff;
      return file;
    })(),
    /not a JSON object/,
  ],
  ['metadata that is not text', header('{"__metadata__":{"a":1}}'), /texts by name/],
  ['a space before the header', header(' {}'), /not a JSON object/],
];
for (const [what, file, message] of HOSTILE) {
  test(`safetensors with ${what} are refused`, t => {
    t.throws(() => readSafetensors(file), { instanceOf: SafetensorsError, message });
  });
}
