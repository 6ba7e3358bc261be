/** The tfjs backend `torch`: tensors live in libtorch, a data id stands for exactly one of them. */
import { availableParallelism } from 'node:os';
import {
  type BackendTimingInfo,
  type BackendValues,
  type DataId,
  DataStorage,
  type DataType,
  engine,
  KernelBackend,
  type TensorInfo,
  util,
} from '@tensorflow/tfjs-core';
import { EngineError, type Handle, type LoadedAddon, type ProgramId, type TorchDtype } from './addon.js';
import {
  type Aten,
  dtypeCode,
  isPending,
  type KernelResult,
  Operators,
  type PendingTensor,
  scalarType,
  type TorchTensor,
} from './aten.js';
import { isNarrow, WIDE, widened } from './precision.js';
import type { RecordedProgram, Recording } from './recording.js';

/** What a data id stands for. Strings stay in JavaScript: libtorch has none. */
interface Entry {
  tensor: TorchTensor | undefined;
  /** Computed into `tensor` by the first reader. */
  pending?: PendingTensor | undefined;
  readonly strings: readonly Uint8Array[] | undefined;
  readonly dtype: DataType;
  references: number;
}

const DTYPES: Partial<Record<DataType, TorchDtype>> = {
  float32: 'float32',
  int32: 'int32',
  bool: 'bool',
  complex64: 'complex64',
};

/** The dtype that tfjs knows a libtorch result by. */
const FRONT_DTYPES: Record<TorchDtype, DataType> = {
  float32: 'float32',
  float64: 'float32',
  int32: 'int32',
  int64: 'int32',
  bool: 'bool',
  complex64: 'complex64',
  ...WIDE,
};

/** Elements from which `data()` copies on another thread; below, changing threads takes longer than copying. */
const LARGE_READ = 2 ** 16;

export class TorchBackend extends KernelBackend {
  readonly native: LoadedAddon;
  readonly #operators: Operators;
  readonly #data: DataStorage<Entry>;

  constructor(native: LoadedAddon) {
    super();
    this.native = native;
    useAllCores(native);
    this.#operators = new Operators(native.addon);
    this.#data = new DataStorage<Entry>(this, engine());
  }

  /** The tensor behind a tfjs tensor. */
  tensorOf({ dataId, dtype, shape }: TensorInfo): TorchTensor {
    if (!this.#data.has(dataId) && !engine().state.tensorInfo.has(dataId))
      throw new EngineError(`torch: the tensor ${dtype} [${shape.join(', ')}] has been disposed`);
    const entry = this.#data.get(dataId); // fetches it from another backend, if it is there
    this.#settle(entry);
    if (!entry.tensor)
      throw new EngineError(`torch: a tensor of dtype ${dtype} has no numbers to calculate with`);
    return entry.tensor;
  }

  #settle(entry: Entry): void {
    const { pending } = entry;
    if (!pending) return;
    entry.tensor = this.detached(aten => pending.compute(aten, pending.uses));
    entry.pending = undefined;
    for (const tensor of pending.uses) this.release(tensor);
  }

  /** Strings of a string tensor, in row-major order. */
  stringsOf({ dataId }: TensorInfo): readonly Uint8Array[] {
    return this.#data.get(dataId).strings ?? [];
  }

  /**
   * Runs a kernel: `body` gets the operators; the tensors it returns become tfjs tensors, all others are released.
   * A returned input is shared, not copied.
   */
  run(
    inputs: readonly TensorInfo[],
    body: (aten: Aten) => KernelResult | readonly KernelResult[],
  ): TensorInfo[] {
    const results = this.#operators.scope(
      aten => ([] as KernelResult[]).concat(body(aten)).map(result => lasting(aten, result)),
      kept =>
        kept.flatMap(result => (isPending(result) ? result.uses.flatMap(handlesOf) : handlesOf(result))),
    );
    return results.map(result => {
      if (isPending(result)) return this.#adopt(undefined, result);
      const input = inputs.find(info => this.#data.get(info.dataId).tensor?.handle === result.handle);
      if (!input) return this.#adopt(result);
      this.incRef(input.dataId);
      return { dataId: input.dataId, shape: result.shape, dtype: input.dtype };
    });
  }

  /** Runs operators whose result is kept by the caller, who releases it with `release`. */
  detached(body: (aten: Aten) => TorchTensor): TorchTensor {
    return this.#operators.scope(body, handlesOf);
  }

