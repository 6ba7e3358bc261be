// A CUDA run time without a GPU, to be loaded before NVIDIA's: device memory is the host's, poisoned, and a stream is a queue
// that runs when somebody waits for it, so that whoever forgets to wait reads poison. Whatever a real device forbids while a
// stream is being captured fails here with the same error codes. ATen's kernels are machine code for a GPU: a launch of one
// fails and names it; operators.cpp has the operators instead. The entry points of our own kernels (native/cuda/*_cuda.h) are
// in this library as well, compiled for the CPU, and found before the engine's. Built and used by scripts/simulate-cuda.mjs,
// which also adds what else libtorch wants of the library, as functions that end the program.
#include <cuda.h>
#include <cuda_runtime_api.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "../onHost/cuda_queue.h"
#include "queue.h"

using Work = std::function<void()>;

struct CUgraph_st {
  std::vector<Work> work;
};
struct CUgraphExec_st {
  std::vector<Work> work;
};
struct CUstream_st {
  std::deque<Work> queue;
  std::unique_ptr<CUgraph_st> captured;  // while it is being captured
  cudaStreamCaptureMode mode = cudaStreamCaptureModeGlobal;
  unsigned long long captureId = 0;
  bool isBroken = false;
};
struct CUevent_st {
  bool isCaptured = false;
};

namespace {

constexpr size_t kBytes = size_t{8} << 30;  // of the device
constexpr int kProcessors = 2;
constexpr size_t kAlignment = 512;

using Lock = std::lock_guard<std::recursive_mutex>;
std::recursive_mutex mutex;
CUstream_st defaultStream;
std::vector<CUstream_st*> streams{&defaultStream};
std::map<const char*, size_t> onDevice, pinned;  // blocks by their beginning
std::map<const void*, std::string> kernels;
size_t usedBytes = 0;
unsigned long long captures = 0;
thread_local CUstream_st* ownCapture = nullptr;
thread_local cudaStreamCaptureMode threadMode = cudaStreamCaptureModeGlobal;
thread_local int currentDevice = 0;
thread_local cudaError_t lastError = cudaSuccess;
thread_local std::string lastMessage;

int deviceCount() {
  const char* word = std::getenv("SIMULATED_GPUS");
  return word ? std::atoi(word) : 1;
}

CUstream_st* streamOf(cudaStream_t stream) {
  return stream && stream != cudaStreamLegacy && stream != cudaStreamPerThread ? stream : &defaultStream;
}

cudaError_t fail(cudaError_t error, std::string message) {
  lastError = error;
  lastMessage = std::move(message);
  return error;
}

void drain(CUstream_st* stream) {
  while (!stream->queue.empty()) {
    const Work work = std::move(stream->queue.front());
    stream->queue.pop_front();
    work();
  }
}
void drainAll() {
  for (CUstream_st* stream : streams) drain(stream);
}

/// Whether a capture forbids this call: then the capture is broken.
bool isForbidden(const char* name) {
  bool forbids = ownCapture && threadMode != cudaStreamCaptureModeRelaxed;
  for (const CUstream_st* stream : streams)
    forbids |= stream->captured && stream->mode == cudaStreamCaptureModeGlobal && threadMode == cudaStreamCaptureModeGlobal;
  if (!forbids) return false;
  if (ownCapture) ownCapture->isBroken = true;
  fail(cudaErrorStreamCaptureUnsupported, std::string("not permitted when a stream is capturing: ") + name);
  return true;
}

bool isWithin(const std::map<const char*, size_t>& blocks, const void* place) {
  const char* at = static_cast<const char*>(place);
  auto block = blocks.upper_bound(at);
  return block != blocks.begin() && at < (--block)->first + block->second;
}

void* newBlock(std::map<const char*, size_t>& blocks, size_t bytes) {
  char* block = static_cast<char*>(std::aligned_alloc(kAlignment, (bytes / kAlignment + 1) * kAlignment));
  std::memset(block, 0xff, bytes);
  blocks[block] = bytes;
  return block;
}

cudaError_t launch(const void* function) {
  const auto kernel = kernels.find(function);
  return fail(cudaErrorNotSupported, "no simulated kernel: " + (kernel == kernels.end() ? "unknown" : kernel->second));
}

/// What waits for the device.
template <typename Wait>
cudaError_t waitFor(const char* name, const Wait& wait) {
  if (isForbidden(name)) return lastError;
  const Lock lock(mutex);
  wait();
  return cudaSuccess;
}

/// Our own kernels, which test/native/onHost compiles for the CPU, go the same way.
[[maybe_unused]] const bool isConnected = [] {
  onHost::queue = device::enqueue;
  onHost::residentBlocks = kProcessors;
  return true;
}();

}  // namespace

