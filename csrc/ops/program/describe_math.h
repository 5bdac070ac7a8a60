// The steps of step_math.h in words.
#pragma once

#include <string>

#include "kernels/contract.h"
#include "ops/program/step_math.h"

namespace octavo {

struct MathWords {
  std::string kernel;  // "portable" where there is none
  std::string detail;
};

MathWords describe_math(const KernelTable& kernels, bool is_u8, const step::Lookup& op);
MathWords describe_math(const KernelTable& kernels, bool is_u8, const step::SoftmaxU8& op);
MathWords describe_math(const KernelTable& kernels, bool is_u8, const step::LayerNorm& op);
MathWords describe_math(const KernelTable& kernels, bool is_u8, const step::Mul& op);
MathWords describe_math(const KernelTable& kernels, bool is_u8, const step::MatMul& op);
MathWords describe_math(const KernelTable& kernels, bool is_u8, const step::Permute& op);
MathWords describe_math(const KernelTable& kernels, bool is_u8, const step::Activation& op);
MathWords describe_math(const KernelTable& kernels, bool is_u8, const step::Binary& op);
MathWords describe_math(const KernelTable& kernels, bool is_u8, const step::ReduceMean& op);

}  // namespace octavo
