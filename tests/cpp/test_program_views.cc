// find_views: which tensors lie in others.
#include <gtest/gtest.h>

#include <vector>

#include "ops/program/views.h"

namespace octavo {
namespace {

class ProgramViews : public ::testing::Test {
 protected:
  TensorId tensor(size_t elements, bool in_arena = true, DType dtype = DType::u8) {
    tensors_.push_back({dtype, elements});
    in_arena_.push_back(in_arena);
    return tensors_.size() - 1;
  }

  void requantize(TensorId x, TensorId y) {
    steps_.push_back({"", {x}, y, step::Requantize{0, 1.0f, {}}});
  }

  void clamp(TensorId x, TensorId y) { steps_.push_back({"", {x}, y, step::Clamp{0, 1}}); }

  void concat(std::vector<TensorId> xs, TensorId y, size_t outer, std::vector<size_t> inner) {
    steps_.push_back({"", std::move(xs), y, step::Concat{outer, std::move(inner)}});
  }

  void slice(TensorId x, TensorId y, size_t rows, size_t cols, ptrdiff_t start, size_t count,
             ptrdiff_t step = 1) {
    steps_.push_back({"", {x}, y, step::Slice{{rows, cols}, {0, start}, {1, step}, {rows, count}}});
  }

  std::vector<View> find() const { return find_views(steps_, tensors_, in_arena_); }

  static void expect_view(const View& view, TensorId base, size_t offset, size_t cols, size_t ld) {
    EXPECT_EQ(view.base, base);
    EXPECT_EQ(view.offset, offset);
    EXPECT_EQ(view.cols, cols);
    EXPECT_EQ(view.ld, ld);
  }

  std::vector<TensorInfo> tensors_;
  std::vector<bool> in_arena_;
  std::vector<Step> steps_;
};

TEST_F(ProgramViews, JoinedTensorsLieInTheResult) {
  const TensorId x = tensor(20, false), a = tensor(20), b = tensor(20), y = tensor(40, false);
  requantize(x, a);
  requantize(x, b);
  concat({a, b}, y, 5, {4, 4});
  const std::vector<View> views = find();
  expect_view(views[a], y, 0, 4, 8);
  expect_view(views[b], y, 4, 4, 8);
  EXPECT_FALSE(views[x].exists());
  EXPECT_FALSE(views[y].exists());
  EXPECT_FALSE(does_nothing(steps_[0], views));
  EXPECT_TRUE(does_nothing(steps_[2], views));
}

TEST_F(ProgramViews, JoinsOfJoinsLieInTheLast) {
  const TensorId x = tensor(10, false), a = tensor(10), b = tensor(10), c = tensor(10);
  const TensorId inner = tensor(20), y = tensor(30);
  requantize(x, a);
  requantize(x, b);
  requantize(x, c);
  concat({a, b}, inner, 5, {2, 2});
  concat({c, inner}, y, 5, {2, 4});
  const std::vector<View> views = find();
  expect_view(views[c], y, 0, 2, 6);
  expect_view(views[inner], y, 2, 4, 6);
  expect_view(views[a], y, 2, 2, 6);
  expect_view(views[b], y, 4, 2, 6);
}

TEST_F(ProgramViews, WhatOthersSeeOrCannotReadIsCopied) {
  const TensorId x = tensor(20, false), seen = tensor(20, false), y = tensor(60);
  const TensorId read = tensor(20), other = tensor(20);
  requantize(x, seen);
  requantize(x, read);
  clamp(read, other);
  concat({x, seen, read}, y, 5, {4, 4, 4});
  const std::vector<View> views = find();
  for (const View& view : views) EXPECT_FALSE(view.exists());
  EXPECT_FALSE(does_nothing(steps_.back(), views));
}

TEST_F(ProgramViews, OneTensorHasOnePlace) {
  const TensorId x = tensor(20, false), a = tensor(20), y = tensor(40), z = tensor(20);
  requantize(x, a);
  concat({a, a}, y, 5, {4, 4});
  requantize(a, z);
  const std::vector<View> views = find();
  expect_view(views[a], y, 0, 4, 8);
  EXPECT_FALSE(does_nothing(steps_[1], views));
}

TEST_F(ProgramViews, SlicesOfColumnsAreReadWhereTheyAre) {
  const TensorId x = tensor(50, false), a = tensor(30), b = tensor(10), c = tensor(25);
  const TensorId read = tensor(10);
  slice(x, a, 5, 10, 2, 6);
  slice(a, b, 5, 6, 3, 2);
  slice(x, c, 5, 10, 0, 5, 2);  // every other column
  requantize(b, read);
  const std::vector<View> views = find();
  expect_view(views[a], x, 2, 6, 10);
  expect_view(views[b], x, 5, 2, 10);
  EXPECT_FALSE(views[c].exists());
  EXPECT_TRUE(does_nothing(steps_[0], views));
  EXPECT_FALSE(does_nothing(steps_[2], views));
}

TEST_F(ProgramViews, RowsOfOneStepMustAgree) {
  // The same elements as 5 rows of 4 where they are read, and as 10 rows of 2 where written.
  const TensorId x = tensor(40, false), a = tensor(20), b = tensor(20), y = tensor(40);
  slice(x, a, 5, 8, 0, 4);
  requantize(a, b);
  concat({b, b}, y, 10, {2, 2});
  const std::vector<View> views = find();
  EXPECT_TRUE(views[a].exists());
  EXPECT_FALSE(views[b].exists());
}

TEST_F(ProgramViews, FloatsAreCopied) {
  const TensorId x = tensor(20, false, DType::f32), a = tensor(20, true, DType::f32);
  const TensorId y = tensor(20, true, DType::f32);
  clamp(x, a);
  concat({a}, y, 5, {4});
  for (const View& view : find()) EXPECT_FALSE(view.exists());
}

}  // namespace
}  // namespace octavo