namespace device {

void enqueue(void* handle, Work work) {
  const Lock lock(mutex);
  CUstream_st* stream = streamOf(static_cast<cudaStream_t>(handle));
  if (stream->captured) stream->captured->work.push_back(std::move(work));
  else stream->queue.push_back(std::move(work));
}

bool isCapturing(void* handle) {
  const Lock lock(mutex);
  return streamOf(static_cast<cudaStream_t>(handle))->captured != nullptr;
}

}  // namespace device

extern "C" {

// --- devices and errors ---

cudaError_t cudaGetDeviceCount(int* count) { return *count = deviceCount(), cudaSuccess; }
cudaError_t cudaGetDevice(int* device) { return *device = currentDevice, cudaSuccess; }
cudaError_t cudaSetDevice(int device) {
  if (device < 0 || device >= deviceCount()) return fail(cudaErrorInvalidDevice, "no device " + std::to_string(device));
  return currentDevice = device, cudaSuccess;
}
cudaError_t cudaDriverGetVersion(int* version) { return *version = CUDART_VERSION, cudaSuccess; }
cudaError_t cudaRuntimeGetVersion(int* version) { return *version = CUDART_VERSION, cudaSuccess; }
cudaError_t cudaGetLastError() { return std::exchange(lastError, cudaSuccess); }
cudaError_t cudaPeekAtLastError() { return lastError; }
const char* cudaGetErrorString(cudaError_t error) { return error == cudaSuccess ? "no error" : lastMessage.c_str(); }
const char* cudaGetErrorName(cudaError_t) { return "simulated device"; }
cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int) {
  std::memset(properties, 0, sizeof *properties);
  std::strcpy(properties->name, "a simulated device");
  properties->major = 9;
  properties->multiProcessorCount = kProcessors;
  properties->warpSize = 32;
  properties->maxThreadsPerBlock = properties->maxThreadsDim[0] = properties->maxThreadsDim[1] = 1024;
  properties->maxThreadsDim[2] = 64;
  properties->maxThreadsPerMultiProcessor = 2048;
  properties->maxGridSize[0] = 0x7fffffff;
  properties->maxGridSize[1] = properties->maxGridSize[2] = 65535;
  properties->totalGlobalMem = kBytes;
  properties->sharedMemPerBlock = 48 << 10;
  properties->sharedMemPerBlockOptin = properties->sharedMemPerMultiprocessor = 227 << 10;
  properties->regsPerBlock = 65536;
  properties->concurrentKernels = properties->unifiedAddressing = 1;
  return cudaSuccess;
}
cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr attribute, int) {
  *value = attribute == cudaDevAttrMultiProcessorCount        ? kProcessors
           : attribute == cudaDevAttrComputeCapabilityMajor ? 9
           : attribute == cudaDevAttrMaxThreadsPerBlock     ? 1024
                                                            : 0;
  return cudaSuccess;
}
cudaError_t cudaDeviceGetStreamPriorityRange(int* least, int* greatest) { return *least = 0, *greatest = -5, cudaSuccess; }
cudaError_t cudaDeviceCanAccessPeer(int* can, int, int) { return *can = 0, cudaSuccess; }
cudaError_t cudaDeviceGetPCIBusId(char* id, int length, int device) {
  return std::snprintf(id, length, "0000:%02x:00.0", device), cudaSuccess;
}
cudaError_t cudaDeviceSynchronize() { return waitFor("cudaDeviceSynchronize", drainAll); }

