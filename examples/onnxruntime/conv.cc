// octavo.QLinearConv: ONNX's QLinearConv, except that x and y are NHWC and all attributes are
// given.
#include <algorithm>
#include <array>
#include <memory>

#include "operands.h"

namespace octavo_ort {
namespace {

struct FreeConv {
  void operator()(octavo_conv2d* conv) const { octavo_conv2d_free(conv); }
};

class ConvLayer {
 public:
  explicit ConvLayer(const KernelInfo& info) {
    const Operands operands = read_operands(info, 0);
    const std::vector<int64_t>& shape = operands.weight_shape;
    const std::vector<int64_t> pads = attribute(info, "pads", 4, 0);
    const std::vector<int64_t> strides = attribute(info, "strides", 2, 1);
    const std::vector<int64_t> dilations = attribute(info, "dilations", 2, 1);
    if (shape.size() != 4) throw std::invalid_argument("w: expected 4 axes");
    octavo_conv2d_desc desc = {};
    desc.size = sizeof desc;
    const auto groups = info.GetAttribute<int64_t>("group");
    if (groups < 1) throw std::invalid_argument("group: expected at least 1");
    desc.groups = to_size(groups);
    desc.out_channels = to_size(shape[0]);
    desc.in_channels = to_size(shape[1]) * desc.groups;
    desc.kernel_h = to_size(shape[2]);
    desc.kernel_w = to_size(shape[3]);
    desc.stride_h = to_size(strides[0]);
    desc.stride_w = to_size(strides[1]);
    desc.dilation_h = to_size(dilations[0]);
    desc.dilation_w = to_size(dilations[1]);
    desc.pad_top = to_size(pads[0]);
    desc.pad_left = to_size(pads[1]);
    desc.pad_bottom = to_size(pads[2]);
    desc.pad_right = to_size(pads[3]);
    desc.weight = operands.weight.data();
    if (!operands.weight_zero_point.empty()) {
      desc.weight_zero_point = operands.weight_zero_point.data();
    }
    if (!operands.bias.empty()) desc.bias = operands.bias.data();
    desc.multiplier = operands.multiplier.data();
    desc.a_dtype = operands.x_dtype;
    desc.a_zero_point = operands.x_zero_point;
    desc.output = operands.output;
    in_channels_ = shape[1] * groups;
    out_channels_ = shape[0];
    octavo_conv2d* conv = nullptr;
    check(octavo_conv2d_create(nullptr, &desc, &conv));
    conv_.reset(conv);
  }

  // Side by side for several runs of a session: the layer is immutable.
  void run(OrtKernelContext* context) const {
    const Ort::KernelContext call(context);
    const Ort::ConstValue x = call.GetInput(kX);
    const std::vector<int64_t> shape = x.GetTensorTypeAndShapeInfo().GetShape();
    if (shape.size() != 4 || shape[3] != in_channels_) {
      throw std::invalid_argument("x: expected (n, h, w, " + std::to_string(in_channels_) + ")");
    }
    const size_t batch = to_size(shape[0]), h = to_size(shape[1]), w = to_size(shape[2]);
    size_t out_h = 0, out_w = 0;
    check(octavo_conv2d_output_size(conv_.get(), h, w, &out_h, &out_w));
    const std::array<int64_t, 4> y_shape = {shape[0], static_cast<int64_t>(out_h),
                                            static_cast<int64_t>(out_w), out_channels_};
    Ort::UnownedValue y = call.GetOutput(0, y_shape.data(), y_shape.size());
    const octavo_context threads = on_session_threads(context);
    check(octavo_conv2d_run(&threads, conv_.get(), batch, h, w, x.GetTensorRawData(), 0, nullptr, 0,
                            y.GetTensorMutableRawData(), 0));
  }

 private:
  static size_t to_size(int64_t value) { return static_cast<size_t>(value); }

  static std::vector<int64_t> attribute(const KernelInfo& info, const char* name, size_t size,
                                        int64_t least) {
    std::vector<int64_t> values = info.GetAttributes<int64_t>(name);
    if (values.size() == size && *std::min_element(values.begin(), values.end()) >= least) {
      return values;
    }
    throw std::invalid_argument(std::string(name) + ": expected " + std::to_string(size) +
                                " values of at least " + std::to_string(least));
  }

  int64_t in_channels_ = 0;
  int64_t out_channels_ = 0;
  std::unique_ptr<octavo_conv2d, FreeConv> conv_;
};

std::array<int64_t, 4> ints(OrtShapeInferContext* context, const char* name) {
  const OrtOpAttr* attribute = nullptr;
  Ort::ThrowOnError(Ort::GetApi().ShapeInferContext_GetAttribute(context, name, &attribute));
  std::array<int64_t, 4> values = {};
  size_t bytes = 0;
  Ort::ThrowOnError(Ort::GetApi().ReadOpAttr(attribute, ORT_OP_ATTR_INTS, values.data(),
                                             static_cast<int>(sizeof values), &bytes));
  return values;
}

void infer_conv(OrtShapeInferContext* context, std::vector<int64_t>& shape) {
  const std::vector<int64_t> weight = input_shape(context, kW);
  if (shape.size() != 4 || weight.size() != 4) throw std::invalid_argument("x, w: not 4 axes");
  const std::array<int64_t, 4> pads = ints(context, "pads"), strides = ints(context, "strides"),
                               dilations = ints(context, "dilations");
  for (size_t axis = 0; axis < 2; ++axis) {
    int64_t& extent = shape[axis + 1];
    if (extent < 0 || strides[axis] < 1) continue;  // not known; refused when the kernel is made
    const int64_t reach = dilations[axis] * (weight[axis + 2] - 1) + 1;
    extent = (extent + pads[axis] + pads[axis + 2] - reach) / strides[axis] + 1;
  }
  shape[3] = weight[0];
}

struct ConvOperator : Operator<ConvOperator, ConvLayer> {
  static constexpr const char* kName = "QLinearConv";
  static constexpr InferShape kInfer = infer_conv;
};

}  // namespace

const OrtCustomOp* conv_operator() {
  static const ConvOperator op;
  return &op;
}

}  // namespace octavo_ort