  release(tensor: TorchTensor): void {
    for (const handle of handlesOf(tensor)) this.native.addon.release(handle);
  }

  /** The tensor behind a tfjs tensor, from now on in a dtype that tfjs has. */
  wideTensorOf(info: TensorInfo): TorchTensor {
    const tensor = this.tensorOf(info);
    return isNarrow(tensor.dtype) ? this.relay(info, widened) : tensor;
  }

  /**
   * The tensor behind a tfjs tensor, for changing it in place: widened, and if a view shares its memory, with memory of its
   * own. tfjs tensors that share the data id see the change; that is the caller's to prevent.
   */
  ownTensorOf(info: TensorInfo): TorchTensor {
    const tensor = this.wideTensorOf(info);
    if (this.native.addon.exclusive(tensor.handle)) return tensor;
    return this.relay(info, aten => ({ ...aten('clone', tensor), layout: tensor.layout }));
  }

  /** A tfjs tensor of strings. */
  ofStrings(strings: readonly Uint8Array[], shape: number[]): TensorInfo {
    const dataId = {};
    this.#data.set(dataId, { tensor: undefined, strings, dtype: 'string', references: 1 });
    return { dataId, shape, dtype: 'string' };
  }

  /** Whether the tensor behind a data id lives here. */
  holds(dataId: DataId): boolean {
    return this.#data.has(dataId);
  }

  /** Stores what `copy` makes, an equal tensor with memory or a memory layout of its own, in place of the present one. */
  relay(info: TensorInfo, copy: (aten: Aten, tensor: TorchTensor) => TorchTensor): TorchTensor {
    const present = this.tensorOf(info);
    const copied = this.detached(aten => copy(aten, present));
    this.#data.get(info.dataId).tensor = copied;
    this.release(present);
    return copied;
  }

  get isRecording(): boolean {
    return this.#operators.recording !== undefined;
  }

  /** Runs `body` and tells `recording` of all that it does. */
  recorded<T>(recording: Recording, body: () => T): T {
    if (this.#operators.recording)
      throw new EngineError('torch: a step that is being recorded cannot record another');
    this.#operators.recording = recording;
    try {
      return body();
    } finally {
      this.#operators.recording = undefined;
    }
  }

  programOf(recording: Recording): RecordedProgram {
    return recording.program(name => this.#operators.idOf(name));
  }

  /** Runs a compiled program. */
  replayed(program: ProgramId, inputs: readonly Handle[]): TensorInfo[] {
    this.#operators.recording?.refuse('it replays another compiled step');
    return this.#operators.replayed(program, inputs).map(tensor => this.#adopt(tensor));
  }

  #adopt(tensor: TorchTensor | undefined, pending?: PendingTensor): TensorInfo {
    const { shape, dtype: torchDtype } = (tensor ?? pending)!;
    const dataId = {};
    const dtype = FRONT_DTYPES[torchDtype];
    this.#data.set(dataId, { tensor, pending, strings: undefined, dtype, references: 1 });
    return { dataId, shape, dtype };
  }

  #create(values: BackendValues, shape: number[], dtype: DataType): TorchTensor {
    const torchDtype = DTYPES[dtype];
    if (!torchDtype) throw new EngineError(`torch: dtype ${dtype} is not supported`);
    const handle = this.native.addon.create(bytesFor(values, dtype), shape, dtypeCode(torchDtype));
    return { handle, shape, dtype: torchDtype };
  }

  // --- tfjs's KernelBackend ---

  override write(values: BackendValues, shape: number[], dtype: DataType): DataId {
    const dataId = {};
    this.move(dataId, values, shape, dtype, 1);
    return dataId;
  }

  override move(
    dataId: DataId,
    values: BackendValues,
    shape: number[],
    dtype: DataType,
    references: number,
  ): void {
    const strings = dtype === 'string' ? (values as Uint8Array[]) : undefined;
    const tensor = strings ? undefined : this.#create(values, shape, dtype);
    this.#data.set(dataId, { tensor, strings, dtype, references });
  }

  override readSync(dataId: DataId): BackendValues {
    this.#operators.recording?.refuse('it reads values back into JavaScript (data, dataSync or array)');
    const entry = this.#data.get(dataId);
    const { strings, dtype } = entry;
    if (strings) return strings.slice(); // with its holes, if it came from a buffer
    this.#settle(entry);
    const readable = this.#readable(entry.tensor!);
    try {
      return valuesIn(this.native.addon.read(readable.handle), dtype);
    } finally {
      if (readable !== entry.tensor) this.release(readable);
    }
  }

