// What the two operators have in common: their operands, and how octavo is called in ONNX Runtime.
#pragma once

#include <octavo/octavo.h>

#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <vector>

// The functions of ONNX Runtime come from the version that loads the library (register.cc).
#define ORT_API_MANUAL_INIT
#include <onnxruntime_cxx_api.h>

namespace octavo_ort {

// KernelContext_ParallelFor and shape inference are there since ONNX Runtime 1.17.
constexpr uint32_t kApiVersion = 17;

using KernelInfo = Ort::ConstKernelInfo;

// The inputs of both operators are those of QLinearConv and QLinearMatMul, in their order.
enum Input : size_t { kX, kXScale, kXZero, kW, kWScale, kWZero, kYScale, kYZero, kBias };

// The constant operands as octavo takes them. Weights have the order that ONNX stores them in.
struct Operands {
  std::vector<int64_t> weight_shape;
  std::vector<int8_t> weight;
  std::vector<int32_t> weight_zero_point;  // empty: all 0
  std::vector<int32_t> bias;               // empty: there is none
  std::vector<float> multiplier;
  int32_t x_dtype = OCTAVO_U8;
  int32_t x_zero_point = 0;
  octavo_output output = {};
};

// Reads inputs 1 to 8. column_axis: that of the weights' shape which counts outputs.
Operands read_operands(const KernelInfo& info, size_t column_axis);

// Throws what octavo says unless a call has succeeded.
void check(octavo_status status);

// A call that runs on the threads of the session.
octavo_context on_session_threads(OrtKernelContext* context);

// The type and shape of the output while a graph is loaded. infer: gets the shape of x, with -1 for
// an extent that is not known, and changes it into that of y; all that it throws is reported.
using InferShape = void (*)(OrtShapeInferContext* context, std::vector<int64_t>& shape);
OrtStatusPtr infer_output(OrtShapeInferContext* context, InferShape infer);

// Shape of input i, -1 where an extent is not known; empty if nothing is.
std::vector<int64_t> input_shape(OrtShapeInferContext* context, size_t i);

// Calls a function and turns what it throws into a status, as ONNX Runtime wants errors.
template <typename Function>
OrtStatusPtr guard(const Function& function) {
  try {
    function();
    return nullptr;
  } catch (const std::exception& error) {
    return Ort::GetApi().CreateStatus(ORT_FAIL, error.what());
  }
}

// A node of a loaded graph. Layer: is made from a KernelInfo and has run(OrtKernelContext*).
template <typename Layer>
struct Kernel {
  Layer layer;
  OrtStatusPtr ComputeV2(OrtKernelContext* context) const {
    return guard([&] { layer.run(context); });
  }
};

// What both operators tell ONNX Runtime about themselves. Op: has kName and kInfer.
template <typename Op, typename Layer>
struct Operator : Ort::CustomOpBase<Op, Kernel<Layer>, true> {
  Operator() {
    this->version = kApiVersion;
    this->InferOutputShapeFn = [](const OrtCustomOp*, OrtShapeInferContext* context) {
      return infer_output(context, Op::kInfer);
    };
  }
  OrtStatusPtr CreateKernelV2(const OrtApi&, const OrtKernelInfo* info, void** kernel) const {
    return guard([&] { *kernel = new Kernel<Layer>{Layer(KernelInfo(info))}; });
  }
  const char* GetName() const { return Op::kName; }
  size_t GetInputTypeCount() const { return kBias + 1; }
  size_t GetOutputTypeCount() const { return 1; }
  // Undefined: any type; read_operands and infer_output see to it.
  ONNXTensorElementDataType GetInputType(size_t i) const {
    if (i == kBias) return ONNX_TENSOR_ELEMENT_DATA_TYPE_INT32;
    const bool scale = i == kXScale || i == kWScale || i == kYScale;
    return scale ? ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT : ONNX_TENSOR_ELEMENT_DATA_TYPE_UNDEFINED;
  }
  ONNXTensorElementDataType GetOutputType(size_t) const {
    return ONNX_TENSOR_ELEMENT_DATA_TYPE_UNDEFINED;
  }
  OrtCustomOpInputOutputCharacteristic GetInputCharacteristic(size_t i) const {
    return i == kBias ? INPUT_OUTPUT_OPTIONAL : INPUT_OUTPUT_REQUIRED;
  }
};

// Static, as is all that ONNX Runtime keeps pointers to.
const OrtCustomOp* conv_operator();
const OrtCustomOp* linear_operator();

}  // namespace octavo_ort