// --- memory ---

cudaError_t cudaMemGetInfo(size_t* free, size_t* total) { return *total = kBytes, *free = kBytes - usedBytes, cudaSuccess; }
cudaError_t cudaMalloc(void** block, size_t bytes) {
  if (isForbidden("cudaMalloc")) return lastError;
  const Lock lock(mutex);
  if (usedBytes + bytes > kBytes) return fail(cudaErrorMemoryAllocation, "out of memory");
  *block = newBlock(onDevice, bytes);
  usedBytes += bytes;
  return cudaSuccess;
}
cudaError_t cudaFree(void* block) {
  if (!block) return cudaSuccess;
  if (isForbidden("cudaFree")) return lastError;
  const Lock lock(mutex);
  drainAll();
  const auto found = onDevice.find(static_cast<char*>(block));
  if (found == onDevice.end()) return fail(cudaErrorInvalidValue, "cudaFree of what is not a block");
  usedBytes -= found->second;
  onDevice.erase(found);
  std::free(block);
  return cudaSuccess;
}
cudaError_t cudaHostAlloc(void** block, size_t bytes, unsigned) {
  if (isForbidden("cudaHostAlloc")) return lastError;
  const Lock lock(mutex);
  return *block = newBlock(pinned, bytes), cudaSuccess;
}
cudaError_t cudaFreeHost(void* block) {
  const Lock lock(mutex);
  drainAll();
  pinned.erase(static_cast<char*>(block));
  return std::free(block), cudaSuccess;
}
cudaError_t cudaPointerGetAttributes(cudaPointerAttributes* attributes, const void* place) {
  const Lock lock(mutex);
  std::memset(attributes, 0, sizeof *attributes);
  attributes->type = isWithin(onDevice, place) ? cudaMemoryTypeDevice
                     : isWithin(pinned, place) ? cudaMemoryTypeHost
                                               : cudaMemoryTypeUnregistered;
  attributes->device = currentDevice;
  return cudaSuccess;
}
/// Pageable memory is read before the call returns, and written before it returns; pinned memory whenever the stream comes to it.
cudaError_t cudaMemcpyAsync(void* to, const void* from, size_t bytes, cudaMemcpyKind, cudaStream_t handle) {
  const Lock lock(mutex);
  CUstream_st* stream = streamOf(handle);
  const auto isPageable = [](const void* place) { return !isWithin(onDevice, place) && !isWithin(pinned, place); };
  if (stream->captured && (isPageable(to) || isPageable(from))) {
    stream->isBroken = true;
    return fail(cudaErrorStreamCaptureUnsupported, "not permitted when a stream is capturing: a copy of pageable memory");
  }
  if (isPageable(from)) {
    const auto* begin = static_cast<const char*>(from);
    const auto staged = std::make_shared<std::vector<char>>(begin, begin + bytes);
    device::enqueue(handle, [to, staged] { std::memcpy(to, staged->data(), staged->size()); });
  } else {
    device::enqueue(handle, [to, from, bytes] { std::memmove(to, from, bytes); });
  }
  if (isPageable(to)) drain(stream);
  return cudaSuccess;
}
cudaError_t cudaMemcpyPeerAsync(void* to, int, const void* from, int, size_t bytes, cudaStream_t stream) {
  return cudaMemcpyAsync(to, from, bytes, cudaMemcpyDefault, stream);
}
cudaError_t cudaMemcpy(void* to, const void* from, size_t bytes, cudaMemcpyKind) {
  return waitFor("cudaMemcpy", [&] {
    drainAll();
    std::memmove(to, from, bytes);
  });
}
cudaError_t cudaMemsetAsync(void* place, int value, size_t bytes, cudaStream_t stream) {
  return device::enqueue(stream, [=] { std::memset(place, value, bytes); }), cudaSuccess;
}

// --- streams and events ---

