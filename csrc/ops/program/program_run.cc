// Running a program that is planned.
#include <algorithm>
#include <chrono>
#include <cstring>

#include "base/fp_env.h"
#include "base/status.h"
#include "ops/program/execute.h"
#include "ops/program/failure.h"
#include "ops/program/program.h"

namespace octavo {
namespace {

double now_seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

}  // namespace

void Program::check_arrays(size_t inputs, size_t outputs, size_t step_seconds) const {
  if (inputs != inputs_.size() || outputs != outputs_.size()) {
    fail_program("got " + std::to_string(inputs) + " inputs and " + std::to_string(outputs) +
                 " outputs, expected " + std::to_string(inputs_.size()) + " and " +
                 std::to_string(outputs_.size()));
  }
  if (step_seconds != 0 && step_seconds != steps_.size()) {
    fail_program("got " + std::to_string(step_seconds) + " step_seconds, expected " +
                 std::to_string(steps_.size()));
  }
}

void Program::run(std::span<const void* const> inputs, std::span<void* const> outputs, size_t batch,
                  size_t num_threads, std::span<double> step_seconds) const {
  const std::shared_ptr<Prepared> prepared = prepare(batch);
  check_arrays(inputs.size(), outputs.size(), step_seconds.size());
  if (batch == 0) return;
  Prepared::Lease lease(*prepared);
  run(make_context(*backend_, num_threads), *prepared, lease.memory(), inputs, outputs,
      step_seconds);
}

void Program::run(const Context& context, const Prepared& prepared, unsigned char* memory,
                  std::span<const void* const> inputs, std::span<void* const> outputs,
                  std::span<double> step_seconds) const {
  check_arrays(inputs.size(), outputs.size(), step_seconds.size());
  const FpEnvGuard fp_env;
  const size_t batch = prepared.batch();
  const Workspace workspace = prepared.open(memory);
  // Steps only read inputs: finish() refuses one as a destination.
  for (size_t i = 0; i < inputs.size(); ++i) {
    workspace.data[inputs_[i]] = const_cast<void*>(inputs[i]);
  }
  for (size_t i = 0; i < outputs.size(); ++i) {
    if (uses_[outputs_[i]].home == Home::output) workspace.data[outputs_[i]] = outputs[i];
  }
  std::fill(step_seconds.begin(), step_seconds.end(), 0.0);
  for (const Segment& segment : prepared.segments()) {
    for (size_t first = 0; first < batch; first += segment.group) {
      const size_t samples = std::min(segment.group, batch - first);
      run_segment(context, segment, samples, prepared.at(workspace, first), step_seconds);
    }
  }
  copy_outputs(outputs, batch, workspace.data.data());
}

void Program::run_segment(const Context& context, const Segment& segment, size_t samples,
                          void* const* data, std::span<double> step_seconds) const {
  for (size_t i = segment.begin; i < segment.end; ++i) {
    const Step& step = steps_[i];
    const double start = step_seconds.empty() ? 0 : now_seconds();
    try {
      run_step(context, step, tensors_[step.output], samples, {data, views_});
    } catch (const Error& error) {
      fail_in(step, error);
    }
    if (!step_seconds.empty()) step_seconds[i] += now_seconds() - start;
  }
}

// Those that no step wrote in place: inputs, constants, and all but the last of duplicates.
void Program::copy_outputs(std::span<void* const> outputs, size_t batch, void* const* data) const {
  for (size_t i = 0; i < outputs.size(); ++i) {
    const TensorInfo& tensor = tensors_[outputs_[i]];
    const void* written = data[outputs_[i]];
    if (written == outputs[i]) continue;
    std::memcpy(outputs[i], written, batch * tensor.elements * dtype_bytes(tensor.dtype));
  }
}

}  // namespace octavo
