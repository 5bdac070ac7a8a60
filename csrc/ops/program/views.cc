#include "ops/program/views.h"

#include <algorithm>
#include <variant>

namespace octavo {
namespace {

// The role of a tensor in a step: input 0, 1, ... or the output.
constexpr size_t kOutput = static_cast<size_t>(-1);

// Whether a step can go from row to row of a tensor whose rows have `cols` elements. Products do so
// where their results are bytes.
struct TakesRows {
  size_t role;
  size_t cols;
  bool sliced_in_place;  // of a slice: its output is a view of its input
  bool rows_agree;       // the step's other views, if any, have as many columns

  bool operator()(const step::Conv2d& op) const {
    const ConvShape& shape = op.packed->shape();
    if (!op.packed->requantizes()) return false;
    if (role != 0) return cols == shape.out_channels;
    return cols == shape.in_channels && op.packed->takes_strided_input();
  }

  bool operator()(const step::Linear& op) const {
    return op.packed->requantizes() && cols == (role == 0 ? op.packed->k() : op.packed->n());
  }

  bool operator()(const step::Requantize&) const { return rows_agree; }
  bool operator()(const step::Add&) const { return rows_agree; }

  bool operator()(const step::Concat& op) const {
    if (role != kOutput) return cols == op.inner[role];
    size_t total = 0;
    for (const size_t inner : op.inner) total += inner;
    return cols == total;
  }

  bool operator()(const step::Slice& op) const {
    return role == 0 && sliced_in_place && cols == op.shape.back();
  }

  template <class Op>
  bool operator()(const Op&) const {
    return false;
  }
};

// Columns next to each other, of all rows.
bool selects_columns(const step::Slice& op) {
  const size_t last = op.shape.size() - 1;
  for (size_t i = 0; i < last; ++i) {
    if (op.out_shape[i] != op.shape[i] || op.step[i] != 1) return false;
  }
  return op.step[last] == 1;
}

class Finder {
 public:
  Finder(std::span<const Step> steps, std::span<const TensorInfo> tensors,
         const std::vector<bool>& in_arena)
      : steps_(steps),
        tensors_(tensors),
        in_arena_(in_arena),
        touches_(tensors.size()),
        views_(tensors.size()) {
    for (size_t i = 0; i < steps.size(); ++i) {
      touches_[steps[i].output].push_back({i, kOutput});
      for (size_t k = 0; k < steps[i].inputs.size(); ++k) {
        touches_[steps[i].inputs[k]].push_back({i, k});
      }
    }
  }

  std::vector<View> find() {
    // Last first: what becomes of an output decides what its inputs may be.
    for (size_t i = steps_.size(); i-- > 0;) {
      if (const auto* op = std::get_if<step::Slice>(&steps_[i].operation)) slice(steps_[i], *op);
    }
    for (size_t i = steps_.size(); i-- > 0;) {
      if (const auto* op = std::get_if<step::Concat>(&steps_[i].operation)) concat(steps_[i], *op);
    }
    for (View& view : views_) {
      while (view.exists() && views_[view.base].exists()) view = outer(view);
    }
    return views_;
  }

 private:
  struct Touch {
    size_t step;
    size_t role;
  };

  // A view of a view is one of what that is a view of.
  View outer(const View& view) const {
    const View& base = views_[view.base];
    return {base.base, base.offset + view.offset, view.cols, base.ld};
  }

  // `by_slice`: the step that writes the tensor is a slice that would not have to.
  bool can_be_view(TensorId id, size_t cols, bool by_slice) const {
    if (!in_arena_[id] || tensors_[id].dtype != DType::u8 || views_[id].exists()) return false;
    for (const Touch& touch : touches_[id]) {
      if (by_slice && touch.role == kOutput) continue;
      const Step& step = steps_[touch.step];
      const TakesRows takes = {touch.role, cols, views_[step.output].exists(),
                               rows_agree(step, cols)};
      if (!std::visit(takes, step.operation)) return false;
    }
    return true;
  }

  bool rows_agree(const Step& step, size_t cols) const {
    const auto agrees = [&](TensorId id) {
      return !views_[id].exists() || views_[id].cols == cols;
    };
    return agrees(step.output) && std::all_of(step.inputs.begin(), step.inputs.end(), agrees);
  }

  void slice(const Step& step, const step::Slice& op) {
    const size_t cols = op.out_shape.back();
    if (!selects_columns(op) || !can_be_view(step.output, cols, true)) return;
    const auto start = static_cast<size_t>(op.start.back());
    views_[step.output] = {step.inputs[0], start, cols, op.shape.back()};
  }

  void concat(const Step& step, const step::Concat& op) {
    if (tensors_[step.output].dtype != DType::u8) return;
    size_t total = 0, offset = 0;
    for (const size_t inner : op.inner) total += inner;
    for (size_t i = 0; i < op.inner.size(); ++i) {
      const TensorId id = step.inputs[i];
      const size_t cols = op.inner[i];
      if (can_be_view(id, cols, false)) views_[id] = {step.output, offset, cols, total};
      offset += cols;
    }
  }

  std::span<const Step> steps_;
  std::span<const TensorInfo> tensors_;
  const std::vector<bool>& in_arena_;
  std::vector<std::vector<Touch>> touches_;
  std::vector<View> views_;
};

}  // namespace

std::vector<View> find_views(std::span<const Step> steps, std::span<const TensorInfo> tensors,
                             const std::vector<bool>& in_arena) {
  return Finder(steps, tensors, in_arena).find();
}

bool does_nothing(const Step& step, std::span<const View> views) {
  const View& output = views[step.output];
  if (std::holds_alternative<step::Slice>(step.operation)) return output.exists();
  const auto* op = std::get_if<step::Concat>(&step.operation);
  if (op == nullptr) return false;
  const TensorId base = output.exists() ? output.base : step.output;
  size_t offset = output.offset;
  for (size_t i = 0; i < op->inner.size(); ++i) {
    const View& input = views[step.inputs[i]];
    if (!input.exists() || input.base != base || input.offset != offset) return false;
    offset += op->inner[i];
  }
  return true;
}

}  // namespace octavo
