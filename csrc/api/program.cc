// octavo_program_... and octavo_plan_...
#include <cstdint>
#include <cstring>
#include <limits>
#include <memory>
#include <string>
#include <utility>

#include "api/context.h"
#include "api/guard.h"
#include "api/tensors.h"
#include "ops/checks.h"
#include "ops/program/file/program_file.h"
#include "ops/sign.h"
#include "ops/split.h"

// Plans share what they run.
struct octavo_program {
  std::shared_ptr<const octavo::LoadedProgram> loaded;
};

struct octavo_plan {
  std::shared_ptr<const octavo::LoadedProgram> loaded;
  std::shared_ptr<octavo::Prepared> prepared;
  size_t workspace_bytes;
};

namespace octavo::api {
namespace {

static_assert(static_cast<int>(ElementType::u8) == OCTAVO_U8 &&
              static_cast<int>(ElementType::s8) == OCTAVO_S8 &&
              static_cast<int>(ElementType::s32) == OCTAVO_S32 &&
              static_cast<int>(ElementType::f32) == OCTAVO_F32);

size_t aligned(size_t bytes) { return round_up(bytes, AlignedBuffer::kAlignment); }

LoadOptions read_options(const octavo_context* context, const octavo_load_options* options) {
  LoadOptions how = {.backend = &CallContext(context).backend()};
  if (options == nullptr) return how;
  const octavo_load_options fields = read_struct("options", options);
  if (fields.max_bytes != 0) how.max_bytes = fields.max_bytes;
  return how;
}

octavo_program* make_program(LoadedProgram loaded) {
  return new octavo_program{std::make_shared<const LoadedProgram>(std::move(loaded))};
}

size_t sample_bytes(const Program& program, TensorId id) {
  return program.info(id).elements * dtype_bytes(program.info(id).dtype);
}

void get_port(const Program& program, const std::vector<Port>& ports,
              const std::vector<TensorId>& ids, size_t i, octavo_tensor_info* info) {
  if (i >= ports.size()) {
    fail("i", std::to_string(i), "less than " + std::to_string(ports.size()));
  }
  const Port& port = ports[i];
  write_struct("info",
               octavo_tensor_info{.size = 0,
                                  .name = port.name.c_str(),
                                  .dtype = static_cast<int32_t>(port.type),
                                  .zero_point = port.zero_point,
                                  .scale = port.scale,
                                  .rank = port.shape.size(),
                                  .shape = port.shape.data(),
                                  .sample_bytes = sample_bytes(program, ids[i])},
               info);
}

// Behind what the program works in lie the addresses of its inputs and the u8 forms of s8 ones.
size_t workspace_bytes(const LoadedProgram& loaded, const Prepared& prepared) {
  const Program& program = *loaded.program;
  size_t bytes =
      aligned(prepared.workspace_bytes()) + aligned(program.inputs().size() * sizeof(void*));
  for (size_t i = 0; i < loaded.interface.inputs.size(); ++i) {
    if (loaded.interface.inputs[i].type != ElementType::s8) continue;
    const size_t input = aligned(
        checked_product("input", {prepared.batch(), program.info(program.inputs()[i]).elements}));
    if (input > SIZE_MAX - bytes) fail("batch", "too many", "fewer samples");
    bytes += input;
  }
  return bytes;
}

// One run: what it reads and writes, as the program knows it.
class Run {
 public:
  Run(const octavo_plan& plan, const Context& context, unsigned char* workspace)
      : loaded_(*plan.loaded),
        prepared_(*plan.prepared),
        context_(context),
        memory_(workspace),
        rest_(workspace + aligned(prepared_.workspace_bytes())) {}

  void operator()(const void* const* inputs, void* const* outputs) const {
    const Program& program = *loaded_.program;
    check("inputs", inputs, program.inputs());
    check("outputs", outputs, program.outputs());
    const std::span<void* const> results(outputs, program.outputs().size());
    program.run(context_, prepared_, memory_, sources(inputs), results);
    for (size_t i = 0; i < results.size(); ++i) {
      const size_t elements = program.info(program.outputs()[i]).elements;
      const bool is_signed = loaded_.interface.outputs[i].type == ElementType::s8;
      finish_output(context_, outputs[i], prepared_.batch(), elements, elements, is_signed);
    }
  }

 private:
  template <class Pointer>
  void check(const char* name, const Pointer* pointers, const std::vector<TensorId>& ids) const {
    require(pointers, name);
    for (size_t i = 0; i < ids.size(); ++i) {
      const size_t alignment = dtype_bytes(loaded_.program->info(ids[i]).dtype);
      if (pointers[i] == nullptr || reinterpret_cast<uintptr_t>(pointers[i]) % alignment != 0) {
        fail(std::string(name) + "[" + std::to_string(i) + "]",
             pointers[i] == nullptr ? "NULL" : "a misaligned pointer",
             "an address that is a multiple of " + std::to_string(alignment));
      }
    }
  }

