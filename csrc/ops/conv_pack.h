// How a convolution's weights are packed: which path it takes, and what its matrices look like.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "ops/conv2d.h"

namespace octavo {

ConvPath choose_path(const ConvShape& shape, const KernelTable& kernels);

// The shape with groups joined as the path wants it, see conv_groups.h.
ConvShape run_shape(const ConvShape& shape, ConvPath path, const KernelTable& kernels);

// Bytes of a kernel row as a segment: whole kr, so that the kernel never handles a tail of k.
size_t window_bytes(const ConvShape& shape, const PanelGeometry& geometry);

// One matrix per group; depthwise: one for all. Groups that the run_shape has joined are packed as
// one.
std::vector<PackedMatrix> pack_conv(const Backend& backend, const Conv2dParams& params,
                                    ConvPath path);

// Throws Error(invalid_argument) unless these are what pack_conv makes of weights of this shape.
void check_packed(const Backend& backend, const ConvShape& shape, ConvPath path,
                  std::span<const PackedMatrix> packed);

}  // namespace octavo
