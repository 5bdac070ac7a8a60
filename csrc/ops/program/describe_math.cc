#include "ops/program/describe_math.h"

namespace octavo {
namespace {

constexpr const char* kPortable = "portable";

std::string product(const std::vector<size_t>& values) {
  std::string text;
  for (const size_t value : values) text += (text.empty() ? "" : "x") + std::to_string(value);
  return text;
}

const char* name_of(Binary op) {
  switch (op) {
    case Binary::add:
      return "add";
    case Binary::sub:
      return "sub";
    case Binary::mul:
      return "mul";
    case Binary::div:
      return "div";
    case Binary::pow:
      return "pow";
  }
  return "";
}

}  // namespace

MathWords describe_math(const KernelTable& kernels, bool, const step::Lookup&) {
  return {kernels.lookup_u8.name, "256 entries"};
}

MathWords describe_math(const KernelTable& kernels, bool, const step::SoftmaxU8& op) {
  return {kernels.softmax_u8.name, "over " + std::to_string(op.n)};
}

MathWords describe_math(const KernelTable& kernels, bool is_u8, const step::LayerNorm& op) {
  return {is_u8 ? kernels.normalize_u8.name : kPortable, "over " + std::to_string(op.gamma.size())};
}

MathWords describe_math(const KernelTable& kernels, bool, const step::Mul& op) {
  return {kernels.mul_u8.name, std::to_string(op.channels) + " channels"};
}

MathWords describe_math(const KernelTable& kernels, bool is_u8, const step::MatMul& op) {
  const MatMulShape& s = op.shape;
  return {is_u8 ? kernels.matmul_u8.name : kernels.gemm_f32.name,
          product({s.m, s.k, s.n}) + (s.heads == 1 ? "" : " heads " + std::to_string(s.heads)) +
              (s.b_transposed ? " b transposed" : "")};
}

MathWords describe_math(const KernelTable&, bool, const step::Permute& op) {
  return {kPortable, "to " + product(op.shape)};
}

MathWords describe_math(const KernelTable&, bool, const step::Activation&) {
  return {kPortable, ""};
}

MathWords describe_math(const KernelTable&, bool, const step::Binary& op) {
  return {kPortable, name_of(op.op) + (" " + product(op.shape))};
}

MathWords describe_math(const KernelTable&, bool, const step::ReduceMean& op) {
  return {kPortable, "over " + std::to_string(op.n)};
}

}  // namespace octavo
