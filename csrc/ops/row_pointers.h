// Where the rows of A are: plain matrices and the taps of a convolution.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "ops/conv_shape.h"
#include "ops/scratch.h"

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

// Visits the output pixels first .. first + count - 1, numbered in storage order over all images,
// in runs of one output row: visit(image, oy, ox, offset from the first pixel, pixels of the run).
template <class Visit>
void for_each_run(Extent2d out, size_t first, size_t count, const Visit& visit) {
  size_t ox = first % out.w;
  size_t oy = first / out.w % out.h;
  size_t image = first / out.w / out.h;
  for (size_t i = 0; i < count;) {
    const size_t run = std::min(count - i, out.w - ox);
    visit(image, oy, ox, i, run);
    i += run;
    ox = 0;
    if (++oy < out.h) continue;
    oy = 0;
    ++image;
  }
}

// What one output pixel of a convolution reads, kernel row by kernel row, where dilation_w == 1 and
// there is one group: kernel_w neighbouring pixels are contiguous bytes. Windows that cross the
// left or right border are put together in scratch memory; rows outside the image are the padding
// row.
class WindowRows {
 public:
  // window: bytes of a segment, kernel_w * in_channels rounded up to a multiple of kr: the kernel
  // reads that many and multiplies what is too much by zero. padding: `window` bytes of the zero
  // point.
  WindowRows(const ConvShape& shape, Extent2d in, Extent2d out, const uint8_t* x, size_t batch,
             const uint8_t* padding, size_t window, size_t repeats)
      : shape_(shape),
        in_(in),
        out_(out),
        x_(x),
        end_(x + batch * in.h * in.w * shape.in_channels),
        padding_(padding),
        window_(window),
        repeats_(repeats) {}

  // pointers[kernel row * pixels + i]
  void operator()(size_t pixel, size_t pixels, const uint8_t** pointers) const {
    uint8_t* patch = nullptr;
    for_each_run(
        out_, pixel, pixels, [&](size_t image, size_t oy, size_t ox, size_t offset, size_t run) {
          const uint8_t* first = x_ + image * in_.h * in_.w * shape_.in_channels;
          for (size_t ky = 0; ky < shape_.kernel_h; ++ky) {
            // Wraps to a huge number above the image.
            const size_t y = oy * shape_.stride_h + ky * shape_.dilation_h - shape_.padding.top;
            const uint8_t** to = pointers + ky * pixels + offset;
            if (y >= in_.h) {
              std::fill_n(to, run, padding_);
              continue;
            }
            const uint8_t* row = first + y * in_.w * shape_.in_channels;
            if (!fill_row(row, ox, run, to)) {
              if (patch == nullptr) patch = new_patches(pixels);
              patch_row(row, ox, run, to, patch);
            }
          }
        });
    const size_t count = shape_.kernel_h * pixels;
    for (size_t i = count; i < repeats_ * count; ++i) pointers[i] = pointers[i - count];
  }

 private:
  // The windows inside the row; returns whether that was all of them.
  bool fill_row(const uint8_t* row, size_t ox, size_t run, const uint8_t** to) const {
    const size_t left = ox * shape_.stride_w;
    const size_t step = shape_.stride_w * shape_.in_channels;
    // As a number: it may lie outside the input, and is then replaced.
    uintptr_t window =
        reinterpret_cast<uintptr_t>(row) + (left - shape_.padding.left) * shape_.in_channels;
    for (size_t i = 0; i < run; ++i, window += step)
      to[i] = reinterpret_cast<const uint8_t*>(window);
    const size_t last = left + (run - 1) * shape_.stride_w;
    return left >= shape_.padding.left && fits(row, last);
  }

  // Whether the window `column` columns right of the padding's left edge ends in the row, and what
  // the kernel reads after it in the input.
  bool fits(const uint8_t* row, size_t column) const {
    if (column + shape_.kernel_w > shape_.padding.left + in_.w) return false;
    return static_cast<size_t>(end_ - row) >=
           (column - shape_.padding.left) * shape_.in_channels + window_;
  }