cudaError_t cudaStreamCreateWithPriority(cudaStream_t* stream, unsigned, int) {
  const Lock lock(mutex);
  return streams.push_back(*stream = new CUstream_st), cudaSuccess;
}
cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned flags) {
  return cudaStreamCreateWithPriority(stream, flags, 0);
}
cudaError_t cudaStreamSynchronize(cudaStream_t stream) {
  if (device::isCapturing(stream)) streamOf(stream)->isBroken = true;
  return waitFor("cudaStreamSynchronize", [&] { drain(streamOf(stream)); });
}
cudaError_t cudaStreamQuery(cudaStream_t stream) {
  if (isForbidden("cudaStreamQuery")) return lastError;
  const Lock lock(mutex);
  return streamOf(stream)->queue.empty() ? cudaSuccess : cudaErrorNotReady;
}
cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned) {
  const Lock lock(mutex);
  if (event->isCaptured != (streamOf(stream)->captured != nullptr))
    return fail(cudaErrorStreamCaptureIsolation, "a stream waits for an event across a capture");
  if (!event->isCaptured) drainAll();
  return cudaSuccess;
}
cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned) { return *event = new CUevent_st, cudaSuccess; }
cudaError_t cudaEventDestroy(cudaEvent_t event) { return delete event, cudaSuccess; }
cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream) {
  return event->isCaptured = device::isCapturing(stream), cudaSuccess;
}
cudaError_t cudaEventRecordWithFlags(cudaEvent_t event, cudaStream_t stream, unsigned) { return cudaEventRecord(event, stream); }
cudaError_t cudaEventQuery(cudaEvent_t event) {
  if (event->isCaptured) return fail(cudaErrorCapturedEvent, "cudaEventQuery of a captured event");
  return waitFor("cudaEventQuery", drainAll);
}
cudaError_t cudaEventSynchronize(cudaEvent_t event) {
  if (event->isCaptured) return fail(cudaErrorCapturedEvent, "cudaEventSynchronize of a captured event");
  return waitFor("cudaEventSynchronize", drainAll);
}

// --- captures and graphs ---

cudaError_t cudaThreadExchangeStreamCaptureMode(cudaStreamCaptureMode* mode) { return std::swap(*mode, threadMode), cudaSuccess; }
cudaError_t cudaStreamBeginCapture(cudaStream_t handle, cudaStreamCaptureMode mode) {
  const Lock lock(mutex);
  CUstream_st* stream = streamOf(handle);
  if (stream == &defaultStream) return fail(cudaErrorStreamCaptureUnsupported, "the default stream cannot be captured");
  if (stream->captured || ownCapture) return fail(cudaErrorIllegalState, "a stream is being captured already");
  drain(stream);
  stream->captured = std::make_unique<CUgraph_st>();
  stream->isBroken = false;
  stream->captureId = ++captures;
  stream->mode = mode;
  ownCapture = stream;
  return cudaSuccess;
}
cudaError_t cudaStreamEndCapture(cudaStream_t handle, cudaGraph_t* graph) {
  const Lock lock(mutex);
  CUstream_st* stream = streamOf(handle);
  *graph = nullptr;
  if (!stream->captured) return fail(cudaErrorIllegalState, "the stream is not being captured");
  if (stream != ownCapture) return fail(cudaErrorStreamCaptureWrongThread, "another thread began the capture");
  ownCapture = nullptr;
  auto captured = std::move(stream->captured);
  if (stream->isBroken) return fail(cudaErrorStreamCaptureInvalidated, "the capture is broken: " + lastMessage);
  return *graph = captured.release(), cudaSuccess;
}
cudaError_t cudaStreamIsCapturing(cudaStream_t handle, cudaStreamCaptureStatus* status) {
  const Lock lock(mutex);
  const CUstream_st* stream = streamOf(handle);
  *status = !stream->captured   ? cudaStreamCaptureStatusNone
            : stream->isBroken ? cudaStreamCaptureStatusInvalidated
                               : cudaStreamCaptureStatusActive;
  return cudaSuccess;
}
cudaError_t cudaStreamGetCaptureInfo(cudaStream_t handle, cudaStreamCaptureStatus* status, unsigned long long* id,
                                     cudaGraph_t* graph, const cudaGraphNode_t** dependencies, const cudaGraphEdgeData** edges,
                                     size_t* count) {
  cudaStreamIsCapturing(handle, status);
  if (id) *id = streamOf(handle)->captureId;
  if (graph) *graph = streamOf(handle)->captured.get();
  if (dependencies) *dependencies = nullptr;
  if (edges) *edges = nullptr;
  if (count) *count = 0;
  return cudaSuccess;
}
cudaError_t cudaGraphGetNodes(cudaGraph_t graph, cudaGraphNode_t*, size_t* count) {
  return *count = graph->work.size(), cudaSuccess;
}
cudaError_t cudaGraphInstantiateWithFlags(cudaGraphExec_t* executable, cudaGraph_t graph, unsigned long long) {
  return *executable = new CUgraphExec_st{graph->work}, cudaSuccess;
}
cudaError_t cudaGraphDestroy(cudaGraph_t graph) { return delete graph, cudaSuccess; }
cudaError_t cudaGraphExecDestroy(cudaGraphExec_t executable) {
  const Lock lock(mutex);
  drainAll();
  return delete executable, cudaSuccess;
}
cudaError_t cudaGraphLaunch(cudaGraphExec_t executable, cudaStream_t stream) {
  for (const Work& work : executable->work) device::enqueue(stream, work);
  return cudaSuccess;
}
cudaError_t cudaUserObjectCreate(cudaUserObject_t*, void*, cudaHostFn_t, unsigned, unsigned) { return cudaSuccess; }
cudaError_t cudaUserObjectRelease(cudaUserObject_t, unsigned) { return cudaSuccess; }
cudaError_t cudaGraphRetainUserObject(cudaGraph_t, cudaUserObject_t, unsigned, unsigned) { return cudaSuccess; }

