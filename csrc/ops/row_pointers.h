// Where the rows of A are: plain matrices and the taps of a convolution.
#pragma once

#include <cstddef>

#include "ops/conv_shape.h"

namespace octavo {

// Rows of a matrix, one segment; written `repeats` times (weights with zero points).
template <class T>
class MatrixRows {
 public:
  MatrixRows(const T* a, size_t lda, size_t repeats) : a_(a), lda_(lda), repeats_(repeats) {}

  void operator()(size_t row, size_t rows, const T** pointers) const {
    for (size_t s = 0; s < repeats_; ++s) {
      for (size_t i = 0; i < rows; ++i) *pointers++ = a_ + (row + i) * lda_;
    }
  }

 private:
  const T* a_;
  size_t lda_;
  size_t repeats_;
};

// What one output pixel of a convolution reads, tap by tap. Output pixels of all images are
// numbered in storage order; a tap outside the image reads the padding row.
template <class T>
class TapRows {
 public:
  // x: NHWC images, advanced to the group's first channel; padding: a row of the padding value.
  TapRows(const ConvShape& shape, Extent2d in, Extent2d out, const T* x, const T* padding,
          size_t repeats)
      : shape_(shape),
        in_(in),
        out_(out),
        x_(x),
        padding_(padding),
        repeats_(repeats),
        taps_(shape.taps()) {}

  // For GEMM: pointers[tap * pixels + i].
  void operator()(size_t pixel, size_t pixels, const T** pointers) const {
    fill(pixel, pixels, pointers, 1, pixels);
    for (size_t i = taps_ * pixels; i < repeats_ * taps_ * pixels; ++i) {
      pointers[i] = pointers[i - taps_ * pixels];
    }
  }

  // For depthwise: pointers[i * taps * repeats + tap].
  void fill_by_pixel(size_t pixel, size_t pixels, const T** pointers) const {
    const size_t stride = taps_ * repeats_;
    fill(pixel, pixels, pointers, stride, 1);
    if (repeats_ == 1) return;
    for (size_t p = 0; p < pixels; ++p) {
      const T** own = pointers + p * stride;
      for (size_t i = taps_; i < stride; ++i) own[i] = own[i - taps_];
    }
  }

 private:
  void fill(size_t pixel, size_t pixels, const T** pointers, size_t pixel_stride,
            size_t tap_stride) const {
    size_t ox = pixel % out_.w;
    size_t oy = pixel / out_.w % out_.h;
    size_t image = pixel / out_.w / out_.h;
    for (size_t i = 0; i < pixels; ++i) {
      fill_pixel(image, oy, ox, pointers + i * pixel_stride, tap_stride);
      if (++ox < out_.w) continue;
      ox = 0;
      if (++oy < out_.h) continue;
      oy = 0;
      ++image;
    }
  }

  void fill_pixel(size_t image, size_t oy, size_t ox, const T** pointers, size_t stride) const {
    const auto c = static_cast<ptrdiff_t>(shape_.in_channels);
    const auto h = static_cast<ptrdiff_t>(in_.h), w = static_cast<ptrdiff_t>(in_.w);
    const auto dh = static_cast<ptrdiff_t>(shape_.dilation_h);
    const auto dw = static_cast<ptrdiff_t>(shape_.dilation_w);
    const auto kh = static_cast<ptrdiff_t>(shape_.kernel_h);
    const auto kw = static_cast<ptrdiff_t>(shape_.kernel_w);
    const ptrdiff_t y0 =
        static_cast<ptrdiff_t>(oy * shape_.stride_h) - static_cast<ptrdiff_t>(shape_.padding.top);
    const ptrdiff_t x0 =
        static_cast<ptrdiff_t>(ox * shape_.stride_w) - static_cast<ptrdiff_t>(shape_.padding.left);
    const T* first = x_ + static_cast<ptrdiff_t>(image) * h * w * c;
    const bool inside = y0 >= 0 && x0 >= 0 && y0 + (kh - 1) * dh < h && x0 + (kw - 1) * dw < w;
    for (ptrdiff_t ky = 0; ky < kh; ++ky) {
      const ptrdiff_t y = y0 + ky * dh;
      const bool row_inside = y >= 0 && y < h;
      for (ptrdiff_t kx = 0; kx < kw; ++kx) {
        const ptrdiff_t x = x0 + kx * dw;
        const bool in_image = inside || (row_inside && x >= 0 && x < w);
        *pointers = in_image ? first + (y * w + x) * c : padding_;
        pointers += stride;
      }
    }
  }

  ConvShape shape_;
  Extent2d in_;
  Extent2d out_;
  const T* x_;
  const T* padding_;
  size_t repeats_;
  size_t taps_;
};

}  // namespace octavo