  /** A tensor of a dtype that JavaScript has arrays for; the caller releases it if it is another one. */
  #readable(tensor: TorchTensor): TorchTensor {
    return isNarrow(tensor.dtype) ? this.detached(aten => widened(aten, tensor)) : tensor;
  }

  override async read(dataId: DataId): Promise<BackendValues> {
    this.#operators.recording?.refuse('it reads values back into JavaScript (data, dataSync or array)');
    const entry = this.#data.get(dataId);
    if (entry.strings) return this.readSync(dataId);
    this.#settle(entry);
    const tensor = entry.tensor!;
    if (util.sizeFromShape(tensor.shape) < LARGE_READ) return this.readSync(dataId);
    const readable = this.#readable(tensor);
    try {
      return valuesIn(await this.native.addon.readAsync(readable.handle), entry.dtype);
    } finally {
      if (readable !== tensor) this.release(readable);
    }
  }

  override disposeData(dataId: DataId, force = false): boolean {
    if (!this.#data.has(dataId)) return true;
    const entry = this.#data.get(dataId);
    entry.references--;
    if (entry.references > 0 && !force) return false;
    if (entry.tensor) this.release(entry.tensor);
    for (const tensor of entry.pending?.uses ?? []) this.release(tensor);
    this.#data.delete(dataId);
    return true;
  }

  override refCount(dataId: DataId): number {
    return this.#data.has(dataId) ? this.#data.get(dataId).references : 0;
  }

  override incRef(dataId: DataId): void {
    this.#data.get(dataId).references++;
  }

  override numDataIds(): number {
    return this.#data.numDataIds();
  }

  /**
   * What `tf.memory()` adds to tfjs's counts, which take every view for a copy: the bytes that the engine has really in
   * use, in all threads of the process.
   */
  override memory(): { unreliable: boolean; numBytesNative: number } {
    return { unreliable: false, numBytesNative: this.native.addon.memory().usedBytes };
  }

  override timerAvailable(): boolean {
    return true;
  }

  override async time(work: () => void): Promise<BackendTimingInfo> {
    const start = util.now();
    work();
    return { kernelMs: util.now() - start };
  }

  override floatPrecision(): 16 | 32 {
    return 32;
  }

  override epsilon(): number {
    return 1e-7;
  }

  override dispose(): void {}
}

/** libtorch 1.13 starts with one thread; OMP_NUM_THREADS is the user's word. */
function useAllCores({ addon }: LoadedAddon): void {
  if (addon.threads() === 1 && !process.env.OMP_NUM_THREADS) addon.setThreads(availableParallelism());
}

function handlesOf(tensor: TorchTensor): Handle[] {
  return [tensor.handle, ...(tensor.companions ?? []).map(companion => companion.handle)];
}

/**
 * A result as the data storage keeps it: of a dtype that tfjs has (no int64, no float64) or takes it for (bfloat16 for
 * float32, uint8 for int32); what a pending one needs is held by aliases.
 */
function lasting(aten: Aten, result: KernelResult): KernelResult {
  if (isPending(result)) return { ...result, uses: result.uses.map(tensor => aten('alias', tensor)) };
  if (isNarrow(result.dtype)) return result;
  const front = DTYPES[FRONT_DTYPES[result.dtype]]!;
  return front === result.dtype ? result : aten('to.dtype', result, scalarType(front));
}

function valuesIn(buffer: ArrayBuffer, dtype: DataType): BackendValues {
  if (dtype === 'int32') return new Int32Array(buffer);
  if (dtype === 'bool') return new Uint8Array(buffer);
  return new Float32Array(buffer);
}

function bytesFor(values: BackendValues, dtype: DataType): ArrayBufferView {
  if (values == null) throw new EngineError('torch: a tensor needs values');
  if (dtype === 'float32' || dtype === 'complex64') {
    return values instanceof Float32Array ? values : Float32Array.from(values as ArrayLike<number>);
  }
  if (dtype === 'int32')
    return values instanceof Int32Array ? values : Int32Array.from(values as ArrayLike<number>);
  return values instanceof Uint8Array ? values : Uint8Array.from(values as ArrayLike<number>);
}