// --- libtorch's kernels, which this cannot run ---

void** __cudaRegisterFatBinary(void*) {
  static void* handle;
  return &handle;
}
void __cudaRegisterFatBinaryEnd(void**) {}
void __cudaUnregisterFatBinary(void**) {}
void __cudaRegisterFunction(void**, const char* host, char*, const char* name, int, uint3*, uint3*, dim3*, dim3*, int*) {
  kernels[host] = name;
}
void __cudaRegisterVar(void**, char*, char*, const char*, int, size_t, int, int) {}
char __cudaInitModule(void**) { return 1; }
cudaError_t __cudaGetKernel(cudaKernel_t* kernel, const void* function) {
  return *kernel = static_cast<cudaKernel_t>(const_cast<void*>(function)), cudaSuccess;
}
unsigned __cudaPushCallConfiguration(dim3, dim3, size_t, void*) { return 0; }
cudaError_t __cudaPopCallConfiguration(dim3* grid, dim3* block, size_t* bytes, void* stream) {
  *grid = *block = dim3();
  *bytes = 0;
  return *static_cast<void**>(stream) = nullptr, cudaSuccess;
}
cudaError_t cudaLaunchKernel(const void* function, dim3, dim3, void**, size_t, cudaStream_t) { return launch(function); }
cudaError_t __cudaLaunchKernel(cudaKernel_t kernel, dim3, dim3, void**, size_t, cudaStream_t) { return launch(kernel); }
cudaError_t cudaLaunchKernelExC(const cudaLaunchConfig_t*, const void* function, void**) { return launch(function); }

// --- the driver's functions, which libtorch asks for by name ---

static CUresult succeed() { return CUDA_SUCCESS; }
static CUresult primaryContextState(CUdevice, unsigned* flags, int* active) { return *flags = 0, *active = 1, CUDA_SUCCESS; }
cudaError_t cudaGetDriverEntryPointByVersion(const char* name, void** function, unsigned, unsigned long long,
                                             cudaDriverEntryPointQueryResult* result) {
  *function = std::strcmp(name, "cuDevicePrimaryCtxGetState") == 0 ? reinterpret_cast<void*>(primaryContextState)
                                                                    : reinterpret_cast<void*>(succeed);
  if (result) *result = cudaDriverEntryPointSuccess;
  return cudaSuccess;
}
}
