// octavo.QLinearMatMul: ONNX's QLinearMatMul with a constant matrix b and, as input 8, a bias.
#include <memory>

#include "operands.h"

namespace octavo_ort {
namespace {

struct FreeLinear {
  void operator()(octavo_linear* linear) const { octavo_linear_free(linear); }
};

class LinearLayer {
 public:
  explicit LinearLayer(const KernelInfo& info) {
    const Operands operands = read_operands(info, 1);
    if (operands.weight_shape.size() != 2) throw std::invalid_argument("b: expected a matrix");
    k_ = operands.weight_shape[0];
    n_ = operands.weight_shape[1];
    const auto k = static_cast<size_t>(k_), n = static_cast<size_t>(n_);
    std::vector<int8_t> weight(operands.weight.size());  // (n, k)
    for (size_t i = 0; i < k; ++i) {
      for (size_t j = 0; j < n; ++j) weight[j * k + i] = operands.weight[i * n + j];
    }
    octavo_linear_desc desc = {};
    desc.size = sizeof desc;
    desc.n = n;
    desc.k = k;
    desc.weight = weight.data();
    if (!operands.weight_zero_point.empty()) {
      desc.weight_zero_point = operands.weight_zero_point.data();
    }
    if (!operands.bias.empty()) desc.bias = operands.bias.data();
    desc.multiplier = operands.multiplier.data();
    desc.a_dtype = operands.x_dtype;
    desc.a_zero_point = operands.x_zero_point;
    desc.output = operands.output;
    octavo_linear* linear = nullptr;
    check(octavo_linear_create(nullptr, &desc, &linear));
    linear_.reset(linear);
  }

  void run(OrtKernelContext* context) const {
    const Ort::KernelContext call(context);
    const Ort::ConstValue a = call.GetInput(kX);
    std::vector<int64_t> shape = a.GetTensorTypeAndShapeInfo().GetShape();
    if (shape.empty() || shape.back() != k_) {
      throw std::invalid_argument("a: expected (..., " + std::to_string(k_) + ")");
    }
    shape.back() = n_;
    size_t rows = 1;
    for (size_t axis = 0; axis + 1 < shape.size(); ++axis) rows *= static_cast<size_t>(shape[axis]);
    Ort::UnownedValue y = call.GetOutput(0, shape);
    const octavo_context threads = on_session_threads(context);
    check(octavo_linear_run(&threads, linear_.get(), rows, a.GetTensorRawData(), 0, nullptr, 0,
                            y.GetTensorMutableRawData(), 0));
  }

 private:
  int64_t k_ = 0;
  int64_t n_ = 0;
  std::unique_ptr<octavo_linear, FreeLinear> linear_;
};

void infer_linear(OrtShapeInferContext* context, std::vector<int64_t>& shape) {
  const std::vector<int64_t> weight = input_shape(context, kW);
  if (weight.size() != 2) throw std::invalid_argument("b: expected a matrix");
  shape.back() = weight[1];
}

struct LinearOperator : Operator<LinearOperator, LinearLayer> {
  static constexpr const char* kName = "QLinearMatMul";
  static constexpr InferShape kInfer = infer_linear;
};

}  // namespace

const OrtCustomOp* linear_operator() {
  static const LinearOperator op;
  return &op;
}

}  // namespace octavo_ort
