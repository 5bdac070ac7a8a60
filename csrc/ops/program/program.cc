#include "ops/program/program.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/cpu.h"
#include "base/status.h"
#include "ops/program/check.h"
#include "ops/program/failure.h"

namespace octavo {
namespace {

// Steps that take any dtype calculate in float, but for those that only move elements.
void require_no_sums(std::span<const TensorInfo> tensors, const Step& step) {
  if (std::holds_alternative<step::Transpose>(step.operation) ||
      std::holds_alternative<step::Permute>(step.operation) ||
      std::holds_alternative<step::CastS32>(step.operation)) {
    return;
  }
  for (const TensorId id : step.inputs) {
    if (tensors[id].dtype == DType::s32) {
      fail_program(describe_id(step) + ": a source is tensor " + std::to_string(id) +
                   ", s32; expected a cast to f32 first");
    }
  }
}

}  // namespace

void Program::require_building() const {
  if (finished_) fail_program("it is finished, and fixed since");
}

void Program::require_id(TensorId id, const std::string& role) const {
  if (id >= tensors_.size()) {
    fail_program(role + " is tensor " + std::to_string(id) + ", expected an id below " +
                 std::to_string(tensors_.size()));
  }
}

const TensorInfo& Program::info(TensorId id) const {
  require_id(id, "id");
  return tensors_[id];
}

TensorId Program::tensor(DType dtype, size_t elements) {
  require_building();
  if (elements < 1 || elements > kMaxElements) {
    fail_program("elements is " + std::to_string(elements) + ", expected 1.." +
                 std::to_string(kMaxElements));
  }
  constants_.emplace_back();
  tensors_.push_back({dtype, elements});
  return tensors_.size() - 1;
}

TensorId Program::constant(DType dtype, size_t elements, const void* data) {
  const TensorId id = tensor(dtype, elements);
  const size_t bytes = elements * dtype_bytes(dtype);
  constants_[id] = AlignedBuffer(bytes);
  std::memcpy(constants_[id].data(), data, bytes);
  return id;
}

void Program::append(const std::string& name, std::vector<TensorId> inputs, TensorId output,
                     Operation operation) {
  require_building();
  Step step{name, std::move(inputs), output, std::move(operation)};
  for (const TensorId id : step.inputs) require_id(id, describe_id(step) + ": a source");
  require_id(output, describe_id(step) + ": dst");
  if (constants_[output].size() != 0) {
    fail_program(describe_id(step) + ": dst is tensor " + std::to_string(output) + ", a constant");
  }
  require_no_sums(tensors_, step);
  try {
    check_step(make_context(*backend_, 1), tensors_, step);
  } catch (const Error& error) {
    fail_in(step, error);
  }
  steps_.push_back(std::move(step));
}

std::vector<TensorUse> Program::lifetimes(const std::vector<TensorId>& inputs,
                                          const std::vector<TensorId>& outputs) const {
  std::vector<TensorUse> uses(tensors_.size());
  for (TensorId id = 0; id < tensors_.size(); ++id) {
    if (constants_[id].size() != 0) uses[id].home = Home::constant;
  }
  for (const TensorId id : inputs) {
    require_id(id, "an input");
    if (uses[id].home != Home::unused) {
      fail_program("input tensor " + std::to_string(id) +
                   (uses[id].home == Home::constant ? " is a constant" : " is listed twice"));
    }
    uses[id].home = Home::input;
  }
  for (size_t i = 0; i < steps_.size(); ++i) {
    const Step& step = steps_[i];
    for (const TensorId id : step.inputs) {
      if (uses[id].home == Home::unused) {
        fail_program(describe_id(step) + " reads tensor " + std::to_string(id) +
                     " before anything writes it");
      }
      uses[id].last = i;
    }
    if (uses[step.output].home != Home::unused) {
      fail_program(
          describe_id(step) + " writes tensor " + std::to_string(step.output) +
          (uses[step.output].home == Home::input ? ", an input" : ", which is already written"));
    }
    uses[step.output] = {Home::arena, i, i};
  }
  for (const TensorId id : outputs) {
    require_id(id, "an output");
    if (uses[id].home == Home::unused) {
      fail_program("output tensor " + std::to_string(id) + " is never written");
    }
    if (uses[id].home == Home::arena) uses[id].home = Home::output;
  }
  return uses;
}

// Kernels take a zero point for what it says: nothing but a range search may have written it.
void Program::require_params(std::span<const TensorUse> uses) const {
  for (const Step& step : steps_) {
    const bool reads =
        std::visit([]<class Op>(const Op&) { return kReadsParams<Op>; }, step.operation);
    if (!reads) continue;
    const TensorId params = step.inputs[1];
    const bool written = uses[params].home == Home::arena || uses[params].home == Home::output;
    if (written &&
        std::holds_alternative<step::DynamicParams>(steps_[uses[params].first].operation)) {
      continue;
    }
    fail_program(describe_id(step) + " takes its params from tensor " + std::to_string(params) +
                 ", expected what a dynamic_params step writes");
  }
}

void Program::finish(std::vector<TensorId> inputs, std::vector<TensorId> outputs,
                     const ProgramOptions& options) {
  require_building();
  std::vector<TensorUse> uses = lifetimes(inputs, outputs);
  require_params(uses);
  uses_ = std::move(uses);
  inputs_ = std::move(inputs);
  outputs_ = std::move(outputs);
  views_.resize(tensors_.size());
  if (options.views) place_views();
  cache_bytes_ = options.cache_bytes > 0 ? options.cache_bytes : l2_cache_bytes();
  finished_ = true;
}

void Program::place_views() {
  std::vector<bool> in_arena;
  for (const TensorUse& use : uses_) in_arena.push_back(use.home == Home::arena);
  views_ = find_views(steps_, tensors_, in_arena);
  for (TensorId id = 0; id < tensors_.size(); ++id) {
    if (!views_[id].exists()) continue;
    TensorUse& base = uses_[views_[id].base];
    base.first = std::min(base.first, uses_[id].first);
    base.last = std::max(base.last, uses_[id].last);
    uses_[id].home = Home::view;
  }
}

std::vector<StepTraffic> Program::traffic() const {
  std::vector<StepTraffic> traffic;
  const auto bytes = [&](TensorId id) {
    // What is the caller's comes from memory and goes there, in groups of any size.
    if (uses_[id].home == Home::input || uses_[id].home == Home::output) return size_t{0};
    return tensors_[id].elements * dtype_bytes(tensors_[id].dtype);
  };
  for (const Step& step : steps_) {
    traffic.push_back({bytes(step.output), octavo::weight_bytes(step.operation), 0});
    for (const TensorId id : step.inputs) traffic.back().activations += bytes(id);
    if (does_nothing(step, views_)) traffic.back().activations = 0;
  }
  for (TensorId id = 0; id < tensors_.size(); ++id) {
    if (uses_[id].home != Home::arena) continue;
    for (size_t i = uses_[id].first + 1; i <= uses_[id].last; ++i) traffic[i].waiting += bytes(id);
  }
  return traffic;
}

// A range per tensor is that of all samples: such a program runs them at once.
bool Program::reads_whole_batch() const {
  return std::any_of(steps_.begin(), steps_.end(), [](const Step& step) {
    const auto* params = std::get_if<step::DynamicParams>(&step.operation);
    return params != nullptr && !params->per_row;
  });
}

std::shared_ptr<Prepared> Program::prepare(size_t batch) const {
  if (!finished_) fail_program("call finish() before this");
  return plans_.get(batch, [&] {
    const size_t samples = std::max<size_t>(batch, 1);
    std::vector<Segment> segments = {{0, steps_.size(), samples}};
    if (!reads_whole_batch()) segments = cut_into_segments(traffic(), samples, cache_bytes_);
    return std::make_shared<Prepared>(batch, std::move(segments), tensors_, uses_, views_,
                                      constants_);
  });
}

size_t Program::weight_bytes() const {
  size_t bytes = 0;
  for (const Step& step : steps_) bytes += octavo::weight_bytes(step.operation);
  for (const AlignedBuffer& constant : constants_) bytes += constant.size();
  return bytes;
}

size_t Program::arena_bytes(size_t batch) const { return prepare(batch)->arena_bytes(); }

std::vector<StepInfo> Program::describe() const {
  const Context context = make_context(*backend_, 1);
  std::vector<StepInfo> infos;
  for (const Step& step : steps_) {
    infos.push_back(describe_step(context, step, tensors_[step.output].dtype));
    if (finished_ && does_nothing(step, views_)) infos.back().kernel = "in place";
  }
  return infos;
}

}  // namespace octavo