  // Where the program reads its inputs.
  std::span<const void* const> sources(const void* const* inputs) const {
    const Program& program = *loaded_.program;
    const size_t count = program.inputs().size();
    auto** pointers = reinterpret_cast<const void**>(rest_);
    unsigned char* shifted = rest_ + aligned(count * sizeof(void*));
    for (size_t i = 0; i < count; ++i) {
      pointers[i] = inputs[i];
      if (loaded_.interface.inputs[i].type != ElementType::s8) continue;
      const size_t elements = program.info(program.inputs()[i]).elements;
      const auto* from = static_cast<const uint8_t*>(inputs[i]);
      constexpr size_t kGrain = size_t{1} << 17;
      split_rows(context_, prepared_.batch(), elements, kGrain, [&](size_t sample) {
        flip_sign(from + sample * elements, elements, shifted + sample * elements);
      });
      pointers[i] = shifted;
      shifted += aligned(prepared_.batch() * elements);
    }
    return {pointers, count};
  }

  const LoadedProgram& loaded_;
  const Prepared& prepared_;
  const Context& context_;
  unsigned char* memory_;
  unsigned char* rest_;
};

void run_plan(const octavo_context* given, const octavo_plan& plan, void* workspace, size_t bytes,
              const void* const* inputs, void* const* outputs) {
  CallContext call(given);
  const Backend& backend = plan.loaded->program->backend();
  const Context context = call.context(backend);
  if (context.backend != &backend) {
    fail("context.backend", context.backend->name, std::string("NULL or ") + backend.name);
  }
  check_pointer("workspace", workspace, 1, AlignedBuffer::kAlignment);
  if (bytes < plan.workspace_bytes) {
    fail("workspace_bytes", std::to_string(bytes),
         "at least " + std::to_string(plan.workspace_bytes));
  }
  Run(plan, context, static_cast<unsigned char*>(workspace))(inputs, outputs);
}

octavo_plan* make_plan(const octavo_program& program, size_t batch) {
  const LoadedProgram& loaded = *program.loaded;
  check_extent("batch", batch, static_cast<size_t>(PTRDIFF_MAX));
  if (loaded.interface.batch != 0 && batch != loaded.interface.batch) {
    fail("batch", std::to_string(batch),
         std::to_string(loaded.interface.batch) + ", which the network fixes");
  }
  std::shared_ptr<Prepared> prepared = loaded.program->prepare(batch);
  prepared->make_ready();
  const size_t bytes = workspace_bytes(loaded, *prepared);
  return new octavo_plan{program.loaded, std::move(prepared), bytes};
}

}  // namespace
}  // namespace octavo::api

using octavo::api::guarded;
using octavo::api::require;

octavo_status octavo_program_load(const octavo_context* context, const void* data, size_t bytes,
                                  const octavo_load_options* options, octavo_program** program) {
  return guarded([&] {
    require(data, "data");
    require(program, "program");
    *program = octavo::api::make_program(octavo::load_program(
        {static_cast<const uint8_t*>(data), bytes}, octavo::api::read_options(context, options)));
  });
}

octavo_status octavo_program_load_file(const octavo_context* context, const char* path,
                                       const octavo_load_options* options,
                                       octavo_program** program) {
  return guarded([&] {
    require(path, "path");
    require(program, "program");
    *program = octavo::api::make_program(
        octavo::load_program(path, octavo::api::read_options(context, options)));
  });
}

void octavo_program_free(octavo_program* program) { delete program; }

octavo_status octavo_program_get_info(const octavo_program* program, octavo_program_info* info) {
  return guarded([&] {
    require(program, "program");
    const octavo::LoadedProgram& loaded = *program->loaded;
    octavo::api::write_struct("info",
                              octavo_program_info{.size = 0,
                                                  .inputs = loaded.interface.inputs.size(),
                                                  .outputs = loaded.interface.outputs.size(),
                                                  .batch = loaded.interface.batch,
                                                  .weight_bytes = loaded.program->weight_bytes(),
                                                  .backend = loaded.program->backend().name},
                              info);
  });
}

octavo_status octavo_program_input(const octavo_program* program, size_t i,
                                   octavo_tensor_info* info) {
  return guarded([&] {
    require(program, "program");
    const octavo::LoadedProgram& loaded = *program->loaded;
    octavo::api::get_port(*loaded.program, loaded.interface.inputs, loaded.program->inputs(), i,
                          info);
  });
}

octavo_status octavo_program_output(const octavo_program* program, size_t i,
                                    octavo_tensor_info* info) {
  return guarded([&] {
    require(program, "program");
    const octavo::LoadedProgram& loaded = *program->loaded;
    octavo::api::get_port(*loaded.program, loaded.interface.outputs, loaded.program->outputs(), i,
                          info);
  });
}

octavo_status octavo_plan_create(const octavo_program* program, size_t batch,
                                 size_t* workspace_bytes, octavo_plan** plan) {
  return guarded([&] {
    require(program, "program");
    require(workspace_bytes, "workspace_bytes");
    require(plan, "plan");
    *plan = octavo::api::make_plan(*program, batch);
    *workspace_bytes = (*plan)->workspace_bytes;
  });
}

void octavo_plan_free(octavo_plan* plan) { delete plan; }

octavo_status octavo_plan_run(const octavo_context* context, const octavo_plan* plan,
                              void* workspace, size_t workspace_bytes, const void* const* inputs,
                              void* const* outputs) {
  return guarded([&] {
    require(plan, "plan");
    octavo::api::run_plan(context, *plan, workspace, workspace_bytes, inputs, outputs);
  });
}
