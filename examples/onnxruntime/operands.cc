#include "operands.h"

#include <algorithm>
#include <cstring>

namespace octavo_ort {
namespace {

Ort::ConstValue constant(const KernelInfo& info, size_t input) {
  int is_constant = 0;
  Ort::ConstValue value = info.GetTensorConstantInput(input, &is_constant);
  if (!is_constant) throw std::invalid_argument(info.GetInputName(input) + ": must be a constant");
  return value;
}

template <typename T>
std::vector<T> values(const Ort::ConstValue& value) {
  const T* data = value.GetTensorData<T>();
  return {data, data + value.GetTensorTypeAndShapeInfo().GetElementCount()};
}

int32_t to_dtype(const KernelInfo& info, size_t input, ONNXTensorElementDataType type) {
  switch (type) {
    case ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT8:
      return OCTAVO_U8;
    case ONNX_TENSOR_ELEMENT_DATA_TYPE_INT8:
      return OCTAVO_S8;
    default:
      throw std::invalid_argument(info.GetInputName(input) + ": expected uint8 or int8");
  }
}

int32_t dtype_of(const KernelInfo& info, size_t input) {
  const Ort::ConstValue value = constant(info, input);
  return to_dtype(info, input, value.GetTensorTypeAndShapeInfo().GetElementType());
}

// Bytes of either type as integers.
std::vector<int32_t> integers(const KernelInfo& info, size_t input) {
  std::vector<int32_t> result;
  const Ort::ConstValue value = constant(info, input);
  if (dtype_of(info, input) == OCTAVO_U8) {
    for (uint8_t q : values<uint8_t>(value)) result.push_back(q);
  } else {
    for (int8_t q : values<int8_t>(value)) result.push_back(q);
  }
  return result;
}

template <typename T>
T single(const KernelInfo& info, size_t input, const std::vector<T>& list) {
  if (list.size() == 1) return list[0];
  throw std::invalid_argument(info.GetInputName(input) + ": expected one value");
}

// One value for each output, of which ONNX may store one for all.
template <typename T>
std::vector<T> each(const KernelInfo& info, size_t input, std::vector<T> list, size_t columns) {
  if (list.size() == 1) list.resize(columns, list[0]);
  if (list.size() == columns) return list;
  throw std::invalid_argument(info.GetInputName(input) + ": expected 1 or " +
                              std::to_string(columns) + " values");
}

void read_weight(const KernelInfo& info, size_t columns, Operands* operands) {
  // octavo's weights are int8; of unsigned ones both value and zero point move by 128.
  const int32_t offset = dtype_of(info, kW) == OCTAVO_U8 ? 128 : 0;
  for (int32_t q : integers(info, kW)) operands->weight.push_back(static_cast<int8_t>(q - offset));
  std::vector<int32_t> zero = each(info, kWZero, integers(info, kWZero), columns);
  for (int32_t& z : zero) z -= offset;
  // Without zero points octavo has the faster layout.
  if (std::any_of(zero.begin(), zero.end(), [](int32_t z) { return z != 0; })) {
    operands->weight_zero_point = zero;
  }
}

}  // namespace

Operands read_operands(const KernelInfo& info, size_t column_axis) {
  Operands operands;
  operands.weight_shape = constant(info, kW).GetTensorTypeAndShapeInfo().GetShape();
  const auto columns = static_cast<size_t>(operands.weight_shape.at(column_axis));
  read_weight(info, columns, &operands);
  operands.x_dtype = dtype_of(info, kXZero);
  const Ort::TypeInfo x = info.GetInputTypeInfo(kX);
  if (to_dtype(info, kX, x.GetTensorTypeAndShapeInfo().GetElementType()) != operands.x_dtype) {
    throw std::invalid_argument(info.GetInputName(kX) + ": its zero point has another type");
  }
  operands.x_zero_point = single(info, kXZero, integers(info, kXZero));
  operands.output.dtype = dtype_of(info, kYZero);
  operands.output.zero_point = single(info, kYZero, integers(info, kYZero));
  const float x_scale = single(info, kXScale, values<float>(constant(info, kXScale)));
  const float y_scale = single(info, kYScale, values<float>(constant(info, kYScale)));
  // In float and in this order, as ONNX Runtime's kernels do, so that results are equal;
  // octavo_multiplier rounds once and is up to an ulp better.
  for (float w_scale : each(info, kWScale, values<float>(constant(info, kWScale)), columns)) {
    operands.multiplier.push_back(x_scale * w_scale / y_scale);
  }
  if (info.GetInputCount() > kBias && !info.GetInputName(kBias).empty()) {
    operands.bias = values<int32_t>(constant(info, kBias));
    if (operands.bias.size() != columns) throw std::invalid_argument("bias: wrong length");
  }
  return operands;
}

void check(octavo_status status) {
  if (status != OCTAVO_OK) throw std::runtime_error(octavo_last_error());
}

octavo_context on_session_threads(OrtKernelContext* context) {
  octavo_context call = {};
  call.size = sizeof call;
  call.user = context;
  call.parallel_for = [](void* user, size_t n, void (*body)(void*, size_t), void* arg) {
    // If this fails, not all bodies have run, and octavo reports that.
    Ort::Status(Ort::GetApi().KernelContext_ParallelFor(static_cast<OrtKernelContext*>(user), body,
                                                        n, 0, arg));
  };
  return call;
}

std::vector<int64_t> input_shape(OrtShapeInferContext* context, size_t i) {
  OrtTensorTypeAndShapeInfo* info = nullptr;  // the context's
  Ort::ThrowOnError(Ort::GetApi().ShapeInferContext_GetInputTypeShape(context, i, &info));
  size_t rank = 0;
  Ort::ThrowOnError(Ort::GetApi().GetDimensionsCount(info, &rank));
  std::vector<int64_t> shape(rank);
  Ort::ThrowOnError(Ort::GetApi().GetDimensions(info, shape.data(), rank));
  return shape;
}

OrtStatusPtr infer_output(OrtShapeInferContext* context, InferShape infer) {
  return guard([&] {
    const OrtApi& api = Ort::GetApi();
    OrtTensorTypeAndShapeInfo *x = nullptr, *y_zero = nullptr, *made = nullptr;
    Ort::ThrowOnError(api.ShapeInferContext_GetInputTypeShape(context, kX, &x));
    Ort::ThrowOnError(api.ShapeInferContext_GetInputTypeShape(context, kYZero, &y_zero));
    ONNXTensorElementDataType type = ONNX_TENSOR_ELEMENT_DATA_TYPE_UNDEFINED;
    Ort::ThrowOnError(api.GetTensorElementType(y_zero, &type));
    std::vector<int64_t> shape = input_shape(context, kX);
    std::vector<const char*> names(shape.size(), "");
    if (!names.empty()) {
      Ort::ThrowOnError(api.GetSymbolicDimensions(x, names.data(), names.size()));
      infer(context, shape);
      // Of the names, only the batch's is that of the output as well.
      std::fill(names.begin() + 1, names.end(), "");
    }
    Ort::ThrowOnError(api.CreateTensorTypeAndShapeInfo(&made));
    const Ort::TensorTypeAndShapeInfo y(made);
    Ort::ThrowOnError(api.SetTensorElementType(y, type));
    Ort::ThrowOnError(api.SetDimensions(made, shape.data(), shape.size()));
    Ort::ThrowOnError(api.SetSymbolicDimensions(made, names.data(), names.size()));
    Ort::ThrowOnError(api.ShapeInferContext_SetOutputTypeShape(context, 0, y));
  });
}

}  // namespace octavo_ort
