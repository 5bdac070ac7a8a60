// A network as a list of steps over tensors, executed in one call.
//
//   Program program(current_backend());
//   const TensorId x = program.tensor(DType::f32, 784);
//   const TensorId q = program.tensor(DType::u8, 784);
//   program.append("x", {x}, q, step::Quantize{...});
//   program.finish({x}, {q});
//   program.run({&x_data, 1}, {&q_data, 1}, batch);
//
// Memory: inputs are read from the caller's arrays and outputs written into them, without a copy
// (but for an output that is also an input, a constant or listed twice). All other tensors share
// one arena, planned per batch size from their lifetimes; the last few plans are kept. Constants
// are stored once, and repeated for every sample of a batch when a plan is made.
//
// Threads: building is for one thread. After finish() any number of threads may run the program at
// once, each with an arena of its own, borrowed from a list of free ones.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/buffer.h"
#include "ops/program/describe.h"
#include "ops/program/prepared.h"
#include "ops/program/step.h"
#include "runtime/context.h"

namespace octavo {

struct ProgramOptions {
  size_t cache_bytes = 0;  // 0: those of this machine's L2
  bool views = true;       // concatenations and slices without a copy, where that is possible
};

class Program {
 public:
  // Bound to this backend: weights packed for another layout are refused.
  explicit Program(const Backend& backend) : backend_(&backend) {}

  // elements: 1..kMaxElements.
  static constexpr size_t kMaxElements = size_t{1} << 40;
  TensorId tensor(DType dtype, size_t elements);
  TensorId constant(DType dtype, size_t elements, const void* data);

  // Steps run in this order. Throws Error(invalid_argument), naming the step, unless the operation
  // fits its tensors.
  void append(const std::string& name, std::vector<TensorId> inputs, TensorId output,
              Operation operation);

  // Checks that every tensor is written once, before it is read, and that outputs are produced.
  // Afterwards the program is fixed. A large batch is run in groups of samples whose activations
  // stay in the cache.
  void finish(std::vector<TensorId> inputs, std::vector<TensorId> outputs,
              const ProgramOptions& options = {});

  // inputs[i] points at batch * elements of the i-th input, as does outputs[i]; outputs overlap
  // neither one another nor inputs. num_threads = 0: the process default.
  // With step_seconds, one entry a step, also how long each of them took.
  void run(std::span<const void* const> inputs, std::span<void* const> outputs, size_t batch,
           size_t num_threads = 0, std::span<double> step_seconds = {}) const;

  // The plan for a batch size, made or one of the last few.
  std::shared_ptr<Prepared> prepare(size_t batch) const;

  // The same with a plan that is ready, in memory of its workspace_bytes(), aligned as an
  // AlignedBuffer is; nothing is allocated but the scratch memory that a thread lacks in its first
  // run.
  void run(const Context& context, const Prepared& prepared, unsigned char* memory,
           std::span<const void* const> inputs, std::span<void* const> outputs,
           std::span<double> step_seconds = {}) const;

  // Of packed weights and constants.
  size_t weight_bytes() const;

  // Of the arena for this batch size.
  size_t arena_bytes(size_t batch) const;

  std::vector<StepInfo> describe() const;

  const Backend& backend() const { return *backend_; }
  bool finished() const { return finished_; }
  size_t step_count() const { return steps_.size(); }
  const std::vector<Step>& steps() const { return steps_; }
  size_t tensor_count() const { return tensors_.size(); }
  // Of one sample; empty unless the tensor is a constant.
  const AlignedBuffer& constant_data(TensorId id) const { return constants_.at(id); }
  const TensorInfo& info(TensorId id) const;
  const std::vector<TensorId>& inputs() const { return inputs_; }
  const std::vector<TensorId>& outputs() const { return outputs_; }

 private:
  void require_building() const;
  void require_id(TensorId id, const std::string& role) const;
  std::vector<TensorUse> lifetimes(const std::vector<TensorId>& inputs,
                                   const std::vector<TensorId>& outputs) const;
  void require_params(std::span<const TensorUse> uses) const;
  void place_views();
  std::vector<StepTraffic> traffic() const;
  bool reads_whole_batch() const;
  void check_arrays(size_t inputs, size_t outputs, size_t step_seconds) const;
  void run_segment(const Context& context, const Segment& segment, size_t samples,
                   void* const* data, std::span<double> step_seconds) const;
  void copy_outputs(std::span<void* const> outputs, size_t batch, void* const* data) const;

  const Backend* backend_;
  std::vector<TensorInfo> tensors_;
  std::vector<AlignedBuffer> constants_;  // by tensor; empty for the others
  std::vector<Step> steps_;
  std::vector<TensorId> inputs_;
  std::vector<TensorId> outputs_;
  std::vector<TensorUse> uses_;
  std::vector<View> views_;
  size_t cache_bytes_ = 0;
  bool finished_ = false;
  mutable PreparedCache plans_;
};

}  // namespace octavo