  void patch_row(const uint8_t* row, size_t ox, size_t run, const uint8_t** to,
                 uint8_t*& patch) const {
    for (size_t i = 0; i < run; ++i) {
      const size_t column = (ox + i) * shape_.stride_w;
      if (column >= shape_.padding.left && fits(row, column)) continue;
      const ptrdiff_t x = static_cast<ptrdiff_t>(column) - before();
      const ptrdiff_t begin = std::clamp<ptrdiff_t>(-x, 0, kernel_w());
      const ptrdiff_t end = std::clamp<ptrdiff_t>(width() - x, begin, kernel_w());
      std::memcpy(patch, padding_, window_);
      if (begin < end) {
        std::memcpy(patch + begin * channels(), row + (x + begin) * channels(),
                    static_cast<size_t>((end - begin) * channels()));
      }
      to[i] = patch;
      patch += window_;
    }
  }

  uint8_t* new_patches(size_t pixels) const {
    return scratch<uint8_t>(Scratch::padded_image, pixels * shape_.kernel_h * window_);
  }

  ptrdiff_t channels() const { return static_cast<ptrdiff_t>(shape_.in_channels); }
  ptrdiff_t kernel_w() const { return static_cast<ptrdiff_t>(shape_.kernel_w); }
  ptrdiff_t width() const { return static_cast<ptrdiff_t>(in_.w); }
  ptrdiff_t before() const { return static_cast<ptrdiff_t>(shape_.padding.left); }

  ConvShape shape_;
  Extent2d in_;
  Extent2d out_;
  const uint8_t* x_;
  const uint8_t* end_;
  const uint8_t* padding_;
  size_t window_;
  size_t repeats_;
};

// What one output pixel of a convolution reads, tap by tap. Output pixels of all images are
// numbered in storage order; a tap outside the image reads the padding row.
template <class T>
class TapRows {
 public:
  // x: NHWC images, advanced to the group's first channel, `pixel_stride` elements from pixel to
  // pixel; padding: a row of the padding value.
  TapRows(const ConvShape& shape, Extent2d in, Extent2d out, const T* x, size_t pixel_stride,
          const T* padding, size_t repeats)
      : shape_(shape),
        in_(in),
        out_(out),
        x_(x),
        pixel_stride_(pixel_stride),
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

  // For depthwise in float: pointers[i * taps + tap].
  void fill_by_pixel(size_t pixel, size_t pixels, const T** pointers) const {
    fill(pixel, pixels, pointers, taps_, 1);
  }

 private:
  void fill(size_t pixel, size_t pixels, const T** pointers, size_t pixel_stride,
            size_t tap_stride) const {
    for_each_run(out_, pixel, pixels,
                 [&](size_t image, size_t oy, size_t ox, size_t offset, size_t run) {
                   for (size_t t = 0; t < taps_; ++t) {
                     fill_tap(image, oy, ox, t, run,
                              pointers + offset * pixel_stride + t * tap_stride, pixel_stride);
                   }
                 });
  }

  // One tap of `run` neighbouring pixels.
  void fill_tap(size_t image, size_t oy, size_t ox, size_t tap, size_t run, const T** pointers,
                size_t stride) const {
    // Both wrap to huge numbers above and left of the image.
    const size_t y =
        oy * shape_.stride_h + tap / shape_.kernel_w * shape_.dilation_h - shape_.padding.top;
    size_t x =
        ox * shape_.stride_w + tap % shape_.kernel_w * shape_.dilation_w - shape_.padding.left;
    const T* row = x_ + (image * in_.h + (y < in_.h ? y : 0)) * in_.w * pixel_stride_;
    const size_t width = y < in_.h ? in_.w : 0;
    for (size_t i = 0; i < run; ++i, x += shape_.stride_w) {
      pointers[i * stride] = x < width ? row + x * pixel_stride_ : padding_;
    }
  }

  ConvShape shape_;
  Extent2d in_;
  Extent2d out_;
  const T* x_;
  size_t pixel_stride_;
  const T* padding_;
  size_t repeats_;
  size_t taps_;
};

}  // namespace octavo
